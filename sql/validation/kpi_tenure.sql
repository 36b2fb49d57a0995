-- model: validation.kpi_tenure
-- grain: definition, kpi
-- depends: validation.baseline_row, validation.kpi_placed
-- Spearman's rank correlation of a KPI with the account's age (midranks, complete cases, whole-number sums): a KPI that is
-- age in disguise gets a mark. Null for a constant.
with ranked as (
  select
    k.definition,
    k.kpi,
    cast(k.doubled_rank as hugeint) as a,
    cast(
      2 * rank() over (partition by k.definition, k.kpi order by r.log_tenure)
      + count(*) over (partition by k.definition, k.kpi, r.log_tenure) as hugeint
    ) as b
  from validation.kpi_placed as k
  inner join validation.baseline_row as r on r.definition = k.definition and r.observation_no = k.observation_no
),
moment as (
  select
    definition,
    kpi,
    cast(count(*) as double) as n,
    cast(sum(a) as double) as sa,
    cast(sum(b) as double) as sb,
    cast(sum(a * a) as double) as saa,
    cast(sum(b * b) as double) as sbb,
    cast(sum(a * b) as double) as sab
  from ranked
  group by definition, kpi
)
select
  definition,
  kpi,
  twelve_digits(
    (sab - sa * sb / n) / sqrt(nullif(greatest(0e0, (saa - sa * sa / n) * (sbb - sb * sb / n)), 0e0))
  ) as spearman_tenure
from moment
