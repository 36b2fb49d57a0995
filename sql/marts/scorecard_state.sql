-- model: marts.scorecard_state
-- grain: scorecard, version
-- depends: validation.scorecard_test
-- audits: not_null(scorecard, version, state, sentence); unique(scorecard, version)
-- Whether a scorecard ranks leavers, judged on readings from after it was made.
select
  scorecard,
  cast(version as integer) as version,
  state,
  sentence,
  auc,
  auc_low,
  auc_high,
  simple_auc,
  difference,
  difference_low,
  difference_high,
  coverage,
  cast(n_rows as bigint) as n_rows,
  cast(n_churned as bigint) as n_churned,
  average_precision,
  lift_10
from validation.scorecard_test
where period = 'out_of_time'
order by scorecard, version
