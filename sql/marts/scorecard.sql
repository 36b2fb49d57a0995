-- model: marts.scorecard
-- grain: scorecard, version
-- depends: scores.scorecard
-- params: as_of
-- audits: not_null(scorecard, version, label, sign_off); unique(scorecard, version)
-- What each version's file says. `is_current`: assigned, and the version in force at as_of. `sign_off` at as_of: none, valid,
-- or expired (valid_until is the first day on which it holds no longer). `is_for_all`: without conditions, so that it is for everybody whom
-- no card before it takes: of several in force the one to show first.
with placed as (
  select
    s.*,
    p.as_of,
    row_number() over (
      partition by s.scorecard
      order by
        case when s.in_force_from is null or s.in_force_from <= p.as_of then 0 else 1 end,
        s.in_force_from desc nulls last,
        s.version desc
    ) as place
  from scores.scorecard as s
  cross join meta.params as p
)
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
  json_extract(definition, '$.applies_to') is null as is_for_all,
  combine,
  cast(scale_from as double) as scale_from,
  cast(scale_to as double) as scale_to,
  cast(coverage_floor as double) as coverage_floor,
  bands_in_words,
  is_assigned and place = 1 and (in_force_from is null or in_force_from <= as_of) as is_current,
  validated_on,
  validated_by,
  valid_until,
  case when validated_on is null then 'none' when valid_until <= as_of then 'expired' else 'valid' end as sign_off
from placed
order by is_assigned desc, is_for_all desc, assign_order, scorecard, version
