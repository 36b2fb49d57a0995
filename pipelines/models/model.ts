/** A query that returns the bad rows of a model; none means that it holds. */
export interface Audit {
  /** As in the header: `not_null(account_id)`. */
  readonly name: string;
  readonly sql: string;
  /** A blocking audit that fails stops the release (exit 3). */
  readonly blocking: boolean;
}

/** One table or view of the warehouse, defined by one select. */
export interface Model {
  readonly kind: "table" | "view";
  /** `schema.table`; the schema is the layer. */
  readonly name: string;
  /** The columns that identify a row. */
  readonly grain: readonly string[];
  /** Names of the models and steps' tables that the select reads. `meta.params` is not listed: see `params`. */
  readonly depends: readonly string[];
  /** The columns of `meta.params` that the select reads. */
  readonly params: readonly string[];
  readonly audits: readonly Audit[];
  /** The text keeps to what DuckDB and Trino both accept (architecture: Engines). */
  readonly portable: boolean;
  /** One select, without a trailing semicolon. */
  readonly sql: string;
  /** Roll-up -> days: what lies further back than that before a snapshot does not count in its rows. Not named: all of it may. */
  readonly reachDays?: Readonly<Record<string, number>>;
  /** Table -> a condition that all the rows pass which the select looks up in it. Not named: it may look at any. */
  readonly reads?: Readonly<Record<string, string>>;
}

/** What a step may use: it reads with `query` and writes its own tables with `run`. */
export interface StepContext {
  readonly query: import("../warehouse/database.ts").Query;
  readonly run: (sql: string) => Promise<void>;
  readonly note: (text: string) => void;
}

/**
 * Work that is not one select (an iteration, a small matrix, a rule table in TypeScript) and leaves tables behind.
 * It reads tables and writes tables; nothing else may know its results.
 */
export interface Step {
  readonly kind: "step";
  /** `validation.fit_baseline`. */
  readonly name: string;
  readonly depends: readonly string[];
  readonly params: readonly string[];
  /** The tables that it creates. */
  readonly produces: readonly string[];
  /** Changes whenever its results may change: part of the fingerprint, because its code is not. */
  readonly version: string;
  readonly run: (context: StepContext) => Promise<void>;
}

export type Node = Model | Step;
