-- model: validation.kpi_cohort
-- grain: kpi, cohort
-- depends: validation.cohort_auc, validation.definition, validation.kpi_verdict
-- audits: unique(kpi, cohort)
-- The like-for-like AUC by sign-up cohort (validation.account_cohort), primary definition, with the second-stage verdict;
-- null below 50 churned or 50 staying accounts. No interval where every value is the same.
with estimated as (
  select
    a.subject,
    substr(a.statistic, 8) as cohort,
    a.auc,
    a.n_churned,
    a.n_staying,
    case when a.centre > 0 and a.centre < 1 then ln(a.centre / (1e0 - a.centre)) end as logit,
    1.959963984540054e0 * nullif(a.se, 0e0) / nullif(a.centre * (1e0 - a.centre), 0e0) as half
  from validation.cohort_auc as a
  inner join validation.definition as d on d.definition = a.definition and d.is_primary
),
decided as (
  select v.kpi, v.segment as cohort, v.verdict
  from validation.kpi_verdict as v
  inner join validation.definition as d on d.definition = v.definition and d.is_primary
  where v.group_kind = 'cohort'
)
select
  e.subject as kpi,
  e.cohort,
  e.auc,
  twelve_digits(1e0 / (1e0 + exp(e.half - e.logit))) as auc_low,
  twelve_digits(1e0 / (1e0 + exp(-e.half - e.logit))) as auc_high,
  e.n_churned,
  e.n_staying,
  d.verdict
from estimated as e
left join decided as d on d.kpi = e.subject and d.cohort = e.cohort
where e.auc is not null
