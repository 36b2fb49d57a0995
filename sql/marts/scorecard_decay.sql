-- model: marts.scorecard_decay
-- grain: scorecard, version
-- depends: validation.scorecard_decay, validation.scorecard_test
-- params: min_cell
-- audits: not_null(scorecard, version); unique(scorecard, version)
-- Whether a score ranks worse as time goes by: the slope over its out-of-time periods, 90 % interval. No estimate where fewer than
-- min_cell leavers or stayers are in them all.
select
  d.scorecard,
  cast(d.version as integer) as version,
  cast(d.n_periods as bigint) as n_periods,
  d.first_on,
  d.last_on,
  of_enough(d.latest_auc, least(t.n_churned, t.n_staying), p.min_cell) as latest_auc,
  of_enough(d.slope_per_year, least(t.n_churned, t.n_staying), p.min_cell) as slope_per_year,
  of_enough(d.slope_low, least(t.n_churned, t.n_staying), p.min_cell) as slope_low,
  of_enough(d.slope_high, least(t.n_churned, t.n_staying), p.min_cell) as slope_high,
  of_enough(d.cochran_q, least(t.n_churned, t.n_staying), p.min_cell) as cochran_q
from validation.scorecard_decay as d
cross join meta.params as p
left join validation.scorecard_test as t
  on t.scorecard = d.scorecard and t.version = d.version and t.period = 'out_of_time'
order by d.scorecard, d.version
