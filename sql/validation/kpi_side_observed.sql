-- model: validation.kpi_side_observed
-- kind: view
-- grain: definition, subject, statistic, account_no, stratum, value
-- depends: validation.kpi_bin, validation.kpi_observed, validation.kpi_shape
-- The two-lines test (Simonsohn 2018): the values up to and from the 30, 50 and 70 % quantile, ranked apart. Only for
-- KPIs whose five bins differ at all (raw p < .01), because the other ones cannot pass the first gate.
with gated as (
  select definition, kpi from validation.kpi_shape where p < 0.01 and n_distinct >= 3
),
split as (
  select b.definition, b.kpi, t.percent, min(b.value) as at
  from validation.kpi_bin as b
  inner join gated as g on g.definition = b.definition and g.kpi = b.kpi
  cross join (values (30), (50), (70)) as t(percent)
  where (b.n_below + b.n_rows) * 100 >= t.percent * b.n_all
  group by b.definition, b.kpi, t.percent
)
select
  o.definition, o.subject, 'left_' || s.percent as statistic, o.account_no, o.block, o.segment, o.stratum, o.value, o.y
from validation.kpi_observed as o
inner join split as s on s.definition = o.definition and s.kpi = o.subject and o.value <= s.at
where o.statistic = 'main'
union all
select
  o.definition, o.subject, 'right_' || s.percent as statistic, o.account_no, o.block, o.segment, o.stratum, o.value, o.y
from validation.kpi_observed as o
inner join split as s on s.definition = o.definition and s.kpi = o.subject and o.value >= s.at
where o.statistic = 'main'
