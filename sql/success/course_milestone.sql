-- model: marts.course_milestone
-- grain: milestone
-- depends: marts.milestone_account, spine.account_period
-- params: as_of, min_cell
-- audits: unique(milestone)
-- Each milestone of the first year: the day on which it is expected (the median of the plans), how many passed it on time
-- with Wilson's interval, and the days on which accounts that stayed a year passed it. A quartile that not enough of them
-- have reached is null. Milestones of fewer than min_cell accounts are left out.
with first_period as (
  select account_id, min(started_on) as started_on, arg_min(ended_on, started_on) as ended_on
  from spine.account_period
  group by account_id
),
due as (
  select
    m.milestone,
    m.account_id,
    m.expected_day,
    m.reached_day,
    m.state,
    f.started_on <= p.as_of - 365 and (f.ended_on is null or f.ended_on - f.started_on >= 365) as has_stayed
  from marts.milestone_account as m
  inner join first_period as f on f.account_id = m.account_id
  cross join meta.params as p
  where m.days_late is not null
),
summed as (
  select
    milestone,
    quantile_disc(expected_day, 0.5) as expected_day,
    count(*) as n_due,
    count(reached_day) as n_reached,
    count(*) filter (where state = 'on time') as n_on_time,
    count(*) filter (where has_stayed) as n_stayed,
    quantile_disc(case when has_stayed then coalesce(reached_day, 1000000) end, [0.25, 0.5, 0.75]) as days
  from due
  group by milestone
)
select
  s.milestone,
  s.expected_day,
  s.n_due,
  s.n_reached,
  s.n_on_time,
  twelve_digits(s.n_on_time / cast(s.n_due as double)) as on_time_rate,
  twelve_digits(wilson_low(s.n_on_time / cast(s.n_due as double), s.n_due)) as on_time_low,
  twelve_digits(wilson_high(s.n_on_time / cast(s.n_due as double), s.n_due)) as on_time_high,
  s.n_stayed,
  case when s.n_stayed >= greatest(p.min_cell, 20) then nullif(s.days[1], 1000000) end as day_q25,
  case when s.n_stayed >= greatest(p.min_cell, 20) then nullif(s.days[2], 1000000) end as day_q50,
  case when s.n_stayed >= greatest(p.min_cell, 20) then nullif(s.days[3], 1000000) end as day_q75
from summed as s
cross join meta.params as p
where s.n_due >= p.min_cell
order by s.expected_day, s.milestone
