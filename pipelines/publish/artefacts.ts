import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  Bool,
  type DataType,
  DateMillisecond,
  Field,
  Float64,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import { sha256 } from "../lib/files.ts";
import { readModels } from "../models/header.ts";
import type { Node } from "../models/model.ts";
import type { Database, Row } from "../warehouse/database.ts";
import { managersArtefacts, writeShards } from "./managers.ts";
import { martNodes } from "./marts.ts";
import type { Audience } from "./site.ts";

/** One file of the release that pages (and other readers of the release) load. */
export interface Artefact {
  readonly name: string;
  /** One select, sorted, over `marts.*` and one-row `meta.*`. */
  readonly select: string;
  /** JSON below about a thousand rows, Arrow above; by columns what a page shows of each account. */
  readonly format: "json" | "arrow" | "columns";
  /** Who may see it; a leadership artefact holds aggregates only. */
  readonly audience: Audience;
  /** Of a leadership artefact; see {@link Cells}. */
  readonly cells?: Cells;
}

/**
 * What an artefact's figures are shares, means, quantiles or ranks of: the columns that count accounts, and the figures that each stands
 * behind. `row`: there is no row where it is under min_cell; a list: those columns are null there. `{}`: nothing in it is about
 * accounts (files, definitions, sentences, the book's own words). A test holds every release to it.
 */
export type Cells = Readonly<Record<string, "row" | readonly string[]>>;

export interface ArtefactFile {
  readonly name: string;
  readonly file: string;
  readonly rows: number;
  readonly sha256: string;
  readonly schema: readonly { readonly name: string; readonly type: ColumnType }[];
}

export type ColumnType = "text" | "integer" | "number" | "boolean" | "date";

const table = (name: string, order: string, cells: Cells, format: "json" | "arrow" = "json"): Artefact => ({
  name,
  select: `select * from marts.${name} order by ${order}`,
  format,
  audience: "leadership",
  cells,
});

/** An estimate with its interval, as columns are named. */
const around = (...names: readonly string[]): readonly string[] =>
  names.flatMap((name) => [name, `${name}_low`, `${name}_high`]);
const churn = [
  "n_churned",
  "churn_rate",
  "churn_low",
  "churn_high",
  "expected_rate",
  "difference",
  "difference_low",
  "difference_high",
];
const ranks = ["auc", "auc_low", "auc_high"];

/** Every artefact of the leadership site. Names are those of the marts that they hold. */
export const artefacts: readonly Artefact[] = [
  {
    name: "release",
    select:
      "select r.release_id, r.as_of, r.assay_version, r.duckdb_version, p.book, p.title, p.currency, p.min_cell, " +
      "p.gap_days, p.horizon_days, p.window_days, p.min_tenure_days, p.reactivation_grace_days, p.score_every, " +
      "p.validate_every, p.primary_definition from meta.release as r cross join meta.params as p",
    format: "json",
    audience: "leadership",
    cells: {},
  },
  table("answer_key", "kpi", {}),
  table("archetype", "archetype_no", {
    n_of: "row",
    n_now: ["mrr_minor"],
    n_scored: ["mean_score", "score_low", "score_high"],
    n_accounts: churn,
  }),
  table("assignment_gap", "kind_no, scorecard", { n_total: "row", n_accounts: ["mrr_minor"] }),
  table("band", "band_no, band", {}),
  table("band_before", "scorecard, version, is_departure, days_before, band", { n_total: "row" }),
  table("band_change", "from_band, to_band", { n_total: "row" }),
  table("band_month", "series, snapshot_date, band", { n_total: "row" }),
  table("band_outcome", "scorecard, version, mode, days, band_no, band", { n_accounts: "row" }),
  table("band_recovery", "scorecard, version", {
    n_accounts: "row",
    n_matured: ["recovered_share", "left_share"],
    n_spells: ["median_days_red"],
  }),
  table("capacity", "scorecard, version, from_on, capacity", { n_departures: "row" }),
  table("cohort_heat", "cohort_from, months", { n_accounts: "row" }),
  table("cohort_retention", "cohort_from", { n_accounts: "row" }),
  table("course_map", "series desc, day", { n_accounts: "row" }),
  table("course_milestone", "expected_day, milestone", { n_due: "row", n_stayed: ["day_q25", "day_q50", "day_q75"] }),
  table("data_check", "n_rows desc, check_id", {}),
  table("data_source", "source", {}),
  table("delivery", "source, delivered_on desc, file, delivery_id", {}, "arrow"),
  table("kept_money", "period_no", { n_base: "row" }),
  table("folklore", "test, scorecard, version", {
    n_churned: ["auc_a", "auc_b", "difference", "difference_low", "difference_high"],
  }),
  table("funnel_month", "cohort_from nulls first, step_no", { n_of: ["share", "share_low", "share_high"] }),
  table("gate", "gate_no", { n_accounts: "row", n_failing: "row" }),
  table("goal_summary", "n_agreed desc, goal", { n_accounts: "row", n_matured: ["met_rate", "met_low", "met_high"] }),
  table("journey_stage", "n_accounts desc, stage", {
    n_accounts: "row",
    n_total: "row",
    n_judged: ["n_churned", "churn_rate", "churn_low", "churn_high"],
  }),
  {
    // Statements are long: only a KPI's own page loads its own.
    ...table("kpi", "", {
      n_accounts: [...ranks, "crude_auc", "late_auc", "p", "q"],
      n_churned: [...ranks, "crude_auc", "late_auc", "p", "q"],
    }),
    select: "select * exclude (sql_text) from marts.kpi order by action_no, abs(coalesce(auc, 0.5) - 0.5) desc, kpi",
  },
  table("kpi_cohort", "kpi, cohort", { n_churned: ranks, n_staying: ranks }),
  table("kpi_count", "k", { n_churned: [...ranks, "spread"] }),
  table("kpi_cut", "kpi, cut_no", { n_flagged: "row", n_others: "row", n_churned: "row" }),
  table("kpi_drift", "kpi", { n_now: "row", n_then: "row" }),
  table("kpi_group", "kpi, group_kind", {}),
  table("kpi_intervention", "kpi", {
    n_accounts_with: "row",
    n_accounts_without: "row",
    n_churned_with: around("auc_with"),
    n_churned_without: around("auc_without"),
  }),
  table("kpi_lead", "kpi, months_before", { n_churned: ranks }),
  table("kpi_look", "kpi, look_on", { n_churned: [...ranks, "q"] }),
  table("kpi_pair", "kpi, place", { n_rows: "row" }),
  table("kpi_period", "kpi, first_on", { n_churned: ranks }),
  table("kpi_quality", "kpi", {}),
  table("kpi_range", "kpi, range_no", { n_accounts: "row" }),
  table("kpi_segment", "kpi, segment", { n_churned: ranks, n_staying: ranks }),
  table("kpi_shift", "kpi, range_no", { n_now: "row", n_rows_then: "row" }),
  { ...table("kpi_sql", "", {}), select: "select kpi, sql_text from marts.kpi order by kpi" },
  table("kpi_week", "kpi, week", { n_accounts: "row" }),
  table("label_agreement", "definition, other", { n_one: "row", n_both: ["median_days_apart"] }),
  table("label_definition", "is_primary desc, definition", { n_accounts: "row" }),
  table("label_verdict", "kpi, definition", {}),
  table("leaver_band", "series, band", { n_total: "row" }),
  table("note", "noted_on, label", {}),
  table("outcome_summary", "outcome_no, outcome", {
    n_scored: ["mean_score", "score_q25", "score_q50", "score_q75"],
    n_measured: ["n_met", "met_rate", "met_low", "met_high"],
    met_accounts: churn.map((name) => `met_${name.replace(/^n_/, "")}`),
    unmet_accounts: churn.map((name) => `unmet_${name.replace(/^n_/, "")}`),
  }),
  table("practice_sentence", "place_no", {}),
  table("random_control", "control", { n_accounts: [...ranks, "p"], n_churned: [...ranks, "p"] }),
  table("reference_profile", "kpi_no, profile_no", {
    n_accounts: "row",
    n_values: ["q10", "q25", "q50", "q75", "q90"],
  }),
  table("reject", "source, n_lines desc, column_name, reason", {}),
  table("renewal_ahead", "band", { n_total: "row" }),
  table("renewal_band", "band_no, band", { n_accounts: "row" }),
  table("renewal_month", "from_month, band", { n_total: "row" }),
  table("renewal_quarter", "quarter_from", { n_accounts: "row" }),
  table("score_distribution", "scorecard, version, place_no", { n_total: "row" }),
  table("score_month", "scorecard, mode, snapshot_date, version", { n_scored: "row" }),
  table("scorecard", "is_assigned desc, is_for_all desc, assign_order, scorecard, version", {}),
  table("scorecard_calibration", "scorecard, version, period", { n_accounts: "row" }),
  {
    // Known accounts are few, and whoever listed them knows which: how many agree is said of min_cell and more.
    ...table("scorecard_card", "", { n_known: ["n_known_agree"] }),
    select:
      "select c.* replace (of_enough(c.n_known_agree, c.n_known, p.min_cell) as n_known_agree) from marts.scorecard_card as c " +
      "cross join meta.params as p order by c.is_assigned desc, c.scorecard, c.version",
  },
  table("scorecard_decay", "scorecard, version", {}),
  table("scorecard_difference", "scorecard, version, other, other_version, period", {
    n_churned: ["auc", "other_auc", ...around("difference")],
    n_staying: ["auc", "other_auc", ...around("difference")],
  }),
  table("scorecard_drift", "scorecard, version, snapshot_date", { n_reference: "row", n_accounts: "row" }),
  table("scorecard_kpi", "scorecard, version, points desc, kpi", {}),
  table("scorecard_left_out", "scorecard, version, kpi", {
    n_accounts: "row",
    n_churned: ["auc_with", "auc_without", ...around("difference")],
    n_staying: ["auc_with", "auc_without", ...around("difference")],
  }),
  {
    // Which accounts a finding is about is for `assay audit`.
    ...table("scorecard_lint", "", {}),
    select:
      "select lint_no, scorecard, version, rule, source, severity, sentence, because from marts.scorecard_lint order by lint_no",
  },
  table("scorecard_play", "scorecard, play_no", {
    n_accounts: "row",
    n_played: [...around("left").slice(1), "left_rate", "like_rate", ...around("difference")],
  }),
  table("scorecard_state", "scorecard, version", {
    n_churned: [...ranks, "simple_auc", ...around("difference"), "average_precision", "lift_10"],
  }),
  table("scorecard_step", "scorecard, version, step_no", {}),
  table("scorecard_test", "scorecard, version, period", {
    n_churned: [...ranks, ...around("average_precision", "lift_10", "difference"), "simple_auc"],
    n_staying: [...ranks, ...around("lift_10", "difference")],
    n_departures: ["caught_share", "caught_low", "caught_high", "green_share", "green_low", "green_high"],
    n_warned: ["median_months_of_warning", "share_1m", "share_3m"],
    n_stayers: ["stayer_median_months", "stayer_share_1m", "stayer_share_3m"],
  }),
  table("source_contract", "source", {}),
  table("source_week", "source, entity, week", {}, "arrow"),
  table("suggested_weight", "scorecard, version, suggested desc nulls last, kpi", {
    n_churned: around("difference_to_equal", "difference_to_current"),
  }),
  table("validation_fact", "definition", { n_accounts: ["churn_rate"] }),
  table("weight_humility", "scorecard, version", {
    n_accounts: ["kept_share", "auc_current", "auc_equal", "auc_best"],
    n_churned: ["kept_share", "auc_current", "auc_equal", "auc_best"],
    n_red: "row",
  }),
  table("weight_on_evidence", "scorecard, version, action_no", {}),
  table("usage_cluster", "cluster", { n_accounts: "row", n_labelled: churn.slice(1) }),
  table("usage_cluster_choice", "k", { n_accounts: "row", n_fitted: "row" }),
  table("usage_cluster_kpi", "cluster, kpi_no", { n_values: ["q25", "q50", "q75"] }),
];

/**
 * Writes the artefacts of a built warehouse into a folder. Equal tables give equal bytes: rows are sorted, types are
 * explicit, nothing holds a time. JSON is an array of objects, a date an ISO text; Arrow has dates as milliseconds and
 * no 64-bit integer (browsers read those as BigInt).
 */
export async function writeArtefacts(a: {
  readonly database: Database;
  readonly folder: string;
  /** With the account rows of the managers' site, whose statements these are; without, aggregates alone. */
  readonly managers?: readonly Node[] | undefined;
  /** The models of practice, which are made for the book: the page of practice shows their statements. */
  readonly practice?: readonly Node[];
}): Promise<readonly ArtefactFile[]> {
  await mkdir(a.folder, { recursive: true });
  const files: ArtefactFile[] = [];
  for (const artefact of [...artefacts, ...(a.managers === undefined ? [] : managersArtefacts)]) {
    const schema = (await a.database.describe(artefact.select)).map(({ name, type }) => ({
      name,
      type: columnType(artefact.name, name, type),
    }));
    const rows = await a.database.query(artefact.select);
    const bytes =
      artefact.format === "arrow"
        ? toArrow(rows, schema)
        : (artefact.format === "columns" ? toColumns : toJson)(rows, artefact.name, schema);
    files.push(await write(a.folder, artefact.name, extensionOf(artefact), bytes, rows.length, schema));
  }
  const writeStatements = async (name: string, nodes: readonly Node[]): Promise<void> => {
    const statements = nodes.flatMap((node) =>
      node.kind === "step" ? [] : [{ model: node.name, grain: node.grain.join(", "), sql: node.sql }],
    );
    files.push(
      await write(a.folder, name, "json", toJson(statements, name), statements.length, [
        { name: "model", type: "text" },
        { name: "grain", type: "text" },
        { name: "sql", type: "text" },
      ]),
    );
  };
  await writeStatements("statement_practice", a.practice ?? []);
  await writeStatements("statement", [...(await martNodes()), ...(await readModels("success"))]);
  if (a.managers !== undefined) {
    await writeStatements("statement_managers", a.managers);
    files.push(...(await writeShards(a)));
  }
  return files;
}

async function write(
  folder: string,
  name: string,
  extension: string,
  bytes: string | Uint8Array,
  rows: number,
  schema: ArtefactFile["schema"],
): Promise<ArtefactFile> {
  const file = `${name}.${extension}`;
  await writeFile(join(folder, file), bytes);
  return { name, file, rows, sha256: sha256(bytes), schema };
}

function columnType(artefact: string, column: string, type: string): ColumnType {
  if (type === "VARCHAR") return "text";
  if (type === "BOOLEAN") return "boolean";
  if (type === "DATE") return "date";
  if (type === "DOUBLE" || type === "FLOAT" || type.startsWith("DECIMAL")) return "number";
  if (/^U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$/.test(type)) return "integer";
  throw new Error(`artefact ${artefact}: column ${column} has type ${type}, which readers cannot load`);
}

export const extensionOf = ({ format }: Pick<Artefact, "format">): string => (format === "arrow" ? "arrow" : "json");

/** JSON of numbers that are finite and exact. */
const exactJson = (value: unknown, name: string): string =>
  JSON.stringify(value, (key, cell) => {
    if (typeof cell === "bigint") throw new Error(`artefact ${name}: ${key} does not fit a double: ${cell}`);
    if (typeof cell === "number" && !Number.isFinite(cell)) throw new Error(`artefact ${name}: ${key} is ${cell}`);
    return cell;
  });

/** One row a line, keys in the order of the select. */
function toJson(rows: readonly Row[], name: string): string {
  const lines = rows.map((row) => exactJson(row, name));
  return `[${lines.length === 0 ? "" : `\n${lines.join(",\n")}\n`}]\n`;
}

/**
 * `{"rows": 2, "columns": {"score": [71.5, null], ...}}`, one column a line in the order of the select. A text that repeats stands once:
 * `{"of": [texts, sorted], "at": [place or null]}`. Compressed a list of accounts is a third of the same as Arrow, and needs no library.
 */
export function toColumns(rows: readonly Row[], name: string, schema: ArtefactFile["schema"]): string {
  const columns = schema.map(({ name: column, type }) => {
    const values = rows.map((row) => row[column] ?? null);
    const texts = type === "text" ? [...new Set(values.filter((value) => value !== null))].sort() : [];
    if (texts.length === 0 || texts.length > rows.length / 2)
      return `${JSON.stringify(column)}:${exactJson(values, name)}`;
    const places = new Map(texts.map((text, i) => [text, i]));
    const at = values.map((value) => (value === null ? null : places.get(value)));
    return `${JSON.stringify(column)}:${exactJson({ of: texts, at }, name)}`;
  });
  return `{"rows":${rows.length},"columns":{\n${columns.join(",\n")}\n}}\n`;
}

const arrowTypes: Readonly<Record<ColumnType, () => DataType>> = {
  text: () => new Utf8(),
  integer: () => new Float64(),
  number: () => new Float64(),
  boolean: () => new Bool(),
  date: () => new DateMillisecond(),
};

/** An Arrow IPC file. Integers are doubles: exact to 2^53, and plain numbers for whoever reads them. */
export function toArrow(rows: readonly Row[], schema: ArtefactFile["schema"]): Uint8Array {
  const fields = schema.map(({ name, type }) => new Field(name, arrowTypes[type](), true));
  const vectors = schema.map(({ name, type }) => {
    const values = rows.map((row) => {
      const value = row[name] ?? null;
      return type === "date" && typeof value === "string" ? new Date(`${value}T00:00:00Z`) : value;
    });
    return vectorFromArray(values as never[], arrowTypes[type]());
  });
  const children = vectors.map((vector, i) => vector.data[0] ?? makeData({ type: (fields[i] as Field).type as never }));
  const arrowSchema = new Schema(fields);
  const data = makeData({ type: new Struct(fields), length: rows.length, nullCount: 0, children: children as never[] });
  return tableToIPC(new Table(arrowSchema, [new RecordBatch(arrowSchema, data as never)]), "file");
}
