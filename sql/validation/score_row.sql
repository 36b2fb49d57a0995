-- model: validation.score_row
-- grain: scorecard, version, observation_no
-- depends: scores.account_score, scores.scorecard, spine.account_snapshot, staging.play, validation.definition,
--   validation.outcome, validation.stratum
-- params: as_of, gap_days, horizon_days
-- audits: unique(scorecard, version, observation_no)
-- Every labelled account-month of the primary definition with the score that each version gives it; null below the
-- coverage floor. is_out_of_time: at or after the day on which the version was made, so that it cannot have been made on
-- this row. is_as_was: of these, the version in force at the time. is_worked: a play begins in [s, s + gap + horizon).
-- hundredth: the score in whole hundredths of its scale. place: the percentile of the score among the version's rows, ties
-- sharing the lower one.
with labelled as (
  select
    s.definition, s.observation_no, s.account_no, s.account_id, s.snapshot_date, s.block, s.segment, s.stratum, s.y,
    o.churned_on, a.mrr_minor
  from validation.stratum as s
  inner join validation.definition as d on d.definition = s.definition and d.is_primary
  inner join validation.outcome as o
    on o.definition = s.definition and o.account_id = s.account_id and o.snapshot_date = s.snapshot_date
  inner join spine.account_snapshot as a on a.account_id = s.account_id and a.snapshot_date = s.snapshot_date
  where s.y is not null
),
worked as (
  select distinct l.observation_no
  from labelled as l
  cross join meta.params as p
  inner join staging.play as w
    on w.account_id = l.account_id
    and w.started_on >= l.snapshot_date and w.started_on < l.snapshot_date + p.gap_days + p.horizon_days
  where w.visible_on <= p.as_of and (w.superseded_on is null or p.as_of < w.superseded_on)
)
select
  a.scorecard,
  a.version,
  a.scorecard || '@' || a.version as subject,
  l.definition,
  l.observation_no,
  l.account_no,
  l.account_id,
  l.snapshot_date,
  l.block,
  l.segment,
  l.stratum,
  cast(a.score as double) as score,
  cast(
    least(100, greatest(0, round(100e0 * cast(a.score - c.scale_from as double) / cast(c.scale_to - c.scale_from as double))))
    as integer
  ) as hundredth,
  cast(
    case
      when a.score is not null then
        (100 * (rank() over (partition by a.scorecard, a.version order by a.score nulls last) - 1))
        // count(a.score) over (partition by a.scorecard, a.version)
    end
    as integer
  ) as place,
  l.y,
  l.churned_on,
  l.mrr_minor,
  l.snapshot_date >= c.created_on as is_out_of_time,
  coalesce(a.is_in_force, false) and l.snapshot_date >= c.created_on as is_as_was,
  w.observation_no is not null as is_worked
from scores.account_score as a
inner join scores.scorecard as c on c.scorecard = a.scorecard and c.version = a.version
inner join labelled as l on l.account_id = a.account_id and l.snapshot_date = a.snapshot_date
left join worked as w on w.observation_no = l.observation_no
