-- model: marts.scorecard_state
-- grain: scorecard, version
-- depends: validation.scorecard_test
-- params: min_cell
-- audits: not_null(scorecard, version, state, sentence); unique(scorecard, version)
-- Whether a scorecard ranks leavers, judged on readings from after it was made. No figure is of fewer than min_cell
-- leavers or stayers.
select
  scorecard,
  cast(version as integer) as version,
  state,
  sentence,
  of_enough(auc, least(n_churned, n_staying), p.min_cell) as auc,
  of_enough(auc_low, least(n_churned, n_staying), p.min_cell) as auc_low,
  of_enough(auc_high, least(n_churned, n_staying), p.min_cell) as auc_high,
  of_enough(simple_auc, least(n_churned, n_staying), p.min_cell) as simple_auc,
  of_enough(difference, least(n_churned, n_staying), p.min_cell) as difference,
  of_enough(difference_low, least(n_churned, n_staying), p.min_cell) as difference_low,
  of_enough(difference_high, least(n_churned, n_staying), p.min_cell) as difference_high,
  coverage,
  cast(n_rows as bigint) as n_rows,
  cast(n_churned as bigint) as n_churned,
  of_enough(average_precision, least(n_churned, n_staying), p.min_cell) as average_precision,
  of_enough(lift_10, least(n_churned, n_staying), p.min_cell) as lift_10
from validation.scorecard_test
cross join meta.params as p
where period = 'out_of_time'
order by scorecard, version
