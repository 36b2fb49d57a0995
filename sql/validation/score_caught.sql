-- model: validation.score_caught
-- grain: scorecard, version, account_id, decided_on
-- depends: scores.account_override, scores.account_score, scores.scorecard, spine.account_snapshot, validation.decision,
--   validation.definition
-- params: gap_days
-- audits: unique(scorecard, version, account_id, decided_on)
-- The band of each departing account (primary definition) at its last scored snapshot at least the gap before the decision:
-- is_caught in the worst band, is_missed in the best. A band that a person set does not count. Departures without a score
-- by then have no row.
with ends as (
  select
    scorecard, version, created_on,
    json_extract_string(bands, '$.list[0].id') as worst,
    json_extract_string(bands, '$.list[#-1].id') as best
  from scores.scorecard
),
asked as (
  select d.account_id, d.decided_on, s.snapshot_date, s.mrr_minor
  from validation.decision as d
  inner join validation.definition as v on v.definition = d.definition and v.is_primary
  cross join meta.params as p
  asof inner join (
    select account_id, snapshot_date, mrr_minor from spine.account_snapshot where is_scored
  ) as s on s.account_id = d.account_id and d.decided_on - p.gap_days >= s.snapshot_date
  where d.kind <> 'other_exit' and (d.period_started_on is null or s.snapshot_date >= d.period_started_on)
)
select
  c.scorecard,
  c.version,
  a.account_id,
  a.decided_on,
  a.snapshot_date,
  cast(c.score as double) as score,
  coalesce(o.band_without, c.band) as band,
  coalesce(c.is_in_force, false) and a.snapshot_date >= e.created_on as is_as_was,
  a.snapshot_date >= e.created_on as is_out_of_time,
  coalesce(coalesce(o.band_without, c.band) = e.worst, false) as is_caught,
  coalesce(coalesce(o.band_without, c.band) = e.best, false) as is_missed,
  a.mrr_minor
from asked as a
inner join scores.account_score as c on c.account_id = a.account_id and c.snapshot_date = a.snapshot_date
inner join ends as e on e.scorecard = c.scorecard and e.version = c.version
left join scores.account_override as o
  on o.account_id = c.account_id and o.snapshot_date = c.snapshot_date
  and o.scorecard = c.scorecard and o.version = c.version
