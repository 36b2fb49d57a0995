/**
 * What a night takes over from the nights before, as Parquet named by a hash of everything that it is made of.
 *
 * Whole tables ({@link runKept}): one whose fingerprint is that of a kept file is read from there.
 *
 * Features by account and snapshot ({@link runRemembered}), month by month, the newest snapshot apart. Point in time makes the past immutable: a month of
 * snapshots is what its statement makes of the rows that these snapshots may see, so it is kept as Parquet under a hash of both, and
 * built again only when one of them changes. Missing months are built by the same text over a catalogue of its own, whose calendar holds
 * them alone, and share a file that says which it holds. The newest snapshot is that of the day: it goes tomorrow, and takes no others
 * with it. Audits look at what is built: what is kept has passed them.
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
import { type AuditResult, type NodeRun, type RunResult, runNodes } from "./run.ts";

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
  /** Remembers nothing: every month is built, and what was kept before is removed. */
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

const version = 4;

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

const isNewest = ({ name }: Span): boolean => name.length > 7;

const inDates = (dates: readonly string[]): string =>
  `snapshot_date in (${dates.map((date) => `date ${literal(date)}`).join(", ")})`;

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
  const shared = await sharedFiles(database, folder);
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
      const hashes = new Map<string, string>();
      for (const span of spans) hashes.set(span.name, sha256(await digests.ofNode(node, span)).slice(0, 16));
      const kept = new Kept(database, folder, node.name, hashes, shared);
      const missing = spans.filter((span) => full || kept.of(span) === undefined);
      const isWhole = missing.length === spans.length;
      const built = isWhole || missing.length === 0 ? [] : await part.build(node, missing, kept);
      const isTaken = !isWhole && built.every(({ failedRows }) => failedRows === 0);
      if (isWhole && isRaw(node)) await keepRows(database, node.sql, missing, kept);
      const isStored = isTaken || isRaw(node);
      const taken: Model = {
        ...node,
        ...(isStored ? { sql: kept.select(spans) } : {}),
        ...(isRaw(node) ? { kind: "view" } : {}),
        ...(isTaken ? { audits: [] } : {}),
      };
      const result = await runNodes(database, [taken], log, now);
      if (isRaw(node)) views.push(node.name);
      else if (isWhole && result.audits.every(({ failedRows }) => failedRows === 0))
        await kept.write(node.name, missing);
      runs.push(...result.runs.map((run) => ({ ...run, ms: now() - started })));
      audits.push(...result.audits, ...(isTaken ? passed(node) : []));
      counts.set(node.name, { built: missing.length, reused: spans.length - missing.length });
      if (full) await kept.dropOthers();
      files.push(...kept.files());
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

/** What the audits of a node say of rows that have passed them. */
const passed = ({ name, audits }: Model): readonly AuditResult[] =>
  audits.map((audit) => ({ audit: audit.name, model: name, failedRows: 0, blocking: audit.blocking }));

/** Keeps what a statement gives for some spans. */
async function keepRows(database: Database, sql: string, spans: readonly Span[], kept: Kept): Promise<void> {
  await database.run(`create or replace temp table kept_rows as ${sql}`);
  try {
    await kept.write("kept_rows", spans);
  } finally {
    await database.run("drop table kept_rows");
  }
}

/** Span -> hash, of each file that holds several spans, by its name. */
type SharedFiles = ReadonlyMap<string, ReadonlyMap<string, string>>;

const sharedName = /^(.+)-\d{4}-\d{2}\.\.\d{4}-\d{2}-[0-9a-f]{16}\.parquet$/;

/** What the files of several spans say that they hold. */
async function sharedFiles(database: Database, folder: string): Promise<SharedFiles> {
  const names = (await readdir(folder)).filter((name) => sharedName.test(name)).sort();
  if (names.length === 0) return new Map();
  const rows = await database.query<{ path: string; spans: string }>(
    `select file_name as path, decode(value) as spans
     from parquet_kv_metadata(${listOf(names.map((name) => join(folder, name)))}) where decode(key) = 'spans' order by path`,
  );
  return new Map(
    rows.map(({ path, spans }) => [
      basename(path),
      new Map(Object.entries(JSON.parse(spans) as Record<string, string>)),
    ]),
  );
}

/** Where the spans of one node are kept. A span's rows are those of its hash: a file of its own, or its part of one with others. */
class Kept {
  readonly #database: Database;
  readonly #folder: string;
  readonly #node: string;
  readonly #hashes: ReadonlyMap<string, string>;
  readonly #shared: Map<string, ReadonlyMap<string, string>>;
  readonly #places = new Map<string, string>();

  constructor(
    database: Database,
    folder: string,
    node: string,
    hashes: ReadonlyMap<string, string>,
    shared: SharedFiles,
  ) {
    this.#database = database;
    this.#folder = folder;
    this.#node = node;
    this.#hashes = hashes;
    this.#shared = new Map([...shared].filter(([name]) => sharedName.exec(name)?.[1] === node));
    for (const [span, hash] of hashes) {
      const own = this.#nameOf(span, hash);
      const file = existsSync(join(folder, own))
        ? own
        : [...this.#shared].find(([, spans]) => spans.get(span) === hash)?.[0];
      if (file !== undefined) this.#places.set(span, file);
    }
  }

  /** The name of the file that holds a span's rows. */
  of(span: Span): string | undefined {
    return this.#places.get(span.name);
  }

  /** By name, whichever of them were there before. */
  files(): readonly string[] {
    return [...new Set(this.#places.values())].sort();
  }

  /** Writes the spans' rows of a table; a span without rows is kept too. */
  async write(table: string, spans: readonly Span[]): Promise<void> {
    const months = spans.filter((span) => !isNewest(span));
    for (const some of [spans.filter(isNewest), months]) {
      const [first, last] = [some[0], some.at(-1)];
      if (first === undefined || last === undefined) continue;
      const held = Object.fromEntries(some.map(({ name }) => [name, this.#hashes.get(name) as string]));
      const hash = some.length === 1 ? (held[first.name] as string) : sha256(canonicalJson(held)).slice(0, 16);
      const file = this.#nameOf(some.length === 1 ? first.name : `${first.name}..${last.name}`, hash);
      const path = join(this.#folder, file);
      await this.#database.run(
        `copy (select * from ${table} where ${inDates(some.flatMap(({ dates }) => dates))})
         to ${literal(`${path}.tmp`)} (format parquet, kv_metadata {spans: ${literal(canonicalJson(held))}})`,
      );
      await rename(`${path}.tmp`, path);
      if (some.length > 1) this.#shared.set(file, new Map(Object.entries(held)));
      for (const { name } of some) this.#places.set(name, file);
    }
  }

  /** Removes what was kept of the node before. */
  async dropOthers(): Promise<void> {
    const own = new Set(this.files());
    for (const name of await readdir(this.#folder)) {
      const isOfNode = name.startsWith(`${this.#node}-`) && name.endsWith(".parquet");
      if (isOfNode && !own.has(name)) await rm(join(this.#folder, name), { force: true });
    }
  }

  /** All rows of the spans, each of which is kept. */
  select(spans: readonly Span[]): string {
    const wanted = new Map<string, Span[]>();
    for (const span of spans) {
      const file = this.#places.get(span.name) as string;
      wanted.set(file, [...(wanted.get(file) ?? []), span]);
    }
    const isAll = ([file, some]: readonly [string, readonly Span[]]): boolean =>
      some.length === (this.#shared.get(file)?.size ?? 1);
    const at = (file: string): string => join(this.#folder, file);
    const whole = [...wanted].filter(isAll).map(([file]) => at(file));
    const partly = [...wanted].filter((entry) => !isAll(entry));
    return [
      ...(whole.length === 0 ? [] : [`select * from read_parquet(${listOf(whole)})`]),
      ...partly.map(
        ([file, some]) =>
          `select * from read_parquet(${literal(at(file))}) where ${inDates(some.flatMap(({ dates }) => dates))}`,
      ),
    ].join(" union all ");
  }

  #nameOf(span: string, hash: string): string {
    return `${this.#node}-${span}-${hash}.parquet`;
  }
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
    const read = reader.kind === "step" ? undefined : reader.reads?.[table];
    const rows = read === undefined ? table : `(select * from ${table} where ${read}) as read`;
    const known = await once(this.#byTable, `${rows}(${used.join(",")})`, () => this.#rowsByDay(rows, columns, used));
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

  async #rowsByDay(rows: string, columns: readonly string[], used: readonly string[]): Promise<readonly DayDigest[]> {
    const row = (names: readonly string[]): string =>
      names.length === 0 ? "hash(0)" : `hash(${names.map(quoteIdentifier).join(", ")})`;
    const change = columns.includes("snapshot_date")
      ? `select snapshot_date as changed_on, ${row(used)} as digest from ${rows}`
      : columns.includes("visible_on") && columns.includes("superseded_on")
        ? `select visible_on as changed_on, ${row(used.filter((name) => name !== "superseded_on"))} as digest from ${rows}
           union all
           select superseded_on as changed_on, ${row([...used.filter((name) => name !== "superseded_on"), "superseded_on"])} as digest
           from ${rows} where superseded_on is not null`
        : `select cast(null as date) as changed_on, ${row(used)} as digest from ${rows}`;
    const changes = await this.#options.database.query<{ day: string; digest: string }>(
      `select
         coalesce(cast(changed_on as varchar), '0001-01-01') as day,
         count(*) || ' ' || sum(cast(digest as hugeint)) || ' ' || bit_xor(digest) as digest
       from (${change}) group by day order by day`,
    );
    let upToHere = "";
    return changes.map(({ day, digest }) => {
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

  /** Builds the missing spans of a node by its own text, and keeps them if its audits find nothing. */
  async build(node: Model, missing: readonly Span[], kept: Kept): Promise<readonly AuditResult[]> {
    const { database, log, now } = this.#options;
    await this.#open(missing);
    for (const table of node.depends) await this.#provide(table, missing, node);
    await database.run("use assay_part");
    try {
      const { audits } = await runNodes(database, [node], log, now);
      if (audits.every(({ failedRows }) => failedRows === 0)) await kept.write(node.name, missing);
      await database.run(`drop table ${node.name}`);
      return audits;
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
