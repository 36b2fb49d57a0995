-- model: marts.kpi
-- grain: kpi
-- depends: features.kpi_definition, validation.kpi_lead_time, validation.kpi_period, validation.kpi_verdict
-- params: min_cell, primary_definition
-- audits: not_null(kpi, label, action_group); unique(kpi)
-- Every KPI that is on, with what history says about it for the primary definition of churn over the whole book, and
-- what to do with it. A KPI that the validation does not know is "Not known". months_ahead: from one month before the decision
-- backwards, how many months in a row the 95 % interval keeps clear of a coin toss on one side (0: not even one).
-- n_periods, n_periods_same: the periods of its history, and those whose estimate lies on that side. No estimate is of fewer than
-- min_cell accounts or leavers.
with verdict as (
  select v.*
  from validation.kpi_verdict as v
  cross join meta.params as p
  where v.definition = p.primary_definition and v.group_kind = 'all'
),
lead_side as (
  select
    l.kpi,
    l.months_before,
    case when l.auc_high < 0.5e0 then -1 when l.auc_low > 0.5e0 then 1 else 0 end as side,
    max(case when l.months_before = 1 then case when l.auc_high < 0.5e0 then -1 when l.auc_low > 0.5e0 then 1 else 0 end end)
      over (partition by l.kpi) as first_side
  from validation.kpi_lead_time as l
),
lead as (
  select
    kpi,
    coalesce(min(case when side = 0 or side <> first_side then months_before end), max(months_before) + 1) - 1 as months_ahead
  from lead_side
  where first_side is not null
  group by kpi
),
steady as (
  select
    r.kpi,
    count(*) as n_periods,
    count(case when (r.auc < 0.5e0) = (v.auc < 0.5e0) then 1 end) as n_periods_same
  from validation.kpi_period as r
  inner join verdict as v on v.kpi = r.kpi and v.auc is not null
  where r.auc is not null
  group by r.kpi
),
joined as (
  select
    d.id as kpi,
    d.label,
    d.description,
    d.unit,
    d.kind,
    d.side,
    d.healthier,
    d.version,
    d.window_days,
    d.measure,
    coalesce(d.entity, d.formula) as entity,
    d."sql" as sql_text,
    v.rule,
    v.verdict,
    v.label as verdict_label,
    v.sentence,
    v.reason,
    v.auc,
    v.auc_low,
    v.auc_high,
    v.crude_auc,
    v.late_auc,
    v.p,
    v.q,
    v.coverage,
    v.n_accounts,
    v.n_churned,
    v.detectable_auc,
    v.redundant_with,
    t.label as redundant_label,
    l.months_ahead,
    s.n_periods,
    s.n_periods_same,
    v.badges,
    v.first_seen_on,
    v.held,
    v.strength,
    v.small_print,
    coalesce(v.action_group, 'Not known') as action_group
  from features.kpi_definition as d
  left join verdict as v on v.kpi = d.id
  left join features.kpi_definition as t on t.id = v.redundant_with
  left join lead as l on l.kpi = d.id
  left join steady as s on s.kpi = d.id
)
select
  kpi,
  label,
  action_group,
  cast(
    case action_group
      when 'Use' then 1 when 'Use with care' then 2 when 'Score differently' then 3 when 'Leave out' then 4 else 5
    end as integer
  ) as action_no,
  rule,
  verdict,
  verdict_label,
  sentence,
  small_print,
  strength,
  reason,
  of_enough(auc, least(n_accounts, n_churned), min_cell) as auc,
  of_enough(auc_low, least(n_accounts, n_churned), min_cell) as auc_low,
  of_enough(auc_high, least(n_accounts, n_churned), min_cell) as auc_high,
  of_enough(crude_auc, least(n_accounts, n_churned), min_cell) as crude_auc,
  of_enough(late_auc, least(n_accounts, n_churned), min_cell) as late_auc,
  of_enough(p, least(n_accounts, n_churned), min_cell) as p,
  of_enough(q, least(n_accounts, n_churned), min_cell) as q,
  of_enough(coverage, max(n_accounts) over (), min_cell) as coverage,
  cast(n_accounts as bigint) as n_accounts,
  cast(n_churned as bigint) as n_churned,
  detectable_auc,
  redundant_with,
  redundant_label,
  cast(months_ahead as integer) as months_ahead,
  cast(n_periods as integer) as n_periods,
  cast(n_periods_same as integer) as n_periods_same,
  badges,
  first_seen_on,
  cast(held as integer) as held,
  description,
  unit,
  kind,
  side,
  healthier,
  cast(version as integer) as version,
  cast(window_days as integer) as window_days,
  measure,
  entity,
  sql_text
from joined
cross join (select min_cell from meta.params)
order by action_no, abs(coalesce(auc, 0.5) - 0.5) desc, kpi
