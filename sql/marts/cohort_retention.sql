-- model: marts.cohort_retention
-- grain: cohort_from
-- depends: marts.cohort_heat
-- audits: not_null(cohort_from, n_accounts, kept_rate); unique(cohort_from)
-- Twelve-month retention per sign-up cohort with its 95 % Wilson interval (each account once, so accounts count as
-- independent). Only cohorts whose last account is twelve months old.
with year_one as (
  select cohort_from, cohort_to, n_quarters, n_accounts, n_kept, money_rate, 3.841458820694124 as z2
  from marts.cohort_heat
  where months = 12
),
centre as (
  select
    cohort_from,
    cohort_to,
    n_quarters,
    n_accounts,
    n_kept,
    money_rate,
    n_kept / n_accounts as kept_rate,
    (n_kept + z2 / 2) / (n_accounts + z2) as middle,
    sqrt(z2) / (n_accounts + z2) * sqrt(cast(n_kept as double) * (n_accounts - n_kept) / n_accounts + z2 / 4) as half
  from year_one
)
select
  cohort_from,
  cohort_to,
  n_quarters,
  n_accounts,
  n_kept,
  kept_rate,
  round(greatest(middle - half, 0), 9) as rate_low,
  round(least(middle + half, 1), 9) as rate_high,
  money_rate
from centre
order by cohort_from
