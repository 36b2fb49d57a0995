-- model: validation.data_check
-- grain: check
-- depends: raw.usage_event, spine.account_period, staging.account, staging.account_identity, staging.churn_event,
--   staging.engagement, staging.source_arrival, staging.source_repeat, staging.subscription, staging.survey_response,
--   staging.ticket
-- params: as_of, currency
-- Oddities of the exports, counted and never mended: rows as delivered, repeats included. Usage is counted per day first,
-- so that its volume is read once.
with usage_day as (
  select
    _source as source,
    _via as via,
    account_id as ref,
    cast(event_time as date) as activity_date,
    count(*) as n_rows,
    count(case when known_at < event_time then 1 end) as n_known_before
  from raw.usage_event
  group by _source, _via, account_id, cast(event_time as date)
),
usage_of_account as (
  select
    u.*,
    case when u.via is null then u.ref else i.account_id end as account_id
  from usage_day as u
  left join staging.account_identity as i
    on i.via = u.via and i.ref = u.ref and (i.source is null or i.source = u.source)
    and u.activity_date >= i.from_on and u.activity_date < i.to_on
),
usage_late as (
  select
    _source as source,
    _via as via,
    account_id as ref,
    cast(event_time as date) as activity_date,
    cast(known_at as date) as known_on,
    count(*) as n_rows
  from raw.usage_event
  where known_at >= event_time + interval 7 day
  group by _source, _via, account_id, cast(event_time as date), cast(known_at as date)
),
decided as (
  select account_id, coalesce(least(notice_on, ended_on), notice_on, ended_on) as decided_on
  from spine.account_period
  where notice_on is not null or ended_on is not null
),
usage_of_leaver as (
  -- Late rows of accounts that left, and which of them arrived in the week of the decision: arrivals do not wait for that,
  -- but rows that are touched when an account is closed have its day as their last change.
  select
    d.account_id,
    u.n_rows,
    u.known_on >= d.decided_on and u.known_on < d.decided_on + 7 as is_touched
  from usage_late as u
  left join staging.account_identity as i
    on i.via = u.via and i.ref = u.ref and (i.source is null or i.source = u.source)
    and u.activity_date >= i.from_on and u.activity_date < i.to_on
  inner join decided as d
    on d.account_id = case when u.via is null then u.ref else i.account_id end and u.activity_date < d.decided_on
),
touched as (
  select coalesce(sum(case when is_touched then n_rows end) * 2 >= greatest(sum(n_rows), 40), false) as is_habit
  from usage_of_leaver
),
sign_up as (
  select account_id, min(created_at) as created_at
  from staging.account
  where account_id is not null and created_at is not null
  group by account_id
),
contract as (
  select source, subscription_id, min(started_on) as started_on
  from staging.subscription
  where subscription_id is not null
  group by source, subscription_id
),
account_end as (
  select account_id, case when bool_and(ended_on is not null) then max(ended_on) end as left_on
  from spine.account_period
  group by account_id
),
known_account as (
  select account_id from staging.account where account_id is not null
  union
  select account_id from staging.subscription where account_id is not null
),
ticket_day as (
  select distinct cast(t.opened_at as date) as opened_on
  from staging.ticket as t
  cross join meta.params as p
  where t.superseded_on is null and cast(t.opened_at as date) < p.as_of
),
ticket_gap as (
  -- Where tickets come on four days of five, a week without any is no quiet week.
  select
    opened_on + 1 as gap_from,
    lead(opened_on) over (order by opened_on) - opened_on - 1 as n_days,
    count(*) over () >= 0.8 * (max(opened_on) over () - min(opened_on) over () + 1) as is_steady
  from ticket_day
),
found as (
  select 'usage_before_subscription' as id, u.ref as example, u.n_rows as n
  from usage_day as u
  inner join contract as c on c.source = u.via and c.subscription_id = u.ref
  where u.activity_date < c.started_on
  union all
  select 'usage_before_sign_up', u.account_id, u.n_rows
  from usage_of_account as u
  inner join sign_up as s on s.account_id = u.account_id
  where u.activity_date < cast(s.created_at as date)
  union all
  select 'usage_after_leaving', u.account_id, u.n_rows
  from usage_of_account as u
  inner join account_end as e on e.account_id = u.account_id
  where u.activity_date >= e.left_on
  union all
  select 'usage_known_before_it_happened', u.ref, u.n_known_before
  from usage_day as u
  where u.n_known_before > 0
  union all
  select 'usage_known_when_the_account_left', l.account_id, l.n_rows
  from usage_of_leaver as l
  cross join touched as t
  where l.is_touched and t.is_habit
  union all
  select 'usage_without_account', u.ref, u.n_rows
  from usage_of_account as u
  where u.account_id is null or u.account_id not in (select account_id from known_account)
  union all
  select 'usage_in_the_future', u.ref, u.n_rows
  from usage_day as u
  cross join meta.params as p
  where u.activity_date >= p.as_of
  union all
  select 'usage_ids_with_other_content', r.source, r.n_corrections
  from staging.source_repeat as r
  inner join staging.source_arrival as a on a.source = r.source and a.entity = 'usage_event'
  where r.n_corrections > 0
  union all
  select 'repeated_rows', r.source, r.n_repeats
  from staging.source_repeat as r
  where r.n_repeats > 0
  union all
  select 'tickets_before_sign_up', t.account_id, 1
  from staging.ticket as t
  inner join sign_up as s on s.account_id = t.account_id
  where t.superseded_on is null and t.opened_at < s.created_at
  union all
  select 'tickets_after_leaving', t.account_id, 1
  from staging.ticket as t
  inner join account_end as e on e.account_id = t.account_id
  where t.superseded_on is null and cast(t.opened_at as date) >= e.left_on
  union all
  select 'tickets_known_before_they_happened', t.account_id, 1
  from staging.ticket as t
  where t.superseded_on is null and t.known_at < t.opened_at
  union all
  select 'tickets_closed_before_they_opened', t.account_id, 1
  from staging.ticket as t
  where t.superseded_on is null and t.closed_at < t.opened_at
  union all
  select 'contacts_before_sign_up', c.account_id, 1
  from staging.engagement as c
  inner join sign_up as s on s.account_id = c.account_id
  where c.superseded_on is null and c.occurred_at < s.created_at
  union all
  select 'contacts_after_leaving', c.account_id, 1
  from staging.engagement as c
  inner join account_end as e on e.account_id = c.account_id
  where c.superseded_on is null and cast(c.occurred_at as date) >= e.left_on
  union all
  select 'surveys_before_sign_up', v.account_id, 1
  from staging.survey_response as v
  inner join sign_up as s on s.account_id = v.account_id
  where v.superseded_on is null and v.responded_at < s.created_at
  union all
  select 'surveys_after_leaving', v.account_id, 1
  from staging.survey_response as v
  inner join account_end as e on e.account_id = v.account_id
  where v.superseded_on is null and cast(v.responded_at as date) >= e.left_on
  union all
  select 'tickets_without_account', t.account_id, 1
  from staging.ticket as t
  where t.superseded_on is null
    and (t.account_id is null or t.account_id not in (select account_id from known_account))
  union all
  select 'subscriptions_without_account', s.account_id, 1
  from (select distinct source, subscription_id, account_id, started_on from staging.subscription) as s
  where s.account_id is null
    or s.account_id not in (select account_id from staging.account where account_id is not null)
  union all
  select 'subscriptions_ending_before_they_start', s.account_id, 1
  from staging.subscription as s
  where s.superseded_on is null and s.ended_on < s.started_on
  union all
  select 'negative_seats_or_money', s.account_id, 1
  from staging.subscription as s
  where s.superseded_on is null and (s.seats < 0 or s.mrr_minor < 0)
  union all
  select 'money_in_another_currency', s.account_id, 1
  from staging.subscription as s
  cross join meta.params as p
  where s.superseded_on is null and s.currency <> p.currency
  union all
  select 'churn_events_before_sign_up', c.account_id, 1
  from staging.churn_event as c
  inner join sign_up as s on s.account_id = c.account_id
  where c.superseded_on is null and c.occurred_on < cast(s.created_at as date)
  union all
  select 'days_without_usage', cast(d.gap_from as varchar), d.n_days
  from (
    select activity_date + 1 as gap_from, lead(activity_date) over (order by activity_date) - activity_date - 1 as n_days
    from (
      select distinct u.activity_date from usage_day as u cross join meta.params as p where u.activity_date < p.as_of
    ) as a
  ) as d
  where d.n_days > 0
  union all
  select 'days_without_tickets', cast(g.gap_from as varchar), g.n_days
  from ticket_gap as g
  where g.is_steady and g.n_days >= 7
),
counted as (
  select id, cast(sum(n) as bigint) as n from found group by id
),
example as (
  select id, string_agg(example, ', ' order by example) as examples
  from (
    select distinct id, example, dense_rank() over (partition by id order by example) as place
    from found
    where example is not null
  ) as e
  where place <= 3
  group by id
)
select
  w.id as "check",
  w.what,
  coalesce(c.n, 0) as n,
  e.examples
from (values
  ('usage_before_subscription', 'usage rows before their subscription started'),
  ('usage_before_sign_up', 'usage rows before the account signed up'),
  ('usage_after_leaving', 'usage rows of accounts that had left for good'),
  ('usage_known_before_it_happened', 'usage rows that arrived before they happened'),
  ('usage_known_when_the_account_left', 'usage rows that arrived a week and more late, in the week in which their account decided to leave: known_at may be the time of the last change, which tells the future'),
  ('usage_without_account', 'usage rows of an account that no export names'),
  ('usage_in_the_future', 'usage rows on or after the date of the report'),
  ('usage_ids_with_other_content', 'usage ids that came again with other content (not applied)'),
  ('repeated_rows', 'rows that came again with the same key'),
  ('tickets_before_sign_up', 'tickets opened before the account signed up'),
  ('tickets_after_leaving', 'tickets of accounts that had left for good'),
  ('tickets_known_before_they_happened', 'tickets that arrived before they were opened'),
  ('tickets_closed_before_they_opened', 'tickets closed before they were opened'),
  ('contacts_before_sign_up', 'contacts before the account signed up'),
  ('contacts_after_leaving', 'contacts with accounts that had left for good'),
  ('surveys_before_sign_up', 'survey answers before the account signed up'),
  ('surveys_after_leaving', 'survey answers of accounts that had left for good'),
  ('tickets_without_account', 'tickets of an account that no export names'),
  ('subscriptions_without_account', 'subscriptions of an account that the accounts do not name'),
  ('subscriptions_ending_before_they_start', 'subscriptions that end before they start'),
  ('negative_seats_or_money', 'subscriptions with negative seats or money'),
  ('money_in_another_currency', 'subscriptions in another currency than that of the book (their money is left out)'),
  ('churn_events_before_sign_up', 'churn events before the account signed up'),
  ('days_without_usage', 'days without any usage row, between the first and the last'),
  ('days_without_tickets', 'days in stretches of a week or more without any ticket')
) as w(id, what)
left join counted as c on c.id = w.id
left join example as e on e.id = w.id
