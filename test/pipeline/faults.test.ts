/**
 * What a nightly job meets: no room, no memory, exports that are gone or may not be written, a clock that was set back, files of the
 * state that something else damaged. Each costs one sentence, readers keep what they have, and the next refresh ends as if nothing had
 * been. All of it happens to one state, one after the other.
 */
import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { doctor } from "../../pipelines/commands/doctor.ts";
import { forget } from "../../pipelines/commands/forget.ts";
import { plan } from "../../pipelines/commands/plan.ts";
import { type RefreshResult, refresh } from "../../pipelines/commands/refresh.ts";
import { lastReportFile, readReport } from "../../pipelines/commands/report.ts";
import { readBook } from "../../pipelines/config/book.ts";
import { machineError } from "../../pipelines/lib/errors.ts";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { type Log, silentLog } from "../../pipelines/lib/log.ts";
import { loadDeliveries } from "../../pipelines/load/load.ts";
import { findCurrentRelease, listReleases, readCurrentRelease, readLastRun } from "../../pipelines/publish/release.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { holdLock } from "../../pipelines/warehouse/lock.ts";
import { usageOf, writeBook } from "./small-book.ts";
import { problemsOf } from "./whole.ts";

// Whole refreshes, on a machine that may have other work.
vi.setConfig({ testTimeout: 900_000, hookTimeout: 900_000 });
const work = mkdtempSync(join(tmpdir(), "assay-faults-"));
const folder = join(work, "book");
const state = join(folder, ".assay");
afterAll(() => rmSync(work, { recursive: true, force: true }));

const run = async (
  options: { readonly now?: string; readonly memory?: string; readonly full?: boolean; readonly log?: Log } = {},
): Promise<RefreshResult> => {
  const book = await readBook(folder, { cwd: folder, env: {} });
  const limited = options.memory === undefined ? book : { ...book, memory_limit: options.memory, threads: 1 };
  const now = (): Date => new Date(options.now ?? "2025-09-02T04:00:00Z");
  return refresh({ book: limited, state, site: false, full: options.full, now, log: options.log ?? silentLog });
};
/** What `doctor` says of the state, check by check; it may end with an error besides. */
async function examine(): Promise<Readonly<Record<string, string>>> {
  const printed: string[] = [];
  const print = (text: string): number => printed.push(text);
  const context = { cwd: folder, env: {}, now: () => new Date("2026-01-01"), log: silentLog, print };
  await doctor(context, folder, { json: true }).catch(() => {});
  const checks = JSON.parse(printed.join("")) as { check: string; state: string; found: string }[];
  return Object.fromEntries(checks.map(({ check, state, found }) => [check, `${state}: ${found}`]));
}
/** The rows of an export in the store, and their days. */
function parquetOf(file: string): readonly string[] {
  const lines = readFileSync(join(state, "ledger.jsonl"), "utf8")
    .split("\n")
    .flatMap((line) => (line.startsWith("{") && line.endsWith("}") ? [JSON.parse(line)] : []));
  const { delivery_id: id } = lines.find((line) => line.kind === "arrival" && line.file === file);
  const { reading } = lines.find((line) => line.kind === "reading" && line.delivery_id === id);
  return ["", ".days"].map((part) => join(state, "store", `${reading}${part}.parquet`));
}
const current = (): string => readlinkSync(join(state, "current"));
/** One sentence: the fault's, whatever it was wrapped in. */
const told = async (work: Promise<unknown>): Promise<{ readonly exitCode: number; readonly message: string } | null> =>
  work.then(
    () => null,
    (error: unknown) => machineError(error) ?? { exitCode: 1, message: String(error) },
  );

/** Readers have what there is: of what came before only that matters to the tests that begin so. */
async function upToDate(): Promise<void> {
  await run();
  expect((await run()).outcome).toBe("unchanged");
}

let before: string;
beforeAll(async () => {
  writeBook(folder);
  expect((await run()).outcome).toBe("published");
  before = current();
  // What came since was taken, and then the night was refused.
  writeFileSync(join(folder, "exports", "usage_2025-08-28.csv"), usageOf(8));
  const book = await readBook(folder, { cwd: folder, env: {} });
  await loadDeliveries({ book, state, log: silentLog, now: () => new Date("2025-09-01T04:00:00Z") });
});

/** Runs a refresh where a file system of its own, `kilobytes` large, lies over a folder of the state. */
function withRoomFor(part: string, kilobytes: number) {
  mkdirSync(join(state, part), { recursive: true });
  const child = [
    process.execPath,
    "--import",
    "tsx",
    join(projectRoot, "test/pipeline/killable.ts"),
    folder,
    state,
    "2025-09-02T04:00:00Z",
  ];
  const command = child.map((word) => `'${word}'`).join(" ");
  const mounted = `mount -t tmpfs -o size=${kilobytes}k tmpfs '${join(state, part)}' && exec ${command}`;
  const isMountable = spawnSync("unshare", ["-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]).status === 0;
  // Where nobody may mount, a limit on the size of files stands in for the disk.
  const [program, ...args] = isMountable
    ? ["unshare", "-rm", "sh", "-c", mounted]
    : ["sh", "-c", `trap '' XFSZ; ulimit -f ${kilobytes * 2}; exec ${command}`];
  return spawnSync(program as string, args, { cwd: projectRoot, encoding: "utf8" });
}

test.each([
  ["builds", 300],
  ["store", 20],
])("no room in %s: said so, readers keep their release", async (part, kilobytes) => {
  const ran = withRoomFor(part, kilobytes);
  expect(ran.status).not.toBe(0);
  expect(await readLastRun(state)).toMatchObject({
    outcome: "failed",
    exit_code: 2,
    error: expect.stringMatching(/^(the disk is full|a file may not grow any larger)/),
  });
  expect(current()).toBe(before);
});

test("too little memory: the sentence names the setting", async () => {
  expect(await told(run({ memory: "8MB" }))).toMatchObject({
    exitCode: 2,
    message: expect.stringMatching(/^out of memory: the work needs more than memory_limit allows/),
  });
  expect(current()).toBe(before);
});

test("what the machine does not give to Node.js, or to the build of the site, is no bug", () => {
  const wasm =
    "RangeError [Error]: WebAssembly.instantiate(): Out of memory: Cannot allocate Wasm memory for new instance";
  expect(machineError(new Error(wasm))).toMatchObject({
    exitCode: 2,
    message: expect.stringMatching(/^out of memory/),
  });
  expect(machineError(new Error("column note: found 'out of memory'"))).toBeNull();
  const bin = join(projectRoot, "pipelines", "assay.js");
  const few = spawnSync("sh", ["-c", `ulimit -n 40; exec '${process.execPath}' '${bin}' refresh '${folder}'`]);
  expect([few.status, few.stderr.toString()]).toEqual([2, expect.stringMatching(/^assay: too many files are open\n/)]);
  // Stopped as soon as it hears of signals: long before the command line is loaded.
  const stopSelf = `process.on("newListener", (event) => event === "SIGTERM" && setImmediate(() => process.kill(process.pid, event)))`;
  const early = spawnSync(process.execPath, ["--import", `data:text/javascript,${stopSelf}`, bin, "refresh", folder]);
  expect([early.signal, early.stderr.toString()]).toEqual([
    "SIGTERM",
    "assay: stopped by SIGTERM\n  hint: nothing had begun yet\n",
  ]);
});

test("exports that are gone are no night without news; a share that is back goes on", async () => {
  renameSync(join(folder, "exports"), join(folder, "elsewhere"));
  expect(await told(run())).toMatchObject({
    exitCode: 3,
    message: expect.stringMatching(/^exports_root .*exports is not there/),
  });
  // Where nothing is mounted the folder of the mount stands there, empty.
  mkdirSync(join(folder, "exports"));
  expect(await told(run())).toMatchObject({
    exitCode: 3,
    message: expect.stringMatching(
      /^exports_root .*exports holds no file of any source any more, 10 were loaded from it$/,
    ),
  });
  rmdirSync(join(folder, "exports"));
  renameSync(join(folder, "elsewhere"), join(folder, "exports"));
  expect(current()).toBe(before);
  // The report says what had been taken until then: of usage eight months of 240 rows and a bad one.
  const report = await readReport(lastReportFile(state));
  expect(report?.sources.map(({ source, rows_read, rows_rejected }) => [source, rows_read, rows_rejected])).toEqual([
    ["accounts", 40, 0],
    ["subscriptions", 40, 0],
    ["usage", 8 * 241, 8],
  ]);
});

test("whoever holds the book is named, on another machine too, and what a crash left names nobody", async () => {
  const lock = await holdLock(state, new Date("2025-09-01T00:00:00Z"));
  // What another host wrote: its process number may be anybody's here, and its clock is nobody's business.
  writeFileSync(join(state, "lock.json"), '{"pid":1,"host":"elsewhere","since":"2999-01-01T00:00:00.000Z"}\n');
  const child = spawnSync(
    process.execPath,
    [
      "--import",
      "tsx",
      "-e",
      `import { holdLock } from "${projectRoot}/pipelines/warehouse/lock.ts"; holdLock(process.argv[1], new Date(0)).then(() => 0, (error) => console.log(error.exitCode, error.message));`,
      state,
    ],
    { cwd: projectRoot, encoding: "utf8" },
  );
  expect(child.stdout).toContain(
    `4 another refresh holds ${state}: process 1 on elsewhere since 2999-01-01T00:00:00.000Z`,
  );
  lock.release();
  // Nobody holds it any more, whatever the file says: it is free at once.
  writeFileSync(join(state, "lock.json"), '{"pid":1,"host":"elsewhere","since":"2999-01-01T00:00:00.000Z"}\n');
  (await holdLock(state, new Date(0))).release();
});

test("rows that neither the store nor an export holds any more are no night without news either", async () => {
  const [usage] = parquetOf("usage_2025-07-28.csv");
  const places = [join(folder, "exports", "usage_2025-07-28.csv"), usage as string];
  for (const path of places) renameSync(path, `${path}.aside`);
  expect(await told(run())).toMatchObject({
    exitCode: 3,
    message: "usage_2025-07-28.csv was loaded, but neither the file nor its rows in the store are there any more",
  });
  for (const path of places) renameSync(`${path}.aside`, path);
  expect(current()).toBe(before);
});

test("another book with the same state is refused: it would take turns with this one in what readers see", async () => {
  const file = join(folder, "assay.yaml");
  const text = readFileSync(file, "utf8");
  const context = { cwd: folder, env: {}, now: () => new Date(), log: silentLog, print: () => {} };
  writeFileSync(file, text.replace("book: small", "book: other"));
  const refused = {
    exitCode: 2,
    message: expect.stringMatching(/\/\.assay holds the releases of book small, expected those of other$/),
  };
  expect(await told(run())).toMatchObject(refused);
  expect(await told(plan(context, folder, {}))).toMatchObject(refused);
  expect(current()).toBe(before);
  writeFileSync(file, text);
});

test("a ledger, a state or a release of a newer Assay is refused; nothing is touched", async () => {
  const ledger = join(state, "ledger.jsonl");
  const text = readFileSync(ledger, "utf8");
  const written = () =>
    ["last-run.json", "last-report.json", "lock.json"].map((name) => readFileSync(join(state, name), "utf8"));
  const left = written();
  const changed = statSync(state, { bigint: true }).mtimeNs;
  writeFileSync(ledger, `${text}{"kind":"merger","delivery_id":"x"}\n`);
  expect(await told(run())).toMatchObject({
    exitCode: 2,
    message: expect.stringMatching(/ledger\.jsonl:\d+: found a line of kind "merger"/),
  });
  writeFileSync(ledger, text);
  const layout = join(state, "layout.json");
  const known = readFileSync(layout, "utf8");
  writeFileSync(layout, '{"layout":99,"assay_version":"9.0.0"}\n');
  expect(await told(run())).toMatchObject({
    exitCode: 2,
    message: expect.stringMatching(/is of layout 99, written by Assay 9\.0\.0, expected at most 2/),
  });
  expect((await examine()).state).toMatch(/^bad: \S+ is of layout 99, written by Assay 9\.0\.0/);
  writeFileSync(layout, known);
  const manifest = join(state, before, "manifest.json");
  const facts = readFileSync(manifest, "utf8");
  writeFileSync(manifest, facts.replace('"layout": 2', '"layout": 99'));
  expect(await told(run())).toMatchObject({
    exitCode: 2,
    message: expect.stringMatching(/^release \S+ is of layout 99/),
  });
  expect(written()).toEqual(left);
  expect(statSync(state, { bigint: true }).mtimeNs).toBe(changed);
  writeFileSync(manifest, facts);
  expect(current()).toBe(before);
});

test("after all that one refresh publishes, later in order although the clock went back, and leaves nothing lying about", async () => {
  // A release of the first layout, which has no number: everything is built again, and it says so.
  const manifest = join(state, before, "manifest.json");
  writeFileSync(manifest, readFileSync(manifest, "utf8").replace('"layout": 2,', ""));
  // A ledger that lost its end, rows that lost theirs, a table of days that is gone, a release that was copied by half.
  const ledger = join(state, "ledger.jsonl");
  const lines = readFileSync(ledger, "utf8").split("\n");
  const [usage, days] = parquetOf("usage_2025-03-28.csv");
  writeFileSync(ledger, [...lines.slice(0, 4), '{"kind":"arr'].join("\n"));
  truncateSync(usage as string, 300);
  rmSync(days as string);
  mkdirSync(join(state, "releases", "20250101T000000Z-00000000", "artefacts"), { recursive: true });
  const result = await run({ now: "2019-01-01T00:00:00Z" });
  expect(result.outcome).toBe("published");
  // Of 9 deliveries each has two lines; the tenth came later.
  expect(result.warnings).toContainEqual(
    "14 lines of the ledger were gone, and were taken back from the current release",
  );
  expect(readFileSync(ledger, "utf8").split("\n").slice(0, 18)).toEqual(lines.slice(0, 18));
  expect(result.warnings).toContainEqual(
    expect.stringMatching(
      /^release [0-9a-f]{12} is of layout 1 \(Assay .*\), today's is 2: everything is built again$/,
    ),
  );
  const release = await findCurrentRelease(state);
  expect(await problemsOf(release as NonNullable<typeof release>)).toEqual([]);
  expect(release?.manifest).toMatchObject({ as_of: "2025-08-28", built_at: "2019-01-01T00:00:00.000Z" });
  const kept = (await listReleases(state)).map(({ manifest }) => manifest.run_id);
  expect(kept).toEqual([before.slice("releases/".length), release?.manifest.run_id]);
  expect(readdirSync(join(state, "builds"))).toEqual([]);
  expect(readdirSync(state, { recursive: true, encoding: "utf8" }).filter((name) => /\.tmp|spill/.test(name))).toEqual(
    [],
  );
});

test("a link that leads nowhere is no release: the next refresh makes one", async () => {
  rmSync(join(state, current()), { recursive: true });
  expect(await findCurrentRelease(state)).toBeNull();
  await expect(readCurrentRelease(state, "small")).rejects.toMatchObject({
    exitCode: 2,
    message: expect.stringMatching(/^the current release of small is gone: 2025/),
  });
  expect((await run()).outcome).toBe("published");
});

test("a manifest that is none is no release: readers are told, the next refresh makes one", async () => {
  const damaged = current();
  writeFileSync(join(state, damaged, "manifest.json"), "[]");
  await expect(readCurrentRelease(state, "small")).rejects.toMatchObject({
    exitCode: 3,
    message: expect.stringMatching(/^a release is damaged: .*manifest\.json$/),
  });
  // Files of the store that broke where nobody looks at their form: rows, and the table that a night takes over instead of reading them.
  const [rows] = parquetOf("subscriptions.csv");
  const tables = readdirSync(join(state, "store", "staging"))
    .filter((name) => name.startsWith("staging.subscription-"))
    .map((name) => join(state, "store", "staging", name));
  for (const path of [rows as string, ...tables]) writeFileSync(path, readFileSync(path).fill(0xff, 20, 60));
  const result = await run();
  expect(result.outcome).toBe("published");
  const mended = (path: string | undefined) => `a file of the store was damaged, and was made again: ${path}`;
  expect(tables.map(mended).filter((sentence) => result.warnings.includes(sentence))).toHaveLength(1);
  expect(result.warnings).toContain(mended(rows));
  expect(await problemsOf(result.release)).toEqual([]);
  expect(readdirSync(join(state, "releases"))).not.toContain(damaged.slice("releases/".length));
});

test("a release that lost its warehouse is no night without news: it is built again, and that is said", async () => {
  await upToDate();
  rmSync(join(state, current(), "warehouse.duckdb"));
  const result = await run();
  expect(result.outcome).toBe("published");
  expect(result.warnings).toContainEqual(
    expect.stringMatching(/^release \S+ is not whole, and is built again: warehouse\.duckdb does not open$/),
  );
  expect(await problemsOf(result.release)).toEqual([]);
});

test("a file of the store that reads well and holds other rows: doctor names it, a full refresh reads them again", async () => {
  await upToDate();
  const [rows] = parquetOf("usage_2025-05-28.csv");
  const bytes = readFileSync(rows as string);
  const database = await Database.open({ path: ":memory:", threads: 1 });
  await database.run(
    `create table stored as from '${rows}'; copy (select * replace ('acc_001' as account_id) from stored) to '${rows}' (format parquet)`,
  );
  database.close();
  expect((await run()).outcome).toBe("unchanged");
  expect((await examine()).store).toMatch(/^bad: \S+: other bytes than were written; .* --full' reads the rows again/);
  const result = await run({ full: true });
  expect(result.warnings).toContain(`a file of the store was damaged, and was made again: ${rows}`);
  expect(readFileSync(rows as string)).toEqual(bytes);
  expect(await examine()).toMatchObject({ store: "ok: rows are as they were written", lock: "ok: nobody holds it" });
});

test("a disk that damages a file whenever it is written: one sentence, no endless night", async () => {
  const [rows] = parquetOf("usage_2025-05-28.csv");
  const bytes = readFileSync(rows as string);
  const kept = current();
  let loads = 0;
  const log: Log = {
    ...silentLog,
    async step(title, work) {
      const result = await work(() => {});
      if (title !== "load exports") return result;
      loads += 1;
      writeFileSync(rows as string, "PAR1");
      return result;
    },
  };
  expect(await told(run({ full: true, log }))).toMatchObject({
    exitCode: 2,
    message: `a file of the store was damaged again as soon as it was made: ${rows}`,
  });
  expect(loads).toBe(2);
  expect(current()).toBe(kept);
  writeFileSync(rows as string, bytes);
});

test("an account that is erased is in no file of the state: store, ledger, the one release that is kept", async () => {
  await upToDate();
  const printed: string[] = [];
  const context = {
    cwd: folder,
    env: {},
    now: () => new Date(),
    log: silentLog,
    print: (text: string) => printed.push(text),
  };
  await forget(context, folder, { account: "acc_007", yes: true, site: false });
  const kept = await listReleases(state);
  expect(kept.map(({ manifest }) => manifest.as_of)).toEqual(["2025-08-28"]);
  expect(printed[0]).toMatch(/^Erased account acc_007: 50 rows of 3 sources\.\n/);
  expect(printed[0]).toContain(`Readers see release ${kept[0]?.manifest.run_id}, built without it.`);
  const database = await Database.open({ path: join(kept[0]?.folder ?? "", "warehouse.duckdb"), readOnly: true });
  const holding: string[] = [];
  const look = async (rows: string, name: string): Promise<void> => {
    const sql = `select count(*) from ${rows} as t where contains(cast(t as varchar), 'acc_007')`;
    if ((await database.scalar<number>(sql)) !== 0) holding.push(name);
  };
  try {
    const tables = await database.query<{ name: string }>(
      'select format(\'"{}"."{}"\', schema_name, table_name) as name from duckdb_tables()',
    );
    expect(tables.length).toBeGreaterThan(50);
    for (const { name } of tables) await look(name, name);
    for (const entry of readdirSync(state, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile()) continue;
      if (readFileSync(path, "latin1").includes("acc_007")) holding.push(path);
      if (path.endsWith(".parquet")) await look(`read_parquet('${path}')`, path);
    }
  } finally {
    database.close();
  }
  expect(holding).toEqual([]);
  expect((await examine()).store).toBe("ok: rows are as they were written");
  // The exports hold it still: they are passed over, and there is nothing to do.
  expect(await run()).toMatchObject({ outcome: "unchanged" });
});
