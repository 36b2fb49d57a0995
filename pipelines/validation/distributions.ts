/** Tail probabilities and multiple testing. Large inputs keep their relative precision; nothing returns NaN. */
import chisquareCdf from "@stdlib/stats-base-dists-chisquare-cdf";
import normalCdf from "@stdlib/stats-base-dists-normal-cdf";
import normalQuantile from "@stdlib/stats-base-dists-normal-quantile";

/** Two-sided p of a standard normal z: 2 * Phi(-|z|), exact in the tail. Null in, null out. */
export function twoSidedP(z: number | null): number | null {
  return z === null || Number.isNaN(z) ? null : Math.min(1, 2 * normalCdf(-Math.abs(z), 0, 1));
}

/** The z whose two-sided p is `p`, 0 < p < 1. */
export const zOfTwoSidedP = (p: number): number => -normalQuantile(p / 2, 0, 1);

/** Upper tail of chi-square with `df` degrees of freedom. Below 1e-12 the difference from 1 has no digits left: floor. */
export function chiSquareP(x: number, df: number): number {
  return Math.max(1e-12, 1 - chisquareCdf(x, df));
}

/** An id and its p; null p's take no part and count in no m. */
export interface Tested {
  readonly id: string;
  readonly p: number | null;
}

/**
 * Benjamini-Hochberg (1995) q-values: the smallest false discovery rate at which each would be called. Ties by id.
 * @returns q per id, for the ids with a p.
 */
export function benjaminiHochberg(tests: readonly Tested[]): ReadonlyMap<string, number> {
  const sorted = tests
    .filter((test): test is Tested & { p: number } => test.p !== null)
    .sort((a, b) => a.p - b.p || (a.id < b.id ? -1 : 1));
  const q = new Map<string, number>();
  let least = 1;
  for (let i = sorted.length; i >= 1; i -= 1) {
    const { id, p } = sorted[i - 1] as Tested & { p: number };
    least = Math.min(least, (p * sorted.length) / i);
    q.set(id, least);
  }
  return q;
}

/** Benjamini-Yekutieli (2001): valid under any dependence, so larger by the sum of 1/j. Shown as the careful bound. */
export function benjaminiYekutieli(tests: readonly Tested[]): ReadonlyMap<string, number> {
  const m = tests.filter((test) => test.p !== null).length;
  let harmonic = 0;
  for (let j = 1; j <= m; j += 1) harmonic += 1 / j;
  const q = new Map<string, number>();
  const sorted = tests
    .filter((test): test is Tested & { p: number } => test.p !== null)
    .sort((a, b) => a.p - b.p || (a.id < b.id ? -1 : 1));
  let least = 1;
  for (let i = sorted.length; i >= 1; i -= 1) {
    const { id, p } = sorted[i - 1] as Tested & { p: number };
    least = Math.min(least, (p * m * harmonic) / i);
    q.set(id, least);
  }
  return q;
}

/** Upper tail of a standard normal z: 1 - Phi(z), exact in the tail. */
export const oneSidedP = (z: number): number => normalCdf(-z, 0, 1);

/**
 * Holm's (1979) adjusted p-values: the smallest family-wise error rate at which each would be rejected, stepping down. Null p's
 * take no part. Ties by id.
 */
export function holm(tests: readonly Tested[]): ReadonlyMap<string, number> {
  const sorted = tests
    .filter((test): test is Tested & { p: number } => test.p !== null)
    .sort((a, b) => a.p - b.p || (a.id < b.id ? -1 : 1));
  const adjusted = new Map<string, number>();
  let most = 0;
  for (const [i, { id, p }] of sorted.entries()) {
    most = Math.min(1, Math.max(most, p * (sorted.length - i)));
    adjusted.set(id, most);
  }
  return adjusted;
}
