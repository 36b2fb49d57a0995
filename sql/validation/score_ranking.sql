-- model: validation.score_ranking
-- grain: subject, slice
-- depends: validation.score_row, validation.score_slice, validation.score_period
-- Average precision and lift of the riskiest tenth, low scores first: rows with one score are one block, credited in
-- proportion where the tenth ends inside it.
with member as (
  select r.subject, s.slice, r.score, r.y
  from validation.score_row as r
  inner join validation.score_slice as s
    on s.subject = r.subject and s.period_no is null
    and case s.sample
      when 'out_of_time' then r.is_out_of_time
      when 'in_sample' then not r.is_out_of_time
      when 'as_was' then r.is_as_was
      else r.is_out_of_time and not r.is_worked
    end
  union all
  select r.subject, p.sample || ':' || p.period_no, r.score, r.y
  from validation.score_row as r
  inner join validation.score_period as p
    on p.subject = r.subject and p.block = r.block and p.sample = case when r.is_out_of_time then 'out_of_time' else 'in_sample' end
),
asked as (
  select
    subject,
    slice,
    count(*) as n_rows,
    count(score) as n_scored,
    cast(sum(y) as bigint) as n_event_rows,
    cast(sum(case when score is not null then y end) as bigint) as n_scored_events
  from member
  group by subject, slice
),
counted as (
  select subject, slice, score, count(*) as m, sum(y) as e
  from member
  where score is not null
  group by subject, slice, score
),
risky_first as (
  select
    *,
    cast(sum(m) over worst as double) as k,
    cast(sum(e) over worst as double) as tp,
    cast(sum(m) over whole as double) as n,
    cast(sum(e) over whole as double) as te
  from counted
  window
    worst as (partition by subject, slice order by score rows between unbounded preceding and current row),
    whole as (partition by subject, slice)
),
ranked as (
  select
    subject,
    slice,
    exact_sum(e / nullif(te, 0e0) * tp / k) as average_precision,
    exact_sum(
      case when k <= 0.1e0 * n then e when k - m < 0.1e0 * n then e * (0.1e0 * n - (k - m)) / m else 0e0 end
    ) / nullif(0.1e0 * any_value(te), 0e0) as lift_10
  from risky_first
  group by subject, slice
)
select
  a.subject,
  a.slice,
  a.n_rows,
  a.n_scored,
  a.n_event_rows,
  twelve_digits(a.n_scored / cast(a.n_rows as double)) as coverage,
  twelve_digits(a.n_scored_events / nullif(cast(a.n_scored as double), 0e0)) as base_rate,
  twelve_digits(r.average_precision) as average_precision,
  twelve_digits(r.lift_10) as lift_10
from asked as a
left join ranked as r on r.subject = a.subject and r.slice = a.slice
