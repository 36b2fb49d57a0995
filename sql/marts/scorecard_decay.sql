-- model: marts.scorecard_decay
-- grain: scorecard, version
-- depends: validation.scorecard_decay
-- audits: not_null(scorecard, version); unique(scorecard, version)
-- Whether a score ranks worse as time goes by: the slope over its out-of-time periods, 90 % interval.
select
  scorecard,
  cast(version as integer) as version,
  cast(n_periods as bigint) as n_periods,
  first_on,
  last_on,
  latest_auc,
  slope_per_year,
  slope_low,
  slope_high,
  cochran_q
from validation.scorecard_decay
order by scorecard, version
