-- model: marts.kpi_drift
-- grain: kpi
-- depends: marts.kpi_shift, validation.kpi_verdict
-- params: primary_definition
-- audits: not_null(kpi, n_now); unique(kpi)
-- Whether the values that accounts have now lie elsewhere than those that the verdict was learned on: the population stability
-- index over the ranges of marts.kpi_shift. Accounts are counted, not account-months; half an account is added to each cell
-- when one is empty. Moved (is_alarm) only above `bar` = (1/n1 + 1/n2) x the 99 % point of chi-square, and above 0.1. It says
-- that values moved, not that the verdict fails.
with sized as (
  select
    s.kpi,
    s.range_no,
    s.share_then * v.n_accounts as n1,
    s.share_now * s.n_now as n2,
    cast(v.n_accounts as double) as all1,
    cast(s.n_now as double) as all2,
    s.n_now
  from marts.kpi_shift as s
  cross join meta.params as p
  inner join validation.kpi_verdict as v
    on v.kpi = s.kpi and v.definition = p.primary_definition and v.group_kind = 'all' and v.n_accounts > 0
),
padded as (
  select
    *,
    count(*) over whole as ranges,
    case when min(least(n1, n2)) over whole = 0e0 then 0.5e0 else 0e0 end as added
  from sized
  window whole as (partition by kpi)
),
indexed as (
  select
    kpi,
    any_value(all1) as n1,
    any_value(all2) as n2,
    any_value(n_now) as n_now,
    cast(any_value(ranges) as integer) as ranges,
    exact_sum(
      ((n2 + added) / (all2 + added * ranges) - (n1 + added) / (all1 + added * ranges))
      * ln(((n2 + added) / (all2 + added * ranges)) / ((n1 + added) / (all1 + added * ranges)))
    ) as psi
  from padded
  group by kpi
),
point as (
  -- The 99 % points of chi-square with 1 to 10 degrees of freedom.
  select *
  from (
    values
      (1, 6.634896601021214e0), (2, 9.21034037197618e0), (3, 11.344866730144371e0), (4, 13.276704135987622e0),
      (5, 15.08627246938899e0), (6, 16.811893829770927e0), (7, 18.475306906582357e0), (8, 20.090235029663233e0),
      (9, 21.665994333461924e0), (10, 23.20925115895436e0)
  ) as t(df, chi2)
)
select
  i.kpi,
  cast(i.n1 as bigint) as n_then,
  i.n_now,
  i.ranges,
  twelve_digits(i.psi) as psi,
  twelve_digits(c.chi2 * (1e0 / i.n1 + 1e0 / i.n2)) as bar,
  coalesce(i.psi > c.chi2 * (1e0 / i.n1 + 1e0 / i.n2) and i.psi > 0.1e0, false) as is_alarm
from indexed as i
left join point as c on c.df = i.ranges - 1
order by i.kpi
