-- model: marts.delivery
-- grain: delivery_id
-- depends: meta.delivery
-- audits: not_null(delivery_id, source, file)
-- Every accepted export file, newest first within its source.
select
  delivery_id,
  source,
  entity,
  file,
  substr(sha256, 1, 12) as sha256_start,
  cast(delivered_at as date) as delivered_on,
  cast(rows_read as bigint) as rows_read,
  cast(rows_loaded as bigint) as rows_loaded,
  cast(rows_rejected as bigint) as rows_rejected,
  cast(first_event_at as date) as first_day,
  cast(last_event_at as date) as last_day
from meta.delivery
order by source, delivered_on desc, file, delivery_id
