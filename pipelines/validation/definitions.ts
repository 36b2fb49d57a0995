/** What a second definition of churn says of a KPI's verdict: it survives, it changes, or it cannot be told. No headline rests on it. */
import { count, lowerFirst, sorted, sortedInterval } from "./sentences.ts";

export type Against = "survives" | "changes" | "cannot_tell";

export interface Judged {
  readonly verdict: string | null;
  readonly reason: string | null;
  readonly label: string | null;
  readonly auc: number | null;
}

const isOpen = ({ verdict }: Judged): boolean =>
  verdict === null || ["not_tested", "inconclusive", "lenses_disagree"].includes(verdict);

/** Verdicts that say the same of a KPI: it goes with leaving, this way round. */
const isLink = ({ verdict }: Judged): boolean =>
  ["predicts", "weak", "redundant", "misleading"].includes(verdict ?? "");

/**
 * Cannot tell where either definition leaves it open; survives where both say the same: a link the same way round, or the same
 * verdict for the same reason otherwise; changes in all other cases.
 */
export function againstPrimary(primary: Judged, other: Judged): Against {
  if (isOpen(primary) || isOpen(other)) return "cannot_tell";
  const sameSide = Math.sign((primary.auc ?? 0.5) - 0.5) === Math.sign((other.auc ?? 0.5) - 0.5);
  if (isLink(primary) && isLink(other)) return sameSide ? "survives" : "changes";
  if (primary.verdict !== other.verdict || primary.reason !== other.reason) return "changes";
  const isDirected = ["reversed_adjusted", "confounded_by_use", "mostly_late", "late_only"].includes(
    other.verdict ?? "",
  );
  return !isDirected || sameSide ? "survives" : "changes";
}

export const againstLabels: Readonly<Record<Against, string>> = {
  survives: "Survives",
  changes: "Changes",
  cannot_tell: "Cannot tell",
};

/** One sentence for readers of the other definition's row. */
export function describeAgainst(
  against: Against,
  primary: Judged & { readonly definition: string },
  other: Judged & {
    readonly definition: string;
    readonly auc_low: number | null;
    readonly auc_high: number | null;
    readonly n_churned: number | null;
    readonly n_accounts: number | null;
  },
): string {
  const n = `${count(other.n_churned ?? 0)} churned of ${count(other.n_accounts ?? 0)} accounts`;
  const { lo, hi } = sortedInterval(other.auc, other.auc_low, other.auc_high);
  const range = other.auc_low === null ? "" : ` (${lo}-${hi})`;
  const numbers = other.auc === null ? n : `${sorted(other.auc)} of 100 pairs${range}; ${n}`;
  const was = lowerFirst(primary.label ?? "no verdict");
  switch (against) {
    case "survives":
      return `Under ${other.definition} the verdict is the same as under ${primary.definition} (${was}): ${numbers}.`;
    case "changes":
      return `Under ${other.definition}: ${lowerFirst(other.label ?? "no verdict")}; under ${primary.definition}: ${was}. ${numbers}.`;
    case "cannot_tell":
      return `Whether the verdict under ${primary.definition} (${was}) holds under ${other.definition} cannot be told: ${numbers}.`;
  }
}
