-- model: validation.scorecard_calibration
-- grain: scorecard, version, period
-- depends: validation.bootstrap_weight, validation.score_calibrator, validation.score_forecast, validation.score_slice,
--   validation.score_slope
-- audits: unique(scorecard, version, period)
-- A score is no probability. It is turned into one walking forward: for each period out of time by a logistic regression of
-- the outcome on the score, on rows whose outcome was known before the period began. Of these probabilities: the Brier score,
-- beside that of the plain rate of leaving among the same rows (base_brier; brier_gain is the difference, above 0 is better);
-- observed over expected departures; the slope of the outcome on the forecast's log-odds, 1 when the spread is right; and the
-- expected calibration error over tenths of the forecasts, beside its mean for a perfect forecast on as many accounts
-- (ece_null), below which it tells nothing. Intervals are 90 %, clustered by account; that of ece comes from the bootstrap.
with by_account as (
  select
    subject, slice, account_no,
    cast(count(*) as double) as n,
    cast(sum(y) as double) as y,
    exact_sum(probability) as p,
    exact_sum((y - probability) ** 2) as loss,
    exact_sum((y - base_rate) ** 2) as base_loss
  from validation.score_forecast
  group by subject, slice, account_no
),
total as (
  select
    subject, slice,
    cast(count(*) as double) as accounts,
    sum(n) as n,
    sum(y) as y,
    count(case when y > 0e0 then 1 end) as n_churned,
    exact_sum(p) as p,
    exact_sum(loss) as loss,
    exact_sum(base_loss) as base_loss
  from by_account
  group by subject, slice
),
spread as (
  select
    a.subject,
    a.slice,
    sqrt(exact_sum(((a.loss - a.n * t.loss / t.n) / t.n) ** 2) * any_value(t.accounts) / nullif(any_value(t.accounts) - 1e0, 0e0)) as brier_se,
    sqrt(
      exact_sum(((a.base_loss - a.loss - a.n * (t.base_loss - t.loss) / t.n) / t.n) ** 2)
      * any_value(t.accounts) / nullif(any_value(t.accounts) - 1e0, 0e0)
    ) as gain_se,
    sqrt(
      exact_sum((a.y / nullif(t.y, 0e0) - a.p / t.p) ** 2) * any_value(t.accounts) / nullif(any_value(t.accounts) - 1e0, 0e0)
    ) as log_ratio_se
  from by_account as a
  inner join total as t on t.subject = a.subject and t.slice = a.slice
  group by a.subject, a.slice
),
valued as (
  select subject, slice, probability, count(*) as n
  from validation.score_forecast
  group by subject, slice, probability
),
tenth as (
  select
    subject, slice, probability,
    cast(
      (10 * coalesce(sum(n) over (
        partition by subject, slice order by probability rows between unbounded preceding and 1 preceding
      ), 0)) // sum(n) over (partition by subject, slice)
      as integer
    ) as bin
  from valued
),
binned as (
  select f.subject, f.slice, b.bin, f.account_no, count(*) as n, sum(f.y) as y, exact_sum(f.probability) as p
  from validation.score_forecast as f
  inner join tenth as b on b.subject = f.subject and b.slice = f.slice and b.probability = f.probability
  group by f.subject, f.slice, b.bin, f.account_no
),
bin as (
  select
    subject, slice, bin,
    sum(n) as n, sum(y) as y, exact_sum(p) as p, exact_sum((y - p) ** 2) as squares
  from binned
  group by subject, slice, bin
),
error as (
  -- Under a perfect forecast y - p sums to noise in every bin; the mean of the absolute value of a normal one is sqrt(2 / pi) sd.
  select
    subject, slice,
    exact_sum(abs(y - p)) / sum(n) as ece,
    exact_sum(sqrt(0.6366197723675814e0 * squares)) / sum(n) as ece_null
  from bin
  group by subject, slice
),
numbered as (
  select subject, slice, cast(row_number() over (order by subject, slice) as integer) as slice_no from total
),
drawn as (
  select n.slice_no, b.bin, b.account_no, cast(b.n as double) as n, b.y - b.p as off
  from binned as b
  inner join numbered as n on n.subject = b.subject and n.slice = b.slice
),
redrawn as (
  select
    b.slice_no, w.replicate, b.bin,
    sum(w.weight * b.n) as n,
    -- In thousandths, within what the faster sum of whole decimals holds.
    1000e0 * exact_share_sum(w.weight * b.off / 1000e0) as off
  from drawn as b
  inner join validation.bootstrap_weight as w on w.account_no = b.account_no
  group by b.slice_no, w.replicate, b.bin
),
replicated as (
  select n.subject, n.slice, r.replicate, exact_sum(abs(r.off)) / sum(r.n) as ece
  from redrawn as r
  inner join numbered as n on n.slice_no = r.slice_no
  group by n.subject, n.slice, r.replicate
),
mean as (
  select subject, slice, count(*) as n, exact_sum(ece) / count(*) as ece
  from replicated
  group by subject, slice
),
error_spread as (
  select r.subject, r.slice, sqrt(exact_sum((r.ece - m.ece) ** 2) / nullif(any_value(m.n) - 1e0, 0e0)) as se
  from replicated as r
  inner join mean as m on m.subject = r.subject and m.slice = r.slice
  group by r.subject, r.slice
),
trained as (
  select subject, 'out_of_time:' || period_no as slice, train_to, n_train_churned, why_null from validation.score_calibrator
  union all
  -- Of the whole part: what the first period that has a forecast was fitted on, or why none has.
  select
    subject,
    'out_of_time',
    min(case when why_null is null then train_to end),
    min(case when why_null is null then n_train_churned end),
    case when count(*) = count(why_null) then max(why_null) end
  from validation.score_calibrator
  group by subject
)
select
  s.scorecard,
  s.version,
  s.period,
  s.first_on,
  s.last_on,
  cast(coalesce(t.n, 0) as bigint) as n_rows,
  cast(coalesce(t.accounts, 0) as bigint) as n_accounts,
  coalesce(t.n_churned, 0) as n_churned,
  r.train_to,
  r.n_train_churned,
  r.why_null,
  twelve_digits(t.loss / t.n) as brier,
  twelve_digits(t.loss / t.n - 1.6448536269514722e0 * d.brier_se) as brier_low,
  twelve_digits(t.loss / t.n + 1.6448536269514722e0 * d.brier_se) as brier_high,
  twelve_digits(t.base_loss / t.n) as base_brier,
  twelve_digits((t.base_loss - t.loss) / t.n) as brier_gain,
  twelve_digits((t.base_loss - t.loss) / t.n - 1.6448536269514722e0 * d.gain_se) as brier_gain_low,
  twelve_digits((t.base_loss - t.loss) / t.n + 1.6448536269514722e0 * d.gain_se) as brier_gain_high,
  cast(t.y as bigint) as observed,
  twelve_digits(t.p) as expected,
  twelve_digits(t.y / t.p) as ratio,
  twelve_digits(t.y / t.p * exp(-1.6448536269514722e0 * d.log_ratio_se)) as ratio_low,
  twelve_digits(t.y / t.p * exp(1.6448536269514722e0 * d.log_ratio_se)) as ratio_high,
  l.intercept,
  l.slope,
  twelve_digits(l.slope - 1.6448536269514722e0 * l.slope_se) as slope_low,
  twelve_digits(l.slope + 1.6448536269514722e0 * l.slope_se) as slope_high,
  twelve_digits(e.ece) as ece,
  twelve_digits(held_between(e.ece - 1.6448536269514722e0 * q.se, 0e0, 1e0)) as ece_low,
  twelve_digits(e.ece + 1.6448536269514722e0 * q.se) as ece_high,
  twelve_digits(e.ece_null) as ece_null
from validation.score_slice as s
left join total as t on t.subject = s.subject and t.slice = s.slice
left join spread as d on d.subject = s.subject and d.slice = s.slice
left join error as e on e.subject = s.subject and e.slice = s.slice
left join error_spread as q on q.subject = s.subject and q.slice = s.slice
left join validation.score_slope as l on l.subject = s.subject and l.slice = s.slice
left join trained as r on r.subject = s.subject and r.slice = s.slice
where s.sample = 'out_of_time'
