-- model: spine.snapshot_day
-- grain: day
-- depends: spine.snapshot
-- audits: not_null(day, snapshot_date, word_no, snapshot_bit); unique(day)
-- Every day up to the last snapshot, with the first snapshot on or after it: what becomes visible on `day` is first seen by
-- that snapshot. Window sums move the ends of their intervals there by equality. The days before the first snapshot start
-- in 1970; earlier ones are looked up as that day. Sets of snapshots are kept as bits: the n-th snapshot is snapshot_bit of the bigint word_no,
-- sixty to a word.
with
  step as (
    select
      snapshot_date,
      row_number() over (order by snapshot_date) - 1 as snapshot_no,
      coalesce(lag(snapshot_date) over (order by snapshot_date) + 1, least(snapshot_date, date '1970-01-01')) as first_day
    from spine.snapshot
  )
select
  cast(t.day as date) as day,
  snapshot_date,
  cast(snapshot_no // 60 as integer) as word_no,
  cast(1 as bigint) << (snapshot_no % 60) as snapshot_bit
from step
cross join generate_series(cast(first_day as timestamp), cast(snapshot_date as timestamp), interval 1 day) as t (day)
order by day
