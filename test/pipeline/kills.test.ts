/**
 * A refresh that is killed at any instant (SIGKILL: nothing can be tidied) leaves readers a whole release, and the next one ends as if
 * nothing had happened, byte for byte. Ten kills; `ASSAY_KILLS=100 ASSAY_KILL_SEED=7 npx vitest run test/pipeline/kills.test.ts` makes more.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { projectRoot, sha256 } from "../../pipelines/lib/files.ts";
import { findCurrentRelease } from "../../pipelines/publish/release.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { randomOf, usageOf, writeBook } from "./small-book.ts";
import { problemsOf } from "./whole.ts";

const kills = Number(process.env.ASSAY_KILLS ?? 10);
const seed = Number(process.env.ASSAY_KILL_SEED ?? 1);
/** So many kills hit one chain of refreshes before one is let through and compared. */
const inARow = Math.min(kills, kills > 10 ? 5 : 10);

const work = mkdtempSync(join(tmpdir(), "assay-kills-"));
const book = join(work, "book");
const now = "2025-09-02T04:00:00Z";
afterAll(() => rmSync(work, { recursive: true, force: true }));

const random = (n: number): number => randomOf(seed, n);

interface Ending {
  readonly outcome: string;
  readonly changes: number;
  readonly published: number;
  /** Milliseconds from its beginning to its end. */
  readonly ms: number;
}

/** Runs one refresh; null when it was killed. */
async function run(
  state: string,
  kill: { readonly afterMs?: number; readonly before?: string } = {},
): Promise<Ending | null> {
  const child = spawn(
    process.execPath,
    ["--import", "tsx", join(projectRoot, "test/pipeline/killable.ts"), book, state, now, kill.before ?? "0"],
    { cwd: projectRoot, stdio: ["ignore", "pipe", "pipe"] },
  );
  let out = "";
  let err = "";
  let begunAt = 0;
  let timer: NodeJS.Timeout | undefined;
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk;
    if (begunAt > 0 || !out.startsWith("begun\n")) return;
    begunAt = performance.now();
    if (kill.afterMs !== undefined) timer = setTimeout(() => child.kill("SIGKILL"), kill.afterMs);
  });
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk;
  });
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  clearTimeout(timer);
  if (signal === "SIGKILL") return null;
  if (code !== 0) throw new Error(err);
  return { ...(JSON.parse(out.split("\n")[1] as string) as Ending), ms: performance.now() - begunAt };
}

/** All that a state holds, without what names the run or its time: path -> hash. */
async function contentOf(state: string): Promise<Readonly<Record<string, string>>> {
  const release = await findCurrentRelease(state);
  if (release === null) throw new Error("no release");
  const { run_id: _, built_at: __, ...facts } = release.manifest;
  const content: Record<string, string> = { manifest: JSON.stringify(facts) };
  const add = (root: string, name: string): void => {
    for (const entry of readdirSync(join(root, name), { recursive: true, encoding: "utf8" }).sort()) {
      const path = join(root, name, entry);
      if (statSync(path).isFile()) content[`${name}/${entry}`] = sha256(readFileSync(path));
    }
  };
  for (const part of ["artefacts", "out", "compiled"]) add(release.folder, part);
  add(state, "store");
  // Rows as they were read, byte for byte. In what is made of them rows of a group stand as two threads left them: the same rows count.
  const made = Object.keys(content).filter((name) => /^store\/(staging|rollup|features|looks)\//.test(name));
  const database = await Database.open({ path: ":memory:", threads: 1 });
  try {
    for (const name of made)
      content[name] = String(
        await database.scalar(
          `select concat(count(*), ' ', coalesce(sum(hash(stored)), 0)) from read_parquet('${join(state, name)}') as stored`,
        ),
      );
  } finally {
    database.close();
  }
  expect(made.length).toBeGreaterThan(20);
  return content;
}

/** Everything of a state that is not a release's, a lock or a record: what a killed run left. */
const leftOvers = (state: string): readonly string[] => [
  ...readdirSync(join(state, "builds")),
  ...readdirSync(state, { recursive: true, encoding: "utf8" }).filter((name) =>
    /\.tmp|\.wal$|spill|\.parts/.test(name),
  ),
];

const first = join(work, "first");
/** All runs have the same place: the statements of a release name the files that they read. */
const state = join(work, "state");
const startAgain = (): void => {
  rmSync(state, { recursive: true, force: true });
  cpSync(first, state, { recursive: true, verbatimSymlinks: true });
};
let whole: Ending;
let expected: Readonly<Record<string, string>>;

beforeAll(async () => {
  writeBook(book);
  expect(await run(first)).toMatchObject({ outcome: "published" });
  writeFileSync(join(book, "exports", "usage_2025-08-28.csv"), usageOf(8));
  startAgain();
  whole = (await run(state)) as Ending;
  expect(whole).toMatchObject({ outcome: "published" });
  expect(whole.published).toBeGreaterThan(5);
  expected = await contentOf(state);
}, 3_600_000);

/** Half of the kills come by the clock; of the others every second in the few steps of publishing. */
function killOf(n: number): { readonly afterMs: number } | { readonly before: string } {
  if (n % 2 === 0) return { afterMs: random(n) * whole.ms };
  const within = (steps: number): number => 1 + Math.floor(random(n) * steps);
  return { before: n % 4 === 1 ? `p${within(whole.published)}` : String(within(whole.changes - whole.published)) };
}

/** The state is what an undisturbed refresh leaves. */
async function expectMended(): Promise<void> {
  expect(await contentOf(state)).toEqual(expected);
  expect(leftOvers(state)).toEqual([]);
  const release = await findCurrentRelease(state);
  const database = await Database.open({ path: join(release?.folder ?? "", "warehouse.duckdb"), readOnly: true });
  try {
    const [rows] = await database.query(
      "select count(*) as n, sum(rows_rejected)::int as rejected, sum(rows_read - rows_loaded - rows_rejected)::int as lost from meta.delivery",
    );
    expect(rows).toEqual({ n: 10, rejected: 8, lost: 0 });
  } finally {
    database.close();
  }
}

test(`killed ${kills} times, by the clock and before a change of its own: readers have a whole release, the next refresh mends all`, async () => {
  let hits = 0;
  let inRow = 0;
  for (let n = 0; n < kills; n += 1) {
    if (inRow === 0) startAgain();
    const ending = await run(state, killOf(n));
    if (ending === null) hits += 1;
    const release = await findCurrentRelease(state);
    expect([n, release === null ? ["no release"] : await problemsOf(release)]).toEqual([n, []]);
    inRow += 1;
    // One that came through, or would find nothing to do, has nothing left that a kill could hit.
    const isPublished = release?.manifest.as_of === "2025-08-28" || ending !== null;
    if (!isPublished && inRow < inARow && n < kills - 1) continue;
    expect((await run(state))?.outcome).toMatch(/^(published|unchanged)$/);
    await expectMended();
    inRow = 0;
  }
  // A kill that comes too late says nothing.
  expect(hits).toBeGreaterThan(kills / 2);
}, 7_200_000);
