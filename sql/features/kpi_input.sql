-- model: features.kpi_input
-- grain: kpi
-- depends: features.kpi_definition, features.kpi_input_day, features.kpi_input_week
-- audits: unique(kpi); not_null(kpi, n_rows, n_days, n_days_without, n_steps)
-- One row a KPI: what its data look like as they are known today, over all accounts. first_on, last_on: the first and the last
-- day with a row that the KPI reads; null, and zeros, when there is none. n_days: days with rows; n_days_without: days between
-- first_on and last_on without any; longest_gap_days: the longest run of those, and gap_from its first day (the earliest of
-- equals). n_steps: weeks in which the volume steps up or down (features.kpi_input_week), last_step: the latest of them.
with
  gap as (
    select
      kpi,
      activity_date,
      n_rows,
      cast(activity_date - lag(activity_date) over (partition by kpi order by activity_date) - 1 as integer) as gap_days
    from features.kpi_input_day
  ),
  day as (
    select
      kpi,
      min(activity_date) as first_on,
      max(activity_date) as last_on,
      cast(sum(n_rows) as bigint) as n_rows,
      count(*) as n_days,
      coalesce(max(gap_days), 0) as longest_gap_days
    from gap
    group by kpi
  ),
  longest as (
    select
      gap.kpi,
      min(gap.activity_date - gap.gap_days) as gap_from
    from gap
    join day on day.kpi = gap.kpi and day.longest_gap_days = gap.gap_days
    where gap.gap_days > 0
    group by gap.kpi
  ),
  step as (
    select
      kpi,
      count(*) as n_steps,
      max(week) as last_step
    from features.kpi_input_week
    where step is not null
    group by kpi
  )
select
  definition.id as kpi,
  day.first_on,
  day.last_on,
  coalesce(day.n_rows, 0) as n_rows,
  coalesce(day.n_days, 0) as n_days,
  coalesce(day.last_on - day.first_on + 1 - day.n_days, 0) as n_days_without,
  coalesce(day.longest_gap_days, 0) as longest_gap_days,
  longest.gap_from,
  coalesce(step.n_steps, 0) as n_steps,
  step.last_step
from features.kpi_definition as definition
left join day on day.kpi = definition.id
left join longest on longest.kpi = definition.id
left join step on step.kpi = definition.id
order by definition.kpi_no
