-- model: validation.kpi_part
-- grain: definition_no, series_no, account_no, block, segment_no
-- depends: validation.kpi_cell, validation.kpi_series, validation.ranked_row
-- Like for like: what an account's rows of a block and segment won (pairs, a tie half) and met (pairs), both weighted by
-- 1 / (events + others) of the stratum. A = sum(event_won) / sum(event_met), psi = (won - A met) / sum(event_met). Blocks and
-- segments are whole strata, so halves, periods and segments are sums of these.
with weighed as (
  select
    r.definition_no,
    v.series_no,
    r.account_no,
    r.block,
    r.segment_no,
    r.y,
    case when r.y = 1 then c.event_won else c.other_won end / 2e0 / (c.all_events + c.all_others) as won,
    case when r.y = 1 then c.all_others else c.all_events end / cast(c.all_events + c.all_others as double) as met,
    case when r.y = 1 then c.tied else 0 end / cast(c.all_events + c.all_others as double) as tied
  from validation.kpi_series as v
  inner join validation.ranked_row as r on r.observation_no = v.observation_no
  inner join validation.kpi_cell as c on c.series_no = v.series_no and c.place = r.place and c.value = v.value
  where r.y is not null and c.all_events > 0 and c.all_others > 0
)
select
  definition_no,
  series_no,
  account_no,
  block,
  segment_no,
  count(*) as n_rows,
  cast(sum(y) as bigint) as n_event_rows,
  exact_share_sum(won) as won,
  exact_share_sum(met) as met,
  exact_share_sum(case when y = 1 then won else 0e0 end) as event_won,
  exact_share_sum(case when y = 1 then met else 0e0 end) as event_met,
  exact_share_sum(tied) as event_tied
from weighed
group by definition_no, series_no, account_no, block, segment_no
