-- model: marts.source_week
-- grain: source, entity, week
-- depends: features.source_week
-- audits: not_null(source, entity, week, n_rows); unique(source, entity, week)
-- Rows of each source by the week of their event, beside what is usual (the median of the weeks before) and the steps found.
select source, entity, week, cast(n_rows as bigint) as n_rows, cast(usual_rows as bigint) as usual_rows, volume, step
from features.source_week
order by source, entity, week
