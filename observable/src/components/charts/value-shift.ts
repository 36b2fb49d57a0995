import * as Plot from "@observablehq/plot";
import { percent, percentTick } from "../format.js";
import { chartStyle, isNarrow, labelMargin, rateTop } from "./frame.js";

export interface ShiftRow {
  /** The range of values, or "no value". */
  readonly label: string;
  readonly share_then: number;
  readonly share_now: number;
}

/** Where accounts stand: a bar for today's share of each range of values, a tick for the share in history. Zero-based. */
export function valueShift(
  data: readonly ShiftRow[],
  { width, unit }: { readonly width: number; readonly unit: string },
): Node {
  const top = rateTop(data.flatMap((d) => [d.share_now, d.share_then]));
  return Plot.plot({
    width,
    height: 62 + 22 * data.length,
    marginLeft: labelMargin(
      data.map(({ label }) => label),
      width,
    ),
    marginRight: 20,
    marginTop: 26,
    marginBottom: 36,
    style: chartStyle,
    x: {
      domain: [0, top],
      label: "share of accounts →",
      grid: true,
      ticks: isNarrow(width) ? 3 : 6,
      tickFormat: percentTick,
    },
    y: {
      domain: data.map(({ label }) => label),
      label: unit,
      labelAnchor: "top",
      labelArrow: "none",
      tickSize: 0,
      padding: 0.3,
    },
    marks: [
      Plot.ruleX([0]),
      Plot.barX(data, { y: "label", x: "share_now", fill: "var(--accent)", fillOpacity: 0.75 }),
      Plot.tickX(data, {
        y: "label",
        x: "share_then",
        stroke: "currentColor",
        strokeWidth: 2.5,
        insetTop: -3,
        insetBottom: -3,
      }),
      Plot.tip(
        data,
        Plot.pointerY({
          y: "label",
          x: "share_now",
          title: (d: ShiftRow) => `${d.label}\nnow ${percent(d.share_now)}\nin history ${percent(d.share_then)}`,
        }),
      ),
    ],
  });
}
