-- model: validation.score_observed
-- kind: view
-- grain: definition, subject, statistic, account_no, stratum, value
-- depends: validation.score_pair, validation.score_row, validation.score_sample
-- Scores to be ranked like KPIs: each part of history of each version, and both sides of a pair where the rows of the pair are
-- not those of the part `out_of_time`.
select
  r.definition, r.subject, s.sample as statistic, r.account_no, r.block, r.segment, r.stratum, r.score as value, r.y
from validation.score_row as r
inner join validation.score_sample as s
  on s.subject = r.subject and s.ranked_as = s.sample
  and case s.sample
    when 'out_of_time' then r.is_out_of_time
    when 'in_sample' then not r.is_out_of_time
    when 'as_was' then r.is_as_was
    else r.is_out_of_time and not r.is_worked
  end
where r.score is not null
union all
select r.definition, r.subject, p.own_statistic, r.account_no, r.block, r.segment, r.stratum, r.score, r.y
from validation.score_pair as p
inner join validation.score_row as r on r.subject = p.subject and r.is_out_of_time and r.score is not null
inner join validation.score_row as o
  on o.subject = p.other and o.observation_no = r.observation_no and o.is_out_of_time and o.score is not null
where p.own_statistic <> 'out_of_time'
union all
select r.definition, r.subject, p.other_statistic, r.account_no, r.block, r.segment, r.stratum, r.score, r.y
from validation.score_pair as p
inner join validation.score_row as r on r.subject = p.other and r.is_out_of_time and r.score is not null
inner join validation.score_row as o
  on o.subject = p.subject and o.observation_no = r.observation_no and o.is_out_of_time and o.score is not null
where p.other_statistic <> 'out_of_time'
