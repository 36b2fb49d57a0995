import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { projectRoot } from "../lib/files.ts";
import { simulate } from "../simulate/simulate.ts";
import { Database } from "../warehouse/database.ts";
import { literal } from "../warehouse/literal.ts";
import type { Context } from "./context.ts";
import { formatTable } from "./table.ts";

interface Measured {
  readonly events: number;
  /** The limit: one typed read of the usage CSV, its Parquet, one aggregation per account and day. */
  readonly limit_seconds: number;
  readonly load_to_features_seconds: number;
  readonly ratio: number;
  readonly limit_cpu_seconds: number;
  readonly load_to_features_cpu_seconds: number;
  /** The same ratio in CPU seconds: the one to go by on a machine that does other work too. */
  readonly cpu_ratio: number;
  readonly refresh_seconds: number;
  readonly rows_per_second: number;
  readonly peak_memory_mb: number;
  readonly steps: Readonly<Record<string, { readonly seconds: number; readonly cpu_seconds: number }>>;
}

const beforeFeatures = ["load exports", "stage", "roll up usage", "spine", "features"];

/**
 * Simulates a book for each volume, measures the limit and then a whole refresh in a process of its own (so that its
 * peak memory is its own). Speed is the ratio of the two in the same run: absolute seconds differ between machines.
 */
export async function bench(context: Context, options: { readonly events: readonly number[] }): Promise<void> {
  const work = join(tmpdir(), `assay-bench-${process.pid}`);
  const results: Measured[] = [];
  try {
    for (const events of options.events) {
      const folder = join(work, `book-${events}`);
      await context.log.step(`simulate ${events} events`, () =>
        simulate({
          out: folder,
          accounts: 2000,
          months: 24,
          seed: 1,
          kind: "plain",
          events,
          usageFormat: "csv",
          log: context.log,
        }),
      );
      const limit = await context.log.step("measure the limit", () => measureLimit(folder, work));
      const run = await context.log.step("refresh", () => measureRefresh(folder, context));
      const upToFeatures = (of: Readonly<Record<string, number>>): number =>
        beforeFeatures.reduce((sum, step) => sum + (of[step] ?? 0), 0);
      const loadToFeatures = upToFeatures(run.seconds);
      const loadToFeaturesCpu = upToFeatures(run.cpuSeconds);
      results.push({
        events: limit.events,
        limit_seconds: round(limit.seconds),
        load_to_features_seconds: round(loadToFeatures),
        ratio: round(loadToFeatures / limit.seconds),
        limit_cpu_seconds: round(limit.cpuSeconds),
        load_to_features_cpu_seconds: round(loadToFeaturesCpu),
        cpu_ratio: round(loadToFeaturesCpu / limit.cpuSeconds),
        refresh_seconds: round(Object.values(run.seconds).reduce((sum, s) => sum + s, 0)),
        rows_per_second: Math.round(limit.events / loadToFeatures),
        peak_memory_mb: run.peakMemoryMb,
        steps: Object.fromEntries(
          Object.entries(run.seconds).map(([step, seconds]) => [
            step,
            { seconds: round(seconds), cpu_seconds: round(run.cpuSeconds[step] ?? 0) },
          ]),
        ),
      });
      await rm(folder, { recursive: true, force: true });
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  const report = {
    measured_on: context.now().toISOString().slice(0, 10),
    node: process.version,
    cores: cpus().length,
    memory_gb: Math.round(totalmem() / 2 ** 30),
    results,
  };
  const file = join(projectRoot, "data", "bench", "report.json");
  await mkdir(join(projectRoot, "data", "bench"), { recursive: true });
  await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
  for (const result of results) {
    const { steps, ...facts } = result;
    context.print(formatTable(Object.entries(facts).map(([measure, value]) => ({ measure, value }))));
    context.print(`\n${formatTable(Object.entries(steps).map(([step, cost]) => ({ step, ...cost })))}\n`);
  }
  context.print(`written to ${file}`);
}

const round = (value: number): number => Math.round(value * 100) / 100;

/**
 * The least that any tool has to do with the same files: one read of the CSV with its types, written once as Parquet, and one
 * aggregation per account and day over that.
 */
async function measureLimit(
  folder: string,
  work: string,
): Promise<{ events: number; seconds: number; cpuSeconds: number }> {
  await mkdir(work, { recursive: true });
  const database = await Database.open({ path: join(work, "limit.duckdb") });
  try {
    const files = literal(join(folder, "exports", "usage", "*.csv"));
    const parquet = join(work, "limit.parquet");
    const started = performance.now();
    const cpuStarted = process.cpuUsage();
    await database.run(`copy (
      select * from read_csv(${files}, header = true)
    ) to ${literal(parquet)} (format parquet)`);
    await database.run(`create table account_day as
      select account_id, cast(event_time as date) as activity_date, count(*) as n
      from read_parquet(${literal(parquet)}) group by all`);
    const seconds = (performance.now() - started) / 1000;
    const cpu = process.cpuUsage(cpuStarted);
    const events = (await database.scalar<number>(`select count(*) from read_parquet(${literal(parquet)})`)) ?? 0;
    return { events, seconds, cpuSeconds: (cpu.user + cpu.system) / 1e6 };
  } finally {
    database.close();
    await rm(join(work, "limit.duckdb"), { force: true });
    await rm(join(work, "limit.parquet"), { force: true });
  }
}

/** A refresh in its own process; its peak memory is the kernel's figure (VmHWM), sampled until it ends. */
async function measureRefresh(
  folder: string,
  context: Context,
): Promise<{
  seconds: Readonly<Record<string, number>>;
  cpuSeconds: Readonly<Record<string, number>>;
  peakMemoryMb: number;
}> {
  const child = spawn(process.execPath, [join(projectRoot, "pipelines", "assay.js"), "refresh", folder, "--json"], {
    env: { ...context.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let peak = 0;
  const timer = setInterval(async () => {
    const status = `/proc/${child.pid}/status`;
    if (!existsSync(status)) return;
    const match = /VmHWM:\s+(\d+) kB/.exec(await readFile(status, "utf8").catch(() => ""));
    if (match !== null) peak = Math.max(peak, Math.round(Number(match[1]) / 1024));
  }, 200);
  const chunks: Buffer[] = [];
  const complaints: Buffer[] = [];
  child.stderr.on("data", (chunk: Buffer) => complaints.push(chunk));
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve)).finally(() =>
    clearInterval(timer),
  );
  if (code !== 0) {
    const last = Buffer.concat(complaints).toString("utf8").trim().split("\n").slice(-3).join(" | ");
    throw new Error(`refresh of ${folder} ended with exit code ${code}: ${last}`);
  }
  const { seconds, cpu_seconds } = JSON.parse(Buffer.concat(chunks).toString("utf8")) as {
    seconds: Record<string, number>;
    cpu_seconds: Record<string, number>;
  };
  return { seconds, cpuSeconds: cpu_seconds, peakMemoryMb: peak };
}
