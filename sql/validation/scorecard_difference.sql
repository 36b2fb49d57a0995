-- model: validation.scorecard_difference
-- grain: scorecard, version, other, other_version, period
-- depends: validation.score_auc, validation.score_influence, validation.score_pair, validation.score_row, validation.score_slice
-- audits: unique(scorecard, version, other, other_version, period)
-- How much better a version ranks leavers than another, on the same rows, out of time for both: the difference of the shares of
-- like-for-like pairs in which the leaver has the lower score. The error comes from the accounts' influences on the two,
-- so that what both owe to the same accounts cancels; interval 90 %. Beside naive_baseline by period too.
with name as (
  select distinct subject, scorecard, version from validation.score_row
),
side as (
  select subject, other, 'out_of_time' as period, first_on, last_on, own_statistic, other_statistic
  from validation.score_pair
  union all
  select
    p.subject,
    p.other,
    s.period,
    s.first_on,
    s.last_on,
    case when p.own_statistic = 'out_of_time' then s.slice else 'own:' || p.other || ':' || s.period_no end,
    'beside:' || p.subject || ':' || s.period_no
  from validation.score_pair as p
  inner join validation.score_slice as s on s.subject = p.subject and s.sample = 'out_of_time' and s.period_no is not null
  where p.is_with_simple
),
influence as (
  select s.subject, s.other, s.period, i.account_no, i.psi
  from side as s
  inner join validation.score_influence as i on i.subject = s.subject and i.statistic = s.own_statistic
  union all
  select s.subject, s.other, s.period, i.account_no, -i.psi
  from side as s
  inner join validation.score_influence as i on i.subject = s.other and i.statistic = s.other_statistic
),
netted as (
  select subject, other, period, account_no, exact_sum(psi) as psi
  from influence
  group by subject, other, period, account_no
),
spread as (
  select subject, other, period, sqrt(exact_sum(psi * psi)) as se
  from netted
  group by subject, other, period
)
select
  n.scorecard,
  n.version,
  m.scorecard as other,
  m.version as other_version,
  s.period,
  s.first_on,
  s.last_on,
  a.n_rows,
  a.n_churned,
  a.n_staying,
  twelve_digits(1e0 - a.auc) as auc,
  twelve_digits(1e0 - b.auc) as other_auc,
  twelve_digits(b.auc - a.auc) as difference,
  twelve_digits(e.se) as difference_se,
  twelve_digits(b.auc - a.auc - 1.6448536269514722e0 * e.se) as difference_low,
  twelve_digits(b.auc - a.auc + 1.6448536269514722e0 * e.se) as difference_high
from side as s
inner join name as n on n.subject = s.subject
inner join name as m on m.subject = s.other
inner join validation.score_auc as a on a.subject = s.subject and a.statistic = s.own_statistic
inner join validation.score_auc as b on b.subject = s.other and b.statistic = s.other_statistic
left join spread as e on e.subject = s.subject and e.other = s.other and e.period = s.period
