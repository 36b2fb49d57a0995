-- model: marts.kpi_look
-- grain: kpi, look_on
-- depends: validation.kpi_look
-- params: min_cell, primary_definition
-- audits: not_null(kpi, look_on); unique(kpi, look_on)
-- What the verdict was, and would have been, at each of the last month starts: recomputed from what was known then. No estimate is
-- of fewer than min_cell leavers.
select
  l.kpi,
  l.look_on,
  l.rule,
  l.verdict,
  l.label as verdict_label,
  of_enough(l.auc, l.n_churned, p.min_cell) as auc,
  of_enough(l.auc_low, l.n_churned, p.min_cell) as auc_low,
  of_enough(l.auc_high, l.n_churned, p.min_cell) as auc_high,
  of_enough(l.q, l.n_churned, p.min_cell) as q,
  cast(l.n_churned as bigint) as n_churned
from validation.kpi_look as l
cross join meta.params as p
where l.definition = p.primary_definition
order by l.kpi, l.look_on
