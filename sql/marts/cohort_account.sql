-- model: marts.cohort_account
-- grain: account_id
-- depends: spine.account_period, spine.snapshot
-- params: window_days, as_of, min_cell
-- audits: not_null(account_id, started_on, cohort_from, cohort_to); unique(account_id)
-- The sign-up cohort of every account: the quarter of its first paid day. A quarter with fewer than min_cell accounts
-- is merged with the quarters after it (the last one with those before). Quarters that began before the book's data
-- are cut: of those customers only the ones that had stayed are known.
with first_paid as (
  select account_id, min(started_on) as started_on
  from spine.account_period
  group by account_id
),
data_start as (
  select min(s.snapshot_date) - max(p.window_days) as starts_on
  from spine.snapshot as s
  cross join meta.params as p
),
known as (
  select
    f.account_id,
    f.started_on,
    cast(date_trunc('quarter', f.started_on) as date) as quarter
  from first_paid as f
  cross join data_start as d
  cross join meta.params as p
  where date_trunc('quarter', f.started_on) >= d.starts_on and f.started_on < p.as_of
),
quarters as (
  select quarter, count(*) as n
  from known
  group by quarter
),
groups as (
  select
    unnest(list(quarter order by quarter)) as quarter,
    unnest(merged_groups(list(n order by quarter), any_value(min_cell), true)) as group_no
  from quarters
  cross join meta.params
),
spans as (
  select
    group_no,
    min(quarter) as cohort_from,
    cast(max(quarter) + interval 3 months as date) as cohort_to,
    count(*) as n_quarters
  from groups
  group by group_no
)
select
  k.account_id,
  k.started_on,
  s.cohort_from,
  s.cohort_to,
  cast(s.n_quarters as integer) as n_quarters
from known as k
inner join groups as g on g.quarter = k.quarter
inner join spans as s on s.group_no = g.group_no
order by k.account_id
