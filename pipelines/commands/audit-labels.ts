/** The parts of `assay audit` about the exports: oddities that were counted, and definitions of churn beside each other. */
import {
  agreementFindings,
  definitionFindings,
  type LabelAgreement,
  type LabelDefinition,
  type LabelFinding,
  type LabelVerdict,
  verdictFindings,
} from "../validation/label-words.ts";
import type { Query } from "../warehouse/database.ts";
import type { AuditFinding, AuditSection } from "./audit-section.ts";

/** Oddities of the exports: counted as delivered, never mended. */
export async function dataSection(query: Query): Promise<AuditSection> {
  const checks = await query<{ check: string; what: string; n: number; examples: string | null }>(
    'select "check", what, n, examples from validation.data_check order by "check"',
  );
  const found = checks.filter(({ n }) => n > 0);
  return {
    id: "data",
    title: "Data",
    fine: `${checks.length} checks of the exports found nothing odd`,
    findings: found.map((row) => ({
      severity: "warning",
      sentence: `${row.n.toLocaleString("en-US")} ${row.what}${row.examples === null ? "" : `, such as ${row.examples}`}`,
      facts: row,
    })),
    facts: { checks: checks.length },
  };
}

/** Do the book's definitions of churn name the same accounts, and does any verdict hang on the one that was chosen? */
export async function labelSection(query: Query): Promise<AuditSection> {
  const definitions = await query<LabelDefinition>(
    "select * from validation.label_definition order by is_primary desc, definition",
  );
  const pairs = await query<LabelAgreement>("select * from validation.label_agreement order by definition, other");
  const verdicts = await query<LabelVerdict>("select * from validation.label_verdict order by definition, kpi");
  const changed = verdicts.filter(({ outcome }) => outcome === "changes");
  const findings: readonly LabelFinding[] = [
    ...definitionFindings(definitions),
    ...agreementFindings(pairs, definitions),
    ...verdictFindings(verdicts),
    ...changed.map(({ sentence }) => ({ isWarning: false, sentence: sentence.replace(/\.$/, "") })),
  ];
  return {
    id: "labels",
    title: "Definitions of churn",
    fine: "there is one, so there is nothing to compare",
    findings: findings.map(
      ({ isWarning, ...finding }): AuditFinding => ({
        severity: isWarning ? "warning" : "note",
        ...finding,
      }),
    ),
    facts: { definitions, agreement: pairs, verdicts },
  };
}
