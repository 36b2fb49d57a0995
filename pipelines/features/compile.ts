/** KPI definitions to models: a table per source, the wide view over them, why values are missing, the definitions. */
import { sql } from "kysely";
import { format } from "sql-formatter";
import { type Book, usageIsReplaced } from "../config/book.ts";
import { basesOf, type KpiDefinition } from "../config/kpi.ts";
import type { Model } from "../models/model.ts";
import { builder, compile } from "../warehouse/compiler.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import { type Group, groupKpis, isUsage, tableOf } from "./columns.ts";
import { derivedAlone, derivedModels, isDerived } from "./derived.ts";
import { factWindow, occurredOn } from "./facts.ts";
import type { AnyBuilder } from "./filter.ts";
import { accountMilestone } from "./milestone.ts";
import { type AnyQuery, withSteps } from "./pieces.ts";
import { usageFeed, usageWindow, userFeed } from "./usage.ts";
import { readsUsers } from "./usage-filter.ts";
import { userState } from "./user-state.ts";
import {
  accountCreated,
  countsFromCreation,
  feedOf,
  lookbacks,
  missingRows,
  ruled,
  ruledDepends,
  ruledReads,
  valueExpression,
  whyExpression,
} from "./values.ts";

/**
 * The models of a book's KPIs, and of the `inputs` that some of them read without being the book's:
 * - features.usage_window, features.usage_ever_window, features.<entity>_window: raw measures per row of spine.account_snapshot;
 * - features.usage, features.usage_ever, features.<entity>: the same with null rules and caps applied, as doubles, one column a KPI;
 * - features.derived_window, features.derived: KPIs of KPIs, with the reason of what is missing, and without;
 * - features.feed_gap: how long each feed was silent in a look-back; features.user_state, features.account_created;
 * - features.account_kpi (view), features.kpi_why_null, features.kpi_definition, features.kpi_source, for the book's KPIs alone;
 * - features.account_milestone.
 */
export function featureNodes(
  kpis: readonly KpiDefinition[],
  book: Book,
  inputs: readonly KpiDefinition[] = [],
): readonly Model[] {
  const all = [...kpis, ...inputs];
  const groups = groupKpis(all, book);
  const gaps = feedGapModel(groups);
  const users = userState(all);
  return [
    ...groups.map((group) => windowModel(group, usageIsReplaced(book))),
    ...(groups.some((group) => isUsage(group) && group.kpis.some(feedOf)) ? [usageFeed] : []),
    ...(all.some(readsUsers) ? [userFeed] : []),
    ...(users === undefined ? [] : [users]),
    ...(all.some(countsFromCreation) ? [accountCreated] : []),
    ...(gaps === undefined ? [] : [gaps]),
    ...groups.map(groupModel),
    ...derivedModels(all, groups),
    accountKpiView(kpis, groups),
    whyNullModel(kpis, groups),
    definitionModel(kpis, all, book),
    sourceModel(kpis, all),
    accountMilestone,
  ];
}

const windowModel = (group: Group, isReplaced: boolean): Model =>
  isUsage(group) ? usageWindow(group, isReplaced) : factWindow(group);

/**
 * features.feed_gap: per snapshot, entity and look-back L the longest run of days in [s - L, s) about which the feed had
 * said nothing by s, for any account. A look-back without any row is one run of L days.
 */
function feedGapModel(groups: readonly Group[]): Model | undefined {
  const parts = groups.flatMap((group) => {
    const days = isUsage(group)
      ? builder.selectFrom("features.usage_feed").select(["activity_date", "visible_on"])
      : builder
          .selectFrom(`staging.${group.entity.id}`)
          .select((eb: AnyBuilder) => [
            occurredOn(eb, group).as("activity_date"),
            eb.fn.min("visible_on").as("visible_on"),
          ])
          .groupBy((eb: AnyBuilder) => occurredOn(eb, group));
    const before = groups.slice(0, groups.indexOf(group)).filter(({ entity }) => entity === group.entity);
    return lookbacks(group)
      .filter((lookback) => !before.some((other) => lookbacks(other).includes(lookback)))
      .map((lookback) => gapQuery(group.entity.id, days, lookback));
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
      ...fed.map((group) => (isUsage(group) ? "features.usage_feed" : `staging.${group.entity.id}`)),
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
        sql: missingRows(name),
        blocking: true,
      },
    ],
    portable: false,
    sql: compile(query),
    reads: ruledReads([group]),
  };
}

/** features.account_kpi: all KPIs side by side, in the order of the book; a view over the group tables. */
function accountKpiView(kpis: readonly KpiDefinition[], groups: readonly Group[]): Model {
  let query: AnyQuery = builder.selectFrom("spine.account_snapshot as row");
  const tables: readonly { readonly name: string; readonly kpis: readonly KpiDefinition[] }[] = [
    ...groups,
    { name: "derived", kpis: kpis.filter(isDerived) },
  ].filter((table) => table.kpis.some((kpi) => kpis.includes(kpi)));
  for (const [i, table] of tables.entries()) {
    query = query.leftJoin(`features.${table.name} as group_${i}`, (join) =>
      join
        .onRef(`group_${i}.account_id`, "=", "row.account_id")
        .onRef(`group_${i}.snapshot_date`, "=", "row.snapshot_date"),
    );
  }
  const groupOf = new Map(tables.flatMap((table, i) => table.kpis.map((kpi) => [kpi.id, `group_${i}`])));
  return {
    kind: "view",
    name: "features.account_kpi",
    grain: ["account_id", "snapshot_date"],
    depends: ["spine.account_snapshot", ...tables.map((table) => `features.${table.name}`)],
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
function whyNullModel(kpis: readonly KpiDefinition[], groups: readonly Group[]): Model {
  const listed = groups
    .map((group) => ({ ...group, kpis: group.kpis.filter((kpi) => kpis.includes(kpi)) }))
    .filter((group) => group.kpis.length > 0);
  const steps = listed.map((group): readonly [string, AnyQuery] => [
    `${group.name}_why`,
    ruled(group).select((eb: AnyBuilder) => [
      "row.account_id",
      "row.snapshot_date",
      ...group.kpis.map((kpi) => whyExpression(eb, kpi).as(kpi.id)),
    ]),
  ]);
  const derived = kpis.filter(isDerived);
  const reasons = [
    ...listed.flatMap((group) => group.kpis.map(({ id }) => ({ id, table: `${group.name}_why`, why: id }))),
    ...derived.map(({ id }) => ({ id, table: "features.derived_window", why: `${id}__why` })),
  ];
  const parts = reasons.map(({ id, table, why }) =>
    builder
      .selectFrom(table)
      .select((eb: AnyBuilder) => [
        "account_id",
        "snapshot_date",
        eb.cast(eb.val(id), "varchar").as("kpi"),
        eb.ref(why).as("why"),
      ])
      .where(why, "is not", null),
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
    depends: [
      ...new Set([
        "spine.account_snapshot",
        ...listed.flatMap(ruledDepends),
        ...(derived.length > 0 ? ["features.derived_window"] : []),
      ]),
    ],
    params: [],
    audits: [],
    portable: false,
    sql: compile(
      withSteps([...steps, ["missing", rest.reduce((union, part) => union.unionAll(part), first)]], (from) =>
        from.selectFrom("missing").select(["account_id", "snapshot_date", "kpi", "why"]),
      ),
    ),
    reads: ruledReads(listed),
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
  ["of", "varchar"],
  ["baseline_days", "integer"],
  ["target_days", "integer"],
  ["formula", "varchar"],
] as const;

/** The statement that computes one KPI alone. `known`: at least the KPIs that it reads. */
export const kpiStatement = (kpi: KpiDefinition, book: Book, known: readonly KpiDefinition[] = []): string =>
  isDerived(kpi) ? derivedAlone(kpi, known) : compile(alone(kpi, book));

/** features.kpi_definition: one row a KPI, in the order of the book; `sql` is the statement that would compute it alone. */
function definitionModel(kpis: readonly KpiDefinition[], all: readonly KpiDefinition[], book: Book): Model {
  const rows = kpis.map((kpi, i) => {
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
      tableOf(kpi),
      format(kpiStatement(kpi, book, all), { language: "duckdb", keywordCase: "preserve" }),
      kpi.of ?? null,
      kpi.baseline_days ?? null,
      kpi.target_days ?? null,
      formulaOf(kpi),
    ];
    return `(${values.map(literal).join(", ")})`;
  });
  const quoted = definitionColumns.map(([name, type]) => [quoteIdentifier(name), type] as const);
  const columns = quoted.map(([name, type]) => `cast(${name} as ${type}) as ${name}`).join(", ");
  const names = quoted.map(([name]) => name).join(", ");
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

/** What a KPI of KPIs is made of, as text: `100 * a / b`; null for the others. */
function formulaOf(kpi: KpiDefinition): string | null {
  if (kpi.measure === "expression") return kpi.expression as string;
  if (kpi.measure !== "ratio") return null;
  return `${kpi.times === 1 ? "" : `${kpi.times} * `}${kpi.numerator} / ${kpi.denominator}`;
}

/** A base KPI's values in one statement, from rows to rules; only features.feed_gap and its like are looked up. */
function alone(kpi: KpiDefinition, book: Book): AnyQuery {
  const [group] = groupKpis([kpi], book) as [Group];
  // biome-ignore lint/suspicious/noExplicitAny: a compiled statement as a step has no type for the builder.
  const from: any = builder.with(
    "measured",
    () => sql`(${sql.raw(windowModel(group, usageIsReplaced(book)).sql)})` as never,
  );
  return ruled(group, "measured", from)
    .select((eb: AnyBuilder) => ["row.account_id", "row.snapshot_date", valueExpression(eb, kpi).as(kpi.id)])
    .orderBy("row.account_id")
    .orderBy("row.snapshot_date");
}

/** features.kpi_source: the entities whose rows a KPI counts, through the KPIs that it is made of. */
function sourceModel(kpis: readonly KpiDefinition[], all: readonly KpiDefinition[]): Model {
  const known = new Map(all.map((kpi) => [kpi.id, kpi]));
  const rows = kpis.flatMap((kpi) => {
    const entities = basesOf(kpi, known).flatMap((base) => [
      base.entity as string,
      ...(base.users === undefined ? [] : ["user"]),
    ]);
    return [...new Set(entities)].sort().map((entity) => `(${literal(kpi.id)}, ${literal(entity)})`);
  });
  return {
    kind: "table",
    name: "features.kpi_source",
    grain: ["kpi", "entity"],
    depends: [],
    params: [],
    audits: [],
    portable: false,
    sql: `select cast(kpi as varchar) as kpi, cast(entity as varchar) as entity
from (values ${rows.length > 0 ? rows.join(", ") : "(null, null)"}) as t (kpi, entity)
where kpi is not null
order by kpi, entity`,
  };
}
