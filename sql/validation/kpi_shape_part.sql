-- model: validation.kpi_shape_part
-- grain: definition, kpi, account_no
-- depends: validation.kpi_bin, validation.kpi_cell, validation.kpi_observed
-- The score test of "churn differs between five value bins": u_b sums (y - stratum's churn) x (in bin b - stratum's share
-- of bin b) over an account's rows. Bin 0 is the reference.
with stratum_bin as (
  select
    c.definition,
    c.subject,
    c.stratum,
    sum(c.n_events) as n_events,
    sum(c.n_events + c.n_others) as n_rows,
    sum(case when b.bin_5 = 1 then c.n_events + c.n_others else 0e0 end) as n_1,
    sum(case when b.bin_5 = 2 then c.n_events + c.n_others else 0e0 end) as n_2,
    sum(case when b.bin_5 = 3 then c.n_events + c.n_others else 0e0 end) as n_3,
    sum(case when b.bin_5 = 4 then c.n_events + c.n_others else 0e0 end) as n_4
  from validation.kpi_cell as c
  inner join validation.kpi_bin as b on b.definition = c.definition and b.kpi = c.subject and b.value = c.value
  where c.statistic = 'main'
  group by c.definition, c.subject, c.stratum
),
residual as (
  select
    o.definition,
    o.subject,
    o.account_no,
    b.bin_5,
    s.n_1 / s.n_rows as share_1,
    s.n_2 / s.n_rows as share_2,
    s.n_3 / s.n_rows as share_3,
    s.n_4 / s.n_rows as share_4,
    o.y - s.n_events / s.n_rows as residual
  from validation.kpi_observed as o
  inner join stratum_bin as s
    on s.definition = o.definition and s.subject = o.subject and s.stratum = o.stratum
  inner join validation.kpi_bin as b on b.definition = o.definition and b.kpi = o.subject and b.value = o.value
  where o.statistic = 'main'
)
select
  definition,
  subject as kpi,
  account_no,
  exact_sum(residual * (case when bin_5 = 1 then 1e0 else 0e0 end - share_1)) as u_1,
  exact_sum(residual * (case when bin_5 = 2 then 1e0 else 0e0 end - share_2)) as u_2,
  exact_sum(residual * (case when bin_5 = 3 then 1e0 else 0e0 end - share_3)) as u_3,
  exact_sum(residual * (case when bin_5 = 4 then 1e0 else 0e0 end - share_4)) as u_4
from residual
group by definition, subject, account_no
