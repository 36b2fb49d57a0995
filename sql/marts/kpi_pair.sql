-- model: marts.kpi_pair
-- grain: kpi, other
-- depends: features.kpi_definition, validation.kpi_pair, validation.kpi_verdict
-- params: min_cell, primary_definition
-- audits: not_null(kpi, other, spearman); unique(kpi, other)
-- Each KPI's nearest kin, at most five with a rank correlation of .3 or more either way; is_twin: one group by average linkage
-- at .7. Both directions of a pair are there; none of a KPI that fewer than min_cell accounts have a value of.
with enough as (
  select v.kpi
  from validation.kpi_verdict as v
  cross join meta.params as p
  where v.definition = p.primary_definition and v.group_kind = 'all' and v.n_accounts >= p.min_cell
),
both_ways as (
  select p.kpi, p.other, p.n_rows, p.spearman, p."group" as group_no
  from validation.kpi_pair as p
  union all
  select p.other, p.kpi, p.n_rows, p.spearman, p."group"
  from validation.kpi_pair as p
),
placed as (
  select
    b.*,
    row_number() over (partition by b.kpi order by round(abs(b.spearman), 9) desc, b.other) as place
  from both_ways as b
  inner join enough as e on e.kpi = b.kpi
  inner join enough as o on o.kpi = b.other
  where abs(b.spearman) >= 0.3
)
select
  p.kpi,
  p.other,
  d.label as other_label,
  p.spearman,
  cast(p.n_rows as bigint) as n_rows,
  p.group_no is not null as is_twin,
  cast(p.place as integer) as place
from placed as p
inner join features.kpi_definition as d on d.id = p.other
where p.place <= 5
order by p.kpi, p.place
