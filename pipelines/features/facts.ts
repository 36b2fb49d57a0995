/** KPIs over what is not event-sized: tickets, surveys, ratings, engagements, subscriptions, accounts, ... */
import { type AliasableExpression, type Expression, sql } from "kysely";
import type { KpiDefinition } from "../config/kpi.ts";
import type { Model } from "../models/model.ts";
import { builder, compile } from "../warehouse/compiler.ts";
import type { Group, KpiColumn } from "./columns.ts";
import { type AnyBuilder, filterSql } from "./filter.ts";
import {
  type AnyQuery,
  accumulate,
  addDays,
  joinSeenFrom,
  joinSeenUntil,
  never,
  type Pieces,
  type Steps,
  seenUntil,
  unionOfIntervals,
  untilName,
  type WindowColumn,
  withSteps,
} from "./pieces.ts";

const columnTypes: Readonly<
  Record<KpiColumn["type"], "varchar" | "bigint" | "decimal(18, 6)" | "boolean" | "date" | "timestamp">
> = {
  text: "varchar",
  integer: "bigint",
  number: "decimal(18, 6)",
  money: "bigint",
  boolean: "boolean",
  date: "date",
  time: "timestamp",
};

/** The day that a row is about: the earliest of its event columns; without any, the day before it became visible. */
export function occurredOn(eb: AnyBuilder, group: Group): AliasableExpression<unknown> {
  const days = group.entity.eventColumns.map((name) => eb.cast(eb.ref(name), "date"));
  const known = eb("visible_on", "-", 1);
  if (days.length === 0) return known;
  return eb.fn("coalesce", [days.length === 1 ? (days[0] as Expression<unknown>) : eb.fn("least", days), known]);
}

/** When a row counts as said, to the microsecond: what `latest` orders by. */
function orderedAt(eb: AnyBuilder, group: Group, kpi: KpiDefinition): AliasableExpression<unknown> {
  const datedBy = kpi.value === undefined ? undefined : group.columns.get(kpi.value.column)?.datedBy;
  const names = datedBy === undefined ? group.entity.eventColumns : [datedBy];
  const stateOrUndated = names.length === 0 || group.entity.kind === "state";
  const times = (stateOrUndated ? ["visible_on"] : names).map((name) => eb.cast(eb.ref(name), "timestamp"));
  return times.length === 1 ? (times[0] as AliasableExpression<unknown>) : eb.fn("least", times);
}

/** The columns that the group's KPIs read, and the date columns that hide some of them until their day. */
function readColumns(group: Group): { readonly all: readonly KpiColumn[]; readonly daters: readonly string[] } {
  const names = new Set<string>(group.entity.eventColumns);
  for (const kpi of group.kpis) {
    for (const name of Object.keys(kpi.filter)) names.add(name);
    if (kpi.value !== undefined) names.add(kpi.value.column);
  }
  const daters = new Set<string>();
  for (const name of [...names]) {
    const datedBy = group.columns.get(name)?.datedBy;
    // The event columns place a row in time through visible_on; only what a KPI reads needs hiding.
    if (datedBy === undefined) continue;
    daters.add(datedBy);
    names.add(datedBy);
  }
  return {
    all: [...names].filter((name) => name !== "account_id").map((name) => group.columns.get(name) as KpiColumn),
    daters: [...daters],
  };
}

/**
 * features.<entity>_window: per row of spine.account_snapshot one raw column a KPI. Where `latest` and `days_since` find
 * nothing it is null, and `<kpi>__rows` counts the rows that were looked at.
 */
export function factWindow(group: Group): Model {
  const { all, daters } = readColumns(group);
  const table = `staging.${group.entity.id}`;
  const windows = [...new Set(group.kpis.map((kpi) => kpi.window_days))];
  const bounded = windows.filter((window) => window !== null);

  const known = builder
    .selectFrom(table)
    .select((eb: AnyBuilder) => [
      "account_id",
      ...all.map((column) => column.name),
      "visible_on",
      occurredOn(eb, group).as("occurred_on"),
      eb.ref("visible_on").as("from_on"),
      eb.fn.coalesce("superseded_on", eb.val(never)).as("until_on"),
    ])
    .where("account_id", "is not", null);
  const steps: (readonly [string, AnyQuery])[] = [["known", known]];
  let last = "known";
  for (const dater of daters) {
    steps.push([`${dater}_split`, splitLife(last, dater, all)]);
    last = `${dater}_split`;
  }
  steps.push(["seen", seenRows(last, all, bounded)]);

  const columns: WindowColumn[] = [];
  const pieces: Pieces[] = [];
  const lookups: KpiDefinition[] = [];
  for (const kpi of group.kpis) {
    const until = untilName(kpi.window_days);
    const amount = (n: (eb: AnyBuilder) => Expression<unknown>) => (eb: AnyBuilder) => {
      const filter = filterSql(eb, kpi, group.columns);
      return filter === undefined ? n(eb) : eb.case().when(filter).then(n(eb)).else(eb.val(0)).end();
    };
    switch (kpi.measure) {
      case "count":
      case "sum": {
        const value = kpi.measure === "sum" ? (kpi.value?.column as string) : undefined;
        columns.push({ name: kpi.id, kind: "sum", type: value === undefined ? "bigint" : "decimal(38, 6)" });
        const amounts = new Map([
          [kpi.id, amount((eb) => (value === undefined ? eb.val(1) : eb.cast(eb.ref(value), "decimal(38, 6)")))],
        ]);
        if (value !== undefined && kpi.null_rule.no_rows !== "zero") {
          columns.push({ name: `${kpi.id}__rows`, kind: "sum", type: "bigint" });
          amounts.set(
            `${kpi.id}__rows`,
            amount((eb) => eb.val(1)),
          );
        }
        pieces.push({ relation: "seen", from: "seen_from", until, amounts });
        break;
      }
      case "distinct":
      case "active_days":
        columns.push({ name: kpi.id, kind: "sum", type: "bigint" });
        steps.push(...unionOfIntervals(kpi.id, itemIntervals(kpi, group)));
        pieces.push({
          relation: `${kpi.id}_piece`,
          from: "seen_from",
          until: "seen_until",
          amounts: new Map([[kpi.id, (eb) => eb.val(1)]]),
        });
        break;
      default:
        lookups.push(kpi);
        steps.push(...latestSteps(kpi, group));
    }
  }
  const statement = withSteps([...steps, ...accumulate(columns, pieces)], (from) => {
    let query: AnyQuery = from.selectFrom("running");
    for (const kpi of lookups) {
      query = query.leftJoin(`${kpi.id}_latest`, (join) =>
        join
          .onRef(`${kpi.id}_latest.account_id`, "=", "running.account_id")
          .onRef(`${kpi.id}_latest.snapshot_date`, "=", "running.snapshot_date"),
      );
    }
    return query
      .select((eb: AnyBuilder) => [
        "running.account_id",
        "running.snapshot_date",
        ...columns.map(({ name }) => eb.ref(`running.${name}`).as(name)),
        ...lookups.flatMap((kpi) => [
          eb.ref(`${kpi.id}_latest.value`).as(kpi.id),
          eb.fn.coalesce(`${kpi.id}_latest.n_rows`, eb.val(0)).as(`${kpi.id}__rows`),
        ]),
      ])
      .where("is_row", "=", true);
  });
  return {
    kind: "table",
    name: `features.${group.name}_window`,
    grain: ["account_id", "snapshot_date"],
    depends: [table, "spine.account_snapshot", "spine.snapshot_day"],
    params: [],
    audits: [],
    portable: false,
    sql: compile(statement),
  };
}

/** Two lives a row: up to the dater's day its columns are null, from the day after they have their values. */
function splitLife(from: string, dater: string, all: readonly KpiColumn[]): AnyQuery {
  const dayAfter = (eb: AnyBuilder) => eb(eb.cast(eb.ref(dater), "date"), "+", 1);
  const common = ["account_id", "visible_on", "occurred_on"];
  const before = builder
    .selectFrom(from)
    .select((eb: AnyBuilder) => [
      ...common,
      ...all.map((column) =>
        column.datedBy === dater ? eb.cast(eb.val(null), columnTypes[column.type]).as(column.name) : column.name,
      ),
      "from_on",
      eb.fn("least", [eb.ref("until_on"), eb.fn.coalesce(dayAfter(eb), eb.val(never))]).as("until_on"),
    ]);
  const after = builder
    .selectFrom(from)
    .select((eb: AnyBuilder) => [
      ...common,
      ...all.map((column) => column.name),
      eb.fn("greatest", [eb.ref("from_on"), dayAfter(eb)]).as("from_on"),
      "until_on",
    ])
    .where(dater, "is not", null);
  return before.unionAll(after);
}

/** Lives with their ends moved to snapshots, one end for each look-back. */
function seenRows(from: string, all: readonly KpiColumn[], windows: readonly number[]): AnyQuery {
  const ends: readonly (number | null)[] = [null, ...windows];
  let query = joinSeenFrom(builder.selectFrom(from), "seen", (eb) => eb.ref("from_on"));
  for (const window of ends) {
    query = joinSeenUntil(query, untilName(window), (eb) =>
      window === null
        ? eb.ref("until_on")
        : eb.fn("least", [eb.ref("until_on"), addDays(eb, "occurred_on", window + 1)]),
    );
  }
  return query
    .select((eb: AnyBuilder) => [
      ...["account_id", ...all.map((column) => column.name), "visible_on", "occurred_on"].map((name) =>
        eb.ref(`${from}.${name}`).as(name),
      ),
      eb.ref("seen.snapshot_date").as("seen_from"),
      ...ends.map((window) => seenUntil(eb, untilName(window)).as(untilName(window))),
    ])
    .whereRef("from_on", "<", "until_on");
}

/** Per account and counted item (a value, or a day) the intervals of snapshots that see it. */
function itemIntervals(kpi: KpiDefinition, group: Group): AnyQuery {
  const until = untilName(kpi.window_days);
  const item = kpi.measure === "distinct" ? (kpi.value?.column as string) : "occurred_on";
  let query: AnyQuery = builder
    .selectFrom("seen")
    .select((eb: AnyBuilder) => ["account_id", eb.ref(item).as("item"), "seen_from", eb.fn.max(until).as("seen_until")])
    .where(item, "is not", null)
    .whereRef("seen_from", "<", until);
  query = filtered(query, kpi, group);
  return query.groupBy(["account_id", item, "seen_from"]);
}

/**
 * `<kpi>_latest`: per row of the spine the value of the latest row that it sees, among those with a value; ties go to the
 * row that became visible last, then to the larger value. days_since counts the days from that row's day.
 */
function latestSteps(kpi: KpiDefinition, group: Group): Steps {
  const value = (eb: AnyBuilder): AliasableExpression<unknown> => {
    if (kpi.measure === "days_since") return eb("row.snapshot_date", "-", eb.ref("occurred_on"));
    const name = `seen.${kpi.value?.column as string}`;
    if (kpi.value?.as === "length") return eb.fn("length", [eb.ref(name)]);
    return group.columns.get(kpi.value?.column as string)?.type === "boolean"
      ? eb.cast(eb.ref(name), "integer")
      : eb.ref(name);
  };
  let candidates: AnyQuery = builder
    .selectFrom("spine.account_snapshot as row")
    .innerJoin("seen", (join) =>
      join
        .onRef("seen.account_id", "=", "row.account_id")
        .onRef("seen.seen_from", "<=", "row.snapshot_date")
        .onRef(`seen.${untilName(kpi.window_days)}`, ">", "row.snapshot_date"),
    )
    .select((eb: AnyBuilder) => [
      "row.account_id",
      "row.snapshot_date",
      value(eb).as("value"),
      orderedAt(eb, group, kpi).as("ordered_at"),
      "visible_on",
    ]);
  candidates = filtered(candidates, kpi, group);
  const ranked = builder
    .selectFrom(`${kpi.id}_candidate`)
    .select([
      "account_id",
      "snapshot_date",
      "value",
      sql`row_number() over (partition by account_id, snapshot_date order by case when value is null then 1 else 0 end, ordered_at desc, visible_on desc, value desc)`.as(
        "rank_no",
      ),
      sql`count(*) over (partition by account_id, snapshot_date)`.as("n_rows"),
    ]);
  return [
    [`${kpi.id}_candidate`, candidates],
    [`${kpi.id}_ranked`, ranked],
    [
      `${kpi.id}_latest`,
      builder
        .selectFrom(`${kpi.id}_ranked`)
        .select(["account_id", "snapshot_date", "value", "n_rows"])
        .where("rank_no", "=", 1),
    ],
  ];
}

/** The KPI's filter on a query over `seen`. */
function filtered(query: AnyQuery, kpi: KpiDefinition, group: Group): AnyQuery {
  if (Object.keys(kpi.filter).length === 0) return query;
  // biome-ignore lint/style/noNonNullAssertion: a filter with a condition compiles to one.
  return query.where((eb: AnyBuilder) => filterSql(eb, kpi, group.columns)!);
}
