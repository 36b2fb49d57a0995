import * as Plot from "@observablehq/plot";
import { points } from "../format.js";
import { chartStyle, fitLabel, isNarrow, labelMargin } from "./frame.js";

export interface PointsRow {
  readonly label: string;
  readonly current: number | null;
  readonly equal: number | null;
  readonly suggested: number | null;
}

/** Points of 100 that each KPI has and would have: a bar as it is, a tick if equal, a dot as history suggests. */
export function pointsBeside(data: readonly PointsRow[], { width }: { readonly width: number }): Node {
  const marginLeft = labelMargin(
    data.map(({ label }) => label),
    width,
  );
  const ids = data.map((_, i) => String(i));
  const names = new Map(data.map((d, i) => [String(i), fitLabel(d.label, marginLeft)]));
  const y = (_: PointsRow, i: number): string => String(i);
  const top = Math.max(10, ...data.flatMap((d) => [d.current ?? 0, d.equal ?? 0, d.suggested ?? 0]));
  return Plot.plot({
    width,
    height: 50 + 26 * data.length,
    marginLeft,
    marginRight: 20,
    marginTop: 8,
    marginBottom: 36,
    style: chartStyle,
    x: { domain: [0, top * 1.05], label: "points of 100 →", grid: true, ticks: isNarrow(width) ? 3 : 6 },
    y: {
      domain: ids,
      type: "band",
      label: null,
      tickSize: 0,
      tickFormat: (i: string) => names.get(i) ?? "",
      padding: 0.35,
    },
    marks: [
      Plot.ruleX([0]),
      Plot.barX(data, { y, x: (d: PointsRow) => d.current ?? 0, fill: "var(--band-unknown)" }),
      Plot.tickX(data, { y, x: "equal", stroke: "currentColor", strokeWidth: 2, insetTop: -3, insetBottom: -3 }),
      Plot.dot(data, { y, x: "suggested", r: 5, fill: "var(--accent)", stroke: "var(--theme-background)" }),
      Plot.tip(
        data,
        Plot.pointerY({
          y,
          x: "suggested",
          title: (d: PointsRow) =>
            `${d.label}\nas it is ${points(d.current)}\nequal ${points(d.equal)}\nsuggested ${points(d.suggested)}`,
        }),
      ),
    ],
  });
}
