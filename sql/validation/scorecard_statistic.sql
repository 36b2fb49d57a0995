-- model: validation.scorecard_statistic
-- grain: scorecard, version, period
-- depends: scores.scorecard, validation.score_auc, validation.score_caught, validation.score_ranking, validation.score_slice,
--   validation.score_spread, validation.score_warning, validation.scorecard_difference
-- What a scorecard is judged by, for each part of history (validation.score_sample) and each of its periods. A score is
-- oriented so that low is risky: auc is the share of like-for-like pairs in which the leaver has the lower score.
-- n_churned and n_staying count, as for a KPI, the accounts with a scored row of their class in a stratum of both
-- classes. Departures (caught, missed, warned) are those of the whole part, and of no period.
with version as (
  select scorecard, version, purpose, scorecard || '@' || version as subject from scores.scorecard
),
slice as (
  select subject, slice, sample, period, first_on, last_on, statistic, period_no from validation.score_slice
  union all
  -- A version without a row out of time still gets its line: it says so.
  select v.subject, 'out_of_time', 'out_of_time', 'out_of_time', null, null, 'out_of_time', null
  from version as v
  where not exists (select 1 from validation.score_slice as s where s.subject = v.subject and s.slice = 'out_of_time')
),
caught as (
  select
    c.scorecard || '@' || c.version as subject,
    t.sample,
    count(*) as n_departures,
    count(distinct c.account_id) as n_accounts,
    count(case when c.is_caught then 1 end) / cast(count(*) as double) as caught,
    count(case when c.is_missed then 1 end) / cast(count(*) as double) as missed
  from validation.score_caught as c
  inner join (values ('out_of_time'), ('in_sample'), ('as_was')) as t(sample)
    on case t.sample when 'out_of_time' then c.is_out_of_time when 'in_sample' then not c.is_out_of_time else c.is_as_was end
  group by c.scorecard, c.version, t.sample
),
warning as (
  select
    w.scorecard || '@' || w.version as subject,
    t.sample,
    count(case when w.is_departure then 1 end) as n_warned,
    count(case when not w.is_departure then 1 end) as n_stayers,
    quantile_cont(case when w.is_departure then w.months_of_warning end, 0.5) as median_months,
    count(case when w.is_departure and w.months_of_warning >= 1 then 1 end)
      / nullif(cast(count(case when w.is_departure then 1 end) as double), 0e0) as share_1m,
    count(case when w.is_departure and w.months_of_warning >= 3 then 1 end)
      / nullif(cast(count(case when w.is_departure then 1 end) as double), 0e0) as share_3m,
    quantile_cont(case when not w.is_departure then w.months_of_warning end, 0.5) as stayer_median,
    count(case when not w.is_departure and w.months_of_warning >= 1 then 1 end)
      / nullif(cast(count(case when not w.is_departure then 1 end) as double), 0e0) as stayer_1m,
    count(case when not w.is_departure and w.months_of_warning >= 3 then 1 end)
      / nullif(cast(count(case when not w.is_departure then 1 end) as double), 0e0) as stayer_3m
  from validation.score_warning as w
  inner join (values ('out_of_time'), ('in_sample')) as t(sample) on w.is_out_of_time = (t.sample = 'out_of_time')
  group by w.scorecard, w.version, t.sample
)
select
  v.scorecard,
  v.version,
  v.purpose,
  s.period,
  s.slice,
  s.sample,
  s.first_on,
  s.last_on,
  coalesce(r.n_rows, 0) as n_rows,
  r.coverage,
  coalesce(a.n_churned, 0) as n_churned,
  coalesce(a.n_staying, 0) as n_staying,
  r.base_rate,
  twelve_digits(1e0 - a.auc) as auc,
  twelve_digits(1e0 - a.centre) as centre,
  a.se as auc_se,
  r.average_precision,
  e.precision_se,
  r.lift_10,
  e.lift_se,
  d.other_auc as simple_auc,
  d.difference,
  d.difference_se,
  d.difference_low,
  d.difference_high,
  c.n_departures,
  twelve_digits(c.caught) as caught_share,
  twelve_digits(wilson_low(c.caught, c.n_accounts)) as caught_low,
  twelve_digits(wilson_high(c.caught, c.n_accounts)) as caught_high,
  twelve_digits(c.missed) as green_share,
  twelve_digits(wilson_low(c.missed, c.n_accounts)) as green_low,
  twelve_digits(wilson_high(c.missed, c.n_accounts)) as green_high,
  w.n_warned,
  twelve_digits(w.median_months) as median_months_of_warning,
  twelve_digits(w.share_1m) as share_1m,
  twelve_digits(w.share_3m) as share_3m,
  w.n_stayers,
  twelve_digits(w.stayer_median) as stayer_median_months,
  twelve_digits(w.stayer_1m) as stayer_share_1m,
  twelve_digits(w.stayer_3m) as stayer_share_3m
from version as v
inner join slice as s on s.subject = v.subject
left join validation.score_ranking as r on r.subject = s.subject and r.slice = s.slice
left join validation.score_auc as a on a.subject = s.subject and a.statistic = s.statistic
left join validation.score_spread as e on e.subject = s.subject and e.slice = s.statistic
left join validation.scorecard_difference as d
  on d.scorecard = v.scorecard and d.version = v.version and d.other = 'naive_baseline' and d.other_version = (
    select max(version) from scores.scorecard where scorecard = 'naive_baseline'
  ) and d.period = s.period and v.scorecard <> 'naive_baseline'
left join caught as c on c.subject = s.subject and c.sample = s.slice
left join warning as w on w.subject = s.subject and w.sample = s.slice
