// One meaning, one colour, one letter, on every page. Colours live in style.css, where light and dark differ.

import type { Band } from "./rows.js";

export interface BandStyle {
  readonly band: string;
  readonly name: string;
  /** Read without colour: in legends, labels and tables. */
  readonly letter: string;
  readonly colour: string;
}

const styles: Readonly<Record<string, Omit<BandStyle, "band">>> = {
  red: { name: "red", letter: "R", colour: "var(--band-red)" },
  yellow: { name: "yellow", letter: "Y", colour: "var(--band-yellow)" },
  green: { name: "green", letter: "G", colour: "var(--band-green)" },
  unknown: { name: "not scored", letter: "?", colour: "var(--band-unknown)" },
  no_snapshot: { name: "not yet paying", letter: "-", colour: "var(--band-none)" },
};

/** Bands of other names take steps of one scale from risky to healthy. */
const steps = [
  "var(--band-red)",
  "var(--band-step-2)",
  "var(--band-yellow)",
  "var(--band-step-4)",
  "var(--band-green)",
];

/** Every band of the book in order, riskiest first, with how it is drawn and named. */
export function bandStyles(bands: readonly Band[]): readonly BandStyle[] {
  const others = bands.filter(({ band }) => styles[band] === undefined);
  const all = bands.map(({ band }): BandStyle => {
    const fixed = styles[band];
    if (fixed !== undefined) return { band, ...fixed };
    const place = others.findIndex((other) => other.band === band);
    const step = others.length === 1 ? 2 : Math.round((place * (steps.length - 1)) / (others.length - 1));
    return { band, name: band, letter: (band[0] ?? "?").toUpperCase(), colour: steps[step] as string };
  });
  const extra = ["unknown", "no_snapshot"].filter((id) => all.every(({ band }) => band !== id));
  return [...all, ...extra.map((band) => ({ band, ...(styles[band] as Omit<BandStyle, "band">) }))];
}

export const styleOf = (all: readonly BandStyle[], band: string): BandStyle =>
  all.find((style) => style.band === band) ?? { band, name: band, letter: "?", colour: "var(--band-unknown)" };

/** What to do with a KPI: five groups, in the order in which they are read. */
export const actionGroups = [
  {
    group: "Use",
    colour: "var(--act-use)",
    what: "Moves well before customers leave, like for like. Put weight here.",
  },
  {
    group: "Use with care",
    colour: "var(--act-care)",
    what: "Something is there, but weak, late, or in silence rather than in the value. Read each line before using it.",
  },
  {
    group: "Score differently",
    colour: "var(--act-differently)",
    what: "Linked with leaving, but not in the way it would usually be scored.",
  },
  {
    group: "Leave out",
    colour: "var(--act-out)",
    what: "Not a warning: too small, explained by size, age or segment, faded, or known too late to count.",
  },
  {
    group: "Not known",
    colour: "var(--act-unknown)",
    what: "History cannot tell yet. This is not the same as no link.",
  },
] as const;
