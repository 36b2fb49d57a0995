/** Sentences of advice: each with its n and its interval, and no more than that. Pure. */
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
  const where = `${accounts(churned)}, account-months of ${from} to ${to}, which no model had seen`;
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
