-- model: validation.kpi_account
-- grain: definition, subject, statistic, account_no
-- depends: features.kpi_definition, validation.definition, validation.kpi_cell, validation.kpi_date_cell,
--   validation.kpi_part, validation.kpi_value, validation.period, validation.ranked_row
-- The parts of every statistic per account: main and missing (prognostic strata), its halves, periods and segments, late
-- (decisions within the gap), crude (strata are dates).
with period as (
  select n.definition_no, d.block, d.half, d.period_no
  from validation.period as d
  inner join (
    select definition, cast(dense_rank() over (order by definition) as smallint) as definition_no from validation.definition
  ) as n on n.definition = d.definition
),
weighed as (
  select
    'late' as statistic,
    r.definition_no,
    v.kpi_no,
    r.account_no,
    r.late_y as y,
    case when r.late_y = 1 then c.late_event_won else c.late_other_won end
      / 2e0 / (c.all_late_events + c.all_late_others) as won,
    case when r.late_y = 1 then c.all_late_others else c.all_late_events end
      / cast(c.all_late_events + c.all_late_others as double) as met,
    case when r.late_y = 1 then c.late_tied else 0 end / cast(c.all_late_events + c.all_late_others as double) as tied
  from validation.kpi_value as v
  inner join validation.ranked_row as r on r.observation_no = v.observation_no
  inner join validation.kpi_cell as c on c.series_no = v.kpi_no and c.place = r.place and c.value = v.value
  where r.late_y is not null and c.all_late_events > 0 and c.all_late_others > 0
  union all
  select
    'crude' as statistic,
    r.definition_no,
    v.kpi_no,
    r.account_no,
    r.crude_y as y,
    case when r.crude_y = 1 then c.event_won else c.other_won end / 2e0 / (c.all_events + c.all_others) as won,
    case when r.crude_y = 1 then c.all_others else c.all_events end / cast(c.all_events + c.all_others as double) as met,
    case when r.crude_y = 1 then c.tied else 0 end / cast(c.all_events + c.all_others as double) as tied
  from validation.kpi_value as v
  inner join validation.ranked_row as r on r.observation_no = v.observation_no
  inner join validation.kpi_date_cell as c on c.kpi_no = v.kpi_no and c.day = r.day and c.value = v.value
  where r.crude_y is not null
),
summed as (
  select
    statistic,
    definition_no,
    kpi_no as series_no,
    account_no,
    count(*) as n_rows,
    cast(sum(y) as bigint) as n_event_rows,
    exact_share_sum(won) as won,
    exact_share_sum(met) as met,
    exact_share_sum(case when y = 1 then won else 0e0 end) as event_won,
    exact_share_sum(case when y = 1 then met else 0e0 end) as event_met,
    exact_share_sum(tied) as event_tied
  from weighed
  group by statistic, definition_no, kpi_no, account_no
),
grouped as (
  select case when series_no > 0 then 'main' else 'missing' end as statistic, * from validation.kpi_part
  union all
  select 'half_' || d.half as statistic, p.*
  from validation.kpi_part as p
  inner join period as d on d.definition_no = p.definition_no and d.block = p.block
  where p.series_no > 0 and d.half is not null
  union all
  select 'period_' || d.period_no as statistic, p.*
  from validation.kpi_part as p
  inner join period as d on d.definition_no = p.definition_no and d.block = p.block
  where p.series_no > 0
  union all
  select 'segment_' || s.segment as statistic, p.*
  from validation.kpi_part as p
  inner join (select distinct segment_no, segment from validation.ranked_row) as s on s.segment_no = p.segment_no
  where p.series_no > 0
),
of_account as (
  select
    statistic,
    definition_no,
    series_no,
    account_no,
    cast(sum(n_rows) as bigint) as n_rows,
    cast(sum(n_event_rows) as bigint) as n_event_rows,
    exact_share_sum(won) as won,
    exact_share_sum(met) as met,
    exact_share_sum(event_won) as event_won,
    exact_share_sum(event_met) as event_met,
    exact_share_sum(event_tied) as event_tied
  from grouped
  group by statistic, definition_no, series_no, account_no
  union all
  select
    statistic, definition_no, series_no, account_no, n_rows, n_event_rows, won, met, event_won, event_met, event_tied
  from summed
)
select
  d.definition,
  k.id as subject,
  a.statistic,
  a.account_no,
  a.n_rows,
  a.n_event_rows,
  a.won,
  a.met,
  a.event_won,
  a.event_met,
  a.event_tied
from of_account as a
inner join features.kpi_definition as k on k.kpi_no = abs(a.series_no)
inner join (select distinct definition_no, definition from validation.ranked_row) as d on d.definition_no = a.definition_no
