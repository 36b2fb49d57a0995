import * as Plot from "@observablehq/plot";
import { percent, percentTick, plural } from "../format.js";
import type { PlayAfter } from "../managers.js";
import { chartStyle, fitLabel, isNarrow, labelMargin, rateTop } from "./frame.js";

/**
 * What share of accounts decided to leave in the days that came after a play: dot with 95 % interval, and a hollow dot for like
 * accounts without one at the same dates. One row a play and span of days.
 */
export function playAfter(data: readonly PlayAfter[], options: { readonly width: number }): Node {
  const { width } = options;
  const rows = data.map((d) => ({ ...d, key: `${d.play === "all" ? "all plays" : d.play}, ${d.days} days` }));
  const marginLeft = labelMargin(
    rows.map(({ key }) => key),
    width,
  );
  return Plot.plot({
    width,
    height: 60 + 28 * rows.length,
    marginLeft,
    marginRight: 20,
    marginTop: 30,
    marginBottom: 44,
    style: chartStyle,
    x: {
      domain: [0, rateTop(rows.flatMap((d) => [d.played_high, d.like_rate]))],
      label: "decided to leave →",
      grid: true,
      ticks: isNarrow(width) ? 4 : 8,
      tickFormat: percentTick,
    },
    y: {
      domain: rows.map(({ key }) => key),
      label: null,
      tickSize: 0,
      tickFormat: (key: string) => fitLabel(key, marginLeft),
    },
    marks: [
      Plot.ruleX([0]),
      Plot.ruleY(rows, { y: "key", x1: "played_low", x2: "played_high", stroke: "var(--accent)", strokeWidth: 2.5 }),
      Plot.dot(rows, {
        y: "key",
        x: "like_rate",
        r: 4.5,
        stroke: "var(--theme-foreground-muted)",
        strokeWidth: 1.5,
        fill: "var(--theme-background)",
      }),
      Plot.dot(rows, { y: "key", x: "played_rate", r: 5, fill: "var(--accent)", stroke: "var(--theme-background)" }),
      Plot.tip(
        rows,
        Plot.pointerY({
          y: "key",
          x: "played_rate",
          title: (d) =>
            `${d.key}\nafter a play ${percent(d.played_rate)} (${percent(d.played_low)} to ${percent(d.played_high)}), ${plural(d.n_matched, "play")}\nlike accounts without one ${percent(d.like_rate)}, ${plural(d.n_like, "account")}`,
        }),
      ),
    ],
  });
}
