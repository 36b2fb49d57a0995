-- model: validation.kpi_intervention
-- grain: kpi
-- depends: features.kpi_definition, validation.definition, validation.kpi_auc, validation.kpi_placed,
--   validation.observation_play, validation.unplayed_auc
-- audits: unique(kpi)
-- Each KPI with and without the account-months in which a play started, primary definition. Without is a selected population
-- (plays go to accounts that look at risk), so it is no corrected number, only another one. The riskiest fifth is the one
-- with the values that leavers have more of; is_contaminated when plays are at least 1.5 times as frequent there as in the
-- rest, and start in at least 10 % of its account-months. Empty for a book without plays.
with measured as (
  select a.subject as kpi, a.auc, a.centre, a.se, a.n_accounts, a.n_churned
  from validation.kpi_auc as a
  inner join validation.definition as d on d.definition = a.definition and d.is_primary
  where a.statistic = 'main' and exists (select 1 from validation.observation_play)
),
placed as (
  select
    k.kpi,
    k.observation_no,
    case
      when m.auc < 0.5 then k.bin_5 = 0
      when m.auc > 0.5 then k.bin_5 = max(k.bin_5) over (partition by k.kpi)
    end as is_riskiest
  from validation.kpi_placed as k
  inner join validation.definition as d on d.definition = k.definition and d.is_primary
  inner join measured as m on m.kpi = k.kpi
),
counted as (
  select
    p.kpi,
    count(case when p.is_riskiest then 1 end) as n_riskiest,
    count(case when not p.is_riskiest then 1 end) as n_rest,
    count(case when p.is_riskiest then i.observation_no end) as n_played_riskiest,
    count(case when not p.is_riskiest then i.observation_no end) as n_played_rest,
    count(i.observation_no) as n_played
  from placed as p
  left join validation.observation_play as i on i.observation_no = p.observation_no
  group by p.kpi
),
rated as (
  select
    *,
    n_played_riskiest / nullif(cast(n_riskiest as double), 0e0) as rate_riskiest,
    n_played_rest / nullif(cast(n_rest as double), 0e0) as rate_rest
  from counted
),
with_interval as (
  select
    m.*,
    u.auc as unplayed_auc,
    u.n_accounts as unplayed_accounts,
    u.n_churned as unplayed_churned,
    ln(m.centre / (1e0 - m.centre)) as logit,
    1.959963984540054e0 * nullif(m.se, 0e0) / (m.centre * (1e0 - m.centre)) as half,
    ln(u.centre / (1e0 - u.centre)) as unplayed_logit,
    1.959963984540054e0 * nullif(u.se, 0e0) / (u.centre * (1e0 - u.centre)) as unplayed_half
  from (select * from measured where centre > 0 and centre < 1) as m
  left join (select * from validation.unplayed_auc where centre > 0 and centre < 1) as u on u.subject = m.kpi
)
select
  w.kpi,
  w.auc as auc_with,
  twelve_digits(1e0 / (1e0 + exp(w.half - w.logit))) as auc_with_low,
  twelve_digits(1e0 / (1e0 + exp(-w.half - w.logit))) as auc_with_high,
  w.n_accounts as n_accounts_with,
  w.n_churned as n_churned_with,
  w.unplayed_auc as auc_without,
  twelve_digits(1e0 / (1e0 + exp(w.unplayed_half - w.unplayed_logit))) as auc_without_low,
  twelve_digits(1e0 / (1e0 + exp(-w.unplayed_half - w.unplayed_logit))) as auc_without_high,
  coalesce(w.unplayed_accounts, 0) as n_accounts_without,
  coalesce(w.unplayed_churned, 0) as n_churned_without,
  'selected' as population_without,
  r.n_riskiest + r.n_rest as n_rows,
  r.n_played,
  twelve_digits(r.rate_riskiest) as play_rate_riskiest_fifth,
  twelve_digits(r.rate_rest) as play_rate_rest,
  coalesce(
    r.n_played_riskiest > 0 and r.n_rest > 0
    and r.n_played_riskiest * 10 >= r.n_riskiest
    and 2 * r.n_played_riskiest * r.n_rest >= 3 * r.n_played_rest * r.n_riskiest,
    false
  ) as is_contaminated
from with_interval as w
inner join rated as r on r.kpi = w.kpi
inner join features.kpi_definition as k on k.id = w.kpi
