import * as Plot from "@observablehq/plot";
import { percent, percentTick } from "../format.js";
import { chartStyle, isNarrow, labelMargin, rateTop, rowLabels } from "./frame.js";

export interface RateRow {
  readonly label: string;
  /** 0..1, with its 95 % interval. */
  readonly rate: number;
  readonly low: number;
  readonly high: number;
  /** The count, beside the row. */
  readonly n: string;
  /** The count in a few characters, for a phone. */
  readonly brief: string;
  readonly colour?: string;
  /** Not all of it is in yet. */
  readonly isHollow?: boolean;
}

/** Shares with their intervals, a row each, on one axis from 0: to 100 %, or where all lie low, to a little above them. */
export function rateRows(
  rows: readonly RateRow[],
  { width, label }: { readonly width: number; readonly label: string },
): Node {
  const narrow = isNarrow(width);
  const top = rateTop(rows.map(({ high }) => high));
  const marginLeft = labelMargin(
    rows.map((row) => row.label),
    width,
  );
  const ids = rows.map((_, i) => String(i));
  const id = (_: RateRow, i: number): string => String(i);
  const colour = (row: RateRow): string => row.colour ?? "var(--accent)";
  return Plot.plot({
    width,
    height: 60 + (narrow ? 30 : 26) * rows.length,
    marginLeft,
    marginRight: narrow ? 48 : 120,
    marginTop: 10,
    marginBottom: 36,
    style: chartStyle,
    x: {
      domain: [0, top > 0.4 ? 1 : top],
      label: `${label} →`,
      grid: true,
      ticks: narrow ? 3 : 5,
      tickFormat: percentTick,
    },
    y: { domain: ids, type: "band", axis: null },
    marks: [
      rowLabels(
        ids,
        rows.map((row) => row.label),
        marginLeft,
        width,
      ),
      Plot.ruleX([0]),
      Plot.ruleY(rows, { y: id, x1: "low", x2: "high", stroke: colour, strokeWidth: 2.5, strokeLinecap: "round" }),
      Plot.dot(rows, {
        y: id,
        x: "rate",
        r: 5,
        fill: (row) => (row.isHollow === true ? "var(--theme-background)" : colour(row)),
        stroke: (row) => (row.isHollow === true ? colour(row) : "currentColor"),
        strokeWidth: (row) => (row.isHollow === true ? 2 : 0.75),
      }),
      Plot.text(rows, {
        y: id,
        text: (row) => (narrow ? row.brief : row.n),
        frameAnchor: "right",
        textAnchor: "start",
        dx: 8,
        fill: "var(--theme-foreground-muted)",
      }),
      Plot.tip(
        rows,
        Plot.pointerY({
          y: id,
          x: "rate",
          title: (row) => `${row.label}\n${percent(row.rate)} (${percent(row.low)} to ${percent(row.high)})\n${row.n}`,
        }),
      ),
    ],
  });
}
