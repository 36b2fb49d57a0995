import { existsSync, readdirSync } from "node:fs";
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { usageError } from "../lib/errors.ts";

/** An export file as it arrived. Written once, never changed. */
export interface Arrival {
  readonly kind: "arrival";
  readonly delivery_id: string;
  readonly source: string;
  /** Below exports_root. */
  readonly file: string;
  readonly sha256: string;
  readonly bytes: number;
  /** What tells cheaply that the file has not been touched since. */
  readonly stamp: string;
  readonly first_seen_at: string;
}

/** What one way of reading (mapping, casts, version of the loader) made of a delivery. */
export interface Reading {
  readonly kind: "reading";
  readonly delivery_id: string;
  /** Names the files of the store: a hash of the bytes, the mapping and the loader's version. */
  readonly reading: string;
  /** SHA-256 of those files, in the order of {@link partsOf}. Readings of Assay 0.5.0 and before have none. */
  readonly stored_sha256?: readonly string[];
  /** From the file's name or a column; null: its order is that in which files were first seen. */
  readonly delivered_at: string | null;
  readonly rows_read: number;
  readonly rows_loaded: number;
  readonly rows_rejected: number;
  readonly rows_left_out?: number;
  /** Values written finer than they are kept; absent where there are none. */
  readonly values_rounded?: number;
  readonly header_lines?: number;
  /** Mode range: the days that the file's name says it covers. */
  readonly covers?: { readonly from: string; readonly to: string };
  readonly first_event_at: string | null;
  readonly last_event_at: string | null;
  /** Columns of the file that no mapping reads. */
  readonly ignored: readonly string[];
  /** Rows of erased accounts, which count as neither read nor loaded, and the hashes of all accounts that were passed over (load/erase.ts). */
  readonly erased?: { readonly rows: number; readonly accounts: readonly string[] };
}

/** A delivery that a person has withdrawn: from then on it has never come, and its bytes never come again. */
export interface Withdrawal {
  readonly kind: "withdrawal";
  readonly delivery_id: string;
  readonly source: string;
  readonly file: string;
  readonly sha256: string;
  readonly withdrawn_at: string;
}

/** A withdrawal that a person has taken back: the delivery stands again, in its old place. */
export interface Restoration extends Omit<Withdrawal, "kind" | "withdrawn_at"> {
  readonly kind: "restoration";
  readonly restored_at: string;
}

export type LedgerLine = Arrival | Reading | Withdrawal | Restoration;

/** The withdrawals that nobody has taken back. */
export function withdrawals(lines: readonly LedgerLine[]): readonly Withdrawal[] {
  const gone = new Map<string, Withdrawal>();
  for (const line of lines) {
    if (line.kind === "withdrawal") gone.set(line.delivery_id, line);
    else if (line.kind === "restoration") gone.delete(line.delivery_id);
  }
  return [...gone.values()];
}

/** The lines of deliveries that stand. */
export function standing(lines: readonly LedgerLine[]): readonly (Arrival | Reading)[] {
  const gone = new Set(withdrawals(lines).map(({ delivery_id }) => delivery_id));
  return lines.flatMap((line) =>
    (line.kind === "arrival" || line.kind === "reading") && !gone.has(line.delivery_id) ? [line] : [],
  );
}

/** What the ledger says of one source. */
export interface SourceHistory {
  /** Those that stand, in the order of writing. */
  readonly arrivals: readonly Arrival[];
  readonly arrivalsOfFile: ReadonlyMap<string, readonly Arrival[]>;
  /** SHA-256 -> the first of these bytes that stands. */
  readonly arrivalOfBytes: ReadonlyMap<string, Arrival>;
  /** File -> its last arrival, whether it stands or not. */
  readonly lastOfFile: ReadonlyMap<string, Arrival>;
  /** Of all arrivals, whether they stand or not. */
  readonly stamps: ReadonlySet<string>;
  /** The SHA-256 of what was withdrawn. */
  readonly withdrawn: ReadonlySet<string>;
}

/** The names of the files of the store that a reading is made of. */
export const partNames = ({ reading, rows_rejected: rejected }: Reading): readonly string[] =>
  ["", ".days", ...(rejected > 0 ? [".rejects"] : [])].map((part) => `${reading}${part}.parquet`);

/** Their paths. */
export const partsOf = (store: string, reading: Reading): readonly string[] =>
  partNames(reading).map((name) => join(store, name));

/** The names in a store, read once: to ask for each file of each delivery would cost every night more. */
export const namesIn = (store: string): Set<string> => new Set(existsSync(store) ? readdirSync(store) : []);

/** The lines of a ledger by what a load asks of each file, so that a night costs no more for the nights before it. */
export class LedgerIndex {
  readonly #sources = new Map<string, ReturnType<typeof emptyHistory>>();
  readonly #readings = new Map<string, Reading[]>();
  readonly #gone: ReadonlySet<string>;

  constructor(lines: readonly LedgerLine[]) {
    const gone = withdrawals(lines);
    this.#gone = new Set(gone.map(({ delivery_id }) => delivery_id));
    for (const { source, sha256 } of gone) this.#of(source).withdrawn.add(sha256);
    for (const line of lines) this.add(line);
  }

  /** Takes a line that was written since; one that withdraws or restores needs a new index. */
  add(line: LedgerLine): void {
    if (line.kind === "reading") {
      const own = this.#readings.get(line.delivery_id);
      if (own === undefined) this.#readings.set(line.delivery_id, [line]);
      else own.push(line);
    }
    if (line.kind !== "arrival") return;
    const history = this.#of(line.source);
    history.lastOfFile.set(line.file, line);
    history.stamps.add(line.stamp);
    if (this.#gone.has(line.delivery_id)) return;
    history.arrivals.push(line);
    const ofFile = history.arrivalsOfFile.get(line.file);
    if (ofFile === undefined) history.arrivalsOfFile.set(line.file, [line]);
    else ofFile.push(line);
    if (!history.arrivalOfBytes.has(line.sha256)) history.arrivalOfBytes.set(line.sha256, line);
  }

  source(id: string): SourceHistory {
    return this.#of(id);
  }

  /** The readings of a delivery, in the order of writing. */
  readings(deliveryId: string): readonly Reading[] {
    return this.#readings.get(deliveryId) ?? [];
  }

  #of(id: string): ReturnType<typeof emptyHistory> {
    const history = this.#sources.get(id) ?? emptyHistory();
    this.#sources.set(id, history);
    return history;
  }
}

const emptyHistory = () => ({
  arrivals: [] as Arrival[],
  arrivalsOfFile: new Map<string, Arrival[]>(),
  arrivalOfBytes: new Map<string, Arrival>(),
  lastOfFile: new Map<string, Arrival>(),
  stamps: new Set<string>(),
  withdrawn: new Set<string>(),
});

/**
 * Reads the ledger in the order of writing. A line that a crash cut short is no JSON and was never answered for: it is
 * passed over, and `torn` counts it.
 */
export async function readLedger(
  path: string,
): Promise<{ readonly lines: readonly LedgerLine[]; readonly torn: number }> {
  if (!existsSync(path)) return { lines: [], torn: 0 };
  const lines: LedgerLine[] = [];
  let torn = 0;
  for (const [i, text] of (await readFile(path, "utf8")).split("\n").entries()) {
    if (text.trim() === "") continue;
    const line = parse(text);
    if (line === null) {
      torn += 1;
      continue;
    }
    if (!kinds.has(line.kind)) {
      throw usageError(
        `${path}:${i + 1}: found a line of kind ${JSON.stringify(line.kind)}, expected one of ${[...kinds].join(", ")}`,
        "a newer Assay wrote it: upgrade this one, or choose another folder with --state",
      );
    }
    lines.push(line);
  }
  return { lines, torn };
}

const kinds: ReadonlySet<string> = new Set([
  "arrival",
  "reading",
  "withdrawal",
  "restoration",
] satisfies LedgerLine["kind"][]);

function parse(text: string): LedgerLine | null {
  try {
    const line: unknown = JSON.parse(text);
    return typeof line === "object" && line !== null && "kind" in line ? (line as LedgerLine) : null;
  } catch {
    return null;
  }
}

/** Appends lines with one write and waits until they are on disk. A torn line before them is closed first. */
export async function appendLedger(path: string, lines: readonly object[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const handle = await open(path, "a+");
  try {
    const { size } = await handle.stat();
    const last = Buffer.alloc(1);
    if (size > 0) await handle.read(last, 0, 1, size - 1);
    const close = size > 0 && last.toString() !== "\n" ? "\n" : "";
    await handle.write(close + lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * A release keeps a copy of the ledger that it rests on. Lines of it that the ledger does not have any more (it was emptied, cut short or
 * deleted) are taken back, and counted: no line of a ledger ever goes.
 */
export async function mendLedger(path: string, copy: string): Promise<number> {
  // As a rule it has only grown.
  const [text, copied] = await Promise.all([path, copy].map((file) => readFile(file, "utf8").catch(() => null)));
  if (typeof text === "string" && typeof copied === "string" && text.startsWith(copied)) return 0;
  const [here, before] = await Promise.all([path, copy].map(readLedger));
  const known = new Map(here?.lines.map((line) => [lineKey(line), line]));
  const lost = before?.lines.filter((line) => !known.has(lineKey(line))) ?? [];
  if (here === undefined || before === undefined || lost.length === 0) return 0;
  const first = before.lines.map((line) => known.get(lineKey(line)) ?? line);
  const keys = new Set(first.map(lineKey));
  await mkdir(dirname(path), { recursive: true });
  await writeLedger(path, [...first, ...here.lines.filter((line) => !keys.has(lineKey(line)))]);
  return lost.length;
}

/** What an erasure leaves of a line as it was. */
function lineKey(line: LedgerLine): string {
  const { kind, delivery_id: id } = line;
  if (kind === "arrival") return `${kind} ${id}`;
  return `${kind} ${id} ${kind === "reading" ? line.reading : kind === "withdrawal" ? line.withdrawn_at : line.restored_at}`;
}

/** Writes a ledger anew, aside and renamed once it is on disk: for what must not be known any more. Everything else only appends. */
export async function writeLedger(path: string, lines: readonly LedgerLine[]): Promise<void> {
  const aside = `${path}.tmp`;
  const handle = await open(aside, "w");
  try {
    await handle.write(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(aside, path);
}
