-- model: validation.kpi_segment
-- grain: kpi, segment
-- depends: validation.definition, validation.kpi_auc
-- The like-for-like AUC by segment ('other' pools the small ones), primary definition. Intervals only: verdicts inside
-- segments are not given, so `verdict` is null. No interval where every value is the same: that has no spread to show.
with estimated as (
  select
    a.subject,
    substr(a.statistic, 9) as segment,
    a.auc,
    a.n_churned,
    case when a.centre > 0 and a.centre < 1 then ln(a.centre / (1e0 - a.centre)) end as logit,
    1.959963984540054e0 * nullif(a.se, 0e0) / nullif(a.centre * (1e0 - a.centre), 0e0) as half
  from validation.kpi_auc as a
  inner join validation.definition as d on d.definition = a.definition and d.is_primary
  where a.statistic like 'segment!_%' escape '!'
)
select
  subject as kpi,
  segment,
  auc,
  twelve_digits(1e0 / (1e0 + exp(half - logit))) as auc_low,
  twelve_digits(1e0 / (1e0 + exp(-half - logit))) as auc_high,
  n_churned,
  cast(null as varchar) as verdict
from estimated
