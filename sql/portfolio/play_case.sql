-- model: marts.play_case
-- grain: play_no, account_id
-- depends: scores.account_score, spine.account_period, spine.account_snapshot, staging.play, validation.decision,
--   validation.definition, validation.stratum
-- params: as_of
-- audits: unique(play_no, account_id)
-- Each play that an account was given, and the accounts that it is held against. A play is taken at the last scored snapshot before it
-- started (at most 7 days, or a month where scores are monthly); like accounts are those that on that snapshot were in the same band, segment and
-- stratum (of the newest validated snapshot, at most 35 days back; accounts too young for one are held against each
-- other), paid and had not decided to leave on the day of the start, and had no play from 90 days before that day to the next scored
-- snapshot after it. What happens to a like account later, a play included, does not take it out. Several plays of one name and
-- day are one.
with play as (
  select
    cast(row_number() over (order by y.account_id, y.started_on, coalesce(nullif(trim(y.play), ''), 'play')) as integer) as play_no,
    y.account_id,
    y.started_on,
    coalesce(nullif(trim(y.play), ''), 'play') as play
  from staging.play as y
  cross join meta.params as p
  where y.account_id is not null and y.visible_on <= p.as_of and (y.superseded_on is null or p.as_of < y.superseded_on)
    and y.started_on < p.as_of
  group by y.account_id, y.started_on, coalesce(nullif(trim(y.play), ''), 'play')
),
day as (
  select snapshot_date, lead(snapshot_date) over (order by snapshot_date) as next_on
  from (select distinct snapshot_date from spine.account_snapshot where is_scored)
),
dated as (
  select y.*, d.snapshot_date, coalesce(d.next_on, y.started_on + 1) as next_on
  from play as y
  asof inner join day as d on y.started_on >= d.snapshot_date
  where y.started_on - d.snapshot_date <= 31
),
standing as (
  select s.account_id, s.snapshot_date, s.segment, s.period_started_on, coalesce(a.band, 'unknown') as band
  from spine.account_snapshot as s
  left join scores.account_score as a
    on a.account_id = s.account_id and a.snapshot_date = s.snapshot_date and a.is_in_force
  where s.is_scored and s.snapshot_date in (select snapshot_date from dated)
),
stratum as (
  select t.account_id, t.snapshot_date, t.stratum
  from validation.stratum as t
  inner join validation.definition as v on v.definition = t.definition and v.is_primary
),
placed as (
  select
    s.account_id,
    s.snapshot_date,
    s.segment,
    s.band,
    e.ended_on,
    case when s.snapshot_date - t.snapshot_date <= 35 then t.stratum end as stratum
  from standing as s
  left join spine.account_period as e on e.account_id = s.account_id and e.started_on = s.period_started_on
  asof left join stratum as t on t.account_id = s.account_id and s.snapshot_date >= t.snapshot_date
),
given as (
  select y.play_no, y.play, y.started_on, y.next_on, g.*
  from dated as y
  inner join placed as g on g.account_id = y.account_id and g.snapshot_date = y.snapshot_date
),
decided as (
  select d.account_id, d.decided_on, d.undone_on
  from validation.decision as d
  inner join validation.definition as v on v.definition = d.definition and v.is_primary
),
pair as (
  select play_no, play, started_on, snapshot_date, segment, band, stratum, account_id, true as is_played, ended_on
  from given
  union all
  select g.play_no, g.play, g.started_on, g.snapshot_date, g.segment, g.band, g.stratum, o.account_id, false, o.ended_on
  from given as g
  inner join placed as o
    on o.snapshot_date = g.snapshot_date and o.band = g.band and o.segment is not distinct from g.segment
    and o.stratum is not distinct from g.stratum and o.account_id <> g.account_id
  where not exists (
    select 1 from play as other
    where other.account_id = o.account_id and other.started_on >= g.started_on - 90 and other.started_on < g.next_on
  )
)
select
  x.play_no,
  x.account_id,
  x.is_played,
  x.play,
  x.started_on,
  x.snapshot_date,
  x.segment,
  x.band,
  x.stratum
from pair as x
where (x.ended_on is null or x.started_on < x.ended_on)
  and not exists (
    select 1 from decided as d
    where d.account_id = x.account_id and d.decided_on < x.started_on and (d.undone_on is null or x.started_on < d.undone_on)
  )
