/**
 * The tables that the KPI pages and the pages of evidence read, beside those of fixture.ts: every kind of finding once. Without
 * validation the tables are there and empty, as in a book that has no history yet.
 */
export function evidenceTables(withoutValidation: boolean): string {
  const none = withoutValidation ? "where false" : "";
  return `
create table features.account_kpi as select account_id, snapshot_date, no % 44 * 1.0::double as invoices_sent_28d,
  no % 44 * 1.0::double as payments_matched_28d, case when no % 3 > 0 then no % 10 * 1.0::double end as nps,
  (no % 5 + 1) * 1.0::double as csm_rating, no % 12 * 1.0::double as open_tickets, 40.0::double as template_uses_28d,
  no % 44 * 1.0::double as data_exports_28d, no % 44 * 1.0::double as logins_28d, 0.0::double as dark_mode_days,
  no % 7 * 1.0::double as newsletter_opens, 1.0::double as sso_enabled
  from (select *, cast(substr(account_id, 5) as bigint) as no from spine.account_snapshot) as a;
create table features.kpi_week as select d.id as kpi, date '2025-01-06' + cast(w * 7 as integer) as week, 200 as n_accounts, 190 - w as n_values,
  (190 - w) / 200.0::double as coverage, 0.1::double as share_zero
  from features.kpi_definition as d cross join range(50) as r (w);
create table features.kpi_input as select id as kpi, date '2023-01-01' as first_on, date '2025-12-31' as last_on, 9000 as n_rows, 1090 as n_days,
  case id when 'open_tickets' then 12 else 0 end as n_days_without, case id when 'open_tickets' then 12 else 0 end as longest_gap_days,
  case id when 'open_tickets' then date '2025-03-03' end as gap_from, case id when 'open_tickets' then 1 else 0 end as n_steps,
  case id when 'open_tickets' then date '2025-03-03' end as last_step from features.kpi_definition;
create table features.kpi_input_week as select d.id as kpi, date '2025-01-06' + cast(w * 7 as integer) as week, 100 + w as n_rows, 100 as usual_rows,
  case when w = 8 then 'low' else 'usual' end as volume, case when w = 8 then 'down' end as step
  from features.kpi_definition as d cross join range(50) as r (w);
create table features.source_week as select s.source, s.entity, date '2025-01-06' + cast(w * 7 as integer) as week, case when w = 20 then 2 else 900 + w * 3 end as n_rows,
  case when w >= 4 then 900 end as usual_rows, case when w = 20 then 'low' when w >= 4 then 'usual' end as volume, case when w = 20 then 'down' end as step
  from (values ('tickets', 'ticket'), ('usage', 'usage_event')) as s (source, entity) cross join range(50) as r (w);
create table validation.observation as select cast(row_number() over (order by account_id, snapshot_date) as integer) as observation_no, account_id, snapshot_date
  from validation.outcome where y is not null;
create table validation.kpi_placed as select 'subscription_end' as definition, d.id as kpi, o.observation_no, cast(substr(o.account_id, 5) as integer) as account_no,
  x.y, cast(substr(o.account_id, 5) as integer) % 44 * 1.0::double as value, least(9, cast(substr(o.account_id, 5) as integer) % 44 // 4) as bin_10
  from validation.observation as o inner join validation.outcome as x on x.account_id = o.account_id and x.snapshot_date = o.snapshot_date
  cross join features.kpi_definition as d where d.id in ('invoices_sent_28d', 'data_exports_28d');
create table validation.kpi_statistic as select d.id as kpi, 'subscription_end' as definition, 0.4::double as auc,
  case d.id when 'data_exports_28d' then 0.58::double when 'invoices_sent_28d' then 0.38::double end as half_1_auc,
  case when d.id in ('data_exports_28d', 'invoices_sent_28d') then date '2024-06-01' end as split_on from features.kpi_definition as d ${none};
create table validation.kpi_group_test as select d.id as kpi, 'subscription_end' as definition, g as group_kind, 3 as n_groups, 0.3::double as het_p,
  case when d.id = 'template_uses_28d' then 0.001::double else 0.8::double end as het_q from features.kpi_definition as d cross join (values ('segment'), ('cohort')) as k (g) ${none};
create table validation.random_control as select * from (values ('persistent_1', 'persistent', 0.49, 0.46, 0.52), ('persistent_2', 'persistent', 0.52, 0.49, 0.55),
  ('persistent_3', 'persistent', 0.5, 0.47, 0.53), ('transient_1', 'transient', 0.495, 0.48, 0.51)) as c (control, kind, auc, auc_low, auc_high)
  cross join (select 0.4::double as p, 900 as n_accounts, 240 as n_churned) as n ${none};
create table validation.kpi_cohort as select d.id as kpi, c.cohort, 0.42::double as auc, 0.38::double as auc_low, 0.46::double as auc_high, c.n as n_churned, 70 as n_staying,
  case when c.n >= 50 then 'predicts' end as verdict
  from features.kpi_definition as d cross join (values ('2023', 60), ('2024', 55), ('2025', 20)) as c (cohort, n) where d.id <> 'sso_enabled' and not (${withoutValidation});
insert into validation.kpi_verdict by name select s.kpi, 'subscription_end' as definition, 'segment' as group_kind, s.segment, 'predicts' as verdict, '12' as rule, 'Early warning (modest)' as label,
  'Use' as action_group, 'In ' || s.segment || ', leavers did less: 58 of 100 pairs (54-62); 60 churned of 150 accounts.' as sentence from validation.kpi_segment as s;
update validation.kpi_segment set verdict = 'predicts';
insert into validation.kpi_verdict by name select c.kpi, 'subscription_end' as definition, 'cohort' as group_kind, c.cohort as segment, c.verdict, case when c.verdict is not null then 'Early warning (modest)' end as label,
  'Use' as action_group, 'A sentence about ' || c.cohort || '.' as sentence from validation.kpi_cohort as c;
create table validation.kpi_look as select d.id as kpi, 'subscription_end' as definition, cast(date '2025-01-01' + to_months(cast(m as integer)) as date) as look_on, '12' as rule,
  case when m < 2 then 'inconclusive' else 'predicts' end as verdict, case when m < 2 then 'Cannot tell yet' else 'Early warning (modest)' end as label,
  0.43::double as auc, 0.39::double as auc_low, 0.47::double as auc_high, 0.01::double as q, 200 + m as n_churned
  from features.kpi_definition as d cross join range(6) as r (m) where d.id <> 'sso_enabled' and not (${withoutValidation});
create table validation.kpi_intervention as select d.id as kpi, 0.42::double as auc_with, 0.39::double as auc_with_low, 0.45::double as auc_with_high, 900 as n_accounts_with, 240 as n_churned_with,
  0.41::double as auc_without, 0.37::double as auc_without_low, 0.45::double as auc_without_high, 850 as n_accounts_without, 200 as n_churned_without, 'selected' as population_without,
  8000 as n_rows, 700 as n_played, 0.14::double as play_rate_riskiest_fifth, 0.08::double as play_rate_rest, d.id = 'invoices_sent_28d' as is_contaminated
  from features.kpi_definition as d where d.id in ('invoices_sent_28d', 'logins_28d') and not (${withoutValidation});
create table validation.kpi_pair as select * from (values ('invoices_sent_28d', 'payments_matched_28d', 8000, 0.97::double, 1), ('invoices_sent_28d', 'logins_28d', 8000, -0.41::double, null),
  ('nps', 'csm_rating', 4000, 0.12::double, null)) as p (kpi, other, n_rows, spearman, "group") ${none};
alter table validation.scorecard_test add column if not exists sample varchar;
alter table validation.scorecard_test add column if not exists first_on date;
alter table validation.scorecard_test add column if not exists last_on date;
alter table validation.scorecard_test add column if not exists n_staying bigint;
alter table validation.scorecard_test add column if not exists base_rate double;
alter table validation.scorecard_test add column if not exists average_precision_low double;
alter table validation.scorecard_test add column if not exists average_precision_high double;
alter table validation.scorecard_test add column if not exists lift_10_low double;
alter table validation.scorecard_test add column if not exists lift_10_high double;
alter table validation.scorecard_test add column if not exists caught_share double;
alter table validation.scorecard_test add column if not exists caught_low double;
alter table validation.scorecard_test add column if not exists caught_high double;
alter table validation.scorecard_test add column if not exists green_share double;
alter table validation.scorecard_test add column if not exists green_low double;
alter table validation.scorecard_test add column if not exists green_high double;
alter table validation.scorecard_test add column if not exists median_months_of_warning double;
alter table validation.scorecard_test add column if not exists share_1m double;
alter table validation.scorecard_test add column if not exists share_3m double;
alter table validation.scorecard_test add column if not exists stayer_median_months double;
alter table validation.scorecard_test add column if not exists stayer_share_1m double;
alter table validation.scorecard_test add column if not exists stayer_share_3m double;
alter table validation.scorecard_test add column if not exists n_departures bigint;
alter table validation.scorecard_test add column if not exists n_warned bigint;
alter table validation.scorecard_test add column if not exists n_stayers bigint;
update validation.scorecard_test set sample = 'out_of_time', first_on = date '2024-01-01', last_on = date '2025-06-01', n_staying = 700, base_rate = 0.05, average_precision_low = 0.05,
  average_precision_high = 0.07, lift_10_low = 0.9, lift_10_high = 1.3, n_departures = 120, caught_share = 0.3, caught_low = 0.2, caught_high = 0.4, green_share = 0.4, green_low = 0.3, green_high = 0.5,
  n_warned = 120, median_months_of_warning = 1.5, share_1m = 0.4, share_3m = 0.2, n_stayers = 500, stayer_median_months = 1.0, stayer_share_1m = 0.3, stayer_share_3m = 0.1;
insert into validation.scorecard_test by name select t.* replace (v.period as period, null as state, null as sentence, case when v.period = 'in_sample' then 'in_sample' else 'out_of_time' end as sample, v.n as n_churned) from validation.scorecard_test as t
  cross join (values ('in_sample', 90), ('2024-01-01/2024-06-01', 60), ('2024-07-01/2024-12-01', 50), ('2025-01-01/2025-06-01', 40)) as v (period, n);
create table validation.scorecard_calibration as select c.scorecard, c.version, p.period, date '2025-01-01' as first_on, date '2025-06-01' as last_on, 4000 as n_rows, 300 as n_accounts, 90 as n_churned,
  date '2024-09-01' as train_to, p.n as n_train_churned, case when p.n < 50 then 'too_few_churned' end as why_null, b.* from scores.scorecard as c
  cross join (values ('out_of_time', 210), ('2025-01-01/2025-03-01', 20), ('2025-04-01/2025-06-01', 210)) as p (period, n)
  cross join lateral (select case when p.n >= 50 then 0.06::double end as brier, case when p.n >= 50 then 0.05::double end as brier_low, case when p.n >= 50 then 0.07::double end as brier_high,
  case when p.n >= 50 then 0.061::double end as base_brier, case when p.n >= 50 then 0.001::double end as brier_gain, case when p.n >= 50 then -0.001::double end as brier_gain_low,
  case when p.n >= 50 then 0.003::double end as brier_gain_high, case when p.n >= 50 then 240 end as observed, case when p.n >= 50 then 220.5::double end as expected, case when p.n >= 50 then 1.09::double end as ratio,
  case when p.n >= 50 then 0.9::double end as ratio_low, case when p.n >= 50 then 1.3::double end as ratio_high, case when p.n >= 50 then 0.8::double end as slope, case when p.n >= 50 then 0.3::double end as slope_low,
  case when p.n >= 50 then 1.3::double end as slope_high, case when p.n >= 50 then 0.012::double end as ece, case when p.n >= 50 then 0.006::double end as ece_low, case when p.n >= 50 then 0.018::double end as ece_high,
  case when p.n >= 50 then 0.011::double end as ece_null) as b ${none};
create table validation.scorecard_difference as select 'freshsuccess_40_30_30' as scorecard, 1 as version, 'naive_baseline' as other, 1 as other_version, p.period, date '2025-01-01' as first_on, date '2025-06-01' as last_on,
  8000 as n_rows, 131 as n_churned, 700 as n_staying, 0.52::double as auc, 0.53::double as other_auc, -0.01::double as difference, -0.04::double as difference_low, 0.02::double as difference_high
  from (values ('out_of_time'), ('2025-01-01/2025-03-01')) as p (period) ${none};
create table validation.scorecard_decay as select scorecard, version, 5 as n_periods, date '2024-01-01' as first_on, date '2025-06-01' as last_on, 0.51::double as latest_auc, -0.02::double as slope_per_year,
  -0.05::double as slope_low, 0.01::double as slope_high, 4.2::double as cochran_q from scores.scorecard ${none};
create table validation.scorecard_drift as select c.scorecard, c.version, cast(date '2024-01-01' + to_months(cast(m as integer)) as date) as snapshot_date, date '2024-01-01' as reference_on, 200 as n_reference, 210 as n_accounts,
  m * 0.02::double as psi, 0.02::double as null_psi, 0.12::double as bar, m > 6 as is_alarm from scores.scorecard as c cross join range(1, 9) as r (m) ${none};
create table validation.suggested_weight as select 'freshsuccess_40_30_30' as scorecard, 1 as version, k.*, 0.001::double as difference_to_equal, -0.01::double as difference_to_equal_low, 0.012::double as difference_to_equal_high,
  0.03::double as difference_to_current, -0.002::double as difference_to_current_low, 0.06::double as difference_to_current_high, 120 as n_churned, date '2025-01-01' as tested_from, date '2025-06-01' as tested_to,
  'Suggested weights against equal weights: not distinguishable (0.1 of 100 pairs, -1.0 to +1.2; 120 churned accounts).' as sentence
  from (values ('invoices_sent_28d', 60, 50.0::double, 0.0::double), ('open_tickets', 40, 50.0::double, 30.0::double), ('logins_28d', 0, 0.0::double, 40.0::double), ('csm_rating', 0, 0.0::double, 30.0::double))
  as k (kpi, suggested, equal, current) ${none};
create table validation.kpi_count_curve as select k, case when k > 0 then 'kpi_' || k end as added, k <= 3 as is_candidate, k = 2 as is_suggested, case when k > 0 then 0.55 + k * 0.01::double end as auc,
  case when k > 0 then 0.52 + k * 0.01::double end as auc_low, case when k > 0 then 0.58 + k * 0.01::double end as auc_high, case when k > 0 then 1.0::double / k end as spread, 9000 as n_rows, 120 as n_churned,
  date '2025-01-01' as tested_from, date '2025-06-01' as tested_to, 1 as n_equivalent, 'Of 3 KPIs with an early warning 2 are enough: a further one gains less than its standard error (120 churned accounts).' as sentence
  from range(0, 6) as r (k) ${none};
create table validation.folklore as select t.*, 0.55::double as auc_a, 0.54::double as auc_b, 0.01::double as difference, -0.01::double as difference_low, 0.03::double as difference_high, 120 as n_churned, 400 as n_accounts,
  t.a || ' against ' || t.b || ': not distinguishable (+1.0 of 100 pairs, -1.0 to +3.0; 120 churned accounts).' as sentence
  from (values ('half_and_half', 'freshsuccess_40_30_30', 1, 'Half and half', 'as it is'), ('more_than_five', null, null, '10 KPIs', '4 KPIs')) as t (test, scorecard, version, a, b) ${none};
create table validation.gate_finding as select * from (values (1, 'open_tickets', 'at_least', 9.0::double, 'does not hold', 0.145::double), (2, 'invoices_sent_28d', 'at_most', 3.0::double, 'holds', 0.01::double))
  as g (gate_no, kpi, side, threshold, state, p_holm) cross join (select date '2025-01-01' as held_from, date '2025-06-01' as held_to, 9000 as n_rows, 400 as n_accounts, 120 as n_churned, 90 as n_failing, 30 as n_churned_failing,
  0.09::double as rate_failing, 0.07::double as rate_failing_low, 0.12::double as rate_failing_high, 0.06::double as rate_passing, 0.05::double as rate_passing_low, 0.07::double as rate_passing_high, 1.4::double as lift) as n ${none};
create table validation.weight_humility as select 'freshsuccess_40_30_30' as scorecard, 1 as version, h.*, 2002 as n_weightings, 1700 as n_kept, 0.85::double as kept_share, 120 as n_churned, 400 as n_accounts,
  0.51::double as auc_current, 0.515::double as auc_equal, 0.53::double as auc_best, true as is_current_kept, true as is_equal_kept, 'A sentence of humility.' as sentence
  from (select null as account_id, null as is_red, null as red_share union all select 'acc_' || i, true, i / 20.0::double from range(1, 21) as r (i)) as h ${none};
create table validation.leave_one_out as select 'freshsuccess_40_30_30' as scorecard, 1 as version, k.*, 300 as n_accounts, 8.5::double as mean_change, 'out_of_time' as period, 120 as n_churned, 400 as n_staying,
  0.52::double as auc_with, 0.52 + k.difference as auc_without, k.difference - 0.01 as difference_low, k.difference + 0.01 as difference_high
  from (values ('logins_28d', 90, -0.02::double), ('open_tickets', 40, 0.004::double), ('csm_rating', 60, 0.015::double)) as k (kpi, n_moved, difference) ${none};
create table validation.label_definition as select * from (values ('subscription_end', 'subscription_end', true, 900, 240, 131, 400), ('inactive_60', 'inactivity', false, 900, 310, 150, 380))
  as l (definition, type, is_primary, n_accounts, n_churned, n_tested_churned, n_tested_staying);
create table validation.label_agreement as select 'subscription_end' as definition, 'inactive_60' as other, 200 as n_both, 40 as n_only_one, 110 as n_only_other, -12 as median_days_apart;
create table validation.label_verdict as select d.id as kpi, 'inactive_60' as definition, case d.id when 'logins_28d' then 'changes' when 'nps' then 'cannot tell' else 'survives' end as outcome,
  'subscription_end' as primary_definition, 'predicts' as primary_verdict, 131 as primary_n_churned, 'predicts' as verdict, 150 as n_churned, 'By inactive_60: an early warning as well.' as sentence
  from features.kpi_definition as d where not (${withoutValidation});
`;
}
