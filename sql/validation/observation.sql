-- model: validation.observation
-- grain: observation_no
-- depends: spine.account_snapshot
-- params: validate_every
-- audits: not_null(account_id, snapshot_date); unique(account_id, snapshot_date)
-- Every account and snapshot that validation may look at, numbered; a block is three monthly or thirteen weekly snapshots.
with eligible as (
  select account_id, snapshot_date from spine.account_snapshot where is_validated
),
numbered_date as (
  select snapshot_date, row_number() over (order by snapshot_date) as snapshot_no
  from (select distinct snapshot_date from eligible) as d
),
numbered_account as (
  select account_id, row_number() over (order by account_id) as account_no
  from (select distinct account_id from eligible) as a
)
select
  cast(row_number() over (order by e.snapshot_date, e.account_id) as integer) as observation_no,
  e.account_id,
  e.snapshot_date,
  cast(a.account_no as integer) as account_no,
  cast(d.snapshot_no as integer) as snapshot_no,
  cast((d.snapshot_no - 1) // case when p.validate_every = 'week' then 13 else 3 end as integer) as block
from eligible as e
inner join numbered_date as d on d.snapshot_date = e.snapshot_date
inner join numbered_account as a on a.account_id = e.account_id
cross join meta.params as p
