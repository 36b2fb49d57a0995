/** What only typed rows can tell of a source: its key, whether files repeat rows, what never changes, how late and how often rows come. */
import { entityOf } from "../config/entities.ts";
import type { Database } from "../warehouse/database.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import type { Draft, Finding } from "./propose.ts";

/** The files of a source as the loading read them. */
export interface Loaded {
  /** Parquet with typed rows, one a file, in the order of the files' names. */
  readonly files: readonly { readonly name: string; readonly rows: string; readonly rejects: string | null }[];
  readonly rowsRead: number;
  readonly rowsRejected: number;
}

export interface Settled {
  readonly draft: Draft;
  /** A view of the typed rows, with `_file`. */
  readonly view: string;
  readonly mode: "append" | "snapshot" | "range";
  readonly key: readonly string[];
  readonly delivered: "first_seen" | { readonly pattern: string } | { readonly column: string } | null;
  readonly immutable: readonly string[];
  readonly isImmutableGuess: boolean;
  readonly inclusive: boolean;
  readonly latencyDays: number;
  readonly maxRejected: number | null;
  readonly firstAt: string | null;
  readonly lastAt: string | null;
  /** Days between deliveries or between days with rows: what is usual. */
  readonly everyDays: number | null;
}

const mutableFacts = new Set(["ticket", "survey_response", "invoice", "milestone", "goal", "play"]);

const keysOf: Readonly<Record<string, readonly (readonly string[])[]>> = {
  account: [["account_id"]],
  user: [["user_id"]],
  subscription: [["subscription_id"], ["account_id", "started_on"], ["account_id", "started_on", "plan"]],
  usage_event: [["event_id"], ["account_id", "user_id", "event_time", "event"], ["account_id", "event_time", "event"]],
  usage_daily: [["account_id", "activity_date", "event"]],
  ticket: [["ticket_id"], ["account_id", "opened_at"]],
  survey_response: [
    ["account_id", "user_id", "kind", "asked_at"],
    ["account_id", "user_id", "kind", "responded_at"],
    ["account_id", "kind", "asked_at"],
    ["account_id", "kind", "responded_at"],
  ],
  engagement: [
    ["account_id", "occurred_at", "kind", "status"],
    ["account_id", "occurred_at", "kind"],
  ],
  invoice: [
    ["account_id", "issued_on"],
    ["account_id", "issued_on", "due_on", "amount_minor"],
  ],
  csm_rating: [
    ["account_id", "rated_at"],
    ["account_id", "rated_at", "author"],
  ],
  milestone: [["account_id", "milestone"]],
  goal: [["account_id", "goal"]],
  play: [["account_id", "started_on", "play"]],
  churn_event: [
    ["account_id", "occurred_on"],
    ["account_id", "occurred_on", "reason"],
  ],
  business_event: [["account_id", "occurred_on", "kind"]],
  account_key: [["source_id", "account_id"]],
};

const listed = (names: readonly string[]): string =>
  names.length === 1 ? (names[0] as string) : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;

/** What a person needs to hear of a table's repeats. */
const counted = (n: number, one: string, several: string): string => `${n} ${n === 1 ? one : several}`;

/** Settles one source by its typed rows. `now`: for how old the newest row is. */
export async function settle(database: Database, draft: Draft, loaded: Loaded, findings: Finding[]): Promise<Settled> {
  const entity = entityOf(draft.entity);
  const view = `typed_${draft.id}`;
  const reads = byDate(loaded.files, draft.table).map(
    ({ rows }, i) => `select *, ${i} as _file from read_parquet(${literal(rows)})`,
  );
  await database.run(`create or replace view ${view} as ${reads.join(" union all by name ")}`);
  const isMapped = (name: string): boolean => draft.columns[name] !== undefined;
  const at = eventText(entity.eventColumns.filter(isMapped));
  const key = await chooseKey(database, draft, view, isMapped, findings);
  const isState = entity.kind === "state" || entity.kind === "map";
  const { table } = draft;
  const again = key.length === 0 || loaded.files.length < 2 ? 0 : await repeatedShare(database, view, key);
  const isDump = table.dated !== null && table.files.length > 1 && again >= 0.4;
  const isOneFile = table.files.length === 1;
  let mode: Settled["mode"] = "append";
  let delivered: Settled["delivered"] = null;
  if (
    key.length > 0 &&
    (isDump || (isOneFile && (isState || mutableFacts.has(entity.id)))) &&
    entity.id !== "usage_event"
  ) {
    mode = "snapshot";
    delivered =
      table.dated !== null
        ? { pattern: table.dated.pattern }
        : draft.writtenAt !== null
          ? { column: draft.writtenAt }
          : "first_seen";
  } else if (table.dated !== null) {
    delivered = { pattern: table.dated.pattern };
    const overlaps =
      key.length === 0 && at !== null && entity.kind === "fact" && loaded.files.length > 1
        ? await overlapping(database, view, at)
        : false;
    if (overlaps) mode = "range";
    // Monthly parts of what happened: the month is theirs, and no delivery's.
    else if (table.dated.pattern.includes("{month}")) delivered = null;
  }
  if (isDump)
    findings.push({
      level: "sure",
      about: draft.id,
      text: `${counted(table.files.length, "dump", "dumps")} of the whole table by date: ${Math.round(100 * again)} % of the keys come again in the next one`,
    });
  if (
    delivered !== null &&
    typeof delivered === "object" &&
    "pattern" in delivered &&
    delivered.pattern.includes("{month}")
  )
    findings.push({
      level: "guessed",
      about: `${draft.id}.delivered`,
      text: "the names say the month only: a file counts as delivered on the last day of it",
      samples: [table.files[0]?.name ?? ""],
    });
  if (mode === "range")
    findings.push({
      level: "guessed",
      about: draft.id,
      text: "files repeat days of others and rows have no key: a file replaces the days that it holds",
    });
  const tested = mode === "snapshot" && loaded.files.length > 1 ? await unchanging(database, draft, view, key) : null;
  const immutable = tested ?? (await guessImmutable(database, draft, view));
  const span =
    at === null
      ? null
      : (
          await database.query<{ low: string | null; high: string | null }>(
            `select min(${at}) as low, max(${at}) as high from ${view} where ${at} < '2200-01-01'`,
          )
        )[0];
  const open =
    draft.entity === "subscription"
      ? ["plan", "seats", "mrr_minor", "term_months"].filter(
          (name) => isMapped(name) && !immutable.columns.includes(name),
        )
      : [];
  if (open.length > 0)
    findings.push({
      level: "decide",
      about: `${draft.id}.immutable`,
      text: `when ${listed(open)} of a contract changes, does the export write a new row? If so, add ${open.length === 1 ? "it" : "them"} to immutable, to know ${open.length === 1 ? "it" : "them"} from the contract's start; if the old row is written over, leave it: the value of today says nothing of last year`,
    });
  return {
    draft,
    view,
    mode,
    key: mode === "append" && key.length === 0 ? [] : key,
    delivered,
    immutable: immutable.columns,
    isImmutableGuess: immutable.isGuess,
    inclusive: entity.id === "subscription" && isMapped("ended_on") && (await namesLastDay(database, view)),
    latencyDays: isMapped("known_at")
      ? await latency(database, draft, view, at, findings)
      : await untilWhole(database, draft, view, findings),
    maxRejected: await tolerated(database, draft, loaded, findings),
    firstAt: span?.low ?? null,
    lastAt: span?.high ?? null,
    everyDays: await rhythm(database, draft, view, at),
  };
}

/** Files in the order of the dates in their names: by the alphabet April comes before January. */
function byDate(files: Loaded["files"], { dated, files: all }: Draft["table"]): Loaded["files"] {
  if (dated === null) return files;
  const dates = new Map(all.map(({ name }, i) => [name, dated.dates[i] ?? ""]));
  const dateOf = ({ name }: Loaded["files"][number]): string => dates.get(name) ?? "";
  return [...files].sort((a, b) => (dateOf(a) < dateOf(b) ? -1 : dateOf(a) > dateOf(b) ? 1 : 0));
}

const eventText = (columns: readonly string[]): string | null => {
  const typed = columns.map((name) => `cast(${quoteIdentifier(name)} as timestamp)`);
  return typed.length === 0 ? null : typed.length === 1 ? (typed[0] as string) : `least(${typed.join(", ")})`;
};

const rowOf = (names: readonly string[]): string =>
  `(${names.map((name) => `coalesce(cast(${quoteIdentifier(name)} as varchar), '')`).join(" || chr(31) || ")})`;

async function chooseKey(
  database: Database,
  draft: Draft,
  view: string,
  isMapped: (name: string) => boolean,
  findings: Finding[],
): Promise<readonly string[]> {
  const candidates = [...(draft.vendorKey.length > 0 ? [draft.vendorKey] : []), ...(keysOf[draft.entity] ?? [])];
  for (const key of candidates) {
    if (!key.every(isMapped)) continue;
    const [found] = await database.query<{ n: number; repeats: number }>(
      // Of event-sized tables a beginning that fits into memory: a key that repeats does so early.
      `select count(*) as n, count(*) - count(distinct (_file, ${key.map(quoteIdentifier).join(", ")})) as repeats
       from (select * from ${view} limit 500000) where ${quoteIdentifier(key[0] as string)} is not null`,
    );
    if (found === undefined || found.n === 0) continue;
    const isOwn = key.length === 1;
    if (found.repeats === 0 || (isOwn && found.repeats <= 0.05 * found.n)) {
      if (isOwn)
        findings.push({
          level: found.repeats === 0 ? "sure" : "guessed",
          about: `${draft.id}.key`,
          text:
            found.repeats === 0
              ? `${draft.columns[key[0] as string]?.from ?? key[0]} is different in every row (${found.n} rows${draft.isWhole ? "" : ", a sample"})`
              : `${draft.columns[key[0] as string]?.from ?? key[0]} repeats in ${counted(found.repeats, "row", "rows")} of ${found.n}; the first one counts`,
        });
      return key;
    }
  }
  return [];
}

/** The share of a file's keys that the next file has, too; the smallest over all pairs but one in ten. */
async function repeatedShare(database: Database, view: string, key: readonly string[]): Promise<number> {
  const share = await database.scalar<number>(
    `with own as (select distinct _file, ${rowOf(key)} as k from ${view}),
     pair as (
       select a._file, count(*) as n, count(b.k) as again
       from own as a left join own as b on b._file = a._file + 1 and b.k = a.k
       where a._file < (select max(_file) from own)
       group by a._file
     )
     select quantile_disc(again / n, 0.25) from pair`,
  );
  return share ?? 0;
}

/** Whether files hold rows of days that other files hold, too. */
async function overlapping(database: Database, view: string, at: string): Promise<boolean> {
  return (
    (await database.scalar<boolean>(
      `with day as (select distinct _file, cast(${at} as date) as d from ${view}),
       shared as (select d, count(*) as n from day group by d)
       select avg(case when n > 1 then 1.0 else 0.0 end) > 0.5 from shared`,
    )) === true
  );
}

interface Immutable {
  readonly columns: readonly string[];
  readonly isGuess: boolean;
}

/** Of several dumps: the columns that no key ever changed. */
async function unchanging(
  database: Database,
  draft: Draft,
  view: string,
  key: readonly string[],
): Promise<Immutable | null> {
  const names = changeable(draft);
  if (entityOf(draft.entity).kind !== "state" || names.length === 0) return null;
  const [row] = await database.query<Record<string, number>>(
    `select ${names.map((name) => `count(*) filter (where n_${name} > 1) as ${quoteIdentifier(name)}`).join(", ")}
     from (select ${names.map((name) => `count(distinct ${quoteIdentifier(name)}) as n_${name}`).join(", ")} from ${view} group by ${rowOf(key)})`,
  );
  return { columns: names.filter((name) => row?.[name] === 0), isGuess: false };
}

/** Columns of a state that could change and have no date of their own. */
function changeable(draft: Draft): readonly string[] {
  const entity = entityOf(draft.entity);
  const fixed = new Set(["account_id", "parent_id", ...entity.key, ...entity.eventColumns]);
  const dated = new Set(entity.columns.filter(({ datedBy }) => datedBy !== undefined).map(({ name }) => name));
  return Object.keys(draft.columns).filter(
    (name) => !fixed.has(name) && !dated.has(name) && !/churn|cancel|status|state|lifecycle|health|score/i.test(name),
  );
}

/** Of one dump: what hardly ever changes, and of contracts their terms where a change of them is seen to be a new row. */
async function guessImmutable(database: Database, draft: Draft, view: string): Promise<Immutable> {
  const kind = entityOf(draft.entity).kind;
  if (kind !== "state") return { columns: [], isGuess: false };
  if (draft.entity !== "subscription") return { columns: draft.immutable, isGuess: true };
  const terms = ["plan", "seats", "mrr_minor", "currency", "term_months", "is_trial"].filter(
    (name) => draft.columns[name] !== undefined,
  );
  const share = await database.scalar<number>(
    `select coalesce(avg(case when n > 1 then 1.0 else 0.0 end), 0) from (select count(*) as n from ${view} group by account_id)`,
  );
  return {
    columns: (share ?? 0) >= 0.1 ? terms : draft.immutable.filter((name) => !terms.includes(name)),
    isGuess: true,
  };
}

/** An end is the last day where the next contract of the account starts on the day after it, more often than on the day itself. */
async function namesLastDay(database: Database, view: string): Promise<boolean> {
  const [row] = await database.query<{ same: number; after: number }>(
    `with pair as (
       select ended_on, lead(started_on) over (partition by account_id order by started_on) as next_on from ${view}
     )
     select count(*) filter (where next_on = ended_on) as same, count(*) filter (where next_on = ended_on + 1) as after from pair`,
  );
  return row !== undefined && row.after >= 5 && row.after > 3 * row.same;
}

/** Rows that stand for a week or a month are whole on its last day alone: the days from the one that they name to that one. */
async function untilWhole(database: Database, draft: Draft, view: string, findings: Finding[]): Promise<number> {
  if (draft.entity !== "usage_daily") return 0;
  const [row] = await database.query<{ n: number; least: number | null; most: number | null }>(
    `with day as (select distinct cast(activity_date as date) as d from ${view} where activity_date is not null),
       pair as (select d - lag(d) over (order by d) as days from day)
     select (select count(*) from day) as n, min(days) as least, max(days) filter (where days <= 31) as most from pair`,
  );
  if (row === undefined || row.n < 4 || row.least === null || row.least < 7) return 0;
  const days = (row.least >= 28 ? (row.most ?? row.least) : row.least) - 1;
  const isSaid = findings.some(({ about }) => about.endsWith(".latency_days"));
  if (!isSaid)
    findings.push({
      level: "guessed",
      about: `${draft.id}.latency_days`,
      text: `days stand ${counted(row.least, "day", "days")} apart: a row is of all of them, and known ${counted(days, "day", "days")} after the one that it names; where that is the last of them, leave latency_days out`,
    });
  return days;
}

/** Whole days that all but one row in a hundred came within; 0 where the times only tell of bulk loads. */
async function latency(
  database: Database,
  draft: Draft,
  view: string,
  at: string | null,
  findings: Finding[],
): Promise<number> {
  if (at === null) return 0;
  const [row] = await database.query<{ n: number; days: number | null; late: number; most: number }>(
    `with delay as (
       select cast(known_at as date) as known_on, date_diff('day', cast(${at} as date), cast(known_at as date)) as days from ${view} where known_at is not null
     ), per_day as (select known_on, count(*) as n from delay group by known_on)
     select (select count(*) from delay) as n, (select quantile_disc(greatest(days, 0), 0.99) from delay) as days,
       (select count(*) from delay where days > 7) as late, (select coalesce(max(n), 0) from per_day) as most`,
  );
  if (row === undefined || row.n === 0) return 0;
  const column = draft.columns.known_at?.from ?? "known_at";
  if (row.late > 0.5 * row.n || row.most > 0.5 * row.n) {
    findings.push({
      level: "guessed",
      about: `${draft.id}.known_at`,
      text: `${column} tells of a bulk load (most rows came late, or on one day): Assay does not heed it`,
    });
    return 0;
  }
  findings.push({
    level: "sure",
    about: `${draft.id}.known_at`,
    text: `99 of 100 rows came within ${counted(row.days ?? 0, "day", "days")} by ${column}`,
  });
  return row.days ?? 0;
}

/** Days between files, or, of one file, the longest silence that happened in one of ten months or so. */
async function rhythm(database: Database, draft: Draft, view: string, at: string | null): Promise<number | null> {
  const dates = draft.table.dated?.dates ?? [];
  if (dates.length > 2) {
    const sorted = [...dates].sort();
    const gaps = sorted.slice(1).map((day, i) => (Date.parse(day) - Date.parse(sorted[i] as string)) / 86_400_000);
    return Math.max(1, Math.ceil([...gaps].sort((a, b) => a - b)[Math.floor(gaps.length * 0.9)] ?? 1));
  }
  if (at === null || !draft.entity.startsWith("usage")) return null;
  const gap = await database.scalar<number>(
    `with day as (select distinct cast(${at} as date) as d from ${view} where ${at} is not null),
     gap as (select date_diff('day', d, lead(d) over (order by d)) as days from day)
     select max(days) from gap`,
  );
  return gap === null || gap === undefined || gap > 31 ? null : Math.max(1, gap);
}

/** Above half a per cent of rejected rows the book must say how many are all right. */
async function tolerated(
  database: Database,
  draft: Draft,
  loaded: Loaded,
  findings: Finding[],
): Promise<number | null> {
  const share = loaded.rowsRead === 0 ? 0 : loaded.rowsRejected / loaded.rowsRead;
  if (share <= 0.004) return null;
  const worst = await rejectsOf(database, loaded);
  const [first] = worst;
  const text =
    first === undefined
      ? "lines that are broken"
      : `${first.column === "" ? "lines" : first.column}: ${first.reason}${first.value === null ? "" : ", found"}`;
  findings.push({
    level: share > 0.05 ? "decide" : "guessed",
    about: `${draft.id}.max_rejected`,
    text: `${loaded.rowsRejected} of ${loaded.rowsRead} rows are kept out (${text}); max_rejected allows it`,
    ...(first?.value == null ? {} : { samples: [first.value] }),
  });
  return Math.min(1, Math.ceil(1250 * share) / 1000);
}

/** What kept rows out, most of it first. */
export async function rejectsOf(
  database: Database,
  loaded: Loaded,
): Promise<
  readonly { readonly column: string; readonly reason: string; readonly value: string | null; readonly n: number }[]
> {
  const paths = loaded.files.flatMap(({ rejects }) => rejects ?? []);
  if (paths.length === 0) return [];
  return database.query(
    `select "column", reason, min(value) as value, count(*) as n from read_parquet([${paths.map(literal).join(", ")}])
     group by all order by n desc, "column"`,
  );
}
