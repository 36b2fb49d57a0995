// What the pages on definitions, data and advice say.

import { bound, count, date, percent, plural } from "./format.js";
import { list, type Sentence, say } from "./prose.js";
import type {
  AnswerKey,
  Gate,
  KpiCount,
  KpiQuality,
  LabelAgreement,
  LabelDefinition,
  LabelVerdict,
  SourceWeek,
} from "./rows-evidence.js";

const types: Readonly<Record<string, string>> = {
  subscription_end: "the last paid period ended without another",
  event: "an export records the cancellation",
  inactivity: "nobody used the product for a number of days",
  account_flag: "the account carries a mark that says so",
};

export const definitionInWords = (type: string): string => types[type] ?? type.replaceAll("_", " ");

/** Which definition the report goes by, and how often the others name the same accounts. */
export function labelsSentence(
  definitions: readonly LabelDefinition[],
  agreement: readonly LabelAgreement[],
): Sentence {
  const primary = definitions.find(({ is_primary }) => is_primary);
  if (primary === undefined) return say`No definition of leaving names enough accounts to say anything.`;
  const head = say`In this report an account has left when ${definitionInWords(primary.type)} (${[primary.definition]}): ${count(primary.n_churned)} of ${count(primary.n_accounts)} accounts did.`;
  const others = agreement.filter(({ definition }) => definition === primary.definition);
  if (others.length === 0)
    return [
      ...head,
      ...say` The book has no other definition to compare it with; whether a verdict hangs on it is not known.`,
    ];
  const parts = others.map(({ other, share, n_one }) => `${percent(share)} of these ${count(n_one)} by ${other}`);
  return [...head, ...say` Of those that left by it, ${list(parts)} too.`];
}

/** How many verdicts survive another definition. */
export function survivalSentence(rows: readonly LabelVerdict[]): Sentence {
  if (rows.length === 0) return [];
  const of = (outcome: string): number => rows.filter((r) => r.outcome === outcome).length;
  return say`Of ${plural(rows.length, "comparison")} of a KPI under another definition, ${count(of("survives"))} keep the verdict, ${count(of("changes"))} change it, and of ${count(of("cannot tell"))} history cannot tell.`;
}

/** Which KPIs' data arrive badly. */
export function qualitySentence(rows: readonly KpiQuality[]): Sentence {
  const thin = rows.filter(({ coverage_now }) => coverage_now !== null && coverage_now < 0.7);
  const gaps = rows.filter(({ longest_gap_days }) => (longest_gap_days ?? 0) >= 7);
  const stepped = rows.filter(({ n_steps }) => (n_steps ?? 0) > 0);
  const names = (found: readonly KpiQuality[]): string =>
    found.length <= 4
      ? list(found.map(({ label }) => label))
      : `${list(found.slice(0, 3).map(({ label }) => label))} and ${found.length - 3} more`;
  const parts: Sentence[] = [
    thin.length === 0 ? [] : say` Fewer than 70 % of accounts have a value of ${names(thin)}.`,
    gaps.length === 0 ? [] : say` A week or more without any row: ${names(gaps)}.`,
    stepped.length === 0 ? [] : say` The volume of rows stepped up or down: ${names(stepped)}.`,
  ];
  const said = parts.flat();
  return [
    ...say`${plural(rows.length, "KPI")} ${[rows.length === 1 ? "is" : "are"]} fed by these sources.`,
    ...(said.length === 0
      ? [" No gap of a week, no step in volume, and at least 70 % of accounts have a value of each."]
      : said),
  ];
}

/** Steps in the volume of the sources, newest first. */
export function volumeSentence(rows: readonly SourceWeek[]): Sentence {
  const steps = rows
    .filter(({ step }) => step !== null)
    .sort((a, b) => b.week.localeCompare(a.week) || a.source.localeCompare(b.source));
  if (rows.length === 0) return say`No source has a whole week of rows yet.`;
  if (steps.length === 0) return say`No source stepped to more than twice or less than half of its usual volume.`;
  const shown = steps.slice(0, 4).map(({ source, step, week }) => `${source} ${step} in the week of ${date(week)}`);
  return say`Volume stepped to more than twice or less than half of what was usual ${plural(steps.length, "time")}; last: ${list(shown)}.`;
}

/** A gate and what the held-out months say of it. */
export function gateSentence(gate: Gate): Sentence {
  const side =
    gate.side === "at_least" ? "at least" : gate.side === "at_most" ? "at most" : gate.side.replaceAll("_", " ");
  const head = say`${gate.label} ${[side]} ${bound(gate.threshold)}`;
  if (gate.rate_failing === null || gate.rate_passing === null || gate.p_holm === null)
    return [...head, ": too few departures on that side to tell."];
  const says =
    gate.state === "holds"
      ? "accounts there left more often than like accounts"
      : "not shown to leave more often than like accounts";
  const p = gate.p_holm < 0.001 ? "below .001" : gate.p_holm.toFixed(3).replace(/^0/, "");
  return [
    ...head,
    ...say`: ${percent(gate.rate_failing)} left (${percent(gate.rate_failing_low)} to ${percent(gate.rate_failing_high)}), of the others ${percent(gate.rate_passing)} (${percent(gate.rate_passing_low)} to ${percent(gate.rate_passing_high)}); ${[says]} (one-sided p ${p}, corrected for ${["the number of gates"]}; ${plural(gate.n_churned ?? 0, "churned account")}, months held out from the search).`,
  ];
}

/** The finding on how many KPIs are enough stands on the row of none. */
export const countSentence = (rows: readonly KpiCount[]): Sentence => {
  const said = rows.find(({ k }) => k === 0)?.sentence;
  return said === undefined || said === null
    ? say`How many KPIs are enough cannot be told: too few departures came after the months to learn from.`
    : [said];
};

/** How many of the planted KPIs got a right verdict. */
export function answerSentence(rows: readonly AnswerKey[]): Sentence {
  const judged = rows.filter(({ is_right }) => is_right !== null);
  const right = judged.filter(({ is_right }) => is_right).length;
  const missed = judged.filter(({ is_right }) => is_right === false);
  const head = say`This company is simulated, and what each KPI does is known: ${count(right)} of ${plural(judged.length, "KPI")} got a verdict that is right for it.`;
  return missed.length === 0
    ? head
    : [...head, ...say` Missed: ${list(missed.map((r) => `${r.label} (${r.verdict_label ?? "no verdict"})`))}.`];
}
