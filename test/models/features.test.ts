import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { format } from "sql-formatter";
import { afterEach, describe, expect, it } from "vitest";
import type { KpiDefinition } from "../../pipelines/config/kpi.ts";
import { featureNodes } from "../../pipelines/features/compile.ts";
import { parseKpi, readLibrary, readLibraryKpi } from "../../pipelines/features/library.ts";
import { projectRoot } from "../../pipelines/lib/files.ts";
import type { Database } from "../../pipelines/warehouse/database.ts";
import { buildFeatures, type GivenTables, smallBook } from "../small-warehouse.ts";

let database: Database | undefined;
afterEach(() => {
  database?.close();
  database = undefined;
});

const define = (kpi: Readonly<Record<string, unknown>>): KpiDefinition =>
  parseKpi(
    {
      label: String(kpi.id),
      description: "for a test",
      factor: "control",
      kind: "objective",
      side: "reactive",
      unit: "things",
      healthier: "tested",
      says: { less: "had less", more: "had more" },
      ...kpi,
    },
    String(kpi.id),
  );

const paying = (...accounts: readonly string[]) =>
  accounts.map((account_id) => ({
    account_id,
    subscription_id: account_id,
    started_on: "2023-01-01",
    visible_on: "2023-01-02",
  }));

/** The values of one KPI on 3 June 2024, a Monday and as_of: `{ a: 3 }`, a text where the value is missing. */
async function on3June(kpi: KpiDefinition, given: GivenTables): Promise<Record<string, unknown>> {
  database = await buildFeatures({ "staging.subscription": paying("a", "b"), ...given }, [kpi]);
  const rows = await database.query<{ account_id: string; value: unknown }>(
    `select account_id, coalesce(cast(${kpi.id} as varchar), why) as value from features.account_kpi ` +
      "left join features.kpi_why_null using (account_id, snapshot_date) where snapshot_date = date '2024-06-03' order by 1",
  );
  return Object.fromEntries(rows.map(({ account_id, value }) => [account_id, value]));
}

const used = (account_id: string, activity_date: string, more: Readonly<Record<string, string | number>> = {}) => ({
  account_id,
  activity_date,
  visible_on: new Date(Date.parse(activity_date) + 86_400_000).toISOString().slice(0, 10),
  event: "login",
  n_events: 1,
  ...more,
});

const any = { feed_gap_days: null };

describe("measures", () => {
  it("sum adds decimals exactly and ignores rows without a quantity", async () => {
    const kpi = define({
      id: "hours",
      measure: "sum",
      entity: "usage_event",
      value: "quantity",
      window_days: 7,
      null_rule: any,
    });
    expect(
      await on3June(kpi, {
        "rollup.account_day": [
          used("a", "2024-05-27", { quantity: 0.1 }),
          used("a", "2024-06-02", { quantity: 0.2 }),
          used("a", "2024-06-02", { event: "other" }),
          used("a", "2024-05-26", { quantity: 40 }),
        ],
      }),
    ).toEqual({ a: "0.3", b: "0.0" });
  });

  it("sum can be unknown without rows, and is zero when the rows add up to zero", async () => {
    const rule = { no_rows: "not_applicable", feed_gap_days: null };
    const kpi = define({
      id: "hours",
      measure: "sum",
      entity: "usage_event",
      value: "quantity",
      window_days: 7,
      null_rule: rule,
    });
    expect(await on3June(kpi, { "rollup.account_day": [used("a", "2024-06-01", { quantity: 0 })] })).toEqual({
      a: "0.0",
      b: "not_applicable",
    });
  });

  it("days_since counts to the last day that is known, and is unknown beyond the look-back", async () => {
    const given: GivenTables = {
      "rollup.account_day": [
        used("a", "2024-05-27"),
        used("a", "2024-06-01", { visible_on: "2024-06-05" }),
        used("b", "2024-05-03"),
      ],
    };
    const kpi = { id: "days_since_use", measure: "days_since", entity: "usage_event" };
    expect(await on3June(define(kpi), given)).toEqual({ a: "7.0", b: "31.0" });
    database?.close();
    expect(await on3June(define({ ...kpi, window_days: 30 }), given)).toEqual({ a: "7.0", b: "not_yet" });
  });

  it("count without a look-back goes back to the first row", async () => {
    const kpi = define({ id: "ever", measure: "count", entity: "usage_event", null_rule: any });
    expect(await on3June(kpi, { "rollup.account_day": [used("a", "2023-02-01"), used("a", "2024-05-30")] })).toEqual({
      a: "2.0",
      b: "0.0",
    });
  });

  it("counts a ticket that was corrected once, by its version of that day", async () => {
    const kpi = define({ id: "bugs", measure: "count", entity: "ticket", filter: { category: "bug" }, null_rule: any });
    const ticket = { account_id: "a", ticket_id: "t", opened_at: "2024-03-01 10:00:00", visible_on: "2024-03-02" };
    const given = {
      "staging.ticket": [
        { ...ticket, category: "bug", superseded_on: "2024-05-07" },
        { ...ticket, category: "billing", visible_on: "2024-05-07", superseded_on: "2024-06-03" },
        { ...ticket, category: "bug", visible_on: "2024-06-03" },
      ],
    };
    expect(await on3June(kpi, given)).toEqual({ a: "1.0", b: "0.0" });
    expect(
      await database?.query(
        "select snapshot_date, bugs from features.account_kpi where account_id = 'a' and snapshot_date between '2024-05-06' and '2024-05-13'",
      ),
    ).toEqual([
      { snapshot_date: "2024-05-06", bugs: 1 },
      { snapshot_date: "2024-05-13", bugs: 0 },
    ]);
  });

  it("filters text with a quote in it, lists, and everything but a value with rows that have none", async () => {
    const tickets = ["it's", "other", null].map((category, i) => ({
      account_id: "a",
      ticket_id: `t${i}`,
      opened_at: "2024-05-30 10:00:00",
      visible_on: "2024-05-31",
      category,
    }));
    const counts = async (filter: unknown) => {
      const kpi = define({ id: "n", measure: "count", entity: "ticket", filter, null_rule: any });
      const { a } = await on3June(kpi, { "staging.ticket": tickets });
      database?.close();
      database = undefined;
      return a;
    };
    expect(await counts({ category: "it's" })).toBe("1.0");
    expect(await counts({ category: ["it's", "other"] })).toBe("2.0");
    expect(await counts({ category: { not: "it's" } })).toBe("2.0");
    expect(await counts({ category: null })).toBe("1.0");
    expect(await counts({ category: { not: null } })).toBe("2.0");
  });
});

describe("null rules", () => {
  it("give not_yet before the look-back fits into the paid period, reactivated accounts included", async () => {
    const kpi = define({ id: "n", measure: "count", entity: "usage_event", window_days: 28, null_rule: any });
    database = await buildFeatures(
      {
        "staging.subscription": [
          { ...paying("a")[0], ended_on: "2023-06-01" },
          { ...paying("a")[0], subscription_id: "again", started_on: "2024-05-06", visible_on: "2024-05-07" },
        ],
        "rollup.account_day": [used("a", "2023-02-01")],
      },
      [kpi],
    );
    expect(
      await database.query(
        "select snapshot_date, n, why from features.account_kpi left join features.kpi_why_null using (account_id, snapshot_date) where snapshot_date >= '2024-05-27'",
      ),
    ).toEqual([
      { snapshot_date: "2024-05-27", n: null, why: "not_yet" },
      { snapshot_date: "2024-06-01", n: null, why: "not_yet" },
      { snapshot_date: "2024-06-03", n: 0, why: null },
    ]);
  });

  it("call a feed broken that was silent for its gap anywhere in the look-back, for every account", async () => {
    const kpi = define({
      id: "n",
      measure: "count",
      entity: "usage_event",
      window_days: 28,
      null_rule: { feed_gap_days: 7 },
    });
    const days = (except: readonly string[]) =>
      Array.from({ length: 60 }, (_, i) =>
        new Date(Date.parse("2024-04-04") + i * 86_400_000).toISOString().slice(0, 10),
      ).filter((day) => !except.includes(day));
    const week = ["2024-05-10", "2024-05-11", "2024-05-12", "2024-05-13", "2024-05-14", "2024-05-15", "2024-05-16"];
    const rows = (except: readonly string[]) => ({ "rollup.account_day": days(except).map((day) => used("zz", day)) });
    expect(await on3June(kpi, rows(week))).toEqual({ a: "feed_broken", b: "feed_broken" });
    database?.close();
    expect(await on3June(kpi, rows(week.slice(1)))).toEqual({ a: "0.0", b: "0.0" });
  });

  it("never take a feed for alive by what arrived later", async () => {
    const kpi = define({ id: "n", measure: "count", entity: "usage_event", window_days: 14 });
    const rows = [used("a", "2024-05-01"), used("a", "2024-05-25", { visible_on: "2024-06-04" })];
    expect(await on3June(kpi, { "rollup.account_day": rows })).toEqual({ a: "feed_broken", b: "feed_broken" });
  });

  it("give one reason for every missing value, and none for a value", async () => {
    database = await buildFeatures(
      { "staging.subscription": paying("a", "b"), "rollup.account_day": [used("a", "2024-05-01")] },
      await readLibrary(),
    );
    const values = (await readLibrary()).map(
      ({ id }) => `select account_id, snapshot_date, '${id}' as kpi, ${id} as value from features.account_kpi`,
    );
    expect(
      await database.query(
        `with long as (${values.join(" union all ")}) select * from long left join features.kpi_why_null using (account_id, snapshot_date, kpi) where (value is null) <> (why is not null)`,
      ),
    ).toEqual([]);
    expect(
      await database.scalar(
        "select count(*) = count(distinct (account_id, snapshot_date, kpi)) from features.kpi_why_null",
      ),
    ).toBe(true);
  });
});

describe("features", () => {
  it("have a row for every row of the spine, accounts without any event included", async () => {
    database = await buildFeatures(
      { "staging.subscription": paying("a", "b"), "rollup.account_day": [used("a", "2024-05-01")] },
      await readLibrary(),
    );
    expect(
      await database.query("select account_id, count(*) as n from features.account_kpi group by 1 order by 1"),
    ).toEqual(
      await database.query("select account_id, count(*) as n from spine.account_snapshot group by 1 order by 1"),
    );
    expect(await database.scalar("select count(*) from features.account_kpi where account_id = 'b'")).toBeGreaterThan(
      1,
    );
  });

  it("are empty, not an error, without accounts and without usage", async () => {
    database = await buildFeatures({}, await readLibrary());
    expect(await database.query("select * from features.account_kpi")).toEqual([]);
    expect(await database.query("select * from features.kpi_why_null")).toEqual([]);
  });

  it("hold the definitions in the order of the book, each with a statement that runs on its own", async () => {
    const kpis = [await readLibraryKpi("nps"), await readLibraryKpi("logins_28d")];
    database = await buildFeatures({ "staging.subscription": paying("a") }, kpis);
    const rows = await database.query<{ id: string; sql: string; window_days: number; says_less: string }>(
      "select id, sql, window_days, says_less from features.kpi_definition order by kpi_no",
    );
    expect(rows.map(({ sql, ...row }) => row)).toEqual([
      { id: "nps", window_days: 180, says_less: "gave lower NPS answers" },
      { id: "logins_28d", window_days: 28, says_less: "logged in less often" },
    ]);
    for (const { id, sql } of rows) {
      expect((await database.query(sql)).length).toBe(
        await database.scalar("select count(*) from spine.account_snapshot"),
      );
      expect(sql).toContain(id);
    }
  });

  it("have no KPI table but the definitions and the view when a book names none that it can have", async () => {
    database = await buildFeatures({ "staging.subscription": paying("a") }, []);
    expect(await database.query("select * from features.kpi_definition")).toEqual([]);
    expect(await database.describe("select * from features.account_kpi")).toMatchObject([
      { name: "account_id" },
      { name: "snapshot_date" },
    ]);
  });
});

describe("compiled statements", () => {
  const ids = {
    "features.usage_window": ["logins_28d", "mobile_days_28d", "active_users_28d"],
    "features.ticket_window": ["open_tickets"],
    "features.survey_response": ["nps"],
  };
  it.each(Object.entries(ids))("%s", async (name, kpis) => {
    const definitions = await Promise.all(kpis.map((id) => readLibraryKpi(id)));
    const model = featureNodes(definitions, smallBook()).find((node) => node.name === name);
    const text = `${format(model?.sql ?? "", { language: "duckdb", keywordCase: "preserve" })}\n`;
    const file = join(projectRoot, "test", "golden", `${name}.sql`);
    if (process.env.UPDATE_GOLDEN === "1") {
      mkdirSync(join(projectRoot, "test", "golden"), { recursive: true });
      writeFileSync(file, text);
    }
    expect(text).toBe(readFileSync(file, "utf8"));
  });
});
