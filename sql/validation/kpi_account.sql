-- model: validation.kpi_account
-- grain: definition, subject, statistic, account_no
-- depends: features.kpi_definition, validation.definition, validation.kpi_date_cell, validation.kpi_part, validation.kpi_value,
--   validation.period, validation.ranked_row
-- The parts of every statistic per account: main and missing (prognostic strata), its halves, periods and segments, late
-- (decisions within the gap), crude (strata are dates).
with period as (
  select n.definition_no, d.block, d.half, d.period_no
  from validation.period as d
  inner join (
    select definition, cast(dense_rank() over (order by definition) as smallint) as definition_no from validation.definition
  ) as n on n.definition = d.definition
),
dated as (
  select
    r.definition_no,
    v.kpi_no,
    r.account_no,
    r.crude_y as y,
    case when r.crude_y = 1 then c.event_won else c.other_won end / 2e0 / (c.all_events + c.all_others) as won,
    case when r.crude_y = 1 then c.all_others else c.all_events end / cast(c.all_events + c.all_others as double) as met,
    c.tied / cast(c.all_events + c.all_others as double) as tied
  from validation.kpi_value as v
  inner join validation.ranked_row as r on r.observation_no = v.observation_no
  inner join validation.kpi_date_cell as c on c.kpi_no = v.kpi_no and c.day = r.day and c.value = v.value
  where r.crude_y is not null
),
of_account as (
  select
    'main' as kind,
    0 as place,
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
  from validation.kpi_part
  group by definition_no, series_no, account_no
  union all
  select
    'half' as kind,
    half as place,
    p.definition_no,
    series_no,
    account_no,
    cast(sum(n_rows) as bigint) as n_rows,
    cast(sum(n_event_rows) as bigint) as n_event_rows,
    exact_share_sum(won) as won,
    exact_share_sum(met) as met,
    exact_share_sum(event_won) as event_won,
    exact_share_sum(event_met) as event_met,
    exact_share_sum(event_tied) as event_tied
  from validation.kpi_part as p
  inner join period as d on d.definition_no = p.definition_no and d.block = p.block
  where series_no > 0 and half is not null
  group by p.definition_no, series_no, account_no, half
  union all
  select
    'period' as kind,
    period_no as place,
    p.definition_no,
    series_no,
    account_no,
    cast(sum(n_rows) as bigint) as n_rows,
    cast(sum(n_event_rows) as bigint) as n_event_rows,
    exact_share_sum(won) as won,
    exact_share_sum(met) as met,
    exact_share_sum(event_won) as event_won,
    exact_share_sum(event_met) as event_met,
    exact_share_sum(event_tied) as event_tied
  from validation.kpi_part as p
  inner join period as d on d.definition_no = p.definition_no and d.block = p.block
  where series_no > 0
  group by p.definition_no, series_no, account_no, period_no
  union all
  select
    'segment' as kind,
    segment_no as place,
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
  from validation.kpi_part
  where series_no > 0
  group by definition_no, series_no, account_no, segment_no
  union all
  select
    'late' as kind,
    0 as place,
    definition_no,
    series_no,
    account_no,
    cast(sum(n_late_rows) as bigint) as n_rows,
    cast(sum(n_late_event_rows) as bigint) as n_event_rows,
    exact_share_sum(late_won) as won,
    exact_share_sum(late_met) as met,
    exact_share_sum(late_event_won) as event_won,
    exact_share_sum(late_event_met) as event_met,
    exact_share_sum(late_event_tied) as event_tied
  from validation.kpi_part
  where series_no > 0
  group by definition_no, series_no, account_no
  union all
  select
    'crude' as kind,
    0 as place,
    definition_no,
    kpi_no as series_no,
    account_no,
    count(*) as n_rows,
    count(case when y = 1 then 1 end) as n_event_rows,
    exact_share_sum(won) as won,
    exact_share_sum(met) as met,
    coalesce(exact_share_sum(case when y = 1 then won end), 0e0) as event_won,
    coalesce(exact_share_sum(case when y = 1 then met end), 0e0) as event_met,
    coalesce(exact_share_sum(case when y = 1 then tied end), 0e0) as event_tied
  from dated
  group by definition_no, kpi_no, account_no
)
select
  d.definition,
  k.id as subject,
  case a.kind
    when 'main' then case when a.series_no > 0 then 'main' else 'missing' end
    when 'segment' then 'segment_' || s.segment
    when 'half' then 'half_' || a.place
    when 'period' then 'period_' || a.place
    else a.kind
  end as statistic,
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
left join (select distinct segment_no, segment from validation.ranked_row) as s on s.segment_no = a.place and a.kind = 'segment'
where a.n_rows > 0
