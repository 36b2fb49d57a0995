-- model: validation.kpi_fifth
-- grain: definition, kpi
-- depends: validation.kpi_bin, validation.kpi_unanswered, validation.kpi_value, validation.stratum
-- Departures in the lowest fifth of values, between, and in the highest: observed over expected (the mean outcome of the
-- same strata), times the overall rate. And the same for rows without an answer.
with stratum_rate as (
  select definition, stratum, sum(y) / cast(count(*) as double) as expected
  from validation.stratum
  where y is not null
  group by definition, stratum
),
valued as (
  select
    s.definition,
    v.kpi,
    s.y,
    r.expected,
    case
      when b.bin_5 = 0 then 'low'
      when b.bin_5 = max(b.bin_5) over (partition by s.definition, v.kpi) then 'high'
      else 'middle'
    end as fifth
  from validation.stratum as s
  inner join validation.kpi_value as v on v.observation_no = s.observation_no
  inner join validation.kpi_bin as b on b.definition = s.definition and b.kpi = v.kpi and b.value = v.value
  inner join stratum_rate as r on r.definition = s.definition and r.stratum = s.stratum
  where s.y is not null
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
  select s.definition, v.kpi, false, s.y, r.expected
  from validation.stratum as s
  inner join validation.kpi_value as v on v.observation_no = s.observation_no
  inner join stratum_rate as r on r.definition = s.definition and r.stratum = s.stratum
  where s.y is not null and v.kpi in (select kpi from validation.kpi_unanswered)
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
