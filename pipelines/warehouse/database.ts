import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import {
  type DuckDBConnection,
  DuckDBInstance,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBValue,
} from "@duckdb/node-api";
import { literal } from "./literal.ts";

export type Cell = string | number | bigint | boolean | null | readonly Cell[];
export type Row = Readonly<Record<string, Cell>>;

/** Reads rows. Dates and timestamps arrive as ISO text in UTC, integers as numbers while they are exact. */
export type Query = <T = Row>(sql: string) => Promise<readonly T[]>;

export interface OpenOptions {
  /** A file, or `:memory:`. */
  readonly path: string;
  readonly readOnly?: boolean;
  readonly threads?: number;
  /** DuckDB's spelling: `4GB`. */
  readonly memoryLimit?: string;
  /** Bytes of a block of a new file, a power of two from 16384: each column of a table takes one at least. Default: DuckDB's 262144. */
  readonly blockSize?: number;
  /** Where larger-than-memory work spills; default: beside the file. */
  readonly tempDirectory?: string;
  /** When given, the connection can touch files below these folders and nothing else, and cannot be reconfigured. */
  readonly allowedDirectories?: readonly string[];
  /** Statements run before the connection is locked down. */
  readonly prepare?: readonly string[];
  /** What a failed query is told as; default: the engine's own error. */
  readonly failed?: (error: unknown) => unknown;
}

/** One DuckDB file (or memory) and one connection to it. Always UTC, never installs an extension. */
export class Database {
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;
  readonly #failed: (error: unknown) => unknown;

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection, failed: (error: unknown) => unknown) {
    this.#instance = instance;
    this.#connection = connection;
    this.#failed = failed;
  }

  static async open(options: OpenOptions): Promise<Database> {
    const inMemory = options.path === ":memory:";
    if (!inMemory && !options.readOnly) mkdirSync(dirname(options.path), { recursive: true });
    const config: Record<string, string> = {
      autoinstall_known_extensions: "false",
      autoload_known_extensions: "false",
      allow_community_extensions: "false",
      preserve_insertion_order: "true",
    };
    if (options.readOnly) config.access_mode = "READ_ONLY";
    if (options.threads !== undefined) config.threads = String(options.threads);
    if (options.memoryLimit !== undefined) config.memory_limit = options.memoryLimit;
    if (options.blockSize !== undefined) config.default_block_size = String(options.blockSize);
    if (options.tempDirectory !== undefined) config.temp_directory = options.tempDirectory;
    const instance = await DuckDBInstance.create(options.path, config);
    const connection = await instance.connect();
    const database = new Database(instance, connection, options.failed ?? ((error) => error));
    try {
      await database.run("set timezone = 'UTC'");
      for (const sql of options.prepare ?? []) await database.run(sql);
      if (options.allowedDirectories !== undefined) {
        await database.run(`set allowed_directories = [${options.allowedDirectories.map(literal).join(", ")}]`);
        await database.run("set enable_external_access = false");
        await database.run("set lock_configuration = true");
      }
    } catch (error) {
      database.close();
      throw error;
    }
    return database;
  }

  /** Runs one or several statements and drops their results. */
  async run(sql: string): Promise<void> {
    await this.#connection.run(sql);
  }

  /** Runs one statement and returns its rows as plain values (see {@link Query}). */
  readonly query: Query = async <T>(sql: string): Promise<readonly T[]> => {
    const reader = await this.#connection.runAndReadAll(sql).catch((error: unknown) => {
      throw this.#failed(error);
    });
    const names = reader.deduplicatedColumnNames();
    const types = reader.columnTypes();
    return reader.getRows().map((row) => {
      const out: Record<string, Cell> = {};
      for (const [i, name] of names.entries()) out[name] = toCell(row[i] as DuckDBValue, types[i] as DuckDBType);
      return out as T;
    });
  };

  /** The first column of the first row, or null when there is no row. */
  async scalar<T extends Cell = Cell>(sql: string): Promise<T | null> {
    const [row] = await this.query<Record<string, T>>(sql);
    return row === undefined ? null : (Object.values(row)[0] ?? null);
  }

  /** Column names and DuckDB types of a statement, without running it. */
  async describe(sql: string): Promise<readonly { readonly name: string; readonly type: string }[]> {
    const rows = await this.query<{ column_name: string; column_type: string }>(`describe ${sql}`);
    return rows.map((row) => ({ name: row.column_name, type: row.column_type }));
  }

  interrupt(): void {
    this.#connection.interrupt();
  }

  /** Connection first, then instance: the other order keeps the file locked. */
  close(): void {
    this.#connection.closeSync();
    this.#instance.closeSync();
  }
}

function toCell(value: DuckDBValue, type: DuckDBType): Cell {
  if (value === null) return null;
  if (typeof value === "bigint") {
    const exact = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);
    return exact ? Number(value) : value;
  }
  if (typeof value !== "object") return value;
  switch (type.typeId) {
    case DuckDBTypeId.DECIMAL:
      return Number(value.toString());
    case DuckDBTypeId.LIST:
    case DuckDBTypeId.ARRAY: {
      const { items } = value as unknown as { items: DuckDBValue[] };
      const { valueType } = type as unknown as { valueType: DuckDBType };
      return items.map((item) => toCell(item, valueType));
    }
    default:
      // Dates give 2026-01-31, timestamps 2026-01-31 12:00:00.
      return value.toString();
  }
}
