/** Where a score is heading, in words, over a declared window of days. */

/** The window of a trend and of the slope that ranks accounts in a band: twelve weeks. */
export const trendDays = 84;

/** Scores of one version of a scorecard for one account; those without a score are left out by the caller. */
export interface TrendPoint {
  readonly snapshot_date: string;
  readonly score: number;
}

export interface Trend {
  /** Days that were looked back. */
  readonly days: number;
  readonly from_date: string;
  readonly from_score: number;
  /** Last score less the first one of the window. */
  readonly change: number;
  /** "green, declining 20". */
  readonly words: string;
}

/**
 * The change from the first to the last score of the window, behind the band of the last: 95, 85, 75 is "green, declining
 * 20", 45, 50, 65 is "yellow, improving 20". Whole points; what rounds to nothing is steady. Null with fewer than two
 * scores. `points` ascend by date and lie within the window.
 */
export function trendOf(points: readonly TrendPoint[], band: string, days: number): Trend | null {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined || points.length < 2) return null;
  const change = Math.round((last.score - first.score) * 1e6) / 1e6;
  const shown = Math.round(Math.abs(change));
  const words = shown === 0 ? "steady" : `${change < 0 ? "declining" : "improving"} ${shown}`;
  return { days, from_date: first.snapshot_date, from_score: first.score, change, words: `${band}, ${words}` };
}
