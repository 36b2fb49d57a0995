-- model: validation.kpi_difference
-- grain: definition, kpi
-- depends: validation.kpi_influence
-- Standard errors of differences between two statistics of one KPI, through the accounts' influence values:
-- crude against like for like, earlier half against later half.
with placed as (
  select
    definition,
    subject,
    account_no,
    exact_sum(case when statistic = 'main' then psi when statistic = 'crude' then -psi else 0e0 end) as crude_psi,
    exact_sum(case when statistic = 'half_1' then psi when statistic = 'half_2' then -psi else 0e0 end) as halves_psi
  from validation.kpi_influence
  where statistic in ('main', 'crude', 'half_1', 'half_2')
  group by definition, subject, account_no
)
select
  definition,
  subject as kpi,
  twelve_digits(sqrt(exact_sum(crude_psi * crude_psi))) as crude_se,
  twelve_digits(sqrt(exact_sum(halves_psi * halves_psi))) as halves_se
from placed
group by definition, subject
