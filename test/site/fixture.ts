import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { producesOf, sortNodes } from "../../pipelines/models/graph.ts";
import { runNodes } from "../../pipelines/models/run.ts";
import { martNodes } from "../../pipelines/publish/marts.ts";
import { lintTables } from "../../pipelines/scores/lint-node.ts";
import { successNodes } from "../../pipelines/success/nodes.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { literal } from "../../pipelines/warehouse/literal.ts";
import { evidenceTables } from "./fixture-evidence.ts";

export interface FixtureOptions {
  /** Accounts ever; every third or so leaves. */
  readonly accounts: number;
  readonly title?: string;
  /** Put into KPI labels, file names and reject reasons: text from outside. */
  readonly label?: string;
  /** No validation result at all: every table of `validation` is empty. */
  readonly withoutValidation?: boolean;
  /** The least number of accounts in a cell; default 5. */
  readonly minCell?: number;
}

/**
 * A warehouse with the tables that the marts read, made by hand: dates, bands and money come from arithmetic on the
 * account's number, so that counts can be worked out. As of 2026-01-01; weekly snapshots from 2023-02-06.
 */
export async function openFixture(options: FixtureOptions): Promise<Database> {
  const database = await Database.open({ path: ":memory:", threads: 2 });
  const macros = join(projectRoot, "sql", "warehouse", "00_macros.sql");
  if (existsSync(macros)) await database.run(await readFile(macros, "utf8"));
  await database.run(statements(options));
  await database.run(evidenceTables(options.withoutValidation === true));
  const nodes = await martNodes();
  const made = new Set(nodes.flatMap(producesOf));
  const given = new Set(nodes.flatMap((node) => node.depends).filter((name) => !made.has(name)));
  await runNodes(database, sortNodes(nodes, given), silentLog, () => 0);
  await addPractice(database);
  for (const [name, columns] of lintTables)
    await database.run(`create table ${name} (${columns.map(([column, type]) => `${column} ${type}`).join(", ")})`);
  // The plays of a book are made of portfolio tables, which this warehouse has not.
  await database.run(
    `create table marts.scorecard_play as select 'freshsuccess_40_30_30' as scorecard, 1 as version, 1 as play_no, 'Rescue call' as label, 'red for 7 days' as condition,
       null::varchar as owner, 7 as due_days, 300 as n_accounts, 40 as n_due, 30 as n_overdue, 4 as n_started, 90 as n_recorded, 80 as n_recorded_accounts, 70 as n_matched, 60 as n_played,
       0.3::double as left_rate, 0.2::double as left_low, 0.4::double as left_high, 0.15::double as like_rate, 0.15::double as difference, 0.05::double as difference_low, 0.25::double as difference_high
     from meta.params where min_cell <= 60`,
  );
  await database.run(
    `insert into marts.scorecard_lint by name
     select 1 as lint_no, 'freshsuccess_40_30_30' as scorecard, 1 as version, 'stage_moved' as rule, 'a guide' as source, 'warning' as severity,
       '2 accounts moved' as sentence, 'acc_1, acc_2' as examples`,
  );
  // What a card's author writes is text from outside, as labels are.
  const said = (text: string): string => literal(`${text}${options.label ?? ""}`);
  await database.run(
    `insert into marts.scorecard_card by name
     select 'freshsuccess_40_30_30' as scorecard, 1 as version, ${said("Textbook score")} as label, 'churn_risk' as purpose, 'tell which accounts are likely to leave' as purpose_in_words,
       ${said("books closed by the fifth")} as objective, ${said("Kim")} as owner, 'managers, leadership' as audience, ${said("every account of plan")} as applies_in_words, 3 as n_kpis,
       ${said("weighted mean of logins")} as formula_in_words, 'the weight of a KPI without a value goes to the others' as missing_in_words, ${said("red if a ticket is open")} as gates_in_words,
       'red up to 30, yellow up to 70, green above 70' as bands_in_words, 40.0::double as points_proactive, 70.0::double as points_objective, true as is_assigned, true as is_current,
       ${said("Kim")} as validated_by, date '2025-06-01' as validated_on, date '2023-07-01' as valid_until, 'cannot tell' as test_state, 'Not shown to rank leavers: 52 of 100 (48-56).' as test_sentence,
       8 as n_known, 6 as n_known_agree, 1 as n_warnings, 0 as n_silenced, 1 as n_steps_open, ${said("select 1 -- ")} as sql_text`,
  );
  await database.run(
    `insert into marts.scorecard_step by name select 'freshsuccess_40_30_30' as scorecard, 1 as version, 1 as step_no, 'objective' as step,
       'Name the outcome that customers want' as label, 'done' as state, ${said("books closed")} as what`,
  );
  return database;
}

/** The tables of practice, over the same accounts: two KPIs of use, one outcome, no trial, milestone or goal. */
async function addPractice(database: Database): Promise<void> {
  await database.run(`
    create table practice_kpi as select * from features.kpi_definition;
    create or replace table features.kpi_definition as
      select *, cast(row_number() over () as integer) as kpi_no, cast(null as varchar) as stage from practice_kpi;
    drop table practice_kpi;
    create schema if not exists rollup;
    create schema if not exists staging;
    create table staging.account as
      select distinct account_id, 'paid_sooner' as desired_outcome, date '2000-01-01' as visible_on, cast(null as date) as superseded_on, 'crm' as source
      from spine.account_snapshot;
    create table staging.invoice (account_id varchar, amount_minor bigint, paid_on date, visible_on date, superseded_on date);
    create table staging.subscription (account_id varchar, started_on date, ended_on date, is_trial boolean, visible_on date, superseded_on date);
    create table staging.goal (account_id varchar, goal varchar, agreed_on date, met_on date, visible_on date, superseded_on date);
    create table staging.note as
      select date '2025-06-01' as "on", 'New prices' as label, 'price' as kind, date '2025-06-02' as visible_on, cast(null as date) as superseded_on;
    create table features.account_milestone (account_id varchar, milestone varchar, expected_on date, reached_on date);
    create table spine.first_use (account_id varchar, first_used_on date);
    create table rollup.account_day (account_id varchar, activity_date date, event varchar, visible_on date);
    create or replace view scores.account_assignment as
      select account_id, snapshot_date, scorecard, 1 as n_matching, cast(null as varchar) as segment, cast(null as varchar) as lifecycle
      from scores.account_score where is_in_force;
    create table practice_decision as select * from validation.decision;
    create or replace table validation.decision as select *, cast(null as date) as undone_on from practice_decision;
    drop table practice_decision;
    create table if not exists validation.stratum as
      select row_number() over () as observation_no, dense_rank() over (order by account_id) as account_no, account_id, snapshot_date, definition,
        1 as stratum, y
      from validation.outcome`);
  const nodes = await successNodes(
    {
      knows_outcome: true,
      outcomes: [
        {
          id: "paid_sooner",
          label: "Be paid sooner",
          success: { kpi: "invoices_sent_28d", comparison: "at_least", threshold: 10 },
          milestones: [],
        },
      ],
      clusters: { kpis: ["logins_28d", "invoices_sent_28d"], on: null, groups: [] },
      archetypes: {
        usage: ["logins_28d"],
        tickets: ["open_tickets"],
        marketing: ["newsletter_opens"],
        low: 33,
        high: 67,
      },
      funnel: { key_feature: "invoice_sent", paid_within_days: 60, gate: null },
    },
    ["invoices_sent_28d", "nps"],
  );
  const made = new Set(nodes.flatMap(producesOf));
  const given = new Set(nodes.flatMap((node) => node.depends).filter((name) => !made.has(name)));
  await runNodes(database, sortNodes(nodes, given), silentLog, () => 0);
}

const kpis = [
  ["invoices_sent_28d", "Invoices sent", "predicts", "12", "Early warning (strong)", "Use", 0.36, 0.33, 0.39, 0.33],
  [
    "payments_matched_28d",
    "Payments matched",
    "predicts",
    "12",
    "Early warning (modest)",
    "Use",
    0.41,
    0.38,
    0.44,
    0.36,
  ],
  ["nps", "NPS answer", "missingness", "14", "Silence is the signal", "Use with care", 0.49, 0.45, 0.53, 0.48],
  ["csm_rating", "CSM rating", "late_only", "2", "Late alarm", "Use with care", 0.5, 0.46, 0.54, 0.47],
  [
    "open_tickets",
    "Open tickets",
    "non_monotone",
    "3",
    "Warning at both ends",
    "Score differently",
    0.48,
    0.45,
    0.51,
    0.5,
  ],
  [
    "template_uses_28d",
    "Templates used",
    "reversed_adjusted",
    "10",
    "Hidden by the mix",
    "Score differently",
    0.43,
    0.4,
    0.46,
    0.55,
  ],
  [
    "data_exports_28d",
    "Data exports",
    "misleading",
    "11",
    "Scored the wrong way round",
    "Score differently",
    0.57,
    0.54,
    0.6,
    0.58,
  ],
  ["logins_28d", "Logins", "confounded", "15", "Mostly size, age or segment", "Leave out", 0.49, 0.46, 0.52, 0.37],
  [
    "dark_mode_days",
    "Days in dark mode",
    "no_useful_effect",
    "16",
    "Too small to matter",
    "Leave out",
    0.505,
    0.48,
    0.53,
    0.51,
  ],
  [
    "newsletter_opens",
    "Newsletter opens",
    "inconclusive",
    "17",
    "Cannot tell yet",
    "Not known",
    0.52,
    0.48,
    0.56,
    0.52,
  ],
  ["sso_enabled", "Single sign-on", "not_tested", "0", "Not enough data", "Not known", null, null, null, null],
] as const;

function statements({
  accounts,
  title = "Fernbill",
  label = "",
  withoutValidation = false,
  minCell = 5,
}: FixtureOptions): string {
  const n = accounts;
  const none = withoutValidation ? "where false" : "";
  return `
create schema meta; create schema spine; create schema features; create schema scores; create schema validation;
create table meta.params as select 'fixture' as book, ${literal(title)} as title, date '2026-01-01' as as_of,
  28 as window_days, 30 as gap_days, 90 as horizon_days, 90 as min_tenure_days, 30 as reactivation_grace_days,
  'week' as score_every, 'month' as validate_every, 'USD' as currency, 'subscription_end' as primary_definition, ${minCell} as min_cell;
create table meta.release as select repeat('0123456789abcdef', 4) as release_id, date '2026-01-01' as as_of,
  '0.1.0' as assay_version, 'v1.5.5' as duckdb_version, 'c' as config_sha256, 'i' as inputs_sha256;
create table meta.delivery as select 'd' || i as delivery_id, s.source, s.entity,
  s.source || '_' || i || '.csv' || ${literal(label)} as file, md5(s.source || i) as sha256,
  timestamp '2024-01-01' + to_days(cast(i * 30 as integer)) as delivered_at, 1000 + i as rows_read, 998 + i as rows_loaded,
  2 as rows_rejected, timestamp '2023-01-01' as first_event_at,
  timestamp '2024-01-01' + to_days(cast(i * 30 - s.late as integer)) as last_event_at
  from range(24) as r (i) cross join (values ('subscriptions', 'subscription', 0), ('tickets', 'ticket', 20), ('usage', 'usage_event', 1)) as s (source, entity, late);
create table meta.reject as select 'f' || i as file, i as line, 'event_time' as "column", 'usage' as source,
  case when i % 3 = 0 then 'not a time' else 'no account' || ${literal(label)} end as reason, 'acc_' || i as value from range(48) as r (i);
create table spine.snapshot as
  select d as snapshot_date, d = date '2026-01-01' or dayofweek(d) = 1 as is_scored, day(d) = 1 as is_validated
  from (select cast(t as date) as d from generate_series(timestamp '2023-02-01', timestamp '2026-01-01', interval 1 day) as g (t)) as days
  where d = date '2026-01-01' or dayofweek(d) = 1 or day(d) = 1;
create table spine.account_period as
  select 'acc_' || i as account_id, date '2022-06-01' + cast(i * 1150 // ${n} as integer) as started_on,
    case when i % 3 = 0 then date '2022-06-01' + cast(i * 1150 // ${n} + 200 + (i * 37) % 500 as integer) end as ended_on,
    null as end_reason, null::date as notice_on
  from range(${n}) as r (i);
create table spine.account_snapshot as
  select p.account_id, s.snapshot_date, p.started_on as period_started_on,
    date_diff('day', p.started_on, s.snapshot_date) as tenure_days,
    case when no % 10 < 6 then 'solo' when no % 10 < 9 then 'studio' else 'enterprise' end as segment, 'paying' as lifecycle,
    cast(1900 + (no * 7919) % 40000 + date_diff('day', p.started_on, s.snapshot_date) as bigint) as mrr_minor, no % 40 + 1 as seats,
    false as renewal_due, s.snapshot_date + cast((no * 13) % 360 as integer) as renews_on, false as in_notice, s.is_scored, s.is_validated
  from (select *, cast(substr(account_id, 5) as bigint) as no from spine.account_period) as p
  inner join spine.snapshot as s on s.snapshot_date >= p.started_on and (p.ended_on is null or s.snapshot_date < p.ended_on);
create table scores.scorecard as select * from (values
  ('freshsuccess_40_30_30', 1, 'Usage 40, tickets 30, CSM 30', 'churn_risk', date '2023-01-01', date '2023-06-01', true),
  ('naive_baseline', 1, 'Simple score', 'churn_risk', date '2023-01-01', date '2023-01-01', false))
  as c (scorecard, version, label, purpose, created_on, in_force_from, is_assigned)
  cross join (select 'weighted_mean' as combine, 0.0 as scale_from, 100.0 as scale_to, 0.6 as coverage_floor,
   '{"edge":"upper","list":[{"id":"red","to":30},{"id":"yellow","to":70},{"id":"green","to":100}]}' as bands, 1 as assign_order, null::varchar as description, null::varchar as owner,
   'red up to 30, yellow up to 70, green above' as bands_in_words, 'x' as definition_sha256, '{}' as definition,
   date '2023-01-01' as validated_on, 'cs-operations' as validated_by, date '2023-07-01' as valid_until) as d;
create table scores.scorecard_weight as select *, 'more is better' as points_in_words from (values
  ('freshsuccess_40_30_30', 1, 'usage', 'logins_28d', 40.0), ('freshsuccess_40_30_30', 1, 'support', 'open_tickets', 30.0),
  ('freshsuccess_40_30_30', 1, 'csm', 'csm_rating', 30.0), ('naive_baseline', 1, 'all', 'logins_28d', 25.0),
  ('naive_baseline', 1, 'all', 'nps', 25.0), ('naive_baseline', 1, 'all', 'feature_events_28d', 25.0), ('naive_baseline', 1, 'all', 'open_tickets', 25.0))
  as w (scorecard, version, group_id, kpi, share);
create table scores.account_score as
  select a.account_id, a.snapshot_date, c.scorecard, c.version, c.is_assigned and a.snapshot_date >= c.in_force_from as is_in_force,
    f.score, f.score as score_low, f.score as score_high, 1.0 as coverage,
    case when f.score is null then 'unknown' when f.score <= 30 then 'red' when f.score <= 70 then 'yellow' else 'green' end as band
  from (select *, cast(substr(account_id, 5) as bigint) as no from spine.account_snapshot where is_scored or is_validated) as a
  cross join scores.scorecard as c
  cross join lateral (select case when (a.no + length(c.scorecard)) % 17 = 0 then null
    else ((a.no * 31 + length(c.scorecard) * 7 + date_diff('week', date '2023-01-01', a.snapshot_date) * (a.no % 5)) % 101) * 1.0 end as score) as f;
create table scores.account_override (account_id varchar, snapshot_date date, scorecard varchar, version integer, band varchar, band_without varchar);
create table scores.score_distribution as select s.scorecard, s.version, b.place_no, b.band, b.place,
  count(*) filter (where s.band = b.band) as n_accounts, count(*) as n_total, 25 as percent,
  '25 % above 70, 25 % 30-70, 25 % up to 30, 25 % without a score' as sentence
  from scores.account_score as s cross join (values (1, 'green', 'above 70'), (2, 'yellow', '30-70'), (3, 'red', 'up to 30'),
  (4, 'unknown', 'without a score')) as b (place_no, band, place)
  where s.snapshot_date = date '2026-01-01' group by all;
create table validation.definition as select 'subscription_end' as definition, 'subscription_end' as type, true as is_primary;
create table validation.decision as select 'subscription_end' as definition, account_id, started_on as period_started_on,
  ended_on as decided_on, 'end' as kind from spine.account_period where ended_on < date '2026-01-01';
create table validation.outcome as select a.account_id, a.snapshot_date, 'subscription_end' as definition, p.ended_on as churned_on,
  case when a.snapshot_date > date '2025-06-04' then null when p.ended_on >= a.snapshot_date + 30 and p.ended_on < a.snapshot_date + 120 then 1 else 0 end as y,
  null::varchar as why_unlabelled
  from spine.account_snapshot as a inner join spine.account_period as p on p.account_id = a.account_id where a.is_validated and not (${withoutValidation});
create table features.kpi_definition as select k.*, 'counted for the fixture' as description, 'events' as unit, 1.0 as factor, 'objective' as kind,
  'proactive' as side, 'higher' as healthier, 'did less' as says_less, 'did more' as says_more, 1 as version, 28 as window_days, 'count' as measure,
  'usage_event' as entity, cast(null as varchar) as formula, 'select account_id, count(*) from staging.usage_event group by account_id' as "sql"
  from (values ${kpis.map((k) => `(${literal(k[0])}, ${literal(`${k[1]}${label}`)})`).join(", ")}) as k (id, label);
create schema if not exists marts;
create table marts.feed_finding (source varchar, kind varchar, sentence varchar);
create table features.kpi_source as select id as kpi, entity from features.kpi_definition;
create table validation.kpi_verdict as select v.*, 'subscription_end' as definition, 'all' as group_kind, 'all' as segment,
  'A sentence about ' || v.kpi || '.' as sentence, null::varchar as reason, 0.44::double as late_auc, 0.01::double as p, 0.02::double as q,
  0.98::double as coverage, 900 as n_accounts, 240 as n_churned, 0.57::double as detectable_auc, null::varchar as redundant_with,
  'confirmed later' as badges, date '2025-06-01' as first_seen_on, 6 as held, case when v.verdict = 'predicts' then 'strong' end as strength,
  case when v.auc is null then null else 'Of 100 pairs, ties count half; 95 % interval, not adjusted for selection.' end as small_print
  from (values ${kpis
    .map(
      (k) =>
        `(${literal(k[0])}, ${[k[2], k[3], k[4], k[5]].map(literal).join(", ")}, ${k
          .slice(6)
          .map((x) => `${x === null ? "null" : x}::double`)
          .join(", ")})`,
    )
    .join(", ")})
  as v (kpi, verdict, rule, label, action_group, auc, auc_low, auc_high, crude_auc) ${none};
create table validation.kpi_decile as select d.id as kpi, b as bin, case when b > 0 then b * 4.0::double end as value_from, case when b > 0 then b * 4.0::double + 3 end as value_to,
  case when b > 0 then b * 4.0::double + 1.5 end as mean_value, 1000 as n_rows, case b when 10 then 2 else 120 end as n_accounts, 40 - b * 2 as n_churned,
  0.08::double - b * 0.005 as rate, 0.06::double - b * 0.005 as rate_low, 0.10::double - b * 0.005 as rate_high, 0.05::double as expected_rate
  from features.kpi_definition as d cross join range(0, 11) as r (b) where d.id <> 'sso_enabled' and not (${withoutValidation});
create table validation.kpi_lead_time as select d.id as kpi, m as months_before, 0.3::double + m * 0.03 as auc, 0.27::double + m * 0.03 as auc_low, 0.33::double + m * 0.03 as auc_high, 80 as n_churned
  from features.kpi_definition as d cross join range(1, 7) as r (m) where d.id <> 'sso_enabled' and not (${withoutValidation});
create table validation.kpi_period as select d.id as kpi, cast(date '2024-01-01' + to_months(cast(m * 3 as integer)) as date) as first_on, cast(date '2024-03-01' + to_months(cast(m * 3 as integer)) as date) as last_on,
  0.4::double + m * 0.02 as auc, 0.35::double + m * 0.02 as auc_low, 0.45::double + m * 0.02 as auc_high, 30 as n_churned
  from features.kpi_definition as d cross join range(0, 5) as r (m) where d.id <> 'sso_enabled' and not (${withoutValidation});
create table validation.kpi_segment as select d.id as kpi, s.segment, 0.42::double as auc, 0.38::double as auc_low, 0.46::double as auc_high, 60 as n_churned, 90 as n_staying, null::varchar as verdict
  from features.kpi_definition as d cross join (values ('enterprise'), ('solo'), ('studio')) as s (segment) where d.id <> 'sso_enabled' and not (${withoutValidation});
create table validation.scorecard_test as select c.scorecard, c.version, 'out_of_time' as period, 'cannot tell' as state,
  'Not shown to rank leavers: 52 of 100 (48-56).' as sentence, 0.52 as auc, 0.48 as auc_low, 0.56 as auc_high, 0.53 as simple_auc, -0.01 as difference,
  -0.04 as difference_low, 0.02 as difference_high, 0.9 as coverage, 8000 as n_rows, 131 as n_churned, 0.06 as average_precision, 1.1 as lift_10
  from scores.scorecard as c ${none};
create table validation.band_outcome as select c.scorecard, c.version, 'as_if' as mode, b.band, h as days, 4000 as n_rows, 300 as n_accounts,
  cast(b.r * h as integer) as n_churned, b.r * h / 30000 as rate, b.r * h / 36000 as rate_low, b.r * h / 25000 as rate_high, b.r / 20 as lift, b.r / 22 as lift_low, b.r / 18 as lift_high, b.r / 90 as share_of_churn, b.r / 100 as share_low, b.r / 80 as share_high, cast(b.r * 1000 as bigint) as money
  from scores.scorecard as c cross join (values ('red', 30.0), ('yellow', 20.0), ('green', 15.0), ('unknown', 22.0)) as b (band, r) cross join (values (30), (60), (90), (180)) as d (h) ${none};
create table validation.scorecard_capacity as select c.scorecard, c.version, date '2025-01-01' as from_on, k as capacity, 6 as n_lists, 6 * k as n_places, 90 as n_departures,
  0.9::double * k as caught, k / 120.0::double as caught_share, k / 150.0::double as caught_low, k / 100.0::double as caught_high, k / 130.0::double as chance_share, 1.0::double * k as n_hits,
  k * 1000 as money_caught, 100000 as money from scores.scorecard as c cross join (values (5), (10), (25), (50), (75)) as v (k) ${none};
create table validation.recovery as select c.scorecard, c.version, 90 as n_spells, 40 as n_accounts, 50 as n_recovered, 12 as n_left, 3 as n_ended, 25 as n_open, 70 as n_matured, 0.7::double as recovered_share,
  0.6::double as recovered_low, 0.8::double as recovered_high, 0.17::double as left_share, 0.1::double as left_low, 0.27::double as left_high, 21.0::double as median_days_red from scores.scorecard as c ${none};
create table validation.warning_case as select d.account_id as departed_id, d.decided_on, d.account_id, d.period_started_on, true as is_departure from validation.decision as d where not (${withoutValidation})
  union all select d.account_id, d.decided_on, 'acc_' || cast(cast(substr(d.account_id, 5) as bigint) + 1 as varchar), null, false from validation.decision as d where not (${withoutValidation});
create table validation.data_check as select * from (values ('usage_before_sign_up', 'usage rows before the account signed up', 13198, 'acc_1'), ('tickets_before_sign_up', 'tickets opened before the account signed up', 0, null)) as c ("check", what, n, examples);
`;
}
