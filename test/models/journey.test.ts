/** Trials, milestones, reference profiles and what the middle means, over rows written by hand. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { projectRoot } from "../../pipelines/lib/files.ts";
import type { Model } from "../../pipelines/models/model.ts";
import { archetypeModels } from "../../pipelines/success/archetypes.ts";
import { journeyModels } from "../../pipelines/success/journey.ts";
import { outcomeModels } from "../../pipelines/success/outcomes.ts";
import { profileModels } from "../../pipelines/success/profiles.ts";
import { Database } from "../../pipelines/warehouse/database.ts";

// t1 pays nine days after its trial began, t2 never, t3 for three months and a half; t4 still may. `old` had paid for a year when it tried something more.
// p1 to p21 decide on 15 October 2025, and may decide again from the next day on, as where departures are events.
const given = `
create schema meta; create schema staging; create schema spine; create schema features; create schema scores; create schema validation; create schema marts; create schema "rollup";
create table meta.params as select date '2026-03-30' as as_of, 2 as min_cell, 'd' as primary_definition;
create table spine.account_period as select * from (values
  ('t1', date '2025-02-10', null::date), ('t3', date '2025-01-15', date '2025-05-01'), ('old', date '2024-01-01', null))
  as t (account_id, started_on, ended_on);
create table spine.first_use as select 'old' as account_id, date '2024-01-01' as first_used_on;
create table spine.snapshot as select d as snapshot_date, true as is_scored, d = date '2026-03-02' as is_validated
  from (values (date '2025-04-21'), (date '2025-05-12'), (date '2025-08-11'), (date '2025-09-08'), (date '2026-03-02'), (date '2026-03-30')) as t (d);
create table staging.subscription as select * from (values
  ('t1', date '2025-02-01', date '2025-02-10'), ('t2', date '2025-02-05', date '2025-02-19'), ('t3', date '2025-01-10', date '2025-01-15'),
  ('t4', date '2026-03-20', null), ('old', date '2025-02-01', date '2025-02-10'))
  as t (account_id, started_on, ended_on) cross join (select true as is_trial, date '2024-01-01' as visible_on, null::date as superseded_on);
create table "rollup".account_day as select * from (values
  ('t1', date '2025-02-03'), ('t2', date '2025-02-25'), ('t4', date '2026-03-21'), ('old', date '2025-02-03'))
  as t (account_id, activity_date) cross join (select 'invoice_sent' as event, date '2024-01-01' as visible_on);
create table spine.account_snapshot as
  select account_id, snapshot_date, is_scored, null::bigint as mrr_minor from (
    select * from (values ('t1', date '2025-05-12'), ('t1', date '2026-03-30'), ('t3', date '2025-04-21')) as t (account_id, snapshot_date)
    union all
    select concat('p', i), d from range(1, 22) as r (i) cross join (values (date '2025-08-11'), (date '2025-09-08')) as t (d)
    union all
    select concat('c', i), date '2026-03-30' from range(20) as r (i)
  ) inner join spine.snapshot using (snapshot_date);
create table features.account_kpi as
  select account_id, snapshot_date,
    case when account_id = 't3' then 0 when account_id = 't1' then 3
      else try_cast(substr(account_id, 2) as integer) * case when snapshot_date = date '2025-08-11' then 2 else 1 end end as k
  from spine.account_snapshot;
create table features.kpi_definition as select 1 as kpi_no, 'k' as id, 'K' as label, 'times' as unit;
create table features.account_milestone as select * from (values
  ('t1', 'bank', date '2025-03-01', date '2025-03-05'), ('t1', 'books', date '2026-06-01', null),
  ('t3', 'bank', date '2025-04-01', null), ('t3', 'books', date '2025-06-01', null))
  as t (account_id, milestone, expected_on, reached_on);
create table staging.invoice as select 't1' as account_id, 100 as amount_minor, date '2025-03-01' as paid_on, date '2025-03-01' as visible_on, null::date as superseded_on;
create table validation.decision as select 'd' as definition, concat('p', i) as account_id, date '2025-10-15' as decided_on, 'event' as kind, date '2025-10-16' as undone_on from range(1, 22) as r (i);
create table validation.definition as select 'd' as definition, true as is_primary;
create table validation.stratum as select 1 as account_no, 1 as observation_no, 1 as stratum, 'd' as definition, 'c0' as account_id, date '2026-03-02' as snapshot_date, 0 as y where false;
create table marts.account_outcome as select 't1' as account_id, date '2026-03-30' as snapshot_date, 'paid' as desired_outcome where false;
-- Ten in the middle whose scores are 0 and 100, ten whose scores are 50.
create table marts.account_archetype as select concat('c', i) as account_id, date '2026-03-30' as snapshot_date, case when i < 10 then 'on_the_fence' else 'power_user' end as archetype from range(20) as r (i);
create table scores.scorecard as select 'card' as scorecard, 1 as version, 0 as scale_from, 100 as scale_to;
create table scores.account_score as select concat('c', i) as account_id, date '2026-03-30' as snapshot_date, 'card' as scorecard, 1 as version, true as is_in_force,
  case when i >= 10 then 50 when i % 2 = 0 then 0 else 100 end as score, 'green' as band from range(20) as r (i);
`;
const archetypes = { usage: ["k"], tickets: [], marketing: [], low: 33, high: 67 };
const funnel = {
  key_feature: "invoice_sent",
  paid_within_days: 60,
  gate: { kpi: "k", at_least: 1, after_days: 90, from: "practice.yaml" },
};

describe("on the way", () => {
  let database: Database;
  const rows = (sql: string) => database.query(sql);
  const make = async (models: readonly Model[], names: readonly string[]): Promise<void> => {
    for (const name of names) {
      const { sql } = models.find((model) => model.name === `marts.${name}`) as Model;
      await database.run(`create or replace table marts.${name} as ${sql}`);
    }
  };
  beforeAll(async () => {
    database = await Database.open({ path: ":memory:" });
    await database.run(await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"));
    await database.run(given);
    await make(journeyModels(funnel), ["account_trial", "funnel_month", "funnel_split"]);
    await make(outcomeModels([], false), ["milestone_account"]);
    await make(profileModels(["k"]), ["reference_profile"]);
    await make(archetypeModels(archetypes), ["archetype"]);
  });
  afterAll(() => database.close());

  it("a trial of an account that has paid before is none, and each step counts those whose time is over", async () => {
    expect(await rows("select * from marts.account_trial order by account_id")).toEqual([
      {
        account_id: "t1",
        trial_on: "2025-02-01",
        key_feature_on: "2025-02-03",
        paid_on: "2025-02-10",
        gate_on: "2025-05-12",
        has_passed: true,
        can_have_paid: true,
      },
      // Its first invoice came six days after the trial.
      {
        account_id: "t2",
        trial_on: "2025-02-05",
        key_feature_on: null,
        paid_on: null,
        gate_on: null,
        has_passed: null,
        can_have_paid: true,
      },
      {
        account_id: "t3",
        trial_on: "2025-01-10",
        key_feature_on: null,
        paid_on: "2025-01-15",
        gate_on: "2025-04-21",
        has_passed: false,
        can_have_paid: true,
      },
      {
        account_id: "t4",
        trial_on: "2026-03-20",
        key_feature_on: "2026-03-21",
        paid_on: null,
        gate_on: null,
        has_passed: null,
        can_have_paid: false,
      },
    ]);
    const all = await rows(
      "select step_no, n_accounts, n_of, share, round(share_low, 4) as low, round(share_high, 4) as high from marts.funnel_month where cohort_from is null order by step_no",
    );
    // Wilson's intervals of 2 of 4, 2 of 3 and 1 of 2.
    expect(all).toEqual([
      { step_no: 1, n_accounts: 4, n_of: 4, share: null, low: null, high: null },
      { step_no: 2, n_accounts: 2, n_of: 4, share: 0.5, low: 0.15, high: 0.85 },
      { step_no: 3, n_accounts: 2, n_of: 3, share: 0.666666666667, low: 0.2077, high: 0.9385 },
      { step_no: 4, n_accounts: 1, n_of: 2, share: 0.5, low: 0.0945, high: 0.9055 },
    ]);
    expect(await rows("select has_used, n_trials, n_paid from marts.funnel_split")).toEqual([
      { has_used: false, n_trials: 2, n_paid: 1 },
    ]);
  });

  it("says nothing of a key feature that nobody named", async () => {
    await make(journeyModels({ ...funnel, key_feature: null }), ["account_trial", "funnel_month", "funnel_split"]);
    expect(await rows("select step_no from marts.funnel_month where cohort_from is null order by 1")).toEqual([
      { step_no: 1 },
      { step_no: 3 },
      { step_no: 4 },
    ]);
    expect(await rows("from marts.funnel_split")).toEqual([]);
  });

  it("a milestone of a time after the last paid day is not late", async () => {
    expect(
      await rows(
        "select account_id, milestone, expected_day, reached_day, days_late, state from marts.milestone_account order by 1, 2",
      ),
    ).toEqual([
      { account_id: "t1", milestone: "bank", expected_day: 19, reached_day: 23, days_late: 4, state: "late" },
      { account_id: "t1", milestone: "books", expected_day: 476, reached_day: null, days_late: null, state: "ahead" },
      // From 1 April 2025 to 30 March 2026.
      { account_id: "t3", milestone: "bank", expected_day: 76, reached_day: null, days_late: 363, state: "overdue" },
      { account_id: "t3", milestone: "books", expected_day: 137, reached_day: null, days_late: null, state: "gone" },
    ]);
  });

  it("leavers stand 30 and 60 days before their decision, whether or not they may decide again", async () => {
    // Of 1 to 21 on 8 September, twice as much on 11 August; nobody was seen in the 32 days before 17 July.
    expect(
      await rows(
        "select profile, n_accounts, q25, q50, q75 from marts.reference_profile where profile like 'churned%' order by 1",
      ),
    ).toEqual([
      { profile: "churned_30", n_accounts: 21, q25: 6, q50: 11, q75: 16 },
      { profile: "churned_60", n_accounts: 21, q25: 12, q50: 22, q75: 32 },
    ]);
  });

  it("scores that differ widely are not called the middle", async () => {
    // Both means are 50. Ten of 0 and 100: standard error 16.7, 17 to 83, where 40 to 60 is the middle.
    expect(
      await rows(
        "select archetype, n_scored, mean_score, round(score_low, 1) as low, health_agrees from marts.archetype where n_scored > 0 and archetype = 'on_the_fence'",
      ),
    ).toEqual([{ archetype: "on_the_fence", n_scored: 10, mean_score: 50, low: 17.3, health_agrees: "cannot tell" }]);
    await database.run("update scores.account_score set score = 44 + score / 10 where score <> 50");
    await make(archetypeModels(archetypes), ["archetype"]);
    expect(await rows("select health_agrees from marts.archetype where archetype = 'on_the_fence'")).toEqual([
      { health_agrees: "agrees" },
    ]);
  });
});
