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
  select k.account_no, k.kpi, k.bin_10 + 1 as bin, k.value, k.y, r.expected
  from validation.kpi_placed as k
  inner join validation.definition as d on d.definition = k.definition and d.is_primary
  inner join stratum_rate as r on r.stratum = k.stratum
  union all
  select l.account_no, k.id as kpi, 0 as bin, cast(null as double) as value, l.y, r.expected
  from labelled as l
  cross join features.kpi_definition as k
  inner join stratum_rate as r on r.stratum = l.stratum
  where not exists (
    select 1
    from validation.kpi_placed as v
    where v.definition = l.definition and v.observation_no = l.observation_no and v.kpi = k.id
  )
),
by_account as (
  select
    kpi,
    bin,
    account_no,
    count(*) as m,
    sum(y) as e,
    steady_sum(value) as value_sum,
    exact_sum(expected) as expected_sum,
    min(value) as value_from,
    max(value) as value_to
  from valued
  group by kpi, bin, account_no
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
