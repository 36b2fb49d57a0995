/** How fast exports are read: CPU seconds of a load beside the engine's own typed read of the same file into Parquet. */
import { mkdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readBook } from "../config/book.ts";
import { silentLog } from "../lib/log.ts";
import { loadDeliveries } from "../load/load.ts";
import { Database } from "../warehouse/database.ts";
import { literal } from "../warehouse/literal.ts";
import type { Context } from "./context.ts";
import { formatTable } from "./table.ts";

const columns = {
  event_id: "varchar",
  account_id: "varchar",
  user_id: "varchar",
  event: "varchar",
  event_time: "timestamptz",
  loaded_at: "timestamp",
} as const;

/** The forms of one and the same usage, and how the engine alone reads each. */
const forms = [
  { name: "CSV", file: "usage.csv", write: "format csv, header", read: "read_csv" },
  { name: "CSV, gzip", file: "usage.csv.gz", write: "format csv, header, compression gzip", read: "read_csv" },
  { name: "CSV, zstd", file: "usage.csv.zst", write: "format csv, header, compression zstd", read: "read_csv" },
  { name: "JSON lines", file: "usage.jsonl", write: "format json", read: "read_json" },
  { name: "JSON lines, gzip", file: "usage.jsonl.gz", write: "format json, compression gzip", read: "read_json" },
] as const;

/**
 * Writes the same events in every form, reads each with the engine alone (declared types, straight into Parquet) and with a load into an
 * empty book, and prints the CPU seconds of both: a ratio of 2 is half the engine's speed. All of a load counts: the hash of the bytes, the
 * check that no record is lost, every value and its line, the rows of the store on disk, the days, and the search for repeated ids. Of
 * several tries the cheapest counts, on both sides: other work on the machine costs CPU seconds, too.
 */
export async function benchReading(context: Context, events: number): Promise<void> {
  const folder = join(tmpdir(), `assay-bench-reading-${process.pid}`);
  const rows: Record<string, string | number>[] = [];
  try {
    await mkdir(folder, { recursive: true });
    for (const { name, file, write, read } of forms) {
      const path = join(folder, file);
      const database = await Database.open({ path: ":memory:" });
      let engine: number;
      try {
        await database.run(`copy (${usage(events)}) to ${literal(path)} (${write})`);
        const typed = Object.entries(columns).map(([column, type]) => `'${column}': '${type}'`);
        const more = read === "read_csv" ? "header = true, auto_detect = false" : "format = 'newline_delimited'";
        const select = `from ${read}(${literal(path)}, columns = {${typed.join(", ")}}, ${more})`;
        engine = await leastOf(() =>
          database.run(`copy (${select}) to ${literal(`${path}.parquet`)} (format parquet)`),
        );
      } finally {
        database.close();
      }
      await writeBook(folder, file);
      const book = await readBook(folder, { cwd: folder, env: {} });
      const state = join(folder, ".assay");
      const load = await leastOf(async () => {
        await rm(state, { recursive: true, force: true });
        await loadDeliveries({ book, state, log: silentLog, now: context.now, settleSeconds: 0 });
      });
      rows.push({
        form: name,
        mb: Math.round((await stat(path)).size / 1e6),
        "engine, CPU s": round(engine),
        "load, CPU s": round(load),
        ratio: round(load / engine),
      });
      await rm(state, { recursive: true });
      await rm(path);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  context.print(
    `${events} rows, the limit is a ratio of 2: half the speed of the engine's own typed read into Parquet\n`,
  );
  context.print(formatTable(rows));
}

const usage = (events: number): string => `
  select
    'ev_' || i as event_id,
    'acc_' || lpad(cast(i * 7919 % 2000 as varchar), 5, '0') as account_id,
    'usr_' || (i * 104729 % 40000) as user_id,
    ['login', 'invoice_sent', 'payment_matched', 'report', 'template_use'][1 + i % 5] as event,
    strftime(timestamp '2023-01-01' + to_seconds(cast(i * 13 % 63072000 as bigint)), '%Y-%m-%dT%H:%M:%SZ') as event_time,
    strftime(timestamp '2023-01-01' + to_seconds(cast(i * 13 % 63072000 as bigint) + 600), '%Y-%m-%d %H:%M:%S') as loaded_at
  from range(${events}) as t(i)`;

async function writeBook(folder: string, file: string): Promise<void> {
  await writeFile(join(folder, "accounts.csv"), "account_id,created_at\nacc_00000,2023-01-01\n");
  const lines = [
    "book: reading",
    "sources:",
    "  accounts: { entity: account, files: accounts.csv }",
    `  usage: { entity: usage_event, files: ${file}, key: [event_id], columns: { known_at: loaded_at } }`,
    "churn: { primary: silent, definitions: { silent: { type: inactivity, days: 60 } } }",
    "kpis: [logins_28d]",
  ];
  await writeFile(join(folder, "assay.yaml"), `${lines.join("\n")}\n`);
}

const tries = 3;

/** CPU seconds of this process, the least of some tries. */
async function leastOf(work: () => Promise<void>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < tries; i += 1) {
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1e6);
  }
  return least;
}

const round = (x: number): number => Math.round(100 * x) / 100;
