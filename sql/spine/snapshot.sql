-- model: spine.snapshot
-- grain: snapshot_date
-- depends: spine.account_period, spine.first_use
-- params: as_of, window_days, score_every, validate_every
-- audits: not_null(snapshot_date, is_scored, is_validated); unique(snapshot_date)
-- The calendar, the same for every account: Mondays for `week`, firsts of the month for `month`, and as_of, which is
-- always scored. It starts when a whole window of usage can be known; days of use before anybody paid do not count,
-- and a book without usage starts a window after its first paid period.
with
  data_start as (
    select
      coalesce(
        greatest((select min(first_used_on) from spine.first_use), (select min(started_on) from spine.account_period)),
        as_of
      ) as started_on
    from meta.params
  ),
  calendar as (
    select
      cast(day as date) as snapshot_date,
      as_of,
      isodow(day) = 1 as is_week,
      day(day) = 1 as is_month,
      score_every,
      validate_every
    from meta.params
    cross join data_start
    cross join generate_series(
      cast(least(data_start.started_on + window_days, as_of) as timestamp),
      cast(as_of as timestamp),
      interval 1 day
    ) as t (day)
  ),
  marked as (
    select
      snapshot_date,
      snapshot_date = as_of or case when score_every = 'month' then is_month else is_week end as is_scored,
      case when validate_every = 'week' then is_week else is_month end as is_validated
    from calendar
  )
select snapshot_date, is_scored, is_validated
from marked
where is_scored or is_validated
order by snapshot_date
