-- model: marts.kept_money
-- grain: period_no
-- depends: spine.account_snapshot, spine.snapshot
-- params: as_of, min_cell
-- audits: not_null(period_no, base_on, end_on, n_base); unique(period_no)
-- What is kept of the customers that paid 365 days before the end of a period; 0 is the year up to as_of, 1 the year
-- before it. Both dates are the last snapshot on or before the wanted day. Money of accounts whose revenue is unknown
-- at either end stays out of the rates and is counted. No period of fewer than
-- min_cell customers, and no money of fewer whose revenue is known.
with ends as (
  select
    n.period_no,
    (select max(s.snapshot_date) from spine.snapshot as s where s.snapshot_date <= p.as_of - 365 * n.period_no) as end_on,
    (select max(s.snapshot_date) from spine.snapshot as s where s.snapshot_date <= p.as_of - 365 * (n.period_no + 1)) as base_on,
    p.min_cell
  from meta.params as p
  cross join (values (0), (1)) as n (period_no)
),
accounts as (
  select
    e.period_no,
    e.base_on,
    e.end_on,
    e.min_cell,
    b.account_id,
    b.mrr_minor as base_minor,
    a.account_id is not null as is_kept,
    case when a.account_id is null then 0 else a.mrr_minor end as end_minor
  from ends as e
  inner join spine.account_snapshot as b on b.snapshot_date = e.base_on
  left join spine.account_snapshot as a on a.snapshot_date = e.end_on and a.account_id = b.account_id
),
totals as (
  select
    period_no,
    base_on,
    end_on,
    min_cell,
    count(*) as n_base,
    count(*) filter (where is_kept) as n_kept,
    count(*) filter (where base_minor is null or end_minor is null) as n_money_unknown,
    sum(base_minor) filter (where base_minor is not null and end_minor is not null) as base_minor,
    sum(least(base_minor, end_minor)) filter (where base_minor is not null and end_minor is not null) as kept_minor,
    sum(end_minor) filter (where base_minor is not null and end_minor is not null) as end_minor
  from accounts
  group by period_no, base_on, end_on, min_cell
)
select
  cast(period_no as integer) as period_no,
  base_on,
  end_on,
  cast(n_base as bigint) as n_base,
  cast(n_kept as bigint) as n_kept,
  cast(n_money_unknown as bigint) as n_money_unknown,
  of_enough(cast(base_minor as bigint), n_base - n_money_unknown, min_cell) as base_minor,
  of_enough(cast(kept_minor as bigint), n_base - n_money_unknown, min_cell) as kept_minor,
  of_enough(cast(end_minor as bigint), n_base - n_money_unknown, min_cell) as end_minor,
  of_enough(kept_minor / nullif(base_minor, 0), n_base - n_money_unknown, min_cell) as gross_rate,
  of_enough(end_minor / nullif(base_minor, 0), n_base - n_money_unknown, min_cell) as net_rate,
  n_kept / n_base as kept_rate
from totals
where n_base >= min_cell
order by period_no
