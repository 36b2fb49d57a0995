/** Advice over a planted panel: what it says with enough history, and that it says so without. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Database } from "../../pipelines/warehouse/database.ts";
import { plantedPanel, validatePanel } from "../planted-panel.ts";

const tables = [
  "validation.kpi_count_curve",
  "validation.suggested_weight",
  "validation.suggested_threshold",
  "validation.weight_humility",
  "validation.gate_finding",
  "validation.folklore",
  "validation.kpi_cutoff",
  "validation.label_verdict",
  "validation.label_definition",
];

/** A card over the panel's KPIs, with scores and parts for every row: 60 for the causal one, 40 for noise. */
const card = [
  `insert into scores.scorecard (scorecard, version, label, purpose, created_on, bands) values ('card', 1, 'Card', 'churn_risk', date '2020-01-01', '{"edge":"upper","list":[{"id":"red","to":30},{"id":"green","to":100}]}')`,
  "insert into scores.scorecard_weight values ('card', 1, 1, 'causal', 60), ('card', 1, 2, 'noise_a', 40)",
  `insert into scores.score_part
select account_id, snapshot_date, 'card', 1, 1, 'kpi', 'causal', cast(least(100, greatest(0, 50 + 20 * causal)) as decimal(18,6)), 60, 0
from features.account_kpi
union all
select account_id, snapshot_date, 'card', 1, 2, 'kpi', 'noise_a', cast(least(100, greatest(0, 50 + 20 * noise_a)) as decimal(18,6)), 40, 0
from features.account_kpi`,
  `insert into scores.account_score (account_id, snapshot_date, scorecard, version, is_in_force, score, band)
select account_id, snapshot_date, 'card', 1, true, score, case when score <= 30 then 'red' else 'green' end
from (select account_id, snapshot_date, cast(sum(points * weight) / 100 as decimal(18,6)) as score from scores.score_part group by account_id, snapshot_date) as s`,
];

interface Curve {
  readonly k: number;
  readonly kpis: string;
  readonly added: string | null;
  readonly is_candidate: boolean | null;
  readonly is_suggested: boolean;
  readonly auc: number | null;
  readonly auc_low: number | null;
  readonly auc_high: number | null;
  readonly gain: number | null;
  readonly tested_from: string | null;
  readonly n_churned: number | null;
  readonly sentence: string;
}

describe("with 900 accounts", () => {
  let database: Database;
  beforeAll(async () => {
    database = await validatePanel(plantedPanel(11, 900), { before: card }, tables);
  });
  afterAll(() => database?.close());

  it("chooses among early warnings alone, and shows what more KPIs would do", async () => {
    const rows = await database.query<Curve>("select * from validation.kpi_count_curve order by k");
    expect(rows.length).toBeGreaterThan(5);
    const verdicts = new Map(
      (
        await database.query<{ kpi: string; verdict: string }>(
          "select kpi, verdict from validation.kpi_verdict where group_kind = 'all'",
        )
      ).map(({ kpi, verdict }) => [kpi, verdict]),
    );
    const suggested = rows.filter((row) => row.is_suggested);
    expect(suggested).toHaveLength(1);
    for (const row of rows.slice(1)) {
      const isWarning = ["predicts", "weak", "non_monotone"].includes(verdicts.get(row.added ?? "") ?? "");
      expect([row.added, row.is_candidate]).toEqual([row.added, isWarning]);
      expect(row.kpis.split(" + ")).toHaveLength(row.k);
      expect(row.auc_low as number).toBeLessThan(row.auc as number);
      expect(row.auc_high as number).toBeGreaterThan(row.auc as number);
      expect(row.sentence).toContain(`${row.n_churned} churned accounts`);
    }
    expect(suggested[0]?.is_candidate).toBe(true);
    expect(rows[1]?.kpis).toBe("causal");
    expect(rows[1]?.gain as number).toBeGreaterThan(0);
    expect(rows[0]?.sentence).toContain("which no model had seen");
  });

  it("puts suggested weights beside equal ones and the card's own", async () => {
    const rows = await database.query<{
      scorecard: string;
      kpi: string;
      suggested: number;
      equal: number;
      current: number;
      difference_to_current_low: number;
      sentence: string;
    }>("select * from validation.suggested_weight order by kpi");
    expect(rows.reduce((sum, row) => sum + row.suggested, 0)).toBe(100);
    expect(rows.reduce((sum, row) => sum + row.equal, 0)).toBeCloseTo(100, 6);
    expect(rows.reduce((sum, row) => sum + row.current, 0)).toBe(100);
    expect(rows.every((row) => row.suggested % 5 === 0 && row.scorecard === "card")).toBe(true);
    expect(rows.find(({ kpi }) => kpi === "noise_a")).toMatchObject({ suggested: 0, current: 40 });
    expect(rows[0]?.sentence).toMatch(/against equal weights: not distinguishable|than equal weights/);
  });

  it("looks for gates on earlier rows, shows later ones, and no gate on what leaks or moves late", async () => {
    const rows = await database.query<{
      kpi: string;
      state: string;
      n_churned: number;
      n_churned_failing: number;
      p: number | null;
      p_holm: number | null;
    }>("select * from validation.gate_finding order by gate_no");
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.length).toBeLessThanOrEqual(3);
    expect(new Set(rows.map(({ kpi }) => kpi)).size).toBe(rows.length);
    for (const row of rows) {
      const isTold = row.n_churned >= 30 && row.n_churned_failing >= 10;
      expect([row.kpi, row.state !== "cannot tell"]).toEqual([row.kpi, isTold]);
      if (row.p !== null) expect(row.p_holm as number).toBeGreaterThanOrEqual(row.p);
    }
    expect(rows.find(({ kpi }) => kpi === "causal" || kpi === "twin")?.state).toBe("holds");
  });

  it("gives tiers whose points follow the departures, in and out of sample", async () => {
    const rows = await database.query<{
      kpi: string;
      tier: number;
      n_tiers: number;
      points: number | null;
      observed_over_expected: number;
      later_rate: number | null;
      sentence: string;
    }>("select * from validation.suggested_threshold order by kpi, tier");
    const causal = rows.filter(({ kpi }) => kpi === "causal");
    expect(causal.length).toBeGreaterThan(1);
    const points = causal.map((row) => row.points as number);
    expect(points[0]).toBe(0);
    expect(points.at(-1)).toBe(100);
    expect(points).toEqual([...points].sort((a, b) => a - b));
    for (const row of rows) {
      expect(row.sentence).toContain("in sample");
      expect(row.sentence).toContain("out of time");
    }
    const noise = rows.filter(({ kpi }) => kpi === "noise_a");
    expect(noise).toHaveLength(1);
    expect(noise[0]?.points).toBeNull();
    // Departures at both ends: the middle has the points.
    const ends = rows.filter(({ kpi }) => kpi === "both_ends").map((row) => row.points as number);
    expect(Math.max(...ends)).toBe(100);
    expect(ends.indexOf(100)).toBeGreaterThan(0);
    expect(ends.indexOf(100)).toBeLessThan(ends.length - 1);
  });

  it("says how many weightings are as good, and who is red in how many of them", async () => {
    const [summary] = await database.query<{ n_weightings: number; n_kept: number; sentence: string }>(
      "select * from validation.weight_humility where account_id is null",
    );
    expect(summary?.n_weightings).toBe(2002);
    expect(summary?.n_kept as number).toBeGreaterThan(0);
    expect(summary?.n_kept as number).toBeLessThan(2002);
    const [accounts] = await database.query<{ n: number; low: number; high: number; n_red: number }>(
      "select count(*) as n, min(red_share) as low, max(red_share) as high, count(case when is_red then 1 end) as n_red from validation.weight_humility where account_id is not null",
    );
    expect(accounts?.n_red as number).toBeGreaterThan(0);
    expect(accounts?.low as number).toBeGreaterThanOrEqual(0);
    expect(accounts?.high as number).toBeLessThanOrEqual(1);
  });

  it("tries folklore where it can, and says why not elsewhere", async () => {
    const rows = await database.query<{ test: string; difference: number | null; sentence: string }>(
      "select test, difference, sentence from validation.folklore order by test",
    );
    expect(rows.map(({ test }) => test)).toEqual([
      "half_and_half",
      "more_than_five",
      "per_segment",
      "sentiment",
      "under_three",
    ]);
    expect(rows[0]?.sentence).toBe('"Card" has no reactive KPI: there is nothing to compare.');
    expect(rows[3]?.sentence).toBe('"Card" has no sentiment KPI: there is nothing to compare.');
    expect(rows[1]?.sentence).toMatch(/of 100 pairs/);
  });

  it("leaves no scratch behind", async () => {
    const rows = await database.query(
      "select table_name from duckdb_tables() where temporary and regexp_matches(table_name, '^(advice|cut|tier|gate|humble|folklore)_')",
    );
    expect(rows).toEqual([]);
  });
});

it("says that there is not enough data, and nothing more, for a tiny book", async () => {
  const database = await validatePanel(plantedPanel(5, 60), { before: card }, tables);
  const curve = await database.query<Curve>("select * from validation.kpi_count_curve");
  expect(curve.map(({ k, auc, sentence }) => [k, auc, sentence.slice(0, 16)])).toEqual([[0, null, "Not enough data:"]]);
  expect(await database.query("select * from validation.suggested_weight")).toEqual([]);
  expect(await database.query("select * from validation.suggested_threshold")).toEqual([]);
  const gates = await database.query<{ state: string; kpi: string | null; sentence: string }>(
    "select * from validation.gate_finding",
  );
  expect(gates.map(({ state, kpi }) => [state, kpi])).toEqual([["cannot tell", null]]);
  for (const { difference, sentence } of await database.query<{ difference: number | null; sentence: string }>(
    "select * from validation.folklore",
  )) {
    expect([difference, /Not enough data|nothing to compare/.test(sentence)]).toEqual([null, true]);
  }
  const humility = await database.query<{ sentence: string }>("select * from validation.weight_humility");
  expect(humility.every(({ sentence }) => /Not enough data|History cannot rank|Red in/.test(sentence))).toBe(true);
  database.close();
});

it("stands a book without a row, a KPI or a card", async () => {
  const database = await validatePanel(
    { asOf: "2024-01-01", accounts: [], rows: [], unanswered: [], kpis: ["k"] },
    {},
    tables,
  );
  expect(
    await database.query(
      "select sentence from validation.kpi_count_curve union all select sentence from validation.gate_finding",
    ),
  ).toEqual(Array(2).fill({ sentence: "Not enough data: 0 of 50 churned accounts needed." }));
  expect(await database.query("select * from validation.kpi_cutoff")).toEqual([]);
  expect(await database.query("select * from validation.weight_humility")).toEqual([]);
  database.close();
});
