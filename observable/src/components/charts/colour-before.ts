import * as Plot from "@observablehq/plot";
import { type BandStyle, styleOf } from "../bands.js";
import { count, percent, percentTick } from "../format.js";
import type { BandBefore } from "../rows.js";
import { chartStyle, isNarrow } from "./frame.js";

/**
 * Shares of the bands at fixed days before a decision, of those who left and of like accounts that stayed, side by side (one
 * above the other on a phone); the riskiest band on the zero line.
 */
export function colourBefore(
  data: readonly BandBefore[],
  { width, styles }: { readonly width: number; readonly styles: readonly BandStyle[] },
): Node {
  const narrow = isNarrow(width);
  const days = [...new Set(data.map((d) => d.days_before))].sort((a, b) => b - a);
  const groups = [
    { isDeparture: true, name: "those who left" },
    { isDeparture: false, name: "like ones that stayed" },
  ].filter((group) => data.some((d) => d.is_departure === group.isDeparture));
  const cells = groups.flatMap(({ isDeparture, name }) =>
    days.flatMap((day) => {
      let from = 0;
      return styles.flatMap((style) => {
        const row = data.find((d) => d.is_departure === isDeparture && d.days_before === day && d.band === style.band);
        if (row === undefined) return [];
        const share = row.n_cases / row.n_total;
        const cell = { ...row, group: name, style, share, from, to: from + share };
        from += share;
        return [cell];
      });
    }),
  );
  const facet = narrow ? { fy: "group" } : { fx: "group" };
  const scale = {
    domain: groups.map(({ name }) => name),
    label: null,
    axis: null,
    padding: narrow ? 0.16 : 0.08,
  } as const;
  return Plot.plot({
    width,
    height: narrow ? 265 * groups.length : 300,
    marginLeft: 44,
    marginRight: 12,
    marginTop: 30,
    marginBottom: 40,
    style: chartStyle,
    ...(narrow ? { fy: scale } : { fx: scale }),
    x: {
      type: "band",
      domain: days,
      label: "days before the decision",
      labelAnchor: "center",
      labelArrow: "none",
      padding: 0.12,
      tickSize: 0,
      tickFormat: (day: number) => (day === 0 ? "last" : String(day)),
    },
    y: { domain: [0, 1], label: null, grid: true, ticks: 5, tickFormat: percentTick },
    marks: [
      Plot.text(groups, {
        ...(narrow ? { fy: "name" } : { fx: "name" }),
        text: "name",
        frameAnchor: "top-left",
        dy: -20,
        textAnchor: "start",
        fontWeight: 600,
      }),
      Plot.rect(cells, { ...facet, x: "days_before", y1: "from", y2: "to", fill: (d) => d.style.colour }),
      Plot.text(
        cells.filter((d) => d.share >= 0.06),
        {
          ...facet,
          x: "days_before",
          y: (d) => (d.from + d.to) / 2,
          text: (d) => String(Math.round(100 * d.share)),
          fill: "var(--on-band)",
          fontSize: narrow ? 10 : 11,
        },
      ),
      Plot.ruleY([0]),
      Plot.tip(
        cells,
        Plot.pointer({
          ...facet,
          x: "days_before",
          y: (d) => (d.from + d.to) / 2,
          title: (d) =>
            `${d.group}, ${d.days_before} days before\n${styleOf(styles, d.band).name}: ${percent(d.share)}\n${count(d.n_cases)} of ${count(d.n_total)}`,
        }),
      ),
    ],
  });
}
