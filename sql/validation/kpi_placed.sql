-- model: validation.kpi_placed
-- grain: definition, kpi, observation_no
-- depends: validation.kpi_bin, validation.kpi_value, validation.stratum
-- Labelled rows with a value, one KPI after another: its bins, twice its rank, and x, the KPI on a normal scale.
select
  s.definition, v.kpi, v.kpi_no, s.observation_no, s.account_no, s.stratum, s.y, v.value, n.bin_5, n.bin_10, n.doubled_rank, n.x
from validation.kpi_value as v
inner join validation.stratum as s on s.observation_no = v.observation_no
inner join validation.kpi_bin as n on n.definition = s.definition and n.kpi_no = v.kpi_no and n.value = v.value
where s.y is not null
