/** A date without a time, to be written as a SQL date. */
export class SqlDate {
  readonly iso: string;
  constructor(iso: string) {
    if (!/^\d{4}-\d{2}-\d{2}$/.test(iso)) throw new RangeError(`not a calendar date: ${iso}`);
    this.iso = iso;
  }
}

export type SqlValue = string | number | bigint | boolean | null | SqlDate | Date;

/**
 * The only way a value becomes SQL text. Compiled statements carry no parameters, so that what the release keeps under
 * `compiled/` runs as it is.
 */
export function literal(value: SqlValue): string {
  if (value === null) return "null";
  switch (typeof value) {
    case "boolean":
      return value ? "true" : "false";
    case "bigint":
      return value.toString();
    case "number":
      if (!Number.isFinite(value)) throw new RangeError(`not a finite number: ${value}`);
      // An exponent makes the literal a double in DuckDB and in Trino; without one it is an integer or a decimal.
      return Object.is(value, -0) ? "0" : String(value);
    case "string":
      if (value.includes("\0")) throw new RangeError("text with a NUL character cannot be written as SQL");
      return `'${value.replaceAll("'", "''")}'`;
    default:
      if (value instanceof SqlDate) return `date '${value.iso}'`;
      return `timestamp '${value.toISOString().replace("T", " ").replace("Z", "")}'`;
  }
}

/** Quotes a name that comes from an export or from a definition. */
export function quoteIdentifier(name: string): string {
  if (name.length === 0 || name.includes("\0")) throw new RangeError("an empty name cannot be quoted");
  return `"${name.replaceAll('"', '""')}"`;
}
