import type { Model } from "../models/model.ts";
import { trendDays } from "./trend.ts";

/**
 * Rank in a band at one date, `date` being SQL: among the accounts whose scorecard in force puts them in the same band of
 * the same scorecard, the steepest fall first, then the most money, then the id. `slope` is the least-squares slope of the
 * scores of that version over the last {@link trendDays} days, in points per 28 days, from whole millionths and whole days;
 * null with fewer than four
 * scores, and such accounts come after those with a slope.
 */
export const bandRankSql = (date: string): string => `
with standing as (
  select s.account_id, s.snapshot_date, s.scorecard, s.version, s.score, s.band, a.mrr_minor
  from scores.account_score as s
  inner join spine.account_snapshot as a on a.account_id = s.account_id and a.snapshot_date = s.snapshot_date
  where s.is_in_force and s.snapshot_date = ${date}
),
past as (
  select
    n.account_id,
    cast(s.snapshot_date - n.snapshot_date as hugeint) as x,
    cast(s.score * 1000000 as hugeint) as y
  from standing as n
  inner join scores.account_score as s
    on s.account_id = n.account_id and s.scorecard = n.scorecard and s.version = n.version
  inner join spine.account_snapshot as a on a.account_id = s.account_id and a.snapshot_date = s.snapshot_date
  where a.is_scored and s.score is not null
    and s.snapshot_date <= ${date} and s.snapshot_date >= ${date} - ${trendDays}
),
summed as (
  select
    account_id,
    count(*) as n,
    sum(x) as sx,
    sum(y) as sy,
    sum(x * x) as sxx,
    sum(x * y) as sxy
  from past
  group by account_id
  having count(*) >= 4
),
sloped as (
  select
    account_id,
    twelve_digits(28e0 * cast(n * sxy - sx * sy as double) / cast(nullif(n * sxx - sx * sx, 0) as double) / 1e6) as slope
  from summed
)
select
  n.account_id,
  n.snapshot_date,
  n.scorecard,
  n.version,
  n.band,
  n.score,
  l.slope,
  n.mrr_minor,
  cast(row_number() over placed as integer) as place,
  cast(count(*) over (partition by n.scorecard, n.band) as integer) as n_in_band
from standing as n
left join sloped as l on l.account_id = n.account_id
window placed as (
  partition by n.scorecard, n.band order by l.slope nulls last, n.mrr_minor desc nulls last, n.account_id
)`;

/** scores.band_rank: every paying account at the newest snapshot. */
export const bandRank: Model = {
  kind: "table",
  name: "scores.band_rank",
  grain: ["account_id"],
  depends: ["scores.account_score", "spine.account_snapshot"],
  params: ["as_of"],
  audits: [],
  portable: false,
  sql: bandRankSql("(select as_of from meta.params)").trim(),
};
