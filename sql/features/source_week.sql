-- model: features.source_week
-- grain: source, week
-- depends: features.source_day
-- params: as_of
-- audits: unique(source, week); not_null(source, week, n_rows)
-- Per source and week (its Monday) the rows about that week that it delivered: every whole week from the first one with data
-- to as_of, weeks without rows included. It describes the data as they are known today, not as a snapshot knew them.
-- usual_rows: the median (of an even number the lower) of the eight weeks before, from four on. volume: high above twice the
-- usual and at least 20 rows more, low below half of it and at least 20 rows fewer, else usual. step: the first week of a run
-- of high (up) or low (down) weeks. Accounts, subscriptions and users begin in lumps: their weeks are counted, not judged.
with
  span as (
    select
      source,
      any_value(entity) as entity,
      cast(date_trunc('week', min(activity_date) + 6) as date) as first_week,
      cast(date_trunc('week', any_value(as_of)) as date) - 7 as last_week
    from features.source_day
    cross join meta.params
    group by source
  ),
  calendar as (
    select
      source,
      entity,
      cast(t.week as date) as week
    from span
    cross join generate_series(cast(first_week as timestamp), cast(last_week as timestamp), interval 7 day) as t (week)
  ),
  counted as (
    select
      source,
      cast(date_trunc('week', activity_date) as date) as week,
      cast(sum(n_rows) as bigint) as n_rows
    from features.source_day
    group by all
  ),
  filled as (
    select
      calendar.source,
      calendar.entity,
      calendar.week,
      coalesce(counted.n_rows, 0) as n_rows
    from calendar
    left join counted using (source, week)
  ),
  compared as (
    select
      *,
      case when count(*) over eight_before >= 4 then quantile_disc(n_rows, 0.5) over eight_before end as usual_rows
    from filled
    window
      eight_before as (partition by source order by week rows between 8 preceding and 1 preceding)
  ),
  judged as (
    select
      *,
      case
        when usual_rows is null or entity in ('account', 'subscription', 'user') then null
        when n_rows > 2 * usual_rows and n_rows >= usual_rows + 20 then 'high'
        when 2 * n_rows < usual_rows and n_rows <= usual_rows - 20 then 'low'
        else 'usual'
      end as volume
    from compared
  )
select
  source,
  entity,
  week,
  n_rows,
  usual_rows,
  volume,
  case
    when volume = lag(volume) over (partition by source order by week) then null
    when volume = 'high' then 'up'
    when volume = 'low' then 'down'
  end as step
from judged
order by source, week
