-- model: marts.part_fall
-- grain: account_id, part_no
-- depends: features.kpi_definition, marts.portfolio_account, scores.score_part
-- params: as_of
-- audits: unique(account_id, part_no); not_null(change)
-- KPIs that give fewer points of the score today than at month_on, by the same version of the scorecard, of every paying account with
-- a score on both days; fall_no 1 is the KPI that fell most. A KPI without a value today gives none: its weight goes to
-- the others, so what the others gained stands against it. All parts together change as the score does.
with part as (
  select
    n.account_id,
    s.part_no,
    any_value(s.kpi) as kpi,
    sum(case when s.snapshot_date = n.month_on then coalesce(s.contribution, 0) else 0 end) as contribution_then,
    sum(case when s.snapshot_date = p.as_of then coalesce(s.contribution, 0) else 0 end) as contribution_now,
    coalesce(bool_or(s.snapshot_date = p.as_of and s.value is not null), false) as is_known_now
  from marts.portfolio_account as n
  cross join meta.params as p
  inner join scores.score_part as s
    on s.account_id = n.account_id
    and s.scorecard = n.scorecard
    and s.version = n.version
    and s.snapshot_date in (p.as_of, n.month_on)
  where n.score is not null and n.month_score is not null and s.kind = 'kpi'
  group by n.account_id, s.part_no
)
select
  t.account_id,
  t.part_no,
  t.kpi,
  k.label,
  cast(t.contribution_then as decimal(18, 6)) as contribution_then,
  cast(t.contribution_now as decimal(18, 6)) as contribution_now,
  cast(t.contribution_now - t.contribution_then as decimal(18, 6)) as change,
  t.is_known_now,
  cast(
    row_number() over (partition by t.account_id order by t.contribution_now - t.contribution_then, t.part_no) as integer
  ) as fall_no
from part as t
left join features.kpi_definition as k on k.id = t.kpi
where t.contribution_now < t.contribution_then
