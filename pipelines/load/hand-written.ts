/**
 * Files that a person writes and edits in place: every saved state is a delivery, and what it says counts from then on. Dates
 * that readers have been shown before stay as they were shown.
 */
import type { Book } from "../config/book.ts";
import { entityOf, sqlTypes } from "../config/entities.ts";
import { addDays } from "../lib/clock.ts";
import { parseAudits } from "../models/audits.ts";
import type { Model } from "../models/model.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import type { Delivery } from "./delivery.ts";

/** How far a delivery of usage reaches, and when it was first seen. */
export interface UsageSeen {
  readonly first_seen_at: string;
  /** Its newest plausible row, `2026-01-31 23:59:59`; null when it has none. */
  readonly newest: string | null;
}

/**
 * The first snapshot that a delivery of a file written by hand may inform; null when nothing had been shown before it came,
 * so that its own dates stand. That snapshot is the newest one of the refresh that took the file: midnight after the newest
 * usage row known then, or the book's own `as_of`. A date of delivery in the file's name moves it on, never back.
 */
export function effectiveOn(
  book: Pick<Book, "as_of">,
  delivery: { readonly first_seen_at: string; readonly delivered_at: string | null; readonly isFirst: boolean },
  usage: readonly UsageSeen[],
): string | null {
  const declared = delivery.delivered_at?.slice(0, 10) ?? null;
  const known = usage.filter(({ first_seen_at }) => first_seen_at <= delivery.first_seen_at);
  const wasShown = known.some(({ first_seen_at }) => first_seen_at < delivery.first_seen_at);
  // A state that nobody was shown anything of ends before it began.
  if (!wasShown) return delivery.isFirst ? null : (declared ?? "1900-01-01");
  const newest = known
    .flatMap(({ newest: last }) => last ?? [])
    .sort()
    .at(-1);
  const latest = newest === undefined ? null : addDays(newest.slice(0, 10), 1);
  const asOf = book.as_of !== "latest" && (latest === null || book.as_of < latest) ? book.as_of : latest;
  if (asOf === null || declared === null) return asOf ?? declared;
  return declared > asOf ? declared : asOf;
}

/**
 * `staging.override` or `staging.known_account`: one row for each state of a line, nothing ever removed. A line that was
 * changed or deleted is superseded from the snapshot on that the edit may inform. Of lines with one key in one file
 * `line_no` tells which stands lower. The apostrophe that files of Assay put before a text like a formula (lib/csv.ts) is taken off again, so
 * that a list which was handed out and answered names the same accounts.
 */
export function handWritten(book: Book, entityId: string, deliveries: readonly Delivery[]): Model {
  const entity = entityOf(entityId);
  const columns = entity.columns.map(({ name }) => quoteIdentifier(name));
  const list = columns.join(", ");
  const taken = entity.columns.map(({ name: column, type }) => {
    const given = quoteIdentifier(column);
    return type === "text" ? `regexp_replace(${given}, '^''(''*[=+@\\t\\r\\n-])', '\\1') as ${given}` : given;
  });
  const own = deliveries.filter(({ source }) => book.sources[source]?.entity === entityId);
  const name = `staging.${entityId}`;
  const facts = { kind: "table", name, params: [], portable: false } as const;
  if (own.length === 0) {
    const typed: readonly (readonly [string, string])[] = [
      ...entity.columns.map(({ name: column, type }) => [column, sqlTypes[type]] as const),
      ["line_no", "bigint"],
      ["source", "varchar"],
      ["delivery_id", "varchar"],
      ["visible_on", "date"],
      ["superseded_on", "date"],
    ];
    const none = typed.map(([column, type]) => `cast(null as ${type}) as ${quoteIdentifier(column)}`);
    return { ...facts, grain: [], depends: [], audits: [], sql: `select\n  ${none.join(",\n  ")}\nwhere false` };
  }
  const key = entity.key
    .map((column) => `coalesce(cast(${quoteIdentifier(column)} as varchar), '')`)
    .join(" || chr(31) || ");
  // Where nothing was shown before, the line's own date stands.
  const start = entityId === "override" ? "from_on" : "date '1900-01-01'";
  const effective = own.map(
    ({ source, no, effective_on }) =>
      `  (${literal(source)}, ${no}, ${effective_on === null || effective_on === undefined ? "cast(null as date)" : `date ${literal(effective_on)}`})`,
  );
  return {
    ...facts,
    grain: ["source", "delivery_id", "line_no"],
    depends: [`raw.${entityId}`],
    audits: parseAudits(name, "not_null(visible_on, source, account_id)", "load/hand-written.ts"),
    sql: `with delivery (source, delivery_no, effective_on) as (
  values
${effective.join(",\n")}
),
line as (
  select
    ${taken.join(",\n    ")},
    _source as source,
    _delivery_id as delivery_id,
    _delivery_no as delivery_no,
    _line as line_no,
    -- A key that stands twice in a file is two lines, each with versions of its own.
    ${key} || chr(31) || row_number() over (partition by _source, _delivery_no, ${key} order by _line) as line_key
  from raw.${entityId}
),
compared as (
  select
    *,
    lag(delivery_no) over by_key as earlier_no,
    struct_pack(${list}) is distinct from lag(struct_pack(${list})) over by_key as is_changed
  from line
  window by_key as (partition by source, line_key order by delivery_no)
),
numbered as (
  -- A version begins where the line changes or comes back after a file without it.
  select
    *,
    sum(case when earlier_no = delivery_no - 1 and not is_changed then 0 else 1 end)
      over (partition by source, line_key order by delivery_no rows between unbounded preceding and current row) as version_no
  from compared
),
version as (
  select
    *,
    max(delivery_no) over (partition by source, line_key, version_no) as last_no,
    row_number() over (partition by source, line_key, version_no order by delivery_no) as nth
  from numbered
),
dated as (
  select
    version.*,
    greatest(coalesce(began.effective_on, ${start}), ${start}) as visible_on,
    ended.effective_on as superseded_on
  from version
  inner join delivery as began on began.source = version.source and began.delivery_no = version.delivery_no
  left join delivery as ended on ended.source = version.source and ended.delivery_no = version.last_no + 1
  where version.nth = 1
)
select
  ${columns.join(",\n  ")},
  line_no,
  source,
  delivery_id,
  visible_on,
  superseded_on
from dated
where superseded_on is null or visible_on < superseded_on`,
  };
}
