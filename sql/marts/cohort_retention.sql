-- model: marts.cohort_retention
-- grain: cohort_from
-- depends: marts.cohort_heat
-- audits: not_null(cohort_from, n_accounts, kept_rate); unique(cohort_from)
-- Twelve-month retention per sign-up cohort with its 95 % Wilson interval (each account once, so accounts count as
-- independent). Only cohorts whose last account is twelve months old.
select
  cohort_from,
  cohort_to,
  n_quarters,
  n_accounts,
  n_kept,
  kept_rate,
  twelve_digits(wilson_low(kept_rate, n_accounts)) as rate_low,
  twelve_digits(wilson_high(kept_rate, n_accounts)) as rate_high,
  money_rate
from marts.cohort_heat
where months = 12
order by cohort_from
