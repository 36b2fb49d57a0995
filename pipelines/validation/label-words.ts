/** What the label audit says: definitions of churn beside each other, in sentences with their n. Pure. */
import { listed } from "./advice-words.ts";

export interface LabelDefinition {
  readonly definition: string;
  readonly type: string;
  readonly is_primary: boolean;
  readonly n_accounts: number;
  readonly n_churned: number;
  readonly n_tested_churned: number | null;
  readonly n_tested_staying: number | null;
}

export interface LabelAgreement {
  readonly definition: string;
  readonly other: string;
  readonly n_both: number;
  readonly n_only_one: number;
  readonly n_only_other: number;
  readonly median_days_apart: number | null;
}

export interface LabelVerdict {
  readonly kpi: string;
  readonly definition: string;
  readonly outcome: "survives" | "changes" | "cannot tell";
  readonly primary_definition: string;
  readonly sentence: string;
}

export interface LabelFinding {
  readonly isWarning: boolean;
  readonly sentence: string;
  readonly hint?: string;
}

const accounts = (n: number): string => `${n.toLocaleString("en-US")} account${n === 1 ? "" : "s"}`;
const count = (n: number): string => n.toLocaleString("en-US");

/** Churned accounts that a verdict needs. */
const needed = 50;

export function definitionFindings(definitions: readonly LabelDefinition[]): readonly LabelFinding[] {
  const most = definitions.reduce<LabelDefinition | undefined>(
    (best, row) => (best === undefined || row.n_churned > best.n_churned ? row : best),
    undefined,
  );
  return definitions.map((row) => {
    const { definition, is_primary, type, n_accounts, n_churned, n_tested_churned } = row;
    const named = `${definition}${is_primary ? " (the primary one)" : ""} calls ${count(n_churned)} of ${accounts(n_accounts)} churned`;
    if (n_tested_churned === null) {
      return {
        isWarning: false,
        sentence: `${named}; ${type === "account_flag" ? "a flag has no date, so" : ""} no KPI is tested against it`,
      };
    }
    const tested = `${named}, ${count(n_tested_churned)} of them within a complete outcome window`;
    // Far fewer than another definition names: whatever is tested against it speaks of hardly anybody.
    const isTrap =
      n_tested_churned < needed && most !== undefined && most.n_churned >= needed && n_churned * 5 <= most.n_churned;
    if (isTrap) {
      return {
        isWarning: true,
        sentence: `${tested}, where ${most.definition} calls ${count(most.n_churned)} churned: by ${definition} hardly anybody ever leaves, and no verdict can rest on it`,
        hint: is_primary
          ? `set churn.primary to another definition, such as ${most.definition}`
          : `it takes ${needed} churned accounts to test a KPI`,
      };
    }
    return n_tested_churned < needed
      ? { isWarning: is_primary, sentence: `${tested}; it takes ${needed} to test a KPI` }
      : { isWarning: false, sentence: tested };
  });
}

/** Definitions contradict each other for an account that the one calls churned and the other does not. */
export function agreementFindings(
  pairs: readonly LabelAgreement[],
  definitions: readonly LabelDefinition[],
): readonly LabelFinding[] {
  const total = definitions[0]?.n_accounts ?? 0;
  return pairs.map(({ definition, other, n_both, n_only_one, n_only_other, median_days_apart }) => {
    const apart = n_only_one + n_only_other;
    const days =
      median_days_apart === null || n_both === 0
        ? ""
        : `, where both do the median distance of their first dates is ${count(median_days_apart)} day${median_days_apart === 1 ? "" : "s"}`;
    return {
      isWarning: apart > 0 && apart >= 0.2 * (apart + n_both),
      sentence: `${definition} and ${other} contradict each other for ${count(apart)} of ${accounts(total)}: both call ${count(n_both)} churned, only ${definition} ${count(n_only_one)}, only ${other} ${count(n_only_other)}${days}`,
    };
  });
}

/** Per further definition one sentence, and those KPIs whose verdict changes. */
export function verdictFindings(verdicts: readonly LabelVerdict[]): readonly LabelFinding[] {
  return [...new Set(verdicts.map(({ definition }) => definition))].map((definition) => {
    const own = verdicts.filter((row) => row.definition === definition);
    const of = (outcome: LabelVerdict["outcome"]): readonly LabelVerdict[] =>
      own.filter((row) => row.outcome === outcome);
    const changed = of("changes");
    const names = changed.length === 0 ? "" : ` (${listed(changed.map(({ kpi }) => kpi))})`;
    return {
      isWarning: changed.length > 0,
      sentence: `of ${own.length} verdicts by ${own[0]?.primary_definition}, ${of("survives").length} ${of("survives").length === 1 ? "survives" : "survive"} a change to ${definition}, ${changed.length} ${changed.length === 1 ? "changes" : "change"}${names}, of ${of("cannot tell").length} it cannot be told`,
    };
  });
}
