-- model: marts.reject
-- grain: source, column_name, reason
-- depends: meta.reject
-- audits: not_null(source, reason, n_lines)
-- Why lines were set aside. The values stay in the warehouse: they may name a customer.
select
  source,
  coalesce("column", '') as column_name,
  reason,
  cast(count(*) as bigint) as n_lines,
  cast(count(distinct file) as bigint) as n_files
from meta.reject
group by source, coalesce("column", ''), reason
order by source, n_lines desc, column_name, reason
