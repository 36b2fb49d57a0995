/**
 * Why a score is another one than before: the difference between two snapshots as lines that sum to it exactly, in
 * millionths. The rule, a fixed order of substitutions, is in docs/scorecards.md ("The change ledger").
 */
import type { Scorecard } from "../config/scorecard.ts";
import { combinePoints, entriesOf } from "./combine.ts";

/** A KPI of a scorecard for an account at a snapshot. */
export interface PartState {
  readonly kpi: string;
  readonly value: number | null;
  /** Millionths; null where its weight goes to the others. A missing KPI that counts as zero or neutral has points. */
  readonly points: bigint | null;
  readonly is_missing: boolean;
}

/** What one version of a scorecard says of an account at a snapshot. */
export interface CardState {
  readonly snapshot_date: string;
  readonly scorecard: string;
  readonly version: number;
  /** Millionths; null below the coverage floor. */
  readonly score: bigint | null;
  readonly score_before: bigint | null;
  readonly band: string;
  readonly gated_by: string | null;
  readonly overridden_by: string | null;
  /** In the order of the file; empty without a score. */
  readonly parts: readonly PartState[];
}

export type Cause = "behaviour" | "missing_data" | "definition" | "assignment" | "gate" | "override";

export interface LedgerLine {
  readonly cause: Cause;
  /** Where the line is about one KPI: its place among the KPIs of the old card, from 1. */
  readonly part_no: number | null;
  readonly kpi: string | null;
  /** The KPI's values, for behaviour and missing data; otherwise null. */
  readonly value_from: number | null;
  readonly value_to: number | null;
  /** What changed, where it has a name: versions, scorecards, gates, bands. */
  readonly from: string | null;
  readonly to: string | null;
  /** Millionths. */
  readonly amount: bigint;
  /** Steps that this line takes in because a card between them has no score on the later date. */
  readonly includes: readonly Cause[];
}

export interface Ledger {
  /** Millionths; null when an end has no score. The lines sum to it. */
  readonly difference: bigint | null;
  readonly lines: readonly LedgerLine[];
}

const named = ({ scorecard, version }: CardState): string => `${scorecard}@${version}`;

/**
 * The ledger between `from` (the account under the card in force then) and `to` (now). `kept` is the card of `from` on the
 * later date, `renewed` the version of its scorecard that is in force on the later date; where nothing changed they are
 * `to`. Null is a card that the release does not have for that date. `card` is the file of `from`.
 *
 * Order: values of KPIs that both dates know, in the order of the file, with the weights of the earlier date (behaviour);
 * KPIs that became known, then those that became unknown (missing data); what the gates of the card take (gate); the new
 * version (definition); the other scorecard (assignment), both with all that its own gates take. An override never moves
 * a score: its line is 0.
 */
export function changeLedger(a: {
  readonly from: CardState;
  readonly to: CardState;
  readonly card: Scorecard;
  readonly kept: CardState | null;
  readonly renewed: CardState | null;
}): Ledger {
  const { from, to, card, kept, renewed } = a;
  if (from.score === null || to.score === null) return { difference: null, lines: overrideLines(from, to) };
  const lines: LedgerLine[] = [];
  let reached = from.score;
  let skipped: readonly Cause[] = [];
  if (kept === null || kept.score === null || kept.score_before === null) {
    skipped = ["behaviour", "missing_data", "gate"];
  } else {
    lines.push(...valueLines(card, from, kept), ...gateLines(from, kept));
    reached = kept.score;
  }
  const step = (cause: "definition" | "assignment", before: CardState, after: CardState): void => {
    if (after.score === null) {
      skipped = [...skipped, cause];
      return;
    }
    const amount = after.score - reached;
    reached = after.score;
    // A card that changed nothing for this account is told as well: 0 is an answer.
    lines.push({ ...nothing, cause, from: named(before), to: named(after), amount, includes: skipped });
    skipped = [];
  };
  const isSameCard = from.scorecard === to.scorecard;
  const version = isSameCard ? to : renewed;
  if (version !== null && version.version !== from.version) step("definition", from, version);
  if (!isSameCard) step("assignment", version ?? from, to);
  return { difference: to.score - from.score, lines: [...lines, ...overrideLines(from, to)] };
}

const nothing = {
  part_no: null,
  kpi: null,
  value_from: null,
  value_to: null,
  from: null,
  to: null,
  includes: [] as readonly Cause[],
} as const;

/** One card, two dates: what each KPI did to the score before any gate. */
function valueLines(card: Scorecard, from: CardState, to: CardState): readonly LedgerLine[] {
  const entries = entriesOf(card);
  if (from.parts.length !== entries.length || to.parts.length !== entries.length) {
    throw new Error(`${named(from)} has ${entries.length} KPIs and other parts in the release`);
  }
  const points = from.parts.map((part) => part.points);
  const score = (): bigint => {
    const combined = combinePoints(card, points);
    if (combined === null) throw new Error(`${named(from)} has no points left between its two dates`);
    return combined;
  };
  let reached = score();
  if (reached !== from.score_before)
    throw new Error(`${named(from)}: points of ${from.snapshot_date} give another score`);
  const lines: LedgerLine[] = [];
  const substitute = (i: number, cause: "behaviour" | "missing_data"): void => {
    const [before, after] = [from.parts[i] as PartState, to.parts[i] as PartState];
    points[i] = after.points;
    const next = score();
    const amount = next - reached;
    reached = next;
    const isNews = cause === "missing_data" || before.value !== after.value || before.points !== after.points;
    if (!isNews) return;
    const { kpi, value: value_from } = before;
    lines.push({ ...nothing, cause, part_no: i + 1, kpi, value_from, value_to: after.value, amount });
  };
  const isMissing = (end: CardState, i: number): boolean => (end.parts[i] as PartState).is_missing;
  const places = entries.map((_, i) => i);
  for (const i of places) if (isMissing(from, i) === isMissing(to, i)) substitute(i, "behaviour");
  // Gains before losses, so that there is always something to score in between.
  for (const i of places) if (isMissing(from, i) && !isMissing(to, i)) substitute(i, "missing_data");
  for (const i of places) if (!isMissing(from, i) && isMissing(to, i)) substitute(i, "missing_data");
  if (reached !== to.score_before) throw new Error(`${named(to)}: points of ${to.snapshot_date} give another score`);
  return lines;
}

/** What the gates of one card take on two dates. */
function gateLines(from: CardState, to: CardState): readonly LedgerLine[] {
  const taken = ({ score, score_before }: CardState): bigint => (score ?? 0n) - (score_before ?? 0n);
  const amount = taken(to) - taken(from);
  if (amount === 0n && from.gated_by === to.gated_by) return [];
  return [{ ...nothing, cause: "gate", from: from.gated_by, to: to.gated_by, amount }];
}

function overrideLines(from: CardState, to: CardState): readonly LedgerLine[] {
  if (from.overridden_by === null && to.overridden_by === null) return [];
  const shown = ({ overridden_by, band }: CardState): string | null => (overridden_by === null ? null : band);
  return [{ ...nothing, cause: "override", from: shown(from), to: shown(to), amount: 0n }];
}
