/**
 * Measures how long the verdicts of a large book take: a panel of accounts, snapshots and KPIs made in the tables that
 * validation reads, and every node that the verdicts of the primary definition need, over the whole book.
 */
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bookSchema } from "../config/book.ts";
import { type KpiDefinition, kpiSchema } from "../config/kpi.ts";
import { projectRoot } from "../lib/files.ts";
import { silentLog } from "../lib/log.ts";
import { sortNodes } from "../models/graph.ts";
import type { Node } from "../models/model.ts";
import { runNodes } from "../models/run.ts";
import { verdictNodes } from "../validation/nodes.ts";
import { Database } from "../warehouse/database.ts";
import type { Context } from "./context.ts";
import { formatTable } from "./table.ts";

export interface ValidationBench {
  /** Accounts at each snapshot; the last is the size that the bar speaks of. */
  readonly accounts: readonly number[];
  readonly snapshots: number;
  readonly kpis: number;
}

interface NodeCost {
  readonly node: string;
  readonly seconds: number;
  readonly cpu_seconds: number;
}

/** The bar: all verdicts of 10,000 accounts at 24 snapshots with 50 KPIs on two cores. */
const bar = { seconds: 120, memory_mb: 4000 } as const;

/** Prints seconds, CPU seconds and memory of the verdicts at each size, and the dearest nodes at the largest one. */
export async function benchValidation(
  context: Context,
  size: ValidationBench = { accounts: [2_500, 5_000, 10_000], snapshots: 24, kpis: 50 },
): Promise<void> {
  const rows: Record<string, number | null>[] = [];
  let dearest: readonly NodeCost[] = [];
  let before: { readonly n: number; readonly cpu: number } | undefined;
  for (const accounts of size.accounts) {
    const measured = await measure(context, { ...size, accounts });
    const seconds = sum(measured.nodes, "seconds");
    const cpu = sum(measured.nodes, "cpu_seconds");
    const n = measured.rows;
    rows.push({
      accounts,
      "account-months": n,
      churned: measured.churned,
      KPIs: size.kpis,
      seconds: round(seconds),
      "CPU seconds": round(cpu),
      "times the size before": before === undefined ? null : round(cpu / before.cpu),
      "n log n": before === undefined ? null : round((n * Math.log(n)) / (before.n * Math.log(before.n))),
      "peak memory, MB": measured.peakMemoryMb,
    });
    before = { n, cpu };
    dearest = [...measured.nodes].sort((a, b) => b.cpu_seconds - a.cpu_seconds).slice(0, 15);
  }
  context.print(formatTable(rows));
  const last = rows.at(-1);
  const isMet = Number(last?.seconds) <= bar.seconds && Number(last?.["peak memory, MB"]) < bar.memory_mb;
  context.print(
    `the bar at 10,000 accounts, 24 snapshots, 50 KPIs on 2 cores: ${bar.seconds} s, under ${bar.memory_mb} MB: ${isMet ? "met" : "missed"}\n`,
  );
  context.print(
    formatTable(
      dearest.map(({ node, seconds, cpu_seconds }) => ({
        node,
        seconds: round(seconds),
        "CPU seconds": round(cpu_seconds),
      })),
    ),
  );
}

const round = (value: number): number => Math.round(value * 100) / 100;
const sum = (nodes: readonly NodeCost[], of: "seconds" | "cpu_seconds"): number =>
  nodes.reduce((total, node) => total + node[of], 0);

interface PanelSize {
  readonly accounts: number;
  readonly snapshots: number;
  readonly kpis: number;
}

async function measure(context: Context, size: PanelSize) {
  const path = join(tmpdir(), `assay-bench-validation-${process.pid}.duckdb`);
  const database = await Database.open({ path, threads: 2, memoryLimit: "3GB", tempDirectory: `${path}.spill` });
  try {
    const kpis = definitionsOf(size.kpis);
    await context.log.step(`make ${size.accounts} accounts at ${size.snapshots} snapshots with ${size.kpis} KPIs`, () =>
      makePanel(database, size),
    );
    await database.run("checkpoint");
    const sorted = sortNodes(await verdictNodes(panelBook(kpis), kpis, []), given);
    const nodes = await context.log.step("verdicts", () => runMeasured(database, sorted));
    const verdicts = await database.query<{ verdict: string; n: number }>(
      "select verdict, count(*) as n from validation.kpi_verdict group by verdict order by verdict",
    );
    context.log.info(verdicts.map(({ verdict, n }) => `${n} ${verdict}`).join(", "));
    const [counted] = await database.query<{ rows: number; churned: number }>(
      "select n_rows as rows, n_churned as churned from validation.baseline_fit",
    );
    return {
      nodes,
      rows: counted?.rows ?? 0,
      churned: counted?.churned ?? 0,
      peakMemoryMb: Math.round(process.resourceUsage().maxRSS / 1024),
    };
  } finally {
    database.close();
    await rm(path, { force: true });
    await rm(`${path}.spill`, { recursive: true, force: true });
  }
}

async function runMeasured(database: Database, sorted: readonly Node[]): Promise<readonly NodeCost[]> {
  const nodes: NodeCost[] = [];
  for (const node of sorted) {
    const started = performance.now();
    const before = process.cpuUsage();
    const { audits } = await runNodes(database, [node], silentLog, () => performance.now());
    const { user, system } = process.cpuUsage(before);
    nodes.push({
      node: node.name,
      seconds: (performance.now() - started) / 1000,
      cpu_seconds: (user + system) / 1e6,
    });
    const failed = audits.filter((audit) => audit.failedRows > 0);
    if (failed.length > 0) throw new Error(`audits failed: ${failed.map(({ audit }) => audit).join(", ")}`);
  }
  return nodes;
}

export const given = new Set([
  "spine.account_period",
  "spine.account_snapshot",
  "features.account_kpi",
  "features.kpi_definition",
  "features.kpi_why_null",
  "features.usage",
  "staging.source_arrival",
  "staging.subscription",
]);

const idOf = (k: number): string => `kpi_${String(k).padStart(2, "0")}`;

/** Ten kinds of KPI in turn; those of usage count events, so that rule 9 is asked of them. */
export const definitionsOf = (n: number): readonly KpiDefinition[] =>
  Array.from({ length: n }, (_, k) =>
    kpiSchema.parse({
      id: idOf(k),
      label: `KPI ${k}`,
      description: "synthetic",
      factor: "user_activity",
      kind: "objective",
      side: "proactive",
      unit: "events",
      measure: "count",
      entity: k % 10 === 0 || k % 10 === 6 ? "usage_event" : "ticket",
      window_days: 28,
      healthier: "tested",
      says: { less: `had less of KPI ${k}`, more: `had more of KPI ${k}` },
    }),
  );

export const panelBook = (kpis: readonly KpiDefinition[]) => ({
  ...bookSchema.parse({
    book: "panel",
    sources: { usage: { entity: "usage_event", files: "x.csv", columns: {} } },
    kpis: kpis.map(({ id }) => id),
  }),
  folder: "/",
  file: "assay.yaml",
  config_sha256: "",
});

/**
 * So many accounts at every snapshot: who leaves is followed by another one. An account's level of use moves about its own
 * mean and makes leaving more or less likely; a fifth of the KPIs follow it closely, a fifth loosely, the rest not at all.
 * All dates are labelled: the history goes on for half a year after the last one.
 */
export async function makePanel(database: Database, { accounts, snapshots, kpis }: PanelSize): Promise<void> {
  await database.run(await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"));
  const uniform = (...of: readonly (string | number)[]): string =>
    `((hash(${of.join(", ")}) % 999983 + 0.5e0) / 999983e0)`;
  const normal = (...of: readonly (string | number)[]): string => `normal_quantile(${uniform(...of)})`;
  await database.run(`
create schema meta; create schema spine; create schema features; create schema staging;
create table meta.params as select 'panel' as book, date '2022-01-01' + interval ${snapshots + 6} month as as_of, 28 as window_days,
  30 as gap_days, 90 as horizon_days, 90 as min_tenure_days, 30 as reactivation_grace_days, 'month' as score_every,
  'month' as validate_every, 'USD' as currency, 'subscription_end' as primary_definition, 5 as min_cell, 'Panel' as title;
create temp table trait as
select cast(a as integer) as a, ${normal("a", 1)} as n, ['solo', 'studio', 'agency', 'enterprise'][1 + a % 4] as segment,
  1 + cast(exp(2 + 0.8e0 * ${normal("a", 2)}) as integer) as seats
from range(${accounts}) as t (a);
create temp table slot as
with month as (
  select t.*, cast(m as integer) as m, cast(date '2022-01-01' + to_months(cast(m as integer)) as date) as snapshot_date,
    0.7e0 * t.n + 0.7e0 * ${normal("a", "m", 3)} as level
  from trait as t cross join range(${snapshots}) as u (m)
),
decided as (
  select *, ${uniform("a", "m", 4)} < 1 / (1 + exp(4.3e0 + 0.8e0 * level + 0.2e0 * ln(seats))) as decides from month
)
select *, coalesce(cast(sum(cast(decides as integer)) over (
  partition by a order by m rows between unbounded preceding and 1 preceding) as integer), 0) as generation
from decided;
create table spine.account_period as
select 'a' || lpad(cast(a as varchar), 6, '0') || '-' || generation as account_id,
  min(snapshot_date) - cast(case when generation = 0 then 100 + hash(a) % 900 else 100 end as integer) as started_on,
  max(case when decides then snapshot_date + 45 end) as ended_on, cast(null as varchar) as end_reason,
  max(case when decides then snapshot_date + cast(hash(a, m) % 28 as integer) end) as notice_on
from slot group by a, generation;
create table spine.account_snapshot as
select p.account_id, s.snapshot_date, p.started_on as period_started_on,
  cast(s.snapshot_date - p.started_on as integer) as tenure_days, s.segment, 'adopted' as lifecycle,
  cast(2900 * s.seats as bigint) as mrr_minor, cast(s.seats as bigint) as seats, (s.a + s.m) % 12 < 3 as renewal_due,
  cast(null as date) as renews_on, false as in_notice, true as is_scored, true as is_validated
from slot as s
inner join spine.account_period as p on p.account_id = 'a' || lpad(cast(s.a as varchar), 6, '0') || '-' || s.generation
order by s.snapshot_date, p.account_id;
create table staging.subscription (notice_days integer, superseded_on date);
create table staging.source_arrival as select 'usage' as source, 'usage_event' as entity, true as arrival_known, 'known_at' as reason;
create table features.kpi_definition as
select cast(k + 1 as integer) as kpi_no, 'kpi_' || lpad(cast(k as varchar), 2, '0') as id, 'KPI ' || k as label, 'tested' as healthier,
  'had less of KPI ' || k as says_less, 'had more of KPI ' || k as says_more
from range(${kpis}) as t (k)`);
  const level = (k: number): string => {
    const loading = [0.8, 0.4, 0, 0, 0][Math.floor(k / 10) % 5] as number;
    const own = `(0.6e0 * ${normal("a", 10 + k, 5)} + 0.8e0 * ${normal("a", "m", 10 + k, 6)})`;
    return `(${loading}e0 * level + ${Math.sqrt(1 - loading * loading).toFixed(6)}e0 * ${own})`;
  };
  const count = (k: number, mean: number, spread: number): string =>
    `floor(exp(${mean}e0 + ${spread}e0 * ${level(k)}))`;
  const value = (k: number): string => {
    switch (k % 10) {
      case 0:
        return count(k, 3, 0.7);
      case 1:
        return level(k);
      case 2:
        return `case when ${level(k)} > 0.3e0 then 1e0 else 0e0 end`;
      case 3:
        return count(k, -0.3, 1);
      case 4:
        return `case when ${uniform("a", "m", k, 7)} > 0.4e0 then ${level(k)} end`;
      case 5:
        return `round(1 / (1 + exp(-${level(k)})), 2)`;
      case 6:
        return count(k, 2, 0.8);
      case 7:
        return `round(${level(k - 1)} + 0.3e0 * ${level(k)}, 3)`;
      case 8:
        return `round(ln(1 + tenure_days) + 0.5e0 * ${level(k)}, 2)`;
      default:
        return `round(${level(k)} - case when decides then 2e0 else 0e0 end, 2)`;
    }
  };
  await database.run(`
create table features.account_kpi as
select n.account_id, s.snapshot_date, ${Array.from({ length: kpis }, (_, k) => `${value(k)} as ${idOf(k)}`).join(",\n  ")}
from slot as s
inner join spine.account_snapshot as n
  on n.account_id = 'a' || lpad(cast(s.a as varchar), 6, '0') || '-' || s.generation and n.snapshot_date = s.snapshot_date
order by s.snapshot_date, n.account_id`);
  const usage = Array.from({ length: kpis }, (_, k) => k).filter((k) => k % 10 === 0 || k % 10 === 6);
  const unanswered = Array.from({ length: kpis }, (_, k) => k).filter((k) => k % 20 === 4);
  await database.run(`
create table features.usage as
select account_id, snapshot_date, ${usage.map((k) => `cast(${idOf(k)} as bigint) as ${idOf(k)}`).join(", ")},
  cast(${usage.map(idOf).join(" + ")} as bigint) as use__28
from features.account_kpi;
create table features.kpi_why_null as
${unanswered.map((k) => `select account_id, snapshot_date, '${idOf(k)}' as kpi, 'unanswered' as why from features.account_kpi where ${idOf(k)} is null`).join("\nunion all\n") || "select null::varchar as account_id, null::date as snapshot_date, null::varchar as kpi, null::varchar as why where false"}`);
}
