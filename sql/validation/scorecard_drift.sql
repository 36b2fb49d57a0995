-- model: validation.scorecard_drift
-- grain: scorecard, version, snapshot_date
-- depends: scores.account_score, scores.scorecard, validation.observation
-- audits: unique(scorecard, version, snapshot_date)
-- Has the population moved since the version was made? The stability index of its scores at the last validated snapshot of each
-- block against those at the first validated snapshot on or after it was made: bins at the deciles of the first, one
-- score an account; half an account is added to each cell when one is empty. Without any drift its mean is null_psi; it is
-- called a drift (is_alarm) only above `bar` = (1/n1 + 1/n2) x the 99 % point of chi-square, and above 0.1. Accounts in both
-- snapshots make the bar a little too high. It says that scores moved, not that the score fails.
with scored as (
  select a.scorecard, a.version, a.account_id, o.snapshot_date, o.block, cast(a.score as double) as score, c.created_on
  from scores.account_score as a
  inner join scores.scorecard as c on c.scorecard = a.scorecard and c.version = a.version
  inner join validation.observation as o on o.account_id = a.account_id and o.snapshot_date = a.snapshot_date
  where a.score is not null
),
reference_on as (
  select scorecard, version, min(snapshot_date) as snapshot_date
  from scored
  where snapshot_date >= created_on
  group by scorecard, version
),
reference as (
  select s.scorecard, s.version, s.score
  from scored as s
  inner join reference_on as r
    on r.scorecard = s.scorecard and r.version = s.version and r.snapshot_date = s.snapshot_date
),
cut as (
  select distinct scorecard, version, unnest(cuts) as score
  from (
    select
      scorecard, version,
      quantile_disc(score, [0.1e0, 0.2e0, 0.3e0, 0.4e0, 0.5e0, 0.6e0, 0.7e0, 0.8e0, 0.9e0]) as cuts
    from reference
    group by scorecard, version
  )
),
looked as (
  select s.scorecard, s.version, s.block, max(s.snapshot_date) as snapshot_date
  from scored as s
  inner join reference_on as r on r.scorecard = s.scorecard and r.version = s.version
  where s.snapshot_date > r.snapshot_date
  group by s.scorecard, s.version, s.block
),
compared as (
  select s.scorecard, s.version, s.snapshot_date, s.score, 2 as side
  from scored as s
  inner join looked as l on l.scorecard = s.scorecard and l.version = s.version and l.snapshot_date = s.snapshot_date
  union all
  select r.scorecard, r.version, l.snapshot_date, r.score, 1
  from reference as r
  inner join looked as l on l.scorecard = r.scorecard and l.version = r.version
),
valued as (
  select scorecard, version, snapshot_date, side, score, count(*) as n
  from compared
  group by scorecard, version, snapshot_date, side, score
),
binned as (
  select
    v.scorecard, v.version, v.snapshot_date, v.side, v.n,
    (select count(*) from cut as c where c.scorecard = v.scorecard and c.version = v.version and c.score < v.score) as bin
  from valued as v
),
cell as (
  select
    scorecard, version, snapshot_date, bin,
    cast(coalesce(sum(case when side = 1 then n end), 0) as double) as n1,
    cast(coalesce(sum(case when side = 2 then n end), 0) as double) as n2
  from binned
  group by scorecard, version, snapshot_date, bin
),
total as (
  select
    *,
    sum(n1) over whole as all1,
    sum(n2) over whole as all2,
    count(*) over whole as bins,
    case when min(least(n1, n2)) over whole = 0e0 then 0.5e0 else 0e0 end as added
  from cell
  window whole as (partition by scorecard, version, snapshot_date)
),
indexed as (
  select
    scorecard, version, snapshot_date,
    cast(any_value(all1) as bigint) as n_reference,
    cast(any_value(all2) as bigint) as n_accounts,
    cast(any_value(bins) as integer) as bins,
    exact_sum(
      ((n2 + added) / (all2 + added * bins) - (n1 + added) / (all1 + added * bins))
      * ln(((n2 + added) / (all2 + added * bins)) / ((n1 + added) / (all1 + added * bins)))
    ) as psi
  from total
  group by scorecard, version, snapshot_date
),
point as (
  -- The 99 % points of chi-square with 1 to 9 degrees of freedom.
  select *
  from (
    values
      (1, 6.634896601021214e0), (2, 9.21034037197618e0), (3, 11.344866730144371e0), (4, 13.276704135987622e0),
      (5, 15.08627246938899e0), (6, 16.811893829770927e0), (7, 18.475306906582357e0), (8, 20.090235029663233e0),
      (9, 21.665994333461924e0)
  ) as t(df, chi2)
)
select
  i.scorecard,
  i.version,
  i.snapshot_date,
  r.snapshot_date as reference_on,
  i.n_reference,
  i.n_accounts,
  i.bins,
  twelve_digits(i.psi) as psi,
  twelve_digits((i.bins - 1) * (1e0 / i.n_reference + 1e0 / i.n_accounts)) as null_psi,
  twelve_digits(c.chi2 * (1e0 / i.n_reference + 1e0 / i.n_accounts)) as bar,
  coalesce(i.psi > c.chi2 * (1e0 / i.n_reference + 1e0 / i.n_accounts) and i.psi > 0.1e0, false) as is_alarm
from indexed as i
inner join reference_on as r on r.scorecard = i.scorecard and r.version = i.version
left join point as c on c.df = i.bins - 1
