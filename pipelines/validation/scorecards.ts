/** When a scorecard counts as validated, and the sentence that says so (docs/method.md, "Scores"). */
import type { Step } from "../models/model.ts";
import { aucInterval } from "./interval.ts";
import { twelveDigits, writeTable } from "./tables.ts";

export type ScorecardState = "not checked" | "no use" | "cannot tell" | "no better than the simple one" | "works";

/** What history says of a score on one period; AUCs are oriented so that low is risky. */
export interface ScorecardEvidence {
  /** Accounts with a scored event row, and with a scored other row, in a stratum that holds both. */
  readonly churned: number;
  readonly staying: number;
  /** Share of account-months that have a score; null without any. */
  readonly coverage: number | null;
  readonly auc: number | null;
  /** 90 % interval. */
  readonly low: number | null;
  readonly high: number | null;
  /** naive_baseline on the rows that both score; null for naive_baseline itself, or when the book does not compare it. */
  readonly simpleAuc: number | null;
  readonly difference: number | null;
  readonly differenceLow: number | null;
  readonly differenceHigh: number | null;
  readonly gapDays: number;
  readonly horizonDays: number;
  readonly purpose: string | null;
}

const pairs = (share: number | null): string => (share === null ? "not known" : String(Math.round(100 * share)));
/** In hundredths with its sign; what rounds to nothing has none. */
function signed(value: number | null): string {
  if (value === null) return "not known";
  const hundredths = (Math.abs(value) * 100).toFixed(1);
  return hundredths === "0.0" ? hundredths : `${value < 0 ? "-" : "+"}${hundredths}`;
}

/** The first state that matches. A null makes a condition false. */
export function stateOf(e: ScorecardEvidence): ScorecardState {
  if (Math.min(e.churned, e.staying) < 50 || e.coverage === null || e.coverage < 0.7) return "not checked";
  if (e.auc === null || e.low === null || e.high === null) return "not checked";
  if (e.high < 0.55) return "no use";
  if (e.low < 0.52) return "cannot tell";
  if (e.differenceLow !== null && e.differenceLow <= 0) return "no better than the simple one";
  return "works";
}

export function stateSentence(e: ScorecardEvidence): string {
  const text = plainSentence(e);
  return e.purpose === "behaviour_index"
    ? `Meant to describe behaviour, not to predict churn; checked against churn all the same: ${text}`
    : text;
}

function plainSentence(e: ScorecardEvidence): string {
  switch (stateOf(e)) {
    case "not checked":
      if (e.churned < 50 || e.coverage === null) return `Not checked: ${e.churned} of 50 churned accounts needed.`;
      if (e.staying < 50) return `Not checked: ${e.staying} of 50 staying accounts needed.`;
      if (e.coverage >= 0.7) return "Not checked: no leaver and stayer can be compared.";
      return `Not checked: ${Math.floor(100 * e.coverage)} % of account-months scored, 70 % needed.`;
    case "no use":
      return `At most ${pairs(e.high)} of 100: close to a coin toss.`;
    case "cannot tell":
      return `Not shown to rank leavers: ${pairs(e.auc)} of 100 (${pairs(e.low)}-${pairs(e.high)}).`;
    case "no better than the simple one":
      return (
        "It ranks leavers, but logins + NPS + feature events + tickets are not shown to do worse " +
        `(difference ${signed(e.difference)}, ${signed(e.differenceLow)} to ${signed(e.differenceHigh)}).`
      );
    case "works": {
      const ranked =
        `Ranked ${pairs(e.auc)} of 100 leaver-and-stayer pairs rightly, ${e.gapDays}-${e.gapDays + e.horizonDays} days ahead ` +
        `(${pairs(e.low)}-${pairs(e.high)})`;
      return e.simpleAuc === null ? `${ranked}.` : `${ranked}; the simple score ${pairs(e.simpleAuc)}.`;
    }
  }
}

interface StatisticRow {
  readonly scorecard: string;
  readonly version: number;
  readonly purpose: string | null;
  readonly period: "all" | "out_of_time";
  readonly n_asked: number;
  readonly coverage: number | null;
  readonly n_churned: number;
  readonly n_staying: number;
  readonly auc: number | null;
  readonly centre: number | null;
  readonly auc_se: number | null;
  readonly average_precision: number | null;
  readonly lift_10: number | null;
  readonly simple_auc: number | null;
  readonly difference: number | null;
  readonly difference_se: number | null;
  readonly median_months_of_warning: number | null;
  readonly share_1m: number | null;
  readonly share_3m: number | null;
}

/**
 * validation.scorecard_test. The state is judged out of time only; the row `all` holds numbers that may flatter, because a
 * version may have been made on the same rows. Intervals are 90 %.
 */
export const testScorecards: Step = {
  kind: "step",
  name: "validation.test_scorecards",
  depends: ["validation.scorecard_statistic"],
  params: ["gap_days", "horizon_days"],
  produces: ["validation.scorecard_test"],
  version: "1",
  async run(context) {
    const [params] = await context.query<{ gap_days: number; horizon_days: number }>(
      "select gap_days, horizon_days from meta.params",
    );
    const rows = await context.query<StatisticRow>(
      "select * from validation.scorecard_statistic order by scorecard, version, period",
    );
    await writeTable(
      context,
      "validation.scorecard_test",
      {
        scorecard: "varchar",
        version: "integer",
        period: "varchar",
        state: "varchar",
        sentence: "varchar",
        auc: "double",
        auc_low: "double",
        auc_high: "double",
        coverage: "double",
        n_rows: "bigint",
        n_churned: "bigint",
        average_precision: "double",
        lift_10: "double",
        brier: "double",
        slope: "double",
        simple_auc: "double",
        difference: "double",
        difference_low: "double",
        difference_high: "double",
        median_months_of_warning: "double",
        share_1m: "double",
        share_3m: "double",
      },
      rows.map((row) => {
        const { low, high } = aucInterval(row.centre, row.auc_se, 1.645);
        const half = row.difference_se === null ? null : 1.645 * row.difference_se;
        const evidence: ScorecardEvidence = {
          churned: row.n_churned,
          staying: row.n_staying,
          coverage: row.coverage,
          auc: row.auc,
          low,
          high,
          simpleAuc: row.simple_auc,
          difference: row.difference,
          differenceLow: row.difference === null || half === null ? null : row.difference - half,
          differenceHigh: row.difference === null || half === null ? null : row.difference + half,
          gapDays: params?.gap_days ?? 0,
          horizonDays: params?.horizon_days ?? 0,
          purpose: row.purpose,
        };
        const isJudged = row.period === "out_of_time";
        return {
          scorecard: row.scorecard,
          version: row.version,
          period: row.period,
          state: isJudged ? stateOf(evidence) : null,
          sentence: isJudged ? stateSentence(evidence) : null,
          auc: row.auc,
          auc_low: twelveDigits(low),
          auc_high: twelveDigits(high),
          coverage: row.coverage,
          n_rows: row.n_asked,
          n_churned: row.n_churned,
          average_precision: row.average_precision,
          lift_10: row.lift_10,
          brier: null,
          slope: null,
          simple_auc: row.simple_auc,
          difference: row.difference,
          difference_low: twelveDigits(evidence.differenceLow),
          difference_high: twelveDigits(evidence.differenceHigh),
          median_months_of_warning: row.median_months_of_warning,
          share_1m: row.share_1m,
          share_3m: row.share_3m,
        };
      }),
    );
  },
};
