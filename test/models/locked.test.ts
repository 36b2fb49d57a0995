/** The engine is locked down wherever a book's files, names and definitions reach it. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it, vi } from "vitest";
import { openWarehouse } from "../../pipelines/commands/build.ts";
import { lookAtFeeds } from "../../pipelines/commands/feeds.ts";
import { stagingNodes } from "../../pipelines/load/stage.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { holdLock } from "../../pipelines/warehouse/lock.ts";
import { testBook } from "../loading.ts";

const work = mkdtempSync(join(tmpdir(), "assay-locked-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

it("the connection of a build reads and writes below its folder and the store, and stays as it was set up", async () => {
  const test = await testBook('tickets: { entity: ticket, files: "tickets.csv" }');
  const state = join(work, "state");
  const build = join(state, "builds", "now");
  const outside = join(work, "outside.csv");
  writeFileSync(outside, "a\n1\n");
  const database = await openWarehouse(await test.read(), state, build);
  const inside = (name: string): string => join(build, name);
  try {
    const refused = [
      "select * from read_text('/etc/passwd')",
      "select * from read_csv('/etc/passwd')",
      `select * from read_csv('${outside}')`,
      `select * from read_text('${build}/../../../outside.csv')`,
      "select * from glob('/etc/*')",
      `copy (select 1 as a) to '${join(work, "stolen.csv")}'`,
      `copy (select 1 as a) to '${state}-beside/stolen.csv'`,
      `attach '${join(work, "other.duckdb")}' as other`,
      `export database '${join(work, "exported")}'`,
      "install httpfs",
      "load httpfs",
      "create persistent secret s (type s3)",
      "set enable_external_access = true",
      "set allowed_directories = ['/']",
      "set lock_configuration = false",
      "reset lock_configuration",
      "set memory_limit = '1TB'",
      "set threads = 64",
      `set temp_directory = '${work}'`,
      "set autoinstall_known_extensions = true",
      "pragma threads = 9",
    ];
    for (const sql of refused) {
      const failure = await database.run(sql).then(
        () => "ran",
        (error: unknown) => String(error),
      );
      expect([sql, failure]).toEqual([sql, expect.stringMatching(/disabled|locked|cannot change|cannot access/i)]);
    }
    expect(existsSync(join(work, "stolen.csv"))).toBe(false);
    // What a build does need.
    await database.run(`copy (select 1 as a) to '${inside("part.parquet")}' (format parquet)`);
    expect(await database.scalar(`select a from read_parquet('${inside("part.parquet")}')`)).toBe(1);
    await database.run(
      "attach ':memory:' as scratch; use scratch; create table t as select 1; use warehouse; detach scratch; checkpoint",
    );
  } finally {
    database.close();
    await test.drop();
  }
});

it("every engine that loading, staging and the look at the feeds open is locked, and so is the lock", async () => {
  const test = await testBook('tickets: { entity: ticket, files: "tickets.jsonl" }');
  const opened = vi.spyOn(Database, "open");
  try {
    await test.write("tickets.jsonl", '{"account_id":"a","opened_at":"2024-01-05"}');
    const load = await test.load();
    const book = await test.read();
    await stagingNodes(book, load);
    await lookAtFeeds(book, load, new Date("2024-06-01T00:00:00Z"));
    (await holdLock(test.state, new Date("2024-06-01T00:00:00Z"))).release();
    const folders = opened.mock.calls.map(([{ allowedDirectories }]) => allowedDirectories);
    expect(folders.length).toBeGreaterThan(3);
    expect(folders).not.toContain(undefined);
    for (const allowed of folders.flatMap((list) => list ?? [])) expect(allowed.startsWith(test.folder)).toBe(true);
  } finally {
    opened.mockRestore();
    await test.drop();
  }
});
