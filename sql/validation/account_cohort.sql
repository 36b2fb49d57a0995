-- model: validation.account_cohort
-- grain: account_no
-- depends: spine.account_period, validation.definition, validation.observation, validation.stratum
-- audits: unique(account_no)
-- When an account first paid: its sign-up cohort. Quarters (2024-Q1) where at least two of them have 50 churned and 50
-- staying accounts in the labelled rows of the primary definition; years otherwise, because a group below 50 gets no verdict.
with sign_up as (
  select account_id, min(started_on) as signed_up_on from spine.account_period group by account_id
),
numbered as (
  select
    o.account_no,
    cast(extract(year from min(u.signed_up_on)) as varchar) as year_name,
    cast(extract(quarter from min(u.signed_up_on)) as varchar) as quarter_name
  from validation.observation as o
  inner join sign_up as u on u.account_id = o.account_id
  group by o.account_no
),
labelled as (
  select s.account_no, max(s.y) as ever, min(s.y) as always
  from validation.stratum as s
  inner join validation.definition as d on d.definition = s.definition and d.is_primary
  where s.y is not null
  group by s.account_no
),
quarter_size as (
  select n.year_name, n.quarter_name
  from labelled as l
  inner join numbered as n on n.account_no = l.account_no
  group by n.year_name, n.quarter_name
  having count(case when l.ever = 1 then 1 end) >= 50 and count(case when l.always = 0 then 1 end) >= 50
),
fine as (
  select count(*) >= 2 as is_fine from quarter_size
)
select
  n.account_no,
  case when f.is_fine then n.year_name || '-Q' || n.quarter_name else n.year_name end as cohort
from numbered as n
cross join fine as f
