-- model: marts.validation_fact
-- grain: one row
-- depends: validation.definition, validation.outcome
-- params: primary_definition, gap_days, horizon_days, min_cell
-- audits: not_null(definition)
-- How much labelled history the verdicts rest on: account-months with a complete outcome window. No rate of
-- fewer than min_cell accounts.
select
  p.primary_definition as definition,
  max(d.type) as definition_type,
  p.gap_days,
  p.horizon_days,
  min(o.snapshot_date) filter (where o.y is not null) as first_snapshot,
  max(o.snapshot_date) filter (where o.y is not null) as last_snapshot,
  cast(count(o.y) as bigint) as n_rows,
  cast(count(distinct o.account_id) filter (where o.y is not null) as bigint) as n_accounts,
  cast(count(distinct o.account_id) filter (where o.y = 1) as bigint) as n_churned,
  of_enough(
    cast(sum(o.y) as bigint) / nullif(count(o.y), 0), count(distinct o.account_id) filter (where o.y is not null), p.min_cell
  ) as churn_rate
from meta.params as p
left join validation.definition as d on d.definition = p.primary_definition
left join validation.outcome as o on o.definition = p.primary_definition
group by p.primary_definition, p.gap_days, p.horizon_days, p.min_cell
