-- model: validation.kpi_decile
-- grain: kpi, bin
-- depends: features.kpi_definition, validation.definition, validation.kpi_placed, validation.stratum
-- audits: unique(kpi, bin); not_null(kpi, bin)
-- Departures by value range for the primary definition, over labelled rows: bins 1 to 10 by quantiles (fewer where values
-- repeat), bin 0 for rows without a value. The interval is Wilson's with the effective number of rows, because an
-- account's rows move together. expected_rate is the mean outcome of the same strata.
with labelled as (
  select s.definition, s.observation_no, s.account_no, s.stratum, s.y
  from validation.stratum as s
  inner join validation.definition as d on d.definition = s.definition and d.is_primary
  where s.y is not null
),
stratum_rate as (
  select stratum, sum(y) / cast(count(*) as double) as expected from labelled group by stratum
),
valued as (
  select
    k.kpi_no,
    k.bin_10 + 1 as bin,
    k.account_no,
    count(*) as m,
    cast(sum(k.y) as bigint) as e,
    steady_sum(k.value) as value_sum,
    exact_sum(r.expected) as expected_sum,
    min(k.value) as value_from,
    max(k.value) as value_to
  from validation.kpi_placed as k
  inner join validation.definition as d on d.definition = k.definition and d.is_primary
  inner join stratum_rate as r on r.stratum = k.stratum
  group by k.kpi_no, k.bin_10, k.account_no
),
whole as (
  select l.account_no, count(*) as m, cast(sum(l.y) as bigint) as e, exact_sum(r.expected) as expected_sum
  from labelled as l
  inner join stratum_rate as r on r.stratum = l.stratum
  group by l.account_no
),
answered as (
  select kpi_no, account_no, sum(m) as m, sum(e) as e, exact_sum(expected_sum) as expected_sum
  from valued
  group by kpi_no, account_no
),
by_account as (
  select k.id as kpi, v.bin, v.account_no, v.m, v.e, v.value_sum, v.expected_sum, v.value_from, v.value_to
  from valued as v
  inner join features.kpi_definition as k on k.kpi_no = v.kpi_no
  union all
  -- Rows without a value: an account's rows less those with one.
  select
    k.id as kpi,
    0 as bin,
    w.account_no,
    cast(w.m - coalesce(a.m, 0) as bigint) as m,
    cast(w.e - coalesce(a.e, 0) as bigint) as e,
    cast(null as double) as value_sum,
    w.expected_sum - coalesce(a.expected_sum, 0e0) as expected_sum,
    cast(null as double) as value_from,
    cast(null as double) as value_to
  from whole as w
  cross join features.kpi_definition as k
  left join answered as a on a.kpi_no = k.kpi_no and a.account_no = w.account_no
  where w.m > coalesce(a.m, 0)
),
summed as (
  select
    kpi,
    bin,
    min(value_from) as value_from,
    max(value_to) as value_to,
    steady_sum(value_sum) / sum(m) as mean_value,
    cast(sum(m) as bigint) as n_rows,
    count(*) as n_accounts,
    count(case when e > 0 then 1 end) as n_churned,
    sum(e) / cast(sum(m) as double) as rate,
    exact_sum(expected_sum) / sum(m) as expected_rate,
    cast(sum(e * e) as double) as ee,
    cast(sum(e * m) as double) as em,
    cast(sum(m * m) as double) as mm
  from by_account
  group by kpi, bin
),
varied as (
  select
    *,
    n_accounts / (n_accounts - 1e0) * (ee - 2e0 * rate * em + rate * rate * mm) / (cast(n_rows as double) * n_rows) as variance
  from summed
),
effective as (
  select
    *,
    case when n_accounts > 1 and variance > 1e-15 then rate * (1e0 - rate) / variance else cast(n_accounts as double) end as n_eff
  from varied
)
select
  kpi,
  cast(bin as integer) as bin,
  twelve_digits(value_from) as value_from,
  twelve_digits(value_to) as value_to,
  twelve_digits(mean_value) as mean_value,
  n_rows,
  n_accounts,
  n_churned,
  twelve_digits(rate) as rate,
  twelve_digits(wilson_low(rate, n_eff)) as rate_low,
  twelve_digits(wilson_high(rate, n_eff)) as rate_high,
  twelve_digits(expected_rate) as expected_rate
from effective
