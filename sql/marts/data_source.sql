-- model: marts.data_source
-- grain: source
-- depends: features.kpi_source, marts.feed_finding, meta.delivery
-- audits: not_null(source); unique(source)
-- Each source of the book: how much arrived and the last day that it speaks of. Tables that are dumped whole (accounts,
-- subscriptions, users) speak of the day they were delivered, all others of their newest row. is_read: a KPI or the list
-- of paying accounts rests on it; KPIs of usage events rest on usage by the day, too. mark: what was off with it when the release was published all the same.
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
),
marked as (
  select source, string_agg(sentence, '; ' order by kind) as mark
  from marts.feed_finding
  group by source
)
select
  c.source,
  c.entity,
  c.n_deliveries,
  c.rows_read,
  c.rows_loaded,
  c.rows_rejected,
  c.first_day,
  case when c.entity in ('account', 'subscription', 'user') then c.delivered_on else c.last_day end as last_day,
  c.delivered_on,
  c.entity in ('account', 'subscription')
    or case c.entity when 'usage_daily' then 'usage_event' else c.entity end in (select k.entity from features.kpi_source as k)
    as is_read,
  m.mark
from counted as c
left join marked as m on m.source = c.source
order by c.source
