import { guardRailError } from "../lib/errors.ts";
import type { Query } from "../warehouse/database.ts";
import { dataSection, labelSection } from "./audit-labels.ts";
import {
  knownSection,
  lintSection,
  overrideSection,
  signOffSection,
  stateSection,
  surpriseSection,
} from "./audit-scorecards.ts";
import type { AuditFinding, AuditSection } from "./audit-section.ts";
import { auditTruncation, truncationSection } from "./audit-truncation.ts";
import { type BookOptions, type Context, openRelease } from "./context.ts";
import { wrap } from "./table.ts";

/**
 * `assay audit BOOK`: what is wrong with a release that no refresh stops for. Exit 5 when a section holds a failure, 0
 * for mere warnings.
 */
export async function audit(
  context: Context,
  name: string,
  options: BookOptions & {
    readonly json?: boolean;
    /** The definitions of churn beside each other, and the verdicts that hang on one. */
    readonly labels?: boolean;
    readonly truncation?: boolean;
    /** Snapshots for the truncation test; by default a few spread over history. */
    readonly dates?: readonly string[];
    readonly all?: boolean;
  },
): Promise<void> {
  const { book, state, release, database } = await openRelease(context, name, options);
  try {
    const { query } = database;
    const sections = [
      await signOffSection(query, context.now()),
      await stateSection(query),
      await lintSection(query),
      await knownSection(query),
      await overrideSection(query),
      await surpriseSection(query),
      await failedAudits(query),
      await dataSection(query),
    ];
    if (options.labels) sections.push(await labelSection(query));
    if (options.truncation || options.all || options.dates !== undefined) {
      const dates = options.all ? "all" : options.dates;
      sections.push(truncationSection(await auditTruncation({ book, state, log: context.log, dates })));
    }
    const { release_id, as_of } = release.manifest;
    context.print(
      options.json
        ? JSON.stringify({ book: book.book, release_id, as_of, sections }, null, 2)
        : [`${book.book}: release ${release_id.slice(0, 12)}, data to ${as_of}`, ...sections.map(inWords)].join("\n\n"),
    );
    const failures = sections.flatMap(({ findings }) => findings.filter(({ severity }) => severity === "failure"));
    const [first] = failures;
    if (first !== undefined) {
      const more = failures.length > 1 ? `, and ${failures.length - 1} more` : "";
      throw guardRailError(`${book.book}: ${first.sentence}${more}`, first.hint);
    }
  } finally {
    database.close();
  }
}

/** Audits of the models that found rows. A blocking one never gets into a release, so what is here was tolerated. */
async function failedAudits(query: Query): Promise<AuditSection> {
  const failed = await query<{ audit: string; model: string; failed_rows: number; blocking: boolean }>(
    "select audit, model, failed_rows, blocking from meta.audit_result where failed_rows > 0 order by model, audit",
  );
  const [counts] = await query<{ n: number }>("select count(*) as n from meta.audit_result");
  return {
    id: "audits",
    title: "Audits of tables",
    fine: `all ${counts?.n ?? 0} hold`,
    findings: failed.map((row) => ({
      severity: row.blocking ? "failure" : "warning",
      sentence: `${row.audit} of ${row.model} does not hold for ${row.failed_rows} rows`,
      facts: row,
    })),
  };
}

const marks: Readonly<Record<AuditFinding["severity"], string>> = {
  failure: "FAILS",
  warning: "warning",
  note: "note",
  silenced: "silenced",
};

function inWords({ title, fine, findings }: AuditSection): string {
  const lines = findings.flatMap(({ severity, sentence, hint }) => [
    `  ${wrap(`${marks[severity]}: ${sentence}`, 110, "    ")}`,
    ...(hint === undefined ? [] : [`    ${wrap(hint, 108, "    ")}`]),
  ]);
  return [title, ...(lines.length === 0 ? [`  ${fine}`] : lines)].join("\n");
}
