-- model: marts.leaver_band
-- grain: series, band
-- depends: marts.account_band, validation.decision
-- params: as_of, gap_days, min_cell, primary_definition
-- audits: not_null(series, band, n_leavers); unique(series, band)
-- The band in which the customers that decided to leave in the last 365 days stood gap_days before: at their last
-- scored snapshot at least that long before the decision. An account counts once, by its last decision. `no_snapshot`:
-- not yet a paying account then. Exits that the customer did not decide are left out. Empty when fewer than min_cell left.
with leavers as (
  select d.account_id, max(d.decided_on) as decided_on, count(*) over () as n_total
  from validation.decision as d
  cross join meta.params as p
  where d.definition = p.primary_definition
    and d.kind <> 'other_exit'
    and d.decided_on >= p.as_of - 365
    and d.decided_on < p.as_of
  group by d.account_id
),
series as (
  select distinct series from marts.account_band
),
looks as (
  select
    v.series,
    l.account_id,
    l.decided_on,
    l.n_total,
    max(b.snapshot_date) as snapshot_date
  from leavers as l
  cross join series as v
  cross join meta.params as p
  left join marts.account_band as b
    on b.series = v.series
    and b.account_id = l.account_id
    and b.is_scored
    and b.snapshot_date <= l.decided_on - p.gap_days
    and b.snapshot_date > l.decided_on - p.gap_days - 32
  group by v.series, l.account_id, l.decided_on, l.n_total
),
stood as (
  select
    k.series,
    k.n_total,
    coalesce(b.band, 'no_snapshot') as band
  from looks as k
  left join marts.account_band as b
    on b.series = k.series and b.account_id = k.account_id and b.snapshot_date = k.snapshot_date
)
select
  s.series,
  s.band,
  cast(count(*) as bigint) as n_leavers,
  cast(s.n_total as bigint) as n_total
from stood as s
cross join meta.params as p
where s.n_total >= p.min_cell
group by s.series, s.band, s.n_total
order by s.series, s.band
