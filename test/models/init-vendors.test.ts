import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bookSchema } from "../../pipelines/config/book.ts";
import { entityOf } from "../../pipelines/config/entities.ts";
import { Links } from "../../pipelines/init/links.ts";
import { lookAtFolder } from "../../pipelines/init/look.ts";
import type { Placed, Read, Unneeded } from "../../pipelines/init/place.ts";
import { placeTables } from "../../pipelines/init/place.ts";
import { draftOf } from "../../pipelines/init/propose.ts";
import { readWords } from "../../pipelines/init/recognise.ts";
import { readVendors } from "../../pipelines/init/vendors.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { loadDeliveries } from "../../pipelines/load/load.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { dataFolder, hasData } from "../data.ts";

const shapes = join(dataFolder, "vendor-shapes");
const read = (file: string): Promise<Buffer> => readFile(join(shapes, file));

/** What a file of a vendor must be taken for, and where its columns must go. */
const wanted: readonly (readonly [string, string, Readonly<Record<string, string>>])[] = [
  [
    "salesforce_dataloader/accountData.csv",
    "salesforce account",
    { account_id: "ID", name: "NAME", created_at: "CREATEDDATE", owner: "OWNERID" },
  ],
  ["salesforce_dataloader/opportunityData.csv", "salesforce opportunity", {}],
  ["fivetran_salesforce/sf_account_data.csv", "salesforce account", { account_id: "id", name: "name" }],
  ["fivetran_salesforce/sf_contact_data.csv", "salesforce contact", { user_id: "id", account_id: "account_id" }],
  [
    "fivetran_salesforce/sf_task_data.csv",
    "salesforce task",
    { account_id: "account_id", occurred_at: "activity_date" },
  ],
  [
    "fivetran_salesforce/sf_event_data.csv",
    "salesforce event",
    { account_id: "account_id", occurred_at: "start_date_time" },
  ],
  [
    "fivetran_salesforce/sf_order_data.csv",
    "salesforce order",
    { account_id: "account_id", started_on: "effective_date" },
  ],
  ["fivetran_hubspot/company_data.csv", "hubspot company", { account_id: "id", created_at: "property_createdate" }],
  ["fivetran_hubspot/contact_data.csv", "hubspot contact", { user_id: "id", created_at: "property_createdate" }],
  [
    "fivetran_hubspot/ticket_data.csv",
    "hubspot ticket",
    { ticket_id: "id", opened_at: "property_createdate", closed_at: "property_closed_date" },
  ],
  [
    "fivetran_hubspot/ticket_company_data.csv",
    "hubspot ticket_company",
    { source_id: "ticket_id", account_id: "company_id" },
  ],
  ["fivetran_hubspot/engagement_meeting_data.csv", "hubspot engagement_meeting", { occurred_at: "start_time" }],
  ["fivetran_hubspot/email_event_data.csv", "hubspot email_event", { occurred_at: "created", status: "type" }],
  ["fivetran_hubspot/deal_data.csv", "hubspot deal", {}],
  [
    "fivetran_zendesk/ticket_data.csv",
    "zendesk ticket",
    { ticket_id: "id", account_id: "organization_id", opened_at: "created_at" },
  ],
  ["fivetran_zendesk/organization_data.csv", "zendesk organization", { account_id: "id", name: "name" }],
  ["fivetran_zendesk/user_data.csv", "zendesk user", { user_id: "id", account_id: "organization_id" }],
  [
    "fivetran_zendesk/domain_name_data.csv",
    "zendesk domain_name",
    { account_id: "organization_id", source_id: "domain_name" },
  ],
  ["fivetran_stripe/customer_data.csv", "stripe customer", { account_id: "id", created_at: "created" }],
  [
    "fivetran_stripe/subscription_data.csv",
    "stripe subscription",
    {
      subscription_id: "id",
      account_id: "customer_id",
      started_on: "start_date",
      ended_on: "ended_at",
      notice_on: "canceled_at",
    },
  ],
  ["fivetran_stripe/subscription_history_data.csv", "stripe subscription_history", { account_id: "customer_id" }],
  ["fivetran_stripe/invoice_data.csv", "stripe invoice", { account_id: "customer_id", amount_minor: "amount_due" }],
  ["fivetran_stripe/charge_data.csv", "stripe charge", {}],
  ["fivetran_intercom/company_history_data.csv", "intercom company", { account_id: "id", name: "name" }],
  ["fivetran_intercom/contact_history_data.csv", "intercom contact", { user_id: "id" }],
  [
    "fivetran_intercom/contact_company_history_data.csv",
    "intercom contact_company",
    { source_id: "contact_id", account_id: "company_id" },
  ],
  [
    "fivetran_intercom/conversation_history_data.csv",
    "intercom conversation",
    { account_id: "source_author_id", opened_at: "created_at" },
  ],
  ["fivetran_pendo/account_history.csv", "pendo account", { account_id: "id" }],
  ["fivetran_pendo/visitor_history.csv", "pendo visitor", { user_id: "id", account_id: "account_id" }],
  [
    "fivetran_pendo/event.csv",
    "pendo event",
    { account_id: "account_id", event_time: "timestamp", user_id: "visitor_id", quantity: "num_events" },
  ],
  ["fivetran_pendo/feature_event.csv", "pendo feature_event", { event: "feature_id" }],
  ["fivetran_pendo/page_event.csv", "pendo page_event", { event: "page_id" }],
  ["fivetran_pendo/poll_event.csv", "pendo poll_event", { responded_at: "timestamp" }],
  [
    "fivetran_amplitude/amplitude_event_data.csv",
    "amplitude event",
    { event: "event_type", event_time: "event_time", known_at: "server_upload_time" },
  ],
  [
    "fivetran_mixpanel/event.csv",
    "mixpanel event",
    { event: "name", event_time: "time", user_id: "distinct_id", event_id: "insert_id" },
  ],
  ["fivetran_recurly/account_history_data.csv", "recurly account", { account_id: "id", created_at: "created_at" }],
  [
    "fivetran_recurly/subscription_history_data.csv",
    "recurly subscription",
    { account_id: "account_id", started_on: "activated_at", ended_on: "expires_at", notice_on: "canceled_at" },
  ],
  [
    "fivetran_recurly/invoice_history_data.csv",
    "recurly invoice",
    { account_id: "account_id", amount_minor: "total", paid_on: "closed_at" },
  ],
  ["fivetran_zuora/zuora_account_data.csv", "zuora account", { account_id: "id", name: "name" }],
  ["fivetran_zuora/zuora_subscription_data.csv", "zuora subscription", { account_id: "account_id" }],
  [
    "fivetran_zuora/zuora_invoice_data.csv",
    "zuora invoice",
    { account_id: "account_id", issued_on: "invoice_date", amount_minor: "amount" },
  ],
  ["fivetran_zuora/zuora_payment_data.csv", "zuora payment", {}],
  ["fivetran_qualtrics/survey_response.csv", "qualtrics survey_response", { responded_at: "end_date" }],
  [
    "fivetran_qualtrics/distribution_contact.csv",
    "qualtrics distribution_contact",
    { asked_at: "sent_at", responded_at: "response_completed_at" },
  ],
  ["fivetran_qualtrics/directory_contact.csv", "qualtrics contact", { user_id: "id" }],
  [
    "fivetran_iterable/event_data.csv",
    "iterable event",
    { account_id: "email", occurred_at: "created_at", status: "event_name" },
  ],
  ["fivetran_iterable/user_history_data.csv", "iterable user", { account_id: "email", created_at: "signup_date" }],
  ["fivetran_klaviyo/event.csv", "klaviyo event", { account_id: "person_id", occurred_at: "datetime", status: "type" }],
  ["fivetran_klaviyo/person.csv", "klaviyo person", { user_id: "id", created_at: "created" }],
  [
    "fivetran_marketo/marketo_activity_open_email_data.csv",
    "marketo activity_open_email",
    { account_id: "lead_id", occurred_at: "activity_date" },
  ],
  [
    "fivetran_marketo/marketo_activity_click_email_data.csv",
    "marketo activity_click_email",
    { occurred_at: "activity_date" },
  ],
  [
    "fivetran_marketo/marketo_activity_send_email_data.csv",
    "marketo activity_send_email",
    { occurred_at: "activity_date" },
  ],
  ["fivetran_marketo/marketo_lead_data.csv", "marketo lead", { user_id: "id", account_id: "email" }],
];

/** Objects of Stripe's API as JSON lines: Unix seconds, amounts in cents, nested plans. */
async function stripeObjects(kind: string): Promise<string> {
  const { resources } = JSON.parse((await read("stripe_openapi/fixtures3.json")).toString("utf8")) as {
    resources: Record<string, Record<string, unknown>>;
  };
  return [1, 2, 3]
    .map((n) => `${JSON.stringify({ ...resources[kind], id: `${String(resources[kind]?.id)}${n}` })}\n`)
    .join("");
}

describe.runIf(hasData("vendor-shapes"))("vendors' exports", () => {
  let folder: string;
  let database: Database;
  const found = new Map<string, Placed | Unneeded>();
  const vendorOf = new Map<string, string>();
  const reads: Read[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "assay-vendors-"));
    const put = async (file: string, content: string | Uint8Array): Promise<void> => {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), content);
    };
    for (const [file] of wanted) await put(file, await read(file));
    for (const kind of ["customer", "subscription", "invoice"])
      await put(`stripe_api/${kind}s.jsonl`, await stripeObjects(kind));
    database = await Database.open({ path: ":memory:" });
    const words = await readWords();
    const looked = await lookAtFolder({ folder, database, scratch: folder, log: silentLog, words });
    reads.push(...looked.reads);
    const vendors = await readVendors();
    // Each file by itself: what stands beside it does not decide what it is.
    for (const one of reads) {
      const links = await Links.of(database, [one]);
      const { placed, unneeded } = placeTables([one], vendors, words, links);
      const file = one.table.files[0]?.name as string;
      const [result] = [...placed, ...unneeded];
      if (result !== undefined) found.set(file, result);
      if (result !== undefined)
        vendorOf.set(file, result.vendor === null ? "" : `${result.vendor.vendor.vendor} ${result.vendor.table.table}`);
    }
  });
  afterAll(async () => {
    database.close();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(wanted)("%s is %s", (file, table, columns) => {
    expect(vendorOf.get(file)).toBe(table);
    const mapped = (found.get(file) as Placed).columns ?? {};
    expect(Object.fromEntries(Object.keys(columns).map((name) => [name, mapped[name]?.from]))).toEqual(columns);
  });

  it("read in full: every row is loaded or rejected", async () => {
    for (const one of found.values()) {
      if (!("columns" in one)) continue;
      const draft = draftOf(one, "own", one.columns);
      const fields = {
        entity: draft.entity,
        files: draft.table.files.map(({ name }) => name),
        columns: draft.columns,
        keep: draft.keep,
        drop: draft.drop,
        formats: draft.formats,
        max_rejected: 1,
      };
      const parsed = bookSchema.parse({ book: "tried", sources: { own: fields }, kpis: ["none"] });
      const state = await mkdtemp(join(folder, ".state-"));
      const book = { ...parsed, exports_root: folder, folder, file: "", config_sha256: "" };
      const load = await loadDeliveries({
        book,
        state,
        log: silentLog,
        now: () => new Date("2026-07-01T00:00:00Z"),
        settleSeconds: 0,
      });
      const file = draft.table.files[0]?.name as string;
      const [delivery] = load.deliveries as [(typeof load.deliveries)[number]];
      expect([file, delivery.rows_read], file).toEqual([file, delivery.rows_loaded + delivery.rows_rejected]);
      expect(delivery.rows_read, file).toBeGreaterThan(0);
      // What is not the account's own id must fit every row; samples of vendors leave many accounts out.
      const needsAccount = entityOf(draft.entity).columns.some(
        ({ name, required }) => name === "account_id" && required,
      );
      if (!needsAccount) expect(delivery.rows_rejected, file).toBe(0);
    }
  });

  it("Data Loader's accounts are Latin-1, and all of them are loaded", () => {
    const one = found.get("salesforce_dataloader/accountData.csv") as Placed;
    expect(one.read.table.encoding).toBe("latin-1");
    expect(draftOf(one, "own", one.columns).formats).toMatchObject({ encoding: "latin-1" });
    expect(one.read.rows).toBe(423);
  });

  it("Stripe's API gives Unix seconds and cents", () => {
    expect(vendorOf.get("stripe_api/customers.jsonl")).toBe("stripe customer");
    const contracts = found.get("stripe_api/subscriptions.jsonl") as Placed;
    expect(vendorOf.get("stripe_api/subscriptions.jsonl")).toBe("stripe subscription");
    expect(contracts.columns.started_on).toEqual({ from: "start_date", unit: "s" });
    expect(contracts.columns.account_id).toEqual({ from: "customer" });
    const invoices = found.get("stripe_api/invoices.jsonl") as Placed;
    expect(invoices.columns).toMatchObject({
      issued_on: { from: "created", unit: "s" },
      amount_minor: { from: "amount_due" },
    });
    expect(invoices.columns.amount_minor).not.toHaveProperty("unit");
  });

  it("Fivetran's time of synchronisation is a time of delivery, never when a version was known", () => {
    for (const one of found.values()) {
      if (!("columns" in one)) continue;
      expect(Object.values(one.columns).map(({ from }) => from)).not.toContain("_fivetran_synced");
      const file = one.read.table.files[0]?.name as string;
      const hasSynced = one.read.table.columns.includes("_fivetran_synced");
      expect(draftOf(one, "own", one.columns).writtenAt, file).toBe(hasSynced ? "_fivetran_synced" : null);
    }
  });
});
