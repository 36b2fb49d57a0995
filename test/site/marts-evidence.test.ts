import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { Book } from "../../pipelines/config/book.ts";
import { projectRoot } from "../../pipelines/lib/files.ts";
import type { Model } from "../../pipelines/models/model.ts";
import { answersOf, bookMarts } from "../../pipelines/publish/book-marts.ts";
import { details, writeDetails } from "../../pipelines/publish/details.ts";
import { martNodes } from "../../pipelines/publish/marts.ts";
import { Database } from "../../pipelines/warehouse/database.ts";

/** Marts of the KPI pages and of evidence over rows written by hand. As of 2026-01-01, min_cell 3. */
let database: Database;
afterEach(() => database?.close());

async function open(statements: string): Promise<void> {
  database = await Database.open({ path: ":memory:", threads: 1 });
  await database.run(await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"));
  for (const schema of ["meta", "spine", "features", "validation", "marts"])
    await database.run(`create schema ${schema}`);
  await database.run(
    "create table meta.params as select date '2026-01-01' as as_of, 28 as window_days, 90 as min_tenure_days, " +
      "'end' as primary_definition, 3 as min_cell",
  );
  await database.run(statements);
}

const models = martNodes();
async function build(...names: readonly string[]): Promise<void> {
  for (const name of names) {
    const model = (await models).find((m) => m.name === name) as Model;
    await database.run(`create ${model.kind} ${name} as ${model.sql}`);
  }
}

const twoBins =
  "create table marts.kpi_bin as select * from (values ('k', 1, 1, 0e0, 3e0), ('k', 2, 2, 4e0, 9e0)) as t (kpi, bin, range_no, value_from, value_to);";

describe("kpi_cut", () => {
  const base = (half: string): string => `${twoBins}
create table validation.definition as select 'end' as definition, true as is_primary;
create table validation.kpi_statistic as select 'k' as kpi, 'end' as definition, 0.4e0 as auc, ${half} as half_1_auc, date '2025-01-01' as split_on;
create table validation.observation as select i as observation_no, case when i > 20 then date '2024-06-01' else date '2025-06-01' end as snapshot_date from range(1, 31) as r (i);
-- Later half: accounts 1 to 3 low with two months each, 4 to 7 high with one. 1, 2 and 4 leave. Rows from 21 on are earlier.
create table validation.kpi_placed as select 'end' as definition, 'k' as kpi, * from (values
  (1, 1, 1, 2e0, 0), (2, 1, 0, 2e0, 0), (3, 2, 1, 3e0, 0), (4, 2, 0, 3e0, 0), (5, 3, 0, 0e0, 0), (6, 3, 0, 0e0, 0),
  (7, 4, 1, 5e0, 1), (8, 5, 0, 5e0, 1), (9, 6, 0, 9e0, 1), (10, 7, 0, 9e0, 1),
  (21, 8, 1, 9e0, 1), (22, 9, 1, 9e0, 1)) as t (observation_no, account_no, y, value, bin_10);`;

  test("the side of the earlier half is flagged, the later half counted; intervals know that an account's rows go together", async () => {
    await open(base("0.4e0"));
    await build("marts.kpi_cut");
    const [row] = await database.query("select * from marts.kpi_cut");
    expect(row).toMatchObject({
      cut_value: 3,
      side: "at_most",
      is_out_of_time: true,
      n_rows: 10,
      n_flagged_rows: 6,
      n_flagged: 3,
      n_others: 4,
      n_churned: 3,
      flagged_share: 0.6,
      rate_others: 0.25,
    });
    expect(row?.caught_share).toBeCloseTo(2 / 3, 12);
    expect(row?.rate_flagged).toBeCloseTo(1 / 3, 12);
    // Per account 1/3, 1/3, -2/3 around the rate: V = 3/2 * 2/3 / 36 = 1/36, so 8 effective rows; Wilson of 1/3 of 8.
    expect(row?.rate_flagged_low).toBeCloseTo(0.113516, 5);
    expect(row?.rate_flagged_high).toBeCloseTo(0.661286, 5);
  });

  test("without halves all of history is counted and said to be in sample", async () => {
    await open(base("null::double"));
    await build("marts.kpi_cut");
    expect(
      await database.query("select is_out_of_time, split_on, n_rows, n_churned, n_others from marts.kpi_cut"),
    ).toEqual([{ is_out_of_time: false, split_on: null, n_rows: 12, n_churned: 5, n_others: 6 }]);
  });

  test("a side with fewer than min_cell accounts gives no cut", async () => {
    await open(`${base("0.4e0")} delete from validation.kpi_placed where account_no = 3;`);
    await build("marts.kpi_cut");
    expect(await database.query("select * from marts.kpi_cut")).toEqual([]);
  });
});

describe("values now beside history", () => {
  const world = `${twoBins}
create table features.account_kpi as select account_id, date '2026-01-01' as snapshot_date, k from (values
  ('a', 2e0), ('b', 4e0), ('c', null), ('d', -1e0), ('in notice', 9e0), ('young', 9e0)) as t (account_id, k);
create table spine.account_snapshot as select account_id, snapshot_date, case when account_id = 'young' then 89 else 400 end as tenure_days,
  account_id = 'in notice' as in_notice from features.account_kpi;
create table validation.kpi_decile as select * from (values ('k', 0, 10, 5), ('k', 1, 60, 9), ('k', 2, 30, 7)) as t (kpi, bin, n_rows, n_accounts);
create table validation.kpi_verdict as select 'k' as kpi, 'end' as definition, 'all' as group_kind, 100 as n_accounts;`;

  test("shares of today's comparable accounts and of history by range; below the first range is the first range", async () => {
    await open(world);
    await build("marts.kpi_shift");
    expect(
      await database.query("select range_no, share_then, share_now, n_now from marts.kpi_shift order by range_no"),
    ).toEqual([
      { range_no: 0, share_then: 0.1, share_now: 0.25, n_now: 4 },
      { range_no: 1, share_then: 0.6, share_now: 0.5, n_now: 4 },
      { range_no: 2, share_then: 0.3, share_now: 0.25, n_now: 4 },
    ]);
  });

  test("four accounts cannot show a shift: the bar is far above the index", async () => {
    await open(world);
    await build("marts.kpi_shift", "marts.kpi_drift");
    const [row] = await database.query("select * from marts.kpi_drift");
    // 0.15 ln 2.5 - 0.1 ln(5/6) - 0.05 ln(5/6); 9.2103 (two degrees of freedom) * (1/100 + 1/4).
    expect(row?.psi).toBeCloseTo(0.164792, 6);
    expect(row?.bar).toBeCloseTo(2.394688, 6);
    expect(row).toMatchObject({ n_then: 100, n_now: 4, ranges: 3, is_alarm: false });
  });

  test("under min_cell comparable accounts nothing is shown", async () => {
    await open(`${world} delete from spine.account_snapshot where account_id in ('a', 'b');`);
    await build("marts.kpi_shift");
    expect(await database.query("select * from marts.kpi_shift")).toEqual([]);
  });
});

test("kpi: months in a row on one side of a coin toss, and periods on the side of the whole", async () => {
  await open(`
create table features.kpi_definition as select id, id as label, 'd' as description, 'u' as unit, 'objective' as kind, 'proactive' as side, 'higher' as healthier,
  1 as version, 28 as window_days, 'count' as measure, 'usage_event' as entity, null::varchar as formula, 'select 1' as "sql" from (values ('early'), ('late'), ('never')) as t (id);
create table validation.kpi_verdict as select id as kpi, 'end' as definition, 'all' as group_kind, null as rule, 'weak' as verdict, 'l' as label, 's' as sentence, null as reason,
  0.45e0 as auc, 0.4e0 as auc_low, 0.49e0 as auc_high, 0.4e0 as crude_auc, 0.4e0 as late_auc, 0.01e0 as p, 0.02e0 as q, 1e0 as coverage, 100 as n_accounts, 60 as n_churned,
  0.6e0 as detectable_auc, null::varchar as redundant_with, '' as badges, null::date as first_seen_on, null as held, null as strength, null as small_print, 'Use' as action_group
  from features.kpi_definition;
create table validation.kpi_lead_time as select * from (values
  ('early', 1, 0.3e0, 0.4e0), ('early', 2, 0.4e0, 0.49e0), ('early', 3, 0.45e0, 0.51e0), ('early', 4, 0.4e0, 0.49e0),
  ('late', 1, 0.6e0, 0.7e0), ('late', 2, 0.3e0, 0.4e0), ('late', 3, 0.3e0, 0.4e0), ('late', 4, 0.3e0, 0.4e0),
  ('never', 1, 0.4e0, 0.6e0), ('never', 2, 0.3e0, 0.4e0), ('never', 3, 0.3e0, 0.4e0), ('never', 4, null, null)) as t (kpi, months_before, auc_low, auc_high);
create table validation.kpi_period as select * from (values ('early', 0.4e0), ('early', 0.48e0), ('early', 0.52e0), ('late', null)) as t (kpi, auc);`);
  await build("marts.kpi");
  expect(
    await database.query("select kpi, months_ahead, n_periods, n_periods_same from marts.kpi order by kpi"),
  ).toEqual([
    { kpi: "early", months_ahead: 2, n_periods: 3, n_periods_same: 2 },
    { kpi: "late", months_ahead: 1, n_periods: null, n_periods_same: null },
    { kpi: "never", months_ahead: 0, n_periods: null, n_periods_same: null },
  ]);
});

test("label_agreement: both ways of a pair, each of those that left by the row's definition", async () => {
  await open(
    "create table validation.label_agreement as select 'a' as definition, 'b' as other, 8 as n_both, 2 as n_only_one, 0 as n_only_other, -5 as median_days_apart " +
      "union all select 'a', 'c', 1, 9, 1, null",
  );
  await build("marts.label_agreement");
  // By c only two left: fewer than min_cell have no share.
  expect(await database.query("select * from marts.label_agreement")).toEqual([
    { definition: "a", other: "b", n_both: 8, n_one: 10, share: 0.8, median_days_apart: -5 },
    { definition: "a", other: "c", n_both: 1, n_one: 10, share: 0.1, median_days_apart: null },
    { definition: "b", other: "a", n_both: 8, n_one: 8, share: 1, median_days_apart: -5 },
  ]);
});

test("gate: a threshold has two digits unless it is whole; few accounts behind a gate leave it out", async () => {
  await open(`
create table features.kpi_definition as select * from (values ('k', 'K', 'u')) as t (id, label, unit);
create table validation.gate_finding as select * from (values (1, 3.14159e0, 40), (2, 9e0, 40), (3, 1e0, 2)) as t (gate_no, threshold, n_failing)
  cross join (select 'k' as kpi, 'at_most' as side, 'holds' as state, null::date as held_from, null::date as held_to, 900 as n_rows, 100 as n_accounts, 60 as n_churned,
  9 as n_churned_failing, 0.1e0 as rate_failing, 0.05e0 as rate_failing_low, 0.2e0 as rate_failing_high, 0.04e0 as rate_passing, 0.03e0 as rate_passing_low,
  0.05e0 as rate_passing_high, 2e0 as lift, 0.01e0 as p_holm);`);
  await build("marts.gate");
  expect(await database.query("select gate_no, threshold from marts.gate")).toEqual([
    { gate_no: 1, threshold: 3.1 },
    { gate_no: 2, threshold: 9 },
  ]);
});

test("weight_humility counts red accounts and names none; fewer than min_cell are not counted", async () => {
  const card = (name: string, shares: readonly number[]): string =>
    `select '${name}' as scorecard, 1 as version, null as account_id, null as is_red, null::double as red_share union all ` +
    shares.map((s, i) => `select '${name}', 1, 'acc_${i}', true, ${s}`).join(" union all ");
  await open(`create table validation.weight_humility as select *, 2002 as n_weightings, 1700 as n_kept, 0.85e0 as kept_share, 120 as n_churned, 400 as n_accounts,
    0.5e0 as auc_current, 0.5e0 as auc_equal, 0.5e0 as auc_best, true as is_current_kept, true as is_equal_kept, 's' as sentence
    from (${card("many", [0.95, 0.9, 0.4, 0.6])} union all ${card("few", [0.95, 0.2])})`);
  await build("marts.weight_humility");
  expect(
    await database.query("select scorecard, n_red, n_red_always, n_red_rarely from marts.weight_humility"),
  ).toEqual([
    { scorecard: "few", n_red: null, n_red_always: null, n_red_rarely: null },
    { scorecard: "many", n_red: 4, n_red_always: 2, n_red_rarely: 1 },
  ]);
});

describe("what the book's own files promise", () => {
  test("a truth.json of another kind is no answer key", () => {
    expect(answersOf("no json")).toEqual([]);
    expect(answersOf("null")).toEqual([]);
    expect(answersOf('{"kpis": [1, 2]}')).toEqual([]);
    expect(answersOf('{"kpis": {"b": {"role": "noise", "expected": ["inconclusive"]}, "a": {"role": 1}}}')).toEqual([
      { kpi: "b", role: "noise", expected: ["inconclusive"] },
    ]);
  });

  test("a verdict among the expected is right, another one a miss, no verdict neither; sources say what they promise", async () => {
    const folder = await mkdtemp(join(tmpdir(), "assay-truth-"));
    try {
      const expected = { role: "causal", expected: ["predicts", "redundant"] };
      await writeFile(
        join(folder, "truth.json"),
        JSON.stringify({ kpis: { hit: expected, miss: expected, untested: expected, off: expected } }),
      );
      const book = {
        folder,
        sources: { usage: { max_age: "3d" }, tickets: { max_age: "1d", on_stale: "warn" }, notes: {} },
      } as unknown as Book;
      await open(
        "create table marts.kpi as select *, kpi as label, verdict as verdict_label from (values ('hit', 'redundant'), ('miss', 'weak'), ('untested', 'not_tested'), ('other', 'weak')) as t (kpi, verdict)",
      );
      for (const model of await bookMarts(book)) await database.run(`create table ${model.name} as ${model.sql}`);
      expect(await database.query("select kpi, is_right from marts.answer_key")).toEqual([
        { kpi: "hit", is_right: true },
        { kpi: "miss", is_right: false },
        { kpi: "untested", is_right: null },
      ]);
      expect(await database.query("select * from marts.source_contract")).toEqual([
        { source: "notes", max_age: null, on_stale: "warn" },
        { source: "tickets", max_age: "1d", on_stale: "warn" },
        { source: "usage", max_age: "3d", on_stale: "refuse" },
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

test("a page's file holds the rows of its own KPI or scorecard and none of the others", async () => {
  const data = await mkdtemp(join(tmpdir(), "assay-details-"));
  try {
    await mkdir(data, { recursive: true });
    for (const name of new Set(details.flatMap(({ of, parts }) => [of, ...Object.values(parts)])))
      await writeFile(join(data, `${name}.json`), "[]");
    await writeFile(join(data, "kpi.json"), JSON.stringify([{ kpi: "a" }, { kpi: "b" }]));
    await writeFile(join(data, "kpi_lead.json"), JSON.stringify([{ kpi: "b", months_before: 1 }]));
    await writeFile(
      join(data, "scorecard.json"),
      JSON.stringify([1, 2].map((version) => ({ scorecard: "s", version }))),
    );
    await writeDetails(data);
    const read = async (path: string): Promise<Record<string, unknown>> =>
      JSON.parse(await readFile(join(data, path), "utf8"));
    expect(await read("kpi/a.json")).toMatchObject({ kpi: [{ kpi: "a" }], leads: [] });
    expect(await read("kpi/b.json")).toMatchObject({ leads: [{ kpi: "b", months_before: 1 }] });
    expect(await read("scorecard/s.json")).toMatchObject({
      versions: [
        { scorecard: "s", version: 1 },
        { scorecard: "s", version: 2 },
      ],
    });
  } finally {
    await rm(data, { recursive: true });
  }
});
