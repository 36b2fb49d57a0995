-- model: marts.account_band
-- kind: view
-- grain: series, account_id, snapshot_date
-- depends: scores.account_override, scores.account_score, scores.scorecard, spine.account_snapshot
-- Where each paying account stood: in the scorecard in force for it then (series in_force), and in the newest version
-- of every scorecard restated over all dates (series = its id). An account without a score is unknown, never left out.
-- A band that a person set is what people saw, so it stands in in_force alone: restated series are what the card says.
with newest as (
  select scorecard, max(version) as version from scores.scorecard group by scorecard
)
select
  'in_force' as series,
  a.account_id,
  a.snapshot_date,
  a.segment,
  a.mrr_minor,
  a.renews_on,
  a.is_scored,
  s.scorecard,
  s.version,
  s.score,
  coalesce(s.band, 'unknown') as band
from spine.account_snapshot as a
left join scores.account_score as s
  on s.account_id = a.account_id and s.snapshot_date = a.snapshot_date and s.is_in_force
union all
select
  n.scorecard as series,
  a.account_id,
  a.snapshot_date,
  a.segment,
  a.mrr_minor,
  a.renews_on,
  a.is_scored,
  n.scorecard,
  n.version,
  s.score,
  coalesce(o.band_without, s.band, 'unknown') as band
from newest as n
cross join spine.account_snapshot as a
left join scores.account_score as s
  on s.account_id = a.account_id
  and s.snapshot_date = a.snapshot_date
  and s.scorecard = n.scorecard
  and s.version = n.version
left join scores.account_override as o
  on o.account_id = s.account_id
  and o.snapshot_date = s.snapshot_date
  and o.scorecard = s.scorecard
  and o.version = s.version
