-- model: marts.random_control
-- grain: control
-- depends: validation.random_control
-- params: min_cell
-- audits: not_null(control, kind); unique(control)
-- KPIs made of random numbers, beside which the real ones stand: one number an account (persistent) or one an account and
-- month (the others). They enter no family of tests. No estimate is of fewer than min_cell
-- accounts or leavers.
select
  control,
  kind,
  of_enough(auc, least(n_accounts, n_churned), p.min_cell) as auc,
  of_enough(auc_low, least(n_accounts, n_churned), p.min_cell) as auc_low,
  of_enough(auc_high, least(n_accounts, n_churned), p.min_cell) as auc_high,
  of_enough(random_control.p, least(n_accounts, n_churned), p.min_cell) as p,
  cast(n_accounts as bigint) as n_accounts,
  cast(n_churned as bigint) as n_churned
from validation.random_control
cross join meta.params as p
order by control
