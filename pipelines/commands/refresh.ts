import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { format } from "sql-formatter";
import type { Book } from "../config/book.ts";
import { damagedStoreFile, machineError, refusedError, storeDamageError, usageError } from "../lib/errors.ts";
import { canonicalJson, sha256 } from "../lib/files.ts";
import type { Log } from "../lib/log.ts";
import { assayVersion } from "../lib/version.ts";
import { markReleased, readErasures } from "../load/erase.ts";
import { mendLedger, readLedger } from "../load/ledger.ts";
import { changedFiles, damagedFiles, dropDamaged, sweepReadings } from "../load/sweep.ts";
import type { Node } from "../models/model.ts";
import { portfolioNodes } from "../portfolio/nodes.ts";
import { writeArtefacts } from "../publish/artefacts.ts";
import { checkSite } from "../publish/check-site.ts";
import {
  checkLayout,
  findReleaseBefore,
  freeRunId,
  layoutOf,
  listReleases,
  type Manifest,
  moveToReleases,
  pointCurrentAt,
  type Release,
  removeOtherReleases,
  runIdOf,
  stateLayout,
  sweep,
  sweepStore,
  timeOfNextRun,
  writeLastRun,
} from "../publish/release.ts";
import { buildSite } from "../publish/site.ts";
import { checkImmutability, recordOf } from "../scores/library.ts";
import type { Database } from "../warehouse/database.ts";
import { holdLock } from "../warehouse/lock.ts";
import {
  buildWarehouse,
  type Inputs,
  macrosFile,
  notesOn,
  openWarehouse,
  type RunContext,
  readInputs,
  stopwatch,
  type Warehouse,
} from "./build.ts";
import { codeSha256, resolveDefinitions } from "./definitions.ts";
import { writeOut } from "./out.ts";
import {
  beginRecord,
  type Ending,
  lastReportFile,
  type RunRecord,
  reportOf,
  stepsBefore,
  writeReport,
} from "./report.ts";
import { whatIsMissing } from "./whole.ts";

/** Made from practice.yaml and outcomes.yaml, so that no file of the project holds their statements. */
const practiceModels =
  /^marts\.(account_archetype|archetype|reference_profile|account_outcome|outcome_score|outcome_summary|account_trial|funnel_month|funnel_split|journey_stage)$/;

export interface RefreshOptions {
  readonly book: Book;
  readonly state: string;
  /** Overrides the book's `as_of`; such a release does not become current unless `publish` says so. */
  readonly asOf?: string | undefined;
  readonly publish?: boolean | undefined;
  /** Builds even when nothing changed, and remembers nothing of an earlier run. */
  readonly full?: boolean | undefined;
  /** False leaves the site out: for trials and benchmarks. */
  readonly site?: boolean | undefined;
  readonly now: () => Date;
  readonly log: Log;
}

export interface RefreshResult {
  readonly outcome: "published" | "built" | "unchanged";
  readonly release: Release;
  readonly warnings: readonly string[];
  /** The warnings that say what is off with a feed tonight; a run with nothing to do has them too. */
  readonly marks: readonly string[];
  /** Seconds of each step, in the order in which they ran. */
  readonly seconds: Readonly<Record<string, number>>;
  /** The same in CPU seconds of this process: what the work costs however busy the machine is (the site builds in another). */
  readonly cpu_seconds: Readonly<Record<string, number>>;
}

/**
 * The main job: exports in, a release out. Works in a fresh folder and changes what readers see by one rename at the
 * end; whatever fails before leaves `current` as it was. Throws an {@link AssayError} for what the user can mend.
 */
export async function refresh(options: RefreshOptions): Promise<RefreshResult> {
  const { state, now } = options;
  // What a newer Assay wrote is not touched, not even to say that it was refused.
  await checkLayout(state, false);
  await readLedger(ledgerOf(state));
  const lock = await holdLock(state, now());
  const record = beginRecord(options.book, state, options.full === true, now());
  try {
    const result = await mendStore(options, (mended) => refreshLocked(options, record, mended));
    await writeLastRun(state, { at: now().toISOString(), outcome: result.outcome, ...idsOf(result.release) });
    return result;
  } catch (error) {
    const told = machineError(error);
    const sentence = told?.message ?? String(error).split("\n")[0] ?? "";
    // What the machine would not finish helps nobody, and takes the room that a word on it needs.
    if (told?.exitCode === 2 && record.build !== null)
      await rm(record.build, { recursive: true, force: true }).catch(() => {});
    await writeFailure(state, record, { outcome: "failed", error: told ?? { message: sentence }, at: now() }).catch(
      () => {},
    );
    // A disk that is full may not take this either: the error itself is what matters.
    await writeLastRun(state, {
      at: now().toISOString(),
      outcome: "failed",
      exit_code: told?.exitCode ?? 1,
      error: sentence,
    }).catch(() => {});
    throw error;
  } finally {
    lock.release();
  }
}

const idsOf = ({ manifest: { release_id, run_id } }: Release) => ({ release_id, run_id });

const ledgerOf = (folder: string): string => join(folder, "ledger.jsonl");

/**
 * Runs a refresh; where it comes upon damaged files of the store that can be made again, it begins again without them. Once: files that
 * are damaged again as soon as they are written are for a person to look at.
 */
async function mendStore<T>(
  { book, state }: RefreshOptions,
  run: (mended: readonly string[]) => Promise<T>,
): Promise<T> {
  try {
    return await run([]);
  } catch (error) {
    const paths = await damageOf(state, error);
    if (paths.length === 0) throw error;
    const there = new Set(paths.filter((path) => existsSync(path)));
    for (const path of paths) {
      // With a file of rows its days and rejected values go too.
      if (there.has(path) && !existsSync(path)) continue;
      if (!(await dropDamaged(book, state, path)))
        throw storeDamageError(
          path,
          "its export is not there as it was read: bring it back, or the file from a backup; to go on without: npx assay forget BOOK --delivery FILE",
        );
    }
    return await run(paths.map((path) => `a file of the store was damaged, and was made again: ${path}`)).catch(
      async (again: unknown) => {
        const [path] = await damageOf(state, again);
        throw path === undefined
          ? again
          : usageError(
              `a file of the store was damaged again as soon as it was made: ${path}`,
              "the disk or the memory of this machine may fail: have it looked at, or choose another folder with --state",
            );
      },
    );
  }
}

/** The damaged files of the store that an error came of; none where it came of something else. */
async function damageOf(state: string, error: unknown): Promise<readonly string[]> {
  const named = damagedStoreFile(error);
  if (named === null && machineError(error) !== null) return [];
  // Where one file is damaged others may be.
  const { lines } = await readLedger(ledgerOf(state));
  const found = [...(await damagedFiles(state)), ...(await changedFiles(join(state, "store"), lines))];
  return [...new Set([...(named === null ? [] : [named]), ...found])];
}

async function refreshLocked(
  options: RefreshOptions,
  record: RunRecord,
  mended: readonly string[],
): Promise<RefreshResult> {
  const { book, state, log, now } = options;
  const definitions = await resolveDefinitions(book);
  await checkLayout(state, true);
  const notes: string[] = [...mended];
  const current = await findReleaseBefore(state, (sentence) => notes.push(sentence));
  refuseOtherBook(current, book, state, options.full === true);
  // The copy of a release that holds an erased account knows of it.
  const lines =
    current === null || (await readErasures(state)).isReleasePending
      ? 0
      : await mendLedger(ledgerOf(state), ledgerOf(current.folder));
  if (lines > 0) notes.push(`${lines} lines of the ledger were gone, and were taken back from the current release`);
  for (const note of notes) log.warn(note);
  const watch = stopwatch(log, await stepsBefore(current));
  const { seconds, cpuSeconds } = watch;
  Object.assign(record, { watch, current, definitionsSha256: definitions.sha256 });
  checkImmutability(current?.manifest.scorecards ?? [], definitions.cards);
  const warnings = [
    ...notes,
    ...definitions.kpis.off.map(({ id, why }) => `KPI ${id} is off: ${why}`),
    ...definitions.flags.off.map(({ id, why }) => `flag ${id} is off: ${why}`),
  ];

  const isOlder = current !== null && layoutOf(current.manifest) < stateLayout;
  if (isOlder) {
    const { manifest } = current;
    warnings.push(
      `release ${manifest.release_id.slice(0, 12)} is of layout ${layoutOf(manifest)} (Assay ${manifest.assay_version}), today's is ${stateLayout}: everything is built again`,
    );
  }
  const run: RunContext = { book, state, definitions, full: options.full === true || isOlder, now, log, watch };
  record.full = run.full;
  const inputs = await readInputs(run, options.asOf);
  const marks = inputs.feeds.map(({ sentence }) => sentence);
  warnings.push(...inputs.load.warnings, ...marks);

  const code = await codeSha256();
  const releaseId = releaseIdOf(book, definitions.sha256, inputs, code);
  Object.assign(record, { load: inputs.load, asOf: inputs.asOf, codeSha256: code, releaseId, marks, warnings });
  const flaw = current?.manifest.release_id === releaseId ? await whatIsMissing(current, options.site !== false) : null;
  if (current !== null && flaw !== null)
    warnings.push(`release ${basename(current.folder)} is not whole, and is built again: ${flaw}`);
  if (!run.full && current?.manifest.release_id === releaseId && flaw === null) {
    const { warnings } = current.manifest;
    record.runId = current.manifest.run_id;
    await writeReport(lastReportFile(state), await reportOf(record, { outcome: "unchanged", at: now() }));
    await forgetEarlierReleases(options);
    // A run that was killed after it had published has not tidied up.
    await tidy(options, inputs, "");
    return { outcome: "unchanged", release: current, warnings, marks, seconds, cpu_seconds: cpuSeconds };
  }

  const runId = freeRunId(state, runIdOf(await timeOfNextRun(state, now()), releaseId));
  const build = join(state, "builds", runId);
  await sweep(state, book.keep, build);
  await mkdir(build, { recursive: true });
  Object.assign(record, { runId, build });
  const database = await openWarehouse(book, state, build);
  let manifest: Manifest;
  try {
    const warehouse = await buildWarehouse(database, run, inputs, releaseId, "release");
    warnings.push(...(await notesOn(database, run, inputs)));
    refuseFailedAudits(build, warehouse);
    manifest = await writeRelease({
      build,
      database,
      run,
      inputs,
      warehouse,
      current,
      warnings,
      options,
      runId,
      releaseId,
      code,
    });
  } finally {
    database.close();
  }
  await writeFile(join(build, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  await rm(join(build, "spill"), { recursive: true, force: true });

  if (options.site !== false) await addSite(build, manifest, run, record);
  const becomesCurrent = options.asOf === undefined || options.publish === true;
  const report = await reportOf(record, { outcome: becomesCurrent ? "published" : "built", at: now() });
  await writeReport(join(build, "report.json"), report);
  await copyFile(ledgerOf(state), ledgerOf(build));
  const folder = await moveToReleases(state, build, runId);
  if (becomesCurrent) {
    await pointCurrentAt(state, runId);
    await forgetEarlierReleases(options);
  }
  await tidy(options, inputs, build);
  await writeReport(lastReportFile(state), report);
  return {
    outcome: becomesCurrent ? "published" : "built",
    release: { folder, manifest },
    warnings,
    marks,
    seconds,
    cpu_seconds: cpuSeconds,
  };
}

/** Two books that were given one state would take turns in what readers see. One that has another name now says so with `full`. */
export function refuseOtherBook(current: Release | null, { book }: Book, state: string, full: boolean): void {
  if (current === null || current.manifest.book === book || full) return;
  throw usageError(
    `${state} holds the releases of book ${current.manifest.book}, expected those of ${book}`,
    "give each book a --state of its own; a book that was renamed is refreshed once with --full",
  );
}

/** Hash of all that decides what a release holds. */
export function releaseIdOf(book: Book, definitionsSha256: string, inputs: Inputs, code: string): string {
  const marks = inputs.feeds.map(({ sentence }) => sentence);
  return sha256(
    canonicalJson([
      inputs.load.inputs_sha256,
      book.config_sha256,
      definitionsSha256,
      code,
      inputs.asOf,
      ...(marks.length > 0 ? [marks] : []),
    ]),
  );
}

/** After an account was erased: once readers see a release without it, no release that was built before is kept. */
async function forgetEarlierReleases({ state, now, log }: RefreshOptions): Promise<void> {
  if (!(await readErasures(state)).isReleasePending) return;
  const removed = await removeOtherReleases(state);
  await markReleased(state, now());
  if (removed.length > 0)
    log.info(`removed ${removed.length} releases that held an erased account: ${removed.join(", ")}`);
}

/** Removes what no release that is kept reads, and what interrupted runs left. */
async function tidy({ book, state }: RefreshOptions, { load }: Inputs, build: string): Promise<void> {
  await sweep(state, book.keep, build);
  await sweepStore(state);
  const kept = (await listReleases(state)).flatMap(({ manifest }) => manifest.store.usage_event);
  await sweepReadings({ book, state, load, inUse: new Set(kept.map((file) => basename(file))) });
}

/** A blocking audit that failed stops the release. */
function refuseFailedAudits(build: string, { audits }: Warehouse): void {
  const blocking = audits.filter((audit) => audit.failedRows > 0 && audit.blocking);
  if (blocking.length > 0) {
    throw refusedError(
      `${blocking.length} blocking audits failed: ${blocking.map((a) => `${a.audit} of ${a.model} (${a.failedRows} rows)`).join(", ")}`,
      `the build is kept in ${build}; what readers see is unchanged`,
    );
  }
}

/** The report of a run that failed: beside last-run.json, and in the build that is kept. */
async function writeFailure(state: string, record: RunRecord, ending: Ending): Promise<void> {
  const report = await reportOf(record, ending);
  await writeReport(lastReportFile(state), report);
  if (record.build !== null && existsSync(record.build)) await writeReport(join(record.build, "report.json"), report);
}

/** Everything of a release beside its warehouse and its site: statements, artefacts, files for other systems. Returns its manifest. */
async function writeRelease(work: {
  readonly build: string;
  readonly database: Database;
  readonly run: RunContext;
  readonly inputs: Inputs;
  readonly warehouse: Warehouse;
  readonly current: Release | null;
  readonly warnings: readonly string[];
  readonly options: RefreshOptions;
  readonly runId: string;
  readonly releaseId: string;
  readonly code: string;
}): Promise<Manifest> {
  const { build, database, run, inputs, warehouse, current, warnings, options } = work;
  const { book, definitions, watch, now } = run;
  await watch.timed("statements as text", () =>
    writeCompiled(build, warehouse.nodes, run.full || current?.manifest.code_sha256 !== work.code ? null : current),
  );
  const artefacts = await watch.timed("artefacts", async () =>
    writeArtefacts({
      database,
      folder: join(build, "artefacts"),
      managers: book.site.managers
        ? [
            ...(await portfolioNodes(book, definitions.plays)),
            ...warehouse.nodes.filter(({ name }) => /^marts\.(account_)?archetype$/.test(name)),
          ]
        : undefined,
      practice: warehouse.nodes.filter(({ name }) => practiceModels.test(name)),
    }),
  );
  const out = await writeOut({ database, folder: join(build, "out") });
  await database.run(
    "drop view if exists staging.usage_event; drop schema if exists rollup cascade; drop schema if exists raw cascade",
  );
  await database.run("checkpoint");
  const known = current?.manifest.scorecards ?? [];
  return {
    release_id: work.releaseId,
    run_id: work.runId,
    book: book.book,
    layout: stateLayout,
    as_of: inputs.asOf,
    built_at: now().toISOString(),
    assay_version: assayVersion,
    duckdb_version: warehouse.duckdbVersion,
    config_sha256: book.config_sha256,
    inputs_sha256: inputs.load.inputs_sha256,
    code_sha256: work.code,
    ...(options.asOf === undefined ? {} : { as_of_given: true }),
    definitions_sha256: definitions.sha256,
    kpis: definitions.kpiRecords,
    store: {
      ...warehouse.rolled.store,
      staging: warehouse.staged,
      features: warehouse.remembered,
      looks: warehouse.looks,
    },
    scorecards: [
      ...known,
      ...recordOf(definitions.cards).filter(
        (row) => !known.some((k) => k.scorecard === row.scorecard && k.version === row.version),
      ),
    ],
    artefacts,
    out,
    warnings,
  };
}

/** The site of a build, checked; its problems stop the release. */
async function addSite(
  build: string,
  manifest: Manifest,
  { book, log, watch }: RunContext,
  record: RunRecord,
): Promise<void> {
  const sites = [
    { title: "site", folder: "site", audience: "leadership" },
    ...(book.site.managers
      ? [{ title: "managers' site", folder: "site-managers", audience: "managers" } as const]
      : []),
  ] as const;
  const problems: string[] = [];
  for (const { title, folder, audience } of sites) {
    const out = join(build, folder);
    await watch.timed(title, () =>
      buildSite({ artefacts: join(build, "artefacts"), out, audience, asOf: manifest.as_of, log }),
    );
    problems.push(...(await checkSite(out)).map((problem) => (folder === "site" ? problem : `${folder}: ${problem}`)));
  }
  if (problems.length === 0) return;
  record.siteProblems = problems;
  throw refusedError(
    `the site has ${problems.length} problems, the first: ${problems[0]}`,
    `all are in ${join(build, "report.json")}`,
  );
}

/** Longer statements are lists of deliveries: laying them out takes longer every night, and nobody reads them. */
const longestLaidOut = 20_000;

/** What was written in lines stays as its author laid it out; what was compiled comes in one line. */
const readable = (sql: string): string =>
  sql.includes("\n") || sql.length > longestLaidOut ? sql : format(sql, { language: "duckdb", keywordCase: "lower" });

/**
 * Every statement of the release as text that a person can run and read, numbered in the order of the build. One that has not changed
 * since the current release of the same code is taken from there: laying text out costs more than many a statement.
 */
async function writeCompiled(build: string, nodes: readonly Node[], current: Release | null): Promise<void> {
  const folder = join(build, "compiled");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "00_macros.sql"), await readFile(macrosFile));
  const laidOut = current === null ? new Map<string, string>() : await statementsOf(current.folder);
  const width = String(nodes.length).length;
  await Promise.all(
    nodes.map(async (node, i) => {
      if (node.kind === "step") return;
      const head = `-- ${node.kind} ${node.name}${node.grain.length > 0 ? `, one row per ${node.grain.join(", ")}` : ""}\n-- sha256 ${sha256(node.sql)}\n`;
      await writeFile(
        join(folder, `${String(i + 1).padStart(width, "0")}_${node.name}.sql`),
        laidOut.get(head) ?? `${head}${readable(node.sql)};\n`,
      );
    }),
  );
}

/** The two first lines of each statement of a release (what it is, and the hash of what ran) -> its whole text. */
export async function statementsOf(release: string): Promise<ReadonlyMap<string, string>> {
  const folder = join(release, "compiled");
  const names = await readdir(folder).catch(() => []);
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  return new Map(texts.map((text) => [text.split("\n", 2).join("\n").concat("\n"), text]));
}
