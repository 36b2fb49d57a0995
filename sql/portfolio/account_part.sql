-- model: marts.account_part
-- grain: account_id, snapshot_date, scorecard, version, part_no
-- depends: features.kpi_definition, marts.portfolio_account, scores.score_part, validation.surprise
-- params: as_of
-- audits: unique(account_id, snapshot_date, scorecard, version, part_no)
-- What scores are made of: of each paying account at as_of in the scorecard in force, and of the accounts that surprised, on the
-- day that the surprise goes back to. Contributions of an account and date sum to its score.
with wanted as (
  select n.account_id, p.as_of as snapshot_date, n.scorecard, n.version
  from marts.portfolio_account as n
  cross join meta.params as p
  where n.scorecard is not null
  union
  select account_id, since, scorecard, version from validation.surprise
)
select
  s.account_id,
  s.snapshot_date,
  s.scorecard,
  s.version,
  s.part_no,
  s.kind,
  s.group_id,
  s.kpi,
  k.label,
  k.unit,
  s.value,
  s.points,
  s.weight,
  s.contribution
from wanted as w
inner join scores.score_part as s
  on s.account_id = w.account_id and s.snapshot_date = w.snapshot_date and s.scorecard = w.scorecard and s.version = w.version
left join features.kpi_definition as k on k.id = s.kpi
