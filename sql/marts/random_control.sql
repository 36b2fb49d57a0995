-- model: marts.random_control
-- grain: control
-- depends: validation.random_control
-- audits: not_null(control, kind, auc); unique(control)
-- KPIs made of random numbers, beside which the real ones stand: one number an account (persistent) or one an account and
-- month (the others). They enter no family of tests.
select
  control,
  kind,
  auc,
  auc_low,
  auc_high,
  p,
  cast(n_accounts as bigint) as n_accounts,
  cast(n_churned as bigint) as n_churned
from validation.random_control
order by control
