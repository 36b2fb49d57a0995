-- model: marts.suggested_weight
-- grain: scorecard, version, kpi
-- depends: features.kpi_definition, validation.suggested_weight
-- params: min_cell
-- audits: not_null(kpi)
-- What history would weigh: suggested, equal and current points of 100, and the paired difference of the three scores out of
-- time. scorecard is null where no card is in force.
select
  w.scorecard,
  cast(w.version as integer) as version,
  w.kpi,
  d.label,
  cast(w.suggested as double) as suggested,
  w.equal,
  w.current,
  of_enough(w.difference_to_equal, w.n_churned, p.min_cell) as difference_to_equal,
  of_enough(w.difference_to_equal_low, w.n_churned, p.min_cell) as difference_to_equal_low,
  of_enough(w.difference_to_equal_high, w.n_churned, p.min_cell) as difference_to_equal_high,
  of_enough(w.difference_to_current, w.n_churned, p.min_cell) as difference_to_current,
  of_enough(w.difference_to_current_low, w.n_churned, p.min_cell) as difference_to_current_low,
  of_enough(w.difference_to_current_high, w.n_churned, p.min_cell) as difference_to_current_high,
  cast(w.n_churned as bigint) as n_churned,
  w.tested_from,
  w.tested_to,
  w.sentence
from validation.suggested_weight as w
cross join meta.params as p
left join features.kpi_definition as d on d.id = w.kpi
order by w.scorecard, version, suggested desc nulls last, w.kpi
