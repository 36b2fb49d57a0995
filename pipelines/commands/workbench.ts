import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Book } from "../config/book.ts";
import type { AppliedScorecard } from "../config/scorecard.ts";
import { usageError } from "../lib/errors.ts";
import { projectRoot } from "../lib/files.ts";
import { silentLog } from "../lib/log.ts";
import { sortNodes } from "../models/graph.ts";
import { type Runner, runNodes } from "../models/run.ts";
import { openCurrent, type Release } from "../publish/release.ts";
import { scoreNodes } from "../scores/compile.ts";
import { draftOf, readDraft } from "../scores/draft.ts";
import type { Bounding } from "../scores/reach.ts";
import { Database } from "../warehouse/database.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import { type BookOptions, type Context, ofAnotherVersion, openBook } from "./context.ts";

/**
 * A release with room to try something: a database in memory, in which every table of the release is a view under its own
 * name, except those of `scores`, which a draft fills. The release's own stand under `release.scores`. Nothing is written.
 */
export interface Workbench {
  readonly book: Book;
  readonly release: Release;
  readonly database: Database;
  /** The catalog that holds the release's own tables. */
  readonly catalog: string;
  /** The KPIs of the release and those that the book lists without an export. */
  readonly kpis: readonly string[];
  /** What the release's definitions say of the values of its KPIs; a `cap` is not kept. */
  readonly definitions: readonly Bounding[];
  /** Tables and views of the release, `schema.name`, those of scores included. */
  readonly tables: ReadonlySet<string>;
}

/** As much of it as scores are built and ranked with. */
export type Bench = Pick<Workbench, "book" | "catalog" | "kpis" | "tables"> & { readonly database: Runner };

export async function openWorkbench(context: Context, name: string, options: BookOptions): Promise<Workbench> {
  const { book, state } = await openBook(context, name, options);
  const { release, database } = await openCurrent(state, book.book, name, async (release) => ({
    release,
    database: await Database.open({
      failed: (error) => ofAnotherVersion(error, release, name),
      path: ":memory:",
      allowedDirectories: [release.folder],
      prepare: [`attach ${literal(join(release.folder, "warehouse.duckdb"))} as release (read_only)`],
      ...(book.threads === undefined ? {} : { threads: book.threads }),
      ...(book.memory_limit === undefined ? {} : { memoryLimit: book.memory_limit }),
    }),
  }));
  try {
    await database.run(await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"));
    const found = await database.query<{ layer: string; name: string }>(
      "select schema_name as layer, table_name as name from duckdb_tables() where database_name = 'release' union all " +
        "select schema_name, view_name from duckdb_views() where database_name = 'release' and not internal order by 1, 2",
    );
    const given = found.filter(({ layer }) => layer !== "scores");
    for (const layer of new Set(given.map(({ layer }) => layer))) {
      await database.run(`create schema if not exists ${quoteIdentifier(layer)}`);
    }
    for (const { layer, name: table } of given) {
      const full = `${quoteIdentifier(layer)}.${quoteIdentifier(table)}`;
      await database.run(`create view ${full} as select * from release.${full}`);
    }
    // All columns: a release of an earlier version has fewer of them.
    const rows = await database.query<Record<string, unknown>>("select * from features.kpi_definition");
    const definitions = rows.map(
      ({ id, measure, window_days, of }) =>
        Object.fromEntries(
          Object.entries({ id, measure, window_days, of }).filter(([, said]) => said !== null && said !== undefined),
        ) as unknown as Bounding,
    );
    const listed = book.kpis.map((entry) => (typeof entry === "string" ? entry : String(entry.id)));
    return {
      book,
      release,
      database,
      catalog: "release",
      kpis: [...new Set([...definitions.map(({ id }) => id), ...listed])],
      definitions,
      tables: new Set(found.map(({ layer, name: table }) => `${layer}.${table}`)),
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** True for an argument that names a file and not a scorecard of the release. */
export const isDraftFile = (name: string): boolean => /\.ya?ml$/i.test(name);

/** Reads and checks a draft; errors name the file as it was given. */
export async function readDraftFile(context: Context, bench: Workbench, file: string): Promise<AppliedScorecard> {
  let text: string;
  try {
    text = await readFile(resolve(context.cwd, file), "utf8");
  } catch {
    throw usageError(`${file}: no such file, expected a scorecard like ${bench.book.book}'s own`);
  }
  return readDraft(text, file, bench.kpis, bench.definitions);
}

/**
 * Fills `scores` with some scorecards, instead of what was there. `dates` limits the snapshots, a condition over
 * `snapshot_date`; scores that look back at earlier ones (points by slope) need those too.
 */
export async function buildScores(
  { book, database, catalog, kpis, tables }: Bench,
  cards: readonly AppliedScorecard[],
  dates = "true",
): Promise<void> {
  await database.run("drop schema if exists scores cascade");
  await database.run(
    `create or replace view spine.account_snapshot as select * from ${catalog}.spine.account_snapshot where ${dates}`,
  );
  const computed = await database.query<{ id: string }>("select id from features.kpi_definition");
  const known = kpis.filter((kpi) => computed.some(({ id }) => id === kpi));
  // Bands that people set are not what a draft says.
  const sources = Object.fromEntries(Object.entries(book.sources).filter(([, { entity }]) => entity !== "override"));
  const nodes = scoreNodes(
    cards,
    known.map((id) => ({ id })),
    { ...book, sources },
  );
  const given = new Set([...tables].filter((table) => !table.startsWith("scores.")));
  const { audits } = await runNodes(database, sortNodes(nodes, given), silentLog, () => 0);
  const failed = audits.find(({ failedRows, blocking }) => blocking && failedRows > 0);
  if (failed !== undefined) throw new Error(`${failed.audit} does not hold for ${failed.failedRows} rows`);
}

/**
 * A version of the release as it can be built again: `id@version`, a bare `id` (its newest version), or without a name the
 * newest version of the first scorecard that is assigned, else of the first there is.
 */
export async function versionOf({ database, book }: Workbench, name: string | undefined): Promise<AppliedScorecard> {
  const versions = await database.query<{ scorecard: string; version: number; definition: string }>(
    "select scorecard, version, definition from release.scores.scorecard order by assign_order nulls last, scorecard, version",
  );
  const [id = versions[0]?.scorecard, number] = name?.split("@") ?? [];
  const found = versions
    .filter(({ scorecard, version }) => scorecard === id && (number === undefined || String(version) === number))
    .at(-1);
  if (found === undefined) {
    const known = versions.map(({ scorecard, version }) => `${scorecard}@${version}`).join(", ");
    throw usageError(
      `expected one of ${known || `none: ${book.book} has no scorecard`}, or a file like draft.yaml, found ${name ?? "nothing"}`,
    );
  }
  return draftOf(found.definition, `${found.scorecard}@${found.version}`);
}
