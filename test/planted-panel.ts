/** A small panel with known truth at the level of spine, features and scores: what validation reads. Seeded. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Book, bookSchema } from "../pipelines/config/book.ts";
import type { KpiDefinition } from "../pipelines/config/kpi.ts";
import { projectRoot } from "../pipelines/lib/files.ts";
import { silentLog } from "../pipelines/lib/log.ts";
import { producesOf, sortNodes } from "../pipelines/models/graph.ts";
import type { Node } from "../pipelines/models/model.ts";
import { runNodes } from "../pipelines/models/run.ts";
import { validationNodes } from "../pipelines/validation/nodes.ts";
import { Database } from "../pipelines/warehouse/database.ts";

export interface PanelAccount {
  readonly id: string;
  readonly startedOn: string;
  readonly endedOn: string | null;
  readonly noticeOn: string | null;
}

export interface PanelRow {
  readonly account: string;
  readonly on: string;
  readonly tenureDays: number;
  readonly segment: string;
  readonly seats: number | null;
  readonly values: Readonly<Record<string, number | null>>;
}

export interface Panel {
  readonly asOf: string;
  readonly accounts: readonly PanelAccount[];
  readonly rows: readonly PanelRow[];
  readonly unanswered: readonly { readonly account: string; readonly on: string; readonly kpi: string }[];
  readonly kpis: readonly string[];
}

/** Uniform numbers in [0, 1) that repeat (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function normal(uniform: () => number): () => number {
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

const day = 86_400_000;
export const addDays = (iso: string, days: number): string =>
  new Date(Date.parse(`${iso}T00:00:00Z`) + days * day).toISOString().slice(0, 10);
export const daysBetween = (from: string, to: string): number => Math.round((Date.parse(to) - Date.parse(from)) / day);

/** Month starts from `first` (a month start), n of them. */
export const monthStarts = (first: string, n: number): string[] => {
  const [year, month] = first.split("-").map(Number) as [number, number];
  return Array.from({ length: n }, (_, i) => new Date(Date.UTC(year, month - 1 + i, 1)).toISOString().slice(0, 10));
};

export const plantedKpis = [
  "causal",
  "twin",
  "tenure_like",
  "size_like",
  "late",
  "both_ends",
  "silence",
  "wrong_way",
  "constant",
  "noise_a",
  "noise_b",
  "noise_c",
];

/** Accounts that decide month by month; KPIs as named. A decision is a notice, the end follows 30 days later. */
export function plantedPanel(seed: number, accounts: number, months = 30): Panel {
  const uniform = random(seed);
  const gauss = normal(uniform);
  const dates = monthStarts("2022-01-01", months + 1);
  const asOf = dates.at(-1) as string;
  const panel: {
    accounts: PanelAccount[];
    rows: PanelRow[];
    unanswered: { account: string; on: string; kpi: string }[];
  } = {
    accounts: [],
    rows: [],
    unanswered: [],
  };
  for (let i = 0; i < accounts; i += 1) {
    const id = `A${String(i).padStart(5, "0")}`;
    const start = uniform() < 0.5 ? -Math.floor(uniform() * 30) : Math.floor(uniform() * (months - 6));
    const startedOn = addDays("2022-01-01", Math.round(start * 30.44));
    const large = uniform() < 0.4;
    const size = (large ? 0.8 : -0.5) + 0.6 * gauss();
    const seats = Math.max(1, Math.round(Math.exp(2 + size)));
    const off = 0.6 * gauss();
    const wrong = gauss();
    const lambda = Math.exp(1.3 + 0.75 * gauss());
    const silent = uniform() < 0.35;
    let usage = off + 0.8 * gauss();
    let decidedOn: string | null = null;
    for (let t = Math.max(0, start); t < months; t += 1) {
      const on = dates[t] as string;
      const next = dates[t + 1] as string;
      const tenureDays = daysBetween(startedOn, on);
      if (tenureDays < 0) continue;
      const left = decidedOn !== null && daysBetween(decidedOn, on) >= 30;
      if (left) break;
      const age = Math.log(1 + tenureDays / 30);
      const isMissing = uniform() < (silent ? 0.85 : 0.2);
      const linear =
        -3.2 -
        0.75 * usage -
        0.5 * ((age - 2.3) / 0.9) -
        0.35 * size -
        (large ? 0.6 : 0) +
        0.5 * wrong +
        1.3 * (Math.abs(Math.log(lambda) - 1.3) - 0.6) +
        0.8 * (silent ? 0.65 : -0.35);
      const decides: boolean = decidedOn === null && uniform() < 1 / (1 + Math.exp(-linear));
      const decision: string | null = decides ? addDays(on, Math.floor(uniform() * daysBetween(on, next))) : null;
      if (tenureDays >= 90 && (decidedOn === null || decidedOn >= on)) {
        panel.rows.push({
          account: id,
          on,
          tenureDays,
          segment: large ? "large" : "small",
          seats,
          values: {
            causal: usage,
            twin: usage + 0.25 * gauss(),
            tenure_like: age + 0.4 * gauss(),
            size_like: size + 0.3 * gauss(),
            late: gauss() - (decision !== null ? 2.5 : 0),
            both_ends: Math.round(3 * lambda * Math.exp(0.1 * gauss())),
            silence: isMissing ? null : gauss(),
            wrong_way: wrong + 0.4 * gauss(),
            constant: uniform() < 0.99 ? 0 : 1,
            noise_a: gauss(),
            noise_b: Math.floor(uniform() * 4),
            noise_c: off * 0 + gauss() * 0.3 + Math.sin(i),
          },
        });
        if (isMissing) panel.unanswered.push({ account: id, on, kpi: "silence" });
      }
      if (decision !== null) decidedOn = decision;
      usage = off + 0.8 * (usage - off) + 0.48 * gauss();
    }
    const endedOn = decidedOn === null ? null : addDays(decidedOn, 30);
    panel.accounts.push({
      id,
      startedOn,
      endedOn: endedOn !== null && endedOn < asOf ? endedOn : null,
      noticeOn: decidedOn !== null && decidedOn < asOf ? decidedOn : null,
    });
  }
  return { ...panel, asOf, kpis: plantedKpis };
}

export interface PanelOptions {
  readonly gapDays?: number;
  readonly horizonDays?: number;
  readonly graceDays?: number;
  readonly threads?: number;
  readonly churn?: Record<string, unknown>;
  readonly healthier?: Readonly<Record<string, "higher" | "lower" | "tested">>;
  /** Statements that run after the tables stand and before validation is built. */
  readonly before?: readonly string[];
  readonly truncation?: string;
}

type PanelCell = string | number | boolean | null | undefined;

/** Through a CSV file: thousands of rows as one statement of values take the parser seconds. */
async function insert(database: Database, table: string, rows: readonly (readonly PanelCell[])[]): Promise<void> {
  if (rows.length === 0) return;
  const folder = await mkdtemp(join(tmpdir(), "assay-panel-"));
  const file = join(folder, "rows.csv");
  await writeFile(file, rows.map((row) => row.map((cell) => cell ?? "").join(",")).join("\n"));
  await database.run(`copy ${table} from '${file}' (format csv, header false, nullstr '')`);
  await rm(folder, { recursive: true });
}

/** A warehouse in memory with the tables that validation reads, before validation runs. */
export async function panelDatabase(
  panel: Panel,
  options: PanelOptions = {},
): Promise<{ database: Database; nodes: readonly Node[]; book: Book }> {
  const { gapDays = 30, horizonDays = 90, graceDays = 30 } = options;
  const database = await Database.open({ path: ":memory:", threads: options.threads ?? 2 });
  await database.run(await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"));
  const kpis = panel.kpis;
  const primary = ((options.churn?.primary as string) ?? "subscription_end") as string;
  await database.run(`
create schema meta; create schema spine; create schema features; create schema scores; create schema staging; create schema rollup; create schema raw;
create table meta.params as select 'panel' as book, date '${panel.asOf}' as as_of, 28 as window_days, ${gapDays} as gap_days,
  ${horizonDays} as horizon_days, 90 as min_tenure_days, ${graceDays} as reactivation_grace_days, 'week' as score_every,
  'month' as validate_every, 'USD' as currency, '${primary}' as primary_definition, 5 as min_cell, 'Panel' as title;
create table spine.account_period (account_id varchar, started_on date, ended_on date, end_reason varchar, notice_on date);
create table spine.account_snapshot (account_id varchar, snapshot_date date, period_started_on date, tenure_days integer,
  segment varchar, lifecycle varchar, mrr_minor bigint, seats bigint, renewal_due boolean, renews_on date, in_notice boolean,
  is_scored boolean, is_validated boolean);
create table features.account_kpi (account_id varchar, snapshot_date date, ${kpis.map((kpi) => `${kpi} double`).join(", ")});
create table features.kpi_why_null (account_id varchar, snapshot_date date, kpi varchar, why varchar);
create table features.kpi_definition (kpi_no integer, id varchar, label varchar, healthier varchar, says_less varchar, says_more varchar);
create table scores.scorecard (scorecard varchar, version integer, label varchar, purpose varchar, created_on date, bands varchar);
create table scores.account_score (account_id varchar, snapshot_date date, scorecard varchar, version integer,
  is_in_force boolean, score decimal(18,6), band varchar);
create table scores.account_override (account_id varchar, snapshot_date date, scorecard varchar, version integer, band varchar, band_without varchar);
create table staging.churn_event (account_id varchar, occurred_on date, reason varchar, is_voluntary boolean, is_reactivation boolean, visible_on date, superseded_on date, source varchar);
create table staging.account (account_id varchar, name varchar, created_at timestamp, churned varchar, segment varchar, visible_on date, superseded_on date, source varchar);
create table staging.subscription (account_id varchar, subscription_id varchar, started_on date, ended_on date, notice_on date, notice_days integer, visible_on date, superseded_on date, source varchar, seats integer, mrr_minor bigint, currency varchar);
create table staging.play (account_id varchar, started_on date, play varchar, visible_on date, superseded_on date, source varchar);
create table staging.engagement (account_id varchar, occurred_at timestamp, kind varchar, status varchar, visible_on date, superseded_on date, source varchar);
create table staging.disposition (account_id varchar, kind varchar, disposition varchar, said_by varchar, said_on date, line_no bigint, source varchar, visible_on date, superseded_on date);
create table staging.ticket (account_id varchar, opened_at timestamp, closed_at timestamp, known_at timestamp, visible_on date, superseded_on date, source varchar);
create table staging.survey_response (account_id varchar, responded_at timestamp, visible_on date, superseded_on date, source varchar);
create table scores.scorecard_weight (scorecard varchar, version integer, part_no integer, kpi varchar, share decimal(18,6));
create table scores.score_part (account_id varchar, snapshot_date date, scorecard varchar, version integer, part_no integer, kind varchar, kpi varchar, points decimal(18,6), weight decimal(18,6), contribution decimal(18,6));
create table staging.invoice (account_id varchar, issued_on date, currency varchar, amount_minor bigint, visible_on date, superseded_on date, source varchar);
create table staging.source_arrival (source varchar, entity varchar, arrival_known boolean, reason varchar);
create table staging.account_identity (via varchar, source varchar, ref varchar, account_id varchar, from_on date, to_on date);
create table staging.source_repeat (source varchar, n_repeats bigint, n_corrections bigint);
create table raw.usage_event (_source varchar, _via varchar, account_id varchar, event_time timestamp, known_at timestamp);
create table rollup.account_day (account_id varchar, activity_date date, visible_on date, event varchar, n_events bigint, quantity decimal(18,6));
`);
  await insert(
    database,
    "spine.account_period",
    panel.accounts.map((a) => [a.id, a.startedOn, a.endedOn, null, a.noticeOn]),
  );
  const starts = new Map(panel.accounts.map((account) => [account.id, account.startedOn]));
  await insert(
    database,
    "spine.account_snapshot",
    panel.rows.map((r) => {
      const mrr = r.seats === null ? null : r.seats * 1000;
      const period = starts.get(r.account);
      return [r.account, r.on, period, r.tenureDays, r.segment, null, mrr, r.seats, false, null, false, true, true];
    }),
  );
  await insert(
    database,
    "features.account_kpi",
    panel.rows.map((r) => [r.account, r.on, ...kpis.map((kpi) => r.values[kpi])]),
  );
  await insert(
    database,
    "features.kpi_why_null",
    panel.unanswered.map((r) => [r.account, r.on, r.kpi, "unanswered"]),
  );
  await insert(
    database,
    "features.kpi_definition",
    kpis.map((kpi, i) => [
      i + 1,
      kpi,
      kpi.replaceAll("_", " "),
      options.healthier?.[kpi] ?? (kpi.startsWith("noise") ? "tested" : "higher"),
      `had less ${kpi}`,
      `had more ${kpi}`,
    ]),
  );
  for (const statement of options.before ?? []) await database.run(statement);
  for (const [end, value] of [
    ["from", 0],
    ["to", 100],
  ]) {
    await database.run(`alter table scores.scorecard add column scale_${end} decimal(18,6) default ${value}`);
  }
  for (const column of [
    "is_assigned boolean default true",
    "assign_order integer default 1",
    "in_force_from date",
    "combine varchar default 'weighted_mean'",
  ]) {
    await database.run(`alter table scores.scorecard add column ${column}`);
  }
  for (const column of ["kind varchar default 'objective'", "side varchar default 'proactive'"]) {
    await database.run(`alter table features.kpi_definition add column ${column}`);
  }
  const book: Book = {
    ...bookSchema.parse({
      book: "panel",
      sources: { usage: { entity: "usage_event", files: "x.csv", columns: {} } },
      kpis: [...kpis],
      churn: options.churn ?? {},
    }),
    folder: "/",
    file: "assay.yaml",
    config_sha256: "",
  };
  const definitions = kpis.map(
    (id) => ({ id, entity: "usage_event", filter: {}, value: undefined }) as unknown as KpiDefinition,
  );
  const nodes = await validationNodes(
    book,
    definitions,
    [],
    options.truncation === undefined ? {} : { truncation: options.truncation },
  );
  return { database, nodes, book };
}

/** The tables that stand before validation runs. */
export const panelGiven = [
  "spine.account_period",
  "spine.account_snapshot",
  "spine.snapshot",
  "features.account_kpi",
  "features.kpi_why_null",
  "features.kpi_definition",
  "scores.scorecard",
  "scores.account_override",
  "scores.account_score",
  "scores.score_part",
  "scores.scorecard_weight",
  "staging.survey_response",
  "staging.churn_event",
  "staging.account",
  "staging.subscription",
  "staging.play",
  "staging.engagement",
  "staging.disposition",
  "staging.invoice",
  "staging.ticket",
  "staging.usage_event",
  "staging.source_arrival",
  "staging.account_identity",
  "staging.source_repeat",
  "raw.usage_event",
  "staging.feed_day",
  "rollup.account_day",
  "rollup.user_day",
];

/** The panel validated: every table of the layer stands. `only` stops at what these tables need. */
export async function validatePanel(
  panel: Panel,
  options: PanelOptions = {},
  only?: readonly string[],
): Promise<Database> {
  const { database, nodes } = await panelDatabase(panel, options);
  const known = new Set([...panelGiven, ...(options.truncation === undefined ? [] : [options.truncation])]);
  const wanted = only === undefined ? nodes.filter((node) => node.name !== "validation.data_check") : upTo(nodes, only);
  await runNodes(database, sortNodes(wanted, known), silentLog, () => performance.now());
  return database;
}

/** The nodes that these tables need. */
export function upTo(nodes: readonly Node[], tables: readonly string[]): readonly Node[] {
  const producer = new Map(nodes.flatMap((node) => producesOf(node).map((table) => [table, node] as const)));
  const kept = new Set<Node>();
  const visit = (table: string): void => {
    const node = producer.get(table);
    if (node === undefined || kept.has(node)) return;
    kept.add(node);
    for (const parent of node.depends) visit(parent);
  };
  for (const table of tables) visit(table);
  return [...kept];
}
