-- model: marts.portfolio_account
-- grain: account_id
-- depends: marts.account_now, marts.cltv, scores.account_flag, scores.account_score, scores.band_rank, scores.flag,
--   scores.scorecard, spine.account_snapshot
-- params: as_of
-- audits: unique(account_id); not_null(band)
-- Every paying account at as_of, in the scorecard in force for it. band_since: the first scored snapshot of the unbroken run in
-- the band of today, within the paid period; is_since_first: the run began with the period's first snapshot and may be older.
-- week_on: the newest scored snapshot at least 7 days back, month_on 28 days back. is_newly_red: in the worst band of its
-- card today and not at week_on. change_28d: score less the one that the same version gives at month_on. A flag is new when it
-- was raised after week_on; snoozed flags do not count. Points of slope are per 28 days.
with dates as (
  select
    p.as_of,
    max(case when s.snapshot_date <= p.as_of - 7 then s.snapshot_date end) as week_on,
    max(case when s.snapshot_date <= p.as_of - 28 then s.snapshot_date end) as month_on
  from (select distinct snapshot_date from spine.account_snapshot where is_scored) as s
  cross join meta.params as p
  group by p.as_of
),
shown as (
  select
    s.account_id,
    s.snapshot_date,
    s.period_started_on,
    coalesce(a.band, 'unknown') as band,
    coalesce(a.band = json_extract_string(c.bands, '$.list[0].id'), false) as is_worst
  from spine.account_snapshot as s
  left join scores.account_score as a
    on a.account_id = s.account_id and a.snapshot_date = s.snapshot_date and a.is_in_force
  left join scores.scorecard as c on c.scorecard = a.scorecard and c.version = a.version
  where s.is_scored
),
present as (
  select
    s.account_id,
    s.period_started_on,
    s.tenure_days,
    s.segment,
    s.lifecycle,
    s.mrr_minor,
    s.seats,
    s.renews_on,
    s.in_notice,
    a.scorecard,
    a.version,
    a.score,
    a.score_low,
    a.score_high,
    a.coverage,
    coalesce(a.band, 'unknown') as band,
    a.band_before,
    a.gated_by,
    a.overridden_by
  from spine.account_snapshot as s
  cross join dates as d
  left join scores.account_score as a
    on a.account_id = s.account_id and a.snapshot_date = s.snapshot_date and a.is_in_force
  where s.snapshot_date = d.as_of
),
other_band as (
  select
    n.account_id,
    max(case when h.band <> n.band then h.snapshot_date end) as last_other_on
  from present as n
  inner join shown as h on h.account_id = n.account_id and h.period_started_on = n.period_started_on
  group by n.account_id
),
run as (
  select
    o.account_id,
    min(h.snapshot_date) as band_since,
    any_value(o.last_other_on) is null as is_since_first
  from other_band as o
  inner join present as n on n.account_id = o.account_id
  inner join shown as h on h.account_id = n.account_id and h.period_started_on = n.period_started_on
  where o.last_other_on is null or h.snapshot_date > o.last_other_on
  group by o.account_id
),
raised as (
  select
    f.account_id,
    count(*) as n_flags,
    string_agg(l.label, '; ' order by l.flag_no) as flags,
    count(case when f.since > d.week_on then 1 end) as n_new_flags,
    string_agg(case when f.since > d.week_on then l.label end, '; ' order by l.flag_no) as new_flags
  from scores.account_flag as f
  inner join scores.flag as l on l.flag = f.flag
  cross join dates as d
  where f.is_raised and f.snoozed_until is null
  group by f.account_id
)
select
  n.account_id,
  a.name,
  a.owner,
  a.parent_id,
  a.country,
  n.segment,
  n.lifecycle,
  n.tenure_days,
  n.mrr_minor,
  n.seats,
  n.renews_on,
  n.renews_on - d.as_of as days_to_renewal,
  n.in_notice,
  n.scorecard,
  n.version,
  n.score,
  n.score_low,
  n.score_high,
  n.coverage,
  n.band,
  n.band_before,
  n.gated_by,
  n.overridden_by,
  r.band_since,
  cast(d.as_of - r.band_since as integer) as days_in_band,
  r.is_since_first,
  coalesce(t.is_worst, false) as is_red,
  coalesce(t.is_worst, false) and not coalesce(w.is_worst, false) as is_newly_red,
  w.band as week_band,
  d.week_on,
  m.score as month_score,
  d.month_on,
  cast(n.score - m.score as decimal(18, 6)) as change_28d,
  b.slope,
  b.place,
  b.n_in_band,
  coalesce(f.n_flags, 0) as n_flags,
  f.flags,
  coalesce(f.n_new_flags, 0) as n_new_flags,
  f.new_flags,
  v.paid_minor
from present as n
cross join dates as d
left join marts.account_now as a on a.account_id = n.account_id
left join run as r on r.account_id = n.account_id
left join shown as t on t.account_id = n.account_id and t.snapshot_date = d.as_of
left join shown as w on w.account_id = n.account_id and w.snapshot_date = d.week_on
left join scores.account_score as m
  on m.account_id = n.account_id and m.snapshot_date = d.month_on and m.scorecard = n.scorecard and m.version = n.version
left join scores.band_rank as b on b.account_id = n.account_id
left join raised as f on f.account_id = n.account_id
left join marts.cltv as v on v.account_id = n.account_id
