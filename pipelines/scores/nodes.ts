/** Small builders for the models of `scores`. */
import { type AliasedRawBuilder, sql } from "kysely";
import type { Scorecard } from "../config/scorecard.ts";
import type { Audit, Model } from "../models/model.ts";
import { builder, compile } from "../warehouse/compiler.ts";
import type { Sql } from "./exact.ts";

export type Column = AliasedRawBuilder<unknown, string>;

export const as = (expression: Sql, type: string, name: string): Column =>
  sql`cast(${expression} as ${sql.raw(type)})`.as(name);

export const column = (name: string): Column => sql.ref(name).as(name);

type Facts = Pick<Model, "name" | "grain" | "depends"> & { readonly audits?: readonly Audit[] };

export const table = (sqlText: string, rest: Facts): Model => ({
  kind: "table",
  params: [],
  audits: [],
  portable: false,
  sql: sqlText,
  ...rest,
});

export const view = (sqlText: string, rest: Facts): Model => ({ ...table(sqlText, rest), kind: "view" });

/** Several selects as one; when there are none, the same columns without a row. */
export function unionOf(selects: readonly string[], empty: readonly (readonly [name: string, type: string])[]): string {
  if (selects.length > 0) return selects.join("\nunion all\n");
  const columns = empty.map(([name, type]) => as(sql`null`, type, name));
  return compile(builder.selectNoFrom(columns).where(sql<boolean>`false`));
}

export const idColumns = ({ scorecard, version }: Scorecard): readonly Column[] => [
  as(sql`${scorecard}`, "varchar", "scorecard"),
  as(sql`${version}`, "integer", "version"),
];
