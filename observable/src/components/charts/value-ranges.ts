import * as Plot from "@observablehq/plot";
import { count, percent, percentTick } from "../format.js";
import { chartStyle, isNarrow, labelMargin, rateTop } from "./frame.js";

export interface Range {
  /** "0 to 3", or "no value". */
  readonly label: string;
  readonly isMissing: boolean;
  readonly rate: number | null;
  readonly rate_low: number | null;
  readonly rate_high: number | null;
  /** The rate that accounts of the same size, age and segment had. */
  readonly expected_rate: number | null;
  readonly n_accounts: number;
}

/**
 * Share that left, by range of the KPI's value, zero-based: interval, dot, and a tick where like accounts stood. The
 * range without a value is hollow and stands apart at the end.
 */
export function valueRanges(
  data: readonly Range[],
  { width, unit }: { readonly width: number; readonly unit: string },
): Node {
  const narrow = isNarrow(width);
  const marginLeft = labelMargin(
    data.map(({ label }) => label),
    width,
  );
  const known = data.filter(({ isMissing }) => !isMissing);
  const absent = data.filter(({ isMissing }) => isMissing);
  const top = rateTop(data.flatMap((d) => [d.rate_high, d.rate, d.expected_rate]));
  const marginRight = narrow ? 56 : 110;
  const order = [
    ...known.map(({ label }) => label),
    ...(absent.length > 0 && known.length > 0 ? [" "] : []),
    ...absent.map(({ label }) => label),
  ];
  const title = (d: Range): string =>
    `${d.label} ${d.isMissing ? "" : unit}\nleft: ${percent(d.rate)} (${percent(d.rate_low)} to ${percent(d.rate_high)})` +
    `\nlike accounts: ${percent(d.expected_rate)}\n${count(d.n_accounts)} accounts`;
  return Plot.plot({
    width,
    height: 66 + 27 * order.length,
    marginLeft,
    marginRight,
    marginTop: 26,
    marginBottom: 36,
    style: chartStyle,
    x: {
      domain: [0, top],

      label: "left later →",
      grid: true,
      ticks: narrow ? 3 : 6,
      tickFormat: percentTick,
    },
    y: {
      domain: order,
      label: unit,
      labelAnchor: "top",
      labelArrow: "none",
      tickSize: 0,
      tickFormat: (label: string) => (label === " " ? "" : label),
    },
    marks: [
      Plot.ruleX([0]),
      Plot.ruleY(data, {
        y: "label",
        x1: "rate_low",
        x2: "rate_high",
        stroke: "var(--accent)",
        strokeWidth: 2.5,
        strokeLinecap: "round",
      }),
      Plot.tickX(
        data.filter(({ expected_rate }) => expected_rate !== null),
        { y: "label", x: "expected_rate", stroke: "currentColor", strokeWidth: 2, insetTop: 3, insetBottom: 3 },
      ),
      Plot.dot(known, { y: "label", x: "rate", r: 5, fill: "var(--accent)", stroke: "var(--theme-background)" }),
      Plot.dot(absent, {
        y: "label",
        x: "rate",
        r: 5,
        stroke: "var(--accent)",
        strokeWidth: 2,
        fill: "var(--theme-background)",
      }),
      Plot.text(data, {
        y: "label",
        text: (d) => (narrow ? count(d.n_accounts) : `${count(d.n_accounts)} accounts`),
        frameAnchor: "right",
        textAnchor: "start",
        dx: 8,
        fill: "var(--theme-foreground-muted)",
      }),
      Plot.tip(data, Plot.pointerY({ y: "label", x: "rate", title })),
    ],
  });
}
