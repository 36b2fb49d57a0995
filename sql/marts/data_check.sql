-- model: marts.data_check
-- grain: check_id
-- depends: validation.data_check
-- audits: not_null(check_id, what, n_rows); unique(check_id)
-- Oddities of the exports, counted. Examples stay in the warehouse: they hold ids.
select
  "check" as check_id,
  what,
  cast(n as bigint) as n_rows
from validation.data_check
order by n_rows desc, check_id
