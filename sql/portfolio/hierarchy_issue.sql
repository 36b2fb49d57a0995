-- model: marts.hierarchy_issue
-- grain: account_id
-- depends: marts.account_now
-- audits: unique(account_id)
-- Parents that lead nowhere: the account names itself, one that no export has, or one that leads back to it within 64
-- levels (a cycle). Such an account counts as having no parent; what hangs below it stays.
with recursive
edge as (
  select account_id, parent_id from marts.account_now where parent_id is not null
),
reach as (
  select e.account_id, e.parent_id, 1 as level from edge as e
  union all
  select r.account_id, e.parent_id, r.level + 1
  from reach as r
  inner join edge as e on e.account_id = r.parent_id
  where r.level < 64 and r.account_id <> r.parent_id
)
select
  e.account_id,
  e.parent_id,
  case
    when e.account_id = e.parent_id then 'itself'
    when n.account_id is null then 'no_such_account'
    else 'cycle'
  end as issue
from edge as e
left join marts.account_now as n on n.account_id = e.parent_id
where n.account_id is null or exists (select 1 from reach as r where r.account_id = e.account_id and r.parent_id = e.account_id)
