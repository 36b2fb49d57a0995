-- model: marts.cohort_heat
-- grain: cohort_from, months
-- depends: marts.cohort_account, spine.account_period, spine.account_snapshot, spine.snapshot
-- params: as_of, min_cell
-- audits: not_null(cohort_from, months, n_accounts, n_kept); unique(cohort_from, months)
-- Of the accounts that signed up in a cohort, those that pay 3, 6, 9, ... months after their own first paid day, and
-- their monthly revenue then beside that of their first snapshot (money of accounts whose revenue is unknown at either
-- end is left out). A cell exists once every account of the cohort has reached that age: later ones have not matured.
with ages as (
  select cast(a.k * 3 as integer) as months
  from unnest(generate_series(0, 80)) as a (k)
),
reached as (
  select c.account_id, c.started_on, c.cohort_from, c.cohort_to, c.n_quarters, a.months,
    cast(c.started_on + to_months(a.months) as date) as at_date
  from marts.cohort_account as c
  cross join ages as a
  cross join meta.params as p
  where c.cohort_to + to_months(a.months) <= p.as_of
),
base as (
  select c.account_id, min_by(s.mrr_minor, s.snapshot_date) as base_minor
  from marts.cohort_account as c
  inner join spine.account_snapshot as s
    on s.account_id = c.account_id
    and s.snapshot_date >= c.started_on
    and s.snapshot_date < c.started_on + 32
    and s.mrr_minor is not null
  group by c.account_id
),
reading_dates as (
  select d.at_date, min(s.snapshot_date) as snapshot_date
  from (select distinct at_date from reached) as d
  inner join spine.snapshot as s on s.snapshot_date >= d.at_date
  group by d.at_date
),
held as (
  select r.account_id, r.months, count(*) > 0 as is_kept
  from reached as r
  inner join spine.account_period as q
    on q.account_id = r.account_id and q.started_on <= r.at_date and (q.ended_on is null or q.ended_on > r.at_date)
  group by r.account_id, r.months
),
cells as (
  select
    r.cohort_from,
    r.cohort_to,
    r.n_quarters,
    r.months,
    count(*) as n_accounts,
    count(h.is_kept) as n_kept,
    count(case when m.account_id is null or m.mrr_minor is not null then b.base_minor end) as n_money,
    sum(case when m.account_id is null or m.mrr_minor is not null then b.base_minor end) as base_minor,
    sum(
      case
        when b.base_minor is null then null
        when m.account_id is null then 0
        else m.mrr_minor
      end
    ) as at_minor
  from reached as r
  left join held as h on h.account_id = r.account_id and h.months = r.months
  left join base as b on b.account_id = r.account_id
  left join reading_dates as d on d.at_date = r.at_date
  left join spine.account_snapshot as m on m.account_id = r.account_id and m.snapshot_date = d.snapshot_date
  group by r.cohort_from, r.cohort_to, r.n_quarters, r.months
)
select
  c.cohort_from,
  c.cohort_to,
  c.n_quarters,
  c.months,
  cast(c.n_accounts as bigint) as n_accounts,
  cast(c.n_kept as bigint) as n_kept,
  c.n_kept / c.n_accounts as kept_rate,
  of_enough(
    cast(case when c.months = 0 then c.base_minor else c.at_minor end as bigint) / nullif(cast(c.base_minor as bigint), 0), c.n_money, p.min_cell
  ) as money_rate
from cells as c
cross join meta.params as p
where c.n_accounts >= p.min_cell
order by c.cohort_from, c.months
