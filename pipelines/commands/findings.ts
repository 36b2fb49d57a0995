/** What a refresh tells about the exports themselves: a book in which nobody pays, and oddities that the checks counted. */
import type { Book } from "../config/book.ts";
import { entityOf } from "../config/entities.ts";
import { basesOf, type FilterCondition, type KpiDefinition } from "../config/kpi.ts";
import { refusedError } from "../lib/errors.ts";
import type { LoadResult } from "../load/load.ts";
import { keyOf } from "../load/reading.ts";
import type { Database } from "../warehouse/database.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";

/**
 * Refuses a book without a single account on a single date: a wrong `as_of` or unit of time, or subscriptions that nobody
 * can be found in. Published, it would replace a good release by an empty one. Needs the spine.
 */
export async function refuseEmptySpine(database: Database, asOf: string, load: LoadResult): Promise<void> {
  if (((await database.scalar<number>("select count(*) from spine.account_snapshot")) ?? 0) > 0) return;
  const span = (entity: (name: string) => boolean): string => {
    const own = load.deliveries.filter((delivery) => entity(delivery.entity));
    const from = own.flatMap(({ first_event_at }) => first_event_at ?? []).sort()[0];
    const to = own
      .flatMap(({ last_event_at }) => last_event_at ?? [])
      .sort()
      .at(-1);
    return from === undefined || to === undefined ? "none" : `${from.slice(0, 10)} to ${to.slice(0, 10)}`;
  };
  throw refusedError(
    `no account pays on any snapshot date up to ${asOf}: found usage of ${span((name) => name.startsWith("usage"))} and ` +
      `subscriptions that start ${span((name) => name === "subscription")}, expected subscriptions that run while there is usage`,
    "look at as_of, at the unit or format of the columns with times, and at started_on and ended_on",
  );
}

/** Refuses a book in which no usage row is of a paying account: its ids are of another kind. Needs roll-ups and spine. */
export async function refuseForeignUsage(database: Database, load: LoadResult): Promise<void> {
  if (load.last_event_at === null) return;
  const isKnown = await database.scalar<boolean>(
    "select exists (select 1 from rollup.account_day where account_id in (select account_id from spine.account_period))",
  );
  if (isKnown === true) return;
  const [found] = await database.query<{ usage: string | null; paying: string | null }>(
    `select
       (select min(account_id) from raw.usage_event) as usage,
       (select min(account_id) from spine.account_period) as paying`,
  );
  throw refusedError(
    `no usage row is of an account that pays: found accounts such as ${found?.usage} in usage, expected some such as ${found?.paying}, which has a subscription`,
    "where usage knows a subscription or a user instead, map account_id: { from: COLUMN, via: SOURCE }",
  );
}

/** One sentence for each source with rejected rows or unread columns, and for each data check that found something. */
export async function notesOnExports(database: Database, load: LoadResult): Promise<readonly string[]> {
  const notes: string[] = [];
  for (const id of Object.keys(load.sources)) {
    const own = load.deliveries.filter((delivery) => delivery.source === id);
    const rejected = own.reduce((sum, delivery) => sum + delivery.rows_rejected, 0);
    const read = own.reduce((sum, delivery) => sum + delivery.rows_read, 0);
    if (rejected > 0) notes.push(`source ${id}: ${rejected} of ${read} rows were rejected, see meta.reject`);
    const rounded = own.reduce((sum, delivery) => sum + delivery.values_rounded, 0);
    if (rounded > 0)
      notes.push(
        `source ${id}: ${rounded} values were written finer than they are kept and are rounded (numbers to six decimals, money to whole minor units)`,
      );
    const ignored = own.at(-1)?.ignored ?? [];
    if (ignored.length > 0) {
      const shown = ignored.slice(0, 8).join(", ");
      const rest = ignored.length > 8 ? ` and ${ignored.length - 8} more` : "";
      notes.push(`source ${id}: columns that no mapping names are not read: ${shown}${rest}`);
    }
  }
  notes.push(...(await notesOnIdentities(database)));
  const unrated = await database.query<{ source: string; currency: string; why: string; n: number }>(
    "select source, currency, why, n_rows as n from staging.money_without_rate order by source, currency",
  );
  for (const { source, currency, why, n } of unrated)
    notes.push(
      `source ${source}: ${n} ${n === 1 ? "amount" : "amounts"} in ${currency} ${n === 1 ? "is" : "are"} not known, ${why}: see staging.money_without_rate`,
    );
  const checks = await database.query<{ what: string; n: number; examples: string | null }>(
    `select what, n, examples from validation.data_check where n > 0 order by "check"`,
  );
  const counts = checks.map(
    ({ what, n, examples }) => `${n} ${what}${examples === null ? "" : `, such as ${examples.split(", ")[0]}`}`,
  );
  return [...notes, ...counts];
}

/** One sentence for each source with ids that lead to no account, or to several. */
async function notesOnIdentities(database: Database): Promise<readonly string[]> {
  const found = await database.query<{
    source: string;
    why: string;
    n: number;
    n_rows: number;
    example: string;
    candidates: string;
  }>(
    `select source, why, count(*) as n, sum(n_rows)::bigint as n_rows, min(ref) as example, arg_min(candidates, ref) as candidates
     from staging.unmatched_id group by source, why order by source, why desc`,
  );
  return found.map(({ source, why, n, n_rows, example, candidates }) => {
    const ids = `${n} ${n === 1 ? "id" : "ids"} (${n_rows} ${n_rows === 1 ? "row" : "rows"})`;
    return why === "ambiguous"
      ? `source ${source}: ${ids} could belong to several accounts and belong to none, such as ${example} (${candidates}): see out/unmatched_ids.csv`
      : `source ${source}: ${ids} lead to no account, such as ${example}: see out/unmatched_ids.csv`;
  });
}

/** Names by which systems call the time of a row's last change. */
const lastChange =
  /^(_?fivetran_synced|system_?modstamp|(last_?)?(modified|updated|changed)(_?(at|on|date|time))?|update_?time|geaendert_am)$/i;

/** A time of the last change says when a row was last written, not when it first came: a KPI by it would know the future. */
export function notesOnKnownAt(book: Book): readonly string[] {
  return Object.entries(book.sources).flatMap(([id, { columns }]) => {
    const mapping = columns.known_at;
    const names = typeof mapping === "string" ? [mapping] : [mapping?.from ?? []].flat();
    const from = names.find((name) => lastChange.test(name));
    return from !== undefined
      ? [
          `source ${id}: known_at is read from ${from}, which systems write anew at every change; where it does, leave known_at out and write latency_days`,
        ]
      : [];
  });
}

/**
 * What the versions of accounts, subscriptions and users say about the columns that a source declares immutable: one that
 * changed all the same, for its first delivered value counts from the start of the row's life; and `is_trial` where it should
 * be one, for until the first delivery a trial looks like any other contract to KPIs.
 */
export async function notesOnImmutable(database: Database, book: Book): Promise<readonly string[]> {
  const notes: string[] = [];
  for (const [id, source] of Object.entries(book.sources)) {
    const key = keyOf(source).map(quoteIdentifier).join(", ");
    if (key === "") continue;
    const versions = `from staging.${quoteIdentifier(source.entity)} where source = ${literal(id)} group by ${key}`;
    for (const name of source.immutable) {
      const column = quoteIdentifier(name);
      const [changed] = await database.query<{ n: number; example: string | null }>(
        `select count(*) as n, min(example) as example from
           (select concat_ws(', ', ${key}) as example ${versions} having count(distinct ${column}) > 1)`,
      );
      if (changed !== undefined && changed.n > 0) {
        notes.push(
          `source ${id}: ${name} is declared immutable and changed in ${changed.n} ${changed.n === 1 ? "row" : "rows"}, such as ${changed.example}: history before the first delivery shows the value of that delivery`,
        );
      }
    }
    if (source.entity !== "subscription" || source.immutable.includes("is_trial")) continue;
    const trials = await database.scalar<number>(
      `select count(*) from (select 1 ${versions} having bool_or(is_trial) and bool_or(is_trial is null))`,
    );
    if (trials !== null && trials !== undefined && trials > 0) {
      notes.push(
        `source ${id}: ${trials} ${trials === 1 ? "trial counts" : "trials count"} as paid in KPIs of subscriptions until the first delivery; where is_trial never changes in a row add it to immutable`,
      );
    }
  }
  return notes;
}

/**
 * KPIs of facts that rest on a column which no row has ever filled: without `closed_at` in the export every ticket is open for
 * ever, without `quantity` every sum of it is 0. Accounts, subscriptions and users are left out: a book in which nothing ends or nobody is deactivated is no mistake.
 */
export async function notesOnUnfilled(
  database: Database,
  kpis: readonly KpiDefinition[],
  inputs: readonly KpiDefinition[],
): Promise<readonly string[]> {
  const known = new Map([...kpis, ...inputs].map((kpi) => [kpi.id, kpi]));
  const asking = new Map<string, Set<string>>();
  const reading = new Map<string, Set<string>>();
  const add = (to: Map<string, Set<string>>, place: string, id: string) =>
    to.set(place, (to.get(place) ?? new Set()).add(id));
  for (const { id } of kpis) {
    for (const { entity, filter, measure, of, value } of basesOf(known.get(id) as KpiDefinition, known)) {
      if (entity === null || entityOf(entity).kind === "state") continue;
      for (const [column, condition] of Object.entries(filter))
        if (isMetByNothing(condition)) add(asking, `${entity}.${column}`, id);
      if (value !== undefined && ["sum", "latest"].includes(of ?? measure))
        add(reading, `${entity}.${value.column}`, id);
    }
  }
  const notes: string[] = [];
  for (const place of [...new Set([...asking.keys(), ...reading.keys()])].sort()) {
    const [entity, column] = place.split(".") as [string, string];
    const [count] = await database.query<{ has_rows: boolean; is_filled: boolean }>(
      `select exists (from staging.${quoteIdentifier(entity)}) as has_rows,
         exists (from staging.${quoteIdentifier(entity)} where ${quoteIdentifier(column)} is not null) as is_filled`,
    );
    if (count === undefined || !count.has_rows || count.is_filled) continue;
    const told = (ids: ReadonlySet<string> | undefined, what: (kpis: string) => string): void => {
      if (ids === undefined) return;
      const kpis = `${ids.size === 1 ? "KPI" : "KPIs"} ${[...ids].join(", ")}`;
      notes.push(
        `${place} is empty in every row, so ${what(kpis)}: map the column, or leave ${ids.size === 1 ? "it" : "them"} out`,
      );
    };
    told(asking.get(place), (kpis) => `its condition in ${kpis} holds for all`);
    told(reading.get(place), (kpis) => `there is nothing to read for ${kpis}`);
  }
  return notes;
}

/** Whether a column without a value passes: `null`, and everything that is not some value. */
const isMetByNothing = (condition: FilterCondition): boolean =>
  condition === null ||
  (typeof condition === "object" &&
    "not" in condition &&
    condition.not !== null &&
    Object.keys(condition).length === 1);

/** The KPIs whose filter no row of the exports meets: a misspelled event is 0 for everybody and looks like a number. */
export async function notesOnKpis(database: Database): Promise<readonly string[]> {
  const empty = await database.query<{ kpi: string }>(
    "select kpi from features.kpi_input where n_rows = 0 order by kpi",
  );
  if (empty.length === 0) return [];
  const names = empty.map(({ kpi }) => kpi).join(", ");
  return [
    `no row of the exports is read by ${empty.length === 1 ? "KPI" : "KPIs"} ${names}: look at the filter, or leave ${empty.length === 1 ? "it" : "them"} out`,
  ];
}

/** What a person wrote into a file of overrides or known accounts and nothing can come of, one sentence a line of it. */
export async function notesOnHandWritten(database: Database): Promise<readonly string[]> {
  const overrides = await database.query<{ account_id: string; band: string; author: string; state: string }>(
    `select account_id, band, author, state from scores.override_state
     where state in ('unknown_account', 'unknown_band') order by source, line_no, visible_on`,
  );
  const known = await database.query<{
    account_id: string;
    expected_band: string;
    said_by: string | null;
    state: string;
  }>(
    `select account_id, expected_band, said_by, case when bool_and(state = 'unknown_account') then 'unknown_account' else 'unknown_band' end as state
     from scores.known_account group by account_id, expected_band, said_by, source, line_no
     having bool_and(state in ('unknown_account', 'unknown_band')) order by source, line_no`,
  );
  return [
    ...overrides.map(({ account_id, band, author, state }) =>
      state === "unknown_account"
        ? `override of ${account_id} by ${author}: no export knows this account`
        : `override of ${account_id} by ${author}: its scorecard has no band ${band}, so nothing is overridden`,
    ),
    ...known.map(({ account_id, expected_band, said_by, state }) =>
      state === "unknown_account"
        ? `known account ${account_id}${said_by === null ? "" : `, said by ${said_by}`}: no export knows it`
        : `known account ${account_id}${said_by === null ? "" : `, said by ${said_by}`}: no scorecard has a band ${expected_band}`,
    ),
  ];
}

/** One sentence for each KPI that the truncation test saw change: rule L takes it out of the verdicts. */
export async function notesOnTruncation(database: Database): Promise<readonly string[]> {
  const changed = await database.query<{ kpi: string; n_changed: number; n_rows: number; example: string }>(
    "select kpi, n_changed, n_rows, example from validation.truncation_sample where n_changed > 0 order by kpi",
  );
  return changed.map(
    ({ kpi, n_changed, n_rows, example }) =>
      `KPI ${kpi} knows more at a snapshot than could be known then: ${n_changed} of ${n_rows} values, such as account ${example}`,
  );
}
