-- model: validation.kpi_cell
-- grain: series_no, place, value
-- depends: validation.kpi_series, validation.ranked_row
-- Events and others per value and prognostic stratum with those below: one ranking for the early and the late outcome, which
-- share the order of values. Twice the pairs that a row wins (a tie counts 1): an event's over the others of its stratum, another
-- row's under the events. Strata without both classes win nothing and are left out.
with counted as (
  select
    v.series_no,
    r.place,
    v.value,
    cast(count(case when r.y = 1 then 1 end) as integer) as events,
    cast(count(case when r.y = 0 then 1 end) as integer) as others,
    cast(count(case when r.late_y = 1 then 1 end) as integer) as late_events,
    cast(count(case when r.late_y = 0 then 1 end) as integer) as late_others
  from validation.ranked_row as r
  inner join validation.kpi_series as v on v.observation_no = r.observation_no
  where r.y is not null or r.late_y is not null
  group by v.series_no, r.place, v.value
),
ranked as (
  select
    *,
    sum(events) over whole as all_events,
    sum(others) over whole as all_others,
    sum(late_events) over whole as all_late_events,
    sum(late_others) over whole as all_late_others,
    sum(events) over upto as events_upto,
    sum(others) over upto as others_upto,
    sum(late_events) over upto as late_events_upto,
    sum(late_others) over upto as late_others_upto
  from counted
  window
    whole as (partition by series_no, place),
    upto as (partition by series_no, place order by value rows between unbounded preceding and current row)
)
select
  series_no,
  place,
  value,
  others as tied,
  cast(all_events as integer) as all_events,
  cast(all_others as integer) as all_others,
  cast(2 * others_upto - others as integer) as event_won,
  cast(2 * (all_events - events_upto) + events as integer) as other_won,
  late_others as late_tied,
  cast(all_late_events as integer) as all_late_events,
  cast(all_late_others as integer) as all_late_others,
  cast(2 * late_others_upto - late_others as integer) as late_event_won,
  cast(2 * (all_late_events - late_events_upto) + late_events as integer) as late_other_won
from ranked
where (all_events > 0 and all_others > 0) or (all_late_events > 0 and all_late_others > 0)
