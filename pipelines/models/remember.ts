/**
 * What a night takes over from the nights before, as Parquet named by a hash of everything that it is made of.
 *
 * Whole tables ({@link runKept}): one whose fingerprint is that of a kept file is read from there.
 *
 * Features by account and snapshot ({@link runRemembered}), month by month, the newest snapshot apart. Point in time makes the past immutable: a month of
 * snapshots is what its statement makes of the rows that these snapshots may see, so it is kept as Parquet named by a hash of both, and
 * built again only when one of them changes. A missing month is built by the same text over a catalogue of its own, whose calendar holds
 * that month alone. The newest snapshot is that of the day: it goes tomorrow, and takes no others with it.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { addDays } from "../lib/clock.ts";
import { canonicalJson, sha256 } from "../lib/files.ts";
import type { Log } from "../lib/log.ts";
import type { Database } from "../warehouse/database.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import { layerOf, producesOf } from "./graph.ts";
import type { Model, Node } from "./model.ts";
import { type NodeRun, type RunResult, runNodes } from "./run.ts";

export interface RememberOptions {
  readonly database: Database;
  /** Sorted; what they depend on beyond themselves is there. */
  readonly nodes: readonly Node[];
  /** Nodes that the restricted calendar is built by: spine.snapshot_day. */
  readonly calendar: readonly Model[];
  /** Where months are kept. */
  readonly folder: string;
  /** What the statements need in a fresh catalogue: the macros. */
  readonly prepare: string;
  /** Values of meta.params, and the engine's version: parts of every name. */
  readonly params: Readonly<Record<string, unknown>>;
  readonly engine: string;
  /** Day -> a digest of the rows of the roll-ups that become visible on it. */
  readonly usageByDay: ReadonlyMap<string, string>;
  /** Remembers nothing: every month is built and replaces its like. */
  readonly full: boolean;
  readonly log: Log;
  readonly now: () => number;
  /** Hears how many nodes are done. */
  readonly progress?: (done: number) => void;
}

export interface RememberedRun extends RunResult {
  /** Node -> how many months of it were built and how many reused. */
  readonly months: ReadonlyMap<string, { readonly built: number; readonly reused: number }>;
  /** The files behind this run, by name. */
  readonly files: readonly string[];
  /** Views over the months of raw measures, which only other nodes read: to be dropped before anybody takes the warehouse elsewhere. */
  readonly views: readonly string[];
}

const version = 3;

/** Snapshots that are built and kept together: those of a month, or the newest. */
interface Span {
  /** `2026-06`, or the date of the newest snapshot. */
  readonly name: string;
  /** In their order. */
  readonly dates: readonly string[];
}

const firstOf = ({ dates }: Span): string => dates[0] as string;
const lastOf = ({ dates }: Span): string => dates.at(-1) as string;

function spansOf(dates: readonly string[]): readonly Span[] {
  const spans = new Map<string, string[]>();
  for (const [i, date] of dates.entries()) {
    const name = i === dates.length - 1 ? date : date.slice(0, 7);
    spans.set(name, [...(spans.get(name) ?? []), date]);
  }
  return [...spans].map(([name, dates]) => ({ name, dates }));
}

/** {@link Span.name} of a row's snapshot. */
const spanName = (spans: readonly Span[]): string => {
  const newest = spans.filter(({ name }) => name.length > 7).map(({ name }) => `date ${literal(name)}`);
  const length = newest.length === 0 ? "7" : `case when snapshot_date in (${newest.join(", ")}) then 10 else 7 end`;
  return `left(cast(snapshot_date as varchar), ${length})`;
};

/** What is kept: the features by account and snapshot (raw measures, values and reasons), and by KPI and snapshot. */
export const isRemembered = (node: Node): node is Model =>
  node.kind === "table" && layerOf(node.name) === "features" && node.grain[1] === "snapshot_date";

/** Raw measures are read once or twice while building: a view over the months will do, and a night reads of it what is missing. */
const isRaw = (node: Model): boolean => node.name.endsWith("_window");

/** As {@link runNodes}, with the months of earlier runs in place of what would come out the same. */
export async function runRemembered(options: RememberOptions): Promise<RememberedRun> {
  const { database, nodes, folder, log, now, full } = options;
  await mkdir(folder, { recursive: true });
  await removeUnfinished(folder);
  const held = await database.query<{ date: string }>("select snapshot_date as date from spine.snapshot order by date");
  const spans = spansOf(held.map(({ date }) => date));
  const digests = new Digests(options);
  const runs: NodeRun[] = [];
  const audits: RunResult["audits"][number][] = [];
  const counts = new Map<string, { built: number; reused: number }>();
  const files: string[] = [];
  const views: string[] = [];
  const part = new Part(options);
  try {
    for (const [done, node] of nodes.entries()) {
      options.progress?.(done);
      if (!isRemembered(node) || spans.length === 0) {
        const result = await runNodes(database, [node], log, now);
        runs.push(...result.runs);
        audits.push(...result.audits);
        continue;
      }
      const started = now();
      const paths = new Map<string, string>();
      for (const span of spans) {
        const hash = sha256(await digests.ofNode(node, span)).slice(0, 16);
        paths.set(span.name, join(folder, `${node.name}-${span.name}-${hash}.parquet`));
      }
      const missing = spans.filter(({ name }) => full || !existsSync(paths.get(name) as string));
      const isWhole = missing.length === spans.length;
      if (isWhole && isRaw(node)) await keep(database, node.sql, folder, spans, paths);
      else if (!isWhole && missing.length > 0) await part.build(node, missing, paths);
      const fromMonths = `select * from read_parquet(${listOf([...paths.values()])})`;
      const taken: Model = isRaw(node)
        ? { ...node, kind: "view", sql: fromMonths }
        : isWhole
          ? node
          : { ...node, sql: fromMonths };
      const result = await runNodes(database, [taken], log, now);
      if (isRaw(node)) views.push(node.name);
      else if (isWhole) await keep(database, `select * from ${node.name}`, folder, spans, paths);
      runs.push(...result.runs.map((run) => ({ ...run, ms: now() - started })));
      audits.push(...result.audits);
      counts.set(node.name, { built: missing.length, reused: spans.length - missing.length });
      files.push(...[...paths.values()].map((path) => basename(path)));
    }
  } finally {
    await part.close();
  }
  return { runs, audits, months: counts, files, views };
}

export interface KeepOptions
  extends Pick<RememberOptions, "database" | "folder" | "full" | "log" | "now" | "progress"> {
  /** Sorted. */
  readonly nodes: readonly Node[];
  /** Node -> its fingerprint: equal ones mean equal rows. */
  readonly prints: ReadonlyMap<string, string>;
}

export interface KeptRun extends RunResult {
  /** The nodes whose rows were there. */
  readonly reused: ReadonlySet<string>;
  /** The files behind this run, by name. */
  readonly files: readonly string[];
}

/** The name of the file that a node's rows are kept in. Null of a view, whose rows are kept as what they come from, and of given values, which are there as soon as read. */
export const keptFile = (node: Node, prints: ReadonlyMap<string, string>): string | null =>
  node.kind === "table" && node.depends.length > 0
    ? `${node.name}-${prints.get(node.name)?.slice(0, 16)}.parquet`
    : null;

/** As {@link runNodes}, with the tables of earlier runs in place of what would come out the same. */
export async function runKept(options: KeepOptions): Promise<KeptRun> {
  const { database, nodes, prints, folder, full, log, now } = options;
  await mkdir(folder, { recursive: true });
  await removeUnfinished(folder);
  const runs: NodeRun[] = [];
  const audits: RunResult["audits"][number][] = [];
  const reused = new Set<string>();
  const files: string[] = [];
  for (const [done, node] of nodes.entries()) {
    const file = keptFile(node, prints);
    const path = join(folder, file ?? "");
    const isThere = file !== null && !full && existsSync(path);
    const taken = isThere ? ({ ...node, sql: `select * from read_parquet(${literal(path)})` } as Model) : node;
    const result = await runNodes(database, [taken], log, now);
    runs.push(...result.runs);
    audits.push(...result.audits);
    options.progress?.(done + 1);
    if (file === null) continue;
    files.push(file);
    if (isThere) {
      reused.add(node.name);
      continue;
    }
    await database.run(`copy ${node.name} to ${literal(`${path}.tmp`)} (format parquet)`);
    await rename(`${path}.tmp`, path);
  }
  return { runs, audits, reused, files };
}

const listOf = (paths: readonly string[]): string => `[${paths.map(literal).join(", ")}]`;

/** What a killed run was writing. */
async function removeUnfinished(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.endsWith(".tmp")) await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** Writes the rows of some spans to their files; one without rows gets a file without rows. */
async function keep(
  database: Database,
  select: string,
  folder: string,
  spans: readonly Span[],
  paths: ReadonlyMap<string, string>,
): Promise<void> {
  const aside = join(folder, `${process.pid}.parts.tmp`);
  await rm(aside, { recursive: true, force: true });
  await database.run(
    `copy (select *, ${spanName(spans)} as snapshot_span from (${select}))
     to ${literal(aside)} (format parquet, partition_by (snapshot_span))`,
  );
  for (const { name } of spans) {
    const path = paths.get(name) as string;
    const part = join(aside, `snapshot_span=${name}`);
    const written = existsSync(part) ? (await readdir(part)).sort().map((file) => join(part, file)) : [];
    const [only, ...others] = written;
    if (only !== undefined && others.length === 0) {
      await rename(only, path);
      continue;
    }
    const rows = only === undefined ? `${select} limit 0` : `select * from read_parquet(${listOf(written)})`;
    await database.run(`copy (${rows}) to ${literal(`${path}.tmp`)} (format parquet)`);
    await rename(`${path}.tmp`, path);
  }
  await rm(aside, { recursive: true, force: true });
}

/** What the snapshots of a span may see of each table, as text that changes when it does. */
class Digests {
  readonly #options: RememberOptions;
  readonly #byTable = new Map<string, Promise<readonly DayDigest[]>>();
  readonly #byNode = new Map<string, Promise<string>>();
  readonly #columns = new Map<string, Promise<readonly string[]>>();
  readonly #producers: ReadonlyMap<string, Node>;

  constructor(options: RememberOptions) {
    this.#options = options;
    this.#producers = new Map(options.nodes.flatMap((node) => producesOf(node).map((table) => [table, node])));
  }

  ofNode(node: Node, span: Span): Promise<string> {
    return once(this.#byNode, `${node.name} ${span.name}`, () => this.#ofNode(node, span));
  }

  async #ofNode(node: Node, span: Span): Promise<string> {
    const { engine, params } = this.#options;
    const logic = node.kind === "step" ? node.version : node.sql;
    const parents: string[] = [];
    for (const table of [...node.depends].sort()) parents.push(await this.#ofTable(table, node, span));
    const named = Object.fromEntries(node.params.map((name) => [name, params[name] ?? null]));
    return sha256(canonicalJson([version, engine, span.dates, logic, named, parents]));
  }

  async #ofTable(table: string, reader: Node, span: Span): Promise<string> {
    const producer = this.#producers.get(table);
    if (producer !== undefined && !isSmall(producer)) return this.ofNode(producer, span);
    // It follows from the calendar, whose own dates are looked at.
    if (table === "spine.snapshot_day") return this.#ofTable("spine.snapshot", reader, span);
    if (layerOf(table) === "rollup") return this.#ofRollUp(table, reader, span);
    return this.#ofRows(table, reader, span);
  }

  /** What was visible by then, without what was before every look-back: a row is visible after its own day. */
  async #ofRollUp(table: string, reader: Node, span: Span): Promise<string> {
    const reach = reachOf(reader, table);
    const from = reach === null ? "" : addDays(firstOf(span), -reach);
    const seen = [...this.#options.usageByDay].filter(([day]) => day >= from && day <= lastOf(span)).sort();
    return canonicalJson([seen, await this.#ofRows("staging.account_identity", reader, span)]);
  }

  /** Rows of its snapshots; or, of a table of facts and versions, whatever was visible or superseded by then; or all rows. */
  async #ofRows(table: string, reader: Node, span: Span): Promise<string> {
    const columns = await once(this.#columns, table, () => this.#columnsOf(table));
    if (columns.length === 0) return "";
    const used = columns.filter((column) => mentions(reader, column));
    const known = await once(this.#byTable, `${table}(${used.join(",")})`, () => this.#rowsByDay(table, columns, used));
    if (!columns.includes("snapshot_date")) return known.findLast(({ day }) => day <= lastOf(span))?.upToHere ?? "";
    return canonicalJson(known.filter(({ day }) => span.dates.includes(day)).map(({ day, digest }) => [day, digest]));
  }

  async #columnsOf(table: string): Promise<readonly string[]> {
    const [schema, name] = table.split(".") as [string, string];
    const columns = await this.#options.database.query<{ name: string }>(
      `select column_name as name from duckdb_columns()
       where database_name = current_database() and schema_name = ${literal(schema)} and table_name = ${literal(name)}
       order by column_index`,
    );
    return columns.map((column) => column.name);
  }

  async #rowsByDay(table: string, columns: readonly string[], used: readonly string[]): Promise<readonly DayDigest[]> {
    const row = (names: readonly string[]): string =>
      names.length === 0 ? "hash(0)" : `hash(${names.map(quoteIdentifier).join(", ")})`;
    const change = columns.includes("snapshot_date")
      ? `select snapshot_date as changed_on, ${row(used)} as digest from ${table}`
      : columns.includes("visible_on") && columns.includes("superseded_on")
        ? `select visible_on as changed_on, ${row(used.filter((name) => name !== "superseded_on"))} as digest from ${table}
           union all
           select superseded_on as changed_on, ${row([...used.filter((name) => name !== "superseded_on"), "superseded_on"])} as digest
           from ${table} where superseded_on is not null`
        : `select cast(null as date) as changed_on, ${row(used)} as digest from ${table}`;
    const rows = await this.#options.database.query<{ day: string; digest: string }>(
      `select
         coalesce(cast(changed_on as varchar), '0001-01-01') as day,
         count(*) || ' ' || sum(cast(digest as hugeint)) || ' ' || bit_xor(digest) as digest
       from (${change}) group by day order by day`,
    );
    let upToHere = "";
    return rows.map(({ day, digest }) => {
      upToHere = sha256(`${upToHere} ${day} ${digest}`);
      return { day, digest, upToHere };
    });
  }
}

/** The rows of a table that changed on a day (0001-01-01 where they have none), and all that had changed by then. */
interface DayDigest {
  readonly day: string;
  readonly digest: string;
  readonly upToHere: string;
}

/** A table that is built by then and small: its own rows say more than what they are made of. */
const isSmall = (node: Node): boolean =>
  node.kind === "table" &&
  (node.grain.includes("snapshot_date") || node.grain.join() === "one row") &&
  !isRemembered(node);

/** What was asked before is not asked again. */
function once<T>(known: Map<string, Promise<T>>, key: string, ask: () => Promise<T>): Promise<T> {
  const answer = known.get(key) ?? ask();
  known.set(key, answer);
  return answer;
}

/** A column that a statement's text never names cannot change what it makes. */
function mentions(reader: Node, column: string): boolean {
  if (reader.kind === "step" || /\*\s*(,|from\b|exclude\b)/.test(reader.sql)) return true;
  return new RegExp(`\\b${column.replace(/[^A-Za-z0-9_]/g, "\\$&")}\\b`).test(reader.sql);
}

const reachOf = (node: Node, table: string): number | null =>
  node.kind === "step" ? null : (node.reachDays?.[table] ?? null);

/** A catalogue beside the warehouse whose calendar holds some spans only. */
class Part {
  readonly #options: RememberOptions;
  #home = "";
  #spans = "";
  readonly #built = new Set<string>();

  constructor(options: RememberOptions) {
    this.#options = options;
  }

  /** Builds the missing spans of a node by its own text and keeps them. */
  async build(node: Model, missing: readonly Span[], paths: ReadonlyMap<string, string>): Promise<void> {
    const { database, folder } = this.#options;
    await this.#open(missing);
    for (const table of node.depends) await this.#provide(table, missing, node);
    await database.run("use assay_part");
    try {
      await keep(database, node.sql, folder, missing, paths);
    } finally {
      await database.run(`use ${quoteIdentifier(this.#home)}`);
    }
  }

  async close(): Promise<void> {
    if (this.#home !== "") await this.#options.database.run("detach assay_part");
    this.#home = "";
    this.#built.clear();
  }

  async #open(missing: readonly Span[]): Promise<void> {
    const { database, prepare, calendar } = this.#options;
    const spans = canonicalJson(missing.map(({ name }) => name));
    if (this.#home !== "" && this.#spans === spans) return;
    await this.close();
    const home = String(await database.scalar("select current_database()"));
    await database.run("attach ':memory:' as assay_part");
    this.#home = home;
    this.#spans = spans;
    await this.#inside(
      `${prepare}; create schema meta; create view meta.params as select * from ${this.#at("meta.params")}`,
    );
    await this.#provide("spine.snapshot", missing, null);
    for (const model of calendar) {
      this.#built.add(model.name);
      await this.#inside(`create table ${model.name} as ${model.sql}`);
    }
  }

  /** A table of the warehouse, as far as the spans need it; what follows from the calendar is built over theirs. */
  async #provide(table: string, missing: readonly Span[], reader: Model | null): Promise<void> {
    const { nodes } = this.#options;
    const isRollUp = layerOf(table) === "rollup";
    if (this.#built.has(table) && !isRollUp) return;
    this.#built.add(table);
    const schema = `create schema if not exists ${layerOf(table)}`;
    const producer = nodes.find((node) => producesOf(node).includes(table));
    if (producer !== undefined && producer.kind !== "step" && !producer.grain.includes("snapshot_date")) {
      if (producer.depends.some((parent) => layerOf(parent) === "spine")) {
        for (const parent of producer.depends) await this.#provide(parent, missing, producer);
        await this.#inside(`${schema}; create table ${table} as ${producer.sql}`);
        return;
      }
    }
    const columns = await this.#columns(table);
    const where: string[] = [];
    const dates = missing.flatMap((span) => span.dates);
    const [first, last] = [dates[0] as string, dates.at(-1) as string];
    if (columns.includes("snapshot_date")) {
      // The range alone lets Parquet's statistics skip the others.
      where.push(
        `snapshot_date >= date ${literal(first)}`,
        `snapshot_date <= date ${literal(last)}`,
        `snapshot_date in (${dates.map((date) => `date ${literal(date)}`).join(", ")})`,
      );
    } else if (columns.includes("visible_on") && !(producer !== undefined && isSmall(producer))) {
      where.push(`visible_on <= date ${literal(last)}`);
      const reach = reader === null ? null : reachOf(reader, table);
      if (isRollUp && reach !== null) where.push(`activity_date >= date ${literal(addDays(first, -reach))}`);
    }
    const condition = where.length === 0 ? "" : ` where ${where.join(" and ")}`;
    const kind = layerOf(table) === "spine" ? "table" : "view";
    await this.#inside(`${schema}; create or replace ${kind} ${table} as select * from ${this.#at(table)}${condition}`);
  }

  async #columns(table: string): Promise<readonly string[]> {
    return (await this.#options.database.describe(`select * from ${this.#at(table)}`)).map(({ name }) => name);
  }

  #at(table: string): string {
    return `${quoteIdentifier(this.#home)}.${table}`;
  }

  async #inside(sql: string): Promise<void> {
    const { database } = this.#options;
    await database.run("use assay_part");
    try {
      await database.run(sql);
    } finally {
      await database.run(`use ${quoteIdentifier(this.#home)}`);
    }
  }
}
