with
  inputs as (
    select
      account_id,
      snapshot_date,
      is_restated,
      coalesce(
        in_force_scorecard = 'naive_baseline'
        and in_force_version = 1,
        false
      ) as is_in_force,
      value_logins_28d,
      value_nps,
      value_feature_events_28d,
      value_open_tickets,
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
      ) as place_logins_28d,
      count(value_logins_28d) over (
        partition by
          snapshot_date
      ) as ranked_logins_28d,
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
      ) as place_nps,
      count(value_nps) over (
        partition by
          snapshot_date
      ) as ranked_nps,
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
      ) as place_feature_events_28d,
      count(value_feature_events_28d) over (
        partition by
          snapshot_date
      ) as ranked_feature_events_28d,
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
      ) as place_open_tickets,
      count(value_open_tickets) over (
        partition by
          snapshot_date
      ) as ranked_open_tickets
    from
      scores.account_input
  ),
  known as (
    select
      *,
      case
        when value_logins_28d is not null then from_millionths (
          divide_half_up (
            100000000 * place_logins_28d,
            2 * ranked_logins_28d
          )
        )
      end as known_logins_28d,
      case
        when value_nps is not null then from_millionths (
          divide_half_up (100000000 * place_nps, 2 * ranked_nps)
        )
      end as known_nps,
      case
        when value_feature_events_28d is not null then from_millionths (
          divide_half_up (
            100000000 * place_feature_events_28d,
            2 * ranked_feature_events_28d
          )
        )
      end as known_feature_events_28d,
      case
        when value_open_tickets is not null then from_millionths (
          divide_half_up (
            100000000 * 2 * ranked_open_tickets + -100000000 * place_open_tickets,
            2 * ranked_open_tickets
          )
        )
      end as known_open_tickets
    from
      inputs
    where
      is_restated
  ),
  filled as (
    select
      *,
      known_logins_28d as points_logins_28d,
      known_nps as points_nps,
      known_feature_events_28d as points_feature_events_28d,
      known_open_tickets as points_open_tickets,
      cast(
        case
          when known_logins_28d is null then 0
          else 1
        end + case
          when known_nps is null then 0
          else 1
        end + case
          when known_feature_events_28d is null then 0
          else 1
        end + case
          when known_open_tickets is null then 0
          else 1
        end as bigint
      ) as covered,
      cast(
        from_millionths (
          divide_half_up (
            1 * coalesce(millionths (known_logins_28d), 0) + 1 * coalesce(millionths (known_nps), 0) + 1 * coalesce(millionths (known_feature_events_28d), 0) + 1 * coalesce(millionths (known_open_tickets), 0),
            4
          )
        ) as decimal(18, 6)
      ) as lowest,
      cast(
        from_millionths (
          divide_half_up (
            1 * coalesce(millionths (known_logins_28d), 100000000) + 1 * coalesce(millionths (known_nps), 100000000) + 1 * coalesce(millionths (known_feature_events_28d), 100000000) + 1 * coalesce(millionths (known_open_tickets), 100000000),
            4
          )
        ) as decimal(18, 6)
      ) as highest
    from
      known
  ),
  weighed as (
    select
      *,
      cast(
        case
          when points_logins_28d is null then 0
          else 1
        end as bigint
      ) as factor_logins_28d,
      cast(
        case
          when points_nps is null then 0
          else 1
        end as bigint
      ) as factor_nps,
      cast(
        case
          when points_feature_events_28d is null then 0
          else 1
        end as bigint
      ) as factor_feature_events_28d,
      cast(
        case
          when points_open_tickets is null then 0
          else 1
        end as bigint
      ) as factor_open_tickets
    from
      filled
  ),
  summed as (
    select
      *,
      factor_logins_28d + factor_nps + factor_feature_events_28d + factor_open_tickets as divisor,
      coalesce(
        factor_logins_28d * millionths (points_logins_28d),
        0
      ) + coalesce(factor_nps * millionths (points_nps), 0) + coalesce(
        factor_feature_events_28d * millionths (points_feature_events_28d),
        0
      ) + coalesce(
        factor_open_tickets * millionths (points_open_tickets),
        0
      ) as weighted_points
    from
      weighed
  ),
  combined as (
    select
      *,
      from_millionths (divide_half_up (covered * 1000000, 4)) as coverage,
      cast(
        case
          when covered * 1000000 >= 1000000
          and divisor > 0 then from_millionths (divide_half_up (weighted_points, divisor))
        end as decimal(18, 6)
      ) as combined_score,
      from_millionths (
        divide_half_up (100000000 * factor_logins_28d, divisor)
      ) as weight_logins_28d,
      from_millionths (divide_half_up (100000000 * factor_nps, divisor)) as weight_nps,
      from_millionths (
        divide_half_up (100000000 * factor_feature_events_28d, divisor)
      ) as weight_feature_events_28d,
      from_millionths (
        divide_half_up (100000000 * factor_open_tickets, divisor)
      ) as weight_open_tickets,
      from_millionths (
        divide_half_up (
          coalesce(
            factor_logins_28d * millionths (points_logins_28d),
            0
          ),
          divisor
        )
      ) as part_logins_28d,
      from_millionths (
        divide_half_up (
          coalesce(factor_nps * millionths (points_nps), 0),
          divisor
        )
      ) as part_nps,
      from_millionths (
        divide_half_up (
          coalesce(
            factor_feature_events_28d * millionths (points_feature_events_28d),
            0
          ),
          divisor
        )
      ) as part_feature_events_28d,
      from_millionths (
        divide_half_up (
          coalesce(
            factor_open_tickets * millionths (points_open_tickets),
            0
          ),
          divisor
        )
      ) as part_open_tickets
    from
      summed
  ),
  clamped as (
    select
      *,
      combined_score as score_before
    from
      combined
  ),
  gated as (
    select
      *,
      cast(null as varchar) as gated_by,
      cast(null as decimal(18, 6)) as gate_value,
      cast(null as decimal(18, 6)) as failed_score,
      cast(null as decimal(18, 6)) as unknown_score,
      score_before as score
    from
      clamped
  )
select
  account_id,
  snapshot_date,
  is_in_force,
  value_logins_28d,
  value_nps,
  value_feature_events_28d,
  value_open_tickets,
  points_logins_28d,
  points_nps,
  points_feature_events_28d,
  points_open_tickets,
  weight_logins_28d,
  weight_nps,
  weight_feature_events_28d,
  weight_open_tickets,
  part_logins_28d,
  part_nps,
  part_feature_events_28d,
  part_open_tickets,
  cast(
    combined_score - (
      part_logins_28d + part_nps + part_feature_events_28d + part_open_tickets
    ) as decimal(18, 6)
  ) as rounding,
  cast(score_before - combined_score as decimal(18, 6)) as clamp,
  cast(score - score_before as decimal(18, 6)) as gate,
  gate_value,
  score_before,
  score,
  cast(
    case
      when score is null then lowest
      else least(
        lowest,
        score,
        coalesce(failed_score, lowest),
        coalesce(unknown_score, lowest)
      )
    end as decimal(18, 6)
  ) as score_low,
  cast(
    case
      when score is null then highest
      else greatest(
        least(highest, coalesce(failed_score, highest)),
        score
      )
    end as decimal(18, 6)
  ) as score_high,
  coverage,
  case
    when score_before is null then 'unknown'
    when score_before <= 30 then 'red'
    when score_before <= 70 then 'yellow'
    else 'green'
  end as band_before,
  case
    when score is null then 'unknown'
    when score <= 30 then 'red'
    when score <= 70 then 'yellow'
    else 'green'
  end as band,
  gated_by
from
  gated
