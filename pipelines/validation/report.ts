/** Verdict rows as people read them: grouped by what to do, with what the history could have shown at all. */
import { type ActionGroup, actionGroups } from "./rules.ts";

/** The columns of validation.kpi_verdict that a report needs. */
export interface ReportRow {
  readonly kpi: string;
  readonly verdict: string;
  readonly action_group: string;
  readonly auc: number | null;
  readonly auc_se: number | null;
  readonly n_churned: number | null;
  readonly detectable_auc: number | null;
}

export interface ReportGroup<T> {
  readonly group: ActionGroup;
  readonly rows: readonly T[];
}

/** The five groups in their order, empty ones included; within a group the clearest first, then by id. */
export function groupVerdicts<T extends ReportRow>(rows: readonly T[]): readonly ReportGroup<T>[] {
  const clarity = ({ auc }: T) => (auc === null ? -1 : Math.abs(auc - 0.5));
  return actionGroups.map((group) => ({
    group,
    rows: rows
      .filter((row) => row.action_group === group)
      .sort((a, b) => clarity(b) - clarity(a) || (a.kpi < b.kpi ? -1 : 1)),
  }));
}

const median = (values: readonly number[]): number | null => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return null;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
};

/**
 * What this history can show, for the tested KPIs of one definition: the link of a typical KPI that
 * would be called four times in five, and whether a KPI without a link is more likely than not to be told from one of 55 of
 * 100: |A - 1/2| of such a KPI stays below .842 se in three of five histories, and rule 16 asks that + 1.645 se < .05 (and that
 * no shape shows, which costs a tenth).
 */
export function powerSentence(rows: readonly ReportRow[]): string {
  const tested = rows.filter((row) => row.detectable_auc !== null && row.auc_se !== null);
  const churned = Math.max(0, ...rows.map((row) => row.n_churned ?? 0));
  if (tested.length === 0) {
    return churned < 50
      ? `No KPI could be tested: ${accounts(churned)} with a complete history left, 50 are needed, and 200 to see a link of 59 of 100 pairs.`
      : "No KPI could be tested; the reasons stand beside each.";
  }
  const detectable = median(tested.map((row) => row.detectable_auc as number)) as number;
  const se = median(tested.map((row) => row.auc_se as number)) as number;
  const ruledOut =
    (0.842 + 1.645) * se < 0.05
      ? "For most KPIs a link of 55 can be ruled out where there is none."
      : "A link of 55 cannot be ruled out for most KPIs.";
  return (
    `${accounts(churned)} with a complete history left: a KPI that sorts ${Math.round(100 * Math.min(1, detectable))} of 100 like-for-like pairs ` +
    `(50 is a coin toss) would be called four times in five; a smaller one may be missed. ${ruledOut}`
  );
}

const accounts = (n: number): string => `${n.toLocaleString("en-US")} account${n === 1 ? "" : "s"}`;
