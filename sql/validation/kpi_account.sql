-- model: validation.kpi_account
-- grain: definition_no, series_no, kind, place, account_no
-- depends: validation.definition, validation.kpi_date_cell, validation.kpi_part, validation.kpi_value, validation.period,
--   validation.ranked_row
-- The parts of every statistic per account, named in validation.kpi_ranking. kind: 0 the whole (main and missing, prognostic
-- strata), 1 its halves, 2 periods and 3 segments (place tells which), 4 late (decisions within the gap), 5 crude (strata are
-- dates).
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
  -- One set a statistic: grouping() tells which of half, period_no and segment_no a row is summed over.
  select
    cast(
      case grouping(d.half, d.period_no, p.segment_no) when 7 then 0 when 3 then 1 when 5 then 2 else 3 end as tinyint
    ) as kind,
    cast(coalesce(d.half, d.period_no, p.segment_no, 0) as smallint) as place,
    p.definition_no,
    p.series_no,
    p.account_no,
    cast(sum(p.n_rows) as bigint) as n_rows,
    cast(sum(p.n_event_rows) as bigint) as n_event_rows,
    cast(sum(p.won) as double) as won,
    cast(sum(p.met) as double) as met,
    cast(sum(p.event_won) as double) as event_won,
    cast(sum(p.event_met) as double) as event_met,
    cast(sum(p.event_tied) as double) as event_tied
  from validation.kpi_part as p
  left join period as d on d.definition_no = p.definition_no and d.block = p.block
  group by grouping sets (
    (p.definition_no, p.series_no, p.account_no),
    (p.definition_no, p.series_no, p.account_no, d.half),
    (p.definition_no, p.series_no, p.account_no, d.period_no),
    (p.definition_no, p.series_no, p.account_no, p.segment_no)
  )
  having grouping(d.half, d.period_no, p.segment_no) = 7
    or (p.series_no > 0 and (grouping(d.half) = 1 or d.half is not null) and (grouping(d.period_no) = 1 or d.period_no is not null))
  union all
  select
    cast(4 as tinyint) as kind,
    cast(0 as smallint) as place,
    definition_no,
    series_no,
    account_no,
    cast(sum(n_late_rows) as bigint) as n_rows,
    cast(sum(n_late_event_rows) as bigint) as n_event_rows,
    cast(sum(late_won) as double) as won,
    cast(sum(late_met) as double) as met,
    cast(sum(late_event_won) as double) as event_won,
    cast(sum(late_event_met) as double) as event_met,
    cast(sum(late_event_tied) as double) as event_tied
  from validation.kpi_part
  where series_no > 0
  group by definition_no, series_no, account_no
  union all
  select
    cast(5 as tinyint) as kind,
    cast(0 as smallint) as place,
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
select definition_no, series_no, kind, place, account_no, n_rows, n_event_rows, won, met, event_won, event_met, event_tied
from of_account
where n_rows > 0
