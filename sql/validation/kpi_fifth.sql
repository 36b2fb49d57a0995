-- model: validation.kpi_fifth
-- grain: definition, kpi
-- depends: validation.kpi_bin, validation.kpi_placed, validation.kpi_stratum, validation.kpi_unanswered, validation.stratum
-- Departures in the lowest fifth of values, between, and in the highest: observed over expected, times the overall rate.
-- And the same for rows without an answer against those with one. Expected is the mean outcome of the same strata over
-- the rows compared, so that the parts average to their overall rate even where a missing value goes with leaving. Where
-- over four fifths share the highest value there is one bin: then high is that value, and low is all below. A part
-- without rows or without any expected departure has no rate.
with highest_bin as (
  select definition, kpi_no, max(bin_5) as highest, count(*) > 1 as varies from validation.kpi_bin group by definition, kpi_no
),
valued as (
  select
    k.definition,
    k.kpi,
    k.kpi_no,
    k.n_rows,
    k.n_events,
    sum(k.n_events) over whole / cast(sum(k.n_rows) over whole as double) as stratum_rate,
    case
      when h.highest = 0 and k.is_highest and h.varies then 'high'
      when k.bin_5 = 0 then 'low'
      when k.bin_5 = h.highest then 'high'
      else 'middle'
    end as fifth
  from validation.kpi_stratum as k
  inner join highest_bin as h on h.definition = k.definition and h.kpi_no = k.kpi_no
  window whole as (partition by k.definition, k.kpi_no, k.stratum)
),
summed as (
  select
    definition,
    any_value(kpi) as kpi,
    sum(n_events) / cast(sum(n_rows) as double) as rate,
    sum(case when fifth = 'low' then n_events end)
      / nullif(exact_sum(case when fifth = 'low' then n_rows * stratum_rate end), 0e0) as low,
    sum(case when fifth = 'middle' then n_events end)
      / nullif(exact_sum(case when fifth = 'middle' then n_rows * stratum_rate end), 0e0) as middle,
    sum(case when fifth = 'high' then n_events end)
      / nullif(exact_sum(case when fifth = 'high' then n_rows * stratum_rate end), 0e0) as high
  from valued
  group by definition, kpi_no
),
asked as (
  select s.definition, u.kpi, true as is_missing, s.stratum, s.y
  from validation.stratum as s
  inner join validation.kpi_unanswered as u on u.observation_no = s.observation_no
  where s.y is not null
  union all
  select definition, kpi, false, stratum, y
  from validation.kpi_placed
  where kpi in (select kpi from validation.kpi_unanswered)
),
answered as (
  select definition, kpi, is_missing, y, avg(y) over (partition by definition, kpi, stratum) as expected from asked
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
  twelve_digits(held_between(s.low * s.rate, 0e0, 1e0)) as rate_low_fifth,
  twelve_digits(held_between(s.middle * s.rate, 0e0, 1e0)) as rate_middle,
  twelve_digits(held_between(s.high * s.rate, 0e0, 1e0)) as rate_high_fifth,
  twelve_digits(held_between(c.without * c.rate, 0e0, 1e0)) as rate_unanswered,
  twelve_digits(held_between(c.with_value * c.rate, 0e0, 1e0)) as rate_answered
from summed as s
left join compared as c on c.definition = s.definition and c.kpi = s.kpi
