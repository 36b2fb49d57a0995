import * as Plot from "@observablehq/plot";
import { plural } from "../format.js";
import { chartStyle, isNarrow } from "./frame.js";

export interface CourseArea {
  readonly day: number;
  readonly n_accounts: number;
  readonly q25: number;
  readonly q50: number;
  readonly q75: number;
}

/** Milestones passed by day since the first paid day: quartiles of others as an area, this account as steps, expected days as rules. */
export function courseMap(
  course: readonly CourseArea[],
  options: {
    readonly width: number;
    /** Days on which this account passed one, ascending. */
    readonly passed: readonly number[];
    /** The day up to which this account is known. */
    readonly until: number;
    readonly expected: readonly { readonly day: number; readonly name: string }[];
  },
): Node {
  const { width, passed, expected } = options;
  const last = Math.max(60, ...course.map(({ day }) => day), ...passed, ...expected.map(({ day }) => day));
  const until = Math.min(Math.max(options.until, passed.at(-1) ?? 0), last);
  const steps = [{ day: 0, n: 0 }, ...passed.map((day, i) => ({ day, n: i + 1 })), { day: until, n: passed.length }];
  const top = Math.max(1, passed.length, expected.length, ...course.map(({ q75 }) => q75));
  return Plot.plot({
    width,
    height: isNarrow(width) ? 220 : 260,
    marginLeft: 40,
    marginRight: 16,
    marginTop: 26,
    marginBottom: 36,
    style: chartStyle,
    x: { domain: [0, last], label: "days since the first paid day →" },
    y: { domain: [0, top], label: "↑ milestones passed", grid: true, ticks: Math.min(6, top), tickFormat: "d" },
    marks: [
      Plot.areaY(course, { x: "day", y1: "q25", y2: "q75", fill: "currentColor", fillOpacity: 0.14 }),
      Plot.lineY(course, { x: "day", y: "q50", stroke: "var(--theme-foreground-muted)", strokeDasharray: "2,3" }),
      Plot.ruleX(expected, { x: "day", stroke: "currentColor", strokeOpacity: 0.25 }),
      Plot.lineY(steps, { x: "day", y: "n", curve: "step-after", stroke: "var(--accent)", strokeWidth: 2 }),
      Plot.dot(
        passed.map((day, i) => ({ day, n: i + 1 })),
        { x: "day", y: "n", r: 3.5, fill: "var(--accent)" },
      ),
      Plot.tip(
        expected,
        Plot.pointerX({ x: "day", y: () => top, title: (d) => `${d.name}\nexpected after ${plural(d.day, "day")}` }),
      ),
    ],
  });
}
