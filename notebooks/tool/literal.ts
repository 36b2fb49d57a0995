import { literal as text } from "../../pipelines/warehouse/literal.ts";

/** A value of a notebook as DuckDB's SQL: text, numbers, booleans, null, dates (UTC) and lists of these. */
export function literal(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (value instanceof Date) {
    const iso = value.toISOString();
    return iso.endsWith("T00:00:00.000Z")
      ? `date '${iso.slice(0, 10)}'`
      : `timestamp '${iso.slice(0, 23).replace("T", " ")}'`;
  }
  if (typeof value === "number" && !Number.isFinite(value)) return "null";
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return text(value);
  throw new TypeError(
    `a SQL cell cannot take ${typeof value} as a value, expected text, a number, a date, null or a list of these`,
  );
}
