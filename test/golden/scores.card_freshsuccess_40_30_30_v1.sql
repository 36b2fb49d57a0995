with
  inputs as (
    select
      account_id,
      snapshot_date,
      is_restated,
      coalesce(
        in_force_scorecard = 'freshsuccess_40_30_30'
        and in_force_version = 1,
        false
      ) as is_in_force,
      value_logins_28d,
      value_open_tickets,
      value_csm_rating
    from
      scores.account_input
  ),
  known as (
    select
      *,
      from_millionths (
        divide_half_up (
          millionths (held_between (value_logins_28d, 7, 30) - 7) * 100,
          23
        )
      ) as known_logins_28d,
      from_millionths (
        millionths (10 - held_between (value_open_tickets, 0, 10)) * 10
      ) as known_open_tickets,
      from_millionths (
        millionths (held_between (value_csm_rating, 1, 5) - 1) * 25
      ) as known_csm_rating
    from
      inputs
    where
      is_restated
  ),
  filled as (
    select
      *,
      known_logins_28d as points_logins_28d,
      known_open_tickets as points_open_tickets,
      known_csm_rating as points_csm_rating,
      cast(
        case
          when known_logins_28d is null then 0
          else 4
        end + case
          when known_open_tickets is null then 0
          else 3
        end + case
          when known_csm_rating is null then 0
          else 3
        end as bigint
      ) as covered,
      cast(
        from_millionths (
          divide_half_up (
            4 * coalesce(millionths (known_logins_28d), 0) + 3 * coalesce(millionths (known_open_tickets), 0) + 3 * coalesce(millionths (known_csm_rating), 0),
            10
          )
        ) as decimal(18, 6)
      ) as lowest,
      cast(
        from_millionths (
          divide_half_up (
            4 * coalesce(millionths (known_logins_28d), 100000000) + 3 * coalesce(millionths (known_open_tickets), 100000000) + 3 * coalesce(millionths (known_csm_rating), 100000000),
            10
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
          else 4
        end as bigint
      ) as factor_logins_28d,
      cast(
        case
          when points_open_tickets is null then 0
          else 3
        end as bigint
      ) as factor_open_tickets,
      cast(
        case
          when points_csm_rating is null then 0
          else 3
        end as bigint
      ) as factor_csm_rating
    from
      filled
  ),
  summed as (
    select
      *,
      factor_logins_28d + factor_open_tickets + factor_csm_rating as divisor,
      coalesce(
        factor_logins_28d * millionths (points_logins_28d),
        0
      ) + coalesce(
        factor_open_tickets * millionths (points_open_tickets),
        0
      ) + coalesce(
        factor_csm_rating * millionths (points_csm_rating),
        0
      ) as weighted_points
    from
      weighed
  ),
  combined as (
    select
      *,
      from_millionths (divide_half_up (covered * 1000000, 10)) as coverage,
      cast(
        case
          when covered * 1000000 >= 6000000
          and divisor > 0 then from_millionths (divide_half_up (weighted_points, divisor))
        end as decimal(18, 6)
      ) as combined_score,
      from_millionths (
        divide_half_up (100000000 * factor_logins_28d, divisor)
      ) as weight_logins_28d,
      from_millionths (
        divide_half_up (100000000 * factor_open_tickets, divisor)
      ) as weight_open_tickets,
      from_millionths (
        divide_half_up (100000000 * factor_csm_rating, divisor)
      ) as weight_csm_rating,
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
          coalesce(
            factor_open_tickets * millionths (points_open_tickets),
            0
          ),
          divisor
        )
      ) as part_open_tickets,
      from_millionths (
        divide_half_up (
          coalesce(
            factor_csm_rating * millionths (points_csm_rating),
            0
          ),
          divisor
        )
      ) as part_csm_rating
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
  value_open_tickets,
  value_csm_rating,
  points_logins_28d,
  points_open_tickets,
  points_csm_rating,
  weight_logins_28d,
  weight_open_tickets,
  weight_csm_rating,
  part_logins_28d,
  part_open_tickets,
  part_csm_rating,
  cast(
    combined_score - (
      part_logins_28d + part_open_tickets + part_csm_rating
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
    when score_before < 31 then 'red'
    when score_before < 71 then 'yellow'
    else 'green'
  end as band_before,
  case
    when score is null then 'unknown'
    when score < 31 then 'red'
    when score < 71 then 'yellow'
    else 'green'
  end as band,
  gated_by
from
  gated
