/** The store keeps what a kept release reads and what could not be read again, and nothing else. */
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterEach, expect, it } from "vitest";
import type { LoadResult } from "../../pipelines/load/load.ts";
import { sweepReadings } from "../../pipelines/load/sweep.ts";
import { type TestBook, testBook } from "../loading.ts";

let made: TestBook;
afterEach(() => made.drop());

const usage = (mapping: string): string =>
  `usage: { entity: usage_event, files: 'u?.csv', key: [event_id], columns: { event: { from: event, map: { ${mapping} } } } }`;
const rowsOf = (load: LoadResult): readonly string[] => load.deliveries.map(({ rows }) => rows);

/** Loads with one mapping, then with another: the rows of the first are old. */
async function mappedTwice(): Promise<{ readonly old: LoadResult; readonly now: LoadResult }> {
  made = await testBook(usage("Login: login"));
  await made.write("u1.csv", "event_id,account_id,event_time,event\n1,a,2024-02-01,Login\n");
  await made.write("u2.csv", "event_id,account_id,event_time,event\n2,a,2024-02-02,Login\n1,a,2024-02-01,Login\n");
  const old = await made.load();
  const file = join(made.folder, "assay.yaml");
  await writeFile(file, (await readFile(file, "utf8")).replace("Login: login", "Login: visit"));
  return { old, now: await made.load() };
}

it("rows of an earlier mapping go with the release that reads them, and lists of repeats with the night", async () => {
  const { old, now } = await mappedTwice();
  const usageOf = (load: LoadResult) => load.deliveries.filter(({ source }) => source === "usage");
  const [first, second] = usageOf(old).map(({ rows }) => rows) as [string, string];
  const book = await made.read();
  // A release that is kept reads the first file as it was.
  await sweepReadings({ book, state: made.state, load: now, inUse: new Set([basename(first)]) });
  expect([existsSync(first), existsSync(second)]).toEqual([true, false]);
  expect(rowsOf(now).filter((path) => !existsSync(path))).toEqual([]);
  const path = now.sources.usage?.repeats?.path ?? "";
  expect((await readdir(join(made.state, "store", "repeats"))).sort()).toEqual(
    [basename(path), basename(path).replace(".parquet", ".json")].sort(),
  );
  await sweepReadings({ book, state: made.state, load: now, inUse: new Set() });
  expect(existsSync(first)).toBe(false);
  expect((await sweepReadings({ book, state: made.state, load: now, inUse: new Set() })).removed).toBe(0);
  // What went is read again when the mapping comes back.
  const file = join(made.folder, "assay.yaml");
  await writeFile(file, (await readFile(file, "utf8")).replace("Login: visit", "Login: login"));
  expect(rowsOf(await made.load())).toEqual(rowsOf(old));
  expect(existsSync(first)).toBe(true);
});

it("rows of an export that has gone stay, whatever mapping read them, and rows that no ledger knows do not", async () => {
  const { old, now } = await mappedTwice();
  await made.remove("u1.csv");
  const orphan = join(made.state, "store", `${"0".repeat(32)}.parquet`);
  await writeFile(orphan, "");
  const own = old.deliveries.filter(({ source }) => source === "usage").map(({ rows }) => rows);
  await sweepReadings({ book: await made.read(), state: made.state, load: now, inUse: new Set() });
  expect(own.map((path) => existsSync(path))).toEqual([true, false]);
  expect(existsSync(orphan)).toBe(false);
});

it("rows of a source that the book no longer has stay: it may come back without its files", async () => {
  const { now } = await mappedTwice();
  const book = await made.read();
  const { usage: _, ...others } = book.sources;
  const left = { ...now, deliveries: now.deliveries.filter(({ source }) => source !== "usage") };
  await sweepReadings({ book: { ...book, sources: others }, state: made.state, load: left, inUse: new Set() });
  expect(rowsOf(now).filter((path) => !existsSync(path))).toEqual([]);
});
