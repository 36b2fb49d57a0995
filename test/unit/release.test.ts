import { mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  findCurrentRelease,
  findReleaseBefore,
  freeRunId,
  listReleases,
  pointCurrentAt,
  sweep,
  sweepStore,
} from "../../pipelines/publish/release.ts";

let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), "assay-release-"));
});
afterEach(() => rmSync(state, { recursive: true, force: true }));

function release(runId: string, rollUp: string): void {
  mkdirSync(join(state, "releases", runId), { recursive: true });
  const store = { usage_event: [], account_day: [`rollup/${rollUp}`], user_day: [], looks: [rollUp] };
  writeFileSync(join(state, "releases", runId, "manifest.json"), JSON.stringify({ run_id: runId, store }));
}

test("two runs of one second and content do not take each other's place", () => {
  expect(freeRunId(state, "20260101T000000Z-aa")).toBe("20260101T000000Z-aa");
  release("20260101T000000Z-aa", "a.parquet");
  expect(freeRunId(state, "20260101T000000Z-aa")).toBe("20260101T000000Z-aa-2");
  mkdirSync(join(state, "builds", "20260101T000000Z-aa-2"), { recursive: true });
  expect(freeRunId(state, "20260101T000000Z-aa")).toBe("20260101T000000Z-aa-3");
});

test("a sweep keeps the newest, the current one and what was just built, whatever the clock says", async () => {
  for (const id of ["2020-new", "2021-current", "2024", "2025", "2026"]) release(id, `${id}.parquet`);
  await pointCurrentAt(state, "2021-current");
  await sweep(state, 2, join(state, "builds", "2020-new"));
  expect((await listReleases(state)).map(({ manifest }) => manifest.run_id)).toEqual([
    "2020-new",
    "2021-current",
    "2025",
    "2026",
  ]);
});

test("roll-ups and looks go when the last release that reads them has gone", async () => {
  for (const kind of ["rollup", "looks"]) {
    mkdirSync(join(state, "store", kind), { recursive: true });
    for (const name of ["old.parquet", "read.parquet"]) writeFileSync(join(state, "store", kind, name), "");
  }
  release("2026", "read.parquet");
  await sweepStore(state);
  expect(readdirSync(join(state, "store", "rollup"))).toEqual(["read.parquet"]);
  expect(readdirSync(join(state, "store", "looks"))).toEqual(["read.parquet"]);
});

test("a current that is no symlink, and a manifest cut short, are told in a sentence", async () => {
  mkdirSync(join(state, "current"));
  await expect(findCurrentRelease(state)).rejects.toMatchObject({ exitCode: 2 });
  rmdirSync(join(state, "current"));
  for (const id of ["2025", "2026"]) release(id, "a.parquet");
  await pointCurrentAt(state, "2026");
  for (const text of ['{"run_id"', "", "null", "[]", '{"run_id":"2026","store":null}']) {
    writeFileSync(join(state, "releases", "2026", "manifest.json"), text);
    await expect(findCurrentRelease(state)).rejects.toMatchObject({ exitCode: 3 });
    // For whoever builds the next one it is none.
    const notes: string[] = [];
    expect(await findReleaseBefore(state, (note) => notes.push(note))).toBeNull();
    expect(notes).toEqual([
      expect.stringMatching(/^a release is damaged: .*manifest\.json: everything is built again$/),
    ]);
    expect((await listReleases(state)).map(({ manifest }) => manifest.run_id)).toEqual(["2025"]);
  }
});
