/** Looks at every file of a folder: which are tables, and what their columns hold. */
import { sha256File } from "../lib/files.ts";
import type { Log } from "../lib/log.ts";
import type { Database } from "../warehouse/database.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import { kindOf } from "./kinds.ts";
import { movementsIn, versionsOf } from "./movements.ts";
import type { Read } from "./place.ts";
import { profileColumns, readSample, sumsIn } from "./profile.ts";
import type { NotPlaced } from "./propose.ts";
import { namesAccount, type Words } from "./recognise.ts";
import { sniffFile } from "./sniff.ts";
import { columnsOf, dateIn, type ExportFile, groupTables, innerOf, listFiles } from "./tables.ts";

export interface Looked {
  /** How many files the folder holds. */
  readonly files: number;
  readonly tables: readonly ExportFile[];
  readonly reads: readonly Read[];
  readonly notPlaced: readonly NotPlaced[];
}

/** `scratch`: a folder for texts that the engine can read only after they were transcoded. */
export async function lookAtFolder(given: {
  readonly folder: string;
  readonly database: Database;
  readonly scratch: string;
  readonly log: Log;
  readonly words: Words;
}): Promise<Looked> {
  const { folder, database, scratch, log, words } = given;
  const listed = await listFiles(folder);
  const notPlaced: NotPlaced[] = [];
  const tables: ExportFile[] = [];
  await log.step("look at the files", async (note) => {
    for (const file of listed) {
      try {
        const sniffed = await sniffFile(file.path, (path) => unzipped(database, path));
        if (sniffed.kind === "other") {
          notPlaced.push({ files: [file.name], why: sniffed.why });
          continue;
        }
        const described =
          sniffed.kind === "parquet"
            ? await database.describe(`select * from read_parquet(${literal(file.path)})`)
            : [];
        const columns = sniffed.kind === "parquet" ? described.map(({ name }) => name) : columnsOf(sniffed);
        if (typeof columns === "string") notPlaced.push({ files: [file.name], why: columns });
        else {
          const rows =
            sniffed.kind === "csv"
              ? sniffed.text.rows
              : sniffed.kind === "parquet"
                ? await firstNested(database, file.path, described)
                : [];
          tables.push({ ...file, sniffed, columns, inner: innerOf(columns, rows) });
        }
      } catch (error) {
        notPlaced.push({ files: [file.name], why: `cannot be read: ${firstLine(error)}` });
      }
    }
    note(`${listed.length} files, ${tables.length} of them tables`);
  });
  const reads: Read[] = [];
  for (const table of groupTables(await withoutCopies(tables, notPlaced))) {
    await log.step(`look at ${table.files[0]?.name ?? ""}`, async (note) => {
      const name = `sample_${reads.length}`;
      try {
        const sample = await readSample(database, table, name, scratch);
        const profiles = await profileColumns(database, table, name);
        note(`${sample.rows} rows, ${profiles.length} columns`);
        const fileName = table.glob === "" ? (table.files[0]?.name ?? "") : table.glob;
        const kinds = profiles.map(kindOf);
        reads.push({
          name,
          fileName,
          table,
          profiles,
          kinds,
          rows: sample.rows,
          isWhole: sample.isWhole,
          sums: await sumsIn(database, name, profiles, sample.files),
          movements: await movementsIn(database, name, table.files[0]?.name ?? "", profiles, kinds, (column) =>
            namesAccount(column, words),
          ),
          versions: versionsOf(profiles, kinds),
        });
      } catch (error) {
        notPlaced.push({ files: table.files.map((one) => one.name), why: `cannot be read: ${firstLine(error)}` });
      }
    });
  }
  return { files: listed.length, tables, reads, notPlaced };
}

/** Files whose bytes no file before them has: a download that was done twice is one. A dump of another day may be the same as the one before. */
async function withoutCopies(files: readonly ExportFile[], notPlaced: NotPlaced[]): Promise<readonly ExportFile[]> {
  const sizes = new Map<number, number>();
  for (const { bytes } of files) sizes.set(bytes, (sizes.get(bytes) ?? 0) + 1);
  const seen = new Map<string, string>();
  const kept: ExportFile[] = [];
  // The shorter name is the original's: `usage.csv` before `usage (1).csv`.
  for (const file of [...files].sort((a, b) => a.name.length - b.name.length || (a.name < b.name ? -1 : 1))) {
    const content =
      (sizes.get(file.bytes) ?? 0) > 1 ? `${await sha256File(file.path)} ${dateIn(file.name)}` : file.name;
    const first = seen.get(content);
    if (first === undefined) {
      seen.set(content, file.name);
      kept.push(file);
    } else notPlaced.push({ files: [file.name], why: `the same bytes as ${first}, which is read` });
  }
  return files.filter((file) => kept.includes(file));
}

/** The texts and nested values of the first rows of a Parquet file, as JSON; null for all others. */
async function firstNested(
  database: Database,
  path: string,
  columns: readonly { readonly name: string; readonly type: string }[],
): Promise<readonly (readonly (string | null)[])[]> {
  const values = columns.map(({ name, type }, i) => {
    const value = quoteIdentifier(name);
    const text = /^(struct|map)/i.test(type) ? `to_json(${value})` : /^(varchar|json)$/i.test(type) ? value : "null";
    return `cast(${text} as varchar) as c${i}`;
  });
  const rows = await database.query<Record<string, string | null>>(
    `select ${values.join(", ")} from read_parquet(${literal(path)}) limit 200`,
  );
  return rows.map((row) => columns.map((_, i) => row[`c${i}`] ?? null));
}

/** The first lines of a .zst file, which not every Node unpacks by itself. */
async function unzipped(database: Database, path: string): Promise<string> {
  const lines = await database.query<{ line: string }>(
    `select line from read_csv(${literal(path)}, auto_detect = false, header = false, delim = '\u0001', quote = '', escape = '',
       columns = {'line': 'varchar'}, compression = 'zstd') limit 500`,
  );
  return lines.map(({ line }) => line).join("\n");
}

const firstLine = (error: unknown): string =>
  ((error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "")
    .replace(/^[A-Za-z ]+ Error: /, "")
    .slice(0, 200);
