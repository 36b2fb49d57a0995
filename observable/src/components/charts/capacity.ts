import * as Plot from "@observablehq/plot";
import { count, percent, percentTick } from "../format.js";
import type { Capacity } from "../rows.js";
import { chartStyle, isNarrow } from "./frame.js";

/** Share of leavers that a monthly list holds in time, by its length: this score with its interval, the simple one, lots. */
export function capacityCurve(
  data: readonly Capacity[],
  options: {
    readonly width: number;
    readonly scorecard: string;
    readonly simple: readonly Capacity[];
    readonly label: string;
    /** Accounts a month that the team can work: marked. */
    readonly at: number;
  },
): Node {
  const { width, simple, label, at } = options;
  const narrow = isNarrow(width);
  const sizes = data.map((d) => d.capacity);
  const top = Math.max(0.1, ...data.map((d) => d.caught_high), ...simple.map((d) => d.caught_share));
  const chance = data.map((d) => ({ capacity: d.capacity, share: d.chance_share }));
  const ends = [
    { name: label, share: data.at(-1)?.caught_share ?? 0, weight: 700 },
    ...(simple.length === 0 ? [] : [{ name: "simple score", share: simple.at(-1)?.caught_share ?? 0, weight: 400 }]),
    { name: "by lot", share: chance.at(-1)?.share ?? 0, weight: 400 },
  ].sort((a, b) => a.share - b.share);
  const gap = top * 0.07;
  const placed = ends.reduce<{ name: string; y: number; weight: number }[]>((all, { name, share, weight }) => {
    all.push({ name, weight, y: Math.max(share, (all.at(-1)?.y ?? -gap) + gap) });
    return all;
  }, []);
  // Where curves meet at the top their names go down from it, one below the other.
  const ceiling = Math.min(1, top * 1.05);
  let room = ceiling;
  for (const end of [...placed].reverse()) {
    end.y = Math.min(end.y, room);
    room = end.y - gap;
  }
  const marked = data.filter((d) => d.capacity === at);
  return Plot.plot({
    width,
    height: narrow ? 260 : 320,
    marginLeft: 46,
    marginRight: narrow ? 92 : 130,
    marginTop: 26,
    marginBottom: 40,
    style: chartStyle,
    x: {
      type: "point",
      domain: sizes,
      label: "accounts on each month's list",
      labelAnchor: "center",
      labelArrow: "none",
      ticks: sizes.filter(
        (size) => (narrow ? [5, 25, 100, 500] : [5, 10, 25, 50, 100, 200, 500, 1000]).includes(size) || size === at,
      ),
      tickFormat: (n: number) => count(n),
    },
    y: {
      domain: [0, ceiling],
      label: null,
      grid: true,
      ticks: 5,
      tickFormat: percentTick,
    },
    marks: [
      Plot.ruleY([0]),
      Plot.areaY(data, {
        x: "capacity",
        y1: "caught_low",
        y2: "caught_high",
        fill: "var(--accent)",
        fillOpacity: 0.16,
      }),
      Plot.line(chance, { x: "capacity", y: "share", stroke: "currentColor", strokeDasharray: "3,4" }),
      Plot.line(simple, { x: "capacity", y: "caught_share", stroke: "var(--theme-foreground-muted)", strokeWidth: 2 }),
      Plot.line(data, { x: "capacity", y: "caught_share", stroke: "var(--accent)", strokeWidth: 2.5 }),
      Plot.dot(data, { x: "capacity", y: "caught_share", r: 3, fill: "var(--accent)" }),
      Plot.ruleX(marked, { x: "capacity", stroke: "currentColor", strokeOpacity: 0.7 }),
      Plot.text(marked, { x: "capacity", text: (d) => `${count(d.capacity)} a month`, frameAnchor: "top", dy: -14 }),
      Plot.text(placed, {
        text: "name",
        y: "y",
        frameAnchor: "right",
        textAnchor: "start",
        dx: 6,
        fontWeight: "weight",
      }),
      Plot.tip(
        data,
        Plot.pointerX({
          x: "capacity",
          y: "caught_share",
          title: (d) =>
            `${count(d.capacity)} a month\n${percent(d.caught_share)} of ${count(d.n_departures)} (${percent(d.caught_low)} to ${percent(d.caught_high)})\nby lot ${percent(d.chance_share)}`,
        }),
      ),
    ],
  });
}
