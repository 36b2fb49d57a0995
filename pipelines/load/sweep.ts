/** What the store need not keep: rows that nothing reads any more and that could be read again, and lists of repeats and bundles of earlier nights. */
import { readdir, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Book } from "../config/book.ts";
import type { LoadResult } from "./delivery.ts";
import { stampOf } from "./discover.ts";
import { type Arrival, readLedger, standing } from "./ledger.ts";
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
