-- model: marts.kpi_quality
-- grain: kpi
-- depends: features.kpi_definition, features.kpi_input, marts.kpi_week
-- audits: not_null(kpi, label); unique(kpi)
-- How well the data of each KPI arrive: coverage in the newest week, its lowest week, days without any row, steps in volume.
with coverage as (
  select
    kpi,
    max_by(coverage, week) as coverage_now,
    min(coverage) as coverage_lowest,
    min_by(week, (coverage, week)) as lowest_week
  from marts.kpi_week
  group by kpi
)
select
  d.id as kpi,
  d.label,
  c.coverage_now,
  c.coverage_lowest,
  c.lowest_week,
  i.first_on,
  i.last_on,
  cast(i.n_days_without as bigint) as n_days_without,
  cast(i.longest_gap_days as integer) as longest_gap_days,
  i.gap_from,
  cast(i.n_steps as bigint) as n_steps,
  i.last_step
from features.kpi_definition as d
left join coverage as c on c.kpi = d.id
left join features.kpi_input as i on i.kpi = d.id
order by d.id
