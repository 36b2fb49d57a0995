-- model: marts.scorecard
-- grain: scorecard, version
-- depends: scores.scorecard
-- audits: not_null(scorecard, version, label); unique(scorecard, version)
select
  scorecard,
  cast(version as integer) as version,
  label,
  description,
  purpose,
  owner,
  created_on,
  in_force_from,
  is_assigned,
  assign_order,
  combine,
  cast(scale_from as double) as scale_from,
  cast(scale_to as double) as scale_to,
  cast(coverage_floor as double) as coverage_floor,
  bands_in_words
from scores.scorecard
order by is_assigned desc, assign_order, scorecard, version
