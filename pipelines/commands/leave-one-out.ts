/** What each KPI does for a scorecard: the card beside itself without it, scores and ranking. */
import type { AppliedScorecard } from "../config/scorecard.ts";
import { entriesOf } from "../scores/combine.ts";
import { withoutKpi } from "../scores/draft.ts";
import { judgedPair, rankPairs } from "./rank-pairs.ts";
import { formatTable, wrap } from "./table.ts";
import { buildScores, type Workbench } from "./workbench.ts";

export interface LeftOut {
  readonly kpi: string;
  /** Accounts of the newest snapshot whose band would be another one without the KPI, of `n_accounts`. */
  readonly n_moved: number;
  readonly n_accounts: number;
  /** Mean absolute change of their scores, in points; null where no account has both scores. */
  readonly mean_change: number | null;
  /** Leaver-and-stayer pairs ranked rightly with the KPI and without it; null with fewer than 50 of either. */
  readonly period: "all" | "out_of_time" | null;
  readonly auc_with: number | null;
  readonly auc_without: number | null;
  /** Without less with; 95 % interval. Below 0 the KPI helps. */
  readonly difference: number | null;
  readonly difference_low: number | null;
  readonly difference_high: number | null;
}

/**
 * Over the accounts that the card applies to. Rebuilds `scores` of the workbench: version 1 is the whole card, version n + 1
 * the card without its n-th KPI.
 */
export async function leaveOneOut(bench: Workbench, whole: AppliedScorecard): Promise<readonly LeftOut[]> {
  const { database } = bench;
  const entries = entriesOf(whole.card);
  const kpis = [...new Set(entries.map(({ kpi }) => kpi))];
  const variants = [whole.card, ...kpis.map((kpi) => withoutKpi(whole.card, kpi))].flatMap((card, i) =>
    card === null
      ? []
      : [
          {
            ...whole,
            assign_order: i === 0 ? 1 : null,
            card: { ...card, scorecard: i === 0 ? "whole" : "left_out", version: i + 1 },
          },
        ],
  );
  const looksBack = entries.some(({ points }) => points.slope !== undefined);
  await buildScores(
    bench,
    variants,
    looksBack
      ? "true"
      : "snapshot_date in (select snapshot_date from release.spine.snapshot where is_validated) or " +
          "snapshot_date = (select max(snapshot_date) from release.spine.snapshot where is_scored)",
  );
  const pairs = await rankPairs(
    bench,
    "select cast(w.version as varchar) as subject, w.account_id, w.snapshot_date, f.score as a, w.score as b " +
      "from scores.account_score as w inner join scores.account_score as f " +
      "on f.account_id = w.account_id and f.snapshot_date = w.snapshot_date and f.version = 1 where w.version > 1 and f.is_in_force",
    whole.card.created_on,
  );
  const moved = await database.query<{ version: number; n: number; n_moved: number; mean_change: number | null }>(`
    select
      w.version, count(*) as n, count(case when w.band <> f.band then 1 end) as n_moved,
      round(exact_sum(cast(abs(w.score - f.score) as double)) / nullif(count(abs(w.score - f.score)), 0), 6) as mean_change
    from scores.account_score as w
    inner join scores.account_score as f
      on f.account_id = w.account_id and f.snapshot_date = w.snapshot_date and f.version = 1
    where w.version > 1 and f.is_in_force and w.snapshot_date = (select max(snapshot_date) from release.spine.snapshot where is_scored)
    group by w.version`);
  return kpis.map((kpi, i) => {
    const pair = judgedPair(pairs, String(i + 2));
    const today = moved.find(({ version }) => version === i + 2);
    return {
      kpi,
      n_moved: today?.n_moved ?? 0,
      n_accounts: today?.n ?? 0,
      mean_change: today?.mean_change ?? null,
      period: pair?.period ?? null,
      auc_with: pair?.auc_a ?? null,
      auc_without: pair?.auc_b ?? null,
      difference: pair?.difference ?? null,
      difference_low: pair?.difference_low ?? null,
      difference_high: pair?.difference_high ?? null,
    };
  });
}

const hundred = (share: number | null): string => (share === null ? "" : (100 * share).toFixed(1));
const signed = (share: number): string => `${share > 0 ? "+" : ""}${(100 * share).toFixed(1)}`;

export function describeLeaveOut(left: readonly LeftOut[]): string {
  const table = formatTable(
    left.map((row) => ({
      without: row.kpi,
      "scores move by": row.mean_change === null ? "" : row.mean_change.toFixed(1).padStart(5),
      "accounts in another band": `${row.n_moved} of ${row.n_accounts}`,
      "ranks, of 100": row.auc_with === null ? "" : `${hundred(row.auc_with)} -> ${hundred(row.auc_without)}`,
      difference:
        row.difference === null || row.difference_low === null || row.difference_high === null
          ? ""
          : `${signed(row.difference)} (${signed(row.difference_low)} to ${signed(row.difference_high)})`,
    })),
  );
  const period = left.find((row) => row.period !== null)?.period ?? null;
  const note =
    period === null
      ? "Too few leavers with a score to say how well it ranks: 50 of them and 50 who stayed are needed."
      : period === "out_of_time"
        ? "Ranks: leaver-and-stayer pairs told apart rightly, on readings from after the card was made; 95 % intervals. A KPI whose difference is below 0 helps the score."
        : "Ranks: leaver-and-stayer pairs told apart rightly, on all history, which its author may have looked at (too little came after); 95 % intervals. A KPI whose difference is below 0 helps the score.";
  return [table, wrap(note, 112, "")].join("\n");
}
