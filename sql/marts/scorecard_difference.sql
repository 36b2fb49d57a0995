-- model: marts.scorecard_difference
-- grain: scorecard, version, other, other_version, period
-- depends: validation.scorecard_difference
-- params: min_cell
-- audits: not_null(scorecard, version, other, period); unique(scorecard, version, other, other_version, period)
-- Two scorecards on the same account-months, paired: the simple score, other cards and other versions of the same card.
select
  d.scorecard,
  cast(d.version as integer) as version,
  d.other,
  cast(d.other_version as integer) as other_version,
  d.period,
  d.first_on,
  d.last_on,
  cast(d.n_rows as bigint) as n_rows,
  cast(d.n_churned as bigint) as n_churned,
  cast(d.n_staying as bigint) as n_staying,
  d.auc,
  d.other_auc,
  d.difference,
  d.difference_low,
  d.difference_high
from validation.scorecard_difference as d
cross join meta.params as p
where d.n_churned + d.n_staying >= p.min_cell
order by d.scorecard, version, d.other, other_version, d.period
