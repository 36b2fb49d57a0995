/** KPI definitions to models: a table per source, the wide view over them, why values are missing, the definitions. */
import { type AliasableExpression, type Expression, type SqlBool, sql } from "kysely";
import { format } from "sql-formatter";
import type { Book } from "../config/book.ts";
import type { KpiDefinition } from "../config/kpi.ts";
import type { Model } from "../models/model.ts";
import { builder, compile } from "../warehouse/compiler.ts";
import { literal } from "../warehouse/literal.ts";
import { type Group, groupKpis } from "./columns.ts";
import { factWindow, occurredOn } from "./facts.ts";
import type { AnyBuilder } from "./filter.ts";
import { type AnyQuery, withSteps } from "./pieces.ts";
import { usageFeed, usageWindow, userFeed } from "./usage.ts";

/**
 * The models of a book's KPIs:
 * - features.usage_window, features.<entity>_window: raw measures per row of spine.account_snapshot;
 * - features.usage, features.<entity>: the same with null rules and caps applied, as doubles, one column a KPI;
 * - features.feed_gap: how long each feed was silent in a look-back;
 * - features.account_kpi (view), features.kpi_why_null, features.kpi_definition.
 */
export function featureNodes(kpis: readonly KpiDefinition[], book: Book): readonly Model[] {
  const groups = groupKpis(kpis, book);
  const windows = groups.map(windowModel);
  const needsUsers = kpis.some(countsUsers);
  const gaps = feedGapModel(groups);
  return [
    ...windows,
    ...(groups.some((group) => group.name === "usage" && group.kpis.some(feedOf)) ? [usageFeed] : []),
    ...(needsUsers ? [userFeed] : []),
    ...(gaps === undefined ? [] : [gaps]),
    ...groups.map(groupModel),
    accountKpiView(kpis, groups),
    whyNullModel(groups),
    definitionModel(kpis, book),
  ];
}

const windowModel = (group: Group): Model => (group.name === "usage" ? usageWindow(group) : factWindow(group));

/** Different users can be counted only where usage names its users. */
const countsUsers = (kpi: KpiDefinition): boolean => kpi.entity === "usage_event" && kpi.measure === "distinct";

/** The look-back in which a KPI's feed must have been alive, and the silence that breaks it. */
function feedOf(kpi: KpiDefinition): { readonly lookback: number; readonly gap: number } | undefined {
  const gap = kpi.null_rule.feed_gap_days;
  return gap === null ? undefined : { lookback: Math.max(kpi.window_days ?? gap, gap), gap };
}

const gapAlias = (lookback: number): string => `gap_${lookback}`;

const lookbacks = (group: Group): readonly number[] => [
  ...new Set(group.kpis.flatMap((kpi) => feedOf(kpi)?.lookback ?? [])),
];

/**
 * features.feed_gap: per snapshot, entity and look-back L the longest run of days in [s - L, s) about which the feed had
 * said nothing by s, for any account. A look-back without any row is one run of L days.
 */
function feedGapModel(groups: readonly Group[]): Model | undefined {
  const parts = groups.flatMap((group) => {
    const days =
      group.name === "usage"
        ? builder.selectFrom("features.usage_feed").select(["activity_date", "visible_on"])
        : builder
            .selectFrom(`staging.${group.entity.id}`)
            .select((eb: AnyBuilder) => [
              occurredOn(eb, group).as("activity_date"),
              eb.fn.min("visible_on").as("visible_on"),
            ])
            .groupBy((eb: AnyBuilder) => occurredOn(eb, group));
    return lookbacks(group).map((lookback) => gapQuery(group.entity.id, days, lookback));
  });
  const [first, ...rest] = parts;
  if (first === undefined) return undefined;
  const fed = groups.filter((group) => lookbacks(group).length > 0);
  return {
    kind: "table",
    name: "features.feed_gap",
    grain: ["entity", "lookback_days", "snapshot_date"],
    depends: [
      "spine.snapshot",
      ...fed.map((group) => (group.name === "usage" ? "features.usage_feed" : `staging.${group.entity.id}`)),
    ],
    params: [],
    audits: [],
    portable: false,
    sql: compile(rest.reduce((union, part) => union.unionAll(part), first)),
  };
}

function gapQuery(entity: string, days: AnyQuery, lookback: number): AnyQuery {
  const heard = builder
    .selectFrom("spine.snapshot as calendar")
    .innerJoin(days.as("feed"), (join) =>
      join
        .onRef("feed.visible_on", "<=", "calendar.snapshot_date")
        .onRef("feed.activity_date", "<", "calendar.snapshot_date")
        .on((eb: AnyBuilder) => eb("feed.activity_date", ">=", eb("calendar.snapshot_date", "-", lookback))),
    )
    .select([
      "calendar.snapshot_date",
      "feed.activity_date",
      sql`lag(feed.activity_date) over (partition by calendar.snapshot_date order by feed.activity_date)`.as(
        "previous_date",
      ),
    ]);
  const silence = builder
    .selectFrom(heard.as("heard"))
    .select((eb: AnyBuilder) => [
      "snapshot_date",
      eb.fn
        .max(
          eb(eb("activity_date", "-", eb.fn.coalesce("previous_date", eb("snapshot_date", "-", lookback + 1))), "-", 1),
        )
        .as("before"),
      eb.fn.max("activity_date").as("last_date"),
    ])
    .groupBy("snapshot_date");
  return builder
    .selectFrom("spine.snapshot as calendar")
    .leftJoin(silence.as("silence"), "silence.snapshot_date", "calendar.snapshot_date")
    .select((eb: AnyBuilder) => [
      eb.cast(eb.val(entity), "varchar").as("entity"),
      eb.cast(eb.val(lookback), "integer").as("lookback_days"),
      "calendar.snapshot_date",
      eb
        .cast(
          eb.fn.coalesce(
            eb.fn("greatest", [
              eb.ref("silence.before"),
              eb(eb("calendar.snapshot_date", "-", eb.ref("silence.last_date")), "-", 1),
            ]),
            eb.val(lookback),
          ),
          "integer",
        )
        .as("gap_days"),
    ]);
}

/** The raw measures beside what decides whether they are values: tenure, and the silence of the feed. */
function ruled(group: Group): AnyQuery {
  let query: AnyQuery = builder
    .selectFrom("spine.account_snapshot as row")
    .innerJoin(`features.${group.name}_window as raw`, (join) =>
      join.onRef("raw.account_id", "=", "row.account_id").onRef("raw.snapshot_date", "=", "row.snapshot_date"),
    );
  for (const lookback of lookbacks(group)) {
    const alias = gapAlias(lookback);
    query = query.leftJoin(`features.feed_gap as ${alias}`, (join) =>
      join
        .onRef(`${alias}.snapshot_date`, "=", "row.snapshot_date")
        .on(`${alias}.entity`, "=", group.entity.id)
        .on(`${alias}.lookback_days`, "=", lookback),
    );
  }
  return group.kpis.some(countsUsers) ? query.crossJoin("features.user_feed as users") : query;
}

/** A KPI's raw measure before any rule: 0 or null where there is no row. */
const rawValue = (eb: AnyBuilder, kpi: KpiDefinition): Expression<unknown> => eb.ref(`raw.${kpi.id}`);

/** Why the KPI has no value in a row of {@link ruled}; null when it has one. The order is that of the null rules in docs/kpis.md. */
function whyExpression(eb: AnyBuilder, kpi: KpiDefinition): AliasableExpression<unknown> {
  const cases: (readonly [Expression<SqlBool>, string])[] = [];
  const { null_rule: rule, window_days: window } = kpi;
  if (rule.tenure === "whole_window" && window !== null) {
    cases.push([eb("row.tenure_days", "<", window), "not_yet"]);
  }
  const feed = feedOf(kpi);
  if (feed !== undefined) cases.push([eb(`${gapAlias(feed.lookback)}.gap_days`, ">=", feed.gap), "feed_broken"]);
  if (countsUsers(kpi)) {
    cases.push([
      eb.or([eb("users.visible_on", "is", null), eb("users.visible_on", ">", eb.ref("row.snapshot_date"))]),
      "not_applicable",
    ]);
  }
  if (kpi.measure === "latest") {
    if (rule.no_rows !== "zero") cases.push([eb(`raw.${kpi.id}__rows`, "=", 0), rule.no_rows]);
    cases.push([eb.and([eb(rawValue(eb, kpi), "is", null), eb(`raw.${kpi.id}__rows`, ">", 0)]), rule.no_value]);
  } else if (rule.no_rows !== "zero") {
    if (kpi.measure === "days_since") {
      const outside = eb(rawValue(eb, kpi), "is", null);
      cases.push([window === null ? outside : eb.or([outside, eb(rawValue(eb, kpi), ">", window)]), rule.no_rows]);
    } else {
      const counted = kpi.measure === "sum" ? eb.ref(`raw.${kpi.id}__rows`) : rawValue(eb, kpi);
      cases.push([eb(counted, "=", 0), rule.no_rows]);
    }
  }
  const [first, ...rest] = cases;
  if (first === undefined) return eb.cast(eb.val(null), "varchar");
  let chain = eb.case().when(first[0]).then(first[1]);
  for (const [condition, why] of rest) chain = chain.when(condition).then(why);
  return chain.end();
}

/** The value under its rules: null for a reason, otherwise a finite double. */
function valueExpression(eb: AnyBuilder, kpi: KpiDefinition): AliasableExpression<unknown> {
  const raw = eb.fn("coalesce", [rawValue(eb, kpi), eb.val(0)]);
  const capped = kpi.cap === undefined ? raw : eb.fn("least", [raw, eb.val(kpi.cap)]);
  const value = eb.cast(capped, "double precision");
  return eb
    .case()
    .when(eb.and([eb(whyExpression(eb, kpi), "is", null), eb.fn<SqlBool>("isfinite", [value])]))
    .then(value)
    .end();
}

/** features.<group>: a row for every row of spine.account_snapshot, one double a KPI. */
function groupModel(group: Group): Model {
  const name = `features.${group.name}`;
  const query = ruled(group)
    .select((eb: AnyBuilder) => [
      "row.account_id",
      "row.snapshot_date",
      ...group.kpis.map((kpi) => valueExpression(eb, kpi).as(kpi.id)),
    ])
    .orderBy("row.account_id")
    .orderBy("row.snapshot_date");
  return {
    kind: "table",
    name,
    grain: ["account_id", "snapshot_date"],
    depends: ruledDepends(group),
    params: [],
    audits: [
      {
        name: "unique(account_id, snapshot_date)",
        sql: `select account_id, snapshot_date, count(*) as n from ${name} group by account_id, snapshot_date having count(*) > 1`,
        blocking: true,
      },
      {
        name: "every_row_of(spine.account_snapshot)",
        sql: `select account_id, snapshot_date from spine.account_snapshot except all select account_id, snapshot_date from ${name}`,
        blocking: true,
      },
    ],
    portable: false,
    sql: compile(query),
  };
}

const ruledDepends = (group: Group): readonly string[] => [
  "spine.account_snapshot",
  `features.${group.name}_window`,
  ...(lookbacks(group).length > 0 ? ["features.feed_gap"] : []),
  ...(group.kpis.some(countsUsers) ? ["features.user_feed"] : []),
];

/** features.account_kpi: all KPIs side by side, in the order of the book; a view over the group tables. */
function accountKpiView(kpis: readonly KpiDefinition[], groups: readonly Group[]): Model {
  let query: AnyQuery = builder.selectFrom("spine.account_snapshot as row");
  for (const [i, group] of groups.entries()) {
    query = query.leftJoin(`features.${group.name} as group_${i}`, (join) =>
      join
        .onRef(`group_${i}.account_id`, "=", "row.account_id")
        .onRef(`group_${i}.snapshot_date`, "=", "row.snapshot_date"),
    );
  }
  const groupOf = new Map(groups.flatMap((group, i) => group.kpis.map((kpi) => [kpi.id, `group_${i}`])));
  return {
    kind: "view",
    name: "features.account_kpi",
    grain: ["account_id", "snapshot_date"],
    depends: ["spine.account_snapshot", ...groups.map((group) => `features.${group.name}`)],
    params: [],
    audits: [],
    portable: false,
    sql: compile(
      query.select((eb: AnyBuilder) => [
        "row.account_id",
        "row.snapshot_date",
        ...kpis.map((kpi) => eb.ref(`${groupOf.get(kpi.id)}.${kpi.id}`).as(kpi.id)),
      ]),
    ),
  };
}

/** features.kpi_why_null: one row for every value that is missing in features.account_kpi. */
function whyNullModel(groups: readonly Group[]): Model {
  const steps = groups.map((group): readonly [string, AnyQuery] => [
    `${group.name}_why`,
    ruled(group).select((eb: AnyBuilder) => [
      "row.account_id",
      "row.snapshot_date",
      ...group.kpis.map((kpi) => whyExpression(eb, kpi).as(kpi.id)),
    ]),
  ]);
  const parts = groups.flatMap((group) =>
    group.kpis.map((kpi) =>
      builder
        .selectFrom(`${group.name}_why`)
        .select((eb: AnyBuilder) => [
          "account_id",
          "snapshot_date",
          eb.cast(eb.val(kpi.id), "varchar").as("kpi"),
          eb.ref(kpi.id).as("why"),
        ])
        .where(kpi.id, "is not", null),
    ),
  );
  const none = builder
    .selectFrom("spine.account_snapshot as row")
    .select((eb: AnyBuilder) => [
      "row.account_id",
      "row.snapshot_date",
      eb.cast(eb.val(null), "varchar").as("kpi"),
      eb.cast(eb.val(null), "varchar").as("why"),
    ])
    .where((eb: AnyBuilder) => eb.val(false));
  const [first = none, ...rest] = parts as AnyQuery[];
  return {
    kind: "table",
    name: "features.kpi_why_null",
    grain: ["account_id", "snapshot_date", "kpi"],
    depends: [...new Set(["spine.account_snapshot", ...groups.flatMap(ruledDepends)])],
    params: [],
    audits: [],
    portable: false,
    sql: compile(
      withSteps([...steps, ["missing", rest.reduce((union, part) => union.unionAll(part), first)]], (from) =>
        from.selectFrom("missing").select(["account_id", "snapshot_date", "kpi", "why"]),
      ),
    ),
  };
}

const definitionColumns = [
  ["kpi_no", "integer"],
  ["id", "varchar"],
  ["label", "varchar"],
  ["description", "varchar"],
  ["unit", "varchar"],
  ["factor", "varchar"],
  ["kind", "varchar"],
  ["side", "varchar"],
  ["stage", "varchar"],
  ["healthier", "varchar"],
  ["says_less", "varchar"],
  ["says_more", "varchar"],
  ["version", "integer"],
  ["window_days", "integer"],
  ["measure", "varchar"],
  ["entity", "varchar"],
  ["feature_table", "varchar"],
  ["sql", "varchar"],
] as const;

/** features.kpi_definition: one row a KPI, in the order of the book; `sql` is the statement that would compute it alone. */
function definitionModel(kpis: readonly KpiDefinition[], book: Book): Model {
  const rows = kpis.map((kpi, i) => {
    const [group] = groupKpis([kpi], book) as [Group];
    const values = [
      i + 1,
      kpi.id,
      kpi.label,
      kpi.description,
      kpi.unit,
      kpi.factor,
      kpi.kind,
      kpi.side,
      kpi.stage ?? null,
      kpi.healthier,
      kpi.says.less,
      kpi.says.more,
      kpi.version,
      kpi.window_days,
      kpi.measure,
      kpi.entity,
      `features.${group.name}`,
      format(windowModel(group).sql, { language: "duckdb", keywordCase: "preserve" }),
    ];
    return `(${values.map(literal).join(", ")})`;
  });
  const columns = definitionColumns.map(([name, type]) => `cast(${name} as ${type}) as ${name}`).join(", ");
  const names = definitionColumns.map(([name]) => name).join(", ");
  const empty = `(${definitionColumns.map(() => "null").join(", ")})`;
  return {
    kind: "table",
    name: "features.kpi_definition",
    grain: ["id"],
    depends: [],
    params: [],
    audits: [],
    portable: false,
    sql: `select ${columns}\nfrom (values ${rows.length > 0 ? rows.join(",\n") : empty}) as t (${names})\nwhere id is not null\norder by kpi_no`,
  };
}
