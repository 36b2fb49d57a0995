with
  inputs as (
    select
      account_id,
      snapshot_date,
      is_restated,
      is_newest,
      coalesce(
        in_force_scorecard = 'naive_baseline'
        and in_force_version = 1,
        false
      ) as is_in_force,
      value_logins_28d,
      value_nps,
      value_feature_events_28d,
      value_open_tickets,
      place_in_snapshot_logins_28d,
      ranked_in_snapshot_logins_28d,
      place_in_snapshot_nps,
      ranked_in_snapshot_nps,
      place_in_snapshot_feature_events_28d,
      ranked_in_snapshot_feature_events_28d,
      place_in_snapshot_open_tickets,
      ranked_in_snapshot_open_tickets
    from
      scores.account_input
  ),
  known as (
    select
      *,
      case
        when value_logins_28d is not null then half_up (
          100000000 * place_in_snapshot_logins_28d,
          2 * ranked_in_snapshot_logins_28d
        )
      end as known_logins_28d,
      case
        when value_nps is not null then half_up (
          100000000 * place_in_snapshot_nps,
          2 * ranked_in_snapshot_nps
        )
      end as known_nps,
      case
        when value_feature_events_28d is not null then half_up (
          100000000 * place_in_snapshot_feature_events_28d,
          2 * ranked_in_snapshot_feature_events_28d
        )
      end as known_feature_events_28d,
      case
        when value_open_tickets is not null then half_up (
          100000000 * 2 * ranked_in_snapshot_open_tickets + -100000000 * place_in_snapshot_open_tickets,
          2 * ranked_in_snapshot_open_tickets
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
      half_up (
        1 * coalesce(known_logins_28d, 0) + 1 * coalesce(known_nps, 0) + 1 * coalesce(known_feature_events_28d, 0) + 1 * coalesce(known_open_tickets, 0),
        4
      ) as lowest,
      half_up (
        1 * coalesce(known_logins_28d, 100000000) + 1 * coalesce(known_nps, 100000000) + 1 * coalesce(known_feature_events_28d, 100000000) + 1 * coalesce(known_open_tickets, 100000000),
        4
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
      nullif(
        factor_logins_28d + factor_nps + factor_feature_events_28d + factor_open_tickets,
        0
      ) as divisor,
      coalesce(factor_logins_28d * points_logins_28d, 0) + coalesce(factor_nps * points_nps, 0) + coalesce(
        factor_feature_events_28d * points_feature_events_28d,
        0
      ) + coalesce(factor_open_tickets * points_open_tickets, 0) as weighted_points
    from
      weighed
  ),
  combined as (
    select
      *,
      case
        when covered >= 1 then half_up (weighted_points, divisor)
      end as combined_score
    from
      summed
  ),
  scored as (
    select
      *,
      combined_score as score_before
    from
      combined
  ),
  gated as (
    select
      *,
      cast(null as varchar) as score_gated_by,
      cast(null as bigint) as failed_score,
      cast(null as bigint) as unknown_score,
      null as band_gate,
      score_before as score
    from
      scored
  ),
  banded as (
    select
      *,
      case
        when score <= 30000000 then 1
        when score <= 70000000 then 2
        when score is not null then 3
      end as score_band
    from
      gated
  )
select
  account_id,
  snapshot_date,
  is_newest,
  is_in_force,
  from_millionths (value_logins_28d) as value_logins_28d,
  from_millionths (value_nps) as value_nps,
  from_millionths (value_feature_events_28d) as value_feature_events_28d,
  from_millionths (value_open_tickets) as value_open_tickets,
  from_few_millionths (points_logins_28d) as points_logins_28d,
  from_few_millionths (points_nps) as points_nps,
  from_few_millionths (points_feature_events_28d) as points_feature_events_28d,
  from_few_millionths (points_open_tickets) as points_open_tickets,
  from_few_millionths (
    coalesce(
      divide_half_up (100000000 * factor_logins_28d, divisor),
      0
    )
  ) as weight_logins_28d,
  from_few_millionths (
    coalesce(
      divide_half_up (100000000 * factor_nps, divisor),
      0
    )
  ) as weight_nps,
  from_few_millionths (
    coalesce(
      divide_half_up (100000000 * factor_feature_events_28d, divisor),
      0
    )
  ) as weight_feature_events_28d,
  from_few_millionths (
    coalesce(
      divide_half_up (100000000 * factor_open_tickets, divisor),
      0
    )
  ) as weight_open_tickets,
  from_few_millionths (
    coalesce(
      divide_half_up (
        coalesce(factor_logins_28d * points_logins_28d, 0),
        divisor
      ),
      0
    )
  ) as part_logins_28d,
  from_few_millionths (
    coalesce(
      divide_half_up (coalesce(factor_nps * points_nps, 0), divisor),
      0
    )
  ) as part_nps,
  from_few_millionths (
    coalesce(
      divide_half_up (
        coalesce(
          factor_feature_events_28d * points_feature_events_28d,
          0
        ),
        divisor
      ),
      0
    )
  ) as part_feature_events_28d,
  from_few_millionths (
    coalesce(
      divide_half_up (
        coalesce(factor_open_tickets * points_open_tickets, 0),
        divisor
      ),
      0
    )
  ) as part_open_tickets,
  from_few_millionths (
    score_before - 0 - (
      coalesce(
        divide_half_up (
          coalesce(factor_logins_28d * points_logins_28d, 0),
          divisor
        ),
        0
      ) + coalesce(
        divide_half_up (coalesce(factor_nps * points_nps, 0), divisor),
        0
      ) + coalesce(
        divide_half_up (
          coalesce(
            factor_feature_events_28d * points_feature_events_28d,
            0
          ),
          divisor
        ),
        0
      ) + coalesce(
        divide_half_up (
          coalesce(factor_open_tickets * points_open_tickets, 0),
          divisor
        ),
        0
      )
    )
  ) as rounding,
  from_few_millionths (0) as clamp,
  from_few_millionths (score - score_before) as gate,
  from_few_millionths (score_before) as score_before,
  from_few_millionths (score) as score,
  from_few_millionths (
    case
      when score is null then lowest
      else least(lowest, score)
    end
  ) as score_low,
  from_few_millionths (
    case
      when score is null then highest
      else greatest(highest, score)
    end
  ) as score_high,
  from_few_millionths (half_up (covered * 1000000, 4)) as coverage,
  case score_band
    when 1 then 'red'
    when 2 then 'yellow'
    when 3 then 'green'
    else 'unknown'
  end as band_before,
  case score_band
    when 1 then 'red'
    when 2 then 'yellow'
    when 3 then 'green'
    else 'unknown'
  end as band,
  score_gated_by,
  cast(null as varchar) as band_gated_by,
  score_gated_by as gated_by
from
  banded
