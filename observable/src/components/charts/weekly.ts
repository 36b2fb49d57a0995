import * as Plot from "@observablehq/plot";
import { date, toDate } from "../format.js";
import { chartStyle, type DateMark, dateMarks, isNarrow } from "./frame.js";

export interface WeekPoint {
  readonly week: string;
  readonly value: number;
}

/** One number a week as a line over a zero-based area, with a rule where something stepped. */
export function weekly(
  data: readonly WeekPoint[],
  options: {
    readonly width: number;
    readonly label: string;
    /** The top of the axis; default: the largest value. */
    readonly top?: number;
    readonly marks?: readonly DateMark[];
    readonly notes?: readonly DateMark[];
    readonly format: (value: number) => string;
  },
): Node {
  const { width, label, marks = [], notes = [], format } = options;
  const top = options.top ?? Math.max(1e-9, ...data.map(({ value }) => value)) * 1.06;
  const x = (d: WeekPoint): Date => toDate(d.week);
  return Plot.plot({
    width,
    height: 170,
    marginLeft: 52,
    marginRight: 16,
    marginTop: 30,
    marginBottom: 26,
    style: chartStyle,
    x: { type: "utc", label: null, ticks: isNarrow(width) ? 3 : 6 },
    y: { domain: [0, top], label: `↑ ${label}`, ticks: 4, grid: true, tickFormat: format },
    marks: [
      Plot.ruleY([0]),
      Plot.areaY(data, { x, y: "value", fill: "var(--accent)", fillOpacity: 0.12 }),
      Plot.lineY(data, { x, y: "value", stroke: "var(--accent)", strokeWidth: 1.5 }),
      Plot.dot(data.length === 1 ? data : [], { x, y: "value", fill: "var(--accent)" }),
      ...dateMarks(
        notes,
        data.map((d) => d.week),
        { dy: -20 },
      ),
      Plot.ruleX(marks, { x: (d) => toDate(d.on), stroke: "var(--band-red)", strokeDasharray: "3,2" }),
      Plot.text(marks.slice(-3), {
        x: (d) => toDate(d.on),
        text: "label",
        frameAnchor: "top",
        dy: -8,
        fontSize: 10.5,
      }),
      Plot.tip(
        data,
        Plot.pointerX({ x, y: "value", title: (d: WeekPoint) => `week of ${date(d.week)}\n${format(d.value)}` }),
      ),
    ],
  });
}
