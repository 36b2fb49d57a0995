/** How one file of a source becomes typed rows: its header, the mapping onto the entity, and the SQL that reads it. */
import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";
import type { Book, Source } from "../config/book.ts";
import { minorDigits } from "../config/currency.ts";
import { type ColumnType, entityOf, sqlTypes } from "../config/entities.ts";
import type { ColumnOptions } from "../config/formats.ts";
import { nearest } from "../config/yaml.ts";
import { machineError, refusedError } from "../lib/errors.ts";
import { canonicalJson, sha256 } from "../lib/files.ts";
import type { Database } from "../warehouse/database.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import { castExpression, expectedText, outOfRange } from "./casts.ts";

/** Part of every reading's name: a change of what the same bytes and mapping give is a new number. */
export const loaderVersion = 1;

/**
 * How event-sized rows are written: delta encodings, and no dictionary where most values differ. Against the engine's defaults a quarter
 * less time to write, as fast to read, smaller files.
 */
export const storeFormat = "format parquet, parquet_version v2, dictionary_size_limit 8000";

/** A column of the store: one of the entity, or one of the book's own. */
export interface Target {
  readonly name: string;
  readonly type: ColumnType;
  readonly required: boolean;
  readonly options: ColumnOptions;
  /** The mapping names a column of the file, which must then exist. */
  readonly isDeclared: boolean;
}

/** All columns that a source fills, in the order of the store: those of the entity, then the book's own. */
export function targetsOf(source: Source): readonly Target[] {
  const entity = entityOf(source.entity);
  const optionsOf = (name: string): ColumnOptions => {
    const mapping = source.columns[name];
    if (mapping === undefined) return { from: name };
    return typeof mapping === "string" ? { from: mapping } : { ...mapping, from: mapping.from ?? name };
  };
  const own = Object.keys(source.columns).filter((name) => !entity.columns.some((column) => column.name === name));
  return [
    ...entity.columns.map(({ name, type, required }) => ({ name, type, required, options: optionsOf(name) })),
    ...own.map((name) => ({
      name,
      type: optionsOf(name).type ?? ("text" as const),
      required: false,
      options: optionsOf(name),
    })),
  ].map((target) => ({
    ...target,
    isDeclared: source.columns[target.name] !== undefined || (source.key ?? []).includes(target.name),
  }));
}

/** The columns by which rows of a source repeat: declared, or the natural key of a state. */
export function keyOf(source: Source): readonly string[] {
  const entity = entityOf(source.entity);
  return source.key ?? (entity.kind === "fact" ? [] : entity.key);
}

/** Names what a mapping makes of given bytes: equal names, equal rows. */
export function readingName(book: Book, source: Source, bytesSha256: string): string {
  const mapping = { loaderVersion, entity: source.entity, targets: targetsOf(source), formats: source.formats };
  const dates = { inclusive: source.inclusive, minorDigits: minorDigits(book.currency) };
  return sha256(canonicalJson([bytesSha256, mapping, dates])).slice(0, 32);
}

/** What a file turned out to be, before any of its rows is read. */
export interface FileShape {
  /** `from` clause that yields the columns `c0`, `c1`, ... in the file's own order. */
  readonly from: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** Lines of the file before its first record: 1 for a header, 0 for Parquet. */
  readonly headerLines: number;
  readonly isText: boolean;
}

/** Looks at the header of a file. Throws a refusal when there is none or the file is not what its name says. */
export async function lookAt(database: Database, path: string, shown: string, source: Source): Promise<FileShape> {
  try {
    return /\.(parquet|pq)$/i.test(path) ? await lookAtParquet(database, path) : await lookAtText(path, source);
  } catch (error) {
    throw unreadable(shown, error);
  }
}

/** DuckDB's complaint about a file as one sentence. */
export function unreadable(shown: string, error: unknown): Error {
  // The machine's own trouble, a full disk above all, is not the file's.
  const trouble = machineError(error);
  if (trouble?.exitCode === 2) return trouble;
  const message = error instanceof Error ? error.message : String(error);
  if (/not utf-8 encoded|not valid for encoding utf-8/.test(message))
    return refusedError(`${shown}: cannot be read: expected UTF-8 text, found another encoding`);
  return refusedError(`${shown}: cannot be read: ${(message.split("\n")[0] ?? "").replace(/^[A-Za-z ]+ Error: /, "")}`);
}

async function lookAtParquet(database: Database, path: string): Promise<FileShape> {
  const file = `read_parquet([${literal(path)}], file_row_number = false)`;
  const columns = await database.describe(`select * from ${file}`);
  const renamed = columns.map(({ name }, i) => `${quoteIdentifier(name)} as c${i}`).join(", ");
  return { from: `(select ${renamed} from ${file})`, columns, headerLines: 0, isText: false };
}

async function lookAtText(path: string, source: Source): Promise<FileShape> {
  const quote = source.formats.quote ?? '"';
  const header = await firstLine(path);
  if (header.trim() === "") throw new Error("it has no header line");
  const delimiter = source.formats.delimiter ?? likelyDelimiter(header, quote);
  const names = splitRecord(header, delimiter, quote);
  const options = [
    "auto_detect = false",
    "header = true",
    `delim = ${literal(delimiter)}`,
    `quote = ${literal(quote)}`,
    `escape = ${literal(quote)}`,
    `nullstr = [${source.formats.nulls.map(literal).join(", ")}]`,
    `columns = {${names.map((_, i) => `'c${i}': 'varchar'`).join(", ")}}`,
    "store_rejects = true",
    "rejects_table = 'broken_line'",
    "rejects_scan = 'broken_scan'",
    "rejects_limit = 0",
  ];
  return {
    from: `read_csv(${literal(path)}, ${options.join(", ")})`,
    columns: names.map((name) => ({ name, type: "VARCHAR" })),
    headerLines: 1,
    isText: true,
  };
}

/** The first line of a text file, without its byte order mark. Bytes further down are for the reading itself to judge. */
async function firstLine(path: string): Promise<string> {
  const file = createReadStream(path);
  const bytes = /\.gz$/i.test(path) ? file.pipe(createGunzip()) : file;
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of bytes as AsyncIterable<Buffer>) {
      const end = chunk.indexOf("\n");
      chunks.push(end === -1 ? chunk : chunk.subarray(0, end));
      if (end !== -1 || chunks.length > 100) break;
    }
  } finally {
    file.destroy();
  }
  return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks)).replace(/\r$/, "");
}

/** Of comma, semicolon, tab and bar, the one that splits a header into most names; comma on a tie. */
export function likelyDelimiter(header: string, quote: string): string {
  const counts = [",", ";", "\t", "|"].map((delimiter) => ({
    delimiter,
    n: splitRecord(header, delimiter, quote).length,
  }));
  return counts.reduce((best, next) => (next.n > best.n ? next : best)).delimiter;
}

/** The fields of one line; quotes are doubled inside quotes. */
export function splitRecord(line: string, delimiter: string, quote: string): readonly string[] {
  const fields: string[] = [];
  let field = "";
  let quoted = false;
  for (let i = 0; i < line.length; i += 1) {
    if (quoted) {
      if (line[i] !== quote) field += line[i];
      else if (line[i + 1] === quote) {
        field += quote;
        i += 1;
      } else quoted = false;
    } else if (line[i] === quote && field === "") quoted = true;
    else if (line.startsWith(delimiter, i)) {
      fields.push(field);
      field = "";
      i += delimiter.length - 1;
    } else field += line[i];
  }
  return [...fields, field].map((name) => name.trim());
}

export interface BoundTarget extends Target {
  /** `c3`, the column of the file; null when one value stands for all rows or the file has no such column. */
  readonly column: string | null;
  readonly fileColumn: string;
  readonly fileType: string;
}

/** Finds each target's column in a file, or refuses the file: file, column, what was expected, what was found. */
export function bind(
  source: Source,
  sourceId: string,
  shape: FileShape,
  shown: string,
): { readonly targets: readonly BoundTarget[]; readonly ignored: readonly string[] } {
  const names = shape.columns.map((column) => column.name);
  const used = new Set<number>();
  const targets = targetsOf(source).map((target): BoundTarget => {
    if (target.options.value !== undefined)
      return { ...target, column: null, fileColumn: target.name, fileType: "VARCHAR" };
    const wanted = target.options.from ?? target.name;
    const at = names.indexOf(wanted);
    if (at === -1 && (target.required || target.isDeclared)) {
      const near = nearest(wanted, names);
      throw refusedError(
        `${shown}: column ${wanted} is missing, expected it for ${target.name} of source ${sourceId}, found ${names.join(", ")}`,
        near === undefined
          ? undefined
          : `if ${near} is the same, write ${target.name}: ${near} under sources.${sourceId}.columns`,
      );
    }
    if (at !== -1) used.add(at);
    return {
      ...target,
      column: at === -1 ? null : `c${at}`,
      fileColumn: wanted,
      fileType: at === -1 ? "VARCHAR" : (shape.columns[at]?.type ?? "VARCHAR"),
    };
  });
  return { targets, ignored: names.filter((_, i) => !used.has(i)) };
}

/** What can be wrong with a row, as SQL. */
interface Check {
  readonly when: string;
  /** The column of the file. */
  readonly column: string;
  readonly reason: string;
  readonly value: string;
}

/**
 * The select that reads a file once: typed columns, `_line` (null: the record's place says it, see `load.ts`) and `_reject`,
 * null for a good row and otherwise the list of what is wrong with it.
 */
export function readingSelect(
  source: Source,
  shape: FileShape,
  targets: readonly BoundTarget[],
  currency: string,
): string {
  const defaults = { ...source.formats, minorDigits: minorDigits(currency) };
  const raw = targets.flatMap((target, i) =>
    target.column === null ? [] : [`${rawValue(target.column, target)} as r${i}`],
  );
  const typed = targets.map((target, i) => {
    const { name, type, column, options } = target;
    const constant = options.value === undefined ? "null" : literal(String(options.value));
    const from = column === null ? constant : `r${i}`;
    const cast = from === "null" ? from : castExpression(from, target.fileType, type, options, defaults);
    // An inclusive end names the last day; here an end is the first day after.
    const shifted = name === "ended_on" && source.inclusive ? `${cast} + 1` : cast;
    return `cast(${shifted} as ${sqlTypes[type]}) as ${quoteIdentifier(name)}`;
  });
  const checks = targets.flatMap((target, i) => checksOf(target, `r${i}`));
  const { oneOf } = entityOf(source.entity);
  if (oneOf.length > 0) {
    checks.push({
      when: oneOf.map((name) => `${quoteIdentifier(name)} is null`).join(" and "),
      column: oneOf.join(", "),
      reason: "expected at least one of these columns, found none",
      value: "null",
    });
  }
  const passed = targets.flatMap((target, i) => (target.column === null ? [] : [`r${i}`]));
  return (
    `with file_row as (select ${[...raw, "1 as one"].join(", ")} from ${shape.from} as file), ` +
    `typed_row as (select ${[...typed, ...passed].join(", ")} from file_row) ` +
    `select ${targets.map(({ name }) => quoteIdentifier(name)).join(", ")}, cast(null as bigint) as _line, ` +
    `${rejectExpression(checks)} as _reject from typed_row`
  );
}

function checksOf({ name, type, column, required, fileColumn }: BoundTarget, raw: string): readonly Check[] {
  if (column === null) return [];
  const checks: Check[] = [];
  if (required) {
    checks.push({
      when: `${raw} is null`,
      column: fileColumn,
      reason: "expected a value, found nothing",
      value: "null",
    });
  }
  if (type !== "text") {
    const typed = quoteIdentifier(name);
    const far = type === "date" || type === "time" ? ` or ${outOfRange(typed)}` : "";
    checks.push({
      when: `${raw} is not null and (${typed} is null${far})`,
      column: fileColumn,
      reason: `expected ${expectedText[type]}`,
      value: `cast(${raw} as varchar)`,
    });
  }
  return checks;
}

function rejectExpression(checks: readonly Check[]): string {
  const type = 'struct("column" varchar, reason varchar, value varchar)';
  if (checks.length === 0) return `cast(null as ${type}[])`;
  const found = checks.map(
    ({ when, column, reason, value }) =>
      `case when ${when} then struct_pack("column" := ${literal(column)}, reason := ${literal(reason)}, value := cast(${value} as varchar)) end`,
  );
  const any = checks.map(({ when }) => `(${when})`).join(" or ");
  return `case when ${any} then list_filter([${found.join(", ")}], lambda wrong: wrong is not null) end`;
}

/** The value of the file with the column's own words for "nothing" taken out; NaN and infinities are nothing too. */
function rawValue(column: string, { fileType, options, type }: BoundTarget): string {
  const isText = fileType === "VARCHAR";
  if (fileType === "DOUBLE" || fileType === "FLOAT") return `case when isfinite(${column}) then ${column} end`;
  const tokens = [...(options.nulls ?? [])];
  if (isText && (type === "integer" || type === "number" || type === "money"))
    tokens.push("nan", "NaN", "inf", "-inf", "Infinity", "-Infinity");
  if (tokens.length === 0) return column;
  const text = isText ? column : `cast(${column} as varchar)`;
  return `case when ${text} not in (${tokens.map(literal).join(", ")}) then ${column} end`;
}
