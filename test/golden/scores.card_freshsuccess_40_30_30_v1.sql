with
  inputs as (
    select
      account_id,
      snapshot_date,
      is_restated,
      is_newest,
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
      half_up (
        100 * (
          held_between (value_logins_28d, 7000000, 30000000) - 7000000
        ),
        23
      ) as known_logins_28d,
      10 * (
        10000000 - held_between (value_open_tickets, 0, 10000000)
      ) as known_open_tickets,
      25 * (
        held_between (value_csm_rating, 1000000, 5000000) - 1000000
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
      half_up (
        4 * coalesce(known_logins_28d, 0) + 3 * coalesce(known_open_tickets, 0) + 3 * coalesce(known_csm_rating, 0),
        10
      ) as lowest,
      half_up (
        4 * coalesce(known_logins_28d, 100000000) + 3 * coalesce(known_open_tickets, 100000000) + 3 * coalesce(known_csm_rating, 100000000),
        10
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
      nullif(
        factor_logins_28d + factor_open_tickets + factor_csm_rating,
        0
      ) as divisor,
      coalesce(factor_logins_28d * points_logins_28d, 0) + coalesce(factor_open_tickets * points_open_tickets, 0) + coalesce(factor_csm_rating * points_csm_rating, 0) as weighted_points
    from
      weighed
  ),
  combined as (
    select
      *,
      case
        when covered >= 6 then half_up (weighted_points, divisor)
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
        when score < 31000000 then 1
        when score < 71000000 then 2
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
  from_millionths (value_open_tickets) as value_open_tickets,
  from_millionths (value_csm_rating) as value_csm_rating,
  from_few_millionths (points_logins_28d) as points_logins_28d,
  from_few_millionths (points_open_tickets) as points_open_tickets,
  from_few_millionths (points_csm_rating) as points_csm_rating,
  from_few_millionths (
    coalesce(
      divide_half_up (100000000 * factor_logins_28d, divisor),
      0
    )
  ) as weight_logins_28d,
  from_few_millionths (
    coalesce(
      divide_half_up (100000000 * factor_open_tickets, divisor),
      0
    )
  ) as weight_open_tickets,
  from_few_millionths (
    coalesce(
      divide_half_up (100000000 * factor_csm_rating, divisor),
      0
    )
  ) as weight_csm_rating,
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
      divide_half_up (
        coalesce(factor_open_tickets * points_open_tickets, 0),
        divisor
      ),
      0
    )
  ) as part_open_tickets,
  from_few_millionths (
    coalesce(
      divide_half_up (
        coalesce(factor_csm_rating * points_csm_rating, 0),
        divisor
      ),
      0
    )
  ) as part_csm_rating,
  from_few_millionths (
    score_before - 0 - (
      coalesce(
        divide_half_up (
          coalesce(factor_logins_28d * points_logins_28d, 0),
          divisor
        ),
        0
      ) + coalesce(
        divide_half_up (
          coalesce(factor_open_tickets * points_open_tickets, 0),
          divisor
        ),
        0
      ) + coalesce(
        divide_half_up (
          coalesce(factor_csm_rating * points_csm_rating, 0),
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
  from_few_millionths (half_up (covered * 1000000, 10)) as coverage,
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
