-- model: spine.renewal_rows
-- grain: one row
-- depends: staging.subscription, spine.account_period
-- params: as_of, reactivation_grace_days
-- audits: not_null(are_rows)
-- Are renewals contract rows of their own? Only then may a renewal date say that a renewal is due: one row per account
-- whose date each renewal moves would give the outcome away. Looked at: the first dated subscription of every paid
-- period that outlasted its first term (12 months where the term is unknown). Renewed as a row: it ended, and a later
-- subscription of the same period took over. The answer is yes when that holds for at least half of them.
with
  contract as (
    select
      source,
      account_id,
      coalesce(subscription_id, account_id || ' ' || cast(started_on as varchar)) as contract_id,
      started_on,
      max(ended_on) as ended_on,
      min(renews_on) as renews_on,
      max(term_months) as term_months
    from staging.subscription
    where account_id is not null and started_on is not null and is_trial is not true
    group by source, account_id, contract_id, started_on
  ),
  first_dated as (
    select
      period.account_id,
      period.started_on as period_started_on,
      coalesce(period.ended_on, as_of) as period_ended_on,
      contract.started_on,
      contract.ended_on,
      cast(contract.started_on + to_months(cast(coalesce(contract.term_months, 12) as integer)) as date) as term_ended_on
    from spine.account_period as period
    cross join meta.params
    join contract
      on contract.account_id = period.account_id
      and contract.started_on >= period.started_on
      and contract.started_on < coalesce(period.ended_on, as_of)
    where contract.renews_on is not null
    qualify
      row_number() over (
        partition by period.account_id, period.started_on
        order by contract.started_on, contract.contract_id, contract.source
      ) = 1
  ),
  renewed as (
    select
      first_dated.*,
      first_dated.ended_on < first_dated.period_ended_on
      and exists (
        from contract as later
        where
          later.account_id = first_dated.account_id
          and later.started_on > first_dated.started_on
          and later.started_on < first_dated.period_ended_on
      ) as is_row
    from first_dated
    cross join meta.params
    where term_ended_on + reactivation_grace_days < period_ended_on
  )
select
  count(*) as n_renewed,
  count(*) filter (where is_row) as n_as_rows,
  count(*) filter (where is_row) * 2 >= count(*) and count(*) > 0 as are_rows
from renewed
