-- model: marts.kpi_range
-- grain: kpi, range_no
-- depends: validation.kpi_decile
-- params: min_cell
-- audits: not_null(kpi, range_no, n_accounts, is_missing); unique(kpi, range_no)
-- What followed each range of a KPI's value. A range with fewer than min_cell accounts is merged with the ranges above it
-- (the last one with those below); the accounts of the larger part stand for the merged one, and its interval counts
-- them as one row each. No bound is one account's value: the ends are open, bounds between ranges are whole numbers that
-- follow each other or the middle of the gap to two digits, and only a range of one value names it. Rows without a
-- value stand apart (left out under min_cell accounts: they have no neighbour).
with recursive numbered as (
  select *, row_number() over (partition by kpi order by bin) as i
  from validation.kpi_decile
  where bin > 0
),
walk as (
  select n.kpi, n.i, n.n_accounts, 1 as group_no, n.n_accounts as most
  from numbered as n
  where n.i = 1
  union all
  select
    n.kpi,
    n.i,
    n.n_accounts,
    case when w.most >= p.min_cell then w.group_no + 1 else w.group_no end as group_no,
    case when w.most >= p.min_cell then n.n_accounts else greatest(w.most, n.n_accounts) end as most
  from walk as w
  inner join numbered as n on n.kpi = w.kpi and n.i = w.i + 1
  cross join meta.params as p
),
sizes as (
  select kpi, group_no, max(n_accounts) as most, max(max(group_no)) over (partition by kpi) as last_group
  from walk
  group by kpi, group_no
),
placed as (
  select
    n.*,
    case when s.most < p.min_cell and s.group_no = s.last_group and s.group_no > 1 then s.group_no - 1 else s.group_no end as range_no
  from walk as w
  inner join numbered as n on n.kpi = w.kpi and n.i = w.i
  inner join sizes as s on s.kpi = w.kpi and s.group_no = w.group_no
  cross join meta.params as p
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
