-- model: marts.scorecard_difference
-- grain: scorecard, version, other, other_version, period
-- depends: scores.scorecard, validation.scorecard_difference
-- params: min_cell
-- audits: not_null(scorecard, version, other, period); unique(scorecard, version, other, other_version, period)
-- Two scorecards on the same account-months, paired: the simple score, other cards and other versions of the same card.
select
  d.scorecard,
  cast(d.version as integer) as version,
  d.other,
  cast(d.other_version as integer) as other_version,
  coalesce(c.label, d.other) as other_label,
  d.period,
  d.first_on,
  d.last_on,
  cast(d.n_rows as bigint) as n_rows,
  cast(d.n_churned as bigint) as n_churned,
  cast(d.n_staying as bigint) as n_staying,
  of_enough(d.auc, least(d.n_churned, d.n_staying), p.min_cell) as auc,
  of_enough(d.other_auc, least(d.n_churned, d.n_staying), p.min_cell) as other_auc,
  of_enough(d.difference, least(d.n_churned, d.n_staying), p.min_cell) as difference,
  of_enough(d.difference_low, least(d.n_churned, d.n_staying), p.min_cell) as difference_low,
  of_enough(d.difference_high, least(d.n_churned, d.n_staying), p.min_cell) as difference_high
from validation.scorecard_difference as d
left join scores.scorecard as c on c.scorecard = d.other and c.version = d.other_version
cross join meta.params as p
where d.n_churned + d.n_staying >= p.min_cell
order by d.scorecard, version, d.other, other_version, d.period
