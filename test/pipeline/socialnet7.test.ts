import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refresh } from "../../pipelines/commands/refresh.ts";
import { readBook } from "../../pipelines/config/book.ts";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { dataFolder, hasData } from "../data.ts";
import { openBrowser } from "../site/browser.ts";
import { pagesOf, walk } from "../site/walk.ts";

interface Found {
  readonly verdict: string;
  readonly auc: number;
  readonly crude_auc: number;
  readonly n_churned: number;
}

// A published simulator whose utilities are known: adview, dislike and unfriend hurt, the rest helps.
describe.runIf(hasData("socialnet7"))("SocialNet7, the positive control", () => {
  const state = mkdtempSync(join(tmpdir(), "assay-socialnet7-state-"));
  let verdicts: ReadonlyMap<string, Found>;
  let site: string;

  beforeAll(async () => {
    const book = await readBook("test/books/socialnet7", { cwd: projectRoot, env: { ASSAY_DATA: dataFolder } });
    const { release } = await refresh({ book, state, now: () => new Date(), log: silentLog });
    site = join(release.folder, "site");
    const database = await Database.open({ path: join(release.folder, "warehouse.duckdb"), readOnly: true });
    const rows = await database.query<Found & { kpi: string }>(
      "select kpi, verdict, auc, crude_auc, n_churned from validation.kpi_verdict where group_kind = 'all'",
    );
    database.close();
    verdicts = new Map(rows.map(({ kpi, ...row }) => [kpi.replace("_28d", ""), row]));
  });
  afterAll(() => rmSync(state, { recursive: true, force: true }));
  const of = (kpi: string) => verdicts.get(kpi) as Found;

  test("shows every kind of page without an error, an empty chart or a dead link", async () => {
    const browser = await openBrowser();
    try {
      expect(await walk(browser, site, await pagesOf(site, ["message_28d"]))).toEqual([]);
    } finally {
      await browser.close();
    }
  });

  // The crude AUC of each monthly count, as a plain calculation over the same history gives it.
  test.each([
    ["message", 0.27],
    ["newfriend", 0.29],
    ["reply", 0.29],
    ["post", 0.3],
    ["like", 0.31],
    ["adview", 0.41],
    ["dislike", 0.42],
    ["unfriend", 0.58],
  ])("crude, %s sorts as it does month by month", (kpi, wanted) => {
    // Weekly snapshots of 28 days are not calendar months, and accounts under 28 days of age are left out.
    expect(Math.abs(of(kpi).crude_auc - wanted)).toBeLessThan(0.03);
  });

  test("the strong ones are told apart from those that ride on use, and all rest on the same customers", () => {
    for (const kpi of ["message", "newfriend", "reply", "post", "like"]) {
      for (const other of ["adview", "dislike"]) expect(of(kpi).crude_auc).toBeLessThan(of(other).crude_auc - 0.05);
    }
    expect(Math.abs(of("adview").auc - 0.39)).toBeLessThan(0.01);
    expect([...verdicts.values()].map(({ n_churned }) => n_churned)).toEqual(Array.from({ length: 8 }, () => 138));
  });

  test("what hurts and rides on use is not sold as healthy", () => {
    for (const kpi of ["adview", "dislike"]) {
      expect(of(kpi).verdict).toBe("confounded_by_use");
      // Alone it looks healthy: leavers have less of it.
      expect(of(kpi).crude_auc).toBeLessThan(0.45);
    }
  });

  test("what helps keeps its sign, and one of two alike is kept", () => {
    for (const kpi of ["message", "newfriend", "reply", "post", "like"]) {
      expect(of(kpi).auc).toBeLessThan(0.4);
      expect(["predicts", "redundant"]).toContain(of(kpi).verdict);
    }
    expect(of("newfriend").verdict).toBe("predicts");
    expect(of("unfriend").auc).toBeGreaterThan(0.5);
  });
});
