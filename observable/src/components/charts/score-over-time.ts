import * as Plot from "@observablehq/plot";
import { count, date, points, toDate } from "../format.js";
import type { ScoreMonth } from "../rows.js";
import { chartStyle, type DateMark, dateMarks, isNarrow } from "./frame.js";

/** The mean score at each month's last reading, by account and by money, with a line where another version took over or a note was made. */
export function scoreOverTime(
  rows: readonly ScoreMonth[],
  options: {
    readonly width: number;
    readonly domain: readonly [number, number];
    readonly marks?: readonly DateMark[];
  },
): Node {
  const { width, domain, marks = [] } = options;
  const narrow = isNarrow(width);
  const lines = [
    { name: "each account counts the same", of: (d: ScoreMonth) => d.mean_score, dash: "none" },
    { name: "weighted by money", of: (d: ScoreMonth) => d.mean_by_money, dash: "4,3" },
  ].filter(({ of }) => rows.some((d) => of(d) !== null));
  const versions = rows.filter((d) => d.is_new_version).map((d) => ({ on: d.snapshot_date, label: `v${d.version}` }));
  return Plot.plot({
    width,
    height: narrow ? 220 : 260,
    marginLeft: 40,
    marginRight: 16,
    marginTop: 24,
    style: chartStyle,
    x: { type: "utc", label: null, ticks: narrow ? 4 : 8 },
    y: { domain: [...domain], label: "↑ mean score", grid: true, ticks: 5 },
    marks: [
      ...dateMarks(
        [...versions, ...marks],
        rows.map((d) => d.snapshot_date),
      ),
      ...lines.map(({ of, dash }) =>
        Plot.line(rows, {
          x: (d) => toDate(d.snapshot_date),
          y: (d) => of(d),
          z: "version",
          stroke: "var(--accent)",
          strokeWidth: 2,
          strokeDasharray: dash,
        }),
      ),
      Plot.dot(rows, { x: (d) => toDate(d.snapshot_date), y: "mean_score", r: 2.5, fill: "var(--accent)" }),
      Plot.tip(
        rows,
        Plot.pointerX({
          x: (d) => toDate(d.snapshot_date),
          y: "mean_score",
          title: (d) =>
            `${date(d.snapshot_date)}, version ${d.version}\n${points(d.mean_score)}\n${count(d.n_scored)} accounts`,
        }),
      ),
    ],
  });
}
