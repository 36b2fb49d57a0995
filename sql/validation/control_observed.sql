-- model: validation.control_observed
-- kind: view
-- grain: definition, subject, statistic, account_no, stratum, value
-- depends: validation.definition, validation.observation, validation.stratum
-- Random controls: six KPIs that are noise by construction, three that stay with the account and three drawn anew at every
-- snapshot, from an md5 of the account (and the date). Ranked as the main statistic of the primary definition, outside every family.
with control as (
  select name, is_persistent
  from (
    values
      ('persistent_1', true), ('persistent_2', true), ('persistent_3', true),
      ('transient_1', false), ('transient_2', false), ('transient_3', false)
  ) as t (name, is_persistent)
),
drawn as (
  select
    o.observation_no,
    c.name,
    md5(
      case
        when c.is_persistent then c.name || ':' || o.account_id
        else c.name || ':' || o.account_id || ':' || cast(o.snapshot_date as varchar)
      end
    ) as digest
  from validation.observation as o
  cross join control as c
)
select
  s.definition,
  w.name as subject,
  'main' as statistic,
  s.account_no,
  s.block,
  s.segment,
  s.stratum,
  cast(cast('0x' || substr(w.digest, 1, 13) as bigint) as double) as value,
  s.y
from validation.stratum as s
inner join validation.definition as d on d.definition = s.definition and d.is_primary
inner join drawn as w on w.observation_no = s.observation_no
where s.y is not null
