-- model: marts.renewal_due
-- grain: account_id, renews_on
-- depends: marts.account_band, spine.account_period, spine.account_snapshot, spine.snapshot
-- params: as_of, reactivation_grace_days
-- audits: not_null(account_id, renews_on, band, is_kept); unique(account_id, renews_on)
-- Every renewal that has come due and been settled: the account paid 90 days before it, as far ahead as the summary looks
-- (the last scored snapshot by then, at most 31 days older, named that date), and the days in which a lapse is mended
-- (reactivation_grace_days) are over.
-- Kept: a paid period holds the day after those. Money then and after; after is null when it is unknown, 0 when the
-- account is gone. had_decided: notice had been given by then, so that no score of that day foresees anything. Accounts
-- are in here: it is summed up by quarter and by band for readers.
with asked as (
  select
    b.account_id,
    b.renews_on,
    max(b.snapshot_date) as seen_on
  from marts.account_band as b
  cross join meta.params as p
  where b.series = 'in_force'
    and b.is_scored
    and b.renews_on is not null
    and b.snapshot_date <= b.renews_on - 90
    and b.snapshot_date > b.renews_on - 90 - 32
    and b.renews_on + p.reactivation_grace_days < p.as_of
  group by b.account_id, b.renews_on
),
after_day as (
  select
    a.account_id,
    a.renews_on,
    a.seen_on,
    a.renews_on + p.reactivation_grace_days + 1 as after_on
  from asked as a
  cross join meta.params as p
),
reading as (
  select d.after_on, min(s.snapshot_date) as snapshot_date
  from (select distinct after_on from after_day) as d
  inner join spine.snapshot as s on s.snapshot_date >= d.after_on
  group by d.after_on
),
held as (
  select distinct d.account_id, d.renews_on
  from after_day as d
  inner join spine.account_period as q
    on q.account_id = d.account_id and q.started_on <= d.after_on and (q.ended_on is null or q.ended_on > d.after_on)
)
select
  d.account_id,
  d.renews_on,
  d.seen_on,
  b.band,
  s.in_notice as had_decided,
  h.account_id is not null as is_kept,
  b.mrr_minor as before_minor,
  case when h.account_id is null then 0 else m.mrr_minor end as after_minor
from after_day as d
inner join marts.account_band as b
  on b.series = 'in_force' and b.account_id = d.account_id and b.snapshot_date = d.seen_on
inner join spine.account_snapshot as s on s.account_id = d.account_id and s.snapshot_date = d.seen_on
left join held as h on h.account_id = d.account_id and h.renews_on = d.renews_on
left join reading as r on r.after_on = d.after_on
left join marts.account_band as m
  on m.series = 'in_force' and m.account_id = d.account_id and m.snapshot_date = r.snapshot_date
order by d.account_id, d.renews_on
