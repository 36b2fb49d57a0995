/**
 * Usage rolled up once: account x day x event and account x user x day, as Parquet by month of visible_on. A month is named by the hash of
 * its statement and of the rows that go into it, so that a new night rebuilds the months that it reaches and no other.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { type Book, type Source, usageIsReplaced } from "../config/book.ts";
import { plainRollUp, type UsageFilter, type UsageRollUp } from "../config/kpi.ts";
import { addDays, isoDate } from "../lib/clock.ts";
import { canonicalJson, sha256 } from "../lib/files.ts";
import type { Log } from "../lib/log.ts";
import type { Database } from "../warehouse/database.ts";
import { literal } from "../warehouse/literal.ts";
import { daysOf } from "./bundle.ts";
import { type Delivery, fileList, type LoadResult } from "./delivery.ts";
import { storeFormat } from "./reading.ts";
import { visibleOn } from "./visible.ts";

export interface RollUpResult {
  readonly builtMonths: number;
  readonly reusedMonths: number;
  /** Day -> a digest of the rows that become visible on it: equal ones mean equal rows in all roll-ups. */
  readonly byDay: ReadonlyMap<string, string>;
  /** Absolute paths of the files behind the two views. */
  readonly files: readonly string[];
  /** What lies behind usage and the two views, below `store/`: a release names it, so that it can be queried later. */
  readonly store: {
    readonly usage_event: readonly string[];
    readonly account_day: readonly string[];
    readonly user_day: readonly string[];
    readonly account_last?: readonly string[];
  };
}

const version = 1;

/**
 * Rolls usage up and creates `rollup.account_day` and `rollup.user_day`. `database` holds the staging tables; ids are rolled up as they
 * were delivered, and the views put the account in their place, so that a new subscription touches no old month.
 */
export async function rollUp(options: {
  readonly database: Database;
  readonly book: Book;
  readonly load: LoadResult;
  readonly state: string;
  readonly log: Log;
  /** What the book's KPIs need beside the columns that every roll-up has. */
  readonly usage?: UsageRollUp;
  /** Builds every month again. Each replaces its like by a rename, so that releases that read the old one lose nothing. */
  readonly full?: boolean;
  /** Only says which months it would build: `database` needs no more than staging.range_day, and nothing is written. */
  readonly dryRun?: boolean;
}): Promise<RollUpResult> {
  const { database, book, load, state, usage: wanted = plainRollUp, full = false, dryRun = false } = options;
  const folder = join(state, "store", "rollup");
  if (!dryRun) await mkdir(folder, { recursive: true });
  const files = { events: [] as string[], users: [] as string[], lasts: [] as string[] };
  let built = 0;
  let reused = 0;
  const months = new Map<string, boolean>();
  const days = new Map<string, string>();
  for (const [id, source] of Object.entries(book.sources)) {
    if (source.entity !== "usage_event" && source.entity !== "usage_daily") continue;
    const rolled = await rollUpSource(database, folder, id, source, load, wanted, full, dryRun);
    files.events.push(...rolled.events);
    files.users.push(...rolled.users);
    files.lasts.push(...rolled.lasts);
    for (const [day, digest] of rolled.days) days.set(day, sha256(`${days.get(day) ?? ""} ${id} ${digest}`));
    for (const [month, isBuilt] of rolled.months) months.set(month, isBuilt || (months.get(month) ?? false));
  }
  for (const isBuilt of months.values()) {
    if (isBuilt) built += 1;
    else reused += 1;
  }
  if (!dryRun) await createRollUpViews(database, book, files, wanted);
  const usage = load.deliveries.filter(({ entity }) => entity === "usage_event").map(({ rows }) => rows);
  const below = (paths: readonly string[]): readonly string[] =>
    [...new Set(paths.map((path) => relative(join(state, "store"), path)))].sort();
  return {
    builtMonths: built,
    reusedMonths: reused,
    byDay: days,
    files: [...files.events, ...files.users, ...files.lasts],
    store: {
      usage_event: below(usage),
      account_day: below(files.events),
      user_day: below(files.users),
      ...(wanted.last.length > 0 ? { account_last: below(files.lasts) } : {}),
    },
  };
}

/**
 * Creates `rollup.account_day` and `rollup.user_day` over the files of months: the account stands in place of the id that a source goes by.
 * Reads `staging.account_identity` where a source goes by another id. `wanted` as given to {@link rollUp}, or less.
 */
export async function createRollUpViews(
  database: Database,
  book: Book,
  files: {
    readonly events: readonly string[];
    readonly users: readonly string[];
    readonly lasts?: readonly string[];
  },
  wanted: UsageRollUp = plainRollUp,
): Promise<void> {
  const via = new Map<string, string>();
  let rolledSources = 0;
  for (const [id, { entity, columns }] of Object.entries(book.sources)) {
    if (entity !== "usage_event" && entity !== "usage_daily") continue;
    rolledSources += 1;
    const mapping = columns.account_id;
    if (typeof mapping === "object" && mapping.via !== undefined) via.set(id, mapping.via);
  }
  const isReplaced = usageIsReplaced(book);
  const isUnique = rolledSources === 1 && via.size === 0 && !isReplaced;
  const replacing = new Set(Object.keys(book.sources).filter((id) => book.sources[id]?.mode === "range"));
  const ways = { via, isReplaced, replacing };
  await database.run("create schema if not exists rollup");
  await database.run(
    `create or replace view rollup.account_day as ${accountDayView(files.events, ways, isUnique, wanted)}`,
  );
  await database.run(`create or replace view rollup.user_day as ${userDayView(files.users, ways, isUnique, wanted)}`);
  if (wanted.last.length === 0) return;
  await database.run(`create or replace view rollup.account_last as ${accountLastView(files.lasts ?? [], ways)}`);
}

const plusDays = (day: string, days: string): string => `date_add('day', ${days}, ${day})`;

/** The statements of a month read `usage_row`; the text is the same for all months, only the files behind it differ. */
interface Statement {
  readonly name: "account_day" | "user_day" | "account_last";
  readonly sql: string;
}

const lines = (filters: readonly UsageFilter[], line: (name: string) => string): string =>
  filters.map(({ name }) => `${line(name)},\n  `).join("");

/** Each line that says so is portable: a test puts the statements of a book with filters before Trino's grammar. */
export const rollUpStatements = (wanted: UsageRollUp, isReplaced = false): readonly Statement[] => [
  accountDay(wanted, isReplaced),
  userDay(wanted, isReplaced),
  ...(wanted.last.length > 0 ? [accountLast(wanted, isReplaced)] : []),
];

/** Of a source in mode range: the date from which on a row is seen no more. */
const replaced = (isReplaced: boolean, indent = "  "): string => (isReplaced ? `superseded_on,\n${indent}` : "");

// portable: trino
const accountDay = ({ account }: UsageRollUp, isReplaced: boolean): Statement => ({
  name: "account_day",
  sql: `select
  account_ref,
  activity_date,
  visible_on,
  ${replaced(isReplaced)}event,
  cast(sum(n_events) as bigint) as n_events,
  cast(sum(quantity) as decimal(18,6)) as quantity,
  ${lines(
    account,
    (name) => `cast(sum(case when ${name} then n_events else 0 end) as bigint) as ${name},
  cast(sum(case when ${name} then quantity end) as decimal(18,6)) as ${name}_quantity`,
  )}cast(date_trunc('month', visible_on) as date) as visible_month
from usage_row
group by account_ref, activity_date, visible_on, ${isReplaced ? "superseded_on, " : ""}event`,
});

/**
 * One row per user and day in each month of visible_on, so that no month depends on another. What came later repeats what came earlier, and
 * does no harm: users are counted by the union of the intervals in which their days are seen.
 */
// portable: trino
const userDay = ({ user }: UsageRollUp, isReplaced: boolean): Statement => ({
  name: "user_day",
  sql: `select
  account_ref,
  user_id,
  activity_date,
  min(visible_on) as visible_on,
  ${replaced(isReplaced)}${lines(user, (name) => `min(case when ${name} then visible_on end) as ${name}`)}visible_month
from usage_row
where user_id is not null
group by account_ref, user_id, activity_date, ${isReplaced ? "superseded_on, " : ""}visible_month`,
});

/** Only for gauges, so the rows that pass are few and their order costs little. */
// portable: trino
const accountLast = ({ last }: UsageRollUp, isReplaced: boolean): Statement => ({
  name: "account_last",
  sql: `select account_ref, activity_date, visible_on, ${isReplaced ? "superseded_on, " : ""}filter_name, last_at, quantity, visible_month
from (
${last
  .map(
    ({ name }) => `  select
    account_ref,
    activity_date,
    visible_on,
    ${replaced(isReplaced, "    ")}${literal(name)} as filter_name,
    event_time as last_at,
    quantity,
    visible_month,
    row_number() over (partition by account_ref, activity_date, visible_on${isReplaced ? ", superseded_on" : ""} order by event_time desc, quantity desc) as rank_no
  from usage_row
  where ${name} and quantity is not null`,
  )
  .join("\n  union all\n")}
) as passed
where rank_no = 1`,
});

/** `rollup.account_day`: account_id, activity_date, visible_on, event, n_events, quantity, and two columns a filter. */
function accountDayView(files: readonly string[], ways: Ways, isUnique: boolean, { account }: UsageRollUp): string {
  const bigints = ["n_events", ...account.map(({ name }) => name)];
  const decimals = ["quantity", ...account.map(({ name }) => `${name}_quantity`)];
  if (files.length === 0) {
    return `select
  cast(null as varchar) as account_id,
  cast(null as date) as activity_date,
  cast(null as date) as visible_on,
  ${noDate(ways)}cast(null as varchar) as event,
  ${bigints.map((name) => `cast(null as bigint) as ${name}`).join(",\n  ")},
  ${decimals.map((name) => `cast(null as decimal(18,6)) as ${name}`).join(",\n  ")}
where false`;
  }
  const columns = `activity_date, visible_on, ${ways.isReplaced ? "superseded_on, " : ""}event`;
  const measures = [...bigints, ...decimals].join(", ");
  if (isUnique)
    return `select account_ref as account_id, ${columns}, ${measures} from read_parquet(${fileList(files)})`;
  const sums = [
    ...bigints.map((name) => `cast(sum(${name}) as bigint) as ${name}`),
    ...decimals.map((name) => `cast(sum(${name}) as decimal(18,6)) as ${name}`),
  ];
  return `select account_id, ${columns}, ${sums.join(", ")}
from (${resolved(files, ways, `${columns}, ${measures}`)}) as resolved
group by account_id, ${columns}`;
}

/**
 * `rollup.user_day`: account_id, user_id, activity_date and the earliest visible_on in a month of it, of all events and of those that pass a
 * filter. A user's day has a row for each month and each source in which anything of it came.
 */
function userDayView(files: readonly string[], ways: Ways, isUnique: boolean, { user }: UsageRollUp): string {
  const dates = ["visible_on", ...user.map(({ name }) => name)];
  if (files.length === 0) {
    return `select
  cast(null as varchar) as account_id,
  cast(null as varchar) as user_id,
  cast(null as date) as activity_date,
  ${noDate(ways)}${dates.map((name) => `cast(null as date) as ${name}`).join(",\n  ")}
where false`;
  }
  const columns = `user_id, activity_date, ${ways.isReplaced ? "superseded_on, " : ""}${dates.join(", ")}`;
  if (isUnique) return `select account_ref as account_id, ${columns} from read_parquet(${fileList(files)})`;
  return `select account_id, ${columns} from (${resolved(files, ways, columns)}) as resolved`;
}

/** `rollup.account_last`: account_id, activity_date, visible_on, filter_name, last_at, quantity; several rows where sources meet. */
function accountLastView(files: readonly string[], ways: Ways): string {
  const columns = `activity_date, visible_on, ${ways.isReplaced ? "superseded_on, " : ""}filter_name, last_at, quantity`;
  if (files.length > 0) return `select account_id, ${columns} from (${resolved(files, ways, columns)}) as resolved`;
  return `select
  cast(null as varchar) as account_id,
  cast(null as date) as activity_date,
  cast(null as date) as visible_on,
  ${noDate(ways)}cast(null as varchar) as filter_name,
  cast(null as timestamp) as last_at,
  cast(null as decimal(18,6)) as quantity
where false`;
}

/** How the sources of usage differ: ids of other kinds, and days that later deliveries replace. */
interface Ways {
  readonly via: ReadonlyMap<string, string>;
  /** Some source is in mode range: the views have `superseded_on`. */
  readonly isReplaced: boolean;
  readonly replacing: ReadonlySet<string>;
}

const noDate = ({ isReplaced }: Ways): string => (isReplaced ? "cast(null as date) as superseded_on,\n  " : "");

/** The rolled up rows with the account in place of the id that a source goes by. The name of a file says its source. */
function resolved(files: readonly string[], { via, replacing }: Ways, wanted: string): string {
  const bySource = new Map<string, string[]>();
  for (const file of files) {
    const id = basename(file).split("-")[1] as string;
    bySource.set(id, [...(bySource.get(id) ?? []), file]);
  }
  const parts = [...bySource].map(([id, own]) => {
    const stored = `read_parquet(${fileList(own)})`;
    const map = via.get(id);
    const columns = replacing.has(id)
      ? wanted
      : wanted.replace("superseded_on, ", "cast(null as date) as superseded_on, ");
    if (map === undefined) return `select account_ref as account_id, ${columns} from ${stored}`;
    return `select identity.account_id, ${columns}
from ${stored} as stored
left join staging.account_identity as identity
  on identity.via = ${literal(map)}
  and (identity.source is null or identity.source = ${literal(id)})
  and identity.ref = stored.account_ref
  and stored.activity_date >= identity.from_on
  and stored.activity_date < identity.to_on`;
  });
  return parts.join("\nunion all\n");
}

async function rollUpSource(
  database: Database,
  folder: string,
  id: string,
  source: Source,
  load: LoadResult,
  wanted: UsageRollUp,
  full: boolean,
  dryRun: boolean,
): Promise<{
  readonly events: readonly string[];
  readonly users: readonly string[];
  readonly lasts: readonly string[];
  readonly months: ReadonlyMap<string, boolean>;
  readonly days: ReadonlyMap<string, string>;
}> {
  const facts = load.sources[id];
  const deliveries = load.deliveries.filter((delivery) => delivery.source === id);
  const visible = visibleOn(
    {
      day: "activity_date",
      knownAt: "known_at",
      arrivalKnown: String(facts?.arrivalKnown ?? false),
      latencyDays: String(source.latency_days),
    },
    plusDays,
  );
  const isDaily = source.entity === "usage_daily";
  const isReplaced = source.mode === "range";
  const statements = rollUpStatements(wanted, isReplaced).filter(({ name }) => !isDaily || name !== "user_day");
  const filters = [
    ...new Map([...wanted.account, ...wanted.user, ...wanted.last].map((filter) => [filter.name, filter])).values(),
  ];
  const logic = canonicalJson([version, statements.map(({ sql }) => sql), filters, visible, isDaily]);
  const visibleDays = await daysSeen(database, deliveries, visible, isReplaced);
  const held = monthsOf(visibleDays);
  const dropped = await droppedOf(database, facts?.repeats?.path ?? null);
  const days = new Map<string, string>();
  for (const { day, file, replaced } of visibleDays)
    days.set(day, sha256(canonicalJson([days.get(day) ?? [logic, dropped.days.get(day) ?? null], file, replaced])));
  const paths: Record<string, string[]> = { account_day: [], user_day: [], account_last: [] };
  const months = new Map<string, boolean>();
  const missing: { readonly month: string; readonly paths: Readonly<Record<string, string>> }[] = [];
  for (const [month, { files: stored, replaced: digest }] of held) {
    const inputs = [logic, month, stored, dropped.months.get(month) ?? null, ...(digest === null ? [] : [digest])];
    const hash = sha256(canonicalJson(inputs)).slice(0, 16);
    const own = Object.fromEntries(
      statements.map(({ name }) => [name, join(folder, `${name}-${id}-${month.slice(0, 7)}-${hash}.parquet`)] as const),
    );
    const isWhole = !full && Object.values(own).every((path) => existsSync(path));
    if (!isWhole) missing.push({ month, paths: own });
    months.set(month, !isWhole);
    for (const [name, path] of Object.entries(own)) (paths[name] as string[]).push(path);
  }
  if (missing.length > 0 && !dryRun) {
    const wanted = new Set(missing.map(({ month }) => month));
    const inputs = deliveries.filter(({ rows }) =>
      [...held].some(([month, { files }]) => wanted.has(month) && files.includes(basename(rows))),
    );
    await build(database, {
      folder,
      sourceId: id,
      isReplaced,
      isDaily,
      visible,
      arrivalKnown: facts?.arrivalKnown ?? false,
      latencyDays: source.latency_days,
      statements,
      filters,
      inputs,
      held: [...held.keys()],
      missing,
      repeats: facts?.repeats?.path ?? null,
    });
  }
  return {
    events: paths.account_day ?? [],
    users: paths.user_day ?? [],
    lasts: paths.account_last ?? [],
    months,
    days,
  };
}

/** A file of the store that holds rows which become visible on a day; of a source in mode range with a digest of what later deliveries replace of them. */
interface SeenDay {
  readonly day: string;
  readonly file: string;
  readonly replaced: string | null;
}

/** By day, then in the order of the files' names. */
async function daysSeen(
  database: Database,
  deliveries: readonly Delivery[],
  visible: string,
  isReplaced: boolean,
): Promise<readonly SeenDay[]> {
  if (deliveries.length === 0) return [];
  const day = `select event_day as activity_date, known_day as known_at, filename from ${daysOf(deliveries)}`;
  const placed = `
       select placed.*, greatest(${visible}, coalesce(seen_from, date '0001-01-01')) as visible_on, parse_filename(filename) as file_name
       from (${day}) as stored_day
       inner join staging.range_day as placed
         on placed.file = replace(stored_day.filename, '.days.parquet', '.parquet') and placed.event_day = stored_day.activity_date`;
  const rows = await database.query<SeenDay>(
    isReplaced
      ? `select visible_on as day, file_name as file,
           md5(string_agg(distinct concat_ws(' ', delivery_no, event_day, visible_on, superseded_on), ',' order by concat_ws(' ', delivery_no, event_day, visible_on, superseded_on))) as replaced
         from (${placed}) where superseded_on is null or visible_on < superseded_on
         group by 1, 2 order by 1, 2`
      : `select distinct ${visible} as day, parse_filename(filename) as file, null as replaced
         from (${day}) order by day, file`,
  );
  return rows.map((row) => ({ ...row, file: row.file.replace(/\.days\.parquet$/, ".parquet") }));
}

/** Month of visible_on -> the files that hold rows of it, by name, and a digest of what is replaced of them. */
function monthsOf(
  days: readonly SeenDay[],
): ReadonlyMap<string, { readonly files: readonly string[]; readonly replaced: string | null }> {
  const months = new Map<string, { files: Set<string>; replaced: string | null }>();
  for (const { day, file, replaced } of days) {
    const month = `${day.slice(0, 7)}-01`;
    const known = months.get(month) ?? { files: new Set(), replaced: null };
    known.files.add(file);
    if (replaced !== null) known.replaced = sha256(`${known.replaced ?? ""}${file}${replaced}`);
    months.set(month, known);
  }
  return new Map([...months].map(([month, { files, replaced }]) => [month, { files: [...files].sort(), replaced }]));
}

/** Month, and day, -> a digest of the rows that are left out of it because their key came before. */
async function droppedOf(
  database: Database,
  repeats: string | null,
): Promise<{ readonly months: ReadonlyMap<string, string>; readonly days: ReadonlyMap<string, string> }> {
  if (repeats === null) return { months: new Map(), days: new Map() };
  const rows = await database.query<{ day: string; digest: string }>(
    `select visible_on as day, md5(string_agg(file || ':' || row_number, ',' order by file, row_number)) as digest
     from read_parquet(${literal(repeats)}) group by day order by day`,
  );
  const months = new Map<string, string>();
  for (const { day, digest } of rows) {
    const month = `${day.slice(0, 7)}-01`;
    months.set(month, sha256(`${months.get(month) ?? ""} ${day} ${digest}`));
  }
  return { months, days: new Map(rows.map(({ day, digest }) => [day, digest])) };
}

async function build(
  database: Database,
  work: {
    readonly folder: string;
    readonly sourceId: string;
    readonly isReplaced: boolean;
    readonly isDaily: boolean;
    readonly visible: string;
    readonly arrivalKnown: boolean;
    readonly latencyDays: number;
    readonly statements: readonly Statement[];
    readonly filters: readonly UsageFilter[];
    readonly inputs: readonly Delivery[];
    readonly held: readonly string[];
    readonly missing: readonly { readonly month: string; readonly paths: Readonly<Record<string, string>> }[];
    readonly repeats: string | null;
  },
): Promise<void> {
  const { sourceId, isReplaced, isDaily, visible, statements, filters, inputs, missing, repeats } = work;
  const dropped =
    repeats === null
      ? 0
      : ((await database.scalar<number>(`select count(*) from read_parquet(${literal(repeats)})`)) ?? 0);
  const paths = [...new Set(inputs.map(({ rows }) => rows))];
  // File and row as one integer: comparing names of files row by row costs more than all the rest of the scan.
  const stored =
    dropped === 0
      ? `read_parquet(${fileList(paths)}${isReplaced ? ", filename = true" : ""}) as stored`
      : `read_parquet(${fileList(paths)}${isReplaced ? ", filename = true" : ""}) as stored
  anti join (
    select cast(list_position(${fileList(paths.map((path) => basename(path)))}, file) - 1 as bigint) * 1099511627776 + row_number as place
    from read_parquet(${literal(repeats ?? "")})
  ) as repeated on repeated.place = cast(stored.file_index as bigint) * 1099511627776 + stored.file_row_number`;
  const usedOn = isDaily ? "activity_date" : "cast(event_time as date)";
  // A file that came twice is two deliveries here, each with days of its own.
  const placed = isReplaced
    ? `\n  inner join staging.range_day as placed
    on placed.source = ${literal(sourceId)} and placed.file = stored.filename and placed.event_day = ${usedOn}`
    : "";
  const quantity = (await hasQuantities(database, paths)) ? "quantity" : "cast(null as decimal(18,6)) as quantity";
  // What replaces an old day is seen later than its day says: no condition on days holds.
  const parts = (isReplaced ? [[]] : reachOf({ ...work, held: work.held })).map((conditions) => {
    return `  select
    account_id as account_ref,
    ${isDaily ? "activity_date" : "cast(event_time as date) as activity_date"},
    ${isReplaced ? "placed.seen_from,\n    placed.superseded_on,\n    " : ""}known_at,
    event,
    ${isDaily ? "cast(activity_date as timestamp) as event_time" : "event_time"},
    ${isDaily ? "cast(null as varchar) as event_id" : "event_id"},
    ${isDaily ? "cast(null as varchar) as user_id" : "user_id"},
    ${isDaily ? "coalesce(n_events, 0)" : "cast(1 as bigint)"} as n_events,
    ${quantity}
  from ${stored}${placed}${conditions.length === 0 ? "" : `\n  where ${conditions.join("\n    and ")}`}`;
  });
  const months = missing.map(({ month }) => `date ${literal(month)}`).join(", ");
  const isPartial = missing.length < work.held.length;
  const usageRow = `with stored_row as (
${parts.join("\n  union all\n")}
),
visible_row as (
  select
    account_ref,
    activity_date,
    ${isReplaced ? `greatest(${visible}, coalesce(seen_from, date '0001-01-01'))` : visible} as visible_on,
    ${replaced(isReplaced, "    ")}event,
    event_time,
    user_id,
    n_events,
    quantity${filters.map(({ name, sql }) => `,\n    ${sql} as ${name}`).join("")}
  from stored_row
),
usage_row as (
  select
    account_ref,
    activity_date,
    visible_on,
    ${replaced(isReplaced, "    ")}event,
    event_time,
    user_id,
    n_events,
    quantity,
    ${filters.map(({ name }) => `${name},\n    `).join("")}cast(date_trunc('month', visible_on) as date) as visible_month
  from visible_row${isReplaced ? "\n  where (superseded_on is null or visible_on < superseded_on)" : ""}${isPartial ? `\n  ${isReplaced ? "and" : "where"} cast(date_trunc('month', visible_on) as date) in (${months})` : ""}
)`;
  for (const { name, sql } of statements) {
    const parts = join(work.folder, `${name}.parts.tmp`);
    await rm(parts, { recursive: true, force: true });
    await database.run(
      `copy (${usageRow}\n${sql}) to ${literal(parts)} (${storeFormat}, partition_by (visible_month))`,
    );
    for (const { month, paths } of missing)
      await settle(database, join(parts, `visible_month=${month}`), sql, filters, isReplaced, paths[name] as string);
    await rm(parts, { recursive: true, force: true });
  }
}

/** False when the files' own statistics say that no row has a quantity: a sum that need not be taken. */
async function hasQuantities(database: Database, paths: readonly string[]): Promise<boolean> {
  const isEmpty = await database.scalar<boolean>(
    `select bool_and(stats_null_count = num_values) from parquet_metadata(${fileList(paths)}) where path_in_schema = 'quantity'`,
  );
  return isEmpty !== true;
}

/** Moves what was written for a month to its name. DuckDB may have split it; a month whose rows are all repeats has no file. */
async function settle(
  database: Database,
  folder: string,
  sql: string,
  filters: readonly UsageFilter[],
  isReplaced: boolean,
  path: string,
): Promise<void> {
  const parts = existsSync(folder) ? (await readdir(folder)).sort().map((part) => join(folder, part)) : [];
  const [only, ...others] = parts;
  if (only !== undefined && others.length === 0) {
    await rename(only, path);
    return;
  }
  const none = `with usage_row as (
  select
    cast(null as varchar) as account_ref,
    cast(null as date) as activity_date,
    cast(null as date) as visible_on,
    ${isReplaced ? "cast(null as date) as superseded_on,\n    " : ""}cast(null as varchar) as event,
    cast(null as timestamp) as event_time,
    cast(null as varchar) as user_id,
    cast(null as bigint) as n_events,
    cast(null as decimal(18,6)) as quantity,
    ${filters.map(({ name }) => `cast(null as boolean) as ${name},\n    `).join("")}cast(null as date) as visible_month
  where false
)
${sql}`;
  const rows =
    only === undefined
      ? `select * exclude (visible_month) from (${none})`
      : `select * from read_parquet(${fileList(parts)})`;
  await database.run(`copy (${rows}) to ${literal(`${path}.tmp`)} (${storeFormat})`);
  await rename(`${path}.tmp`, path);
}

/**
 * Conditions on stored columns that no row of the missing months fails, so that Parquet's own statistics skip the rest: a new night in one
 * large file does not read all of it. Each entry is one scan; no row passes two.
 */
function reachOf(work: {
  readonly isDaily: boolean;
  readonly arrivalKnown: boolean;
  readonly latencyDays: number;
  readonly held: readonly string[];
  readonly missing: readonly { readonly month: string }[];
}): readonly (readonly string[])[] {
  const months = work.missing.map(({ month }) => month).sort();
  const from = months[0] as string;
  const at = work.isDaily ? "activity_date" : "event_time";
  const before = (date: string, days: number): string =>
    `${work.isDaily ? "date" : "timestamp"} ${literal(addDays(date, -days) + (work.isDaily ? "" : " 00:00:00"))}`;
  const isFirst = work.held.every((month) => month >= from);
  const isLast = work.held.every((month) => month <= (months.at(-1) as string));
  const upper = isLast ? [] : [`${at} < ${before(nextMonth(months.at(-1) as string), 1)}`];
  if (isFirst) return [upper];
  const day = before(from, 1 + work.latencyDays);
  const recent = [`${at} >= ${day}`, ...upper];
  if (!work.arrivalKnown) return [recent];
  return [recent, [`${at} < ${day}`, `known_at >= timestamp ${literal(`${addDays(from, -1)} 00:00:00`)}`, ...upper]];
}

function nextMonth(month: string): string {
  const at = new Date(`${month}T00:00:00Z`);
  at.setUTCMonth(at.getUTCMonth() + 1);
  return isoDate(at);
}
