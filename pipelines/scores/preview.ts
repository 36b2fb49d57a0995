/** Reads scores of a release for the terminal: one row an account, with its parts and what they mean in words. */
import { usageError } from "../lib/errors.ts";
import type { Query } from "../warehouse/database.ts";
import { literal } from "../warehouse/literal.ts";

export interface ScoreRequest {
  readonly query: Query;
  /** `id`, the newest version, or `id@2`; default: for each account the scorecard in force. */
  readonly scorecard?: string | undefined;
  readonly account?: string | undefined;
  /** The last snapshot on or before this date; default: the newest. */
  readonly at?: string | undefined;
}

export interface ScorePart {
  readonly part_no: number;
  readonly kind: "kpi" | "start" | "clamp" | "gate" | "rounding";
  readonly group_id: string | null;
  readonly kpi: string | null;
  readonly label: string | null;
  readonly value: number | null;
  readonly points: number | null;
  /** Share of 100 that the KPI had for this account then. */
  readonly weight: number | null;
  readonly contribution: number;
  readonly words: string;
}

export interface ScoreRow {
  readonly account_id: string;
  readonly snapshot_date: string;
  readonly scorecard: string;
  readonly version: number;
  readonly is_in_force: boolean;
  readonly score: number | null;
  readonly score_low: number;
  readonly score_high: number;
  /** Share of 1. */
  readonly coverage: number;
  readonly score_before: number | null;
  readonly band_before: string;
  readonly band: string;
  readonly gated_by: string | null;
  readonly overridden_by: string | null;
  readonly parts: readonly ScorePart[];
  /** One sentence. */
  readonly words: string;
}

/**
 * Scores at one snapshot, lowest first, accounts without a score last. Reads scores.account_score, scores.score_part and,
 * for labels, features.kpi_definition. Rows that people have not seen (another scorecard than the one in force) only when
 * `scorecard` asks for them.
 */
export async function scoreRows(request: ScoreRequest): Promise<readonly ScoreRow[]> {
  const { query, account, at } = request;
  if (at !== undefined && !isCalendarDate(at)) {
    throw usageError(`--at needs a date like 2026-01-31, found ${at}`);
  }
  const [snapshot] = await query<{ snapshot_date: string | null; first_date: string | null }>(
    `select max(snapshot_date)${at === undefined ? "" : ` filter (where snapshot_date <= date ${literal(at)})`} as snapshot_date, ` +
      "min(snapshot_date) as first_date from spine.account_snapshot where is_scored",
  );
  const date = snapshot?.snapshot_date ?? null;
  if (date === null) {
    const first = snapshot?.first_date ?? null;
    throw usageError(
      first === null
        ? "the release has no scored snapshot"
        : `--at needs a date from ${first}, the first scored snapshot, found ${at}`,
    );
  }
  const card = request.scorecard === undefined ? null : await findVersion(query, request.scorecard);
  const where = [
    `s.snapshot_date = date ${literal(date)}`,
    card === null
      ? "s.is_in_force"
      : `s.scorecard = ${literal(card.scorecard)} and s.version = ${literal(card.version)}`,
    ...(account === undefined ? [] : [`s.account_id = ${literal(account)}`]),
  ].join(" and ");
  const scores = await query<Omit<ScoreRow, "parts" | "words">>(
    "select s.account_id, s.snapshot_date, s.scorecard, s.version, s.is_in_force, s.score, s.score_low, s.score_high, s.coverage, " +
      "s.score_before, s.band_before, s.band, s.gated_by, s.overridden_by " +
      `from scores.account_score as s where ${where} order by s.score nulls last, s.account_id, s.scorecard, s.version`,
  );
  if (account !== undefined && scores.length === 0) throw await noSuchRow(query, account, date, card !== null);
  const parts = await query<Omit<ScorePart, "words"> & { readonly key: string; readonly combine: string }>(
    "select s.account_id || chr(10) || s.scorecard || '@' || s.version as key, c.combine, " +
      "p.part_no, p.kind, p.group_id, p.kpi, d.label, p.value, p.points, p.weight, p.contribution " +
      "from scores.account_score as s join scores.score_part as p using (account_id, snapshot_date, scorecard, version) " +
      "join scores.scorecard as c using (scorecard, version) left join features.kpi_definition as d on d.id = p.kpi " +
      `where ${where} order by key, p.part_no`,
  );
  const byKey = new Map<string, ScorePart[]>();
  for (const { key, combine, ...part } of parts) {
    const list = byKey.get(key) ?? [];
    byKey.set(key, list);
    list.push({ ...part, words: partInWords(part, combine === "weighted_mean") });
  }
  return scores.map((row) => ({
    ...row,
    parts: byKey.get(`${row.account_id}\n${row.scorecard}@${row.version}`) ?? [],
    words: scoreInWords(row),
  }));
}

async function findVersion(query: Query, name: string): Promise<{ scorecard: string; version: number }> {
  const [id, number] = name.split("@");
  const rows = await query<{ scorecard: string; version: number }>(
    "select scorecard, version from scores.scorecard order by scorecard, version",
  );
  const found = rows.filter(
    ({ scorecard, version }) => scorecard === id && (number === undefined || String(version) === number),
  );
  const newest = found.at(-1);
  if (newest === undefined) {
    const known = rows.map(({ scorecard, version }) => `${scorecard}@${version}`).join(", ");
    throw usageError(`--scorecard needs one of ${known || "none, the book has no scorecard"}, found ${name}`);
  }
  return newest;
}

async function noSuchRow(query: Query, account: string, date: string, isNamed: boolean): Promise<Error> {
  const rows = await query<{ first: string | null; last: string | null; is_there: boolean }>(
    "select cast(min(snapshot_date) as varchar) as first, cast(max(snapshot_date) as varchar) as last, " +
      `coalesce(bool_or(snapshot_date = date ${literal(date)}), false) as is_there ` +
      `from spine.account_snapshot where is_scored and account_id = ${literal(account)}`,
  );
  const [span] = rows;
  if (span === undefined || span.first === null) {
    return usageError(`--account needs an account with a scored snapshot, found ${account}`);
  }
  if (!span.is_there) {
    return usageError(`account ${account} has no snapshot on ${date}, it has some from ${span.first} to ${span.last}`);
  }
  return usageError(
    `account ${account} has no scorecard in force on ${date}`,
    isNamed ? undefined : "name one: --scorecard",
  );
}

/** 47.8260869 -> "47.8"; whole numbers without a point. */
const shown = (value: number): string => String(Math.round(value * 10) / 10);
const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** "62.4, yellow; 40 % of its weight is unknown, so between 37 and 77". */
export function scoreInWords(row: Omit<ScoreRow, "parts" | "words">): string {
  const range = `between ${shown(row.score_low)} and ${shown(row.score_high)}`;
  const unknown = `${percent(1 - row.coverage)} of the weight has no value`;
  if (row.score === null) {
    const override = row.overridden_by === null ? "" : `; shown as ${row.band}, set by ${row.overridden_by}`;
    return `no score: ${unknown}, it could be anything ${range}${override}`;
  }
  const sentences = [`${shown(row.score)}, ${row.band}`];
  if (row.gated_by !== null) {
    sentences.push(
      `would be ${shown(row.score_before ?? row.score)}, ${row.band_before} without the gate ${row.gated_by}`,
    );
  }
  if (row.overridden_by !== null) sentences.push(`the band was set by ${row.overridden_by}`);
  if (row.coverage < 1) sentences.push(`${unknown}, with it the score would be ${range}`);
  return sentences.join("; ");
}

/** "Logins 18: 47.8 points x 40 % = 19.1". */
export function partInWords(part: Omit<ScorePart, "words">, isMean: boolean): string {
  const name = part.label ?? part.kpi ?? part.kind;
  switch (part.kind) {
    case "start":
      return `starts at ${shown(part.contribution)}`;
    case "clamp":
      return `held at the ${part.group_id === null ? "end of the scale" : `cap of ${part.group_id}`}: ${signed(part.contribution)}`;
    case "gate":
      return `gate on ${name} ${part.value === null ? "unknown" : shown(part.value)}: ${signed(part.contribution)}`;
    case "rounding":
      return `rounding${part.group_id === null ? "" : ` of ${part.group_id}`}: ${part.contribution.toFixed(6)}`;
    default: {
      const value = part.value === null ? "without a value" : shown(part.value);
      if (part.points === null) return `${name} ${value}: not scored, its weight goes to the others`;
      const weight = isMean
        ? ` x ${shown(part.weight ?? 0)} %`
        : part.weight === 1
          ? ""
          : ` x ${shown(part.weight ?? 0)}`;
      const total = weight === "" ? "" : ` = ${shown(part.contribution)}`;
      return `${name} ${value}: ${shown(part.points)} points${weight}${total}`;
    }
  }
}

const signed = (value: number): string => (value > 0 ? `+${shown(value)}` : shown(value));

/** True for a day that exists: 2026-02-29 does not. */
function isCalendarDate(text: string): boolean {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}
