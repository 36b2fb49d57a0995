-- model: marts.kpi_lead
-- grain: kpi, months_before
-- depends: validation.kpi_lead_time
select
  kpi,
  cast(months_before as integer) as months_before,
  auc,
  auc_low,
  auc_high,
  cast(n_churned as bigint) as n_churned
from validation.kpi_lead_time
order by kpi, months_before
