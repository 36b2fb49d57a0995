import { usageError } from "../lib/errors.ts";
import { dateInWords } from "../lib/words.ts";
import { groupVerdicts, powerSentence, type ReportRow } from "../validation/report.ts";
import { heldEnough } from "../validation/rhythm.ts";
import type { Database, Row } from "../warehouse/database.ts";
import { type BookOptions, type Context, openRelease } from "./context.ts";
import { wrap } from "./table.ts";

interface VerdictRow extends ReportRow {
  readonly definition: string;
  readonly group_kind: string;
  readonly segment: string;
  readonly label: string;
  readonly sentence: string;
  readonly rule: string;
  readonly auc_low: number | null;
  readonly auc_high: number | null;
  readonly n_accounts: number | null;
  readonly badges: string;
  /** The month start whose label this is; null where labels are those of the refresh. */
  readonly look_on?: string | null;
  readonly first_seen_on?: string | null;
  readonly held?: number | null;
  readonly against_primary?: string | null;
}

interface Control {
  readonly control: string;
  readonly kind: string;
  readonly auc: number;
  readonly auc_low: number | null;
  readonly auc_high: number | null;
  readonly p: number | null;
  readonly n_accounts: number;
  readonly n_churned: number;
}

export interface VerdictOptions {
  /** Another definition of churn than the primary one. */
  readonly definition?: string;
  /** The verdicts inside one segment or sign-up cohort. */
  readonly segment?: string;
  /** Every segment and cohort beside the whole book. */
  readonly all?: boolean;
}

/** What history says about each KPI, grouped by what to do, and how much of the score rests on it. */
export async function verdicts(
  context: Context,
  name: string,
  options: BookOptions & VerdictOptions & { readonly json?: boolean },
): Promise<void> {
  const { database } = await openRelease(context, name, options);
  try {
    const answer = await readVerdicts(database);
    refuseUnknown(answer, options);
    context.print(options.json ? JSON.stringify(answer, null, 2) : describeVerdicts(answer, options));
  } finally {
    database.close();
  }
}

export interface Verdicts {
  readonly as_of: string;
  /** The primary definition of churn. */
  readonly definition: string;
  /** Over the whole book, by the primary definition. */
  readonly verdicts: readonly VerdictRow[];
  /** Inside segments and sign-up cohorts. */
  readonly groups: readonly VerdictRow[];
  /** By the other definitions: what becomes of each verdict. */
  readonly other_definitions: readonly VerdictRow[];
  /** What each of the last month starts gave. */
  readonly looks: readonly Row[];
  /** KPIs that are noise by construction. */
  readonly random_controls: readonly Control[];
  /** Each KPI with and without the account-months in which a play started; empty without plays. */
  readonly interventions: readonly Row[];
  readonly power: string;
  readonly reveal: string | null;
}

function refuseUnknown(answer: Verdicts, { definition, segment }: VerdictOptions): void {
  const expect = (what: string, found: string, known: readonly string[]): void => {
    const sorted = [...new Set(known)].sort();
    if (!sorted.includes(found))
      throw usageError(`${what}: found ${found}, expected one of ${sorted.join(", ") || "none: the book has none"}`);
  };
  if (definition !== undefined)
    expect("--definition", definition, [answer.definition, ...answer.other_definitions.map((row) => row.definition)]);
  if (segment !== undefined)
    expect(
      "--segment",
      segment,
      answer.groups.map((row) => row.segment),
    );
}

/** The verdicts of a release. An older one has fewer tables and columns: what it lacks is empty. */
export async function readVerdicts(database: Database): Promise<Verdicts> {
  const [facts] = await database.query<{ as_of: string; primary_definition: string }>(
    "select cast(as_of as varchar) as as_of, primary_definition from meta.params",
  );
  const definition = facts?.primary_definition ?? "";
  const rows = await database.query<VerdictRow>(
    "select * from validation.kpi_verdict order by group_kind, segment, definition, kpi",
  );
  const tables = new Set(
    (
      await database.query<{ name: string }>(
        "select table_name as name from duckdb_tables() where schema_name = 'validation'",
      )
    ).map(({ name }) => name),
  );
  const rowsOf = async <T>(table: string, order: string): Promise<readonly T[]> =>
    tables.has(table) ? database.query<T>(`select * from validation.${table} order by ${order}`) : [];
  const whole = rows.filter((row) => row.group_kind === "all");
  const own = whole.filter((row) => row.definition === definition);
  return {
    as_of: facts?.as_of ?? "",
    definition,
    verdicts: own,
    groups: rows.filter((row) => row.group_kind !== "all" && row.definition === definition),
    other_definitions: whole.filter((row) => row.definition !== definition),
    looks: await rowsOf("kpi_look", "definition, kpi, look_on"),
    random_controls: await rowsOf<Control>("random_control", "control"),
    interventions: await rowsOf("kpi_intervention", "kpi"),
    power: powerSentence(own),
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
export function describeVerdicts(answer: Verdicts, options: VerdictOptions = {}): string {
  const { definition, segment, all } = options;
  if (definition !== undefined && definition !== answer.definition) return describeDefinition(answer, definition);
  if (segment !== undefined) {
    const rows = answer.groups.filter((row) => row.segment === segment);
    return [...describeGroup(rows), "", wrap(groupNote, 116, "")].join("\n");
  }
  if (answer.verdicts.every((row) => row.verdict === "not_tested")) return describeUntested(answer);
  const lines: string[] = [];
  const width = Math.max(...answer.verdicts.map((row) => row.kpi.length), 0);
  const indent = " ".repeat(width + 4);
  const on = answer.verdicts.find((row) => (row.look_on ?? null) !== null)?.look_on ?? null;
  if (on !== null && on !== answer.as_of)
    lines.push(
      wrap(
        `Labels are those of ${dateInWords(on)} and stand until the next month start; numbers are of ${dateInWords(answer.as_of)}.`,
        116,
        "",
      ),
      "",
    );
  for (const { group, rows } of groupVerdicts(answer.verdicts)) {
    if (rows.length === 0) continue;
    lines.push(group.toUpperCase());
    for (const row of rows) {
      lines.push(`  ${row.kpi.padEnd(width)}  ${wrap(`${row.label}. ${row.sentence}`, 112 - width, indent)}`);
      const beside = [evidenceOf(row), heldOf(row), badgesOf(row)].filter((text) => text !== "");
      if (beside.length > 0) lines.push(`${indent}${wrap(`(${beside.join("; ")})`, 112 - width, indent)}`);
    }
    lines.push("");
  }
  if (all === true) {
    for (const name of new Set(answer.groups.map((row) => row.segment))) {
      lines.push(...describeGroup(answer.groups.filter((row) => row.segment === name)), "");
    }
    if (answer.groups.length > 0) lines.push(wrap(groupNote, 116, ""));
  } else if (answer.groups.length > 0) {
    lines.push(wrap(groupsInShort(answer.groups), 116, ""));
  }
  lines.push(wrap(`${answer.power} The intervals are not adjusted for having been looked at among others.`, 116, ""));
  const chance = controlSentence(answer.random_controls);
  if (chance !== null) lines.push(wrap(chance, 116, ""));
  if (answer.reveal !== null) lines.push("", answer.reveal);
  return lines.join("\n");
}

const groupNote =
  "Inside segments and sign-up cohorts only KPIs with a claim over the whole book, or whose groups differ, are tested, at a bar that " +
  "pays for that choice. Below 50 churned and 50 staying accounts there is an interval and no verdict.";

/** The verdicts inside one segment or cohort, one sentence a KPI; those without a verdict in short. */
function describeGroup(rows: readonly VerdictRow[]): readonly string[] {
  const [first] = rows;
  if (first === undefined) return [];
  const width = Math.max(...rows.map((row) => row.kpi.length));
  const indent = " ".repeat(width + 4);
  const title = first.group_kind === "cohort" ? `signed up in ${first.segment}` : `segment ${first.segment}`;
  return [
    title.toUpperCase(),
    ...rows.map(
      (row) =>
        `  ${row.kpi.padEnd(width)}  ${wrap(row.label === null ? row.sentence : `${row.label}. ${row.sentence}`, 112 - width, indent)}`,
    ),
  ];
}

const claims = new Set(["predicts", "weak", "misleading"]);

/** How many groups there are and what is claimed inside them. */
function groupsInShort(groups: readonly VerdictRow[]): string {
  const claimed = groups.filter((row) => claims.has(row.verdict ?? ""));
  const n = new Set(groups.map((row) => row.segment)).size;
  const found =
    claimed.length === 0
      ? "no claim"
      : `${claimed.length} claim${claimed.length === 1 ? "" : "s"} (${[...new Set(claimed.map((row) => row.segment))].join(", ")})`;
  return `Inside ${n} segments and sign-up cohorts: ${found}; --all shows them, --segment NAME one.`;
}

/** What becomes of each verdict under another definition of churn. */
function describeDefinition(answer: Verdicts, definition: string): string {
  const rows = answer.other_definitions.filter((row) => row.definition === definition);
  const width = Math.max(...rows.map((row) => row.kpi.length), 0);
  const indent = " ".repeat(width + 4);
  const lines: string[] = [];
  for (const against of ["survives", "changes", "cannot_tell"]) {
    const own = rows.filter((row) => row.against_primary === against);
    const [first] = own;
    if (first === undefined) continue;
    lines.push(`${first.label.toUpperCase()} UNDER ${definition}`);
    for (const row of own) lines.push(`  ${row.kpi.padEnd(width)}  ${wrap(row.sentence, 112 - width, indent)}`);
    lines.push("");
  }
  lines.push(
    wrap(
      `No headline rests on ${definition}: verdicts are those of ${answer.definition}. It has families of its own.`,
      116,
      "",
    ),
    wrap(powerSentence(rows), 116, ""),
  );
  return lines.join("\n");
}

/** How long the label has stood, of the last six month starts. */
function heldOf({ held, first_seen_on, label }: VerdictRow): string {
  if (held === null || held === undefined || label === null) return "";
  const since = first_seen_on === null || first_seen_on === undefined ? "" : `, first on ${first_seen_on}`;
  return held < heldEnough ? `new: ${held} of 6 month starts${since}` : `held ${held} of 6 month starts`;
}

const badgesOf = ({ badges }: VerdictRow): string =>
  badges
    .split(", ")
    .filter((badge) => badge !== "" && badge !== "new")
    .join(", ")
    .replaceAll("_", " ");

/** What chance looks like in this history. */
function controlSentence(controls: readonly Control[]): string | null {
  const tested = controls.filter(({ p }) => p !== null);
  const [first] = tested;
  if (first === undefined) return null;
  const pairs = tested.map(({ auc }) => Math.round(100 * (0.5 + Math.abs(auc - 0.5))));
  const hits = tested.filter(({ p }) => (p as number) < 0.05).length;
  return (
    `For comparison, ${tested.length} KPIs made of random numbers sort ${Math.min(...pairs)} to ${Math.max(...pairs)} of 100 pairs ` +
    `(${first.n_churned} of ${first.n_accounts} accounts churned); ${hits} of them would pass p < .05 alone.`
  );
}

/** What a verdict rests on: pairs of 100 in the direction of A with their interval, and the accounts; empty where nothing was tested. */
export function evidenceOf({ verdict, auc, auc_low, auc_high, n_churned, n_accounts }: VerdictRow): string {
  if (["leaks", "not_tested"].includes(verdict) || auc === null || auc_low === null || auc_high === null) return "";
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
