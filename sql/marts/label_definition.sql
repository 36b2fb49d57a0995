-- model: marts.label_definition
-- grain: definition
-- depends: validation.label_definition
-- params: min_cell
-- audits: not_null(definition, is_primary); unique(definition)
-- Each definition of leaving in the book: how many accounts it can speak of, how many left by it, how many its test compared.
select
  l.definition,
  l.type,
  l.is_primary,
  cast(l.n_accounts as bigint) as n_accounts,
  cast(l.n_churned as bigint) as n_churned,
  cast(l.n_tested_churned as bigint) as n_tested_churned,
  cast(l.n_tested_staying as bigint) as n_tested_staying
from validation.label_definition as l
cross join meta.params as p
where l.n_accounts >= p.min_cell
order by l.is_primary desc, l.definition
