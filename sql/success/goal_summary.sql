-- model: marts.goal_summary
-- grain: goal
-- depends: staging.goal
-- params: as_of, min_cell
-- audits: unique(goal)
-- Goals that accounts outlined: how many named each, and of those agreed 180 days ago or earlier, the share that met it
-- within 180 days, with Wilson's interval. An account that left without it has not met it.
with known as (
  select g.account_id, g.goal, g.agreed_on, case when g.met_on < p.as_of then g.met_on end as met_on
  from staging.goal as g
  cross join meta.params as p
  where g.account_id is not null and g.visible_on <= p.as_of and (g.superseded_on is null or p.as_of < g.superseded_on)
    and g.agreed_on < p.as_of
),
summed as (
  select
    k.goal,
    count(*) as n_agreed,
    count(distinct k.account_id) as n_accounts,
    count(k.met_on) as n_met,
    count(*) filter (where k.agreed_on <= p.as_of - 180) as n_matured,
    count(*) filter (where k.agreed_on <= p.as_of - 180 and k.met_on <= k.agreed_on + 180) as n_met_180d
  from known as k
  cross join meta.params as p
  group by k.goal
)
select
  s.goal,
  s.n_agreed,
  s.n_accounts,
  s.n_met,
  s.n_matured,
  s.n_met_180d,
  case when s.n_matured >= p.min_cell then twelve_digits(s.n_met_180d / cast(s.n_matured as double)) end as met_rate,
  case when s.n_matured >= p.min_cell then twelve_digits(wilson_low(s.n_met_180d / cast(s.n_matured as double), s.n_matured)) end as met_low,
  case when s.n_matured >= p.min_cell then twelve_digits(wilson_high(s.n_met_180d / cast(s.n_matured as double), s.n_matured)) end as met_high
from summed as s
cross join meta.params as p
where s.n_accounts >= p.min_cell
order by s.n_agreed desc, s.goal
