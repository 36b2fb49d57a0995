-- model: validation.kpi_coverage
-- grain: definition, kpi
-- depends: features.kpi_definition, validation.definition, validation.kpi_bin, validation.kpi_stratum,
--   validation.kpi_tenure, validation.kpi_value, validation.observation, validation.stratum
-- How much of the labelled history a KPI can speak for: rows with a value among those since its first day of data, its
-- most frequent value, and its rank correlation with age.
with first_row as (
  -- Observations are numbered by date.
  select any_value(kpi) as kpi, min(observation_no) as observation_no from validation.kpi_value group by kpi_no
),
first_day as (
  select f.kpi, o.snapshot_no
  from first_row as f
  inner join validation.observation as o on o.observation_no = f.observation_no
),
labelled_day as (
  select definition, snapshot_no, count(*) as n_rows
  from validation.stratum
  where y is not null
  group by definition, snapshot_no
),
asked as (
  select l.definition, f.kpi, cast(sum(l.n_rows) as bigint) as n_asked
  from labelled_day as l
  inner join first_day as f on l.snapshot_no >= f.snapshot_no
  group by l.definition, f.kpi
),
valued as (
  select definition, kpi, cast(sum(n_rows) as bigint) as n_valued, cast(sum(n_events) as bigint) as n_valued_events
  from validation.kpi_stratum
  group by definition, kpi
),
spread as (
  select
    definition,
    kpi,
    count(*) as n_distinct,
    max(n_rows) as modal_rows,
    min(value) as lowest_value,
    sum(case when n_below = 0 then n_rows else 0 end) as lowest_rows
  from validation.kpi_bin
  group by definition, kpi
),
mode as (
  select b.definition, b.kpi, min(b.value) as modal_value
  from validation.kpi_bin as b
  inner join spread as s on s.definition = b.definition and s.kpi = b.kpi and s.modal_rows = b.n_rows
  group by b.definition, b.kpi
)
select
  d.definition,
  k.id as kpi,
  coalesce(a.n_asked, 0) as n_asked,
  coalesce(v.n_valued, 0) as n_valued,
  coalesce(v.n_valued_events, 0) as n_valued_events,
  twelve_digits(v.n_valued / nullif(cast(a.n_asked as double), 0e0)) as coverage,
  m.modal_value,
  twelve_digits(s.modal_rows / cast(v.n_valued as double)) as modal_share,
  coalesce(s.n_distinct, 0) as n_distinct,
  s.lowest_value,
  twelve_digits(s.lowest_rows / cast(v.n_valued as double)) as lowest_share,
  c.spearman_tenure
from validation.definition as d
cross join features.kpi_definition as k
left join asked as a on a.definition = d.definition and a.kpi = k.id
left join valued as v on v.definition = d.definition and v.kpi = k.id
left join mode as m on m.definition = d.definition and m.kpi = k.id
left join spread as s on s.definition = d.definition and s.kpi = k.id
left join validation.kpi_tenure as c on c.definition = d.definition and c.kpi = k.id
where d.has_outcome
