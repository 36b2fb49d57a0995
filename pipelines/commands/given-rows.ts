/** A warehouse in memory from rows written by hand: the tables of staging and rollup as the spine and the features read them. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Book, usageIsReplaced } from "../config/book.ts";
import { entities, entityOf, sqlTypes } from "../config/entities.ts";
import { plainRollUp, type UsageRollUp } from "../config/kpi.ts";
import { kpiColumns } from "../features/columns.ts";
import { projectRoot } from "../lib/files.ts";
import { rollUpStatements } from "../load/rollup.ts";
import { sortNodes } from "../models/graph.ts";
import type { Node } from "../models/model.ts";
import { Database } from "../warehouse/database.ts";
import { literal, quoteIdentifier, type SqlValue } from "../warehouse/literal.ts";

export type GivenRow = Readonly<Record<string, SqlValue>>;
/** Table name (`staging.ticket`, `rollup.account_day`) to rows; columns left out are null, `source` is the entity. */
export type GivenTables = Readonly<Record<string, readonly GivenRow[]>>;

export const defaultParams = {
  book: "small",
  as_of: "2024-06-03",
  window_days: 28,
  gap_days: 30,
  horizon_days: 90,
  min_tenure_days: 90,
  reactivation_grace_days: 30,
  score_every: "week",
  validate_every: "month",
  currency: "USD",
  primary_definition: "subscription_end",
  min_cell: 5,
  title: "Small",
} as const;
export type GivenParams = { readonly [key in keyof typeof defaultParams]?: SqlValue };

const facts = [
  ["source", "varchar"],
  ["delivery_id", "varchar"],
  ["visible_on", "date"],
  ["superseded_on", "date"],
] as const;

/** Columns and types of the tables that the spine and the features read; with a book, its own columns too. */
export function givenColumns(
  book?: Book,
  usage: UsageRollUp = plainRollUp,
): ReadonlyMap<string, readonly (readonly [string, string])[]> {
  const tables = new Map<string, readonly (readonly [string, string])[]>();
  for (const { id, columns, extras } of entities.values()) {
    const known = book === undefined ? columns : [...kpiColumns(entityOf(id), book).values()];
    const own = known.map((column) => [column.name, sqlTypes[column.type]] as const);
    const segment = extras && !own.some(([name]) => name === "segment") ? [["segment", "varchar"] as const] : [];
    tables.set(`staging.${id}`, [
      ...own,
      ...segment,
      ...facts.filter(([name]) => !own.some(([known]) => known === name)),
    ]);
  }
  const replaced = book !== undefined && usageIsReplaced(book) ? [["superseded_on", "date"] as const] : [];
  tables.set("rollup.account_day", [
    ["account_id", "varchar"],
    ["activity_date", "date"],
    ["visible_on", "date"],
    ...replaced,
    ["event", "varchar"],
    ["n_events", "bigint"],
    ["quantity", "decimal(18,6)"],
    ...usage.account.flatMap(({ name }) => [[name, "bigint"] as const, [`${name}_quantity`, "decimal(18,6)"] as const]),
  ]);
  tables.set("rollup.user_day", [
    ["account_id", "varchar"],
    ["user_id", "varchar"],
    ["activity_date", "date"],
    ["visible_on", "date"],
    ...replaced,
    ...usage.user.map(({ name }) => [name, "date"] as const),
  ]);
  tables.set("rollup.account_last", [
    ["account_id", "varchar"],
    ["activity_date", "date"],
    ["visible_on", "date"],
    ...replaced,
    ["filter_name", "varchar"],
    ["last_at", "timestamp"],
    ["quantity", "decimal(18,6)"],
  ]);
  return tables;
}

/** A database with the macros, `meta.params` and the given tables; the ones not given are there and empty. */
export async function openGiven(
  given: GivenTables,
  params: GivenParams = {},
  book?: Book,
  usage: UsageRollUp = plainRollUp,
): Promise<Database> {
  const database = await Database.open({ path: ":memory:", threads: 2 });
  await database.run(await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"));
  for (const schema of ["meta", "staging", "rollup", "spine", "features"])
    await database.run(`create schema ${schema}`);
  const values = { ...defaultParams, ...params };
  const columns = Object.entries(values).map(([name, value]) =>
    name === "as_of" ? `cast(${literal(value)} as date) as as_of` : `${literal(value)} as ${name}`,
  );
  await database.run(`create table meta.params as select ${columns.join(", ")}`);
  const known = givenColumns(book, usage);
  for (const [table, types] of known) {
    await database.run(
      `create table ${quoteTable(table)} (${types.map(([name, type]) => `${quoteIdentifier(name)} ${type}`).join(", ")})`,
    );
    const rows = given[table] ?? [];
    if (rows.length > 0) await database.run(insertSql(table, types, rows));
  }
  for (const table of Object.keys(given)) if (!known.has(table)) throw new Error(`no such table: ${table}`);
  return database;
}

/** Adds the single events of `staging.usage_event` to the roll-ups, as loading does. */
export async function rollUpGiven(database: Database, usage: UsageRollUp = plainRollUp): Promise<void> {
  const filters = new Map([...usage.account, ...usage.user, ...usage.last].map(({ name, sql }) => [name, sql]));
  const columns = await database.describe("select * from rollup.account_day");
  const isReplaced = columns.some(({ name }) => name === "superseded_on");
  const usageRow = `with usage_row as (
  select
    account_id as account_ref,
    cast(event_time as date) as activity_date,
    visible_on,
    ${isReplaced ? "superseded_on,\n    " : ""}event,
    event_time,
    user_id,
    cast(1 as bigint) as n_events,
    quantity,
    ${[...filters].map(([name, sql]) => `${sql} as ${name},\n    `).join("")}cast(null as date) as visible_month
  from staging.usage_event
)`;
  for (const { name, sql } of rollUpStatements(usage, isReplaced)) {
    const columns = await database.describe(`select * from "rollup".${name}`);
    const own = columns.map((column) => (column.name === "account_id" ? "account_ref" : column.name)).join(", ");
    await database.run(`insert into "rollup".${name} ${usageRow} select ${own} from (${sql}) as rolled`);
  }
}

const quoteTable = (table: string): string => table.split(".").map(quoteIdentifier).join(".");

function insertSql(table: string, types: readonly (readonly [string, string])[], rows: readonly GivenRow[]): string {
  for (const row of rows) {
    for (const name of Object.keys(row)) {
      if (!types.some(([known]) => known === name)) throw new Error(`${table} has no column ${name}`);
    }
  }
  const lines = rows.map(
    (row) =>
      `(${types.map(([name]) => literal(row[name] ?? (name === "source" ? table.slice(table.indexOf(".") + 1) : null))).join(", ")})`,
  );
  return `insert into ${quoteTable(table)} values ${lines.join(", ")}`;
}

/** Builds nodes in their order; what they depend on and nobody makes must be given, or named in `built`. */
export async function build(database: Database, nodes: readonly Node[], built: readonly string[] = []): Promise<void> {
  const given = new Set([...givenColumns().keys(), ...built]);
  for (const node of sortNodes(nodes, given)) {
    if (node.kind === "step") throw new Error(`${node.name} is a step`);
    try {
      await database.run(`create ${node.kind} ${node.name} as\n${node.sql}`);
    } catch (error) {
      throw new Error(`${node.name}: ${String(error)}\n${node.sql}`);
    }
    for (const audit of node.audits) {
      const bad = await database.query(audit.sql);
      if (bad.length > 0) throw new Error(`${node.name}: audit ${audit.name}: ${JSON.stringify(bad.slice(0, 3))}`);
    }
  }
}
