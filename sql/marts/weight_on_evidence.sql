-- model: marts.weight_on_evidence
-- grain: scorecard, version, action_group
-- depends: marts.kpi, scores.scorecard_weight
-- audits: not_null(scorecard, version, action_group, points); unique(scorecard, version, action_group)
-- How many of a scorecard's 100 points rest on KPIs of each verdict group; the five rows of a version sum to 100.
with groups as (
  select g.action_group, g.action_no
  from (values ('Use', 1), ('Use with care', 2), ('Score differently', 3), ('Leave out', 4), ('Not known', 5))
    as g (action_group, action_no)
),
versions as (
  select distinct scorecard, version from scores.scorecard_weight
),
weights as (
  select
    w.scorecard,
    w.version,
    coalesce(k.action_group, 'Not known') as action_group,
    sum(w.share) as points
  from scores.scorecard_weight as w
  left join marts.kpi as k on k.kpi = w.kpi
  group by w.scorecard, w.version, coalesce(k.action_group, 'Not known')
)
select
  v.scorecard,
  cast(v.version as integer) as version,
  g.action_group,
  cast(g.action_no as integer) as action_no,
  cast(coalesce(w.points, 0) as double) as points
from versions as v
cross join groups as g
left join weights as w on w.scorecard = v.scorecard and w.version = v.version and w.action_group = g.action_group
order by v.scorecard, version, g.action_no
