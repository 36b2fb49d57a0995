/**
 * Accounts that must not be known any more: their rows leave the store and stay out, though exports that hold them lie in the folder
 * still. `erased.jsonl` of the state keeps a hash of each id (and of the ids of other systems that led to it), never the id.
 */
import { existsSync } from "node:fs";
import { readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Book, Source } from "../config/book.ts";
import { entityOf } from "../config/entities.ts";
import { refusedError } from "../lib/errors.ts";
import { sha256, sha256File } from "../lib/files.ts";
import { silentLog } from "../lib/log.ts";
import { sortNodes } from "../models/graph.ts";
import { runNodes } from "../models/run.ts";
import { Database } from "../warehouse/database.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import { daysSelect, eventTime } from "./delivery.ts";
import { deliveriesOf } from "./facts.ts";
import { viaOf } from "./identities.ts";
import {
  appendLedger,
  LedgerIndex,
  type LedgerLine,
  partsOf,
  type Reading,
  readLedger,
  writeLedger,
} from "./ledger.ts";
import { storeFormat } from "./reading.ts";
import { stagingNodes } from "./stage.ts";

/** An id that is passed over, as a hash: an account's, or one of another system in the days in which it led to the account. */
interface ErasedId {
  readonly kind: "erased";
  /** Of the account itself, also on the lines of the ids that led to it: they are taken back together. */
  readonly account: string;
  readonly hash: string;
  readonly from_on: string;
  readonly to_on: string;
  readonly at: string;
}

/** `restored`: the account may come again. `scrubbed`, `released`: everything before is out of the store, out of the releases. */
type ErasedLine =
  | ErasedId
  | { readonly kind: "restored"; readonly account: string; readonly at: string }
  | { readonly kind: "scrubbed" | "released"; readonly at: string };

export interface Erasures {
  readonly ids: readonly ErasedId[];
  /** Hashes of the accounts, sorted: what a reading without them says of itself. */
  readonly accounts: readonly string[];
  /** The store may hold rows of theirs still. */
  readonly isStorePending: boolean;
  /** Releases built before may be kept still. */
  readonly isReleasePending: boolean;
}

const fileOf = (state: string): string => join(state, "erased.jsonl");
const always = "0001-01-01";
const never = "9999-12-31";

/** The hash of an account's id (`via` and `source` empty), or of an id of the source `via`, for all who go by it or for one. */
const hashOf = (via: string, source: string, ref: string): string => sha256(["assay", via, source, ref].join("\u001f"));
const hashExpression = (via: string, source: string, ref: string): string =>
  `sha256(${["assay", via, source].map((text) => literal(`${text}\u001f`)).join(" || ")} || ${ref})`;

export async function readErasures(state: string): Promise<Erasures> {
  const path = fileOf(state);
  const ids: ErasedId[] = [];
  let isStorePending = false;
  let isReleasePending = false;
  if (existsSync(path)) {
    for (const [i, text] of (await readFile(path, "utf8")).split("\n").entries()) {
      if (text.trim() === "") continue;
      const line = parse(text);
      // A line that a crash cut short was never answered for, but an id that is lost here would come back: it is said.
      if (line === null)
        throw refusedError(
          `${path}:${i + 1}: is damaged, expected one JSON object a line`,
          "delete the line, then erase the account again",
        );
      if (line.kind === "erased") {
        ids.push(line);
        isStorePending = true;
        isReleasePending = true;
      } else if (line.kind === "restored") {
        isStorePending = true;
        for (let at = ids.length - 1; at >= 0; at -= 1) if (ids[at]?.account === line.account) ids.splice(at, 1);
      } else if (line.kind === "scrubbed") isStorePending = false;
      else isReleasePending = false;
    }
  }
  return { ids, accounts: [...new Set(ids.map(({ account }) => account))].sort(), isStorePending, isReleasePending };
}

function parse(text: string): ErasedLine | null {
  try {
    return JSON.parse(text) as ErasedLine;
  } catch {
    return null;
  }
}

const append = (state: string, lines: readonly ErasedLine[]): Promise<void> => appendLedger(fileOf(state), lines);

/** What of an account the store holds: rows by source, and the exports that they came from. */
export interface Held {
  readonly sources: readonly { readonly source: string; readonly rows: number; readonly files: readonly string[] }[];
  readonly rows: number;
  /** Ids of other systems that led to it. */
  readonly refs: readonly {
    readonly via: string;
    readonly source: string | null;
    readonly ref: string;
    readonly from_on: string;
    readonly to_on: string;
  }[];
  /** Files that are named after it: the ledger keeps the names of files. */
  readonly named: readonly string[];
}

/** Looks for an account in the store; changes nothing. */
export async function lookForAccount(book: Book, state: string, account: string): Promise<Held> {
  const store = join(state, "store");
  const { lines } = await readLedger(join(state, "ledger.jsonl"));
  const ledger = new LedgerIndex(lines);
  const deliveries = Object.entries(book.sources).flatMap(([id, source]) =>
    deliveriesOf(book, store, id, source, ledger, []),
  );
  const database = await openStore(book, state);
  try {
    const load = { deliveries, sources: {}, newDeliveries: 0, inputs_sha256: "", last_event_at: null, warnings: [] };
    const staging = sortNodes(await stagingNodes(book, load), new Set());
    const identity = staging.find(({ name }) => name === "staging.account_identity");
    const wanted = new Set(["staging.account_identity", ...(identity?.depends ?? [])]);
    await runNodes(
      database,
      staging.filter(({ name }) => wanted.has(name)),
      silentLog,
      () => 0,
    );
    const refs = await database.query<Held["refs"][number]>(
      `select via, source, ref, from_on, to_on from staging.account_identity where account_id = ${literal(account)} order by all`,
    );
    const ids: readonly ErasedId[] = linesOf(account, refs, "");
    const found = new Map<string, { rows: number; files: Set<string> }>();
    for (const { source: id, rows: path, file } of deliveries) {
      const source = book.sources[id] as Source;
      const where = await matching(database, path, source, id, ids);
      if (where === null) continue;
      const n =
        (await database.scalar<number>(`select count(*) from read_parquet(${literal(path)}) where ${where}`)) ?? 0;
      const own = found.get(id) ?? { rows: 0, files: new Set() };
      own.rows += n;
      if (n > 0) own.files.add(file);
      found.set(id, own);
    }
    const sources = [...found]
      .filter(([, { rows }]) => rows > 0)
      .map(([source, { rows, files }]) => ({ source, rows, files: [...files].sort() }));
    const named = [
      ...new Set(
        lines.flatMap((line) => (line.kind === "arrival" && namesAccount(line.file, account) ? [line.file] : [])),
      ),
    ];
    return { sources, rows: sources.reduce((sum, { rows }) => sum + rows, 0), refs, named };
  } finally {
    database.close();
    await rm(join(state, "spill"), { recursive: true, force: true });
  }
}

/** The id as a word of its own in the name of a file. */
function namesAccount(file: string, account: string): boolean {
  const at = file.indexOf(account);
  if (at === -1) return false;
  const isWord = (letter: string | undefined): boolean => letter !== undefined && /[\p{L}\p{N}]/u.test(letter);
  return !isWord(file[at - 1]) && !isWord(file[at + account.length]);
}

function linesOf(account: string, refs: Held["refs"], at: string): readonly ErasedId[] {
  const own = hashOf("", "", account);
  return [
    { kind: "erased", account: own, hash: own, from_on: always, to_on: never, at },
    ...refs.map(
      ({ via, source, ref, from_on, to_on }): ErasedId => ({
        kind: "erased",
        account: own,
        hash: hashOf(via, source ?? "", ref),
        from_on,
        to_on,
        at,
      }),
    ),
  ];
}

/** Writes down that an account is to be erased. From then on the next load does it, whatever becomes of this process. */
export const markErased = (state: string, account: string, { refs }: Pick<Held, "refs">, now: Date): Promise<void> =>
  append(state, linesOf(account, refs, now.toISOString()));

/** When an account was erased; null when it was not, or is allowed again. */
export async function erasedAt(state: string, account: string): Promise<string | null> {
  const own = hashOf("", "", account);
  return (await readErasures(state)).ids.find(({ hash }) => hash === own)?.at ?? null;
}

/** Allows an account again: the next load reads the exports that hold it once more, as far as they are there. */
export const markRestored = (state: string, account: string, now: Date): Promise<void> =>
  append(state, [{ kind: "restored", account: hashOf("", "", account), at: now.toISOString() }]);

/** All releases built before an erasure are gone. */
export const markReleased = (state: string, now: Date): Promise<void> =>
  append(state, [{ kind: "released", at: now.toISOString() }]);

const openStore = (book: Book, state: string): Promise<Database> =>
  Database.open({
    path: ":memory:",
    tempDirectory: join(state, "spill"),
    allowedDirectories: [join(state, "store")],
    ...(book.threads === undefined ? {} : { threads: book.threads }),
    ...(book.memory_limit === undefined ? {} : { memoryLimit: book.memory_limit }),
  });

/** The condition on rows of a source's file in the store that are an erased account's; null when none can be. */
async function matching(
  database: Database,
  path: string,
  source: Source | undefined,
  sourceId: string,
  ids: readonly ErasedId[],
): Promise<string | null> {
  if (ids.length === 0) return null;
  const columns = (await database.describe(`select * from read_parquet(${literal(path)})`)).map(({ name }) => name);
  if (!columns.includes("account_id")) return null;
  const via = source === undefined ? null : viaOf(source);
  const ways =
    via === null
      ? [["", ""]]
      : [
          [via, ""],
          [via, sourceId],
        ];
  const hashes = ids.map(({ hash }) => literal(hash)).join(", ");
  const found: { ref: string; hash: string }[] = [];
  for (const [way, of] of ways as [string, string][]) {
    found.push(
      ...(await database.query<{ ref: string; hash: string }>(
        `select account_id as ref, ${hashExpression(way, of, "account_id")} as hash
         from (select distinct account_id from read_parquet(${literal(path)}) where account_id is not null)
         where hash in (${hashes}) order by ref`,
      )),
    );
  }
  if (found.length === 0) return null;
  const entity = source === undefined ? undefined : entityOf(source.entity);
  const isDated = entity?.eventColumns.every((name) => columns.includes(name)) === true;
  const day = entity === undefined || !isDated ? "cast(null as date)" : `cast(${eventTime(entity)} as date)`;
  const parts = found.flatMap(({ ref, hash }) =>
    ids
      .filter((id) => id.hash === hash)
      .map(({ from_on, to_on }) =>
        from_on === always && to_on === never
          ? `account_id = ${literal(ref)}`
          : `(account_id = ${literal(ref)} and coalesce(${day} >= date ${literal(from_on)} and ${day} < date ${literal(to_on)}, ${from_on === always}))`,
      ),
  );
  return `coalesce(${parts.join(" or ")}, false)`;
}

/**
 * Writes a file of rows without those of erased accounts to `aside`, in the same order; other rows that name such an account as their
 * parent do so no more. Null when there is nothing to change; otherwise how many rows went.
 */
export async function withoutErased(
  database: Database,
  path: string,
  aside: string,
  source: Source | undefined,
  sourceId: string,
  erasures: Pick<Erasures, "ids">,
): Promise<number | null> {
  const where = await matching(database, path, source, sourceId, erasures.ids);
  const columns = (await database.describe(`select * from read_parquet(${literal(path)})`)).map(({ name }) => name);
  const hashes = erasures.ids.map(({ hash }) => literal(hash)).join(", ");
  const isChild = `coalesce(${hashExpression("", "", quoteIdentifier("parent_id"))} in (${hashes}), false)`;
  const hasChildren =
    columns.includes("parent_id") &&
    erasures.ids.length > 0 &&
    (await database.scalar<boolean>(`select coalesce(bool_or(${isChild}), false) from read_parquet(${literal(path)})`));
  if (where === null && hasChildren !== true) return null;
  const select = hasChildren === true ? `* replace (case when not ${isChild} then parent_id end as parent_id)` : "*";
  const n =
    where === null
      ? 0
      : await database.scalar<number>(`select count(*) from read_parquet(${literal(path)}) where ${where}`);
  await database.run(
    `copy (select ${select} from read_parquet(${literal(path)})${where === null ? "" : ` where not ${where}`}) to ${literal(aside)} (${storeFormat})`,
  );
  return n ?? 0;
}

/** Stands where a rejected value was. */
export const erasedText = "(erased)";

/**
 * Takes out of a file of rejected values what may be an erased account's: all of them where the file that was read has rows of it (`rows`,
 * rejected ones included), since a rejected value does not say whose it is; otherwise those in which its id stands, whole or as a word.
 */
export async function cleanRejects(
  database: Database,
  rows: string,
  rejects: string,
  source: Source | undefined,
  sourceId: string,
  erasures: Pick<Erasures, "ids">,
): Promise<void> {
  if (erasures.ids.length === 0) return;
  const isHeld = (await matching(database, rows, source, sourceId, erasures.ids)) !== null;
  const hashes = erasures.ids.map(({ hash }) => literal(hash)).join(", ");
  const words = `list_append(regexp_split_to_array(value, '[^\\p{L}\\p{N}_.@-]+'), value)`;
  const isNamed = `len(list_filter(${words}, lambda word: ${hashExpression("", "", "word")} in (${hashes}))) > 0`;
  await blank(database, rejects, isHeld ? "true" : isNamed);
}

async function blank(database: Database, rejects: string, condition: string): Promise<void> {
  await database.run(
    `copy (
       select * replace (case when value is null or not (${condition}) then value else ${literal(erasedText)} end as value)
       from read_parquet(${literal(rejects)})
     ) to ${literal(`${rejects}.tmp`)} (format parquet)`,
  );
  await rename(`${rejects}.tmp`, rejects);
}

/**
 * Takes erased accounts out of the store: rows aside and renamed, then everything made of them, then the counts of the ledger. A run that
 * was killed on the way is carried on by the next one. The caller holds the state's lock.
 */
export async function scrubStore(book: Book, state: string, now: Date): Promise<void> {
  const erasures = await readErasures(state);
  if (!erasures.isStorePending) return;
  const store = join(state, "store");
  const path = join(state, "ledger.jsonl");
  const { lines } = await readLedger(path);
  await dropMade(store);
  const sourceOf = new Map(
    lines.flatMap((line) => (line.kind === "arrival" ? [[line.delivery_id, line.source] as const] : [])),
  );
  const readings = new Map(lines.flatMap((line) => (line.kind === "reading" ? [[line.reading, line] as const] : [])));
  const counted = new Map<
    string,
    Pick<Reading, "rows_read" | "rows_loaded" | "first_event_at" | "last_event_at" | "erased">
  >();
  const database = await openStore(book, state);
  try {
    for (const line of readings.values()) {
      const rows = join(store, `${line.reading}.parquet`);
      if (!existsSync(rows)) continue;
      const sourceId = sourceOf.get(line.delivery_id) ?? "";
      const source = book.sources[sourceId];
      const days = join(store, `${line.reading}.days.parquet`);
      const gone = await withoutErased(database, rows, `${rows}.tmp`, source, sourceId, erasures);
      if (gone !== null) {
        if (source !== undefined && existsSync(days)) await rewriteDays(database, `${rows}.tmp`, days, source);
        await rename(`${rows}.tmp`, rows);
      }
      const rejects = join(store, `${line.reading}.rejects.parquet`);
      if (existsSync(rejects)) {
        // A rejected row does not say whose it is: no value of these files can stay.
        await blank(database, rejects, "true");
      }
      const left = (await database.scalar<number>(`select count(*) from read_parquet(${literal(rows)})`)) ?? 0;
      const lost = line.rows_loaded - left;
      if (lost <= 0) continue;
      const [range] = await database.query<{ first: string | null; last: string | null }>(
        `select min(first_event_at) as first, max(last_event_at) as last from read_parquet(${literal(days)})`,
      );
      counted.set(line.reading, {
        rows_read: line.rows_read - lost,
        rows_loaded: left,
        first_event_at: range?.first ?? null,
        last_event_at: range?.last ?? null,
        erased: { rows: (line.erased?.rows ?? 0) + lost, accounts: erasures.accounts },
      });
    }
  } finally {
    database.close();
    await rm(join(state, "spill"), { recursive: true, force: true });
  }
  const sums = new Map<string, Pick<Reading, "stored_sha256">>();
  for (const line of readings.values()) {
    const parts = partsOf(store, line);
    if (line.stored_sha256 !== undefined && parts.every((part) => existsSync(part)))
      sums.set(line.reading, { stored_sha256: await Promise.all(parts.map(sha256File)) });
  }
  await writeLedger(
    path,
    lines.map(
      (line): LedgerLine =>
        line.kind === "reading" ? { ...line, ...counted.get(line.reading), ...sums.get(line.reading) } : line,
    ),
  );
  await append(state, [{ kind: "scrubbed", at: now.toISOString() }]);
}

/** What is made of the rows of the store: the next build makes it again. It goes first, so that none of it outlives its rows. */
export async function dropMade(store: string): Promise<void> {
  for (const made of ["staging", "rollup", "features", "looks", "repeats", "bundles"])
    await rm(join(store, made), { recursive: true, force: true });
}

/** Writes the days of a file again; where it replaces the days that it has rows of, those that have none any more are replaced still. */
export async function rewriteDays(database: Database, rows: string, days: string, source: Source): Promise<void> {
  const kept = daysSelect(entityOf(source.entity), rows);
  const all = `select * from (${kept})
       union all
       select event_day, known_day, 0 as n_rows, 0 as n_late, null as first_event_at, null as last_event_at
       from read_parquet(${literal(days)}) as old
       where not exists (
         select 1 from (${kept}) as kept
         where kept.event_day is not distinct from old.event_day and kept.known_day is not distinct from old.known_day
       )
       order by all`;
  await database.run(`copy (${source.mode === "range" ? all : kept}) to ${literal(`${days}.tmp`)} (format parquet)`);
  await rename(`${days}.tmp`, days);
}
