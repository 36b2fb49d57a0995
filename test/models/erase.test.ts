/** An account that is erased: out of every file of the store, and out of exports that are read later; as if it had never been. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import type { Context } from "../../pipelines/commands/context.ts";
import { forget } from "../../pipelines/commands/forget.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { erasedAt, lookForAccount, markErased, markRestored, readErasures } from "../../pipelines/load/erase.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { type TestBook, testBook } from "../loading.ts";

const made: TestBook[] = [];
afterEach(async () => {
  for (const book of made.splice(0)) await book.drop();
});

const sources = `
accounts: { entity: account, files: accounts.csv }
subs: { entity: subscription, files: "subs_*.csv", mode: snapshot, key: [subscription_id], delivered: { from: file_name, pattern: "subs_{date}.csv" } }
keys: { entity: account_key, files: keys.csv, columns: { source: { value: all } } }
usage: { entity: usage_event, files: "usage_*.csv", mode: range, covers: days, delivered: { from: file_name, pattern: "usage_{date}.csv" } }
tickets: { entity: ticket, files: "tickets*.csv", key: [ticket_id], max_rejected: 0.9, columns: { account_id: { from: subscription_id, via: subs } } }
calls: { entity: engagement, files: calls.csv, columns: { account_id: { from: workspace, via: keys } } }`;

/** The exports, with the account `acc_gone` or as they would be without it. */
const files = (isThere: boolean): Readonly<Record<string, string>> => {
  const lines = (...all: readonly string[]): string =>
    `${all.filter((line) => isThere || !/acc_gone|sub_gone/.test(line)).join("\n")}\n`;
  return {
    "accounts.csv": lines(
      "account_id,created_at,parent_id",
      "a,2024-01-01,",
      "acc_gone,2024-01-01,",
      isThere ? "b,2024-01-01,acc_gone" : "b,2024-01-01,",
    ),
    "subs_2024-03-01.csv": lines(
      "subscription_id,account_id,started_on",
      "s1,a,2024-01-01",
      "sub_gone,acc_gone,2024-01-01",
    ),
    "subs_2024-04-01.csv": lines(
      "subscription_id,account_id,started_on",
      "s1,a,2024-01-01",
      "s2,b,2024-03-05",
      "sub_gone,acc_gone,2024-01-01",
    ),
    // The workspace was b's before the account took it over.
    "keys.csv": lines("source_id,account_id,from_on", "w1,b,2024-01-01", "w1,acc_gone,2024-03-01", "w2,a,"),
    "usage_2024-03-10.csv": lines(
      "account_id,event_time,event",
      "a,2024-03-01T10:00:00,login",
      "acc_gone,2024-03-01T11:00:00,login",
      "acc_gone,2024-03-04T11:00:00,login",
    ),
    "usage_2024-03-11.csv": lines(
      "account_id,event_time,event",
      "b,2024-03-02T10:00:00,login",
      "a,2024-03-03T10:00:00,login",
    ),
    "tickets.csv": lines(
      "ticket_id,subscription_id,opened_at",
      "t1,s1,2024-02-01",
      "t2,sub_gone,2024-02-02",
      "t3,s2,2024-03-06",
      "t4,s1,soon",
      "t5,s1,never sub_gone",
    ),
    "calls.csv": isThere
      ? "workspace,occurred_at,kind\nw1,2024-02-10,call\nw1,2024-03-10,call\nw2,2024-03-11,call\n"
      : "workspace,occurred_at,kind\nw1,2024-02-10,call\nw2,2024-03-11,call\n",
  };
};

async function book(isThere: boolean): Promise<TestBook> {
  const test = await testBook(sources.trim());
  made.push(test);
  for (const [file, text] of Object.entries(files(isThere))) await test.write(file, text);
  return test;
}

/** What is staged, without what names the files that it came from. */
async function staged(test: TestBook): Promise<Readonly<Record<string, unknown>>> {
  const load = await test.load("2024-06-01T00:00:00Z");
  expect(
    load.deliveries.map(({ rows_read, rows_loaded, rows_rejected }) => rows_read - rows_loaded - rows_rejected),
  ).toEqual(load.deliveries.map(() => 0));
  const { database } = await test.stage(load);
  try {
    const out: Record<string, unknown> = {};
    for (const name of [
      "account",
      "subscription",
      "ticket",
      "engagement",
      "usage_event",
      "account_identity",
      "unmatched_id",
      "range_day",
    ]) {
      const columns = (await database.describe(`select * from staging.${name}`)).map((column) => column.name);
      const own = columns.filter((column) => !["delivery_id", "file", "line", "_line"].includes(column));
      out[name] = await database.query(
        `select ${own.map((column) => `"${column}"`).join(", ")} from staging.${name} order by all`,
      );
    }
    out.rolled = await database.query("select * from rollup.account_day order by all");
    return out;
  } finally {
    database.close();
  }
}

/** Every text that any file below a folder holds, the cells of Parquet files included. */
async function everything(folder: string): Promise<string> {
  const parts: string[] = [];
  const database = await Database.open({ path: ":memory:" });
  try {
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      parts.push(path, readFileSync(path, "latin1"));
      if (!path.endsWith(".parquet")) continue;
      parts.push(
        JSON.stringify(await database.query(`select cast(t as varchar) as row from read_parquet('${path}') as t`)),
      );
    }
  } finally {
    database.close();
  }
  return parts.join("\n");
}

it("everything staged is what it would be had the account never come; its ids stand nowhere", async () => {
  const test = await book(true);
  await staged(test);
  expect(await everything(test.state)).toMatch(/acc_gone.*sub_gone/s);
  const held = await lookForAccount(await test.read(), test.state, "acc_gone");
  expect(held.sources.map(({ source, rows }) => [source, rows])).toEqual([
    ["accounts", 1],
    ["subs", 2],
    ["keys", 1],
    ["usage", 2],
    ["tickets", 1],
    ["calls", 1],
  ]);
  await markErased(test.state, "acc_gone", held, new Date("2024-06-02T00:00:00Z"));

  const without = await staged(test);
  expect(await everything(test.state)).not.toMatch(/acc_gone|sub_gone/);
  const never = await staged(await book(false));
  // The day that a file covered with rows of the account alone is covered still: nothing older comes back.
  expect(without).toEqual({ ...never, range_day: without.range_day });
  expect(without.range_day).toContainEqual(expect.objectContaining({ delivery_no: 1, event_day: "2024-03-04" }));
  expect(await readErasures(test.state)).toMatchObject({ isStorePending: false, isReleasePending: true });
});

it("a refresh that reads the exports anew passes it over and counts it; taken back, it comes again", async () => {
  const test = await book(true);
  const before = await staged(test);
  const first = await test.load();
  const held = await lookForAccount(await test.read(), test.state, "acc_gone");
  await markErased(test.state, "acc_gone", held, new Date("2024-06-02T00:00:00Z"));
  const erased = await test.load();
  expect(erased.inputs_sha256).not.toBe(first.inputs_sha256);
  expect(erased.warnings).toContain("source usage: 2 rows of erased accounts in 1 delivery are passed over");
  // Another mapping: the exports, which hold the account, are read again; and a new file names it.
  const yaml = join(test.folder, "assay.yaml");
  writeFileSync(
    yaml,
    readFileSync(yaml, "utf8")
      .replace("files: calls.csv,", "files: calls.csv, formats: { nulls: [none] },")
      .replace("entity: ticket,", "entity: ticket, formats: { nulls: [none] },"),
  );
  await test.write(
    "tickets_new.csv",
    "ticket_id,subscription_id,opened_at\nt9,sub_gone,2024-05-01\nt10,s1,2024-05-02\nt11,s1,bad sub_gone\n",
  );
  const again = await test.load();
  expect(
    again.deliveries
      .filter(({ erased: rows }) => rows !== null)
      .map(({ file, rows_read, rows_loaded, rows_rejected, erased: rows }) => [
        file,
        rows_read,
        rows_loaded,
        rows_rejected,
        rows?.rows,
      ]),
  ).toEqual([
    ["accounts.csv", 2, 2, 0, 1],
    ["subs_2024-03-01.csv", 1, 1, 0, 1],
    ["subs_2024-04-01.csv", 2, 2, 0, 1],
    ["keys.csv", 2, 2, 0, 1],
    ["usage_2024-03-10.csv", 1, 1, 0, 2],
    ["tickets.csv", 4, 2, 2, 1],
    ["tickets_new.csv", 2, 1, 1, 1],
    ["calls.csv", 2, 2, 0, 1],
  ]);
  expect(await everything(test.state)).not.toMatch(/acc_gone|sub_gone/);

  rmSync(join(test.folder, "tickets_new.csv"));
  await markRestored(test.state, "acc_gone", new Date("2024-06-03T00:00:00Z"));
  const back = await test.load();
  expect(back.deliveries.map(({ file, erased: rows }) => [file, rows?.rows ?? 0]).filter(([, n]) => n !== 0)).toEqual([
    ["tickets_new.csv", 1],
  ]);
  const restored = await staged(test);
  expect({ ...restored, ticket: [] }).toEqual({ ...before, ticket: [] });
  expect(await erasedAt(test.state, "acc_gone")).toBeNull();
});

it("carried on where a killed run stopped: rows gone, ledger not yet", async () => {
  const test = await book(true);
  await test.load();
  const ledger = readFileSync(join(test.state, "ledger.jsonl"), "utf8");
  const held = await lookForAccount(await test.read(), test.state, "acc_gone");
  await markErased(test.state, "acc_gone", held, new Date("2024-06-02T00:00:00Z"));
  const marks = readFileSync(join(test.state, "erased.jsonl"), "utf8");
  const expected = (await test.load()).deliveries;
  // As it was before the ledger was written, and before the store was said to be clean.
  writeFileSync(join(test.state, "ledger.jsonl"), ledger);
  writeFileSync(join(test.state, "erased.jsonl"), marks);
  expect((await test.load()).deliveries).toEqual(expected);
  writeFileSync(join(test.state, "erased.jsonl"), `${marks}{"kind":"era`);
  await expect(test.load()).rejects.toMatchObject({
    exitCode: 3,
    message: expect.stringMatching(/erased\.jsonl:\d+: is damaged/),
  });
});

it("says what it would do, and does nothing without a yes; an account that nobody knows is a mistake", async () => {
  const test = await book(true);
  await test.load();
  const printed: string[] = [];
  const context: Context = {
    cwd: test.folder,
    env: {},
    now: () => new Date(),
    log: silentLog,
    print: (text) => printed.push(text),
  };
  mkdirSync(join(test.state, "releases", "20260101T000000Z-aa"), { recursive: true });
  const manifest = { run_id: "20260101T000000Z-aa", store: {} };
  writeFileSync(join(test.state, "releases", manifest.run_id, "manifest.json"), JSON.stringify(manifest));
  const before = await everything(join(test.state, "store"));
  await forget(context, test.folder, { account: "acc_gone", dryRun: true });
  expect(printed[0]).toContain(
    "Would erase account acc_gone: 8 rows of 6 sources, found by its id and by 2 ids that led to it.",
  );
  expect(printed[0]).toContain("  subs: 2 rows, from subs_2024-03-01.csv, subs_2024-04-01.csv");
  expect(printed[0]).toContain("1 release built with it: 20260101T000000Z-aa.");
  await expect(forget(context, test.folder, { account: "acc_gone" })).rejects.toMatchObject({
    exitCode: 2,
    message: expect.stringContaining("nothing was erased"),
  });
  await expect(forget(context, test.folder, { account: "acc", yes: true })).rejects.toMatchObject({
    exitCode: 2,
    message: expect.stringMatching(/^no account acc is in the store of test/),
  });
  await expect(forget(context, test.folder, {})).rejects.toMatchObject({ exitCode: 2 });
  expect(await everything(join(test.state, "store"))).toBe(before);
});
