select
  s.account_id as account_id,
  s.snapshot_date as snapshot_date,
  s.segment as segment,
  s.lifecycle as lifecycle,
  s.is_scored
  or s.is_validated as is_restated,
  cast('freshsuccess_40_30_30' as varchar) as in_force_scorecard,
  cast(1 as integer) as in_force_version,
  try_cast (k.csm_rating as decimal(18, 6)) as value_csm_rating,
  try_cast (k.feature_events_28d as decimal(18, 6)) as value_feature_events_28d,
  try_cast (k.logins_28d as decimal(18, 6)) as value_logins_28d,
  try_cast (k.nps as decimal(18, 6)) as value_nps,
  try_cast (k.open_tickets as decimal(18, 6)) as value_open_tickets
from
  spine.account_snapshot as s
  left join features.account_kpi as k on k.account_id = s.account_id
  and k.snapshot_date = s.snapshot_date
