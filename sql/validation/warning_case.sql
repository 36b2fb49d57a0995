-- model: validation.warning_case
-- grain: departed_id, decided_on, account_id
-- depends: spine.account_snapshot, validation.decision, validation.definition, validation.outcome, validation.stratum
-- Whose warning is measured at the day of each departure (primary definition): the account that left, and beside it up to five
-- that stayed, of the stratum of its last labelled row that counts as leaving, drawn by md5. They have decided nothing
-- by that day, and have a snapshot within 31 days of it.
with departure as (
  select d.definition, d.account_id, d.decided_on, d.period_started_on
  from validation.decision as d
  inner join validation.definition as v on v.definition = d.definition and v.is_primary
  where d.kind <> 'other_exit'
),
matched_on as (
  select o.account_id, o.churned_on as decided_on, arg_max(s.stratum, o.snapshot_date) as stratum
  from validation.outcome as o
  inner join validation.stratum as s
    on s.definition = o.definition and s.account_id = o.account_id and s.snapshot_date = o.snapshot_date
  inner join validation.definition as v on v.definition = o.definition and v.is_primary
  where o.y = 1
  group by o.account_id, o.churned_on
),
stayer as (
  select distinct s.stratum, s.account_id
  from validation.stratum as s
  inner join validation.definition as v on v.definition = s.definition and v.is_primary
  where s.y = 0
),
candidate as (
  select
    m.account_id as departed_id, m.decided_on, c.account_id,
    md5(m.account_id || ':' || cast(m.decided_on as varchar) || ':' || c.account_id) as draw
  from matched_on as m
  inner join stayer as c on c.stratum = m.stratum and c.account_id <> m.account_id
),
present as (
  select c.departed_id, c.decided_on, c.account_id, c.draw, p.snapshot_date, p.period_started_on
  from candidate as c
  asof inner join (
    select account_id, snapshot_date, period_started_on from spine.account_snapshot where is_scored
  ) as p on p.account_id = c.account_id and c.decided_on > p.snapshot_date
),
undecided as (
  select p.*
  from present as p
  where p.decided_on - p.snapshot_date <= 31
    and not exists (
      select 1 from departure as d
      where d.account_id = p.account_id and d.decided_on <= p.decided_on and d.decided_on >= p.period_started_on
    )
),
drawn as (
  select *, row_number() over (partition by departed_id, decided_on order by draw, account_id) as place from undecided
)
select account_id as departed_id, decided_on, account_id, period_started_on, true as is_departure from departure
union all
select departed_id, decided_on, account_id, period_started_on, false from drawn where place <= 5
