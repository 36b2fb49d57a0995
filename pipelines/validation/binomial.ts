/** Exact binomial tails, and the exact interval of a share (Clopper and Pearson 1934). Sums of terms: meant for n up to some thousands. */

/** ln(n!) for n = 0..n, summed: no approximation. */
function logFactorials(n: number): Float64Array {
  const logs = new Float64Array(n + 1);
  for (let i = 2; i <= n; i += 1) logs[i] = (logs[i - 1] as number) + Math.log(i);
  return logs;
}

/** P(lowest <= X <= highest) of X ~ Binomial(n, p), 0 <= p <= 1. */
function between(lowest: number, highest: number, n: number, p: number): number {
  if (p <= 0) return lowest <= 0 ? 1 : 0;
  if (p >= 1) return highest >= n ? 1 : 0;
  const logs = logFactorials(n);
  const logOf = (i: number): number => logs[i] as number;
  let sum = 0;
  for (let k = Math.max(0, lowest); k <= Math.min(n, highest); k += 1) {
    sum += Math.exp(logOf(n) - logOf(k) - logOf(n - k) + k * Math.log(p) + (n - k) * Math.log1p(-p));
  }
  return Math.min(1, sum);
}

/** P(X >= k): how likely so many or more are when the true share is p. */
export const atLeast = (k: number, n: number, p: number): number => (k <= 0 ? 1 : between(k, n, n, p));

/** P(X <= k): how likely so few or fewer are. */
export const atMost = (k: number, n: number, p: number): number => (k >= n ? 1 : between(0, k, n, p));

/** The exact 95 % interval of the share behind k of n; of none of nothing all is possible. */
export function exactInterval(k: number, n: number): { readonly low: number; readonly high: number } {
  if (n === 0) return { low: 0, high: 1 };
  return {
    low: k === 0 ? 0 : solve((p) => atLeast(k, n, p) - 0.025),
    high: k === n ? 1 : solve((p) => 0.025 - atMost(k, n, p)),
  };
}

/** The zero of a rising function on [0, 1], by halving. */
function solve(rising: (p: number) => number): number {
  let low = 0;
  let high = 1;
  for (let i = 0; i < 60; i += 1) {
    const middle = (low + high) / 2;
    if (rising(middle) < 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
