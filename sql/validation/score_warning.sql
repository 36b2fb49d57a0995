-- model: validation.score_warning
-- grain: scorecard, version, account_id, decided_on
-- depends: scores.account_override, scores.account_score, scores.scorecard, spine.account_snapshot, validation.decision,
--   validation.definition
-- audits: unique(scorecard, version, account_id, decided_on)
-- Months of warning before each departure (primary definition), a version applied to all history: from the start of the
-- unbroken run in the worst band that holds the last score before the decision; 0 when that score is in another band.
-- Bands that a person set do not count. is_at_least: the run began with the account's first score of the paid period, so it
-- may be longer.
with worst as (
  select scorecard, version, created_on, json_extract_string(bands, '$.list[0].id') as band from scores.scorecard
),
scored as (
  select
    a.scorecard, a.version, a.account_id, a.snapshot_date, w.created_on,
    coalesce(coalesce(o.band_without, a.band) = w.band, false) as is_worst
  from scores.account_score as a
  left join scores.account_override as o
    on o.account_id = a.account_id and o.snapshot_date = a.snapshot_date
    and o.scorecard = a.scorecard and o.version = a.version
  inner join worst as w on w.scorecard = a.scorecard and w.version = a.version
  inner join spine.account_snapshot as s on s.account_id = a.account_id and s.snapshot_date = a.snapshot_date
  where s.is_scored
),
before_departure as (
  select
    s.scorecard,
    s.version,
    d.account_id,
    d.decided_on,
    max(s.snapshot_date) as last_on,
    min(s.snapshot_date) as first_on,
    max(case when not s.is_worst then s.snapshot_date end) as last_clear_on,
    max(s.snapshot_date) >= any_value(s.created_on) as is_out_of_time
  from validation.decision as d
  inner join validation.definition as v on v.definition = d.definition and v.is_primary
  inner join scored as s
    on s.account_id = d.account_id and s.snapshot_date < d.decided_on
    and (d.period_started_on is null or s.snapshot_date >= d.period_started_on)
  where d.kind <> 'other_exit'
  group by s.scorecard, s.version, d.account_id, d.decided_on
),
run as (
  select
    b.scorecard, b.version, b.account_id, b.decided_on, b.first_on, b.last_on, b.is_out_of_time,
    min(case when b.last_clear_on is null or s.snapshot_date > b.last_clear_on then s.snapshot_date end) as run_from
  from before_departure as b
  inner join scored as s
    on s.scorecard = b.scorecard and s.version = b.version and s.account_id = b.account_id
    and s.snapshot_date between b.first_on and b.last_on
  group by b.scorecard, b.version, b.account_id, b.decided_on, b.first_on, b.last_on, b.is_out_of_time
)
select
  scorecard,
  version,
  account_id,
  decided_on,
  is_out_of_time,
  twelve_digits(coalesce((decided_on - run_from) / 30.44e0, 0e0)) as months_of_warning,
  coalesce(run_from = first_on, false) as is_at_least
from run
