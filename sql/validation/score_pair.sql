-- model: validation.score_pair
-- grain: subject, other
-- depends: scores.account_score, validation.score_row, validation.score_sample
-- audits: unique(subject, other)
-- Pairs of versions that are compared on the rows that both score, out of time for both: each with the newest
-- naive_baseline, with earlier versions of its scorecard, and with the scorecard that most accounts have now. The statistics
-- name where the ranks of each side stand: of all its rows out of time where these are the same, else of the pair's own.
with subject as (
  select distinct scorecard, version, subject from validation.score_row
),
simple as (
  select subject from subject where scorecard = 'naive_baseline' order by version desc limit 1
),
in_force as (
  select scorecard || '@' || version as subject
  from scores.account_score
  where is_in_force and snapshot_date = (select max(snapshot_date) from scores.account_score where is_in_force)
  group by scorecard, version
  order by count(*) desc, scorecard, version
  limit 1
),
pair as (
  select a.subject, b.subject as other
  from subject as a
  inner join subject as b on b.subject <> a.subject
  where b.subject in (select subject from simple)
    or (a.scorecard = b.scorecard and a.version > b.version)
    or (
      b.subject in (select subject from in_force)
      and a.scorecard <> b.scorecard and a.subject not in (select subject from simple)
    )
),
common as (
  select p.subject, p.other, count(*) as n_rows, min(a.snapshot_date) as first_on, max(a.snapshot_date) as last_on
  from pair as p
  inner join validation.score_row as a on a.subject = p.subject and a.is_out_of_time and a.score is not null
  inner join validation.score_row as b
    on b.subject = p.other and b.observation_no = a.observation_no and b.is_out_of_time and b.score is not null
  group by p.subject, p.other
)
select
  c.subject,
  c.other,
  c.other in (select subject from simple) as is_with_simple,
  c.n_rows,
  c.first_on,
  c.last_on,
  case when c.n_rows = a.n_scored then 'out_of_time' else 'paired:' || c.other end as own_statistic,
  case when c.n_rows = b.n_scored then 'out_of_time' else 'paired:' || c.subject end as other_statistic
from common as c
inner join validation.score_sample as a on a.subject = c.subject and a.sample = 'out_of_time'
inner join validation.score_sample as b on b.subject = c.other and b.sample = 'out_of_time'
