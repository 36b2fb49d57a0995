/** The step that holds a release's scorecards against the rules of lint.ts, and writes their model cards. */
import type { KpiDefinition } from "../config/kpi.ts";
import { buildSteps, purposesInWords } from "../config/lint-rules.ts";
import type { AppliedScorecard } from "../config/scorecard.ts";
import { canonicalJson, sha256 } from "../lib/files.ts";
import type { Model, Step, StepContext } from "../models/model.ts";
import type { Query } from "../warehouse/database.ts";
import { literal, quoteIdentifier, SqlDate, type SqlValue } from "../warehouse/literal.ts";
import { appliesInWords, formulaInWords, gatesInWords, missingInWords } from "./card-words.ts";
import {
  type LintCard,
  type LintFacts,
  type LintKpi,
  lintScorecards,
  type PracticeFacts,
  stageDays,
  stepsOf,
} from "./lint.ts";

type CardKey = { readonly scorecard: string; readonly version: number };
const sameCard = (a: CardKey) => (b: CardKey) => a.scorecard === b.scorecard && a.version === b.version;

const lintColumns = [
  ["lint_no", "integer"],
  ["scorecard", "varchar"],
  ["version", "integer"],
  ["rule", "varchar"],
  ["source", "varchar"],
  ["severity", "varchar"],
  ["sentence", "varchar"],
  ["hint", "varchar"],
  ["examples", "varchar"],
  ["because", "varchar"],
] as const;

const cardColumns = [
  ["scorecard", "varchar"],
  ["version", "integer"],
  ["label", "varchar"],
  ["purpose", "varchar"],
  ["purpose_in_words", "varchar"],
  ["objective", "varchar"],
  ["owner", "varchar"],
  ["audience", "varchar"],
  ["applies_in_words", "varchar"],
  ["n_kpis", "integer"],
  ["formula_in_words", "varchar"],
  ["missing_in_words", "varchar"],
  ["gates_in_words", "varchar"],
  ["bands_in_words", "varchar"],
  ["points_proactive", "double"],
  ["points_objective", "double"],
  ["is_assigned", "boolean"],
  ["is_current", "boolean"],
  ["sign_off", "varchar"],
  ["validated_on", "date"],
  ["validated_by", "varchar"],
  ["valid_until", "date"],
  ["test_state", "varchar"],
  ["test_sentence", "varchar"],
  ["n_known", "integer"],
  ["n_known_agree", "integer"],
  ["n_warnings", "integer"],
  ["n_silenced", "integer"],
  ["n_steps_open", "integer"],
  ["sql_text", "varchar"],
] as const;

const stepColumns = [
  ["scorecard", "varchar"],
  ["version", "integer"],
  ["step_no", "integer"],
  ["step", "varchar"],
  ["label", "varchar"],
  ["state", "varchar"],
  ["what", "varchar"],
  ["guides", "varchar"],
] as const;

/** The tables of {@link lintNode}: name, columns and types. */
export const lintTables = [
  ["marts.scorecard_lint", lintColumns],
  ["marts.scorecard_card", cardColumns],
  ["marts.scorecard_step", stepColumns],
] as const;

/**
 * Tables: `marts.scorecard_lint`, one row a finding; `marts.scorecard_card`, one row a version, what a model card says of
 * it; `marts.scorecard_step`, the steps that lead to a score, done or open. `nodes` are the models of the scorecards:
 * their statements are part of the cards.
 */
export function lintNode(
  cards: readonly AppliedScorecard[],
  kpis: readonly Pick<KpiDefinition, "id">[],
  nodes: readonly Model[],
  practice?: { readonly n_outcomes: number },
): Step {
  return {
    kind: "step",
    name: "marts.lint_scorecards",
    depends: [
      "features.account_kpi",
      "features.kpi_definition",
      "marts.kpi",
      "marts.scorecard",
      "marts.scorecard_state",
      "scores.account_input",
      "scores.account_score",
      "scores.known_account",
      "scores.scorecard_weight",
      "spine.account_snapshot",
      ...(practice === undefined ? [] : ["marts.usage_cluster", "marts.usage_cluster_fact", "staging.interview"]),
    ],
    params: [],
    produces: lintTables.map(([name]) => name),
    version: `2 ${sha256(canonicalJson([cards, nodes.map(({ sql }) => sql), practice ?? null]))}`,
    run: (context) => write(context, cards, new Set(kpis.map(({ id }) => id)), nodes, practice),
  };
}

async function write(
  { query, run }: StepContext,
  cards: readonly AppliedScorecard[],
  computed: ReadonlySet<string>,
  nodes: readonly Model[],
  practice: { readonly n_outcomes: number } | undefined,
): Promise<void> {
  const { rows, stages, weights, tests, ...read } = await readFacts(query, cards, computed);
  const facts = practice === undefined ? read : { ...read, n_outcomes: practice.n_outcomes };
  const known = practice === undefined ? undefined : await readPractice(query);
  const findings = lintScorecards(facts);
  await createTable(
    run,
    lintTables[0],
    findings.map((f, i) => [
      i + 1,
      f.scorecard,
      f.version,
      f.rule,
      f.source,
      f.severity,
      f.sentence,
      f.hint,
      f.examples.length === 0 ? null : f.examples.join(", "),
      f.because,
    ]),
  );
  const told = facts.cards.map((card) => {
    const { card: file } = card.applied;
    const row = rows.find(sameCard(file)) as CardRow;
    const test = tests.find(sameCard(file)) ?? null;
    const counting = card.kpis.filter(({ share }) => share > 0);
    const n_staged = counting.filter(({ kpi }) => (stages.get(kpi) ?? null) !== null).length;
    return { card, file, row, test, counting, steps: stepsOf(card, { n_staged, test, practice: known }) };
  });
  await createTable(
    run,
    lintTables[1],
    told.map(({ card, file, row, test, counting, steps }) => {
      const own = findings.filter(sameCard(file));
      const points = (is: (kpi: LintKpi) => boolean): number =>
        Math.round(counting.reduce((all, kpi) => all + (is(kpi) ? kpi.share : 0), 0) * 1e6) / 1e6;
      const table = `scores.card_${file.scorecard}_v${file.version}`;
      const statements = nodes.filter(({ name }) => name === table || name.startsWith(`${table}_`));
      return [
        file.scorecard,
        file.version,
        row.label,
        file.purpose,
        purposesInWords[file.purpose],
        file.desired_outcome ?? null,
        file.owner ?? null,
        file.audience.join(", "),
        appliesInWords(file.applies_to),
        counting.length,
        formulaInWords(file, weights.filter(sameCard(file))),
        missingInWords(file),
        gatesInWords(file),
        row.bands_in_words,
        points(({ side }) => side === "proactive"),
        points(({ kind }) => kind === "objective"),
        row.is_assigned,
        card.is_current,
        card.sign_off,
        dateOrNull(row.validated_on),
        row.validated_by,
        dateOrNull(row.valid_until),
        test?.state ?? null,
        test?.sentence ?? null,
        card.known.agree + card.known.disagree,
        card.known.agree,
        own.filter(({ severity }) => severity === "warning").length,
        own.filter(({ severity }) => severity === "silenced").length,
        steps.filter(({ state }) => state === "open").length,
        statements.map(({ sql }) => sql).join(";\n\n"),
      ];
    }),
  );
  await createTable(
    run,
    lintTables[2],
    told.flatMap(({ file, steps }) =>
      steps.map((step, i) => [
        file.scorecard,
        file.version,
        i + 1,
        step.step,
        step.label,
        step.state,
        step.what,
        guidesOf(step.step),
      ]),
    ),
  );
}

/** Whose step it is: "C, D". */
const guidesOf = (id: string): string => buildSteps.find((step) => step.id === id)?.guides.join(", ") ?? "";

async function readPractice(query: Query): Promise<PracticeFacts> {
  const [found] = await query<PracticeFacts>(
    `select
       (select max(k) from marts.usage_cluster_fact) as n_groups,
       (select count(success) from marts.usage_cluster) as n_with_success,
       count(*) as n_interviews,
       count(distinct account_id) as n_interviewed,
       cast(max(held_on) as varchar) as last_interview_on
     from staging.interview cross join meta.params
     where superseded_on is null and held_on < as_of and coalesce(minutes, 45) >= 45`,
  );
  return found as PracticeFacts;
}

const dateOrNull = (text: string | null): SqlDate | null => (text === null ? null : new SqlDate(text));

async function createTable(
  run: StepContext["run"],
  [name, columns]: readonly [string, readonly (readonly [string, string])[]],
  rows: readonly (readonly (SqlValue | SqlDate)[])[],
): Promise<void> {
  await run(
    `create table ${name} (${columns.map(([column, type]) => `${quoteIdentifier(column)} ${type}`).join(", ")})`,
  );
  if (rows.length === 0) return;
  await run(`insert into ${name} values ${rows.map((row) => `(${row.map(literal).join(", ")})`).join(", ")}`);
}

interface CardRow extends CardKey {
  readonly label: string;
  readonly bands_in_words: string;
  readonly is_assigned: boolean;
  readonly is_current: boolean;
  readonly is_upcoming: boolean;
  readonly sign_off: LintCard["sign_off"];
  readonly validated_on: string | null;
  readonly validated_by: string | null;
  readonly valid_until: string | null;
}

interface Facts extends LintFacts {
  readonly rows: readonly CardRow[];
  readonly stages: ReadonlyMap<string, string | null>;
  readonly weights: readonly (CardKey & {
    readonly label: string;
    readonly share: number;
    readonly points_in_words: string;
  })[];
  readonly tests: readonly (CardKey & { readonly state: string; readonly sentence: string })[];
}

/** What the tables of a release say, card by card. */
async function readFacts(
  query: Query,
  cards: readonly AppliedScorecard[],
  computed: ReadonlySet<string>,
): Promise<Facts> {
  const newest = "(select max(snapshot_date) from spine.account_snapshot where is_scored)";
  const rows = await query<CardRow>(
    `select scorecard, version, label, bands_in_words, is_assigned, is_current, sign_off, validated_on, validated_by, valid_until,
       is_assigned and coalesce(in_force_from > ${newest}, false) as is_upcoming
     from marts.scorecard order by scorecard, version`,
  );
  const weights = await query<CardKey & { kpi: string; label: string; share: number; points_in_words: string }>(
    `select w.scorecard, w.version, w.kpi, coalesce(d.label, w.kpi) as label, cast(w.share as double) as share, w.points_in_words
     from scores.scorecard_weight as w left join features.kpi_definition as d on d.id = w.kpi
     order by w.scorecard, w.version, w.part_no`,
  );
  const definitions = await query<{ id: string; label: string; kind: string; side: string; stage?: string | null }>(
    "select * from features.kpi_definition order by id",
  );
  const verdicts = await query<{ kpi: string; verdict: string; verdict_label: string; action_group: string }>(
    "select kpi, verdict, verdict_label, action_group from marts.kpi order by kpi",
  );
  const tests = await query<CardKey & { state: string; sentence: string }>(
    "select scorecard, version, state, sentence from marts.scorecard_state order by scorecard, version",
  );
  const known = await query<CardKey & { agree: number; disagree: number }>(
    `select scorecard, version, count(*) filter (where state = 'agrees') as agree, count(*) filter (where state = 'disagrees') as disagree
     from scores.known_account where scorecard is not null group by scorecard, version order by scorecard, version`,
  );
  const held = await query<CardKey & { n: number }>(
    `select scorecard, version, count(*) as n from scores.account_score
     where is_in_force and snapshot_date = ${newest} group by scorecard, version order by scorecard, version`,
  );
  const [counts] = await query<{ n: number; n_none: number }>(
    `select count(*) as n, count(*) filter (where in_force_scorecard is null) as n_none
     from scores.account_input where snapshot_date = ${newest}`,
  );
  const overlapping = await query<{ scorecard: string; n: number }>(
    `select in_force_scorecard as scorecard, count(*) as n from scores.account_input
     where snapshot_date = ${newest} and in_force_scorecard is not null
       and n_matching - ${cards.filter(({ card }) => card.applies_to === undefined && rows.find(sameCard(card))?.is_current).length} > 1
     group by in_force_scorecard order by scorecard`,
  );
  const moved = await movedStage(query, newest);
  const coverage = await coverageOf(query, cards, computed, newest);
  const definitionOf = new Map(definitions.map((row) => [row.id, row]));
  const verdictOf = new Map(verdicts.map((row) => [row.kpi, row]));
  const one = (applied: AppliedScorecard): LintCard => {
    const { card } = applied;
    const key = sameCard(card);
    const row = rows.find(key) as CardRow;
    const own = weights.filter(key);
    const gating = card.gates.map(({ kpi }) => kpi).filter((kpi) => !own.some((entry) => entry.kpi === kpi));
    const entries = [...new Map(own.map((entry) => [entry.kpi, 0])).keys(), ...new Set(gating)].map((kpi) => ({
      kpi,
      share: own.reduce((all, entry) => all + (entry.kpi === kpi ? entry.share : 0), 0),
    }));
    return {
      applied,
      is_current: row.is_current,
      is_upcoming: row.is_upcoming,
      sign_off: row.sign_off,
      valid_until: row.valid_until,
      kpis: entries.map(({ kpi, share }): LintKpi => {
        const definition = computed.has(kpi) ? definitionOf.get(kpi) : undefined;
        const verdict = verdictOf.get(kpi);
        return {
          kpi,
          share,
          label: definition?.label ?? kpi,
          kind: (definition?.kind as LintKpi["kind"]) ?? null,
          side: (definition?.side as LintKpi["side"]) ?? null,
          coverage: coverage.get(`${card.scorecard}@${card.version} ${kpi}`) ?? null,
          verdict: verdict?.verdict ?? null,
          verdict_label: verdict?.verdict_label ?? null,
          action_group: verdict?.action_group ?? null,
        };
      }),
      n_accounts: held.find(key)?.n ?? 0,
      moved: moved.get(card.scorecard) ?? { n: 0, examples: [] },
      known: known.find(key) ?? { agree: 0, disagree: 0 },
      n_overlapping: overlapping.find(({ scorecard }) => row.is_current && scorecard === card.scorecard)?.n ?? 0,
    };
  };
  return {
    cards: cards.map(one),
    n_accounts: counts?.n ?? 0,
    n_unassigned: cards.some(({ assign_order }) => assign_order !== null) ? (counts?.n_none ?? 0) : 0,
    rows,
    weights,
    tests,
    stages: new Map(definitions.map(({ id, stage }) => [id, stage ?? null])),
  };
}

/** Accounts of each scorecard whose stage is another one than before while the scorecard is the same. */
async function movedStage(query: Query, newest: string): Promise<ReadonlyMap<string, LintCard["moved"]>> {
  const rows = await query<{ scorecard: string; n: number; examples: string }>(
    `with now_and_then as (
       select
         i.account_id,
         i.in_force_scorecard,
         i.lifecycle,
         lag(i.lifecycle) over by_account as lifecycle_before,
         lag(i.in_force_scorecard) over by_account as scorecard_before
       from scores.account_input as i
       where i.is_restated and i.snapshot_date >= ${newest} - ${stageDays}
       window by_account as (partition by i.account_id order by i.snapshot_date)
     ),
     present as (
       select account_id, in_force_scorecard from scores.account_input where snapshot_date = ${newest}
     )
     select
       p.in_force_scorecard as scorecard,
       count(distinct p.account_id) as n,
       array_to_string(list_slice(list_sort(list(distinct p.account_id)), 1, 3), ', ') as examples
     from present as p
     inner join now_and_then as n on n.account_id = p.account_id
     where n.lifecycle <> n.lifecycle_before
       and n.in_force_scorecard = n.scorecard_before
       and n.in_force_scorecard = p.in_force_scorecard
       -- With a single scorecard there is none to move to.
       and (select count(distinct scorecard) from marts.scorecard where is_assigned) > 1
     group by p.in_force_scorecard
     order by scorecard`,
  );
  return new Map(rows.map(({ scorecard, n, examples }) => [scorecard, { n, examples: examples.split(", ") }]));
}

/** For each version in force and each KPI it reads, the share of its accounts that have a value at the newest snapshot. */
async function coverageOf(
  query: Query,
  cards: readonly AppliedScorecard[],
  computed: ReadonlySet<string>,
  newest: string,
): Promise<ReadonlyMap<string, number>> {
  const read = [...new Set(cards.flatMap(({ card }) => kpisIn(card)))].filter((kpi) => computed.has(kpi)).sort();
  if (read.length === 0) return new Map();
  const rows = await query<CardKey & Record<string, number | string>>(
    `select s.scorecard, s.version, ${read.map((kpi) => `count(k.${quoteIdentifier(kpi)}) / count(*) as ${quoteIdentifier(`kpi_${kpi}`)}`).join(", ")}
     from scores.account_score as s
     inner join features.account_kpi as k on k.account_id = s.account_id and k.snapshot_date = s.snapshot_date
     where s.is_in_force and s.snapshot_date = ${newest}
     group by s.scorecard, s.version order by s.scorecard, s.version`,
  );
  return new Map(
    rows.flatMap((row) =>
      read.map((kpi) => [`${row.scorecard}@${row.version} ${kpi}`, Number(row[`kpi_${kpi}`])] as const),
    ),
  );
}

const kpisIn = (card: AppliedScorecard["card"]): readonly string[] => [
  ...card.groups.flatMap((group) =>
    (group.kpis ?? group.groups?.flatMap(({ kpis }) => kpis) ?? []).map(({ kpi }) => kpi),
  ),
  ...card.gates.map(({ kpi }) => kpi),
];
