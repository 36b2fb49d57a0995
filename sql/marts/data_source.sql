-- model: marts.data_source
-- grain: source
-- depends: features.kpi_source, meta.delivery
-- audits: not_null(source); unique(source)
-- Each source of the book: how much arrived and the last day that it speaks of. Tables that are dumped whole (accounts,
-- subscriptions, users) speak of the day they were delivered, all others of their newest row. is_read: a KPI or the list
-- of paying accounts rests on it.
with counted as (
  select
    source,
    min(entity) as entity,
    cast(count(*) as bigint) as n_deliveries,
    cast(sum(rows_read) as bigint) as rows_read,
    cast(sum(rows_loaded) as bigint) as rows_loaded,
    cast(sum(rows_rejected) as bigint) as rows_rejected,
    cast(min(first_event_at) as date) as first_day,
    cast(max(last_event_at) as date) as last_day,
    cast(max(delivered_at) as date) as delivered_on
  from meta.delivery
  group by source
)
select
  source,
  entity,
  n_deliveries,
  rows_read,
  rows_loaded,
  rows_rejected,
  first_day,
  case when entity in ('account', 'subscription', 'user') then delivered_on else last_day end as last_day,
  delivered_on,
  entity in ('account', 'subscription') or entity in (select k.entity from features.kpi_source as k) as is_read
from counted
order by source
