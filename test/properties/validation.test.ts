/** What must not change a verdict, and what must change it in a known way. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { sortNodes } from "../../pipelines/models/graph.ts";
import { runNodes } from "../../pipelines/models/run.ts";
import { rankModels, rankTotals } from "../../pipelines/validation/rank.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { type Panel, plantedPanel, random, validatePanel } from "../planted-panel.ts";

interface Ranked {
  readonly auc: number;
  readonly se: number;
  readonly z: number;
  readonly tied: number;
}

/** Ranks rows of (account, stratum, value, y). */
async function rank(rows: readonly (readonly [number, number, number, number])[]): Promise<Ranked> {
  const database = await Database.open({ path: ":memory:", threads: 2 });
  await database.run(await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"));
  await database.run(
    "create schema validation; create table validation.seen (account_no integer, stratum integer, value double, y integer);" +
      "create view validation.observed as select 'd' as definition, 'k' as subject, 'main' as statistic, account_no, 0 as block, 'all' as segment, stratum, value, y from validation.seen",
  );
  if (rows.length > 0) {
    await database.run(
      `insert into validation.seen values ${rows.map(([a, s, v, y]) => `(${a}, ${s}, ${v}, ${y})`).join(",")}`,
    );
  }
  const nodes = [...rankModels({ name: "t", source: "validation.observed" }), ...rankTotals("t", "validation.t_part")];
  await runNodes(database, sortNodes(nodes, new Set(["validation.observed"])), silentLog, () => 0);
  const [row] = await database.query<Ranked>("select auc, se, z, tied from validation.t_auc");
  database.close();
  return row as Ranked;
}

function rows(seed: number, accounts = 120): readonly (readonly [number, number, number, number])[] {
  const uniform = random(seed);
  return Array.from({ length: accounts * 4 }, (_, i) => {
    const account = Math.floor(i / 4);
    const value = Math.floor(8 * uniform());
    return [account, Math.floor(3 * uniform()), value, uniform() < 0.1 + 0.04 * value ? 1 : 0] as const;
  });
}

const around = (found: number, wanted: number, tolerance = 1e-9) =>
  expect(Math.abs(found - wanted)).toBeLessThan(tolerance);

describe("a ranked statistic", () => {
  it("turns round with the value: x -> -x gives 1 - A and the same error", async () => {
    const plain = await rank(rows(1));
    const turned = await rank(rows(1).map(([a, s, v, y]) => [a, s, -v, y] as const));
    around(turned.auc, 1 - plain.auc);
    around(turned.se, plain.se);
    around(turned.z, -plain.z);
  });
  it("does not see an increasing transform", async () => {
    expect(await rank(rows(2).map(([a, s, v, y]) => [a, s, v ** 3 + 5, y] as const))).toEqual(await rank(rows(2)));
  });
  it("does not count a row twice as news: A and its clustered error stay", async () => {
    const plain = await rank(rows(3));
    const doubled = await rank([...rows(3), ...rows(3)]);
    around(doubled.auc, plain.auc);
    around(doubled.se, plain.se);
  });
  it("divides the error by the root of two when every account has a double", async () => {
    const plain = await rank(rows(4));
    const doubled = await rank([...rows(4), ...rows(4).map(([a, s, v, y]) => [a + 1000, s, v, y] as const)]);
    around(doubled.auc, plain.auc);
    // I/(I-1) differs: 120 against 240 accounts.
    around(doubled.se * Math.SQRT2 * Math.sqrt((239 / 240) * (120 / 119)), plain.se, 1e-4);
  });
  it("gives a perfect separator an error and a z, not p = 1", async () => {
    const perfect = await rank(rows(5).map(([a, s, , y]) => [a, s, y, y] as const));
    expect(perfect.auc).toBe(1);
    expect(perfect.se).toBeGreaterThan(0);
    expect(perfect.z).toBeGreaterThan(5);
  });
  it("is one half with error zero when every value is the same", async () => {
    expect(await rank(rows(6).map(([a, s, , y]) => [a, s, 1, y] as const))).toEqual({ auc: 0.5, se: 0, z: 0, tied: 1 });
  });
  it("has no row when no stratum holds both classes", async () => {
    expect(await rank(rows(7).map(([a, s, v]) => [a, s, v, s === 0 ? 1 : 0] as const))).toBeUndefined();
    expect(await rank([])).toBeUndefined();
  });
});

/** Verdicts and statistics as text: every digit counts. */
async function everything(panel: Panel, threads: number): Promise<readonly unknown[]> {
  const database = await validatePanel(panel, { threads });
  const tables = [
    "kpi_statistic",
    "kpi_verdict",
    "kpi_test",
    "kpi_decile",
    "kpi_lead_time",
    "kpi_period",
    "kpi_segment",
    "baseline_coefficient",
  ];
  const out = [];
  for (const table of tables) out.push(await database.query(`select * from validation.${table} order by all`));
  database.close();
  return out;
}

describe("a validation", () => {
  it("gives the same digits on one thread or two, and in any order of rows and accounts", async () => {
    const panel = { ...plantedPanel(11, 260, 26), kpis: ["causal", "late", "both_ends", "silence"] };
    const uniform = random(99);
    const shuffled: Panel = {
      ...panel,
      accounts: [...panel.accounts].sort(() => uniform() - 0.5),
      rows: [...panel.rows].sort(() => uniform() - 0.5),
    };
    expect(await everything(shuffled, 2)).toEqual(await everything(panel, 1));
  }, 120_000);
});
