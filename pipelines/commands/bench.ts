import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { projectRoot } from "../lib/files.ts";
import { findCurrentRelease } from "../publish/release.ts";
import { simulate } from "../simulate/simulate.ts";
import { Database } from "../warehouse/database.ts";
import { literal } from "../warehouse/literal.ts";
import { benchNights } from "./bench-nights.ts";
import { benchReading } from "./bench-reading.ts";
import { benchWide } from "./bench-wide.ts";
import type { Context } from "./context.ts";
import { formatTable } from "./table.ts";

export interface BenchOptions {
  readonly events: readonly number[];
  /** The engine's limit, as in assay.yaml: `4GB`. */
  readonly memoryLimit?: string;
  readonly threads?: number;
  /** Measures the reading of one of 200 KPIs instead. */
  readonly wide?: boolean;
  /** Measures the reading of exports in every form instead. */
  readonly reading?: boolean;
  /** The rows of each file that is read. */
  readonly rows: number;
  /** So many nightly deliveries in a row over one small book instead. */
  readonly nights?: number;
  readonly after?: number;
}

interface Cost {
  readonly seconds: number;
  readonly cpu_seconds: number;
}

interface Measured {
  readonly events: number;
  readonly kpis: number;
  /** One typed read of the usage CSV, its Parquet, one aggregation per account and day. */
  readonly limit: Cost;
  readonly load_to_features: Cost;
  readonly ratio: number;
  /** The same ratio in CPU seconds: the one to go by on a machine that does other work too. */
  readonly cpu_ratio: number;
  readonly cpu_microseconds_per_event: number;
  /** Load to features of the same book when one more day of usage and tickets has come; and its share of the full CPU seconds. */
  readonly one_more_night: Cost;
  readonly night_share: number;
  /** KPIs written by hand as one range join of events and snapshots each, CPU seconds a KPI; null where it was left out. */
  readonly naive_cpu_seconds_per_kpi: number | null;
  readonly cpu_seconds_per_kpi: number;
  readonly refresh_seconds: number;
  readonly peak_memory_mb: number;
  readonly steps: Readonly<Record<string, Cost>>;
  readonly night_steps: Readonly<Record<string, Cost>>;
}

const beforeFeatures = ["load exports", "stage", "roll up usage", "spine", "features"];

/** More events than that take the naive form out: it would run for an hour. */
const naiveUpTo = 2e7;

/** The simulator holds its events in memory: larger books are made of several copies of them. */
const simulatedUpTo = 2.5e7;

/** Beside the demo's: every measure over usage, and some over other exports. */
const moreKpis = [
  "active_users_28d",
  "active_days_28d",
  "days_since_login",
  "logins_per_seat_28d",
  "login_trend_28d",
  "recent_logins_28d",
  "feature_breadth_28d",
  "key_feature_days_28d",
  "days_since_key_feature",
  "usage_slope_180d",
  "tickets_28d",
  "support_share_90d",
  "tickets_per_user_28d",
  "meetings_90d",
  "seats",
  "mrr",
];

/**
 * Simulates a book for each volume (2,000 accounts, 24 months, weekly and monthly snapshots), measures the limit and then a whole
 * refresh and one more night, each in a process of its own (so that its peak memory is its own). Speed is the ratio of refresh and
 * limit in the same run: absolute seconds differ between machines.
 */
export async function bench(context: Context, options: BenchOptions): Promise<void> {
  if (options.wide === true) return benchWide(context);
  if (options.reading === true) return benchReading(context, options.rows);
  if (options.nights !== undefined) return benchNights(context, options.nights, options.after);
  const work = join(tmpdir(), `assay-bench-${process.pid}`);
  const results: Measured[] = [];
  try {
    for (const events of options.events) {
      const folder = join(work, `book-${events}`);
      results.push(await measure(context, events, folder, work, options));
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
    memory_limit: options.memoryLimit ?? null,
    threads: options.threads ?? null,
    results,
  };
  const file = join(projectRoot, "data", "bench", "report.json");
  await mkdir(join(projectRoot, "data", "bench"), { recursive: true });
  await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
  for (const result of results) print(context, result);
  context.print(`written to ${file}`);
}

async function measure(
  context: Context,
  events: number,
  folder: string,
  work: string,
  options: BenchOptions,
): Promise<Measured> {
  const { log } = context;
  const times = Math.ceil(events / simulatedUpTo);
  await log.step(`simulate ${events} events`, async () => {
    const one = Math.round(events / times);
    await simulate({
      out: folder,
      accounts: 2000,
      months: 24,
      seed: 1,
      kind: "plain",
      events: one,
      usageFormat: "csv",
      log,
    });
    await multiplyUsage(folder, times);
  });
  const kpis = await prepareBook(folder, options);
  const held = await holdBackLastDay(folder, work);
  const limit = await log.step("measure the limit", () => measureLimit(folder, work, options));
  const run = await log.step("refresh", () => measureRefresh(folder, context));
  const naive = limit.events > naiveUpTo ? null : await log.step("naive form", () => measureNaive(folder, work));
  for (const [from, to] of held) await rename(from, to);
  const night = await log.step("one more night", () => measureRefresh(folder, context));
  const toFeatures = upToFeatures(run);
  const oneMore = upToFeatures(night);
  return {
    events: limit.events,
    kpis,
    limit: rounded(limit),
    load_to_features: rounded(toFeatures),
    ratio: round(toFeatures.seconds / limit.seconds),
    cpu_ratio: round(toFeatures.cpu_seconds / limit.cpu_seconds),
    cpu_microseconds_per_event: round((1e6 * toFeatures.cpu_seconds) / limit.events),
    one_more_night: rounded(oneMore),
    night_share: round(oneMore.cpu_seconds / toFeatures.cpu_seconds),
    naive_cpu_seconds_per_kpi: naive,
    cpu_seconds_per_kpi: round(
      ((run.steps["roll up usage"]?.cpu_seconds ?? 0) + (run.steps.features?.cpu_seconds ?? 0)) / kpis,
    ),
    refresh_seconds: round(Object.values(run.steps).reduce((sum, { seconds }) => sum + seconds, 0)),
    peak_memory_mb: run.peakMemoryMb,
    steps: run.steps,
    night_steps: night.steps,
  };
}

function print(context: Context, result: Measured): void {
  const { steps, night_steps: nights, ...facts } = result;
  const text = (value: unknown): string | number | null =>
    value !== null && typeof value === "object"
      ? `${(value as Cost).seconds} s, ${(value as Cost).cpu_seconds} s of CPU`
      : (value as string | number | null);
  context.print(formatTable(Object.entries(facts).map(([measure, value]) => ({ measure, value: text(value) }))));
  const rows = Object.entries(steps).map(([step, { seconds, cpu_seconds: cpu }]) => ({
    step,
    seconds,
    "CPU seconds": cpu,
    "one more night, CPU seconds": nights[step]?.cpu_seconds ?? null,
  }));
  context.print(`\n${formatTable(rows)}\n`);
}

const round = (value: number): number => Math.round(value * 100) / 100;
const rounded = ({ seconds, cpu_seconds }: Cost): Cost => ({
  seconds: round(seconds),
  cpu_seconds: round(cpu_seconds),
});

function upToFeatures({ steps }: { readonly steps: Readonly<Record<string, Cost>> }): Cost {
  const sum = (of: keyof Cost): number => beforeFeatures.reduce((total, step) => total + (steps[step]?.[of] ?? 0), 0);
  return { seconds: sum("seconds"), cpu_seconds: sum("cpu_seconds") };
}

/** Adds KPIs and the engine's limits to the simulated assay.yaml; the number of KPIs. */
async function prepareBook(folder: string, { memoryLimit, threads }: BenchOptions): Promise<number> {
  const file = join(folder, "assay.yaml");
  const text = await readFile(file, "utf8");
  const limits = [
    ...(memoryLimit === undefined ? [] : [`memory_limit: ${memoryLimit}`]),
    ...(threads === undefined ? [] : [`threads: ${threads}`]),
  ];
  const own = moreKpis.filter((id) => !new RegExp(`^ {2}- ${id}\\b`, "m").test(text));
  const more = own.map((id) => `  - ${id}\n`).join("");
  await writeFile(file, `${limits.map((line) => `${line}\n`).join("")}${text.replace(/^kpis:\n/m, `kpis:\n${more}`)}`);
  const listed = /^kpis:\n((?: {2}.*\n)+)/m.exec(await readFile(file, "utf8"))?.[1] ?? "";
  return listed.split("\n").filter((line) => line.startsWith("  - ")).length;
}

/**
 * Every event several times: seconds apart, with ids and users of their own. Accounts, days and kinds of events stay, user-days grow with
 * the events.
 */
async function multiplyUsage(folder: string, times: number): Promise<void> {
  if (times <= 1) return;
  const exports = join(folder, "exports", "usage");
  const database = await Database.open({ path: ":memory:" });
  try {
    const later = (column: string): string =>
      `strftime(cast(${column} as timestamp) + to_seconds(copy_no), '%Y-%m-%dT%H:%M:%S') as ${column}`;
    for (const name of await readdir(exports)) {
      const path = join(exports, name);
      await database.run(
        `copy (
           select cast(event_id as bigint) * ${times} + copy_no as event_id, account_id, user_id || '-' || copy_no as user_id, event,
             ${later("event_time")}, ${later("loaded_at")}
           from read_csv(${literal(path)}, header = true, all_varchar = true) cross join range(${times}) as t (copy_no)
         ) to ${literal(`${path}.tmp`)} (format csv, header true)`,
      );
      await rename(`${path}.tmp`, path);
    }
  } finally {
    database.close();
  }
}

/** Puts the newest day of usage and tickets into files of their own, outside of the book: what another night will bring, and where to. */
async function holdBackLastDay(folder: string, work: string): Promise<readonly (readonly [string, string])[]> {
  const held: [string, string][] = [];
  await mkdir(work, { recursive: true });
  const database = await Database.open({ path: ":memory:" });
  try {
    for (const [sub, prefix, at] of [
      ["usage", "usage_", "loaded_at"],
      ["", "tickets_", "opened_at"],
    ] as const) {
      const exports = join(folder, "exports", sub);
      const last = (await readdir(exports))
        .filter((name) => name.startsWith(prefix))
        .sort()
        .at(-1);
      if (last === undefined) continue;
      const path = join(exports, last);
      const options = "(format csv, header true)";
      await database.run(
        `create or replace temp table export as select * from read_csv(${literal(path)}, header = true, all_varchar = true)`,
      );
      // Some tickets have dates that nobody can read; rejects are no day of their own.
      const day = await database.scalar<string>(
        `select max(${at})[1:10] from export where try_cast(${at} as timestamp) is not null`,
      );
      const aside = join(work, `${prefix}night.csv`);
      await database.run(
        `copy (select * from export where ${at}[1:10] = ${literal(day)}) to ${literal(aside)} ${options}`,
      );
      await database.run(
        `copy (select * from export where ${at}[1:10] <> ${literal(day)}) to ${literal(`${path}.tmp`)} ${options}`,
      );
      await rename(`${path}.tmp`, path);
      held.push([aside, join(exports, `${prefix}2026-07-01.csv`)]);
    }
  } finally {
    database.close();
  }
  return held;
}

/**
 * The least that any tool has to do with the same files: one read of the CSV with its types, written once as Parquet, and one
 * aggregation per account and day over that.
 */
async function measureLimit(
  folder: string,
  work: string,
  { threads }: BenchOptions,
): Promise<Cost & { readonly events: number }> {
  const database = await Database.open({
    path: join(work, "limit.duckdb"),
    ...(threads === undefined ? {} : { threads }),
  });
  try {
    const files = literal(join(folder, "exports", "usage", "*.csv"));
    const parquet = join(work, "limit.parquet");
    const cost = await costOf(async () => {
      await database.run(`copy (
        select * from read_csv(${files}, header = true)
      ) to ${literal(parquet)} (format parquet)`);
      await database.run(`create table account_day as
        select account_id, cast(event_time as date) as activity_date, count(*) as n
        from read_parquet(${literal(parquet)}) group by all`);
    });
    const events = (await database.scalar<number>(`select count(*) from read_parquet(${literal(parquet)})`)) ?? 0;
    return { ...cost, events };
  } finally {
    database.close();
    await rm(join(work, "limit.duckdb"), { force: true });
    await rm(join(work, "limit.parquet"), { force: true });
  }
}

async function costOf(run: () => Promise<void>): Promise<Cost> {
  const started = performance.now();
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  return { seconds: (performance.now() - started) / 1000, cpu_seconds: (user + system) / 1e6 };
}

/**
 * Three KPIs as people first write them, point in time included: every snapshot joined with the events of its 28 days. The mean of
 * their CPU seconds.
 */
async function measureNaive(folder: string, work: string): Promise<number> {
  const state = join(folder, ".assay");
  const release = await findCurrentRelease(state);
  if (release === null) throw new Error(`no release in ${state}`);
  const usage = release.manifest.store.usage_event.map((name) => literal(join(state, "store", name))).join(", ");
  const database = await Database.open({ path: ":memory:", tempDirectory: join(work, "spill") });
  const naive = (value: string, condition: string): string =>
    `create or replace temp table naive as
     select slot.account_id, slot.snapshot_date, ${value} as value
     from release.spine.account_snapshot as slot
     left join read_parquet([${usage}]) as used
       on used.account_id = slot.account_id
       and used.event_time < slot.snapshot_date
       and used.event_time >= slot.snapshot_date - interval 28 days
       and used.known_at < slot.snapshot_date
       and ${condition}
     group by slot.account_id, slot.snapshot_date`;
  try {
    await database.run(`attach ${literal(join(release.folder, "warehouse.duckdb"))} as release (read_only)`);
    const statements = [
      naive("count(used.event)", "used.event = 'login'"),
      naive("count(used.event)", "used.event = 'invoice_sent'"),
      naive("count(distinct used.user_id)", "true"),
    ];
    const cost = await costOf(async () => {
      for (const statement of statements) await database.run(statement);
    });
    return round(cost.cpu_seconds / statements.length);
  } finally {
    database.close();
  }
}

/** A refresh in its own process; its peak memory is the kernel's figure (VmHWM), sampled until it ends. */
async function measureRefresh(
  folder: string,
  context: Context,
): Promise<{ readonly steps: Readonly<Record<string, Cost>>; readonly peakMemoryMb: number }> {
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
  const { seconds, cpu_seconds: cpu } = JSON.parse(Buffer.concat(chunks).toString("utf8")) as {
    seconds: Record<string, number>;
    cpu_seconds: Record<string, number>;
  };
  const steps = Object.entries(seconds).map(
    ([step, wall]) => [step, rounded({ seconds: wall, cpu_seconds: cpu[step] ?? 0 })] as const,
  );
  return { steps: Object.fromEntries(steps), peakMemoryMb: peak };
}
