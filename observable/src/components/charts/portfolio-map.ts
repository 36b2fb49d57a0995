import * as Plot from "@observablehq/plot";
import { type BandStyle, styleOf } from "../bands.js";
import { inMajor, money, points } from "../format.js";
import { chartStyle, isNarrow } from "./frame.js";

export interface PlacedAccount {
  readonly name: string;
  readonly band: string;
  readonly slope: number;
  readonly mrr_minor: number;
  readonly score: number | null;
}

/** One dot an account: how its score moves (across) and what it pays (up, on a logarithmic scale), in the colour of its band. */
export function portfolioMap(
  data: readonly PlacedAccount[],
  options: { readonly width: number; readonly styles: readonly BandStyle[]; readonly currency: string },
): Node {
  const { width, styles, currency } = options;
  const reach = Math.max(5, ...data.map(({ slope }) => Math.abs(slope)));
  return Plot.plot({
    width,
    height: isNarrow(width) ? 300 : 400,
    marginLeft: 58,
    marginRight: 16,
    marginTop: 28,
    marginBottom: 40,
    style: chartStyle,
    x: { domain: [-reach, reach], label: "points in 28 days →", grid: true, ticks: isNarrow(width) ? 5 : 9 },
    y: { type: "log", label: `↑ ${currency} a month`, grid: true, ticks: 4, tickFormat: "~s" },
    marks: [
      Plot.ruleX([0], { stroke: "currentColor", strokeOpacity: 0.6 }),
      Plot.dot(data, {
        x: "slope",
        y: (d) => inMajor(d.mrr_minor, currency),
        r: 4,
        fill: (d) => styleOf(styles, d.band).colour,
        fillOpacity: 0.75,
        stroke: "var(--theme-background)",
        strokeWidth: 0.5,
      }),
      Plot.tip(
        data,
        Plot.pointer({
          x: "slope",
          y: (d) => inMajor(d.mrr_minor, currency),
          title: (d) =>
            `${d.name}\n${styleOf(styles, d.band).name}, ${d.score === null ? "no score" : points(d.score)}\n${points(d.slope)} points in 28 days\n${money(d.mrr_minor, currency)} a month`,
        }),
      ),
    ],
  });
}
