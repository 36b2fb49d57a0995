/** Takes one file into the store: typed rows, rows per day and rejected values as Parquet, written aside and renamed when whole. */
import { open, rename, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Source } from "../config/book.ts";
import { type Entity, entityOf } from "../config/entities.ts";
import { addDays, isoDate } from "../lib/clock.ts";
import { AssayError, machineError, refusedError } from "../lib/errors.ts";
import { sha256File } from "../lib/files.ts";
import { dayOf, namedDay, namedMonth } from "../lib/named-days.ts";
import type { Database } from "../warehouse/database.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import { expectedText } from "./casts.ts";
import { daysSelect, type LoadOptions } from "./delivery.ts";
import { type FoundFile, globExpression, stampOf } from "./discover.ts";
import { cleanRejects, type Erasures, rewriteDays, withoutErased } from "./erase.ts";
import type { Arrival, LedgerLine, Reading } from "./ledger.ts";
import { type BoundTarget, bind, leavesOut, mayRound, readingSelect, rejectsIn, storeFormat } from "./reading.ts";
import { encodingHint, type FileShape, lookAt, unreadable } from "./shape.ts";

export interface TakeOptions extends LoadOptions {
  readonly database: Database;
  readonly store: string;
  readonly sourceId: string;
  readonly source: Source;
  readonly file: FoundFile;
  readonly lines: readonly LedgerLine[];
  readonly warnings: string[];
  readonly hash: (file: FoundFile) => Promise<string>;
  readonly erasures: Erasures;
  /**
   * Runs a statement that needs no table of `database`. On several threads the engine's reader of JSON lines now and then hands over
   * the last record of a file without a final line end before the others (6 of 200 small files on a busy machine, none of 350 on one
   * thread): rows would get other lines, and the store other bytes.
   */
  readonly onOneThread: (sql: string) => Promise<void>;
}

/** Waits until a file's bytes are on disk: a line of the ledger answers for them, after a power cut too. */
async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

/** Reads one file into the store: written aside, renamed when it is whole. */
export async function takeRows(
  options: TakeOptions & { readonly arrival: Arrival; readonly name: string },
): Promise<Reading> {
  const { book, database, store, sourceId, source, file, arrival, name } = options;
  const covers = coversOf(source, sourceId, file);
  const aside = join(store, `.${name}.${process.pid}`);
  const temporary = {
    copy: `${aside}.text.tmp`,
    half: `${aside}.text.lf.tmp`,
    rows: `${aside}.rows.tmp`,
    whole: `${aside}.whole.tmp`,
    rejects: `${aside}.rejects.tmp`,
    kept: `${aside}.kept.tmp`,
    days: `${aside}.days.tmp`,
  };
  try {
    const shape = await lookAt(database, file.path, file.name, source, temporary.copy);
    const { targets, ignored } = bind(source, sourceId, shape, file.name);
    const deliveredAt = await deliveredAtOf(database, source, sourceId, file, shape);
    await database.run("drop table if exists broken_line; drop table if exists broken_scan");
    try {
      const select = readingSelect({
        source,
        sourceId,
        shape,
        targets,
        currency: book.currency,
        covers,
        shown: file.name,
      });
      const copying = `copy (${select}) to ${literal(temporary.rows)} (${storeFormat})`;
      await (shape.type === "json" ? options.onOneThread(copying) : database.run(copying));
    } catch (error) {
      throw unreadable(file.name, error);
    }
    const hasBlankRows = await findBlankRows(database, temporary.rows, shape, targets).catch((error: unknown) => {
      throw unreadable(file.name, error);
    });
    const isLeftOut = leftOut(source, hasBlankRows);
    const counts = await countRows(database, temporary.rows, shape, source, isLeftOut);
    if (shape.records !== null && counts.rows + counts.broken !== shape.records) {
      throw refusedError(
        `${file.name}: cannot be read whole: ${counts.rows + counts.broken} of its ${shape.records} records came out`,
        "a quote or a delimiter may stand where none belongs; write formats of its source as the file is",
      );
    }
    const rejected = counts.rejected + counts.broken;
    const total = counts.rows + counts.broken - counts.leftOut;
    let rows = temporary.rows;
    if (rejected + counts.leftOut > 0) {
      const lineOf = await writeRejects(database, shape, isLeftOut, temporary.rows, temporary.rejects);
      await cleanRejects(database, temporary.rows, temporary.rejects, source, sourceId, options.erasures);
      if (rejected > source.max_rejected * total) {
        throw await tooManyRejected(database, options, temporary.rejects, rejected, total);
      }
      await database.run(
        `copy (
           select stored.* exclude (file_row_number) replace (${lineOf.line} as _line)
           from read_parquet(${literal(temporary.rows)}, file_row_number = true) as stored ${lineOf.join}
           where stored._reject is null and not ${isLeftOut}${lineOf.join === "" ? "" : " order by stored.file_row_number"}
         ) to ${literal(temporary.whole)} (${storeFormat})`,
      );
      rows = temporary.whole;
    }
    let events = await writeDays(database, entityOf(source.entity), rows, temporary.days);
    // The reading rejects such times; the engine skips that check where a Parquet file's own statistics deny them.
    for (const at of [events.first_event_at, events.last_event_at]) {
      if (at !== null && !/^(19|[2-9]\d)\d\d-/.test(at))
        throw refusedError(`${file.name}: is damaged: its own statistics know of no such time as ${at}`);
    }
    const erased = await withoutErased(database, rows, temporary.kept, source, sourceId, options.erasures);
    if (erased !== null) {
      await rewriteDays(database, temporary.kept, temporary.days, source);
      events = await daysRange(database, temporary.days);
      rows = temporary.kept;
    }
    await refuseIfChanged(file);
    const stored = [rows, temporary.days, ...(rejected > 0 ? [temporary.rejects] : [])];
    for (const path of stored) await sync(path);
    const storedSha256 = await Promise.all(stored.map(sha256File));
    if (rejected > 0) await rename(temporary.rejects, join(store, `${name}.rejects.parquet`));
    await rename(temporary.days, join(store, `${name}.days.parquet`));
    await rename(rows, join(store, `${name}.parquet`));
    return {
      kind: "reading",
      delivery_id: arrival.delivery_id,
      reading: name,
      stored_sha256: storedSha256,
      delivered_at: deliveredAt,
      rows_read: total - (erased ?? 0),
      rows_loaded: total - rejected - (erased ?? 0),
      rows_rejected: rejected,
      rows_left_out: counts.leftOut,
      ...(counts.rounded === 0 ? {} : { values_rounded: counts.rounded }),
      header_lines: shape.headerLines,
      ...(covers === null ? {} : { covers }),
      ...events,
      ignored,
      ...(erased === null || erased === 0 ? {} : { erased: { rows: erased, accounts: options.erasures.accounts } }),
    };
  } catch (error) {
    // Whatever was found wrong with it: half of one file and half of another is wrong for that alone.
    if (error instanceof AssayError && error.exitCode === 3) await refuseIfChanged(file);
    throw error;
  } finally {
    for (const path of Object.values(temporary)) await rm(path, { force: true });
  }
}

async function refuseIfChanged(file: FoundFile): Promise<void> {
  if (stampOf(await stat(file.path, { bigint: true })) === file.stamp) return;
  throw refusedError(
    `${file.name}: changed while it was read, expected a file that stands still`,
    "run again when it is complete",
  );
}

interface Counts {
  /** All that could be split, whatever comes of them. */
  readonly rows: number;
  readonly leftOut: number;
  readonly rejected: number;
  /** Lines that could not be split into the header's columns. */
  readonly broken: number;
  /** Values that were written finer than they are kept. */
  readonly rounded: number;
}

/**
 * Rows of a CSV whose every cell is empty, as spreadsheets leave them between and below others: they are no rows. Tells whether there are any;
 * `blank_row` lists their places.
 */
async function findBlankRows(
  database: Database,
  rows: string,
  { again, columns }: FileShape,
  targets: readonly BoundTarget[],
): Promise<boolean> {
  if (again === null) return false;
  const mapped = targets.flatMap(({ name, column }) => (column === null ? [] : [`${quoteIdentifier(name)} is null`]));
  const mayBe = await database.scalar<number>(
    `select count(*) from read_parquet(${literal(rows)}) where _reject is not null${mapped.map((one) => ` and ${one}`).join("")}`,
  );
  if (mayBe === 0 || mayBe === null) return false;
  const isEmpty = `trim(concat_ws('', ${columns.map((_, i) => `c${i}`).join(", ")})) = ''`;
  await database.run(
    `create or replace temp table blank_row as
     select place from (select row_number() over () - 1 as place, ${isEmpty} as is_empty from ${again}) where is_empty`,
  );
  return ((await database.scalar<number>("select count(*) from blank_row")) ?? 0) > 0;
}

/** Whether a row of `stored` is none of the source's. */
function leftOut(source: Source, hasBlankRows: boolean): string {
  const { skip_rows: skipped } = source.formats;
  const said = [
    ...(leavesOut(source) ? ["stored._left_out"] : []),
    ...(hasBlankRows ? ["stored.file_row_number in (select place from blank_row)"] : []),
  ];
  const conditions = skipped === 0 ? said : [...said, `stored.file_row_number < ${skipped}`];
  return conditions.length === 0 ? "false" : `(${conditions.join(" or ")})`;
}

async function countRows(
  database: Database,
  rows: string,
  shape: FileShape,
  source: Source,
  isLeftOut: string,
): Promise<Counts> {
  const rounded = mayRound(source)
    ? `sum(stored._rounded) filter (where stored._reject is null and not ${isLeftOut})`
    : "0";
  const [counts] = await database.query<{ rows: number; rejected: number; left_out: number; rounded: number | null }>(
    `select
       count(*) as rows,
       count(case when not ${isLeftOut} then stored._reject end) as rejected,
       count(case when ${isLeftOut} then 1 end) as left_out,
       cast(${rounded} as bigint) as rounded
     from read_parquet(${literal(rows)}, file_row_number = true) as stored`,
  );
  const broken =
    shape.type === "csv" ? await database.scalar<number>("select count(distinct line) from broken_line") : 0;
  return {
    rows: counts?.rows ?? 0,
    leftOut: counts?.left_out ?? 0,
    rejected: counts?.rejected ?? 0,
    broken: broken ?? 0,
    rounded: counts?.rounded ?? 0,
  };
}

/**
 * Writes `line`, `column`, `reason`, `value` of everything that was rejected, and returns how to tell the line of a row. A record's
 * place among records is its line unless values before it hold line breaks or lines before it were broken; both are counted
 * here, and only here, since it takes a second read.
 */
async function writeRejects(
  database: Database,
  shape: FileShape,
  isLeftOut: string,
  rows: string,
  rejects: string,
): Promise<LineOf> {
  if (shape.lines !== null)
    return writeLineRejects(database, { ...shape, lines: shape.lines }, isLeftOut, rows, rejects);
  const isText = shape.type === "csv";
  await database.run(
    isText
      ? `create or replace temp table broken as
         select
           row_number() over (order by line) as seq,
           line - 1 - row_number() over (order by line) as pos,
           1 + length(csv_text) - length(replace(csv_text, chr(10), '')) as adds,
           lower(error_message[1:1]) || error_message[2:] as reason,
           csv_text[1:200] as value
         from (
           select line, min(error_message) as error_message, min(trim(csv_line, chr(10) || chr(13))) as csv_text
           from broken_line group by line
         )`
      : `create or replace temp table broken as
         select 1 as seq, 1 as pos, 1 as adds, '' as reason, '' as value where false`,
  );
  await database.run("drop table if exists broken_line; drop table if exists broken_scan");
  const text = `concat_ws('', ${shape.columns.map((_, i) => `c${i}`).join(", ")})`;
  const { hasBreaks } = shape;
  // What pushes the records after `pos` further down than their place says: breaks inside a record, and whole broken lines.
  await database.run(
    `create or replace temp table shift as
     select pos, cast(sum(adds) over (order by pos, seq) as bigint) as lines, seq
     from (
       select pos, seq, adds from broken
       ${
         hasBreaks
           ? `union all
       select pos, 0 as seq, length(text) - length(replace(text, chr(10), '')) as adds
       from (select row_number() over () as pos, ${text} as text from ${shape.from}) where contains(text, chr(10))`
           : ""
}
     )`,
  );
  const hasShift = (await database.scalar("select count(*) > 0 from shift")) === true;
  const place = `stored.file_row_number + 1 + ${shape.headerLines}`;
  const lineOf: LineOf = hasShift
    ? {
        line: `${place} + coalesce(shifted.lines, 0)`,
        join: "asof left join (select pos, max(lines) as lines from shift group by pos) as shifted on shifted.pos <= stored.file_row_number",
      }
    : { line: place, join: "" };
  await database.run(
    `copy (
       with wrong as (
         select ${lineOf.line} as line, unnest(${rejectsIn("stored._reject")}) as wrong
         from read_parquet(${literal(rows)}, file_row_number = true) as stored ${lineOf.join}
         where stored._reject is not null and not ${isLeftOut}
       )
       select line, wrong."column" as "column", wrong.reason as reason, wrong.value as value
       from wrong
       union all
       select
         ${shape.headerLines} + 1 + broken.pos
           + coalesce((select max(shift.lines) from shift where (shift.pos, shift.seq) < (broken.pos, broken.seq)), 0) as line,
         '' as "column",
         broken.reason,
         broken.value
       from broken
       order by line, "column"
     ) to ${literal(rejects)} (format parquet)`,
  );
  return lineOf;
}

/** The same of a file with a record a line, where a line that is no record came out as a row of nothing. */
async function writeLineRejects(
  database: Database,
  { lines }: { readonly lines: string },
  isLeftOut: string,
  rows: string,
  rejects: string,
): Promise<LineOf> {
  const numbered = (from: string): string =>
    `create or replace temp table record_line as select row_number() over (order by line) - 1 as place, line, text from ${from}`;
  try {
    await database.run(numbered(`${lines} where trim(text, ' ' || chr(9) || chr(13)) <> ''`));
  } catch (error) {
    const trouble = machineError(error);
    if (trouble !== null) throw trouble;
    // Text that is no text, a NUL say: the place of a record is all there is.
    await database.run(
      numbered(
        `(select file_row_number + 1 as line, cast(null as varchar) as text from read_parquet(${literal(rows)}, file_row_number = true))`,
      ),
    );
  }
  const lineOf: LineOf = {
    line: "record_line.line",
    join: "join record_line on record_line.place = stored.file_row_number",
  };
  await database.run(
    `copy (
       with wrong as (
         select
           record_line.line,
           case when not json_valid(text) then 'expected a JSON object, found no JSON'
             when json_type(text) <> 'OBJECT' then 'expected a JSON object, found another value' end as broken,
           text,
           stored._reject
         from read_parquet(${literal(rows)}, file_row_number = true) as stored ${lineOf.join}
         where stored._reject is not null and not ${isLeftOut}
       )
       select line, '' as "column", broken as reason, text[1:200] as value from wrong where broken is not null
       union all
       select line, item."column", item.reason, item.value
       from (select line, unnest(${rejectsIn("_reject")}) as item from wrong where broken is null)
       order by line, "column"
     ) to ${literal(rejects)} (format parquet)`,
  );
  return lineOf;
}

/** The line of the file on which a row of `stored` starts: an expression, and the join that it needs. */
interface LineOf {
  readonly line: string;
  readonly join: string;
}

/** The days that a file's name says it covers; null where its rows say it. */
function coversOf(
  source: Source,
  sourceId: string,
  file: FoundFile,
): { readonly from: string; readonly to: string } | null {
  if (typeof source.covers !== "object") return null;
  const { pattern } = source.covers;
  const day = "(\\d{4}-?\\d{2}-?\\d{2})";
  const groups: string[] = [];
  const inner = pattern
    .split(/(\{(?:from|to|day|month)\})/)
    .map((part) => {
      const match = /^\{(from|to|day|month)\}$/.exec(part);
      if (match === null) return globExpression(part).source.slice(1, -1);
      groups.push(match[1] as string);
      return match[1] === "month" ? "(\\d{4}-?\\d{2})" : day;
    })
    .join("");
  const expression = new RegExp(`^${inner}$`);
  const match = expression.exec(file.name) ?? expression.exec(basename(file.name));
  const found = new Map(groups.map((name, i) => [name, (match?.[i + 1] ?? "").replaceAll("-", "")]));
  const iso = (digits: string): string => `${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6, 8)}`;
  const month = found.get("month");
  const from = month === undefined ? iso(found.get("from") ?? found.get("day") ?? "") : iso(`${month}01`);
  const to = month === undefined ? iso(found.get("to") ?? found.get("day") ?? "") : lastOfMonth(from);
  const isDay = (text: string): boolean => !Number.isNaN(Date.parse(`${text}T00:00:00Z`));
  if (match === null || !isDay(from) || !isDay(to) || from > to) {
    throw refusedError(
      `${file.name}: its name does not say which days it covers, expected ${pattern} as source ${sourceId} says`,
    );
  }
  return { from, to };
}

function lastOfMonth(first: string): string {
  const at = new Date(`${first}T00:00:00Z`);
  if (Number.isNaN(at.getTime())) return "";
  at.setUTCMonth(at.getUTCMonth() + 1);
  return addDays(isoDate(at), -1);
}

async function tooManyRejected(
  database: Database,
  { source, file }: TakeOptions,
  rejects: string,
  rejected: number,
  total: number,
): Promise<Error> {
  const [first] = await database.query<{ line: number; column: string; reason: string; value: string | null }>(
    `select * from read_parquet(${literal(rejects)}) order by line, "column" limit 1`,
  );
  const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
  const where =
    first === undefined
      ? ""
      : `; the first: line ${first.line}${first.column === "" ? "" : `, column ${first.column}`}, ${first.reason}, found ${JSON.stringify(first.value)}`;
  return refusedError(
    `${file.name}: ${rejected} of ${total} rows have bad values (${percent(rejected / total)}), expected at most ${percent(source.max_rejected)}${where}`,
    /unicode|utf-?8/i.test(first?.reason ?? "") ? encodingHint : hintOn[first?.reason ?? ""],
  );
}

/** What most often is wrong where a whole column does not fit, by the reason of its rejects. */
const hintOn: Readonly<Record<string, string>> = {
  [`expected ${expectedText.date}`]:
    'dates are read as 2026-01-31; for another form write it, like { from: Start, format: "%d.%m.%Y" }',
  [`expected ${expectedText.time}`]:
    'times are read as 2026-01-31T09:30:00Z; for Unix times write unit: s, ms or us, for another form a format, like "%d.%m.%Y %H:%M"',
  [`expected ${expectedText.money}`]:
    'amounts are read as whole cents; for 49.90 write unit: major, for 1.234,56 € besides number: { decimal: ",", thousands: ".", strip: ["€"] }',
};

/** Rows per day: what freshness, feeds and arrival rules need, so that nobody reads all rows for it. */
async function writeDays(
  database: Database,
  entity: Entity,
  rows: string,
  days: string,
): Promise<{ readonly first_event_at: string | null; readonly last_event_at: string | null }> {
  await database.run(`copy (${daysSelect(entity, rows)}) to ${literal(days)} (format parquet)`);
  return daysRange(database, days);
}

async function daysRange(
  database: Database,
  days: string,
): Promise<{ readonly first_event_at: string | null; readonly last_event_at: string | null }> {
  const [range] = await database.query<{ first: string | null; last: string | null }>(
    `select min(first_event_at) as first, max(last_event_at) as last from read_parquet(${literal(days)})`,
  );
  return { first_event_at: range?.first ?? null, last_event_at: range?.last ?? null };
}

/** When a file was delivered, if its name or a column says so. */
async function deliveredAtOf(
  database: Database,
  source: Source,
  sourceId: string,
  file: FoundFile,
  shape: FileShape,
): Promise<string | null> {
  const { delivered } = source;
  if (delivered === undefined || delivered === "first_seen") return null;
  if (delivered.from === "file_name") {
    const inner = (part: string): string => globExpression(part).source.slice(1, -1);
    const expression = delivered.pattern
      .split(/(\{(?:date|month)\})/)
      .map((part) => (part === "{date}" ? `(${namedDay})` : part === "{month}" ? `(${namedMonth})` : inner(part)))
      .join("");
    const pattern = new RegExp(`^${expression}$`, "i");
    const match = pattern.exec(file.name) ?? pattern.exec(basename(file.name));
    const date = match === null ? null : dayOf(match[1] as string);
    if (date === null) {
      throw refusedError(
        `${file.name}: its name has no date of delivery, expected ${delivered.pattern} as source ${sourceId} says`,
      );
    }
    return `${date}T00:00:00.000Z`;
  }
  const at = shape.columns.findIndex((column) => column.name === delivered.column);
  if (at === -1) {
    throw refusedError(
      `${file.name}: column ${delivered.column} is missing, expected it for the order of deliveries of source ${sourceId}, found ${shape.columns.map((column) => column.name).join(", ")}`,
    );
  }
  const newest = await database.scalar<string>(
    `select max(try_cast(try_cast(c${at} as timestamptz) as timestamp)) from ${shape.from}`,
  );
  await database.run("drop table if exists broken_line; drop table if exists broken_scan");
  if (newest === null) {
    throw refusedError(
      `${file.name}: column ${delivered.column} holds no time, expected one for the order of deliveries of source ${sourceId}`,
    );
  }
  return new Date(`${newest.replace(" ", "T")}Z`).toISOString();
}
