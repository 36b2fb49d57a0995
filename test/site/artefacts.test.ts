import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tableFromIPC } from "apache-arrow";
import { afterAll, beforeAll, expect, test } from "vitest";
import { rowsOf } from "../../observable/src/components/arrow.ts";
import { rowsOfColumns } from "../../observable/src/components/columns.ts";
import { sha256File } from "../../pipelines/lib/files.ts";
import { type ArtefactFile, artefacts, toArrow, toColumns, writeArtefacts } from "../../pipelines/publish/artefacts.ts";
import { smallCells } from "./cells.ts";
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
  expect(files.map(({ name }) => name)).toEqual([
    ...artefacts.map(({ name }) => name),
    "statement_practice",
    "statement",
  ]);
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

/** The totals of each table that has rows in a book of this size: an artefact without a row holds nothing to check. */
const withRows = [
  "band_month",
  "renewal_month",
  "renewal_ahead",
  "leaver_band",
  "band_change",
  "cohort_heat",
  "cohort_retention",
  "kpi_range",
  "band_outcome",
  "band_before",
  "band_recovery",
  "capacity",
  "kept_money",
  "archetype",
  "journey_stage",
  "random_control",
] as const;

test("every figure is of min_cell accounts and more, by what each artefact declares of itself", async () => {
  for (const name of withRows) expect(JSON.parse(await read(`${name}.json`)).length, name).toBeGreaterThan(0);
  expect(await smallCells(join(folder, "one"), 5)).toEqual([]);
});

// 250 is more than the fixture's 240 churned accounts and fewer than its 300 or 900: ranks go, shares stay.
test.each([30, 250])("a book that wants %d accounts in a cell gets no figure of fewer", async (minCell) => {
  const database = await openFixture({ accounts: 90, minCell });
  try {
    await writeArtefacts({ database, folder: join(folder, String(minCell)) });
  } finally {
    database.close();
  }
  expect(await smallCells(join(folder, String(minCell)), minCell)).toEqual([]);
  const kpis = JSON.parse(await readFile(join(folder, String(minCell), "kpi.json"), "utf8")) as {
    auc: number | null;
  }[];
  expect(kpis.length).toBe(11);
  expect(kpis.filter(({ auc }) => auc !== null).length).toBe(minCell > 240 ? 0 : 10);
});

test("the check finds what is too small", async () => {
  const found = await smallCells(join(folder, "one"), 300);
  expect(found.join("\n")).toMatch(/^kpi: auc, auc_low, auc_high, crude_auc, late_auc, p, q of 240: /m);
  expect(found.join("\n")).toMatch(/^band_month: n_total of \d+: /m);
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

test("a list by columns comes back as its rows; a text that repeats stands once", () => {
  const schema = [
    { name: "id", type: "text" },
    { name: "owner", type: "text" },
    { name: "score", type: "number" },
    { name: "since", type: "date" },
  ] as const;
  const rows = ["a", "b", "c", "d"].map((id, i) => ({
    id,
    owner: [null, "Zoë </script>", "Ann", "Ann"][i] ?? null,
    score: [null, 71.5, 0, 3][i] ?? null,
    since: i === 2 ? null : "2024-02-29",
  }));
  const text = toColumns(rows, "list", schema);
  expect(text.match(/Ann/g)).toHaveLength(1);
  expect(text).toContain('"id":["a","b","c","d"]');
  expect(rowsOfColumns(JSON.parse(text))).toEqual(rows);
  expect(rowsOfColumns(JSON.parse(toColumns([], "list", schema)))).toEqual([]);
  expect(() => toColumns([{ id: "a", owner: null, score: 2n ** 60n, since: null }], "list", schema)).toThrow(
    "artefact list",
  );
});
