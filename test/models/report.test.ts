/** What report.json says of a release against the one before it, held against rows that were written by hand. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { beginRecord, reportOf } from "../../pipelines/commands/report.ts";
import type { Book } from "../../pipelines/config/book.ts";
import type { Manifest } from "../../pipelines/publish/release.ts";
import { Database } from "../../pipelines/warehouse/database.ts";

const work = mkdtempSync(join(tmpdir(), "assay-report-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** A warehouse that holds bands at `asOf` (account, band), rows that do not count, and labels (KPI, definition, group, label). */
async function warehouse(
  name: string,
  asOf: string,
  bands: readonly (readonly [string, string | null])[],
  labels: readonly (readonly [string, string, string, string])[],
): Promise<string> {
  const folder = mkdtempSync(join(work, name));
  const database = await Database.open({ path: join(folder, "warehouse.duckdb") });
  const text = (value: string | null): string => (value === null ? "null" : `'${value}'`);
  try {
    for (const schema of ["meta", "scores", "validation"]) await database.run(`create schema ${schema}`);
    await database.run(`create table meta.params as select date '${asOf}' as as_of`);
    await database.run(
      "create table scores.account_score (account_id varchar, snapshot_date date, is_in_force boolean, band varchar)",
    );
    await database.run(
      `insert into scores.account_score values
         ${bands.map(([account, band]) => `('${account}', date '${asOf}', true, ${text(band)})`).join(", ")},
         ('a', date '2025-01-01', true, 'grey'), ('a', date '${asOf}', false, '${name}')`,
    );
    await database.run(
      `create table validation.kpi_verdict as
       from (values ${labels.map((row) => `(${row.map(text).join(", ")})`).join(", ")}) as t(kpi, definition, group_kind, label)`,
    );
  } finally {
    database.close();
  }
  return folder;
}

test("bands and labels that changed since the last release: each once, accounts counted, none named", async () => {
  const last = await warehouse(
    "last",
    "2025-06-30",
    [
      ["a", "green"],
      ["b", "green"],
      ["c", "red"],
      ["d", "yellow"],
      ["e", "red"],
      ["f", null],
    ],
    [
      ["logins", "ended", "all", "early warning"],
      ["logins", "ended", "segment", "early warning"],
      ["logins", "silent", "all", "no signal"],
      ["seats", "ended", "all", "no signal"],
      ["nps", "ended", "all", "too little data"],
    ],
  );
  // a, b: green to red; c stays; d: yellow to green; e left; f has a band now; g is new, h is new and has none.
  const build = await warehouse(
    "build",
    "2025-07-31",
    [
      ["a", "red"],
      ["b", "red"],
      ["c", "red"],
      ["d", "green"],
      ["f", "green"],
      ["g", "green"],
      ["h", null],
    ],
    [
      ["logins", "ended", "all", "no signal"],
      ["logins", "ended", "segment", "no signal"],
      ["logins", "silent", "all", "no signal"],
      ["nps", "ended", "all", "early warning"],
      ["tickets", "ended", "all", "no signal"],
    ],
  );
  const manifest = { release_id: "0".repeat(64), as_of: "2025-06-30" } as Manifest;
  const record = Object.assign(beginRecord({ book: "t", sources: {} } as unknown as Book, work, false, new Date(0)), {
    build,
    current: { folder: last, manifest },
  });
  const report = await reportOf(record, { outcome: "published", at: new Date(0) });
  expect(report.since_last_release).toEqual({
    release_id: "0".repeat(64),
    as_of: "2025-06-30",
    verdicts: [
      { kpi: "logins", definition: "ended", was: "early warning", now: "no signal" },
      { kpi: "nps", definition: "ended", was: "too little data", now: "early warning" },
      { kpi: "seats", definition: "ended", was: "no signal", now: null },
      { kpi: "tickets", definition: "ended", was: null, now: "no signal" },
    ],
    bands: [
      { was: null, now: "green", accounts: 2 },
      { was: "green", now: "red", accounts: 2 },
      { was: "red", now: null, accounts: 1 },
      { was: "yellow", now: "green", accounts: 1 },
    ],
  });
  const refused = await reportOf(record, { outcome: "failed", error: { message: "no" }, at: new Date(0) });
  expect(refused.since_last_release).toBeNull();
});
