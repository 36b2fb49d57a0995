/** Two scores beside each other on the same rows, by the estimator that validates scorecards (validation/rank.ts). */
import { silentLog } from "../lib/log.ts";
import { sortNodes } from "../models/graph.ts";
import { runNodes } from "../models/run.ts";
import { aucInterval } from "../validation/interval.ts";
import { rankModels, rankTotals } from "../validation/rank.ts";
import { literal } from "../warehouse/literal.ts";
import type { Bench } from "./workbench.ts";

export interface RankedPair {
  readonly subject: string;
  readonly period: "all" | "out_of_time";
  /** Share of like-for-like pairs in which the leaver has the lower score, on the rows that both score. */
  readonly auc_a: number | null;
  readonly auc_b: number | null;
  readonly auc_b_low: number | null;
  readonly auc_b_high: number | null;
  /** b less a, with a 95 % interval clustered by account. */
  readonly difference: number | null;
  readonly difference_low: number | null;
  readonly difference_high: number | null;
  readonly n_churned: number;
  readonly n_staying: number;
}

/**
 * Ranks pairs of scores. `pairs` is a select with subject, account_id, snapshot_date, a, b (scores, null for none); `from`
 * is the day from which rows are out of time. Rows without both scores, or without a known outcome, do not count.
 */
export async function rankPairs(
  { database, tables }: Pick<Bench, "database" | "tables">,
  pairs: string,
  from: string,
): Promise<readonly RankedPair[]> {
  if (!tables.has("validation.stratum")) return [];
  for (const suffix of ["pair_observed", "pair_cell", "pair_part", "pair_point", "pair_influence", "pair_auc"]) {
    await database.run(`drop table if exists validation.${suffix}`);
  }
  await database.run(`
    create table validation.pair_observed as
    with labelled as (
      select
        p.subject, s.definition, s.account_no, s.block, s.segment, s.stratum, s.y,
        cast(p.a as double) as a, cast(p.b as double) as b,
        s.snapshot_date >= date ${literal(from)} as is_out_of_time
      from (${pairs}) as p
      inner join validation.stratum as s on s.account_id = p.account_id and s.snapshot_date = p.snapshot_date
      inner join validation.definition as d on d.definition = s.definition and d.is_primary
      where s.y is not null and p.a is not null and p.b is not null
    )
    select
      l.definition, l.subject, k.side || '_' || t.period as statistic, l.account_no, l.block, l.segment, l.stratum,
      case when k.side = 'a' then l.a else l.b end as value, l.y
    from labelled as l
    cross join (values ('a'), ('b')) as k(side)
    inner join (values ('all'), ('out_of_time')) as t(period) on t.period = 'all' or l.is_out_of_time`);
  const nodes = [
    ...rankModels({ name: "pair", source: "validation.pair_observed" }),
    ...rankTotals("pair", "validation.pair_part"),
  ];
  await runNodes(database, sortNodes(nodes, new Set(["validation.pair_observed"])), silentLog, () => 0);
  const rows = await database.query<{
    subject: string;
    period: "all" | "out_of_time";
    auc_a: number | null;
    auc_b: number | null;
    centre_b: number | null;
    se_b: number | null;
    se: number | null;
    n_churned: number;
    n_staying: number;
  }>(`
    with difference as (
      select subject, period, sqrt(exact_sum(psi * psi)) as se
      from (
        select
          i.subject, t.period, i.account_no,
          exact_sum(case when i.statistic = 'b_' || t.period then i.psi else -i.psi end) as psi
        from validation.pair_influence as i
        inner join (values ('all'), ('out_of_time')) as t(period) on i.statistic in ('a_' || t.period, 'b_' || t.period)
        group by i.subject, t.period, i.account_no
      ) as d
      group by subject, period
    )
    select
      b.subject, t.period, 1e0 - a.auc as auc_a, 1e0 - b.auc as auc_b, 1e0 - b.centre as centre_b, b.se as se_b, d.se,
      b.n_churned, b.n_staying
    from validation.pair_auc as b
    inner join (values ('all'), ('out_of_time')) as t(period) on b.statistic = 'b_' || t.period
    inner join validation.pair_auc as a on a.subject = b.subject and a.statistic = 'a_' || t.period
    left join difference as d on d.subject = b.subject and d.period = t.period
    order by b.subject, t.period`);
  return rows.map(({ centre_b, se_b, se, ...row }) => {
    const { low, high } = aucInterval(centre_b, se_b);
    const difference = row.auc_a === null || row.auc_b === null ? null : row.auc_b - row.auc_a;
    const half = se === null ? null : 1.959963984540054 * se;
    return {
      ...row,
      auc_b_low: low,
      auc_b_high: high,
      difference,
      difference_low: difference === null || half === null ? null : difference - half,
      difference_high: difference === null || half === null ? null : difference + half,
    };
  });
}

/** Out of time where that is enough to judge by (50 leavers and 50 stayers), else all history; null with too few even there. */
export function judgedPair(pairs: readonly RankedPair[], subject: string): RankedPair | null {
  const enough = (period: RankedPair["period"]): RankedPair | undefined =>
    pairs.find(
      (pair) => pair.subject === subject && pair.period === period && pair.n_churned >= 50 && pair.n_staying >= 50,
    );
  return enough("out_of_time") ?? enough("all") ?? null;
}
