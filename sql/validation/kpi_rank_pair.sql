-- model: validation.kpi_rank_pair
-- grain: definition, kpi, other
-- depends: features.kpi_definition, validation.kpi_placed
-- audits: unique(definition, kpi, other)
-- Spearman's rank correlation of every two KPIs over the labelled rows on which both have a value: each KPI is ranked once,
-- over its own rows (midranks, doubled to whole numbers), and the sums are exact. kpi stands before other in the book's
-- order. Null where one of them is constant.
with ranked as (
  select p.definition, p.observation_no, k.kpi_no, cast(p.doubled_rank as bigint) as twice_rank
  from validation.kpi_placed as p
  inner join features.kpi_definition as k on k.id = p.kpi
),
moment as (
  select
    a.definition,
    a.kpi_no,
    b.kpi_no as other_no,
    count(*) as n_rows,
    cast(sum(a.twice_rank) as double) as sa,
    cast(sum(b.twice_rank) as double) as sb,
    cast(sum(a.twice_rank * a.twice_rank) as double) as saa,
    cast(sum(b.twice_rank * b.twice_rank) as double) as sbb,
    cast(sum(a.twice_rank * b.twice_rank) as double) as sab
  from ranked as a
  inner join ranked as b
    on b.definition = a.definition and b.observation_no = a.observation_no and b.kpi_no > a.kpi_no
  group by a.definition, a.kpi_no, b.kpi_no
)
select
  m.definition,
  k.id as kpi,
  o.id as other,
  m.n_rows,
  twelve_digits(
    (m.sab - m.sa * m.sb / m.n_rows)
    / sqrt(
      nullif(greatest(0e0, (m.saa - m.sa * m.sa / m.n_rows) * (m.sbb - m.sb * m.sb / m.n_rows)), 0e0)
    )
  ) as spearman
from moment as m
inner join features.kpi_definition as k on k.kpi_no = m.kpi_no
inner join features.kpi_definition as o on o.kpi_no = m.other_no
