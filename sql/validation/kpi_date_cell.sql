-- model: validation.kpi_date_cell
-- grain: kpi_no, day, value
-- depends: validation.kpi_value, validation.ranked_row
-- As validation.kpi_cell for the crude ranking: all rows of a snapshot date in one stratum, whatever the account is like.
with counted as (
  select
    v.kpi_no,
    r.day,
    v.value,
    cast(sum(r.crude_y) as integer) as events,
    cast(sum(1 - r.crude_y) as integer) as others
  from validation.ranked_row as r
  inner join validation.kpi_value as v on v.observation_no = r.observation_no
  where r.crude_y is not null
  group by v.kpi_no, r.day, v.value
),
ranked as (
  select
    *,
    sum(events) over whole as all_events,
    sum(others) over whole as all_others,
    sum(events) over upto as events_upto,
    sum(others) over upto as others_upto
  from counted
  window
    whole as (partition by kpi_no, day),
    upto as (partition by kpi_no, day order by value rows between unbounded preceding and current row)
)
select
  kpi_no,
  day,
  value,
  others as tied,
  cast(all_events as integer) as all_events,
  cast(all_others as integer) as all_others,
  cast(2 * others_upto - others as integer) as event_won,
  cast(2 * (all_events - events_upto) + events as integer) as other_won
from ranked
where all_events > 0 and all_others > 0
