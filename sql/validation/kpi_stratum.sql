-- model: validation.kpi_stratum
-- grain: definition, kpi, stratum, bin_5, is_highest
-- depends: validation.kpi_bin, validation.kpi_placed
-- Labelled rows and departures of each stratum by the KPI's bin, the rows with its highest value apart.
with highest as (
  select definition, kpi_no, max(value) as value from validation.kpi_bin group by definition, kpi_no
)
select
  k.definition,
  any_value(k.kpi) as kpi,
  k.kpi_no,
  k.stratum,
  k.bin_5,
  k.value = h.value as is_highest,
  count(*) as n_rows,
  cast(sum(k.y) as bigint) as n_events
from validation.kpi_placed as k
inner join highest as h on h.definition = k.definition and h.kpi_no = k.kpi_no
group by k.definition, k.kpi_no, k.stratum, k.bin_5, k.value = h.value
