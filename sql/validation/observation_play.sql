-- model: validation.observation_play
-- grain: observation_no
-- depends: staging.play, validation.observation
-- params: gap_days, horizon_days
-- audits: unique(observation_no)
-- Account-months in which somebody stepped in: a play starts in [s, s + gap + horizon).
select o.observation_no
from validation.observation as o
inner join staging.play as y on y.account_id = o.account_id and y.started_on >= o.snapshot_date
cross join meta.params as p
where y.started_on < o.snapshot_date + p.gap_days + p.horizon_days
  and y.superseded_on is null
group by o.observation_no
