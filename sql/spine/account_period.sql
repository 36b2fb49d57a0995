-- model: spine.account_period
-- grain: account_id, started_on
-- depends: staging.subscription, staging.account, staging.churn_event, spine.first_use
-- params: as_of, reactivation_grace_days
-- audits: not_null(account_id, started_on); unique(account_id, started_on);
--   exclusive_periods(account_id, started_on, ended_on)
-- Paid periods [started_on, ended_on), in hindsight: overlapping subscriptions are one, and so are spells with at most
-- the grace between them. Trials are not paid. An end at or after as_of is a contract, not an event: ended_on is null.
-- notice_on: the day from which every subscription of the period had a notice or had ended, where that is before the
-- period's end; null while any of them runs on without a notice. A notice whose end passed 30 days ago while the
-- subscription still runs was withdrawn.
-- A book without subscriptions has one period per account from sign-up (or first use) to its churn event, and from each
-- reactivation to the next one.
with
  contract_version as (
    select
      *,
      coalesce(subscription_id, account_id || ' ' || cast(started_on as varchar)) as contract_id
    from staging.subscription
    where account_id is not null and started_on is not null
  ),
  contract_key as (
    select source, contract_id, bool_or(superseded_on is null) as is_current
    from contract_version
    group by source, contract_id
  ),
  -- What is known last: the current version, or the last one of a row that a later delivery no longer holds.
  contract_known as (
    select version.*
    from contract_version as version
    join contract_key using (source, contract_id)
    where case when is_current then version.superseded_on is null else true end
    qualify
      is_current
      or row_number() over (
        partition by source, contract_id
        order by version.visible_on desc, version.superseded_on desc, version.delivery_id desc
      ) = 1
  ),
  contract as (
    select
      account_id,
      started_on,
      -- A row that vanished without an end was no longer paid on the day of the delivery that lacked it.
      coalesce(ended_on, superseded_on - 1) as ended_on,
      end_reason,
      notice_on,
      case
        when notice_on is not null
        then greatest(notice_on + cast(coalesce(notice_days, 0) as integer), coalesce(renews_on, notice_on))
      end as notice_ends_on
    from contract_known
    where is_trial is not true
  ),
  paid as (
    select
      account_id,
      started_on,
      case when ended_on < as_of then ended_on end as ended_on,
      end_reason,
      case
        when notice_on is null or notice_on >= as_of then null
        when ended_on is null and notice_ends_on + 30 <= as_of then null
        else greatest(notice_on, started_on)
      end as notice_on
    from contract
    cross join meta.params
    where started_on < as_of and (ended_on is null or started_on < ended_on)
  ),
  account_start as (
    select
      account_id,
      coalesce(cast(min(created_at) as date), min(first_used_on)) as started_on
    from staging.account
    left join spine.first_use using (account_id)
    where account_id is not null
    group by account_id
  ),
  unsubscribed_start as (
    select account_id, started_on
    from account_start
    where started_on is not null
    union
    select account_id, occurred_on
    from staging.churn_event
    where account_id is not null and is_reactivation
  ),
  unsubscribed as (
    select
      account_start.account_id,
      account_start.started_on,
      min(stop.occurred_on) as ended_on,
      arg_min(stop.reason, stop.occurred_on) as end_reason
    from unsubscribed_start as account_start
    left join staging.churn_event as stop
      on stop.account_id = account_start.account_id
      and stop.occurred_on > account_start.started_on
      and stop.is_reactivation is not true
    where not exists (from staging.subscription)
    group by account_start.account_id, account_start.started_on
  ),
  span as (
    select account_id, started_on, ended_on, end_reason, notice_on
    from paid
    union all
    select
      account_id,
      started_on,
      case when ended_on < as_of then ended_on end,
      end_reason,
      null
    from unsubscribed
    cross join meta.params
    where started_on < as_of
  ),
  covered as (
    select
      *,
      max(coalesce(ended_on, date '9999-12-31')) over (
        partition by account_id
        order by started_on, coalesce(ended_on, date '9999-12-31')
        rows between unbounded preceding and 1 preceding
      ) as covered_to
    from span
  ),
  numbered as (
    select
      covered.*,
      sum(case when started_on <= covered_to + reactivation_grace_days then 0 else 1 end) over (
        partition by account_id
        order by started_on, coalesce(ended_on, date '9999-12-31')
        rows between unbounded preceding and current row
      ) as period_no
    from covered
    cross join meta.params
  ),
  period as (
    select
      account_id,
      period_no,
      min(started_on) as started_on,
      case when bool_and(ended_on is not null) then max(ended_on) end as ended_on,
      case
        when bool_and(notice_on is not null or ended_on is not null) then max(least(notice_on, ended_on))
      end as decided_on
    from numbered
    group by account_id, period_no
  )
select
  period.account_id,
  period.started_on,
  period.ended_on,
  min(numbered.end_reason) filter (where numbered.ended_on = period.ended_on) as end_reason,
  case when period.ended_on is null or decided_on < period.ended_on then decided_on end as notice_on
from period
join numbered using (account_id, period_no)
group by period.account_id, period.started_on, period.ended_on, decided_on
order by period.account_id, period.started_on
