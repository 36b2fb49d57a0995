-- model: marts.band_month
-- grain: series, snapshot_date, band
-- depends: marts.account_band, spine.snapshot
-- params: min_cell
-- audits: not_null(series, snapshot_date, band, n_accounts); unique(series, snapshot_date, band)
-- Accounts and monthly revenue by band at the last scored snapshot of each month (the newest one for the running
-- month). Dates with fewer than min_cell accounts in all are left out.
with readings as (
  select max(snapshot_date) as snapshot_date
  from spine.snapshot
  where is_scored
  group by date_trunc('month', snapshot_date)
),
standing as (
  select
    b.series,
    b.snapshot_date,
    b.band,
    count(*) as n_accounts,
    coalesce(sum(b.mrr_minor), 0) as mrr_minor
  from marts.account_band as b
  inner join readings as r on r.snapshot_date = b.snapshot_date
  where b.is_scored
  group by b.series, b.snapshot_date, b.band
),
totals as (
  select series, snapshot_date, sum(n_accounts) as n_total, sum(mrr_minor) as total_minor
  from standing
  group by series, snapshot_date
)
select
  s.series,
  s.snapshot_date,
  s.band,
  cast(s.n_accounts as bigint) as n_accounts,
  cast(t.n_total as bigint) as n_total,
  cast(s.mrr_minor as bigint) as mrr_minor,
  cast(t.total_minor as bigint) as total_minor
from standing as s
inner join totals as t on t.series = s.series and t.snapshot_date = s.snapshot_date
cross join meta.params as p
where t.n_total >= p.min_cell
order by s.series, s.snapshot_date, s.band
