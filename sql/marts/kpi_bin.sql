-- model: marts.kpi_bin
-- grain: kpi, bin
-- depends: validation.kpi_decile
-- params: min_cell
-- audits: not_null(kpi, bin, range_no); unique(kpi, bin)
-- Which range of marts.kpi_range each bin of a KPI's values belongs to: a range with fewer than min_cell accounts is merged with
-- the ranges above it (the last one with those below).
with recursive numbered as (
  select *, row_number() over (partition by kpi order by bin) as i
  from validation.kpi_decile
  where bin > 0
),
walk as (
  select n.kpi, n.i, n.n_accounts, 1 as group_no, n.n_accounts as most
  from numbered as n
  where n.i = 1
  union all
  select
    n.kpi,
    n.i,
    n.n_accounts,
    case when w.most >= p.min_cell then w.group_no + 1 else w.group_no end as group_no,
    case when w.most >= p.min_cell then n.n_accounts else greatest(w.most, n.n_accounts) end as most
  from walk as w
  inner join numbered as n on n.kpi = w.kpi and n.i = w.i + 1
  cross join meta.params as p
),
sizes as (
  select kpi, group_no, max(n_accounts) as most, max(max(group_no)) over (partition by kpi) as last_group
  from walk
  group by kpi, group_no
)
select
  n.kpi,
  n.bin,
  cast(
    case when s.most < p.min_cell and s.group_no = s.last_group and s.group_no > 1 then s.group_no - 1 else s.group_no end
    as integer
  ) as range_no,
  n.value_from,
  n.value_to
from walk as w
inner join numbered as n on n.kpi = w.kpi and n.i = w.i
inner join sizes as s on s.kpi = w.kpi and s.group_no = w.group_no
cross join meta.params as p
order by n.kpi, n.bin
