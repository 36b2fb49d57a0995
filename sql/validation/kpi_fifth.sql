-- model: validation.kpi_fifth
-- grain: definition, kpi
-- depends: validation.kpi_placed, validation.kpi_unanswered, validation.stratum
-- Departures in the lowest fifth of values, between, and in the highest: observed over expected (the mean outcome of the
-- same strata), times the overall rate. And the same for rows without an answer.
with stratum_rate as (
  select definition, stratum, sum(y) / cast(count(*) as double) as expected
  from validation.stratum
  where y is not null
  group by definition, stratum
),
highest_bin as (
  select definition, kpi, max(bin_5) as highest from validation.kpi_placed group by definition, kpi
),
valued as (
  select
    k.definition,
    k.kpi,
    k.y,
    r.expected,
    case when k.bin_5 = 0 then 'low' when k.bin_5 = h.highest then 'high' else 'middle' end as fifth
  from validation.kpi_placed as k
  inner join highest_bin as h on h.definition = k.definition and h.kpi = k.kpi
  inner join stratum_rate as r on r.definition = k.definition and r.stratum = k.stratum
),
summed as (
  select
    definition,
    kpi,
    sum(y) / cast(count(*) as double) as rate,
    sum(case when fifth = 'low' then y end) / nullif(exact_sum(case when fifth = 'low' then expected end), 0e0) as low,
    sum(case when fifth = 'middle' then y end)
      / nullif(exact_sum(case when fifth = 'middle' then expected end), 0e0) as middle,
    sum(case when fifth = 'high' then y end) / nullif(exact_sum(case when fifth = 'high' then expected end), 0e0) as high
  from valued
  group by definition, kpi
),
answered as (
  select
    s.definition, u.kpi, true as is_missing, s.y, r.expected
  from validation.stratum as s
  inner join validation.kpi_unanswered as u on u.observation_no = s.observation_no
  inner join stratum_rate as r on r.definition = s.definition and r.stratum = s.stratum
  where s.y is not null
  union all
  select k.definition, k.kpi, false, k.y, r.expected
  from validation.kpi_placed as k
  inner join stratum_rate as r on r.definition = k.definition and r.stratum = k.stratum
  where k.kpi in (select kpi from validation.kpi_unanswered)
),
compared as (
  select
    definition,
    kpi,
    sum(y) / cast(count(*) as double) as rate,
    sum(case when is_missing then y end) / nullif(exact_sum(case when is_missing then expected end), 0e0) as without,
    sum(case when not is_missing then y end) / nullif(exact_sum(case when not is_missing then expected end), 0e0) as with_value
  from answered
  group by definition, kpi
)
select
  s.definition,
  s.kpi,
  twelve_digits(s.rate) as rate,
  twelve_digits(least(1e0, s.low * s.rate)) as rate_low_fifth,
  twelve_digits(case when s.middle is not null then least(1e0, s.middle * s.rate) end) as rate_middle,
  twelve_digits(least(1e0, s.high * s.rate)) as rate_high_fifth,
  twelve_digits(case when c.without is not null then least(1e0, c.without * c.rate) end) as rate_unanswered,
  twelve_digits(case when c.with_value is not null then least(1e0, c.with_value * c.rate) end) as rate_answered
from summed as s
left join compared as c on c.definition = s.definition and c.kpi = s.kpi
