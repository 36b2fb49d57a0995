-- model: validation.kpi_period
-- grain: kpi, period
-- depends: validation.definition, validation.kpi_auc, validation.period
-- The like-for-like AUC by period: quarters (13 weeks) merged until 20 accounts churned. Named by the first and last
-- snapshot date, primary definition. No interval where every value is the same.
with span as (
  select p.definition, p.period_no, min(p.first_on) as first_on, max(p.last_on) as last_on
  from validation.period as p
  inner join validation.definition as d on d.definition = p.definition and d.is_primary
  group by p.definition, p.period_no
),
estimated as (
  select
    a.subject,
    s.first_on,
    s.last_on,
    a.auc,
    a.n_churned,
    case when a.centre > 0 and a.centre < 1 then ln(a.centre / (1e0 - a.centre)) end as logit,
    1.959963984540054e0 * nullif(a.se, 0e0) / nullif(a.centre * (1e0 - a.centre), 0e0) as half
  from validation.kpi_auc as a
  inner join span as s on s.definition = a.definition and a.statistic = 'period_' || s.period_no
)
select
  subject as kpi,
  cast(first_on as varchar) || ' to ' || cast(last_on as varchar) as period,
  first_on,
  last_on,
  auc,
  twelve_digits(1e0 / (1e0 + exp(half - logit))) as auc_low,
  twelve_digits(1e0 / (1e0 + exp(-half - logit))) as auc_high,
  n_churned
from estimated
