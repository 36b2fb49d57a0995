import { existsSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { AssayError, refusedError, storeDamageError } from "../lib/errors.ts";
import { canonicalJson, sha256, sha256File } from "../lib/files.ts";
import { Database } from "../warehouse/database.ts";
import { bundle } from "./bundle.ts";
import type { Delivery, LoadOptions, LoadResult, SourceFacts } from "./delivery.ts";
import { type FoundFile, findFiles, type Unread } from "./discover.ts";
import { dropMade, readErasures, scrubStore } from "./erase.ts";
import { deliveriesOf, factsOf, firstSeenAt, inputsHash, newestOf, usageSeen, withEffect } from "./facts.ts";
import {
  type Arrival,
  appendLedger,
  LedgerIndex,
  type LedgerLine,
  namesIn,
  partNames,
  type Reading,
  readLedger,
} from "./ledger.ts";
import { readingNames } from "./reading.ts";
import { filesOf, isSettled, recognise, rootOf } from "./recognise.ts";
import { changedFiles } from "./sweep.ts";
import { type TakeOptions, takeRows } from "./take.ts";

export type { Delivery, LoadOptions, LoadResult, SourceFacts } from "./delivery.ts";

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
  if (!existsSync(book.exports_root)) {
    // A share that is not mounted must not look like a night without news.
    throw refusedError(
      `exports_root ${book.exports_root} is not there, expected the folder of the exports`,
      "mount it, or correct exports_root in assay.yaml; readers keep the last release",
    );
  }
  await mkdir(store, { recursive: true });
  await removeUnfinished(store);
  await scrubStore(book, state, startedAt);
  const erasures = await readErasures(state);
  const history = await readLedger(ledger);
  const lines: LedgerLine[] = [...history.lines];
  const index = new LedgerIndex(lines);
  const warnings: string[] = [];
  if (history.torn > 0) warnings.push(`${history.torn} unfinished line of the ledger was passed over`);
  const refusals: AssayError[] = [];
  const stored = namesIn(store);
  const waiting = new Map<string, number>();
  const named = new Set<string>();
  const unread = new Map<string, readonly Unread[]>();
  const namesOf = new Map(Object.entries(book.sources).map(([id, source]) => [id, readingNames(book, source)]));
  const exported = { found: 0, known: 0 };
  let newDeliveries = 0;

  const open = (threads: number | undefined, spill: string): Promise<Database> =>
    Database.open({
      path: ":memory:",
      tempDirectory: join(state, spill),
      allowedDirectories: [
        ...new Set([book.exports_root, book.folder]),
        store,
        ...(options.linkedFrom === undefined ? [] : [options.linkedFrom]),
      ],
      ...(threads === undefined ? {} : { threads }),
      ...(book.memory_limit === undefined ? {} : { memoryLimit: book.memory_limit }),
    });
  const database = await open(book.threads, "spill");
  // The connection is locked as it is set up, so what needs one thread has an engine of its own, opened when it is first wanted.
  let single: Database | undefined;
  const onOneThread = async (sql: string): Promise<void> => {
    single ??= await open(1, "spill/single");
    await single.run(sql);
  };
  try {
    for (const [sourceId, source] of Object.entries(book.sources)) {
      const root = rootOf(book, source);
      const passedOver: Unread[] = [];
      const found = await findFiles(root, filesOf(source), (other) => passedOver.push(other));
      unread.set(sourceId, passedOver);
      const settled = found.filter((file) => isSettled(file, source, options));
      const { arrivals, stamps } = index.source(sourceId);
      for (const file of found) {
        // The next night would not take it either. What is known already waits for nothing, whatever the clock says.
        const isAhead = file.modifiedMs > startedAt.getTime() + 86_400_000 && !stamps.has(file.stamp);
        if (isAhead && !settled.includes(file)) passedOver.push({ name: file.name, why: "ahead" });
        else named.add(file.name);
      }
      if (settled.length < found.length) {
        log.info(
          `source ${sourceId}: ${found.length - settled.length} files are still being written and wait for the next run`,
        );
      }
      const ofSource = arrivals.length;
      if (found.length === 0 && ofSource > 0) {
        warnings.push(
          `source ${sourceId}: none of its ${ofSource} files is there any more below ${root}; their rows stay as they were loaded`,
        );
      }
      if (root === book.exports_root) {
        exported.found += found.length;
        exported.known += ofSource;
      }
      waiting.set(sourceId, found.length - settled.length);
      const hash = hashAhead(settled.filter(({ stamp }) => !stamps.has(stamp)));
      const nameOf = namesOf.get(sourceId) ?? readingNames(book, source);
      const take = {
        ...options,
        now,
        database,
        store,
        sourceId,
        source,
        lines,
        ledger: index,
        stored,
        nameOf,
        warnings,
        hash,
        onOneThread,
        erasures,
        erased: erasures.accounts,
      };
      for (const file of settled) {
        try {
          const added = await takeFile(file, take);
          if (added.length === 0) continue;
          await appendLedger(ledger, added);
          for (const line of added) {
            lines.push(line);
            index.add(line);
          }
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
    if (exported.found === 0 && exported.known > 0) {
      // Where a share is not mounted its folder stands there empty: that is no night without news either.
      throw refusedError(
        `exports_root ${book.exports_root} holds no file of any source any more, ${exported.known} were loaded from it`,
        "mount it, or have the exports delivered; readers keep the last release",
      );
    }
    const [first, ...others] = refusals;
    if (first !== undefined) {
      const also = others.map((error) => `also refused: ${error.message}`);
      throw refusedError(
        first.message,
        [first.hint, ...also].filter((text) => text !== undefined).join("; ") || undefined,
      );
    }
    if (options.full === true) await distrust(store, history.lines, lines.slice(history.lines.length));
    const accepted: Delivery[] = [];
    const lost: string[] = [];
    for (const [id, source] of Object.entries(book.sources)) {
      const own = deliveriesOf(book, store, id, source, index, warnings, lost, namesOf.get(id));
      accepted.push(...(await bundle(database, store, own)));
    }
    if (lost.length > 0) throw lostRows(lost);
    const seen = firstSeenAt(lines);
    const usage = await usageSeen(database, accepted, seen);
    const deliveries = accepted.map((delivery) => withEffect(book, delivery, seen, usage));
    const sources: Record<string, SourceFacts> = {};
    for (const [id, source] of Object.entries(book.sources)) {
      const own = deliveries.filter((delivery) => delivery.source === id);
      if (own.length === 0) {
        const unsettled = waiting.get(id) ?? 0;
        if (index.source(id).withdrawn.size > 0) {
          throw refusedError(
            `source ${id}: all of its deliveries were withdrawn, expected at least one`,
            "deliver the corrected file; the bytes that were withdrawn are not taken again",
          );
        }
        throw unsettled > 0
          ? refusedError(
              `source ${id}: its ${unsettled} files are too new to be taken, expected them unchanged for ${source.settle}`,
              "run again later, or set settle for a source whose files are complete when they appear",
            )
          : refusedError(
              `source ${id}: no file matches ${String(source.files)} below ${rootOf(book, source)}, expected at least one`,
            );
      }
      const others = new Map((unread.get(id) ?? []).map((other) => [other.name, other]));
      sources[id] = {
        ...(await factsOf(database, store, source, own)),
        unread: [...others.values()].filter(({ name }) => !isRead(named, name)),
      };
    }
    const lastEventAt = newestOf(usage.map(({ newest }) => newest)) ?? newestOf(usage.map(({ last }) => last));
    const facts = { deliveries, sources, newDeliveries, last_event_at: lastEventAt, warnings };
    for (const [id, { length: n, rows }] of erasedBySource(deliveries)) {
      warnings.push(
        `source ${id}: ${rows} rows of erased accounts in ${n} ${n === 1 ? "delivery" : "deliveries"} are passed over`,
      );
    }
    for (const warning of warnings) log.warn(warning);
    return { ...facts, inputs_sha256: inputsHash(book, deliveries, lines, lastEventAt) };
  } finally {
    single?.close();
    database.close();
    await rm(join(state, "spill"), { recursive: true, force: true });
  }
}

/** A file that a source reads, or a folder that holds one. */
const isRead = (named: ReadonlySet<string>, name: string): boolean =>
  named.has(name) || [...named].some((file) => file.startsWith(`${name}/`));

/** Rows must be as they were written, and what lies together of them is laid together again. */
async function distrust(store: string, before: readonly LedgerLine[], added: readonly LedgerLine[]): Promise<void> {
  const fresh = new Set(added.flatMap((line) => (line.kind === "reading" ? [line.reading] : [])));
  const [changed] = await changedFiles(
    store,
    before.filter((line) => line.kind !== "reading" || !fresh.has(line.reading)),
  );
  if (changed !== undefined) throw storeDamageError(changed);
  for (const made of ["repeats", "bundles"]) await rm(join(store, made), { recursive: true, force: true });
}

/** Built without them a release would have a hole in its history that nobody asked for. */
const lostRows = ([first, ...others]: readonly string[]): AssayError =>
  refusedError(
    `${first} was loaded, but neither the file nor its rows in the store are there any more${others.length === 0 ? "" : `; nor those of ${others.length} others`}`,
    "bring back the export, or the store from a backup; to go on without it: npx assay forget BOOK --delivery FILE",
  );

/** Source -> how many deliveries hold rows of erased accounts, and how many rows. */
function erasedBySource(
  deliveries: LoadResult["deliveries"],
): ReadonlyMap<string, { readonly length: number; readonly rows: number }> {
  const found = new Map<string, { length: number; rows: number }>();
  for (const { source, erased } of deliveries) {
    if (erased === null) continue;
    const { length, rows } = found.get(source) ?? { length: 0, rows: 0 };
    found.set(source, { length: length + 1, rows: rows + erased.rows });
  }
  return found;
}

/** What a killed run was writing: nothing refers to it. */
async function removeUnfinished(store: string): Promise<void> {
  const names = (await readdir(store, { recursive: true })).filter((name) => name.endsWith(".tmp"));
  for (const name of names) await rm(join(store, name), { recursive: true, force: true });
}

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

/** The ledger lines that a file adds: none when it is known and read, one when only the mapping is new. */
async function takeFile(
  file: FoundFile,
  options: Omit<TakeOptions, "file"> & {
    readonly ledger: LedgerIndex;
    readonly stored: Set<string>;
    readonly nameOf: (bytesSha256: string) => string;
    readonly erased: readonly string[];
  },
): Promise<readonly LedgerLine[]> {
  const { sourceId, source, lines, now, warnings } = options;
  const { sha256: bytes, known, nOfName, reading: name, isStored, isWithdrawn } = await recognise(file, options);
  if (isWithdrawn || (known !== undefined && isStored)) return [];
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
  const before = lines.findLast((line) => line.kind === "reading" && line.reading === name) as Reading | undefined;
  // Files made of rows are named by the names of the rows' files, and this one keeps its name.
  if (before?.erased !== undefined) await dropMade(options.store);
  const reading = await takeRows({ ...options, file, arrival, name });
  for (const part of partNames(reading)) options.stored.add(part);
  return known === undefined ? [arrival, reading] : [reading];
}

/** A clock that was set back does not reorder what came: nothing is seen before what the ledger has seen already. */
function notBefore(lines: readonly LedgerLine[], now: string): string {
  return lines.reduce(
    (latest, line) => (line.kind === "arrival" && line.first_seen_at > latest ? line.first_seen_at : latest),
    now,
  );
}
