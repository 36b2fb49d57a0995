-- model: validation.recovery
-- grain: scorecard, version
-- depends: scores.scorecard, spine.account_period, validation.decision, validation.definition,
--   validation.score_run
-- params: as_of
-- audits: unique(scorecard, version)
-- How many reds came back, and how long it took: spells in the worst band that begin on or after the day on which the version was
-- made. Out of red for 28 days without a decision is a recovery, a shorter way out is the same spell. Shares (95 %, Wilson,
-- clustered by account) are of the spells whose first 180 days, and 28 more, are over: recovered within 180 days, or left
-- before they were back. Days are from the first red snapshot to the first that is not; the spells that began with the
-- account's first score may be longer and are left out of the median.
with run as (
  select
    *,
    lag(next_on) over by_date as earlier_out_on
  from validation.score_run
  window by_date as (partition by scorecard, version, account_id, period_started_on order by from_on)
),
numbered as (
  select
    *,
    sum(case when from_on - earlier_out_on < 28 then 0 else 1 end) over (
      partition by scorecard, version, account_id, period_started_on order by from_on
      rows between unbounded preceding and current row
    ) as spell_no
  from run
),
spell as (
  select
    scorecard, version, account_id, period_started_on,
    min(from_on) as from_on,
    arg_max(next_on, from_on) as out_on,
    max(last_on) as last_on,
    bool_or(is_first) as is_first
  from numbered
  group by scorecard, version, account_id, period_started_on, spell_no
),
decision as (
  select d.account_id, d.decided_on
  from validation.decision as d
  inner join validation.definition as v on v.definition = d.definition and v.is_primary
  where d.kind <> 'other_exit'
),
decided as (
  select s.*, d.decided_on
  from spell as s
  asof left join decision as d on d.account_id = s.account_id and s.from_on <= d.decided_on
),
told as (
  select
    d.scorecard,
    d.version,
    d.account_id,
    d.from_on,
    d.is_first,
    case
      when d.out_on is not null and d.out_on + 28 <= p.as_of and coalesce(d.decided_on >= d.out_on + 28, true)
        and coalesce(q.ended_on >= d.out_on + 28, true) then 'recovered'
      when d.decided_on < coalesce(d.out_on, p.as_of) + 28 and coalesce(d.decided_on <= q.ended_on, true) then 'left'
      when q.ended_on is not null then 'ended'
      else 'open'
    end as outcome,
    d.out_on - d.from_on as days_red,
    d.decided_on - d.from_on as days_to_decision,
    d.from_on + 208 <= p.as_of as is_matured
  from decided as d
  inner join scores.scorecard as c on c.scorecard = d.scorecard and c.version = d.version
  left join spine.account_period as q on q.account_id = d.account_id and q.started_on = d.period_started_on
  cross join meta.params as p
  where d.from_on >= c.created_on
),
marked as (
  select
    *,
    case when is_matured and outcome = 'recovered' and days_red <= 180 then 1 else 0 end as is_back,
    case when is_matured and outcome = 'left' and days_to_decision < 180 then 1 else 0 end as is_gone
  from told
),
by_account as (
  select
    scorecard, version, account_id,
    count(case when is_matured then 1 end) as m,
    sum(is_back) as b,
    sum(is_gone) as g
  from marked
  group by scorecard, version, account_id
),
rated as (
  select
    *,
    sum(b) over whole / nullif(cast(sum(m) over whole as double), 0e0) as back,
    sum(g) over whole / nullif(cast(sum(m) over whole as double), 0e0) as gone
  from by_account
  where m > 0
  window whole as (partition by scorecard, version)
),
varied as (
  select
    scorecard,
    version,
    count(*) as n,
    any_value(back) as back,
    any_value(gone) as gone,
    exact_sum((b - back * m) ** 2) * count(*) / nullif(count(*) - 1e0, 0e0) / (cast(sum(m) as double) * sum(m)) as back_variance,
    exact_sum((g - gone * m) ** 2) * count(*) / nullif(count(*) - 1e0, 0e0) / (cast(sum(m) as double) * sum(m)) as gone_variance
  from rated
  group by scorecard, version
),
effective as (
  select
    *,
    case when back_variance > 1e-15 then back * (1e0 - back) / back_variance else cast(n as double) end as back_n,
    case when gone_variance > 1e-15 then gone * (1e0 - gone) / gone_variance else cast(n as double) end as gone_n
  from varied
),
counted as (
  select
    scorecard,
    version,
    count(*) as n_spells,
    count(distinct account_id) as n_accounts,
    count(case when outcome = 'recovered' then 1 end) as n_recovered,
    count(case when outcome = 'left' then 1 end) as n_left,
    count(case when outcome = 'open' then 1 end) as n_open,
    count(case when outcome = 'ended' then 1 end) as n_ended,
    count(case when is_matured then 1 end) as n_matured,
    quantile_cont(case when outcome = 'recovered' and not is_first then days_red end, 0.5) as median_days_red
  from marked
  group by scorecard, version
)
select
  c.scorecard,
  c.version,
  c.n_spells,
  c.n_accounts,
  c.n_recovered,
  c.n_left,
  c.n_ended,
  c.n_open,
  c.n_matured,
  twelve_digits(e.back) as recovered_share,
  twelve_digits(wilson_low(e.back, e.back_n)) as recovered_low,
  twelve_digits(wilson_high(e.back, e.back_n)) as recovered_high,
  twelve_digits(e.gone) as left_share,
  twelve_digits(wilson_low(e.gone, e.gone_n)) as left_low,
  twelve_digits(wilson_high(e.gone, e.gone_n)) as left_high,
  cast(c.median_days_red as double) as median_days_red
from counted as c
left join effective as e on e.scorecard = c.scorecard and e.version = c.version
