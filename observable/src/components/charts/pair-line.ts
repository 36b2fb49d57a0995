import * as Plot from "@observablehq/plot";
import { onHundred, plural } from "../format.js";
import { chartStyle, pairDomain } from "./frame.js";

export interface PairPoint {
  readonly label: string;
  readonly auc: number | null;
  readonly auc_low: number | null;
  readonly auc_high: number | null;
  readonly n_churned: number;
  /** Too late to act on. */
  readonly isInGap?: boolean;
}

/** Estimates on the coin-toss axis, left to right in the given order, each with its interval: lead times or periods. */
export function pairLine(
  data: readonly PairPoint[],
  {
    width,
    label,
    connect,
    yLabel = "of 100 pairs, leavers had more",
  }: {
    readonly width: number;
    readonly label: string;
    readonly connect: boolean;
    readonly yLabel?: string;
  },
): Node {
  const rows = data.filter(({ auc }) => auc !== null);
  const [low, high] = pairDomain(rows.flatMap((d) => [d.auc_low, d.auc_high, d.auc]));
  const at = (auc: number | null): number | null => (auc === null ? null : 100 * auc);
  const gap = rows.filter(({ isInGap }) => isInGap === true);
  const longest = Math.max(1, ...rows.map((d) => d.label.length));
  const isRotated = longest * 6.6 + 8 > (width - 54) / Math.max(1, rows.length);
  return Plot.plot({
    width,
    height: 250 + (isRotated ? longest * 3.6 : 0),
    marginLeft: 42,
    marginRight: 12,
    marginTop: 28,
    marginBottom: 42 + (isRotated ? longest * 3.6 : 0),
    style: chartStyle,
    x: {
      type: "point",
      domain: rows.map((d) => d.label),
      label,
      labelOffset: isRotated ? 36 + longest * 3.6 : 36,
      padding: 0.6,
      labelAnchor: "center",
      labelArrow: "none",
      tickRotate: isRotated ? -35 : 0,
    },
    y: { domain: [low, high], label: `↑ ${yLabel}`, grid: true, ticks: 5 },
    marks: [
      gap.length > 0
        ? Plot.ruleX(gap, {
            x: "label",
            stroke: "currentColor",
            strokeOpacity: 0.08,
            strokeWidth: Math.min(60, width / (rows.length + 1)),
          })
        : null,
      gap.length > 0
        ? Plot.text(gap, {
            x: "label",
            text: () => "too late to act",
            frameAnchor: "top",
            dy: -2,
            fontSize: 10.5,
            lineWidth: 7,
          })
        : null,
      Plot.ruleY([50], { stroke: "currentColor", strokeOpacity: 0.6 }),
      connect
        ? Plot.lineY(rows, { x: "label", y: (d) => at(d.auc), stroke: "var(--accent)", strokeOpacity: 0.4 })
        : null,
      Plot.ruleX(rows, {
        x: "label",
        y1: (d) => at(d.auc_low),
        y2: (d) => at(d.auc_high),
        stroke: "var(--accent)",
        strokeWidth: 2.5,
        strokeLinecap: "round",
      }),
      Plot.dot(rows, {
        x: "label",
        y: (d) => at(d.auc),
        r: 5,
        fill: "var(--accent)",
        stroke: "var(--theme-background)",
      }),
      Plot.tip(
        rows,
        Plot.pointerX({
          x: "label",
          y: (d) => at(d.auc),
          title: (d) =>
            `${d.label}\n${onHundred(d.auc)} of 100 (${onHundred(d.auc_low)} to ${onHundred(d.auc_high)})\n${plural(d.n_churned, "churned account")}`,
        }),
      ),
    ],
  });
}
