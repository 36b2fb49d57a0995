-- model: validation.label_verdict
-- grain: kpi, definition
-- depends: features.kpi_definition, validation.definition, validation.kpi_verdict
-- audits: unique(kpi, definition)
-- Does the verdict over the whole book survive another definition of churn? It does where the other one gives a verdict of
-- the same kind (an early warning, weak, or the same as another; moving late; too small) with the same sign; where either cannot
-- tell, neither can this.
with judged as (
  select
    v.kpi,
    v.definition,
    d.is_primary,
    v.verdict,
    v.label,
    v.n_churned,
    case
      when v.verdict in ('not_tested', 'inconclusive', 'lenses_disagree') then null
      when v.verdict in ('predicts', 'weak', 'redundant') then 'warning ' || case when v.auc < 0.5e0 then 'less' else 'more' end
      when v.verdict in ('late_only', 'mostly_late') then 'late'
      when v.verdict in ('no_useful_effect', 'negligible') then 'small'
      when v.verdict in ('misleading', 'reversed_adjusted', 'confounded_by_use') then v.verdict || case when v.auc < 0.5e0 then ' less' else ' more' end
      else v.verdict
    end as kind
  from validation.kpi_verdict as v
  inner join validation.definition as d on d.definition = v.definition
  where v.group_kind = 'all'
),
compared as (
  select
    p.kpi,
    o.definition,
    p.definition as primary_definition,
    p.verdict as primary_verdict,
    p.label as primary_label,
    p.n_churned as primary_n_churned,
    o.verdict,
    o.label,
    o.n_churned,
    case
      when p.kind is null or o.kind is null then 'cannot tell'
      when p.kind = o.kind then 'survives'
      else 'changes'
    end as outcome
  from judged as p
  inner join judged as o on o.kpi = p.kpi and not o.is_primary
  where p.is_primary
)
select
  c.kpi,
  c.definition,
  c.outcome,
  c.primary_definition,
  c.primary_verdict,
  c.primary_n_churned,
  c.verdict,
  c.n_churned,
  coalesce(k.label, c.kpi) || ': ' || c.primary_label || ' by ' || c.primary_definition || ' ('
    || coalesce(c.primary_n_churned, 0) || ' churned accounts), ' || c.label || ' by ' || c.definition || ' ('
    || coalesce(c.n_churned, 0) || '): ' || c.outcome || '.' as sentence
from compared as c
left join features.kpi_definition as k on k.id = c.kpi
