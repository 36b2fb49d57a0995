-- model: validation.kpi_bin
-- grain: definition, kpi, value
-- depends: validation.kpi_value, validation.stratum
-- The bins of each value among the labelled rows: the number of cut points (k/5 and k/10 quantiles, each a value that
-- occurs) strictly below it, numbered without holes. Equal values never part. doubled_rank is twice its rank (from 0, ties in
-- the middle); x is the KPI on a normal scale: the normal quantile of (midrank - 1/2) / n.
with counted as (
  select s.definition, v.kpi_no, v.value, count(*) as n_rows, any_value(v.kpi) as kpi
  from validation.kpi_value as v
  inner join validation.stratum as s on s.observation_no = v.observation_no
  where s.y is not null
  group by s.definition, v.kpi_no, v.value
),
placed as (
  select
    *,
    coalesce(sum(n_rows) over (
      partition by definition, kpi_no order by value rows between unbounded preceding and 1 preceding
    ), 0) as n_below,
    sum(n_rows) over (partition by definition, kpi_no) as n_all
  from counted
),
cut as (
  select *, least(4, n_below * 5 // n_all) as raw_5, least(9, n_below * 10 // n_all) as raw_10 from placed
)
select
  definition,
  kpi,
  kpi_no,
  value,
  n_rows,
  cast(n_below as bigint) as n_below,
  cast(n_all as bigint) as n_all,
  cast(dense_rank() over (partition by definition, kpi_no order by raw_5) - 1 as integer) as bin_5,
  cast(dense_rank() over (partition by definition, kpi_no order by raw_10) - 1 as integer) as bin_10,
  cast(2 * n_below + n_rows as bigint) as doubled_rank,
  normal_quantile((n_below + n_rows / 2e0) / n_all) as x
from cut
