import * as Plot from "@observablehq/plot";
import { date, toDate } from "../format.js";
import { chartStyle, type DateMark, dateMarks, isNarrow } from "./frame.js";

export interface DriftPoint {
  readonly snapshot_date: string;
  readonly psi: number | null;
  /** What chance alone passes once in a hundred. */
  readonly bar: number | null;
  readonly is_alarm: boolean;
}

/** How far scores lie from those of the first reading, over time; filled where that is more than chance. Zero-based. */
export function driftLine(
  data: readonly DriftPoint[],
  { width, marks = [] }: { readonly width: number; readonly marks?: readonly DateMark[] },
): Node {
  const rows = data.filter(({ psi }) => psi !== null);
  const x = (d: DriftPoint): Date => toDate(d.snapshot_date);
  const bar = (d: DriftPoint): number => Math.max(0.1, d.bar ?? 0);
  const top = Math.max(0.15, ...rows.map((d) => Math.max(d.psi as number, bar(d)))) * 1.08;
  return Plot.plot({
    width,
    height: 190,
    marginLeft: 44,
    marginRight: 16,
    marginTop: 28,
    marginBottom: 28,
    style: chartStyle,
    x: { type: "utc", label: null, ticks: isNarrow(width) ? 3 : 6 },
    y: { domain: [0, top], label: "↑ stability index", grid: true, ticks: 4 },
    marks: [
      Plot.ruleY([0]),
      ...dateMarks(
        marks,
        rows.map((d) => d.snapshot_date),
      ),
      Plot.lineY(rows, { x, y: bar, stroke: "currentColor", strokeOpacity: 0.6, strokeDasharray: "4,3" }),
      Plot.lineY(rows, { x, y: "psi", stroke: "var(--accent)", strokeOpacity: 0.5 }),
      Plot.dot(rows, {
        x,
        y: "psi",
        r: 4,
        fill: (d: DriftPoint) => (d.is_alarm ? "var(--accent)" : "var(--theme-background)"),
        stroke: "var(--accent)",
      }),
      Plot.tip(
        rows,
        Plot.pointerX({
          x,
          y: "psi",
          title: (d: DriftPoint) =>
            `${date(d.snapshot_date)}\n${(d.psi as number).toFixed(2)}, bar ${bar(d).toFixed(2)}`,
        }),
      ),
    ],
  });
}
