-- model: validation.scorecard_decay
-- grain: scorecard, version
-- depends: validation.score_auc, validation.score_influence, validation.score_slice
-- audits: unique(scorecard, version)
-- Does a version rank worse as time goes by? The straight line through its AUC of each period out of time, weighted by
-- 1 / variance; its slope is per year, and its error comes from the accounts' influences on every period, so that
-- accounts that are in several do not count as several. Interval 90 %. cochran_q: do the periods differ at all (degrees
-- of freedom: n_periods - 1; accounts in several periods are ignored). Null with fewer than three periods.
with period as (
  select
    s.subject, s.scorecard, s.version, s.slice, s.first_on, s.last_on,
    1e0 - a.auc as auc,
    1e0 / (a.se * a.se) as weight,
    ((s.first_on - date '2000-01-01') + (s.last_on - date '2000-01-01')) / 730.5e0 as year
  from validation.score_slice as s
  inner join validation.score_auc as a on a.subject = s.subject and a.statistic = s.statistic
  where s.sample = 'out_of_time' and s.period_no is not null and a.se > 0e0 and a.auc is not null
),
mean as (
  select
    subject,
    count(*) as n_periods,
    exact_sum(weight * year) / exact_sum(weight) as year,
    exact_sum(weight * auc) / exact_sum(weight) as auc
  from period
  group by subject
),
width as (
  select p.subject, exact_sum(p.weight * (p.year - m.year) ** 2) as width
  from period as p
  inner join mean as m on m.subject = p.subject
  group by p.subject
),
leverage as (
  select
    p.subject, p.slice, p.scorecard, p.version, p.first_on, p.last_on, p.auc, m.n_periods,
    p.weight * (p.year - m.year) / nullif(w.width, 0e0) as part,
    p.weight * (p.auc - m.auc) ** 2 as deviation
  from period as p
  inner join mean as m on m.subject = p.subject
  inner join width as w on w.subject = p.subject
),
moved as (
  select l.subject, i.account_no, exact_sum(l.part * i.psi) as psi
  from leverage as l
  inner join validation.score_influence as i on i.subject = l.subject and i.statistic = l.slice
  group by l.subject, i.account_no
),
spread as (
  select
    subject,
    sqrt(exact_sum(psi * psi) * count(case when psi <> 0e0 then 1 end) / nullif(count(case when psi <> 0e0 then 1 end) - 1e0, 0e0)) as se
  from moved
  group by subject
),
line as (
  select
    subject,
    any_value(scorecard) as scorecard,
    any_value(version) as version,
    any_value(n_periods) as n_periods,
    min(first_on) as first_on,
    max(last_on) as last_on,
    arg_max(auc, first_on) as latest_auc,
    exact_sum(part * auc) as slope,
    exact_sum(deviation) as cochran_q
  from leverage
  group by subject
)
select
  l.scorecard,
  l.version,
  l.n_periods,
  l.first_on,
  l.last_on,
  twelve_digits(l.latest_auc) as latest_auc,
  twelve_digits(case when l.n_periods >= 3 then l.slope end) as slope_per_year,
  twelve_digits(case when l.n_periods >= 3 then s.se end) as slope_se,
  twelve_digits(case when l.n_periods >= 3 then l.slope - 1.6448536269514722e0 * s.se end) as slope_low,
  twelve_digits(case when l.n_periods >= 3 then l.slope + 1.6448536269514722e0 * s.se end) as slope_high,
  twelve_digits(case when l.n_periods >= 3 then l.cochran_q end) as cochran_q
from line as l
inner join spread as s on s.subject = l.subject
