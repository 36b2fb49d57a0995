/**
 * Arithmetic of scores in whole millionths, so that no result depends on the order of additions and nothing is lost:
 * decimals of six digits here, 64-bit or 128-bit integers in SQL, one rounding at the end of each division.
 */
import { type RawBuilder, sql } from "kysely";

/** A number of at most six decimals as millionths. */
export function toMillionths(value: number): bigint {
  const match = /^(-?)(\d+)(?:\.(\d{1,6}))?$/.exec(String(value));
  if (match === null) throw new RangeError(`not a number of at most six decimals: ${value}`);
  const [, sign, whole, fraction = ""] = match;
  const amount = BigInt(whole as string) * 1_000_000n + BigInt(fraction.padEnd(6, "0"));
  return sign === "-" ? -amount : amount;
}

export function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b];
  while (y > 0n) [x, y] = [y, x % y];
  return x;
}

const largest = { bigint: 2n ** 63n - 1n, hugeint: 2n ** 127n - 1n } as const;

/** The narrowest type that holds every intermediate result up to `bound`; null when none does. */
export const integerType = (bound: bigint): keyof typeof largest | null =>
  bound <= largest.bigint ? "bigint" : bound <= largest.hugeint ? "hugeint" : null;

export type Sql = RawBuilder<unknown>;

/** A decimal written as it is read: 30, 0.5. */
export const number = (value: number): Sql => sql`${value}`;

/** A whole number; Kysely has no bigint literal that every engine reads, digits are. */
export const integer = (value: bigint): Sql => sql.raw(value.toString());

/** A number of at most six decimals as SQL in whole millionths. */
export const millionths = (value: number): Sql => integer(toMillionths(value));

/**
 * `numerator / denominator` rounded to a whole number, halves away from zero. `isPositive`: no numerator is below 0, which
 * spares the look at its sign.
 */
export const divided = (numerator: Sql, denominator: Sql | bigint, isPositive = false): Sql =>
  denominator === 1n
    ? numerator
    : sql`${sql.raw(isPositive ? "half_up" : "divide_half_up")}(${numerator}, ${typeof denominator === "bigint" ? doubled(denominator) : denominator})`;

/** A whole number whose double keeps its type: the engine takes 1920000000 for a 32-bit number. */
const doubled = (value: bigint): Sql =>
  value < 2n ** 30n
    ? integer(value)
    : sql`cast(${integer(value)} as ${sql.raw(value < 2n ** 62n ? "bigint" : "hugeint")})`;

/** Millionths as decimal(18,6); `bound` is the largest amount of them that can occur. */
export const asDecimal = (amount: Sql, bound: bigint): Sql =>
  sql`${sql.raw(bound < 1_000_000_000_000n ? "from_few_millionths" : "from_millionths")}(${amount})`;

/** Terms that are added, or 0. */
export const sum = (terms: readonly Sql[]): Sql => (terms.length === 0 ? sql`0` : sql.join(terms, sql` + `));
