/** Two releases beside each other: every table of their warehouses and every byte of their files. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Database } from "../pipelines/warehouse/database.ts";

/**
 * What is by its nature of the run and not of the release: how long a model took, and how much of it was taken from the store. Beside these only
 * manifest.json (run_id, built_at), report.json (times, memory, changes), ledger.jsonl (when a file was first seen) and the bytes of warehouse.duckdb, whose tables are compared.
 */
const ofTheRun: Readonly<Record<string, readonly string[]>> = {
  "meta.model_run": ["ms", "reused", "months_built", "months_reused"],
  // The path of a file of the store.
  "staging.range_day": ["file"],
};
const filesOfTheRun = new Set(["manifest.json", "report.json", "ledger.jsonl", "warehouse.duckdb"]);

export interface CompareOptions {
  /** Columns by table that may differ too; `*` for every table that has them. */
  readonly except?: Readonly<Record<string, readonly string[]>>;
  /** Takes out of a file's text what may differ. */
  readonly read?: (text: string, file: string) => string;
  /** Files that are compared as a warehouse's tables and not by their bytes. */
  readonly skip?: (file: string) => boolean;
}

/** Every difference between the tables of two warehouses: relation, rows that only one has, an example. Empty: they are equal. */
export async function tableDifferences(
  one: string,
  other: string,
  { except = {} }: CompareOptions = {},
): Promise<readonly unknown[]> {
  const database = await Database.open({ path: ":memory:" });
  try {
    await database.run(`attach '${join(one, "warehouse.duckdb")}' as one (read_only)`);
    await database.run(`attach '${join(other, "warehouse.duckdb")}' as other (read_only)`);
    const relations = (name: string) =>
      database.query<{ relation: string; columns: string[] }>(
        `select schema_name || '.' || table_name as relation, list(column_name || ' ' || data_type order by column_index) as columns
         from duckdb_columns() where database_name = '${name}' and not internal group by 1 order by 1`,
      );
    const [ours, theirs] = [await relations("one"), await relations("other")];
    const found: unknown[] = [];
    const shapes = new Map(theirs.map(({ relation, columns }) => [relation, String(columns)]));
    for (const { relation, columns } of ours)
      if (shapes.get(relation) !== String(columns)) found.push({ relation, columns, other: shapes.get(relation) });
    for (const { relation } of theirs)
      if (!ours.some((own) => own.relation === relation)) found.push({ relation, only: "in the other" });
    if (found.length > 0) return found;
    for (const { relation, columns } of ours) {
      const left = [...(ofTheRun[relation] ?? []), ...(except[relation] ?? []), ...(except["*"] ?? [])];
      const kept = columns.map((column) => column.slice(0, column.indexOf(" "))).filter((name) => !left.includes(name));
      const select = (name: string): string =>
        `select ${kept.map((column) => `"${column}"`).join(", ")} from ${name}.${relation}`;
      const rows = await database.query(
        `(${select("one")} except all ${select("other")}) union all (${select("other")} except all ${select("one")}) order by all`,
      );
      if (rows.length > 0) found.push({ relation, n: rows.length, first: rows[0], last: rows.at(-1) });
    }
    return found;
  } finally {
    database.close();
  }
}

/** Names of the files below two releases that differ, or that only one has. */
export function fileDifferences(
  one: string,
  other: string,
  { read = (text) => text, skip = () => false }: CompareOptions = {},
): readonly string[] {
  const names = (folder: string): readonly string[] =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
      .filter((name) => !filesOfTheRun.has(name) && !skip(name));
  const all = [...new Set([...names(one), ...names(other)])].sort();
  const text = (folder: string, name: string): string | null => {
    try {
      return read(readFileSync(join(folder, name)).toString("latin1"), name);
    } catch {
      return null;
    }
  };
  return all.filter((name) => text(one, name) === null || text(one, name) !== text(other, name));
}
