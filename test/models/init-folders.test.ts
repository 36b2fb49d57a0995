/** Small folders of exports as people have them: what init proposes for each file, found in nothing but the files. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { Links } from "../../pipelines/init/links.ts";
import { lookAtFolder } from "../../pipelines/init/look.ts";
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
    const { reads, notPlaced } = await lookAtFolder({ folder, database, scratch, log: silentLog });
    const found = propose(reads, await readVendors(), await readWords(), await Links.of(database, reads));
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
});
