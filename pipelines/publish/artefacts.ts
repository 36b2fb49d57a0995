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
import type { Cell, Database, Row } from "../warehouse/database.ts";
import { managersArtefacts, writeShards } from "./managers.ts";
import { martNodes } from "./marts.ts";
import type { Audience } from "./site.ts";

/** One file of the release that pages (and other readers of the release) load. */
export interface Artefact {
  readonly name: string;
  /** One select, sorted, over `marts.*` and one-row `meta.*`. */
  readonly select: string;
  /** JSON below about a thousand rows, Arrow above. */
  readonly format: "json" | "arrow";
  /** Who may see it; a leadership artefact holds aggregates only. */
  readonly audience: Audience;
}

export interface ArtefactFile {
  readonly name: string;
  readonly file: string;
  readonly rows: number;
  readonly sha256: string;
  readonly schema: readonly { readonly name: string; readonly type: ColumnType }[];
}

export type ColumnType = "text" | "integer" | "number" | "boolean" | "date";

const table = (name: string, order: string, format: "json" | "arrow" = "json"): Artefact => ({
  name,
  select: `select * from marts.${name} order by ${order}`,
  format,
  audience: "leadership",
});

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
  },
  table("answer_key", "kpi"),
  table("archetype", "archetype_no"),
  table("assignment_gap", "kind_no, scorecard"),
  table("band", "band_no, band"),
  table("band_before", "scorecard, version, is_departure, days_before, band"),
  table("band_change", "from_band, to_band"),
  table("band_month", "series, snapshot_date, band"),
  table("band_outcome", "scorecard, version, mode, days, band_no, band"),
  table("band_recovery", "scorecard, version"),
  table("capacity", "scorecard, version, from_on, capacity"),
  table("cohort_heat", "cohort_from, months"),
  table("cohort_retention", "cohort_from"),
  table("course_map", "series desc, day"),
  table("course_milestone", "expected_day, milestone"),
  table("data_check", "n_rows desc, check_id"),
  table("data_source", "source"),
  table("delivery", "source, delivered_on desc, file, delivery_id", "arrow"),
  table("kept_money", "period_no"),
  table("folklore", "test, scorecard, version"),
  table("funnel_month", "cohort_from nulls first, step_no"),
  table("gate", "gate_no"),
  table("goal_summary", "n_agreed desc, goal"),
  table("journey_stage", "n_accounts desc, stage"),
  {
    // Statements are long: only a KPI's own page loads its own.
    ...table("kpi", ""),
    select: "select * exclude (sql_text) from marts.kpi order by action_no, abs(coalesce(auc, 0.5) - 0.5) desc, kpi",
  },
  table("kpi_cohort", "kpi, cohort"),
  table("kpi_count", "k"),
  table("kpi_cut", "kpi, cut_no"),
  table("kpi_drift", "kpi"),
  table("kpi_group", "kpi, group_kind"),
  table("kpi_intervention", "kpi"),
  table("kpi_lead", "kpi, months_before"),
  table("kpi_look", "kpi, look_on"),
  table("kpi_pair", "kpi, place"),
  table("kpi_period", "kpi, first_on"),
  table("kpi_quality", "kpi"),
  table("kpi_range", "kpi, range_no"),
  table("kpi_segment", "kpi, segment"),
  table("kpi_shift", "kpi, range_no"),
  { ...table("kpi_sql", ""), select: "select kpi, sql_text from marts.kpi order by kpi" },
  table("kpi_week", "kpi, week"),
  table("label_agreement", "definition, other"),
  table("label_definition", "is_primary desc, definition"),
  table("label_verdict", "kpi, definition"),
  table("leaver_band", "series, band"),
  table("note", "noted_on, label"),
  table("outcome_summary", "outcome_no, outcome"),
  table("practice_sentence", "place_no"),
  table("random_control", "control"),
  table("reference_profile", "kpi_no, profile_no"),
  table("reject", "source, n_lines desc, column_name, reason"),
  table("renewal_ahead", "band"),
  table("renewal_band", "band_no, band"),
  table("renewal_month", "from_month, band"),
  table("renewal_quarter", "quarter_from"),
  table("score_distribution", "scorecard, version, place_no"),
  table("score_month", "scorecard, mode, snapshot_date, version"),
  table("scorecard", "is_assigned desc, assign_order, scorecard, version"),
  table("scorecard_calibration", "scorecard, version, period"),
  table("scorecard_card", "is_assigned desc, scorecard, version"),
  table("scorecard_decay", "scorecard, version"),
  table("scorecard_difference", "scorecard, version, other, other_version, period"),
  table("scorecard_drift", "scorecard, version, snapshot_date"),
  table("scorecard_kpi", "scorecard, version, points desc, kpi"),
  {
    // Which accounts a finding is about is for `assay audit`.
    ...table("scorecard_lint", ""),
    select:
      "select lint_no, scorecard, version, rule, source, severity, sentence, because from marts.scorecard_lint order by lint_no",
  },
  table("scorecard_state", "scorecard, version"),
  table("scorecard_step", "scorecard, version, step_no"),
  table("scorecard_test", "scorecard, version, period"),
  table("source_contract", "source"),
  table("source_week", "source, entity, week", "arrow"),
  table("suggested_weight", "scorecard, version, suggested desc nulls last, kpi"),
  table("validation_fact", "definition"),
  table("weight_humility", "scorecard, version"),
  table("weight_on_evidence", "scorecard, version, action_no"),
  table("usage_cluster", "cluster"),
  table("usage_cluster_choice", "k"),
  table("usage_cluster_kpi", "cluster, kpi_no"),
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
}): Promise<readonly ArtefactFile[]> {
  await mkdir(a.folder, { recursive: true });
  const files: ArtefactFile[] = [];
  for (const artefact of [...artefacts, ...(a.managers === undefined ? [] : managersArtefacts)]) {
    const schema = (await a.database.describe(artefact.select)).map(({ name, type }) => ({
      name,
      type: columnType(artefact.name, name, type),
    }));
    const rows = await a.database.query(artefact.select);
    const bytes = artefact.format === "json" ? toJson(rows, artefact.name) : toArrow(rows, schema);
    files.push(await write(a.folder, artefact.name, artefact.format, bytes, rows.length, schema));
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

/** One row a line, keys in the order of the select. Numbers must be finite and exact. */
function toJson(rows: readonly Row[], name: string): string {
  const check = (key: string, value: Cell): Cell => {
    if (typeof value === "bigint") throw new Error(`artefact ${name}: ${key} does not fit a double: ${value}`);
    if (typeof value === "number" && !Number.isFinite(value)) throw new Error(`artefact ${name}: ${key} is ${value}`);
    return value;
  };
  const lines = rows.map((row) => JSON.stringify(row, (key, value) => check(key, value as Cell)));
  return `[${lines.length === 0 ? "" : `\n${lines.join(",\n")}\n`}]\n`;
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
