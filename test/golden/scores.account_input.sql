with
  read_once as (
    select
      s.account_id as account_id,
      s.snapshot_date as snapshot_date,
      s.segment as segment,
      s.lifecycle as lifecycle,
      s.is_scored as is_scored,
      s.is_scored
      or s.is_validated as is_restated,
      (
        s.is_scored
        or s.is_validated
      )
      and s.snapshot_date = (
        select
          max(snapshot_date)
        from
          spine.account_snapshot
        where
          is_scored
          or is_validated
      ) as is_newest,
      cast('freshsuccess_40_30_30' as varchar) as in_force_scorecard,
      cast(1 as integer) as in_force_version,
      cast(1 as integer) as n_matching,
      millionths (try_cast (k.csm_rating as decimal(18, 6))) as value_csm_rating,
      millionths (try_cast (k.feature_events_28d as decimal(18, 6))) as value_feature_events_28d,
      millionths (try_cast (k.logins_28d as decimal(18, 6))) as value_logins_28d,
      millionths (try_cast (k.nps as decimal(18, 6))) as value_nps,
      millionths (try_cast (k.open_tickets as decimal(18, 6))) as value_open_tickets
    from
      spine.account_snapshot as s
      left join features.account_kpi as k on k.account_id = s.account_id
      and k.snapshot_date = s.snapshot_date
  )
select
  *,
  rank() over (
    partition by
      snapshot_date
    order by
      value_logins_28d asc nulls last
  ) - 1 + count(value_logins_28d) over (
    partition by
      snapshot_date
    order by
      value_logins_28d asc nulls last
  ) as place_in_snapshot_logins_28d,
  count(value_logins_28d) over (
    partition by
      snapshot_date
  ) as ranked_in_snapshot_logins_28d,
  rank() over (
    partition by
      snapshot_date
    order by
      value_nps asc nulls last
  ) - 1 + count(value_nps) over (
    partition by
      snapshot_date
    order by
      value_nps asc nulls last
  ) as place_in_snapshot_nps,
  count(value_nps) over (
    partition by
      snapshot_date
  ) as ranked_in_snapshot_nps,
  rank() over (
    partition by
      snapshot_date
    order by
      value_feature_events_28d asc nulls last
  ) - 1 + count(value_feature_events_28d) over (
    partition by
      snapshot_date
    order by
      value_feature_events_28d asc nulls last
  ) as place_in_snapshot_feature_events_28d,
  count(value_feature_events_28d) over (
    partition by
      snapshot_date
  ) as ranked_in_snapshot_feature_events_28d,
  rank() over (
    partition by
      snapshot_date
    order by
      value_open_tickets asc nulls last
  ) - 1 + count(value_open_tickets) over (
    partition by
      snapshot_date
    order by
      value_open_tickets asc nulls last
  ) as place_in_snapshot_open_tickets,
  count(value_open_tickets) over (
    partition by
      snapshot_date
  ) as ranked_in_snapshot_open_tickets
from
  read_once
order by
  account_id,
  snapshot_date
