-- model: spine.account_snapshot
-- grain: account_id, snapshot_date
-- depends: spine.account_period, spine.snapshot, spine.renewal_rows, staging.subscription, staging.account
-- params: currency, window_days, gap_days, horizon_days, min_tenure_days
-- audits: not_null(account_id, snapshot_date, tenure_days, segment, renewal_due, in_notice, is_scored, is_validated);
--   unique(account_id, snapshot_date); non_negative(tenure_days)
-- One row per paying account and date of spine.snapshot. Who pays is known in hindsight (spine.account_period);
-- segment, lifecycle, money, seats and renewal are what the date could know: rows with visible_on <= s < superseded_on,
-- and an end or a notice only if it lies before s. Of subscriptions that have ended the last one stands in until the
-- next one is known. renewal_due: renews_on less the notice days falls in [s + gap, s + gap + horizon).
with
  active as (
    select
      account_id,
      snapshot_date,
      period.started_on as period_started_on,
      period.notice_on < snapshot_date as is_notice_final,
      is_scored,
      is_validated
    from spine.account_period as period
    join spine.snapshot
      on period.started_on <= snapshot_date
      and (period.ended_on is null or snapshot_date < period.ended_on)
  ),
  contract_visible as (
    select
      active.account_id,
      active.snapshot_date,
      contract.subscription_id,
      contract.started_on,
      case when contract.ended_on < active.snapshot_date then contract.ended_on else date '9999-12-31' end as known_end_on,
      coalesce(contract.notice_on < active.snapshot_date, false) as has_notice,
      contract.notice_days,
      contract.renews_on,
      contract.mrr_minor,
      contract.currency,
      contract.seats,
      contract.segment
    from active
    join staging.subscription as contract
      on contract.account_id = active.account_id
      and contract.visible_on <= active.snapshot_date
      and (contract.superseded_on is null or active.snapshot_date < contract.superseded_on)
      and contract.started_on <= active.snapshot_date
    where contract.is_trial is not true
  ),
  last_end as (
    select account_id, snapshot_date, max(known_end_on) as known_end_on
    from contract_visible
    group by account_id, snapshot_date
  ),
  contract_in_force as (
    select contract_visible.*
    from contract_visible
    join last_end using (account_id, snapshot_date, known_end_on)
  ),
  contract_sum as (
    select
      account_id,
      snapshot_date,
      case
        when bool_and(contract.currency is null or contract.currency = params.currency)
        then cast(sum(mrr_minor) as bigint)
      end as mrr_minor,
      cast(sum(seats) as bigint) as seats,
      first(segment order by mrr_minor desc nulls last, started_on desc, subscription_id, segment) filter (
        where segment is not null
      ) as segment,
      bool_and(has_notice) and max(known_end_on) > snapshot_date as in_notice,
      min(renews_on) filter (where renews_on >= snapshot_date) as renews_on,
      bool_or(
        renews_on - cast(coalesce(notice_days, 0) as integer) >= snapshot_date + gap_days
        and renews_on - cast(coalesce(notice_days, 0) as integer) < snapshot_date + gap_days + horizon_days
      ) as renewal_due
    from contract_in_force as contract
    cross join meta.params as params
    group by account_id, snapshot_date
  ),
  account_visible as (
    select
      active.account_id,
      active.snapshot_date,
      first(account.segment order by account.visible_on desc, account.source) as segment,
      first(account.lifecycle order by account.visible_on desc, account.source) as lifecycle
    from active
    join staging.account as account
      on account.account_id = active.account_id
      and account.visible_on <= active.snapshot_date
      and (account.superseded_on is null or active.snapshot_date < account.superseded_on)
    group by active.account_id, active.snapshot_date
  ),
  test_account as (
    select account_id, bool_or(is_test) as is_test
    from staging.account
    where account_id is not null
    group by account_id
  ),
  segmented as (
    select
      exists (from staging.account where segment is not null)
      or exists (from staging.subscription where segment is not null) as has_segments
  ),
  described as (
    select
      active.account_id,
      active.snapshot_date,
      active.period_started_on,
      active.snapshot_date - active.period_started_on as tenure_days,
      case
        when has_segments then coalesce(contract_sum.segment, account_visible.segment, 'unknown')
        else 'all'
      end as segment,
      account_visible.lifecycle,
      contract_sum.mrr_minor,
      contract_sum.seats,
      are_rows and coalesce(contract_sum.renewal_due, false) as renewal_due,
      contract_sum.renews_on,
      coalesce(is_notice_final, false) or coalesce(contract_sum.in_notice, false) as in_notice,
      coalesce(test_account.is_test, false) as is_test,
      active.is_scored,
      active.is_validated
    from active
    left join contract_sum using (account_id, snapshot_date)
    left join account_visible using (account_id, snapshot_date)
    left join test_account using (account_id)
    cross join segmented
    cross join spine.renewal_rows
  )
select
  account_id,
  snapshot_date,
  period_started_on,
  cast(tenure_days as integer) as tenure_days,
  segment,
  lifecycle,
  mrr_minor,
  seats,
  renewal_due,
  renews_on,
  in_notice,
  is_scored,
  is_validated
  and tenure_days >= greatest(window_days, min_tenure_days)
  and not in_notice
  and not is_test as is_validated
from described
cross join meta.params
order by account_id, snapshot_date
