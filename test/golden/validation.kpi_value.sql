with wide as materialized (
  select o.observation_no, cast(k."logins_28d" as double) as "logins_28d", cast(k."nps" as double) as "nps"
  from features.account_kpi as k
  inner join validation.observation as o on o.account_id = k.account_id and o.snapshot_date = k.snapshot_date
)
select observation_no, 'logins_28d' as kpi, cast(1 as smallint) as kpi_no, "logins_28d" as value from wide where isfinite("logins_28d")
union all
select observation_no, 'nps' as kpi, cast(2 as smallint) as kpi_no, "nps" as value from wide where isfinite("nps")
