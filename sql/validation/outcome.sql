-- model: validation.outcome
-- grain: account_id, snapshot_date, definition
-- depends: validation.decision, validation.definition, validation.observation
-- params: as_of, gap_days, horizon_days
-- audits: unique(account_id, snapshot_date, definition)
-- y is 1 when the decision falls in [s + gap, s + gap + horizon), 0 when it falls later or never, null with its reason
-- otherwise. late_y asks the same of [s, s + gap). A label needs its whole window, and the days in which a departure can
-- still be undone, to lie before as_of: for both classes alike.
with asked as (
  select d.definition, d.settle_days, o.account_id, o.snapshot_date
  from validation.observation as o
  cross join validation.definition as d
  where d.has_outcome
),
with_next as (
  select a.*, n.decided_on as churned_on, n.kind
  from asked as a
  asof left join validation.decision as n
    on n.definition = a.definition and n.account_id = a.account_id and a.snapshot_date <= n.decided_on
),
with_previous as (
  select n.*, coalesce(b.undone_on > n.snapshot_date, b.decided_on is not null) as is_decided
  from with_next as n
  asof left join validation.decision as b
    on b.definition = n.definition and b.account_id = n.account_id and n.snapshot_date > b.decided_on
),
windowed as (
  select
    w.*,
    w.snapshot_date + p.gap_days as window_from,
    w.snapshot_date + p.gap_days + p.horizon_days as window_to,
    w.snapshot_date + p.gap_days + w.settle_days <= p.as_of as is_gap_complete,
    w.snapshot_date + p.gap_days + p.horizon_days + w.settle_days <= p.as_of as is_window_complete
  from with_previous as w
  cross join meta.params as p
),
reasoned as (
  select
    *,
    case
      when is_decided then 'already_decided'
      when not is_window_complete then 'window_not_complete'
      when churned_on < window_from then 'within_gap'
      when churned_on < window_to and kind = 'other_exit' then 'other_exit'
    end as why_unlabelled
  from windowed
)
select
  account_id,
  snapshot_date,
  definition,
  churned_on,
  kind as churn_kind,
  case
    when why_unlabelled is not null then null
    when churned_on < window_to then 1
    else 0
  end as y,
  why_unlabelled,
  case
    when is_decided or not is_gap_complete or window_from = snapshot_date then null
    when churned_on < window_from and kind = 'other_exit' then null
    when churned_on < window_from then 1
    else 0
  end as late_y
from reasoned
