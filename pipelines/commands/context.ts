import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Book, readBook } from "../config/book.ts";
import { usageError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import { assayVersion } from "../lib/version.ts";
import { openCurrent, type Release } from "../publish/release.ts";
import { Database } from "../warehouse/database.ts";
import { literal } from "../warehouse/literal.ts";

/** What a command may touch of the world; everything below the command line is given it. */
export interface Context {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: () => Date;
  readonly log: Log;
  /** Writes an answer to stdout. */
  readonly print: (text: string) => void;
}

/** The options that every verb with a BOOK has. */
export interface BookOptions {
  readonly state?: string;
}

export interface OpenBook {
  readonly book: Book;
  /** The folder of ledger, store and releases. */
  readonly state: string;
}

export async function openBook(context: Context, name: string, options: BookOptions): Promise<OpenBook> {
  const book = await readBook(name, { cwd: context.cwd, env: context.env });
  return { book, state: resolve(context.cwd, options.state ?? join(book.folder, ".assay")) };
}

/**
 * The current release's warehouse, read-only and locked down: nothing outside the release and the store can be read,
 * nothing at all written. Usage of the store is attached as `store.usage_event`, `store.account_day`, `store.user_day`.
 */
export async function openRelease(
  context: Context,
  name: string,
  options: BookOptions,
): Promise<OpenBook & { readonly release: Release; readonly database: Database }> {
  const { book, state } = await openBook(context, name, options);
  return openCurrent(state, book.book, name, async (release) => {
    const database = await openWarehouse(state, release, (error) => ofAnotherVersion(error, release, name));
    return { book, state, release, database };
  });
}

/** A table or column that this version of Assay reads and the one that built the release did not make: not a bug, but work for a refresh. */
export function ofAnotherVersion(error: unknown, { manifest }: Release, name: string): unknown {
  const isAbsent = error instanceof Error && /^(Catalog|Binder) Error/.test(error.message);
  if (!isAbsent || manifest.assay_version === assayVersion) return error;
  return Object.assign(
    usageError(
      `the release of ${manifest.book} was built by Assay ${manifest.assay_version} and lacks what Assay ${assayVersion} reads here`,
      `run 'npx assay refresh ${name}' first`,
    ),
    { cause: error },
  );
}

const openWarehouse = (state: string, release: Release, failed: (error: unknown) => unknown): Promise<Database> =>
  Database.open({
    failed,
    path: join(release.folder, "warehouse.duckdb"),
    readOnly: true,
    allowedDirectories: [release.folder, join(state, "store")],
    prepare: [
      "attach ':memory:' as store (read_write)",
      ...Object.entries(release.manifest.store)
        .map(([view, files]) => [view, files.map((file) => join(state, "store", file))] as const)
        // Without its files a view cannot be made; the release itself can be read all the same.
        .filter(([, files]) => files.length > 0 && files.every((file) => existsSync(file)))
        .map(([view, files]) => {
          const paths = files.map(literal);
          return `create view store.${view} as select * from read_parquet([${paths.join(", ")}], union_by_name = true)`;
        }),
    ],
  });
