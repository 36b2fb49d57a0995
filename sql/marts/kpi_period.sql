-- model: marts.kpi_period
-- grain: kpi, period
-- depends: validation.kpi_period
select
  kpi,
  period,
  auc,
  auc_low,
  auc_high,
  cast(n_churned as bigint) as n_churned
from validation.kpi_period
order by kpi, period
