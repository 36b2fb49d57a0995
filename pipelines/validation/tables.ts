/** Tables of which TypeScript makes the select, or the rows. */
import type { Model, StepContext } from "../models/model.ts";
import { literal, quoteIdentifier, type SqlValue } from "../warehouse/literal.ts";

/** A table as a model: one select, without parameters and audits of its own. */
export const table = (name: string, grain: readonly string[], depends: readonly string[], sql: string): Model => ({
  kind: "table",
  name,
  grain,
  depends,
  params: [],
  audits: [],
  portable: false,
  sql: sql.trim(),
});

export type ColumnTypes = Readonly<Record<string, "varchar" | "double" | "integer" | "bigint" | "boolean" | "date">>;

/** A number as a double literal: without an exponent the engine would read a decimal, and convert it inexactly. */
export function doubleLiteral(value: number): string {
  const text = literal(value);
  return /e/.test(text) ? text : `${text}e0`;
}

/** 12 significant digits, the precision in which statistics are stored; null stays null. */
export const twelveDigits = (value: number | null): number | null =>
  value === null ? null : Number(value.toPrecision(12));

/** 10 significant digits, the precision in which coefficients and their z are used. */
export const tenDigits = (value: number): number => Number(value.toPrecision(10));

/** Creates a table and fills it, 500 rows a statement. Dates are ISO text. */
export async function writeTable(
  context: StepContext,
  name: string,
  columns: ColumnTypes,
  rows: readonly Readonly<Record<string, SqlValue>>[],
): Promise<void> {
  const names = Object.keys(columns);
  await context.run(
    `create table ${name} (${names.map((column) => `${quoteIdentifier(column)} ${columns[column]}`).join(", ")})`,
  );
  for (let from = 0; from < rows.length; from += 500) {
    const values = rows.slice(from, from + 500).map(
      (row) =>
        `(${names
          .map((column) => {
            const value = row[column] ?? null;
            return typeof value === "number" && columns[column] === "double" ? doubleLiteral(value) : literal(value);
          })
          .join(", ")})`,
    );
    await context.run(`insert into ${name} values ${values.join(",\n")}`);
  }
}
