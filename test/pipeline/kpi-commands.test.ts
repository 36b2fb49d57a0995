/** `assay kpis`, `assay test` and `assay plan` on a book written by hand. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Context } from "../../pipelines/commands/context.ts";
import { listKpis, showKpi } from "../../pipelines/commands/kpis.ts";
import { plan } from "../../pipelines/commands/plan.ts";
import { refresh } from "../../pipelines/commands/refresh.ts";
import { testKpis } from "../../pipelines/commands/test.ts";
import { readBook } from "../../pipelines/config/book.ts";
import { AssayError } from "../../pipelines/lib/errors.ts";
import { silentLog } from "../../pipelines/lib/log.ts";

const work = mkdtempSync(join(tmpdir(), "assay-kpis-"));
const book = join(work, "shop");
const file = (name: string): string => join(book, name);
const now = () => new Date("2024-06-10T04:00:00Z");
const day = 86_400_000;

const definition = `  - id: big_orders_28d
    label: Big orders
    description: Orders of ten items or more.
    factor: feature_adoption
    kind: objective
    side: proactive
    unit: orders
    measure: count
    entity: usage_event
    filter: { event: order, quantity: { at_least: 10 } }
    window_days: 28
    healthier: higher
    says: { less: placed fewer big orders, more: placed more big orders }
  - id: big_order_share
    label: Share of big orders
    description: Big orders for each login.
    factor: feature_adoption
    kind: objective
    side: proactive
    unit: orders per login
    measure: expression
    expression: big_orders_28d / logins_28d
    healthier: higher
    says: { less: had a smaller share of big orders, more: had a larger share of big orders }
`;
const assayYaml = `book: shop
sources:
  accounts: { entity: account, files: accounts.csv, settle: 0s }
  subscriptions: { entity: subscription, files: subscriptions.csv, settle: 0s }
  usage: { entity: usage_event, files: usage_*.csv, settle: 0s, key: [event_id] }
calendar: { gap_days: 0, horizon_days: 28, min_tenure_days: 28 }
kpis:
  - logins_28d
  - open_tickets
  - tickets_per_user_28d
${definition}`;
const passing = `kpi: big_order_share
alive: [usage_event]
given:
  usage_event:
    - { account_id: a, event_time: 2024-05-20 10:00:00, event: order, quantity: 10 }
    - { account_id: a, event_time: 2024-05-21 10:00:00, event: order, quantity: 9.5 }   # not big
    - { account_id: a, event_time: 2024-05-22 10:00:00, event: login }
    - { account_id: a, event_time: 2024-05-23 10:00:00, event: login }
    - { account_id: a, event_time: 2024-05-24 10:00:00, event: login, known_at: 2024-06-04 10:00:00 }
expect:
  - { account_id: a, snapshot_date: 2024-06-03, value: 0.5 }
  - { account_id: b, snapshot_date: 2024-06-03, why: not_applicable }
`;

function usageRows(from: string, days: number): string {
  const rows = Array.from({ length: days }, (_, i) => new Date(Date.parse(from) + i * day).toISOString().slice(0, 10));
  const lines = rows.flatMap((date) => ["a", "b", "c"].map((id) => `${id},${date} 10:00:00,login,${id}-${date}`));
  return `account_id,event_time,event,event_id\n${lines.join("\n")}\n`;
}

/** Runs a command as the command line does; the error instead of the exit code. */
async function run(
  command: (context: Context) => Promise<void>,
): Promise<{ readonly printed: string; readonly error: AssayError | null }> {
  const printed: string[] = [];
  const context = { cwd: work, env: {}, now, log: silentLog, print: (text: string) => void printed.push(text) };
  try {
    await command(context);
    return { printed: printed.join("\n"), error: null };
  } catch (error) {
    if (!(error instanceof AssayError)) throw error;
    return { printed: printed.join("\n"), error };
  }
}

/** Every file of a folder with its size and time. */
const contents = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .sort()
    .map((name) => {
      const { size, mtimeMs } = statSync(join(folder, name));
      return `${name} ${size} ${mtimeMs}`;
    });

beforeAll(() => {
  mkdirSync(file("tests"), { recursive: true });
  writeFileSync(file("assay.yaml"), assayYaml);
  writeFileSync(file("accounts.csv"), "account_id,created_at\na,2024-01-01\nb,2024-01-01\nc,2024-01-01\n");
  writeFileSync(
    file("subscriptions.csv"),
    "subscription_id,account_id,started_on,ended_on\n1,a,2024-01-01,\n2,b,2024-01-01,\n3,c,2024-01-01,2024-05-15\n",
  );
  writeFileSync(file("usage_1.csv"), usageRows("2024-01-01", 150));
  writeFileSync(file("tests/big_order_share.yaml"), passing);
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe("assay kpis", () => {
  it("lists the library by factor", async () => {
    const { printed } = await run((context) => listKpis(context, undefined, {}));
    expect(printed).toMatch(/^user_activity\nid /);
    expect(printed).toMatch(
      /\n\nsupport_history\nid [\s\S]*\nopen_tickets +Open tickets +count of ticket +objective +reactive +lower\n/,
    );
    const json = JSON.parse((await run((context) => listKpis(context, undefined, { json: true }))).printed);
    expect(printed).toContain(`\n${json.kpis.length} KPIs; `);
  });

  it("says of a book what is on, what is off and why, and what it could have", async () => {
    const { printed } = await run((context) => listKpis(context, "shop", {}));
    expect(printed).toMatch(/\nlogins_28d .* on\n/);
    expect(printed).toMatch(/\nbig_orders_28d .* on\n/);
    expect(printed).toMatch(/\nopen_tickets .* off: needs a source of entity ticket\n/);
    expect(printed).toMatch(
      /\ntickets_per_user_28d .* off: reads tickets_28d, which needs a source of entity ticket\n/,
    );
    expect(printed).toMatch(/\nactive_days_28d .* not listed\n/);
    expect(printed).toMatch(/\ngoals_met .* not listed: needs a source of entity goal\n/);
    expect(printed).toMatch(/\n3 on, 2 off, \d+ more in the library, \d+ of which this book has the sources for$/);
  });

  it("shows one in words and SQL, a definition of the book as well as the library's", async () => {
    const { printed } = await run((context) => showKpi(context, "big_orders_28d", "shop", {}));
    expect(printed).toContain(
      "the number of rows of usage_event where event is order and quantity is at least 10 in the 28",
    );
    expect(printed).toMatch(/in shop +on\n/);
    expect(printed).toMatch(/\nwith\n[\s\S]*spine\.account_snapshot/);
    const ratio = JSON.parse(
      (await run((context) => showKpi(context, "gone_dark_90d", undefined, { json: true }))).printed,
    );
    expect(ratio.words).toBe("100 x ignored_touches_90d / touches_90d; not applicable where touches_90d is 0");
    expect(ratio.definition.unit).toBe("percent");
    const { error } = await run((context) => showKpi(context, "big_order_28d", "shop", {}));
    expect(error).toMatchObject({ exitCode: 2, hint: "did you mean big_orders_28d?" });
  });
});

describe("assay test", () => {
  it("passes what is as expected, and names definitions without a test", async () => {
    const { printed, error } = await run((context) => testKpis(context, "shop", {}));
    expect(error).toBeNull();
    expect(printed).toContain("1 passed, 0 failed");
    expect(printed).toContain("definitions of the book without a test: big_orders_28d");
  });

  it("sets expected and found side by side where they differ, with exit 5", async () => {
    writeFileSync(file("tests/second.yaml"), passing.replace("value: 0.5", "value: 0.4"));
    const { printed, error } = await run((context) => testKpis(context, "shop", {}));
    expect(error).toMatchObject({ exitCode: 5, message: "1 of 2 tests failed: big_order_share (tests/second.yaml)" });
    expect(printed).toMatch(/FAILS {2}big_order_share {2}tests\/second\.yaml\n/);
    expect(printed).toMatch(/ a +2024-06-03 +0\.4 +0\.5 +FAILS\n/);
    expect(printed).toMatch(/ b +2024-06-03 +not_applicable +not_applicable +ok\n/);
    const json = JSON.parse((await run((context) => testKpis(context, "shop", { json: true }))).printed);
    expect(json).toMatchObject({ passed: 1, failed: 1 });
    expect(json.tests[1].checks[0]).toMatchObject({
      expected: { value: 0.4, why: null },
      found: { value: 0.5, why: null },
      passed: false,
    });
    rmSync(file("tests/second.yaml"));
  });

  it.each([
    [
      ["kpi: big_order_share", "kpi: big_orders_share"],
      /^tests\/bad\.yaml:1: kpi: found big_orders_share, expected a KPI/,
    ],
    [
      ["quantity: 10 }", "quantity: ten }"],
      /^tests\/bad\.yaml:5: given\.usage_event\[0\]\.quantity: found "ten", expected a number$/,
    ],
    [
      ["quantity: 10 }", "amount: 10 }"],
      /^tests\/bad\.yaml:5: given\.usage_event\[0\]\.amount: found an unknown column, expected one of account_id/,
    ],
    [
      ["2024-05-20 10:00:00", "2024-05-32 10:00:00"],
      /event_time: found "2024-05-32 10:00:00", expected a time like 2026-01-31 12:00:00$/,
    ],
    [["  usage_event:", "  usage:"], /^tests\/bad\.yaml:4: given\.usage: found usage, expected an entity: account, /],
    [["event: order, quantity: 10", "quantity: 10"], /given\.usage_event\[0\]\.event: found nothing, expected a text$/],
    [
      ["alive: [usage_event]", "alive: [usage]"],
      /^tests\/bad\.yaml:2: alive\[0\]: found usage, expected an entity of things that happen$/,
    ],
    [
      ["value: 0.5", "value: 0.5, why: not_yet"],
      /^tests\/bad\.yaml:11: expect\[0\]: found value and why, expected one of them$/,
    ],
    [
      ["why: not_applicable", "why: unknown"],
      /expect\[1\]\.why: found "unknown", expected one of not_applicable, not_yet/,
    ],
    [
      ["a, snapshot_date: 2024-06-03", "a, snapshot_date: 2024-05-29"],
      /expect\[0\]\.snapshot_date: found 2024-05-29, expected a Monday, the first of a month, or as_of$/,
    ],
    [
      ["alive:", "as_of: 2024-05-27\nalive:"],
      /expect\[0\]\.snapshot_date: found 2024-06-03, expected none after as_of, 2024-05-27$/,
    ],
  ] as const)("refuses a mistake with file, line and key: %j", async ([right, wrong], sentence) => {
    expect(passing).toContain(right);
    writeFileSync(file("tests/bad.yaml"), passing.replace(right, wrong));
    const { printed, error } = await run((context) => testKpis(context, "shop", {}));
    rmSync(file("tests/bad.yaml"));
    expect(printed).toBe("");
    expect(error?.exitCode).toBe(2);
    expect(error?.message).toMatch(sentence);
  });
});

describe("assay plan", () => {
  it("says what the first release would have, and leaves no trace", async () => {
    const { printed } = await run((context) => plan(context, "shop", {}));
    expect(printed).toMatch(/^shop: no release yet\n/);
    expect(printed).toMatch(/\nusage +usage_event +1 +1 +0 +0\n/);
    expect(printed).toContain("KPIs: 3 on, 2 off");
    expect(printed).toContain("off: open_tickets, needs a source of entity ticket");
    expect(printed).toMatch(/\nA refresh would build the first release\.\n\nLoad: 3 files, 456 rows\n/);
    expect(printed).toMatch(/\nBuild: everything; usage by month: 5 to roll up, 0 taken from the store$/);
    expect(existsSync(file(".assay"))).toBe(false);
  });

  it("finds nothing to do after a refresh, and then what has changed, without touching the state", async () => {
    const opened = await readBook("shop", { cwd: work, env: {} });
    const load = { book: opened, state: file(".assay"), site: false, now, log: silentLog };
    expect((await refresh(load)).outcome).toBe("published");
    const planned = async () => JSON.parse((await run((context) => plan(context, "shop", { json: true }))).printed);
    expect(await planned()).toMatchObject({ would: "find nothing to do", reasons: [] });
    expect((await refresh(load)).outcome).toBe("unchanged");
    const before = contents(file(".assay"));

    writeFileSync(file("usage_2.csv"), usageRows("2024-05-30", 3));
    const changed = assayYaml
      .replace("at_least: 10", "at_least: 20")
      .replace("  - open_tickets\n", "  - active_days_28d\n");
    writeFileSync(file("assay.yaml"), changed);
    const later = await planned();
    expect(later.would).toBe("build a release");
    expect(later.reasons).toEqual([
      "source usage: usage_2.csv is new",
      "KPIs that the release does not have: active_days_28d",
      "KPI big_orders_28d is defined otherwise, still as version 1: raise it when the meaning changed",
      "assay.yaml has changed",
    ]);
    expect(later.kpis.off.map(({ id }: { readonly id: string }) => id)).toEqual(["tickets_per_user_28d"]);
    expect(contents(file(".assay"))).toEqual(before);

    writeFileSync(file("assay.yaml"), assayYaml);
    expect(await planned()).toMatchObject({ reasons: ["source usage: usage_2.csv is new"] });
    rmSync(file("usage_2.csv"));
    expect(await planned()).toMatchObject({ would: "find nothing to do" });
    expect(readFileSync(file("assay.yaml"), "utf8")).toBe(assayYaml);
  });

  it("shows the values of a KPI once there is a release", async () => {
    const { printed } = await run((context) => showKpi(context, "logins_28d", "shop", {}));
    expect(printed).toContain("On 2024-05-30: 2 of 2 accounts have a value, 0 of them 0.");
    expect(printed).toMatch(/\n +28 +28 +28 +28 +28 +28 +28\n/);
  });
});
