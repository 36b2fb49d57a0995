-- model: marts.kpi_lead
-- grain: kpi, months_before
-- depends: validation.kpi_lead_time
-- params: min_cell
-- How a KPI ranked leavers so many months before they decided. No estimate is of fewer than min_cell leavers.
select
  kpi,
  cast(months_before as integer) as months_before,
  of_enough(auc, n_churned, p.min_cell) as auc,
  of_enough(auc_low, n_churned, p.min_cell) as auc_low,
  of_enough(auc_high, n_churned, p.min_cell) as auc_high,
  cast(n_churned as bigint) as n_churned
from validation.kpi_lead_time
cross join meta.params as p
order by kpi, months_before
