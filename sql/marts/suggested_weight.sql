-- model: marts.suggested_weight
-- grain: scorecard, version, kpi
-- depends: features.kpi_definition, validation.suggested_weight
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
  w.difference_to_equal,
  w.difference_to_equal_low,
  w.difference_to_equal_high,
  w.difference_to_current,
  w.difference_to_current_low,
  w.difference_to_current_high,
  cast(w.n_churned as bigint) as n_churned,
  w.tested_from,
  w.tested_to,
  w.sentence
from validation.suggested_weight as w
left join features.kpi_definition as d on d.id = w.kpi
order by w.scorecard, version, suggested desc nulls last, w.kpi
