import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Book, readBook } from "../pipelines/config/book.ts";
import type { UsageRollUp } from "../pipelines/config/kpi.ts";
import { projectRoot } from "../pipelines/lib/files.ts";
import { silentLog } from "../pipelines/lib/log.ts";
import { type LoadResult, loadDeliveries } from "../pipelines/load/load.ts";
import { type RollUpResult, rollUp } from "../pipelines/load/rollup.ts";
import { stagingNodes } from "../pipelines/load/stage.ts";
import { sortNodes } from "../pipelines/models/graph.ts";
import { runNodes } from "../pipelines/models/run.ts";
import { Database } from "../pipelines/warehouse/database.ts";

/** A book in a folder of its own, for tests that load. */
export interface TestBook {
  readonly folder: string;
  readonly state: string;
  write(file: string, content: string | Uint8Array): Promise<void>;
  remove(file: string): Promise<void>;
  read(): Promise<Book>;
  /** `now`: the moment at which files are first seen. */
  load(now?: string): Promise<LoadResult>;
  /** A fresh database with everything staged, and usage rolled up. Close it. */
  stage(
    load: LoadResult,
    only?: readonly string[],
    usage?: UsageRollUp,
  ): Promise<{ readonly database: Database; readonly rolled: RollUpResult }>;
  drop(): Promise<void>;
}

/** The least that a book needs besides what a test is about. */
const smallest: Readonly<Record<string, string>> = {
  "accounts.csv": "account_id,created_at\na,2024-01-01\nb,2024-01-01\n",
  "usage.csv": "account_id,event_time,event\na,2024-02-01 10:00:00,login\n",
};

/**
 * `sources` is YAML of `id: { ... }` lines; the accounts and usage of the smallest book are added where it names none.
 * `rest` is the remainder of assay.yaml.
 */
export async function testBook(sources: string, rest = ""): Promise<TestBook> {
  const folder = await mkdtemp(join(tmpdir(), "assay-test-"));
  const state = join(folder, ".assay");
  const write = async (file: string, content: string | Uint8Array): Promise<void> => {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), content);
  };
  const lines = [
    "book: test",
    "sources:",
    ...(sources.includes("entity: account,") ? [] : ["  accounts: { entity: account, files: accounts.csv }"]),
    ...(sources.includes("entity: usage_") ? [] : ["  usage: { entity: usage_event, files: usage.csv }"]),
    ...sources.split("\n").map((line) => `  ${line.trim()}`),
    "churn: { primary: silent, definitions: { silent: { type: inactivity, days: 60 } } }",
    "kpis: [logins_28d]",
    rest,
  ];
  for (const [file, content] of Object.entries(smallest)) await write(file, content);
  await write("assay.yaml", `${lines.join("\n")}\n`);
  const read = (): Promise<Book> => readBook(folder, { cwd: folder, env: {} });
  return {
    folder,
    state,
    write,
    remove: (file) => rm(join(folder, file)),
    read,
    async load(now = "2024-06-01T00:00:00Z") {
      return loadDeliveries({ book: await read(), state, log: silentLog, now: () => new Date(now), settleSeconds: 0 });
    },
    stage: async (load, only, usage) => stageBook(await read(), load, state, only, usage),
    drop: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Stages a load into a fresh database in memory, and rolls usage up. `only`: the nodes that a test needs, for speed. */
export async function stageBook(
  book: Book,
  load: LoadResult,
  state: string,
  only?: readonly string[],
  usage?: UsageRollUp,
): Promise<{ readonly database: Database; readonly rolled: RollUpResult }> {
  const database = await Database.open({ path: ":memory:", threads: 2 });
  await database.run(await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"));
  await database.run("create schema meta");
  const nodes = (await stagingNodes(book, load)).filter(({ name }) => only === undefined || only.includes(name));
  await runNodes(database, sortNodes(nodes, new Set()), silentLog, () => 0);
  const rolled = await rollUp({
    database,
    book,
    load,
    state,
    log: silentLog,
    ...(usage === undefined ? {} : { usage }),
  });
  return { database, rolled };
}
