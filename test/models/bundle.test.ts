/** Files of the store that lie together: what is staged and rolled up is what the files say one by one. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { markErased } from "../../pipelines/load/erase.ts";
import type { LoadResult } from "../../pipelines/load/load.ts";
import { sweepReadings } from "../../pipelines/load/sweep.ts";
import { withdrawDelivery } from "../../pipelines/load/withdraw.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { type TestBook, testBook } from "../loading.ts";

const sources = `
accounts: { entity: account, files: "accounts_*.csv", mode: snapshot, key: [account_id], delivered: { from: file_name, pattern: "accounts_{date}.csv" } }
usage: { entity: usage_event, files: "usage_*.csv", key: [event_id], delivered: { from: file_name, pattern: "usage_{date}.csv" } }
tickets: { entity: ticket, files: "tickets_*.csv", mode: range, covers: days, max_rejected: 0.9, delivered: { from: file_name, pattern: "tickets_{date}.csv" } }`;

const dayOf = (n: number): string => `2024-03-${String(n).padStart(2, "0")}`;

/** A night: a table that changes every third night and is the same bytes otherwise, usage that repeats keys, days that replace the day before. */
async function deliver(book: TestBook, n: number): Promise<void> {
  const plan = n % 6 < 3 ? "solo" : "studio";
  await book.write(
    `accounts_${dayOf(n)}.csv`,
    `account_id,created_at,lifecycle\na,2024-01-01,${plan}\nb,2024-01-02,solo\n`,
  );
  await book.write(
    `usage_${dayOf(n)}.csv`,
    `event_id,account_id,event_time,event,known_at\ne${n},a,${dayOf(n)} 10:00:00,login,${dayOf(n)} 23:00:00\n` +
      `e${Math.max(1, n - 1)},b,${dayOf(n)} 11:00:00,login,${dayOf(n)} 23:00:00\n`,
  );
  await book.write(
    `tickets_${dayOf(n)}.csv`,
    `ticket_id,account_id,opened_at\nt${n},a,${dayOf(n)} 09:00:00\nt${n - 1},b,${dayOf(Math.max(1, n - 1))} 09:30:00\nbad,b,soon\n`,
  );
}

let book: TestBook;
beforeAll(async () => {
  book = await testBook(sources);
  // The third night is late.
  for (const n of [1, 2, 4, 5, 6, 7, 8, 9, 10]) await deliver(book, n);
});
afterAll(() => book.drop());

/** Every staged table and both roll-ups, as text. */
async function rowsOf(load: LoadResult): Promise<Readonly<Record<string, unknown>>> {
  const { database } = await book.stage(load);
  try {
    const names = await database.query<{ name: string }>(
      `select concat(schema_name, '.', view_name) as name from duckdb_views() where schema_name = 'rollup' or view_name = 'usage_event' and schema_name = 'staging'
       union all select concat(schema_name, '.', table_name) from duckdb_tables() where schema_name in ('staging', 'meta') order by name`,
    );
    expect(names.length).toBeGreaterThan(20);
    const all: Record<string, unknown> = {};
    for (const { name } of names) all[name] = await database.query(`select * from ${name} order by all`);
    const lines = "select _source, _delivery_id, _line, _row_number, parse_filename(_file) as file from raw.";
    for (const name of ["account", "usage_event", "ticket"])
      all[`raw.${name}`] = await database.query(`${lines}${name} order by all`);
    all.days = await database.query("select * from raw.source_day order by all");
    return all;
  } finally {
    database.close();
  }
}

const bundled = ({ deliveries }: LoadResult): number => deliveries.filter(({ bundle }) => bundle !== undefined).length;
const alone = (load: LoadResult): LoadResult => ({
  ...load,
  deliveries: load.deliveries.map(({ bundle: _, ...delivery }) => delivery),
});
const bundles = (): readonly string[] => readdirSync(join(book.state, "store", "bundles")).sort();

it("stages from bundles what the files hold one by one, through a late delivery, a withdrawal and an erasure", async () => {
  const first = await book.load();
  // Of nine deliveries eight lie together; the accounts' are two files of bytes, and the ninth is one of them.
  expect(bundled(first)).toBe(9 + 8 + 8);
  expect(bundles()).toHaveLength(3 * 2);
  expect(await rowsOf(first)).toEqual(await rowsOf(alone(first)));

  // A delivery that comes late has other neighbours: the bundles of before are swept.
  await deliver(book, 3);
  const late = await book.load();
  expect(late.deliveries.filter(({ source }) => source === "usage").map(({ file }) => file)).toEqual(
    Array.from({ length: 10 }, (_, i) => `usage_${dayOf(i + 1)}.csv`),
  );
  expect(bundled(late)).toBe(10 + 8 + 8);
  await sweepReadings({ book: await book.read(), state: book.state, load: late, inUse: new Set() });
  expect(bundles()).toHaveLength(3 * 2);
  expect(await rowsOf(late)).toEqual(await rowsOf(alone(late)));

  const now = new Date("2024-06-02T00:00:00Z");
  await withdrawDelivery({ state: book.state, named: `usage_${dayOf(4)}.csv`, now, inUse: new Set() });
  const without = await book.load();
  const staged = await rowsOf(without);
  expect(staged).toEqual(await rowsOf(alone(without)));
  expect(JSON.stringify(staged["raw.usage_event"])).not.toContain(
    late.deliveries.find(({ file }) => file === `usage_${dayOf(4)}.csv`)?.delivery_id,
  );

  await markErased(book.state, "b", { refs: [] }, now);
  const erased = await book.load();
  expect(bundled(erased)).toBe(10 + 8 + 8);
  expect(await rowsOf(erased)).toEqual(await rowsOf(alone(erased)));
  const database = await Database.open({ path: ":memory:" });
  try {
    const files = bundles().filter((name) => !name.includes(".days."));
    for (const name of files) {
      const path = join(book.state, "store", "bundles", name);
      expect(await database.scalar(`select count(*) from read_parquet('${path}') where account_id = 'b'`)).toBe(0);
    }
  } finally {
    database.close();
  }
});
