-- model: marts.hierarchy_member
-- grain: head_id, account_id
-- depends: marts.account_now, marts.hierarchy_issue
-- audits: unique(head_id, account_id)
-- Every account below another one, over up to 64 levels (level 1: its children), and each head itself (level 0).
with recursive
edge as (
  select a.account_id, a.parent_id
  from marts.account_now as a
  where a.parent_id is not null and not exists (select 1 from marts.hierarchy_issue as i where i.account_id = a.account_id)
),
below as (
  select parent_id as head_id, account_id, 1 as level from edge
  union all
  select b.head_id, e.account_id, b.level + 1
  from below as b
  inner join edge as e on e.parent_id = b.account_id
  where b.level < 64
)
select head_id, account_id, level from below
union all
select distinct head_id, head_id, 0 from below
