-- model: marts.scorecard_calibration
-- grain: scorecard, version, period
-- depends: validation.scorecard_calibration
-- params: min_cell
-- audits: not_null(scorecard, version, period); unique(scorecard, version, period)
-- Whether a score, turned into a rate by what earlier months taught, told how many would leave. base_brier is that of the
-- earlier months' overall rate for everybody. Periods with fewer than min_cell accounts are left out.
select
  c.scorecard,
  cast(c.version as integer) as version,
  c.period,
  c.first_on,
  c.last_on,
  cast(c.n_rows as bigint) as n_rows,
  cast(c.n_accounts as bigint) as n_accounts,
  cast(c.n_churned as bigint) as n_churned,
  c.train_to,
  cast(c.n_train_churned as bigint) as n_train_churned,
  c.why_null,
  c.brier,
  c.brier_low,
  c.brier_high,
  c.base_brier,
  c.brier_gain,
  c.brier_gain_low,
  c.brier_gain_high,
  cast(c.observed as bigint) as observed,
  c.expected,
  c.ratio,
  c.ratio_low,
  c.ratio_high,
  c.slope,
  c.slope_low,
  c.slope_high,
  c.ece,
  c.ece_low,
  c.ece_high,
  c.ece_null
from validation.scorecard_calibration as c
cross join meta.params as p
where c.n_accounts >= p.min_cell
order by c.scorecard, version, c.period
