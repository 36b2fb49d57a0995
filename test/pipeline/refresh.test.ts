import {
  cpSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sha256File } from "../../pipelines/lib/files.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { simulate } from "../../pipelines/simulate/simulate.ts";
import { holdLock } from "../../pipelines/warehouse/lock.ts";
import { assay, complaint } from "./assay.ts";

const work = mkdtempSync(join(tmpdir(), "assay-refresh-"));
const pristine = join(work, "pristine");
const state = (book: string): string => join(book, ".assay");
const current = (book: string): string => readlinkSync(join(state(book), "current"));

/** A copy of the refreshed book, so that each test may spoil its own. */
function copyBook(name: string): string {
  const folder = join(work, name);
  cpSync(pristine, folder, { recursive: true, verbatimSymlinks: true });
  return folder;
}
const exportsOf = (book: string): string => join(book, "exports");
const fileLike = (book: string, pattern: RegExp): string => {
  const name = readdirSync(exportsOf(book), { recursive: true, encoding: "utf8" })
    .sort()
    .find((file) => pattern.test(file));
  if (name === undefined) throw new Error(`no export like ${pattern}`);
  return join(exportsOf(book), name);
};

beforeAll(async () => {
  await simulate({ out: pristine, accounts: 120, months: 24, seed: 3, kind: "tiny", log: silentLog });
  const ran = await assay(["refresh", pristine]);
  expect(complaint(ran)).toBe("");
  expect(ran.code).toBe(0);
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe("a release", () => {
  test("holds what the architecture promises, and nothing of the build", () => {
    const release = realpathSync(join(state(pristine), "current"));
    expect(readdirSync(release).sort()).toEqual(
      [
        "artefacts",
        "compiled",
        "ledger.jsonl",
        "manifest.json",
        "out",
        "report.json",
        "site",
        "warehouse.duckdb",
      ].sort(),
    );
    expect(readdirSync(join(state(pristine), "builds"))).toEqual([]);
  });

  test("is for its owner only, as everything that a refresh makes", () => {
    const made = readdirSync(state(pristine), { recursive: true, encoding: "utf8" });
    const open = made.filter((name) => {
      const found = lstatSync(join(state(pristine), name));
      return !found.isSymbolicLink() && (found.mode & 0o077) !== 0;
    });
    expect(made.length).toBeGreaterThan(50);
    expect(open).toEqual([]);
  });

  test("says what it is: status, releases, query", async () => {
    const status = await assay(["status", pristine, "--json"]);
    expect(status.code).toBe(0);
    expect(JSON.parse(status.stdout)).toMatchObject({ early_warnings: 0 });
    const releases = JSON.parse((await assay(["releases", pristine, "--json"])).stdout) as unknown[];
    expect(releases).toHaveLength(1);
    const counted = await assay([
      "query",
      pristine,
      "select count(*) as n from spine.account_snapshot where account_id is null",
      "--json",
    ]);
    expect(JSON.parse(counted.stdout)).toEqual([{ n: 0 }]);
  });

  test("is read-only: no table, no file", async () => {
    const target = join(work, "stolen.csv");
    for (const sql of [
      "create table x as select 1",
      `copy (select 1) to '${target}'`,
      "select * from read_csv('/etc/passwd')",
    ]) {
      const ran = await assay(["query", pristine, sql]);
      expect([sql, ran.code]).toEqual([sql, 2]);
    }
    expect(existsSync(target)).toBe(false);
  });

  test("counts every row: read = loaded + rejected", async () => {
    const ran = await assay([
      "query",
      pristine,
      "select count(*) as n, sum(rows_read - rows_loaded - rows_rejected)::int as lost from meta.delivery",
      "--json",
    ]);
    const [row] = JSON.parse(ran.stdout) as [{ n: number; lost: number }];
    expect(row.lost).toBe(0);
    expect(row.n).toBeGreaterThan(5);
  });

  test("has a row of features for every account and snapshot", async () => {
    const sql = `select count(*) as n from spine.account_snapshot s left join features.account_kpi k using (account_id, snapshot_date) where k.account_id is null`;
    expect(JSON.parse((await assay(["query", pristine, sql, "--json"])).stdout)).toEqual([{ n: 0 }]);
  });
});

describe("a second refresh", () => {
  test("of unchanged inputs says so and makes no release", async () => {
    const before = current(pristine);
    const ran = await assay(["refresh", pristine]);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(/^nothing to do: /);
    expect(current(pristine)).toBe(before);
    expect(readdirSync(join(state(pristine), "releases"))).toHaveLength(1);
  });

  test("built in full gives the same artefacts and site, byte for byte", async () => {
    const book = copyBook("full");
    const hashes = async (): Promise<Record<string, string>> => {
      const root = realpathSync(join(state(book), "current"));
      const out: Record<string, string> = {};
      for (const part of ["artefacts", "site"]) {
        const entries = readdirSync(join(root, part), { recursive: true, withFileTypes: true });
        for (const entry of entries.filter((e) => e.isFile())) {
          const path = join(entry.parentPath, entry.name);
          out[path.slice(root.length)] = await sha256File(path);
        }
      }
      return out;
    };
    const first = await hashes();
    const ran = await assay(["refresh", book, "--full", "--json"], { env: { TZ: "Pacific/Auckland" } });
    expect([ran.code, complaint(ran)]).toEqual([0, ""]);
    expect(JSON.parse(ran.stdout)).toMatchObject({ outcome: "published" });
    expect(await hashes()).toEqual(first);
  });

  test("as of an earlier date builds a release and leaves the current one", async () => {
    const book = copyBook("as-of");
    const before = current(book);
    const ran = await assay(["refresh", book, "--as-of", "2026-01-01"]);
    expect([ran.code, complaint(ran)]).toEqual([0, ""]);
    expect(ran.stdout).toMatch(/^built release [0-9a-f]{12} as of 2026-01-01/);
    expect(current(book)).toBe(before);
  });
});

describe("refused with one sentence, and readers keep what they have", () => {
  test("another refresh at work: exit 4 at once, saying who", async () => {
    const book = copyBook("busy");
    const lock = await holdLock(state(book), new Date("2026-01-01T00:00:00Z"));
    try {
      const ran = await assay(["refresh", book]);
      expect(ran.code).toBe(4);
      expect(complaint(ran)).toMatch(
        new RegExp(`^assay: another refresh holds .*: process ${process.pid} on .* since 2026-01-01T00:00:00.000Z$`),
      );
    } finally {
      lock.release();
    }
    expect((await assay(["refresh", book])).code).toBe(0);
  });

  test("a renamed column: exit 3 with file, column and what was found", async () => {
    const book = copyBook("renamed");
    const file = fileLike(book, /ticket.*\.csv$/);
    writeFileSync(file, readFileSync(file, "utf8").replace("opened_at", "opening"));
    const before = current(book);
    const ran = await assay(["refresh", book]);
    expect(ran.code).toBe(3);
    expect(complaint(ran)).toMatch(/^assay: .*ticket.*\.csv.*opened_at.*opening/);
    expect(current(book)).toBe(before);
    expect((await assay(["status", book])).code).toBe(0);
  });

  test("too many bad values: exit 3, and the ledger holds nothing of it", async () => {
    const book = copyBook("spoiled");
    const file = fileLike(book, /ticket.*\.csv$/);
    const [header, ...rows] = readFileSync(file, "utf8").split("\n");
    const at = (header as string).replace("\r", "").split(",").indexOf("opened_at");
    const spoiled = rows.map((row, i) => {
      const cells = row.split(",");
      if (i % 10 === 0 && cells.length > at) cells[at] = "soon";
      return cells.join(",");
    });
    writeFileSync(file, [header, ...spoiled].join("\n"));
    const ledger = readFileSync(join(state(book), "ledger.jsonl"), "utf8");
    const ran = await assay(["refresh", book]);
    expect(ran.code).toBe(3);
    expect(complaint(ran)).toMatch(/opened_at.*soon|soon.*opened_at/);
    expect(readFileSync(join(state(book), "ledger.jsonl"), "utf8")).toBe(ledger);
  });

  test("nobody to look at: an empty release never replaces a good one", async () => {
    const book = copyBook("empty");
    const yaml = join(book, "assay.yaml");
    const text = readFileSync(yaml, "utf8");
    const before = current(book);
    const asOf = (date: string) => writeFileSync(yaml, `as_of: ${date}\n${text.replace(/^as_of: .*$/m, "")}`);
    asOf("2001-01-01");
    const early = await assay(["refresh", book]);
    expect(early.code).toBe(3);
    expect(complaint(early)).toMatch(
      /^assay: no account pays on any snapshot date up to 2001-01-01: found usage of \d{4}/,
    );
    asOf("2999-01-01");
    const late = await assay(["refresh", book]);
    expect(late.code).toBe(2);
    expect(complaint(late)).toMatch(/^assay: as_of: found 2999-01-01, expected a date up to today/);
    expect(current(book)).toBe(before);
  });

  test("a wrong key in assay.yaml: exit 2 with file, line and key", async () => {
    const book = copyBook("typo");
    const yaml = join(book, "assay.yaml");
    writeFileSync(yaml, readFileSync(yaml, "utf8").replace(/^scorecards:/m, "scorecard:"));
    const ran = await assay(["refresh", book]);
    expect(ran.code).toBe(2);
    expect(complaint(ran)).toMatch(/assay\.yaml:\d+: scorecard: .*unknown key/);
  });

  test("no book, no verb, a wrong date: exit 2", async () => {
    expect((await assay(["refresh", join(work, "nowhere")])).code).toBe(2);
    expect((await assay(["refesh", pristine])).code).toBe(2);
    expect((await assay(["refresh", pristine, "--as-of", "soon"])).code).toBe(2);
  });
});
