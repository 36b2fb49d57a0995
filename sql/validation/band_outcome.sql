-- model: validation.band_outcome
-- grain: scorecard, version, mode, band, days
-- depends: scores.account_override, scores.account_score, spine.account_snapshot, validation.definition, validation.outcome
-- params: as_of
-- audits: unique(scorecard, version, mode, band, days)
-- The ledger: what became of accounts within 30, 60, 90 and 180 days, by the band they stood in at a validated snapshot
-- (primary definition). A decision in [s, s + days) counts; a row counts only when those days, and the ones in which a
-- departure can be undone, are over. as_if applies a version to all history, as_was only the one in force at the time.
-- A band that a person set counts in as_was, which people saw, and not in as_if: it is no merit of the scorecard.
-- money: monthly money of the churned accounts, each at its last row in the band. lift: rate over the rate of all bands.
with stood as (
  select
    a.scorecard, a.version, 'as_if' as mode, a.account_id, a.snapshot_date, coalesce(o.band_without, a.band) as band
  from scores.account_score as a
  left join scores.account_override as o
    on o.account_id = a.account_id and o.snapshot_date = a.snapshot_date
    and o.scorecard = a.scorecard and o.version = a.version
  union all
  select scorecard, version, 'as_was' as mode, account_id, snapshot_date, band
  from scores.account_score
  where is_in_force
),
labelled as (
  select
    s.scorecard,
    s.version,
    s.mode,
    s.band,
    t.days,
    s.account_id,
    s.snapshot_date,
    case when o.churned_on < s.snapshot_date + t.days then 1 else 0 end as y
  from stood as s
  inner join validation.outcome as o on o.account_id = s.account_id and o.snapshot_date = s.snapshot_date
  inner join validation.definition as d on d.definition = o.definition and d.is_primary
  cross join (values (30), (60), (90), (180)) as t(days)
  cross join meta.params as p
  where s.snapshot_date + t.days + d.settle_days <= p.as_of
    and coalesce(o.why_unlabelled, '') <> 'already_decided'
    and not (coalesce(o.churn_kind, '') = 'other_exit' and o.churned_on < s.snapshot_date + t.days)
),
by_account as (
  select
    l.scorecard, l.version, l.mode, l.band, l.days, l.account_id,
    count(*) as m,
    sum(l.y) as e,
    max(case when l.y = 1 then l.snapshot_date end) as last_on
  from labelled as l
  group by l.scorecard, l.version, l.mode, l.band, l.days, l.account_id
),
summed as (
  select
    b.scorecard, b.version, b.mode, b.band, b.days,
    cast(sum(b.m) as bigint) as n_rows,
    count(*) as n_accounts,
    count(case when b.e > 0 then 1 end) as n_churned,
    cast(sum(b.e) as bigint) as n_event_rows,
    cast(sum(b.e * b.e) as double) as ee,
    cast(sum(b.e * b.m) as double) as em,
    cast(sum(b.m * b.m) as double) as mm,
    cast(sum(a.mrr_minor) as bigint) as money
  from by_account as b
  left join spine.account_snapshot as a on a.account_id = b.account_id and a.snapshot_date = b.last_on
  group by b.scorecard, b.version, b.mode, b.band, b.days
),
rated as (
  select
    *,
    n_event_rows / cast(n_rows as double) as rate,
    sum(n_event_rows) over (partition by scorecard, version, mode, days) as all_event_rows,
    sum(n_rows) over (partition by scorecard, version, mode, days) as all_rows
  from summed
),
varied as (
  select
    *,
    n_accounts / (n_accounts - 1e0) * (ee - 2e0 * rate * em + rate * rate * mm) / (cast(n_rows as double) * n_rows) as variance
  from rated
),
effective as (
  select
    *,
    case when n_accounts > 1 and variance > 1e-15 then rate * (1e0 - rate) / variance else cast(n_accounts as double) end as n_eff
  from varied
)
select
  scorecard,
  version,
  mode,
  band,
  cast(days as integer) as days,
  n_rows,
  n_accounts,
  n_churned,
  twelve_digits(rate) as rate,
  twelve_digits(wilson_low(rate, n_eff)) as rate_low,
  twelve_digits(wilson_high(rate, n_eff)) as rate_high,
  twelve_digits(rate * all_rows / nullif(cast(all_event_rows as double), 0e0)) as lift,
  twelve_digits(n_event_rows / nullif(cast(all_event_rows as double), 0e0)) as share_of_churn,
  money
from effective
