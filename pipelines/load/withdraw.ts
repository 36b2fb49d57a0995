/** Withdraws a delivery: a line in the ledger, and from the next load on it has never come. */
import { readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { usageError } from "../lib/errors.ts";
import { type Arrival, appendLedger, readLedger, standing, withdrawals } from "./ledger.ts";

export interface Withdrawn {
  readonly delivery_id: string;
  readonly source: string;
  readonly file: string;
  readonly first_seen_at: string;
}

/**
 * Withdraws what `named` says: a delivery's id, or its first letters, or a file's name. Its rows leave the store unless one of
 * the files `inUse` (of releases that are kept) holds them. The caller holds the state's lock.
 */
export async function withdrawDelivery(options: {
  readonly state: string;
  readonly named: string;
  readonly now: Date;
  readonly inUse: ReadonlySet<string>;
  /** Only says which delivery it would be. */
  readonly isTrial?: boolean;
}): Promise<Withdrawn> {
  const { state, named, now, inUse, isTrial = false } = options;
  const path = join(state, "ledger.jsonl");
  const { lines } = await readLedger(path);
  const arrivals = standing(lines).filter((line): line is Arrival => line.kind === "arrival");
  const found = arrivals.filter(isNamed(named));
  const [arrival] = found;
  if (arrival === undefined) {
    const gone = withdrawals(lines).find(isNamed(named));
    throw usageError(
      gone !== undefined
        ? `${named} was withdrawn already, on ${gone.withdrawn_at.slice(0, 10)}`
        : `no delivery is called ${named}, expected the name of a file that was loaded, or an id of meta.delivery`,
    );
  }
  if (found.length > 1) throw severalNamed(named, found);
  const { delivery_id, source, file, sha256, first_seen_at } = arrival;
  if (isTrial) return { delivery_id, source, file, first_seen_at };
  const withdrawal = {
    kind: "withdrawal",
    delivery_id,
    source,
    file,
    sha256,
    withdrawn_at: now.toISOString(),
  } as const;
  await appendLedger(path, [withdrawal]);
  const left = new Set(
    standing([...lines, withdrawal]).flatMap((line) => (line.kind === "reading" ? [line.reading] : [])),
  );
  const own = new Set(
    lines.flatMap((line) => (line.kind === "reading" && line.delivery_id === delivery_id ? [line.reading] : [])),
  );
  const store = join(state, "store");
  for (const name of await readdir(store)) {
    const reading = name.split(".")[0] as string;
    if (own.has(reading) && !left.has(reading) && !inUse.has(`${reading}.parquet`))
      await rm(join(store, name), { force: true });
  }
  // Copies of its rows lie with its neighbours'.
  await rm(join(store, "bundles"), { recursive: true, force: true });
  return { delivery_id, source, file, first_seen_at };
}

/**
 * Takes a withdrawal back: the delivery stands again in its old place among the others. Its rows are read again from the file, which must
 * be there for it. The caller holds the state's lock.
 */
export async function restoreDelivery(options: {
  readonly state: string;
  readonly named: string;
  readonly now: Date;
}): Promise<Withdrawn> {
  const { state, named, now } = options;
  const path = join(state, "ledger.jsonl");
  const { lines } = await readLedger(path);
  const ids = new Set(
    withdrawals(lines)
      .filter(isNamed(named))
      .map(({ delivery_id }) => delivery_id),
  );
  const found = lines.filter((line): line is Arrival => line.kind === "arrival" && ids.has(line.delivery_id));
  const [arrival] = found;
  if (arrival === undefined)
    throw usageError(`no delivery called ${named} was withdrawn, expected the id or the file of one that was`);
  if (found.length > 1) throw severalNamed(named, found);
  const { delivery_id, source, file, sha256, first_seen_at } = arrival;
  await appendLedger(path, [
    { kind: "restoration", delivery_id, source, file, sha256, restored_at: now.toISOString() },
  ]);
  return { delivery_id, source, file, first_seen_at };
}

/** A delivery's id, or its first letters, or a file's name. */
const isNamed =
  (named: string) =>
  ({ delivery_id, file }: { readonly delivery_id: string; readonly file: string }): boolean =>
    delivery_id === named ||
    (named.length >= 6 && delivery_id.startsWith(named)) ||
    file === named ||
    basename(file) === named;

function severalNamed(named: string, found: readonly Arrival[]): Error {
  const list = found.map(({ delivery_id, source, file, first_seen_at }) => {
    return `${delivery_id} (source ${source}, ${file}, first seen ${first_seen_at.slice(0, 16).replace("T", " ")})`;
  });
  return usageError(`${named} names ${found.length} deliveries, expected one`, `write the id: ${list.join(", ")}`);
}
