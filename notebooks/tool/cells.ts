/** Runs the SQL cells of a notebook while it is built, as Notebook Kit's own driver would, but on a locked-down release. */
import { existsSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { type Notebook, type Cell as NotebookCell, toCell, transpile } from "@observablehq/notebook-kit";
import { getQueryCachePath } from "@observablehq/notebook-kit/databases";
import { AssayError, usageError } from "../../pipelines/lib/errors.ts";
import { literal } from "./literal.ts";
import type { OpenedRelease } from "./release.ts";

/** The name that SQL cells give the release: `<script type="application/sql" database="release">`. */
export const databaseName = "release";

interface Column {
  readonly name: string;
  readonly type: string;
}
type Rows = readonly Readonly<Record<string, unknown>>[];

/** What Notebook Kit keeps of a query, and reads when a page opens. */
interface Result {
  readonly rows: Rows;
  readonly schema: readonly Column[];
  readonly duration: number;
  readonly date: string;
}

/**
 * The notebook with every SQL cell of the release in the words that ran: `${...}` is replaced by its value, the result lies where
 * Notebook Kit looks for it. Results are kept by release id and text, so that none outlives its release.
 *
 * An expression in a SQL cell may use what JavaScript cells declare (without display or view) and the rows of SQL cells with an `output`,
 * wherever in the notebook these stand.
 */
export async function runSqlCells(
  notebook: Notebook,
  file: string,
  kept: string,
  open: () => Promise<OpenedRelease>,
): Promise<Notebook> {
  const runner = new Runner(notebook, file, kept, open);
  const cells: NotebookCell[] = [];
  for (const cell of notebook.cells) {
    if (cell.mode !== "sql" || cell.database !== databaseName) cells.push(cell);
    else cells.push({ ...cell, database: kept, value: await runner.textOf(cell) });
  }
  for (const cell of cells) if (cell.database === kept) await runner.resultOf(cell);
  return { ...notebook, cells };
}

class Runner {
  readonly #file: string;
  readonly #kept: string;
  readonly #open: () => Promise<OpenedRelease>;
  /** Name of a variable to the cell that gives it. */
  readonly #givenBy = new Map<string, NotebookCell>();
  readonly #values = new Map<string, Promise<unknown>>();
  readonly #texts = new Map<number, Promise<string>>();
  readonly #results = new Map<string, Promise<Result>>();

  constructor(notebook: Notebook, file: string, kept: string, open: () => Promise<OpenedRelease>) {
    this.#file = file;
    this.#kept = kept;
    this.#open = open;
    for (const cell of notebook.cells) {
      if (cell.mode === "sql") {
        if (cell.output !== undefined) this.#givenBy.set(cell.output, cell);
      } else if ((cell.mode === "js" || cell.mode === "ts") && !/^\s*import\b/m.test(cell.value)) {
        for (const name of this.#about(cell, () => transpile(cell)).outputs ?? []) this.#givenBy.set(name, cell);
      }
    }
  }

  /** The SQL of a cell with its expressions replaced by their values. */
  textOf(cell: NotebookCell): Promise<string> {
    return remembered(this.#texts, cell.id, async () => {
      if (!cell.value.includes("${")) return cell.value;
      // Notebook Kit's own translation of the template, with a database that gives the text back.
      const { body, inputs = [] } = this.#about(cell, () => transpile(toCell({ ...cell, hidden: true })));
      const database = () => ({
        sql: ({ raw }: TemplateStringsArray, ...values: unknown[]) =>
          raw.map((text, i) => text.replaceAll("\\`", "`") + (i < values.length ? literal(values[i]) : "")).join(""),
      });
      const given: unknown[] = [];
      for (const name of inputs)
        given.push(name === "DatabaseClient" ? database : await this.#valueOf(name, cell, [cell.id]));
      return this.#about(cell, () => evaluate(body)(...given) as string);
    });
  }

  /** Rows of a cell whose text is final; from the cache of this release, or read now. */
  resultOf(cell: NotebookCell): Promise<Result> {
    return remembered(this.#results, cell.value, async () => {
      const path = await getQueryCachePath(this.#file, this.#kept, [cell.value] as unknown as TemplateStringsArray);
      if (existsSync(path)) {
        const { readFile } = await import("node:fs/promises");
        return JSON.parse(await readFile(path, "utf8")) as Result;
      }
      const release = await this.#open();
      const began = Date.now();
      const { rows, schema } = await release.read(cell.value).catch((error: unknown) => {
        throw this.#wrong(cell, error);
      });
      const result: Result = { rows, schema, duration: Date.now() - began, date: new Date().toISOString() };
      await mkdir(dirname(path), { recursive: true });
      // Written aside: another preview may read the same file.
      await writeFile(`${path}.${process.pid}`, JSON.stringify(result));
      await rename(`${path}.${process.pid}`, path);
      return result;
    });
  }

  #valueOf(name: string, asked: NotebookCell, path: readonly number[]): Promise<unknown> {
    const cell = this.#givenBy.get(name);
    if (cell === undefined)
      throw this.#wrong(
        asked,
        new Error(
          `\${...} reads ${name}, which only a page in a browser knows; a SQL cell takes what JavaScript cells declare (imports aside) and the rows of SQL cells with an output`,
        ),
      );
    if (path.includes(cell.id)) throw this.#wrong(asked, new Error(`${name} reads itself in a circle`));
    return remembered(this.#values, name, async () => {
      if (cell.mode === "sql") {
        const text = await this.textOf(cell);
        return revived(await this.resultOf({ ...cell, value: text }));
      }
      const { body, inputs = [] } = transpile(cell);
      // One after the other: the connection must be idle when a failure closes it.
      const given: unknown[] = [];
      for (const input of inputs) given.push(await this.#valueOf(input, cell, [...path, cell.id]));
      const exported = (await this.#about(cell, () => evaluate(body)(...given))) as Readonly<Record<string, unknown>>;
      return exported[name];
    });
  }

  #about<T>(cell: NotebookCell, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw this.#wrong(cell, error);
    }
  }

  #wrong(cell: NotebookCell, error: unknown): AssayError {
    if (error instanceof AssayError) return error;
    const [first = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
    const name = cell.output === undefined ? "" : ` (${cell.output})`;
    return usageError(`${basename(this.#file)}, cell ${cell.id}${name}: ${first}`);
  }
}

function remembered<K, V>(map: Map<K, Promise<V>>, key: K, make: () => Promise<V>): Promise<V> {
  let found = map.get(key);
  if (found === undefined) {
    found = make();
    map.set(key, found);
  }
  return found;
}

const evaluate = (body: string): ((...given: unknown[]) => unknown) => new Function(`return (${body});`)();

/** As a page sees them: dates as Date. */
function revived({ rows, schema }: Result): Rows {
  const dates = schema.filter(({ type }) => type === "date").map(({ name }) => name);
  return rows.map((row) => {
    const copy: Record<string, unknown> = { ...row };
    for (const name of dates) if (copy[name] !== null) copy[name] = new Date(copy[name] as string);
    return copy;
  });
}
