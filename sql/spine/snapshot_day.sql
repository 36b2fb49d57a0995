-- model: spine.snapshot_day
-- grain: day
-- depends: spine.snapshot
-- audits: not_null(day, snapshot_date); unique(day)
-- Every day up to the last snapshot, with the first snapshot on or after it: what becomes visible on `day` is first seen by
-- that snapshot. Window sums move the ends of their intervals there by equality. The days before the first snapshot start
-- in 1970; earlier ones are looked up as that day.
with
  step as (
    select
      snapshot_date,
      coalesce(lag(snapshot_date) over (order by snapshot_date) + 1, least(snapshot_date, date '1970-01-01')) as first_day
    from spine.snapshot
  )
select
  cast(t.day as date) as day,
  snapshot_date
from step
cross join generate_series(cast(first_day as timestamp), cast(snapshot_date as timestamp), interval 1 day) as t (day)
order by day
