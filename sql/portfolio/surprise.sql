-- model: marts.surprise
-- grain: kind, account_id
-- depends: features.kpi_definition, marts.account_now, scores.score_part, validation.surprise
-- audits: unique(kind, account_id)
-- The accounts that the score got wrong (validation.surprise), with what was visible on the day that the surprise goes back to: the KPIs of
-- the score, their values and points, the ones with the least points first.
with seen as (
  select
    s.kind,
    s.account_id,
    string_agg(
      coalesce(k.label, p.kpi) || ': ' || coalesce(regexp_replace(cast(p.value as varchar), '\.?0+$', ''), 'no value')
      || case when p.points is null then '' else ' (' || cast(cast(round(p.points, 0) as bigint) as varchar) || ' points)' end,
      '; ' order by p.points nulls last, p.part_no
    ) as visible_then
  from validation.surprise as s
  inner join scores.score_part as p
    on p.account_id = s.account_id and p.snapshot_date = s.since and p.scorecard = s.scorecard and p.version = s.version
    and p.kind = 'kpi'
  left join features.kpi_definition as k on k.id = p.kpi
  group by s.kind, s.account_id
)
select
  s.kind,
  s.account_id,
  a.name,
  a.owner,
  s.scorecard,
  s.version,
  s.since,
  s.decided_on,
  s.score_then,
  s.band,
  s.money as mrr_minor,
  s.reason,
  v.visible_then,
  s.disposition,
  s.said_by,
  s.said_on,
  s.is_counted
from validation.surprise as s
left join marts.account_now as a on a.account_id = s.account_id
left join seen as v on v.kind = s.kind and v.account_id = s.account_id
