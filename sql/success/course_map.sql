-- model: marts.course_map
-- grain: series, day
-- depends: marts.milestone_account, spine.account_period, spine.first_use
-- params: as_of, min_cell
-- audits: unique(series, day)
-- How many milestones accounts had passed by each day of their first year of paying: quartiles over accounts. `stayed`:
-- the first paid period lasted a year or more; `left`: it ended within the year (an account counts while it paid). Only
-- accounts that began a year or more ago, not before the data did, and have a plan. It looks back: who stayed is known only at the end.
with first_period as (
  select account_id, min(started_on) as started_on, arg_min(ended_on, started_on) as ended_on
  from spine.account_period
  group by account_id
),
planned as (
  select distinct account_id from marts.milestone_account where expected_day is not null and expected_day <= 365
),
course as (
  select
    f.account_id,
    case when f.ended_on is null or f.ended_on - f.started_on >= 365 then 'stayed' else 'left' end as series,
    cast(coalesce(f.ended_on, p.as_of) - f.started_on as integer) as days_paid
  from first_period as f
  inner join planned as n on n.account_id = f.account_id
  cross join meta.params as p
  where f.started_on <= p.as_of - 365 and f.started_on >= (select min(first_used_on) from spine.first_use)
),
walked as (
  select c.series, c.account_id, d.day, count(m.reached_day) as n_passed
  from course as c
  inner join range(0, 365, 14) as d (day) on d.day <= c.days_paid
  left join marts.milestone_account as m on m.account_id = c.account_id and m.reached_day <= d.day
  group by c.series, c.account_id, d.day
)
select
  w.series,
  cast(w.day as integer) as day,
  count(*) as n_accounts,
  quantile_disc(w.n_passed, 0.25) as q25,
  quantile_disc(w.n_passed, 0.5) as q50,
  quantile_disc(w.n_passed, 0.75) as q75,
  twelve_digits(cast(sum(w.n_passed) as double) / count(*)) as mean_passed
from walked as w
cross join meta.params as p
group by w.series, w.day, p.min_cell
having count(*) >= greatest(p.min_cell, 20)
order by w.series desc, w.day
