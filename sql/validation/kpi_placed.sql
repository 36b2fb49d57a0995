-- model: validation.kpi_placed
-- grain: definition, kpi, observation_no
-- depends: validation.kpi_bin, validation.kpi_value, validation.stratum
-- Labelled rows with a value: its bins, twice its rank (from 0, ties in the middle), and x, the KPI on a normal scale: the
-- normal quantile of (midrank - 1/2) / n.
with scaled as (
  select
    definition,
    kpi,
    value,
    bin_5,
    bin_10,
    2 * n_below + n_rows as doubled_rank,
    normal_quantile((n_below + n_rows / 2e0) / n_all) as x
  from validation.kpi_bin
),
labelled as (
  select s.definition, v.kpi, s.observation_no, s.account_no, s.stratum, s.y, v.value
  from validation.stratum as s
  inner join validation.kpi_value as v on v.observation_no = s.observation_no
  where s.y is not null
)
select
  l.definition, l.kpi, l.observation_no, l.account_no, l.stratum, l.y, l.value, n.bin_5, n.bin_10, n.doubled_rank, n.x
from labelled as l
inner join scaled as n on n.definition = l.definition and n.kpi = l.kpi and n.value = l.value
