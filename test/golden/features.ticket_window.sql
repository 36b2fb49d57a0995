with
  known as (
    select
      account_id,
      opened_at,
      closed_at,
      visible_on,
      coalesce(cast(opened_at as date), visible_on - 1) as occurred_on,
      visible_on as from_on,
      coalesce(superseded_on, date '9999-12-31') as until_on
    from
      staging.ticket
    where
      account_id is not null
  ),
  closed_at_split as (
    select
      account_id,
      visible_on,
      occurred_on,
      opened_at,
      cast(null as timestamp) as closed_at,
      from_on,
      least(
        until_on,
        coalesce(cast(closed_at as date) + 1, date '9999-12-31')
      ) as until_on
    from
      known
    union all
    select
      account_id,
      visible_on,
      occurred_on,
      opened_at,
      closed_at,
      greatest(from_on, cast(closed_at as date) + 1) as from_on,
      until_on
    from
      known
    where
      closed_at is not null
  ),
  seen as (
    select
      closed_at_split.account_id as account_id,
      closed_at_split.opened_at as opened_at,
      closed_at_split.closed_at as closed_at,
      closed_at_split.visible_on as visible_on,
      closed_at_split.occurred_on as occurred_on,
      seen.snapshot_date as seen_from,
      coalesce(until_all.snapshot_date, date '9999-12-31') as until_all
    from
      closed_at_split
      inner join spine.snapshot_day as seen on seen.day = greatest(from_on, date '1970-01-01')
      left join spine.snapshot_day as until_all on until_all.day = greatest(until_on, date '1970-01-01')
    where
      from_on < until_on
  ),
  paying_account as (
    select
      account_id,
      min(snapshot_date) as first_on,
      max(snapshot_date) as last_on
    from
      spine.account_snapshot
    group by
      account_id
  ),
  opens_1 as (
    select
      piece.account_id,
      greatest(piece.seen_from, paying_account.first_on) as snapshot_date,
      cast(
        sum(
          case
            when closed_at is null then 1
            else 0
          end
        ) as bigint
      ) as open_tickets
    from
      seen as piece
      inner join paying_account on paying_account.account_id = piece.account_id
    where
      piece.seen_from <= paying_account.last_on
      and piece.seen_from < piece.until_all
    group by
      piece.account_id,
      greatest(piece.seen_from, paying_account.first_on)
  ),
  closes_1 as (
    select
      piece.account_id,
      greatest(piece.until_all, paying_account.first_on) as snapshot_date,
      cast(
        sum(
          case
            when closed_at is null then 1
            else 0
          end
        ) as bigint
      ) as open_tickets
    from
      seen as piece
      inner join paying_account on paying_account.account_id = piece.account_id
    where
      piece.until_all <= paying_account.last_on
      and piece.seen_from < piece.until_all
      and piece.until_all < date '9999-12-31'
    group by
      piece.account_id,
      greatest(piece.until_all, paying_account.first_on)
  ),
  change as (
    select
      paying_account.account_id,
      calendar.snapshot_date,
      "row".account_id is not null as is_row,
      coalesce(opens_1.open_tickets, 0) - coalesce(closes_1.open_tickets, 0) as open_tickets
    from
      paying_account
      inner join spine."snapshot" as calendar on calendar.snapshot_date >= paying_account.first_on
      and calendar.snapshot_date <= paying_account.last_on
      left join spine.account_snapshot as "row" on "row".account_id = paying_account.account_id
      and "row".snapshot_date = calendar.snapshot_date
      left join opens_1 on opens_1.account_id = paying_account.account_id
      and opens_1.snapshot_date = calendar.snapshot_date
      left join closes_1 on closes_1.account_id = paying_account.account_id
      and closes_1.snapshot_date = calendar.snapshot_date
  ),
  running as (
    select
      account_id,
      snapshot_date,
      is_row,
      cast(
        sum(open_tickets) over (
          partition by
            account_id
          order by
            snapshot_date rows between unbounded preceding
            and current row
        ) as bigint
      ) as open_tickets
    from
      change
  )
select
  running.account_id,
  running.snapshot_date,
  running.open_tickets as open_tickets
from
  running
where
  is_row = true
