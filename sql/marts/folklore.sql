-- model: marts.folklore
-- grain: test, scorecard, version
-- depends: validation.folklore
-- params: min_cell
-- audits: not_null(test, sentence)
-- Advice that is often given about scores, tried on this history: paired differences of two scores on the same account-months. None
-- of fewer than min_cell leavers.
select
  test,
  scorecard,
  cast(version as integer) as version,
  a,
  b,
  of_enough(auc_a, n_churned, p.min_cell) as auc_a,
  of_enough(auc_b, n_churned, p.min_cell) as auc_b,
  of_enough(difference, n_churned, p.min_cell) as difference,
  of_enough(difference_low, n_churned, p.min_cell) as difference_low,
  of_enough(difference_high, n_churned, p.min_cell) as difference_high,
  cast(n_churned as bigint) as n_churned,
  cast(n_accounts as bigint) as n_accounts,
  sentence
from validation.folklore
cross join meta.params as p
order by test, scorecard, version
