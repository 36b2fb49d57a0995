-- model: marts.scorecard_test
-- grain: scorecard, version, period
-- depends: validation.scorecard_test
-- params: min_cell
-- audits: not_null(scorecard, version, period, sample); unique(scorecard, version, period)
-- How well each version's score ranked its outcome: over everything from after it was made (out_of_time), as it was live
-- (as_was), without account-months in which somebody stepped in (without_plays), on what its author could have seen
-- (in_sample), and by period. Those with fewer than min_cell accounts are left out,
-- and so is a figure that fewer leavers, stayers or warned accounts stand behind.
select
  t.scorecard,
  cast(t.version as integer) as version,
  t.period,
  t.sample,
  t.first_on,
  t.last_on,
  of_enough(t.auc, least(t.n_churned, t.n_staying), p.min_cell) as auc,
  of_enough(t.auc_low, least(t.n_churned, t.n_staying), p.min_cell) as auc_low,
  of_enough(t.auc_high, least(t.n_churned, t.n_staying), p.min_cell) as auc_high,
  t.coverage,
  cast(t.n_rows as bigint) as n_rows,
  cast(t.n_churned as bigint) as n_churned,
  cast(t.n_staying as bigint) as n_staying,
  t.base_rate,
  of_enough(t.average_precision, least(t.n_churned, t.n_staying), p.min_cell) as average_precision,
  of_enough(t.average_precision_low, least(t.n_churned, t.n_staying), p.min_cell) as average_precision_low,
  of_enough(t.average_precision_high, least(t.n_churned, t.n_staying), p.min_cell) as average_precision_high,
  of_enough(t.lift_10, least(t.n_churned, t.n_staying), p.min_cell) as lift_10,
  of_enough(t.lift_10_low, least(t.n_churned, t.n_staying), p.min_cell) as lift_10_low,
  of_enough(t.lift_10_high, least(t.n_churned, t.n_staying), p.min_cell) as lift_10_high,
  of_enough(t.simple_auc, least(t.n_churned, t.n_staying), p.min_cell) as simple_auc,
  of_enough(t.difference, least(t.n_churned, t.n_staying), p.min_cell) as difference,
  of_enough(t.difference_low, least(t.n_churned, t.n_staying), p.min_cell) as difference_low,
  of_enough(t.difference_high, least(t.n_churned, t.n_staying), p.min_cell) as difference_high,
  cast(t.n_departures as bigint) as n_departures,
  of_enough(t.caught_share, t.n_departures, p.min_cell) as caught_share,
  of_enough(t.caught_low, t.n_departures, p.min_cell) as caught_low,
  of_enough(t.caught_high, t.n_departures, p.min_cell) as caught_high,
  of_enough(t.green_share, t.n_departures, p.min_cell) as green_share,
  of_enough(t.green_low, t.n_departures, p.min_cell) as green_low,
  of_enough(t.green_high, t.n_departures, p.min_cell) as green_high,
  of_enough(t.median_months_of_warning, t.n_warned, p.min_cell) as median_months_of_warning,
  of_enough(t.share_1m, t.n_warned, p.min_cell) as share_1m,
  of_enough(t.share_3m, t.n_warned, p.min_cell) as share_3m,
  cast(t.n_warned as bigint) as n_warned,
  cast(t.n_stayers as bigint) as n_stayers,
  of_enough(t.stayer_median_months, t.n_stayers, p.min_cell) as stayer_median_months,
  of_enough(t.stayer_share_1m, t.n_stayers, p.min_cell) as stayer_share_1m,
  of_enough(t.stayer_share_3m, t.n_stayers, p.min_cell) as stayer_share_3m
from validation.scorecard_test as t
cross join meta.params as p
where t.n_churned + t.n_staying >= p.min_cell
order by t.scorecard, version, t.period
