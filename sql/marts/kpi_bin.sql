-- model: marts.kpi_bin
-- grain: kpi, bin
-- depends: validation.kpi_decile
-- params: min_cell
-- audits: not_null(kpi, bin, range_no); unique(kpi, bin)
-- Which range of marts.kpi_range each bin of a KPI's values belongs to: a range with fewer than min_cell accounts is merged with
-- the ranges above it (the last one with those below).
with bins as (
  select * from validation.kpi_decile where bin > 0
),
grouped as (
  select
    b.kpi,
    unnest(list(b.bin order by b.bin)) as bin,
    unnest(merged_groups(list(b.n_accounts order by b.bin), any_value(p.min_cell), false)) as range_no
  from bins as b
  cross join meta.params as p
  group by b.kpi
)
select
  g.kpi,
  g.bin,
  cast(g.range_no as integer) as range_no,
  b.value_from,
  b.value_to
from grouped as g
inner join bins as b on b.kpi = g.kpi and b.bin = g.bin
order by g.kpi, g.bin
