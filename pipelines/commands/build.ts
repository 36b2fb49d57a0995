/** The warehouse of one run: exports in, tables out, to a given depth. What readers see of it is published by refresh.ts. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Book } from "../config/book.ts";
import type { UsageRollUp } from "../config/kpi.ts";
import { featureNodes } from "../features/compile.ts";
import { qualityNodes } from "../features/quality.ts";
import { truncationSample, truncationStep } from "../features/truncate.ts";
import { usageRollUp } from "../features/usage-filter.ts";
import { addDays, isoDate } from "../lib/clock.ts";
import { refusedError, usageError } from "../lib/errors.ts";
import { projectRoot } from "../lib/files.ts";
import type { LastTime, Log } from "../lib/log.ts";
import { assayVersion } from "../lib/version.ts";
import { type LoadResult, loadDeliveries } from "../load/load.ts";
import { type RollUpResult, rollUp } from "../load/rollup.ts";
import { stagingNodes } from "../load/stage.ts";
import { fingerprint, layerOf, leadingTo, producesOf, sortNodes, unreadAfter } from "../models/graph.ts";
import { readModels } from "../models/header.ts";
import type { Model, Node } from "../models/model.ts";
import { type KeptRun, type RememberedRun, runKept, runRemembered } from "../models/remember.ts";
import { type RunResult, runNodes } from "../models/run.ts";
import { portfolioNodes } from "../portfolio/nodes.ts";
import { martNodes } from "../publish/marts.ts";
import { scoreNodes } from "../scores/compile.ts";
import { flagNodes } from "../scores/flags.ts";
import { lintNode } from "../scores/lint-node.ts";
import { readingNodes } from "../scores/readings.ts";
import { successNodes } from "../success/nodes.ts";
import { scratchTables, type ValidationOptions, validationNodes, verdictNodes } from "../validation/nodes.ts";
import { Database } from "../warehouse/database.ts";
import { literal, SqlDate } from "../warehouse/literal.ts";
import { codeSha256, type Definitions } from "./definitions.ts";
import { type FeedFinding, feedStep, lookAtFeeds, refuseOffFeeds } from "./feeds.ts";
import {
  notesOnExports,
  notesOnHandWritten,
  notesOnImmutable,
  notesOnKnownAt,
  notesOnKpis,
  notesOnTruncation,
  notesOnUnfilled,
  refuseEmptySpine,
  refuseForeignUsage,
} from "./findings.ts";
import { leaveOneOutStep } from "./leave-one-out.ts";

/** Runs named steps and keeps what each took. */
export interface Stopwatch {
  readonly timed: <T>(title: string, work: (note: (text: string) => void) => Promise<T>) => Promise<T>;
  /** Seconds of each step, in the order in which they ran. */
  readonly seconds: Readonly<Record<string, number>>;
  /** The same in CPU seconds of this process. */
  readonly cpuSeconds: Readonly<Record<string, number>>;
}

/** `before`: what each step took in the run before, if there was one. */
export function stopwatch(log: Log, before: Readonly<Record<string, number>> = {}): Stopwatch {
  const seconds: Record<string, number> = {};
  const cpuSeconds: Record<string, number> = {};
  const begun = new Set<string>();
  const lastTime = (title: string): LastTime | undefined => {
    begun.add(title);
    const step = before[title];
    if (step === undefined) return undefined;
    const after = Object.entries(before).reduce((sum, [other, took]) => sum + (begun.has(other) ? 0 : took), 0);
    return { step, after };
  };
  return {
    seconds,
    cpuSeconds,
    timed: (title, work) => {
      const started = performance.now();
      const cpuStarted = cpuNow();
      return log.step(title, work, lastTime(title)).finally(() => {
        seconds[title] = (seconds[title] ?? 0) + (performance.now() - started) / 1000;
        cpuSeconds[title] = (cpuSeconds[title] ?? 0) + cpuNow() - cpuStarted;
      });
    },
  };
}

/** CPU seconds that this process has used, in all its threads. */
function cpuNow(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** What every part of a run is given. */
export interface RunContext {
  readonly book: Book;
  readonly state: string;
  readonly definitions: Definitions;
  /** Takes nothing over from an earlier run. */
  readonly full: boolean;
  readonly now: () => Date;
  readonly log: Log;
  readonly watch: Stopwatch;
  /** As in LoadOptions. */
  readonly linkedFrom?: string | undefined;
}

export interface Inputs {
  readonly load: LoadResult;
  /** What is off with the feeds tonight, and published all the same. */
  readonly feeds: readonly FeedFinding[];
  readonly asOf: string;
}

/**
 * New deliveries go into the store; the day of the run follows from what there is. `asOf` overrides the book's. Refuses feeds
 * that are off before anybody asks whether anything changed: a dead feed must not look like nothing to do.
 */
export async function readInputs(run: RunContext, asOf: string | undefined): Promise<Inputs> {
  const { book, state, log, now, watch } = run;
  const load = await watch.timed("load exports", async (note) => {
    const result = await loadDeliveries({ book, state, log, now, full: run.full, linkedFrom: run.linkedFrom });
    note(`${result.newDeliveries} new of ${result.deliveries.length} deliveries`);
    return result;
  });
  // A date of one's own looks at the past; what is late tonight has no say in it.
  const feeds = asOf === undefined ? await lookAtFeeds(book, load, now(), run.linkedFrom) : [];
  refuseOffFeeds(feeds);
  return { load, feeds, asOf: resolveAsOf(asOf ?? book.as_of, load, book, isoDate(now())) };
}

/** A fresh warehouse. Its connection reads and writes below the build's folder and the store, and nowhere else, and stays as it is set up. */
export const openWarehouse = (book: Book, state: string, folder: string): Promise<Database> =>
  Database.open({
    path: join(folder, "warehouse.duckdb"),
    tempDirectory: join(folder, "spill"),
    // Most of its tables are small, and there are hundreds.
    blockSize: 65536,
    allowedDirectories: [folder, join(state, "store")],
    ...(book.threads === undefined ? {} : { threads: book.threads }),
    ...(book.memory_limit === undefined ? {} : { memoryLimit: book.memory_limit }),
  });

export interface Warehouse {
  /** Every node, in the order of the build. */
  readonly nodes: readonly Node[];
  readonly audits: RunResult["audits"];
  readonly rolled: RollUpResult;
  /** Tables of staging that the next run may take over. */
  readonly staged: readonly string[];
  /** Months of features that the next run may take over. */
  readonly remembered: readonly string[];
  /** Looks at past month starts that it may take over. */
  readonly looks: readonly string[];
  readonly duckdbVersion: string;
}

/**
 * Builds the tables of a release into a fresh database. `depth` "verdicts" makes only what validation.kpi_verdict rests on: no
 * scores, no marts, no notes of quality, no truncation test (rule L goes by lineage alone), and nothing is remembered.
 */
export async function buildWarehouse(
  database: Database,
  run: RunContext,
  { load, feeds, asOf }: Inputs,
  releaseId: string,
  depth: "release" | "verdicts",
): Promise<Warehouse> {
  const { book, state, full, log, watch } = run;
  const engine = await engineOf(database);
  const looks: string[] = [];
  const laid = await layOut(run, { load, feeds, asOf }, engine, depth, (files) => looks.push(...files));
  const { staging, nodes, prints, params, usage } = laid;
  await database.run(laid.macros);
  await database.run("create schema meta");
  await database.run(`create table meta.params as select ${columnsOf(params)}`);
  await database.run(
    `create table meta.release as select ${columnsOf({
      release_id: releaseId,
      as_of: new SqlDate(asOf),
      assay_version: assayVersion,
      duckdb_version: engine,
      config_sha256: book.config_sha256,
      inputs_sha256: load.inputs_sha256,
    })}`,
  );

  const staged = await watch.timed("stage", async (note): Promise<KeptRun> => {
    if (depth === "release") return keepStaging({ database, staging, state, prints, full, log, note });
    return { ...(await counted(database, staging, log)(note)), reused: new Set(), files: [] };
  });
  const rolled = await watch.timed("roll up usage", async (note) => {
    const result = await rollUp({ database, book, load, state, log, usage, full });
    note(`${result.builtMonths} months built, ${result.reusedMonths} reused`);
    return result;
  });

  const results: RunResult[] = [staged];
  await createRunTables(database);
  await recordRun(database, staged, prints, { reused: staged.reused });
  await recordRollUps(database, laid.rollUps, rolled, prints);
  const remembered: string[] = [];
  const views: string[] = [];
  const groups = groupByLayer(nodes);
  const unread =
    depth === "release"
      ? unreadAfter(
          groups.map(([, group]) => group),
          scratchTables,
        )
      : null;
  for (const [i, [layer, group]] of groups.entries()) {
    if (layer === "features" && depth === "release") {
      const result = await watch.timed(layer, (note) =>
        rememberFeatures({ database, nodes, group, state, params, rolled, full, engine, log, note }),
      );
      await recordRun(database, result, prints, { months: result.months });
      results.push(result);
      remembered.push(...result.files);
      views.push(...result.views);
      continue;
    }
    const result = await watch.timed(layer, counted(database, group, log));
    await recordRun(database, result, prints);
    results.push(result);
    // A release holds no scratch; dropped now, its room in the file is for the tables that follow.
    const done = unread?.[i] ?? [];
    for (const { kind, table } of done) await database.run(`drop ${kind} ${table}`);
    if (done.length > 0) await database.run("checkpoint");
    if (layer !== "spine") continue;
    await refuseEmptySpine(database, asOf, load);
    await refuseForeignUsage(database, load);
  }
  for (const view of views) await database.run(`drop view ${view}`);
  return {
    nodes: [...staging, ...nodes],
    audits: results.flatMap((result) => result.audits),
    rolled,
    staged: staged.files,
    remembered,
    looks,
    duckdbVersion: engine,
  };
}

export const engineOf = async (database: Database): Promise<string> =>
  String(await database.scalar("select library_version from pragma_version()"));

/** What a run would build, in order, before anything is built. */
export interface LaidOut {
  readonly staging: readonly Node[];
  /** All that follows the roll-ups. */
  readonly nodes: readonly Node[];
  /** The views of the roll-ups. */
  readonly rollUps: readonly string[];
  /** Of each node and of each roll-up: equal ones mean equal rows. */
  readonly prints: ReadonlyMap<string, string>;
  /** The values of meta.params. */
  readonly params: ReturnType<typeof paramsOf>;
  readonly usage: UsageRollUp;
  readonly macros: string;
}

/** The nodes of a run and their fingerprints; `keep` hears of the looks that it rests on, once they are built. */
export async function layOut(
  run: Pick<RunContext, "book" | "state" | "definitions" | "full">,
  { load, feeds, asOf }: Inputs,
  engine: string,
  depth: "release" | "verdicts",
  keep: (files: readonly string[]) => void = () => {},
): Promise<LaidOut> {
  const { book, state, definitions, full } = run;
  const { kpis, inputs: kpiInputs } = definitions.kpis;
  const usage = usageRollUp([...kpis, ...kpiInputs]);
  const macros = await readFile(macrosFile, "utf8");
  const params = paramsOf(book, asOf);
  const staging = sortNodes(await stagingNodes(book, load), new Set());
  const rollUps = ["rollup.account_day", "rollup.user_day", ...(usage.last.length > 0 ? ["rollup.account_last"] : [])];
  const given = new Set([...staging.flatMap(producesOf), ...rollUps, ...metaTables]);
  const lookingBack = {
    folder: join(state, "store", "looks"),
    macros,
    identity: `${await codeSha256()} ${engine}`,
    full,
    keep,
  };
  const nodes = sortNodes(
    depth === "release"
      ? [...(await releaseNodes(book, definitions, lookingBack)), feedStep(book, load, feeds)]
      : await nodesToVerdicts(book, definitions),
    given,
  );
  const inputs = new Map([...given].map((table) => [table, `${table}@${load.inputs_sha256}`] as const));
  const rolled = rollUps.map((table) => [table, inputs.get(table) as string] as const);
  const prints = new Map([...rolled, ...fingerprint([...staging, ...nodes], params, engine, inputs)]);
  return { staging, nodes, rollUps, prints, params, usage, macros };
}

/** Runs nodes and says how many of them are done. */
const counted =
  (database: Database, nodes: readonly Node[], log: Log) =>
  async (note: (text: string) => void): Promise<RunResult> => {
    const result = await runNodes(
      database,
      nodes,
      log,
      () => performance.now(),
      (done) => note(progressText(done, nodes.length)),
    );
    note(`${nodes.length} models`);
    return result;
  };

const progressText = (done: number, all: number): string => `${done} of ${all} models`;

/** All that a release holds after the roll-ups. */
async function releaseNodes(
  book: Book,
  definitions: Definitions,
  looks: Omit<NonNullable<ValidationOptions["looks"]>, "spine">,
): Promise<readonly Node[]> {
  const { cards, flags, plays, practice } = definitions;
  const { kpis, inputs } = definitions.kpis;
  const spine = await readModels("spine");
  const features = featureNodes(kpis, book, inputs);
  const scoring = scoreNodes(cards, kpis, book);
  return [
    ...spine,
    ...features,
    ...(await qualityNodes(kpis, book, inputs)),
    ...scoring,
    ...readingNodes,
    ...flagNodes(flags.flags),
    truncationStep({ macros: looks.macros, spine, features, kpis: kpis.map(({ id }) => id) }),
    ...(await validationNodes(book, kpis, cards, { inputs, truncation: truncationSample, looks: { ...looks, spine } })),
    leaveOneOutStep(
      book,
      cards,
      kpis.map(({ id }) => id),
      scoring.flatMap(({ depends, name }) => [...depends, name]),
      looks.macros,
    ),
    ...(await martNodes(book)),
    ...(await successNodes(
      practice,
      kpis.map(({ id }) => id),
    )),
    ...(await portfolioNodes(book, plays)),
    lintNode(cards, kpis, scoring, { n_outcomes: practice.outcomes.length }),
  ];
}

/** The part of {@link releaseNodes} that the verdicts rest on. */
async function nodesToVerdicts(book: Book, { kpis: { kpis, inputs }, cards }: Definitions): Promise<readonly Node[]> {
  const verdicts = await verdictNodes(book, kpis, cards, { inputs });
  return leadingTo(
    [...(await readModels("spine")), ...featureNodes(kpis, book, inputs), ...verdicts],
    verdicts.flatMap(producesOf),
  );
}

/** What the user should know of a finished warehouse, one sentence each. */
export const notesOn = async (
  database: Database,
  { book, definitions }: RunContext,
  { load }: Inputs,
): Promise<readonly string[]> => [
  ...(await notesOnExports(database, load)),
  ...(await notesOnHandWritten(database)),
  ...notesOnKnownAt(book),
  ...(await notesOnImmutable(database, book)),
  ...(await notesOnKpis(database)),
  ...(await notesOnUnfilled(database, definitions.kpis.kpis, definitions.kpis.inputs)),
  ...(await notesOnTruncation(database)),
];

export const macrosFile = join(projectRoot, "sql", "warehouse", "00_macros.sql");
const metaTables = ["meta.release", "meta.model_run", "meta.audit_result"];

/** `latest` is midnight after the newest usage row. */
function resolveAsOf(wanted: string, load: LoadResult, book: Book, today: string): string {
  if (wanted !== "latest") {
    if (!/^\d{4}-\d{2}-\d{2}$/.test(wanted))
      throw usageError(`as_of needs a date like 2026-01-31 or latest, found ${wanted}`);
    if (wanted > today) throw usageError(`as_of: found ${wanted}, expected a date up to today, ${today}`);
    return wanted;
  }
  if (load.last_event_at === null) {
    throw refusedError(
      `book ${book.book} has no usage row, so 'as_of: latest' has no date`,
      "write a date, or add usage",
    );
  }
  return addDays(load.last_event_at.slice(0, 10), 1);
}

/** The one-row table `meta.params`: what SQL may know of the configuration. */
function paramsOf(book: Book, asOf: string) {
  const { calendar } = book;
  return {
    book: book.book,
    title: book.site.title,
    as_of: new SqlDate(asOf),
    window_days: calendar.window_days,
    gap_days: calendar.gap_days,
    horizon_days: calendar.horizon_days,
    min_tenure_days: calendar.min_tenure_days,
    reactivation_grace_days: calendar.reactivation_grace_days,
    score_every: calendar.score_every,
    validate_every: calendar.validate_every,
    currency: book.currency,
    primary_definition: book.churn.primary,
    min_cell: book.site.min_cell,
  };
}

const columnsOf = (row: Readonly<Record<string, string | number | SqlDate>>): string =>
  Object.entries(row)
    .map(([name, value]) => `${literal(value)} as ${name}`)
    .join(", ");

/** One entry a run of nodes of the same layer, in the sorted order. */
function groupByLayer(nodes: readonly Node[]): readonly (readonly [string, readonly Node[]])[] {
  const groups: [string, Node[]][] = [];
  for (const node of nodes) {
    const layer = layerOf(node.name);
    const last = groups.at(-1);
    if (last?.[0] === layer) last[1].push(node);
    else groups.push([layer, [node]]);
  }
  return groups;
}

async function createRunTables(database: Database): Promise<void> {
  await database.run(
    "create table meta.model_run (model varchar, fingerprint varchar, row_count bigint, ms bigint, reused boolean, months_built bigint, months_reused bigint)",
  );
  await database.run(
    "create table meta.audit_result (audit varchar, model varchar, failed_rows bigint, blocking boolean)",
  );
}

async function recordRun(
  database: Database,
  result: RunResult,
  prints: ReadonlyMap<string, string>,
  { reused, months }: Partial<Pick<KeptRun, "reused"> & Pick<RememberedRun, "months">> = {},
): Promise<void> {
  const runs = result.runs.flatMap(({ name, tables, ms }) =>
    tables.map((table) =>
      [
        table.name,
        prints.get(name) ?? null,
        table.rowCount,
        Math.round(ms),
        reused?.has(name) === true || months?.get(name)?.built === 0,
        months?.get(name)?.built ?? null,
        months?.get(name)?.reused ?? null,
      ]
        .map(literal)
        .join(", "),
    ),
  );
  const audits = result.audits.map((a) => [a.audit, a.model, a.failedRows, a.blocking].map(literal).join(", "));
  if (runs.length > 0) await database.run(`insert into meta.model_run values (${runs.join("), (")})`);
  if (audits.length > 0) await database.run(`insert into meta.audit_result values (${audits.join("), (")})`);
}

/** The roll-ups are views over Parquet of the store; a month of all of them is built or reused together. */
async function recordRollUps(
  database: Database,
  rollUps: readonly string[],
  { builtMonths: built, reusedMonths: reused }: RollUpResult,
  prints: ReadonlyMap<string, string>,
): Promise<void> {
  const rows = rollUps.map((view) =>
    [view, prints.get(view) ?? null, null, 0, built === 0, built, reused].map(literal).join(", "),
  );
  await database.run(`insert into meta.model_run values (${rows.join("), (")})`);
}

/** Where the tables of staging are kept. */
export const stagedFolder = (state: string): string => join(state, "store", "staging");

/** The staging tables, with those of earlier runs that would come out the same. */
async function keepStaging(work: {
  readonly database: Database;
  readonly staging: readonly Node[];
  readonly state: string;
  readonly prints: ReadonlyMap<string, string>;
  readonly full: boolean;
  readonly log: Log;
  readonly note: (text: string) => void;
}): Promise<KeptRun> {
  const { database, staging, state, prints, full, log, note } = work;
  const result = await runKept({
    database,
    nodes: staging,
    prints,
    folder: stagedFolder(state),
    full,
    log,
    now: () => performance.now(),
    progress: (done) => note(progressText(done, staging.length)),
  });
  note(`${staging.length} models, ${result.reused.size} reused`);
  return result;
}

/** The features, with the months of earlier runs that would come out the same. */
async function rememberFeatures(work: {
  readonly database: Database;
  readonly nodes: readonly Node[];
  readonly group: readonly Node[];
  readonly state: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly rolled: RollUpResult;
  readonly full: boolean;
  readonly engine: string;
  readonly log: Log;
  readonly note: (text: string) => void;
}): Promise<RememberedRun> {
  const { database, nodes, group, state, params, rolled, full, engine, log, note } = work;
  const result = await runRemembered({
    database,
    nodes: group,
    calendar: nodes.filter((node): node is Model => node.kind === "table" && node.name === "spine.snapshot_day"),
    folder: join(state, "store", "features"),
    prepare: await readFile(macrosFile, "utf8"),
    params,
    engine,
    usageByDay: rolled.byDay,
    full,
    log,
    now: () => performance.now(),
    progress: (done) => note(progressText(done, group.length)),
  });
  const sum = (of: "built" | "reused"): number => [...result.months.values()].reduce((n, months) => n + months[of], 0);
  note(`${sum("built")} months of tables built, ${sum("reused")} reused`);
  return result;
}
