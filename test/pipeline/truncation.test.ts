/** `assay audit --truncation` on a release: nothing to find, and the sentence and exit code when there is. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditTruncation, spread, truncationSection } from "../../pipelines/commands/audit-truncation.ts";
import { refresh } from "../../pipelines/commands/refresh.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { type TestBook, testBook } from "../loading.ts";
import { assay, complaint } from "./assay.ts";

const iso = (day: number): string => new Date(Date.UTC(2024, 0, 1 + day)).toISOString().slice(0, 10);

let made: TestBook;
let warehouse: string;
beforeAll(async () => {
  made = await testBook(
    "accounts: { entity: account, files: accounts.csv, settle: 0s }\n" +
      "usage: { entity: usage_event, files: usage.csv, settle: 0s }\n" +
      "subscriptions: { entity: subscription, files: subscriptions.csv, settle: 0s }\n" +
      "tickets: { entity: ticket, files: tickets.csv, settle: 0s }",
  );
  // Account a logs in every day and b every third, known two days later; a ticket that takes a month to close.
  const events = Array.from({ length: 90 }, (_, day) => day).flatMap((day) => [
    `a,${iso(day)} 10:00:00,login,${iso(day + 2)} 01:00:00`,
    ...(day % 3 === 0 ? [`b,${iso(day)} 11:00:00,login,${iso(day + 2)} 01:00:00`] : []),
  ]);
  await made.write("usage.csv", ["account_id,event_time,event,known_at", ...events, ""].join("\n"));
  await made.write("accounts.csv", "account_id,created_at\na,2023-01-01\nb,2023-01-01\n");
  await made.write("subscriptions.csv", "subscription_id,account_id,started_on\ns1,a,2023-06-01\ns2,b,2023-06-01\n");
  await made.write("tickets.csv", `account_id,opened_at,closed_at\na,${iso(20)} 09:00:00,${iso(50)} 09:00:00\n`);
  const text =
    "kpis: [logins_28d, { id: closed, label: Closed, description: for a test, factor: control, kind: objective, side: reactive, unit: tickets, measure: count, entity: ticket, filter: { closed_at: { not: null } }, null_rule: { feed_gap_days: null }, healthier: tested, says: { less: had less, more: had more } }]";
  const yaml = await readFile(join(made.folder, "assay.yaml"), "utf8");
  await made.write("assay.yaml", yaml.replace("kpis: [logins_28d]", text));
  const { release } = await refresh({
    book: await made.read(),
    state: made.state,
    site: false,
    now: () => new Date("2024-07-01T00:00:00Z"),
    log: silentLog,
  });
  warehouse = join(release.folder, "warehouse.duckdb");
});
afterAll(() => made.drop());

const audit = async (dates?: readonly string[] | "all") =>
  auditTruncation({ book: await made.read(), state: made.state, log: silentLog, dates });

describe("assay audit --truncation", () => {
  it("finds nothing where every KPI keeps to what was visible", async () => {
    const result = await audit("all");
    expect(result.dates.at(-1)).toBe("2024-03-31");
    expect(result.kpis.map(({ name, n_changed }) => ({ name, n_changed }))).toEqual([
      { name: "logins_28d", n_changed: 0 },
      { name: "closed", n_changed: 0 },
    ]);
    expect(result.kpis.every(({ n_rows }) => n_rows === 2 * result.dates.length)).toBe(true);
    expect(truncationSection(result).findings).toEqual([]);
  });

  it("is part of every refresh: three snapshots", async () => {
    const database = await Database.open({ path: warehouse, readOnly: true });
    try {
      expect(await database.query("from validation.truncation_sample order by kpi")).toEqual([
        { kpi: "closed", n_rows: 4, n_changed: 0, example: null },
        { kpi: "logins_28d", n_rows: 4, n_changed: 0, example: null },
      ]);
    } finally {
      database.close();
    }
  });

  it("names KPI, account, date and both values, and ends with exit 5", async () => {
    const database = await Database.open({ path: warehouse });
    await database.run(
      "update features.ticket set closed = 1 where account_id = 'a' and snapshot_date < date '2024-02-19'",
    );
    database.close();
    const result = await audit(["2024-02-12"]);
    expect(truncationSection(result).findings.map(({ sentence }) => sentence)).toEqual([
      "KPI closed of account a at 2024-02-12 is 1 from all data and 0 from the data visible then; 1 of 2 values change",
    ]);
    const ran = await assay(["audit", made.folder, "--truncation", "--dates", "2024-02-12"]);
    expect(ran.code).toBe(5);
    expect(complaint(ran)).toContain("KPI closed of account a at 2024-02-12 is 1 from all data and 0");
  });

  it("refuses a date that is no snapshot, naming the nearest, and definitions that are not the release's", async () => {
    await expect(audit(["2024-02-13"])).rejects.toThrow(
      "--dates: found 2024-02-13, expected snapshots of the release: the nearest are 2024-02-12 and 2024-02-19",
    );
    const yaml = await readFile(join(made.folder, "assay.yaml"), "utf8");
    await made.write("assay.yaml", yaml.replace("closed_at: { not: null }", "closed_at: null"));
    await expect(audit()).rejects.toThrow("KPI closed is defined otherwise than when the release was built");
  });
});

describe("spread", () => {
  it("takes the first, the last and those between at equal distances", () => {
    expect(spread(["a", "b", "c", "d", "e"], 3)).toEqual(["a", "c", "e"]);
    expect(spread(["a", "b"], 7)).toEqual(["a", "b"]);
  });
});
