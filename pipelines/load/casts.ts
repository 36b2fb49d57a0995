/** From what an export holds to what an entity's column holds: one SQL expression per column. */
import type { ColumnType } from "../config/entities.ts";
import type { ColumnOptions, NumberFormat } from "../config/formats.ts";
import { literal } from "../warehouse/literal.ts";

/** The words a person reads when a value does not fit. */
export const expectedText: Readonly<Record<ColumnType, string>> = {
  text: "a text",
  integer: "a whole number",
  number: "a number below a million million",
  money: "an amount of money",
  rate: "a rate of exchange",
  boolean: "true or false",
  date: "a date",
  time: "a time",
};

const microsecondsPer = { s: "* 1000000", ms: "* 1000", us: "* 1", ns: "/ 1000" } as const;

/** How a source writes what its columns do not say themselves. */
export interface Defaults {
  readonly number?: NumberFormat | undefined;
  readonly timezone?: string | undefined;
  /** How many decimals the book's currency has. */
  readonly minorDigits: number;
}

/**
 * The typed value of `value`, a column of DuckDB type `from`; null when it does not fit. Times without a zone are UTC or of
 * the declared zone, times with one are moved to UTC.
 */
export function castExpression(
  value: string,
  from: string,
  to: ColumnType,
  options: ColumnOptions,
  defaults: Defaults,
): string {
  const text = from === "VARCHAR" ? value : `cast(${value} as varchar)`;
  const written = options.number ?? defaults.number;
  const digits = written === undefined || from !== "VARCHAR" ? text : plainNumber(text, written);
  switch (to) {
    case "text":
      return options.take === "domain" ? domainOf(text) : text;
    case "integer":
      return isInteger(from) ? `try_cast(${value} as bigint)` : wholeNumber(digits);
    case "number":
      return decimal(digits, "decimal(18,6)");
    case "rate":
      return decimal(digits, "decimal(28,12)");
    case "money":
      return aMonth(
        options.unit === "major"
          ? `try_cast(round(${decimal(digits, "decimal(28,6)")} * ${10 ** defaults.minorDigits}, 0) as bigint)`
          : isInteger(from)
            ? `try_cast(${value} as bigint)`
            : wholeNumber(digits),
        options.per,
      );
    case "boolean":
      if (from === "BOOLEAN") return value;
      return (
        `case when lower(${text}) in ('true', 't', 'yes', 'y', '1', 'on') then true ` +
        `when lower(${text}) in ('false', 'f', 'no', 'n', '0', 'off') then false end`
      );
    case "date":
      return date(value, text, from, options, defaults);
    case "time":
      return time(value, text, from, options, options.timezone ?? defaults.timezone);
  }
}

const monthsOf = { month: 1, quarter: 3, year: 12 } as const;

/** Of whole minor units those of a month: halves away from zero, in whole numbers throughout. */
const aMonth = (minor: string, per: keyof typeof monthsOf = "month"): string => {
  const n = monthsOf[per];
  return n === 1
    ? minor
    : `try_cast(list_transform([cast(${minor} as hugeint)], lambda m: (2 * m + sign(m) * ${n}) // ${2 * n})[1] as bigint)`;
};

const isInteger = (type: string): boolean => /^U?(TINY|SMALL|BIG)?INT(EGER)?$/.test(type);

/**
 * The engine makes 0.000001 of 6.04e-12 when it casts the text to a decimal: a number with an exponent goes by way of a double. It also
 * reads 1_000, which is for `thousands` to allow.
 */
const decimal = (text: string, type: string): string =>
  `case when contains(${text}, '_') then null when contains(${text}, 'e') or contains(${text}, 'E') then try_cast(try_cast(${text} as double) as ${type}) else try_cast(${text} as ${type}) end`;

/** DuckDB rounds 12.5 to 13 when it casts a text; here only 12, 12.0 and 1.2e1 are whole. */
const wholeNumber = (text: string): string =>
  `case when regexp_full_match(${text}, '\\s*[+-]?[0-9]+\\s*') then try_cast(${text} as bigint) ` +
  `when regexp_full_match(${text}, '\\s*[+-]?[0-9]*[.]0*\\s*') then try_cast(try_cast(${text} as decimal(38,0)) as bigint) ` +
  `when regexp_matches(${text}, '[eE]') and try_cast(${text} as double) = trunc(try_cast(${text} as double)) ` +
  `then try_cast(try_cast(${text} as double) as bigint) end`;

const anySpace = "[\\s\\x{00a0}\\x{2007}\\x{2009}\\x{202f}]";

/**
 * The number that a text writes in its own way, as 1234.56; a text that is not written so stays as it is where no cast accepts
 * it: of a column with a decimal comma 1.234 is one thousand two hundred and thirty-four or nothing, never 1.234.
 */
function plainNumber(text: string, { decimal, thousands, strip, parentheses }: NumberFormat): string {
  let bare = text;
  for (const affix of strip) bare = `replace(${bare}, ${literal(affix)}, '')`;
  bare = `regexp_replace(${bare}, '^${anySpace}+|${anySpace}+$', '', 'g')`;
  // A sign may stand before or behind a sign of currency: -$5, $-5.
  bare = `regexp_replace(${bare}, '^([+\\x{2212}-])${anySpace}+', '\\1')`;
  bare = `regexp_replace(${bare}, '^\\x{2212}', '-')`;
  if (parentheses) bare = `regexp_replace(${bare}, '^\\(${anySpace}*(.*?)${anySpace}*\\)$', '-\\1')`;
  const point = decimal === "." ? "\\." : ",";
  const group =
    thousands === undefined
      ? null
      : thousands === " "
        ? anySpace
        : thousands === "."
          ? "\\."
          : thousands === "'"
            ? "''"
            : thousands;
  const whole = group === null ? "[0-9]+" : `(?:[0-9]{1,3}(?:${group}[0-9]{2,3})*${group}[0-9]{3}|[0-9]+)`;
  const shape = `[+-]?(?:${whole}(?:${point}[0-9]*)?|${point}[0-9]+)(?:[eE][+-]?[0-9]{1,3})?`;
  const ungrouped = group === null ? "given" : `regexp_replace(given, '${group}', '', 'g')`;
  const pointed = decimal === "." ? ungrouped : `replace(${ungrouped}, ',', '.')`;
  return `list_transform([${bare}], lambda given: case when regexp_full_match(given, '${shape}') then ${pointed} end)[1]`;
}

/** What stands behind the @ of an address, or is the host of a URL, without www. */
const domainOf = (text: string): string =>
  `nullif(regexp_replace(regexp_extract(lower(trim(${text})), ` +
  `'^(?:[a-z][a-z0-9+.-]*://)?(?:.*@)?([^@/:?#\\s<>]+)', 1), '^www\\.', ''), '')`;

/** The day of a date as it is written; of an instant with a zone of its own the day in the declared zone, or in UTC. */
function date(value: string, text: string, from: string, options: ColumnOptions, defaults: Defaults): string {
  const zone = options.timezone ?? defaults.timezone;
  if (from === "DATE") return value;
  const instant = time(value, text, from, options, undefined);
  if (zone === undefined) return `cast(${instant} as date)`;
  const isInstant = options.unit !== undefined || from === "TIMESTAMP WITH TIME ZONE";
  const there = `cast(timezone(${literal(zone)}, cast(${instant} as timestamptz)) as date)`;
  if (isInstant) return there;
  if (from.startsWith("TIMESTAMP") || options.format !== undefined) return `cast(${instant} as date)`;
  return `case when regexp_matches(${text}, '${zoned}') then ${there} else cast(${instant} as date) end`;
}

/** A text ends in a zone: Z, UTC, an offset of hours. */
const zoned = ":[0-9]{2}(?:[.][0-9]+)? *(?:[zZ]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?(?: UTC| GMT)?)\\s*$";

/** The instant in UTC; `zone`: of times that are written without one. */
function time(value: string, text: string, from: string, options: ColumnOptions, zone: string | undefined): string {
  const { unit, format } = options;
  const local = (at: string): string =>
    zone === undefined || zone === "UTC" ? at : `cast(timezone(${literal(zone)}, ${at}) as timestamp)`;
  if (from === "TIMESTAMP WITH TIME ZONE") return `try_cast(${value} as timestamp)`;
  if (from.startsWith("TIMESTAMP") || from === "DATE") return local(`try_cast(${value} as timestamp)`);
  if (unit === "s" || unit === "ms" || unit === "us" || unit === "ns") {
    const micros = `${unit === "ns" ? "trunc" : "round"}(try_cast(${text} as decimal(28,6)) ${microsecondsPer[unit]})`;
    return `case when ${micros} between -2208988800000000 and 253402300799000000 then make_timestamp(try_cast(${micros} as bigint)) end`;
  }
  if (format !== undefined) {
    const formats = typeof format === "string" ? [format] : format;
    const parsed = `try_strptime(${text}, [${formats.map(literal).join(", ")}])`;
    // A format that reads a zone gives an instant.
    return formats.some((one) => /%[zZ]/.test(one))
      ? `try_cast(${parsed} as timestamp)`
      : local(`try_cast(${parsed} as timestamp)`);
  }
  const isPlain = `strlen(${text}) = 10 or strlen(${text}) = 19 and substr(${text}, 17, 1) = ':'`;
  const plain = local(`try_cast(${text} as timestamp)`);
  // Both casts heed a Z, and this is how most exports write an instant: no expression need look at it.
  const isUtc = `strlen(${text}) between 20 and 27 and suffix(${text}, 'Z')`;
  // A cast to timestamp reads past "+02:00"; the slower cast with a zone heeds it. Only texts with an offset get there: the
  // engine lets a zone's name in one row speak for the rows after it.
  // "epoch" and other words are casts too; no export means them.
  const other = `case when not regexp_matches(${text}, '^\\s*[0-9]') then null when regexp_matches(${text}, '${zoned}') then ${zonedTime(text)} else ${local(`try_cast(trim(${text}) as timestamp)`)} end`;
  return `case when ${isPlain} then ${plain} when ${isUtc} then try_cast(${text} as timestamp) else ${other} end`;
}

/** "2024-03-01 10:00:00.5+02:00" is a cast; a space before the offset, no seconds, or UTC after it need a hand. */
function zonedTime(text: string): string {
  const bare = `regexp_replace(trim(${text}), '([+-][0-9]{2}:?[0-9]{2}) (UTC|GMT)$', '\\1')`;
  const joined = `regexp_replace(${bare}, ' +([+-][0-9]{2})', '\\1')`;
  const whole = `regexp_replace(${joined}, '^([0-9-]{10}[ T][0-9]{2}:[0-9]{2})([zZ+-]| ?[A-Z])', '\\1:00\\2')`;
  // Behind a space the engine looks an offset up among the names of all zones, 0.1 ms a row: it is cast without the space alone.
  // No place on earth is more than 14 hours from UTC; the engine takes 99.
  return `case when not regexp_matches(${text}, '[+-](1[5-9]|[2-9][0-9])(:?[0-9]{2})?( UTC| GMT)?\\s*$') then try_cast(try_cast(${whole} as timestamptz) as timestamp) end`;
}

/** True when a typed time or date lies where no business has records: 1970 shifted by a wrong unit, infinity. */
export const outOfRange = (typed: string): string => `(${typed} < '1900-01-01' or ${typed} > '9999-12-31 23:59:59')`;
