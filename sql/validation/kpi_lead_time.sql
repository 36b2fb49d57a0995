-- model: validation.kpi_lead_time
-- grain: kpi, months_before
-- depends: validation.kpi_value, validation.lead_row
-- audits: unique(kpi, months_before)
-- When a KPI begins to tell: for l = 1 to 6, decisions in [s + 30 (l - 1), s + 30 l) against accounts that decide nothing
-- within 180 days, in the prognostic strata of the primary definition. One ranking of the others serves all six.
with observed as (
  select v.kpi, r.account_no, r.stratum, v.value, r.months_before
  from validation.lead_row as r
  inner join validation.kpi_value as v on v.observation_no = r.observation_no
),
other as (
  select
    kpi,
    stratum,
    value,
    cast(count(*) as double) as n
  from observed
  where months_before = 0
  group by kpi, stratum, value
),
event as (
  select kpi, stratum, months_before, value, cast(count(*) as double) as e
  from observed
  where months_before > 0
  group by kpi, stratum, months_before, value
),
other_total as (
  select kpi, stratum, sum(n) as ns from other group by kpi, stratum
),
event_total as (
  select kpi, stratum, months_before, sum(e) as es from event group by kpi, stratum, months_before
),
used as (
  select t.kpi, t.stratum, t.months_before, t.es, o.ns
  from event_total as t
  inner join other_total as o on o.kpi = t.kpi and o.stratum = t.stratum
),
cell as (
  -- Both classes of one lead on one scale of values.
  select u.kpi, u.stratum, u.months_before, u.es, u.ns, o.value, o.n, 0e0 as e
  from used as u
  inner join other as o on o.kpi = u.kpi and o.stratum = u.stratum
  union all
  select u.kpi, u.stratum, u.months_before, u.es, u.ns, v.value, 0e0 as n, v.e
  from used as u
  inner join event as v on v.kpi = u.kpi and v.stratum = u.stratum and v.months_before = u.months_before
),
merged as (
  select kpi, stratum, months_before, any_value(es) as es, any_value(ns) as ns, value, sum(n) as n, sum(e) as e
  from cell
  group by kpi, stratum, months_before, value
),
ranked as (
  select
    *,
    coalesce(sum(n) over below, 0e0) as nb,
    coalesce(sum(e) over below, 0e0) as eb
  from merged
  window below as (
    partition by kpi, stratum, months_before order by value rows between unbounded preceding and 1 preceding
  )
),
weighed as (
  select
    o.kpi, k.months_before, o.account_no,
    case when o.months_before > 0 then k.nb + k.n / 2e0 else k.es - k.eb - k.e / 2e0 end / (k.es + k.ns) as won,
    case when o.months_before > 0 then k.ns else k.es end / (k.es + k.ns) as met,
    case when o.months_before > 0 then 1 else 0 end as is_event
  from observed as o
  inner join ranked as k
    on k.kpi = o.kpi and k.stratum = o.stratum and k.value = o.value
    and (o.months_before = k.months_before or o.months_before = 0)
),
part as (
  select
    kpi,
    months_before,
    account_no,
    max(is_event) as has_event,
    exact_share_sum(won) as won,
    exact_share_sum(met) as met,
    exact_share_sum(case when is_event = 1 then won else 0e0 end) as event_won,
    exact_share_sum(case when is_event = 1 then met else 0e0 end) as event_met
  from weighed
  group by kpi, months_before, account_no
),
point as (
  select
    kpi,
    months_before,
    exact_sum(event_won) / exact_sum(event_met) as auc,
    exact_sum(event_met) as pairs,
    cast(sum(has_event) as bigint) as n_churned
  from part
  group by kpi, months_before
),
spread as (
  select
    p.kpi,
    p.months_before,
    exact_sum(round((p.won - t.auc * p.met) / t.pairs, 16) * round((p.won - t.auc * p.met) / t.pairs, 16)) as squares,
    count(case when round((p.won - t.auc * p.met) / t.pairs, 16) <> 0 then 1 end) as n_moving
  from part as p
  inner join point as t on t.kpi = p.kpi and t.months_before = p.months_before
  group by p.kpi, p.months_before
),
estimated as (
  select
    t.kpi,
    t.months_before,
    t.auc,
    t.n_churned,
    case
      when s.n_moving > 1 and t.auc > 0 and t.auc < 1
      then 1.959963984540054e0 * sqrt(s.squares * s.n_moving / (s.n_moving - 1e0)) / (t.auc * (1e0 - t.auc))
    end as half,
    case when t.auc > 0 and t.auc < 1 then ln(t.auc / (1e0 - t.auc)) end as logit
  from point as t
  inner join spread as s on s.kpi = t.kpi and s.months_before = t.months_before
)
select
  kpi,
  cast(months_before as integer) as months_before,
  twelve_digits(auc) as auc,
  twelve_digits(1e0 / (1e0 + exp(half - logit))) as auc_low,
  twelve_digits(1e0 / (1e0 + exp(-half - logit))) as auc_high,
  n_churned
from estimated
