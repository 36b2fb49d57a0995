-- model: validation.kpi_part
-- grain: definition_no, series_no, account_no, block, segment_no
-- depends: validation.kpi_cell, validation.kpi_series, validation.ranked_row
-- Like for like: what an account's rows of a block and segment won (pairs, a tie half) and met (pairs), both weighted by
-- 1 / (events + others) of the stratum. A = sum(event_won) / sum(event_met), psi = (won - A met) / sum(event_met). Blocks and
-- segments are whole strata, so halves, periods and segments are sums of these: decimals, which add up exactly. late_ is the same
-- of decisions within the gap.
with weighed as (
  select
    r.definition_no,
    v.series_no,
    r.account_no,
    r.block,
    r.segment_no,
    case when c.all_events > 0 and c.all_others > 0 then r.y end as y,
    case when r.y = 1 then c.event_won else c.other_won end / 2e0 / (c.all_events + c.all_others) as won,
    case when r.y = 1 then c.all_others else c.all_events end / cast(c.all_events + c.all_others as double) as met,
    c.tied / cast(c.all_events + c.all_others as double) as tied,
    case when c.all_late_events > 0 and c.all_late_others > 0 then r.late_y end as late_y,
    case when r.late_y = 1 then c.late_event_won else c.late_other_won end
      / 2e0 / (c.all_late_events + c.all_late_others) as late_won,
    case when r.late_y = 1 then c.all_late_others else c.all_late_events end
      / cast(c.all_late_events + c.all_late_others as double) as late_met,
    c.late_tied / cast(c.all_late_events + c.all_late_others as double) as late_tied
  from validation.kpi_series as v
  inner join validation.ranked_row as r on r.observation_no = v.observation_no
  inner join validation.kpi_cell as c on c.series_no = v.series_no and c.place = r.place and c.value = v.value
)
select
  definition_no,
  series_no,
  account_no,
  block,
  segment_no,
  count(y) as n_rows,
  count(case when y = 1 then 1 end) as n_event_rows,
  sum_of_shares(case when y is not null then won end) as won,
  sum_of_shares(case when y is not null then met end) as met,
  sum_of_shares(case when y = 1 then won end) as event_won,
  sum_of_shares(case when y = 1 then met end) as event_met,
  sum_of_shares(case when y = 1 then tied end) as event_tied,
  count(late_y) as n_late_rows,
  count(case when late_y = 1 then 1 end) as n_late_event_rows,
  sum_of_shares(case when late_y is not null then late_won end) as late_won,
  sum_of_shares(case when late_y is not null then late_met end) as late_met,
  sum_of_shares(case when late_y = 1 then late_won end) as late_event_won,
  sum_of_shares(case when late_y = 1 then late_met end) as late_event_met,
  sum_of_shares(case when late_y = 1 then late_tied end) as late_event_tied
from weighed
group by definition_no, series_no, account_no, block, segment_no
