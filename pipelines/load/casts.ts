/** From what an export holds to what an entity's column holds: one SQL expression per column. */
import type { ColumnOptions } from "../config/book.ts";
import type { ColumnType } from "../config/entities.ts";
import { literal } from "../warehouse/literal.ts";

/** The words a person reads when a value does not fit. */
export const expectedText: Readonly<Record<ColumnType, string>> = {
  text: "a text",
  integer: "a whole number",
  number: "a number below a million million",
  money: "an amount of money",
  boolean: "true or false",
  date: "a date",
  time: "a time",
};

const microsecondsPer = { s: 1_000_000, ms: 1000, us: 1 } as const;

/**
 * The typed value of `value`, a column of DuckDB type `from`; null when it does not fit. Times without a zone are UTC, times
 * with one are moved there. `minorDigits`: how many decimals the book's currency has.
 */
export function castExpression(
  value: string,
  from: string,
  to: ColumnType,
  options: ColumnOptions,
  minorDigits: number,
): string {
  const text = from === "VARCHAR" ? value : `cast(${value} as varchar)`;
  switch (to) {
    case "text":
      return text;
    case "integer":
      return isInteger(from) ? `try_cast(${value} as bigint)` : wholeNumber(text);
    case "number":
      return `try_cast(${text} as decimal(18,6))`;
    case "money":
      if (options.unit !== "major") return isInteger(from) ? `try_cast(${value} as bigint)` : wholeNumber(text);
      return `try_cast(round(try_cast(${text} as decimal(18,6)) * ${10 ** minorDigits}, 0) as bigint)`;
    case "boolean":
      if (from === "BOOLEAN") return value;
      return (
        `case when lower(${text}) in ('true', 't', 'yes', 'y', '1', 'on') then true ` +
        `when lower(${text}) in ('false', 'f', 'no', 'n', '0', 'off') then false end`
      );
    case "date":
      return `cast(${time(value, text, from, options)} as date)`;
    case "time":
      return time(value, text, from, options);
  }
}

const isInteger = (type: string): boolean => /^U?(TINY|SMALL|BIG)?INT(EGER)?$/.test(type);

/** DuckDB rounds 12.5 to 13 when it casts a text; here only 12 and 12.0 are whole. */
const wholeNumber = (text: string): string =>
  `case when regexp_full_match(${text}, '\\s*[+-]?[0-9]+\\s*') then try_cast(${text} as bigint) ` +
  `when try_cast(${text} as decimal(38,6)) = trunc(try_cast(${text} as decimal(38,6))) ` +
  `then try_cast(try_cast(${text} as decimal(38,6)) as bigint) end`;

function time(value: string, text: string, from: string, options: ColumnOptions): string {
  const { unit } = options;
  let at: string;
  if (from.startsWith("TIMESTAMP") || from === "DATE") at = `try_cast(${value} as timestamp)`;
  else if (unit === "s" || unit === "ms" || unit === "us") {
    const micros = `round(try_cast(${text} as decimal(28,6)) * ${microsecondsPer[unit]}, 0)`;
    at = `case when ${micros} between -2208988800000000 and 253402300799000000 then make_timestamp(try_cast(${micros} as bigint)) end`;
  } else if (options.format !== undefined)
    at = `try_cast(try_strptime(${text}, ${literal(options.format)}) as timestamp)`;
  else {
    // A cast to timestamp reads past "+02:00"; the slower cast with a zone heeds it.
    at =
      `case when length(${text}) = 10 or length(${text}) = 19 and substr(${text}, 17, 1) = ':' then try_cast(${text} as timestamp) ` +
      `else try_cast(try_cast(trim(${text}) as timestamptz) as timestamp) end`;
  }
  return at;
}

/** True when a typed time or date lies where no business has records: 1970 shifted by a wrong unit, infinity. */
export const outOfRange = (typed: string): string => `(${typed} < '1900-01-01' or ${typed} > '9999-12-31 23:59:59')`;
