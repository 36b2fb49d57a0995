-- model: marts.label_verdict
-- grain: kpi, definition
-- depends: features.kpi_definition, validation.label_verdict
-- audits: not_null(kpi, definition); unique(kpi, definition)
-- Whether each KPI's verdict survives another definition of leaving.
select
  l.kpi,
  d.label,
  l.definition,
  l.outcome,
  l.primary_definition,
  l.primary_verdict,
  l.verdict,
  cast(l.n_churned as bigint) as n_churned,
  l.sentence
from validation.label_verdict as l
left join features.kpi_definition as d on d.id = l.kpi
order by l.kpi, l.definition
