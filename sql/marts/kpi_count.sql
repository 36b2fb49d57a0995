-- model: marts.kpi_count
-- grain: k
-- depends: validation.kpi_count_curve
-- params: min_cell
-- audits: not_null(k); unique(k)
-- Scores of 1 to 10 KPIs, added one by one: how well each ranked later account-months, and how far it spreads accounts (1: all
-- apart). Row 0 is the baseline and carries the finding in words.
select
  cast(k as integer) as k,
  added,
  is_candidate,
  is_suggested,
  of_enough(auc, n_churned, p.min_cell) as auc,
  of_enough(auc_low, n_churned, p.min_cell) as auc_low,
  of_enough(auc_high, n_churned, p.min_cell) as auc_high,
  of_enough(spread, n_churned, p.min_cell) as spread,
  cast(n_rows as bigint) as n_rows,
  cast(n_churned as bigint) as n_churned,
  tested_from,
  tested_to,
  cast(n_equivalent as integer) as n_equivalent,
  sentence
from validation.kpi_count_curve
cross join meta.params as p
order by k
