-- model: validation.score_observed
-- kind: view
-- grain: definition, subject, statistic, account_no, stratum, value
-- depends: scores.account_score, scores.scorecard, validation.definition, validation.stratum
-- Scores to be ranked like KPIs, primary definition: all labelled rows, and those out of time (at or after the day on
-- which the version was made). simple_: naive_baseline on the rows that both score, paired_: the card on the same rows.
with scored as (
  select
    s.definition,
    a.scorecard,
    a.version,
    a.scorecard || '@' || a.version as subject,
    s.observation_no,
    s.account_no,
    s.block,
    s.segment,
    s.stratum,
    cast(a.score as double) as value,
    s.y,
    s.snapshot_date >= c.created_on as is_out_of_time
  from scores.account_score as a
  inner join scores.scorecard as c on c.scorecard = a.scorecard and c.version = a.version
  inner join validation.stratum as s on s.account_id = a.account_id and s.snapshot_date = a.snapshot_date
  inner join validation.definition as d on d.definition = s.definition and d.is_primary
  where a.score is not null and s.y is not null
),
simple as (
  select observation_no, value
  from scored
  where scorecard = 'naive_baseline'
    and version = (select max(version) from scores.scorecard where scorecard = 'naive_baseline')
),
both_scored as (
  select c.*, s.value as simple_value
  from scored as c
  inner join simple as s on s.observation_no = c.observation_no
  where c.scorecard <> 'naive_baseline'
),
part as (
  select t.suffix
  from (values ('all'), ('out_of_time')) as t(suffix)
)
select s.definition, s.subject, p.suffix as statistic, s.account_no, s.block, s.segment, s.stratum, s.value, s.y
from scored as s
inner join part as p on p.suffix = 'all' or s.is_out_of_time
union all
select b.definition, b.subject, 'paired_' || p.suffix, b.account_no, b.block, b.segment, b.stratum, b.value, b.y
from both_scored as b
inner join part as p on p.suffix = 'all' or b.is_out_of_time
union all
select b.definition, b.subject, 'simple_' || p.suffix, b.account_no, b.block, b.segment, b.stratum, b.simple_value, b.y
from both_scored as b
inner join part as p on p.suffix = 'all' or b.is_out_of_time
