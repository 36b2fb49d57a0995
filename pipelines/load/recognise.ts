/** Compares the files of the exports folder with the ledger and the store. */
import { join } from "node:path";
import { type Book, durationSeconds, isWrittenByHand, type Source } from "../config/book.ts";
import { sha256File } from "../lib/files.ts";
import type { LoadOptions } from "./delivery.ts";
import { type FoundFile, findFiles } from "./discover.ts";
import { readErasures } from "./erase.ts";
import { type Arrival, LedgerIndex, namesIn, partNames, readLedger } from "./ledger.ts";
import { readingNames } from "./reading.ts";

export const filesOf = ({ files }: Source): readonly string[] => (typeof files === "string" ? [files] : files);
export const rootOf = (book: Book, { entity }: Source): string =>
  isWrittenByHand(entity) ? book.folder : book.exports_root;

/** A file is taken when it has stood still for `settle`. */
export function isSettled(
  file: FoundFile,
  source: Source,
  { now, settleSeconds }: Pick<LoadOptions, "now" | "settleSeconds">,
): boolean {
  const settle = settleSeconds ?? durationSeconds(source.settle);
  return settle === 0 || now().getTime() - file.modifiedMs >= settle * 1000;
}

/** What the ledger and the store know of a file. */
export interface Recognised {
  readonly sha256: string;
  /** The arrival of these bytes, if there was one: of any name in an append source, of this name otherwise. */
  readonly known: Arrival | undefined;
  /** How many times the source delivered a file of this name. */
  readonly nOfName: number;
  /** The name of its rows in the store, and whether they are there, with their days and rejected values. */
  readonly reading: string;
  readonly isStored: boolean;
  /** These bytes were withdrawn from the source: they are not taken. */
  readonly isWithdrawn: boolean;
}

export async function recognise(
  file: FoundFile,
  of: {
    /** {@link namesIn} the store. */
    readonly stored: ReadonlySet<string>;
    readonly sourceId: string;
    readonly source: Source;
    readonly ledger: LedgerIndex;
    /** {@link readingNames} of the source. */
    readonly nameOf: (bytesSha256: string) => string;
    readonly hash?: (file: FoundFile) => Promise<string>;
    /** Hashes of the accounts that are erased. */
    readonly erased: readonly string[];
  },
): Promise<Recognised> {
  const { stored, sourceId, source, ledger, nameOf, erased, hash = ({ path }) => sha256File(path) } = of;
  const history = ledger.source(sourceId);
  const ofFile = history.arrivalsOfFile.get(file.name) ?? [];
  const last = history.lastOfFile.get(file.name);
  const untouched = last?.stamp === file.stamp ? last : undefined;
  const bytes = untouched?.sha256 ?? (await hash(file));
  const same = source.mode === "append" ? history.arrivalOfBytes.get(bytes) : ofFile.at(-1);
  const known = same?.sha256 === bytes ? same : undefined;
  const reading = nameOf(bytes);
  // What was read without an account that may come again is read anew.
  const read =
    known === undefined
      ? undefined
      : ledger
          .readings(known.delivery_id)
          .findLast(
            (line) =>
              line.reading === reading && (line.erased?.accounts ?? []).every((account) => erased.includes(account)),
          );
  const isStored = read !== undefined && partNames(read).every((part) => stored.has(part));
  const isWithdrawn = history.withdrawn.has(bytes);
  return { sha256: bytes, known, nOfName: ofFile.length, reading, isStored, isWithdrawn };
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
  /** Files whose bytes were withdrawn: they are passed over. */
  readonly withdrawn: readonly string[];
  /** The deliveries of the source that the ledger knows. */
  readonly deliveries: readonly string[];
}

/** Compares the exports folder with the ledger, read-only. */
export async function pendingDeliveries(
  options: Pick<LoadOptions, "book" | "state" | "now">,
): Promise<readonly PendingSource[]> {
  const { book, state } = options;
  const stored = namesIn(join(state, "store"));
  const ledger = new LedgerIndex((await readLedger(join(state, "ledger.jsonl"))).lines);
  const { accounts: erased } = await readErasures(state);
  return Promise.all(
    Object.entries(book.sources).map(async ([sourceId, source]) => {
      const found = await findFiles(rootOf(book, source), filesOf(source));
      const nameOf = readingNames(book, source);
      const fresh: string[] = [];
      const changed: string[] = [];
      const reread: string[] = [];
      const withdrawn: string[] = [];
      const settled = found.filter((file) => isSettled(file, source, options));
      const taken = new Set<string>();
      for (const file of settled) {
        const {
          sha256: bytes,
          known,
          nOfName,
          isStored,
          isWithdrawn,
        } = await recognise(file, { stored, sourceId, source, ledger, nameOf, erased });
        if (isWithdrawn) {
          withdrawn.push(file.name);
          continue;
        }
        if (known === undefined) {
          // Two new files of the same bytes are one delivery of an append source.
          if (source.mode === "append" && taken.has(bytes)) continue;
          taken.add(bytes);
          fresh.push(file.name);
          if (nOfName > 0) changed.push(file.name);
        } else if (!isStored) reread.push(file.name);
      }
      const deliveries = ledger.source(sourceId).arrivals.map(({ delivery_id }) => delivery_id);
      const unsettled = found.filter((file) => !settled.includes(file)).map(({ name }) => name);
      return {
        source: sourceId,
        entity: source.entity,
        files: found.length,
        fresh,
        changed,
        reread,
        unsettled,
        withdrawn,
        deliveries,
      };
    }),
  );
}
