/** Calendar parts of the history for stability over time: halves, and blocks merged until they can be read. */
import type { Step } from "../models/model.ts";
import { writeTable } from "./tables.ts";

/** A block with its first and last snapshot date and the event rows of the definition in it. */
export interface BlockEvents {
  readonly block: number;
  readonly from: string;
  readonly to: string;
  /** One entry an event row: its account. */
  readonly accounts: readonly number[];
}

export interface BlockPeriod {
  readonly block: number;
  readonly period: number;
  readonly half: 1 | 2 | null;
  /** First snapshot date of the later half; null without halves. */
  readonly splitOn: string | null;
}

/**
 * Merges blocks forward until each period has `least` churned accounts (the rest joins the last one), and splits at the
 * block boundary nearest to the median event row where each side has 25 churned accounts (docs/method.md); a tie goes
 * to the earlier boundary. Without such a boundary there are no halves.
 */
export function dividePeriods(blocks: readonly BlockEvents[], least = 20, leastOfHalf = 25): readonly BlockPeriod[] {
  const periods: number[] = [];
  let period = 1;
  let seen = new Set<number>();
  for (const { accounts } of blocks) {
    periods.push(period);
    for (const account of accounts) seen.add(account);
    if (seen.size >= least) {
      period += 1;
      seen = new Set();
    }
  }
  const isRest = periods.at(-1) === period && period > 1;
  const merged = periods.map((value) => (isRest && value === period ? period - 1 : value));

  const total = blocks.reduce((sum, { accounts }) => sum + accounts.length, 0);
  let best: { at: number; distance: number } | undefined;
  let before = 0;
  for (let at = 1; at < blocks.length; at += 1) {
    before += (blocks[at - 1] as BlockEvents).accounts.length;
    const early = new Set(blocks.slice(0, at).flatMap(({ accounts }) => accounts));
    const late = new Set(blocks.slice(at).flatMap(({ accounts }) => accounts));
    const distance = Math.abs(before / total - 0.5);
    if (early.size >= leastOfHalf && late.size >= leastOfHalf && (best === undefined || distance < best.distance)) {
      best = { at, distance };
    }
  }
  return blocks.map(({ block }, i) => ({
    block,
    period: merged[i] as number,
    half: best === undefined ? null : i < best.at ? 1 : 2,
    splitOn: best === undefined ? null : (blocks[best.at] as BlockEvents).from,
  }));
}

export const makePeriods: Step = {
  kind: "step",
  name: "validation.make_periods",
  depends: ["validation.stratum"],
  params: [],
  produces: ["validation.period"],
  version: "1",
  async run(context) {
    const blocks = await context.query<{ definition: string; block: number; first_on: string; last_on: string }>(`
select definition, block, min(snapshot_date) as first_on, max(snapshot_date) as last_on
from validation.stratum where y is not null group by definition, block order by definition, block`);
    const events = await context.query<{ definition: string; block: number; account_no: number }>(`
select definition, block, account_no from validation.stratum where y = 1 order by definition, block, account_no`);
    const rows = [...new Set(blocks.map((row) => row.definition))].flatMap((definition) => {
      const own = blocks
        .filter((row) => row.definition === definition)
        .map(({ block, first_on, last_on }) => ({
          block,
          from: first_on,
          to: last_on,
          accounts: events
            .filter((event) => event.definition === definition && event.block === block)
            .map((event) => event.account_no),
        }));
      return dividePeriods(own).map(({ block, period, half, splitOn }, i) => ({
        definition,
        block,
        period_no: period,
        half,
        split_on: splitOn,
        first_on: (own[i] as BlockEvents).from,
        last_on: (own[i] as BlockEvents).to,
      }));
    });
    await writeTable(
      context,
      "validation.period",
      {
        definition: "varchar",
        block: "integer",
        period_no: "integer",
        half: "integer",
        split_on: "date",
        first_on: "date",
        last_on: "date",
      },
      rows,
    );
  },
};
