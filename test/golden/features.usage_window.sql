with
  usage_seen as (
    select
      used.account_id,
      seen.snapshot_date as seen_from,
      coalesce(until_28.snapshot_date, date '9999-12-31') as until_28,
      cast(
        sum(
          case
            when event = 'login' then n_events
            else 0
          end
        ) as bigint
      ) as logins_28d
    from
      "rollup".account_day as used
      inner join spine.snapshot_day as seen on seen.day = greatest(used.visible_on, date '1970-01-01')
      left join spine.snapshot_day as until_28 on until_28.day = greatest(
        date_add('day', 29, used.activity_date),
        date '1970-01-01'
      )
    where
      event = 'login'
      and used.account_id is not null
    group by
      used.account_id,
      seen.snapshot_date,
      until_28.snapshot_date
  ),
  active_day as (
    select
      used.account_id,
      used.activity_date,
      min(
        case
          when event = 'mobile_session' then seen.snapshot_date
          else null
        end
      ) as mobile_days_28d
    from
      "rollup".account_day as used
      inner join spine.snapshot_day as seen on seen.day = greatest(used.visible_on, date '1970-01-01')
    where
      event = 'mobile_session'
      and used.account_id is not null
    group by
      used.account_id,
      used.activity_date
  ),
  active_day_until as (
    select
      active_day.account_id,
      active_day.mobile_days_28d as mobile_days_28d,
      coalesce(until_28.snapshot_date, date '9999-12-31') as until_28
    from
      active_day
      left join spine.snapshot_day as until_28 on until_28.day = greatest(
        date_add('day', 29, active_day.activity_date),
        date '1970-01-01'
      )
  ),
  user_28_end as (
    select
      used.account_id as account_id,
      used.user_id as item,
      seen.word_no as from_word,
      coalesce(gone.word_no, 1000000) as until_word,
      cast(
        bitwise_or_agg (
          case
            when coalesce(gone.word_no, 1000000) > seen.word_no then 1152921504606846975 + 1 - seen.snapshot_bit
            else gone.snapshot_bit - seen.snapshot_bit
          end
        ) as bigint
      ) as head,
      cast(
        bitwise_or_agg (
          case
            when gone.snapshot_bit is not null
            and coalesce(gone.word_no, 1000000) > seen.word_no then gone.snapshot_bit - 1
            else 0
          end
        ) as bigint
      ) as tail
    from
      "rollup".user_day as used
      inner join spine.snapshot_day as seen on seen.day = greatest(used.visible_on, date '1970-01-01')
      left join spine.snapshot_day as gone on gone.day = greatest(
        date_add('day', 29, used.activity_date),
        date '1970-01-01'
      )
    where
      used.account_id is not null
      and used.user_id is not null
      and seen.snapshot_date < coalesce(gone.snapshot_date, date '9999-12-31')
    group by
      used.account_id,
      used.user_id,
      seen.word_no,
      coalesce(gone.word_no, 1000000)
  ),
  user_28_part as (
    select
      account_id,
      item,
      from_word as word_no,
      head as mask
    from
      user_28_end
    union all
    select
      account_id,
      item,
      until_word as word_no,
      tail as mask
    from
      user_28_end
    where
      tail <> 0
    union all
    select
      account_id,
      item,
      word.word_no as word_no,
      cast(1152921504606846975 as bigint) as mask
    from
      user_28_end
      inner join (
        select distinct
          word_no
        from
          spine.snapshot_day
      ) as word on word.word_no > user_28_end.from_word
      and word.word_no < user_28_end.until_word
  ),
  user_28_set as (
    select
      account_id,
      item,
      word_no,
      cast(bitwise_or_agg (mask) as bigint) as mask
    from
      user_28_part
    group by
      account_id,
      item,
      word_no
  ),
  user_28_mask as (
    select
      account_id,
      word_no,
      mask,
      count(*) as n
    from
      user_28_set
    group by
      account_id,
      word_no,
      mask
  ),
  user_28_count as (
    select
      masked.account_id,
      calendar.snapshot_date,
      cast(sum(masked.n) as bigint) as n
    from
      user_28_mask as masked
      inner join spine.snapshot_day as calendar on calendar.word_no = masked.word_no
    where
      calendar.day = calendar.snapshot_date
      and bitwise_and (masked.mask, calendar.snapshot_bit) <> 0
    group by
      masked.account_id,
      calendar.snapshot_date
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
      cast(sum(logins_28d) as bigint) as logins_28d
    from
      usage_seen as piece
      inner join paying_account on paying_account.account_id = piece.account_id
    where
      piece.seen_from <= paying_account.last_on
      and piece.seen_from < piece.until_28
    group by
      piece.account_id,
      greatest(piece.seen_from, paying_account.first_on)
  ),
  opens_2 as (
    select
      piece.account_id,
      greatest(piece.mobile_days_28d, paying_account.first_on) as snapshot_date,
      cast(sum(1) as bigint) as mobile_days_28d
    from
      active_day_until as piece
      inner join paying_account on paying_account.account_id = piece.account_id
    where
      piece.mobile_days_28d <= paying_account.last_on
      and piece.mobile_days_28d < piece.until_28
    group by
      piece.account_id,
      greatest(piece.mobile_days_28d, paying_account.first_on)
  ),
  closes_1 as (
    select
      piece.account_id,
      greatest(piece.until_28, paying_account.first_on) as snapshot_date,
      cast(sum(logins_28d) as bigint) as logins_28d
    from
      usage_seen as piece
      inner join paying_account on paying_account.account_id = piece.account_id
    where
      piece.until_28 <= paying_account.last_on
      and piece.seen_from < piece.until_28
      and piece.until_28 < date '9999-12-31'
    group by
      piece.account_id,
      greatest(piece.until_28, paying_account.first_on)
  ),
  closes_2 as (
    select
      piece.account_id,
      greatest(piece.until_28, paying_account.first_on) as snapshot_date,
      cast(sum(1) as bigint) as mobile_days_28d
    from
      active_day_until as piece
      inner join paying_account on paying_account.account_id = piece.account_id
    where
      piece.until_28 <= paying_account.last_on
      and piece.mobile_days_28d < piece.until_28
      and piece.until_28 < date '9999-12-31'
    group by
      piece.account_id,
      greatest(piece.until_28, paying_account.first_on)
  ),
  change as (
    select
      paying_account.account_id,
      calendar.snapshot_date,
      "row".account_id is not null as is_row,
      coalesce(opens_1.logins_28d, 0) - coalesce(closes_1.logins_28d, 0) as logins_28d,
      coalesce(opens_2.mobile_days_28d, 0) - coalesce(closes_2.mobile_days_28d, 0) as mobile_days_28d
    from
      paying_account
      inner join spine."snapshot" as calendar on calendar.snapshot_date >= paying_account.first_on
      and calendar.snapshot_date <= paying_account.last_on
      left join spine.account_snapshot as "row" on "row".account_id = paying_account.account_id
      and "row".snapshot_date = calendar.snapshot_date
      left join opens_1 on opens_1.account_id = paying_account.account_id
      and opens_1.snapshot_date = calendar.snapshot_date
      left join opens_2 on opens_2.account_id = paying_account.account_id
      and opens_2.snapshot_date = calendar.snapshot_date
      left join closes_1 on closes_1.account_id = paying_account.account_id
      and closes_1.snapshot_date = calendar.snapshot_date
      left join closes_2 on closes_2.account_id = paying_account.account_id
      and closes_2.snapshot_date = calendar.snapshot_date
  ),
  running as (
    select
      account_id,
      snapshot_date,
      is_row,
      cast(
        sum(logins_28d) over (
          partition by
            account_id
          order by
            snapshot_date rows between unbounded preceding
            and current row
        ) as bigint
      ) as logins_28d,
      cast(
        sum(mobile_days_28d) over (
          partition by
            account_id
          order by
            snapshot_date rows between unbounded preceding
            and current row
        ) as bigint
      ) as mobile_days_28d
    from
      change
  )
select
  running.account_id,
  running.snapshot_date,
  running.logins_28d as logins_28d,
  running.mobile_days_28d as mobile_days_28d,
  coalesce(user_28_count.n, 0) as active_users_28d
from
  running
  left join user_28_count on user_28_count.account_id = running.account_id
  and user_28_count.snapshot_date = running.snapshot_date
where
  is_row = true
