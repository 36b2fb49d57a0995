/** Scorecards on history: what of validation is about scores and not about KPIs (docs/method.md, "Scores"). */
import type { Node, Step } from "../models/model.ts";
import { calibrateScores } from "./history-calibration.ts";
import { capacityModels } from "./history-capacity.ts";
import { dividePeriods } from "./periods.ts";
import { rankModels, rankTotals } from "./rank.ts";
import { testScorecards } from "./scorecards.ts";
import { writeTable } from "./tables.ts";

/** The nodes that come after the verdicts; those with a fixed shape are in sql/validation. */
export const historyNodes = (): readonly Node[] => [
  ...rankModels({ name: "score", source: "validation.score_observed" }),
  ...rankTotals("score", "validation.score_part_grouped"),
  dividePeriodsOfScores,
  calibrateScores,
  ...capacityModels,
  testScorecards,
];

/**
 * validation.score_period: of each version and each of its parts out_of_time and in_sample the blocks, merged forward until a
 * period has 20 churned accounts that can be compared; the rest joins the last one.
 */
const dividePeriodsOfScores: Step = {
  kind: "step",
  name: "validation.divide_periods_of_scores",
  depends: ["validation.score_row", "validation.score_part"],
  params: [],
  produces: ["validation.score_period"],
  version: "1",
  async run(context) {
    const blocks = await context.query<{
      subject: string;
      sample: string;
      block: number;
      first_on: string;
      last_on: string;
    }>(`
select subject, case when is_out_of_time then 'out_of_time' else 'in_sample' end as sample, block,
  min(snapshot_date) as first_on, max(snapshot_date) as last_on
from validation.score_row group by subject, sample, block order by subject, sample, block`);
    const events = await context.query<{ subject: string; sample: string; block: number; account_no: number }>(`
select distinct subject, statistic as sample, block, account_no
from validation.score_part where statistic in ('out_of_time', 'in_sample') and n_event_rows > 0
order by subject, sample, block, account_no`);
    const accounts = new Map<string, number[]>();
    for (const { subject, sample, block, account_no } of events) {
      const key = `${subject} ${sample} ${block}`;
      const found = accounts.get(key);
      if (found === undefined) accounts.set(key, [account_no]);
      else found.push(account_no);
    }
    const parts = new Map<string, typeof blocks>();
    for (const row of blocks) {
      const key = `${row.subject} ${row.sample}`;
      parts.set(key, [...(parts.get(key) ?? []), row]);
    }
    const rows = [...parts.values()].flatMap((own) =>
      dividePeriods(
        own.map(({ subject, sample, block, first_on, last_on }) => ({
          block,
          from: first_on,
          to: last_on,
          accounts: accounts.get(`${subject} ${sample} ${block}`) ?? [],
        })),
      ).map(({ block, period }, i) => ({ ...(own[i] as (typeof own)[number]), block, period_no: period })),
    );
    await writeTable(
      context,
      "validation.score_period",
      {
        subject: "varchar",
        sample: "varchar",
        block: "integer",
        period_no: "integer",
        first_on: "date",
        last_on: "date",
      },
      rows,
    );
  },
};
