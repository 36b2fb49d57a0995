-- model: marts.kpi_cut
-- grain: kpi, cut_no
-- depends: marts.kpi_bin, validation.definition, validation.kpi_placed, validation.kpi_statistic, validation.observation
-- params: min_cell
-- audits: not_null(kpi, cut_no, side, n_rows, n_flagged_rows, is_out_of_time); unique(kpi, cut_no)
-- What a flag at each cut between two ranges of a KPI's values would have caught. The cuts come from the values alone; the
-- side that is flagged (at_most, above) is the one that leavers of the earlier half of history stood on, and the rates are
-- those of the later half (is_out_of_time), so that nothing here has seen what it is judged by. Where history is too short
-- for halves both are of all of it. rate: of account-months on that side those that led to leaving; caught_share: of
-- account-months that led to leaving those that were flagged; both with a Wilson interval of the effective number of rows,
-- because an account's rows move together. A cut is left out unless min_cell accounts stand on either side. The shown cut is
-- no account's value: a whole number where whole numbers meet, else the middle of the gap to two digits.
with directed as (
  select
    s.kpi,
    case when s.half_1_auc is null then null else s.split_on end as split_on,
    case when coalesce(s.half_1_auc, s.auc) < 0.5e0 then 'at_most' else 'above' end as side,
    s.half_1_auc is not null as is_out_of_time
  from validation.kpi_statistic as s
  inner join validation.definition as d on d.definition = s.definition and d.is_primary
  where coalesce(s.half_1_auc, s.auc) is not null
),
ranged as (
  select kpi, range_no, max(value_to) as value_to
  from marts.kpi_bin
  group by kpi, range_no
),
met as (
  select
    kpi,
    range_no,
    value_to,
    lead(range_no) over (partition by kpi order by range_no) as next_no
  from ranged
),
gap as (
  select m.kpi, m.range_no as cut_no, m.value_to, n.value_from as next_value
  from met as m
  inner join (
    select kpi, range_no, min(value_from) as value_from
    from marts.kpi_bin
    group by kpi, range_no
  ) as n on n.kpi = m.kpi and n.range_no = m.next_no
),
by_account as (
  select k.kpi, b.range_no, k.account_no, count(*) as m, sum(k.y) as e
  from validation.kpi_placed as k
  inner join validation.definition as d on d.definition = k.definition and d.is_primary
  inner join directed as t on t.kpi = k.kpi
  inner join validation.observation as o on o.observation_no = k.observation_no
  inner join marts.kpi_bin as b on b.kpi = k.kpi and b.bin = k.bin_10 + 1
  where t.split_on is null or o.snapshot_date >= t.split_on
  group by k.kpi, b.range_no, k.account_no
),
sided as (
  select
    g.kpi,
    g.cut_no,
    a.account_no,
    sum(case when (a.range_no <= g.cut_no) = (t.side = 'at_most') then a.m else 0 end) as m_in,
    sum(case when (a.range_no <= g.cut_no) = (t.side = 'at_most') then a.e else 0 end) as e_in,
    sum(a.m) as m_all,
    sum(a.e) as e_all
  from gap as g
  inner join directed as t on t.kpi = g.kpi
  inner join by_account as a on a.kpi = g.kpi
  group by g.kpi, g.cut_no, a.account_no
),
summed as (
  select
    kpi,
    cut_no,
    count(*) as n_accounts,
    count(case when m_in > 0 then 1 end) as n_in,
    count(case when m_all > m_in then 1 end) as n_out,
    count(case when e_all > 0 then 1 end) as n_churned,
    cast(sum(m_in) as double) as mi,
    cast(sum(e_in) as double) as ei,
    cast(sum(m_all - m_in) as double) as mo,
    cast(sum(e_all - e_in) as double) as eo,
    cast(sum(m_in * m_in) as double) as mmi,
    cast(sum(e_in * e_in) as double) as eei,
    cast(sum(m_in * e_in) as double) as mei,
    cast(sum((m_all - m_in) * (m_all - m_in)) as double) as mmo,
    cast(sum((e_all - e_in) * (e_all - e_in)) as double) as eeo,
    cast(sum((m_all - m_in) * (e_all - e_in)) as double) as meo,
    cast(sum(e_all * e_all) as double) as ee_all,
    cast(sum(e_in * e_all) as double) as ee_cross
  from sided
  group by kpi, cut_no
),
share as (
  select
    *,
    ei / nullif(mi, 0e0) as p_in,
    eo / nullif(mo, 0e0) as p_out,
    ei / nullif(ei + eo, 0e0) as p_caught
  from summed
),
varied as (
  select
    *,
    n_in / nullif(n_in - 1e0, 0e0) * (eei - 2e0 * p_in * mei + p_in * p_in * mmi) / nullif(mi * mi, 0e0) as v_in,
    n_out / nullif(n_out - 1e0, 0e0) * (eeo - 2e0 * p_out * meo + p_out * p_out * mmo) / nullif(mo * mo, 0e0) as v_out,
    n_churned / nullif(n_churned - 1e0, 0e0)
      * (eei - 2e0 * p_caught * ee_cross + p_caught * p_caught * ee_all) / nullif((ei + eo) * (ei + eo), 0e0) as v_caught
  from share
),
effective as (
  select
    *,
    case when v_in > 1e-15 then p_in * (1e0 - p_in) / v_in else cast(n_in as double) end as k_in,
    case when v_out > 1e-15 then p_out * (1e0 - p_out) / v_out else cast(n_out as double) end as k_out,
    case when v_caught > 1e-15 then p_caught * (1e0 - p_caught) / v_caught else cast(n_churned as double) end as k_caught
  from varied
)
select
  e.kpi,
  e.cut_no,
  case
    when g.value_to = round(g.value_to) and g.next_value - g.value_to = 1 then g.value_to
    else two_digits((g.value_to + g.next_value) / 2e0)
  end as cut_value,
  t.side,
  t.is_out_of_time,
  t.split_on,
  cast(e.mi + e.mo as bigint) as n_rows,
  cast(e.mi as bigint) as n_flagged_rows,
  cast(e.n_in as bigint) as n_flagged,
  cast(e.n_out as bigint) as n_others,
  cast(e.n_churned as bigint) as n_churned,
  twelve_digits(e.mi / (e.mi + e.mo)) as flagged_share,
  twelve_digits(e.p_caught) as caught_share,
  twelve_digits(wilson_low(e.p_caught, e.k_caught)) as caught_low,
  twelve_digits(wilson_high(e.p_caught, e.k_caught)) as caught_high,
  twelve_digits(e.p_in) as rate_flagged,
  twelve_digits(wilson_low(e.p_in, e.k_in)) as rate_flagged_low,
  twelve_digits(wilson_high(e.p_in, e.k_in)) as rate_flagged_high,
  twelve_digits(e.p_out) as rate_others,
  twelve_digits(wilson_low(e.p_out, e.k_out)) as rate_others_low,
  twelve_digits(wilson_high(e.p_out, e.k_out)) as rate_others_high
from effective as e
inner join gap as g on g.kpi = e.kpi and g.cut_no = e.cut_no
inner join directed as t on t.kpi = e.kpi
cross join meta.params as p
where e.n_in >= p.min_cell and e.n_out >= p.min_cell and e.n_churned >= p.min_cell
order by e.kpi, e.cut_no
