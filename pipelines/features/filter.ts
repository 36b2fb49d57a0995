import { type Expression, type ExpressionBuilder, type RawBuilder, type SqlBool, sql } from "kysely";
import type { FilterCondition, KpiDefinition } from "../config/kpi.ts";
import { SqlDate } from "../warehouse/literal.ts";
import type { KpiColumn } from "./columns.ts";

// biome-ignore lint/suspicious/noExplicitAny: the builder has no fixed schema.
export type AnyBuilder = ExpressionBuilder<any, any>;
type Scalar = string | number | boolean;

/** A value as the column's type wants it: text of a date or time becomes a typed literal. */
function typed(column: KpiColumn, value: Scalar): Scalar | SqlDate | Date {
  if (column.type === "date") return new SqlDate(String(value));
  if (column.type === "time") return new Date(`${String(value)}T00:00:00Z`);
  return value;
}

function conditionSql(eb: AnyBuilder, column: KpiColumn, condition: FilterCondition): Expression<SqlBool> {
  const name = column.name;
  if (condition === null) return eb(name, "is", null);
  if (Array.isArray(condition)) {
    return eb(
      name,
      "in",
      condition.map((value) => typed(column, value)),
    );
  }
  if (typeof condition !== "object") return eb(name, "=", typed(column, condition));
  const parts: Expression<SqlBool>[] = [];
  const { not } = condition;
  if (not === null) parts.push(eb(name, "is not", null));
  else if (Array.isArray(not)) {
    const values = not.map((value) => typed(column, value));
    parts.push(eb.or([eb(name, "is", null), eb(name, "not in", values)]));
  } else if (not !== undefined) parts.push(eb.or([eb(name, "is", null), eb(name, "<>", typed(column, not))]));
  if (condition.at_least !== undefined) parts.push(eb(name, ">=", typed(column, condition.at_least)));
  if (condition.more_than !== undefined) parts.push(eb(name, ">", typed(column, condition.more_than)));
  if (condition.at_most !== undefined) parts.push(eb(name, "<=", typed(column, condition.at_most)));
  if (condition.less_than !== undefined) parts.push(eb(name, "<", typed(column, condition.less_than)));
  return eb.and(parts);
}

/** Something with a filter: a KPI, a part of one, or the users that it counts. */
export interface Filtered {
  readonly filter: KpiDefinition["filter"];
}

/** A filter as one condition over the columns of its entity; undefined when every row counts. */
export function filterSql(
  eb: AnyBuilder,
  { filter }: Filtered,
  columns: ReadonlyMap<string, KpiColumn>,
): Expression<SqlBool> | undefined {
  const parts = Object.entries(filter).map(([name, condition]) =>
    conditionSql(eb, columns.get(name) as KpiColumn, condition),
  );
  return parts.length === 0 ? undefined : eb.and(parts);
}

/** What fits a column of each type, for error messages. */
const fits: Readonly<Record<KpiColumn["type"], (value: Scalar) => boolean>> = {
  text: (value) => typeof value === "string",
  integer: (value) => typeof value === "number" && Number.isInteger(value),
  number: (value) => typeof value === "number",
  money: (value) => typeof value === "number" && Number.isInteger(value),
  rate: (value) => typeof value === "number",
  boolean: (value) => typeof value === "boolean",
  date: (value) => typeof value === "string" && isCalendarDate(value),
  time: (value) => typeof value === "string" && isCalendarDate(value),
};

const right: Readonly<Record<KpiColumn["type"], string>> = {
  text: "a text",
  integer: "a whole number",
  number: "a number",
  money: "a whole number of minor units",
  rate: "a number",
  boolean: "true or false",
  date: "a date like 2026-01-31",
  time: "a date like 2026-01-31",
};

function isCalendarDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

/** The first thing wrong with a condition on a column: `found 3, expected a text`; undefined when it fits. */
export function conditionProblem(column: KpiColumn, condition: FilterCondition): string | undefined {
  const values: Scalar[] = [];
  if (condition === null) return undefined;
  if (Array.isArray(condition)) values.push(...condition);
  else if (typeof condition !== "object") values.push(condition);
  else {
    const { not, ...comparisons } = condition;
    if (Array.isArray(not)) values.push(...not);
    else if (not !== null && not !== undefined) values.push(not);
    const bounds = Object.values(comparisons).filter((value) => value !== undefined);
    if (bounds.length > 0 && (column.type === "text" || column.type === "boolean")) {
      return `found a comparison of size, expected values: ${column.name} is ${right[column.type]}`;
    }
    values.push(...bounds);
  }
  const wrong = values.find((value) => !fits[column.type](value));
  return wrong === undefined ? undefined : `found ${JSON.stringify(wrong)}, expected ${right[column.type]}`;
}

/** `column` in the text of a statement. */
export const ref = (name: string): RawBuilder<unknown> => sql.ref(name);
