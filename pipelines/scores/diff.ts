/** Two versions side by side: what changed in the file, whom it moves, whom it catches, and where it must stop. Pure. */
import { wholeMoney } from "../config/currency.ts";
import type { Scorecard } from "../config/scorecard.ts";
import { weighKpis } from "./weights.ts";
import { bandsInWords, pointsInWords } from "./words.ts";

/** Accounts of the newest snapshot by segment and by their band in either version. */
export interface BandShift {
  readonly segment: string | null;
  readonly from: string;
  readonly to: string;
  readonly accounts: number;
  readonly mrr_minor: number;
}

type Period = "all" | "out_of_time";

/** Leavers by their band at the last scored snapshot that lies at least the gap before their decision. */
export interface Caught {
  readonly period: Period;
  readonly n: number;
  readonly caught_a: number;
  readonly caught_b: number;
  /** Caught by a and not by b, and the other way round. */
  readonly lost: number;
  readonly won: number;
  readonly green_a: number;
  readonly green_b: number;
}

/** Labelled readings: all, and those in the worst band of either version; e of them before a departure. */
export interface RedRate {
  readonly period: Period;
  readonly n: number;
  readonly e: number;
  readonly n_churned: number;
  readonly n_staying: number;
  readonly n_a: number;
  readonly e_a: number;
  readonly accounts_a: number;
  readonly n_b: number;
  readonly e_b: number;
  readonly accounts_b: number;
}

export interface Ranking {
  readonly period: Period;
  readonly auc_a: number | null;
  readonly auc_b: number | null;
  readonly difference: number | null;
  readonly difference_low: number | null;
  readonly difference_high: number | null;
  readonly n_churned: number;
}

export interface Side {
  readonly name: string;
  readonly created_on: string;
  /** The worst first. */
  readonly bands: readonly string[];
  /** Mean share of the weight that has a value, newest snapshot; null without accounts. */
  readonly coverage: number | null;
}

export interface Measured {
  readonly a: Side;
  readonly b: Side;
  readonly snapshot_date: string;
  readonly currency: string;
  readonly gap_days: number;
  readonly horizon_days: number;
  /** Whom the comparison is about; null: everybody. */
  readonly scope: string | null;
  readonly changes: readonly string[];
  readonly shifts: readonly BandShift[];
  /** The day on which the younger of the two was made. */
  readonly out_of_time_from: string;
  readonly caught: readonly Caught[];
  readonly reds: readonly RedRate[];
  /** Null where too few left or stayed to say. */
  readonly ranking: Ranking | null;
}

/** Conventions; each is an option of the command. Shares of 1. */
export interface GuardLimits {
  readonly red_lift: number;
  readonly max_green: number;
  readonly min_coverage: number;
}

export interface Guard {
  readonly id: "red_lift" | "green_share" | "coverage" | "ranking";
  readonly state: "kept" | "broken" | "not_known";
  readonly value: number | null;
  readonly limit: number;
  readonly words: string;
}

export interface CardDiff extends Measured {
  readonly guards: readonly Guard[];
}

/**
 * A measured value beside its limit, in as many digits as show on which side of it the value is: 1.96 against 2 is not "2.0".
 */
function besideLimit(value: number, limit: number, digits: number): string {
  const side = (shown: number): number => Math.sign(shown - limit);
  for (let more = digits; more < 6; more += 1) {
    const text = value.toFixed(more);
    if (side(Number(text)) === side(value)) return text;
  }
  return value.toFixed(6);
}
const percentBeside = (share: number, limit: number): string =>
  `${besideLimit(100 * share, 100 * limit, share < 0.1 ? 1 : 0)} %`;

const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

/** Wilson's 95 % interval of k among n, as shares. */
export function wilson(k: number, n: number): readonly [low: number, high: number] {
  if (n === 0) return [0, 1];
  const z = 1.959963984540054;
  const p = k / n;
  const middle = p + (z * z) / (2 * n);
  const half = z * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  const whole = 1 + (z * z) / n;
  return [Math.max(0, (middle - half) / whole), Math.min(1, (middle + half) / whole)];
}

/** "12 of 40, 30 % (18-45)". */
function shareOf(k: number, n: number): string {
  const [low, high] = wilson(k, n);
  return n === 0
    ? "none"
    : `${k} of ${n}, ${Math.round((100 * k) / n)} % (${Math.round(100 * low)}-${Math.round(100 * high)})`;
}

/** What differs between two files, in the words of a reviewer; empty when they score alike. */
export function definitionChanges(a: Scorecard, b: Scorecard): readonly string[] {
  const shares = (card: Scorecard) => {
    const ends = [card.scale.from, card.scale.to] as const;
    const parts = weighKpis(card).map(({ kpi, group_id, share, entry }) => ({
      kpi,
      key: `${group_id}.${kpi}`,
      share: Number(share) / 1e6,
      points: pointsInWords(entry.points, ends),
      missing: entry.missing ?? card.missing.rule,
    }));
    // A KPI that stands once is known by its name alone: another group is no other KPI.
    return new Map(
      parts.map((part) => [parts.filter(({ kpi }) => kpi === part.kpi).length === 1 ? part.kpi : part.key, part]),
    );
  };
  const [before, after] = [shares(a), shares(b)];
  const changes: string[] = [];
  const whole = (share: number): string => String(Math.round(share * 10) / 10);
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const [was, is] = [before.get(key), after.get(key)];
    if (was === undefined) changes.push(`${key} added: ${whole(is?.share ?? 0)} of 100, ${is?.points}`);
    else if (is === undefined) changes.push(`${key} removed: it had ${whole(was.share)} of 100`);
    else {
      if (whole(was.share) !== whole(is.share))
        changes.push(`${key}: ${whole(was.share)} -> ${whole(is.share)} of 100`);
      if (was.points !== is.points) changes.push(`${key}: ${was.points} -> ${is.points}`);
      if (was.missing !== is.missing) changes.push(`${key} missing: ${was.missing} -> ${is.missing}`);
    }
  }
  const facts: readonly (readonly [string, (card: Scorecard) => string])[] = [
    ["combine", (card) => card.combine],
    ["scale", ({ scale }) => `${scale.from} to ${scale.to}`],
    ["start", ({ start }) => String(start ?? "none")],
    ["bands", ({ bands }) => bandsInWords(bands)],
    ["coverage floor", ({ missing }) => String(missing.coverage_floor)],
    ["gates", ({ gates }) => gates.map(gateInWords).join(", ") || "none"],
    ["applies to", ({ applies_to }) => (applies_to === undefined ? "all" : JSON.stringify(applies_to))],
    ["purpose", ({ purpose }) => purpose],
  ];
  for (const [name, tell] of facts) if (tell(a) !== tell(b)) changes.push(`${name}: ${tell(a)} -> ${tell(b)}`);
  return changes;
}

const gateInWords = ({ id, kpi, min, max, score, band }: Scorecard["gates"][number]): string =>
  `${id} (${kpi}${min === undefined ? "" : ` at least ${min}`}${max === undefined ? "" : ` at most ${max}`}, else ${score ?? band})`;

/** Out of time with at least 50 leavers and 50 stayers, else all history with as many, else null. */
function judged(reds: readonly RedRate[]): RedRate | null {
  const enough = (period: Period): RedRate | undefined =>
    reds.find((row) => row.period === period && row.n_churned >= 50 && row.n_staying >= 50);
  return enough("out_of_time") ?? enough("all") ?? null;
}

/**
 * The rails of the second version. What is judged on history is judged out of time. With too little of that, all history
 * counts: it may flatter the newer version, whose author could look at it, so a rail that breaks even there is broken,
 * and one that holds is only said to hold there.
 */
export function guardRails(m: Measured, limits: GuardLimits): readonly Guard[] {
  const worst = m.b.bands[0] ?? "";
  const best = m.b.bands.at(-1) ?? "";
  const flattering = (period: Period): string =>
    period === "out_of_time" ? "" : ` on all history, as too few left after ${m.out_of_time_from}`;
  const red = judged(m.reds);
  const base = red === null || red.n === 0 ? 0 : red.e / red.n;
  const lift = red === null || red.n_b === 0 || base === 0 ? null : red.e_b / red.n_b / base;
  // Whole numbers multiplied, so that a lift of exactly the limit holds.
  const isLow = red !== null && red.e_b * red.n < limits.red_lift * red.n_b * red.e;
  const needed = `at least ${limits.red_lift} x needed`;
  const before =
    red === null || red.n_a === 0 || base === 0
      ? ""
      : `; ${m.a.bands[0] ?? ""} of ${m.a.name} ${(red.e_a / red.n_a / base).toFixed(1)} x`;
  const redGuard: Guard = {
    id: "red_lift",
    state: red === null ? "not_known" : lift === null || isLow ? "broken" : "kept",
    value: lift === null ? null : Math.round(lift * 1e6) / 1e6,
    limit: limits.red_lift,
    words:
      red === null
        ? `${worst} churns: too few leavers to say, ${needed}`
        : lift === null
          ? `nobody is ever ${worst}: it warns of no one${flattering(red.period)}`
          : `${worst} churns ${besideLimit(lift, limits.red_lift, 1)} x base (${ratesInWords(red, base)})${flattering(red.period)}, ${needed}${before}`,
  };
  const total = sumOf(m.shifts);
  const green = sumOf(m.shifts.filter(({ to }) => to === best));
  const greenShare = total === 0 ? null : green / total;
  const greenGuard: Guard = {
    id: "green_share",
    state: greenShare === null ? "not_known" : greenShare > limits.max_green ? "broken" : "kept",
    value: greenShare,
    limit: limits.max_green,
    words: `${best} is ${greenShare === null ? "nobody" : percentBeside(greenShare, limits.max_green)} of the book, at most ${percent(limits.max_green)} wanted`,
  };
  const { coverage } = m.b;
  const coverageGuard: Guard = {
    id: "coverage",
    state: coverage === null ? "not_known" : coverage < limits.min_coverage ? "broken" : "kept",
    value: coverage,
    limit: limits.min_coverage,
    words: `coverage is ${coverage === null ? "not known" : percentBeside(coverage, limits.min_coverage)} of the weight, at least ${percent(limits.min_coverage)} needed`,
  };
  const { ranking } = m;
  const isWorse = ranking !== null && ranking.difference_high !== null && ranking.difference_high < 0;
  const rankGuard: Guard = {
    id: "ranking",
    state: ranking === null || ranking.difference === null ? "not_known" : isWorse ? "broken" : "kept",
    value: ranking?.difference ?? null,
    limit: 0,
    words:
      ranking === null
        ? "ranking: too few leavers with both scores to say"
        : `it ${isWorse ? "ranks leavers worse" : "is not shown to rank leavers worse"} than ${m.a.name} (${rankingInWords(ranking)})${flattering(ranking.period)}`,
  };
  return [redGuard, greenGuard, coverageGuard, rankGuard];
}

const sumOf = (rows: readonly BandShift[]): number => rows.reduce((all, { accounts }) => all + accounts, 0);

/** Rows of one account are alike, so the interval counts accounts. */
function ratesInWords({ n_b, e_b, accounts_b }: RedRate, base: number): string {
  const rate = e_b / n_b;
  const [low, high] = wilson(rate * accounts_b, accounts_b);
  return `${percent(rate)} (${(100 * low).toFixed(1)}-${(100 * high).toFixed(1)}) of ${n_b} readings against ${percent(base)}`;
}

const signed = (share: number | null): string =>
  share === null ? "not known" : `${share > 0 ? "+" : ""}${(100 * share).toFixed(1)}`;
const hundred = (share: number | null): string => (share === null ? "not known" : (100 * share).toFixed(1));

const rankingInWords = ({ auc_a, auc_b, difference, difference_low, difference_high }: Ranking): string =>
  `${hundred(auc_a)} -> ${hundred(auc_b)} of 100 pairs, ${signed(difference)}, ${signed(difference_low)} to ${signed(difference_high)}`;

const moneyOf = (rows: readonly BandShift[], { currency }: CardDiff): string =>
  wholeMoney(
    rows.reduce((all, { mrr_minor }) => all + mrr_minor, 0),
    currency,
  );

const accountsOf = (n: number): string => `${n} ${n === 1 ? "account" : "accounts"}`;

/** For a reviewer: about twenty lines. */
export function describeDiff(d: CardDiff): string {
  const all = sumOf(d.shifts);
  const paid = d.shifts.reduce((sum, { mrr_minor }) => sum + mrr_minor, 0);
  const moved = d.shifts.filter(({ from, to }) => from !== to);
  const lines = [
    `${d.a.name} -> ${d.b.name}`,
    `${accountsOf(all)}${d.scope === null ? "" : ` (${d.scope})`}, ${wholeMoney(paid, d.currency)} ${d.currency} a month, on ${d.snapshot_date}`,
    "",
    "CHANGED",
    ...(d.changes.length === 0
      ? ["  nothing that scores"]
      : clipped(
          d.changes.map((change) => `  ${change}`),
          8,
        )),
    "",
    `MOVED ${accountsOf(sumOf(moved))}, ${moneyOf(moved, d)} ${d.currency} a month; rows: the first, columns: the second`,
    ...matrixLines(d),
    ...segmentLines(d),
    "",
    ...leaverLines(d),
    "",
    "GUARD RAILS",
    ...d.guards.map(
      ({ state, words }) => `  ${{ kept: "ok     ", broken: "BROKEN ", not_known: "?      " }[state]}${words}`,
    ),
  ];
  return lines.join("\n");
}

const clipped = (lines: readonly string[], most: number): readonly string[] =>
  lines.length <= most ? lines : [...lines.slice(0, most - 1), `  and ${lines.length - most + 1} more: see --json`];

/** Bands as they are listed, the best first, then those that only shifts know. */
function bandsOf(side: Side, seen: readonly string[]): readonly string[] {
  const listed = [...side.bands].reverse();
  return [...listed, ...[...new Set(seen)].filter((band) => !listed.includes(band)).sort()];
}

function matrixLines(d: CardDiff): readonly string[] {
  const [rows, columns] = [
    bandsOf(
      d.a,
      d.shifts.map(({ from }) => from),
    ),
    bandsOf(
      d.b,
      d.shifts.map(({ to }) => to),
    ),
  ];
  const cell = (own: readonly BandShift[]): string => {
    const n = sumOf(own);
    return n === 0 ? "." : `${n} (${moneyOf(own, d)})`;
  };
  const table = [
    ["", ...columns, "all"],
    ...rows.map((from) => [
      from,
      ...columns.map((to) => cell(d.shifts.filter((shift) => shift.from === from && shift.to === to))),
      cell(d.shifts.filter((shift) => shift.from === from)),
    ]),
    ["all", ...columns.map((to) => cell(d.shifts.filter((shift) => shift.to === to))), cell(d.shifts)],
  ];
  return aligned(table);
}

function aligned(table: readonly (readonly string[])[]): readonly string[] {
  const widths = (table[0] ?? []).map((_, i) => Math.max(...table.map((row) => (row[i] ?? "").length)));
  return table.map(
    (row) =>
      `  ${row.map((text, i) => (i === 0 ? text.padEnd(widths[i] as number) : text.padStart(widths[i] as number))).join("  ")}`,
  );
}

/** Per segment: who goes to a better and who to a worse band, by the order of the second version's bands. */
function segmentLines(d: CardDiff): readonly string[] {
  const segments = [...new Set(d.shifts.map(({ segment }) => segment ?? "unknown"))].sort();
  if (segments.length < 2) return [];
  const place = (band: string): number => d.b.bands.indexOf(band);
  const table = segments.map((segment) => {
    const own = d.shifts.filter((shift) => (shift.segment ?? "unknown") === segment);
    const known = own.filter(({ from, to }) => place(from) >= 0 && place(to) >= 0);
    const worse = known.filter(({ from, to }) => place(to) < place(from));
    const better = known.filter(({ from, to }) => place(to) > place(from));
    const other = own.filter(({ from, to }) => from !== to && (place(from) < 0 || place(to) < 0));
    const count = (list: readonly BandShift[]): string =>
      list.length === 0 ? "." : `${sumOf(list)} (${moneyOf(list, d)})`;
    return [segment, String(sumOf(own)), count(worse), count(better), count(other)];
  });
  return ["", ...aligned([["segment", "accounts", "worse", "better", "to or from unknown"], ...table])];
}

function leaverLines(d: CardDiff): readonly string[] {
  const out = d.caught.find(({ period }) => period === "out_of_time");
  const all = d.caught.find(({ period }) => period === "all");
  const worst = d.b.bands[0] ?? "";
  const best = d.b.bands.at(-1) ?? "";
  const told = (row: Caught): readonly string[] => [
    `  caught (${worst}): ${shareOf(row.caught_a, row.n)} -> ${shareOf(row.caught_b, row.n)}; ${row.won} won, ${row.lost} lost`,
    `  ${best} churners: ${shareOf(row.green_a, row.n)} -> ${shareOf(row.green_b, row.n)}`,
  ];
  const head = `LEAVERS out of time (after ${d.out_of_time_from}, by their band ${d.gap_days} days or more before they decided)`;
  if (out !== undefined && out.n >= 50) return [head, ...told(out)];
  const few = `  too little: ${out?.n ?? 0} leavers, 50 needed`;
  if (all === undefined || all.n === 0) return [head, few];
  return [head, `${few}. On all history, which may flatter what was made looking at it:`, ...told(all)];
}
