-- model: marts.folklore
-- grain: test, scorecard, version
-- depends: validation.folklore
-- audits: not_null(test, sentence)
-- Advice that is often given about scores, tried on this history: paired differences of two scores on the same account-months.
select
  test,
  scorecard,
  cast(version as integer) as version,
  a,
  b,
  auc_a,
  auc_b,
  difference,
  difference_low,
  difference_high,
  cast(n_churned as bigint) as n_churned,
  cast(n_accounts as bigint) as n_accounts,
  sentence
from validation.folklore
order by test, scorecard, version
