with churned as (
select 'cancel' as definition, account_id, min(cast(occurred_on as date)) as first_on
from staging.churn_event
where account_id is not null and superseded_on is null
group by account_id
union all
select 'crm' as definition, account_id, cast(null as date) as first_on
from staging.account
where account_id is not null and superseded_on is null
  and lower(cast("churn_flag" as varchar)) in ('true', 't', 'yes', 'y', '1', 'churned')
group by account_id
union all
select definition, account_id, min(decided_on) as first_on
from validation.decision
where definition = 'ends'
group by definition, account_id
union all
select definition, account_id, min(decided_on) as first_on
from validation.decision
where definition = 'silent'
group by definition, account_id
),
pair as (
  select a.definition, b.definition as other
  from validation.definition as a
  inner join validation.definition as b on a.definition < b.definition
),
compared as (
  select
    p.definition,
    p.other,
    coalesce(a.account_id, b.account_id) as account_id,
    a.account_id is not null as has_one,
    b.account_id is not null as has_other,
    abs(date_diff('day', a.first_on, b.first_on)) as days_apart
  from pair as p
  inner join (
    select p.definition, p.other, c.account_id
    from pair as p
    inner join churned as c on c.definition in (p.definition, p.other)
    group by p.definition, p.other, c.account_id
  ) as n on n.definition = p.definition and n.other = p.other
  left join churned as a on a.definition = p.definition and a.account_id = n.account_id
  left join churned as b on b.definition = p.other and b.account_id = n.account_id
)
select
  p.definition,
  p.other,
  count(case when c.has_one and c.has_other then 1 end) as n_both,
  count(case when c.has_one and not c.has_other then 1 end) as n_only_one,
  count(case when c.has_other and not c.has_one then 1 end) as n_only_other,
  cast(quantile_disc(c.days_apart, 0.5) as integer) as median_days_apart
from pair as p
left join compared as c on c.definition = p.definition and c.other = p.other
group by p.definition, p.other
