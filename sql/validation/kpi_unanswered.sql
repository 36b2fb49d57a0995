-- model: validation.kpi_unanswered
-- grain: observation_no, kpi
-- depends: features.kpi_why_null, validation.observation
-- Who was asked and did not answer: the one kind of missing value that may be a signal itself.
select o.observation_no, w.kpi
from features.kpi_why_null as w
inner join validation.observation as o on o.account_id = w.account_id and o.snapshot_date = w.snapshot_date
where w.why = 'unanswered'
