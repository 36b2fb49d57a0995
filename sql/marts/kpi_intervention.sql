-- model: marts.kpi_intervention
-- grain: kpi
-- depends: validation.kpi_intervention
-- params: min_cell
-- audits: not_null(kpi); unique(kpi)
-- Each KPI with all account-months and without those in which somebody stepped in; none in a book without plays.
select
  i.kpi,
  of_enough(i.auc_with, i.n_churned_with, p.min_cell) as auc_with,
  of_enough(i.auc_with_low, i.n_churned_with, p.min_cell) as auc_with_low,
  of_enough(i.auc_with_high, i.n_churned_with, p.min_cell) as auc_with_high,
  cast(i.n_accounts_with as bigint) as n_accounts_with,
  cast(i.n_churned_with as bigint) as n_churned_with,
  of_enough(i.auc_without, i.n_churned_without, p.min_cell) as auc_without,
  of_enough(i.auc_without_low, i.n_churned_without, p.min_cell) as auc_without_low,
  of_enough(i.auc_without_high, i.n_churned_without, p.min_cell) as auc_without_high,
  cast(i.n_accounts_without as bigint) as n_accounts_without,
  cast(i.n_churned_without as bigint) as n_churned_without,
  cast(i.n_rows as bigint) as n_rows,
  cast(i.n_played as bigint) as n_played,
  i.play_rate_riskiest_fifth,
  i.play_rate_rest,
  i.is_contaminated
from validation.kpi_intervention as i
cross join meta.params as p
where i.n_accounts_with >= p.min_cell and i.n_accounts_without >= p.min_cell
order by i.kpi
