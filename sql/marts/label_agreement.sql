-- model: marts.label_agreement
-- grain: definition, other
-- depends: validation.label_agreement
-- params: min_cell
-- audits: not_null(definition, other, n_one); unique(definition, other)
-- Of the accounts that left by one definition, how many also left by the other, and how many days lie between; both ways of
-- each pair. A definition by which fewer than min_cell left is left out, and
-- days of fewer than min_cell have no median.
with both_ways as (
  select definition, other, n_both, n_both + n_only_one as n_one, median_days_apart
  from validation.label_agreement
  union
  select other, definition, n_both, n_both + n_only_other, median_days_apart
  from validation.label_agreement
)
select
  b.definition,
  b.other,
  cast(b.n_both as bigint) as n_both,
  cast(b.n_one as bigint) as n_one,
  twelve_digits(b.n_both / cast(b.n_one as double)) as share,
  of_enough(cast(b.median_days_apart as integer), b.n_both, p.min_cell) as median_days_apart
from both_ways as b
cross join meta.params as p
where b.n_one >= p.min_cell
order by b.definition, b.other
