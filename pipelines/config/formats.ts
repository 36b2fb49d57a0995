/** How the files of a source are written, and how a column's texts become values: the keys `formats` and `columns`. */
import { z } from "zod";

/** What a user may call a source, a definition, a column of their own. */
export const id = z.string().regex(/^[a-z][a-z0-9_]*$/, "lower-case letters, digits and _, starting with a letter");
const size = z.string().regex(/^\d+(kB|MB|GB)$/, "an amount like 16MB");

/** Bytes of an amount like `16MB`. */
export function sizeBytes(text: string): number {
  const unit = { kB: 1e3, MB: 1e6, GB: 1e9 }[text.slice(-2) as "kB" | "MB" | "GB"];
  return Number(text.slice(0, -2)) * unit;
}

/** How numbers are written where not as 1234.56. */
const numberFormat = z
  .strictObject({
    decimal: z.enum([".", ","]).default(".").describe("what stands before the decimals"),
    thousands: z
      .enum([",", ".", "'", "\u2019", " ", "_"])
      .optional()
      .describe("what groups the digits; a space stands for every kind of space"),
    strip: z
      .array(z.string().min(1))
      .default([])
      .describe('texts around the number that say nothing more, like "€", "USD" or "%"'),
    parentheses: z.boolean().default(false).describe("true: (12.50) is minus 12.50"),
  })
  .refine(({ decimal, thousands }) => decimal !== thousands, "another sign for thousands than for decimals");

const timezone = z
  .string()
  .refine(isTimeZone, "a time zone like Europe/Berlin, America/New_York or UTC")
  .describe("the zone of times that are written without one; default UTC");

export const columnOptions = z.strictObject({
  from: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .optional()
    .describe(
      "the column of the file, or a path into what a column or a JSON record nests, like properties.plan; default: the same name. Of a list the first that has a value",
    ),
  clock: z
    .string()
    .min(1)
    .optional()
    .describe("a second column with the time of day of a date; the two are read as one text, with a space between"),
  value: z
    .union([z.string(), z.number(), z.boolean()])
    .optional()
    .describe("one value for every row, instead of a column"),
  unit: z
    .enum(["s", "ms", "us", "ns", "major", "minor"])
    .optional()
    .describe("s, ms, us, ns: Unix time; major: an amount in dollars or euros, minor: in cents"),
  per: z
    .enum(["month", "quarter", "year"])
    .optional()
    .describe("of an amount of money: what it is paid for; kept is what that is a month"),
  format: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .optional()
    .describe("a strptime format, or several, for dates and times that are not ISO"),
  timezone: timezone.optional(),
  number: numberFormat.optional().describe("how numbers and amounts are written; default: that of the source"),
  nulls: z.array(z.string()).optional().describe("texts that mean that nothing is known, besides those of the source"),
  map: z
    .record(z.string(), z.string())
    .optional()
    .describe("what texts of the file stand for; a text that is not named stays as it is"),
  take: z.enum(["domain"]).optional().describe("domain: of an e-mail address or a URL the domain, in lower case"),
  via: id.optional().describe("the source that knows which account this id belongs to"),
  type: z
    .enum(["text", "integer", "number", "money", "boolean", "date", "time"])
    .optional()
    .describe("the type of a column of your own; default text"),
});

/** Texts of a column of the file, by its name. */
export const rowFilter = z.record(z.string().min(1), z.union([z.string(), z.array(z.string()).min(1)]));

export const formats = z.strictObject({
  type: z.enum(["csv", "json", "parquet"]).optional().describe("default: what the file itself shows"),
  encoding: z
    .enum(["utf-8", "utf-16", "latin-1", "windows-1252"])
    .optional()
    .describe("default: what the byte order mark says, otherwise UTF-8"),
  delimiter: z.string().min(1).max(4).optional().describe("default: comma, semicolon, tab or bar, as the header shows"),
  quote: z.string().length(1).optional(),
  escape: z
    .string()
    .length(1)
    .optional()
    .describe("what stands before a quote inside quotes; default: the quote itself"),
  header: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe("the names of the columns, where the files have no header line"),
  list: z
    .string()
    .min(1)
    .optional()
    .describe("of a JSON document that wraps its records: the key of their list, or the path to it, like data.items"),
  skip_lines: z.int().min(0).default(0).describe("lines above the header"),
  skip_rows: z.int().min(0).default(0).describe("rows below the header that are no data"),
  nulls: z.array(z.string()).min(1).default(["", "NULL", "null", "N/A", "\\N"]),
  timezone: timezone.optional(),
  number: numberFormat.optional(),
  max_line: size.default("16MB").describe("a longer line or JSON record refuses the file"),
  max_ratio: z
    .int()
    .min(1)
    .default(200)
    .describe("a compressed file that is more than so many times larger when unpacked, and over 1 GB, is refused"),
});

export type NumberFormat = z.output<typeof numberFormat>;
export type ColumnOptions = z.output<typeof columnOptions>;
export type Formats = z.output<typeof formats>;

function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]*$/.test(name)) return false;
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}
