-- model: marts.kpi_range
-- grain: kpi, range_no
-- depends: marts.kpi_bin, validation.kpi_decile
-- params: min_cell
-- audits: not_null(kpi, range_no, n_accounts, is_missing); unique(kpi, range_no)
-- What followed each range of a KPI's value (ranges of marts.kpi_bin). The accounts of the larger part stand for a merged
-- one, and its interval counts them as one row each. No bound is one account's value: the ends are open, bounds between ranges are whole numbers that
-- follow each other or the middle of the gap to two digits, and only a range of one value names it. Rows without a
-- value stand apart (left out under min_cell accounts: they have no neighbour).
with placed as (
  select d.*, b.range_no
  from validation.kpi_decile as d
  inner join marts.kpi_bin as b on b.kpi = d.kpi and b.bin = d.bin
),
merged as (
  select
    kpi,
    range_no,
    count(*) as n_bins,
    min(value_from) as value_from,
    max(value_to) as value_to,
    exact_sum(mean_value * n_rows) / sum(n_rows) as mean_value,
    sum(n_rows) as n_rows,
    max(n_accounts) as n_accounts,
    max(n_churned) as n_churned,
    exact_sum(rate * n_rows) / sum(n_rows) as rate,
    max(rate_low) as rate_low,
    max(rate_high) as rate_high,
    exact_sum(expected_rate * n_rows) / sum(n_rows) as expected_rate
  from placed
  group by kpi, range_no
),
beside as (
  select
    *,
    lag(value_to) over (partition by kpi order by range_no) as below,
    lead(value_from) over (partition by kpi order by range_no) as above
  from merged
),
bounded as (
  select
    *,
    case
      when value_from = value_to then value_from
      when below is null then null
      when value_from = round(value_from) and value_from - below = 1 then value_from
      else two_digits((below + value_from) / 2e0)
    end as shown_from,
    case
      when value_from = value_to then value_to
      when above is null then null
      when value_to = round(value_to) and above - value_to = 1 then value_to
      else two_digits((value_to + above) / 2e0)
    end as shown_to
  from beside
)
select
  b.kpi,
  cast(b.range_no as integer) as range_no,
  false as is_missing,
  b.shown_from as value_from,
  b.shown_to as value_to,
  twelve_digits(b.mean_value) as mean_value,
  cast(b.n_rows as bigint) as n_rows,
  cast(b.n_accounts as bigint) as n_accounts,
  cast(b.n_churned as bigint) as n_churned,
  twelve_digits(b.rate) as rate,
  twelve_digits(case when b.n_bins = 1 then b.rate_low else wilson_low(b.rate, b.n_accounts) end) as rate_low,
  twelve_digits(case when b.n_bins = 1 then b.rate_high else wilson_high(b.rate, b.n_accounts) end) as rate_high,
  twelve_digits(b.expected_rate) as expected_rate
from bounded as b
cross join meta.params as p
where b.n_accounts >= p.min_cell
union all
select
  d.kpi,
  0 as range_no,
  true as is_missing,
  cast(null as double) as value_from,
  cast(null as double) as value_to,
  cast(null as double) as mean_value,
  d.n_rows,
  d.n_accounts,
  d.n_churned,
  d.rate,
  d.rate_low,
  d.rate_high,
  d.expected_rate
from validation.kpi_decile as d
cross join meta.params as p
where d.bin = 0 and d.n_accounts >= p.min_cell
order by kpi, range_no
