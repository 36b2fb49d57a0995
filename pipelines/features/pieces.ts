/**
 * Windows without range joins. A row that is visible from `f` and whose day leaves the window at `u` counts in every
 * snapshot of [f, u): +amount at f, -amount at u, and a running sum per account. The ends are moved to the snapshots on
 * or after them first (spine.snapshot_day), so that the work after one aggregation is account-sized, however many
 * snapshots and KPIs there are.
 */
import { type AliasableExpression, type Expression, type RawBuilder, type SelectQueryBuilder, sql } from "kysely";
import { builder } from "../warehouse/compiler.ts";
import { SqlDate } from "../warehouse/literal.ts";
import type { AnyBuilder } from "./filter.ts";

// biome-ignore lint/suspicious/noExplicitAny: the builder has no fixed schema.
export type AnyQuery = SelectQueryBuilder<any, any, any>;

/** `with name as (query)` steps in order. */
export type Steps = readonly (readonly [name: string, query: AnyQuery])[];

/** After the last snapshot: an interval with this end is never closed. */
export const never = new SqlDate("9999-12-31");

/** One column of a window table. `sum` counts what the intervals hold, `last` and `first` keep the latest and the earliest seen so far. */
export interface WindowColumn {
  readonly name: string;
  readonly kind: "sum" | "last" | "first";
  readonly type: "bigint" | "decimal(38, 6)" | "date" | "timestamp";
}

/** A relation whose rows are intervals [from, until) of snapshots, with what each adds to some columns. */
export interface Pieces {
  readonly relation: string;
  readonly from: string;
  /** `undefined`: the intervals never end. */
  readonly until: string | undefined;
  readonly amounts: ReadonlyMap<string, (eb: AnyBuilder) => Expression<unknown>>;
}

/** The steps and a query over them as one statement. */
export function withSteps(steps: Steps, last: (from: typeof builder) => AnyQuery): AnyQuery {
  // biome-ignore lint/suspicious/noExplicitAny: each step changes the builder's type.
  let chained: any = builder;
  for (const [name, query] of steps) chained = chained.with(name, () => query);
  return last(chained);
}

/**
 * Steps that give the columns' values at every row of spine.account_snapshot: each end of the pieces summed per account
 * and snapshot, laid side by side on every account's calendar from its first row to its last, and summed up along it; what changed
 * before the first row is there from that row on. Ends with `running`.
 */
export function accumulate(columns: readonly WindowColumn[], pieces: readonly Pieces[]): Steps {
  const isSum = (name: string): boolean => columns.find((column) => column.name === name)?.kind === "sum";
  const opens = [...byEnd(pieces, ({ from }) => from)].map(([from, some], i) => ({
    name: `opens_${i + 1}`,
    columns: some.flatMap(({ amounts }) => [...amounts.keys()]),
    query: endOf(columns, some, from, () => true),
  }));
  const bounded = pieces.filter(({ amounts }) => [...amounts.keys()].some(isSum));
  const closes = [...byEnd(bounded, ({ until }) => until)].map(([until, some], i) => ({
    name: `closes_${i + 1}`,
    columns: some.flatMap(({ amounts }) => [...amounts.keys()].filter(isSum)),
    query: endOf(columns, some, until, isSum).where(`piece.${until}`, "<", never),
  }));
  const ends = [...opens, ...closes];
  let calendar: AnyQuery = builder
    .selectFrom("paying_account")
    .innerJoin("spine.snapshot as calendar", (join) =>
      join
        .onRef("calendar.snapshot_date", ">=", "paying_account.first_on")
        .onRef("calendar.snapshot_date", "<=", "paying_account.last_on"),
    )
    .leftJoin("spine.account_snapshot as row", (join) =>
      join
        .onRef("row.account_id", "=", "paying_account.account_id")
        .onRef("row.snapshot_date", "=", "calendar.snapshot_date"),
    );
  for (const end of ends) {
    calendar = calendar.leftJoin(end.name, (join) =>
      join
        .onRef(`${end.name}.account_id`, "=", "paying_account.account_id")
        .onRef(`${end.name}.snapshot_date`, "=", "calendar.snapshot_date"),
    );
  }
  const change = calendar.select((eb: AnyBuilder) => [
    "paying_account.account_id",
    "calendar.snapshot_date",
    eb("row.account_id", "is not", null).as("is_row"),
    ...columns.map(({ name, kind }) => {
      const parts = ends.filter((end) => end.columns.includes(name));
      const [first, ...rest] = parts.map((end) => eb.ref(`${end.name}.${name}`)) as readonly ColumnRef[] as [
        ColumnRef,
        ...ColumnRef[],
      ];
      if (kind !== "sum") return first.as(name);
      const zero = (part: ColumnRef) => eb.fn.coalesce(part, eb.val(0));
      return rest.reduce((sum: AliasableExpression<unknown>, part) => eb(sum, "-", zero(part)), zero(first)).as(name);
    }),
  ]);
  const running = builder.selectFrom("change").select((eb: AnyBuilder) => [
    "account_id",
    "snapshot_date",
    "is_row",
    ...columns.map(({ name, kind, type }) => {
      const upToHere = (call: RawBuilder<unknown>) =>
        sql`${call} over (partition by account_id order by snapshot_date rows between unbounded preceding and current row)`;
      if (kind === "last") return upToHere(sql`max(${sql.ref(name)})`).as(name);
      if (kind === "first") return upToHere(sql`min(${sql.ref(name)})`).as(name);
      return eb.cast(upToHere(sql`sum(${sql.ref(name)})`), type).as(name);
    }),
  ]);
  return [
    [
      "paying_account",
      builder
        .selectFrom("spine.account_snapshot")
        .select((eb: AnyBuilder) => [
          "account_id",
          eb.fn.min("snapshot_date").as("first_on"),
          eb.fn.max("snapshot_date").as("last_on"),
        ])
        .groupBy("account_id"),
    ],
    ...ends.map(({ name, query }) => [name, query] as const),
    ["change", change],
    ["running", running],
  ];
}

type ColumnRef = AliasableExpression<unknown>;

/** Pieces of one relation with one end in common are added up in one pass. */
function byEnd(
  pieces: readonly Pieces[],
  endOf: (piece: Pieces) => string | undefined,
): readonly (readonly [end: string, pieces: readonly Pieces[]])[] {
  const groups = new Map<string, Pieces[]>();
  for (const piece of pieces) {
    const end = endOf(piece);
    if (end === undefined) continue;
    const key = `${piece.relation} ${end}`;
    groups.set(key, [...(groups.get(key) ?? []), piece]);
  }
  return [...groups.values()].map((some) => [endOf(some[0] as Pieces) as string, some] as const);
}

/** What pieces with a non-empty interval add up to per account and one of their ends, moved to the account's first row. */
function endOf(
  columns: readonly WindowColumn[],
  pieces: readonly Pieces[],
  end: string,
  isWanted: (name: string) => boolean,
): AnyQuery {
  const [first] = pieces as [Pieces, ...Pieces[]];
  const at = (eb: AnyBuilder) => eb.fn("greatest", [eb.ref(`piece.${end}`), eb.ref("paying_account.first_on")]);
  const conditions = new Set(pieces.map(({ from, until }) => `${from} ${until ?? ""}`));
  const isFilled = (eb: AnyBuilder, { from, until }: Pieces) => eb(`piece.${from}`, "<", eb.ref(`piece.${until}`));
  const query = builder
    .selectFrom(`${first.relation} as piece`)
    .innerJoin("paying_account", "paying_account.account_id", "piece.account_id")
    .select((eb: AnyBuilder) => [
      "piece.account_id",
      at(eb).as("snapshot_date"),
      ...pieces.flatMap((piece) =>
        [...piece.amounts].flatMap(([name, amountOf]) => {
          if (!isWanted(name)) return [];
          const { kind, type } = columns.find((column) => column.name === name) as WindowColumn;
          const amount = amountOf(eb);
          if (kind === "last") return [eb.fn.max(amount).as(name)];
          if (kind === "first") return [eb.fn.min(amount).as(name)];
          const counted =
            conditions.size === 1 || piece.until === undefined
              ? amount
              : eb.case().when(isFilled(eb, piece)).then(amount).else(eb.val(0)).end();
          return [eb.cast(eb.fn.sum(counted), type).as(name)];
        }),
      ),
    ])
    .where((eb: AnyBuilder) => eb(`piece.${end}`, "<=", eb.ref("paying_account.last_on")));
  const filled =
    conditions.size === 1 && first.until !== undefined ? query.where((eb: AnyBuilder) => isFilled(eb, first)) : query;
  return filled.groupBy(["piece.account_id", at]);
}

/**
 * Snapshots as sets of bits: the n-th of the calendar is bit n of a bigint, sixty to a word (spine.snapshot_day). Those that see any row of
 * an item are the union of its intervals, which is one aggregation, in whatever order the ends come: rows arrive late.
 */
const allBits = "1152921504606846975";

/** The word of an end beyond the calendar. */
const lastWord = 1_000_000;

/** A query over intervals, its ends as rows of spine.snapshot_day: those that first see the item and, where they end, first no longer do. */
export interface Intervals {
  readonly query: AnyQuery;
  readonly from: string;
  /** Left joined; undefined where they never end. */
  readonly until: string | undefined;
  readonly account: string;
  readonly item: string;
}

/**
 * Steps to `<name>_set(account_id, item, word_no, mask)`: per account and item the snapshots in any of its intervals. `also`: further
 * columns that the sets are apart by.
 */
export function setSteps(
  name: string,
  { query, from, until, account, item }: Intervals,
  also: readonly string[] = [],
): Steps {
  const ended =
    until === undefined ? sql.lit(lastWord) : sql`coalesce(${sql.ref(`${until}.word_no`)}, ${sql.lit(lastWord)})`;
  const first = sql.ref(`${from}.word_no`);
  const bit = sql.ref(`${from}.snapshot_bit`);
  const end = until === undefined ? sql.lit(0) : sql.ref(`${until}.snapshot_bit`);
  const head = sql`case when ${ended} > ${first} then ${sql.raw(allBits)} + 1 - ${bit} else ${end} - ${bit} end`;
  const tail =
    until === undefined
      ? sql.lit(0)
      : sql`case when ${end} is not null and ${ended} > ${first} then ${end} - 1 else 0 end`;
  const keys = also.map((column) => sql.ref(column));
  const names = ["account_id", ...also.map((column) => column.split(".").at(-1) as string), "item"];
  const ends = query
    .select([
      sql.ref(account).as("account_id"),
      ...also.map((column) => sql.ref(column).as(column.split(".").at(-1) as string)),
      sql.ref(item).as("item"),
      first.as("from_word"),
      ended.as("until_word"),
      sql`cast(bitwise_or_agg(${head}) as bigint)`.as("head"),
      sql`cast(bitwise_or_agg(${tail}) as bigint)`.as("tail"),
    ])
    .groupBy([sql.ref(account), ...keys, sql.ref(item), first, ...(until === undefined ? [] : [ended])]);
  const words = builder.selectFrom("spine.snapshot_day").select("word_no").distinct();
  const parts = builder
    .selectFrom(`${name}_end`)
    .select([...names, sql.ref("from_word").as("word_no"), sql.ref("head").as("mask")])
    .unionAll(
      builder
        .selectFrom(`${name}_end`)
        .select([...names, sql.ref("until_word").as("word_no"), sql.ref("tail").as("mask")])
        .where("tail", "<>", 0),
    )
    .unionAll(
      builder
        .selectFrom(`${name}_end`)
        .innerJoin(words.as("word"), (join) =>
          join.onRef("word.word_no", ">", `${name}_end.from_word`).onRef("word.word_no", "<", `${name}_end.until_word`),
        )
        .select([...names, sql.ref("word.word_no").as("word_no"), sql`cast(${sql.raw(allBits)} as bigint)`.as("mask")]),
    );
  return [
    [`${name}_end`, ends],
    [`${name}_part`, parts],
    [
      `${name}_set`,
      builder
        .selectFrom(`${name}_part`)
        .select([...names, "word_no", sql`cast(bitwise_or_agg(mask) as bigint)`.as("mask")])
        .groupBy([...names, "word_no"]),
    ],
  ];
}

/**
 * Steps to `<name>_count(account_id, snapshot_date, n, day_sum)`: how many items of `<name>_set` a snapshot sees, none where there is no row;
 * and, where the items are days, the sum of their numbers.
 */
export function countSteps(name: string, isDay: boolean): Steps {
  const masks = builder
    .selectFrom(`${name}_set`)
    .select((eb: AnyBuilder) => [
      "account_id",
      "word_no",
      "mask",
      eb.fn.countAll().as("n"),
      ...(isDay ? [eb.fn.sum(dayNumber(eb, "item")).as("day_sum")] : []),
    ])
    .groupBy(["account_id", "word_no", "mask"]);
  const count = builder
    .selectFrom(`${name}_mask as masked`)
    .innerJoin("spine.snapshot_day as calendar", "calendar.word_no", "masked.word_no")
    .select((eb: AnyBuilder) => [
      "masked.account_id",
      "calendar.snapshot_date",
      eb.cast(eb.fn.sum("masked.n"), "bigint").as("n"),
      ...(isDay ? [eb.cast(eb.fn.sum("masked.day_sum"), "bigint").as("day_sum")] : []),
    ])
    .whereRef("calendar.day", "=", "calendar.snapshot_date")
    .where(sql<boolean>`bitwise_and(masked.mask, calendar.snapshot_bit) <> 0`)
    .groupBy(["masked.account_id", "calendar.snapshot_date"]);
  return [
    [`${name}_mask`, masks],
    [`${name}_count`, count],
  ];
}

/** Joins a relation by account and snapshot to a row of `running`. */
export const joinToRunning = (query: AnyQuery, relation: string): AnyQuery =>
  query.leftJoin(relation, (join) =>
    join
      .onRef(`${relation}.account_id`, "=", "running.account_id")
      .onRef(`${relation}.snapshot_date`, "=", "running.snapshot_date"),
  );

/** What {@link countSteps} counted, of `<name>_count` beside a row of `running`. */
export const countOf = (eb: AnyBuilder, name: string, isDay: boolean): AliasableExpression<unknown> =>
  eb.fn.coalesce(`${name}_count.${isDay ? "day_sum" : "n"}`, eb.val(0)) as AliasableExpression<unknown>;

/** Where spine.snapshot_day starts. */
const firstDay = new SqlDate("1970-01-01");

const onDay = (alias: string, day: (eb: AnyBuilder) => Expression<unknown>) => (eb: AnyBuilder) =>
  eb(`${alias}.day`, "=", eb.fn("greatest", [day(eb), eb.val(firstDay)]));

/** Joins the snapshot that first sees `day`, under an alias; rows that no snapshot sees drop out. */
export const joinSeenFrom = (query: AnyQuery, alias: string, day: (eb: AnyBuilder) => Expression<unknown>): AnyQuery =>
  query.innerJoin(`spine.snapshot_day as ${alias}`, (join) => join.on(onDay(alias, day)));

/** Joins the snapshot that no longer sees what ends on `day`; beyond the calendar it is {@link never}. */
export const joinSeenUntil = (query: AnyQuery, alias: string, day: (eb: AnyBuilder) => Expression<unknown>): AnyQuery =>
  query.leftJoin(`spine.snapshot_day as ${alias}`, (join) => join.on(onDay(alias, day)));

export const seenUntil = (eb: AnyBuilder, alias: string): AliasableExpression<unknown> =>
  eb.fn.coalesce(`${alias}.snapshot_date`, eb.val(never)) as AliasableExpression<unknown>;

/** The day n days later, in the spelling that both engines know. */
export const addDays = (eb: AnyBuilder, day: Expression<unknown> | string, n: number): Expression<unknown> =>
  eb.fn("date_add", [eb.val("day"), eb.val(n), typeof day === "string" ? eb.ref(day) : day]);

/** The days from 1970-01-01 to a day. */
export const dayNumber = (eb: AnyBuilder, day: Expression<unknown> | string): Expression<unknown> =>
  eb.fn("date_diff", [eb.val("day"), eb.val(firstDay), typeof day === "string" ? eb.ref(day) : day]);

/** The name of the column with the end of a look-back: `until_28`, `until_all` without one. */
export const untilName = (windowDays: number | null): string => `until_${windowDays ?? "all"}`;
