import * as Plot from "@observablehq/plot";
import { type BandStyle, styleOf } from "../bands.js";
import { date, percent, percentTick, toDate } from "../format.js";
import { chartStyle, type DateMark, dateMarks, isNarrow } from "./frame.js";

export interface BandShare {
  readonly snapshot_date: string;
  readonly band: string;
  /** 0..1 of all accounts or of all money at that date. */
  readonly share: number;
}

/**
 * Shares of the bands over time, stacked to 100 % with the riskiest band on the zero line, so that it can be read off.
 * One date gives one bar. `marks` are dates worth a line, such as the start of a scorecard version.
 */
export function bandsOverTime(
  data: readonly BandShare[],
  options: {
    readonly width: number;
    readonly styles: readonly BandStyle[];
    readonly what: string;
    readonly marks?: readonly DateMark[];
  },
): Node {
  const { width, styles, what, marks = [] } = options;
  const dates = [...new Set(data.map((d) => d.snapshot_date))].sort();
  const used = styles.filter(({ band }) => data.some((d) => d.band === band && d.share > 0));
  const shareOf = new Map(data.map((d) => [`${d.snapshot_date} ${d.band}`, d.share]));
  // Every band has a value at every date: an area must not jump over the dates where its band was empty.
  const cells = dates.flatMap((on) => {
    let from = 0;
    return used.map(({ band, name, letter, colour }) => {
      const share = shareOf.get(`${on} ${band}`) ?? 0;
      const cell = { on: toDate(on), iso: on, band, name, letter, colour, share, from, to: from + share };
      from += share;
      return cell;
    });
  });
  const last = cells.filter((cell) => cell.iso === dates.at(-1));
  const labels = spread(
    last.filter(({ share }) => share > 0).map((cell) => ({ ...cell, y: (cell.from + cell.to) / 2 })),
    0.065,
  );
  const narrow = isNarrow(width);
  // Beside a small chart a letter has to do; the legend above it says what it stands for.
  const brief = width < 560;
  const title = (cell: (typeof cells)[number]): string =>
    `${date(cell.iso)}\n${cell.name}: ${percent(cell.share)} of ${what}`;
  const common = {
    width,
    height: narrow ? 240 : 300,
    marginLeft: 44,
    marginRight: brief ? 60 : 128,
    marginTop: 24,
    style: chartStyle,
    y: { domain: [0, 1], label: `↑ of all ${what}`, grid: true, ticks: 5, tickFormat: percentTick },
  };
  if (dates.length < 2) {
    return Plot.plot({
      ...common,
      x: { label: null, padding: 0.6, type: "band" as const },
      marks: [
        Plot.rectY(cells, {
          x: (d) => date(d.iso),
          y1: "from",
          y2: "to",
          fill: (d) => styleOf(styles, d.band).colour,
          title,
        }),
        Plot.ruleY([0]),
      ],
    });
  }
  return Plot.plot({
    ...common,
    x: { type: "utc", label: null, ticks: brief ? 4 : 8 },
    marks: [
      ...used.map(({ band, colour }) =>
        Plot.areaY(
          cells.filter((cell) => cell.band === band),
          { x: "on", y1: "from", y2: "to", fill: colour, stroke: "var(--theme-background)", strokeWidth: 0.75 },
        ),
      ),
      ...dateMarks(marks, dates),
      Plot.text(labels, {
        x: "on",
        y: "y",
        text: (d) => (brief ? `${d.letter}  ${percent(d.share)}` : `${d.letter}  ${d.name} ${percent(d.share)}`),
        textAnchor: "start",
        dx: 6,
        fill: "currentColor",
      }),
      Plot.ruleY([0]),
      Plot.tip(cells, Plot.pointer({ x: "on", y: (d) => (d.from + d.to) / 2, title })),
    ],
  });
}

/** Moves labels apart to at least `gap` of the scale, keeping their order. */
function spread<T extends { readonly y: number }>(items: readonly T[], gap: number): T[] {
  const sorted = [...items].sort((a, b) => a.y - b.y);
  const ys = sorted.map(({ y }) => y);
  for (let i = 1; i < ys.length; i += 1) ys[i] = Math.max(ys[i] as number, (ys[i - 1] as number) + gap);
  const over = Math.max(0, (ys.at(-1) ?? 0) - 0.97);
  for (let i = ys.length - 1; i >= 0; i -= 1) {
    const ceiling =
      i === ys.length - 1 ? (ys[i] as number) - over : Math.min(ys[i] as number, (ys[i + 1] as number) - gap);
    ys[i] = Math.max(0.02, ceiling);
  }
  return sorted.map((item, i) => ({ ...item, y: ys[i] as number }));
}
