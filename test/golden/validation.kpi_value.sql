with wide as (
  select o.observation_no, cast(k."logins_28d" as double) as "logins_28d", cast(k."nps" as double) as "nps"
  from features.account_kpi as k
  inner join validation.observation as o on o.account_id = k.account_id and o.snapshot_date = k.snapshot_date
)
select observation_no, kpi, value
from wide unpivot (value for kpi in ("logins_28d", "nps"))
where isfinite(value)
