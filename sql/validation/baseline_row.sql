-- model: validation.baseline_row
-- grain: definition, observation_no
-- depends: spine.account_snapshot, validation.definition, validation.observation, validation.outcome
-- What the baseline model may see of each observation: age, segment, size and renewal, never a KPI. A segment with fewer
-- than 20 churned or fewer than 20 staying accounts is pooled as 'other'. A missing size is 0 with its own indicator.
with joined as (
  select
    o.definition,
    n.observation_no,
    n.account_no,
    n.snapshot_no,
    n.block,
    o.y,
    o.late_y,
    case when d.use_segment then s.segment else 'all' end as segment,
    case when d.use_tenure then ln(1e0 + greatest(0, s.tenure_days)) else 0e0 end as log_tenure,
    case when d.use_size and s.seats is not null then ln(1e0 + greatest(0, s.seats)) end as log_seats,
    case when d.use_size and s.mrr_minor is not null then ln(1e0 + greatest(0, s.mrr_minor)) end as log_mrr,
    coalesce(d.use_renewal_due and s.renewal_due, false) as is_renewal_due
  from validation.outcome as o
  inner join validation.definition as d on d.definition = o.definition
  inner join validation.observation as n on n.account_id = o.account_id and n.snapshot_date = o.snapshot_date
  inner join spine.account_snapshot as s on s.account_id = o.account_id and s.snapshot_date = o.snapshot_date
),
account_of_segment as (
  select definition, segment, account_no, max(y) as ever
  from joined
  where y is not null
  group by definition, segment, account_no
),
large_segment as (
  select definition, segment
  from account_of_segment
  group by definition, segment
  having count(case when ever = 1 then 1 end) >= 20 and count(case when ever = 0 then 1 end) >= 20
)
select
  j.definition,
  j.observation_no,
  j.account_no,
  j.snapshot_no,
  j.block,
  j.y,
  j.late_y,
  j.segment as own_segment,
  coalesce(l.segment, 'other') as segment,
  j.log_tenure,
  coalesce(j.log_seats, 0e0) as log_seats,
  coalesce(j.log_mrr, 0e0) as log_mrr,
  case when j.log_seats is null then 1e0 else 0e0 end as seats_missing,
  case when j.log_mrr is null then 1e0 else 0e0 end as mrr_missing,
  j.is_renewal_due
from joined as j
left join large_segment as l on l.definition = j.definition and l.segment = j.segment
