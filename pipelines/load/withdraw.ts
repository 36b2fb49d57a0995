/** Withdraws a delivery: a line in the ledger, and from the next load on it has never come. */
import { readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { usageError } from "../lib/errors.ts";
import { type Arrival, appendLedger, readLedger, standing } from "./ledger.ts";

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
}): Promise<Withdrawn> {
  const { state, named, now, inUse } = options;
  const path = join(state, "ledger.jsonl");
  const { lines } = await readLedger(path);
  const arrivals = standing(lines).filter((line): line is Arrival => line.kind === "arrival");
  const found = arrivals.filter(
    ({ delivery_id, file }) =>
      delivery_id === named ||
      (named.length >= 6 && delivery_id.startsWith(named)) ||
      file === named ||
      basename(file) === named,
  );
  const [arrival] = found;
  if (arrival === undefined) {
    const gone = lines.find(
      (line) => line.kind === "withdrawal" && [line.delivery_id, line.file, basename(line.file)].includes(named),
    );
    throw usageError(
      gone?.kind === "withdrawal"
        ? `${named} was withdrawn already, on ${gone.withdrawn_at.slice(0, 10)}`
        : `no delivery is called ${named}, expected the name of a file that was loaded, or an id of meta.delivery`,
    );
  }
  if (found.length > 1) {
    const list = found.map(({ delivery_id, source, file, first_seen_at }) => {
      return `${delivery_id} (source ${source}, ${file}, first seen ${first_seen_at.slice(0, 16).replace("T", " ")})`;
    });
    throw usageError(`${named} names ${found.length} deliveries, expected one`, `write the id: ${list.join(", ")}`);
  }
  const { delivery_id, source, file, sha256, first_seen_at } = arrival;
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
  return { delivery_id, source, file, first_seen_at };
}
