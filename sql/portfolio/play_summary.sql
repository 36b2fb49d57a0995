-- model: marts.play_summary
-- grain: play
-- depends: staging.play
-- params: as_of, min_cell
-- audits: unique(play)
-- The plays that the exports record: how often each was started, with how many accounts, and what they say came of it (their own words,
-- the most frequent first; words that fewer than min_cell accounts share are together 'other', left out where even those are fewer).
-- Plays of fewer than min_cell accounts are together 'other plays', left out where even those are fewer. So no number is of few accounts: one that
-- would be is null, and the first and the last play are told by their months.
with play as (
  select
    y.account_id,
    y.started_on,
    coalesce(nullif(trim(y.play), ''), 'play') as play,
    max(case when y.ended_on < p.as_of then y.ended_on end) as ended_on,
    max(case when y.ended_on < p.as_of then nullif(trim(y.outcome), '') end) as outcome
  from staging.play as y
  cross join meta.params as p
  where y.account_id is not null and y.visible_on <= p.as_of and (y.superseded_on is null or p.as_of < y.superseded_on)
    and y.started_on < p.as_of
  group by y.account_id, y.started_on, coalesce(nullif(trim(y.play), ''), 'play')
),
small as (
  select play, count(distinct account_id) < any_value(p.min_cell) as is_small
  from play
  cross join meta.params as p
  group by play
),
named as (
  select y.*, case when z.is_small then 'other plays' else y.play end as shown
  from play as y
  inner join small as z on z.play = y.play
),
said as (
  select n.shown, n.account_id,
    case when count(distinct n.account_id) over (partition by n.shown, n.outcome) < p.min_cell then 'other' else n.outcome end as outcome
  from named as n
  cross join meta.params as p
  where n.outcome is not null
),
worded as (
  select s.shown, s.outcome, count(*) as n
  from said as s
  cross join meta.params as p
  group by s.shown, s.outcome, p.min_cell
  having count(distinct s.account_id) >= p.min_cell
),
outcome as (
  select shown, string_agg(outcome || ' ' || n, ', ' order by n desc, outcome) as outcomes
  from worded
  group by shown
),
summed as (
  select
    n.shown as play,
    count(*) as n_plays,
    count(distinct n.account_id) as n_accounts,
    count(case when n.started_on >= p.as_of - 365 then 1 end) as n_last_year,
    count(distinct case when n.started_on >= p.as_of - 365 then n.account_id end) as n_last_year_accounts,
    min(n.started_on) as first_on,
    max(n.started_on) as last_on,
    count(case when n.ended_on is null then 1 end) as n_open,
    count(distinct case when n.ended_on is null then n.account_id end) as n_open_accounts,
    count(distinct case when n.ended_on is not null then n.account_id end) as n_ended_accounts,
    cast(quantile_disc(n.ended_on - n.started_on, 0.5) as integer) as median_days
  from named as n
  cross join meta.params as p
  group by n.shown
)
select
  s.play,
  s.n_plays,
  s.n_accounts,
  case when s.n_last_year_accounts = 0 or s.n_last_year_accounts >= p.min_cell then s.n_last_year end as n_last_year,
  cast(date_trunc('month', s.first_on) as date) as first_month,
  cast(date_trunc('month', s.last_on) as date) as last_month,
  case when s.n_open_accounts = 0 or s.n_open_accounts >= p.min_cell then s.n_open end as n_open,
  case when s.n_ended_accounts >= p.min_cell then s.median_days end as median_days,
  o.outcomes
from summed as s
cross join meta.params as p
left join outcome as o on o.shown = s.play
where s.n_accounts >= p.min_cell
