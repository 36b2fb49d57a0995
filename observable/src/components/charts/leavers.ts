import * as Plot from "@observablehq/plot";
import { type BandStyle, styleOf } from "../bands.js";
import { percent, plural } from "../format.js";
import type { LeaverBand } from "../rows.js";
import { chartStyle, fitLabel, isNarrow } from "./frame.js";

/** One square per customer that left, by the band it stood in before; one row of squares per score, on one axis. */
export function leavers(
  data: readonly LeaverBand[],
  options: {
    readonly width: number;
    readonly styles: readonly BandStyle[];
    readonly series: readonly { readonly series: string; readonly name: string }[];
  },
): Node {
  const { width, styles, series } = options;
  const order = new Map(styles.map(({ band }, i) => [band, i]));
  const names = new Map(series.map((s) => [s.series, s.name]));
  const rows = data
    .filter((d) => names.has(d.series))
    .sort((a, b) => (order.get(a.band) ?? 99) - (order.get(b.band) ?? 99));
  const total = rows[0]?.n_total ?? 0;
  const narrow = isNarrow(width);
  const across = Math.max(10, Math.floor((width - 20) / (narrow ? 9 : 11)));
  const lines = Math.max(1, Math.ceil(total / across));
  const cell = Math.min(16, (width - 20) / Math.ceil(total / lines));
  const band = Math.max(16, lines * cell) + 26;
  return Plot.plot({
    width,
    height: band * series.length + 8,
    marginLeft: 0,
    marginRight: 20,
    marginTop: 4,
    marginBottom: 4,
    style: chartStyle,
    x: { axis: null, domain: [0, ((width - 20) / cell) * lines] },
    y: { axis: null, domain: series.map((s) => s.name), paddingInner: 0, paddingOuter: 0 },
    fy: { axis: null },
    marks: [
      Plot.text(series, {
        y: "name",
        // On a phone without what it is made of, which the page says in words.
        text: (d) => fitLabel(narrow ? d.name.replace(/:.*$/, "") : d.name, width),
        frameAnchor: "left",
        textAnchor: "start",
        dy: -(band / 2) + 12,
        fontWeight: 600,
      }),
      Plot.waffleX(rows, {
        y: (d) => names.get(d.series),
        x: "n_leavers",
        fill: (d) => styleOf(styles, d.band).colour,
        order: null,
        multiple: lines,
        insetTop: 24,
        insetBottom: 2,
        gap: 1.5,
        title: (d) =>
          `${names.get(d.series)}\n${styleOf(styles, d.band).name}: ${plural(d.n_leavers, "customer")} (${percent(d.n_leavers / d.n_total)})`,
        tip: true,
      }),
    ],
  });
}
