/** KPI value -> points, one kind a function: expressions over a row of the scorecard's inputs. */
import { type AliasedRawBuilder, sql } from "kysely";
import type { PointsRule } from "../config/scorecard.ts";
import { gcd, integer, integerType, number, ratio, type Sql, toMillionths } from "./exact.ts";

export interface Points {
  /** decimal(18,6), null exactly where there is no value to score. */
  readonly sql: Sql;
  /** The lowest and highest points that any value can get. */
  readonly lowest: number;
  readonly highest: number;
  /** What more of the KPI does to the points. */
  readonly direction: "higher" | "lower" | "between" | "outside" | "mixed";
  /** The standing among accounts that the expression reads, when it does; see {@link standing}. */
  readonly within: "snapshot" | "segment" | null;
}

/** The column in which {@link standing} leaves a KPI's place: accounts below plus accounts not above. */
const placeColumn = (kpi: string): string => `place_${kpi}`;
const rankedColumn = (kpi: string): string => `ranked_${kpi}`;

/** The points of a KPI whose value stands in `value_<kpi>`. `ends` are the points where `give` is absent. */
export function compilePoints(kpi: string, rule: PointsRule, ends: readonly [number, number]): Points {
  const value = sql.ref(`value_${kpi}`);
  const spanned = (give: readonly [number, number]) => ({ lowest: Math.min(...give), highest: Math.max(...give) });

  if (rule.linear !== undefined) {
    const { zero_at, full_at, give = ends } = rule.linear;
    const rises = zero_at < full_at === give[0] < give[1];
    return {
      sql: line(value, zero_at, full_at, give),
      ...spanned(give),
      direction: rises ? "higher" : "lower",
      within: null,
    };
  }
  if (rule.peak !== undefined) {
    const { best, zero_at, give = ends } = rule.peak;
    const rising = zero_at[0] === best[0] ? number(give[0]) : line(value, zero_at[0], best[0], give);
    const falling = zero_at[1] === best[1] ? number(give[0]) : line(value, zero_at[1], best[1], give);
    return {
      sql: decimal(
        sql`case when ${value} < ${number(best[0])} then ${rising} when ${value} <= ${number(best[1])} then ${number(give[1])} when ${value} is not null then ${falling} end`,
      ),
      ...spanned(give),
      direction: give[0] < give[1] ? "between" : "outside",
      within: null,
    };
  }
  if (rule.tiers !== undefined) {
    const { upto, give, edge } = rule.tiers;
    const isIn = edge === "upper" ? sql`<=` : sql`<`;
    const branches = upto.map((cut, i) => sql`when ${value} ${isIn} ${number(cut)} then ${number(give[i] as number)}`);
    return {
      sql: decimal(
        sql`case ${sql.join(branches, sql` `)} when ${value} is not null then ${number(give.at(-1) as number)} end`,
      ),
      lowest: Math.min(...give),
      highest: Math.max(...give),
      direction: directionOf(give),
      within: null,
    };
  }
  if (rule.ratings !== undefined) {
    const ratings = Object.entries(rule.ratings)
      .map(([rating, given]) => [Number(rating), given] as const)
      .sort(([a], [b]) => a - b);
    const given = ratings.map(([, points]) => points);
    const branches = ratings.map(([rating, points]) => sql`when ${number(rating)} then ${number(points)}`);
    return {
      sql: decimal(sql`case ${value} ${sql.join(branches, sql` `)} end`),
      lowest: Math.min(...given),
      highest: Math.max(...given),
      direction: directionOf(given),
      within: null,
    };
  }
  if (rule.midrank !== undefined) {
    const { healthier, within, give: between = ends } = rule.midrank;
    const give: readonly [number, number] = healthier === "higher" ? between : [between[1], between[0]];
    const [from, to] = [toMillionths(give[0]), toMillionths(give[1])];
    const accounts = sql`2 * ${sql.ref(rankedColumn(kpi))}`;
    const climbed = sql`${integer(to - from)} * ${sql.ref(placeColumn(kpi))}`;
    const numerator = from === 0n ? climbed : sql`${integer(from)} * ${accounts} + ${climbed}`;
    return {
      // Accounts without a value have a place too, the last.
      sql: sql`case when ${value} is not null then ${ratio(numerator, accounts)} end`,
      ...spanned(give),
      direction: give[0] < give[1] ? "higher" : "lower",
      within,
    };
  }
  throw new Error("a points rule without a kind passed the schema");
}

/**
 * Columns that place each value among the accounts that have one on the same date (and in the same segment): twice the
 * mid-rank less one, and how many there are. `place / (2 * ranked)` is the share below, ties counted half: (mid-rank - 1/2) / n,
 * so that the mean over all accounts is 1/2 whatever the ties, and an account alone stands in the middle.
 */
export function standing(kpi: string, within: "snapshot" | "segment"): readonly AliasedRawBuilder<unknown, string>[] {
  const value = sql.ref(`value_${kpi}`);
  const peers = sql.raw(within === "snapshot" ? "snapshot_date" : "snapshot_date, segment");
  const ordered = sql`(partition by ${peers} order by ${value} asc nulls last)`;
  return [
    sql`rank() over ${ordered} - 1 + count(${value}) over ${ordered}`.as(placeColumn(kpi)),
    sql`count(${value}) over (partition by ${peers})`.as(rankedColumn(kpi)),
  ];
}

const decimal = (expression: Sql): Sql => sql`cast(${expression} as decimal(18,6))`;

/** A straight line from `give[0]` at `zeroAt` to `give[1]` at `fullAt`, level beyond both; null for null. */
function line(value: Sql, zeroAt: number, fullAt: number, give: readonly [number, number]): Sql {
  const [low, high] = [Math.min(zeroAt, fullAt), Math.max(zeroAt, fullAt)];
  const held = sql`held_between(${value}, ${number(low)}, ${number(high)})`;
  const distance = zeroAt < fullAt ? sql`${held} - ${number(zeroAt)}` : sql`${number(zeroAt)} - ${held}`;
  const [from, to] = [toMillionths(give[0]), toMillionths(give[1])];
  const length = toMillionths(high) - toMillionths(low);
  const shared = gcd(to - from, length) || 1n;
  const [climb, run] = [(to - from) / shared, length / shared];
  const absolute = (n: bigint): bigint => (n < 0n ? -n : n);
  const type = integerType(2n * (absolute(from) * run + absolute(climb) * length) + run);
  const steps = sql`millionths(${distance})`;
  const wide = type === "bigint" ? steps : sql`cast(${steps} as hugeint)`;
  const climbed = climb === 1n ? wide : sql`${wide} * ${integer(climb)}`;
  const numerator = from === 0n ? climbed : sql`${integer(from * run)} + ${climbed}`;
  return ratio(numerator, run);
}

function directionOf(give: readonly number[]): Points["direction"] {
  const steps = give.slice(1).map((points, i) => Math.sign(points - (give[i] as number)));
  if (steps.every((step) => step >= 0)) return "higher";
  if (steps.every((step) => step <= 0)) return "lower";
  return "mixed";
}
