import { afterEach, describe, expect, it } from "vitest";
import {
  notesOnImmutable,
  notesOnKnownAt,
  notesOnKpis,
  notesOnUnfilled,
  refuseForeignUsage,
} from "../../pipelines/commands/findings.ts";
import { type Book, bookSchema } from "../../pipelines/config/book.ts";
import { kpiSchema } from "../../pipelines/config/kpi.ts";
import type { LoadResult } from "../../pipelines/load/load.ts";
import { Database } from "../../pipelines/warehouse/database.ts";

let database: Database | undefined;
afterEach(() => database?.close());

const open = async (...statements: readonly string[]): Promise<Database> => {
  database = await Database.open({ path: ":memory:" });
  for (const statement of ["create schema staging", "create schema features", ...statements])
    await database.run(statement);
  return database;
};

const book = (sources: Record<string, unknown>): Book => ({
  ...bookSchema.parse({
    book: "b",
    kpis: ["logins_28d"],
    currency: "EUR",
    sources: { usage: { entity: "usage_event", files: "u.csv" }, ...sources },
  }),
  folder: "/",
  file: "assay.yaml",
  config_sha256: "",
});

const snapshot = { mode: "snapshot", delivered: "first_seen" };

it("a time of the last change is no time of arrival", () => {
  const usage = (known_at: unknown): Book =>
    book({ usage: { entity: "usage_event", files: "u.csv", columns: { known_at } } });
  for (const from of ["LastModifiedDate", "updated_at", "_fivetran_synced", "SystemModstamp"])
    expect(notesOnKnownAt(usage(from))).toEqual([
      `source usage: known_at is read from ${from}, which systems write anew at every change; where it does, leave known_at out and write latency_days`,
    ]);
  for (const from of ["loaded_at", "server_upload_time", { from: "ts", unit: "s" }])
    expect(notesOnKnownAt(usage(from))).toEqual([]);
});

it("usage of nobody who pays is refused, of one account that does it is not", async () => {
  const load = { last_event_at: "2025-01-01" } as LoadResult;
  const given = await open(
    "create schema rollup; create schema raw; create schema spine",
    "create table raw.usage_event as select 'w' || n as account_id from range(7, 9) as t(n)",
    "create table rollup.account_day as from raw.usage_event",
    "create table spine.account_period as from (values ('a2'), ('a1')) as t(account_id)",
  );
  await expect(refuseForeignUsage(given, load)).rejects.toThrow(
    "no usage row is of an account that pays: found accounts such as w7 in usage, expected some such as a1, which has a subscription",
  );
  await given.run("insert into rollup.account_day values ('a2')");
  await refuseForeignUsage(given, load);
});

describe("notes on immutable columns", () => {
  it("names a column that changed, not one that was unknown at first", async () => {
    const given = await open(`create table staging.account as from (values
      ('a', 'Ida', 'x', 'accounts'), ('a', 'Bo', 'x', 'accounts'), ('b', 'Ida', null, 'accounts'), ('b', 'Ida', 'y', 'accounts'),
      ('c', 'Ida', 'x', 'other'), ('c', 'Bo', 'x', 'other')) as t(account_id, owner, name, source)`);
    const declared = {
      accounts: { entity: "account", files: "a.csv", key: ["account_id"], immutable: ["name", "owner"], ...snapshot },
    };
    expect(await notesOnImmutable(given, book(declared))).toEqual([
      "source accounts: owner is declared immutable and changed in 1 row, such as a: history before the first delivery shows the value of that delivery",
    ]);
  });

  it("asks for is_trial where trials are known only from their first delivery on", async () => {
    const given = await open(`create table staging.subscription as from (values
      ('s1', null, 'contracts'), ('s1', true, 'contracts'), ('s2', null, 'contracts'), ('s2', false, 'contracts'),
      ('s3', true, 'contracts')) as t(subscription_id, is_trial, source)`);
    const contracts = { entity: "subscription", files: "s.csv", key: ["subscription_id"], ...snapshot };
    expect(await notesOnImmutable(given, book({ contracts }))).toEqual([
      "source contracts: 1 trial counts as paid in KPIs of subscriptions until the first delivery; where is_trial never changes in a row add it to immutable",
    ]);
    expect(await notesOnImmutable(given, book({ contracts: { ...contracts, immutable: ["is_trial"] } }))).toEqual([]);
  });
});

describe("notes on KPIs", () => {
  it("names those that read no row", async () => {
    const given = await open(
      "create table features.kpi_input as from (values ('b', 0), ('a', 0), ('c', 3)) as t(kpi, n_rows)",
    );
    expect(await notesOnKpis(given)).toEqual([
      "no row of the exports is read by KPIs a, b: look at the filter, or leave them out",
    ]);
    await given.run("delete from features.kpi_input where kpi <> 'c'");
    expect(await notesOnKpis(given)).toEqual([]);
  });

  it("names a column that must be empty and is so in every row", async () => {
    const given = await open(
      "create table staging.ticket as from (values ('a', null::timestamp, '2024-01-02'::timestamp), ('b', null, null)) as t(account_id, first_response_at, closed_at)",
      "create table staging.invoice(account_id varchar, paid_on date)",
    );
    const kpiInput = (id: string, entity: string, filter: Record<string, unknown>) => ({
      ...{ id, label: id, description: id, factor: "control", kind: "objective", side: "reactive", unit: "k" },
      ...{ measure: "count", entity, filter, healthier: "tested", says: { less: "had less", more: "had more" } },
    });
    const kpi = (...given: Parameters<typeof kpiInput>) => kpiSchema.parse(kpiInput(...given));
    const waiting = kpi("waiting", "ticket", { first_response_at: null, closed_at: null });
    const others = [
      kpi("closed", "ticket", { closed_at: { not: null } }),
      kpi("overdue", "invoice", { paid_on: null }),
      kpi("running", "subscription", { ended_on: null }),
    ];
    expect(await notesOnUnfilled(given, [waiting, ...others], [])).toEqual([
      "ticket.first_response_at is empty in every row, so its condition in KPI waiting holds for all: map the column, or leave it out",
    ]);
    await given.run("alter table staging.ticket add column priority varchar");
    await given.run("alter table staging.ticket add column csat decimal(18, 6)");
    const rest = [
      kpi("not_low", "ticket", { priority: { not: "low" } }),
      kpi("high", "ticket", { priority: "high" }),
      kpi("filled", "ticket", { priority: { not: null } }),
      kpiSchema.parse({ ...kpiInput("rated", "ticket", {}), measure: "sum", value: "csat" }),
      kpiSchema.parse({ ...kpiInput("last", "ticket", {}), measure: "latest", value: "csat" }),
    ];
    expect(await notesOnUnfilled(given, rest, [])).toEqual([
      "ticket.csat is empty in every row, so there is nothing to read for KPIs rated, last: map the column, or leave them out",
      "ticket.priority is empty in every row, so its condition in KPI not_low holds for all: map the column, or leave it out",
    ]);
  });
});
