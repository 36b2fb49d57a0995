-- model: validation.lead_row
-- grain: observation_no
-- depends: validation.definition, validation.outcome, validation.stratum
-- params: as_of
-- Rows of the lead-time profile, primary definition: months_before 1 to 6 until the decision, 0 when nothing is decided
-- within 180 days. Labelled when those days, and the ones in which a departure can be undone, are over: for all alike.
select
  s.observation_no,
  s.account_no,
  s.stratum,
  cast(
    case when o.churned_on < o.snapshot_date + 180 then (o.churned_on - o.snapshot_date) // 30 + 1 else 0 end as integer
  ) as months_before
from validation.outcome as o
inner join validation.definition as d on d.definition = o.definition and d.is_primary
inner join validation.stratum as s
  on s.definition = o.definition and s.account_id = o.account_id and s.snapshot_date = o.snapshot_date
cross join meta.params as p
where o.snapshot_date + 180 + d.settle_days <= p.as_of
  and coalesce(o.why_unlabelled, '') <> 'already_decided'
  and not (coalesce(o.churn_kind, '') = 'other_exit' and o.churned_on < o.snapshot_date + 180)
