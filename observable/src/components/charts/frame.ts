// What the charts share: margins that fit a phone, labels that fit their margin, the coin-toss axis.

import * as Plot from "@observablehq/plot";
import { toDate } from "../format.js";

export const isNarrow = (width: number): boolean => width < 480;

/** Cuts a label at about the characters that fit a margin; the whole text is in the tip and the table. */
export function fitLabel(text: string, margin: number): string {
  const most = Math.max(6, Math.floor((margin - 12) / 6.4));
  return text.length <= most ? text : `${text.slice(0, most - 1).trimEnd()}…`;
}

/** The labels of rows: on a phone over two lines, so that more of them can be read. */
export function rowLabels(
  ids: readonly string[],
  labels: readonly string[],
  margin: number,
  width: number,
): Plot.Markish {
  const lines = isNarrow(width) ? 2 : 1;
  // Lines break between words: of two, a part of each stays empty.
  const shown = new Map(ids.map((id, i) => [id, fitLabel(labels[i] ?? "", lines === 1 ? margin : 1.7 * margin)]));
  return Plot.axisY(ids, {
    label: null,
    tickSize: 0,
    lineWidth: lines === 1 ? 100 : (margin - 6) / 12,
    text: (id: string) => shown.get(id) ?? "",
  });
}

/** A left margin for labels of these lengths: never more than 40 % of the width. */
export const labelMargin = (labels: readonly string[], width: number): number =>
  Math.min(Math.round(width * 0.4), 14 + Math.ceil(6.6 * Math.max(4, ...labels.map((label) => label.length))));

export const chartStyle = {
  fontFamily: "var(--sans-serif)",
  fontSize: "12px",
  overflow: "visible",
  background: "none",
} as const;

/** A date worth a line in a chart over time: a note by its number, a version, a step. */
export interface DateMark {
  readonly on: string;
  readonly label: string;
}

/** Dashed lines at dates, each with its label above the frame; only those after the first date of the chart, up to its last. */
export function dateMarks(
  marks: readonly DateMark[],
  dates: readonly string[],
  /** Of a chart in strips, `strip` is the one that has the labels. */
  { dy = -14, strip }: { readonly dy?: number; readonly strip?: string | undefined } = {},
): readonly Plot.Markish[] {
  const sorted = [...dates].sort();
  const [first, last] = [sorted[0] ?? "", sorted.at(-1) ?? ""];
  const shown = marks.filter(({ on }) => on > first && on <= last);
  const x = (d: DateMark): Date => toDate(d.on);
  return [
    Plot.ruleX(shown, { x, stroke: "currentColor", strokeDasharray: "3,3" }),
    Plot.text(shown, {
      x,
      text: "label",
      frameAnchor: "top",
      dy,
      fontSize: 11,
      ...(strip === undefined ? {} : { fy: () => strip }),
    }),
  ];
}

/** An axis of 100 pairs around 50 that holds all given areas under the curve, at least 35 to 65. */
export function pairDomain(aucs: readonly (number | null | undefined)[]): readonly [number, number] {
  const values = aucs.filter((auc): auc is number => typeof auc === "number").map((auc) => 100 * auc);
  const far = Math.max(15, ...values.map((value) => Math.abs(value - 50)));
  const reach = Math.min(50, Math.ceil((far + 1) / 5) * 5);
  return [50 - reach, 50 + reach];
}

/** The top of a zero-based axis of rates: a little above the largest, and never 0. */
export const rateTop = (rates: readonly (number | null | undefined)[]): number => {
  const top = Math.max(0, ...rates.map((rate) => rate ?? 0));
  return top === 0 ? 0.1 : Math.min(1, top * 1.08);
};
