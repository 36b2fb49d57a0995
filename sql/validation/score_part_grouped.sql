-- model: validation.score_part_grouped
-- kind: view
-- grain: definition, subject, statistic, account_no, block, segment
-- depends: validation.score_pair, validation.score_part, validation.score_period
-- Blocks are whole strata, so the periods of a version are sums over parts; so are both sides of its pair with the simple
-- score, in the version's periods.
select
  definition, subject, statistic, account_no, block, segment, n_rows, n_event_rows, won, met, event_won, event_met,
  event_tied
from validation.score_part
union all
select
  p.definition, p.subject, p.statistic || ':' || d.period_no, p.account_no, p.block, p.segment, p.n_rows,
  p.n_event_rows, p.won, p.met, p.event_won, p.event_met, p.event_tied
from validation.score_part as p
inner join validation.score_period as d
  on d.subject = p.subject and d.block = p.block and d.sample = p.statistic
union all
select
  p.definition, p.subject, 'own:' || r.other || ':' || d.period_no, p.account_no, p.block, p.segment, p.n_rows,
  p.n_event_rows, p.won, p.met, p.event_won, p.event_met, p.event_tied
from validation.score_pair as r
inner join validation.score_period as d on d.subject = r.subject and d.sample = 'out_of_time'
inner join validation.score_part as p
  on p.subject = r.subject and p.statistic = r.own_statistic and p.block = d.block
where r.is_with_simple and r.own_statistic <> 'out_of_time'
union all
select
  p.definition, p.subject, 'beside:' || r.subject || ':' || d.period_no, p.account_no, p.block, p.segment, p.n_rows,
  p.n_event_rows, p.won, p.met, p.event_won, p.event_met, p.event_tied
from validation.score_pair as r
inner join validation.score_period as d on d.subject = r.subject and d.sample = 'out_of_time'
inner join validation.score_part as p
  on p.subject = r.other and p.statistic = r.other_statistic and p.block = d.block
where r.is_with_simple
