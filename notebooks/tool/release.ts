/** The release of a book, opened as `assay query` opens it, with the roll-ups of usage beside it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type BookOptions, type Context, openRelease } from "../../pipelines/commands/context.ts";
import { resolveKpis } from "../../pipelines/features/library.ts";
import { usageRollUp } from "../../pipelines/features/usage-filter.ts";
import { createRollUpViews } from "../../pipelines/load/rollup.ts";
import type { Database } from "../../pipelines/warehouse/database.ts";

export interface OpenedRelease {
  /** Runs one statement; dates as ISO text, for JSON. */
  readonly read: (sql: string) => Promise<{
    readonly rows: readonly Readonly<Record<string, unknown>>[];
    readonly schema: readonly { readonly name: string; readonly type: string }[];
  }>;
  readonly close: () => void;
}

export async function openForCells(context: Context, name: string, options: BookOptions): Promise<OpenedRelease> {
  const { book, state, release, database } = await openRelease(context, name, options);
  try {
    const { store } = release.manifest;
    const found = (files: readonly string[] = []) =>
      files.map((file) => join(state, "store", file)).filter((path) => existsSync(path));
    const files = {
      events: found(store.account_day),
      users: found(store.user_day),
      lasts: found(store.account_last),
    };
    await database.run("attach ':memory:' as rollup (read_write)");
    // The catalog stands in for the schema that exists while a release is built, so that a KPI's own statement runs as it is.
    const views = {
      run: async (sql: string) => (/^create schema/.test(sql) ? undefined : database.run(sql)),
      scalar: (sql: string) => database.scalar(sql),
    } as unknown as Database;
    const { kpis } = await resolveKpis(book);
    // Definitions that changed since the release ask for columns that its roll-ups lack: then the plain ones must do.
    await createRollUpViews(views, book, files, usageRollUp(kpis)).catch(() => createRollUpViews(views, book, files));
  } catch (error) {
    database.close();
    throw error;
  }
  return {
    read: async (sql) => {
      const columns = await database.describe(sql);
      const schema = columns.map(({ name, type }) => ({ name, type: kitType(type) }));
      const dates = schema.filter(({ type }) => type === "date").map(({ name }) => name);
      const rows = (await database.query(sql)).map((row) => {
        const copy: Record<string, unknown> = { ...row };
        for (const [key, value] of Object.entries(copy)) if (typeof value === "bigint") copy[key] = Number(value);
        for (const key of dates) {
          const value = copy[key];
          if (typeof value === "string" && value.includes(" ")) copy[key] = `${value.replace(" ", "T")}Z`;
        }
        return copy;
      });
      return { rows, schema };
    },
    close: () => database.close(),
  };
}

/** Notebook Kit's word for a DuckDB type. Numbers arrive as numbers, so that none has to be revived but dates. */
function kitType(type: string): string {
  if (/\[\d*\]$/.test(type)) return "array";
  if (/^(DATE|TIMESTAMP)/.test(type)) return "date";
  if (/^U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$/.test(type)) return "integer";
  if (/^(DOUBLE|FLOAT|DECIMAL)/.test(type)) return "number";
  if (type === "BOOLEAN") return "boolean";
  if (/^(VARCHAR|UUID|TIME$|ENUM)/.test(type)) return "string";
  return "other";
}
