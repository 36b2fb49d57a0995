-- model: marts.account_group
-- grain: account_id, group_id
-- depends: marts.portfolio_account, scores.score_part
-- params: as_of
-- audits: unique(account_id, group_id)
-- What each group of KPIs gives a paying account at as_of, in the scorecard in force. points: the mean of the points of its KPIs that
-- have a value, by their weights; contribution: what the group adds to the score before clamp and gate.
select
  p.account_id,
  coalesce(p.group_id, 'score') as group_id,
  any_value(p.scorecard) as scorecard,
  any_value(p.version) as version,
  twelve_digits(
    cast(sum(case when p.points is not null then p.points * p.weight end) as double)
    / nullif(cast(sum(case when p.points is not null then p.weight end) as double), 0e0)
  ) as points,
  sum(p.contribution) as contribution,
  count(p.value) as n_known,
  count(*) as n_kpis
from scores.score_part as p
cross join meta.params as m
inner join marts.portfolio_account as n
  on n.account_id = p.account_id and n.scorecard = p.scorecard and n.version = p.version
where p.snapshot_date = m.as_of and p.kind = 'kpi'
group by p.account_id, coalesce(p.group_id, 'score')
