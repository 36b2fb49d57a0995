-- model: validation.cohort_observed
-- kind: view
-- grain: definition, subject, statistic, account_no, stratum, value
-- depends: validation.account_cohort, validation.definition, validation.kpi_observed
-- What is ranked within sign-up cohorts, primary definition: the main statistic, each cohort apart. A stratum of the whole
-- book holds several cohorts, so this is a ranking of its own and no sum over parts of the main one.
select
  o.definition, o.subject, 'cohort_' || c.cohort as statistic, o.account_no, o.block, o.segment, o.stratum, o.value, o.y
from validation.kpi_observed as o
inner join validation.definition as d on d.definition = o.definition and d.is_primary
inner join validation.account_cohort as c on c.account_no = o.account_no
where o.statistic = 'main'
