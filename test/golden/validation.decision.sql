with evidence as (
select
  'cancel' as definition,
  account_id,
  cast(null as date) as period_started_on,
  cast(occurred_on as date) as decided_on,
  case when bool_and(is_voluntary is false) then 'other_exit' else 'event' end as kind,
  cast(occurred_on as date) + 1 as undone_on
from staging.churn_event
where account_id is not null and superseded_on is null and coalesce(is_reactivation, false) = false
group by account_id, cast(occurred_on as date)
union all
select
  'ends' as definition,
  account_id,
  started_on as period_started_on,
  coalesce(least(notice_on, ended_on), notice_on, ended_on) as decided_on,
  case when notice_on is not null and (ended_on is null or notice_on <= ended_on) then 'notice' else 'end' end as kind,
  lead(started_on) over (partition by account_id order by started_on) as undone_on
from spine.account_period
union all
select
  'silent' as definition,
  account_id,
  cast(null as date) as period_started_on,
  activity_date + 1 as decided_on,
  'inactivity' as kind,
  next_on as undone_on
from (
  select account_id, activity_date, lead(activity_date) over (partition by account_id order by activity_date) as next_on
  from (select distinct account_id, activity_date from rollup.account_day where account_id is not null) as day
) as active
cross join meta.params as p
where date_diff('day', activity_date, coalesce(next_on, p.as_of)) > 60
)
select e.definition, e.account_id, e.period_started_on, e.decided_on, e.kind, e.undone_on
from evidence as e
cross join meta.params as p
where e.decided_on < p.as_of
