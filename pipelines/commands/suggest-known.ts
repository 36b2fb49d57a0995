/** Thresholds from accounts whose health somebody knows: where the healthy and the struggling ones part. */
import { cardsInForce } from "../validation/advice-cards.ts";
import type { Query } from "../warehouse/database.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";

export interface KnownThreshold {
  readonly scorecard: string;
  readonly version: number;
  readonly kpi: string;
  readonly n_healthy: number;
  readonly n_struggling: number;
  readonly median_healthy: number | null;
  readonly median_struggling: number | null;
  /** Midway between the medians; null with fewer than five of either, or without a difference. */
  readonly threshold: number | null;
  readonly sentence: string;
}

/** Known accounts of either kind that a threshold needs. */
const needed = 5;

/** Per scorecard in force and KPI of it, for accounts that are known to be in its best or its worst band. */
export async function readKnownThresholds(query: Query): Promise<readonly KnownThreshold[]> {
  const found: KnownThreshold[] = [];
  for (const { scorecard, version } of await cardsInForce(query)) {
    const of = `scorecard = ${literal(scorecard)} and version = ${version}`;
    const kpis = await query<{ kpi: string }>(`
select distinct w.kpi from scores.scorecard_weight as w
inner join features.kpi_definition as k on k.id = w.kpi
where w.${of.replace(" and ", " and w.")} order by 1`);
    for (const { kpi } of kpis) {
      const [row] = await query<{ n_h: number; n_s: number; h: number | null; s: number | null; n_said: number }>(`
with band as (
  select bands ->> '$.list[0].id' as worst, bands ->> '$.list[#-1].id' as best from scores.scorecard where ${of}
),
said as (
  select distinct k.account_id, k.snapshot_date, k.expected_band = b.best as is_healthy
  from scores.known_account as k
  cross join band as b
  where k.${of.replace(" and ", " and k.")} and k.snapshot_date is not null and k.expected_band in (b.best, b.worst)
),
newest as (
  select account_id, max(snapshot_date) as snapshot_date from said group by account_id
),
known as (
  -- An account counts once, with what was last said of it; who is called both on one day is neither.
  select s.account_id, s.snapshot_date, bool_and(s.is_healthy) as is_healthy
  from said as s
  inner join newest as n on n.account_id = s.account_id and n.snapshot_date = s.snapshot_date
  group by s.account_id, s.snapshot_date
  having count(*) = 1
),
valued as (
  select k.is_healthy, cast(v.${quoteIdentifier(kpi)} as double) as value
  from known as k
  inner join features.account_kpi as v on v.account_id = k.account_id and v.snapshot_date = k.snapshot_date
)
select
  count(case when is_healthy then value end) as n_h, count(case when not is_healthy then value end) as n_s,
  quantile_cont(case when is_healthy then value end, 0.5) as h, quantile_cont(case when not is_healthy then value end, 0.5) as s,
  count(*) as n_said
from valued`);
      if (row === undefined || row.n_said === 0) continue;
      const { n_h, n_s, h, s } = row;
      const isEnough = n_h >= needed && n_s >= needed && h !== null && s !== null;
      const threshold = isEnough && h !== s ? Number((((h as number) + (s as number)) / 2).toPrecision(6)) : null;
      const shown = (value: number | null): string => String(Number((value ?? 0).toPrecision(6)));
      found.push({
        scorecard,
        version,
        kpi,
        n_healthy: n_h,
        n_struggling: n_s,
        median_healthy: h,
        median_struggling: s,
        threshold,
        sentence: !isEnough
          ? `${kpi}: not enough known accounts with a value, ${n_h} healthy and ${n_s} struggling, ${needed} of each are needed.`
          : threshold === null
            ? `${kpi}: the same median, ${shown(h)}, for ${n_h} healthy and ${n_s} struggling accounts.`
            : `${kpi}: ${shown(threshold)} lies midway between the medians of ${n_h} healthy accounts (${shown(h)}) and ${n_s} struggling ones (${shown(s)}); a place to start from, not a test.`,
      });
    }
  }
  return found;
}
