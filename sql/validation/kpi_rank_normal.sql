-- model: validation.kpi_rank_normal
-- grain: definition, kpi, observation_no
-- depends: validation.kpi_bin, validation.kpi_value, validation.stratum
-- The KPI on a normal scale for the logistic lens: the normal quantile of (midrank - 1/2) / n over the labelled rows.
with scaled as (
  select definition, kpi, value, normal_quantile((n_below + n_rows / 2e0) / n_all) as x
  from validation.kpi_bin
)
select s.definition, v.kpi, s.observation_no, n.x
from validation.stratum as s
inner join validation.kpi_value as v on v.observation_no = s.observation_no
inner join scaled as n on n.definition = s.definition and n.kpi = v.kpi and n.value = v.value
where s.y is not null
