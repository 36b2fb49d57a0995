-- model: marts.renewal_quarter
-- grain: quarter_from
-- depends: marts.renewal_due
-- params: min_cell
-- audits: not_null(quarter_from, quarter_to, n_accounts, kept_rate); unique(quarter_from)
-- Of the accounts whose renewal came due in a quarter, how many still pay once lapses are mended, with the 95 % Wilson
-- interval; an account that came due more than once in a quarter counts by its last. A quarter with fewer than min_cell
-- is merged with the quarters after it (the last one with those before). Money: of what those accounts paid before, what
-- they pay after, expansion out (gross) and in (net); renewals with unknown money stay out of those and are counted,
-- and fewer than min_cell with known money have no rate.
with last_due as (
  select
    cast(date_trunc('quarter', renews_on) as date) as quarter,
    account_id,
    arg_max(is_kept, renews_on) as is_kept,
    max(renews_on) as renews_on
  from marts.renewal_due
  group by date_trunc('quarter', renews_on), account_id
),
due as (
  select l.quarter, l.account_id, l.is_kept, d.before_minor, d.after_minor
  from last_due as l
  inner join marts.renewal_due as d on d.account_id = l.account_id and d.renews_on = l.renews_on
),
quarters as (
  select quarter, count(*) as n from due group by quarter
),
groups as (
  select
    unnest(list(quarter order by quarter)) as quarter,
    unnest(merged_groups(list(n order by quarter), any_value(min_cell), true)) as group_no
  from quarters
  cross join meta.params
),
summed as (
  select
    min(g.quarter) as quarter_from,
    cast(max(g.quarter) + interval 3 months as date) as quarter_to,
    count(*) as n_accounts,
    count(*) filter (where d.is_kept) as n_kept,
    count(*) filter (where d.before_minor is null or d.after_minor is null) as n_money_unknown,
    sum(d.before_minor) filter (where d.after_minor is not null) as before_minor,
    sum(least(d.before_minor, d.after_minor)) filter (where d.before_minor is not null and d.after_minor is not null) as kept_minor,
    sum(d.after_minor) filter (where d.before_minor is not null) as after_minor
  from due as d
  inner join groups as g on g.quarter = d.quarter
  group by g.group_no
)
select
  s.quarter_from,
  s.quarter_to,
  cast(s.n_accounts as bigint) as n_accounts,
  cast(s.n_kept as bigint) as n_kept,
  twelve_digits(s.n_kept / s.n_accounts) as kept_rate,
  twelve_digits(wilson_low(s.n_kept / s.n_accounts, s.n_accounts)) as rate_low,
  twelve_digits(wilson_high(s.n_kept / s.n_accounts, s.n_accounts)) as rate_high,
  cast(s.n_money_unknown as bigint) as n_money_unknown,
  of_enough(cast(s.before_minor as bigint), s.n_accounts - s.n_money_unknown, p.min_cell) as before_minor,
  of_enough(twelve_digits(cast(s.kept_minor as double) / nullif(s.before_minor, 0)), s.n_accounts - s.n_money_unknown, p.min_cell) as gross_rate,
  of_enough(twelve_digits(cast(s.after_minor as double) / nullif(s.before_minor, 0)), s.n_accounts - s.n_money_unknown, p.min_cell) as net_rate
from summed as s
cross join meta.params as p
where s.n_accounts >= p.min_cell
order by s.quarter_from
