-- model: validation.score_run
-- grain: scorecard, version, account_id, from_on
-- depends: scores.account_override, scores.account_score, scores.scorecard, spine.account_snapshot
-- audits: unique(scorecard, version, account_id, from_on)
-- Unbroken runs in the worst band over the scored snapshots of a paid period, a version applied to all history: from the
-- first red snapshot to the last one; next_on is the first snapshot after it, null when there is none. A score that could not
-- be given is not red, and a band that a person set does not count. is_first: the run began with the period's first score.
with worst as (
  select scorecard, version, json_extract_string(bands, '$.list[0].id') as band from scores.scorecard
),
scored as (
  select
    a.scorecard, a.version, a.account_id, s.period_started_on, a.snapshot_date,
    coalesce(coalesce(o.band_without, a.band) = w.band, false) as is_worst
  from scores.account_score as a
  left join scores.account_override as o
    on o.account_id = a.account_id and o.snapshot_date = a.snapshot_date
    and o.scorecard = a.scorecard and o.version = a.version
  inner join worst as w on w.scorecard = a.scorecard and w.version = a.version
  inner join spine.account_snapshot as s on s.account_id = a.account_id and s.snapshot_date = a.snapshot_date
  where s.is_scored
),
beside as (
  select
    *,
    lag(is_worst) over by_date as was_worst,
    lead(snapshot_date) over by_date as following_on,
    row_number() over by_date as place
  from scored
  window by_date as (partition by scorecard, version, account_id, period_started_on order by snapshot_date)
),
numbered as (
  select
    *,
    sum(case when coalesce(was_worst, false) then 0 else 1 end) over (
      partition by scorecard, version, account_id, period_started_on order by snapshot_date
      rows between unbounded preceding and current row
    ) as run_no
  from beside
  where is_worst
)
select
  scorecard,
  version,
  account_id,
  period_started_on,
  min(snapshot_date) as from_on,
  max(snapshot_date) as last_on,
  arg_max(following_on, snapshot_date) as next_on,
  min(place) = 1 as is_first
from numbered
group by scorecard, version, account_id, period_started_on, run_no
