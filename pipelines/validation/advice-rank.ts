/**
 * Scores that advice compares, ranked like KPIs: A within strata, its error clustered by account, and paired differences
 * through the accounts' influence values. What is ranked lies in temporary tables that are gone afterwards.
 */
import type { StepContext } from "../models/model.ts";
import type { Query } from "../warehouse/database.ts";
import { literal } from "../warehouse/literal.ts";
import { aucInterval } from "./interval.ts";
import { rankModels, rankTotals } from "./rank.ts";
import type { ColumnTypes } from "./tables.ts";

/** What a row says of two scores that were compared on the same rows: validation.model_test and validation.folklore. */
export const comparisonColumns: ColumnTypes = {
  a: "varchar",
  b: "varchar",
  auc_a: "double",
  auc_b: "double",
  difference: "double",
  difference_low: "double",
  difference_high: "double",
  n_churned: "bigint",
  n_accounts: "bigint",
  sentence: "varchar",
};

/** A ranked score: high is risky, so A is the share of like-for-like pairs that it sorts rightly. */
export interface Ranked {
  readonly subject: string;
  readonly auc: number | null;
  readonly auc_low: number | null;
  readonly auc_high: number | null;
  readonly n_churned: number;
  readonly n_staying: number;
  readonly n_accounts: number;
  readonly n_rows: number;
}

/** One score less another on the rows that both rank; 95 % interval. */
export interface PairedDifference {
  readonly difference: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly se: number | null;
}

/**
 * Ranks the rows of `source`, a table with subject, account_no, block, segment, stratum, value (never null) and y, where high
 * values are risky. Leaves `<prefix>_auc` and `<prefix>_influence`; `dropRanked` removes them.
 */
export async function rankSubjects({ run }: Pick<StepContext, "run">, prefix: string, source: string): Promise<void> {
  const view = `${prefix}_source`;
  await run(
    `create or replace temp view ${view} as select 'all' as definition, subject, 'all' as statistic, account_no, block, segment, stratum, value, y from ${source}`,
  );
  const models = [...rankModels({ name: prefix, source: view }), ...rankTotals(prefix, `validation.${prefix}_part`)];
  for (const model of models) {
    const sql = model.sql.replaceAll(`validation.${prefix}_`, `${prefix}_`);
    await run(`create or replace temp table ${model.name.slice("validation.".length)} as ${sql}`);
  }
  for (const part of ["cell", "part", "point"]) await run(`drop table ${prefix}_${part}`);
  await run(`drop view ${view}`);
}

export async function dropRanked({ run }: Pick<StepContext, "run">, prefix: string): Promise<void> {
  for (const part of ["auc", "influence"]) await run(`drop table if exists ${prefix}_${part}`);
}

export async function readRanked(query: Query, prefix: string): Promise<ReadonlyMap<string, Ranked>> {
  const rows = await query<Omit<Ranked, "auc_low" | "auc_high"> & { centre: number | null; se: number | null }>(
    `select subject, auc, centre, se, n_churned, n_staying, n_accounts, n_rows from ${prefix}_auc order by subject`,
  );
  return new Map(
    rows.map(({ centre, se, ...row }) => {
      const { low, high } = aucInterval(centre, se);
      return [row.subject, { ...row, auc_low: low, auc_high: high }];
    }),
  );
}

/**
 * A of `a` less A of `b`, paired over accounts: Var = I/(I-1) sum of the accounts' squared differences of psi. Null where either
 * has no A. Both must have been ranked on the same rows.
 */
export async function pairedDifference(query: Query, prefix: string, a: string, b: string): Promise<PairedDifference> {
  const psi = (subject: string): string =>
    `(select account_no, psi from ${prefix}_influence where subject = ${literal(subject)})`;
  const [row] = await query<{ difference: number | null; squares: number | null; n: number }>(`
select
  (select auc from ${prefix}_auc where subject = ${literal(a)}) - (select auc from ${prefix}_auc where subject = ${literal(b)})
    as difference,
  exact_sum(d * d) as squares,
  count(case when d <> 0 then 1 end) as n
from (
  select coalesce(a.psi, 0e0) - coalesce(b.psi, 0e0) as d
  from ${psi(a)} as a
  full join ${psi(b)} as b on b.account_no = a.account_no
) as paired`);
  const none = { difference: null, low: null, high: null, se: null };
  if (row === undefined || row.difference === null) return none;
  const { difference, squares, n } = row;
  // Scores that sort every pair alike differ by nothing, surely.
  if (squares === null || squares === 0) return { difference, low: difference, high: difference, se: 0 };
  if (n < 2) return { ...none, difference };
  const se = Math.sqrt((squares * n) / (n - 1));
  return { difference, low: difference - 1.959963984540054 * se, high: difference + 1.959963984540054 * se, se };
}
