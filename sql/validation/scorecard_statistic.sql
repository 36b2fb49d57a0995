-- model: validation.scorecard_statistic
-- grain: scorecard, version, period
-- depends: scores.account_score, scores.scorecard, validation.definition, validation.score_auc, validation.score_influence,
--   validation.score_warning, validation.stratum
-- What the state of a scorecard is judged by, for `all` labelled rows and for those `out_of_time`. A score is oriented so
-- that low is risky: auc is the share of like-for-like pairs in which the leaver has the lower score. n_churned and
-- n_staying count, as for a KPI, the accounts with a scored row of their class in a stratum of both classes.
with period as (
  select t.period from (values ('all'), ('out_of_time')) as t(period)
),
asked as (
  select
    a.scorecard,
    a.version,
    p.period,
    count(*) as n_asked,
    count(a.score) as n_scored
  from scores.account_score as a
  inner join scores.scorecard as c on c.scorecard = a.scorecard and c.version = a.version
  inner join validation.stratum as s on s.account_id = a.account_id and s.snapshot_date = a.snapshot_date
  inner join validation.definition as d on d.definition = s.definition and d.is_primary
  inner join period as p on p.period = 'all' or s.snapshot_date >= c.created_on
  where s.y is not null
  group by a.scorecard, a.version, p.period
),
pooled as (
  select a.scorecard, a.version, p.period, a.score, count(*) as m, sum(s.y) as e
  from scores.account_score as a
  inner join scores.scorecard as c on c.scorecard = a.scorecard and c.version = a.version
  inner join validation.stratum as s on s.account_id = a.account_id and s.snapshot_date = a.snapshot_date
  inner join validation.definition as d on d.definition = s.definition and d.is_primary
  inner join period as p on p.period = 'all' or s.snapshot_date >= c.created_on
  where s.y is not null and a.score is not null
  group by a.scorecard, a.version, p.period, a.score
),
risky_first as (
  select
    *,
    cast(sum(m) over worst as double) as k,
    cast(sum(e) over worst as double) as tp,
    cast(sum(m) over whole as double) as n,
    cast(sum(e) over whole as double) as te
  from pooled
  window
    worst as (partition by scorecard, version, period order by score rows between unbounded preceding and current row),
    whole as (partition by scorecard, version, period)
),
ranked as (
  select
    scorecard,
    version,
    period,
    exact_sum(e / nullif(te, 0e0) * tp / k) as average_precision,
    exact_sum(
      case when k <= 0.1e0 * n then e when k - m < 0.1e0 * n then e * (0.1e0 * n - (k - m)) / m else 0e0 end
    ) / nullif(0.1e0 * any_value(te), 0e0) as lift_10
  from risky_first
  group by scorecard, version, period
),
difference as (
  select
    subject,
    period,
    sqrt(exact_sum(psi * psi)) as se
  from (
    select
      i.subject,
      p.period,
      i.account_no,
      exact_sum(case when i.statistic = 'paired_' || p.period then i.psi else -i.psi end) as psi
    from validation.score_influence as i
    inner join period as p on i.statistic in ('paired_' || p.period, 'simple_' || p.period)
    group by i.subject, p.period, i.account_no
  ) as d
  group by subject, period
),
warning as (
  select
    w.scorecard,
    w.version,
    p.period,
    quantile_cont(w.months_of_warning, 0.5) as median_months,
    count(case when w.months_of_warning >= 1 then 1 end) / cast(count(*) as double) as share_1m,
    count(case when w.months_of_warning >= 3 then 1 end) / cast(count(*) as double) as share_3m
  from validation.score_warning as w
  inner join period as p on p.period = 'all' or w.is_out_of_time
  group by w.scorecard, w.version, p.period
)
select
  c.scorecard,
  c.version,
  c.purpose,
  p.period,
  coalesce(q.n_asked, 0) as n_asked,
  twelve_digits(q.n_scored / nullif(cast(q.n_asked as double), 0e0)) as coverage,
  coalesce(a.n_churned, 0) as n_churned,
  coalesce(a.n_staying, 0) as n_staying,
  twelve_digits(1e0 - a.auc) as auc,
  twelve_digits(1e0 - a.centre) as centre,
  a.se as auc_se,
  a.n_accounts,
  twelve_digits(r.average_precision) as average_precision,
  twelve_digits(r.lift_10) as lift_10,
  twelve_digits(1e0 - s.auc) as simple_auc,
  twelve_digits(s.auc - b.auc) as difference,
  twelve_digits(f.se) as difference_se,
  twelve_digits(m.median_months) as median_months_of_warning,
  twelve_digits(m.share_1m) as share_1m,
  twelve_digits(m.share_3m) as share_3m
from scores.scorecard as c
cross join period as p
left join asked as q on q.scorecard = c.scorecard and q.version = c.version and q.period = p.period
left join ranked as r on r.scorecard = c.scorecard and r.version = c.version and r.period = p.period
left join validation.score_auc as a on a.subject = c.scorecard || '@' || c.version and a.statistic = p.period
left join validation.score_auc as b
  on b.subject = c.scorecard || '@' || c.version and b.statistic = 'paired_' || p.period
left join validation.score_auc as s
  on s.subject = c.scorecard || '@' || c.version and s.statistic = 'simple_' || p.period
left join warning as m on m.scorecard = c.scorecard and m.version = c.version and m.period = p.period
left join difference as f on f.subject = c.scorecard || '@' || c.version and f.period = p.period
