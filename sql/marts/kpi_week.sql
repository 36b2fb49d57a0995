-- model: marts.kpi_week
-- grain: kpi, week
-- depends: features.kpi_input_week, features.kpi_week
-- params: min_cell
-- audits: not_null(kpi, week, coverage); unique(kpi, week)
-- Share of accounts that have a value of the KPI, and of those that have zero, at each weekly snapshot; steps in the rows that
-- feed it. Weeks with fewer than min_cell accounts are left out.
select
  w.kpi,
  w.week,
  cast(w.n_accounts as bigint) as n_accounts,
  w.coverage,
  case when w.n_values >= p.min_cell then w.share_zero end as share_zero,
  cast(i.n_rows as bigint) as n_input_rows,
  i.step
from features.kpi_week as w
cross join meta.params as p
left join features.kpi_input_week as i on i.kpi = w.kpi and i.week = w.week
where w.n_accounts >= p.min_cell
order by w.kpi, w.week
