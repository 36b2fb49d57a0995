import { groupVerdicts, powerSentence, type ReportRow } from "../validation/report.ts";
import type { Database } from "../warehouse/database.ts";
import { type BookOptions, type Context, openRelease } from "./context.ts";
import { wrap } from "./table.ts";

interface VerdictRow extends ReportRow {
  readonly label: string;
  readonly sentence: string;
  readonly rule: string;
  readonly auc_low: number | null;
  readonly auc_high: number | null;
  readonly n_accounts: number | null;
  readonly badges: string;
}

/** What history says about each KPI, grouped by what to do, and how much of the score rests on it. */
export async function verdicts(
  context: Context,
  name: string,
  options: BookOptions & { readonly json?: boolean },
): Promise<void> {
  const { database } = await openRelease(context, name, options);
  try {
    const answer = await readVerdicts(database);
    context.print(options.json ? JSON.stringify(answer, null, 2) : describeVerdicts(answer));
  } finally {
    database.close();
  }
}

export interface Verdicts {
  readonly as_of: string;
  readonly definition: string;
  readonly verdicts: readonly VerdictRow[];
  readonly power: string;
  readonly reveal: string | null;
  /** Rules that no verdict went through yet. */
}

/** The verdicts of the primary churn definition over the whole book. */
export async function readVerdicts(database: Database): Promise<Verdicts> {
  const [facts] = await database.query<{ as_of: string; primary_definition: string }>(
    "select cast(as_of as varchar) as as_of, primary_definition from meta.params",
  );
  const verdictRows = await database.query<VerdictRow>(`
    select kpi, label, sentence, verdict, rule, action_group, auc, auc_low, auc_high, auc_se, n_churned, n_accounts,
      detectable_auc, badges
    from validation.kpi_verdict
    where definition = (select primary_definition from meta.params) and group_kind = 'all'
    order by kpi`);
  return {
    as_of: facts?.as_of ?? "",
    definition: facts?.primary_definition ?? "",
    verdicts: verdictRows,
    power: powerSentence(verdictRows),
    reveal: await revealSentence(database),
  };
}

/** How much of the score that people see rests on early warnings, computed from the release. */
async function revealSentence(database: Database): Promise<string | null> {
  const rows = await database.query<{ scorecard: string; points: number }>(`
    select scorecard, cast(coalesce(sum(points) filter (where action_group = 'Use'), 0) as double) as points
    from marts.weight_on_evidence
    join scores.scorecard using (scorecard, version)
    where is_assigned
    group by scorecard
    order by scorecard`);
  const strongest = await database.query<{ kpi: string }>(`
    select kpi from validation.kpi_verdict
    where definition = (select primary_definition from meta.params) and group_kind = 'all' and verdict = 'predicts'
      and kpi not in (select kpi from scores.scorecard_weight join scores.scorecard using (scorecard, version) where is_assigned)
    order by abs(auc - 0.5) desc, kpi limit 1`);
  if (rows.length === 0) return null;
  const points = rows
    .map((row) => `${Math.round(row.points)} of 100 points of ${row.scorecard} rest on an early warning`)
    .join("; ");
  const unscored = strongest[0] === undefined ? "" : `; ${strongest[0].kpi}, the strongest one, has no points in it`;
  return `${points}${unscored}.`;
}

/** For a terminal: one block a group, one sentence a KPI. */
export function describeVerdicts(answer: Verdicts): string {
  if (answer.verdicts.every((row) => row.verdict === "not_tested")) return describeUntested(answer);
  const lines: string[] = [];
  const width = Math.max(...answer.verdicts.map((row) => row.kpi.length), 0);
  const indent = " ".repeat(width + 4);
  for (const { group, rows } of groupVerdicts(answer.verdicts)) {
    if (rows.length === 0) continue;
    lines.push(group.toUpperCase());
    for (const row of rows) {
      lines.push(`  ${row.kpi.padEnd(width)}  ${wrap(`${row.label}. ${row.sentence}`, 112 - width, indent)}`);
      const beside = [evidenceOf(row), row.badges.replaceAll("_", " ")].filter((text) => text !== "");
      if (beside.length > 0) lines.push(`${indent}${wrap(`(${beside.join("; ")})`, 112 - width, indent)}`);
    }
    lines.push("");
  }
  lines.push(wrap(answer.power, 116, ""));
  if (answer.reveal !== null) lines.push("", answer.reveal);
  return lines.join("\n");
}

/** What a verdict rests on: pairs of 100 in the direction of A with their interval, and the accounts; empty where nothing was tested. */
export function evidenceOf({ verdict, auc, auc_low, auc_high, n_churned, n_accounts }: VerdictRow): string {
  if (verdict === "not_tested" || auc === null || auc_low === null || auc_high === null) return "";
  const [least, most] = auc < 0.5 ? [1 - auc_high, 1 - auc_low] : [auc_low, auc_high];
  const of100 = (share: number) => Math.round(100 * share);
  return (
    `${of100(0.5 + Math.abs(auc - 0.5))} of 100 pairs, 95 % interval ${of100(least)}-${of100(most)}; ` +
    `${n_churned} of ${n_accounts} accounts churned`
  );
}

/** Where no KPI could be tested there is nothing to group: each reason once, with the KPIs that it holds for. */
function describeUntested(answer: Verdicts): string {
  const bySentence = new Map<string, string[]>();
  for (const { label, sentence, kpi } of answer.verdicts) {
    const key = `${label}. ${sentence}`;
    bySentence.set(key, [...(bySentence.get(key) ?? []), kpi]);
  }
  const blocks = [...bySentence].map(
    ([sentence, kpis]) => `${wrap(sentence, 116, "")}\n  ${wrap(kpis.join(", "), 114, "  ")}`,
  );
  return [...blocks, wrap(answer.power, 116, "")].join("\n");
}
