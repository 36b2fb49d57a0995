-- model: marts.scorecard_play
-- grain: scorecard, version, play_no
-- depends: marts.play, marts.play_after, marts.play_due, marts.play_summary, marts.portfolio_account, marts.scorecard
-- params: min_cell
-- audits: unique(scorecard, version, play_no)
-- The plays of the book beside each scorecard that is in force, without an account: how many of its accounts should be given one now
-- (n_due, of those overdue), how many have been since the condition holds (n_started), how often the exports record it, and what came
-- after 90 days beside like accounts without one (marts.play_after): never what the play did. Left out for a scorecard of fewer than
-- min_cell accounts.
with standing as (
  select scorecard, version, count(*) as n_accounts
  from marts.portfolio_account
  group by scorecard, version
),
due as (
  select
    n.scorecard,
    n.version,
    d.play_no,
    count(*) filter (where d.state <> 'started') as n_due,
    count(*) filter (where d.state = 'overdue') as n_overdue,
    count(*) filter (where d.state = 'started') as n_started
  from marts.play_due as d
  inner join marts.portfolio_account as n on n.account_id = d.account_id
  group by n.scorecard, n.version, d.play_no
)
select
  c.scorecard,
  cast(c.version as integer) as version,
  cast(y.play_no as integer) as play_no,
  y.label,
  y.condition,
  y.owner,
  cast(y.due_days as integer) as due_days,
  cast(s.n_accounts as bigint) as n_accounts,
  cast(coalesce(d.n_due, 0) as bigint) as n_due,
  cast(coalesce(d.n_overdue, 0) as bigint) as n_overdue,
  cast(coalesce(d.n_started, 0) as bigint) as n_started,
  cast(r.n_plays as bigint) as n_recorded,
  cast(r.n_accounts as bigint) as n_recorded_accounts,
  cast(a.n_matched as bigint) as n_matched,
  cast(a.n_accounts as bigint) as n_played,
  a.played_rate as left_rate,
  a.played_low as left_low,
  a.played_high as left_high,
  a.like_rate,
  a.difference,
  a.difference_low,
  a.difference_high
from marts.scorecard as c
cross join marts.play as y
cross join meta.params as p
inner join standing as s on s.scorecard = c.scorecard and s.version = c.version
left join due as d on d.scorecard = c.scorecard and d.version = c.version and d.play_no = y.play_no
left join marts.play_summary as r on lower(trim(r.play)) = lower(trim(y.recorded_as))
left join marts.play_after as a
  on lower(trim(a.play)) = lower(trim(y.recorded_as)) and a.band = 'all' and a.days = 90 and a.measure = 'left'
where c.is_current and s.n_accounts >= p.min_cell
order by c.scorecard, y.play_no
