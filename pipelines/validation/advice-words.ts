/** Sentences of advice: each with its n and its interval, and no more than that. Pure. */
import { dateInWords } from "../lib/words.ts";
import type { PairedDifference } from "./advice-rank.ts";

const count = (n: number): string => n.toLocaleString("en-US");
export const accounts = (n: number): string => `${count(n)} churned account${n === 1 ? "" : "s"}`;

/** a, b and c. */
export const listed = (words: readonly string[]): string =>
  words.length < 2 ? (words[0] ?? "") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;

/** Of 100 pairs. */
const pairs = (share: number): string => String(Math.round(100 * share));

/** A difference in pairs of 100, one decimal, with its sign. */
export function signedPairs(value: number): string {
  const text = (100 * Math.abs(value)).toFixed(1);
  return text === "0.0" ? text : `${value < 0 ? "-" : "+"}${text}`;
}

/** Two scores on the same later rows; the interval decides the words. */
export function differenceSentence(a: string, b: string, found: PairedDifference, churned: number): string {
  const { difference, low, high } = found;
  if (difference === null || low === null || high === null) {
    return `${a} cannot be compared with ${b}: no later account-months that both score (${accounts(churned)}).`;
  }
  const interval = `${signedPairs(difference)} of 100 pairs, ${signedPairs(low)} to ${signedPairs(high)}; ${accounts(churned)}`;
  if (low <= 0 && high >= 0) return `${a} against ${b}: not distinguishable (${interval}).`;
  return `${a} sort ${difference > 0 ? "more" : "fewer"} leavers and stayers rightly than ${b} (${interval}).`;
}

export function curveSummary(found: {
  readonly suggested: number;
  readonly sets: readonly string[];
  readonly nCandidates: number;
  readonly churned: number;
  readonly from: string;
  readonly to: string;
}): string {
  const { suggested, sets, nCandidates, churned, from, to } = found;
  const where = `${accounts(churned)}, account-months of ${dateInWords(from)} to ${dateInWords(to)}, which no model had seen`;
  const pool = `${nCandidates} KPI${nCandidates === 1 ? "" : "s"} with an early warning`;
  if (suggested === 0) {
    return `Of ${pool} none is shown to add to what age, size and segment say (${where}).`;
  }
  const chosen = `Of ${pool} ${suggested === 1 ? "one is" : `${suggested} are`} enough: a further one gains less than its standard error (${where}).`;
  return sets.length < 2
    ? chosen
    : `${chosen} These ${sets.length} sets are equivalent, within one standard error: ${sets.join("; ")}.`;
}

export function curveSentence(found: {
  readonly k: number;
  readonly kpis: readonly string[];
  readonly auc: number | null;
  readonly auc_low: number | null;
  readonly auc_high: number | null;
  readonly churned: number;
}): string {
  const { k, auc, auc_low: low, auc_high: high, churned } = found;
  const what = `${k} KPI${k === 1 ? "" : "s"}`;
  if (auc === null || low === null || high === null) return `${what}: no model (${accounts(churned)}).`;
  return `${what}: ${pairs(auc)} of 100 later like-for-like pairs (${pairs(low)}-${pairs(high)}; ${accounts(churned)}).`;
}

/** A share in per cent; one decimal below ten. */
const percent = (share: number): string =>
  share < 0.0995 ? (100 * share).toFixed(1) : String(Math.round(100 * share));
const interval = (rate: number, low: number, high: number): string =>
  `${percent(rate)} % (${percent(low)}-${percent(high)})`;
/** A value of a KPI with six significant digits. */
const shown = (value: number): string => String(Number(value.toPrecision(6)));

export function gateSentence(found: {
  readonly label: string;
  readonly side: "at_most" | "at_least";
  readonly threshold: number;
  readonly state: string;
  readonly n_churned: number;
  readonly n_churned_failing: number;
  readonly rate_failing: number | null;
  readonly rate_failing_low: number | null;
  readonly rate_failing_high: number | null;
  readonly rate_passing: number | null;
  readonly rate_passing_low: number | null;
  readonly rate_passing_high: number | null;
  readonly heldFrom: string;
  readonly heldTo: string;
  readonly pHolm: number | null;
}): string {
  const { label, side, threshold, state, n_churned, n_churned_failing, heldFrom, heldTo, pHolm } = found;
  const gate = `${label} ${side === "at_most" ? "at most" : "at least"} ${shown(threshold)}`;
  const when = `held-out account-months of ${dateInWords(heldFrom)} to ${dateInWords(heldTo)}`;
  if (state === "cannot tell") {
    return `${gate}: cannot tell; ${accounts(n_churned)} (30 are needed), ${n_churned_failing} of them on that side (10), in ${when}.`;
  }
  const { rate_failing: f, rate_failing_low: fl, rate_failing_high: fh } = found;
  const { rate_passing: p, rate_passing_low: pl, rate_passing_high: ph } = found;
  const rates =
    f === null || fl === null || fh === null || p === null || pl === null || ph === null
      ? ""
      : ` ${interval(f, fl, fh)} left later, of the others ${interval(p, pl, ph)};`;
  const words =
    state === "holds" ? "left more often than like accounts" : "not shown to leave more often than like accounts";
  return `${gate}:${rates} ${words} (one-sided p ${pHolm === null ? "not known" : pHolm < 0.001 ? "< .001" : pHolm.toFixed(3).replace(/^0/, "")} after Holm; ${accounts(n_churned)}, ${n_churned_failing} on that side; ${when}).`;
}

export function tierSentence(found: {
  readonly tiers: number;
  readonly points: number;
  readonly value_from: number | null;
  readonly value_to: number | null;
  readonly rate: number | null;
  readonly rate_low: number | null;
  readonly rate_high: number | null;
  readonly later_rate: number | null;
  readonly later_rate_low: number | null;
  readonly later_rate_high: number | null;
  readonly churned: number;
  readonly laterChurned: number;
  readonly laterFrom: string;
}): string {
  const { tiers, points, value_from: from, value_to: to, rate, rate_low: low, rate_high: high } = found;
  const values = from === null || to === null ? "" : from === to ? shown(from) : `${shown(from)} to ${shown(to)}`;
  const then =
    rate === null || low === null || high === null
      ? ""
      : `${interval(rate, low, high)} left, in sample (${accounts(found.churned)})`;
  const { later_rate: l, later_rate_low: ll, later_rate_high: lh } = found;
  const later =
    l === null || ll === null || lh === null
      ? `nobody from ${dateInWords(found.laterFrom)} on`
      : `${interval(l, ll, lh)} from ${dateInWords(found.laterFrom)} on, out of time (${accounts(found.laterChurned)})`;
  return tiers === 1
    ? `No cut separates: neighbouring values do not differ by more than chance. ${then}; ${later}.`
    : `${values}: ${points} points; ${then}; ${later}.`;
}

export function humilitySentence(found: {
  readonly card: string;
  readonly kpis: number;
  readonly n: number;
  readonly kept: number;
  readonly isCurrentKept: boolean;
  readonly churned: number;
}): string {
  const { card, kpis, n, kept, isCurrentKept, churned } = found;
  const share = `${count(kept)} of ${count(n)} weightings of the ${kpis} KPIs of ${card} (${percent(kept / n)} %) rank leavers as well as the best of them, as far as can be told`;
  if (churned < 100) return `History cannot rank weightings: ${accounts(churned)}; ${share}.`;
  return `${share}; the card's own is ${isCurrentKept ? "one" : "none"} of these (${accounts(churned)}).`;
}
