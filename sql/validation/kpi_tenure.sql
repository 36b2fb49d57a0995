-- model: validation.kpi_tenure
-- grain: definition, kpi
-- depends: validation.baseline_row, validation.kpi_placed
-- Spearman's rank correlation of a KPI with the account's age (midranks, complete cases, whole-number sums): a KPI that is
-- age in disguise gets a mark. Null for a constant. Rows of one age share its rank, so they are summed before they are ranked.
with aged as (
  select
    k.definition,
    k.kpi_no,
    r.log_tenure,
    any_value(k.kpi) as kpi,
    count(*) as n,
    cast(sum(k.doubled_rank) as hugeint) as sa,
    cast(sum(k.doubled_rank * k.doubled_rank) as hugeint) as saa
  from validation.kpi_placed as k
  inner join validation.baseline_row as r on r.definition = k.definition and r.observation_no = k.observation_no
  group by k.definition, k.kpi_no, r.log_tenure
),
ranked as (
  select
    *,
    cast(
      2 * coalesce(sum(n) over (
        partition by definition, kpi_no order by log_tenure rows between unbounded preceding and 1 preceding
      ), 0) + n as hugeint
    ) as b
  from aged
),
moment as (
  select
    definition,
    any_value(kpi) as kpi,
    cast(sum(n) as double) as n,
    cast(sum(sa) as double) as sa,
    cast(sum(n * b) as double) as sb,
    cast(sum(saa) as double) as saa,
    cast(sum(n * b * b) as double) as sbb,
    cast(sum(sa * b) as double) as sab
  from ranked
  group by definition, kpi_no
)
select
  definition,
  kpi,
  twelve_digits(
    (sab - sa * sb / n) / sqrt(nullif(greatest(0e0, (saa - sa * sa / n) * (sbb - sb * sb / n)), 0e0))
  ) as spearman_tenure
from moment
