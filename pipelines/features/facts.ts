/** KPIs over what is not event-sized: tickets, surveys, ratings, engagements, subscriptions, accounts, ... */
import { type AliasableExpression, type Expression, sql } from "kysely";
import type { Model } from "../models/model.ts";
import { builder, compile } from "../warehouse/compiler.ts";
import type { Group, KpiColumn } from "./columns.ts";
import { type AnyBuilder, filterSql } from "./filter.ts";
import { milestoneColumns, milestonePieces } from "./milestone.ts";
import type { Part } from "./parts.ts";
import {
  type AnyQuery,
  accumulate,
  addDays,
  countOf,
  countSteps,
  dayNumber,
  type Intervals,
  joinSeenFrom,
  joinSeenUntil,
  joinToRunning,
  never,
  type Pieces,
  type Steps,
  seenUntil,
  setSteps,
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
  rate: "decimal(18, 6)",
  boolean: "boolean",
  date: "date",
  time: "timestamp",
};

/** The day that a row is about: the earliest of its event columns; without any, the day before it became visible. */
export function occurredOn(eb: AnyBuilder, group: Pick<Group, "entity">): AliasableExpression<unknown> {
  const days = group.entity.eventColumns.map((name) => eb.cast(eb.ref(name), "date"));
  const known = eb("visible_on", "-", 1);
  if (days.length === 0) return known;
  return eb.fn("coalesce", [days.length === 1 ? (days[0] as Expression<unknown>) : eb.fn("least", days), known]);
}

/**
 * When a row counts as said, to the microsecond: what `latest` orders by. Of subscriptions the one that began last counts
 * and not the one that was delivered last: a first dump brings all of them on one day.
 */
function orderedAt(eb: AnyBuilder, group: Group, kpi: Part): AliasableExpression<unknown> {
  const datedBy = kpi.value === undefined ? undefined : group.columns.get(kpi.value.column)?.datedBy;
  const names = datedBy === undefined ? group.entity.eventColumns : [datedBy];
  const known = eb.cast(eb.ref("visible_on"), "timestamp");
  const times = names.map((name) => eb.cast(eb.ref(name), "timestamp"));
  if (times.length === 0) return known;
  const said = times.length === 1 ? (times[0] as Expression<unknown>) : eb.fn("least", times);
  return group.entity.kind === "state" ? eb.fn("coalesce", [said, known]) : (said as AliasableExpression<unknown>);
}

type Columns = Pick<Group, "entity" | "account" | "columns">;

/** The named columns and the event columns, with those that hide some of the named until their day. */
function readColumns({ entity, columns }: Columns, named: readonly string[]) {
  const names = new Set<string>([...entity.eventColumns, ...named]);
  const daters = new Set<string>();
  for (const name of [...names]) {
    const datedBy = columns.get(name)?.datedBy;
    // The event columns place a row in time through visible_on; only what is read needs hiding.
    if (datedBy === undefined) continue;
    daters.add(datedBy);
    names.add(datedBy);
  }
  return {
    all: [...names].filter((name) => name !== "account_id").map((name) => columns.get(name) as KpiColumn),
    daters: [...daters],
  };
}

/**
 * Steps from the rows of an entity to `seen`: versions of rows, cut where a column gets its value, with their ends moved to
 * snapshots, one end for each look-back. `lives` names the step before the snapshots.
 */
export function seenSteps(
  group: Columns,
  named: readonly string[],
  windows: readonly (number | null)[],
): { readonly steps: Steps; readonly lives: string; readonly all: readonly KpiColumn[] } {
  const { all, daters } = readColumns(group, named);
  const known = builder
    .selectFrom(`staging.${group.entity.id}`)
    .select((eb: AnyBuilder) => [
      group.account === "account_id" ? "account_id" : eb.ref(group.account).as("account_id"),
      ...all.map((column) => column.name),
      "visible_on",
      occurredOn(eb, group).as("occurred_on"),
      eb.ref("visible_on").as("from_on"),
      eb.fn.coalesce("superseded_on", eb.val(never)).as("until_on"),
    ])
    .where(group.account, "is not", null);
  const steps: (readonly [string, AnyQuery])[] = [["known", known]];
  let lives = "known";
  for (const dater of daters) {
    steps.push([`${dater}_split`, splitLife(lives, dater, all)]);
    lives = `${dater}_split`;
  }
  const bounded = windows.filter((window) => window !== null);
  return { steps: [...steps, ["seen", seenRows(lives, all, bounded)]], lives, all };
}

/** The columns that the group's KPIs read. */
const namedBy = (group: Group): readonly string[] => [
  ...group.kpis.flatMap((kpi) => [...Object.keys(kpi.filter), ...(kpi.value === undefined ? [] : [kpi.value.column])]),
  ...(group.kpis.some((kpi) => kpi.measure === "milestone") ? milestoneColumns : []),
];

/**
 * features.<entity>_window: per row of spine.account_snapshot one raw column a part. Where `latest` and `days_since` find
 * nothing it is null, and `<kpi>__rows` counts the rows that `latest` looked at.
 */
export function factWindow(group: Group): Model {
  const table = `staging.${group.entity.id}`;
  const windows = [...new Set(group.parts.map((part) => part.window_days))];
  const { steps: seen, lives, all } = seenSteps(group, namedBy(group), windows);
  const steps: (readonly [string, AnyQuery])[] = [...seen];
  const columns: WindowColumn[] = [];
  const pieces: Pieces[] = [];
  const lookups: Part[] = [];
  const counted: Part[] = [];
  for (const part of group.parts) {
    const until = untilName(part.window_days);
    const amount = (n: (eb: AnyBuilder) => Expression<unknown>) => (eb: AnyBuilder) => {
      const filter = filterSql(eb, part, group.columns);
      const weighted = part.times_day ? eb(n(eb), "*", dayNumber(eb, "occurred_on")) : n(eb);
      return filter === undefined ? weighted : eb.case().when(filter).then(weighted).else(eb.val(0)).end();
    };
    switch (part.measure) {
      case "count":
      case "sum": {
        const value = part.measure === "sum" ? (part.value?.column as string) : undefined;
        columns.push({ name: part.name, kind: "sum", type: value === undefined ? "bigint" : "decimal(38, 6)" });
        const amounts = new Map([
          [part.name, amount((eb) => (value === undefined ? eb.val(1) : eb.cast(eb.ref(value), "decimal(38, 6)")))],
        ]);
        pieces.push({ relation: "seen", from: "seen_from", until, amounts });
        break;
      }
      case "distinct":
      case "active_days":
        counted.push(part);
        steps.push(...setSteps(part.name, itemIntervals(part, group)), ...countSteps(part.name, part.times_day));
        break;
      case "latest":
        lookups.push(part);
        steps.push(...latestSteps(part, group));
        break;
      default:
        // Rows that stand for good need no look at single snapshots; the few that were superseded do.
        columns.push({ name: part.name, kind: part.measure === "first" ? "first" : "last", type: "date" });
        pieces.push(standing(part));
        steps.push(...standingSteps(part, group));
        lookups.push(part);
    }
  }
  const milestones = milestonePieces(group, lives, all);
  steps.push(...milestones.steps);
  columns.push(...milestones.columns);
  pieces.push(...milestones.pieces);
  const names = [...group.parts.map((part) => part.name), ...milestones.columns.map(({ name }) => name)];
  const statement = withSteps([...steps, ...accumulate(columns, pieces)], (from) => {
    let query: AnyQuery = from.selectFrom("running");
    for (const { name } of lookups) query = joinToRunning(query, `${name}_latest`);
    for (const { name } of counted) query = joinToRunning(query, `${name}_count`);
    return query
      .select((eb: AnyBuilder) => [
        "running.account_id",
        "running.snapshot_date",
        ...names.flatMap((name) => {
          const items = counted.find((part) => part.name === name);
          if (items !== undefined) return [countOf(eb, name, items.times_day).as(name)];
          const part = lookups.find((lookup) => lookup.name === name);
          if (part === undefined) return [eb.ref(`running.${name}`).as(name)];
          if (part.measure !== "latest") return [dayOf(eb, part).as(name)];
          return [
            eb.ref(`${name}_latest.value`).as(name),
            eb.fn.coalesce(`${name}_latest.n_rows`, eb.val(0)).as(`${name}__rows`),
          ];
        }),
      ])
      .where("is_row", "=", true);
  });
  return {
    kind: "table",
    name: `features.${group.name}_window`,
    grain: ["account_id", "snapshot_date"],
    depends: [table, "spine.account_snapshot", "spine.snapshot", "spine.snapshot_day"],
    params: [],
    audits: [],
    portable: false,
    sql: compile(statement),
  };
}

/** The first or last day among the rows that nothing supersedes. */
const standing = (part: Part): Pieces => ({
  relation: `${part.name}_standing`,
  from: "seen_from",
  until: undefined,
  amounts: new Map([[part.name, (eb) => eb.ref("occurred_on")]]),
});

/** `<kpi>_standing`, and `<kpi>_latest` with the first or last day among the rows that were superseded after s. */
function standingSteps(part: Part, group: Group): Steps {
  const read = (query: AnyQuery): AnyQuery => filtered(query, part, group);
  const all = untilName(null);
  const extreme = (eb: AnyBuilder) => (part.measure === "first" ? eb.fn.min("occurred_on") : eb.fn.max("occurred_on"));
  return [
    [
      `${part.name}_standing`,
      read(builder.selectFrom("seen").select(["account_id", "seen_from", "occurred_on"]).where(all, "=", never)),
    ],
    [
      `${part.name}_latest`,
      read(
        builder
          .selectFrom("spine.account_snapshot as row")
          .innerJoin("seen", (join) =>
            join
              .onRef("seen.account_id", "=", "row.account_id")
              .onRef("seen.seen_from", "<=", "row.snapshot_date")
              .onRef(`seen.${all}`, ">", "row.snapshot_date"),
          )
          .select((eb: AnyBuilder) => ["row.account_id", "row.snapshot_date", extreme(eb).as("occurred_on")])
          .where(`seen.${all}`, "<", never),
      ).groupBy(["row.account_id", "row.snapshot_date"]),
    ],
  ];
}

/** The first day, or the days since the last one, of the two kinds of rows; null without any. */
function dayOf(eb: AnyBuilder, { name, measure }: Part): AliasableExpression<unknown> {
  const days = [eb.ref(`running.${name}`), eb.ref(`${name}_latest.occurred_on`)];
  if (measure === "first") return eb.fn("least", days);
  return eb("running.snapshot_date", "-", eb.fn("greatest", days));
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

/** The intervals of snapshots that see a counted item, a value or a day. */
function itemIntervals(kpi: Part, group: Group): Intervals {
  const until = untilName(kpi.window_days);
  const item = kpi.measure === "distinct" ? (kpi.value?.column as string) : "occurred_on";
  const query = builder
    .selectFrom("seen")
    .innerJoin("spine.snapshot_day as opened", "opened.day", "seen.seen_from")
    .leftJoin("spine.snapshot_day as closed", "closed.day", `seen.${until}`)
    .where(item, "is not", null)
    .whereRef("seen_from", "<", until);
  return { query: filtered(query, kpi, group), from: "opened", until: "closed", account: "seen.account_id", item };
}

/**
 * `<kpi>_latest`: per row of the spine the value of the latest row that it sees, among those with a value; ties go to the
 * row that became visible last, then to the larger value.
 */
function latestSteps(kpi: Part, group: Group): Steps {
  const value = (eb: AnyBuilder): AliasableExpression<unknown> => {
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
    .selectFrom(`${kpi.name}_candidate`)
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
    [`${kpi.name}_candidate`, candidates],
    [`${kpi.name}_ranked`, ranked],
    [
      `${kpi.name}_latest`,
      builder
        .selectFrom(`${kpi.name}_ranked`)
        .select(["account_id", "snapshot_date", "value", "n_rows"])
        .where("rank_no", "=", 1),
    ],
  ];
}

/** The KPI's filter on a query over `seen`. */
function filtered(query: AnyQuery, kpi: Part, group: Group): AnyQuery {
  if (Object.keys(kpi.filter).length === 0) return query;
  // biome-ignore lint/style/noNonNullAssertion: a filter with a condition compiles to one.
  return query.where((eb: AnyBuilder) => filterSql(eb, kpi, group.columns)!);
}
