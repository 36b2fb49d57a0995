/** What the ledger and the store tell about the accepted deliveries: their order, how their rows arrived, how far usage reaches. */
import { basename, join } from "node:path";
import { type Book, isWrittenByHand, type Source } from "../config/book.ts";
import { canonicalJson, sha256 } from "../lib/files.ts";
import type { Database } from "../warehouse/database.ts";
import { literal } from "../warehouse/literal.ts";
import { daysOf } from "./bundle.ts";
import type { Delivery, SourceFacts } from "./delivery.ts";
import { effectiveOn, type UsageSeen } from "./hand-written.ts";
import { type LedgerIndex, type LedgerLine, namesIn, partNames } from "./ledger.ts";
import { readingNames } from "./reading.ts";
import { rememberRepeats } from "./repeats.ts";

/**
 * A source's deliveries in their order, each with the reading of the current mapping, or with its last one if the file is gone. Files whose
 * rows the store had and has no more are `lost`.
 */
export function deliveriesOf(
  book: Book,
  store: string,
  sourceId: string,
  source: Source,
  ledger: LedgerIndex,
  warnings: string[],
  lost: string[] = [],
  nameOf = readingNames(book, source),
): readonly Delivery[] {
  const stored = namesIn(store);
  const dated = ledger.source(sourceId).arrivals.flatMap((line) => {
    const readings = ledger.readings(line.delivery_id);
    const own = readings.filter((reading) => partNames(reading).every((part) => stored.has(part)));
    const name = nameOf(line.sha256);
    const current = own.findLast((reading) => reading.reading === name);
    const reading = current ?? own.at(-1);
    if (reading === undefined) {
      // One that a crash kept from being read was never part of a release.
      if (readings.length > 0) lost.push(line.file);
      else warnings.push(`${line.file} is in the ledger, but neither the file nor its rows are there any more`);
      return [];
    }
    if (current === undefined)
      warnings.push(`${line.file} is gone: its rows stay as an earlier mapping of source ${sourceId} read them`);
    return [{ arrival: line, reading, isCurrentReading: current !== undefined }];
  });
  const order = ({ arrival, reading }: (typeof dated)[number]): string => reading.delivered_at ?? arrival.first_seen_at;
  return dated
    .map((item, i) => ({ ...item, i }))
    .sort((a, b) => compare(order(a), order(b)) || compare(a.arrival.file, b.arrival.file) || a.i - b.i)
    .map(({ arrival, reading, isCurrentReading }, i) => ({
      delivery_id: arrival.delivery_id,
      source: sourceId,
      entity: source.entity,
      file: arrival.file,
      sha256: arrival.sha256,
      no: i + 1,
      delivered_at: reading.delivered_at ?? arrival.first_seen_at,
      rows_read: reading.rows_read,
      rows_loaded: reading.rows_loaded,
      rows_rejected: reading.rows_rejected,
      rows_left_out: reading.rows_left_out ?? 0,
      values_rounded: reading.values_rounded ?? 0,
      covers: reading.covers ?? null,
      header_lines: reading.header_lines ?? (/\.(parquet|pq)$/i.test(arrival.file) ? 0 : 1),
      first_event_at: reading.first_event_at,
      last_event_at: reading.last_event_at,
      ignored: reading.ignored,
      erased: reading.erased ?? null,
      rows: join(store, `${reading.reading}.parquet`),
      days: join(store, `${reading.reading}.days.parquet`),
      rejects: reading.rows_rejected > 0 ? join(store, `${reading.reading}.rejects.parquet`) : null,
      isCurrentReading,
    }));
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * Arrival times are unknown when `known_at` is not there, when most rows came more than a week late, or when one day brought
 * more than half of them: then it tells of a bulk load and not of when the company knew (docs/exports.md).
 */
export async function factsOf(
  database: Database,
  store: string,
  source: Source,
  deliveries: readonly Delivery[],
): Promise<SourceFacts> {
  const days = `(${eachTime(deliveries)})`;
  const [facts] = await database.query<{
    n: number;
    known: number;
    late: number;
    days: number;
    most: number;
    last: string | null;
  }>(
    `with known as (select known_day, sum(n_rows) as n from ${days} where known_day is not null group by known_day)
     select
       (select coalesce(sum(n_rows), 0)::bigint from ${days}) as n,
       (select coalesce(sum(n), 0)::bigint from known) as known,
       (select coalesce(sum(n_late), 0)::bigint from ${days}) as late,
       (select count(*) from known) as days,
       (select coalesce(max(n), 0)::bigint from known) as most,
       (select max(last_event_at) from ${days}) as last`,
  );
  const {
    n,
    known,
    late,
    days: knownDays,
    most,
    last,
  } = facts ?? { n: 0, known: 0, late: 0, days: 0, most: 0, last: null };
  const reason =
    known === 0
      ? "no known_at is mapped"
      : 2 * late > n
        ? "bulk backfill: most rows became known more than 7 days after they happened"
        : 2 * most > n && knownDays > 0
          ? "bulk backfill: one day brought more than half of all rows"
          : null;
  return {
    entity: source.entity,
    arrivalKnown: reason === null,
    arrivalReason: reason ?? "known_at is mapped",
    last_event_at: last,
    repeats:
      (source.entity === "usage_event" || source.entity === "usage_daily") && source.key !== undefined
        ? await rememberRepeats(database, store, source.key, reason === null, source.latency_days, deliveries, {
            entity: source.entity,
            within: source.mode === "range",
          })
        : null,
  };
}

/** The days of deliveries, of bytes that came several times (a table that nobody touched) each time. */
function eachTime(deliveries: readonly Delivery[]): string {
  const times = new Map<string, number>();
  for (const { days } of deliveries) times.set(days, (times.get(days) ?? 0) + 1);
  const several = [...times].filter(([, n]) => n > 1).map(([file, n]) => `(${literal(file)}, ${n})`);
  if (several.length === 0) return `select * from ${daysOf(deliveries)}`;
  return `select stored.* replace (n_rows * coalesce(n_times, 1) as n_rows, n_late * coalesce(n_times, 1) as n_late)
     from ${daysOf(deliveries)} as stored
     left join (values ${several.join(", ")}) as several (file, n_times) on several.file = stored.filename`;
}

export const newestOf = (times: readonly (string | null)[]): string | null =>
  times.flatMap((time) => time ?? []).reduce<string | null>((a, b) => (a === null || b > a ? b : a), null);

/** The newest row of each delivery of usage; rows dated after the day that follows their arrival are not plausible. */
export async function usageSeen(
  database: Database,
  deliveries: readonly Delivery[],
  seen: ReadonlyMap<string, string>,
): Promise<readonly (UsageSeen & { readonly last: string | null })[]> {
  const usage = deliveries.filter(({ entity }) => entity === "usage_event" || entity === "usage_daily");
  if (usage.length === 0) return [];
  const rows = usage.map(
    ({ delivery_id, days }) => `(${literal(days)}, ${literal(seen.get(delivery_id) ?? "9999-12-31")})`,
  );
  return database.query(
    `with arrived (file, first_seen_at) as (values ${rows.join(", ")})
     select
       arrived.first_seen_at,
       max(days.last_event_at) filter (where days.event_day <= cast(arrived.first_seen_at[1:10] as date) + 1) as newest,
       max(days.last_event_at) as last
     from ${daysOf(usage)} as days
     join arrived on arrived.file = days.filename
     group by arrived.first_seen_at`,
  );
}

/** Delivery -> when it was first seen. */
export const firstSeenAt = (lines: readonly LedgerLine[]): ReadonlyMap<string, string> =>
  new Map(lines.flatMap((line) => (line.kind === "arrival" ? [[line.delivery_id, line.first_seen_at] as const] : [])));

export function withEffect(
  book: Book,
  delivery: Delivery,
  seen: ReadonlyMap<string, string>,
  usage: readonly UsageSeen[],
): Delivery {
  const { delivery_id, delivered_at, no, source } = delivery;
  if (!isWrittenByHand(delivery.entity)) return delivery;
  const firstSeen = seen.get(delivery_id) ?? delivered_at;
  const isDated = typeof book.sources[source]?.delivered === "object";
  const arrived = { first_seen_at: firstSeen, delivered_at: isDated ? delivered_at : null, isFirst: no === 1 };
  return { ...delivery, effective_on: effectiveOn(book, arrived, usage) };
}

/** A first-seen time counts as an input only where a snapshot up to as_of could see what it dates. */
export function inputsHash(
  book: Book,
  deliveries: readonly Delivery[],
  lines: readonly LedgerLine[],
  lastEventAt: string | null,
): string {
  const asOf = book.as_of === "latest" ? (lastEventAt?.slice(0, 10) ?? "") : book.as_of;
  const firstSeen = new Set(
    lines.flatMap((line) => (line.kind === "reading" && line.delivered_at === null ? [line.delivery_id] : [])),
  );
  return sha256(
    canonicalJson(
      deliveries.map(({ delivery_id, source, sha256, no, delivered_at, rows, effective_on, erased }) => {
        const without = erased === null ? [] : [erased.rows, ...erased.accounts];
        if (effective_on !== undefined) return [source, sha256, no, effective_on, basename(rows), ...without];
        const unseen = firstSeen.has(delivery_id) && delivered_at.slice(0, 10) >= asOf;
        return [source, sha256, no, unseen ? null : delivered_at, basename(rows), ...without];
      }),
    ),
  );
}
