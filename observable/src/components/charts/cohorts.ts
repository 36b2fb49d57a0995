import * as Plot from "@observablehq/plot";
import { svg } from "htl";
import { count, percent, percentTick, quarters } from "../format.js";
import type { CohortCell, CohortRetention } from "../rows.js";
import { chartStyle, isNarrow, labelMargin } from "./frame.js";

const cohortName = (d: { readonly cohort_from: string; readonly cohort_to: string }): string =>
  quarters(d.cohort_from, d.cohort_to);

/** Kept after twelve months, by sign-up cohort, with the 95 % interval, on an axis from 0 to 100 %. */
export function cohortRetention(data: readonly CohortRetention[], { width }: { readonly width: number }): Node {
  const labels = data.map(cohortName);
  const narrow = isNarrow(width);
  return Plot.plot({
    width,
    height: 60 + 26 * data.length,
    marginLeft: labelMargin(labels, width),
    marginRight: narrow ? 44 : 110,
    marginTop: 10,
    marginBottom: 36,
    style: chartStyle,
    x: {
      domain: [0, 1],
      label: "still paying after 12 months →",
      grid: true,
      ticks: narrow ? 3 : 5,
      tickFormat: percentTick,
    },
    y: { domain: labels, label: null, tickSize: 0 },
    marks: [
      Plot.ruleX([0]),
      Plot.ruleY(data, {
        y: cohortName,
        x1: "rate_low",
        x2: "rate_high",
        stroke: "var(--accent)",
        strokeWidth: 2.5,
        strokeLinecap: "round",
      }),
      Plot.dot(data, { y: cohortName, x: "kept_rate", r: 5, fill: "var(--accent)", stroke: "var(--theme-background)" }),
      Plot.text(data, {
        y: cohortName,
        text: (d) => (narrow ? count(d.n_accounts) : `${count(d.n_accounts)} accounts`),
        frameAnchor: "right",
        textAnchor: "start",
        dx: 8,
        fill: "var(--theme-foreground-muted)",
      }),
      Plot.tip(
        data,
        Plot.pointerY({
          y: cohortName,
          x: "kept_rate",
          title: (d) =>
            `${cohortName(d)}\n${percent(d.kept_rate)} kept (${percent(d.rate_low)} to ${percent(d.rate_high)})\n${count(d.n_kept)} of ${count(d.n_accounts)} accounts`,
        }),
      ),
    ],
  });
}

/**
 * Share kept by cohort and age. Cells that have not matured are absent; cohorts merged from several quarters are
 * hatched. `measure` picks accounts or money.
 */
export function cohortHeat(
  data: readonly CohortCell[],
  { width, measure }: { readonly width: number; readonly measure: "kept_rate" | "money_rate" },
): Node {
  const cells = data.filter((d) => d[measure] !== null);
  const labels = [...new Set([...cells].sort((a, b) => a.cohort_from.localeCompare(b.cohort_from)).map(cohortName))];
  const ages = [...new Set(cells.map((d) => d.months))].sort((a, b) => a - b);
  const marginLeft = labelMargin(labels, width);
  const cell = (width - marginLeft - 8) / Math.max(1, ages.length);
  const hatch = () =>
    svg`<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
    <line x1="0" y1="0" x2="0" y2="6" stroke="var(--theme-background)" stroke-width="1.4" stroke-opacity="0.7"></line></pattern></defs>` as SVGElement;
  const low = Math.min(0.5, ...cells.map((d) => d[measure] as number));
  return Plot.plot({
    width,
    height: 52 + 24 * labels.length,
    marginLeft,
    marginRight: 8,
    marginTop: 8,
    marginBottom: 40,
    style: chartStyle,
    x: {
      type: "band",
      domain: ages,
      label: "months since sign-up",
      labelAnchor: "center",
      labelArrow: "none",
      padding: 0.06,
      tickSize: 0,
      tickFormat: (age: number) => (cell < 22 && age % 12 !== 0 ? "" : String(age)),
    },
    y: { domain: labels, label: null, padding: 0.06, tickSize: 0 },
    marks: [
      hatch,
      Plot.cell(cells, {
        x: "months",
        y: cohortName,
        fill: "var(--accent)",
        fillOpacity: (d) => shade(d[measure] as number, low),
      }),
      Plot.cell(
        cells.filter((d) => d.n_quarters > 1),
        { x: "months", y: cohortName, fill: "url(#hatch)" },
      ),
      cell < 30
        ? null
        : Plot.text(cells, {
            x: "months",
            y: cohortName,
            text: (d) => String(Math.round((d[measure] as number) * 100)),
            fill: (d) =>
              shade(d[measure] as number, low) > 0.55 ? "var(--theme-background)" : "var(--theme-foreground)",
            fontSize: 11,
          }),
      Plot.tip(
        cells,
        Plot.pointer({
          x: "months",
          y: cohortName,
          title: (d) =>
            `${cohortName(d)}, ${d.months} months\n${percent(d[measure])} ${measure === "kept_rate" ? "of accounts" : "of first revenue"}\n${count(d.n_accounts)} accounts`,
        }),
      ),
    ],
    // Opacities are given as they are.
    opacity: { type: "identity" },
  });
}

/** 0.08 at the lowest share drawn, 1 at everything kept and above. */
const shade = (rate: number, low: number): number =>
  Math.max(0.08, Math.min(1, 0.08 + (0.92 * (rate - low)) / Math.max(1e-9, 1 - low)));
