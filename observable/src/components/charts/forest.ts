import * as Plot from "@observablehq/plot";
import { onHundred, plural } from "../format.js";
import type { Kpi } from "../rows.js";
import { chartStyle, fitLabel, labelMargin } from "./frame.js";

/**
 * One line a KPI on the axis of 100 pairs: interval and dot like for like; below it a hollow dot for the plain
 * comparison and an arrow from there to the like-for-like one (what it crosses is what size, age and segment explain).
 * 45 to 55 is shaded: too small to use alone. KPIs without an estimate are not drawn. `labels` are those of all
 * forests on the page, so that their axes stand below each other.
 */
export function forest(
  kpis: readonly Kpi[],
  options: {
    readonly width: number;
    readonly domain: readonly [number, number];
    readonly colour: string;
    readonly labels: readonly string[];
  },
): Node {
  const { width, domain, colour } = options;
  const rows = kpis.filter(({ auc }) => auc !== null);
  const marginLeft = labelMargin(options.labels, width);
  const at = (auc: number | null): number | null => (auc === null ? null : 100 * auc);
  const withCrude = rows.filter(({ crude_auc }) => crude_auc !== null);
  const moved = withCrude.filter((d) => Math.abs((d.crude_auc as number) - (d.auc as number)) > 0.012);
  const labels = new Map(rows.map((d) => [d.kpi, fitLabel(d.label, marginLeft)]));
  // Hundreds of KPIs stand closer together.
  const [step, below] = rows.length > 40 ? [22, 6] : [36, 9];
  // Where the two ends of the axis have no room side by side, one stands above the other.
  const lift = width - marginLeft < 280 ? 14 : 0;
  return Plot.plot({
    width,
    height: 74 + lift + step * rows.length,
    marginLeft,
    marginRight: 16,
    marginTop: 40 + lift,
    marginBottom: 28,
    style: chartStyle,
    x: { domain: [...domain], label: null, ticks: 5, grid: true, insetLeft: 4, insetRight: 4 },
    y: {
      domain: rows.map(({ kpi }) => kpi),
      type: "band",
      label: null,
      tickFormat: (id: string) => labels.get(id) ?? id,
      tickSize: 0,
    },
    marks: [
      Plot.rect([0], { x1: 45, x2: 55, fill: "currentColor", fillOpacity: 0.07 }),
      Plot.ruleX([50], { stroke: "currentColor", strokeOpacity: 0.6 }),
      Plot.text(["small: never alone"], {
        x: 50,
        frameAnchor: "top",
        dy: -10,
        fontSize: 11,
        fill: "var(--theme-foreground-muted)",
      }),
      Plot.text(["← leavers had less"], { frameAnchor: "top-left", dy: -30 - lift, textAnchor: "start" }),
      Plot.text(["leavers had more →"], { frameAnchor: "top-right", dy: -30, textAnchor: "end" }),
      Plot.ruleY(rows, {
        y: "kpi",
        x1: (d) => at(d.auc_low),
        x2: (d) => at(d.auc_high),
        stroke: colour,
        strokeWidth: 2.5,
        strokeLinecap: "round",
      }),
      Plot.arrow(moved, {
        x1: (d) => at(d.crude_auc),
        x2: (d) => at(d.auc),
        y: "kpi",
        dy: below,
        stroke: "var(--theme-foreground-muted)",
        strokeWidth: 1,
        insetStart: 5,
        headLength: 5,
      }),
      Plot.dot(withCrude, {
        x: (d) => at(d.crude_auc),
        y: "kpi",
        dy: below,
        r: 3.5,
        stroke: "var(--theme-foreground-muted)",
        fill: "var(--theme-background)",
      }),
      Plot.dot(rows, { x: (d) => at(d.auc), y: "kpi", r: 5, fill: colour, stroke: "var(--theme-background)" }),
      Plot.tip(
        rows,
        Plot.pointerY({
          x: (d) => at(d.auc),
          y: "kpi",
          title: (d) =>
            `${d.label}\nlike for like ${onHundred(d.auc)} of 100 (${onHundred(d.auc_low)} to ${onHundred(d.auc_high)})` +
            `\nplain comparison ${onHundred(d.crude_auc)}\n${plural(d.n_churned ?? 0, "churned account")}`,
        }),
      ),
    ],
  });
}
