-- model: marts.scorecard_kpi
-- grain: scorecard, version, group_id, kpi
-- depends: marts.kpi, scores.scorecard, scores.scorecard_weight
-- audits: not_null(scorecard, version, kpi, points)
-- What each scorecard counts, and what history says about it.
select
  w.scorecard,
  cast(w.version as integer) as version,
  coalesce(c.label, w.scorecard) as card_label,
  w.group_id,
  w.kpi,
  coalesce(k.label, w.kpi) as label,
  cast(w.share as double) as points,
  w.points_in_words,
  coalesce(k.action_group, 'Not known') as action_group,
  cast(coalesce(k.action_no, 5) as integer) as action_no,
  coalesce(k.verdict_label, 'Not enough data') as verdict_label,
  k.kpi is not null as has_page
from scores.scorecard_weight as w
left join scores.scorecard as c on c.scorecard = w.scorecard and c.version = w.version
left join marts.kpi as k on k.kpi = w.kpi
order by w.scorecard, version, points desc, w.kpi
