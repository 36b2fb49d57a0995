-- model: marts.score_distribution
-- grain: scorecard, version, place_no
-- depends: scores.score_distribution
-- params: min_cell
-- audits: not_null(scorecard, version, place_no, sentence); unique(scorecard, version, place_no)
-- How accounts spread over the scale at the newest snapshot, the best band first, with one sentence for a version. Versions
-- with fewer than min_cell accounts are left out.
select
  d.scorecard,
  cast(d.version as integer) as version,
  cast(d.place_no as integer) as place_no,
  d.band,
  d.place,
  cast(d.n_accounts as bigint) as n_accounts,
  cast(d.n_total as bigint) as n_total,
  cast(d.percent as integer) as percent,
  d.sentence
from scores.score_distribution as d
cross join meta.params as p
where d.n_total >= p.min_cell
order by d.scorecard, d.version, d.place_no
