import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { refresh } from "../../pipelines/commands/refresh.ts";
import { readBook } from "../../pipelines/config/book.ts";
import { resolveKpis } from "../../pipelines/features/library.ts";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { simulate } from "../../pipelines/simulate/simulate.ts";
import { Database } from "../../pipelines/warehouse/database.ts";

const work = mkdtempSync(join(tmpdir(), "assay-library-"));
const out = join(work, "book");
const library = readdirSync(join(projectRoot, "sql", "kpis"))
  .filter((file) => file.endsWith(".yaml"))
  .map((file) => file.replace(".yaml", ""))
  .sort();
let database: Database;

/** A small simulated company whose book lists every KPI of the library. */
beforeAll(async () => {
  await simulate({ out, accounts: 70, months: 14, seed: 4, kind: "plain", log: silentLog });
  const file = join(out, "assay.yaml");
  const text = readFileSync(file, "utf8")
    .replace(/\nkpis:\n( {2}- .*\n)+/, `\nkpis: [${library.join(", ")}]\n`)
    .replace("score_every: week", "score_every: month");
  writeFileSync(file, text);
  const book = await readBook(out, { cwd: work, env: {} });
  const { release } = await refresh({
    book,
    state: join(work, "state"),
    now: () => new Date("2026-07-02T00:00:00Z"),
    site: false,
    log: silentLog,
  });
  database = await Database.open({ path: join(release.folder, "warehouse.duckdb"), readOnly: true });
}, 600_000);
afterAll(() => {
  database.close();
  rmSync(work, { recursive: true, force: true });
});

interface Facts {
  readonly kpi: string;
  readonly coverage: number;
  readonly least: number;
  readonly most: number;
  readonly kinds: number;
}

const facts = async (): Promise<readonly Facts[]> => {
  const columns = library.map((kpi) => `"${kpi}"`).join(", ");
  return database.query<Facts>(`
    with long as (
      from (select ${library.map((kpi) => `cast("${kpi}" as double) as "${kpi}"`).join(", ")} from features.account_kpi)
      unpivot include nulls (value for kpi in (${columns}))
    )
    select kpi, count(value) / count(*) as coverage, min(value) as least, max(value) as most,
      cast(count(distinct value) as integer) as kinds
    from long group by kpi order by kpi`);
};

test("every KPI of the library is on in the simulated company", async () => {
  const { kpis, off } = await resolveKpis(await readBook(out, { cwd: work, env: {} }));
  expect(off).toEqual([]);
  expect(kpis.map(({ id }) => id).sort()).toEqual(library);
  expect(library.length).toBeGreaterThanOrEqual(35);
  expect(await database.scalar("select cast(count(*) as integer) from features.kpi_definition")).toBe(library.length);
});

test("truth.json gives roles to KPIs that exist, and plants none of them twice", async () => {
  const { kpis, context } = JSON.parse(readFileSync(join(out, "truth.json"), "utf8")) as {
    kpis: Record<string, unknown>;
    context: Record<string, { role: string }>;
  };
  expect(Object.keys(context).filter((kpi) => !library.includes(kpi))).toEqual([]);
  expect(Object.keys(context).filter((kpi) => kpi in kpis)).toEqual([]);
  expect(context.overdue_invoices).toEqual({ role: "late" });
});

test("each of them has values, and more than one where the company gives cause for it", async () => {
  const found = await facts();
  expect(found.filter(({ coverage }) => coverage < 0.1)).toEqual([]);
  // One plan for each account, and no event of an integration.
  expect(found.filter(({ kinds }) => kinds < 2).map(({ kpi }) => kpi)).toEqual(
    expect.arrayContaining(["integration_days_28d", "products_in_use"]),
  );
  expect(found.filter(({ kinds }) => kinds < 2).length).toBeLessThanOrEqual(4);
});

test("their values lie where their units say, and every missing one has a reason", async () => {
  const found = new Map((await facts()).map((row) => [row.kpi, row]));
  const { kpis } = await resolveKpis(await readBook(out, { cwd: work, env: {} }));
  const wrong = kpis.filter((kpi) => {
    const { least, most } = found.get(kpi.id) as Facts;
    // A slope may fall at any pace, a trend by everything that there was.
    const from = { slope: Number.NEGATIVE_INFINITY, trend: -100 }[kpi.measure as string] ?? 0;
    const upTo =
      kpi.unit.startsWith("percent") && from === 0
        ? 100
        : kpi.unit === "yes or no"
          ? 1
          : kpi.measure === "active_days" || kpi.unit.startsWith("days of")
            ? kpi.window_days
            : null;
    return least < from || (upTo !== null && most > upTo);
  });
  expect(wrong.map(({ id }) => id)).toEqual([]);
  const missing = library.map((kpi) => `count(*) - count("${kpi}")`).join(" + ");
  expect(await database.scalar(`select cast(${missing} as integer) from features.account_kpi`)).toBe(
    await database.scalar("select cast(count(*) as integer) from features.kpi_why_null"),
  );
});

test("shares of one book add up, and per seat means by seat", async () => {
  expect(
    await database.query(`select snapshot_date from features.account_kpi
      group by 1 having round(sum(support_share_90d), 6) > 100 or sum(support_share_90d) < 0`),
  ).toEqual([]);
  expect(
    await database.query(`select account_id, snapshot_date from features.account_kpi
      join spine.account_snapshot as spine using (account_id, snapshot_date)
      where round(logins_per_seat_28d * spine.seats, 6) <> round(logins_28d, 6)`),
  ).toEqual([]);
});
