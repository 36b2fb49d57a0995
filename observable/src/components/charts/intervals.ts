import * as Plot from "@observablehq/plot";
import { chartStyle, fitLabel, isNarrow, labelMargin, rowLabels } from "./frame.js";

export interface IntervalRow {
  readonly label: string;
  /** On the chart's axis; a row without a value is not drawn. */
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
  /** Beside the row when there is room, and in the tip. */
  readonly note: string;
  /** Less was asked of it than of the others: no verdict, in sample. */
  readonly isHollow?: boolean;
}

export interface IntervalOptions {
  readonly width: number;
  readonly domain: readonly [number, number];
  /** Where nothing is: 50 of 100 pairs, no difference. */
  readonly origin: number;
  /** Where the axis ends: "leavers had less" and "leavers had more". */
  readonly ends: readonly [string, string];
  /** Too small to matter, shaded. */
  readonly band?: readonly [number, number];
  readonly colour?: string;
  readonly format: (value: number) => string;
}

/** One line a row on one axis: interval, dot, and in words at the right what was made of it. */
export function intervals(data: readonly IntervalRow[], options: IntervalOptions): Node {
  const { width, domain, origin, ends, band, colour = "var(--accent)", format } = options;
  const rows = data.filter(({ value }) => value !== null);
  const narrow = isNarrow(width);
  const marginLeft = Math.min(
    labelMargin(
      rows.map(({ label }) => label),
      width,
    ),
    narrow ? 280 : 440,
  );
  const notes = Math.max(0, ...rows.map(({ note }) => note.length));
  const marginRight = narrow || notes === 0 ? 16 : Math.min(Math.round(width * 0.34), 16 + Math.ceil(notes * 6.7));
  // Where the two ends of the axis would run into each other, one stands above the other.
  const isTight = (ends[0].length + ends[1].length + 8) * 6.4 > width - marginLeft - marginRight;
  const top = isTight ? 44 : 28;
  const ids = rows.map((_, i) => String(i));
  const id = (_: IntervalRow, i: number): string => String(i);
  const step = rows.length > 40 ? 19 : narrow ? 29 : 25;
  return Plot.plot({
    width,
    height: top + 30 + step * rows.length,
    marginLeft,
    marginRight,
    marginTop: top,
    marginBottom: 26,
    style: chartStyle,
    x: { domain: [...domain], label: null, ticks: narrow ? 3 : 5, grid: true, insetLeft: 4, insetRight: 4 },
    y: { domain: ids, type: "band", axis: null },
    marks: [
      rowLabels(
        ids,
        rows.map(({ label }) => label),
        marginLeft,
        width,
      ),
      band === undefined ? null : Plot.rect([0], { x1: band[0], x2: band[1], fill: "currentColor", fillOpacity: 0.07 }),
      Plot.ruleX([origin], { stroke: "currentColor", strokeOpacity: 0.6 }),
      Plot.text([`← ${ends[0]}`], { frameAnchor: "top-left", dy: isTight ? -34 : -18, textAnchor: "start" }),
      Plot.text([`${ends[1]} →`], { frameAnchor: "top-right", dy: -18, textAnchor: "end" }),
      Plot.ruleY(rows, {
        y: id,
        x1: "low",
        x2: "high",
        stroke: colour,
        strokeWidth: 2.5,
        strokeLinecap: "round",
        clip: true,
      }),
      Plot.dot(rows, {
        y: id,
        x: "value",
        r: 4.5,
        fill: (d: IntervalRow) => (d.isHollow === true ? "var(--theme-background)" : colour),
        stroke: (d: IntervalRow) => (d.isHollow === true ? colour : "var(--theme-background)"),
        strokeWidth: 1.5,
      }),
      narrow || notes === 0
        ? null
        : Plot.text(rows, {
            y: id,
            text: (d: IntervalRow) => fitLabel(d.note, marginRight),
            frameAnchor: "right",
            textAnchor: "start",
            dx: 8,
            fill: "var(--theme-foreground-muted)",
          }),
      Plot.tip(
        rows,
        Plot.pointerY({
          x: "value",
          y: id,
          title: (d: IntervalRow) =>
            `${d.label}\n${format(d.value as number)}${d.low === null || d.high === null ? "" : ` (${format(d.low)} to ${format(d.high)})`}${d.note === "" ? "" : `\n${d.note}`}`,
        }),
      ),
    ],
  });
}

/** An axis around `origin` that holds all values and reaches at least `least` to either side. */
export function around(
  origin: number,
  least: number,
  step: number,
  rows: readonly { readonly value: number | null; readonly low: number | null; readonly high: number | null }[],
): readonly [number, number] {
  const far = rows.flatMap(({ value, low, high }) =>
    [value, low, high].map((x) => (x === null ? 0 : Math.abs(x - origin))),
  );
  const reach = Math.ceil((Math.max(least, ...far) * 1.04) / step) * step;
  return [origin - reach, origin + reach];
}
