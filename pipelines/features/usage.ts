/** KPIs over usage, from the roll-ups: one portable statement (architecture: Engines) for all of them. */
import type { Expression, SqlBool } from "kysely";
import type { KpiDefinition } from "../config/kpi.ts";
import type { Model } from "../models/model.ts";
import { builder, compile } from "../warehouse/compiler.ts";
import type { Group } from "./columns.ts";
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

type Amount = (eb: AnyBuilder) => Expression<unknown>;

/** `n` where the KPI's filter holds, otherwise `otherwise`. */
function where(group: Group, kpi: KpiDefinition, n: Amount, otherwise: 0 | null): Amount {
  return (eb) => {
    const filter = filterSql(eb, kpi, group.columns);
    return filter === undefined ? n(eb) : eb.case().when(filter).then(n(eb)).else(eb.val(otherwise)).end();
  };
}

/**
 * features.usage_window: per row of spine.account_snapshot one raw column a KPI: counts, sums, days and users in the
 * look-back; for days_since the days since the last one, null when there is none. 0 where there is no row.
 */
export function usageWindow(group: Group): Model {
  const steps: (readonly [string, AnyQuery])[] = [];
  const columns: WindowColumn[] = [];
  const pieces: Pieces[] = [];
  const of = (...measures: readonly string[]) => group.kpis.filter((kpi) => measures.includes(kpi.measure));
  const additive = of("count", "sum", "days_since");
  if (additive.length > 0) {
    const windows = [...new Set(of("count", "sum").map((kpi) => kpi.window_days))];
    const measured = additive.flatMap((kpi): readonly Measured[] => {
      const { id } = kpi;
      if (kpi.measure === "days_since") {
        return [{ kpi, column: { name: id, kind: "last", type: "date" }, amount: (eb) => eb.ref("activity_date") }];
      }
      const isSum = kpi.measure === "sum";
      const counted: Measured = {
        kpi,
        column: { name: isSum ? `${id}__rows` : id, kind: "sum", type: "bigint" },
        amount: (eb) => eb.ref("n_events"),
      };
      if (!isSum) return [counted];
      const summed: Measured = {
        kpi,
        column: { name: id, kind: "sum", type: "decimal(38, 6)" },
        amount: (eb) => eb.ref("quantity"),
      };
      return kpi.null_rule.no_rows === "zero" ? [summed] : [summed, counted];
    });
    steps.push(["usage_seen", usageSeen(group, measured, windows)]);
    columns.push(...measured.map(({ column }) => column));
    const refs = (some: readonly Measured[]) =>
      new Map(some.map(({ column: { name } }) => [name, (eb: AnyBuilder) => eb.ref(name)] as const));
    for (const window of windows) {
      const amounts = refs(measured.filter(({ kpi, column }) => column.kind === "sum" && kpi.window_days === window));
      const until = window === null ? undefined : untilName(window);
      pieces.push({ relation: "usage_seen", from: "seen_from", until, amounts });
    }
    const lasts = refs(measured.filter(({ column }) => column.kind === "last"));
    if (lasts.size > 0) pieces.push({ relation: "usage_seen", from: "seen_from", until: undefined, amounts: lasts });
  }
  const byDay = of("active_days");
  if (byDay.length > 0) {
    steps.push(...activeDays(group, byDay));
    for (const kpi of byDay) {
      columns.push({ name: kpi.id, kind: "sum", type: "bigint" });
      pieces.push({
        relation: "active_day_until",
        from: kpi.id,
        until: kpi.window_days === null ? undefined : untilName(kpi.window_days),
        amounts: new Map([[kpi.id, (eb) => eb.val(1)]]),
      });
    }
  }
  for (const window of new Set(of("distinct").map((kpi) => kpi.window_days))) {
    const name = `user_${window ?? "all"}`;
    steps.push(...unionOfIntervals(name, userIntervals(window)));
    const amounts = new Map<string, Amount>();
    for (const kpi of of("distinct").filter((kpi) => kpi.window_days === window)) {
      columns.push({ name: kpi.id, kind: "sum", type: "bigint" });
      amounts.set(kpi.id, (eb) => eb.val(1));
    }
    pieces.push({ relation: `${name}_piece`, from: "seen_from", until: "seen_until", amounts });
  }
  const statement = withSteps([...steps, ...accumulate(columns, pieces)], (from) =>
    from
      .selectFrom("running")
      .select((eb: AnyBuilder) => [
        "account_id",
        "snapshot_date",
        ...columns.map(({ name, kind }) =>
          kind === "last"
            ? eb.fn("date_diff", [eb.val("day"), eb.ref(name), eb.ref("snapshot_date")]).as(name)
            : eb.ref(name).as(name),
        ),
      ])
      .where("is_row", "=", true),
  );
  return {
    kind: "table",
    name: "features.usage_window",
    grain: ["account_id", "snapshot_date"],
    depends: [
      "rollup.account_day",
      ...(of("distinct").length > 0 ? ["rollup.user_day"] : []),
      "spine.account_snapshot",
      "spine.snapshot_day",
    ],
    params: [],
    audits: [],
    portable: true,
    sql: compile(statement),
  };
}

/** One raw column of a KPI and what a roll-up row adds to it. */
interface Measured {
  readonly kpi: KpiDefinition;
  readonly column: WindowColumn;
  readonly amount: Amount;
}

/** The one pass over the events: per account and interval of snapshots that see them, every KPI's amount. */
function usageSeen(group: Group, measured: readonly Measured[], windows: readonly (number | null)[]): AnyQuery {
  const bounded = windows.filter((window) => window !== null);
  let query = joinSeenFrom(builder.selectFrom("rollup.account_day as used"), "seen", (eb) => eb.ref("used.visible_on"));
  for (const window of bounded) {
    query = joinSeenUntil(query, untilName(window), (eb) => addDays(eb, "used.activity_date", window + 1));
  }
  return onlyRead(
    query,
    group,
    measured.map(({ kpi }) => kpi),
  )
    .select((eb: AnyBuilder) => [
      "used.account_id",
      eb.ref("seen.snapshot_date").as("seen_from"),
      ...bounded.map((window) => seenUntil(eb, untilName(window)).as(untilName(window))),
      ...measured.map(({ kpi, column: { name, kind, type }, amount }) =>
        (kind === "last"
          ? eb.fn.max(where(group, kpi, amount, null)(eb))
          : eb.cast(eb.fn.sum(where(group, kpi, amount, 0)(eb)), type)
        ).as(name),
      ),
    ])
    .where("used.account_id", "is not", null)
    .groupBy([
      "used.account_id",
      "seen.snapshot_date",
      ...bounded.map((window) => `${untilName(window)}.snapshot_date`),
    ]);
}

/** Leaves out the rows that no KPI counts. */
function onlyRead(query: AnyQuery, group: Group, kpis: readonly KpiDefinition[]): AnyQuery {
  if (kpis.some((kpi) => Object.keys(kpi.filter).length === 0)) return query;
  return query.where((eb: AnyBuilder) =>
    eb.or(kpis.map((kpi) => filterSql(eb, kpi, group.columns) as Expression<SqlBool>)),
  );
}

/** Per account and day the snapshot that first sees each KPI's kind of use, and the ends of the look-backs of that day. */
function activeDays(group: Group, kpis: readonly KpiDefinition[]): Steps {
  const windows = [...new Set(kpis.map((kpi) => kpi.window_days))].filter((window) => window !== null);
  const days = onlyRead(
    joinSeenFrom(builder.selectFrom("rollup.account_day as used"), "seen", (eb) => eb.ref("used.visible_on")),
    group,
    kpis,
  )
    .select((eb: AnyBuilder) => [
      "used.account_id",
      "used.activity_date",
      ...kpis.map((kpi) => eb.fn.min(where(group, kpi, (b) => b.ref("seen.snapshot_date"), null)(eb)).as(kpi.id)),
    ])
    .where("used.account_id", "is not", null);
  let until: AnyQuery = builder.selectFrom("active_day");
  for (const window of windows) {
    until = joinSeenUntil(until, untilName(window), (eb) => addDays(eb, "active_day.activity_date", window + 1));
  }
  return [
    ["active_day", days.groupBy(["used.account_id", "used.activity_date"])],
    [
      "active_day_until",
      until.select((eb: AnyBuilder) => [
        "active_day.account_id",
        ...kpis.map((kpi) => eb.ref(`active_day.${kpi.id}`).as(kpi.id)),
        ...windows.map((window) => seenUntil(eb, untilName(window)).as(untilName(window))),
      ]),
    ],
  ];
}

/** Per account and user the intervals of snapshots that see a day of use; of those with one start only the longest. */
function userIntervals(window: number | null): AnyQuery {
  const query = joinSeenFrom(builder.selectFrom("rollup.user_day as used"), "seen", (eb) => eb.ref("used.visible_on"));
  const ended =
    window === null ? query : joinSeenUntil(query, "gone", (eb) => addDays(eb, "used.activity_date", window + 1));
  return ended
    .select((eb: AnyBuilder) => [
      "used.account_id",
      eb.ref("used.user_id").as("item"),
      eb.ref("seen.snapshot_date").as("seen_from"),
      eb.fn.max(window === null ? eb.val(never) : seenUntil(eb, "gone")).as("seen_until"),
    ])
    .where("used.account_id", "is not", null)
    .where("used.user_id", "is not", null)
    .groupBy(["used.account_id", "used.user_id", "seen.snapshot_date"]);
}

/** features.usage_feed: each day that any row is about, and the snapshot date that first knew; over the whole book. */
export const usageFeed: Model = {
  kind: "table",
  name: "features.usage_feed",
  grain: ["activity_date"],
  depends: ["rollup.account_day"],
  params: [],
  audits: [],
  portable: true,
  sql: compile(
    builder
      .selectFrom("rollup.account_day")
      .select((eb: AnyBuilder) => ["activity_date", eb.fn.min("visible_on").as("visible_on")])
      .groupBy("activity_date"),
  ),
};

/** features.user_feed: one row, the first date that knew any user of the product; null when usage names none. */
export const userFeed: Model = {
  kind: "table",
  name: "features.user_feed",
  grain: ["one row"],
  depends: ["rollup.user_day"],
  params: [],
  audits: [],
  portable: true,
  sql: compile(
    builder
      .selectFrom("rollup.user_day")
      .select((eb: AnyBuilder) => [eb.fn.min("visible_on").as("visible_on")])
      .where("user_id", "is not", null),
  ),
};
