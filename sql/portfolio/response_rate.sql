-- model: marts.response_rate
-- grain: kind, by_what, part
-- depends: spine.account_period, spine.account_snapshot, staging.survey_response
-- params: as_of, min_cell
-- audits: unique(kind, by_what, part)
-- How many of those who were asked answered within 30 days: per kind of survey over all, per campaign and per stage of the account when it was asked
-- (its lifecycle where the book has one, else how long it had paid). Asked at least 30 days before as_of. Intervals are 95 %,
-- Wilson, with accounts as the units: one that was asked often counts once in the width. Parts of fewer than min_cell accounts are merged under
-- 'and smaller', and left out where even that is smaller.
with asked as (
  select
    s.account_id,
    lower(s.kind) as kind,
    coalesce(nullif(trim(s.campaign), ''), 'no campaign named') as campaign,
    cast(s.asked_at as date) as asked_on,
    case when s.responded_at is not null and s.responded_at < s.asked_at + interval 30 day then 1 else 0 end as is_answered
  from staging.survey_response as s
  cross join meta.params as p
  where s.account_id is not null and s.visible_on <= p.as_of and (s.superseded_on is null or p.as_of < s.superseded_on)
    and s.asked_at < p.as_of - 30
),
staged as (
  select
    q.*,
    coalesce(
      l.lifecycle,
      case
        when e.started_on is null then 'not paying'
        when q.asked_on - e.started_on < 90 then 'first 90 days'
        when q.asked_on - e.started_on < 365 then 'first year'
        else 'later'
      end
    ) as stage
  from asked as q
  left join spine.account_period as e
    on e.account_id = q.account_id and q.asked_on >= e.started_on and (e.ended_on is null or q.asked_on < e.ended_on)
  asof left join (select account_id, snapshot_date, lifecycle from spine.account_snapshot where lifecycle is not null) as l
    on l.account_id = q.account_id and q.asked_on >= l.snapshot_date
),
part as (
  select account_id, kind, 'all' as by_what, 'all' as part, is_answered from staged
  union all
  select account_id, kind, 'campaign', campaign, is_answered from staged
  union all
  select account_id, kind, 'stage', stage, is_answered from staged
),
sized as (
  select kind, by_what, part, count(distinct account_id) as n_accounts from part group by kind, by_what, part
),
merged as (
  select
    t.account_id,
    t.kind,
    t.by_what,
    case when z.n_accounts < p.min_cell then 'and smaller' else t.part end as part,
    t.is_answered
  from part as t
  inner join sized as z on z.kind = t.kind and z.by_what = t.by_what and z.part = t.part
  cross join meta.params as p
),
by_account as (
  select kind, by_what, part, account_id, count(*) as m, sum(is_answered) as y
  from merged
  group by kind, by_what, part, account_id
),
rated as (
  select *, sum(y) over whole / cast(sum(m) over whole as double) as rate
  from by_account
  window whole as (partition by kind, by_what, part)
),
varied as (
  select
    kind,
    by_what,
    part,
    count(*) as n_accounts,
    cast(sum(m) as bigint) as n_asked,
    cast(sum(y) as bigint) as n_answered,
    any_value(rate) as rate,
    exact_sum((y - rate * m) ** 2) * count(*) / nullif(count(*) - 1e0, 0e0) / (cast(sum(m) as double) * sum(m)) as variance
  from rated
  group by kind, by_what, part
),
effective as (
  select *, case when variance > 1e-15 then rate * (1e0 - rate) / variance else cast(n_accounts as double) end as n_effective
  from varied
)
select
  e.kind,
  e.by_what,
  e.part,
  e.n_asked,
  e.n_answered,
  e.n_accounts,
  twelve_digits(e.rate) as rate,
  twelve_digits(wilson_low(e.rate, e.n_effective)) as rate_low,
  twelve_digits(wilson_high(e.rate, e.n_effective)) as rate_high
from effective as e
cross join meta.params as p
where e.n_accounts >= p.min_cell
