-- model: marts.scorecard_test
-- grain: scorecard, version, period
-- depends: validation.scorecard_test
-- params: min_cell
-- audits: not_null(scorecard, version, period, sample); unique(scorecard, version, period)
-- How well each version's score ranked its outcome: over everything from after it was made (out_of_time), as it was live
-- (as_was), without account-months in which somebody stepped in (without_plays), on what its author could have seen
-- (in_sample), and by period. Those with fewer than min_cell accounts are left out.
select
  t.scorecard,
  cast(t.version as integer) as version,
  t.period,
  t.sample,
  t.first_on,
  t.last_on,
  t.auc,
  t.auc_low,
  t.auc_high,
  t.coverage,
  cast(t.n_rows as bigint) as n_rows,
  cast(t.n_churned as bigint) as n_churned,
  cast(t.n_staying as bigint) as n_staying,
  t.base_rate,
  t.average_precision,
  t.average_precision_low,
  t.average_precision_high,
  t.lift_10,
  t.lift_10_low,
  t.lift_10_high,
  t.simple_auc,
  t.difference,
  t.difference_low,
  t.difference_high,
  cast(t.n_departures as bigint) as n_departures,
  t.caught_share,
  t.caught_low,
  t.caught_high,
  t.green_share,
  t.green_low,
  t.green_high,
  t.median_months_of_warning,
  t.share_1m,
  t.share_3m,
  cast(t.n_warned as bigint) as n_warned,
  cast(t.n_stayers as bigint) as n_stayers,
  t.stayer_median_months,
  t.stayer_share_1m,
  t.stayer_share_3m
from validation.scorecard_test as t
cross join meta.params as p
where t.n_churned + t.n_staying >= p.min_cell
order by t.scorecard, version, t.period
