with counted as (
  select
    definition, subject, statistic, stratum, value,
    cast(sum(y) as double) as n_events,
    cast(sum(1 - y) as double) as n_others
  from validation.kpi_observed
  group by definition, subject, statistic, stratum, value
),
ranked as (
  select
    *,
    sum(n_events) over (partition by definition, subject, statistic, stratum) as stratum_events,
    sum(n_others) over (partition by definition, subject, statistic, stratum) as stratum_others,
    coalesce(sum(n_events) over below, 0e0) as events_below,
    coalesce(sum(n_others) over below, 0e0) as others_below
  from counted
  window below as (
    partition by definition, subject, statistic, stratum order by value rows between unbounded preceding and 1 preceding
  )
)
select
  definition, subject, statistic, stratum, value, n_events, n_others, stratum_events, stratum_others, events_below,
  others_below
from ranked
where stratum_events > 0 and stratum_others > 0
