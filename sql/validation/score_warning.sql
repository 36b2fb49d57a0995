-- model: validation.score_warning
-- grain: scorecard, version, departed_id, decided_on, account_id
-- depends: scores.account_score, scores.scorecard, spine.account_snapshot, validation.score_run, validation.warning_case
-- audits: unique(scorecard, version, departed_id, decided_on, account_id)
-- Months of warning before each departure (primary definition), a version applied to all history: from the start of the
-- unbroken run in the worst band that holds the last score before the decision; 0 when that score is in another band.
-- Bands that a person set do not count. is_at_least: the run began with the account's first score of the paid period, so it
-- may be longer. Accounts that stayed (is_departure false, see validation.warning_case) are measured at the same day.
with version as (
  select scorecard, version, created_on from scores.scorecard
),
scored as (
  select account_id, period_started_on, snapshot_date from spine.account_snapshot where is_scored
),
asked as (
  select c.*, s.snapshot_date as last_on
  from validation.warning_case as c
  asof inner join scored as s on s.account_id = c.account_id and c.decided_on > s.snapshot_date
  where c.period_started_on is null or s.snapshot_date >= c.period_started_on
)
select
  v.scorecard,
  v.version,
  a.departed_id,
  a.decided_on,
  a.account_id,
  a.is_departure,
  a.last_on >= v.created_on as is_out_of_time,
  twelve_digits(coalesce((a.decided_on - r.from_on) / 30.44e0, 0e0)) as months_of_warning,
  coalesce(r.is_first, false) as is_at_least
from asked as a
inner join scores.account_score as c on c.account_id = a.account_id and c.snapshot_date = a.last_on
inner join version as v on v.scorecard = c.scorecard and v.version = c.version
left join validation.score_run as r
  on r.scorecard = v.scorecard and r.version = v.version and r.account_id = a.account_id
  and a.last_on between r.from_on and r.last_on
