-- model: marts.kpi_shift
-- grain: kpi, range_no
-- depends: features.account_kpi, marts.kpi_bin, spine.account_snapshot, validation.kpi_decile
-- params: as_of, min_cell, min_tenure_days, window_days
-- audits: not_null(kpi, range_no, n_now, share_then, share_now); unique(kpi, range_no)
-- Where accounts stand now beside the history that the verdict rests on: shares of today's accounts and of the labelled
-- account-months in each range of marts.kpi_range (range 0: no value). Today's are those that a validation would take: old
-- enough and not in notice. None where fewer than min_cell are, now or in history.
with today as (
  select k.*
  from features.account_kpi as k
  inner join spine.account_snapshot as a on a.account_id = k.account_id and a.snapshot_date = k.snapshot_date
  cross join meta.params as p
  where k.snapshot_date = p.as_of and a.tenure_days >= greatest(p.window_days, p.min_tenure_days) and not a.in_notice
),
valued as (
  select u.kpi, u.value
  from (from today unpivot include nulls (value for kpi in (columns(* exclude (account_id, snapshot_date))))) as u
),
starts as (
  select kpi, range_no, min(value_from) as value_from
  from marts.kpi_bin
  group by kpi, range_no
),
placed as (
  -- The lowest range is open downwards: what lies below every start belongs to it.
  select
    v.kpi,
    case
      when v.value is null then 0
      else greatest(1, (select count(*) from starts as s where s.kpi = v.kpi and s.value_from <= v.value))
    end as range_no
  from valued as v
),
now_counts as (
  select kpi, cast(range_no as integer) as range_no, count(*) as n
  from placed
  group by kpi, range_no
),
then_counts as (
  select d.kpi, coalesce(b.range_no, 0) as range_no, sum(d.n_rows) as n
  from validation.kpi_decile as d
  left join marts.kpi_bin as b on b.kpi = d.kpi and b.bin = d.bin
  group by d.kpi, coalesce(b.range_no, 0)
),
beside as (
  select
    coalesce(t.kpi, n.kpi) as kpi,
    coalesce(t.range_no, n.range_no) as range_no,
    coalesce(t.n, 0) as n_then,
    coalesce(n.n, 0) as n_now
  from then_counts as t
  full join now_counts as n on n.kpi = t.kpi and n.range_no = t.range_no
),
known as (
  select kpi, max(n_accounts) as n_accounts from validation.kpi_decile group by kpi
),
total as (
  select *, sum(n_then) over (partition by kpi) as all_then, sum(n_now) over (partition by kpi) as all_now
  from beside
)
select
  t.kpi,
  t.range_no,
  t.range_no = 0 as is_missing,
  twelve_digits(t.n_then / cast(t.all_then as double)) as share_then,
  twelve_digits(t.n_now / cast(t.all_now as double)) as share_now,
  cast(t.all_then as bigint) as n_rows_then,
  cast(t.all_now as bigint) as n_now
from total as t
inner join known as k on k.kpi = t.kpi
cross join meta.params as p
where t.all_then > 0 and least(t.all_now, k.n_accounts) >= p.min_cell
order by t.kpi, t.range_no
