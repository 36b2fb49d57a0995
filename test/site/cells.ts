import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { tableFromIPC } from "apache-arrow";
import { artefacts } from "../../pipelines/publish/artefacts.ts";

type Row = Readonly<Record<string, unknown>>;

async function rowsOf(folder: string, name: string, format: "json" | "arrow" | "columns"): Promise<readonly Row[]> {
  const bytes = await readFile(join(folder, `${name}.${format}`));
  return format === "json"
    ? JSON.parse(bytes.toString("utf8"))
    : tableFromIPC(bytes)
        .toArray()
        .map((row) => row.toJSON() as Row);
}

/**
 * Where the leadership artefacts of a release say something of fewer accounts than `least`, by what each declares of itself. One that
 * declares nothing is a problem, and so is a declared column that it does not have.
 */
export async function smallCells(folder: string, least: number): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const { name, format, audience, cells } of artefacts) {
    if (audience !== "leadership") continue;
    if (cells === undefined) {
      problems.push(`${name} does not declare what its rows count`);
      continue;
    }
    const rows = await rowsOf(folder, name, format);
    for (const [column, figures] of Object.entries(cells)) {
      for (const row of rows) {
        const missing = [column, ...(figures === "row" ? [] : figures)].filter((key) => !(key in row));
        if (missing.length > 0) problems.push(`${name} has no column ${missing.join(", ")}`);
        const n = row[column];
        if (typeof n === "number" ? n >= least : n === null && figures === "row") continue;
        const shown = figures === "row" ? [column] : figures.filter((key) => typeof row[key] === "number");
        if (shown.length > 0)
          problems.push(`${name}: ${shown.join(", ")} of ${n}: ${JSON.stringify(row).slice(0, 200)}`);
      }
    }
  }
  return [...new Set(problems)];
}
