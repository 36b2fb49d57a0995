-- model: validation.kpi_series
-- kind: view
-- grain: observation_no, series_no
-- depends: features.kpi_definition, validation.kpi_unanswered, validation.kpi_value
-- What is ranked: every KPI under its number, and under the negative number whether its value is missing because nobody
-- answered (1) or there (0), for KPIs with such rows.
with unanswered as (
  select u.observation_no, cast(-k.kpi_no as smallint) as series_no
  from validation.kpi_unanswered as u
  inner join features.kpi_definition as k on k.id = u.kpi
)
select observation_no, kpi_no as series_no, value from validation.kpi_value
union all
select observation_no, series_no, 1e0 as value from unanswered
union all
select observation_no, cast(-kpi_no as smallint) as series_no, 0e0 as value
from validation.kpi_value
where kpi_no in (select -series_no from unanswered)
