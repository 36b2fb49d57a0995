/** Weights from fits: Shapley's shares of a deviance, shrunk towards equal weights, in steps of five. Pure. */

/**
 * Shapley values (1953) of k players for a value known of every coalition: the mean, over all orders of joining, of what
 * each adds. `worthOf` takes the coalition as a bit mask and must give 0 at the empty one to have the values sum to that of all.
 */
export function shapleyValues(players: number, worthOf: (mask: number) => number): readonly number[] {
  const weights = Array.from({ length: players }, (_, size) => 1 / (players * binomial(players - 1, size)));
  return Array.from({ length: players }, (_, player) => {
    let sum = 0;
    for (let mask = 0; mask < 1 << players; mask += 1) {
      if ((mask >> player) & 1) continue;
      sum += (weights[bits(mask)] as number) * (worthOf(mask | (1 << player)) - worthOf(mask));
    }
    return sum;
  });
}

const bits = (mask: number): number => (mask === 0 ? 0 : (mask & 1) + bits(mask >> 1));

function binomial(n: number, k: number): number {
  let value = 1;
  for (let i = 1; i <= k; i += 1) value = (value * (n - k + i)) / i;
  return value;
}

/** Values as shares of their sum; a negative one counts as nothing, and all nothing as equal. */
export function sharesOf(values: readonly number[]): readonly number[] {
  const kept = values.map((value) => Math.max(0, value));
  const total = kept.reduce((sum, value) => sum + value, 0);
  return total > 0 ? kept.map((value) => value / total) : kept.map(() => 1 / values.length);
}

/** (1 - lambda) share + lambda / k. */
export const shrink = (shares: readonly number[], lambda: number): readonly number[] =>
  shares.map((share) => (1 - lambda) * share + lambda / shares.length);

/** How far weights may be shrunk towards equal ones. */
export const lambdas = [0, 0.25, 0.5, 0.75, 1] as const;

/**
 * Shares in multiples of `step` percent that sum to 100: rounded down, and what is left goes one step each to the largest
 * remainders, ties to the earlier.
 */
export function inSteps(shares: readonly number[], step = 5): readonly number[] {
  const total = Math.round(100 / step);
  const exact = shares.map((share) => Math.round(share * total * 1e9) / 1e9);
  const floor = exact.map(Math.floor);
  const left = total - floor.reduce((sum, value) => sum + value, 0);
  const order = exact
    .map((value, i) => ({ i, rest: value - (floor[i] as number) }))
    .sort((a, b) => b.rest - a.rest || a.i - b.i);
  const lucky = new Set(order.slice(0, left).map(({ i }) => i));
  return floor.map((value, i) => step * (value + (lucky.has(i) ? 1 : 0)));
}

/** An out-of-time loss with the clustered standard error of its difference from the least one (0 for that one itself). */
export interface Loss {
  readonly lambda: number;
  readonly loss: number;
  readonly seOfDifference: number;
}

/** The largest lambda whose loss is within one standard error of the least; 1 (equal weights) without any. */
export function chooseLambda(losses: readonly Loss[]): number {
  const least = Math.min(...losses.map(({ loss }) => loss));
  const near = losses.filter(({ loss, seOfDifference }) => loss - least <= seOfDifference);
  return near.length === 0 ? 1 : Math.max(...near.map(({ lambda }) => lambda));
}
