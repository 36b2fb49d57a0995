/** `assay audit BOOK --truncation`: does any KPI know more at a snapshot than could be known then? */
import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Book } from "../config/book.ts";
import type { UsageRollUp } from "../config/kpi.ts";
import { featureNodes } from "../features/compile.ts";
import { resolveKpis } from "../features/library.ts";
import { compareWithCut, type Truncated, type TruncationResult } from "../features/truncate.ts";
import { usageRollUp } from "../features/usage-filter.ts";
import { usageError } from "../lib/errors.ts";
import { projectRoot } from "../lib/files.ts";
import type { Log } from "../lib/log.ts";
import { createRollUpViews } from "../load/rollup.ts";
import { readModels } from "../models/header.ts";
import type { Model, Node } from "../models/model.ts";
import { readCurrentRelease } from "../publish/release.ts";
import { Database } from "../warehouse/database.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import type { AuditFinding, AuditSection } from "./audit-section.ts";

/** Snapshots that are compared unless others are asked for: these many spread over history, the first and as_of among them. */
const sampled = 7;

/**
 * Compares every KPI of the current release, for all accounts, with the same KPI computed from data cut to what was visible
 * at the snapshot. Reads the release and the store, writes nothing but scratch below `builds/`.
 */
export async function auditTruncation(options: {
  readonly book: Book;
  readonly state: string;
  readonly log: Log;
  /** Snapshots to compare, or `all` of them; default: a few spread over history. */
  readonly dates?: readonly string[] | "all" | undefined;
}): Promise<TruncationResult> {
  const { book, state, log } = options;
  const release = await readCurrentRelease(state, book.book);
  const { store } = release.manifest;
  const path = (file: string): string => join(state, "store", file);
  const gone = [...store.account_day, ...store.user_day, ...(store.account_last ?? [])].find(
    (file) => !existsSync(path(file)),
  );
  if (gone !== undefined) throw usageError(`a roll-up of the release is gone: ${path(gone)}`, "refresh, then audit");
  const scratch = join(state, "builds", `audit-${process.pid}`);
  const database = await Database.open({
    path: join(release.folder, "warehouse.duckdb"),
    readOnly: true,
    tempDirectory: scratch,
    allowedDirectories: [release.folder, join(state, "store")],
    ...(book.threads === undefined ? {} : { threads: book.threads }),
    ...(book.memory_limit === undefined ? {} : { memoryLimit: book.memory_limit }),
  });
  try {
    await viewRelease(database);
    const { nodes, kpis, usage } = await sameNodes(database, book);
    const files = { events: store.account_day, users: store.user_day, lasts: store.account_last ?? [] };
    await createRollUpViews(
      database,
      book,
      { events: files.events.map(path), users: files.users.map(path), lasts: files.lasts.map(path) },
      usage,
    );
    const dates = await datesOf(database, options.dates);
    return await log.step("cut and compare", async (note) =>
      compareWithCut(
        { query: database.query, run: (sql) => database.run(sql), note },
        {
          catalog: "release",
          macros: await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"),
          spine: await readModels("spine"),
          features: nodes,
          kpis,
          dates,
        },
      ),
    );
  } finally {
    database.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

/** A catalog in memory with a view for each table of the release: the roll-ups, which it lacks, can be put beside them. */
async function viewRelease(database: Database): Promise<void> {
  const [own] = await database.query<{ name: string }>("select current_database() as name");
  const warehouse = own?.name ?? "";
  const relations = await database.query<{ layer: string; name: string }>(
    `select distinct schema_name as layer, table_name as name from duckdb_columns()
     where database_name = ${literal(warehouse)} and schema_name in ('meta', 'staging', 'spine', 'features') order by all`,
  );
  await database.run("attach ':memory:' as release (read_write)");
  await database.run("use release");
  for (const layer of new Set(relations.map(({ layer }) => layer))) await database.run(`create schema ${layer}`);
  for (const { layer, name } of relations) {
    const quoted = `${layer}.${quoteIdentifier(name)}`;
    await database.run(`create view ${quoted} as select * from ${quoteIdentifier(warehouse)}.${quoted}`);
  }
}

/** The models of today's definitions, which must be those of the release: another formula would look like a leak. */
async function sameNodes(
  database: Database,
  book: Book,
): Promise<{ readonly nodes: readonly Node[]; readonly kpis: readonly string[]; readonly usage: UsageRollUp }> {
  const resolved = await resolveKpis(book);
  const nodes = featureNodes(resolved.kpis, book, resolved.inputs);
  const definition = nodes.find(({ name }) => name === "features.kpi_definition") as Model;
  const facts = (of: string): string => `select id, cast(to_json(d) as varchar) from ${of} as d`;
  const released = facts("features.kpi_definition");
  const today = facts(`(${definition.sql})`);
  const [other] = await database.query<{ id: string }>(
    `select id from ((${released} except all ${today}) union all (${today} except all ${released})) order by id limit 1`,
  );
  if (other !== undefined)
    throw usageError(`KPI ${other.id} is defined otherwise than when the release was built`, "refresh, then audit");
  return {
    nodes,
    kpis: resolved.kpis.map(({ id }) => id),
    usage: usageRollUp([...resolved.kpis, ...resolved.inputs]),
  };
}

async function datesOf(database: Database, wanted: readonly string[] | "all" | undefined): Promise<readonly string[]> {
  const rows = await database.query<{ snapshot_date: string }>(
    "select snapshot_date from spine.snapshot order by snapshot_date",
  );
  const all = rows.map(({ snapshot_date }) => snapshot_date);
  if (wanted === "all") return all;
  if (wanted === undefined) return spread(all, sampled);
  const unknown = wanted.find((date) => !all.includes(date));
  if (unknown !== undefined) {
    const before = all.filter((date) => date < unknown).at(-1);
    const after = all.find((date) => date > unknown);
    const near = [before, after].filter((date) => date !== undefined).join(" and ");
    throw usageError(`--dates: found ${unknown}, expected snapshots of the release: the nearest are ${near}`);
  }
  return [...new Set(wanted)].sort();
}

/** n of the dates at equal distances, the first and the last among them; all of them when there are fewer. */
export function spread(dates: readonly string[], n: number): readonly string[] {
  if (dates.length <= n) return dates;
  return Array.from({ length: n }, (_, i) => dates[Math.round((i * (dates.length - 1)) / (n - 1))] as string);
}

/** The result as a part of `assay audit`: one failure for each KPI that changed. */
export function truncationSection(result: TruncationResult): AuditSection {
  const rows = result.kpis.reduce((sum, { n_rows }) => sum + n_rows, 0);
  const [first] = result.dates;
  const at =
    result.dates.length > 1 ? `${result.dates.length} snapshots from ${first} to ${result.dates.at(-1)}` : first;
  return {
    id: "truncation",
    title: "Point in time: data cut to what each snapshot could know",
    fine: `${result.kpis.length} KPIs at ${at}: none of ${rows} values changes when later rows and columns are cut`,
    findings: [
      ...result.kpis.flatMap((kpi) => findingOf(`KPI ${kpi.name}`, kpi)),
      ...result.state.flatMap((column) => findingOf(`spine.account_snapshot.${column.name}`, column)),
    ],
    facts: { dates: result.dates, kpis: result.kpis, state: result.state },
  };
}

function findingOf(what: string, { n_rows, n_changed, examples }: Truncated): readonly AuditFinding[] {
  const [example] = examples;
  if (example === undefined) return [];
  const { account_id, snapshot_date, full, cut } = example;
  return [
    {
      severity: "failure",
      sentence:
        `${what} of account ${account_id} at ${snapshot_date} is ${full} from all data and ${cut} from the data visible ` +
        `then; ${n_changed} of ${n_rows} values change`,
      facts: { n_rows, n_changed, examples },
    },
  ];
}
