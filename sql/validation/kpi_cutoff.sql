-- model: validation.kpi_cutoff
-- grain: kpi, cut_value, side
-- depends: validation.definition, validation.kpi_placed
-- audits: unique(kpi, cut_value, side)
-- Departures on either side of each candidate cut (the ends of the value bins 1 to 9) for the primary definition, over all
-- labelled rows with a value: a description, in sample. A cut belongs to the lower side. The interval is Wilson's with the effective
-- number of rows; lift is the rate over that of both sides. An account's sums below a cut grow from bin to bin, so sums of their
-- squares over accounts are running sums of what each bin adds to the square.
with binned as (
  select k.kpi, k.bin_10, k.account_no, count(*) as m, sum(k.y) as e, max(k.value) as value_to
  from validation.kpi_placed as k
  inner join validation.definition as d on d.definition = k.definition and d.is_primary
  group by k.kpi, k.bin_10, k.account_no
),
running as (
  select
    *,
    sum(m) over so_far as m_low,
    sum(e) over so_far as e_low,
    sum(m) over whole as m_all,
    sum(e) over whole as e_all,
    bin_10 = min(bin_10) over whole as is_first,
    bin_10 = max(bin_10) over whole as is_last,
    e > 0 and bin_10 = min(case when e > 0 then bin_10 end) over whole as is_first_left,
    e > 0 and bin_10 = max(case when e > 0 then bin_10 end) over whole as is_last_left
  from binned
  window
    so_far as (partition by kpi, account_no order by bin_10 rows between unbounded preceding and current row),
    whole as (partition by kpi, account_no)
),
added as (
  select
    kpi,
    bin_10,
    max(value_to) as value_to,
    cast(sum(m) as double) as m,
    cast(sum(e) as double) as e,
    cast(sum(m_low * m_low - (m_low - m) * (m_low - m)) as double) as mm,
    cast(sum(e_low * e_low - (e_low - e) * (e_low - e)) as double) as ee,
    cast(sum(m_low * e_low - (m_low - m) * (e_low - e)) as double) as em,
    cast(sum(m_all * m) as double) as mm_all,
    cast(sum(e_all * e) as double) as ee_all,
    cast(sum(m_all * e + e_all * m) as double) as em_all,
    count(case when is_first then 1 end) as n_first,
    count(case when is_last then 1 end) as n_last,
    count(case when is_first_left then 1 end) as n_first_left,
    count(case when is_last_left then 1 end) as n_last_left
  from running
  group by kpi, bin_10
),
below as (
  select
    kpi,
    bin_10,
    value_to,
    max(bin_10) over whole as last_bin,
    sum(m) over so_far as m,
    sum(e) over so_far as e,
    sum(mm) over so_far as mm,
    sum(ee) over so_far as ee,
    sum(em) over so_far as em,
    sum(mm_all) over so_far as mm_all,
    sum(ee_all) over so_far as ee_all,
    sum(em_all) over so_far as em_all,
    sum(m) over whole as total_m,
    sum(e) over whole as total_e,
    sum(mm) over whole as total_mm,
    sum(ee) over whole as total_ee,
    sum(em) over whole as total_em,
    sum(n_first) over so_far as n_accounts,
    sum(n_first_left) over so_far as n_churned,
    sum(n_last) over whole - sum(n_last) over so_far as n_accounts_above,
    sum(n_last_left) over whole - sum(n_last_left) over so_far as n_churned_above
  from added
  window
    so_far as (partition by kpi order by bin_10 rows between unbounded preceding and current row),
    whole as (partition by kpi)
),
sided as (
  select
    kpi, value_to as cut_value, 'at_most' as side, n_accounts, n_churned, m, e, mm, ee, em, total_e / total_m as base
  from below
  where bin_10 < last_bin
  union all
  select
    kpi, value_to, 'above', n_accounts_above, n_churned_above, total_m - m, total_e - e,
    total_mm - 2e0 * mm_all + mm, total_ee - 2e0 * ee_all + ee, total_em - em_all + em, total_e / total_m
  from below
  where bin_10 < last_bin
),
varied as (
  select
    *,
    e / m as rate,
    n_accounts / (n_accounts - 1e0) * (ee - 2e0 * (e / m) * em + (e / m) * (e / m) * mm) / (m * m) as variance
  from sided
),
effective as (
  select
    *,
    case
      when n_accounts > 1 and variance > 1e-15 then rate * (1e0 - rate) / variance
      else cast(n_accounts as double)
    end as n_eff
  from varied
)
select
  kpi,
  twelve_digits(cut_value) as cut_value,
  side,
  cast(m as bigint) as n_rows,
  cast(n_accounts as bigint) as n_accounts,
  cast(n_churned as bigint) as n_churned,
  twelve_digits(rate) as rate,
  twelve_digits(wilson_low(rate, n_eff)) as rate_low,
  twelve_digits(wilson_high(rate, n_eff)) as rate_high,
  twelve_digits(rate / nullif(base, 0e0)) as lift
from effective
