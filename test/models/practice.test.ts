import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { parseOutcomes, parsePractice } from "../../pipelines/config/practice.ts";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { clusterStep } from "../../pipelines/success/clusters.ts";
import { archetypeSentences, clusterSentences } from "../../pipelines/success/tell.ts";
import { Database } from "../../pipelines/warehouse/database.ts";

let database: Database | undefined;
afterEach(() => {
  database?.close();
  database = undefined;
});

/**
 * 150 accounts in two clouds: even numbers use 2 to 6 of a and 40 to 44 of b, odd ones 60 to 64 and 3 to 7. c is the same for all, d is
 * twice a. One in ten of the even ones left, one in three of the odd. `same`: the segment is the cloud.
 */
async function grouped(same: boolean, threads = 2): Promise<Database> {
  database = await Database.open({ path: ":memory:", threads });
  await database.run(await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"));
  await database.run(`
    create schema meta; create schema marts; create schema spine; create schema features; create schema validation;
    create table meta.params as select 5 as min_cell;
    create table base as select i, printf('a%03d', i) as account_id, i % 2 as cloud from range(150) as t (i);
    create table spine.snapshot as select * from (values (date '2026-01-01', true, true), (date '2026-06-01', true, false)) as t (snapshot_date, is_scored, is_validated);
    create table spine.account_snapshot as
      select account_id, snapshot_date, ${same ? "concat('s', cloud)" : "'all'"} as segment, cast(5 as bigint) as seats, cast(100 as bigint) as mrr_minor, is_validated, is_scored
      from base cross join spine.snapshot;
    create table features.account_kpi as
      select account_id, snapshot_date, case when cloud = 0 then 2 + i % 5 else 60 + i % 5 end as a, case when cloud = 0 then 40 + (i // 2) % 5 else 3 + (i // 2) % 5 end as b,
        7 as c, 2 * (case when cloud = 0 then 2 + i % 5 else 60 + i % 5 end) as d
      from base cross join spine.snapshot;
    create table features.kpi_definition as
      select * from (values (1, 'a', 'A', 'uses'), (2, 'b', 'B', 'uses'), (3, 'c', 'C', 'uses'), (4, 'd', 'D', 'uses')) as t (kpi_no, id, label, unit);
    create table validation.definition as select 'gone' as definition, true as is_primary;
    create table validation.outcome as
      select account_id, date '2026-01-01' as snapshot_date, 'gone' as definition,
        case when cloud = 0 then (i % 20 = 0)::integer else (i % 3 = 0)::integer end as y, cast(null as varchar) as why_unlabelled
      from base`);
  const step = clusterStep({ kpis: ["a", "b", "c", "d"], on: null, groups: [{ cluster: 2, success: "weekly use" }] });
  const { query } = database;
  const run = (sql: string) => (database as Database).run(sql);
  await step.run({ query, run, note: () => {} });
  return database;
}

describe("usage clusters", () => {
  it("finds two clouds again, leaves out what says nothing new, and says who left more often than accounts alike", async () => {
    const { query } = await grouped(false);
    const [fact] = await query<Record<string, unknown>>(
      "select k, kpis, left_out, n_accounts, n_labelled, stability, n_differ from marts.usage_cluster_fact",
    );
    expect(fact).toMatchObject({ k: 2, n_accounts: 150, n_labelled: 150, stability: 1, n_differ: 2 });
    // b falls as a rises only between the clouds: their rank correlation is about .75.
    expect(fact).toMatchObject({ kpis: "a, b", left_out: "c (nearly all values are the same), d (says what a says)" });
    const [cross] = await query(
      `select count(*) as n from (select cluster, cast(substr(account_id, 2) as integer) % 2 as cloud from marts.account_cluster where moment = 'then' group by 1, 2)`,
    );
    expect(cross).toEqual({ n: 2 });
    const groups = await query<{
      n_accounts: number;
      n_churned: number;
      churn_rate: number;
      expected_rate: number;
      success: string | null;
    }>("select n_accounts, n_churned, churn_rate, expected_rate, success from marts.usage_cluster order by n_churned");
    // Even: 0, 20, ..., 140 left, 8 of 75; odd: 3, 9, ..., 147, 25 of 75. Both beside 33 of 150.
    expect(groups.map(({ n_accounts, n_churned }) => [n_accounts, n_churned])).toEqual([
      [75, 8],
      [75, 25],
    ]);
    expect(groups.map(({ expected_rate }) => expected_rate)).toEqual([0.22, 0.22]);
    expect(await query("select count(success) as n from marts.usage_cluster where cluster = 2")).toEqual([{ n: 1 }]);
  });

  it("says that groups are the segment in other words, where they are", async () => {
    const { query } = await grouped(true);
    const [fact] = await query<never>("select * from marts.usage_cluster_fact");
    expect(fact).toMatchObject({ segment_v: 1, n_differ: 0 });
    const said = clusterSentences(
      [fact as never],
      await query<never>("select * from marts.usage_cluster order by cluster"),
    );
    expect(said.map(([, sentence]) => sentence).join(" ")).toContain(
      "say nothing of leaving that segment and size do not say",
    );
  });

  it("is the same on one thread", async () => {
    const rows = async (threads: number) => {
      const { query } = await grouped(false, threads);
      const found = [
        await query("select * from marts.usage_cluster"),
        await query("select * from marts.usage_cluster_choice"),
        await query("select * from marts.account_cluster"),
      ];
      database?.close();
      database = undefined;
      return found;
    };
    expect(await rows(1)).toEqual(await rows(2));
  });
});

it("calls archetypes names where none differs", () => {
  const row = {
    archetype: "ghost",
    label: "Ghost",
    expected_health: "very low",
    usage_kpis: "a",
    tickets_kpis: "t",
    marketing_kpis: "",
    n_now: 3,
    n_of: 10,
    n_rows: 100,
    n_accounts: 40,
    health_agrees: "cannot tell",
    churn_rate: 0.1,
    churn_low: 0.05,
    churn_high: 0.2,
    expected_rate: 0.09,
    difference: 0.01,
    difference_low: -0.05,
    difference_high: 0.07,
    differs: false,
  };
  const text = (differs: boolean): string =>
    archetypeSentences([{ ...row, differs }])
      .map(([, sentence]) => sentence)
      .join(" ");
  expect(text(false)).toContain("names and no warnings");
  expect(text(false)).toContain("lists no KPI of the response to marketing");
  expect(text(true)).toContain(
    "Ghost: 10 % of 100 readings of 40 accounts led to leaving (5 to 20), where 9 % would be usual",
  );
});

describe("files of practice", () => {
  const wrong = (read: () => unknown): string => {
    try {
      read();
    } catch (error) {
      return (error as Error).message;
    }
    return "nothing";
  };
  it("names line, key, what was found and what would be right", () => {
    expect(wrong(() => parseOutcomes("- id: a\n  success: { kpi: x }\n", "outcomes.yaml"))).toMatch(
      /^outcomes\.yaml:2: \[0\]\.success: .*exactly one of at_least, at_most/,
    );
    expect(
      wrong(() =>
        parseOutcomes(
          "- { id: a, success: { kpi: x, at_least: 1 } }\n- { id: a, success: { kpi: x, at_least: 1 } }",
          "outcomes.yaml",
        ),
      ),
    ).toMatch(/^outcomes\.yaml:2: \[1\]\.id: /);
    expect(wrong(() => parsePractice("clusters: { groups: [{ cluster: 9 }] }", "practice.yaml"))).toMatch(
      /^practice\.yaml:1: clusters\.groups\[0\]\.cluster: found 9/,
    );
    expect(wrong(() => parsePractice("cluster: {}", "practice.yaml"))).toMatch(/^practice\.yaml:1: cluster/);
  });
});
