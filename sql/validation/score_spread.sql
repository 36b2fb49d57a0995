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
  select n.slice_no, r.account_no, r.place, r.y
  from validation.score_row as r
  inner join validation.score_period as p
    on p.subject = r.subject and p.block = r.block and p.sample = case when r.is_out_of_time then 'out_of_time' else 'in_sample' end
  inner join numbered as n on n.subject = p.subject and n.sample = p.sample and n.period_no = p.period_no
  where r.score is not null
  union all
  select n.slice_no, r.account_no, r.place, r.y
  from validation.score_row as r
  inner join numbered as n
    on n.subject = r.subject and n.slice in ('as_was', 'without_plays')
    and case n.slice when 'as_was' then r.is_as_was else r.is_out_of_time and not r.is_worked end
  where r.score is not null
),
cell as (
  select slice_no, account_no, place, cast(count(*) as double) as m, cast(sum(y) as double) as e
  from member
  group by slice_no, account_no, place
),
weighed as (
  -- Sums of whole numbers are exact in doubles.
  select c.slice_no, w.replicate, c.place, sum(w.weight * c.m) as m, sum(w.weight * c.e) as e
  from cell as c
  inner join validation.bootstrap_weight as w on w.account_no = c.account_no
  group by c.slice_no, w.replicate, c.place
),
sliced as (
  select slice_no, replicate, place, m, e from weighed
  union all
  select whole.slice_no, w.replicate, w.place, sum(w.m), sum(w.e)
  from weighed as w
  inner join numbered as own on own.slice_no = w.slice_no and own.period_no is not null
  inner join numbered as whole on whole.subject = own.subject and whole.slice = own.sample
  group by whole.slice_no, w.replicate, w.place
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
