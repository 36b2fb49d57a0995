import * as Plot from "@observablehq/plot";
import { count, date, toDate } from "../format.js";
import { chartStyle, type DateMark, dateMarks, fitLabel, isNarrow, labelMargin } from "./frame.js";

export interface Volume {
  readonly source: string;
  readonly week: string;
  readonly n_rows: number;
  readonly step: string | null;
}

/** Rows of each source by week, one strip a source on a scale of its own; a mark where the volume stepped up or down. */
export function volumes(
  data: readonly Volume[],
  { width, marks = [] }: { readonly width: number; readonly marks?: readonly DateMark[] },
): Node {
  const sources = [...new Set(data.map(({ source }) => source))];
  const most = new Map<string, number>();
  for (const d of data) most.set(d.source, Math.max(most.get(d.source) ?? 1, d.n_rows));
  const marginLeft = labelMargin(sources, width);
  const share = (d: Volume): number => d.n_rows / (most.get(d.source) ?? 1);
  const x = (d: Volume): Date => toDate(d.week);
  return Plot.plot({
    width,
    height: 50 + 42 * sources.length,
    marginLeft,
    marginRight: isNarrow(width) ? 16 : 120,
    marginTop: 20,
    marginBottom: 26,
    style: chartStyle,
    x: { type: "utc", label: null, ticks: isNarrow(width) ? 3 : 6 },
    y: { domain: [0, 1.1], axis: null },
    fy: { domain: sources, axis: null, padding: 0.15 },
    marks: [
      ...dateMarks(
        marks,
        data.map((d) => d.week),
        { dy: -10, strip: sources[0] },
      ),
      Plot.ruleY([0], { stroke: "currentColor", strokeOpacity: 0.3 }),
      Plot.areaY(data, { x, y: share, fy: "source", fill: "var(--accent)", fillOpacity: 0.3 }),
      Plot.lineY(data, { x, y: share, fy: "source", stroke: "var(--accent)", strokeWidth: 1.2 }),
      Plot.dot(
        data.filter(({ step }) => step !== null),
        { x, y: 0.02, fy: "source", symbol: "triangle", r: 4, fill: "var(--band-red)", dy: 5 },
      ),
      Plot.text(sources, {
        fy: (s: string) => s,
        text: (s: string) => fitLabel(s, marginLeft),
        frameAnchor: "left",
        textAnchor: "end",
        dx: -8,
      }),
      isNarrow(width)
        ? null
        : Plot.text(sources, {
            fy: (s: string) => s,
            text: (s: string) => `at most ${count(most.get(s) ?? 0)}`,
            frameAnchor: "right",
            textAnchor: "start",
            dx: 8,
            fill: "var(--theme-foreground-muted)",
          }),
      Plot.tip(
        data,
        Plot.pointer({
          x,
          y: share,
          fy: "source",
          title: (d: Volume) =>
            `${d.source}, week of ${date(d.week)}\n${count(d.n_rows)} rows${d.step === null ? "" : `\nstep ${d.step}`}`,
        }),
      ),
    ],
  });
}
