-- model: marts.account_score_history
-- kind: view
-- grain: account_id, snapshot_date
-- depends: scores.account_score, spine.account_snapshot
-- Each account at every scored snapshot of its paid periods, in the scorecard that was in force for it then. A score that could not be
-- given is null, with the range that it could have had.
select
  s.account_id,
  s.snapshot_date,
  a.scorecard,
  a.version,
  a.score,
  a.score_low,
  a.score_high,
  coalesce(a.band, 'unknown') as band,
  s.mrr_minor
from spine.account_snapshot as s
left join scores.account_score as a
  on a.account_id = s.account_id and a.snapshot_date = s.snapshot_date and a.is_in_force
where s.is_scored
