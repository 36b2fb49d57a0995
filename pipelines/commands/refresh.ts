import { existsSync } from "node:fs";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { format } from "sql-formatter";
import type { Book } from "../config/book.ts";
import { featureNodes } from "../features/compile.ts";
import { qualityNodes } from "../features/quality.ts";
import { truncationSample, truncationStep } from "../features/truncate.ts";
import { usageRollUp } from "../features/usage-filter.ts";
import { addDays, isoDate } from "../lib/clock.ts";
import { AssayError, refusedError, usageError } from "../lib/errors.ts";
import { canonicalJson, projectRoot, sha256, writeFileAtomic } from "../lib/files.ts";
import type { Log } from "../lib/log.ts";
import { assayVersion } from "../lib/version.ts";
import { type LoadResult, loadDeliveries } from "../load/load.ts";
import { type RollUpResult, rollUp } from "../load/rollup.ts";
import { stagingNodes } from "../load/stage.ts";
import { fingerprint, layerOf, producesOf, sortNodes } from "../models/graph.ts";
import { readModels } from "../models/header.ts";
import type { Model, Node } from "../models/model.ts";
import { type RememberedRun, runRemembered } from "../models/remember.ts";
import { type RunResult, runNodes } from "../models/run.ts";
import { writeArtefacts } from "../publish/artefacts.ts";
import { checkSite } from "../publish/check-site.ts";
import { martNodes } from "../publish/marts.ts";
import {
  findCurrentRelease,
  freeRunId,
  type Manifest,
  moveToReleases,
  pointCurrentAt,
  type Release,
  runIdOf,
  sweep,
  sweepStore,
} from "../publish/release.ts";
import { buildSite } from "../publish/site.ts";
import { scoreNodes } from "../scores/compile.ts";
import { flagNodes } from "../scores/flags.ts";
import { checkImmutability, recordOf } from "../scores/library.ts";
import { lintNode } from "../scores/lint-node.ts";
import { readingNodes } from "../scores/readings.ts";
import { validationNodes } from "../validation/nodes.ts";
import { Database } from "../warehouse/database.ts";
import { literal, SqlDate } from "../warehouse/literal.ts";
import { holdLock } from "../warehouse/lock.ts";
import { codeSha256, resolveDefinitions } from "./definitions.ts";
import {
  notesOnExports,
  notesOnHandWritten,
  notesOnImmutable,
  notesOnKpis,
  notesOnTruncation,
  notesOnUnfilled,
  refuseEmptySpine,
  refuseForeignUsage,
} from "./findings.ts";
import { writeOut } from "./out.ts";

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
  const lock = await holdLock(state, now());
  try {
    return await refreshLocked(options);
  } finally {
    lock.release();
  }
}

async function refreshLocked(options: RefreshOptions): Promise<RefreshResult> {
  const { book, state, log, now } = options;
  const seconds: Record<string, number> = {};
  const cpuSeconds: Record<string, number> = {};
  const timed = <T>(title: string, work: (note: (text: string) => void) => Promise<T>): Promise<T> => {
    const started = performance.now();
    const cpuStarted = cpuNow();
    return log.step(title, work).finally(() => {
      seconds[title] = (seconds[title] ?? 0) + (performance.now() - started) / 1000;
      cpuSeconds[title] = (cpuSeconds[title] ?? 0) + cpuNow() - cpuStarted;
    });
  };

  const definitions = await resolveDefinitions(book);
  const { cards, flags } = definitions;
  const { kpis, inputs: kpiInputs, off } = definitions.kpis;
  const usage = usageRollUp([...kpis, ...kpiInputs]);
  const current = await findCurrentRelease(state);
  const known = current?.manifest.scorecards ?? [];
  checkImmutability(known, cards);
  const warnings: string[] = [
    ...off.map(({ id, why }) => `KPI ${id} is off: ${why}`),
    ...flags.off.map(({ id, why }) => `flag ${id} is off: ${why}`),
  ];

  const load = await timed("load exports", async (note) => {
    const result = await loadDeliveries({ book, state, log, now });
    note(`${result.newDeliveries} new of ${result.deliveries.length} deliveries`);
    return result;
  });
  warnings.push(...load.warnings);
  if (book.site.managers)
    warnings.push("site.managers is on, but the managers' site is not built yet: leadership's is");
  const asOf = resolveAsOf(options.asOf ?? book.as_of, load, book, isoDate(now()));

  const code = await codeSha256();
  const releaseId = sha256(canonicalJson([load.inputs_sha256, book.config_sha256, definitions.sha256, code, asOf]));
  if (options.full !== true && current?.manifest.release_id === releaseId) {
    const { warnings } = current.manifest;
    return { outcome: "unchanged", release: current, warnings, seconds, cpu_seconds: cpuSeconds };
  }

  const runId = freeRunId(state, runIdOf(now(), releaseId));
  const build = join(state, "builds", runId);
  await sweep(state, book.keep, build);
  await mkdir(build, { recursive: true });

  const database = await Database.open({
    path: join(build, "warehouse.duckdb"),
    tempDirectory: join(build, "spill"),
    ...(book.threads === undefined ? {} : { threads: book.threads }),
    ...(book.memory_limit === undefined ? {} : { memoryLimit: book.memory_limit }),
  });
  let manifest: Manifest;
  try {
    const duckdbVersion = String(await database.scalar("select library_version from pragma_version()"));
    const macros = await readFile(macrosFile, "utf8");
    await database.run(macros);
    const params = paramsOf(book, asOf);
    await database.run("create schema meta");
    await database.run(`create table meta.params as select ${columnsOf(params)}`);
    await database.run(
      `create table meta.release as select ${columnsOf({
        release_id: releaseId,
        as_of: new SqlDate(asOf),
        assay_version: assayVersion,
        duckdb_version: duckdbVersion,
        config_sha256: book.config_sha256,
        inputs_sha256: load.inputs_sha256,
      })}`,
    );

    const staging = sortNodes(await stagingNodes(book, load), new Set());
    const staged = await timed("stage", () => runNodes(database, staging, log, () => performance.now()));
    const rolled = await timed("roll up usage", async (note) => {
      const result = await rollUp({ database, book, load, state, log, usage, full: options.full === true });
      note(`${result.builtMonths} months built, ${result.reusedMonths} reused`);
      return result;
    });

    const rollUps = [
      "rollup.account_day",
      "rollup.user_day",
      ...(usage.last.length > 0 ? ["rollup.account_last"] : []),
    ];
    const given = new Set([...staging.flatMap(producesOf), ...rollUps, ...metaTables]);
    const spine = await readModels("spine");
    const features = featureNodes(kpis, book, kpiInputs);
    const scoring = scoreNodes(cards, kpis, book);
    const nodes = sortNodes(
      [
        ...spine,
        ...features,
        ...(await qualityNodes(kpis, book, kpiInputs)),
        ...scoring,
        ...readingNodes,
        ...flagNodes(flags.flags),
        truncationStep({ macros, spine, features, kpis: kpis.map(({ id }) => id) }),
        ...(await validationNodes(book, kpis, cards, { inputs: kpiInputs, truncation: truncationSample })),
        ...(await martNodes()),
        lintNode(cards, kpis, scoring),
      ],
      given,
    );
    const inputs = new Map([...given].map((table) => [table, `${table}@${load.inputs_sha256}`] as const));
    const prints = fingerprint([...staging, ...nodes], params, duckdbVersion, inputs);
    const results: RunResult[] = [staged];
    await createRunTables(database);
    await recordRun(database, staged, prints);
    const remembered: string[] = [];
    for (const [layer, group] of groupByLayer(nodes)) {
      if (layer === "features") {
        const result = await timed(layer, (note) =>
          rememberFeatures({ database, nodes, group, state, params, rolled, options, duckdbVersion, log, note }),
        );
        await recordRun(database, result, prints, result.months);
        results.push(result);
        remembered.push(...result.files);
        continue;
      }
      const result = await timed(layer, () => runNodes(database, group, log, () => performance.now()));
      await recordRun(database, result, prints);
      results.push(result);
      if (layer !== "spine") continue;
      await refuseEmptySpine(database, asOf, load);
      await refuseForeignUsage(database, load);
    }
    warnings.push(...(await notesOnExports(database, load)), ...(await notesOnHandWritten(database)));
    warnings.push(...(await notesOnImmutable(database, book)), ...(await notesOnKpis(database)));
    warnings.push(...(await notesOnUnfilled(database, kpis, kpiInputs)));
    warnings.push(...(await notesOnTruncation(database)));
    const failed = results.flatMap((result) => result.audits).filter((audit) => audit.failedRows > 0);
    const blocking = failed.filter((audit) => audit.blocking);
    await writeReport(build, { release_id: releaseId, as_of: asOf, warnings, audits: failed });
    if (blocking.length > 0) {
      throw refusedError(
        `${blocking.length} blocking audits failed: ${blocking.map((a) => `${a.audit} of ${a.model} (${a.failedRows} rows)`).join(", ")}`,
        `the build is kept in ${build}; what readers see is unchanged`,
      );
    }

    await writeCompiled(build, [...staging, ...nodes]);
    const artefacts = await timed("artefacts", () => writeArtefacts({ database, folder: join(build, "artefacts") }));
    const out = await writeOut({ database, folder: join(build, "out") });
    await database.run(
      "drop view if exists staging.usage_event; drop schema if exists rollup cascade; drop schema if exists raw cascade",
    );
    await database.run("checkpoint");
    manifest = {
      release_id: releaseId,
      run_id: runId,
      book: book.book,
      as_of: asOf,
      built_at: now().toISOString(),
      assay_version: assayVersion,
      duckdb_version: duckdbVersion,
      config_sha256: book.config_sha256,
      inputs_sha256: load.inputs_sha256,
      code_sha256: code,
      ...(options.asOf === undefined ? {} : { as_of_given: true }),
      definitions_sha256: definitions.sha256,
      kpis: definitions.kpiRecords,
      store: { ...rolled.store, features: remembered },
      scorecards: [
        ...known,
        ...recordOf(cards).filter(
          (row) => !known.some((k) => k.scorecard === row.scorecard && k.version === row.version),
        ),
      ],
      artefacts,
      out,
      warnings,
    };
  } catch (error) {
    if (error instanceof AssayError && !existsSync(join(build, "report.json"))) {
      await writeReport(build, { release_id: releaseId, as_of: asOf, error: error.message });
    }
    throw error;
  } finally {
    database.close();
  }
  await writeFile(join(build, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  await rm(join(build, "spill"), { recursive: true, force: true });

  if (options.site !== false) {
    await timed("site", async () => {
      await buildSite({
        artefacts: join(build, "artefacts"),
        out: join(build, "site"),
        audience: "leadership",
        asOf,
        log,
      });
    });
    const problems = await checkSite(join(build, "site"));
    if (problems.length > 0) {
      await writeReport(build, { release_id: releaseId, as_of: asOf, warnings, site: problems });
      throw refusedError(
        `the site has ${problems.length} problems, the first: ${problems[0]}`,
        `all are in ${join(build, "report.json")}`,
      );
    }
  }
  const folder = await moveToReleases(state, build, runId);
  const becomesCurrent = options.asOf === undefined || options.publish === true;
  if (becomesCurrent) await pointCurrentAt(state, runId);
  await sweep(state, book.keep, build);
  await sweepStore(state);
  const outcome = becomesCurrent ? "published" : "built";
  return { outcome, release: { folder, manifest }, warnings, seconds, cpu_seconds: cpuSeconds };
}

/** CPU seconds that this process has used, in all its threads. */
function cpuNow(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

const macrosFile = join(projectRoot, "sql", "warehouse", "00_macros.sql");
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
  months?: RememberedRun["months"],
): Promise<void> {
  const runs = result.runs.flatMap(({ name, tables, ms }) =>
    tables.map((table) =>
      [
        table.name,
        prints.get(name) ?? null,
        table.rowCount,
        Math.round(ms),
        months?.get(name)?.built === 0,
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

/** The features, with the months of earlier runs that would come out the same. */
async function rememberFeatures(work: {
  readonly database: Database;
  readonly nodes: readonly Node[];
  readonly group: readonly Node[];
  readonly state: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly rolled: RollUpResult;
  readonly options: RefreshOptions;
  readonly duckdbVersion: string;
  readonly log: Log;
  readonly note: (text: string) => void;
}): Promise<RememberedRun> {
  const { database, nodes, group, state, params, rolled, options, duckdbVersion, log, note } = work;
  const { usage_event: _, ...rollUps } = rolled.store;
  const result = await runRemembered({
    database,
    nodes: group,
    calendar: nodes.filter((node): node is Model => node.kind === "table" && node.name === "spine.snapshot_day"),
    folder: join(state, "store", "features"),
    prepare: await readFile(macrosFile, "utf8"),
    params,
    engine: duckdbVersion,
    rollUps: new Map(Object.entries(rollUps).map(([name, files]) => [`rollup.${name}`, files])),
    full: options.full === true,
    log,
    now: () => performance.now(),
  });
  const sum = (of: "built" | "reused"): number => [...result.months.values()].reduce((n, months) => n + months[of], 0);
  note(`${sum("built")} months of tables built, ${sum("reused")} reused`);
  return result;
}

/** Every statement of the release as text that a person can run and read, numbered in the order of the build. */
async function writeCompiled(build: string, nodes: readonly Node[]): Promise<void> {
  const folder = join(build, "compiled");
  await mkdir(folder, { recursive: true });
  await cp(macrosFile, join(folder, "00_macros.sql"));
  const width = String(nodes.length).length;
  await Promise.all(
    nodes.map(async (node, i) => {
      if (node.kind === "step") return;
      const text = format(node.sql, { language: "duckdb", keywordCase: "lower" });
      const head = `-- ${node.kind} ${node.name}${node.grain.length > 0 ? `, one row per ${node.grain.join(", ")}` : ""}\n`;
      await writeFile(join(folder, `${String(i + 1).padStart(width, "0")}_${node.name}.sql`), `${head}${text};\n`);
    }),
  );
}

async function writeReport(build: string, report: Readonly<Record<string, unknown>>): Promise<void> {
  await writeFileAtomic(join(build, "report.json"), `${JSON.stringify(report, null, 2)}\n`);
}
