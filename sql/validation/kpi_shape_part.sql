-- model: validation.kpi_shape_part
-- grain: definition, kpi, account_no
-- depends: validation.kpi_placed, validation.kpi_stratum
-- The score test of "churn differs between five value bins": u_b sums (y - stratum's churn) x (in bin b - stratum's share
-- of bin b) over an account's rows. Bin 0 is the reference.
with stratum_bin as (
  select
    definition,
    kpi_no,
    stratum,
    cast(sum(n_rows) as double) as n_rows,
    cast(sum(n_events) as double) as n_events,
    cast(sum(case when bin_5 = 1 then n_rows else 0 end) as double) as n_1,
    cast(sum(case when bin_5 = 2 then n_rows else 0 end) as double) as n_2,
    cast(sum(case when bin_5 = 3 then n_rows else 0 end) as double) as n_3,
    cast(sum(case when bin_5 = 4 then n_rows else 0 end) as double) as n_4
  from validation.kpi_stratum
  group by definition, kpi_no, stratum
),
residual as (
  select
    k.definition,
    k.kpi,
    k.kpi_no,
    k.account_no,
    k.bin_5,
    s.n_1 / s.n_rows as share_1,
    s.n_2 / s.n_rows as share_2,
    s.n_3 / s.n_rows as share_3,
    s.n_4 / s.n_rows as share_4,
    k.y - s.n_events / s.n_rows as residual
  from validation.kpi_placed as k
  inner join stratum_bin as s on s.definition = k.definition and s.kpi_no = k.kpi_no and s.stratum = k.stratum
  where s.n_events > 0 and s.n_events < s.n_rows
)
select
  definition,
  any_value(kpi) as kpi,
  account_no,
  exact_share_sum(residual * (case when bin_5 = 1 then 1e0 else 0e0 end - share_1)) as u_1,
  exact_share_sum(residual * (case when bin_5 = 2 then 1e0 else 0e0 end - share_2)) as u_2,
  exact_share_sum(residual * (case when bin_5 = 3 then 1e0 else 0e0 end - share_3)) as u_3,
  exact_share_sum(residual * (case when bin_5 = 4 then 1e0 else 0e0 end - share_4)) as u_4
from residual
group by definition, kpi_no, account_no
