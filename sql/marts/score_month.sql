-- model: marts.score_month
-- grain: scorecard, mode, snapshot_date, version
-- depends: scores.account_score, scores.scorecard, spine.account_snapshot, spine.snapshot
-- params: min_cell
-- audits: not_null(scorecard, mode, snapshot_date, version, mean_score); unique(scorecard, mode, snapshot_date, version)
-- The mean score at the last scored snapshot of each month. as_was: the version that was in force then, over its accounts;
-- is_new_version marks the reading at which that version replaced another one. as_if: the newest version over all history
-- and all accounts. Means are never taken over scorecards: their scales differ. Readings with fewer than min_cell scores
-- are left out.
with readings as (
  select max(snapshot_date) as snapshot_date
  from spine.snapshot
  where is_scored
  group by date_trunc('month', snapshot_date)
),
newest as (
  select scorecard, max(version) as version from scores.scorecard group by scorecard
),
scored as (
  select
    s.scorecard, m.mode, s.snapshot_date, s.version, s.score, a.mrr_minor
  from scores.account_score as s
  inner join readings as r on r.snapshot_date = s.snapshot_date
  inner join spine.account_snapshot as a on a.account_id = s.account_id and a.snapshot_date = s.snapshot_date
  inner join newest as n on n.scorecard = s.scorecard
  inner join (values ('as_was'), ('as_if')) as m(mode)
    on case when m.mode = 'as_was' then s.is_in_force else s.version = n.version end
  where a.is_scored
),
means as (
  select
    scorecard,
    mode,
    snapshot_date,
    version,
    count(*) as n_accounts,
    count(score) as n_scored,
    cast(sum(score) as double) / nullif(count(score), 0) as mean_score,
    cast(sum(cast(score * 1000000 as hugeint) * case when mrr_minor > 0 then mrr_minor else 0 end) as double)
    / cast(nullif(sum(case when score is not null and mrr_minor > 0 then mrr_minor end), 0) as double) / 1e6 as mean_by_money,
    count(case when score is not null and mrr_minor > 0 then 1 end) as n_weighed
  from scored
  group by scorecard, mode, snapshot_date, version
)
select
  m.scorecard,
  m.mode,
  m.snapshot_date,
  cast(m.version as integer) as version,
  coalesce(
    m.mode = 'as_was'
    and lag(m.version) over (partition by m.scorecard, m.mode order by m.snapshot_date, m.version) <> m.version,
    false
  ) as is_new_version,
  cast(m.n_accounts as bigint) as n_accounts,
  cast(m.n_scored as bigint) as n_scored,
  twelve_digits(m.mean_score) as mean_score,
  of_enough(twelve_digits(m.mean_by_money), m.n_weighed, p.min_cell) as mean_by_money
from means as m
cross join meta.params as p
where m.n_scored >= p.min_cell
order by m.scorecard, m.mode, m.snapshot_date, m.version
