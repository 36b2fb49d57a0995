/** What a file turned out to be, before any of its rows is read: its columns, and the SQL that yields them. */
import type { Source } from "../config/book.ts";
import { entityOf } from "../config/entities.ts";
import type { Formats } from "../config/formats.ts";
import { AssayError, machineError, refusedError } from "../lib/errors.ts";
import type { Database } from "../warehouse/database.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import { type FileKind, hasOwnZstd, kindOf, maxLineOf } from "./bytes.ts";
import { delimiterOf, type Prepared, prepare, splitRecord } from "./prepare.ts";
import { namesOf, pointer, targetsOf } from "./reading.ts";

export interface FileShape {
  /** `from` clause that yields the columns `c0`, `c1`, ... in the file's own order. */
  readonly from: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** Lines of the file before its first record: 1 for a header, 0 for Parquet. */
  readonly headerLines: number;
  readonly type: FileKind["type"];
  /** JSON: a record a line, each of which may be broken. */
  readonly isLines: boolean;
  /** Records that must come out of it, well or broken; null where the engine's word is all there is. */
  readonly records: number | null;
  /** CSV: line breaks stand inside quotes. */
  readonly hasBreaks: boolean;
  /** CSV: the same rows once more, without listing the broken lines. */
  readonly again: string | null;
  /** Relation of the raw lines, `line` and `text`, to tell what is wrong with one; null where records are no lines. */
  readonly lines: string | null;
}

/** Looks at a file. `copy`: where a plain copy of a text may be written. Throws a refusal when it is not what it should be. */
export async function lookAt(
  database: Database,
  path: string,
  shown: string,
  source: Source,
  copy: string,
): Promise<FileShape> {
  const { formats } = source;
  const kind = await kindOf(path, shown, formats);
  try {
    if (kind.type === "parquet") return await parquetShape(database, path);
    if (kind.compression === "zstd" && !hasOwnZstd) await checkZstd(database, path, shown);
    const prepared = await prepare({ path, shown, kind, formats, copy });
    return kind.type === "csv" ? textShape(prepared, formats) : await jsonShape(database, prepared, source);
  } catch (error) {
    throw unreadable(shown, error);
  }
}

/** The engine knows a checksum that is wrong; whatever else it finds is told better later. */
async function checkZstd(database: Database, path: string, shown: string): Promise<void> {
  try {
    await database.run(
      `create or replace temp table zstd_line as select count(*) as n from read_csv(${literal(path)}, auto_detect = false, header = false, delim = '\u0001',
         quote = '', escape = '', columns = {'line': 'varchar'}, compression = 'zstd', ignore_errors = true)`,
    );
  } catch (error) {
    if (/checksum/i.test(String(error)))
      throw refusedError(
        `${shown}: cannot be read: it is cut short or damaged, its checksum is that of other bytes`,
        "fetch it again",
      );
  }
}

/** DuckDB's complaint about a file as one sentence. */
export function unreadable(shown: string, error: unknown): Error {
  if (error instanceof AssayError || (error as NodeJS.ErrnoException).code === "ENOENT") return error as Error;
  // The machine's own trouble, a full disk above all, is not the file's.
  const trouble = machineError(error);
  if (trouble?.exitCode === 2) return trouble;
  const message = error instanceof Error ? error.message : String(error);
  if (/not utf-8 encoded|not valid for encoding utf-8|invalid utf-?8|invalid unicode/i.test(message))
    return refusedError(`${shown}: cannot be read: expected UTF-8 text, found another encoding`, encodingHint);
  if (/state machine reached an invalid state/.test(message)) {
    return refusedError(
      `${shown}: cannot be read: expected lines that all end in LF or in CRLF, found a CR alone among them`,
      "or its quotes are not as formats of its source say",
    );
  }
  const said = (message.split("\n")[0] ?? "")
    .replace(/^[A-Za-z ]+ Error: /, "")
    .replaceAll(/(["'])[^"']*\/([^"'/]+)\1/g, "$2");
  if (/malformed json|json transform/i.test(said)) {
    const where = said
      .replace(/ in file [^,]*,/, "")
      .replace(/\s*Try auto-detecting.*$/, "")
      .replace(/[.\s]+$/, "");
    return refusedError(
      `${shown}: cannot be read: expected one JSON object a line, or one array of objects, found ${where.replace(/^M/, "m")}`,
    );
  }
  return refusedError(`${shown}: cannot be read: ${said}`);
}

export const encodingHint = "if it comes from Windows, write formats: { encoding: windows-1252 } under its source";

async function parquetShape(database: Database, path: string): Promise<FileShape> {
  const file = `read_parquet([${literal(path)}], file_row_number = false)`;
  const columns = await database.describe(`select * from ${file}`);
  const renamed = columns.map(({ name }, i) => `${quoteIdentifier(name)} as c${i}`).join(", ");
  return {
    from: `(select ${renamed} from ${file})`,
    columns,
    headerLines: 0,
    type: "parquet",
    isLines: false,
    records: null,
    hasBreaks: false,
    again: null,
    lines: null,
  };
}

function textShape(prepared: Prepared, formats: Formats): FileShape {
  const quote = formats.quote ?? '"';
  const { first, path, compression } = prepared;
  if (formats.header === undefined && (first ?? "").trim() === "") throw refusedHeader(prepared);
  if (first?.includes("\ufffd") === true) throw new Error("not utf-8 encoded");
  const delimiter = delimiterOf(first ?? "", formats);
  const names = formats.header ?? splitRecord(first ?? "", delimiter, quote);
  const hasHeader = formats.header === undefined;
  const maxLine = maxLineOf(formats);
  const options = [
    "auto_detect = false",
    `header = ${hasHeader}`,
    `skip = ${formats.skip_lines}`,
    `delim = ${literal(delimiter)}`,
    `quote = ${literal(quote)}`,
    `escape = ${literal(formats.escape ?? quote)}`,
    `nullstr = [${formats.nulls.map(literal).join(", ")}]`,
    `columns = {${names.map((_, i) => `'c${i}': 'varchar'`).join(", ")}}`,
    `compression = ${literal(compression)}`,
    `max_line_size = ${maxLine}`,
    `buffer_size = ${Math.max(32_000_000, 2 * maxLine)}`,
  ];
  const listed = [
    "store_rejects = true",
    "rejects_table = 'broken_line'",
    "rejects_scan = 'broken_scan'",
    "rejects_limit = 0",
  ];
  return {
    from: `read_csv(${literal(path)}, ${[...options, ...listed].join(", ")})`,
    again: `read_csv(${literal(path)}, ${[...options, "ignore_errors = true"].join(", ")})`,
    columns: names.map((name) => ({ name, type: "VARCHAR" })),
    headerLines: formats.skip_lines + (hasHeader ? prepared.firstLines - formats.skip_lines : 0),
    type: "csv",
    isLines: false,
    // A blank line of one column may be a row or none.
    records: names.length === 1 || prepared.records === null ? null : prepared.records - (hasHeader ? 1 : 0),
    hasBreaks: prepared.hasBreaks,
    lines: null,
  };
}

const refusedHeader = ({ records }: Prepared): Error =>
  new Error(records === 0 ? "it is empty, expected a header line" : "it has no header line");

/** So many records tell which keys there are. */
const sampledRecords = 20_000;

async function jsonShape(database: Database, prepared: Prepared, source: Source): Promise<FileShape> {
  const { formats } = source;
  const { path, compression, isArray } = prepared;
  const options = [
    `format = ${literal(isArray ? "array" : "newline_delimited")}`,
    `compression = ${literal(compression === "none" ? "uncompressed" : compression)}`,
    `maximum_object_size = ${maxLineOf(formats)}`,
    ...(isArray ? [] : ["ignore_errors = true"]),
  ].join(", ");
  const file = literal(path);
  const found = await database.query<{ key: string }>(
    `select key from (
       select unnest(json_keys(json)) as key
       from (select json from read_json(${file}, ${options}, records = false, columns = {json: 'json'}) limit ${sampledRecords})
       where json_type(json) = 'OBJECT'
     ) group by key order by key`,
  );
  const keys = found.map(({ key }) => key);
  const wanted = [
    ...new Set([
      ...targetsOf(source).flatMap((target) =>
        target.options.value !== undefined
          ? []
          : [...namesOf(target), target.options.clock].flatMap((name) => name ?? []),
      ),
      ...(typeof source.delivered === "object" && source.delivered.from === "column" ? [source.delivered.column] : []),
      ...Object.keys(source.keep),
      ...Object.keys(source.drop),
    ]),
  ];
  // Records that name no other id map nothing, be it all of a file's.
  const isMap = entityOf(source.entity).kind === "map";
  const required = new Set(
    targetsOf(source).flatMap((target) =>
      target.required && !isMap && namesOf(target).length === 1 ? namesOf(target) : [],
    ),
  );
  const pathOf = (name: string): readonly string[] =>
    keys.includes(name) || !name.includes(".") ? [name] : name.split(".");
  // A key that no record of the sample has may come later; one that every row needs must be there.
  const read = wanted.filter(
    (name) => keys.length === 0 || keys.includes(pathOf(name)[0] as string) || !required.has(name),
  );
  const paths = read.map(pathOf);
  const tops = [...new Set(paths.map(([top]) => top as string))];
  const columns = tops.map((top) => {
    const below = paths.filter((parts) => parts[0] === top).map((parts) => parts.slice(1));
    return { top, type: typeOf(below) };
  });
  const hasCaseTwins = new Set(tops.map((top) => top.toLowerCase())).size < tops.length;
  const lines = isArray
    ? null
    : `(select ${lineOf("n", prepared.blanks)} as line, text from (select row_number() over () as n, text from read_csv(${file}, auto_detect = false, header = false, delim = '', quote = '', escape = '',
         nullstr = [chr(1)], columns = {text: 'varchar'}, compression = ${literal(compression)}, max_line_size = ${maxLineOf(formats)},
         buffer_size = ${Math.max(32_000_000, 2 * maxLineOf(formats))})))`;
  const facts = {
    columns: [
      ...read.map((name) => ({ name, type: "VARCHAR" })),
      ...keys.filter((key) => !tops.includes(key)).map((name) => ({ name, type: "VARCHAR" })),
    ],
    headerLines: 0,
    type: "json" as const,
    isLines: !isArray,
    records: prepared.records,
    hasBreaks: false,
    again: null,
    lines,
  };
  if (read.length === 0 || hasCaseTwins) {
    const values = paths.map((parts, i) => `json_extract_string(json, ${literal(pointer(parts))}) as c${i}`);
    return {
      ...facts,
      from: `(select ${["1 as one", ...values].join(", ")} from read_json(${file}, ${options}, records = false, columns = {json: 'json'}))`,
    };
  }
  const values = paths.map((parts, i) => {
    const [top, ...rest] = parts as [string, ...string[]];
    const column = quoteIdentifier(top);
    const isJson = columns.find((one) => one.top === top)?.type === "json";
    if (rest.length === 0) return isJson ? `json_extract_string(${column}, '$') as c${i}` : `${column} as c${i}`;
    return isJson
      ? `json_extract_string(${column}, ${literal(pointer(rest))}) as c${i}`
      : `${[column, ...rest.map(quoteIdentifier)].join(".")} as c${i}`;
  });
  const typed = columns.map(({ top, type }) => `${literal(top)}: ${literal(type)}`).join(", ");
  return { ...facts, from: `(select ${values.join(", ")} from read_json(${file}, ${options}, columns = {${typed}}))` };
}

/** The line of the n-th record. */
const lineOf = (n: string, blanks: readonly number[]): string =>
  blanks.length === 0 ? n : `${n} + len(list_filter([${blanks.join(", ")}], lambda before: before < ${n}))`;

/** A type that reads only what is asked for below a key: a struct, or JSON where the key itself is wanted too or a list is looked into. */
function typeOf(below: readonly (readonly string[])[]): string {
  if (below.every((parts) => parts.length === 0)) return "varchar";
  const names = below.map(([name]) => name ?? "");
  const twins = new Set(names.map((name) => name.toLowerCase())).size < new Set(names).size;
  if (twins || names.some((name) => name === "" || /^\d+$/.test(name))) return "json";
  const fields = [...new Set(names)].map((name) => {
    const type = typeOf(below.filter((parts) => parts[0] === name).map((parts) => parts.slice(1)));
    return type === "json" ? null : `${quoteIdentifier(name)} ${type}`;
  });
  return fields.includes(null) ? "json" : `struct(${fields.join(", ")})`;
}
