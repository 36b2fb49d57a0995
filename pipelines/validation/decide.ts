/** Reads validation.kpi_statistic, applies the rules and writes validation.kpi_verdict and validation.kpi_test. */
import { dateInWords } from "../lib/words.ts";
import type { Step, StepContext } from "../models/model.ts";
import type { Query, Row } from "../warehouse/database.ts";
import { literal, type SqlValue } from "../warehouse/literal.ts";
import { type Against, againstLabels, againstPrimary, describeAgainst } from "./definitions.ts";
import { decideGroup, type GroupKind, type GroupStatistic, groupSentence, secondStage } from "./groups.ts";
import { aucInterval } from "./interval.ts";
import { holdUse, type UseColumns } from "./other-use.ts";
import { findRedundant, pairFactsOf } from "./redundancy.ts";
import { heldEnough, letStand, type PastLook, pastLooks } from "./rhythm.ts";
import {
  actionGroupOf,
  badgesOf,
  type Decision,
  decideAll,
  detectableAuc,
  type Evidence,
  type FamilyQ,
  families,
  type Healthier,
  type Leak,
  type SegmentStatistic,
  type Statistics,
  strengthOf,
  type Tested,
} from "./rules.ts";
import { labelOf, leakSentence, lowerFirst, sentenceOf, smallPrintOf, type Wording } from "./sentences.ts";
import { type ColumnTypes, twelveDigits, writeTable } from "./tables.ts";

interface KpiInput extends Statistics {
  readonly id: string;
  readonly row: Row;
}

const number = (row: Row, name: string): number | null => {
  const value = row[name];
  return value === null || value === undefined ? null : Number(value);
};
const text = (row: Row, name: string): string | null => (row[name] as string | null | undefined) ?? null;

/** One row of validation.kpi_statistic (joined with the KPI's facts) as the rules read it. */
export function statisticsOf(row: Row, leak: Leak | null, segments: readonly SegmentStatistic[] = []): Statistics {
  return {
    leak,
    nLabelled: number(row, "n_labelled") ?? 0,
    nEventLabels: number(row, "n_event_labels") ?? 0,
    churned: number(row, "n_churned") ?? 0,
    staying: number(row, "n_staying") ?? 0,
    baselineKnows: row.knows_outcome === true,
    coverage: number(row, "coverage"),
    modalShare: number(row, "modal_share"),
    distinct: number(row, "n_distinct") ?? 0,
    overlap: number(row, "overlap"),
    auc: number(row, "auc"),
    se: number(row, "auc_se"),
    z: number(row, "z"),
    tied: number(row, "tied"),
    crudeAuc: number(row, "crude_auc"),
    crudeZ: number(row, "crude_z"),
    crudeDifferenceZ: number(row, "crude_difference_z"),
    lateAuc: number(row, "late_auc"),
    lateZ: number(row, "late_z"),
    shapeP: number(row, "shape_p"),
    sides: [30, 50, 70].map((percent) => ({
      left: number(row, `left_${percent}_z`),
      right: number(row, `right_${percent}_z`),
    })),
    half1Auc: number(row, "half_1_auc"),
    half1Se: number(row, "half_1_se"),
    half2Auc: number(row, "half_2_auc"),
    half2Se: number(row, "half_2_se"),
    half2Z: number(row, "half_2_z"),
    halvesZ: number(row, "halves_z"),
    logitZ: number(row, "z_logit"),
    missingZ: number(row, "missing_z"),
    segments,
    otherUse: null,
    healthier: (text(row, "healthier") ?? "tested") as Healthier,
  };
}

export interface DecideOptions {
  /** Per KPI that reads a table which records the decision: that table. */
  readonly lineage: ReadonlyMap<string, string>;
  /** The KPIs with points in a scorecard of the book, by the first and the last day on which it is in force. */
  readonly live: readonly LiveKpi[];
  /** Per KPI of usage: where features.usage has all use in its look-back, and its own. */
  readonly use: ReadonlyMap<string, UseColumns>;
  /** Labels are those of the last month start (rhythm.ts): {@link pastLooks} stands. */
  readonly looks?: boolean;
  /** Sign-up cohorts beside the segments. */
  readonly cohorts?: boolean;
  /** The badge of validation.kpi_intervention. */
  readonly interventions?: boolean;
}

export interface LiveKpi {
  readonly kpi: string;
  /** Null: always so far. */
  readonly from: string | null;
  /** The day from which a later version is in force; null: still. */
  readonly until: string | null;
}

/** The columns of validation.kpi_verdict. */
export const verdictColumns = {
  kpi: "varchar",
  definition: "varchar",
  group_kind: "varchar",
  segment: "varchar",
  rule: "varchar",
  verdict: "varchar",
  label: "varchar",
  sentence: "varchar",
  reason: "varchar",
  auc: "double",
  auc_low: "double",
  auc_high: "double",
  auc_se: "double",
  crude_auc: "double",
  late_auc: "double",
  p: "double",
  q: "double",
  coverage: "double",
  n_accounts: "bigint",
  n_churned: "bigint",
  detectable_auc: "double",
  rate_low_fifth: "double",
  rate_high_fifth: "double",
  redundant_with: "varchar",
  badges: "varchar",
  first_seen_on: "date",
  held: "integer",
  look_on: "date",
  against_primary: "varchar",
  action_group: "varchar",
  strength: "varchar",
  small_print: "varchar",
} as const satisfies ColumnTypes;

type Typed<T extends "varchar" | "double" | "integer" | "bigint" | "date"> = T extends "varchar" | "date"
  ? string
  : number;
export type VerdictRow = {
  readonly [Name in keyof typeof verdictColumns]: Typed<(typeof verdictColumns)[Name]> | null;
} & { readonly kpi: string; readonly definition: string; readonly group_kind: string; readonly segment: string };

const lookColumns = {
  kpi: "varchar",
  definition: "varchar",
  look_on: "date",
  rule: "varchar",
  verdict: "varchar",
  label: "varchar",
  auc: "double",
  auc_low: "double",
  auc_high: "double",
  q: "double",
  n_churned: "bigint",
} as const satisfies ColumnTypes;

interface Calendar {
  readonly as_of: string;
  readonly gap_days: number;
  readonly horizon_days: number;
  readonly validate_every: "week" | "month";
}

/** The step. validation.truncation holds the values that the truncation test saw change. */
export function decideVerdicts(options: DecideOptions): Step {
  const { lineage, live, use, looks = false, cohorts = false, interventions = false } = options;
  return {
    kind: "step",
    name: "validation.decide",
    depends: [
      "features.kpi_definition",
      ...(use.size > 0 ? ["features.usage", "validation.observation"] : []),
      "validation.baseline_fit",
      "validation.baseline_row",
      "validation.baseline_term",
      ...(cohorts ? ["validation.cohort_auc"] : []),
      "validation.definition",
      "validation.kpi_arrival",
      "validation.kpi_auc",
      "validation.kpi_influence",
      ...(interventions ? ["validation.kpi_intervention"] : []),
      "validation.kpi_placed",
      "validation.kpi_rank_pair",
      "validation.kpi_statistic",
      ...(looks ? [pastLooks] : []),
      "validation.truncation",
    ],
    params: ["as_of", "gap_days", "horizon_days", "validate_every"],
    produces: ["validation.kpi_group_test", "validation.kpi_look", "validation.kpi_test", "validation.kpi_verdict"],
    version: `3 ${[...lineage].map(([kpi, table]) => `${kpi}:${table}`).join(",")} ${live.map(({ kpi, from, until }) => `${kpi}:${from}:${until}`).join(",")}`,
    async run(context) {
      const [params] = await context.query<Calendar>(
        "select cast(as_of as varchar) as as_of, gap_days, horizon_days, validate_every from meta.params",
      );
      if (params === undefined) throw new Error("meta.params has no row");
      const rows = await context.query<Row>(`
select s.*, k.label, k.healthier, k.says_less, k.says_more, a.arrival_known, t.n_changed, ${interventions ? "i.is_contaminated" : "false as is_contaminated"}
from validation.kpi_statistic as s
inner join features.kpi_definition as k on k.id = s.kpi
left join validation.kpi_arrival as a on a.kpi = s.kpi
left join validation.truncation as t on t.kpi = s.kpi and t.n_changed > 0
${interventions ? "left join validation.kpi_intervention as i on s.is_primary and i.kpi = s.kpi" : ""}
order by s.definition, s.kpi`);
      const groups = await groupStatistics(context.query, cohorts);
      const isLive = new Set(
        live
          .filter(({ from, until }) => (from ?? "") <= params.as_of && (until === null || params.as_of < until))
          .map(({ kpi }) => kpi),
      );
      const labelOfKpi = new Map(rows.map((row) => [row.kpi as string, lowerFirst(text(row, "label") ?? "")]));
      const verdicts: VerdictRow[] = [];
      const tests: Record<string, SqlValue>[] = [];
      const groupTests: Record<string, SqlValue>[] = [];
      for (const definition of new Set(rows.map((row) => row.definition as string))) {
        const inputs = rows
          .filter((row) => row.definition === definition)
          .map((row): KpiInput => {
            const id = row.kpi as string;
            const own = segmentsOf(groups.get(`${definition} ${id}`) ?? []);
            return { ...statisticsOf(row, leakOf(row, lineage.get(id)), own), id, row };
          });
        // Rule 9 needs a fit of its own: only what would be claimed otherwise is asked.
        const asked = decideAll(inputs).flatMap(({ input: { id }, decision: { rule } }) =>
          use.has(id) && ["10", "11", "12", "13"].includes(rule) ? [[id, use.get(id) as UseColumns] as const] : [],
        );
        const other = await holdUse(context, definition, new Map(asked));
        const tested = decideAll(inputs.map((input) => ({ ...input, otherUse: other.get(input.id) ?? null })));
        const redundant = await findRedundant(
          tested.flatMap(({ input: { id, auc, z, coverage }, decision: { verdict } }) =>
            (verdict === "predicts" || verdict === "weak") && auc !== null && z !== null
              ? [{ id, auc, z, coverage: coverage ?? 0, isLive: isLive.has(id) }]
              : [],
          ),
          await pairFactsOf(context, definition),
        );
        const decided = tested.map((test): Decided => {
          const same = redundant.get(test.input.id);
          const decision: Decision =
            same === undefined ? test.decision : { rule: "18", verdict: "redundant", reason: null };
          const sameAs =
            same === undefined ? null : { kpi: labelOfKpi.get(same.other) ?? same.other, spearman: same.spearman };
          return { ...test, decision, redundantWith: same?.other ?? null, wording: wordingOf(test, params, sameAs) };
        });
        for (const one of decided) {
          verdicts.push(wholeRow(one, definition));
          for (const family of families) {
            const q = one.evidence.q[family];
            if (q === null) continue;
            tests.push({
              kpi: one.input.id,
              definition,
              family,
              p: twelveDigits(one.p[family]),
              q: twelveDigits(q),
              q_by: family === "main" ? twelveDigits(one.qBy) : null,
            });
          }
        }
        if (inputs.some(({ row }) => row.is_primary === true)) {
          const byGroup = groupRows(decided, definition, groups);
          verdicts.push(...byGroup.verdicts);
          groupTests.push(...byGroup.tests);
        }
      }
      const primary = (rows.find((row) => row.is_primary === true)?.definition as string | undefined) ?? null;
      await writeVerdicts(context, { verdicts, looks, asOf: params.as_of, primary });
      await writeTable(
        context,
        "validation.kpi_test",
        { kpi: "varchar", definition: "varchar", family: "varchar", p: "double", q: "double", q_by: "double" },
        tests,
      );
      await writeTable(
        context,
        "validation.kpi_group_test",
        {
          kpi: "varchar",
          definition: "varchar",
          group_kind: "varchar",
          n_groups: "integer",
          het_p: "double",
          het_q: "double",
          is_selected: "boolean",
        },
        groupTests,
      );
    },
  };
}

/** A KPI of one definition with everything that its row says. */
interface Decided extends Tested<KpiInput> {
  readonly redundantWith: string | null;
  readonly wording: Wording;
}

const detectableOf = ({ evidence, rejections, size }: Tested<KpiInput>): number | null =>
  evidence.q.main === null ? null : detectableAuc(evidence.se, rejections, size);

function wordingOf(test: Tested<KpiInput>, params: Calendar, sameAs: Wording["sameAs"]): Wording {
  const { input, evidence } = test;
  const { row } = input;
  const interval = aucInterval(number(row, "centre"), evidence.se);
  const later = aucInterval(evidence.half2Auc, evidence.half2Se);
  return {
    kpi: lowerFirst(text(row, "label") ?? input.id),
    less: text(row, "says_less") ?? "had less of it",
    more: text(row, "says_more") ?? "had more of it",
    gapDays: params.gap_days,
    horizonDays: params.horizon_days,
    snapshotEvery: params.validate_every,
    accounts: number(row, "n_accounts") ?? 0,
    aucLow: interval.low,
    aucHigh: interval.high,
    half2Low: later.low,
    half2High: later.high,
    detectable: detectableOf(test),
    splitOn: text(row, "split_on"),
    modalValue: number(row, "modal_value"),
    lowestValue: number(row, "lowest_value"),
    lowestShare: number(row, "lowest_share"),
    rateLow: number(row, "rate_low_fifth"),
    rateMiddle: number(row, "rate_middle"),
    rateHigh: number(row, "rate_high_fifth"),
    rateUnanswered: number(row, "rate_unanswered"),
    rateAnswered: number(row, "rate_answered"),
    sameAs,
  };
}

/** The row of a KPI over the whole book. */
function wholeRow(one: Decided, definition: string): VerdictRow {
  const { input, evidence, decision, p, wording, redundantWith } = one;
  const { row } = input;
  const isInFamily = evidence.q.main !== null;
  const badges = badgesOf(evidence, {
    spearmanTenure: number(row, "spearman_tenure"),
    arrivalKnown: row.arrival_known === null ? null : row.arrival_known === true,
    isContaminated: row.is_contaminated === true,
  });
  return {
    kpi: input.id,
    definition,
    group_kind: "all",
    segment: "all",
    rule: decision.rule,
    verdict: decision.verdict,
    label: labelOf(decision, evidence, wording),
    sentence: sentenceOf(decision, evidence, wording),
    reason: decision.reason,
    auc: evidence.auc,
    auc_low: twelveDigits(wording.aucLow),
    auc_high: twelveDigits(wording.aucHigh),
    auc_se: evidence.se,
    crude_auc: evidence.crudeAuc,
    late_auc: evidence.lateAuc,
    // A KPI outside its family was not tested: it has neither p nor q.
    p: isInFamily ? twelveDigits(p.main) : null,
    q: twelveDigits(evidence.q.main),
    coverage: evidence.coverage,
    n_accounts: wording.accounts,
    n_churned: evidence.churned,
    detectable_auc: twelveDigits(wording.detectable),
    rate_low_fifth: wording.rateLow,
    rate_high_fifth: wording.rateHigh,
    redundant_with: redundantWith,
    badges: badges.join(", "),
    first_seen_on: null,
    held: null,
    look_on: null,
    against_primary: null,
    action_group: actionGroupOf(decision),
    strength:
      decision.verdict === "predicts" && evidence.auc !== null ? strengthOf(Math.abs(evidence.auc - 0.5)) : null,
    small_print: decision.verdict === "not_tested" ? null : smallPrintOf(evidence, wording),
  };
}

const noQ: FamilyQ = { main: null, crude: null, late: null, shape: null, halves: null, missing: null };

const groupKinds: readonly GroupKind[] = ["segment", "cohort"];

/** The second stage: rows of every group, and of each KPI whether its groups differ. */
function groupRows(
  decided: readonly Decided[],
  definition: string,
  groups: ReadonlyMap<string, readonly GroupStatistic[]>,
): { readonly verdicts: readonly VerdictRow[]; readonly tests: readonly Record<string, SqlValue>[] } {
  const verdicts: VerdictRow[] = [];
  const tests: Record<string, SqlValue>[] = [];
  for (const kind of groupKinds) {
    const ofKind = (id: string) => (groups.get(`${definition} ${id}`) ?? []).filter((group) => group.kind === kind);
    const stage = secondStage(
      decided.map(({ input, evidence }) => ({ id: input.id, mainQ: evidence.q.main, groups: ofKind(input.id) })),
    );
    for (const one of decided) {
      const own = stage.get(one.input.id);
      const members = ofKind(one.input.id);
      if (own === undefined || members.length === 0) continue;
      tests.push({
        kpi: one.input.id,
        definition,
        group_kind: kind,
        n_groups: members.filter(({ churned, staying }) => Math.min(churned, staying) >= 50).length,
        het_p: twelveDigits(own.hetP),
        het_q: twelveDigits(own.hetQ),
        is_selected: own.isSelected,
      });
      for (const group of members) verdicts.push(groupRow(one, definition, group, own.tests.get(group.group)));
    }
  }
  return { verdicts, tests };
}

function groupRow(
  one: Decided,
  definition: string,
  group: GroupStatistic,
  test: { readonly p: number; readonly q: number | null } | undefined,
): VerdictRow {
  const { evidence, wording } = one;
  const decision = decideGroup(one, group, test?.q ?? null);
  const interval = aucInterval(group.centre, group.se === 0 ? null : group.se);
  const wholeLabel = lowerFirst(labelOf(one.decision, evidence, wording));
  const inGroup = { ...evidence, auc: group.auc };
  const isTested = decision !== null && decision.reason !== "whole_book";
  return {
    kpi: one.input.id,
    definition,
    group_kind: group.kind,
    segment: group.group,
    rule: decision?.rule ?? null,
    verdict: decision?.verdict ?? null,
    label:
      decision === null
        ? null
        : isTested
          ? labelOf(decision, inGroup, wording)
          : labelOf(one.decision, evidence, wording),
    sentence: groupSentence(decision, group, { less: wording.less, more: wording.more, wholeLabel }),
    reason: decision?.reason ?? null,
    auc: group.auc,
    auc_low: twelveDigits(interval.low),
    auc_high: twelveDigits(interval.high),
    auc_se: group.se,
    crude_auc: null,
    late_auc: null,
    p: isTested ? twelveDigits(test?.p ?? null) : null,
    q: isTested ? twelveDigits(test?.q ?? null) : null,
    coverage: null,
    n_accounts: group.accounts,
    n_churned: group.churned,
    detectable_auc: null,
    rate_low_fifth: null,
    rate_high_fifth: null,
    redundant_with: null,
    badges:
      Math.min(group.churned, group.staying) >= 50 && Math.min(group.churned, group.staying) < 100 ? "exploratory" : "",
    first_seen_on: null,
    held: null,
    look_on: null,
    against_primary: null,
    action_group: decision === null ? null : actionGroupOf(isTested ? decision : one.decision),
    strength: decision?.verdict === "predicts" ? strengthOf(Math.abs(group.auc - 0.5)) : null,
    small_print: null,
  };
}

/** validation.kpi_verdict and validation.kpi_look: today's rows under the labels that stand. */
async function writeVerdicts(
  context: StepContext,
  work: {
    readonly verdicts: readonly VerdictRow[];
    readonly looks: boolean;
    readonly asOf: string;
    readonly primary: string | null;
  },
): Promise<void> {
  const { verdicts, looks, asOf } = work;
  const past = looks
    ? await context.query<VerdictRow & PastLook>(
        `select * replace (cast(look_on as varchar) as look_on) from ${pastLooks} order by look_on, definition, group_kind, segment, kpi`,
      )
    : [];
  const stood = looks ? letStand(verdicts, past, asOf) : verdicts;
  const primary = new Map(
    stood.flatMap((row) =>
      row.group_kind === "all" && row.definition === work.primary ? [[row.kpi, row] as const] : [],
    ),
  );
  const shown = stood.map((row): VerdictRow => {
    const isNew = row.held !== null && row.held < heldEnough;
    const badges = isNew ? [row.badges, "new"].filter((badge) => badge !== "").join(", ") : row.badges;
    const first = primary.get(row.kpi);
    if (row.group_kind !== "all" || first === undefined || first.definition === row.definition)
      return { ...row, badges };
    const against: Against = againstPrimary(first, row);
    return {
      ...row,
      badges,
      against_primary: against,
      label: againstLabels[against],
      sentence: describeAgainst(against, first, row),
    };
  });
  await writeTable(context, "validation.kpi_verdict", verdictColumns, shown);
  const looked = [
    ...past.filter((row) => row.group_kind === "all"),
    ...(asOf.endsWith("-01") ? verdicts.filter((row) => row.group_kind === "all") : []).map((row) => ({
      ...row,
      look_on: asOf,
    })),
  ];
  await writeTable(
    context,
    "validation.kpi_look",
    lookColumns,
    looked.map((row) => {
      const isTested = row.q !== null;
      const { kpi, definition, look_on, rule, verdict, label, q, n_churned } = row;
      const [auc, auc_low, auc_high] = isTested ? [row.auc, row.auc_low, row.auc_high] : [null, null, null];
      return {
        kpi,
        definition,
        look_on,
        rule,
        verdict,
        label,
        auc,
        auc_low,
        auc_high,
        q,
        n_churned: isTested ? n_churned : null,
      };
    }),
  );
}

/**
 * validation.kpi_verdict of a month start by which fewer than 50 accounts had left, or stayed, with a complete history: nothing
 * could be tested, whatever the KPI. What leaks, leaks.
 */
export async function writeUntested(
  context: StepContext,
  look: {
    readonly definition: string;
    readonly lookOn: string;
    readonly lineage: ReadonlyMap<string, string>;
    readonly truncation: string | undefined;
  },
): Promise<void> {
  const { definition, lookOn, lineage, truncation } = look;
  const changed =
    truncation === undefined
      ? "select null::varchar as kpi, null::bigint as n_changed where false"
      : `select kpi, cast(sum(n_changed) as bigint) as n_changed from ${truncation} group by kpi`;
  const kpis = await context.query<Row>(
    `select k.id, k.healthier, t.n_changed from features.kpi_definition as k left join (${changed}) as t on t.kpi = k.id order by k.id`,
  );
  const none = Object.fromEntries(Object.keys(verdictColumns).map((name) => [name, null]));
  const rows = kpis.map((row) => {
    const leak = leakOf(row, lineage.get(row.id as string));
    const decision: Decision =
      leak === null
        ? { rule: "0", verdict: "not_tested", reason: "too_few_churned" }
        : { rule: "L", verdict: "leaks", reason: leak.kind };
    const evidence: Evidence = { ...statisticsOf(row, leak), q: noQ };
    return {
      ...none,
      kpi: row.id as string,
      definition,
      group_kind: "all",
      segment: "all",
      rule: decision.rule,
      verdict: decision.verdict,
      label: labelOf(decision, evidence, { sameAs: null }),
      sentence:
        leak === null
          ? `Not tested: by ${dateInWords(lookOn)} fewer than 50 accounts with a complete history had left, or stayed.`
          : leakSentence(leak),
      reason: decision.reason,
      badges: "",
      action_group: actionGroupOf(decision),
    };
  });
  await writeTable(context, "validation.kpi_verdict", verdictColumns, rows);
}

/** A of every KPI in each segment and, `withCohorts`, in each cohort, by `definition kpi`. */
async function groupStatistics(
  query: Query,
  withCohorts: boolean,
): Promise<ReadonlyMap<string, readonly GroupStatistic[]>> {
  const select = (table: string, kind: GroupKind): string => `
select
  definition || ' ' || subject as key,
  ${literal(kind)} as kind,
  substr(statistic, ${kind.length + 2}) as "group",
  auc, se, z, tied, centre,
  n_accounts as accounts, n_churned as churned, n_staying as staying
from ${table}
where statistic like '${kind}!_%' escape '!' and auc is not null`;
  const tables = [
    select("validation.kpi_auc", "segment"),
    ...(withCohorts ? [select("validation.cohort_auc", "cohort")] : []),
  ];
  const rows = await query<GroupStatistic & { key: string }>(
    `select * from (${tables.join("\nunion all")}) order by key, kind, "group"`,
  );
  const found = new Map<string, GroupStatistic[]>();
  for (const { key, ...statistic } of rows) found.set(key, [...(found.get(key) ?? []), statistic]);
  return found;
}

/** What rule 5 reads of each segment. */
const segmentsOf = (groups: readonly GroupStatistic[]): readonly SegmentStatistic[] =>
  groups.flatMap(({ kind, group, auc, z, churned, staying }) =>
    kind === "segment" && z !== null ? [{ segment: group, auc, z, k: Math.min(churned, staying) }] : [],
  );

function leakOf(row: Row, table: string | undefined): Leak | null {
  const changed = number(row, "n_changed");
  if (changed !== null && changed > 0) return { kind: "truncation", changed };
  return table === undefined ? null : { kind: "lineage", table };
}
