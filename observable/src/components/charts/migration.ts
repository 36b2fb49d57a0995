import * as Plot from "@observablehq/plot";
import { type BandStyle, styleOf } from "../bands.js";
import { count, percent } from "../format.js";
import type { BandChange } from "../rows.js";
import { chartStyle, isNarrow } from "./frame.js";

/** From band (rows) to band (columns): of each row's accounts, where they stand now. */
export function migration(
  data: readonly BandChange[],
  { width, styles }: { readonly width: number; readonly styles: readonly BandStyle[] },
): Node {
  const narrow = isNarrow(width);
  const used = styles.filter(({ band }) => data.some((d) => d.from_band === band || d.to_band === band));
  const name = (band: string): string => {
    const style = styleOf(styles, band);
    return narrow ? style.letter : `${style.letter}  ${style.name}`;
  };
  const of = new Map<string, number>();
  for (const d of data) of.set(d.from_band, (of.get(d.from_band) ?? 0) + d.n_accounts);
  const cells = data.map((d) => ({ ...d, share: d.n_accounts / (of.get(d.from_band) ?? 1) }));
  return Plot.plot({
    width: Math.min(width, 720),
    height: 62 + 44 * used.length,
    marginLeft: narrow ? 34 : 92,
    marginRight: 8,
    marginTop: 44,
    marginBottom: 10,
    style: chartStyle,
    x: {
      type: "band",
      domain: used.map(({ band }) => name(band)),
      label: "now",
      labelAnchor: "left",
      axis: "top",
      tickSize: 0,
      padding: 0.05,
    },
    y: { type: "band", domain: used.map(({ band }) => name(band)), label: "then", tickSize: 0, padding: 0.08 },
    opacity: { type: "identity" },
    marks: [
      Plot.cell(cells, {
        x: (d) => name(d.to_band),
        y: (d) => name(d.from_band),
        fill: (d) => styleOf(styles, d.to_band).colour,
        fillOpacity: (d) => 0.08 + 0.34 * d.share,
        stroke: (d) => (d.from_band === d.to_band ? "currentColor" : "none"),
      }),
      Plot.text(cells, {
        x: (d) => name(d.to_band),
        y: (d) => name(d.from_band),
        text: (d) => (narrow ? percent(d.share) : `${percent(d.share)}  (${count(d.n_accounts)})`),
        fill: "currentColor",
      }),
      Plot.tip(
        cells,
        Plot.pointer({
          x: (d) => name(d.to_band),
          y: (d) => name(d.from_band),
          title: (d) =>
            `${styleOf(styles, d.from_band).name} to ${styleOf(styles, d.to_band).name}\n${count(d.n_accounts)} of ${count(of.get(d.from_band) ?? 0)}`,
        }),
      ),
    ],
  });
}
