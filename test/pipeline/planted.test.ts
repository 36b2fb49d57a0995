import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { refresh } from "../../pipelines/commands/refresh.ts";
import { readBook } from "../../pipelines/config/book.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { simulate } from "../../pipelines/simulate/simulate.ts";
import { Database } from "../../pipelines/warehouse/database.ts";

const work = mkdtempSync(join(tmpdir(), "assay-planted-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

interface Planted {
  readonly kpi: string;
  readonly verdict: string;
}

/** Verdicts of the demo book, from raw exports, beside what was planted in it. */
async function verdictsOfDemo(seed: number) {
  const name = `demo-${seed}`;
  const out = join(work, name);
  await simulate({ out, accounts: 1500, months: 36, seed, kind: "plain", log: silentLog });
  const book = await readBook(out, { cwd: work, env: {} });
  const { release } = await refresh({
    book,
    state: join(work, `${name}-state`),
    now: () => new Date("2026-07-02T00:00:00Z"),
    site: false,
    log: silentLog,
  });
  const database = await Database.open({ path: join(release.folder, "warehouse.duckdb"), readOnly: true });
  try {
    const verdicts = await database.query<Planted>(
      "select kpi, verdict from validation.kpi_verdict where group_kind = 'all' order by kpi",
    );
    const points = await database.scalar<number>(
      `select coalesce(sum(points) filter (where action_group = 'Use'), 0) from marts.weight_on_evidence
       where scorecard = 'freshsuccess_40_30_30'`,
    );
    const { kpis } = JSON.parse(readFileSync(join(out, "truth.json"), "utf8")) as {
      kpis: Record<string, { role: string; expected: string[] }>;
    };
    return { verdicts, points, kpis };
  } finally {
    database.close();
  }
}

test("the demo's verdicts are what was planted, and none of the textbook score's points rest on an early warning", async () => {
  const { verdicts, points, kpis } = await verdictsOfDemo(1);
  const wrong = verdicts.filter(({ kpi, verdict }) => kpis[kpi] !== undefined && !kpis[kpi].expected.includes(verdict));
  expect(Object.keys(kpis)).toHaveLength(15);
  expect(wrong).toEqual([]);
  expect(points).toBe(0);
  // Of the twins exactly one is kept.
  const twins = verdicts.filter(({ kpi }) => kpi === "invoices_sent_28d" || kpi === "payments_matched_28d");
  expect(twins.map(({ verdict }) => verdict).sort()).toEqual(["predicts", "redundant"]);
}, 600_000);
