import type { Log } from "../lib/log.ts";
import type { Database } from "../warehouse/database.ts";
import { layerOf, producesOf } from "./graph.ts";
import type { Audit, Node } from "./model.ts";

export interface NodeRun {
  readonly name: string;
  /** A view has no count: counting it would run it. */
  readonly tables: readonly { readonly name: string; readonly rowCount: number | null }[];
  readonly ms: number;
}

export interface AuditResult {
  readonly audit: string;
  readonly model: string;
  readonly failedRows: number;
  readonly blocking: boolean;
}

export interface RunResult {
  readonly runs: readonly NodeRun[];
  readonly audits: readonly AuditResult[];
}

/** What nodes are run by: a database, or a catalog that is attached to one. */
export type Runner = Pick<Database, "query" | "run" | "scalar">;

/** Builds sorted nodes into a database and checks their audits. Nothing is dropped or replaced: the file is fresh. `progress` hears of each that is done. */
export async function runNodes(
  database: Runner,
  sorted: readonly Node[],
  log: Log,
  now: () => number,
  progress: (done: number) => void = () => {},
): Promise<RunResult> {
  for (const schema of new Set(sorted.flatMap(producesOf).map(layerOf))) {
    await database.run(`create schema if not exists ${schema}`);
  }
  const runs: NodeRun[] = [];
  const audits: AuditResult[] = [];
  for (const node of sorted) {
    const started = now();
    if (node.kind === "step") {
      await node.run({ query: database.query, run: (sql) => database.run(sql), note: (text) => log.info(text) });
    } else {
      await database.run(`create ${node.kind} ${node.name} as\n${node.sql}`);
    }
    const tables = [];
    for (const name of producesOf(node)) {
      const rowCount = node.kind === "view" ? null : await database.scalar<number>(`select count(*) from ${name}`);
      tables.push({ name, rowCount });
    }
    runs.push({ name: node.name, tables, ms: now() - started });
    progress(runs.length);
    if (node.kind !== "step") audits.push(...(await runAudits(database, node.name, node.audits)));
  }
  return { runs, audits };
}

/** Counts the bad rows of each audit. */
export async function runAudits(
  database: Runner,
  model: string,
  audits: readonly Audit[],
): Promise<readonly AuditResult[]> {
  const results: AuditResult[] = [];
  for (const { name, sql, blocking } of audits) {
    const failedRows = (await database.scalar<number>(`select count(*) from (${sql}) as bad`)) ?? 0;
    results.push({ audit: name, model, failedRows, blocking });
  }
  return results;
}
