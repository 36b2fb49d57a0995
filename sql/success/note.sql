-- model: marts.note
-- grain: noted_on, label
-- depends: staging.note
-- params: as_of
-- audits: not_null(noted_on, label)
-- What people wrote down about the time (a launch, a price change, an incident), for a line on every time chart.
select distinct
  "on" as noted_on,
  label,
  coalesce(kind, 'note') as kind
from staging.note
cross join meta.params
where "on" < as_of and visible_on <= as_of and (superseded_on is null or as_of < superseded_on)
order by noted_on, label, kind
