-- model: marts.account_now
-- grain: account_id
-- depends: staging.account
-- params: as_of
-- audits: unique(account_id)
-- Every account by what its newest row says that is visible at as_of; among several sources the first by name.
with placed as (
  select
    a.*,
    row_number() over (partition by a.account_id order by a.visible_on desc, a.source, a.delivery_id) as place
  from staging.account as a
  cross join meta.params as p
  where a.account_id is not null and a.visible_on <= p.as_of and (a.superseded_on is null or p.as_of < a.superseded_on)
)
select
  account_id,
  nullif(trim(name), '') as name,
  nullif(trim(owner), '') as owner,
  nullif(trim(lifecycle), '') as lifecycle,
  nullif(trim(country), '') as country,
  nullif(trim(parent_id), '') as parent_id,
  coalesce(is_test, false) as is_test
from placed
where place = 1
