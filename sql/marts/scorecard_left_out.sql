-- model: marts.scorecard_left_out
-- grain: scorecard, version, kpi
-- depends: features.kpi_definition, validation.leave_one_out
-- params: min_cell
-- audits: not_null(scorecard, version, kpi); unique(scorecard, version, kpi)
-- What each KPI does for an assigned scorecard: the score beside itself without it, over the accounts that it applies to. How many stand in
-- another band at the newest snapshot and by how many points scores move; how well both rank leavers (period: on readings from
-- after the card was made, or all, where those are too few), with a 95 % interval of the difference, without less with: below 0
-- the KPI helps. Nothing is said of fewer than min_cell accounts.
select
  l.scorecard,
  cast(l.version as integer) as version,
  l.kpi,
  coalesce(d.label, l.kpi) as label,
  cast(l.n_accounts as bigint) as n_accounts,
  cast(l.n_moved as bigint) as n_moved,
  l.mean_change,
  l.period,
  cast(l.n_churned as bigint) as n_churned,
  cast(l.n_staying as bigint) as n_staying,
  of_enough(l.auc_with, least(l.n_churned, l.n_staying), p.min_cell) as auc_with,
  of_enough(l.auc_without, least(l.n_churned, l.n_staying), p.min_cell) as auc_without,
  of_enough(l.difference, least(l.n_churned, l.n_staying), p.min_cell) as difference,
  of_enough(l.difference_low, least(l.n_churned, l.n_staying), p.min_cell) as difference_low,
  of_enough(l.difference_high, least(l.n_churned, l.n_staying), p.min_cell) as difference_high
from validation.leave_one_out as l
cross join meta.params as p
left join features.kpi_definition as d on d.id = l.kpi
where l.n_accounts >= p.min_cell
order by l.scorecard, version, l.kpi
