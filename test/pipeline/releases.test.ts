import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Context, openRelease } from "../../pipelines/commands/context.ts";
import { digest } from "../../pipelines/commands/digest.ts";
import { doctor } from "../../pipelines/commands/doctor.ts";
import { query } from "../../pipelines/commands/query.ts";
import { rollback } from "../../pipelines/commands/rollback.ts";
import { sha256 } from "../../pipelines/lib/files.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { assayVersion } from "../../pipelines/lib/version.ts";
import {
  findCurrentRelease,
  listReleases,
  openCurrent,
  pointCurrentAt,
  type Release,
  sweep,
} from "../../pipelines/publish/release.ts";
import { serveFolder } from "../../pipelines/publish/serve.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { holdLock } from "../../pipelines/warehouse/lock.ts";
import { assay } from "./assay.ts";

let book: string;
let state: string;
let printed: string[];
const context = (now = "2026-03-04T04:00:00Z"): Context => ({
  cwd: book,
  env: {},
  now: () => new Date(now),
  log: silentLog,
  print: (text) => printed.push(text),
});
const current = (): string => readlinkSync(join(state, "current"));

/** A release with what `rollback` looks at, and nothing else. */
async function makeRelease(
  runId: string,
  facts: { readonly as_of_given?: boolean; readonly book?: string; readonly assay_version?: string } = {},
): Promise<void> {
  const folder = join(state, "releases", runId);
  for (const name of ["artefacts", "site"]) mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, "artefacts", "kpi.json"), "[]");
  writeFileSync(join(folder, "site", "index.html"), runId);
  const database = await Database.open({ path: join(folder, "warehouse.duckdb") });
  await database.run(`create schema meta; create table meta.release as select '${sha256(runId)}' as release_id`);
  database.close();
  const day = `${runId.slice(0, 4)}-${runId.slice(4, 6)}-${runId.slice(6, 8)}`;
  writeFileSync(
    join(folder, "manifest.json"),
    JSON.stringify({
      run_id: runId,
      release_id: sha256(runId),
      as_of: day,
      built_at: `${day}T04:00:00.000Z`,
      store: { usage_event: [], account_day: [], user_day: [] },
      artefacts: [{ name: "kpi", file: "kpi.json", rows: 0, sha256: sha256("[]"), schema: [] }],
      ...facts,
    }),
  );
}

beforeEach(async () => {
  book = mkdtempSync(join(tmpdir(), "assay-releases-"));
  state = join(book, ".assay");
  printed = [];
  writeFileSync(
    join(book, "assay.yaml"),
    "book: mine\nsources:\n  accounts: { entity: account, files: a.csv }\n  usage: { entity: usage_event, files: u.csv }\n  subscriptions: { entity: subscription, files: s.csv }\nkpis: [logins_28d]\nscorecards: []\n",
  );
  await makeRelease("20260301T040000Z-aaaaaaaa");
  await makeRelease("20260302T040000Z-bbbbbbbb", { as_of_given: true });
  await makeRelease("20260303T040000Z-cccccccc");
  await pointCurrentAt(state, "20260303T040000Z-cccccccc");
});
afterEach(() => rmSync(book, { recursive: true, force: true }));

describe("rollback", () => {
  test("goes to the newest earlier release that was a refresh of its day, and back by name", async () => {
    await rollback(context(), book, undefined, { json: true });
    expect(current()).toBe("releases/20260301T040000Z-aaaaaaaa");
    expect(JSON.parse(printed[0] as string)).toMatchObject({
      from: { run_id: "20260303T040000Z-cccccccc" },
      to: { run_id: "20260301T040000Z-aaaaaaaa", as_of: "2026-03-01" },
    });
    await rollback(context(), book, "20260303T040000Z-cccccccc", {});
    expect(current()).toBe("releases/20260303T040000Z-cccccccc");
  });

  test("takes a beginning of the release id as well", async () => {
    await rollback(context(), book, sha256("20260302T040000Z-bbbbbbbb").slice(0, 12), {});
    expect(current()).toBe("releases/20260302T040000Z-bbbbbbbb");
  });

  test("says what is not there, and leaves current alone", async () => {
    const asked: readonly (readonly [string | undefined, string])[] = [
      ["20260301", "no release 20260301 is kept"],
      ["20260303T040000Z-cccccccc", "release 20260303T040000Z-cccccccc is the current one already"],
    ];
    for (const [run, message] of asked) {
      await expect(rollback(context(), book, run, {})).rejects.toMatchObject({ exitCode: 2, message });
    }
    await pointCurrentAt(state, "20260301T040000Z-aaaaaaaa");
    await expect(rollback(context(), book, undefined, {})).rejects.toMatchObject({
      exitCode: 2,
      message: "no release before the current one, 20260301T040000Z-aaaaaaaa, is kept",
    });
    expect(current()).toBe("releases/20260301T040000Z-aaaaaaaa");
  });

  test("refuses a release that is not whole", async () => {
    const folder = join(state, "releases", "20260301T040000Z-aaaaaaaa");
    appendFileSync(join(folder, "artefacts", "kpi.json"), " ");
    await expect(rollback(context(), book, undefined, {})).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringContaining("artefacts/kpi.json has other bytes than it was built with"),
    });
    writeFileSync(join(folder, "artefacts", "kpi.json"), "[]");
    writeFileSync(join(folder, "warehouse.duckdb"), "cut short");
    await expect(rollback(context(), book, undefined, {})).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringContaining("warehouse.duckdb does not open"),
    });
    expect(current()).toBe("releases/20260303T040000Z-cccccccc");
  });

  test("does not wait for a refresh at work: exit 4, and doctor says who holds the book", async () => {
    const lock = await holdLock(state, new Date());
    try {
      expect((await assay(["rollback", book])).code).toBe(4);
      const looked = JSON.parse((await assay(["doctor", book, "--json"])).stdout) as { check: string; state: string }[];
      expect(looked.find(({ check }) => check === "lock")).toMatchObject({ state: "care" });
    } finally {
      lock.release();
    }
    expect(current()).toBe("releases/20260303T040000Z-cccccccc");
  });
});

describe("readers", () => {
  test("find one whole release, while others are published and pruned under them", async () => {
    let isDone = false;
    const server = await serveFolder({ folder: join(state, "current", "site"), port: 0 });
    const seen = { opened: new Set<string>(), served: new Set<string>(), listed: 0 };
    const reading = async (): Promise<void> => {
      while (!isDone) {
        const { release, database } = await openRelease(context(), book, {});
        const id = await database.scalar("select release_id from meta.release");
        database.close();
        expect(id).toBe(release.manifest.release_id);
        seen.opened.add(release.manifest.run_id);
      }
    };
    const browsing = async (): Promise<void> => {
      while (!isDone) {
        const response = await fetch(server.url);
        expect(response.status).toBe(200);
        seen.served.add(await response.text());
      }
    };
    const listing = async (): Promise<void> => {
      while (!isDone) {
        seen.listed += (await listReleases(state)).length;
        expect(await findCurrentRelease(state)).not.toBeNull();
      }
    };
    const publishing = async (): Promise<void> => {
      // As many as it takes until each of the readers has met several of them, or one has failed.
      const isSeen = (): boolean => Math.min(seen.opened.size, seen.served.size, seen.listed) > 3;
      for (let n = 10; !isDone && (n < 22 || (n < 100 && !isSeen())); n += 1) {
        const runId = `20260410T04${String(n)}00Z-dddddddd`;
        await makeRelease(runId);
        await pointCurrentAt(state, runId);
        await sweep(state, 1, "");
      }
    };
    const readers = [reading, browsing, listing].map((reader) =>
      reader().finally(() => {
        isDone = true;
      }),
    );
    try {
      await publishing();
    } finally {
      isDone = true;
      await Promise.all(readers);
      await server.close();
    }
    expect(readdirSync(join(state, "releases"))).toHaveLength(1);
    expect(readdirSync(join(state, "builds"))).toEqual([]);
    expect(seen.opened.size).toBeGreaterThan(3);
    expect(seen.served.size).toBeGreaterThan(3);
    expect(seen.listed).toBeGreaterThan(3);
  });

  test("are told that another version of Assay built a release that lacks what they ask; their own statement fails in the engine's words", async () => {
    await makeRelease("20260304T040000Z-dddddddd", { book: "mine", assay_version: "0.1.0" });
    await pointCurrentAt(state, "20260304T040000Z-dddddddd");
    await expect(digest(context(), book, undefined, {})).rejects.toThrow(
      `the release of mine was built by Assay 0.1.0 and lacks what Assay ${assayVersion} reads here`,
    );
    await expect(query(context(), book, "from marts.nothing", {})).rejects.toThrow(
      /^the statement failed: Catalog Error: Table with name "marts.nothing" does not exist/,
    );
    // Of today's version it is a bug, and told as one.
    await makeRelease("20260305T040000Z-eeeeeeee", { book: "mine", assay_version: assayVersion });
    await pointCurrentAt(state, "20260305T040000Z-eeeeeeee");
    await expect(digest(context(), book, undefined, {})).rejects.toThrow(/^Catalog Error/);
  });

  test("open the next release when theirs is pruned before it is open; what is wrong with one that stays is said", async () => {
    const open = async (release: Release): Promise<string> => {
      if (release.manifest.run_id.startsWith("20260303")) {
        await makeRelease("20260304T040000Z-dddddddd");
        await pointCurrentAt(state, "20260304T040000Z-dddddddd");
        await sweep(state, 1, "");
      }
      readdirSync(release.folder);
      return release.manifest.run_id;
    };
    expect(await openCurrent(state, "mine", "mine", open)).toBe("20260304T040000Z-dddddddd");
    const failing = openCurrent(state, "mine", "mine", () => Promise.reject(new Error("damaged")));
    await expect(failing).rejects.toThrow("damaged");
  });
});

describe("doctor", () => {
  const checks = (): Record<string, string> =>
    Object.fromEntries(
      (JSON.parse(printed.at(-1) as string) as { check: string; state: string }[]).map((c) => [c.check, c.state]),
    );

  test("finds a sound machine and book sound, and leaves nothing behind", async () => {
    const before = readdirSync(book, { recursive: true }).sort();
    await doctor(context(), book, { json: true });
    expect(new Set(Object.values(checks()))).toEqual(new Set(["ok"]));
    expect(readdirSync(book, { recursive: true }).sort()).toEqual(before);
  });

  test("a book that was never refreshed gets no state folder from being looked at", async () => {
    rmSync(state, { recursive: true });
    await doctor(context(), book, { json: true });
    expect(checks()).toMatchObject({ state: "ok", current: "ok" });
    expect(existsSync(state)).toBe(false);
  });

  test("a clock that went back is told; a damaged release and a state that cannot be written are exit 2", async () => {
    await doctor(context("2026-01-01T00:00:00Z"), book, { json: true });
    expect(checks()).toMatchObject({ clock: "care", lock: "ok", current: "ok" });
    writeFileSync(join(state, "releases", "20260303T040000Z-cccccccc", "warehouse.duckdb"), "cut short");
    await expect(doctor(context(), book, { json: true })).rejects.toMatchObject({
      exitCode: 2,
      message: "1 of 11 checks failed: current",
    });
    await expect(doctor(context(), book, { json: true, state: "/proc/assay" })).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining("state"),
    });
  });
});
