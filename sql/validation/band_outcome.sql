-- model: validation.band_outcome
-- grain: scorecard, version, mode, band, days
-- depends: scores.account_override, scores.account_score, scores.scorecard, spine.account_snapshot, validation.definition,
--   validation.outcome
-- params: as_of
-- audits: unique(scorecard, version, mode, band, days)
-- The ledger: what became of accounts within 30, 60, 90 and 180 days, by the band they stood in at a validated snapshot
-- (primary definition). A decision in [s, s + days) counts; a row counts only when those days, and the ones in which a
-- departure can be undone, are over. as_if applies a version to history from the day on which it was made, as_was counts
-- of that only the snapshots at which it was in force, in_sample what lies before (numbers that may flatter). A band that
-- a person set counts in as_was, which people saw, and not elsewhere: it is no merit of the scorecard. Intervals are 95 %,
-- clustered by account. lift: rate over the rate of all bands; share_of_churn: of all rows that lead to leaving; money:
-- monthly money of the churned accounts, each at its last row in the band.
with stood as (
  select
    a.scorecard, a.version, case when a.snapshot_date >= c.created_on then 'as_if' else 'in_sample' end as mode,
    a.account_id, a.snapshot_date, coalesce(o.band_without, a.band) as band
  from scores.account_score as a
  inner join scores.scorecard as c on c.scorecard = a.scorecard and c.version = a.version
  left join scores.account_override as o
    on o.account_id = a.account_id and o.snapshot_date = a.snapshot_date
    and o.scorecard = a.scorecard and o.version = a.version
  union all
  select a.scorecard, a.version, 'as_was' as mode, a.account_id, a.snapshot_date, a.band
  from scores.account_score as a
  inner join scores.scorecard as c on c.scorecard = a.scorecard and c.version = a.version
  where a.is_in_force and a.snapshot_date >= c.created_on
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
whole as (
  -- An account over all bands.
  select scorecard, version, mode, days, account_id, sum(m) as m, sum(e) as e
  from by_account
  group by scorecard, version, mode, days, account_id
),
total as (
  select
    scorecard, version, mode, days,
    cast(sum(m) as double) as m, cast(sum(e) as double) as e, count(*) as n,
    cast(sum(m * m) as double) as mm, cast(sum(e * m) as double) as em, cast(sum(e * e) as double) as ee
  from whole
  group by scorecard, version, mode, days
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
    cast(sum(b.e * w.e) as double) as e_all_e,
    cast(sum(b.e * w.m) as double) as e_all_m,
    cast(sum(b.m * w.e) as double) as m_all_e,
    cast(sum(b.m * w.m) as double) as m_all_m,
    cast(sum(a.mrr_minor) as bigint) as money
  from by_account as b
  inner join whole as w
    on w.scorecard = b.scorecard and w.version = b.version and w.mode = b.mode and w.days = b.days
    and w.account_id = b.account_id
  left join spine.account_snapshot as a on a.account_id = b.account_id and a.snapshot_date = b.last_on
  group by b.scorecard, b.version, b.mode, b.band, b.days
),
rated as (
  select
    s.*,
    t.m as all_m,
    t.e as all_e,
    t.mm as all_mm,
    t.em as all_em,
    t.ee as all_ee,
    s.n_event_rows / cast(s.n_rows as double) as rate,
    t.e / t.m as all_rate,
    s.n_event_rows / nullif(t.e, 0e0) as share,
    t.n / nullif(t.n - 1e0, 0e0) as correction
  from summed as s
  inner join total as t on t.scorecard = s.scorecard and t.version = s.version and t.mode = s.mode and t.days = s.days
),
varied as (
  -- Sums of squares of each account's influence, written out: on the rate, on the logarithm of the lift, on the share.
  select
    *,
    n_accounts / nullif(n_accounts - 1e0, 0e0) * (ee - 2e0 * rate * em + rate * rate * mm) / (cast(n_rows as double) * n_rows) as variance,
    correction * (
      (ee - 2e0 * rate * em + rate * rate * mm) / nullif(n_rows * rate * n_rows * rate, 0e0)
      - 2e0 * (e_all_e - all_rate * e_all_m - rate * m_all_e + rate * all_rate * m_all_m) / nullif(n_rows * rate * all_m * all_rate, 0e0)
      + (all_ee - 2e0 * all_rate * all_em + all_rate * all_rate * all_mm) / nullif(all_m * all_rate * all_m * all_rate, 0e0)
    ) as lift_variance,
    correction * (ee - 2e0 * share * e_all_e + share * share * all_ee) / nullif(all_e * all_e, 0e0) as share_variance
  from rated
),
effective as (
  select
    *,
    case when n_accounts > 1 and variance > 1e-15 then rate * (1e0 - rate) / variance else cast(n_accounts as double) end as n_eff,
    case when share_variance > 1e-15 then share * (1e0 - share) / share_variance end as share_n,
    case when n_event_rows > 0 then 1.959963984540054e0 * sqrt(greatest(0e0, lift_variance)) end as half
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
  twelve_digits(rate / nullif(all_rate, 0e0)) as lift,
  twelve_digits(rate / nullif(all_rate, 0e0) * exp(-half)) as lift_low,
  twelve_digits(rate / nullif(all_rate, 0e0) * exp(half)) as lift_high,
  twelve_digits(share) as share_of_churn,
  twelve_digits(wilson_low(share, share_n)) as share_low,
  twelve_digits(wilson_high(share, share_n)) as share_high,
  money
from effective
