/** Many nightly deliveries in a row over one small book: whether a night stays as fast, the disk as full and the memory as large as it was. */
import { appendFile, mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { readBook } from "../config/book.ts";
import { addDays } from "../lib/clock.ts";
import { projectRoot, sha256 } from "../lib/files.ts";
import { silentLog } from "../lib/log.ts";
import type { Context } from "./context.ts";
import { refresh } from "./refresh.ts";
import { formatTable } from "./table.ts";

/** The first night that is refreshed; usage begins 90 days before, so that every KPI has its window. */
export const firstNight = "2025-01-01";
const daysBefore = 90;
const accounts = 24;
const keep = 3;

const bookText = `# 24 customers of nobody, delivered every night: what \`npm run bench -- --nights\` refreshes.
book: nights
currency: USD
keep: ${keep}
sources:
  accounts: { entity: account, files: 'accounts_*.csv', mode: snapshot, key: [account_id], settle: 0s, delivered: { from: file_name, pattern: 'accounts_{date}.csv' } }
  subscriptions: { entity: subscription, files: 'subscriptions_*.csv', mode: snapshot, key: [subscription_id], settle: 0s, delivered: { from: file_name, pattern: 'subscriptions_{date}.csv' }, immutable: [seats, mrr_minor, currency] }
  usage: { entity: usage_event, files: 'usage_*.csv', key: [event_id], settle: 0s, delivered: { from: file_name, pattern: 'usage_{date}.csv' } }
  tickets: { entity: ticket, files: 'tickets_*.csv', key: [ticket_id], settle: 0s, delivered: { from: file_name, pattern: 'tickets_{date}.csv' } }
churn: { primary: subscription_end, definitions: { subscription_end: { type: subscription_end } } }
kpis: [logins_28d, feature_events_28d, active_users_28d, open_tickets, nps]
scorecards: [naive_baseline]
`;

/** A number in [0, 1) that depends on its names alone: the same book every time. */
const chance = (...names: readonly (string | number)[]): number =>
  Number.parseInt(sha256(names.join(" ")).slice(0, 8), 16) / 2 ** 32;

interface Customer {
  readonly id: string;
  readonly startedOn: string;
  readonly endedOn: string | null;
  readonly seats: number;
}

const customers: readonly Customer[] = Array.from({ length: accounts }, (_, i) => {
  const id = `N${String(i + 1).padStart(2, "0")}`;
  const startedOn = addDays(firstNight, -400 + Math.floor(360 * chance(id, "start")));
  const left = addDays(firstNight, 30 + Math.floor(600 * chance(id, "end")));
  return { id, startedOn, endedOn: chance(id, "leaves") < 0.5 ? left : null, seats: 1 + Math.floor(20 * chance(id)) };
});

/** The usage of one day as it reached the warehouse that night: a tenth of the rows a day late, a few sent twice. */
function usageLines(day: string): readonly string[] {
  return customers.flatMap(({ id, startedOn, endedOn }) => {
    if (day < startedOn || (endedOn !== null && day >= endedOn)) return [];
    return ["login", "login", "invoice_sent", "report"].flatMap((event, n) => {
      const draw = chance(id, day, event, n);
      if (draw > 0.45) return [];
      const late = draw < 0.05 ? addDays(day, -1) : day;
      const key = `${id}-${day}-${n}`;
      const line = `${key},${id},u${Math.floor(draw * 10)},${late}T1${n}:00:00,${event},${day}T23:00:00`;
      return draw < 0.005 ? [line, line] : [line];
    });
  });
}

/** What the exports of the night after `day` hold: two whole tables, the day's usage, the day's tickets. */
export async function deliver(folder: string, day: string): Promise<void> {
  const file = (name: string, header: string, lines: readonly string[]) =>
    writeFile(join(folder, `${name}_${day}.csv`), [header, ...lines, ""].join("\n"));
  const known = customers.filter(({ startedOn }) => startedOn <= day);
  await file(
    "accounts",
    "account_id,created_at",
    known.map(({ id, startedOn }) => `${id},${startedOn}T00:00:00`),
  );
  await file(
    "subscriptions",
    "subscription_id,account_id,started_on,ended_on,seats,mrr_minor,currency",
    known.map(({ id, startedOn, endedOn, seats }) => {
      const ended = endedOn !== null && endedOn <= day ? endedOn : "";
      return `S${id},${id},${startedOn},${ended},${seats},${seats * 1000},USD`;
    }),
  );
  await file("usage", usageHeader, usageLines(day));
  await file("tickets", ticketHeader, ticketLines(day));
}

const usageHeader = "event_id,account_id,user_id,event_time,event,known_at";
const ticketHeader = "ticket_id,account_id,opened_at,closed_at,known_at";

const ticketLines = (day: string): readonly string[] =>
  customers.flatMap(({ id, startedOn }) =>
    startedOn <= day && chance(id, day, "ticket") < 0.03
      ? [`T${id}-${day},${id},${day}T09:00:00,${day}T17:00:00,${day}T23:00:00`]
      : [],
  );

/** The book, and the history before a night (as a rule the first) in one file a table. */
export async function writeNightsBook(folder: string, nightsBefore = 0): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "assay.yaml"), bookText);
  const days = Array.from({ length: daysBefore + nightsBefore }, (_, i) => addDays(firstNight, i - daysBefore));
  const last = days.at(-1) as string;
  await deliver(folder, last);
  await writeFile(join(folder, `usage_${last}.csv`), [usageHeader, ...days.flatMap(usageLines), ""].join("\n"));
  await writeFile(join(folder, `tickets_${last}.csv`), [ticketHeader, ...days.flatMap(ticketLines), ""].join("\n"));
}

export interface Night {
  readonly night: number;
  readonly seconds: number;
  readonly cpu_seconds: number;
  /** CPU seconds of each step. */
  readonly steps: Readonly<Record<string, number>>;
  /** Resident memory of the process after the night, which has run all nights before it too. */
  readonly memory_mb: number;
  readonly heap_mb: number;
  readonly releases: number;
  /** MB below the state, by part. */
  readonly disk_mb: Readonly<Record<string, number>>;
  readonly store_files: number;
  readonly paying: number;
}

/**
 * Delivers and refreshes `nights` nights in one process, without the site (it is built by another process from the artefacts, whose size does
 * not grow with nights), writes a line a night to data/bench/nights.jsonl, and at the end compares the last release with a rebuild from nothing, and the last night with
 * the same night over the same history in one file a table: what it costs beyond that is the number of deliveries. With `after`, so many
 * nights are delivered first and refreshed at once.
 */
export async function benchNights(context: Context, nights: number, after = 0): Promise<void> {
  const folder = join(tmpdir(), `assay-nights-${process.pid}`);
  const state = join(folder, ".assay");
  const file = join(projectRoot, "data", "bench", "nights.jsonl");
  await mkdir(join(projectRoot, "data", "bench"), { recursive: true });
  const facts = { cores: cpus().length, memory_gb: Math.round(totalmem() / 2 ** 30), node: process.version };
  await writeFile(file, `${JSON.stringify({ measured_on: context.now().toISOString().slice(0, 10), ...facts })}\n`);
  const made: Night[] = [];
  try {
    await writeNightsBook(folder);
    for (let n = 0; n < after; n += 1) await deliver(folder, addDays(firstNight, n));
    if (after > 0) await refreshAt(folder, state, addDays(firstNight, after));
    for (let n = after; n < after + nights; n += 1) {
      const day = addDays(firstNight, n);
      await deliver(folder, day);
      const night = await measureNight(folder, state, n + 1, addDays(day, 1));
      made.push(night);
      await appendFile(file, `${JSON.stringify(night)}\n`);
      context.log.info(`night ${n + 1} of ${nights}`, { seconds: night.seconds, cpu_seconds: night.cpu_seconds });
    }
    const fresh = join(folder, ".fresh");
    const today = addDays(firstNight, after + nights);
    const [kept, rebuilt] = [await artefactsOf(folder, state, today), await artefactsOf(folder, fresh, today)];
    context.print(describeNights(made));
    const last = made.at(-1);
    if (last !== undefined) {
      const whole = await measureWhole(`${folder}-whole`, last.night);
      await appendFile(file, `${JSON.stringify({ whole })}\n`);
      context.print(
        `Night ${last.night} after ${4 * last.night} deliveries: ${last.cpu_seconds} CPU seconds, ${round(ofLoading(last))} of them load and stage. ` +
          `The same night over the same history in 4 files: ${whole.cpu_seconds}, ${round(ofLoading(whole))} of them load and stage.`,
      );
    }
    context.print(
      kept === rebuilt
        ? "The artefacts of the last night are, byte for byte, those of a rebuild from nothing."
        : "The artefacts of the last night are NOT those of a rebuild from nothing.",
    );
    context.print(`written to ${file}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const refreshAt = async (folder: string, state: string, morning: string) =>
  refresh({
    book: await readBook(folder, { cwd: folder, env: {} }),
    state,
    site: false,
    now: () => new Date(`${morning}T03:00:00Z`),
    log: silentLog,
  });

async function artefactsOf(folder: string, state: string, morning: string): Promise<string> {
  const { release } = await refreshAt(folder, state, morning);
  return JSON.stringify([release.manifest.artefacts, release.manifest.out]);
}

async function measureNight(folder: string, state: string, night: number, morning: string): Promise<Night> {
  const [started, cpu] = [performance.now(), process.cpuUsage()];
  const { release, cpu_seconds: steps } = await refreshAt(folder, state, morning);
  const used = process.cpuUsage(cpu);
  const { rss, heapUsed } = process.memoryUsage();
  const disk: Record<string, number> = {};
  let storeFiles = 0;
  for (const part of [
    "releases",
    "store/rollup",
    "store/staging",
    "store/features",
    "store/looks",
    "store/repeats",
    "store/bundles",
    "store",
    ".",
  ]) {
    const found = await sizeOf(join(state, part), part.startsWith("store/") || part === "releases");
    disk[part === "store" ? "store/deliveries" : part === "." ? "ledger" : part] = round(found.bytes / 2 ** 20);
    if (part.startsWith("store")) storeFiles += found.files;
  }
  return {
    night,
    seconds: round((performance.now() - started) / 1000),
    cpu_seconds: round((used.user + used.system) / 1e6),
    steps: Object.fromEntries(Object.entries(steps).map(([step, seconds]) => [step, round(seconds)])),
    memory_mb: Math.round(rss / 2 ** 20),
    heap_mb: Math.round(heapUsed / 2 ** 20),
    releases: (await readdir(join(state, "releases"))).length,
    disk_mb: disk,
    store_files: storeFiles,
    paying: customers.filter(({ startedOn, endedOn }) => {
      const asOf = release.manifest.as_of;
      return startedOn <= asOf && (endedOn === null || endedOn > asOf);
    }).length,
  };
}

/** Night `nights` of a book whose history came in one file a table, the median of three that repeat nothing of each other. */
async function measureWhole(folder: string, nights: number): Promise<Night> {
  const measured: Night[] = [];
  try {
    for (const n of [1, 2, 3]) {
      const state = join(folder, `.state-${n}`);
      await rm(folder, { recursive: true, force: true });
      await writeNightsBook(folder, nights - 1);
      const before = addDays(firstNight, nights - 1);
      await refreshAt(folder, state, before);
      await deliver(folder, before);
      measured.push(await measureNight(folder, state, nights, addDays(before, 1)));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return measured.sort((a, b) => a.cpu_seconds - b.cpu_seconds)[1] as Night;
}

const ofLoading = ({ steps }: Night): number => (steps["load exports"] ?? 0) + (steps.stage ?? 0);

async function sizeOf(folder: string, deep: boolean): Promise<{ readonly bytes: number; readonly files: number }> {
  const names = await readdir(folder, { recursive: deep }).catch(() => []);
  const sizes = await Promise.all(names.map((name) => stat(join(folder, name)).catch(() => null)));
  const files = sizes.filter((facts) => facts?.isFile() === true);
  return { bytes: files.reduce((sum, facts) => sum + (facts?.size ?? 0), 0), files: files.length };
}

const round = (value: number): number => Math.round(value * 100) / 100;

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

/** A row per tenth of the nights, each with the median of its nights. */
export function describeNights(nights: readonly Night[]): string {
  const size = Math.max(1, Math.ceil(nights.length / 10));
  const groups = Array.from({ length: Math.ceil(nights.length / size) }, (_, i) =>
    nights.slice(i * size, (i + 1) * size),
  );
  const mid = (group: readonly Night[], of: (night: Night) => number): number => round(median(group.map(of)));
  return formatTable(
    groups.map((group) => ({
      nights: `${group[0]?.night}-${group.at(-1)?.night}`,
      "CPU seconds": mid(group, ({ cpu_seconds: cpu }) => cpu),
      "load, stage": mid(group, ofLoading),
      validation: mid(group, ({ steps }) => steps.validation ?? 0),
      "memory MB": mid(group, ({ memory_mb: mb }) => mb),
      "heap MB": mid(group, ({ heap_mb: mb }) => mb),
      releases: mid(group, ({ releases }) => releases),
      "releases MB": mid(group, ({ disk_mb: mb }) => mb.releases ?? 0),
      "remembered MB": mid(group, ({ disk_mb: mb }) =>
        ["store/staging", "store/rollup", "store/features", "store/looks", "store/repeats", "store/bundles"].reduce(
          (sum, part) => sum + (mb[part] ?? 0),
          0,
        ),
      ),
      "deliveries MB": mid(group, ({ disk_mb: mb }) => mb["store/deliveries"] ?? 0),
      "store files": mid(group, ({ store_files: n }) => n),
    })),
  );
}
