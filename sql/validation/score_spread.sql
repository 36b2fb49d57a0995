-- model: validation.score_spread
-- grain: subject, slice
-- depends: validation.bootstrap_weight, validation.score_period, validation.score_row, validation.score_slice
-- Standard errors of average precision and lift, which have no influence values of their own: the standard deviation over the
-- replicates of validation.bootstrap_weight. Within a replicate scores of one percentile are a tie.
with numbered as (
  -- Whole numbers as keys: the joins below have millions of rows.
  select
    subject, slice, sample, period_no,
    cast(row_number() over (order by subject, slice) as integer) as slice_no
  from validation.score_slice
  where statistic = slice
),
member as (
  -- Each row once, in its period and with what decides which other parts of history hold it.
  select
    n.slice_no as period_slice,
    cast(case when r.is_worked then 2 else 0 end + case when r.is_as_was then 1 else 0 end as integer) as mark,
    r.account_no,
    r.place,
    r.y
  from validation.score_row as r
  inner join validation.score_period as p
    on p.subject = r.subject and p.block = r.block and p.sample = case when r.is_out_of_time then 'out_of_time' else 'in_sample' end
  inner join numbered as n on n.subject = p.subject and n.sample = p.sample and n.period_no = p.period_no
  where r.score is not null
),
target as (
  select own.slice_no as period_slice, cast(m.mark as integer) as mark, n.slice_no
  from numbered as own
  cross join range(0, 4) as m(mark)
  inner join numbered as n
    on n.subject = own.subject
    and (
      n.slice_no = own.slice_no
      or n.slice = own.sample
      or (n.slice = 'as_was' and own.sample = 'out_of_time' and m.mark in (1, 3))
      or (n.slice = 'without_plays' and own.sample = 'out_of_time' and m.mark in (0, 1))
    )
  where own.period_no is not null
),
cell as (
  select period_slice, mark, account_no, place, cast(count(*) as double) as m, cast(sum(y) as double) as e
  from member
  group by period_slice, mark, account_no, place
),
weighed as (
  -- Sums of whole numbers are exact in doubles.
  select c.period_slice, c.mark, w.replicate, c.place, sum(w.weight * c.m) as m, sum(w.weight * c.e) as e
  from cell as c
  inner join validation.bootstrap_weight as w on w.account_no = c.account_no
  group by c.period_slice, c.mark, w.replicate, c.place
),
sliced as (
  select t.slice_no, w.replicate, w.place, sum(w.m) as m, sum(w.e) as e
  from weighed as w
  inner join target as t on t.period_slice = w.period_slice and t.mark = w.mark
  group by t.slice_no, w.replicate, w.place
),
risky_first as (
  select
    slice_no, replicate, m, e,
    sum(m) over worst as k,
    sum(e) over worst as tp,
    sum(m) over whole as n,
    sum(e) over whole as te
  from sliced
  window
    worst as (partition by slice_no, replicate order by place rows between unbounded preceding and current row),
    whole as (partition by slice_no, replicate)
),
replicated as (
  select
    n.subject,
    n.slice,
    r.replicate,
    exact_share_sum(r.e / r.te * r.tp / r.k) as average_precision,
    exact_sum(
      case
        when r.k <= 0.1e0 * r.n then r.e
        when r.k - r.m < 0.1e0 * r.n then r.e * (0.1e0 * r.n - (r.k - r.m)) / r.m
        else 0e0
      end
    ) / (0.1e0 * any_value(r.te)) as lift_10
  from risky_first as r
  inner join numbered as n on n.slice_no = r.slice_no
  where r.te > 0e0
  group by n.subject, n.slice, r.replicate
),
mean as (
  select
    subject, slice, count(*) as n,
    exact_sum(average_precision) / count(*) as average_precision,
    exact_sum(lift_10) / count(*) as lift_10
  from replicated
  group by subject, slice
)
select
  r.subject,
  r.slice,
  any_value(m.n) as n_replicates,
  twelve_digits(
    sqrt(exact_sum((r.average_precision - m.average_precision) ** 2) / nullif(any_value(m.n) - 1e0, 0e0))
  ) as precision_se,
  twelve_digits(sqrt(exact_sum((r.lift_10 - m.lift_10) ** 2) / nullif(any_value(m.n) - 1e0, 0e0))) as lift_se
from replicated as r
inner join mean as m on m.subject = r.subject and m.slice = r.slice
group by r.subject, r.slice
