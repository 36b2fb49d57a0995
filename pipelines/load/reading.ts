/** How one file of a source becomes typed rows: its header, the mapping onto the entity, and the SQL that reads it. */
import type { Book, Source } from "../config/book.ts";
import { minorDigits } from "../config/currency.ts";
import { type ColumnType, entityOf, sqlTypes } from "../config/entities.ts";
import type { ColumnOptions } from "../config/formats.ts";
import { nearest } from "../config/yaml.ts";
import { refusedError } from "../lib/errors.ts";
import { canonicalJson, sha256 } from "../lib/files.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import { castExpression, type Defaults, expectedText, outOfRange } from "./casts.ts";
import { eventTime } from "./delivery.ts";
import type { FileShape } from "./shape.ts";

/** Part of every reading's name: a change of what the same bytes and mapping give is a new number. */
export const loaderVersion = 4;

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

/** The columns of the file that a target is read from, in their order: the first that has a value counts. */
export const namesOf = ({ name, options: { from = name } }: Pick<Target, "name" | "options">): readonly string[] =>
  typeof from === "string" ? [from] : from;

/** The columns by which rows of a source repeat: declared, or the natural key of a state. */
export function keyOf(source: Source): readonly string[] {
  const entity = entityOf(source.entity);
  return source.key ?? (entity.kind === "fact" ? [] : entity.key);
}

/** Names what the mapping of a source makes of given bytes: equal names, equal rows. */
export function readingNames(book: Book, source: Source): (bytesSha256: string) => string {
  const mapping = { loaderVersion, entity: source.entity, targets: targetsOf(source), formats: source.formats };
  const dates = { inclusive: source.inclusive, minorDigits: minorDigits(book.currency) };
  const same = `,${canonicalJson(mapping)},${canonicalJson(dates)}]`;
  // A load asks several times for each file there has ever been.
  const known = new Map<string, string>();
  return (bytes) => {
    const name = known.get(bytes) ?? sha256(`[${canonicalJson(bytes)}${same}`).slice(0, 32);
    known.set(bytes, name);
    return name;
  };
}

export interface BoundTarget extends Target {
  /** `c3`, the column of the file; null when one value stands for all rows or the file has no such column. */
  readonly column: string | null;
  readonly fileColumn: string;
  readonly fileType: string;
  /** Where the value stands inside `column`; empty where it is the value itself. */
  readonly path: readonly string[];
  /** The column with the time of day that belongs to a date. */
  readonly clock: string | null;
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
  /** Of `groups.company` the column `groups`, where no column is called so. */
  const inside = (wanted: string): { readonly at: number; readonly path: readonly string[] } => {
    const at = names.indexOf(wanted);
    if (at !== -1 || shape.type === "json") return { at, path: [] };
    const parts = wanted.split(".");
    for (let n = parts.length - 1; n > 0; n -= 1) {
      const outer = names.indexOf(parts.slice(0, n).join("."));
      if (outer !== -1) return { at: outer, path: parts.slice(n) };
    }
    return { at, path: [] };
  };
  const targets = targetsOf(source).map((target): BoundTarget => {
    if (target.options.value !== undefined)
      return { ...target, column: null, fileColumn: target.name, fileType: "VARCHAR", path: [], clock: null };
    const all = namesOf(target);
    const found = all.map((name) => ({ name, ...inside(name) })).filter((one) => one.at !== -1);
    const wanted = (found.length === 0 ? all : found.map(({ name }) => name)).join(" or ");
    const { at, path } = found[0] ?? { at: -1, path: [] };
    const clock = target.options.clock === undefined ? -1 : names.indexOf(target.options.clock);
    const lacks = target.options.clock !== undefined && clock === -1 ? target.options.clock : wanted;
    if ((at === -1 && (target.required || target.isDeclared)) || lacks !== wanted) {
      // One that is read as something else is hardly the one that was renamed.
      const read = new Set(targetsOf(source).flatMap((other) => (other.name === target.name ? [] : namesOf(other))));
      const spare = names.filter((name) => !read.has(name));
      const near = nearest(lacks, spare) ?? (spare.length === 1 ? spare[0] : undefined);
      throw missingColumn(
        lacks,
        `${target.name} of source ${sourceId}`,
        shape,
        shown,
        /^sep=/i.test(names[0] ?? "")
          ? `the line ${names[0]} above the header is Excel's own: write formats: { skip_lines: 1 } under the source`
          : near === undefined
            ? undefined
            : lacks === wanted
              ? `if ${near} is the same, write ${target.name}: ${all.length > 1 ? `{ from: [${[...all, near].join(", ")}] }` : near} under sources.${sourceId}.columns`
              : `if ${near} is the same, write clock: ${near} for ${target.name} under sources.${sourceId}.columns`,
      );
    }
    const places = [...found.map((one) => one.at), clock];
    const twice = places.find((place) => place !== -1 && names.includes(names[place] as string, place + 1));
    if (twice !== undefined) {
      const own = names[twice] as string;
      throw refusedError(
        `${shown}: column ${own} stands ${names.filter((name) => name === own).length} times in the header, expected it once for ${target.name} of source ${sourceId}`,
      );
    }
    for (const place of places) if (place !== -1) used.add(place);
    const isText = found.length !== 1 || clock !== -1 || path.length > 0 || target.options.map !== undefined;
    const values = found.map((one) => valueInside(`c${one.at}`, one.path, shape.columns[one.at]?.type ?? "VARCHAR"));
    const texts = values.map((value) => `nullif(cast(${value} as varchar), '')`);
    return {
      ...target,
      column: values.length > 1 ? `coalesce(${texts.join(", ")})` : (values[0] ?? null),
      fileColumn: wanted,
      fileType: isText ? "VARCHAR" : (shape.columns[at]?.type ?? "VARCHAR"),
      path,
      clock: clock === -1 ? null : `c${clock}`,
    };
  });
  return { targets, ignored: names.filter((_, i) => !used.has(i)) };
}

/** What a text of JSON, or a nested value, holds at a path; null where there is none. */
function valueInside(column: string, path: readonly string[], type: string): string {
  if (path.length === 0) return column;
  const json = type === "VARCHAR" || type === "JSON" ? `try_cast(${column} as json)` : `to_json(${column})`;
  return `json_extract_string(${json}, ${literal(pointer(path))})`;
}

/** A JSON pointer: a number looks into a list. */
export const pointer = (parts: readonly string[]): string =>
  parts.map((part) => `/${part.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");

const shownNames = 30;

export function missingColumn(name: string, use: string, { columns }: FileShape, shown: string, hint?: string): Error {
  const names = columns.slice(0, shownNames).map((column) => column.name.replaceAll(/\s+/g, " "));
  const more = columns.length > shownNames ? ` and ${columns.length - shownNames} more` : "";
  const found = names.length === 0 ? "none" : `${names.join(", ").slice(0, 2000)}${more}`;
  return refusedError(`${shown}: column ${name} is missing, expected it for ${use}, found ${found}`, hint);
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
 * The select that reads a file once: typed columns, `_line` (null: the record's place says it, see `take.ts`) and `_reject`,
 * null for a good row and otherwise what is wrong with it ({@link rejectsIn}); with `keep` or `drop` also `_left_out`. These columns
 * are written for every row, so they are few and plain.
 */
export function readingSelect(reading: {
  readonly source: Source;
  readonly sourceId: string;
  readonly shape: FileShape;
  readonly targets: readonly BoundTarget[];
  readonly currency: string;
  readonly covers: { readonly from: string; readonly to: string } | null;
  readonly shown: string;
}): string {
  const { source, shape, targets, currency, covers } = reading;
  const defaults = { ...source.formats, minorDigits: minorDigits(currency) };
  const raw = targets.flatMap((target, i) =>
    target.column === null ? [] : [`${rawValue(target.column, target, source, shape)} as r${i}`],
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
  // An account that another system does not know has no id there: that maps nothing, and is no mistake.
  const isMap = entityOf(source.entity).kind === "map";
  const checks = targets.flatMap((target, i) =>
    checksOf(isMap && target.name !== "source" ? { ...target, required: false } : target, `r${i}`),
  );
  const { oneOf } = entityOf(source.entity);
  if (oneOf.length > 0) {
    checks.push({
      when: oneOf.map((name) => `${quoteIdentifier(name)} is null`).join(" and "),
      column: oneOf.join(", "),
      reason: "expected at least one of these columns, found none",
      value: "null",
    });
  }
  if (covers !== null) {
    const day = `cast(${eventTime(entityOf(source.entity))} as date)`;
    checks.push({
      when: `${day} not between date ${literal(covers.from)} and date ${literal(covers.to)}`,
      column: entityOf(source.entity).eventColumns.join(", "),
      reason: `expected a day from ${covers.from} to ${covers.to}, as the file's name says`,
      value: `cast(${day} as varchar)`,
    });
  }
  const passed = targets.flatMap((target, i) => (target.column === null ? [] : [`r${i}`]));
  const leftOut = leavesOut(source) ? ["_left_out"] : [];
  const file = [...raw, ...leftOut.map((name) => `${leftOutExpression(reading)} as ${name}`)];
  return (
    `with file_row as (select ${file.length === 0 ? "1 as one" : file.join(", ")} from ${shape.from} as file), ` +
    `typed_row as (select ${[...typed, ...passed, ...leftOut].join(", ")} from file_row) ` +
    `select ${[
      ...targets.map(({ name }) => quoteIdentifier(name)),
      "cast(null as bigint) as _line",
      `${rejectExpression(checks)} as _reject`,
      ...(mayRound(source) ? [`${roundedExpression(targets, defaults)} as _rounded`] : []),
      ...leftOut,
    ].join(", ")} from typed_row`
  );
}

/** Decimals that a value keeps; null where none is rounded. */
const decimalsOf = ({ type, options }: Pick<Target, "type" | "options">, minorDigits: number): number | null =>
  type === "number"
    ? 6
    : type === "rate"
      ? 12
      : type === "money" && options.unit === "major" && (options.per ?? "month") === "month"
        ? minorDigits
        : null;

/** A source with numbers: its rows have the column `_rounded`, how many values were written finer than they are kept. */
export const mayRound = (source: Source): boolean => targetsOf(source).some((target) => decimalsOf(target, 2) !== null);

function roundedExpression(targets: readonly BoundTarget[], { number, minorDigits }: Defaults): string {
  const found = targets.flatMap((target, i) => {
    const decimals = decimalsOf(target, minorDigits);
    if (decimals === null || target.column === null) return [];
    const typed = quoteIdentifier(target.name);
    const kept = target.type === "money" ? `${typed} / ${10 ** minorDigits}` : typed;
    const far = (value: string): string => `abs(${value} - ${kept}) > 1e-12 * greatest(1e-12, abs(${value}))`;
    const isFloat = target.fileType === "DOUBLE" || target.fileType === "FLOAT";
    const text = target.fileType === "VARCHAR" ? `r${i}` : `cast(r${i} as varchar)`;
    const point = (target.options.number ?? number)?.decimal === "," ? "," : "[.]";
    const finer = `regexp_matches(${text}, '${point}[0-9]{${decimals}}[0-9]*[1-9]')`;
    const power = `(contains(${text}, 'e') or contains(${text}, 'E')) and ${far(`try_cast(${text} as double)`)}`;
    const is = isFloat ? far(`r${i}`) : `strlen(${text}) > ${decimals + 1} and ${finer} or ${power}`;
    return [`case when ${typed} is not null and (${is}) then 1 else 0 end`];
  });
  return `cast(${found.length === 0 ? "0" : found.join(" + ")} as utinyint)`;
}

/** `keep` or `drop` may say of a row that it is none of the source's: then its rows have the column `_left_out`. */
export const leavesOut = ({ keep, drop }: Source): boolean => Object.keys({ ...keep, ...drop }).length > 0;

/** Whether `keep` or `drop` says that a row is none of the source's; a value that is missing is kept by neither and dropped by neither, unless one of the texts is empty. */
function leftOutExpression({
  source,
  sourceId,
  shape,
  shown,
}: {
  readonly source: Source;
  readonly sourceId: string;
  readonly shape: FileShape;
  readonly shown: string;
}): string {
  const condition = (key: "keep" | "drop"): readonly string[] =>
    Object.entries(source[key]).map(([name, texts]) => {
      const at = shape.columns.findIndex((column) => column.name === name);
      if (at === -1) throw missingColumn(name, `${key} of source ${sourceId}`, shape, shown);
      const list = typeof texts === "string" ? [texts] : texts;
      // An empty text stands for a cell without a value.
      const value = list.includes("") ? `coalesce(cast(c${at} as varchar), '')` : `cast(c${at} as varchar)`;
      const found = `coalesce(${value} in (${list.map(literal).join(", ")}), false)`;
      return key === "keep" ? `not ${found}` : found;
    });
  return [...condition("keep"), ...condition("drop")].join(" or ");
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

/** The list of `column`, `reason` and `value` that a `_reject` holds. */
export const rejectsIn = (reject: string): string =>
  `from_json(${reject}, '[{"column": "varchar", "reason": "varchar", "value": "varchar"}]')`;

function rejectExpression(checks: readonly Check[]): string {
  if (checks.length === 0) return "cast(null as varchar)";
  const found = checks.map(
    ({ when, column, reason, value }) =>
      `case when ${when} then struct_pack("column" := ${literal(column)}, reason := ${literal(reason)}, value := cast(${value} as varchar)) end`,
  );
  const any = checks.map(({ when }) => `(${when})`).join(" or ");
  return `case when ${any} then cast(to_json(list_filter([${found.join(", ")}], lambda wrong: wrong is not null)) as varchar) end`;
}

/**
 * The value of the file with the words for "nothing" taken out and those of `map` put in; NaN and infinities are nothing too. The nulls of
 * the source have left CSV already while it was split.
 */
function rawValue(
  column: string,
  { fileType, options, type, path, clock }: BoundTarget,
  { formats }: Source,
  shape: FileShape,
): string {
  const plain = options.map === undefined && clock === null ? column : `cast(${column} as varchar)`;
  const nulls = shape.type === "json" || path.length > 0 ? formats.nulls : [];
  const given = withoutNothing(plain, { fileType, options, type }, nulls);
  if (clock !== null) {
    const time = withoutNothing(`cast(${clock} as varchar)`, { fileType, options, type }, nulls);
    return `case when ${given} is not null then concat_ws(' ', trim(${given}), trim(${time})) end`;
  }
  if (options.map === undefined) return given;
  const cases = Object.entries(options.map).map(([from, to]) => `when ${literal(from)} then ${literal(to)}`);
  return `case ${given} ${cases.join(" ")} else ${given} end`;
}

function withoutNothing(
  column: string,
  { fileType, options, type }: Pick<BoundTarget, "fileType" | "options" | "type">,
  nulls: readonly string[],
): string {
  const isText = fileType === "VARCHAR";
  if (fileType === "DOUBLE" || fileType === "FLOAT") return `case when isfinite(${column}) then ${column} end`;
  const tokens = [...nulls, ...(options.nulls ?? [])];
  if (isText && (type === "integer" || type === "number" || type === "money"))
    tokens.push("nan", "NaN", "inf", "-inf", "Infinity", "-Infinity");
  if (tokens.length === 0) return column;
  const text = isText ? column : `cast(${column} as varchar)`;
  // A text longer than all of them need not be compared with each.
  const longest = Math.max(...tokens.map((token) => Buffer.byteLength(token)));
  return `case when strlen(${text}) > ${longest} then ${column} when ${text} not in (${tokens.map(literal).join(", ")}) then ${column} end`;
}
