import * as Plot from "@observablehq/plot";
import { count, percent, percentTick, quarters } from "../format.js";
import type { CohortCell } from "../rows.js";
import { chartStyle, isNarrow } from "./frame.js";

/** Share kept by age, a line per cohort: the older the fainter, the newest with three ages strong; one reference for the eye. */
export function cohortCurves(data: readonly CohortCell[], { width }: { readonly width: number }): Node {
  const narrow = isNarrow(width);
  const rows = data.filter((d) => d.kept_rate !== null);
  const cohorts = [...new Set(rows.map((d) => d.cohort_from))].sort();
  const oldest = rows.reduce((most, d) => Math.max(most, d.months), 0);
  const ends = cohorts.flatMap((from) => {
    const mine = rows.filter((d) => d.cohort_from === from).sort((a, b) => a.months - b.months);
    const last = mine.at(-1);
    return last === undefined || mine.length < 2 ? [] : [last];
  });
  // The two ends of history and the two extremes are named; sixty names would be none.
  const byRate = ends.filter((d) => d.months >= 12).sort((a, b) => (a.kept_rate as number) - (b.kept_rate as number));
  const named = new Set([ends[0], byRate[0], byRate.at(-1), ends.at(-1)].map((d) => d?.cohort_from));
  const age = (d: CohortCell): number =>
    cohorts.length < 2 ? 1 : cohorts.indexOf(d.cohort_from) / (cohorts.length - 1);
  return Plot.plot({
    width,
    height: narrow ? 260 : 340,
    marginLeft: 44,
    marginRight: narrow ? 20 : 40,
    marginTop: 26,
    marginBottom: 40,
    style: chartStyle,
    x: {
      domain: [0, Math.max(3, oldest)],
      label: "months since sign-up",
      labelAnchor: "center",
      labelArrow: "none",
      ticks: narrow ? 4 : Math.min(12, Math.max(1, oldest / 3)),
    },
    y: { domain: [0, 1], label: "↑ accounts kept", grid: true, ticks: 5, tickFormat: percentTick },
    opacity: { type: "identity" },
    marks: [
      Plot.ruleY([0]),
      Plot.line(rows, {
        x: "months",
        y: "kept_rate",
        z: "cohort_from",
        stroke: "var(--accent)",
        strokeOpacity: (d) => 0.25 + 0.75 * age(d),
        strokeWidth: 1.6,
      }),
      Plot.dot(ends, { x: "months", y: "kept_rate", r: 3, fill: "var(--accent)" }),
      ...(["start", "end"] as const).map((textAnchor) =>
        Plot.text(
          ends.filter((d) => named.has(d.cohort_from) && textAnchor === (d.months > oldest * 0.85 ? "end" : "start")),
          {
            x: "months",
            y: "kept_rate",
            text: (d) => quarters(d.cohort_from, d.cohort_to),
            textAnchor,
            dy: -9,
            fontSize: 11,
            stroke: "var(--theme-background)",
            fill: "currentColor",
            strokeWidth: 3,
          },
        ),
      ),
      Plot.tip(
        rows,
        Plot.pointer({
          x: "months",
          y: "kept_rate",
          title: (d) =>
            `${quarters(d.cohort_from, d.cohort_to)}, ${d.months} months\n${percent(d.kept_rate)} of ${count(d.n_accounts)} accounts`,
        }),
      ),
    ],
  });
}
