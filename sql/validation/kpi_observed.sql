-- model: validation.kpi_observed
-- kind: view
-- grain: definition, subject, statistic, account_no, stratum, value
-- depends: validation.kpi_unanswered, validation.kpi_value, validation.stratum
-- What is ranked, by statistic: main (prognostic strata), crude (stratum = snapshot date), late (decisions within the gap,
-- prognostic strata), missing (1 for an unanswered value, 0 for a value). Strata of one class are left out early.
with mixed as (
  select definition, stratum from validation.stratum group by definition, stratum having min(y) = 0 and max(y) = 1
),
mixed_late as (
  select definition, stratum
  from validation.stratum
  group by definition, stratum
  having min(late_y) = 0 and max(late_y) = 1
),
main as (
  select s.definition, s.observation_no, s.account_no, s.block, s.segment, s.stratum, s.y
  from validation.stratum as s
  inner join mixed as m on m.definition = s.definition and m.stratum = s.stratum
  where s.y is not null
),
late as (
  select s.definition, s.observation_no, s.account_no, s.block, s.segment, s.stratum, s.late_y as y
  from validation.stratum as s
  inner join mixed_late as m on m.definition = s.definition and m.stratum = s.stratum
  where s.late_y is not null
),
asked as (
  select observation_no, kpi, 1e0 as value from validation.kpi_unanswered
  union all
  select observation_no, kpi, 0e0 as value
  from validation.kpi_value
  where kpi in (select kpi from validation.kpi_unanswered)
)
select m.definition, v.kpi as subject, 'main' as statistic, m.account_no, m.block, m.segment, m.stratum, v.value, m.y
from main as m
inner join validation.kpi_value as v on v.observation_no = m.observation_no
union all
select s.definition, v.kpi, 'crude', s.account_no, s.block, s.segment, s.snapshot_no, v.value, s.y
from validation.stratum as s
inner join validation.kpi_value as v on v.observation_no = s.observation_no
where s.y is not null
union all
select l.definition, v.kpi, 'late', l.account_no, l.block, l.segment, l.stratum, v.value, l.y
from late as l
inner join validation.kpi_value as v on v.observation_no = l.observation_no
union all
select m.definition, a.kpi, 'missing', m.account_no, m.block, m.segment, m.stratum, a.value, m.y
from main as m
inner join asked as a on a.observation_no = m.observation_no
