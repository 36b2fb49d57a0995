/** What the columns of a table hold, counted by the engine over a sample of its rows. */
import { createReadStream, createWriteStream } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import type { Database } from "../warehouse/database.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import type { ExportFile, Table } from "./tables.ts";

/** Counts over the values of a column that are given; `share` fields are counts, too. */
export interface Profile {
  readonly name: string;
  readonly rows: number;
  /** Rows with a value, null tokens left out. */
  readonly filled: number;
  readonly distinct: number;
  readonly min: string | null;
  readonly max: string | null;
  /** The most frequent values, then by text. */
  readonly common: readonly string[];
  readonly commonCounts: readonly number[];
  readonly longest: number;
  readonly integer: number;
  readonly decimalPoint: number;
  readonly decimalComma: number;
  readonly thousandsComma: number;
  readonly thousandsDot: number;
  readonly thousandsSpace: number;
  readonly thousandsQuote: number;
  readonly currency: number;
  readonly parentheses: number;
  readonly percent: number;
  readonly boolean: number;
  readonly isoDate: number;
  readonly isoTime: number;
  readonly zoned: number;
  readonly epochS: number;
  readonly epochMs: number;
  readonly epochUs: number;
  /** 31/12/2024 and the like. */
  readonly slashed: number;
  readonly firstField: number | null;
  readonly secondField: number | null;
  readonly compactDate: number;
  readonly wordDate: number;
  readonly email: number;
  readonly domain: number;
  readonly json: number;
  /** Texts that stand for nothing beside the ones that Assay knows. */
  readonly nothings: readonly string[];
  /** Texts that say of a date that there is none yet (`ongoing`), and how many values they are. */
  readonly endless: readonly string[];
  readonly endlessCount: number;
  /** Texts that head a line of sums. */
  readonly sums: readonly string[];
}

/** Beyond this many rows of a table nothing is looked at. */
const mostRows = 300_000;
const mostFiles = 24;
const mostColumns = 400;

/** What stands in the line of a spreadsheet that adds up the lines above it. */
const totals =
  "(grand total|(sub)?[ -]?totals?|sums?|summen?|gesamt(summe|ergebnis)?|zwischensumme|insgesamt|sous-total|somme|totale)( *[:=(].*)?";

/** What people write where an end has no date yet. In a column of anything else these are words like others. */
const endless = [
  "open",
  "open-ended",
  "open ended",
  "ongoing",
  "active",
  "current",
  "present",
  "never",
  "unlimited",
  "evergreen",
  "indefinite",
  "tbd",
  "auto-renew",
  "unbefristet",
  "laufend",
  "offen",
  "aktiv",
  "nie",
  "kein",
  "keine",
  "keins",
  "k.a.",
  "k. a.",
  "ohne",
  "bis auf weiteres",
  "en cours",
  "indefinido",
];

/** Texts that mean that nothing is known, beside those that a book knows by default. */
const nothings = [
  "n/a",
  "NA",
  "na",
  "-",
  "--",
  "none",
  "None",
  "NONE",
  "NaN",
  "nan",
  "NaT",
  "#N/A",
  "nil",
  "Null",
  "(null)",
  "undefined",
  "?",
  "0000-00-00",
  "0000-00-00 00:00:00",
];
const knownNothings = ["", "NULL", "null", "N/A", "\\N"];

/**
 * Reads the rows of a table, all columns as text, into `name`. Returns how many rows that are and whether they are all. Files in an
 * encoding that the engine does not read are written into `scratch` as UTF-8 first.
 */
export async function readSample(
  database: Database,
  table: Table,
  name: string,
  scratch: string,
): Promise<{ readonly rows: number; readonly isWhole: boolean; readonly files: number }> {
  const files = spread(table.files, mostFiles);
  const columns = table.columns.slice(0, mostColumns);
  await database.run(
    `create or replace table ${name} (${columns.map((column) => `${quoteIdentifier(column)} varchar`).join(", ")})`,
  );
  let rows = 0;
  const share = Math.ceil(mostRows / files.length);
  for (const file of files) {
    const inner = new Set(table.inner);
    // What this file calls a column that was renamed.
    const own = (column: string): string =>
      table.renamed[column]?.find((name) => file.columns.includes(name)) ?? column;
    const plain = columns.filter((column) => !inner.has(column)).map(own);
    const from = await relation(database, file, plain, scratch);
    const values = columns.map((column) =>
      inner.has(column) ? insideOf(column, plain) : quoteIdentifier(own(column)),
    );
    await database.run(`insert into ${name} select ${values.join(", ")} from ${from} limit ${share}`);
    const now = (await database.scalar<number>(`select count(*) from ${name}`)) ?? 0;
    if (now - rows >= share) {
      rows = now;
      if (rows >= mostRows) break;
    } else rows = now;
  }
  return { rows, isWhole: files.length === table.files.length && rows < mostRows, files: files.length };
}

/** The value at a path into the JSON text of a column. */
function insideOf(path: string, columns: readonly string[]): string {
  const outer = columns.find((column) => path.startsWith(`${column}.`)) as string;
  const steps = path.slice(outer.length + 1).split(".");
  const pointer = steps.map((step) => `/${step.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
  return `json_extract_string(try_cast(${quoteIdentifier(outer)} as json), ${literal(pointer)})`;
}

/** The first, the last, and others between them at equal distances. */
function spread<T>(items: readonly T[], most: number): readonly T[] {
  if (items.length <= most) return items;
  return Array.from({ length: most }, (_, i) => items[Math.round((i * (items.length - 1)) / (most - 1))] as T);
}

/** A relation with the wanted columns of a file as texts. Rows that cannot be split are left out here; loading counts them. */
async function relation(
  database: Database,
  file: ExportFile,
  columns: readonly string[],
  scratch: string,
): Promise<string> {
  const { sniffed } = file;
  if (sniffed.kind === "parquet") {
    const typed = await database.describe(`select * from read_parquet(${literal(file.path)})`);
    const parts = columns.map((column) => {
      const type = typed.find(({ name }) => name === column)?.type;
      const value = quoteIdentifier(column);
      const nested = type !== undefined && /^(struct|map)/i.test(type) ? `to_json(${value})` : value;
      return `${type === undefined ? "null" : `cast(${nested} as varchar)`} as ${value}`;
    });
    return `(select ${parts.join(", ")} from read_parquet(${literal(file.path)}))`;
  }
  const isMixed = sniffed.kind === "csv" && sniffed.text.hasMixedEnds && sniffed.compression !== "zstd";
  const isPlain = sniffed.encoding === "utf-8" && !isMixed;
  const path = isPlain ? file.path : await asUtf8(file, scratch);
  if (sniffed.kind === "json") {
    const values = columns.map((column) => {
      const steps = column
        .split(".")
        .map((step) => `."${step.replaceAll('"', "")}"`)
        .join("");
      return `json ->> ${literal(`$${steps}`)} as ${quoteIdentifier(column)}`;
    });
    if (sniffed.list !== null) {
      const steps = sniffed.list
        .split(".")
        .map((step) => `."${step.replaceAll('"', "")}"`)
        .join("");
      return `(select ${values.join(", ")} from (select unnest(json_extract(json, ${literal(`$${steps}[*]`)})) as json from read_json_objects(${literal(path)}, format = 'unstructured', maximum_object_size = ${Math.max(67108864, file.bytes + 1000)})))`;
    }
    return `(select ${values.join(", ")} from read_json_objects(${literal(path)}, format = '${sniffed.head.startsWith("[") ? "array" : "newline_delimited"}', ${sniffed.head.startsWith("[") ? "" : "ignore_errors = true, "}maximum_object_size = 67108864))`;
  }
  const own = uniqueNames(sniffed.text.columns);
  const typed = own.map((column) => `${literal(column)}: 'varchar'`).join(", ");
  const options = [
    "auto_detect = false",
    "header = true",
    `skip = ${sniffed.text.skipLines}`,
    `delim = ${literal(sniffed.text.delimiter)}`,
    `quote = '"'`,
    `escape = '"'`,
    "ignore_errors = true",
    "null_padding = true",
    "parallel = false",
    "max_line_size = 33554432",
    `columns = {${typed}}`,
  ];
  return `read_csv(${literal(path)}, ${options.join(", ")})`;
}

/** Names as the engine wants them: none twice, none empty; the first of a name keeps it. */
export function uniqueNames(names: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  return names.map((name, i) => {
    const free = name === "" || seen.has(name.toLowerCase()) ? `${name}_${i}_` : name;
    seen.add(free.toLowerCase());
    return free;
  });
}

async function asUtf8(file: ExportFile, scratch: string): Promise<string> {
  const { sniffed } = file;
  const out = join(scratch, `${Buffer.from(file.name).toString("hex").slice(-100)}.txt`);
  const encoding = sniffed.kind === "parquet" ? "utf-8" : sniffed.encoding;
  const bytes = createReadStream(file.path);
  const unpacked = sniffed.kind !== "parquet" && sniffed.compression === "gzip" ? bytes.pipe(createGunzip()) : bytes;
  let decoder: TextDecoder | undefined;
  // One kind of line end, since the engine reads only one; a CR at the end of a piece waits for what follows it.
  let held = "";
  const texts = async function* (): AsyncGenerator<string> {
    for await (const chunk of unpacked as AsyncIterable<Buffer>) {
      decoder ??= new TextDecoder(
        encoding === "utf-16"
          ? chunk[0] === 0xfe || (chunk[0] === 0 && chunk[1] !== 0)
            ? "utf-16be"
            : "utf-16le"
          : encoding === "utf-8"
            ? "utf-8"
            : "windows-1252",
      );
      const text = held + decoder.decode(chunk, { stream: true });
      held = text.endsWith("\r") ? "\r" : "";
      yield (held === "" ? text : text.slice(0, -1)).replaceAll("\r\n", "\n");
    }
    yield held;
  };
  await pipeline(Readable.from(texts()), createWriteStream(out));
  return out;
}

/**
 * Lines of sums among the rows of a sample: the column that says so and its texts. Such a line is seldom, and lacks a value that all others have.
 */
export async function sumsIn(
  database: Database,
  name: string,
  profiles: readonly Profile[],
  files: number,
): Promise<Readonly<Record<string, readonly string[]>>> {
  const full = profiles.filter(({ filled, rows }) => filled < rows && filled >= rows - Math.max(10 * files, rows / 20));
  const words = profiles.filter(({ sums }) => sums.length > 0);
  const found: Record<string, readonly string[]> = {};
  for (const { name: column, sums } of words) {
    const value = `trim(${quoteIdentifier(column)})`;
    const lacks = full
      .filter((one) => one.name !== column)
      .map((one) => `coalesce(trim(${quoteIdentifier(one.name)}), '') = ''`);
    if (lacks.length === 0) continue;
    const rows = await database.query<{ v: string; n: number; bare: boolean }>(
      `select ${quoteIdentifier(column)} as v, count(*) as n, bool_and(${lacks.join(" or ")}) as bare from ${name}
       where ${value} in (${sums.map(literal).join(", ")}) group by all order by v`,
    );
    const own = rows.filter(({ n, bare }) => bare && n <= 12 * files).map(({ v }) => v);
    if (own.length > 0) found[column] = own;
  }
  return found;
}

/** Profiles of the columns of a sample, in the order of the table. */
export async function profileColumns(database: Database, table: Table, name: string): Promise<readonly Profile[]> {
  const columns = table.columns.slice(0, mostColumns);
  const rows = (await database.scalar<number>(`select count(*) from ${name}`)) ?? 0;
  const profiles: Profile[] = [];
  for (let at = 0; at < columns.length; at += 50) {
    const some = columns.slice(at, at + 50);
    const found = await database.query<Record<string, unknown>>(profileSelect(name, some));
    for (const [i, column] of some.entries())
      profiles.push(toProfile(column, rows, found.find((row) => row.no === i) ?? {}));
  }
  return profiles;
}

/** What is written beside amounts besides codes of three letters, as a regular expression: the longer of two first. */
export const currencySigns = "R[$]|US[$]|zł|kr|[$€£¥₹]";

/** One row a column with any value: every different value is looked at once, and counts as often as it occurs. */
function profileSelect(table: string, columns: readonly string[]): string {
  const counted: Readonly<Record<string, string>> = {
    integer: matches("[+-]?[0-9]{1,18}"),
    decimal_point: matches("[+-]?[0-9]*[.][0-9]+([eE][+-]?[0-9]+)?|[+-]?[0-9]+([.][0-9]*)?[eE][+-]?[0-9]+"),
    decimal_comma: matches("[+-]?[0-9]{1,3}([. \u00a0\u202f’'][0-9]{3})*,[0-9]{1,4}|[+-]?[0-9]+,[0-9]{1,2}", "bare"),
    thousands_comma: matches("[+-]?[0-9]{1,3}(,[0-9]{3})+([.][0-9]+)?", "bare"),
    thousands_dot: matches("[+-]?[0-9]{1,3}([.][0-9]{3})+(,[0-9]+)?", "bare"),
    thousands_space: matches("[+-]?[0-9]{1,3}([ \u00a0\u202f][0-9]{3})+([.,][0-9]+)?", "bare"),
    thousands_quote: matches("[+-]?[0-9]{1,3}([’'][0-9]{3})+([.][0-9]+)?", "bare"),
    currency:
      "bare <> v and regexp_matches(v, '[0-9]') and regexp_full_match(bare, '[+-]?[0-9][0-9., ’''\u00a0\u202f]*')",
    parentheses: matches("[(][^)]*[0-9][^)]*[)]"),
    percent: matches("[+-]?[0-9][0-9.,]* ?%"),
    boolean: "lower(v) in ('true', 'false', 't', 'f', 'yes', 'no', 'y', 'n', '0', '1', 'on', 'off', 'ja', 'nein')",
    iso_date: matches("[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    iso_time: matches("[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{1,2}:[0-9]{2}.*"),
    zoned: matches("[0-9]{4}-[0-9]{2}-[0-9]{2}[T ].*(Z|UTC|[+-][0-9]{2}:?[0-9]{0,2})"),
    epoch_s: "whole between 946684800 and 4102444800",
    epoch_ms: "whole between 946684800000 and 4102444800000",
    epoch_us: "whole between 946684800000000 and 4102444800000000",
    slashed: "p <> ''",
    compact_date: "whole between 19700101 and 20991231 and length(v) = 8 and try_strptime(v, '%Y%m%d') is not null",
    word_date: matches("([0-9]{1,2}[- ][A-Za-z]{3,9}[- ,]+[0-9]{2,4}|[A-Za-z]{3,9} [0-9]{1,2},? [0-9]{4}).*"),
    email: matches("[^@ ]+@[^@ ]+[.][A-Za-z]{2,}"),
    domain: matches("(https?://)?([A-Za-z0-9-]+[.])+[A-Za-z]{2,}(/.*)?"),
    json: matches("[{\\[].*[}\\]]"),
  };
  const counts = Object.entries(counted).map(
    ([key, condition]) => `cast(coalesce(sum(n) filter (where ${condition}), 0) as bigint) as ${key}`,
  );
  const named = columns.map((column, i) => `${quoteIdentifier(column)} as c${i}`).join(", ");
  const list = columns.map((_, i) => `c${i}`).join(", ");
  return `with long as (
      unpivot (select ${named} from ${table}) on ${list} into name column_name value v
    ), given as (
      select cast(substr(column_name, 2) as integer) as no, trim(v) as v, count(*) as n from long group by all
    ), value as (
      select no, v, n,
        trim(regexp_replace(v, '${currencySigns}|^[A-Z]{3} | [A-Z]{3}$', '', 'g')) as bare,
        try_cast(try_cast(v as decimal(28,6)) as bigint) as whole,
        regexp_extract(v, '^([0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4})([ T,].*)?$', 1) as p
      from given
      where v not in (${[...knownNothings, ...nothings].map(literal).join(", ")})
    ), most as (
      select no, list(v[1:80] order by n desc, v) as common, list(n order by n desc, v) as common_counts
      from (select * from value qualify row_number() over (partition by no order by n desc, v) <= 60)
      group by no
    ), nothing as (
      select no, list(v order by v) as nothings from given where v in (${nothings.map(literal).join(", ")}) group by no
    ), counted as (
      select no,
        cast(sum(n) as bigint) as filled,
        list(v order by v) filter (where lower(v) in (${endless.map(literal).join(", ")})) as endless,
        cast(coalesce(sum(n) filter (where lower(v) in (${endless.map(literal).join(", ")})), 0) as bigint) as endless_count,
        list(v order by v) filter (where length(v) <= 40 and ${matches(totals, "lower(v)")}) as sums,
        count(*) as n_distinct,
        min(v) as low,
        max(v) as high,
        max(length(v)) as longest,
        max(try_cast(regexp_extract(p, '^([0-9]+)', 1) as integer)) as first_field,
        max(try_cast(regexp_extract(p, '^[0-9]+[./-]([0-9]+)', 1) as integer)) as second_field,
        ${counts.join(",\n        ")}
      from value
      group by no
    )
    select coalesce(counted.no, nothing.no) as no, counted.* exclude (no), most.* exclude (no), nothing.nothings
    from counted full join nothing on nothing.no = counted.no left join most on most.no = counted.no`;
}

const matches = (pattern: string, value = "v"): string => `regexp_full_match(${value}, ${literal(pattern)})`;

function toProfile(name: string, rows: number, row: Readonly<Record<string, unknown>>): Profile {
  const n = (key: string): number => Number(row[key] ?? 0);
  const list = (key: string): readonly string[] => ((row[key] as readonly unknown[] | null) ?? []).map(String);
  return {
    name,
    rows,
    filled: n("filled"),
    distinct: n("n_distinct"),
    min: (row.low as string | null) ?? null,
    max: (row.high as string | null) ?? null,
    common: list("common"),
    commonCounts: list("common_counts").map(Number),
    longest: n("longest"),
    integer: n("integer"),
    decimalPoint: n("decimal_point"),
    decimalComma: n("decimal_comma"),
    thousandsComma: n("thousands_comma"),
    thousandsDot: n("thousands_dot"),
    thousandsSpace: n("thousands_space"),
    thousandsQuote: n("thousands_quote"),
    currency: n("currency"),
    parentheses: n("parentheses"),
    percent: n("percent"),
    boolean: n("boolean"),
    isoDate: n("iso_date"),
    isoTime: n("iso_time"),
    zoned: n("zoned"),
    epochS: n("epoch_s"),
    epochMs: n("epoch_ms"),
    epochUs: n("epoch_us"),
    slashed: n("slashed"),
    firstField: (row.first_field as number | null) ?? null,
    secondField: (row.second_field as number | null) ?? null,
    compactDate: n("compact_date"),
    wordDate: n("word_date"),
    email: n("email"),
    domain: n("domain"),
    json: n("json"),
    nothings: list("nothings"),
    endless: list("endless"),
    endlessCount: n("endless_count"),
    sums: list("sums"),
  };
}
