/** Whether a KPI of usage still points its way once all other use is held (rule 9). */
import type { StepContext } from "../models/model.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import { countLabels } from "./baseline.ts";
import { layBaseline } from "./lens.ts";
import { fitLogistic } from "./newton.ts";
import { tenDigits } from "./tables.ts";

/** Columns of features.usage: all events in the KPI's look-back, and those that it counts itself. */
export interface UseColumns {
  readonly all: string;
  readonly own: string;
}

export interface OtherUse {
  /** Spearman's rank correlation of the KPI with V, the events of its look-back other than its own; null for a constant. */
  readonly spearman: number | null;
  /** The KPI's clustered Wald z in logit(baseline + rank-normal V + rank-normal KPI); null without a fit. */
  readonly z: number | null;
}

/** Both numbers for some KPIs of one definition, over the labelled rows that have the KPI and V. */
export async function holdUse(
  context: StepContext,
  definition: string,
  kpis: ReadonlyMap<string, UseColumns>,
): Promise<ReadonlyMap<string, OtherUse>> {
  const { query, run } = context;
  const labels = (await countLabels(query)).find((row) => row.definition === definition);
  if (labels === undefined || kpis.size === 0) return new Map();
  const parts = [...kpis].map(
    ([kpi, { all, own }]) => `
select
  k.kpi, k.observation_no, k.doubled_rank, k.x as kpi_x, u.${quoteIdentifier(all)} - u.${quoteIdentifier(own)} as other_use
from validation.kpi_placed as k
inner join validation.observation as o on o.observation_no = k.observation_no
inner join features.usage as u on u.account_id = o.account_id and u.snapshot_date = o.snapshot_date
where k.definition = ${literal(definition)} and k.kpi = ${literal(kpi)}
  and u.${quoteIdentifier(all)} is not null and u.${quoteIdentifier(own)} is not null`,
  );
  await run(`
create or replace temp table use_row as
with beside as (${parts.join("\nunion all")}
)
select
  kpi,
  observation_no,
  doubled_rank,
  kpi_x,
  -- Twice (midrank - 1/2), so that use_rank / 2n is never 0 nor 1.
  2 * rank() over same_kpi + count(*) over (partition by kpi, other_use) - 2 as use_rank,
  count(*) over (partition by kpi) as n_rows
from beside
window same_kpi as (partition by kpi order by other_use)`);
  const correlated = await query<{ kpi: string; spearman: number | null }>(`
with moment as (
  select
    kpi,
    cast(count(*) as double) as n,
    cast(sum(doubled_rank) as double) as sa,
    cast(sum(use_rank) as double) as sb,
    cast(sum(cast(doubled_rank as hugeint) * doubled_rank) as double) as saa,
    cast(sum(cast(use_rank as hugeint) * use_rank) as double) as sbb,
    cast(sum(cast(doubled_rank as hugeint) * use_rank) as double) as sab
  from use_row
  group by kpi
)
select
  kpi,
  twelve_digits(
    (sab - sa * sb / n) / sqrt(nullif(greatest(0e0, (saa - sa * sa / n) * (sbb - sb * sb / n)), 0e0))
  ) as spearman
from moment
order by kpi`);
  const { table, columns, problem } = await layBaseline(context, labels);
  await run(`
create or replace temp table use_fit_row as
select
  u.kpi as fit, r.account_no, r.block, r.part, r.y, u.kpi_x,
  normal_quantile(u.use_rank / (2e0 * u.n_rows)) as use_x${columns.map((name) => `, r.${name}`).join("")}
from use_row as u
inner join ${table} as r on r.observation_no = u.observation_no`);
  const fits = await fitLogistic(query, { rows: "select * from use_fit_row", ...problem("use_x", "kpi_x") });
  await run(`drop table use_fit_row; drop table use_row; drop table ${table}`);
  return new Map(
    correlated.map(({ kpi, spearman }) => {
      const z = fits.get(kpi)?.z ?? null;
      return [kpi, { spearman, z: z === null ? null : tenDigits(z) }];
    }),
  );
}
