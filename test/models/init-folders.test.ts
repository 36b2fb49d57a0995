/** Small folders of exports as people have them: what init proposes for each file, found in nothing but the files. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { Links } from "../../pipelines/init/links.ts";
import { lookAtFolder } from "../../pipelines/init/look.ts";
import { asWritten } from "../../pipelines/init/place.ts";
import { type Draft, type Proposal, propose } from "../../pipelines/init/propose.ts";
import { readWords } from "../../pipelines/init/recognise.ts";
import { readVendors } from "../../pipelines/init/vendors.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { Database } from "../../pipelines/warehouse/database.ts";

async function proposed(files: Readonly<Record<string, string | Uint8Array>>): Promise<Proposal> {
  const folder = await mkdtemp(join(tmpdir(), "assay-folder-"));
  const scratch = await mkdtemp(join(tmpdir(), "assay-scratch-"));
  const database = await Database.open({ path: ":memory:" });
  try {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), content);
    }
    const words = await readWords();
    const { reads, notPlaced } = await lookAtFolder({ folder, database, scratch, log: silentLog, words });
    const found = propose(reads, await readVendors(), words, await Links.of(database, reads));
    return { ...found, notPlaced: [...notPlaced, ...found.notPlaced] };
  } finally {
    database.close();
    await rm(folder, { recursive: true });
    await rm(scratch, { recursive: true });
  }
}

const draftOf = ({ drafts }: Proposal, id: string): Draft => drafts.find((draft) => draft.id === id) as Draft;
const entitiesOf = ({ drafts }: Proposal): readonly string[] =>
  drafts.map(({ id, entity }) => `${id}: ${entity}`).sort();

/** Accounts 0 to 29; use on every second day of 2024-01. */
const accounts = Array.from({ length: 30 }, (_, i) => i);
const uses = accounts.flatMap((i) =>
  Array.from({ length: 14 }, (_, d) => ({ i, day: 2 * d + 1 + (i % 2), event: d % 3 === 0 ? "Bericht" : "Suche" })),
);
const two = (n: number): string => String(n).padStart(2, "0");

describe("a folder", () => {
  it("of spreadsheets: titles, lines of sums, ends without a date, day and time apart, a download done twice", async () => {
    const contracts = [
      "Übersicht Kunden;;;;;",
      "Stand: 31.01.2024;;;;;",
      "Kunden-Nr.;Kundenname;Vertragsbeginn;Vertragsende;Umsatz/Monat (EUR);Paket",
      ...accounts.map(
        (i) =>
          `2${two(i)};Firma ${i};${two(1 + (i % 27))}.03.2023;${i % 3 === 0 ? `${two(1 + (i % 27))}.12.2023` : "unbefristet"};1.2${two(i)},50;${i % 2 ? "Basis" : "Plus"}`,
      ),
      "Summe;30 Kunden;;;36.435,00;",
    ];
    const log = [
      "Datum;Uhrzeit;Kunden-Nr.;Vorgang",
      ...uses.map(({ i, day, event }) => `${two(day)}.01.2024;0${day % 9}:15;2${two(i)};${event}`),
    ].join("\n");
    const found = await proposed({
      // Titles end in LF and rows in CRLF, as a program writes them that puts its own lines above.
      "Übersicht.csv": Buffer.from(
        `${contracts.slice(0, 2).join("\n")}\n${contracts.slice(2).join("\r\n")}\r\n`,
        "latin1",
      ),
      "Protokoll 2024.csv": log,
      "Protokoll 2024 (1).csv": log,
    });
    expect(entitiesOf(found)).toEqual(["accounts: account", "subscriptions: subscription", "usage: usage_event"]);
    expect(draftOf(found, "subscriptions")).toMatchObject({
      columns: {
        account_id: { from: "Kunden-Nr." },
        started_on: { from: "Vertragsbeginn", format: "%d.%m.%Y" },
        ended_on: { from: "Vertragsende", format: "%d.%m.%Y", nulls: ["unbefristet"] },
        mrr_minor: { from: "Umsatz/Monat (EUR)", unit: "major", number: { decimal: ",", thousands: "." } },
        plan: { from: "Paket" },
      },
      drop: { "Kunden-Nr.": ["Summe"] },
      formats: { encoding: "latin-1", skip_lines: 2 },
    });
    expect(draftOf(found, "accounts").columns).toEqual({
      account_id: { from: "Kunden-Nr." },
      name: { from: "Kundenname" },
    });
    expect(draftOf(found, "usage")).toMatchObject({
      columns: {
        event_time: { from: "Datum", clock: "Uhrzeit", format: "%d.%m.%Y %H:%M" },
        event: { from: "Vorgang" },
      },
      drop: {},
    });
    expect(found.notPlaced).toEqual([
      { files: ["Protokoll 2024 (1).csv"], why: "the same bytes as Protokoll 2024.csv, which is read" },
    ]);
  });

  it("of pages of an API: lists in documents, and what records nest", async () => {
    const page = (rows: readonly unknown[]): string =>
      JSON.stringify({ object: "list", page: { size: 30, next: null }, results: rows, has_more: false }, null, 1);
    const activity = uses.map(({ i, day, event }, n) => ({
      eventId: `e${n}`,
      occurredAt: Date.UTC(2024, 0, day, 8),
      action: { name: event },
      organization: { uuid: `org-${i}a` },
    }));
    const found = await proposed({
      "organizations.json": page(
        accounts.map((i) => ({ uuid: `org-${i}a`, attributes: { display_name: `Firm ${i}` } })),
      ),
      "contracts.json": page(
        accounts.map((i) => ({
          id: `ct_${i}`,
          org_uuid: `org-${i}a`,
          period: { from: `2023-03-${two(1 + (i % 27))}`, to: i % 3 === 0 ? "2023-12-01" : null },
        })),
      ),
      "activity_page_1.json": page(activity.slice(0, 200)),
      "activity_page_2.json": page(activity.slice(200)),
    });
    expect(entitiesOf(found)).toEqual(["accounts: account", "subscriptions: subscription", "usage: usage_event"]);
    expect(found.drafts.map(({ formats }) => formats.list)).toEqual(["results", "results", "results"]);
    expect(draftOf(found, "subscriptions").columns).toMatchObject({
      account_id: { from: "org_uuid" },
      started_on: { from: "period.from" },
      ended_on: { from: "period.to" },
    });
    expect(draftOf(found, "usage").columns).toMatchObject({
      account_id: { from: "organization.uuid" },
      event_time: { from: "occurredAt", unit: "ms" },
      event: { from: "action.name" },
    });
    expect(draftOf(found, "usage").table.files).toHaveLength(2);
  });

  it("whose accounts are websites, with people and invoices that know only these; mails are no use of the product", async () => {
    const found = await proposed({
      "Companies.csv": [
        "Company,Website,Kunde seit,Gekündigt zum",
        ...accounts.map(
          (i) => `Shop ${i},https://www.shop${i}.com/,2023-03-0${1 + (i % 9)},${i % 3 ? "" : "2023-12-01"}`,
        ),
      ].join("\n"),
      "app log.csv": [
        "when,user,action",
        ...uses.map(({ i, day, event }) => `2024-01-${two(day)} 08:00:00,p${day % 3}@shop${i}.com,${event}`),
      ].join("\n"),
      "invoices.csv": [
        "Invoice no,Customer domain,Invoice date,Due date,Payment date,Amount",
        ...accounts.map((i) => `R${i},shop${i}.com,2024-01-01,2024-01-15,2024-01-1${i % 9},99.50`),
      ].join("\n"),
      "klaviyo_email_events.csv": [
        "Event,Timestamp,Email,Campaign Name",
        ...uses.map(
          ({ i, day }) =>
            `${day % 2 ? "Opened Email" : "Received Email"},${1704067200 + 86400 * day},p1@shop${i}.com,News`,
        ),
      ].join("\n"),
    });
    const domain = { take: "domain" };
    expect(draftOf(found, "accounts").columns.account_id).toEqual({ from: "Website", ...domain });
    expect(draftOf(found, "usage").columns.account_id).toEqual({ from: "user", ...domain });
    expect(draftOf(found, "invoices").columns.account_id).toEqual({ from: "Customer domain", ...domain });
    expect(draftOf(found, "engagements").columns).toMatchObject({
      account_id: { from: "Email", ...domain },
      kind: { value: "campaign" },
    });
    expect(draftOf(found, "subscriptions").columns).toMatchObject({
      account_id: { from: "Website", ...domain },
      ended_on: { from: "Gekündigt zum" },
    });
    expect(found.notPlaced).toEqual([]);
  });

  it("of a warehouse: accounts inside JSON texts of a column, fields that a company added itself", async () => {
    const id = (i: number): string => `001${String(i).padStart(12, "0")}AAA`;
    const found = await proposed({
      "account.csv": [
        "id,name,owner_id,parent_id,billing_country,created_date",
        ...accounts.map((i) => `${id(i)},Firm ${i},005x,,DE,2023-01-01T00:00:00Z`),
      ].join("\n"),
      "Contract.csv": [
        "ID,ACCOUNTID,STARTDATE,ENDDATE,CONTRACTTERM,MRR__C,CURRENCYISOCODE",
        ...accounts.map((i) => `800${two(i)},${id(i)},2023-03-01,${i % 3 ? "" : "2023-12-01"},12,${100 + i}.50,USD`),
      ].join("\n"),
      "amplitude_event.csv": [
        "event_type,event_time,user_id,device_id,session_id,groups",
        ...uses.map(
          ({ i, day, event }) =>
            `${event},2024-01-${two(day)}T08:00:00Z,u${i},d,1,"{""account"":""${id(i)}"",""size"":3}"`,
        ),
      ].join("\n"),
    });
    expect(draftOf(found, "usage").columns.account_id).toEqual({ from: "groups.account" });
    expect(draftOf(found, "subscriptions").columns).toMatchObject({
      mrr_minor: { from: "MRR__C", unit: "major" },
      currency: { from: "CURRENCYISOCODE" },
    });
    expect(found.findings.map(({ text }) => text)).toContain("MRR__C, a field of your own, is read as mrr_minor");
  });

  it("whose columns were renamed half way through: one table, each column by all its names", async () => {
    const rows = (names: string, ended: boolean): string =>
      [
        names,
        ...accounts.map(
          (i) =>
            `V${i},K${i},${i % 2 === 0 ? "Basic" : "Pro"},2023-01-${two(1 + (i % 27))},${ended && i % 3 === 0 ? "2024-02-20" : ""}`,
        ),
      ].join("\n");
    const log = (names: string): string =>
      [names, ...uses.map(({ i, day, event }) => `K${i},2024-01-${two(day)} 10:00:00,${event}`)].join("\n");
    const found = await proposed({
      "contracts_2024-01-31.csv": rows("contract_no,customer_no,tariff,contract_start,contract_end", false),
      "contracts_2024-02-29.csv": rows("contract_no,account_number,package,contract_start,contract_end", true),
      "events_2024-01.csv": log("customer_no,occurred_at,event_name"),
      "events_2024-02.csv": log("account_number,occurred_at,action").replaceAll("2024-01", "2024-02"),
    });
    expect(entitiesOf(found)).toEqual(["accounts: account", "subscriptions: subscription", "usage: usage_event"]);
    expect(draftOf(found, "subscriptions").table.files).toHaveLength(2);
    expect(draftOf(found, "subscriptions").columns).toMatchObject({
      account_id: { from: "account_number", also: ["customer_no"] },
      plan: { from: "package", also: ["tariff"] },
      ended_on: { from: "contract_end" },
    });
    expect(draftOf(found, "usage").columns).toMatchObject({ event: { from: "action", also: ["event_name"] } });
    expect(asWritten({ from: "action", also: ["event_name"] })).toEqual({ from: ["action", "event_name"] });
    // Other values at the same place are another column.
    const apart = await proposed({
      "log_2024-01.csv": log("customer_no,occurred_at,event_name"),
      "log_2024-02.csv": log("customer_no,occurred_at,event_name")
        .replace("event_name", "minutes")
        .replaceAll(/Bericht|Suche/g, "17"),
    });
    expect(apart.drafts.map(({ table }) => table.renamed)).not.toContainEqual({ minutes: ["minutes", "event_name"] });
  });

  it("of folders by month: the folders say the month, and a dump that did not change is no copy", async () => {
    const customers = ["customer_id,customer_name", ...accounts.map((i) => `c-${i},Firm ${i}`)].join("\n");
    const contracts = (month: number): string =>
      [
        "subscription_id,customer_id,start_date,end_date",
        ...accounts.map((i) => `s-${i},c-${i},2023-03-01,${i % 3 === 0 && month > 1 ? "2024-02-10" : ""}`),
      ].join("\n");
    const events = (month: number): string =>
      [
        "event_id,customer_id,event,ts",
        ...uses.map(({ i, day, event }, n) => `${month}-${n},c-${i},${event},2024-${two(month)}-${two(day)}T10:00:00Z`),
      ].join("\n");
    const found = await proposed(
      Object.fromEntries(
        [1, 2].flatMap((month) => [
          [`2024/${two(month)}/customers.csv`, customers],
          [`2024/${two(month)}/subscriptions.csv`, contracts(month)],
          [`2024/${two(month)}/events.csv`, events(month)],
        ]),
      ),
    );
    expect(found.notPlaced).toEqual([]);
    expect(entitiesOf(found)).toEqual(["accounts: account", "subscriptions: subscription", "usage: usage_event"]);
    for (const { table } of found.drafts) expect(table.files).toHaveLength(2);
    const { glob, dated } = draftOf(found, "subscriptions").table;
    expect(glob).toBe("*/*/subscriptions.csv");
    expect(dated).toEqual({ pattern: "{month}/subscriptions.csv", dates: ["2024-01-31", "2024-02-29"] });
  });

  it("of movements of revenue: who left, who came back and when each began, without a contract anywhere", async () => {
    const moves = accounts.flatMap((i) => [
      `2023-05-01,c-${i},new,49.00,49.00`,
      ...(i % 3 === 0 ? [`2024-01-01,c-${i},churn,-49.00,0.00`] : [`2024-01-01,c-${i},expansion,10.00,59.00`]),
      ...(i === 6 ? ["2024-02-01,c-6,reactivation,49.00,49.00"] : []),
    ]);
    const found = await proposed({
      "mrr_movements.csv": ["month,customer_id,movement,mrr_change,mrr_after", ...moves].join("\n"),
      "usage.csv": [
        "occurred_at,customer_id,event",
        ...uses.map(({ i, day, event }) => `2024-01-${two(day)}T10:00:00Z,c-${i},${event}`),
      ].join("\n"),
    });
    expect(entitiesOf(found)).toEqual(["accounts: account", "churn_events: churn_event", "usage: usage_event"]);
    expect(draftOf(found, "churn_events")).toMatchObject({
      keep: { movement: ["churn", "reactivation"] },
      columns: {
        account_id: { from: "customer_id" },
        occurred_on: { from: "month" },
        is_reactivation: { from: "movement", map: { churn: "false", reactivation: "true" } },
      },
    });
    expect(draftOf(found, "accounts")).toMatchObject({
      keep: { movement: ["new"] },
      columns: { account_id: { from: "customer_id" }, created_at: { from: "month" } },
    });
  });

  it("of a warehouse's marts: versions of accounts are no contracts, and rows go by the key of a version", async () => {
    const versions = accounts.flatMap((i) => [
      ...(i % 2 === 0 ? [`a${i}0f,C${i},smb,2023-01-01,2023-09-01,false`] : []),
      `b${i}1e,C${i},ent,2023-${i % 2 === 0 ? "09" : "01"}-01,,true`,
    ]);
    const found = await proposed({
      "dim_customer.csv": ["customer_sk,customer_id,segment,valid_from,valid_to,is_current", ...versions].join("\n"),
      "fct_subscription.csv": [
        "subscription_id,customer_sk,mrr_usd,started_at,ended_at",
        ...accounts.map(
          (i) => `S${i},${i % 2 === 0 ? `a${i}0f` : `b${i}1e`},49.5,2023-01-01,${i % 3 === 0 ? "2024-01-20" : ""}`,
        ),
      ].join("\n"),
      "fct_event.csv": [
        "event_id,customer_sk,event_name,event_ts",
        ...uses.map(({ i, day, event }, n) => `E${n},b${i}1e,${event},2024-01-${two(day)} 10:00:00`),
      ].join("\n"),
    });
    expect(entitiesOf(found)).toEqual([
      "accounts: account",
      "accounts_by_customer_sk: account_key",
      "subscriptions: subscription",
      "usage: usage_event",
    ]);
    expect(draftOf(found, "accounts")).toMatchObject({ keep: { is_current: ["true"] }, immutable: [] });
    expect(draftOf(found, "accounts").columns.account_id).toEqual({ from: "customer_id" });
    // Staging has a column of its own of that name.
    expect(draftOf(found, "accounts").columns).toMatchObject({ account_segment: { from: "segment" } });
    expect(draftOf(found, "accounts").columns.segment).toBeUndefined();
    // The keys of earlier versions lead to the account, too.
    expect(draftOf(found, "accounts_by_customer_sk").keep).toEqual({});
    for (const id of ["subscriptions", "usage"])
      expect(draftOf(found, id).columns.account_id).toEqual({ from: "customer_sk", via: "accounts_by_customer_sk" });
    expect(draftOf(found, "subscriptions").columns.ended_on).toEqual({ from: "ended_at" });
  });

  it("of an application's own tables: small numbers are ids where the names of columns and files say whose", async () => {
    const found = await proposed({
      "companies.csv": ["id,name,created_at", ...accounts.map((i) => `${i + 1},Company ${i},2023-01-01 00:00:00`)].join(
        "\n",
      ),
      "users.csv": ["id,company_id,email", ...accounts.map((i) => `${i * 10 + 3},${i + 1},p${i}@mail.test`)].join("\n"),
      "subscriptions.csv": [
        "id,company_id,price_cents,starts_at,ends_at",
        ...accounts.map((i) => `${i + 501},${i + 1},4950,2023-01-01,${i % 3 === 0 ? "2024-01-20" : ""}`),
      ].join("\n"),
      "user_actions.csv": [
        "id,user_id,action,created_at",
        ...uses.map(({ i, day, event }, n) => `${n + 1},${i * 10 + 3},${event},2024-01-${two(day)} 10:00:00`),
      ].join("\n"),
    });
    expect(entitiesOf(found)).toEqual([
      "accounts: account",
      "subscriptions: subscription",
      "usage: usage_event",
      "users: user",
    ]);
    expect(draftOf(found, "accounts").columns.account_id).toEqual({ from: "id" });
    for (const id of ["subscriptions", "users"])
      expect(draftOf(found, id).columns.account_id).toEqual({ from: "company_id" });
    expect(draftOf(found, "usage").columns.account_id).toEqual({ from: "user_id", via: "users" });
  });

  it("where accounts are known by their names alone: a guess, and none where many are missing or two share a name", async () => {
    const files = (names: readonly string[]) => ({
      "organizations.csv": [
        "Organization - ID,Organization - Name,Organization - Organization created",
        ...accounts.map((i) => `${i + 1},${names[i]},2023-0${1 + (i % 9)}-01 09:00:00`),
      ].join("\n"),
      "Cancellations (CS).csv": [
        "Company,Cancelled on,Reason",
        ...accounts.filter((i) => i % 3 === 0).map((i) => `Firma Nord ${i},${two(13 + (i % 9))}/12/2023,Price`),
      ].join("\n"),
      "audit_log.csv": [
        "When,Company,User,What",
        ...uses.map(({ i, day, event }) => `2024-01-${two(day)} 08:00:00,Firma Nord ${i},u${i}@n${i}.example,${event}`),
      ].join("\n"),
    });
    const found = await proposed(files(accounts.map((i) => `Firma Nord ${i}`)));
    expect(entitiesOf(found)).toEqual([
      "accounts: account",
      "accounts_by_organization_name: account_key",
      "churn_events: churn_event",
      "usage: usage_event",
    ]);
    expect(draftOf(found, "usage").columns.account_id).toEqual({
      from: "Company",
      via: "accounts_by_organization_name",
    });
    expect(found.findings).toContainEqual(
      expect.objectContaining({
        level: "guessed",
        about: "usage.account_id",
        text: "Company is Organization - Name of accounts: 30 of 30 different names match; a name that two accounts share leads to neither, and is counted",
      }),
    );
    // Half of the names are written otherwise, or every name stands for two accounts: nothing is guessed.
    const half = await proposed(files(accounts.map((i) => (i % 2 === 0 ? `Firma Nord ${i}` : `Nord Firma ${i}`))));
    expect(entitiesOf(half)).toEqual(["accounts: account"]);
    const shared = await proposed(files(accounts.map((i) => `Firma Nord ${i - (i % 2)}`)));
    expect(entitiesOf(shared)).toEqual(["accounts: account"]);
  });

  it("of Stripe's downloads: workspaces by a field of one's own, and numbers that leave out most are no chance", async () => {
    const sparse = (i: number): number => 10_000 + 37 * i;
    const files = (field: string, id: (i: number) => number) => ({
      "customers.csv": [
        `id,Email,Name,Created (UTC),Delinquent,${field}`,
        ...accounts.map(
          (i) => `cus_A${two(i)}xyz,billing@n${i}.example,Nord ${i},2023-0${1 + (i % 9)}-01 09:00,false,${id(i)}`,
        ),
      ].join("\n"),
      "unified_payments.csv": [
        "id,Amount,Amount Refunded,Currency,Description,Created date (UTC),Status,Fee,Customer ID",
        ...accounts.map(
          (i) =>
            `ch_${two(i)}abc,49.00,0.00,usd,Subscription update,2024-01-${two(1 + (i % 27))} 10:00,${i % 5 === 0 ? "Failed" : "Paid"},1.72,cus_A${two(i)}xyz`,
        ),
      ].join("\n"),
      "events.csv": [
        "id,workspace_id,user_id,name,created_at",
        ...uses.map(
          ({ i, day, event }, n) => `${n + 1},${id(i)},${id(i)}-1,${event},2024-01-${two(day)} 08:00:00.000+00`,
        ),
      ].join("\n"),
    });
    const byField = await proposed(files("workspace_id (metadata)", (i) => i + 1));
    expect(draftOf(byField, "usage").columns.account_id).toEqual({
      from: "workspace_id",
      via: "accounts_by_workspace_id",
    });
    const invoices = draftOf(byField, "invoices");
    expect(invoices.keep).toEqual({ Status: ["Paid"] });
    expect([invoices.columns.paid_on?.from, invoices.columns.amount_minor]).toEqual([
      "Created date (UTC)",
      { from: "Amount", unit: "major" },
    ]);
    // A name that says nothing: numbers far apart are ids, numbers side by side may be chance.
    const bySparse = await proposed(files("Reference", sparse));
    expect(draftOf(bySparse, "usage").columns.account_id).toEqual({
      from: "workspace_id",
      via: "accounts_by_reference",
    });
    expect(entitiesOf(await proposed(files("Reference", (i) => i + 1)))).not.toContain("usage: usage_event");
  });

  it("of Dynamics: fields that a company added itself have a mark before their names", async () => {
    const guid = (i: number): string => `00000000-0000-4000-8000-0000000000${two(i)}`;
    const found = await proposed({
      "account.csv": [
        "accountid,name,createdon",
        ...accounts.map((i) => `${guid(i)},Nord ${i},2023-0${1 + (i % 9)}-01T09:00:00Z`),
      ].join("\n"),
      "new_subscription.csv": [
        "new_subscriptionid,_new_account_value,new_startdate,new_enddate,new_mrr,statuscode",
        ...accounts.map(
          (i) => `${guid(i + 40)},${guid(i)},2023-0${1 + (i % 9)}-01,${i % 3 === 0 ? "2024-01-20" : ""},49.50,Active`,
        ),
      ].join("\n"),
      "events.csv": [
        "accountid,timestamp,name",
        ...uses.map(({ i, day, event }) => `${guid(i)},2024-01-${two(day)}T08:00:00Z,${event}`),
      ].join("\n"),
    });
    const { columns } = draftOf(found, "subscriptions");
    expect(Object.fromEntries(Object.entries(columns).map(([name, { from }]) => [name, from]))).toEqual({
      subscription_id: "new_subscriptionid",
      account_id: "_new_account_value",
      started_on: "new_startdate",
      ended_on: "new_enddate",
      mrr_minor: "new_mrr",
    });
  });

  it("of a database that spares letters: short forms of names, times as Db2 writes them, kinds of events of daily counts", async () => {
    const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep"];
    const found = await proposed({
      "CUST_MASTER_20240131.dat": [
        "CUST_REF|CUST_NM|ACTIVATION_DT|TERMINATION_DT|MTHLY_CHRG_AMT",
        ...accounts.map(
          (i) =>
            `${900_000_000 + 977 * i}|NORD ${i}|${two(1 + (i % 27))}-${months[i % 9]}-2023|${i % 3 === 0 ? "20-Jan-2024" : "31-Dec-9999"}|49.90`,
        ),
      ].join("\n"),
      "USAGE_SUMM_202401.dat": [
        "USAGE_DT|CUST_REF|SVC_TYPE_CD|TXN_CNT",
        ...uses.map(({ i, day, event }) => `202401${two(day)}|${900_000_000 + 977 * i}|${event}|${1 + (i % 4)}`),
      ].join("\n"),
      "TROUBLE_TKT.dat": [
        "TKT_NBR|CUST_REF|OPEN_DTTM|CLOSE_DTTM|SEV_CD",
        ...accounts.map(
          (i) =>
            `T${two(i)}|${900_000_000 + 977 * i}|2024-01-${two(1 + (i % 20))}-09.30.00|2024-01-${two(3 + (i % 20))}-10.00.00|S${1 + (i % 3)}`,
        ),
      ].join("\n"),
    });
    expect(entitiesOf(found)).toEqual([
      "accounts: account",
      "subscriptions: subscription",
      "tickets: ticket",
      "usage_by_day: usage_daily",
    ]);
    const froms = (id: string) =>
      Object.fromEntries(Object.entries(draftOf(found, id).columns).map(([name, { from }]) => [name, from]));
    expect(froms("subscriptions")).toEqual({
      subscription_id: "CUST_REF",
      account_id: "CUST_REF",
      started_on: "ACTIVATION_DT",
      ended_on: "TERMINATION_DT",
      mrr_minor: "MTHLY_CHRG_AMT",
    });
    expect(froms("usage_by_day")).toEqual({
      account_id: "CUST_REF",
      activity_date: "USAGE_DT",
      event: "SVC_TYPE_CD",
      n_events: "TXN_CNT",
    });
    expect(draftOf(found, "tickets").columns).toMatchObject({
      opened_at: { from: "OPEN_DTTM", format: "%Y-%m-%d-%H.%M.%S" },
      closed_at: { from: "CLOSE_DTTM", format: "%Y-%m-%d-%H.%M.%S" },
      priority: { from: "SEV_CD" },
    });
  });

  it("with a log alone: events that say who left are cancellations and no use; an amount of a year says so", async () => {
    const log = (end: string) => ({
      "events.jsonl": [
        ...uses.map(({ i, day, event }) => ({
          timestamp: `2024-01-${two(day)}T08:00:00Z`,
          event,
          org_id: `org_${two(i)}`,
        })),
        ...accounts
          .filter((i) => i % 3 === 0)
          .map((i) => ({ timestamp: "2024-01-29T08:00:00Z", event: end, org_id: `org_${two(i)}` })),
      ]
        .map((row) => JSON.stringify(row))
        .join("\n"),
    });
    const found = await proposed(log("Subscription Cancelled"));
    expect(entitiesOf(found)).toEqual(["accounts: account", "churn_events: churn_event", "usage: usage_event"]);
    expect(draftOf(found, "usage").drop).toEqual({ event: ["Subscription Cancelled"] });
    expect([draftOf(found, "churn_events").keep, draftOf(found, "churn_events").columns]).toEqual([
      { event: ["Subscription Cancelled"] },
      { account_id: { from: "org_id" }, occurred_on: { from: "timestamp" } },
    ]);
    expect(entitiesOf(await proposed(log("Upload Cancelled")))).toEqual(["accounts: account", "usage: usage_event"]);
    const annual = await proposed({
      ...log("Note"),
      "customers.csv": [
        "Company ID,Company,Customer since,Churned on,ARR",
        ...accounts.map(
          (i) => `org_${two(i)},Nord ${i},2023-01-01,${i % 3 === 0 ? "2024-01-20" : "-"},"$1,2${two(i)}"`,
        ),
      ].join("\n"),
    });
    expect(draftOf(annual, "subscriptions").columns.mrr_minor).toEqual({
      from: "ARR",
      unit: "major",
      per: "year",
      number: { thousands: ",", strip: ["$"] },
    });
  });

  it("whose accounts are called otherwise: the ids that most tables share, by what they are of", async () => {
    const shop = (i: number): string => `nord-${i}.shops.example`;
    const schools = await proposed({
      "Schools.csv": ["School URN,School name,Pupils", ...accounts.map((i) => `U${i},Nord ${i},${80 + 7 * i}`)].join(
        "\n",
      ),
      "Licences.csv": [
        "Licence ref,School URN,Valid from,Valid until,Licence fee (annual)",
        ...accounts.map(
          (i) => `L-${i},U${i},01/0${1 + (i % 9)}/2023,${i % 3 === 0 ? "20/01/2024" : "28/12/2024"},588.00`,
        ),
      ].join("\n"),
      "Weekly activity.csv": [
        "Week commencing,School URN,Logins,Quizzes set",
        ...accounts.flatMap((i) =>
          [1, 8, 15, 22, 29].map((day) => `${two(day)}/01/2024,U${i},${3 + (i % 5)},${day % 4}`),
        ),
      ].join("\n"),
    });
    expect(entitiesOf(schools)).toEqual([
      "accounts: account",
      "subscriptions: subscription",
      "usage_by_day_logins: usage_daily",
      "usage_by_day_quizzes_set: usage_daily",
    ]);
    expect(draftOf(schools, "accounts").columns).toEqual({
      account_id: { from: "School URN" },
      name: { from: "School name" },
    });
    expect(draftOf(schools, "subscriptions").columns.mrr_minor).toEqual({
      from: "Licence fee (annual)",
      unit: "major",
      per: "year",
    });
    expect(schools.findings).toContainEqual({
      level: "guessed",
      about: "accounts",
      text: "no id is named as those of accounts are; School URN is read so, whose values stand in 3 tables",
    });
    const shops = await proposed({
      "app_events.csv": [
        "created_at,shop_domain,event",
        ...uses.map(({ i, day, event }) => `2024-01-${two(day)}T08:00:00Z,${shop(i)},${event}`),
      ].join("\n"),
      "app_history.csv": [
        "Date,Event,Shop name,Shop domain",
        ...accounts.map((i) => `2023-02-${two(1 + (i % 27))} 10:00:00 +0000,Installed,Nord ${i},${shop(i)}`),
        ...accounts.filter((i) => i % 3 === 0).map((i) => `2024-01-20 10:00:00 +0000,Uninstalled,Nord ${i},${shop(i)}`),
      ].join("\n"),
    });
    expect(draftOf(shops, "accounts").columns.account_id).toEqual({ from: "shop_domain", take: "domain" });
    expect(draftOf(shops, "churn_events").keep).toEqual({ Event: ["Uninstalled"] });
    expect(draftOf(shops, "churn_events").columns.account_id).toEqual({ from: "Shop domain", take: "domain" });
  });

  it("of a practice's appointments: what no file's name calls use, and contracts in words that no list has", async () => {
    const found = await proposed({
      "practice_list.tsv": [
        "Practice code\tPractice\tGo-live\tOffboarded\tMRR netto",
        ...accounts.map(
          (i) => `P${100 + i}\tNord ${i}\t0${1 + (i % 9)} Feb 2023\t${i % 3 === 0 ? "20 Jan 2024" : ""}\t49.90`,
        ),
      ].join("\n"),
      "appointments.csv": [
        "Booked at,Practice code,Channel,Booked by",
        ...uses.map(({ i, day, event }) => `2024-01-${two(day)} 08:00,P${100 + i},${event},staff${i % 3}`),
      ].join("\n"),
    });
    expect(entitiesOf(found)).toEqual(["accounts: account", "subscriptions: subscription", "usage: usage_event"]);
    const froms = (id: string) =>
      Object.fromEntries(Object.entries(draftOf(found, id).columns).map(([name, { from }]) => [name, from]));
    expect(froms("usage")).toEqual({ account_id: "Practice code", event_time: "Booked at", event: "Channel" });
    expect(froms("subscriptions")).toEqual({
      subscription_id: "Practice code",
      account_id: "Practice code",
      started_on: "Go-live",
      ended_on: "Offboarded",
      mrr_minor: "MRR netto",
    });
    expect(found.findings.map(({ text }) => text)).toContain(
      "no file is named as use of a product is: these rows have an account and a time, and many an account",
    );
  });

  it("where one day of some accounts has a name that says nothing: their end; of two such days neither", async () => {
    const folder = (more: string, day: (i: number) => string) => ({
      "customers.csv": [
        `customer_id,name,customer_since,fini${more}`,
        ...accounts.map((i) => `C${i},Nord ${i},2023-02-01,${i % 3 === 0 ? "2024-01-20" : ""}${day(i)}`),
      ].join("\n"),
      "events.csv": [
        "timestamp,event,customer_id",
        ...uses.map(({ i, day: at, event }) => `2024-01-${two(at)}T08:00:00Z,${event},C${i}`),
      ].join("\n"),
    });
    const found = await proposed(folder("", () => ""));
    expect(draftOf(found, "subscriptions").columns.ended_on).toEqual({ from: "fini" });
    expect(found.findings.map(({ text }) => text)).toContain(
      "fini, a day that only some accounts have, is read as the end of their contract: no column is named so",
    );
    // The last review of an account is no end of anything; a second unnamed day leaves it open which is.
    const reviewed = await proposed(folder(",last_review", (i) => `,${i % 2 === 0 ? "2024-01-10" : ""}`));
    expect(draftOf(reviewed, "subscriptions").columns.ended_on).toEqual({ from: "fini" });
    const unclear = await proposed(folder(",pris", (i) => `,${i % 2 === 0 ? "2024-01-10" : ""}`));
    expect(entitiesOf(unclear)).toEqual(["accounts: account", "usage: usage_event"]);
  });

  it("where what is named as an account no other file knows: the id that they share", async () => {
    const found = await proposed({
      "subscriptions.json": JSON.stringify(
        accounts.map((i) => ({
          id: 70_000 + i,
          activated_at: "2023-02-01T09:00:00Z",
          canceled_at: i % 3 === 0 ? "2024-01-20T09:00:00Z" : null,
          customer: { id: 30_000 + i, reference: `org-${two(i)}`, organization: `Nord ${i}` },
        })),
      ),
      "events.csv": [
        "timestamp,event,org_ref",
        ...uses.map(({ i, day, event }) => `2024-01-${two(day)}T08:00:00Z,${event},org-${two(i)}`),
      ].join("\n"),
    });
    expect(entitiesOf(found)).toEqual(["accounts: account", "subscriptions: subscription", "usage: usage_event"]);
    expect(draftOf(found, "subscriptions").columns.account_id).toEqual({ from: "customer.reference" });
    expect(draftOf(found, "usage").columns.account_id).toEqual({ from: "org_ref" });
  });

  it("with the history of a status: its rows say who left, and the list beside it who the accounts are", async () => {
    const found = await proposed({
      "customer_status_history.csv": [
        "customer_no,status,changed_at",
        ...accounts.flatMap((i) => [
          `${i + 5000},TRIAL,2023-01-${two(1 + (i % 27))} 08:00:00`,
          `${i + 5000},ACTIVE,2023-02-${two(1 + (i % 27))} 08:00:00`,
          ...(i % 3 === 0 ? [`${i + 5000},CHURNED,2024-01-20 08:00:00`] : []),
        ]),
      ].join("\n"),
      "customers.csv": [
        "customer_no,customer_name,current_status",
        ...accounts.map((i) => `${i + 5000},Nord ${i},ACTIVE`),
      ].join("\n"),
      "audit.csv": [
        "ts,customer_no,action",
        ...uses.map(({ i, day, event }) => `2024-01-${two(day)} 08:00:00,${i + 5000},${event}`),
      ].join("\n"),
    });
    expect(entitiesOf(found)).toEqual(["accounts: account", "churn_events: churn_event", "usage: usage_event"]);
    expect(draftOf(found, "accounts").table.files.map(({ name }) => name)).toEqual(["customers.csv"]);
    expect([draftOf(found, "churn_events").keep, draftOf(found, "churn_events").columns]).toEqual([
      { status: ["CHURNED"] },
      { account_id: { from: "customer_no" }, occurred_on: { from: "changed_at" } },
    ]);
    // A contract has a status, too, and days from and to.
    const contracts = await proposed({
      "contract_history.csv": [
        "contract_id,customer_no,status,start_date,end_date",
        ...accounts.map(
          (i) =>
            `${i + 100},${5000 + (i >> 1)},${i % 3 === 0 ? "churned" : "active"},2023-01-01,${i % 3 === 0 ? "2024-01-20" : ""}`,
        ),
      ].join("\n"),
    });
    expect(entitiesOf(contracts)).toEqual(["accounts: account", "subscriptions: subscription"]);
  });

  it("where only usage knows which account a user is of: answers go by it, and so do calls of a stream", async () => {
    const list = [
      "customer_id,customer_name,start_date,end_date",
      ...accounts.map((i) => `c-${i},Firm ${i},2023-01-01,${i % 3 === 0 ? "2024-02-01" : ""}`),
    ].join("\n");
    const found = await proposed({
      "customers.csv": list,
      "usage.csv": [
        "occurred_at,customer_id,user_id,event",
        ...uses.map(({ i, day, event }) => `2024-01-${two(day)}T10:00:00Z,c-${i},p${i}@firm.io,${event}`),
      ].join("\n"),
      "nps responses.csv": [
        "Response Date,User ID,NPS Score",
        ...accounts.map((i) => `2024-01-20,p${i}@firm.io,${i % 11}`),
      ].join("\n"),
    });
    const answers = found.drafts.find(({ entity }) => entity === "survey_response") as Draft;
    const key = found.drafts.find(({ entity }) => entity === "account_key") as Draft;
    expect(answers.columns.account_id).toEqual({ from: "User ID", via: key.id });
    expect(key.columns).toEqual({
      source: { value: "any" },
      source_id: { from: "user_id" },
      account_id: { from: "customer_id" },
    });
    const calls = [
      ...accounts.map((i) => ({
        type: "group",
        messageId: `g${i}`,
        userId: `u${i}`,
        groupId: `c-${i}`,
        timestamp: "2024-01-01T08:00:00Z",
      })),
      ...uses.map(({ i, day, event }, n) => ({
        type: "track",
        messageId: `t${n}`,
        userId: `u${i}`,
        event,
        timestamp: `2024-01-${two(day)}T10:00:00Z`,
        receivedAt: `2024-01-${two(day)}T10:00:02Z`,
      })),
    ];
    const stream = await proposed({
      "customers.csv": list,
      "calls.jsonl": calls.map((call) => JSON.stringify(call)).join("\n"),
    });
    const of = draftOf(stream, "usage");
    expect(of.keep).toEqual({ type: ["track"] });
    const users = stream.drafts.find(({ entity }) => entity === "account_key") as Draft;
    expect(of.columns.account_id).toEqual({ from: "userId", via: users.id });
    expect(users).toMatchObject({
      keep: {},
      columns: { source_id: { from: "userId" }, account_id: { from: "groupId" } },
    });
  });

  it("in Portuguese, with amounts in reais; of an API's object of amount and currency the smallest units", async () => {
    const found = await proposed({
      "Clientes.csv": [
        "Código do Cliente;Razão Social;Data de Cadastro",
        ...accounts.map((i) => `${3000 + i};Firma ${i};05/0${1 + (i % 9)}/2023`),
      ].join("\n"),
      "Contratos.csv": [
        "Nº Contrato;Código do Cliente;Início da Vigência;Fim da Vigência;Valor Mensal",
        ...accounts.map(
          (i) =>
            `CT-${i};${3000 + i};${two(1 + (i % 28))}/01/2023;${i % 3 === 0 ? "28/02/2024" : ""};R$ 1.2${two(i)},50`,
        ),
      ].join("\n"),
      "Acessos.csv": [
        "Data/Hora;Código do Cliente;Usuário;Ação",
        ...uses.map(({ i, day, event }) => `${two(day)}/01/2024 10:00;${3000 + i};u${i};${event}`),
      ].join("\n"),
    });
    expect(entitiesOf(found)).toEqual(["accounts: account", "subscriptions: subscription", "usage: usage_event"]);
    expect(draftOf(found, "subscriptions").columns.mrr_minor).toEqual({
      from: "Valor Mensal",
      unit: "major",
      number: { decimal: ",", thousands: ".", strip: ["R$"] },
    });
    const contract = (interval: string) =>
      accounts.map((i) => ({
        id: `ct_${i}`,
        customer_id: `org-${i}a`,
        start_date: "2023-03-01",
        end_date: i % 3 === 0 ? "2024-02-01" : null,
        price: { amount: 4950 + i, currency: "EUR", interval },
      }));
    for (const [interval, mapped] of [
      ["month", { from: "price.amount" }],
      ["year", undefined],
    ] as const) {
      const api = await proposed({ "contracts.json": JSON.stringify(contract(interval)) });
      expect(draftOf(api, "subscriptions").columns.mrr_minor).toEqual(mapped);
      expect(draftOf(api, "subscriptions").columns.currency).toEqual({ from: "price.currency" });
    }
  });
});
