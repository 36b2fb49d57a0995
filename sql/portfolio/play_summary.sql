-- model: marts.play_summary
-- grain: play
-- depends: staging.play
-- params: as_of, min_cell
-- audits: unique(play)
-- The plays that the exports record: how often each was started, with how many accounts, and what they say came of it (their own words,
-- the most frequent first). Plays of fewer than min_cell accounts are together 'other plays', left out where even those are fewer.
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
outcome as (
  select shown, string_agg(outcome || ' ' || n, ', ' order by n desc, outcome) as outcomes
  from (select shown, outcome, count(*) as n from named where outcome is not null group by shown, outcome)
  group by shown
)
select
  n.shown as play,
  count(*) as n_plays,
  count(distinct n.account_id) as n_accounts,
  count(case when n.started_on >= p.as_of - 365 then 1 end) as n_last_year,
  min(n.started_on) as first_on,
  max(n.started_on) as last_on,
  count(case when n.ended_on is null then 1 end) as n_open,
  cast(quantile_disc(n.ended_on - n.started_on, 0.5) as integer) as median_days,
  any_value(o.outcomes) as outcomes
from named as n
cross join meta.params as p
left join outcome as o on o.shown = n.shown
group by n.shown, p.min_cell
having count(distinct n.account_id) >= p.min_cell
