-- model: marts.kpi_cohort
-- grain: kpi, cohort
-- depends: validation.kpi_cohort, validation.kpi_verdict
-- params: min_cell, primary_definition
-- audits: not_null(kpi, cohort); unique(kpi, cohort)
-- Each KPI within each sign-up cohort, with its second-stage verdict; none below 50 churned or 50 staying accounts. Cohorts
-- with fewer than min_cell accounts are left out: a rank statistic has no neighbour to be merged with.
with decided as (
  select v.kpi, v.segment as cohort, v.verdict, v.label, v.action_group, v.sentence
  from validation.kpi_verdict as v
  cross join meta.params as p
  where v.definition = p.primary_definition and v.group_kind = 'cohort'
)
select
  c.kpi,
  c.cohort,
  of_enough(c.auc, least(c.n_churned, c.n_staying), p.min_cell) as auc,
  of_enough(c.auc_low, least(c.n_churned, c.n_staying), p.min_cell) as auc_low,
  of_enough(c.auc_high, least(c.n_churned, c.n_staying), p.min_cell) as auc_high,
  cast(c.n_churned as bigint) as n_churned,
  cast(c.n_staying as bigint) as n_staying,
  d.verdict,
  d.label as verdict_label,
  d.action_group,
  d.sentence
from validation.kpi_cohort as c
cross join meta.params as p
left join decided as d on d.kpi = c.kpi and d.cohort = c.cohort
where c.n_churned + c.n_staying >= p.min_cell
order by c.kpi, c.cohort
