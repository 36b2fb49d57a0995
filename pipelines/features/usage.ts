/** KPIs over usage, from the roll-ups: one portable statement (architecture: Engines) for all of them. */
import { type AliasableExpression, type Expression, type SqlBool, sql } from "kysely";
import { canonicalJson } from "../lib/files.ts";
import type { Model } from "../models/model.ts";
import { builder, compile } from "../warehouse/compiler.ts";
import type { Group } from "./columns.ts";
import { type AnyBuilder, filterSql } from "./filter.ts";
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
import { accountFlag, lastName, userFlag } from "./usage-filter.ts";
import { usersName } from "./user-state.ts";

type Amount = (eb: AnyBuilder) => Expression<unknown>;

/** Whether later deliveries replace days of earlier ones: the roll-ups then say from when on a row is seen no more. */
type IsReplaced = boolean;

/** The day on which a roll-up row leaves the look-back, or from which on another row stands in its place. */
const leavesOn =
  (isReplaced: IsReplaced, windowDays: number | null) =>
  (eb: AnyBuilder): Expression<unknown> => {
    const replacedOn = eb.fn.coalesce("used.superseded_on", eb.val(never));
    if (windowDays === null) return replacedOn;
    const leftOn = addDays(eb, "used.activity_date", windowDays + 1);
    return isReplaced ? eb.fn("least", [leftOn, replacedOn]) : leftOn;
  };

/** What rollup.account_day says about a part: the condition on its rows, its events and their quantities. */
function readOf(group: Group, part: Part) {
  const flag = accountFlag(part);
  return {
    condition: (eb: AnyBuilder): Expression<SqlBool> | undefined =>
      flag === undefined ? filterSql(eb, part, group.columns) : eb(flag, ">", 0),
    events: flag ?? "n_events",
    quantity: flag === undefined ? "quantity" : `${flag}_quantity`,
  };
}

/** `n` where the part's filter holds, otherwise `otherwise`. */
function where(group: Group, part: Part, n: Amount, otherwise: 0 | null): Amount {
  return (eb) => {
    const filter = readOf(group, part).condition(eb);
    return filter === undefined ? n(eb) : eb.case().when(filter).then(n(eb)).else(eb.val(otherwise)).end();
  };
}

/** `n`, times the day's number where the part weighs days. */
const weighted =
  (part: Part, n: Amount, day: string): Amount =>
  (eb) =>
    part.times_day ? eb(n(eb), "*", dayNumber(eb, day)) : n(eb);

const one: Amount = (eb) => eb.val(1);

/**
 * features.usage_window, features.usage_ever_window: per row of spine.account_snapshot one raw column a part: counts, sums, days and users in the
 * look-back; for days_since the days since the last one, for time_to_first the first day, for latest the value, null when there
 * is none. 0 where there is no row.
 */
export function usageWindow(group: Group, isReplaced: IsReplaced = false): Model {
  const steps: (readonly [string, AnyQuery])[] = [];
  const columns: WindowColumn[] = [];
  const pieces: Pieces[] = [];
  const last: (readonly [string, AnyQuery])[] = [];
  /** Columns whose latest or earliest may be of a row that was replaced later: where to look beside the running value. */
  const gone = new Map<string, { readonly relation: string; readonly kind: WindowColumn["kind"] }>();
  const outputs = new Map<string, Amount>();
  const asked = group.parts.filter((part) => part.measure === "latest");
  // What latest answers with depends on whether any row counts at all.
  const parts = [
    ...group.parts,
    ...asked.map((part) => ({ ...part, name: `${part.name}__rows`, measure: "count" as const })),
  ];
  // Parts that say the same are computed once: the logins of logins_28d are those of logins_per_seat_28d, too.
  const firstOf = new Map<string, string>();
  for (const part of parts) if (!firstOf.has(partKey(part))) firstOf.set(partKey(part), part.name);
  const computed = parts.filter((part) => firstOf.get(partKey(part)) === part.name);
  const latest = computed.filter((part) => part.measure === "latest");
  const of = (...measures: readonly Part["measure"][]) => computed.filter((part) => measures.includes(part.measure));
  const additive = of("count", "sum", "days_since", "first");
  if (additive.length > 0) {
    const windows = [...new Set(of("count", "sum").map((part) => part.window_days))];
    const measured = additive.map((part) => measuredOf(group, part));
    steps.push(["usage_seen", usageSeen(group, measured, windows, isReplaced)]);
    columns.push(...measured.map(({ column }) => column));
    const refs = (some: readonly Measured[]) =>
      new Map(some.map(({ column: { name } }) => [name, (eb: AnyBuilder) => eb.ref(name)] as const));
    for (const window of windows) {
      const amounts = refs(measured.filter(({ part, column }) => column.kind === "sum" && part.window_days === window));
      const until = window === null && !isReplaced ? undefined : untilName(window);
      pieces.push({ relation: "usage_seen", from: "seen_from", until, amounts });
    }
    const ends = refs(measured.filter(({ column }) => column.kind !== "sum"));
    if (ends.size > 0) {
      const relation = isReplaced ? "usage_lasting" : "usage_seen";
      if (isReplaced) steps.push([relation, lastingRows("usage_seen", untilName(null))]);
      pieces.push({ relation, from: "seen_from", until: undefined, amounts: ends });
      if (isReplaced) {
        const names = measured.flatMap(({ column }) => (column.kind === "sum" ? [] : [column]));
        last.push(["usage_gone", goneRows("usage_seen", untilName(null), names)]);
        for (const { name, kind } of names) gone.set(name, { relation: "usage_gone", kind });
      }
    }
  }
  // A day that is replaced may be seen, not seen, and seen again: then days are counted as users are, by the union of intervals.
  const byDay = isReplaced ? [] : of("active_days").filter((part) => part.users === undefined);
  const byItem = of("distinct", "active_days").filter((part) => !byDay.includes(part));
  if (byDay.length > 0) {
    steps.push(...activeDays(group, byDay));
    for (const part of byDay) {
      columns.push({ name: part.name, kind: "sum", type: "bigint" });
      pieces.push({
        relation: "active_day_until",
        from: dayName(byDay, part),
        until: part.window_days === null ? undefined : untilName(part.window_days),
        amounts: new Map([[part.name, weighted(part, one, "activity_date")]]),
      });
    }
  }
  const counted: string[] = [];
  for (const key of new Set(byItem.map(intervalKey))) {
    const some = byItem.filter((part) => intervalKey(part) === key);
    const [part] = some as [Part];
    const name = isPlainUsers(part) ? `user_${part.window_days ?? "all"}` : `${part.name}_item`;
    const isDay = part.measure === "active_days";
    steps.push(...itemSteps(name, group, part, isReplaced), ...countSteps(name, isDay));
    counted.push(name);
    for (const each of some) outputs.set(each.name, (eb) => countOf(eb, name, each.times_day));
  }
  for (const part of latest) {
    const at = `${part.name}__at`;
    steps.push([`${part.name}_given`, gauged(part, isReplaced)]);
    columns.push({ name: at, kind: "last", type: "timestamp" });
    const amounts = new Map([[at, (eb: AnyBuilder) => eb.ref("last_at")]]);
    const relation = isReplaced ? `${part.name}_lasting` : `${part.name}_given`;
    if (isReplaced) steps.push([relation, lastingRows(`${part.name}_given`, "seen_until")]);
    pieces.push({ relation, from: "seen_from", until: undefined, amounts });
    last.push(...lastSteps(part, isReplaced));
    outputs.set(part.name, (eb) => eb.ref(`${part.name}_last.quantity`));
  }
  const latestSeen = (eb: AnyBuilder, name: string): Expression<unknown> => {
    const running = eb.ref(`running.${name}`);
    const found = gone.get(name);
    if (found === undefined) return running;
    const other = eb.ref(`${found.relation}.${name}`);
    const sides = [eb.fn.coalesce(running, other), eb.fn.coalesce(other, running)];
    return eb.fn(found.kind === "first" ? "least" : "greatest", sides);
  };
  for (const part of of("first")) if (gone.has(part.name)) outputs.set(part.name, (eb) => latestSeen(eb, part.name));
  for (const part of of("days_since")) {
    outputs.set(part.name, (eb) =>
      eb.fn("date_diff", [eb.val("day"), latestSeen(eb, part.name), eb.ref("running.snapshot_date")]),
    );
  }
  const statement = withSteps([...steps, ...accumulate(columns, pieces), ...last], (from) => {
    let query: AnyQuery = from.selectFrom("running");
    const relations = [
      ...new Set([...gone.values()].map((one) => one.relation)),
      ...latest.map(({ name }) => `${name}_last`),
      ...counted.map((name) => `${name}_count`),
    ];
    for (const relation of relations) query = joinToRunning(query, relation);
    return query
      .select((eb: AnyBuilder) => [
        "running.account_id",
        "running.snapshot_date",
        ...parts.map((part) => {
          const name = firstOf.get(partKey(part)) as string;
          const value = (outputs.get(name)?.(eb) ?? eb.ref(`running.${name}`)) as AliasableExpression<unknown>;
          return value.as(part.name);
        }),
      ])
      .where("is_row", "=", true);
  });
  const readsDay = computed.some((part) => !byItem.includes(part) || !readsUserDay(part));
  const readsUser = byItem.some(readsUserDay);
  return {
    kind: "table",
    name: `features.${group.name}_window`,
    grain: ["account_id", "snapshot_date"],
    depends: [
      ...(readsDay ? ["rollup.account_day"] : []),
      ...(readsUser ? ["rollup.user_day"] : []),
      ...(latest.length > 0 ? ["rollup.account_last"] : []),
      ...(parts.some((part) => part.users !== undefined) ? ["features.user_state"] : []),
      "spine.account_snapshot",
      "spine.snapshot",
      "spine.snapshot_day",
    ],
    params: [],
    audits: [],
    portable: true,
    sql: compile(statement),
    reachDays: {
      ...reachOf("rollup.user_day", byItem.filter(readsUserDay)),
      ...reachOf(
        "rollup.account_day",
        parts.filter((part) => !byItem.includes(part) || !readsUserDay(part)),
      ),
    },
  };
}

/** How far into a roll-up the longest look-back of its parts reaches, where none of them looks at all of history. */
function reachOf(table: string, parts: readonly Part[]): Readonly<Record<string, number>> {
  const windows = parts.map((part) =>
    part.measure === "days_since" || part.measure === "first" || part.measure === "latest" ? null : part.window_days,
  );
  const bounded = windows.filter((window) => window !== null);
  return bounded.length === windows.length ? { [table]: Math.max(0, ...bounded) } : {};
}

/** Parts with one key are one column under several names. */
const partKey = ({ measure, window_days, filter, users, value, times_day }: Part): string =>
  canonicalJson([measure, window_days, filter, users ?? null, value?.column ?? null, times_day]);

/** One raw column and what a roll-up row adds to it. */
interface Measured {
  readonly part: Part;
  readonly column: WindowColumn;
  readonly amount: Amount;
}

function measuredOf(group: Group, part: Part): Measured {
  const { name, measure } = part;
  const { events, quantity } = readOf(group, part);
  if (measure === "days_since" || measure === "first") {
    const kind = measure === "first" ? "first" : "last";
    return { part, column: { name, kind, type: "date" }, amount: (eb) => eb.ref("activity_date") };
  }
  const isSum = measure === "sum";
  return {
    part,
    column: { name, kind: "sum", type: isSum ? "decimal(38, 6)" : "bigint" },
    amount: weighted(part, (eb) => eb.ref(isSum ? quantity : events), "activity_date"),
  };
}

/** The one pass over the events: per account and interval of snapshots that see them, every part's amount. */
function usageSeen(
  group: Group,
  measured: readonly Measured[],
  windows: readonly (number | null)[],
  isReplaced: IsReplaced,
): AnyQuery {
  const bounded = isReplaced ? [...new Set([...windows, null])] : windows.filter((window) => window !== null);
  let query = joinSeenFrom(builder.selectFrom("rollup.account_day as used"), "seen", (eb) => eb.ref("used.visible_on"));
  for (const window of bounded) {
    query = joinSeenUntil(query, untilName(window), leavesOn(isReplaced, window));
  }
  return onlyRead(
    query,
    group,
    measured.map(({ part }) => part),
  )
    .select((eb: AnyBuilder) => [
      "used.account_id",
      eb.ref("seen.snapshot_date").as("seen_from"),
      ...bounded.map((window) => seenUntil(eb, untilName(window)).as(untilName(window))),
      ...measured.map(({ part, column: { name, kind, type }, amount }) => {
        if (kind === "last") return eb.fn.max(where(group, part, amount, null)(eb)).as(name);
        if (kind === "first") return eb.fn.min(where(group, part, amount, null)(eb)).as(name);
        return eb.cast(eb.fn.sum(where(group, part, amount, 0)(eb)), type).as(name);
      }),
    ])
    .where("used.account_id", "is not", null)
    .groupBy([
      "used.account_id",
      "seen.snapshot_date",
      ...bounded.map((window) => `${untilName(window)}.snapshot_date`),
    ]);
}

/** Leaves out the rows that no part counts. */
function onlyRead(query: AnyQuery, group: Group, parts: readonly Part[]): AnyQuery {
  if (parts.some((part) => Object.keys(part.filter).length === 0)) return query;
  return query.where((eb: AnyBuilder) =>
    eb.or(parts.map((part) => readOf(group, part).condition(eb) as Expression<SqlBool>)),
  );
}

/** Per account and day the snapshot that first sees each KPI's kind of use, and the ends of the look-backs of that day. */
function activeDays(group: Group, parts: readonly Part[]): Steps {
  const windows = [...new Set(parts.map((part) => part.window_days))].filter((window) => window !== null);
  const kinds = parts.filter((part) => dayName(parts, part) === part.name);
  const weighs = parts.some((part) => part.times_day);
  const days = onlyRead(
    joinSeenFrom(builder.selectFrom("rollup.account_day as used"), "seen", (eb) => eb.ref("used.visible_on")),
    group,
    parts,
  )
    .select((eb: AnyBuilder) => [
      "used.account_id",
      "used.activity_date",
      ...kinds.map((part) => eb.fn.min(where(group, part, (b) => b.ref("seen.snapshot_date"), null)(eb)).as(part.name)),
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
        ...(weighs ? ["active_day.activity_date"] : []),
        ...kinds.map((part) => eb.ref(`active_day.${part.name}`).as(part.name)),
        ...windows.map((window) => seenUntil(eb, untilName(window)).as(untilName(window))),
      ]),
    ],
  ];
}

/** The column of active_day_until that holds a part's days: the first part with the same filter gives it its name. */
const dayName = (parts: readonly Part[], part: Part): string =>
  (parts.find((other) => canonicalJson(other.filter) === canonicalJson(part.filter)) as Part).name;

const readsUserDay = (part: Part): boolean => part.users !== undefined || part.value?.column === "user_id";

/** Parts with one key count the same intervals. */
const intervalKey = ({ measure, window_days, filter, users, value }: Part): string =>
  canonicalJson([measure, window_days, filter, users ?? null, value?.column ?? null]);

const isPlainUsers = (part: Part): boolean =>
  part.measure === "distinct" && part.users === undefined && userFlag(part) === undefined && readsUserDay(part);

/** Steps up to `<name>_set`: per account the snapshots that see each counted item, a user, an event or a day. */
function itemSteps(name: string, group: Group, part: Part, isReplaced: IsReplaced): Steps {
  const isDays = part.measure === "active_days";
  if (part.users === undefined) {
    if (readsUserDay(part) && !isDays) return setSteps(name, userIntervals(part, "user_id", isReplaced));
    return setSteps(name, itemIntervals(group, part, isDays ? "activity_date" : "event", isReplaced));
  }
  return [
    ...setSteps(`${name}_used`, userIntervals(part, isDays ? "activity_date" : "user_id", isReplaced), [
      "used.user_id",
    ]),
    ...setSteps(`${name}_state`, stateIntervals(part)),
    [
      `${name}_set`,
      builder
        .selectFrom(`${name}_used_set as used`)
        .innerJoin(`${name}_state_set as state`, (join) =>
          join
            .onRef("state.account_id", "=", "used.account_id")
            .onRef("state.item", "=", "used.user_id")
            .onRef("state.word_no", "=", "used.word_no"),
        )
        .select([
          "used.account_id",
          "used.item",
          "used.word_no",
          sql`cast(bitwise_or_agg(bitwise_and(used.mask, state.mask)) as bigint)`.as("mask"),
        ])
        .groupBy(["used.account_id", "used.item", "used.word_no"]),
    ],
  ];
}

/** Rows of rollup.user_day that a part counts, with the snapshots that see them as seen and gone. */
function seenUserDays(part: Part, isReplaced: IsReplaced): AnyQuery {
  const flag = userFlag(part);
  const window = part.window_days;
  const query = joinSeenFrom(builder.selectFrom("rollup.user_day as used"), "seen", (eb) =>
    eb.ref(`used.${flag ?? "visible_on"}`),
  )
    .where("used.account_id", "is not", null)
    .where("used.user_id", "is not", null);
  const read = flag === undefined ? query : query.where(`used.${flag}`, "is not", null);
  return window === null && !isReplaced ? read : joinSeenUntil(read, "gone", leavesOn(isReplaced, window));
}

/** Leaves out the days that no snapshot of the calendar sees: most of what a calendar of a few days reads. */
const onlySeen = (query: AnyQuery, part: Part, isReplaced: IsReplaced): AnyQuery =>
  part.window_days === null && !isReplaced
    ? query
    : query.where((eb: AnyBuilder) => eb("seen.snapshot_date", "<", seenUntil(eb, "gone")));

/** The intervals of snapshots that see rows of usage which are joined with seen and gone. */
const intervalsOf = (query: AnyQuery, item: string, part: Part, isReplaced: IsReplaced): Intervals => ({
  query: onlySeen(query, part, isReplaced),
  from: "seen",
  until: part.window_days === null && !isReplaced ? undefined : "gone",
  account: "used.account_id",
  item: `used.${item}`,
});

/** The intervals of snapshots that see a user's day of use. */
const userIntervals = (part: Part, item: "user_id" | "activity_date", isReplaced: IsReplaced): Intervals =>
  intervalsOf(seenUserDays(part, isReplaced), item, part, isReplaced);

/** The intervals of snapshots that see an account's day with a counted event. */
function itemIntervals(group: Group, part: Part, item: "event" | "activity_date", isReplaced: IsReplaced): Intervals {
  const window = part.window_days;
  const query = joinSeenFrom(builder.selectFrom("rollup.account_day as used"), "seen", (eb) =>
    eb.ref("used.visible_on"),
  ).where("used.account_id", "is not", null);
  const ended = window === null && !isReplaced ? query : joinSeenUntil(query, "gone", leavesOn(isReplaced, window));
  return intervalsOf(onlyRead(ended, group, [part]), item, part, isReplaced);
}

/** The intervals of snapshots at which a user was one of those that the part counts. */
const stateIntervals = (part: Part): Intervals => ({
  query: builder
    .selectFrom("features.user_state as state")
    .innerJoin("spine.snapshot_day as opened", "opened.day", "state.seen_from")
    .leftJoin("spine.snapshot_day as closed", "closed.day", "state.seen_until")
    .where("state.users", "=", usersName(part.users as NonNullable<Part["users"]>)),
  from: "opened",
  until: "closed",
  account: "state.account_id",
  item: "state.user_id",
});

/** The rows of rollup.account_last of a part, with the snapshot that first sees them. */
const gauged = (part: Part, isReplaced: IsReplaced): AnyQuery => {
  const seen = joinSeenFrom(builder.selectFrom("rollup.account_last as used"), "seen", (eb) =>
    eb.ref("used.visible_on"),
  );
  return (isReplaced ? joinSeenUntil(seen, "gone", leavesOn(true, null)) : seen)
    .select((eb: AnyBuilder) => [
      "used.account_id",
      eb.ref("seen.snapshot_date").as("seen_from"),
      ...(isReplaced ? [seenUntil(eb, "gone").as("seen_until")] : []),
      "used.activity_date",
      "used.last_at",
      "used.visible_on",
      "used.quantity",
    ])
    .where("used.account_id", "is not", null)
    .where("used.filter_name", "=", lastName(part));
};

/** Rows that nothing replaces. */
const lastingRows = (relation: string, until: string): AnyQuery =>
  builder.selectFrom(relation).selectAll().where(until, ">=", never);

/** Per row of the window the latest (or earliest) of what it sees among rows that are replaced later: few, so a range join is cheap. */
const goneRows = (relation: string, until: string, columns: readonly WindowColumn[]): AnyQuery =>
  builder
    .selectFrom("running")
    .innerJoin(`${relation} as piece`, (join) =>
      join
        .onRef("piece.account_id", "=", "running.account_id")
        .onRef("piece.seen_from", "<=", "running.snapshot_date")
        .onRef(`piece.${until}`, ">", "running.snapshot_date"),
    )
    .select((eb: AnyBuilder) => [
      "running.account_id",
      "running.snapshot_date",
      ...columns.map(({ name, kind }) => eb.fn[kind === "first" ? "min" : "max"](`piece.${name}`).as(name)),
    ])
    .where(`piece.${until}`, "<", never)
    .groupBy(["running.account_id", "running.snapshot_date"]);

/** `<kpi>_last`: the quantity that belongs to the latest time, unless its day has left the look-back. Ties as for other entities. */
function lastSteps(part: Part, isReplaced: IsReplaced): Steps {
  const { name, window_days: window } = part;
  const at: WindowColumn = { name: `${name}__at`, kind: "last", type: "timestamp" };
  // Where rows are replaced, the latest of those that are seen then may be one that is replaced later.
  const seen = isReplaced ? `${name}_seen` : "running";
  const before: Steps = isReplaced
    ? [
        [
          `${name}_named`,
          builder
            .selectFrom(`${name}_given`)
            .select((eb: AnyBuilder) => ["account_id", "seen_from", "seen_until", eb.ref("last_at").as(at.name)]),
        ],
        [`${name}_gone`, goneRows(`${name}_named`, "seen_until", [at])],
        [
          seen,
          builder
            .selectFrom("running")
            .leftJoin(`${name}_gone as gone`, (join) =>
              join
                .onRef("gone.account_id", "=", "running.account_id")
                .onRef("gone.snapshot_date", "=", "running.snapshot_date"),
            )
            .select((eb: AnyBuilder) => [
              "running.account_id",
              "running.snapshot_date",
              eb
                .fn("greatest", [
                  eb.fn.coalesce(`running.${at.name}`, `gone.${at.name}`),
                  eb.fn.coalesce(`gone.${at.name}`, `running.${at.name}`),
                ])
                .as(at.name),
            ]),
        ],
      ]
    : [];
  const ranked = builder
    .selectFrom(seen === "running" ? "running" : `${seen} as running`)
    .innerJoin(`${name}_given as given`, (join) => {
      const first = join
        .onRef("given.account_id", "=", "running.account_id")
        .onRef("given.last_at", "=", `running.${name}__at`)
        .onRef("given.seen_from", "<=", "running.snapshot_date");
      return isReplaced ? first.onRef("given.seen_until", ">", "running.snapshot_date") : first;
    })
    .select([
      "running.account_id",
      "running.snapshot_date",
      "given.quantity",
      sql`row_number() over (partition by running.account_id, running.snapshot_date order by given.visible_on desc, given.quantity desc)`.as(
        "rank_no",
      ),
    ]);
  const inside =
    window === null
      ? ranked
      : ranked.where((eb: AnyBuilder) =>
          eb(addDays(eb, "given.activity_date", window), ">=", eb.ref("running.snapshot_date")),
        );
  return [
    ...before,
    [`${name}_ranked`, inside],
    [
      `${name}_last`,
      builder.selectFrom(`${name}_ranked`).select(["account_id", "snapshot_date", "quantity"]).where("rank_no", "=", 1),
    ],
  ];
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
    builder.selectFrom("rollup.user_day").select((eb: AnyBuilder) => [eb.fn.min("visible_on").as("visible_on")]),
  ),
};
