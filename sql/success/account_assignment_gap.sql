-- model: marts.account_assignment_gap
-- grain: account_id, kind
-- depends: scores.account_assignment, scores.scorecard, spine.snapshot
-- audits: unique(account_id, kind)
-- Accounts whose scorecard wants a look, at the newest scored snapshot. none: no assigned scorecard applies. several: the
-- conditions of more than one hold (one without conditions is for the rest and does not count). stage_moved: the
-- lifecycle changed during the last 90 days, the scorecard did not, and there are several to choose from.
with newest as (
  select max(snapshot_date) as snapshot_date from spine.snapshot where is_scored
),
card as (
  select scorecard, bool_or(json_extract(definition, '$.applies_to') is null) as is_for_all
  from scores.scorecard
  where is_assigned
  group by scorecard
),
present as (
  select a.account_id, a.scorecard, a.n_matching, a.segment, a.lifecycle
  from scores.account_assignment as a
  inner join newest as n on n.snapshot_date = a.snapshot_date
  where exists (select 1 from card)
),
looked_back as (
  select
    a.account_id,
    a.snapshot_date,
    a.scorecard,
    a.lifecycle,
    lag(a.lifecycle) over (partition by a.account_id order by a.snapshot_date) as lifecycle_before,
    lag(a.scorecard) over (partition by a.account_id order by a.snapshot_date) as scorecard_before
  from scores.account_assignment as a
  inner join newest as n on a.snapshot_date between n.snapshot_date - 90 and n.snapshot_date
),
moved as (
  select
    p.account_id,
    max(l.snapshot_date) as moved_on,
    arg_max(l.lifecycle_before, l.snapshot_date) as lifecycle_before
  from present as p
  inner join looked_back as l
    on l.account_id = p.account_id and l.scorecard = p.scorecard and l.scorecard_before = p.scorecard
    and l.lifecycle <> l.lifecycle_before
  where (select count(*) from card) > 1
  group by p.account_id
),
gap as (
  select account_id, 'none' as kind from present where scorecard is null
  union all
  select account_id, 'several' from present
  where scorecard is not null and n_matching - (select count(*) from card where is_for_all) > 1
  union all
  select account_id, 'stage_moved' from moved
)
select
  g.account_id,
  g.kind,
  p.scorecard,
  cast(p.n_matching as integer) as n_matching,
  p.segment,
  p.lifecycle,
  case when g.kind = 'stage_moved' then m.lifecycle_before end as lifecycle_before,
  case when g.kind = 'stage_moved' then m.moved_on end as moved_on
from gap as g
inner join present as p on p.account_id = g.account_id
left join moved as m on m.account_id = g.account_id
order by g.account_id, g.kind
