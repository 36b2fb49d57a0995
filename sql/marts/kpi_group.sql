-- model: marts.kpi_group
-- grain: kpi, group_kind
-- depends: validation.kpi_group_test
-- params: primary_definition
-- audits: not_null(kpi, group_kind); unique(kpi, group_kind)
-- Whether a KPI's link differs between segments, or between sign-up cohorts, by more than chance (Cochran's Q over groups with 50
-- churned and 50 staying accounts; q over all KPIs, differs below .01).
select
  g.kpi,
  g.group_kind,
  cast(g.n_groups as integer) as n_groups,
  g.het_p,
  g.het_q
from validation.kpi_group_test as g
cross join meta.params as p
where g.definition = p.primary_definition
order by g.kpi, g.group_kind
