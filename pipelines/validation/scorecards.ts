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
  readonly period: string;
  readonly slice: string;
  readonly sample: string;
  readonly first_on: string | null;
  readonly last_on: string | null;
  readonly n_rows: number;
  readonly coverage: number | null;
  readonly n_churned: number;
  readonly n_staying: number;
  readonly base_rate: number | null;
  readonly auc: number | null;
  readonly centre: number | null;
  readonly auc_se: number | null;
  readonly average_precision: number | null;
  readonly precision_se: number | null;
  readonly lift_10: number | null;
  readonly lift_se: number | null;
  readonly brier: number | null;
  readonly brier_low: number | null;
  readonly brier_high: number | null;
  readonly slope: number | null;
  readonly slope_low: number | null;
  readonly slope_high: number | null;
  readonly simple_auc: number | null;
  readonly difference: number | null;
  readonly difference_low: number | null;
  readonly difference_high: number | null;
}

/** Copied from validation.scorecard_statistic as they stand. */
const departureColumns = {
  n_departures: "bigint",
  caught_share: "double",
  caught_low: "double",
  caught_high: "double",
  green_share: "double",
  green_low: "double",
  green_high: "double",
  n_warned: "bigint",
  median_months_of_warning: "double",
  share_1m: "double",
  share_3m: "double",
  n_stayers: "bigint",
  stayer_median_months: "double",
  stayer_share_1m: "double",
  stayer_share_3m: "double",
} as const;

const ninety = 1.6448536269514722;

/** An interval of a ratio above 0 on the scale of its logarithm: a share of it is as likely too low as too high. */
function ratioInterval(value: number | null, se: number | null): { low: number | null; high: number | null } {
  if (value === null || se === null || value <= 0) return { low: null, high: null };
  const factor = Math.exp((ninety * se) / value);
  return { low: value / factor, high: value * factor };
}

/**
 * validation.scorecard_test: a line for each part of history on which a version is looked at, and for each period of the
 * parts out_of_time and in_sample. The state is judged out of time only; what is in_sample may flatter, because the version may
 * have been made on the same rows. Intervals are 90 %, those of shares of departures 95 %.
 */
export const testScorecards: Step = {
  kind: "step",
  name: "validation.test_scorecards",
  depends: ["validation.scorecard_statistic", "validation.scorecard_calibration"],
  params: ["gap_days", "horizon_days"],
  produces: ["validation.scorecard_test"],
  version: "2",
  async run(context) {
    const [params] = await context.query<{ gap_days: number; horizon_days: number }>(
      "select gap_days, horizon_days from meta.params",
    );
    const rows = await context.query<StatisticRow>(`
select s.*, c.brier, c.brier_low, c.brier_high, c.slope, c.slope_low, c.slope_high
from validation.scorecard_statistic as s
left join validation.scorecard_calibration as c
  on c.scorecard = s.scorecard and c.version = s.version and c.period = s.period and s.sample = 'out_of_time'
order by s.scorecard, s.version, s.slice`);
    await writeTable(
      context,
      "validation.scorecard_test",
      {
        scorecard: "varchar",
        version: "integer",
        period: "varchar",
        sample: "varchar",
        first_on: "date",
        last_on: "date",
        state: "varchar",
        sentence: "varchar",
        auc: "double",
        auc_low: "double",
        auc_high: "double",
        coverage: "double",
        n_rows: "bigint",
        n_churned: "bigint",
        n_staying: "bigint",
        base_rate: "double",
        average_precision: "double",
        average_precision_low: "double",
        average_precision_high: "double",
        lift_10: "double",
        lift_10_low: "double",
        lift_10_high: "double",
        brier: "double",
        brier_low: "double",
        brier_high: "double",
        slope: "double",
        slope_low: "double",
        slope_high: "double",
        simple_auc: "double",
        difference: "double",
        difference_low: "double",
        difference_high: "double",
        ...departureColumns,
      },
      rows.map((row) => {
        const { low, high } = aucInterval(row.centre, row.auc_se, ninety);
        const precision = aucInterval(row.average_precision, row.precision_se, ninety);
        const lift = ratioInterval(row.lift_10, row.lift_se);
        const evidence: ScorecardEvidence = {
          churned: row.n_churned,
          staying: row.n_staying,
          coverage: row.coverage,
          auc: row.auc,
          low,
          high,
          simpleAuc: row.simple_auc,
          difference: row.difference,
          differenceLow: row.difference_low,
          differenceHigh: row.difference_high,
          gapDays: params?.gap_days ?? 0,
          horizonDays: params?.horizon_days ?? 0,
          purpose: row.purpose,
        };
        const isJudged = row.period === "out_of_time";
        return {
          ...row,
          state: isJudged ? stateOf(evidence) : null,
          sentence: isJudged ? stateSentence(evidence) : null,
          auc_low: twelveDigits(low),
          auc_high: twelveDigits(high),
          average_precision_low: twelveDigits(precision.low),
          average_precision_high: twelveDigits(precision.high),
          lift_10_low: twelveDigits(lift.low),
          lift_10_high: twelveDigits(lift.high),
        };
      }),
    );
  },
};
