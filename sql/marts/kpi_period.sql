-- model: marts.kpi_period
-- grain: kpi, first_on
-- depends: validation.kpi_period
-- params: min_cell
-- audits: not_null(kpi, first_on, last_on); unique(kpi, first_on)
-- How a KPI ranked leavers in each period of history. No estimate is of fewer than min_cell leavers.
select
  kpi,
  first_on,
  last_on,
  of_enough(auc, n_churned, p.min_cell) as auc,
  of_enough(auc_low, n_churned, p.min_cell) as auc_low,
  of_enough(auc_high, n_churned, p.min_cell) as auc_high,
  cast(n_churned as bigint) as n_churned
from validation.kpi_period
cross join meta.params as p
order by kpi, first_on
