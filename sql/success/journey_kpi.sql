-- model: marts.journey_kpi
-- grain: stage
-- depends: features.kpi_definition
-- audits: unique(stage)
-- The steps of the journey that KPIs name, and the KPIs without one.
select
  coalesce(stage, 'no stage') as stage,
  count(*) as n_kpis,
  string_agg(id, ', ' order by kpi_no) as kpis
from features.kpi_definition
group by coalesce(stage, 'no stage')
order by min(kpi_no)
