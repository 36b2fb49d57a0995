/** Reads validation.kpi_statistic, applies the rules and writes validation.kpi_verdict and validation.kpi_test. */
import type { Step } from "../models/model.ts";
import type { Query, Row } from "../warehouse/database.ts";
import type { SqlValue } from "../warehouse/literal.ts";
import { aucInterval } from "./interval.ts";
import { holdUse, type UseColumns } from "./other-use.ts";
import { findRedundant, pairFactsOf } from "./redundancy.ts";
import {
  actionGroupOf,
  badgesOf,
  type Decision,
  decideAll,
  detectableAuc,
  families,
  type Healthier,
  type Leak,
  type SegmentStatistic,
  type Statistics,
  strengthOf,
} from "./rules.ts";
import { labelOf, lowerFirst, sentenceOf, smallPrintOf, type Wording } from "./sentences.ts";
import { twelveDigits, writeTable } from "./tables.ts";

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
}

export interface LiveKpi {
  readonly kpi: string;
  /** Null: always so far. */
  readonly from: string | null;
  /** The day from which a later version is in force; null: still. */
  readonly until: string | null;
}

/** The step. validation.truncation holds the values that the truncation test saw change. */
export function decideVerdicts({ lineage, live, use }: DecideOptions): Step {
  return {
    kind: "step",
    name: "validation.decide",
    depends: [
      "features.kpi_definition",
      ...(use.size > 0 ? ["features.usage", "validation.observation"] : []),
      "validation.baseline_fit",
      "validation.baseline_row",
      "validation.definition",
      "validation.kpi_arrival",
      "validation.kpi_auc",
      "validation.kpi_influence",
      "validation.kpi_placed",
      "validation.kpi_rank_pair",
      "validation.kpi_statistic",
      "validation.truncation",
    ],
    params: ["as_of", "gap_days", "horizon_days", "validate_every"],
    produces: ["validation.kpi_test", "validation.kpi_verdict"],
    version: `2 ${[...lineage].map(([kpi, table]) => `${kpi}:${table}`).join(",")} ${live.map(({ kpi, from, until }) => `${kpi}:${from}:${until}`).join(",")}`,
    async run(context) {
      const [params] = await context.query<{
        as_of: string;
        gap_days: number;
        horizon_days: number;
        validate_every: "week" | "month";
      }>("select cast(as_of as varchar) as as_of, gap_days, horizon_days, validate_every from meta.params");
      if (params === undefined) throw new Error("meta.params has no row");
      const rows = await context.query<Row>(`
select s.*, k.label, k.healthier, k.says_less, k.says_more, a.arrival_known, t.n_changed
from validation.kpi_statistic as s
inner join features.kpi_definition as k on k.id = s.kpi
left join validation.kpi_arrival as a on a.kpi = s.kpi
left join validation.truncation as t on t.kpi = s.kpi and t.n_changed > 0
order by s.definition, s.kpi`);
      const segments = await segmentStatistics(context.query);
      const isLive = new Set(
        live
          .filter(({ from, until }) => (from ?? "") <= params.as_of && (until === null || params.as_of < until))
          .map(({ kpi }) => kpi),
      );
      const labelOfKpi = new Map(rows.map((row) => [row.kpi as string, lowerFirst(text(row, "label") ?? "")]));
      const verdicts: Record<string, SqlValue>[] = [];
      const tests: Record<string, SqlValue>[] = [];
      for (const definition of new Set(rows.map((row) => row.definition as string))) {
        const inputs = rows
          .filter((row) => row.definition === definition)
          .map((row): KpiInput => {
            const id = row.kpi as string;
            const own = segments.get(`${definition} ${id}`) ?? [];
            return { ...statisticsOf(row, leakOf(row, lineage.get(id)), own), id, row };
          });
        // Rule 9 needs a fit of its own: only what would be claimed otherwise is asked.
        const asked = decideAll(inputs).flatMap(({ input: { id }, decision: { rule } }) =>
          use.has(id) && ["10", "11", "12", "13"].includes(rule) ? [[id, use.get(id) as UseColumns] as const] : [],
        );
        const held = await holdUse(context, definition, new Map(asked));
        const tested = decideAll(inputs.map((input) => ({ ...input, otherUse: held.get(input.id) ?? null })));
        const redundant = await findRedundant(
          tested.flatMap(({ input: { id, auc, z, coverage }, decision: { verdict } }) =>
            (verdict === "predicts" || verdict === "weak") && auc !== null && z !== null
              ? [{ id, auc, z, coverage: coverage ?? 0, isLive: isLive.has(id) }]
              : [],
          ),
          await pairFactsOf(context, definition),
        );
        for (const { input, evidence, decision: first, p, qBy, rejections, size } of tested) {
          const same = redundant.get(input.id);
          const decision: Decision = same === undefined ? first : { rule: "18", verdict: "redundant", reason: null };
          const { row } = input;
          const isInFamily = evidence.q.main !== null;
          const detectable = isInFamily ? detectableAuc(evidence.se, rejections, size) : null;
          const interval = aucInterval(number(row, "centre"), evidence.se);
          const later = aucInterval(evidence.half2Auc, evidence.half2Se);
          const wording: Wording = {
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
            detectable,
            splitOn: text(row, "split_on"),
            modalValue: number(row, "modal_value"),
            lowestValue: number(row, "lowest_value"),
            lowestShare: number(row, "lowest_share"),
            rateLow: number(row, "rate_low_fifth"),
            rateMiddle: number(row, "rate_middle"),
            rateHigh: number(row, "rate_high_fifth"),
            rateUnanswered: number(row, "rate_unanswered"),
            rateAnswered: number(row, "rate_answered"),
            sameAs:
              same === undefined ? null : { kpi: labelOfKpi.get(same.other) ?? same.other, spearman: same.spearman },
          };
          const badges = badgesOf(evidence, {
            spearmanTenure: number(row, "spearman_tenure"),
            arrivalKnown: row.arrival_known === null ? null : row.arrival_known === true,
          });
          verdicts.push({
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
            auc_low: twelveDigits(interval.low),
            auc_high: twelveDigits(interval.high),
            auc_se: evidence.se,
            crude_auc: evidence.crudeAuc,
            late_auc: evidence.lateAuc,
            // A KPI outside its family was not tested: it has neither p nor q.
            p: isInFamily ? twelveDigits(p.main) : null,
            q: twelveDigits(evidence.q.main),
            coverage: evidence.coverage,
            n_accounts: number(row, "n_accounts"),
            n_churned: evidence.churned,
            detectable_auc: twelveDigits(detectable),
            rate_low_fifth: number(row, "rate_low_fifth"),
            rate_high_fifth: number(row, "rate_high_fifth"),
            redundant_with: same?.other ?? null,
            badges: badges.join(", "),
            first_seen_on: null,
            held: null,
            action_group: actionGroupOf(decision),
            strength:
              decision.verdict === "predicts" && evidence.auc !== null
                ? strengthOf(Math.abs(evidence.auc - 0.5))
                : null,
            small_print: decision.verdict === "not_tested" ? null : smallPrintOf(evidence, wording),
          });
          for (const family of families) {
            const q = evidence.q[family];
            if (q === null) continue;
            tests.push({
              kpi: input.id,
              definition,
              family,
              p: twelveDigits(p[family]),
              q: twelveDigits(q),
              q_by: family === "main" ? twelveDigits(qBy) : null,
            });
          }
        }
      }
      await writeTable(
        context,
        "validation.kpi_test",
        { kpi: "varchar", definition: "varchar", family: "varchar", p: "double", q: "double", q_by: "double" },
        tests,
      );
      await writeTable(
        context,
        "validation.kpi_verdict",
        {
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
          action_group: "varchar",
          strength: "varchar",
          small_print: "varchar",
        },
        verdicts,
      );
    },
  };
}

/** What the rules read of each segment, by `definition kpi`. */
async function segmentStatistics(query: Query): Promise<ReadonlyMap<string, readonly SegmentStatistic[]>> {
  const rows = await query<SegmentStatistic & { key: string }>(`
select
  definition || ' ' || subject as key,
  substr(statistic, 9) as segment,
  auc,
  z,
  least(n_churned, n_staying) as k
from validation.kpi_auc
where statistic like 'segment!_%' escape '!' and auc is not null and z is not null
order by key, segment`);
  const found = new Map<string, SegmentStatistic[]>();
  for (const { key, ...statistic } of rows) found.set(key, [...(found.get(key) ?? []), statistic]);
  return found;
}

function leakOf(row: Row, table: string | undefined): Leak | null {
  const changed = number(row, "n_changed");
  if (changed !== null && changed > 0) return { kind: "truncation", changed };
  return table === undefined ? null : { kind: "lineage", table };
}
