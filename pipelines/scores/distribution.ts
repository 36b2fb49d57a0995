/** How many accounts stand where on the scale: shares that add up to 100, and one sentence. */
import type { Scorecard } from "../config/scorecard.ts";

type Bands = Pick<Scorecard, "bands">;

/** Whole percents of counts that add up to 100: largest remainders, the first of equals. All 0 without any. */
export function wholePercents(counts: readonly number[]): readonly number[] {
  const all = counts.reduce((sum, n) => sum + n, 0);
  if (all === 0) return counts.map(() => 0);
  const floors = counts.map((n) => Math.floor((100 * n) / all));
  const order = counts
    .map((n, i) => ({ i, rest: (100 * n) % all }))
    .sort((a, b) => b.rest - a.rest || a.i - b.i)
    .slice(0, 100 - floors.reduce((sum, n) => sum + n, 0));
  return floors.map((floor, i) => floor + (order.some((one) => one.i === i) ? 1 : 0));
}

/** Where a band lies on the scale, short: "above 6", "3-6", "below 3"; the inclusive edge decides above or from. */
export function placeInWords({ bands: { edge, list } }: Bands, i: number): string {
  const [from, to] = [list[i - 1]?.to, list[i]?.to];
  if (from === undefined) return `${edge === "upper" ? "up to" : "below"} ${to}`;
  if (i === list.length - 1) return `${edge === "upper" ? "above" : "from"} ${from}`;
  return `${from}-${to}`;
}

/**
 * "80 % above 6, 10 % 3-6, 10 % up to 3", the best band first; accounts without a score at the end: "4 % without a score".
 * Null without any account. `counts` by band id, `unknown` among them.
 */
export function distributionInWords(card: Bands, counts: ReadonlyMap<string, number>): string | null {
  const places = card.bands.list
    .map(({ id }, i) => ({ n: counts.get(id) ?? 0, words: placeInWords(card, i) }))
    .reverse();
  const unknown = counts.get("unknown") ?? 0;
  const parts = unknown > 0 ? [...places, { n: unknown, words: "without a score" }] : places;
  if (parts.every(({ n }) => n === 0)) return null;
  const percents = wholePercents(parts.map(({ n }) => n));
  return parts.map(({ words }, i) => `${percents[i]} % ${words}`).join(", ");
}
