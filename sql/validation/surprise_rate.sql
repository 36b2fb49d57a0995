-- model: validation.surprise_rate
-- grain: kind
-- depends: scores.account_override, scores.account_score, scores.scorecard, staging.engagement, validation.score_caught, validation.surprise
-- params: as_of
-- audits: unique(kind)
-- How often the score in force is surprised, 95 % Wilson: green churners among the accounts that left and had a score by then, chronic
-- reds among those that are red now, by the scorecard's own bands (a band that a person set does not count). counted_: without those that
-- people answered away (validation.surprise.is_counted), which leave the denominator too. Meetings: held in the last 180 days, with all
-- accounts and with these.
with asked as (
  select 'green_churner' as kind, count(distinct account_id) as n_asked
  from validation.score_caught
  where is_as_was and score is not null
  union all
  select 'chronic_red', count(*)
  from scores.account_score as a
  inner join scores.scorecard as c on c.scorecard = a.scorecard and c.version = a.version
  left join scores.account_override as o
    on o.account_id = a.account_id and o.snapshot_date = a.snapshot_date
    and o.scorecard = a.scorecard and o.version = a.version
  cross join meta.params as p
  where a.is_in_force and a.snapshot_date = p.as_of and a.snapshot_date >= c.created_on
    and coalesce(o.band_without, a.band) = json_extract_string(c.bands, '$.list[0].id')
),
found as (
  select
    kind,
    count(*) as n,
    count(disposition) as n_answered,
    count(case when is_counted then 1 end) as n_counted,
    cast(sum(money) as bigint) as money
  from validation.surprise
  group by kind
),
meeting as (
  select e.account_id, count(*) as n
  from staging.engagement as e
  cross join meta.params as p
  where e.kind = 'meeting' and coalesce(e.status, 'held') = 'held'
    and e.occurred_at >= p.as_of - 180 and e.occurred_at < p.as_of and e.visible_on <= p.as_of
  group by e.account_id
),
met as (
  select s.kind, cast(sum(m.n) as bigint) as n
  from validation.surprise as s
  inner join meeting as m on m.account_id = s.account_id
  group by s.kind
),
rated as (
  select
    a.kind,
    a.n_asked,
    coalesce(f.n, 0) as n,
    coalesce(f.n_answered, 0) as n_answered,
    coalesce(f.n_counted, 0) as n_counted,
    coalesce(f.n, 0) / nullif(cast(a.n_asked as double), 0e0) as share,
    coalesce(f.n_counted, 0) / nullif(cast(a.n_asked - coalesce(f.n, 0) + coalesce(f.n_counted, 0) as double), 0e0) as counted_share,
    nullif(a.n_asked - coalesce(f.n, 0) + coalesce(f.n_counted, 0), 0) as n_counted_asked,
    coalesce(f.money, 0) as money
  from asked as a
  left join found as f on f.kind = a.kind
)
select
  r.kind,
  r.n_asked,
  r.n,
  r.n_answered,
  r.n_counted,
  twelve_digits(r.share) as share,
  twelve_digits(wilson_low(r.share, nullif(r.n_asked, 0))) as share_low,
  twelve_digits(wilson_high(r.share, nullif(r.n_asked, 0))) as share_high,
  twelve_digits(r.counted_share) as counted_share,
  twelve_digits(wilson_low(r.counted_share, r.n_counted_asked)) as counted_low,
  twelve_digits(wilson_high(r.counted_share, r.n_counted_asked)) as counted_high,
  r.money,
  cast((select sum(n) from meeting) as bigint) as n_meetings,
  coalesce(m.n, 0) as n_meetings_with_them
from rated as r
left join met as m on m.kind = r.kind
