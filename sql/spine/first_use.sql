-- model: spine.first_use
-- grain: account_id
-- depends: rollup.account_day
-- audits: not_null(account_id, first_used_on); unique(account_id)
-- portable: trino
-- The first day with any usage, per account: where the calendar starts, and when an account without a sign-up date began.
-- (The schema is quoted because Trino reads the word as syntax.)
select
  account_id,
  min(activity_date) as first_used_on
from "rollup".account_day
where account_id is not null
group by account_id
