/** Why one account has its score: everything that a release knows about it, as one plain value. Reads only. */
import type { Scorecard } from "../config/scorecard.ts";
import { parseScorecard } from "../config/scorecard.ts";
import { nearest } from "../config/yaml.ts";
import { usageError } from "../lib/errors.ts";
import type { Query } from "../warehouse/database.ts";
import { literal } from "../warehouse/literal.ts";
import { entriesOf } from "./combine.ts";
import { toMillionths } from "./exact.ts";
import { type CardState, changeLedger, type Ledger, type PartState } from "./ledger.ts";
import type { ScoreRow as PreviewedScore } from "./preview.ts";
import { bandRankSql } from "./rank.ts";
import { type Trend, trendDays, trendOf } from "./trend.ts";
import { weighKpis } from "./weights.ts";

export interface ExplainRequest {
  readonly query: Query;
  readonly account: string;
  /** A scored snapshot; default: the newest of the release. */
  readonly at?: string | undefined;
  /** An earlier scored snapshot: adds the change ledger. */
  readonly since?: string | undefined;
  /** `id` or `id@version`; default: the scorecard in force for the account. */
  readonly scorecard?: string | undefined;
  /** Days of the trend. */
  readonly days?: number | undefined;
  /** The file of a draft: what history says of a version with the same number is not said of it. */
  readonly draft?: string | undefined;
}

export interface ExplainedPart {
  readonly part_no: number;
  readonly kind: string;
  readonly group_id: string | null;
  readonly kpi: string | null;
  readonly label: string | null;
  readonly value: number | null;
  readonly unit: string | null;
  readonly points: number | null;
  /** Share of 100 for this account then; where points are added up, what multiplies them. */
  readonly weight: number | null;
  readonly contribution: number;
  /** What history says to do with the KPI (validation.kpi_verdict); null for other parts and without a validation. */
  readonly action_group: string | null;
}

export interface MissingKpi {
  readonly kpi: string;
  readonly label: string;
  /**
   * not_applicable, not_yet, unanswered, feed_broken; no_export: the book has none; not_listed: a rating without points;
   * too_few_weeks: for a slope.
   */
  readonly why: string;
  /** Share of 100 that it has on the card. */
  readonly share: number;
}

export interface ExplainedGate {
  readonly id: string;
  readonly kpi: string;
  readonly label: string;
  readonly value: number | null;
  readonly state: "passed" | "failed" | "unknown";
  readonly min: number | null;
  readonly max: number | null;
  /** Failing, the score is held at this or below; null where the gate is on the band. */
  readonly score: number | null;
  /** Failing, the band is this or a worse one; null where the gate is on the score. */
  readonly band: string | null;
}

export interface ExplainedOverride {
  readonly band: string;
  readonly card_band: string;
  readonly author: string;
  readonly reason: string | null;
  readonly from_on: string | null;
  readonly expires_on: string | null;
}

/** A flag that is up at the snapshot: beside the score, never in it. */
export interface ExplainedFlag {
  readonly flag: string;
  readonly label: string;
  /** risk or opportunity. */
  readonly kind: string;
  readonly since: string;
  /** The KPI's value at the snapshot. */
  readonly value: number | null;
  /** "days_since_login at least 14". */
  readonly threshold: string;
  /** Only at the newest snapshot: snoozes of the past are not kept. */
  readonly snoozed_until: string | null;
}

export interface ExplainedLine {
  readonly cause: string;
  readonly part_no: number | null;
  readonly kpi: string | null;
  readonly label: string | null;
  readonly unit: string | null;
  readonly value_from: number | null;
  readonly value_to: number | null;
  readonly why_from: string | null;
  readonly why_to: string | null;
  readonly from: string | null;
  readonly to: string | null;
  readonly amount: number;
  readonly includes: readonly string[];
}

export interface Since {
  readonly snapshot_date: string;
  readonly scorecard: string;
  readonly version: number;
  readonly score: number | null;
  readonly score_low: number;
  readonly score_high: number;
  readonly coverage: number;
  readonly band: string;
  /** Six digits; null when an end has no score. The amounts of `lines` sum to it exactly. */
  readonly difference: number | null;
  readonly lines: readonly ExplainedLine[];
  /** KPIs of the card that have a value at one end only, for when no difference can be told. */
  readonly became_known: readonly string[];
  readonly became_unknown: readonly string[];
}

export interface Explanation {
  readonly account_id: string;
  readonly name: string | null;
  readonly snapshot_date: string;
  readonly segment: string | null;
  readonly lifecycle: string | null;
  readonly mrr_minor: number | null;
  readonly currency: string;
  readonly scorecard: string;
  readonly version: number;
  readonly label: string;
  readonly purpose: string;
  readonly is_in_force: boolean;
  /** The file, when this is a draft. */
  readonly draft: string | null;
  readonly combine: string;
  readonly scale_from: number;
  readonly scale_to: number;
  readonly score: number | null;
  readonly score_low: number;
  readonly score_high: number;
  readonly coverage: number;
  readonly coverage_floor: number;
  /** Before gate and override. */
  readonly score_before: number | null;
  readonly band_before: string;
  readonly band: string;
  /** "from 31, below 71". */
  readonly band_edges: string | null;
  readonly gated_by: string | null;
  readonly parts: readonly ExplainedPart[];
  readonly missing: readonly MissingKpi[];
  readonly gates: readonly ExplainedGate[];
  readonly override: ExplainedOverride | null;
  /** Null where the release has no flags. */
  readonly flags: readonly ExplainedFlag[] | null;
  readonly rank: { readonly place: number; readonly of: number; readonly slope: number | null } | null;
  readonly trend: Trend | null;
  /** Points of 100 per group of verdicts, by the weights that this account has; null where points are added up. */
  readonly evidence: readonly { readonly action_group: string; readonly points: number }[];
  /** What validation says of the scorecard out of time; null without a validation. */
  readonly validation: string | null;
  /** A person's sign-off of the version; null without one. */
  readonly sign_off: {
    readonly on: string;
    readonly by: string | null;
    readonly until: string | null;
    /** At the snapshot. */
    readonly is_expired: boolean;
  } | null;
  readonly since: Since | null;
}

/** As scores.account_score has it. */
type ScoreRow = Omit<PreviewedScore, "parts" | "words">;

interface PartRow {
  readonly part_no: number;
  readonly kind: string;
  readonly group_id: string | null;
  readonly kpi: string | null;
  readonly value: number | null;
  readonly points: number | null;
  readonly weight: number | null;
  readonly contribution: number;
}

interface CardRow {
  readonly scorecard: string;
  readonly version: number;
  readonly label: string;
  readonly purpose: string;
  readonly in_force_from: string | null;
  readonly validated_on: string | null;
  readonly validated_by: string | null;
  readonly valid_until: string | null;
  readonly definition: string;
}

interface KpiRow {
  readonly id: string;
  readonly label: string;
  readonly unit: string | null;
}

/** An account at a snapshot as one version scores it. */
interface Told {
  readonly row: ScoreRow;
  readonly parts: readonly PartRow[];
  readonly card: Scorecard;
  readonly why: ReadonlyMap<string, string>;
}

/**
 * The explanation of one score. Dates that are no scored snapshot, and accounts that the release does not know on them,
 * are usage errors that say what is near.
 */
export async function explainAccount(request: ExplainRequest): Promise<Explanation> {
  const { query, account, days = trendDays } = request;
  const tables = await knownTables(query);
  const date = await resolveSnapshot(query, account, request.at, "--at");
  const cards = await readCards(query);
  const kpis = new Map((await query<KpiRow>(kpiSelect)).map((kpi) => [kpi.id, kpi]));
  const read = (row: ScoreRow): Promise<Told> => readTold(query, row, cards, kpis);
  const now = await read(await readScore(query, account, date, cards, request.scorecard));
  const { row, card } = now;
  const [about] = await query<Pick<Explanation, "segment" | "lifecycle" | "mrr_minor">>(
    `select segment, lifecycle, mrr_minor from spine.account_snapshot where ${at(account, date)}`,
  );
  const [params] = await query<{ currency: string }>("select currency from meta.params");
  const groups = await readActionGroups(query, tables);
  const parts = now.parts.map((part) => ({
    ...part,
    label: part.kpi === null ? null : labelOf(kpis, part.kpi),
    unit: part.kpi === null ? null : (kpis.get(part.kpi)?.unit ?? null),
    action_group: part.kind !== "kpi" || groups === null ? null : (groups.get(part.kpi ?? "") ?? "Not known"),
  }));
  const missing = await readMissing(query, now, kpis);
  const gates = await readGates(query, now, kpis);
  const cardRow = cards.find(isVersion(row)) as CardRow;
  return {
    account_id: account,
    name: await readName(query, tables, account, date),
    snapshot_date: date,
    segment: about?.segment ?? null,
    lifecycle: about?.lifecycle ?? null,
    mrr_minor: about?.mrr_minor ?? null,
    currency: params?.currency ?? "",
    scorecard: row.scorecard,
    version: row.version,
    label: cardRow.label,
    purpose: cardRow.purpose,
    is_in_force: row.is_in_force,
    draft: request.draft ?? null,
    combine: card.combine,
    scale_from: card.scale.from,
    scale_to: card.scale.to,
    score: row.score,
    score_low: row.score_low,
    score_high: row.score_high,
    coverage: row.coverage,
    coverage_floor: card.missing.coverage_floor,
    score_before: row.score_before,
    band_before: row.band_before,
    band: row.band,
    band_edges: edgesInWords(card, row.band),
    gated_by: row.gated_by,
    parts,
    missing,
    gates,
    override: await readOverride(query, tables, row),
    flags: await readFlags(query, tables, now, kpis),
    rank: row.is_in_force ? await readRank(query, account, date) : null,
    trend: await readTrend(query, row, days),
    evidence: evidenceOf(card, parts, groups),
    validation: request.draft === undefined ? await readValidation(query, tables, row) : null,
    sign_off: signOffOf(cardRow, date),
    since: request.since === undefined ? null : await readSince(request, request.since, now, cards, kpis, read),
  };
}

const kpiSelect = "select id, label, unit from features.kpi_definition";
const at = (account: string, date: string): string =>
  `account_id = ${literal(account)} and snapshot_date = date ${literal(date)}`;
const of = ({ scorecard, version }: Pick<ScoreRow, "scorecard" | "version">): string =>
  `scorecard = ${literal(scorecard)} and version = ${literal(version)}`;
const isVersion =
  (row: Pick<ScoreRow, "scorecard" | "version">) =>
  (card: CardRow): boolean =>
    card.scorecard === row.scorecard && card.version === row.version;
const labelOf = (kpis: ReadonlyMap<string, KpiRow>, id: string): string => kpis.get(id)?.label ?? id;

/** Tables of later layers need not be there: a preview has scores and no validation. */
async function knownTables(query: Query): Promise<ReadonlySet<string>> {
  const rows = await query<{ name: string }>(
    "select schema_name || '.' || table_name as name from duckdb_tables() where database_name = current_database() union all " +
      "select schema_name || '.' || view_name from duckdb_views() where database_name = current_database() and not internal",
  );
  return new Set(rows.map(({ name }) => name));
}

/** The scored snapshot that a date asks for, on which the account pays. */
export async function resolveSnapshot(
  query: Query,
  account: string,
  asked: string | undefined,
  option: "--at" | "--since",
): Promise<string> {
  const dates = await query<{ snapshot_date: string; is_paying: boolean }>(
    "select d.snapshot_date, a.account_id is not null as is_paying from spine.snapshot as d " +
      `left join spine.account_snapshot as a on a.snapshot_date = d.snapshot_date and a.account_id = ${literal(account)} ` +
      "where d.is_scored order by d.snapshot_date",
  );
  const own = dates.filter(({ is_paying }) => is_paying).map(({ snapshot_date }) => snapshot_date);
  const [first, last] = [own[0], own.at(-1)];
  if (first === undefined || last === undefined) throw await unknownAccount(query, account);
  const newest = dates.at(-1)?.snapshot_date;
  const date = asked ?? newest;
  if (date === undefined) throw usageError("the release has no scored snapshot");
  if (own.includes(date)) return date;
  const span = `it pays on snapshots from ${first} to ${last}`;
  if (asked === undefined) {
    throw usageError(`account ${account} does not pay on ${date}, the newest snapshot: ${span}`, `add --at ${last}`);
  }
  if (dates.some(({ snapshot_date }) => snapshot_date === date)) {
    throw usageError(`account ${account} does not pay on ${date}: ${span}`, nearHint(own, date, option));
  }
  throw usageError(`${option} needs a scored snapshot, found ${date}`, nearHint(own, date, option));
}

/** The snapshots before and after a date that is none. */
function nearHint(own: readonly string[], date: string, option: string): string {
  const near = [own.filter((other) => other < date).at(-1), own.find((other) => other > date)];
  return `the nearest of this account: ${near.flatMap((other) => (other === undefined ? [] : [`${option} ${other}`])).join(" or ")}`;
}

async function unknownAccount(query: Query, account: string): Promise<Error> {
  const rows = await query<{ account_id: string }>(
    "select distinct account_id from spine.account_snapshot order by account_id",
  );
  const ids = rows.map(({ account_id }) => account_id);
  const near = nearest(account, ids) ?? ids.find((id) => id.toLowerCase().includes(account.toLowerCase()));
  return usageError(
    `no account ${account} pays on any scored snapshot of the release, which has ${ids.length} accounts` +
      (ids.length === 0 ? "" : ` such as ${ids[0]}`),
    near === undefined ? undefined : `did you mean ${near}?`,
  );
}

const readCards = (query: Query): Promise<readonly CardRow[]> =>
  query<CardRow>(
    "select scorecard, version, label, purpose, in_force_from, validated_on, validated_by, cast(valid_until as date) as valid_until, " +
      "definition from scores.scorecard order by scorecard, version",
  );

/** The row of the card in force, or of the one that is asked for. */
async function readScore(
  query: Query,
  account: string,
  date: string,
  cards: readonly CardRow[],
  asked: string | undefined,
): Promise<ScoreRow> {
  const [id, number] = (asked ?? "").split("@");
  const version = cards.filter(
    (card) => card.scorecard === id && (number === undefined || String(card.version) === number),
  );
  const wanted = version.at(-1);
  const known = cards.map((card) => `${card.scorecard}@${card.version}`).join(", ");
  if (asked !== undefined && wanted === undefined) {
    throw usageError(`--scorecard needs one of ${known || "none, the book has no scorecard"}, found ${asked}`);
  }
  const which = wanted === undefined ? "is_in_force" : of(wanted);
  const [row] = await query<ScoreRow>(`${scoreSelect} where ${at(account, date)} and ${which}`);
  if (row === undefined) {
    throw usageError(
      `account ${account} has no scorecard in force on ${date}`,
      known === "" ? "add one to 'scorecards:' in assay.yaml" : `name one: --scorecard, one of ${known}`,
    );
  }
  return row;
}

const scoreSelect =
  "select account_id, snapshot_date, scorecard, version, is_in_force, score, score_low, score_high, coverage, score_before, " +
  "band_before, band, gated_by, overridden_by from scores.account_score";

async function readTold(
  query: Query,
  row: ScoreRow,
  cards: readonly CardRow[],
  kpis: ReadonlyMap<string, KpiRow>,
): Promise<Told> {
  const parts = await query<PartRow>(
    "select part_no, kind, group_id, kpi, value, points, weight, contribution from scores.score_part " +
      `where ${at(row.account_id, row.snapshot_date)} and ${of(row)} order by part_no`,
  );
  const reasons = await query<{ kpi: string; why: string }>(
    `select kpi, why from features.kpi_why_null where ${at(row.account_id, row.snapshot_date)}`,
  );
  const { card } = parseScorecard(
    (cards.find(isVersion(row)) as CardRow).definition,
    `${row.scorecard} v${row.version}`,
  );
  const off = entriesOf(card).flatMap(({ kpi }) => (kpis.has(kpi) ? [] : [[kpi, "no_export"] as const]));
  return { row, parts, card, why: new Map([...off, ...reasons.map(({ kpi, why }) => [kpi, why] as const)]) };
}

/**
 * Which KPIs have no points of their own: no value, a rating that the card does not list, a slope over too few weeks. The last
 * has a value, and points where a missing KPI counts as zero or neutral; then the coverage tells it: of such KPIs those are
 * missing whose shares it lacks.
 */
function missingPlaces({ card, row }: Pick<Told, "card" | "row">, parts: readonly PartRow[]): ReadonlySet<number> {
  const entries = weighKpis(card);
  const missing = new Set<number>();
  const unclear: number[] = [];
  for (const [i, part] of parts.entries()) {
    const { ratings, slope } = entries[i]?.entry.points ?? {};
    const isListed = ratings === undefined || Object.keys(ratings).some((rating) => Number(rating) === part.value);
    if (part.value === null || part.points === null || !isListed) missing.add(i);
    else if (slope !== undefined && entries[i]?.fallback !== null) unclear.push(i);
  }
  const shareOf = (places: Iterable<number>): number =>
    [...places].reduce((all, i) => all + Number(entries[i]?.share ?? 0n), 0) / 1e6;
  const lacking = 100 * (1 - row.coverage) - shareOf(missing);
  for (let choice = 0; choice < 2 ** Math.min(unclear.length, 10); choice += 1) {
    const chosen = unclear.filter((_, k) => choice & (1 << k));
    if (Math.abs(shareOf(chosen) - lacking) < 0.001) {
      for (const i of chosen) missing.add(i);
      break;
    }
  }
  return missing;
}

const kpiParts = (told: Told): readonly PartRow[] => told.parts.filter(({ kind }) => kind === "kpi");

/** The state of a card for the ledger. */
function stateOf(told: Told): CardState {
  const { row } = told;
  const exact = (value: number | null): bigint | null => (value === null ? null : toMillionths(value));
  const own = kpiParts(told);
  const missing = missingPlaces(told, own);
  const parts = own.map(
    (part, i): PartState => ({
      kpi: part.kpi ?? "",
      value: part.value,
      points: exact(part.points),
      is_missing: missing.has(i),
    }),
  );
  return {
    snapshot_date: row.snapshot_date,
    scorecard: row.scorecard,
    version: row.version,
    score: exact(row.score),
    score_before: exact(row.score_before),
    band: row.band,
    overridden_by: row.overridden_by,
    gated_by: row.gated_by,
    parts,
  };
}

/** The values of some KPIs; those that the book cannot compute have none. */
async function readValues(
  query: Query,
  told: Told,
  ids: readonly string[],
  kpis: ReadonlyMap<string, KpiRow>,
): Promise<ReadonlyMap<string, number | null>> {
  const known = ids.filter((id) => kpis.has(id));
  if (known.length === 0) return new Map();
  const [row] = await query<Record<string, number | null>>(
    `select ${[...new Set(known)].join(", ")} from features.account_kpi where ${at(told.row.account_id, told.row.snapshot_date)}`,
  );
  return new Map(known.map((id) => [id, row?.[id] ?? null]));
}

/** KPIs of the card without points of their own, each once, with why; the largest share first. */
async function readMissing(
  query: Query,
  told: Told,
  kpis: ReadonlyMap<string, KpiRow>,
): Promise<readonly MissingKpi[]> {
  const entries = entriesOf(told.card);
  const values = await readValues(
    query,
    told,
    entries.map(({ kpi }) => kpi),
    kpis,
  );
  const shares = await query<{ kpi: string; share: number }>(
    `select kpi, sum(share) as share from scores.scorecard_weight where ${of(told.row)} group by kpi`,
  );
  const shareOf = new Map(shares.map(({ kpi, share }) => [kpi, share]));
  const own = kpiParts(told);
  const places = missingPlaces(told, own);
  const without = entries.flatMap(({ kpi, points }, i): readonly MissingKpi[] => {
    const value = values.get(kpi) ?? null;
    // Without a score there are no parts, only values.
    if (own.length === 0 ? value !== null : !places.has(i)) return [];
    const unscored = points.ratings !== undefined ? "not_listed" : points.slope !== undefined ? "too_few_weeks" : null;
    const why = told.why.get(kpi) ?? (value !== null ? unscored : null) ?? "not_applicable";
    return [{ kpi, label: labelOf(kpis, kpi), why, share: shareOf.get(kpi) ?? 0 }];
  });
  return without
    .filter(({ kpi }, i) => without.findIndex((other) => other.kpi === kpi) === i)
    .sort((a, b) => b.share - a.share);
}

async function readGates(
  query: Query,
  told: Told,
  kpis: ReadonlyMap<string, KpiRow>,
): Promise<readonly ExplainedGate[]> {
  const { gates } = told.card;
  const values = await readValues(
    query,
    told,
    gates.map(({ kpi }) => kpi),
    kpis,
  );
  return gates.map(({ id, kpi, min, max, score, band }) => {
    const value = values.get(kpi) ?? null;
    const fails = value !== null && ((min !== undefined && value < min) || (max !== undefined && value > max));
    return {
      id,
      kpi,
      label: labelOf(kpis, kpi),
      value,
      state: value === null ? "unknown" : fails ? "failed" : "passed",
      min: min ?? null,
      max: max ?? null,
      score: score ?? null,
      band: band ?? null,
    };
  });
}

/** The override that holds at the snapshot, with both bands. */
async function readOverride(
  query: Query,
  tables: ReadonlySet<string>,
  row: ScoreRow,
): Promise<ExplainedOverride | null> {
  if (row.overridden_by === null || !tables.has("scores.account_override")) return null;
  const [found] = await query<ExplainedOverride>(
    "select band, band_without as card_band, author, reason, from_on, expires_on from scores.account_override " +
      `where ${at(row.account_id, row.snapshot_date)} and ${of(row)}`,
  );
  return found ?? null;
}

/** The band of a score on a card, by its inclusive edge. */
export function bandOf({ bands: { edge, list } }: Pick<Scorecard, "bands">, score: number): string {
  const band = list.find(({ to }) => (edge === "upper" ? score <= to : score < to)) ?? list.at(-1);
  return band?.id ?? "unknown";
}

/** "from 31, below 71": where a band begins and ends. */
export function edgesInWords({ bands: { edge, list } }: Pick<Scorecard, "bands">, band: string): string | null {
  const i = list.findIndex(({ id }) => id === band);
  if (i < 0) return null;
  const [from, to] = [list[i - 1]?.to, i === list.length - 1 ? undefined : list[i]?.to];
  return [
    ...(from === undefined ? [] : [`${edge === "upper" ? "above" : "from"} ${from}`]),
    ...(to === undefined ? [] : [`${edge === "upper" ? "up to" : "below"} ${to}`]),
  ].join(", ");
}

async function readFlags(
  query: Query,
  tables: ReadonlySet<string>,
  told: Told,
  kpis: ReadonlyMap<string, KpiRow>,
): Promise<readonly ExplainedFlag[] | null> {
  if (!tables.has("scores.account_flag") || !tables.has("scores.flag")) return null;
  const { account_id, snapshot_date } = told.row;
  const day = `date ${literal(snapshot_date)}`;
  const rows = await query<Omit<ExplainedFlag, "value"> & { readonly kpi: string }>(
    "select a.flag, f.label, f.kind, f.kpi, a.since, f.in_words as threshold, " +
      `case when ${day} = (select max(snapshot_date) from spine.snapshot where is_scored) then a.snoozed_until end as snoozed_until ` +
      `from scores.account_flag as a inner join scores.flag as f on f.flag = a.flag where a.account_id = ${literal(account_id)} ` +
      `and a.since <= ${day} and (a.until is null or a.until > ${day}) order by f.flag_no`,
  );
  const values = await readValues(
    query,
    told,
    rows.map(({ kpi }) => kpi),
    kpis,
  );
  return rows.map(({ kpi, ...flag }) => ({ ...flag, value: values.get(kpi) ?? null }));
}

async function readRank(query: Query, account: string, date: string): Promise<Explanation["rank"]> {
  const [found] = await query<{ place: number; n_in_band: number; slope: number | null }>(
    `select place, n_in_band, slope from (${bandRankSql(`date ${literal(date)}`)}) as r where account_id = ${literal(account)}`,
  );
  return found === undefined ? null : { place: found.place, of: found.n_in_band, slope: found.slope };
}

async function readTrend(query: Query, row: ScoreRow, days: number): Promise<Trend | null> {
  if (row.score === null) return null;
  const day = `date ${literal(row.snapshot_date)}`;
  const points = await query<{ snapshot_date: string; score: number }>(
    "select s.snapshot_date, s.score from scores.account_score as s " +
      "inner join spine.account_snapshot as a on a.account_id = s.account_id and a.snapshot_date = s.snapshot_date " +
      `where s.account_id = ${literal(row.account_id)} and s.${of(row).replace("version", "s.version")} and a.is_scored ` +
      `and s.score is not null and s.snapshot_date <= ${day} and s.snapshot_date >= ${day} - ${days} order by s.snapshot_date`,
  );
  return trendOf(points, row.band, days);
}

async function readActionGroups(
  query: Query,
  tables: ReadonlySet<string>,
): Promise<ReadonlyMap<string, string> | null> {
  if (!tables.has("validation.kpi_verdict")) return null;
  const rows = await query<{ kpi: string; action_group: string }>(
    "select kpi, action_group from validation.kpi_verdict " +
      "where definition = (select primary_definition from meta.params) and group_kind = 'all'",
  );
  return new Map(rows.map(({ kpi, action_group }) => [kpi, action_group]));
}

export const actionGroups = ["Use", "Use with care", "Score differently", "Leave out", "Not known"] as const;

/** The weight of each group of verdicts among this account's parts. */
function evidenceOf(
  card: Scorecard,
  parts: readonly ExplainedPart[],
  groups: ReadonlyMap<string, string> | null,
): Explanation["evidence"] {
  if (groups === null || card.combine !== "weighted_mean" || parts.length === 0) return [];
  return actionGroups.map((action_group) => {
    const own = parts.filter((part) => part.action_group === action_group);
    return { action_group, points: Math.round(own.reduce((all, { weight }) => all + (weight ?? 0), 0) * 1e6) / 1e6 };
  });
}

async function readValidation(query: Query, tables: ReadonlySet<string>, row: ScoreRow): Promise<string | null> {
  if (!tables.has("validation.scorecard_test")) return null;
  const [found] = await query<{ sentence: string }>(
    `select sentence from validation.scorecard_test where ${of(row)} and period = 'out_of_time'`,
  );
  return found?.sentence ?? null;
}

const signOffOf = (card: CardRow, date: string): Explanation["sign_off"] =>
  card.validated_on === null
    ? null
    : {
        on: card.validated_on,
        by: card.validated_by,
        until: card.valid_until,
        is_expired: card.valid_until !== null && card.valid_until <= date,
      };

/** The name that was known then; null where the book has none. */
async function readName(
  query: Query,
  tables: ReadonlySet<string>,
  account: string,
  date: string,
): Promise<string | null> {
  if (!tables.has("staging.account")) return null;
  const day = `date ${literal(date)}`;
  const [found] = await query<{ name: string | null }>(
    `select name from staging.account where account_id = ${literal(account)} and visible_on <= ${day} and name is not null ` +
      "order by visible_on desc, name limit 1",
  );
  return found?.name ?? null;
}

async function readSince(
  { query, account, scorecard }: ExplainRequest,
  asked: string,
  now: Told,
  cards: readonly CardRow[],
  kpis: ReadonlyMap<string, KpiRow>,
  read: (row: ScoreRow) => Promise<Told>,
): Promise<Since> {
  const date = await resolveSnapshot(query, account, asked, "--since");
  const today = now.row.snapshot_date;
  if (date >= today) throw usageError(`--since needs a snapshot before ${today}, found ${date}`);
  const then = await read(await readScore(query, account, date, cards, scorecard));
  const find = async (id: string, version: number): Promise<Told | null> => {
    if (id === now.row.scorecard && version === now.row.version) return now;
    const [row] = await query<ScoreRow>(
      `${scoreSelect} where ${at(account, today)} and scorecard = ${literal(id)} and version = ${literal(version)}`,
    );
    return row === undefined ? null : read(row);
  };
  const kept = await find(then.row.scorecard, then.row.version);
  const renewedVersion = scorecard === undefined ? versionInForce(cards, then.row.scorecard, today) : then.row.version;
  const renewed = await find(then.row.scorecard, renewedVersion ?? then.row.version);
  const ledger: Ledger = changeLedger({
    from: stateOf(then),
    to: stateOf(now),
    card: then.card,
    kept: kept === null ? null : stateOf(kept),
    renewed: renewed === null ? null : stateOf(renewed),
  });
  const ids = [...new Set([then, now].flatMap(({ card }) => entriesOf(card).map(({ kpi }) => kpi)))];
  const [before, after] = [await readValues(query, then, ids, kpis), await readValues(query, now, ids, kpis)];
  const isKnown = (values: ReadonlyMap<string, number | null>, id: string): boolean =>
    (values.get(id) ?? null) !== null;
  const number = (millionths: bigint): number => Number(millionths) / 1e6;
  return {
    snapshot_date: date,
    scorecard: then.row.scorecard,
    version: then.row.version,
    score: then.row.score,
    score_low: then.row.score_low,
    score_high: then.row.score_high,
    coverage: then.row.coverage,
    band: then.row.band,
    difference: ledger.difference === null ? null : number(ledger.difference),
    lines: ledger.lines.map(({ amount, ...line }) => ({
      ...line,
      label: line.kpi === null ? null : labelOf(kpis, line.kpi),
      unit: line.kpi === null ? null : (kpis.get(line.kpi)?.unit ?? null),
      why_from: line.kpi === null || line.value_from !== null ? null : (then.why.get(line.kpi) ?? null),
      why_to: line.kpi === null || line.value_to !== null ? null : ((kept ?? now).why.get(line.kpi) ?? null),
      amount: number(amount),
    })),
    became_known: ids.filter((id) => !isKnown(before, id) && isKnown(after, id)),
    became_unknown: ids.filter((id) => isKnown(before, id) && !isKnown(after, id)),
  };
}

/** The version of a scorecard that is in force on a date: the last to start, of equals the higher number. */
export function versionInForce(
  cards: readonly Pick<CardRow, "scorecard" | "version" | "in_force_from">[],
  scorecard: string,
  date: string,
): number | null {
  const started = cards
    .filter((card) => card.scorecard === scorecard && (card.in_force_from ?? "") <= date)
    .sort((a, b) => {
      const [from, other] = [a.in_force_from ?? "", b.in_force_from ?? ""];
      return from === other ? a.version - b.version : from < other ? -1 : 1;
    });
  return started.at(-1)?.version ?? null;
}
