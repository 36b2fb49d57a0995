/** What a run did, as `report.json`: read from `meta.*` of the warehouse that it built, and from the clock for what no warehouse knows. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import type { Book } from "../config/book.ts";
import type { AssayError } from "../lib/errors.ts";
import { writeFileAtomic } from "../lib/files.ts";
import { assayVersion } from "../lib/version.ts";
import { deliveriesOf, newestOf } from "../load/facts.ts";
import { LedgerIndex, readLedger } from "../load/ledger.ts";
import type { Delivery, LoadResult } from "../load/load.ts";
import type { Release } from "../publish/release.ts";
import { Database } from "../warehouse/database.ts";
import { literal } from "../warehouse/literal.ts";
import type { Stopwatch } from "./build.ts";

const count = z.int().min(0);
const seconds = z.number().min(0);
const time = z.iso.datetime();

/** The schema of `report.json`, number 1: docs/nightly.md says the same in words. A change of meaning is a new number. */
export const reportSchema = z.strictObject({
  schema: z.literal(1),
  book: z.string(),
  outcome: z.enum(["published", "built", "unchanged", "failed"]),
  exit_code: count,
  error: z.string().nullable(),
  hint: z.string().nullable(),
  started_at: time,
  finished_at: time,
  seconds,
  full: z.boolean(),
  run_id: z.string().nullable(),
  release_id: z.string().nullable(),
  as_of: z.iso.date().nullable(),
  assay_version: z.string(),
  inputs: z
    .strictObject({
      config_sha256: z.string(),
      inputs_sha256: z.string(),
      definitions_sha256: z.string(),
      code_sha256: z.string(),
      deliveries: count,
      new_deliveries: count,
    })
    .nullable(),
  sources: z.array(
    z.strictObject({
      source: z.string(),
      entity: z.string(),
      deliveries: count,
      rows_read: count,
      rows_loaded: count,
      rows_rejected: count,
      rows_left_out: count,
      last_event_at: z.string().nullable(),
      last_delivered_at: z.string(),
    }),
  ),
  models: z.array(
    z.strictObject({
      model: z.string(),
      rows: count.nullable(),
      seconds,
      reused: z.boolean(),
      months_built: count.nullable(),
      months_reused: count.nullable(),
    }),
  ),
  audits: z.strictObject({
    checked: count,
    failed: z.array(
      z.strictObject({ audit: z.string(), model: z.string(), failed_rows: count, blocking: z.boolean() }),
    ),
  }),
  site_problems: z.array(z.string()),
  steps: z.array(z.strictObject({ step: z.string(), seconds, cpu_seconds: seconds })),
  memory_peak_mb: count,
  since_last_release: z
    .strictObject({
      release_id: z.string(),
      as_of: z.iso.date(),
      verdicts: z.array(
        z.strictObject({
          kpi: z.string(),
          definition: z.string(),
          was: z.string().nullable(),
          now: z.string().nullable(),
        }),
      ),
      bands: z.array(z.strictObject({ was: z.string().nullable(), now: z.string().nullable(), accounts: count })),
    })
    .nullable(),
  marks: z.array(z.string()),
  warnings: z.array(z.string()),
});
export type Report = z.output<typeof reportSchema>;

/** What is known of a run while it goes on; whatever it did not come to stays as it was. */
export interface RunRecord {
  readonly book: Book;
  readonly state: string;
  readonly startedAt: string;
  readonly startedMs: number;
  full: boolean;
  watch: Stopwatch | null;
  current: Release | null;
  runId: string | null;
  releaseId: string | null;
  asOf: string | null;
  load: LoadResult | null;
  definitionsSha256: string;
  codeSha256: string;
  /** The folder of its build: gone when the run had nothing to do or came to none. */
  build: string | null;
  siteProblems: readonly string[];
  marks: readonly string[];
  warnings: readonly string[];
}

export const beginRecord = (book: Book, state: string, full: boolean, now: Date): RunRecord => ({
  book,
  state,
  startedAt: now.toISOString(),
  startedMs: performance.now(),
  full,
  watch: null,
  current: null,
  runId: null,
  releaseId: null,
  asOf: null,
  load: null,
  definitionsSha256: "",
  codeSha256: "",
  build: null,
  siteProblems: [],
  marks: [],
  warnings: [],
});

/** How the run ended. */
export interface Ending {
  readonly outcome: Report["outcome"];
  readonly error?: Pick<AssayError, "message" | "hint" | "exitCode"> | { readonly message: string };
  readonly at: Date;
}

/** The report of a run whose warehouse, if it came to one, is closed. */
export async function reportOf(record: RunRecord, { outcome, error, at }: Ending): Promise<Report> {
  const { book, watch, load, build } = record;
  const warehouse = build === null ? null : join(build, "warehouse.duckdb");
  const built = warehouse !== null && existsSync(warehouse) ? await readMeta(warehouse) : nothingBuilt;
  const sources = built.sources.length > 0 ? built.sources : sourcesOf(load?.deliveries ?? (await taken(record)));
  const before = record.current;
  return reportSchema.parse({
    schema: 1,
    book: book.book,
    outcome,
    exit_code: outcome !== "failed" ? 0 : error !== undefined && "exitCode" in error ? error.exitCode : 1,
    error: error?.message ?? null,
    hint: error !== undefined && "hint" in error ? (error.hint ?? null) : null,
    started_at: record.startedAt,
    finished_at: at.toISOString(),
    seconds: round((performance.now() - record.startedMs) / 1000),
    full: record.full,
    run_id: record.runId,
    release_id: record.releaseId,
    as_of: record.asOf,
    assay_version: assayVersion,
    inputs:
      load === null
        ? null
        : {
            config_sha256: book.config_sha256,
            inputs_sha256: load.inputs_sha256,
            definitions_sha256: record.definitionsSha256,
            code_sha256: record.codeSha256,
            deliveries: load.deliveries.length,
            new_deliveries: load.newDeliveries,
          },
    ...built,
    sources,
    site_problems: [...record.siteProblems],
    steps: Object.entries(watch?.seconds ?? {}).map(([step, took]) => ({
      step,
      seconds: round(took),
      cpu_seconds: round(watch?.cpuSeconds[step] ?? 0),
    })),
    memory_peak_mb: Math.round(process.resourceUsage().maxRSS / 1024),
    since_last_release:
      warehouse === null || before === null || outcome === "failed"
        ? null
        : await changesSince(before, warehouse, build as string),
    marks: [...record.marks],
    warnings: [...record.warnings],
  } satisfies Report);
}

/** Where the report of the newest run of a state stands, whatever came of it. */
export const lastReportFile = (state: string): string => join(state, "last-report.json");

export const writeReport = (path: string, report: Report): Promise<void> =>
  writeFileAtomic(path, `${JSON.stringify(report, null, 2)}\n`);

/** Null where there is none, or one of another schema. */
export async function readReport(path: string): Promise<Report | null> {
  const text = await readFile(path, "utf8").catch(() => null);
  if (text === null) return null;
  try {
    return reportSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

/** Seconds of each step of the run that made a release, in the order of the run; none when its report is of another schema. */
export async function stepsBefore(current: Release | null): Promise<Readonly<Record<string, number>>> {
  const report = current === null ? null : await readReport(join(current.folder, "report.json"));
  return Object.fromEntries((report?.steps ?? []).map(({ step, seconds: took }) => [step, took]));
}

const round = (value: number): number => Math.round(value * 1000) / 1000;

const nothingBuilt: Pick<Report, "sources" | "models" | "audits"> = {
  sources: [],
  models: [],
  audits: { checked: 0, failed: [] },
};

/** What was taken of the exports so far, by a run that was refused while it loaded. */
async function taken({ book, state }: RunRecord): Promise<readonly Delivery[]> {
  const ledger = new LedgerIndex((await readLedger(join(state, "ledger.jsonl"))).lines);
  return Object.entries(book.sources).flatMap(([id, source]) =>
    deliveriesOf(book, join(state, "store"), id, source, ledger, []),
  );
}

/** What `meta.delivery` would say of each source, where no warehouse came of the run. */
function sourcesOf(deliveries: readonly Delivery[]): Report["sources"] {
  const ids = [...new Set(deliveries.map(({ source }) => source))].sort();
  return ids.map((source) => {
    const own = deliveries.filter((delivery) => delivery.source === source);
    const sum = (of: (delivery: Delivery) => number): number => own.reduce((all, delivery) => all + of(delivery), 0);
    return {
      source,
      entity: own[0]?.entity ?? "",
      deliveries: own.length,
      rows_read: sum(({ rows_read: n }) => n),
      rows_loaded: sum(({ rows_loaded: n }) => n),
      rows_rejected: sum(({ rows_rejected: n }) => n),
      rows_left_out: sum(({ rows_left_out: n }) => n),
      last_event_at: newestOf(own.map(({ last_event_at: at }) => at)),
      last_delivered_at: newestOf(own.map(({ delivered_at: at }) => sqlTime(at))) ?? "",
    };
  });
}

/** `2026-01-31T04:00:00.120Z` as the engine writes it: `2026-01-31 04:00:00.12`. */
const sqlTime = (iso: string): string =>
  iso
    .replace("T", " ")
    .replace(/(\.\d*?)0*Z$/, "$1")
    .replace(/\.?Z?$/, "");

/** A build that was stopped early has only some of these tables. */
async function readMeta(warehouse: string): Promise<typeof nothingBuilt> {
  const database = await Database.open({ path: warehouse, readOnly: true, threads: 1 }).catch(() => null);
  if (database === null) return nothingBuilt;
  try {
    const tables = new Set(
      (
        await database.query<{ name: string }>(
          "select table_name as name from duckdb_tables() where schema_name = 'meta'",
        )
      ).map(({ name }) => name),
    );
    const rows = async <T>(table: string, sql: string): Promise<readonly T[]> =>
      tables.has(table) ? database.query<T>(sql) : [];
    const audits = await rows<Report["audits"]["failed"][number]>(
      "audit_result",
      "select audit, model, failed_rows, blocking from meta.audit_result order by model, audit",
    );
    return {
      sources: [
        ...(await rows<Report["sources"][number]>(
          "delivery",
          `select source, min(entity) as entity, count(*) as deliveries, cast(sum(rows_read) as bigint) as rows_read,
             cast(sum(rows_loaded) as bigint) as rows_loaded, cast(sum(rows_rejected) as bigint) as rows_rejected,
             cast(sum(rows_left_out) as bigint) as rows_left_out, cast(max(last_event_at) as varchar) as last_event_at,
             cast(max(delivered_at) as varchar) as last_delivered_at
           from meta.delivery group by source order by source`,
        )),
      ],
      models: [
        ...(await rows<Report["models"][number]>(
          "model_run",
          `select model, row_count as rows, cast(ms as double) / 1000 as seconds, reused, months_built, months_reused
           from meta.model_run order by model`,
        )),
      ],
      audits: { checked: audits.length, failed: audits.filter(({ failed_rows: n }) => n > 0) },
    };
  } finally {
    database.close();
  }
}

/** The columns that a comparison of two warehouses reads: one of an older layout may lack some. */
const compared: Readonly<Record<string, readonly string[]>> = {
  "validation.kpi_verdict": ["kpi", "definition", "group_kind", "label"],
  "scores.account_score": ["account_id", "snapshot_date", "is_in_force", "band"],
};

/**
 * What readers of the last release will find otherwise: labels of the whole book, and how many accounts went from which band to which.
 * An account that only one of the two scores has null on the other side. No account is named. Null when the last release cannot be
 * compared.
 */
async function changesSince(last: Release, warehouse: string, build: string): Promise<Report["since_last_release"]> {
  const path = join(last.folder, "warehouse.duckdb");
  if (!existsSync(path)) return null;
  const database = await Database.open({
    path: ":memory:",
    threads: 1,
    allowedDirectories: [build, last.folder],
    prepare: [
      `attach ${literal(warehouse)} as this_run (read_only)`,
      `attach ${literal(path)} as last_release (read_only)`,
    ],
  }).catch(() => null);
  if (database === null) return null;
  try {
    for (const [table, columns] of Object.entries(compared)) {
      const [schema, name] = table.split(".") as [string, string];
      const n = await database.scalar<number>(
        `select count(*) from duckdb_columns() where schema_name = ${literal(schema)} and table_name = ${literal(name)}
           and column_name in (${columns.map(literal).join(", ")})`,
      );
      if (n !== 2 * columns.length) return null;
    }
    const scored = (catalog: string): string =>
      `(select account_id, band from ${catalog}.scores.account_score where is_in_force and snapshot_date = (select as_of from ${catalog}.meta.params))`;
    const labels = (catalog: string): string =>
      `(select kpi, definition, label from ${catalog}.validation.kpi_verdict where group_kind = 'all')`;
    return {
      release_id: last.manifest.release_id,
      as_of: last.manifest.as_of,
      verdicts: [
        ...(await database.query<{ kpi: string; definition: string; was: string | null; now: string | null }>(
          `select kpi, definition, b.label as was, a.label as now
           from ${labels("this_run")} as a full join ${labels("last_release")} as b using (kpi, definition)
           where a.label is distinct from b.label order by definition, kpi`,
        )),
      ],
      bands: [
        ...(await database.query<{ was: string | null; now: string | null; accounts: number }>(
          `select b.band as was, a.band as now, count(*) as accounts
           from ${scored("this_run")} as a full join ${scored("last_release")} as b using (account_id)
           where a.band is distinct from b.band group by b.band, a.band order by b.band nulls first, a.band nulls first`,
        )),
      ],
    };
  } finally {
    database.close();
  }
}
