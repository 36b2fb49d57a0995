-- model: validation.kpi_lead_time
-- grain: kpi, months_before
-- depends: features.kpi_definition, validation.kpi_value, validation.lead_row
-- audits: unique(kpi, months_before)
-- When a KPI begins to tell: for l = 1 to 6, decisions in [s + 30 (l - 1), s + 30 l) against accounts that decide nothing
-- within 180 days, in the prognostic strata of the primary definition. The six leads share their others, so one ranking
-- serves all: columns _1 to _6.
with observed as (
  select v.kpi_no as kpi, r.account_no, r.stratum, v.value, r.months_before
  from validation.lead_row as r
  inner join validation.kpi_value as v on v.observation_no = r.observation_no
),
counted as (
  select
    kpi,
    stratum,
    value,
    cast(count(case when months_before = 0 then 1 end) as double) as n,
    cast(count(case when months_before = 1 then 1 end) as double) as e_1,
    cast(count(case when months_before = 2 then 1 end) as double) as e_2,
    cast(count(case when months_before = 3 then 1 end) as double) as e_3,
    cast(count(case when months_before = 4 then 1 end) as double) as e_4,
    cast(count(case when months_before = 5 then 1 end) as double) as e_5,
    cast(count(case when months_before = 6 then 1 end) as double) as e_6
  from observed
  group by kpi, stratum, value
),
ranked as (
  select
    *,
    sum(n) over whole as ns,
    coalesce(sum(n) over below, 0e0) as nb,
    sum(e_1) over whole as es_1,
    sum(e_2) over whole as es_2,
    sum(e_3) over whole as es_3,
    sum(e_4) over whole as es_4,
    sum(e_5) over whole as es_5,
    sum(e_6) over whole as es_6,
    coalesce(sum(e_1) over below, 0e0) as eb_1,
    coalesce(sum(e_2) over below, 0e0) as eb_2,
    coalesce(sum(e_3) over below, 0e0) as eb_3,
    coalesce(sum(e_4) over below, 0e0) as eb_4,
    coalesce(sum(e_5) over below, 0e0) as eb_5,
    coalesce(sum(e_6) over below, 0e0) as eb_6
  from counted
  window
    whole as (partition by kpi, stratum),
    below as (partition by kpi, stratum order by value rows between unbounded preceding and 1 preceding)
),
mixed as (
  select *
  from ranked
  where ns > 0 and es_1 + es_2 + es_3 + es_4 + es_5 + es_6 > 0
),
event_row as (
  select
    o.kpi,
    o.months_before,
    o.account_no,
    1 as is_event,
    (c.nb + c.n / 2e0) / (c.ns + case o.months_before when 1 then c.es_1 when 2 then c.es_2 when 3 then c.es_3 when 4 then c.es_4 when 5 then c.es_5 when 6 then c.es_6 end) as won,
    c.ns / (c.ns + case o.months_before when 1 then c.es_1 when 2 then c.es_2 when 3 then c.es_3 when 4 then c.es_4 when 5 then c.es_5 when 6 then c.es_6 end) as met
  from observed as o
  inner join mixed as c on c.kpi = o.kpi and c.stratum = o.stratum and c.value = o.value
  where o.months_before > 0
),
other_account as (
  select
    o.kpi,
    o.account_no,
    exact_share_sum((c.es_1 - c.eb_1 - c.e_1 / 2e0) / (c.ns + c.es_1)) as won_1,
    exact_share_sum((c.es_2 - c.eb_2 - c.e_2 / 2e0) / (c.ns + c.es_2)) as won_2,
    exact_share_sum((c.es_3 - c.eb_3 - c.e_3 / 2e0) / (c.ns + c.es_3)) as won_3,
    exact_share_sum((c.es_4 - c.eb_4 - c.e_4 / 2e0) / (c.ns + c.es_4)) as won_4,
    exact_share_sum((c.es_5 - c.eb_5 - c.e_5 / 2e0) / (c.ns + c.es_5)) as won_5,
    exact_share_sum((c.es_6 - c.eb_6 - c.e_6 / 2e0) / (c.ns + c.es_6)) as won_6,
    exact_share_sum(c.es_1 / (c.ns + c.es_1)) as met_1,
    exact_share_sum(c.es_2 / (c.ns + c.es_2)) as met_2,
    exact_share_sum(c.es_3 / (c.ns + c.es_3)) as met_3,
    exact_share_sum(c.es_4 / (c.ns + c.es_4)) as met_4,
    exact_share_sum(c.es_5 / (c.ns + c.es_5)) as met_5,
    exact_share_sum(c.es_6 / (c.ns + c.es_6)) as met_6
  from observed as o
  inner join mixed as c on c.kpi = o.kpi and c.stratum = o.stratum and c.value = o.value
  where o.months_before = 0
  group by o.kpi, o.account_no
),
weighed as (
  select kpi, months_before, account_no, is_event, won, met from event_row
  union all
  select
    a.kpi,
    t.months_before,
    a.account_no,
    0 as is_event,
    case t.months_before when 1 then a.won_1 when 2 then a.won_2 when 3 then a.won_3 when 4 then a.won_4 when 5 then a.won_5 when 6 then a.won_6 end as won,
    case t.months_before when 1 then a.met_1 when 2 then a.met_2 when 3 then a.met_3 when 4 then a.met_4 when 5 then a.met_5 when 6 then a.met_6 end as met
  from other_account as a
  cross join (values (1), (2), (3), (4), (5), (6)) as t(months_before)
),
part as (
  select
    kpi,
    months_before,
    account_no,
    max(is_event) as has_event,
    exact_sum(won) as won,
    exact_sum(met) as met,
    exact_sum(case when is_event = 1 then won else 0e0 end) as event_won,
    exact_sum(case when is_event = 1 then met else 0e0 end) as event_met
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
  having sum(has_event) > 0
),
influence as (
  select p.kpi, p.months_before, round((p.won - t.auc * p.met) / t.pairs, 16) as psi
  from part as p
  inner join point as t on t.kpi = p.kpi and t.months_before = p.months_before
),
spread as (
  select kpi, months_before, exact_sum(psi * psi) as squares, count(case when psi <> 0 then 1 end) as n_moving
  from influence
  group by kpi, months_before
),
estimated as (
  select
    t.kpi,
    t.months_before,
    t.auc,
    t.n_churned,
    case
      when s.n_moving > 1 and s.squares > 0e0 and t.auc > 0 and t.auc < 1
      then 1.959963984540054e0 * sqrt(s.squares * s.n_moving / (s.n_moving - 1e0)) / (t.auc * (1e0 - t.auc))
    end as half,
    case when t.auc > 0 and t.auc < 1 then ln(t.auc / (1e0 - t.auc)) end as logit
  from point as t
  inner join spread as s on s.kpi = t.kpi and s.months_before = t.months_before
)
select
  k.id as kpi,
  cast(e.months_before as integer) as months_before,
  twelve_digits(e.auc) as auc,
  twelve_digits(1e0 / (1e0 + exp(e.half - e.logit))) as auc_low,
  twelve_digits(1e0 / (1e0 + exp(-e.half - e.logit))) as auc_high,
  e.n_churned
from estimated as e
inner join features.kpi_definition as k on k.kpi_no = e.kpi
