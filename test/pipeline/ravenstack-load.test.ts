import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readBook } from "../../pipelines/config/book.ts";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { type LoadResult, loadDeliveries } from "../../pipelines/load/load.ts";
import { dataFolder, hasData } from "../data.ts";
import { stageBook } from "../loading.ts";

describe.runIf(hasData("ravenstack"))("RavenStack", () => {
  let state = "";
  let load: LoadResult;
  let staged: Awaited<ReturnType<typeof stageBook>>;
  beforeAll(async () => {
    state = await mkdtemp(join(tmpdir(), "assay-ravenstack-"));
    const book = await readBook(join(projectRoot, "test", "books", "ravenstack"), {
      cwd: projectRoot,
      env: { ASSAY_DATA: dataFolder },
    });
    const now = (): Date => new Date("2025-01-02T00:00:00Z");
    load = await loadDeliveries({ book, state, log: silentLog, now, settleSeconds: 0 });
    staged = await stageBook(book, load, state);
  });
  afterAll(async () => {
    staged?.database.close();
    await rm(state, { recursive: true, force: true });
  });

  it("has every row read either loaded or rejected", () => {
    const counts = load.deliveries.map(({ source, rows_read, rows_loaded, rows_rejected }) => [
      source,
      rows_read,
      rows_loaded,
      rows_rejected,
    ]);
    expect(counts).toEqual([
      ["accounts", 500, 500, 0],
      ["subscriptions", 5000, 5000, 0],
      ["usage", 25_000, 25_000, 0],
      ["tickets", 2000, 2000, 0],
      ["churn_events", 600, 600, 0],
    ]);
    expect(load.last_event_at).toBe("2024-12-31 00:00:00");
  });

  it("has 21 usage ids that occur twice with other content, taken once", async () => {
    expect(
      await staged.database.query("select n_repeats, n_corrections from staging.source_repeat where source = 'usage'"),
    ).toEqual([{ n_repeats: 21, n_corrections: 21 }]);
    expect(await staged.database.scalar("select cast(sum(n_events) as bigint) from rollup.account_day")).toBe(24_979);
  });

  it("knows the account of every usage row by its subscription", async () => {
    expect(await staged.database.scalar("select count(*) from staging.usage_event where account_id is null")).toBe(0);
    expect(
      await staged.database.scalar(
        `select count(*) from raw.usage_event as usage
         join raw.subscription as subscription on subscription.subscription_id = usage.account_id
         where usage.event_time < subscription.started_on`,
      ),
    ).toBe(19_142);
  });

  it("shows plan, seats and price of a subscription from its start, because they are immutable", async () => {
    expect(
      await staged.database.scalar(
        "select count(*) from staging.subscription where visible_on = started_on + 1 and (plan is null or seats is null or mrr_minor is null or segment is null)",
      ),
    ).toBe(0);
    expect(
      await staged.database.scalar(
        "select count(distinct subscription_id) from staging.subscription where visible_on = started_on + 1",
      ),
    ).toBe(5000);
  });
});
