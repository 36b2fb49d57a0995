import * as Plot from "@observablehq/plot";
import { type BandStyle, styleOf } from "../bands.js";
import { date, points, toDate } from "../format.js";
import { chartStyle, type DateMark, dateMarks, isNarrow } from "./frame.js";

export interface ScorePoint {
  readonly on: string;
  readonly score: number | null;
  /** How far the score could reach where it is null. */
  readonly low: number | null;
  readonly high: number | null;
  readonly band: string;
}

/**
 * The scores of one account as a line with a dot in the colour of the band, a bar where a score could not be given and how far it could have
 * reached, and a rule where another version or scorecard began.
 */
export function accountHistory(
  data: readonly ScorePoint[],
  options: {
    readonly width: number;
    readonly styles: readonly BandStyle[];
    readonly from: number;
    readonly to: number;
    readonly marks: readonly DateMark[];
  },
): Node {
  const { width, styles, from, to, marks } = options;
  const narrow = isNarrow(width);
  const rows = data.map((d, i) => ({ ...d, at: toDate(d.on), i }));
  const scored = rows.filter(({ score }) => score !== null);
  const ranged = rows.filter(({ score, low, high }) => score === null && low !== null && high !== null);
  return Plot.plot({
    width,
    height: narrow ? 220 : 280,
    marginLeft: 40,
    marginRight: 16,
    marginTop: 26,
    style: chartStyle,
    x: { type: "utc", label: null },
    y: { domain: [from, to], label: "↑ score", grid: true, ticks: 5 },
    marks: [
      Plot.ruleX(ranged, {
        x: "at",
        y1: "low",
        y2: "high",
        stroke: "var(--band-unknown)",
        strokeWidth: 2.5,
        strokeOpacity: 0.7,
      }),
      // A gap where there is no score: the line does not pretend to know.
      Plot.lineY(rows, { x: "at", y: "score", stroke: "var(--theme-foreground-muted)", strokeWidth: 1 }),
      Plot.dot(scored, {
        x: "at",
        y: "score",
        r: scored.length > 80 ? 2.5 : 3.5,
        fill: (d) => styleOf(styles, d.band).colour,
        stroke: "var(--theme-background)",
        strokeWidth: 0.5,
      }),
      ...dateMarks(
        marks,
        data.map(({ on }) => on),
      ),
      Plot.tip(
        rows,
        Plot.pointerX({
          x: "at",
          y: (d) => d.score ?? d.high,
          title: (d) =>
            `${date(d.on)}\n${d.score === null ? `no score: ${points(d.low)} to ${points(d.high)}` : `${points(d.score)}, ${styleOf(styles, d.band).name}`}`,
        }),
      ),
    ],
  });
}
