import * as Plot from "@observablehq/plot";
import { type BandStyle, styleOf } from "../bands.js";
import { count, percent, percentTick } from "../format.js";
import type { BandOutcome } from "../rows.js";
import { chartStyle, isNarrow, rateTop } from "./frame.js";

/** Share that left within each horizon, by band: dot with its interval, and the rate of everybody as a rule. */
export function ledger(
  data: readonly BandOutcome[],
  { width, styles, top }: { readonly width: number; readonly styles: readonly BandStyle[]; readonly top?: number },
): Node {
  const days = [...new Set(data.map((d) => d.days))].sort((a, b) => a - b);
  const order = [...new Set(data.map((d) => d.band))].sort(
    (a, b) => styles.findIndex((s) => s.band === a) - styles.findIndex((s) => s.band === b),
  );
  const base = days.map((d) => {
    const rows = data.filter((row) => row.days === d);
    const n = rows.reduce((sum, row) => sum + row.n_rows, 0);
    const left = rows.reduce((sum, row) => sum + (row.rate ?? 0) * row.n_rows, 0);
    return { days: d, rate: n === 0 ? null : left / n };
  });
  const name = (band: string): string => `${styleOf(styles, band).letter}  ${styleOf(styles, band).name}`;
  const narrow = isNarrow(width);
  return Plot.plot({
    width,
    height: 40 + days.length * (36 + 22 * order.length),
    marginLeft: 92,
    marginRight: narrow ? 16 : 112,
    marginTop: 24,
    marginBottom: 36,
    style: chartStyle,
    x: {
      domain: [0, top ?? rateTop(data.flatMap((d) => [d.rate_high, d.rate]))],
      label: "left within the days →",
      grid: true,
      ticks: narrow ? 3 : 6,
      tickFormat: percentTick,
    },
    y: { domain: order.map(name), label: null, tickSize: 0, padding: 0.2 },
    fy: { domain: days, label: null, axis: null, padding: 0.34 },
    marks: [
      Plot.text(days, {
        fy: (d) => d,
        text: (d) => `within ${d} days`,
        frameAnchor: "top-left",
        dy: -18,
        dx: -88,
        textAnchor: "start",
        fontWeight: 600,
      }),
      Plot.ruleX([0]),
      Plot.ruleX(
        base.filter((d) => d.rate !== null),
        { fy: "days", x: "rate", stroke: "currentColor", strokeDasharray: "3,3", strokeOpacity: 0.8 },
      ),
      Plot.ruleY(data, {
        fy: "days",
        y: (d) => name(d.band),
        x1: "rate_low",
        x2: "rate_high",
        stroke: (d) => styleOf(styles, d.band).colour,
        strokeWidth: 3,
        strokeLinecap: "round",
      }),
      Plot.dot(data, {
        fy: "days",
        y: (d) => name(d.band),
        x: "rate",
        r: 5,
        fill: (d) => styleOf(styles, d.band).colour,
        stroke: "currentColor",
        strokeWidth: 0.75,
      }),
      narrow
        ? null
        : Plot.text(data, {
            fy: "days",
            y: (d) => name(d.band),
            text: (d) => `${count(d.n_accounts)} accounts`,
            frameAnchor: "right",
            textAnchor: "start",
            dx: 8,
            fill: "var(--theme-foreground-muted)",
          }),
      Plot.tip(
        data,
        Plot.pointer({
          fy: "days",
          y: (d) => name(d.band),
          x: "rate",
          title: (d) =>
            `${styleOf(styles, d.band).name}, ${d.days} days\nleft: ${percent(d.rate)} (${percent(d.rate_low)} to ${percent(d.rate_high)})\n${count(d.n_churned)} of ${count(d.n_accounts)} accounts`,
        }),
      ),
    ],
  });
}
