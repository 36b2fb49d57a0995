/** What each KPI does for a scorecard: the card beside itself without it, scores and ranking. */
import type { Book } from "../config/book.ts";
import type { AppliedScorecard } from "../config/scorecard.ts";
import type { Step, StepContext } from "../models/model.ts";
import { entriesOf } from "../scores/combine.ts";
import { draftOf, withoutKpi } from "../scores/draft.ts";
import { twelveDigits, writeTable } from "../validation/tables.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import { judgedPair, rankPairs } from "./rank-pairs.ts";
import { formatTable, wrap } from "./table.ts";
import { type Bench, buildScores } from "./workbench.ts";

export interface LeftOut {
  readonly kpi: string;
  /** Accounts of the newest snapshot whose band would be another one without the KPI, of `n_accounts`. */
  readonly n_moved: number;
  readonly n_accounts: number;
  /** Mean absolute change of their scores, in points; null where no account has both scores. */
  readonly mean_change: number | null;
  /** Leaver-and-stayer pairs ranked rightly with the KPI and without it; null with fewer than 50 of either. */
  readonly period: "all" | "out_of_time" | null;
  readonly n_churned: number | null;
  readonly n_staying: number | null;
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
export async function leaveOneOut(bench: Bench, whole: AppliedScorecard): Promise<readonly LeftOut[]> {
  const { database, catalog } = bench;
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
      : `snapshot_date in (select snapshot_date from ${catalog}.spine.snapshot where is_validated) or ` +
          `snapshot_date = (select max(snapshot_date) from ${catalog}.spine.snapshot where is_scored)`,
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
    where w.version > 1 and f.is_in_force and w.snapshot_date = (select max(snapshot_date) from ${catalog}.spine.snapshot where is_scored)
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
      n_churned: pair?.n_churned ?? null,
      n_staying: pair?.n_staying ?? null,
      auc_with: pair?.auc_a ?? null,
      auc_without: pair?.auc_b ?? null,
      difference: pair?.difference ?? null,
      difference_low: pair?.difference_low ?? null,
      difference_high: pair?.difference_high ?? null,
    };
  });
}

/** A version costs one more score of every account-month: cards are left out of, in the order of the book, while they have fewer KPIs together. */
const mostLeftOut = 40;

/**
 * The same in a refresh: validation.leave_one_out, one row a KPI of the newest version of each assigned scorecard. Works in an attached
 * catalog in memory and leaves the connection as it was.
 */
export function leaveOneOutStep(
  book: Book,
  cards: readonly AppliedScorecard[],
  kpis: readonly string[],
  depends: readonly string[],
  macros: string,
): Step {
  return {
    kind: "step",
    name: "validation.leave_kpis_out",
    depends: [...new Set([...depends, "validation.definition", "validation.stratum"])],
    params: ["as_of"],
    produces: ["validation.leave_one_out"],
    version: `1 ${cards.map(({ definition_sha256 }) => definition_sha256).join(" ")}`,
    async run(context) {
      const { query, run } = context;
      const assigned = await query<{ scorecard: string; version: number; definition: string }>(
        "select scorecard, version, definition from scores.scorecard where is_assigned " +
          "qualify row_number() over (partition by scorecard order by version desc) = 1 order by assign_order, scorecard",
      );
      const rows: (LeftOut & { readonly scorecard: string; readonly version: number })[] = [];
      const [home] = await query<{ name: string; path: string }>(
        "select current_database() as name, current_setting('search_path') as path",
      );
      const catalog = quoteIdentifier(home?.name ?? "");
      let n = 0;
      for (const { scorecard, version, definition } of assigned) {
        const card = draftOf(definition, `${scorecard}@${version}`);
        n += new Set(entriesOf(card.card).map(({ kpi }) => kpi)).size;
        if (n > mostLeftOut) break;
        await run("attach ':memory:' as aside (read_write)");
        try {
          const tables = await layAside(context, catalog, macros);
          const database = {
            query,
            run,
            scalar: async <T>(sql: string): Promise<T | null> =>
              (Object.values((await query<Row>(sql))[0] ?? {})[0] as T) ?? null,
          };
          const left = await leaveOneOut(
            { book, database: database as Bench["database"], catalog, kpis, tables },
            card,
          );
          rows.push(...left.map((row) => ({ ...row, scorecard, version })));
        } finally {
          await run(`set search_path = ${literal(home?.path ?? "")}`);
          await run("detach aside");
        }
      }
      await writeTable(
        context,
        "validation.leave_one_out",
        leftOutColumns,
        rows.map((row) => ({
          ...row,
          auc_with: twelveDigits(row.auc_with),
          auc_without: twelveDigits(row.auc_without),
          difference: twelveDigits(row.difference),
          difference_low: twelveDigits(row.difference_low),
          difference_high: twelveDigits(row.difference_high),
        })),
      );
    },
  };
}

type Row = Readonly<Record<string, unknown>>;

const leftOutColumns = {
  scorecard: "varchar",
  version: "integer",
  kpi: "varchar",
  n_moved: "bigint",
  n_accounts: "bigint",
  mean_change: "double",
  period: "varchar",
  n_churned: "bigint",
  n_staying: "bigint",
  auc_with: "double",
  auc_without: "double",
  difference: "double",
  difference_low: "double",
  difference_high: "double",
} as const;

/** Goes to the catalog aside, where every table of the release but the scores is a view under its own name; returns their names. */
async function layAside({ query, run }: StepContext, catalog: string, macros: string): Promise<ReadonlySet<string>> {
  const found = await query<{ layer: string; name: string }>(
    "select schema_name as layer, table_name as name from duckdb_tables() where database_name = current_database() and not internal union all " +
      "select schema_name, view_name from duckdb_views() where database_name = current_database() and not internal order by 1, 2",
  );
  const given = found.filter(({ layer }) => !["main", "scores", "raw"].includes(layer));
  await run("use aside");
  await run(macros);
  for (const layer of new Set(given.map(({ layer }) => layer)))
    await run(`create schema if not exists ${quoteIdentifier(layer)}`);
  for (const { layer, name } of given) {
    const full = `${quoteIdentifier(layer)}.${quoteIdentifier(name)}`;
    await run(`create view ${full} as select * from ${catalog}.${full}`);
  }
  return new Set(given.map(({ layer, name }) => `${layer}.${name}`));
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
