-- model: marts.kpi_segment
-- grain: kpi, segment
-- depends: validation.kpi_segment
-- audits: not_null(kpi, segment); unique(kpi, segment)
select
  kpi,
  segment,
  auc,
  auc_low,
  auc_high,
  cast(n_churned as bigint) as n_churned
from validation.kpi_segment
order by kpi, segment
