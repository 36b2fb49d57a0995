import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { machineError } from "../../pipelines/lib/errors.ts";
import { builder, compile } from "../../pipelines/warehouse/compiler.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { literal, quoteIdentifier, SqlDate } from "../../pipelines/warehouse/literal.ts";
import { holdLock } from "../../pipelines/warehouse/lock.ts";

test("values become SQL text that cannot break out", async () => {
  const database = await Database.open({ path: ":memory:" });
  try {
    const evil = "it's; drop table x; -- \\' \"";
    const [row] = await database.query(`select ${literal(evil)} as ${quoteIdentifier('a"b')}`);
    expect(row).toEqual({ 'a"b': evil });
  } finally {
    database.close();
  }
  expect([null, true, 1.5, -0, 12n, new SqlDate("2024-02-29")].map(literal)).toEqual([
    "null",
    "true",
    "1.5",
    "0",
    "12",
    "date '2024-02-29'",
  ]);
  expect(() => literal(Number.NaN)).toThrow("not a finite number: NaN");
  expect(() => literal("a\0b")).toThrow("NUL");
  expect(() => new SqlDate("2024-2-9")).toThrow("not a calendar date: 2024-2-9");
});

test("built statements carry no parameters and quote what is reserved", () => {
  const query = builder
    .selectFrom("spine.account_snapshot as s")
    .select(["s.account_id", "s.user"])
    .where("s.name", "=", "O'Hara");
  expect(compile(query)).toBe(
    `select s.account_id, s."user" from spine.account_snapshot as s where s.name = 'O''Hara'`,
  );
});

test("rows arrive as plain values: exact integers, ISO dates in UTC, decimals, nulls", async () => {
  const database = await Database.open({ path: ":memory:" });
  try {
    const [row] = await database.query(
      `select 2::hugeint as h, 9007199254740993::bigint as big, date '2024-01-31' as d, timestamp '2024-01-31 12:00:00' as t,
        1.25::decimal(18, 6) as x, [1, 2] as l, null as n, 'NaN'::double as f`,
    );
    expect(row).toEqual({
      h: 2,
      big: 9007199254740993n,
      d: "2024-01-31",
      t: "2024-01-31 12:00:00",
      x: 1.25,
      l: [1, 2],
      n: null,
      f: Number.NaN,
    });
  } finally {
    database.close();
  }
});

test("a locked-down connection reads its folders, nothing else, and cannot be reconfigured", async () => {
  const database = await Database.open({ path: ":memory:", allowedDirectories: ["/tmp/assay-no-such-folder"] });
  try {
    await expect(database.query("select * from read_csv('/etc/passwd')")).rejects.toThrow(/disabled by configuration/);
    await expect(database.run("set enable_external_access = true")).rejects.toThrow(/locked|Cannot/);
  } finally {
    database.close();
  }
});

test("a lock file that a crash cut short is made anew, and is held again", async () => {
  const state = mkdtempSync(join(tmpdir(), "assay-lock-"));
  try {
    for (const bytes of [0, 100, 5000]) {
      writeFileSync(join(state, "lock.duckdb"), Buffer.alloc(bytes));
      const lock = await holdLock(state, new Date("2026-01-01T00:00:00Z"));
      expect(statSync(join(state, "lock.duckdb")).size).toBeGreaterThan(5000);
      lock.release();
    }
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
});

test("what the machine would not do is told in a sentence; anything else is a bug", () => {
  const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC", path: "/a/b" });
  expect(machineError(full)).toMatchObject({ exitCode: 2, message: "the disk is full: /a/b" });
  expect(machineError(new Error('IO Error: Could not write file "/a/b": No space left on device'))).toMatchObject({
    exitCode: 2,
    message: "the disk is full: /a/b",
  });
  expect(machineError(new Error("Out of Memory Error: failed to pin block"))).toMatchObject({ exitCode: 2 });
  expect(machineError(new TypeError("x is not a function"))).toBeNull();
});
