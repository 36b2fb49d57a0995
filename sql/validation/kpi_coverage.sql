-- model: validation.kpi_coverage
-- grain: definition, kpi
-- depends: features.kpi_definition, validation.definition, validation.kpi_bin, validation.kpi_value,
--   validation.baseline_row, validation.observation, validation.stratum
-- How much of the labelled history a KPI can speak for: rows with a value among those since its first day of data, its
-- most frequent value, and its rank correlation with age.
with first_day as (
  select v.kpi, min(o.snapshot_no) as snapshot_no
  from validation.kpi_value as v
  inner join validation.observation as o on o.observation_no = v.observation_no
  group by v.kpi
),
labelled as (
  select
    s.definition, s.observation_no, s.snapshot_no, s.y, r.log_tenure
  from validation.stratum as s
  inner join validation.baseline_row as r on r.definition = s.definition and r.observation_no = s.observation_no
  where s.y is not null
),
asked as (
  select l.definition, f.kpi, count(*) as n_asked
  from labelled as l
  inner join first_day as f on l.snapshot_no >= f.snapshot_no
  group by l.definition, f.kpi
),
valued as (
  select l.definition, v.kpi, count(*) as n_valued, cast(sum(l.y) as bigint) as n_valued_events
  from labelled as l
  inner join validation.kpi_value as v on v.observation_no = l.observation_no
  group by l.definition, v.kpi
),
mode as (
  select definition, kpi, value as modal_value, n_rows as modal_rows
  from validation.kpi_bin
  qualify row_number() over (partition by definition, kpi order by n_rows desc, value) = 1
),
spread as (
  select
    definition,
    kpi,
    count(*) as n_distinct,
    min(value) as lowest_value,
    sum(case when n_below = 0 then n_rows else 0 end) as lowest_rows
  from validation.kpi_bin
  group by definition, kpi
),
tenure_count as (
  select l.definition, v.kpi, l.log_tenure as value, count(*) as n_rows
  from labelled as l
  inner join validation.kpi_value as v on v.observation_no = l.observation_no
  group by l.definition, v.kpi, l.log_tenure
),
tenure_rank as (
  select
    definition,
    kpi,
    value,
    2 * coalesce(sum(n_rows) over (
      partition by definition, kpi order by value rows between unbounded preceding and 1 preceding
    ), 0) + n_rows as doubled
  from tenure_count
),
paired as (
  select l.definition, v.kpi, cast(2 * b.n_below + b.n_rows as hugeint) as a, cast(t.doubled as hugeint) as b
  from labelled as l
  inner join validation.kpi_value as v on v.observation_no = l.observation_no
  inner join validation.kpi_bin as b on b.definition = l.definition and b.kpi = v.kpi and b.value = v.value
  inner join tenure_rank as t on t.definition = l.definition and t.kpi = v.kpi and t.value = l.log_tenure
),
moment as (
  select
    definition, kpi, cast(count(*) as double) as n,
    cast(sum(a) as double) as sa, cast(sum(b) as double) as sb,
    cast(sum(a * a) as double) as saa, cast(sum(b * b) as double) as sbb, cast(sum(a * b) as double) as sab
  from paired
  group by definition, kpi
),
correlated as (
  select
    definition, kpi,
    (sab - sa * sb / n) / nullif(sqrt((saa - sa * sa / n) * (sbb - sb * sb / n)), 0e0) as spearman_tenure
  from moment
)
select
  d.definition,
  k.id as kpi,
  coalesce(a.n_asked, 0) as n_asked,
  coalesce(v.n_valued, 0) as n_valued,
  coalesce(v.n_valued_events, 0) as n_valued_events,
  twelve_digits(v.n_valued / nullif(cast(a.n_asked as double), 0e0)) as coverage,
  m.modal_value,
  twelve_digits(m.modal_rows / cast(v.n_valued as double)) as modal_share,
  coalesce(s.n_distinct, 0) as n_distinct,
  s.lowest_value,
  twelve_digits(s.lowest_rows / cast(v.n_valued as double)) as lowest_share,
  case when isfinite(c.spearman_tenure) then twelve_digits(c.spearman_tenure) end as spearman_tenure
from validation.definition as d
cross join features.kpi_definition as k
left join asked as a on a.definition = d.definition and a.kpi = k.id
left join valued as v on v.definition = d.definition and v.kpi = k.id
left join mode as m on m.definition = d.definition and m.kpi = k.id
left join spread as s on s.definition = d.definition and s.kpi = k.id
left join correlated as c on c.definition = d.definition and c.kpi = k.id
where d.has_outcome
