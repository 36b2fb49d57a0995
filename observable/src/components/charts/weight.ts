import * as Plot from "@observablehq/plot";
import { actionGroups } from "../bands.js";
import { points } from "../format.js";
import type { WeightOnEvidence } from "../rows.js";
import { chartStyle, isNarrow } from "./frame.js";

/** A scorecard's 100 points by what history says about the KPIs that they rest on; one bar a scorecard. */
export function weightOnEvidence(
  data: readonly WeightOnEvidence[],
  { width, names }: { readonly width: number; readonly names: ReadonlyMap<string, string> },
): Node {
  const order = new Map<string, number>(actionGroups.map(({ group }, i) => [group, i]));
  const rows = data
    .filter((d) => d.points > 0)
    .sort((a, b) => (order.get(a.action_group) ?? 9) - (order.get(b.action_group) ?? 9));
  const name = (d: WeightOnEvidence): string => names.get(d.scorecard) ?? d.scorecard;
  const colour = new Map<string, string>(actionGroups.map((g) => [g.group, g.colour]));
  const labels = [...names.values()].filter((label) => rows.some((d) => name(d) === label));
  return Plot.plot({
    width,
    height: 46 + 58 * labels.length,
    marginLeft: 4,
    marginRight: 12,
    marginTop: 4,
    marginBottom: 42,
    style: chartStyle,
    x: { domain: [0, 100], label: "points →", ticks: isNarrow(width) ? 3 : 5 },
    y: { domain: labels, axis: null, padding: 0 },
    marks: [
      Plot.text(labels, {
        y: (d: string) => d,
        text: (d: string) => d,
        frameAnchor: "left",
        textAnchor: "start",
        dy: -18,
        fontWeight: 600,
      }),
      Plot.barX(
        rows,
        Plot.stackX({
          y: name,
          x: "points",
          fill: (d: WeightOnEvidence) => colour.get(d.action_group),
          order: null,
          insetTop: 24,
          insetBottom: 8,
          stroke: "var(--theme-background)",
          title: (d: WeightOnEvidence) => `${name(d)}\n${d.action_group}: ${points(d.points)} of 100 points`,
          tip: true,
        }),
      ),
      Plot.text(
        rows.filter((d) => d.points >= (isNarrow(width) ? 12 : 6)),
        Plot.stackX({
          y: name,
          x: "points",
          text: (d: WeightOnEvidence) => points(d.points),
          order: null,
          dy: 8,
          fill: "var(--on-action)",
          fontWeight: 600,
        }),
      ),
    ],
  });
}
