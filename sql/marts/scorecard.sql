-- model: marts.scorecard
-- grain: scorecard, version
-- depends: scores.scorecard
-- audits: not_null(scorecard, version); unique(scorecard, version)
select
  scorecard,
  cast(version as integer) as version,
  label,
  purpose,
  created_on,
  in_force_from,
  is_assigned,
  combine,
  scale_from,
  scale_to,
  coverage_floor
from scores.scorecard
order by is_assigned desc, scorecard, version
