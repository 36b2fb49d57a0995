-- model: validation.unplayed_observed
-- kind: view
-- grain: definition, subject, statistic, account_no, stratum, value
-- depends: validation.definition, validation.kpi_placed, validation.observation_play,
--   validation.stratum
-- The main statistic without the account-months in which a play started, primary definition. Empty for a book without plays.
select
  k.definition, k.kpi as subject, 'main' as statistic, k.account_no, s.block, s.segment, k.stratum, k.value, k.y
from validation.kpi_placed as k
inner join validation.definition as d on d.definition = k.definition and d.is_primary
inner join validation.stratum as s on s.definition = k.definition and s.observation_no = k.observation_no
where exists (select 1 from validation.observation_play)
  and not exists (select 1 from validation.observation_play as p where p.observation_no = k.observation_no)
