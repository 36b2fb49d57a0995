import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tableFromIPC } from "apache-arrow";
import { afterAll, beforeAll, expect, test } from "vitest";
import { rowsOf } from "../../observable/src/components/arrow.ts";
import { sha256File } from "../../pipelines/lib/files.ts";
import { type ArtefactFile, artefacts, toArrow, writeArtefacts } from "../../pipelines/publish/artefacts.ts";
import { openFixture } from "./fixture.ts";

let folder: string;
let files: readonly ArtefactFile[];
const read = (name: string): Promise<string> => readFile(join(folder, "one", name), "utf8");

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-artefacts-"));
  for (const name of ["one", "two"]) {
    const database = await openFixture({ accounts: 120 });
    try {
      // The second run has its rows in another order, on one thread.
      if (name === "two") {
        await database.run("set threads = 1");
        await database.run(
          "create or replace table marts.band_month as from marts.band_month order by band desc, n_accounts",
        );
        await database.run("create or replace table marts.kpi as from marts.kpi order by kpi desc");
      }
      const written = await writeArtefacts({
        database,
        folder: join(folder, name),
      });
      if (name === "one") files = written;
      else expect(written).toEqual(files);
    } finally {
      database.close();
    }
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("equal tables give equal bytes, whatever the order of their rows and the threads", async () => {
  for (const { file, sha256 } of files) {
    expect(await sha256File(join(folder, "one", file)), file).toBe(sha256);
    expect(await sha256File(join(folder, "two", file)), file).toBe(sha256);
  }
});

test("the manifest's facts are those of the files", async () => {
  expect(files.map(({ name }) => name)).toEqual([...artefacts.map(({ name }) => name), "statement"]);
  const bands = files.find(({ name }) => name === "band_month") as ArtefactFile;
  const rows = JSON.parse(await read("band_month.json"));
  expect(bands.rows).toBe(rows.length);
  expect(bands.schema.map(({ name }) => name)).toEqual(Object.keys(rows[0]));
  expect(bands.schema[1]).toEqual({ name: "snapshot_date", type: "date" });
  expect(rows[0].snapshot_date).toMatch(/^\d{4}-\d{2}-\d{2}$/);
});

test("no artefact of the leadership site holds an account, and none a time of the run", async () => {
  for (const { file } of files) {
    const text = await readFile(join(folder, "one", file), "latin1");
    expect(text, file).not.toMatch(/\bacc_\d/);
    expect(text, file).not.toContain(new Date().toISOString().slice(0, 10));
  }
});

test("every number of people in an artefact's totals is at least min_cell", async () => {
  for (const [name, column] of [
    ["band_month", "n_total"],
    ["renewal_month", "n_total"],
    ["renewal_ahead", "n_total"],
    ["leaver_band", "n_total"],
    ["band_change", "n_total"],
    ["cohort_heat", "n_accounts"],
    ["cohort_retention", "n_accounts"],
    ["kpi_range", "n_accounts"],
    ["band_outcome", "n_accounts"],
    ["band_before", "n_total"],
    ["band_recovery", "n_accounts"],
    ["capacity", "n_departures"],
    ["kept_money", "n_base"],
  ] as const) {
    const rows = JSON.parse(await read(`${name}.json`)) as Record<string, number>[];
    expect(rows.length, name).toBeGreaterThan(0);
    for (const row of rows) expect(row[column], name).toBeGreaterThanOrEqual(5);
  }
});

test("Arrow holds dates as milliseconds and no 64-bit integer; reading gives back the rows", async () => {
  const bytes = await readFile(join(folder, "one", "delivery.arrow"));
  const table = tableFromIPC(bytes);
  const types = new Map(table.schema.fields.map((field) => [field.name, String(field.type)]));
  expect(types.get("delivered_on")).toBe("Date64<MILLISECOND>");
  expect([...types.values()].join()).not.toContain("Int64");
  const rows = rowsOf<Record<string, unknown>>(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer,
  );
  expect(rows.length).toBe(72);
  expect(rows[0]).toMatchObject({ source: "subscriptions", delivered_on: "2025-11-21", rows_read: 1023 });
});

test("an empty table and missing values survive Arrow", () => {
  const schema = [
    { name: "a", type: "text" },
    { name: "b", type: "number" },
    { name: "c", type: "date" },
    { name: "d", type: "boolean" },
  ] as const;
  const back = (rows: Parameters<typeof toArrow>[0]) =>
    rowsOf(new Uint8Array(toArrow(rows, schema)).buffer as ArrayBuffer);
  expect(back([])).toEqual([]);
  const rows = [
    { a: null, b: null, c: null, d: null },
    { a: "ü </script>", b: 1.5, c: "2024-02-29", d: true },
  ];
  expect(back(rows)).toEqual(rows);
});
