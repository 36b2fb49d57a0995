-- model: validation.ranked_row
-- grain: definition_no, observation_no
-- depends: validation.definition, validation.stratum
-- What the KPIs' ranks read of a row, in whole numbers. place numbers the prognostic strata of all definitions, day the
-- snapshot dates of all definitions. y and late_y are null in strata of one class, which rank nothing; crude_y is not.
with numbered as (
  select
    cast(dense_rank() over (order by definition) as smallint) as definition_no,
    definition
  from validation.definition
),
classed as (
  select
    s.*,
    n.definition_no,
    min(s.y) over whole = 0 and max(s.y) over whole = 1 as is_mixed,
    min(s.late_y) over whole = 0 and max(s.late_y) over whole = 1 as is_late_mixed
  from validation.stratum as s
  inner join numbered as n on n.definition = s.definition
  window whole as (partition by s.definition, s.stratum)
)
select
  definition_no,
  definition,
  observation_no,
  account_no,
  block,
  cast(dense_rank() over (order by segment) as smallint) as segment_no,
  segment,
  cast(dense_rank() over (order by definition_no, stratum) as integer) as place,
  cast(dense_rank() over (order by definition_no, snapshot_no) as integer) as day,
  cast(case when is_mixed then y end as tinyint) as y,
  cast(case when is_late_mixed then late_y end as tinyint) as late_y,
  cast(y as tinyint) as crude_y
from classed
where y is not null or late_y is not null
order by definition_no, observation_no
