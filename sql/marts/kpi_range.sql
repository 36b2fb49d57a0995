-- model: marts.kpi_range
-- grain: kpi, bin
-- depends: validation.kpi_decile
-- params: min_cell
-- audits: not_null(kpi, bin, n_accounts)
select
  d.kpi,
  cast(d.bin as integer) as bin,
  d.value_from,
  d.value_to,
  d.mean_value,
  cast(d.n_rows as bigint) as n_rows,
  cast(d.n_accounts as bigint) as n_accounts,
  cast(d.n_churned as bigint) as n_churned,
  d.rate,
  d.rate_low,
  d.rate_high,
  d.expected_rate
from validation.kpi_decile as d
cross join meta.params as p
where d.n_accounts >= p.min_cell
order by d.kpi, d.bin
