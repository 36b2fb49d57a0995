-- model: marts.renewal_month
-- grain: from_month, band
-- depends: marts.account_band
-- params: as_of, min_cell
-- audits: not_null(from_month, to_month, band, n_accounts); unique(from_month, band)
-- Each paying account's next renewal within twelve months of as_of, by calendar month and the band it stands in now.
-- A month with fewer than min_cell renewals is merged with the months after it (the last one with those before), so
-- that no total is one customer's.
with due as (
  select
    cast(date_trunc('month', b.renews_on) as date) as due_month,
    b.band,
    b.mrr_minor
  from marts.account_band as b
  cross join meta.params as p
  where b.series = 'in_force'
    and b.snapshot_date = p.as_of
    and b.renews_on >= p.as_of
    and b.renews_on < date_trunc('month', p.as_of) + interval 12 months
),
months as (
  select due_month, count(*) as n
  from due
  group by due_month
),
groups as (
  select
    unnest(list(due_month order by due_month)) as due_month,
    unnest(merged_groups(list(n order by due_month), any_value(min_cell), true)) as group_no
  from months
  cross join meta.params
),
spans as (
  select g.group_no, min(g.due_month) as from_month, max(g.due_month) as to_month, sum(m.n) as n_total
  from groups as g
  inner join months as m on m.due_month = g.due_month
  group by g.group_no
)
select
  s.from_month,
  s.to_month,
  d.band,
  cast(count(*) as bigint) as n_accounts,
  cast(s.n_total as bigint) as n_total,
  cast(count(*) filter (where d.mrr_minor is null) as bigint) as n_money_unknown,
  cast(coalesce(sum(d.mrr_minor), 0) as bigint) as mrr_minor
from due as d
inner join groups as g on g.due_month = d.due_month
inner join spans as s on s.group_no = g.group_no
cross join meta.params as p
where s.n_total >= p.min_cell
group by s.from_month, s.to_month, d.band, s.n_total
order by s.from_month, d.band
