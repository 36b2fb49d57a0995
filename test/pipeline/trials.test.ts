import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { codeSha256 } from "../../pipelines/commands/definitions.ts";
import { judgeBook, trial, trySeed } from "../../pipelines/commands/trial.ts";
import type { KpiResult, SeedResult } from "../../pipelines/commands/trial-table.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { simulate } from "../../pipelines/simulate/simulate.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { literal } from "../../pipelines/warehouse/literal.ts";

const work = mkdtempSync(join(tmpdir(), "assay-trials-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

// Smaller than the tables of docs/trials.md: some 180 churned accounts, three seeds.
const accounts = 1000;
let results: readonly SeedResult[];
/** The first seed again: as it was written, and with one quantity bent. */
let bent: readonly KpiResult[];

beforeAll(async () => {
  const seeds = [2, 3].map((seed) =>
    trySeed({ kind: "planted", accounts, seed, code: "", folder: join(work, String(seed)) }),
  );
  const first = join(work, "1");
  await simulate({ out: first, accounts, months: 36, seed: 1, kind: "planted", threads: 1, log: silentLog });
  const { kpis, duckdb } = await judgeBook(first);
  await bend(first);
  bent = (await judgeBook(first)).kpis;
  const { seed, kpis: _, ...rest } = await (seeds[0] as Promise<SeedResult>);
  results = [{ ...rest, seed: seed - 1, kpis, duckdb }, ...(await Promise.all(seeds))];
}, 600_000);

/** Takes every admin action to the third power: the same order, another scale. */
async function bend(folder: string): Promise<void> {
  const database = await Database.open({ path: ":memory:", threads: 1 });
  try {
    for (const year of [1, 2, 3]) {
      const file = literal(join(folder, "exports", `usage_${year}.parquet`));
      await database.run(`
        create or replace table bent as
          select * replace (cast(case when event = 'admin_action' then quantity ** 3 / 1000 else quantity end as decimal(18, 2)) as quantity)
          from read_parquet(${file});
        copy (select * from bent order by event_time, account_id, event) to ${file} (format parquet, compression zstd)`);
    }
  } finally {
    database.close();
  }
}

/** The verdicts that the KPIs of a role got, over the three seeds. */
const verdictsOf = (role: string): readonly string[] =>
  results.flatMap(({ kpis }) => kpis.filter((kpi) => kpi.role === role).map(({ verdict }) => verdict));
const count = (role: string, ...verdicts: readonly string[]): number =>
  verdictsOf(role).filter((verdict) => verdicts.includes(verdict)).length;

describe("three planted books, from raw exports to verdicts", () => {
  test("have the size that they are meant to have", () => {
    for (const { churned, kpis } of results) {
      expect(kpis).toHaveLength(28);
      expect(churned).toBeGreaterThan(140);
      expect(churned).toBeLessThan(240);
    }
  });
  test("tenure and size are never taken for a warning, and found out in five cases of six", () => {
    expect(count("tenure", "confounded") + count("size", "confounded")).toBeGreaterThanOrEqual(5);
    expect(count("tenure", "predicts", "weak") + count("size", "predicts", "weak")).toBe(0);
  });
  test("what moves only after the decision is a late alarm in two of three, and never a warning", () => {
    expect(count("late", "late_only", "mostly_late")).toBeGreaterThanOrEqual(2);
    expect(count("late", "predicts", "weak")).toBe(0);
  });
  test("of the causal one and its twin one is kept in two of three, and never both", () => {
    const kept = results.map(
      ({ kpis }) =>
        kpis.filter(({ role, verdict }) => ["causal", "twin"].includes(role) && ["predicts", "weak"].includes(verdict))
          .length,
    );
    expect(kept.filter((n) => n === 1).length).toBeGreaterThanOrEqual(2);
    expect(Math.max(...kept)).toBeLessThanOrEqual(1);
  });
  test("what is declared the wrong way round is never a warning, nor the reversed one with the wrong sign", () => {
    expect(count("wrong_way", "predicts", "weak")).toBe(0);
    const wrong = results.flatMap(({ kpis }) =>
      kpis.filter(
        ({ role, verdict, auc }) =>
          role === "reversed" &&
          (auc ?? 0) > 0.5 &&
          !["no_useful_effect", "inconclusive", "confounded"].includes(verdict),
      ),
    );
    expect(wrong).toEqual([]);
  });
  test("noise is called a warning at most twice in 42 times, and its intervals hold one half in 36 at least", () => {
    expect(verdictsOf("noise")).toHaveLength(42);
    expect(count("noise", "predicts", "weak")).toBeLessThanOrEqual(2);
    const held = results.flatMap(({ kpis }) =>
      kpis.filter(({ role, low, high }) => role === "noise" && (low ?? 1) <= 0.5 && (high ?? 0) >= 0.5),
    );
    expect(held.length).toBeGreaterThanOrEqual(36);
  });
  test("what hardly varies is not tested", () => {
    expect(verdictsOf("constant")).toEqual(["not_tested", "not_tested", "not_tested"]);
  });
});

test("a leak on another scale is the same leak: no verdict and no number of the ranks changes", () => {
  const numbers = (kpis: readonly KpiResult[]) =>
    kpis.map(({ kpi, verdict, auc, late, crude }) => [kpi, verdict, auc, late, crude]);
  expect(numbers(bent)).toEqual(numbers(results[0]?.kpis ?? []));
});

test("a trial goes on where it was cut, counts no results of other code, and says which bar fails", async () => {
  const file = join(work, "results.jsonl");
  const code = await codeSha256();
  const line = (changes: Partial<SeedResult>): string =>
    `${JSON.stringify({ ...results[0], accounts: 1500, churned: 260, code, ...changes })}\n`;
  const right = (results[0]?.kpis ?? []).map((kpi) => ({
    ...kpi,
    verdict: kpi.role === "twin" ? "redundant" : (kpi.expected[0] as string),
  }));
  const wrong = right.map((kpi) => (kpi.role === "constant" ? { ...kpi, verdict: "weak" } : kpi));
  writeFileSync(
    file,
    `${line({ seed: 1, kpis: wrong })}${line({ seed: 2, kpis: right })}${line({ seed: 3, code: "other", kpis: [] })}{"seed": 4, "ki`,
  );
  const printed: string[] = [];
  const context = {
    cwd: work,
    env: {},
    now: () => new Date("2026-07-02T00:00:00Z"),
    log: silentLog,
    print: (text: string) => printed.push(text),
  };
  const ran = trial(context, { kind: "planted", accounts: 1500, seeds: 2, from: 1, workers: 1, file, json: true });
  await expect(ran).rejects.toMatchObject({
    exitCode: 5,
    message: expect.stringMatching(/constant: not tested, found 50 %, expected at least 100 %/),
  });
  expect(JSON.parse(printed[0] ?? "")).toMatchObject({ measured_on: "2026-07-02", seeds: 2, kind: "planted" });
  expect(readFileSync(file, "utf8")).toMatch(/"ki$/);
});
