/** KPI value -> points, one kind a function: expressions in whole millionths over a row of the scorecard's inputs. */
import { type AliasedRawBuilder, sql } from "kysely";
import type { PointsRule } from "../config/scorecard.ts";
import { divided, gcd, integer, integerType, millionths, type Sql, toMillionths } from "./exact.ts";

export interface Points {
  /** Whole millionths, null exactly where there is no value to score. */
  readonly sql: Sql;
  /** The lowest and highest points that any value can get. */
  readonly lowest: number;
  readonly highest: number;
  /** What more of the KPI does to the points. */
  readonly direction: "higher" | "lower" | "between" | "outside" | "mixed";
  /** What the expression reads beside the value. */
  readonly reads: Beside | null;
}

/** A number that stands beside a KPI's value: its place among accounts, or the slope of its past. */
export type Beside =
  | { readonly kind: "place"; readonly within: "snapshot" | "segment" }
  | { readonly kind: "slope"; readonly days: number; readonly minActive: number };

/** The columns of scores.account_input: a KPI's value and what stands beside it. */
export const valueColumn = (kpi: string): string => `value_${kpi}`;
const placeColumn = (kpi: string, within: string): string => `place_in_${within}_${kpi}`;
const rankedColumn = (kpi: string, within: string): string => `ranked_in_${within}_${kpi}`;
const slopeColumn = (kpi: string, days: number, minActive: number): string =>
  `slope_of_${days}_days_and_${minActive}_active_${kpi}`;

/** The columns that hold what stands beside a KPI. */
export const besideColumns = (kpi: string, beside: Beside): readonly string[] =>
  beside.kind === "place"
    ? [placeColumn(kpi, beside.within), rankedColumn(kpi, beside.within)]
    : [slopeColumn(kpi, beside.days, beside.minActive)];

type Ends = readonly [number, number];

/** The points of a KPI whose value stands in `value_<kpi>`. `ends` are the points where `give` is absent. */
export function compilePoints(kpi: string, rule: PointsRule, ends: Ends): Points {
  const value = sql.ref(valueColumn(kpi));
  const spanned = (give: Ends) => ({ lowest: Math.min(...give), highest: Math.max(...give) });
  const listed = (give: readonly number[]) => ({
    lowest: Math.min(...give),
    highest: Math.max(...give),
    direction: directionOf(give),
    reads: null,
  });

  if (rule.linear !== undefined) {
    const { zero_at, full_at, give = ends } = rule.linear;
    const rises = zero_at < full_at === give[0] < give[1];
    return {
      sql: line(value, zero_at, full_at, give),
      ...spanned(give),
      direction: rises ? "higher" : "lower",
      reads: null,
    };
  }
  if (rule.peak !== undefined) {
    const { best, zero_at, give = ends } = rule.peak;
    return {
      sql: hill(value, best, zero_at, give),
      ...spanned(give),
      direction: give[0] < give[1] ? "between" : "outside",
      reads: null,
    };
  }
  if (rule.u !== undefined) {
    const { worst, full_at, give = ends } = rule.u;
    return {
      sql: hill(value, worst, full_at, [give[1], give[0]]),
      ...spanned(give),
      direction: give[0] < give[1] ? "outside" : "between",
      reads: null,
    };
  }
  if (rule.tiers !== undefined) {
    const { upto, give, edge } = rule.tiers;
    const isIn = edge === "upper" ? sql`<=` : sql`<`;
    const branches = upto.map(
      (cut, i) => sql`when ${value} ${isIn} ${millionths(cut)} then ${millionths(give[i] as number)}`,
    );
    return {
      sql: bigint(
        sql`case ${sql.join(branches, sql` `)} when ${value} is not null then ${millionths(give.at(-1) as number)} end`,
      ),
      ...listed(give),
    };
  }
  if (rule.ratings !== undefined) {
    const ratings = Object.entries(rule.ratings)
      .map(([rating, given]) => [Number(rating), given] as const)
      .sort(([a], [b]) => a - b);
    const branches = ratings.map(([rating, points]) => sql`when ${millionths(rating)} then ${millionths(points)}`);
    return {
      sql: bigint(sql`case ${value} ${sql.join(branches, sql` `)} end`),
      ...listed(ratings.map(([, points]) => points)),
    };
  }
  if (rule.additive !== undefined) {
    const { each, most } = rule.additive;
    const [step, limit] = [toMillionths(Math.abs(each)), toMillionths(Math.abs(most))];
    // The value is held first, so that no product outgrows a bigint.
    const held = sql`held_between(${value}, 0, ${integer((limit / step + 1n) * 1_000_000n)})`;
    const amount = sql`least(${divided(sql`${held} * ${integer(step)}`, 1_000_000n, true)}, ${integer(limit)})`;
    return {
      sql: sql`case when ${value} is not null then ${each > 0 ? amount : sql`- ${amount}`} end`,
      ...spanned([0, most]),
      direction: each > 0 ? "higher" : "lower",
      reads: null,
    };
  }
  if (rule.midrank !== undefined) {
    const { healthier, within, give: between = ends } = rule.midrank;
    const give: Ends = healthier === "higher" ? between : [between[1], between[0]];
    const [from, to] = [toMillionths(give[0]), toMillionths(give[1])];
    const accounts = sql`2 * ${sql.ref(rankedColumn(kpi, within))}`;
    const climbed = sql`${integer(to - from)} * ${sql.ref(placeColumn(kpi, within))}`;
    const numerator = from === 0n ? climbed : sql`${integer(from)} * ${accounts} + ${climbed}`;
    return {
      // Accounts without a value have a place too, the last.
      sql: sql`case when ${value} is not null then ${divided(numerator, accounts, Math.min(...give) >= 0)} end`,
      ...spanned(give),
      direction: give[0] < give[1] ? "higher" : "lower",
      reads: { kind: "place", within },
    };
  }
  if (rule.slope !== undefined) {
    const { days, min_active_weeks, zero_at, full_at, give = ends } = rule.slope;
    return {
      sql: line(sql.ref(slopeColumn(kpi, days, min_active_weeks)), zero_at, full_at, give),
      ...spanned(give),
      direction: "mixed",
      reads: { kind: "slope", days, minActive: min_active_weeks },
    };
  }
  throw new Error("a points rule without a kind passed the schema");
}

/** The columns of {@link besideColumns}, over rows of all accounts and dates with `is_scored` and `segment`. */
export const besideValue = (kpi: string, beside: Beside): readonly AliasedRawBuilder<unknown, string>[] =>
  beside.kind === "place" ? standing(kpi, beside.within) : [slope(kpi, beside.days, beside.minActive)];

/**
 * Columns that place each value among the accounts that have one on the same date (and in the same segment): twice the
 * mid-rank less one, and how many there are. `place / (2 * ranked)` is the share below, ties counted half: (mid-rank - 1/2) / n,
 * so that the mean over all accounts is 1/2 whatever the ties, and an account alone stands in the middle.
 */
function standing(kpi: string, within: "snapshot" | "segment"): readonly AliasedRawBuilder<unknown, string>[] {
  const value = sql.ref(valueColumn(kpi));
  const peers = sql.raw(within === "snapshot" ? "snapshot_date" : "snapshot_date, segment");
  const ordered = sql`(partition by ${peers} order by ${value} asc nulls last)`;
  return [
    sql`rank() over ${ordered} - 1 + count(${value}) over ${ordered}`.as(placeColumn(kpi, within)),
    sql`count(${value}) over (partition by ${peers})`.as(rankedColumn(kpi, within)),
  ];
}

/**
 * The standardised slope (least squares, both axes in standard deviations: Pearson's r of value and day) of a KPI over the
 * account's scored snapshots of [s - days, s], in millionths. 0 where the values do not vary; null with fewer than two values
 * or fewer than `minActive` above 0. Sums are exact integers; values of 10^9 and beyond count as missing.
 */
function slope(kpi: string, days: number, minActive: number): AliasedRawBuilder<unknown, string> {
  const value = sql.ref(valueColumn(kpi));
  const frame = sql.raw(
    `filter (where is_scored and abs(${valueColumn(kpi)}) < 1000000000000000) over (partition by account_id order by snapshot_date ` +
      `range between interval ${days} days preceding and current row)`,
  );
  const day = sql`cast(snapshot_date - date '2000-01-01' as hugeint)`;
  const amount = sql`cast(${value} as hugeint)`;
  const total = (of: Sql): Sql => sql`sum(${of}) ${frame}`;
  const n = sql`count(${value}) ${frame}`;
  const spread = (of: Sql): Sql => sql`(${n} * ${total(sql`${of} * ${of}`)} - ${total(of)} * ${total(of)})`;
  const shared = sql`(${n} * ${total(sql`${day} * ${amount}`)} - ${total(day)} * ${total(amount)})`;
  const active = sql.raw(
    `count(*) filter (where is_scored and ${valueColumn(kpi)} > 0) over (partition by account_id order by snapshot_date ` +
      `range between interval ${days} days preceding and current row)`,
  );
  return sql`case when ${n} < 2 or ${active} < ${sql.raw(String(minActive))} then null when ${spread(amount)} = 0 then 0 else cast(round(1e6 * cast(${shared} as double) / (sqrt(cast(${spread(day)} as double)) * sqrt(cast(${spread(amount)} as double)))) as bigint) end`.as(
    slopeColumn(kpi, days, minActive),
  );
}

/** Bare literals are 32-bit, and so are their products. */
const bigint = (expression: Sql): Sql => sql`cast(${expression} as bigint)`;

/** `give[1]` between the two of `top`, `give[0]` at the two of `foot` and beyond, straight lines between; a step where they meet. */
function hill(value: Sql, top: Ends, foot: Ends, give: Ends): Sql {
  const rising = foot[0] === top[0] ? millionths(give[0]) : line(value, foot[0], top[0], give);
  const falling = foot[1] === top[1] ? millionths(give[0]) : line(value, foot[1], top[1], give);
  return bigint(
    sql`case when ${value} < ${millionths(top[0])} then ${rising} when ${value} <= ${millionths(top[1])} then ${millionths(give[1])} when ${value} is not null then ${falling} end`,
  );
}

/** A straight line from `give[0]` at `zeroAt` to `give[1]` at `fullAt`, level beyond both; null for null. */
function line(value: Sql, zeroAt: number, fullAt: number, give: Ends): Sql {
  const [zero, full] = [toMillionths(zeroAt), toMillionths(fullAt)];
  const [low, high] = zero < full ? [zero, full] : [full, zero];
  const held = sql`held_between(${value}, ${integer(low)}, ${integer(high)})`;
  const [from, to] = [toMillionths(give[0]), toMillionths(give[1])];
  const length = high - low;
  const shared = gcd(to - from, length) || 1n;
  const [climb, run] = [(to - from) / shared, length / shared];
  const absolute = (n: bigint): bigint => (n < 0n ? -n : n);
  const type = integerType(2n * (absolute(from) * run + absolute(climb) * length) + run);
  const shift = (by: bigint): Sql => (by === 0n ? held : sql`(${held} - ${integer(by)})`);
  const distance = zero < full ? shift(zero) : sql`(${integer(zero)} - ${held})`;
  const wide = type === "bigint" ? distance : sql`cast(${distance} as hugeint)`;
  const climbed = climb === 1n ? wide : sql`${integer(climb)} * ${wide}`;
  const numerator = from === 0n ? climbed : sql`${integer(from * run)} + ${climbed}`;
  const points = divided(numerator, run, Math.min(...give) >= 0);
  return type === "bigint" ? points : sql`cast(${points} as bigint)`;
}

function directionOf(give: readonly number[]): Points["direction"] {
  const steps = give.slice(1).map((points, i) => Math.sign(points - (give[i] as number)));
  if (steps.every((step) => step >= 0)) return "higher";
  if (steps.every((step) => step <= 0)) return "lower";
  return "mixed";
}
