-- model: validation.score_sample
-- grain: subject, sample
-- depends: validation.score_row
-- audits: unique(subject, sample)
-- The parts of history on which a version is looked at, never mixed: `out_of_time`, `in_sample` (before it was made),
-- `as_was` (out of time and in force), `without_plays` (out of time, no play in the window: selected, because somebody chose whom
-- to call). Parts without a row are left out, and without_plays where nobody was called. ranked_as: the part that has the
-- same rows and is computed instead.
with counted as (
  select
    r.subject,
    any_value(r.scorecard) as scorecard,
    any_value(r.version) as version,
    t.sample,
    count(*) as n_rows,
    count(r.score) as n_scored,
    min(r.snapshot_date) as first_on,
    max(r.snapshot_date) as last_on
  from validation.score_row as r
  inner join (values ('out_of_time'), ('in_sample'), ('as_was'), ('without_plays')) as t(sample)
    on (t.sample = 'out_of_time' and r.is_out_of_time)
    or (t.sample = 'in_sample' and not r.is_out_of_time)
    or (t.sample = 'as_was' and r.is_as_was)
    or (t.sample = 'without_plays' and r.is_out_of_time and not r.is_worked)
  group by r.subject, t.sample
)
select
  c.subject,
  c.scorecard,
  c.version,
  c.sample,
  case when c.n_rows = o.n_rows then 'out_of_time' else c.sample end as ranked_as,
  c.n_rows,
  c.n_scored,
  c.first_on,
  c.last_on
from counted as c
left join counted as o on o.subject = c.subject and o.sample = 'out_of_time' and c.sample in ('as_was', 'without_plays')
where not (c.sample = 'without_plays' and c.n_rows = o.n_rows)
