import * as Plot from "@observablehq/plot";
import { svg } from "htl";
import { count, percent, quarters } from "../format.js";
import type { CohortCell } from "../rows.js";
import { chartStyle, labelMargin } from "./frame.js";

const cohortName = (d: { readonly cohort_from: string; readonly cohort_to: string }): string =>
  quarters(d.cohort_from, d.cohort_to);

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
            fill: "var(--theme-foreground)",
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

/** 0.06 at the lowest share drawn, 0.54 at everything kept and above: no shade is too strong for the number on it. */
const shade = (rate: number, low: number): number =>
  Math.max(0.06, Math.min(0.54, 0.06 + (0.48 * (rate - low)) / Math.max(1e-9, 1 - low)));
