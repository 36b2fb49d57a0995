-- model: marts.kpi_period
-- grain: kpi, first_on
-- depends: validation.kpi_period
-- audits: not_null(kpi, first_on, last_on); unique(kpi, first_on)
select
  kpi,
  first_on,
  last_on,
  auc,
  auc_low,
  auc_high,
  cast(n_churned as bigint) as n_churned
from validation.kpi_period
order by kpi, first_on
