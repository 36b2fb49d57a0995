-- model: validation.score_slice
-- grain: subject, slice
-- depends: validation.score_period, validation.score_sample
-- What gets numbers of its own: each part of history of a version, and the periods of the two that have some. `slice` is also
-- the name of the statistic in validation.score_auc; of an as_was that has the rows of out_of_time it is `out_of_time`.
select
  s.subject,
  s.sample as slice,
  s.scorecard,
  s.version,
  s.sample,
  s.ranked_as as statistic,
  cast(null as integer) as period_no,
  s.sample as period,
  s.first_on,
  s.last_on
from validation.score_sample as s
union all
select
  p.subject,
  p.sample || ':' || p.period_no,
  any_value(s.scorecard),
  any_value(s.version),
  p.sample,
  p.sample || ':' || p.period_no,
  p.period_no,
  cast(min(p.first_on) as varchar) || '/' || cast(max(p.last_on) as varchar),
  min(p.first_on),
  max(p.last_on)
from validation.score_period as p
inner join validation.score_sample as s on s.subject = p.subject and s.sample = p.sample
group by p.subject, p.sample, p.period_no
