/** What the store need not keep: rows that nothing reads any more and that could be read again, and lists of repeats and bundles of earlier nights. */
import { existsSync } from "node:fs";
import { readdir, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Book } from "../config/book.ts";
import { sha256File } from "../lib/files.ts";
import { Database } from "../warehouse/database.ts";
import { literal } from "../warehouse/literal.ts";
import type { LoadResult } from "./delivery.ts";
import { stampOf } from "./discover.ts";
import { type Arrival, type LedgerLine, partsOf, readLedger, standing } from "./ledger.ts";
import { rootOf } from "./recognise.ts";

/**
 * Removes rows that an earlier mapping made (or a crash left) where neither this load nor a file `inUse` (of releases that are kept,
 * names below `store/`) reads them. Rows whose export has gone or changed since, and rows of sources that the book does not have
 * today, cannot be read again: they stay. Of store/repeats and store/bundles what this load reads stays. The caller holds the state's lock.
 */
export async function sweepReadings(options: {
  readonly book: Book;
  readonly state: string;
  readonly load: LoadResult;
  readonly inUse: ReadonlySet<string>;
}): Promise<{ readonly removed: number }> {
  const { book, state, load, inUse } = options;
  const store = join(state, "store");
  const { lines } = await readLedger(join(state, "ledger.jsonl"));
  const current = new Map(load.deliveries.map((delivery) => [delivery.delivery_id, delivery]));
  const needed = new Set([...load.deliveries.map(({ rows }) => basename(rows)), ...inUse].map(readingOf));
  const arrivals = new Map<string, Arrival>();
  for (const line of standing(lines)) if (line.kind === "arrival") arrivals.set(line.delivery_id, line);
  const deliveriesOf = new Map<string, Set<string>>();
  for (const line of lines) {
    if (line.kind !== "reading") continue;
    deliveriesOf.set(line.reading, (deliveriesOf.get(line.reading) ?? new Set()).add(line.delivery_id));
  }
  const canGo = async (deliveryId: string): Promise<boolean> => {
    const arrival = arrivals.get(deliveryId);
    if (arrival === undefined) return true;
    const source = book.sources[arrival.source];
    if (source === undefined || current.get(deliveryId)?.isCurrentReading !== true) return false;
    const facts = await stat(join(rootOf(book, source), arrival.file), { bigint: true }).catch(() => null);
    return facts !== null && stampOf(facts) === arrival.stamp;
  };
  let removed = 0;
  for (const name of await readdir(store)) {
    const reading = readingOf(name);
    if (!/^[0-9a-f]{32}\.(days\.|rejects\.)?parquet$/.test(name) || needed.has(reading)) continue;
    const may = await Promise.all([...(deliveriesOf.get(reading) ?? [])].map(canGo));
    if (may.includes(false)) continue;
    await rm(join(store, name), { force: true });
    removed += 1;
  }
  const repeats = Object.values(load.sources).flatMap((facts) => facts.repeats?.path ?? []);
  const bundles = load.deliveries.flatMap((delivery) => delivery.bundle ?? []);
  removed += await sweepMade(join(store, "repeats"), repeats);
  removed += await sweepMade(join(store, "bundles"), bundles);
  return { removed };
}

/** Files of the store that cannot be read to their end: the engine does not always say which one it choked on. */
export async function damagedFiles(state: string): Promise<readonly string[]> {
  const store = join(state, "store");
  const names = (await readdir(store, { recursive: true }).catch(() => [])).filter((name) => name.endsWith(".parquet"));
  const damaged: string[] = [];
  const database = await Database.open({ path: ":memory:", allowedDirectories: [store] });
  try {
    for (const path of names.map((name) => join(store, name)).sort()) {
      const readable = database.scalar(`select sum(hash(stored)) from read_parquet(${literal(path)}) as stored`);
      await readable.catch(() => damaged.push(path));
    }
  } finally {
    database.close();
  }
  return damaged;
}

/** Files of rows, of their days and of rejected values whose bytes are not those that were written, by what the ledger says of them. */
export async function changedFiles(store: string, lines: readonly LedgerLine[]): Promise<readonly string[]> {
  // The last line of a reading speaks of its files: they may have been read again.
  const readings = new Map(lines.flatMap((line) => (line.kind === "reading" ? [[line.reading, line] as const] : [])));
  const changed: string[] = [];
  for (const line of readings.values()) {
    for (const [i, path] of partsOf(store, line).entries()) {
      const written = line.stored_sha256?.[i];
      if (written !== undefined && existsSync(path) && (await sha256File(path)) !== written) changed.push(path);
    }
  }
  return changed.sort();
}

/**
 * Removes a damaged file of the store where it can be made again: what was made of rows always, rows where all exports that they are of are
 * there, byte for byte. False where it was not. The caller holds the state's lock.
 */
export async function dropDamaged(book: Book, state: string, path: string): Promise<boolean> {
  const store = join(state, "store");
  if (!path.startsWith(`${store}/`) || !existsSync(path)) return false;
  const reading = readingOf(basename(path));
  if (dirname(path) === store) {
    const { lines } = await readLedger(join(state, "ledger.jsonl"));
    const own = lines.flatMap((line) => (line.kind === "reading" && line.reading === reading ? line.delivery_id : []));
    for (const line of standing(lines)) {
      if (line.kind !== "arrival" || !own.includes(line.delivery_id)) continue;
      const source = book.sources[line.source];
      const file = source === undefined ? null : join(rootOf(book, source), line.file);
      const bytes = file === null ? null : await sha256File(file).catch(() => null);
      if (bytes !== line.sha256) return false;
    }
  }
  const isHash = /^[0-9a-f]{32}$/.test(reading);
  for (const name of await readdir(dirname(path)))
    if (name === basename(path) || (isHash && readingOf(name) === reading))
      await rm(join(dirname(path), name), { force: true });
  return true;
}

const readingOf = (name: string): string => name.split(".")[0] as string;

async function sweepMade(folder: string, inUse: readonly string[]): Promise<number> {
  const read = new Set(inUse.map((path) => readingOf(basename(path))));
  let removed = 0;
  for (const name of await readdir(folder).catch(() => [])) {
    if (!/\.(parquet|json)$/.test(name) || read.has(readingOf(name))) continue;
    await rm(join(folder, name), { force: true });
    removed += 1;
  }
  return removed;
}
