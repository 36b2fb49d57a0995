-- model: validation.kpi_part_grouped
-- kind: view
-- grain: definition, subject, statistic, account_no, block, segment
-- depends: validation.kpi_part, validation.period
-- Blocks and segments are whole strata, so halves, periods and segments are sums over parts of the main statistic.
select
  definition, subject, statistic, account_no, block, segment, n_rows, n_event_rows, won, met, event_won, event_met,
  event_tied
from validation.kpi_part
union all
select
  p.definition, p.subject, 'half_' || d.half, p.account_no, p.block, p.segment, p.n_rows, p.n_event_rows, p.won, p.met,
  p.event_won, p.event_met, p.event_tied
from validation.kpi_part as p
inner join validation.period as d on d.definition = p.definition and d.block = p.block
where p.statistic = 'main' and d.half is not null
union all
select
  p.definition, p.subject, 'period_' || d.period_no, p.account_no, p.block, p.segment, p.n_rows, p.n_event_rows, p.won,
  p.met, p.event_won, p.event_met, p.event_tied
from validation.kpi_part as p
inner join validation.period as d on d.definition = p.definition and d.block = p.block
where p.statistic = 'main'
union all
select
  p.definition, p.subject, 'segment_' || p.segment, p.account_no, p.block, p.segment, p.n_rows, p.n_event_rows, p.won,
  p.met, p.event_won, p.event_met, p.event_tied
from validation.kpi_part as p
where p.statistic = 'main'
