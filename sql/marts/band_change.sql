-- model: marts.band_change
-- grain: from_band, to_band
-- depends: marts.account_band, marts.band, scores.account_score, spine.snapshot
-- params: as_of, min_cell
-- audits: not_null(from_band, to_band, n_accounts); unique(from_band, to_band)
-- Accounts that pay now and paid 28 days ago, by their band then and now, both in the scorecard version that is in
-- force for them now. Empty when they are fewer than min_cell.
with dates as (
  select max(s.snapshot_date) as before_on, max(p.as_of) as now_on
  from spine.snapshot as s
  cross join meta.params as p
  where s.is_scored and s.snapshot_date <= p.as_of - 28
),
pairs as (
  select
    d.before_on,
    coalesce(t.band, 'unknown') as from_band,
    n.band as to_band,
    count(*) over () as n_total
  from dates as d
  inner join marts.account_band as n on n.snapshot_date = d.now_on and n.series = 'in_force'
  inner join marts.account_band as b
    on b.snapshot_date = d.before_on and b.series = 'in_force' and b.account_id = n.account_id
  left join scores.account_score as t
    on t.account_id = n.account_id
    and t.snapshot_date = d.before_on
    and t.scorecard = n.scorecard
    and t.version = n.version
)
select
  q.before_on,
  q.from_band,
  q.to_band,
  cast(f.band_no as integer) as from_no,
  cast(g.band_no as integer) as to_no,
  cast(count(*) as bigint) as n_accounts,
  cast(q.n_total as bigint) as n_total
from pairs as q
cross join meta.params as p
left join marts.band as f on f.band = q.from_band
left join marts.band as g on g.band = q.to_band
where q.n_total >= p.min_cell
group by q.before_on, q.from_band, q.to_band, f.band_no, g.band_no, q.n_total
order by q.from_band, q.to_band
