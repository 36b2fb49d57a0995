/** What was accepted of the exports, and in which order: the answer of a load, and what all that follows reads. */
import type { Book } from "../config/book.ts";
import type { Entity } from "../config/entities.ts";
import type { Log } from "../lib/log.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import type { Unread } from "./discover.ts";
import type { Repeats } from "./repeats.ts";

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
  /** Rows of the file that `keep`, `drop` or `skip_rows` say are none of the source, and rows of a CSV without any value. */
  readonly rows_left_out: number;
  /** Values of loaded rows that were written with more decimals than are kept. */
  readonly values_rounded: number;
  /** Lines of the file before its first row. */
  readonly header_lines: number;
  /** Mode range: the days [from, to] that it replaces where its rows do not say so; null otherwise. */
  readonly covers: { readonly from: string; readonly to: string } | null;
  readonly first_event_at: string | null;
  readonly last_event_at: string | null;
  readonly ignored: readonly string[];
  /** Rows of accounts that were erased are not among those above: how many, and the hashes of the accounts erased by then. */
  readonly erased: { readonly rows: number; readonly accounts: readonly string[] } | null;
  /** Absolute paths in the store: rows; rows per day; rejected values, if any. */
  readonly rows: string;
  readonly days: string;
  readonly rejects: string | null;
  /** Where its rows and days lie together with those of its neighbours (load/bundle.ts): a path without its ending. */
  readonly bundle?: string;
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
  /** What looks like an export of this source and is read by no source. */
  readonly unread?: readonly Unread[];
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
  /** Trusts nothing that was made of rows, and reads every file of rows to see whether it is as it was written. */
  readonly full?: boolean;
  /** Instead of each source's own `settle`. */
  readonly settleSeconds?: number;
  /** The folder that links in the store lead to, where the state is a stand-in made of them: the engine follows a link only there. */
  readonly linkedFrom?: string | undefined;
}

/** A list of files as `read_parquet` takes it. */
export const fileList = (paths: readonly string[]): string => `[${paths.map(literal).join(", ")}]`;

/** The rows of a file of the store by the day of their event and the day on which they were known, as `<reading>.days.parquet` keeps them. */
export function daysSelect(entity: Entity, rows: string): string {
  const at = eventTime(entity);
  const knownAt = entity.columns.some(({ name }) => name === "known_at") ? "known_at" : "cast(null as timestamp)";
  return `select
         cast(${at} as date) as event_day,
         cast(${knownAt} as date) as known_day,
         count(*) as n_rows,
         count(*) filter (where epoch_us(${knownAt}) - epoch_us(${at}) > ${7 * 86_400_000_000}) as n_late,
         min(${at}) as first_event_at,
         max(${at}) as last_event_at
       from read_parquet(${literal(rows)})
       group by all order by all`;
}

/** When a row of an entity happened, as a timestamp: the earliest of its event columns. */
export function eventTime(entity: Entity, prefix = ""): string {
  const columns = entity.eventColumns.map((name) => `cast(${prefix}${quoteIdentifier(name)} as timestamp)`);
  if (columns.length === 0) return "cast(null as timestamp)";
  return columns.length === 1 ? (columns[0] as string) : `least(${columns.join(", ")})`;
}
