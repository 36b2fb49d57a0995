-- model: marts.kpi_segment
-- grain: kpi, segment
-- depends: validation.kpi_segment, validation.kpi_verdict
-- params: min_cell, primary_definition
-- audits: not_null(kpi, segment); unique(kpi, segment)
-- Each KPI within each segment, with its second-stage verdict; none below 50 churned or 50 staying accounts. Segments with
-- fewer than min_cell accounts are left out: a rank statistic has no neighbour to be merged with.
with decided as (
  select v.kpi, v.segment, v.verdict, v.label, v.action_group, v.sentence
  from validation.kpi_verdict as v
  cross join meta.params as p
  where v.definition = p.primary_definition and v.group_kind = 'segment'
)
select
  s.kpi,
  s.segment,
  of_enough(s.auc, least(s.n_churned, s.n_staying), p.min_cell) as auc,
  of_enough(s.auc_low, least(s.n_churned, s.n_staying), p.min_cell) as auc_low,
  of_enough(s.auc_high, least(s.n_churned, s.n_staying), p.min_cell) as auc_high,
  cast(s.n_churned as bigint) as n_churned,
  cast(s.n_staying as bigint) as n_staying,
  d.verdict,
  d.label as verdict_label,
  d.action_group,
  d.sentence
from validation.kpi_segment as s
cross join meta.params as p
left join decided as d on d.kpi = s.kpi and d.segment = s.segment
where s.n_churned + s.n_staying >= p.min_cell
order by s.kpi, s.segment
