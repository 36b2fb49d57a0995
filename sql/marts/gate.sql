-- model: marts.gate
-- grain: gate_no
-- depends: features.kpi_definition, validation.gate_finding
-- params: min_cell
-- audits: not_null(gate_no, kpi, state); unique(gate_no)
-- One-metric gates that the earlier history proposed, and what the held-out one says of them. The threshold is a whole number
-- below 100 or has two digits, so that it is no account's value; a gate with fewer than min_cell accounts on its side is left out.
select
  cast(g.gate_no as integer) as gate_no,
  g.kpi,
  d.label,
  d.unit,
  g.side,
  case when g.threshold = round(g.threshold) and abs(g.threshold) < 100 then g.threshold else two_digits(g.threshold) end as threshold,
  g.state,
  g.held_from,
  g.held_to,
  cast(g.n_rows as bigint) as n_rows,
  cast(g.n_accounts as bigint) as n_accounts,
  cast(g.n_churned as bigint) as n_churned,
  cast(g.n_failing as bigint) as n_failing,
  cast(g.n_churned_failing as bigint) as n_churned_failing,
  g.rate_failing,
  g.rate_failing_low,
  g.rate_failing_high,
  g.rate_passing,
  g.rate_passing_low,
  g.rate_passing_high,
  g.lift,
  g.p_holm
from validation.gate_finding as g
inner join features.kpi_definition as d on d.id = g.kpi
cross join meta.params as p
where g.n_failing is null or (g.n_failing >= p.min_cell and g.n_accounts - g.n_failing >= p.min_cell)
order by g.gate_no
