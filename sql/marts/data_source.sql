-- model: marts.data_source
-- grain: source
-- depends: meta.delivery
-- audits: not_null(source); unique(source)
-- Each source of the book: how much arrived and the last day that its rows speak of.
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
order by source
