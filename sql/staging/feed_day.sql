-- model: staging.feed_day
-- grain: entity, activity_date
-- depends: raw.source_day
-- audits: unique(entity, activity_date); not_null(entity, activity_date)
-- The dates on which the feed of an entity delivered any row: between them an account without rows has a zero, while a
-- long silence of the whole feed means that nobody knows.
select distinct
  entity,
  event_day as activity_date
from raw.source_day
where event_day is not null
