import { createReadStream, existsSync } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { type Book, durationSeconds, isWrittenByHand, type Source } from "../config/book.ts";
import { type Entity, entityOf } from "../config/entities.ts";
import { AssayError, refusedError } from "../lib/errors.ts";
import { canonicalJson, sha256, sha256File } from "../lib/files.ts";
import type { Log } from "../lib/log.ts";
import { Database } from "../warehouse/database.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import { expectedText } from "./casts.ts";
import { type FoundFile, findFiles, globExpression, stampOf } from "./discover.ts";
import { effectiveOn, type UsageSeen } from "./hand-written.ts";
import { type Arrival, appendLedger, type LedgerLine, type Reading, readLedger } from "./ledger.ts";
import { bind, type FileShape, lookAt, readingName, readingSelect, storeFormat, unreadable } from "./reading.ts";
import { type Repeats, rememberRepeats } from "./repeats.ts";

/** An accepted export file, as the current mapping reads it. */
export interface Delivery {
  readonly delivery_id: string;
  readonly source: string;
  readonly entity: string;
  readonly file: string;
  readonly sha256: string;
  /** Its place among the deliveries of its source, from 1: by (delivered_at, file, order of arrival). */
  readonly no: number;
  readonly delivered_at: string;
  readonly rows_read: number;
  readonly rows_loaded: number;
  readonly rows_rejected: number;
  readonly first_event_at: string | null;
  readonly last_event_at: string | null;
  readonly ignored: readonly string[];
  /** Absolute paths in the store: rows; rows per day; rejected values, if any. */
  readonly rows: string;
  readonly days: string;
  readonly rejects: string | null;
  /** False when the file is gone and only an older mapping has read it. */
  readonly isCurrentReading: boolean;
  /** Of a file written by hand: the first snapshot that it may inform; null when nothing had been shown before it came. */
  readonly effective_on?: string | null;
}

/** What is known of a source as a whole. */
export interface SourceFacts {
  readonly entity: string;
  /** `known_at` tells when rows arrived; otherwise a row is visible on its own day + 1 + latency_days. */
  readonly arrivalKnown: boolean;
  readonly arrivalReason: string;
  readonly last_event_at: string | null;
  /** Rows that repeat a declared key, of usage only: the other entities' are found in staging. */
  readonly repeats: Repeats | null;
}

export interface LoadResult {
  /** All accepted ones of this book, by source and then by `no`. */
  readonly deliveries: readonly Delivery[];
  readonly sources: Readonly<Record<string, SourceFacts>>;
  readonly newDeliveries: number;
  /** Hash of what was delivered and in which order, as far as a snapshot may see it. */
  readonly inputs_sha256: string;
  /** The newest usage row: `2026-01-31 23:59:59`. Rows dated after the day that follows their arrival do not count. */
  readonly last_event_at: string | null;
  readonly warnings: readonly string[];
}

export interface LoadOptions {
  readonly book: Book;
  readonly state: string;
  readonly log: Log;
  readonly now: () => Date;
  /** Instead of each source's own `settle`. */
  readonly settleSeconds?: number;
}

/**
 * Takes what is new in the exports folder into the store and the ledger. A file that breaks its source's contract is
 * refused (exit 3) and leaves no trace; other files of the same run stay accepted.
 */
export async function loadDeliveries(options: LoadOptions): Promise<LoadResult> {
  const { book, state, log } = options;
  // One instant for the whole run: what came with it came together.
  const startedAt = options.now();
  const now = () => startedAt;
  const store = join(state, "store");
  const ledger = join(state, "ledger.jsonl");
  await mkdir(store, { recursive: true });
  await removeUnfinished(store);
  const history = await readLedger(ledger);
  const lines: LedgerLine[] = [...history.lines];
  const warnings: string[] = [];
  if (history.torn > 0) warnings.push(`${history.torn} unfinished line of the ledger was passed over`);
  const refusals: AssayError[] = [];
  const waiting = new Map<string, number>();
  let newDeliveries = 0;

  const database = await Database.open({
    path: ":memory:",
    tempDirectory: join(state, "spill"),
    ...(book.threads === undefined ? {} : { threads: book.threads }),
    ...(book.memory_limit === undefined ? {} : { memoryLimit: book.memory_limit }),
  });
  try {
    for (const [sourceId, source] of Object.entries(book.sources)) {
      const root = rootOf(book, source);
      const found = await findFiles(root, filesOf(source));
      const settled = found.filter((file) => isSettled(file, source, options));
      if (settled.length < found.length) {
        log.info(
          `source ${sourceId}: ${found.length - settled.length} files are still being written and wait for the next run`,
        );
      }
      const ofSource = lines.filter((line) => line.kind === "arrival" && line.source === sourceId).length;
      if (found.length === 0 && ofSource > 0) {
        warnings.push(
          `source ${sourceId}: none of its ${ofSource} files is there any more below ${root}; their rows stay as they were loaded`,
        );
      }
      waiting.set(sourceId, found.length - settled.length);
      const hash = hashAhead(settled.filter((file) => !isUntouched(file, sourceId, lines)));
      for (const file of settled) {
        try {
          const added = await takeFile({
            ...options,
            now,
            database,
            store,
            sourceId,
            source,
            file,
            lines,
            warnings,
            hash,
          });
          if (added.length === 0) continue;
          await appendLedger(ledger, added);
          lines.push(...added);
          if (added.some((line) => line.kind === "arrival")) newDeliveries += 1;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === "ENOENT" && !existsSync(file.path)) {
            warnings.push(`${file.name} went away while it was read; it is taken when it is there again`);
            continue;
          }
          if (!(error instanceof AssayError)) throw error;
          // Exit 2 is the machine's trouble, and the next file's too.
          if (error.exitCode === 2) throw error;
          refusals.push(error);
        }
      }
    }
    const [first, ...others] = refusals;
    if (first !== undefined) {
      const also = others.map((error) => `also refused: ${error.message}`);
      throw refusedError(
        first.message,
        [first.hint, ...also].filter((text) => text !== undefined).join("; ") || undefined,
      );
    }
    const accepted = Object.entries(book.sources).flatMap(([id, source]) =>
      deliveriesOf(book, store, id, source, lines, warnings),
    );
    const usage = await usageSeen(database, accepted, lines);
    const deliveries = accepted.map((delivery) => withEffect(book, delivery, lines, usage));
    const sources: Record<string, SourceFacts> = {};
    for (const [id, source] of Object.entries(book.sources)) {
      const own = deliveries.filter((delivery) => delivery.source === id);
      if (own.length === 0) {
        const unsettled = waiting.get(id) ?? 0;
        throw unsettled > 0
          ? refusedError(
              `source ${id}: its ${unsettled} files are too new to be taken, expected them unchanged for ${source.settle}`,
              "run again later, or set settle for a source whose files are complete when they appear",
            )
          : refusedError(
              `source ${id}: no file matches ${String(source.files)} below ${rootOf(book, source)}, expected at least one`,
            );
      }
      sources[id] = await factsOf(database, store, source, own);
    }
    const lastEventAt = newestOf(usage.map(({ newest }) => newest)) ?? newestOf(usage.map(({ last }) => last));
    const facts = { deliveries, sources, newDeliveries, last_event_at: lastEventAt, warnings };
    for (const warning of warnings) log.warn(warning);
    return { ...facts, inputs_sha256: inputsHash(book, deliveries, lines, lastEventAt) };
  } finally {
    database.close();
    await rm(join(state, "spill"), { recursive: true, force: true });
  }
}

/** What a killed run was writing: nothing refers to it. */
async function removeUnfinished(store: string): Promise<void> {
  const names = (await readdir(store, { recursive: true })).filter((name) => name.endsWith(".tmp"));
  for (const name of names) await rm(join(store, name), { recursive: true, force: true });
}

/** A file is taken when it has stood still for `settle`. */
function isSettled(
  file: FoundFile,
  source: Source,
  { now, settleSeconds }: Pick<LoadOptions, "now" | "settleSeconds">,
): boolean {
  const settle = settleSeconds ?? durationSeconds(source.settle);
  return settle === 0 || now().getTime() - file.modifiedMs >= settle * 1000;
}

interface TakeOptions extends LoadOptions {
  readonly database: Database;
  readonly store: string;
  readonly sourceId: string;
  readonly source: Source;
  readonly file: FoundFile;
  readonly lines: readonly LedgerLine[];
  readonly warnings: string[];
  readonly hash: (file: FoundFile) => Promise<string>;
}

const isUntouched = (file: FoundFile, sourceId: string, lines: readonly LedgerLine[]): boolean =>
  lines.some((line) => line.kind === "arrival" && line.source === sourceId && line.stamp === file.stamp);

/** The SHA-256 of files that are asked for in their order: while one is read into the store, the next is hashed. */
function hashAhead(files: readonly FoundFile[]): (file: FoundFile) => Promise<string> {
  const started = new Map<string, Promise<string>>();
  const start = (file: FoundFile): Promise<string> => {
    const hash = started.get(file.path) ?? sha256File(file.path);
    started.set(file.path, hash);
    return hash;
  };
  return async (file) => {
    const bytes = await start(file);
    const next = files[files.indexOf(file) + 1];
    // Whether that file is there is for its own turn to say.
    if (next !== undefined && files.includes(file)) start(next).catch(() => {});
    return bytes;
  };
}

/** What the ledger and the store know of a file. */
interface Recognised {
  readonly sha256: string;
  /** The arrival of these bytes, if there was one: of any name in an append source, of this name otherwise. */
  readonly known: Arrival | undefined;
  /** How many times the source delivered a file of this name. */
  readonly nOfName: number;
  /** The name of its rows in the store, and whether they are there. */
  readonly reading: string;
  readonly isStored: boolean;
}

async function recognise(of: {
  readonly book: Book;
  readonly store: string;
  readonly sourceId: string;
  readonly source: Source;
  readonly file: FoundFile;
  readonly lines: readonly LedgerLine[];
  readonly hash?: (file: FoundFile) => Promise<string>;
}): Promise<Recognised> {
  const { book, store, sourceId, source, file, lines, hash = ({ path }) => sha256File(path) } = of;
  const arrivals = lines.filter((line): line is Arrival => line.kind === "arrival" && line.source === sourceId);
  const ofFile = arrivals.filter((arrival) => arrival.file === file.name);
  const untouched = ofFile.at(-1)?.stamp === file.stamp ? ofFile.at(-1) : undefined;
  const bytes = untouched?.sha256 ?? (await hash(file));
  const same = source.mode === "append" ? arrivals.find((arrival) => arrival.sha256 === bytes) : ofFile.at(-1);
  const known = same?.sha256 === bytes ? same : undefined;
  const reading = readingName(book, source, bytes);
  const isRead = lines.some(
    (line) => line.kind === "reading" && line.delivery_id === known?.delivery_id && line.reading === reading,
  );
  const isStored = isRead && existsSync(join(store, `${reading}.parquet`));
  return { sha256: bytes, known, nOfName: ofFile.length, reading, isStored };
}

/** The ledger lines that a file adds: none when it is known and read, one when only the mapping is new. */
async function takeFile(options: TakeOptions): Promise<readonly LedgerLine[]> {
  const { sourceId, source, file, lines, now, warnings } = options;
  const { sha256: bytes, known, nOfName, reading: name, isStored } = await recognise(options);
  if (known !== undefined && isStored) return [];
  if (known === undefined && source.mode === "append" && nOfName > 0 && source.key === undefined) {
    warnings.push(
      `${file.name} has changed since it was first loaded and source ${sourceId} has no key: rows that it held before count twice`,
    );
  }
  const identity = source.mode === "append" ? [sourceId, bytes] : [sourceId, bytes, file.name, nOfName];
  const arrival: Arrival = known ?? {
    kind: "arrival",
    delivery_id: sha256(canonicalJson(identity)).slice(0, 16),
    source: sourceId,
    file: file.name,
    sha256: bytes,
    bytes: file.bytes,
    stamp: file.stamp,
    first_seen_at: notBefore(lines, now().toISOString()),
  };
  const reading = await readFile({ ...options, arrival, name });
  return known === undefined ? [arrival, reading] : [reading];
}

/** What a refresh would find of a source's files; nothing is read into the store and nothing changed. */
export interface PendingSource {
  readonly source: string;
  readonly entity: string;
  readonly files: number;
  /** Files whose bytes no refresh has taken yet. */
  readonly fresh: readonly string[];
  /** Of those: files that came before under the same name with other content. */
  readonly changed: readonly string[];
  /** Files that are known and would be read again: their mapping has changed, or their rows are not in the store. */
  readonly reread: readonly string[];
  /** Files that have not stood still for the source's `settle`. */
  readonly unsettled: readonly string[];
  /** The deliveries of the source that the ledger knows. */
  readonly deliveries: readonly string[];
}

/** Compares the exports folder with the ledger, read-only. */
export async function pendingDeliveries(
  options: Pick<LoadOptions, "book" | "state" | "now">,
): Promise<readonly PendingSource[]> {
  const { book, state } = options;
  const store = join(state, "store");
  const { lines } = await readLedger(join(state, "ledger.jsonl"));
  return Promise.all(
    Object.entries(book.sources).map(async ([sourceId, source]) => {
      const found = await findFiles(rootOf(book, source), filesOf(source));
      const fresh: string[] = [];
      const changed: string[] = [];
      const reread: string[] = [];
      const settled = found.filter((file) => isSettled(file, source, options));
      const taken = new Set<string>();
      for (const file of settled) {
        const {
          sha256: bytes,
          known,
          nOfName,
          isStored,
        } = await recognise({ book, store, sourceId, source, file, lines });
        if (known === undefined) {
          // Two new files of the same bytes are one delivery of an append source.
          if (source.mode === "append" && taken.has(bytes)) continue;
          taken.add(bytes);
          fresh.push(file.name);
          if (nOfName > 0) changed.push(file.name);
        } else if (!isStored) reread.push(file.name);
      }
      const deliveries = lines.flatMap((line) =>
        line.kind === "arrival" && line.source === sourceId ? [line.delivery_id] : [],
      );
      const unsettled = found.filter((file) => !settled.includes(file)).map(({ name }) => name);
      return {
        source: sourceId,
        entity: source.entity,
        files: found.length,
        fresh,
        changed,
        reread,
        unsettled,
        deliveries,
      };
    }),
  );
}

const filesOf = ({ files }: Source): readonly string[] => (typeof files === "string" ? [files] : files);
const rootOf = (book: Book, { entity }: Source): string => (isWrittenByHand(entity) ? book.folder : book.exports_root);

/** A clock that was set back does not reorder what came: nothing is seen before what the ledger has seen already. */
function notBefore(lines: readonly LedgerLine[], now: string): string {
  return lines.reduce(
    (latest, line) => (line.kind === "arrival" && line.first_seen_at > latest ? line.first_seen_at : latest),
    now,
  );
}

/** Waits until a file's bytes are on disk: a line of the ledger answers for them, after a power cut too. */
async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

/** Reads one file into the store: written aside, renamed when it is whole. */
async function readFile(options: TakeOptions & { readonly arrival: Arrival; readonly name: string }): Promise<Reading> {
  const { book, database, store, sourceId, source, file, arrival, name } = options;
  await checkCompression(file);
  const shape = await lookAt(database, file.path, file.name, source);
  const { targets, ignored } = bind(source, sourceId, shape, file.name);
  const deliveredAt = await deliveredAtOf(database, source, sourceId, file, shape);
  const aside = join(store, `.${name}.${process.pid}`);
  const temporary = {
    rows: `${aside}.rows.tmp`,
    whole: `${aside}.whole.tmp`,
    rejects: `${aside}.rejects.tmp`,
    days: `${aside}.days.tmp`,
  };
  try {
    await database.run("drop table if exists broken_line; drop table if exists broken_scan");
    try {
      const select = readingSelect(source, shape, targets, book.currency);
      await database.run(`copy (${select}) to ${literal(temporary.rows)} (${storeFormat})`);
    } catch (error) {
      throw unreadable(file.name, error);
    }
    const counts = await countRows(database, temporary.rows, shape);
    const rejected = counts.rejected + counts.broken;
    const total = counts.rows + counts.broken;
    let rows = temporary.rows;
    if (rejected > 0) {
      const lineOf = await writeRejects(database, shape, temporary.rows, temporary.rejects);
      if (rejected > source.max_rejected * total) {
        throw await tooManyRejected(database, options, temporary.rejects, rejected, total);
      }
      await database.run(
        `copy (
           select stored.* exclude (_reject, file_row_number, _line), ${lineOf.line} as _line, stored._reject
           from read_parquet(${literal(temporary.rows)}, file_row_number = true) as stored ${lineOf.join}
           where stored._reject is null${lineOf.join === "" ? "" : " order by stored.file_row_number"}
         ) to ${literal(temporary.whole)} (${storeFormat})`,
      );
      rows = temporary.whole;
    }
    const events = await writeDays(database, entityOf(source.entity), rows, temporary.days);
    // The reading rejects such times; the engine skips that check where a Parquet file's own statistics deny them.
    for (const at of [events.first_event_at, events.last_event_at]) {
      if (at !== null && !/^(19|[2-9]\d)\d\d-/.test(at))
        throw refusedError(`${file.name}: is damaged: its own statistics know of no such time as ${at}`);
    }
    const after = await stat(file.path, { bigint: true });
    if (stampOf(after) !== file.stamp) {
      throw refusedError(
        `${file.name}: changed while it was read, expected a file that stands still`,
        "run again when it is complete",
      );
    }
    for (const path of [rows, temporary.days, ...(rejected > 0 ? [temporary.rejects] : [])]) await sync(path);
    if (rejected > 0) await rename(temporary.rejects, join(store, `${name}.rejects.parquet`));
    await rename(temporary.days, join(store, `${name}.days.parquet`));
    await rename(rows, join(store, `${name}.parquet`));
    return {
      kind: "reading",
      delivery_id: arrival.delivery_id,
      reading: name,
      delivered_at: deliveredAt,
      rows_read: total,
      rows_loaded: total - rejected,
      rows_rejected: rejected,
      ...events,
      ignored,
    };
  } finally {
    for (const path of Object.values(temporary)) await rm(path, { force: true });
  }
}

/** DuckDB reads a gzip file that ends too early as if it were whole: its own checksum tells. */
async function checkCompression(file: FoundFile): Promise<void> {
  if (!/\.gz$/i.test(file.path)) return;
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  try {
    await pipeline(createReadStream(file.path), createGunzip(), nowhere);
  } catch (error) {
    throw unreadable(file.name, error);
  }
}

interface Counts {
  readonly rows: number;
  readonly rejected: number;
  /** Lines that could not be split into the header's columns. */
  readonly broken: number;
}

async function countRows(database: Database, rows: string, shape: FileShape): Promise<Counts> {
  const [counts] = await database.query<{ rows: number; rejected: number }>(
    `select count(*) as rows, count(_reject) as rejected from read_parquet(${literal(rows)})`,
  );
  const broken = shape.isText ? await database.scalar<number>("select count(distinct line) from broken_line") : 0;
  return { rows: counts?.rows ?? 0, rejected: counts?.rejected ?? 0, broken: broken ?? 0 };
}

/**
 * Writes `line`, `column`, `reason`, `value` of everything that was rejected, and returns how to tell the line of a row. A record's
 * place among records is its line unless values before it hold line breaks or lines before it were broken; both are counted
 * here, and only here, since it takes a second read.
 */
async function writeRejects(database: Database, shape: FileShape, rows: string, rejects: string): Promise<LineOf> {
  await database.run(
    shape.isText
      ? `create or replace temp table broken as
         select
           row_number() over (order by line) as seq,
           line - 1 - row_number() over (order by line) as pos,
           1 + length(csv_text) - length(replace(csv_text, chr(10), '')) as adds,
           lower(error_message[1:1]) || error_message[2:] as reason,
           csv_text[1:200] as value
         from (
           select line, min(error_message) as error_message, min(trim(csv_line, chr(10) || chr(13))) as csv_text
           from broken_line group by line
         )`
      : `create or replace temp table broken as
         select 1 as seq, 1 as pos, 1 as adds, '' as reason, '' as value where false`,
  );
  await database.run("drop table if exists broken_line; drop table if exists broken_scan");
  const text = `concat_ws('', ${shape.columns.map((_, i) => `c${i}`).join(", ")})`;
  const hasBreaks =
    shape.isText &&
    (await database.scalar(`select count(*) > 0 from ${shape.from} where contains(${text}, chr(10))`)) === true;
  await database.run("drop table if exists broken_line; drop table if exists broken_scan");
  // What pushes the records after `pos` further down than their place says: breaks inside a record, and whole broken lines.
  await database.run(
    `create or replace temp table shift as
     select pos, cast(sum(adds) over (order by pos, seq) as bigint) as lines, seq
     from (
       select pos, seq, adds from broken
       ${
         hasBreaks
           ? `union all
       select pos, 0 as seq, length(text) - length(replace(text, chr(10), '')) as adds
       from (select row_number() over () as pos, ${text} as text from ${shape.from}) where contains(text, chr(10))`
           : ""
}
     )`,
  );
  const hasShift = (await database.scalar("select count(*) > 0 from shift")) === true;
  const place = `stored.file_row_number + 1 + ${shape.headerLines}`;
  const lineOf: LineOf = hasShift
    ? {
        line: `${place} + coalesce(shifted.lines, 0)`,
        join: "asof left join (select pos, max(lines) as lines from shift group by pos) as shifted on shifted.pos <= stored.file_row_number",
      }
    : { line: place, join: "" };
  await database.run(
    `copy (
       with wrong as (
         select ${lineOf.line} as line, unnest(stored._reject) as wrong
         from read_parquet(${literal(rows)}, file_row_number = true) as stored ${lineOf.join}
         where stored._reject is not null
       )
       select line, wrong."column" as "column", wrong.reason as reason, wrong.value as value
       from wrong
       union all
       select
         ${shape.headerLines} + 1 + broken.pos
           + coalesce((select max(shift.lines) from shift where (shift.pos, shift.seq) < (broken.pos, broken.seq)), 0) as line,
         '' as "column",
         broken.reason,
         broken.value
       from broken
       order by line, "column"
     ) to ${literal(rejects)} (format parquet)`,
  );
  return lineOf;
}

/** The line of the file on which a row of `stored` starts: an expression, and the join that it needs. */
interface LineOf {
  readonly line: string;
  readonly join: string;
}

async function tooManyRejected(
  database: Database,
  { source, file }: TakeOptions,
  rejects: string,
  rejected: number,
  total: number,
): Promise<Error> {
  const [first] = await database.query<{ line: number; column: string; reason: string; value: string | null }>(
    `select * from read_parquet(${literal(rejects)}) order by line, "column" limit 1`,
  );
  const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
  const where =
    first === undefined
      ? ""
      : `; the first: line ${first.line}${first.column === "" ? "" : `, column ${first.column}`}, ${first.reason}, found ${JSON.stringify(first.value)}`;
  return refusedError(
    `${file.name}: ${rejected} of ${total} rows have bad values (${percent(rejected / total)}), expected at most ${percent(source.max_rejected)}${where}`,
    hintOn[first?.reason ?? ""],
  );
}

/** What most often is wrong where a whole column does not fit, by the reason of its rejects. */
const hintOn: Readonly<Record<string, string>> = {
  [`expected ${expectedText.date}`]:
    'dates are read as 2026-01-31; for another form write it, like { from: Start, format: "%d.%m.%Y" }',
  [`expected ${expectedText.time}`]:
    'times are read as 2026-01-31T09:30:00Z; for Unix times write unit: s, ms or us, for another form a format, like "%d.%m.%Y %H:%M"',
  [`expected ${expectedText.money}`]:
    "amounts are read as whole cents; for 49.90 write unit: major (a decimal comma is not read yet)",
};

/** Rows per day: what freshness, feeds and arrival rules need, so that nobody reads all rows for it. */
async function writeDays(
  database: Database,
  entity: Entity,
  rows: string,
  days: string,
): Promise<{ readonly first_event_at: string | null; readonly last_event_at: string | null }> {
  const at = eventTime(entity);
  const knownAt = entity.columns.some(({ name }) => name === "known_at") ? "known_at" : "cast(null as timestamp)";
  await database.run(
    `copy (
       select
         cast(${at} as date) as event_day,
         cast(${knownAt} as date) as known_day,
         count(*) as n_rows,
         count(*) filter (where epoch_us(${knownAt}) - epoch_us(${at}) > ${7 * 86_400_000_000}) as n_late,
         min(${at}) as first_event_at,
         max(${at}) as last_event_at
       from read_parquet(${literal(rows)})
       group by all order by all
     ) to ${literal(days)} (format parquet)`,
  );
  const [range] = await database.query<{ first: string | null; last: string | null }>(
    `select min(first_event_at) as first, max(last_event_at) as last from read_parquet(${literal(days)})`,
  );
  return { first_event_at: range?.first ?? null, last_event_at: range?.last ?? null };
}

/** When a row of an entity happened, as a timestamp: the earliest of its event columns. */
export function eventTime(entity: Entity, prefix = ""): string {
  const columns = entity.eventColumns.map((name) => `cast(${prefix}${quoteIdentifier(name)} as timestamp)`);
  if (columns.length === 0) return "cast(null as timestamp)";
  return columns.length === 1 ? (columns[0] as string) : `least(${columns.join(", ")})`;
}

/** When a file was delivered, if its name or a column says so. */
async function deliveredAtOf(
  database: Database,
  source: Source,
  sourceId: string,
  file: FoundFile,
  shape: FileShape,
): Promise<string | null> {
  const { delivered } = source;
  if (delivered === undefined || delivered === "first_seen") return null;
  if (delivered.from === "file_name") {
    const [before, after] = delivered.pattern.split("{date}") as [string, string];
    const inner = (part: string): string => globExpression(part).source.slice(1, -1);
    const pattern = new RegExp(`^${inner(before)}(\\d{4})-?(\\d{2})-?(\\d{2})${inner(after)}$`);
    const match = pattern.exec(file.name) ?? pattern.exec(basename(file.name));
    const date = match === null ? "" : `${match[1]}-${match[2]}-${match[3]}`;
    if (Number.isNaN(Date.parse(`${date}T00:00:00Z`))) {
      throw refusedError(
        `${file.name}: its name has no date of delivery, expected ${delivered.pattern} as source ${sourceId} says`,
      );
    }
    return `${date}T00:00:00.000Z`;
  }
  const at = shape.columns.findIndex((column) => column.name === delivered.column);
  if (at === -1) {
    throw refusedError(
      `${file.name}: column ${delivered.column} is missing, expected it for the order of deliveries of source ${sourceId}, found ${shape.columns.map((column) => column.name).join(", ")}`,
    );
  }
  const newest = await database.scalar<string>(
    `select max(try_cast(try_cast(c${at} as timestamptz) as timestamp)) from ${shape.from}`,
  );
  await database.run("drop table if exists broken_line; drop table if exists broken_scan");
  if (newest === null) {
    throw refusedError(
      `${file.name}: column ${delivered.column} holds no time, expected one for the order of deliveries of source ${sourceId}`,
    );
  }
  return new Date(`${newest.replace(" ", "T")}Z`).toISOString();
}

/** A source's deliveries in their order, each with the reading of the current mapping, or with its last one if the file is gone. */
function deliveriesOf(
  book: Book,
  store: string,
  sourceId: string,
  source: Source,
  lines: readonly LedgerLine[],
  warnings: string[],
): readonly Delivery[] {
  const readings = new Map<string, Reading[]>();
  for (const line of lines) {
    if (line.kind === "reading") readings.set(line.delivery_id, [...(readings.get(line.delivery_id) ?? []), line]);
  }
  const dated = lines.flatMap((line) => {
    if (line.kind !== "arrival" || line.source !== sourceId) return [];
    const own = (readings.get(line.delivery_id) ?? []).filter((reading) =>
      existsSync(join(store, `${reading.reading}.parquet`)),
    );
    const current = own.find((reading) => reading.reading === readingName(book, source, line.sha256));
    const reading = current ?? own.at(-1);
    if (reading === undefined) {
      warnings.push(`${line.file} is in the ledger, but neither the file nor its rows are there any more`);
      return [];
    }
    if (current === undefined)
      warnings.push(`${line.file} is gone: its rows stay as an earlier mapping of source ${sourceId} read them`);
    return [{ arrival: line, reading, isCurrentReading: current !== undefined }];
  });
  const order = ({ arrival, reading }: (typeof dated)[number]): string => reading.delivered_at ?? arrival.first_seen_at;
  return dated
    .map((item, i) => ({ ...item, i }))
    .sort((a, b) => compare(order(a), order(b)) || compare(a.arrival.file, b.arrival.file) || a.i - b.i)
    .map(({ arrival, reading, isCurrentReading }, i) => ({
      delivery_id: arrival.delivery_id,
      source: sourceId,
      entity: source.entity,
      file: arrival.file,
      sha256: arrival.sha256,
      no: i + 1,
      delivered_at: reading.delivered_at ?? arrival.first_seen_at,
      rows_read: reading.rows_read,
      rows_loaded: reading.rows_loaded,
      rows_rejected: reading.rows_rejected,
      first_event_at: reading.first_event_at,
      last_event_at: reading.last_event_at,
      ignored: reading.ignored,
      rows: join(store, `${reading.reading}.parquet`),
      days: join(store, `${reading.reading}.days.parquet`),
      rejects: reading.rows_rejected > 0 ? join(store, `${reading.reading}.rejects.parquet`) : null,
      isCurrentReading,
    }));
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** A list of files as `read_parquet` takes it. */
export const fileList = (paths: readonly string[]): string => `[${paths.map(literal).join(", ")}]`;

/**
 * Arrival times are unknown when `known_at` is not there, when most rows came more than a week late, or when one day brought
 * more than half of them: then it tells of a bulk load and not of when the company knew (docs/exports.md).
 */
async function factsOf(
  database: Database,
  store: string,
  source: Source,
  deliveries: readonly Delivery[],
): Promise<SourceFacts> {
  const days = `read_parquet(${fileList(deliveries.map((delivery) => delivery.days))})`;
  const [facts] = await database.query<{
    n: number;
    known: number;
    late: number;
    days: number;
    most: number;
    last: string | null;
  }>(
    `with known as (select known_day, sum(n_rows) as n from ${days} where known_day is not null group by known_day)
     select
       (select coalesce(sum(n_rows), 0)::bigint from ${days}) as n,
       (select coalesce(sum(n), 0)::bigint from known) as known,
       (select coalesce(sum(n_late), 0)::bigint from ${days}) as late,
       (select count(*) from known) as days,
       (select coalesce(max(n), 0)::bigint from known) as most,
       (select max(last_event_at) from ${days}) as last`,
  );
  const {
    n,
    known,
    late,
    days: knownDays,
    most,
    last,
  } = facts ?? { n: 0, known: 0, late: 0, days: 0, most: 0, last: null };
  const reason =
    known === 0
      ? "no known_at is mapped"
      : 2 * late > n
        ? "bulk backfill: most rows became known more than 7 days after they happened"
        : 2 * most > n && knownDays > 0
          ? "bulk backfill: one day brought more than half of all rows"
          : null;
  return {
    entity: source.entity,
    arrivalKnown: reason === null,
    arrivalReason: reason ?? "known_at is mapped",
    last_event_at: last,
    repeats:
      source.entity === "usage_event" && source.key !== undefined
        ? await rememberRepeats(database, store, source.key, reason === null, source.latency_days, deliveries)
        : null,
  };
}

const newestOf = (times: readonly (string | null)[]): string | null =>
  times.flatMap((time) => time ?? []).reduce<string | null>((a, b) => (a === null || b > a ? b : a), null);

/** The newest row of each delivery of usage; rows dated after the day that follows their arrival are not plausible. */
async function usageSeen(
  database: Database,
  deliveries: readonly Delivery[],
  lines: readonly LedgerLine[],
): Promise<readonly (UsageSeen & { readonly last: string | null })[]> {
  const usage = deliveries.filter(({ entity }) => entity === "usage_event" || entity === "usage_daily");
  if (usage.length === 0) return [];
  const seen = firstSeenAt(lines);
  const rows = usage.map(
    ({ delivery_id, days }) => `(${literal(days)}, ${literal(seen.get(delivery_id) ?? "9999-12-31")})`,
  );
  return database.query(
    `with arrived (file, first_seen_at) as (values ${rows.join(", ")})
     select
       arrived.first_seen_at,
       max(days.last_event_at) filter (where days.event_day <= cast(arrived.first_seen_at[1:10] as date) + 1) as newest,
       max(days.last_event_at) as last
     from read_parquet(${fileList(usage.map(({ days }) => days))}, filename = true) as days
     join arrived on arrived.file = days.filename
     group by arrived.first_seen_at`,
  );
}

const firstSeenAt = (lines: readonly LedgerLine[]): ReadonlyMap<string, string> =>
  new Map(lines.flatMap((line) => (line.kind === "arrival" ? [[line.delivery_id, line.first_seen_at] as const] : [])));

function withEffect(
  book: Book,
  delivery: Delivery,
  lines: readonly LedgerLine[],
  usage: readonly UsageSeen[],
): Delivery {
  const { delivery_id, delivered_at, no, source } = delivery;
  if (!isWrittenByHand(delivery.entity)) return delivery;
  const firstSeen = firstSeenAt(lines).get(delivery_id) ?? delivered_at;
  const isDated = typeof book.sources[source]?.delivered === "object";
  const arrived = { first_seen_at: firstSeen, delivered_at: isDated ? delivered_at : null, isFirst: no === 1 };
  return { ...delivery, effective_on: effectiveOn(book, arrived, usage) };
}

/** A first-seen time counts as an input only where a snapshot up to as_of could see what it dates. */
function inputsHash(
  book: Book,
  deliveries: readonly Delivery[],
  lines: readonly LedgerLine[],
  lastEventAt: string | null,
): string {
  const asOf = book.as_of === "latest" ? (lastEventAt?.slice(0, 10) ?? "") : book.as_of;
  const firstSeen = new Set(
    lines.flatMap((line) => (line.kind === "reading" && line.delivered_at === null ? [line.delivery_id] : [])),
  );
  return sha256(
    canonicalJson(
      deliveries.map(({ delivery_id, source, sha256, no, delivered_at, rows, effective_on }) => {
        if (effective_on !== undefined) return [source, sha256, no, effective_on, basename(rows)];
        const unseen = firstSeen.has(delivery_id) && delivered_at.slice(0, 10) >= asOf;
        return [source, sha256, no, unseen ? null : delivered_at, basename(rows)];
      }),
    ),
  );
}
