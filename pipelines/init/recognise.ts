/** What the rows of an export are when no vendor's table fits: by the names of its columns, what they hold, and its own name. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { entityOf } from "../config/entities.ts";
import { type Kind, plainName, squeeze } from "./kinds.ts";
import type { Profile } from "./profile.ts";
import { fits } from "./vendors.ts";

interface EntityWords {
  readonly file: readonly string[];
  readonly only: readonly string[];
  readonly columns: Readonly<Record<string, readonly string[]>>;
}
export type Words = ReadonlyMap<string, EntityWords>;

/** The names by which columns are recognised, as `words.yaml` lists them. */
export async function readWords(): Promise<Words> {
  const text = await readFile(fileURLToPath(new URL("words.yaml", import.meta.url)), "utf8");
  const raw = parse(text) as Record<
    string,
    { file: string[]; only: string[]; columns: Record<string, string[] | string> }
  >;
  const ids = raw.account?.columns.account_id as readonly string[];
  const own = ids.filter((name) => name !== "id" && name !== "uuid");
  return new Map(
    Object.entries(raw).map(([entity, { file, only, columns }]) => [
      entity,
      {
        file,
        only,
        columns: Object.fromEntries(
          Object.entries(columns).map(([name, names]) => [
            name,
            (typeof names === "string" ? own : names).map(squeeze),
          ]),
        ),
      },
    ]),
  );
}

/** The names with those of an account added that a folder calls otherwise: a shop, a school, a practice. */
export function withAccounts(
  words: Words,
  { columns, noun }: { readonly columns: readonly string[]; readonly noun: string },
): Words {
  return new Map(
    [...words].map(([entity, own]) => {
      const { account_id: ids, name = [] } = own.columns;
      const isAccount = entity === "account";
      return [
        entity,
        {
          ...own,
          file: isAccount && noun.length >= 4 ? [...own.file, noun] : own.file,
          columns: {
            ...own.columns,
            ...(ids === undefined ? {} : { account_id: [...columns.map(squeeze), ...ids] }),
            ...(isAccount ? { name: [...name, `${noun}name`] } : {}),
          },
        },
      ];
    }),
  );
}

/** `School URN` is of a school. */
export const nounOf = (column: string): string =>
  squeeze(
    column.replace(/[_. -]*(ids?|no|nr|num|number|ref|reference|urn|code|key|uid|uuid|guid|domain|url|name)$/i, ""),
  );

/** The facts of a table that recognition needs. */
export interface Seen {
  readonly fileName: string;
  readonly profiles: readonly Profile[];
  readonly kinds: readonly Kind[];
  /** Dated files: each may hold a key once. 1 where files are no dumps. */
  readonly dumps: number;
  /** Rows are versions: an id stands in several. */
  readonly isVersioned: boolean;
  /** Columns whose values are ids of known accounts (or of what leads to them): more than a name can say. */
  readonly accountColumns: readonly string[];
}

export interface Recognised {
  readonly entity: string;
  /** Column of the entity -> column of the file; `event` and `kind` may be absent where one value stands for all rows. */
  readonly columns: Readonly<Record<string, string>>;
  readonly values: Readonly<Record<string, string>>;
  /** Columns of the entity of which only the domain counts. */
  readonly takes: Readonly<Record<string, "domain">>;
  readonly score: number;
  /** Another entity that fits almost as well. */
  readonly rival: string | null;
  readonly isNamed: boolean;
  /** Columns of the file that were chosen by what they hold alone. */
  readonly byValues: readonly string[];
}

/** Words in names of files that say which event, kind of survey or kind of contact all rows are. */
const constants: Readonly<Record<string, readonly (readonly [string, RegExp, string])[]>> = {
  usage_event: [
    ["event", /log-?_?ins?|sign-?_?ins?|anmeldung/, "login"],
    ["event", /sessions?/, "session"],
    ["event", /page-?_?views?/, "page_view"],
    ["event", /api-?_?calls?/, "api_call"],
    ["event", /usage|events?|activit|nutzung|feature/, "use"],
  ],
  survey_response: [
    ["kind", /nps|promoter/, "nps"],
    ["kind", /csat|satisfaction|zufriedenheit/, "csat"],
    ["kind", /pmf/, "pmf"],
  ],
  engagement: [
    ["kind", /meetings?|termine?|besprechung/, "meeting"],
    ["kind", /calls?|anrufe?/, "call"],
    ["kind", /newsletter|campaign|kampagne/, "campaign"],
    ["kind", /webinar|community/, "community"],
    ["kind", /e-?mails?/, "email"],
    ["kind", /chats?/, "chat"],
  ],
};

/** The entities that a table can be, best first, with the mapping for each. */
export function recognise(seen: Seen, words: Words): Recognised | null {
  const candidates = [...words].flatMap(([entity, own]) => candidateOf(entity, own, seen) ?? []);
  const ranked = candidates.sort((a, b) => b.score - a.score || (a.entity < b.entity ? -1 : 1));
  const [best, second] = ranked;
  if (best === undefined || best.score < 3) return null;
  return { ...best, rival: second !== undefined && best.score - second.score < 1 ? second.entity : null };
}

/** Columns that say little by themselves: nearly every table has one. */
const common = new Set([
  "id",
  "name",
  "type",
  "status",
  "date",
  "created_at",
  "createdat",
  "created",
  "owner",
  "country",
  "datum",
  "value",
  "amount",
  "title",
  "uuid",
  "quantity",
]);

function candidateOf(entityId: string, words: EntityWords, seen: Seen): Recognised | null {
  const entity = entityOf(entityId);
  const columns: Record<string, string> = {};
  const values: Record<string, string> = {};
  const takes: Record<string, "domain"> = {};
  const used = new Set<string>();
  const byValues: string[] = [];
  const file = squeezeFile(seen.fileName);
  const isNamed = words.file.some((word) => file.includes(squeeze(word)));
  let score = isNamed ? 3 : 0;
  for (const { name, required } of orderOf(entityId, entity.columns)) {
    const found = findColumn(entityId, name, words, seen, used, isNamed);
    if (found !== null) {
      columns[name] = found.column;
      used.add(found.column);
      score += weightOf(name, found.column, required);
      continue;
    }
    if (!required) continue;
    const onlyTime = isNamed && (name === "event_time" || name === "activity_date") ? timeOf(seen, used) : null;
    if (onlyTime !== null) {
      columns[name] = onlyTime;
      used.add(onlyTime);
      score += 0.5;
      continue;
    }
    // Companies that are known by their website alone.
    const site = entityId === "account" && isNamed ? siteOf(seen, used) : null;
    if (site !== null) {
      columns.account_id = site;
      used.add(site);
      takes.account_id = "domain";
      score += 0.5;
      continue;
    }
    const constant = constants[entityId]?.find(
      ([column, pattern]) => column === name && pattern.test(seen.fileName.toLowerCase()),
    );
    if (constant === undefined) {
      const kindsOfEvents =
        (entityId === "usage_event" || entityId === "usage_daily") && name === "event" && isNamed
          ? eventLike(seen, used, words)
          : null;
      if (kindsOfEvents !== null) {
        columns.event = kindsOfEvents;
        used.add(kindsOfEvents);
        byValues.push(kindsOfEvents);
        score += 0.5;
        continue;
      }
      // The account may hide behind a user or a subscription: links between tables find that out.
      if (name === "account_id" && (columns.user_id !== undefined || seen.accountColumns.length > 0)) continue;
      return null;
    }
    values[name] = constant[2];
  }
  const ids = seen.profiles.findIndex(({ name }) => name === columns.account_id);
  if (entityId === "account" && seen.kinds[ids]?.isDomain === true) takes.account_id = "domain";
  if (columns.account_id !== undefined && seen.accountColumns.includes(columns.account_id)) score += 1;
  if (entityId === "account" && !isAccount(columns, seen, isNamed)) return null;
  if (entityId === "usage_event" && isMailing(columns.event, seen)) return null;
  if (entityId === "user" && !isKey(columns.user_id, seen)) return null;
  if (entityId === "usage_daily" && columns.n_events === undefined && columns.n_users === undefined) return null;
  if (entityId === "usage_event" && values.event === "use" && columns.user_id === undefined && !/event|log/.test(file))
    score -= 1;
  if (entity.oneOf.length > 0 && entity.oneOf.every((name) => columns[name] === undefined)) return null;
  const isMarked =
    words.only.length === 0 ||
    isNamed ||
    words.only.some((name) => columns[name] !== undefined && !common.has(columns[name] as string));
  if (!isMarked) return null;
  if (entityId === "account_key") return null;
  score -= strangers(entityId, seen, columns);
  return { entity: entityId, columns, values, takes, score, rival: null, isNamed, byValues };
}

/** A column with another website in every row. */
function siteOf(seen: Seen, used: ReadonlySet<string>): string | null {
  const found = seen.profiles.filter(
    (profile, i) => (seen.kinds[i] as Kind).isDomain && isNearlyUnique(profile) && !used.has(profile.name),
  );
  return found.length === 1 ? (found[0] as Profile).name : null;
}

/** The one column of times, whatever it is called. */
function timeOf(seen: Seen, used: ReadonlySet<string>): string | null {
  const found = seen.profiles.filter(({ name, distinct }, i) => {
    const { time, isEmpty } = seen.kinds[i] as Kind;
    return time !== null && !isEmpty && distinct > 1 && !used.has(name);
  });
  return found.length === 1 ? (found[0] as Profile).name : null;
}

/** What happened to mails is no use of a product. */
function isMailing(column: string | undefined, seen: Seen): boolean {
  const values = seen.profiles.find(({ name }) => name === column)?.common ?? [];
  return (
    values.length > 0 &&
    values.filter((value) => /e-?mail|newsletter|unsubscribe/i.test(value)).length >= 0.8 * values.length
  );
}

/** The one column that holds a few texts over and over, and is named by nothing else that usage has. */
function eventLike(seen: Seen, used: ReadonlySet<string>, words: EntityWords): string | null {
  const others = new Set(Object.values(words.columns).flat());
  const found = seen.profiles.filter((profile, i) => {
    const kind = seen.kinds[i] as Kind;
    const isTaken = used.has(profile.name) || seen.accountColumns.includes(profile.name);
    // `Booked by` is who did it.
    const isOther = others.has(squeeze(profile.name)) || isIdName(profile.name) || /[ _.-]by$/i.test(profile.name);
    const isText = !kind.isNumber && !kind.isBoolean && !kind.isEmail && kind.time === null && !kind.isEmpty;
    return (
      !isTaken &&
      !isOther &&
      isText &&
      profile.distinct >= 2 &&
      profile.distinct <= 100 &&
      profile.filled >= 20 * profile.distinct
    );
  });
  return found.length === 1 ? (found[0] as Profile).name : null;
}

const squeezeFile = (name: string): string => name.split("/").map(squeeze).join("/");

/** The account comes last: whatever else an entity is named by takes its column first. */
function orderOf<T extends { readonly name: string }>(entityId: string, columns: readonly T[]): readonly T[] {
  const last = entityId === "account" ? [] : columns.filter(({ name }) => name === "account_id");
  return [...columns.filter((column) => !last.includes(column)), ...last];
}

const weightOf = (name: string, column: string, required: boolean): number =>
  common.has(column.toLowerCase()) ? (required ? 0.5 : 0.25) : name === "account_id" || name === "user_id" ? 0.5 : 1;

/** Whose id a column holds, or for what time an amount is, where its name is put together: `Customer Reference`, `acct_no`, `Fee (annual)`. */
const idPatterns: Readonly<Record<string, RegExp>> = {
  account_id:
    /^(customers?|cust|accounts?|acct|clients?|company|companies|org|organi[sz]ation|tenant|workspace|kunden?|mandant|firma)(id|no|nr|num|number|ref|reference|key|sk|fk|code|uid|uuid|guid|nummer)$/,
  subscription_id:
    /^(subscription|contract|agreement|license|licence|membership|vertrags?|abo)(id|no|nr|num|number|ref|reference|key|code|uid|uuid|nummer)$/,
  user_id:
    /^(user|contact|member|person|visitor|benutzer|nutzer)(id|no|nr|num|number|ref|reference|key|code|uid|uuid|nummer)$/,
  // `contract.from`, `Vertrag seit`, `Subscription expiry date`.
  started_on:
    /^(contract|subscription|licen[cs]e|membership|agreement|vertrags?|abo)(start|begin|beginn|since|seit|from|von|ab|activated)(s|ed)?(on|at|date|datum)?$|^golive(on|at|date)?$/,
  ended_on:
    /^(contract|subscription|licen[cs]e|membership|agreement|vertrags?|abo)(end|ende|until|to|thru|through|bis|expiry|expires|terminated|termination)(s|ed)?(on|at|date|datum)?$|^offboard(ed|ing)(on|at|date)?$/,
  // `Licence fee (annual)`, `Annual price`, `amount_per_month`.
  mrr_minor:
    /^mrr[a-z]{1,6}$|^[a-z]*(annual|yearly|monthly)[a-z]*(fee|price|value|amount|charge|revenue|cost|rate)s?$|^[a-z]*(fee|price|value|amount|charge|revenue|cost|rate)s?(per)?(annual|annum|year|yearly|month|monthly|pa|pm)$/,
  ticket_id:
    /^(ticket|case|issue|incident|request|complaint)(id|no|nr|num|number|ref|reference|key|code|uid|uuid|nummer)$/,
};

/** `mrr_eur` is mrr, `Cust Name` is name. */
function shortName(name: string): string {
  return (
    plainName(name)
      .replace(/(usd|eur|gbp|chf)$/, "")
      // `occurred_at_ms`, `created_at_utc`.
      .replace(/(?<=at|on|time|date|timestamp)(ms|us|ns|utc|gmt|epoch|unix)$/, "")
      .replace(
        /^(customer|cust|account|acct|client|company|organi[sz]ation|org|tenant|workspace)(?=name|title|since|status|owner|country|segment)/,
        "",
      )
  );
}

/** The columns of an entity that a table has by their names, whether or not it has all that the entity needs. */
export function columnsByName(entityId: string, seen: Seen, words: Words): Readonly<Record<string, string>> {
  const own = words.get(entityId);
  const used = new Set<string>();
  const columns: Record<string, string> = {};
  if (own === undefined) return columns;
  for (const { name } of entityOf(entityId).columns) {
    const found = findColumn(entityId, name, own, seen, used, true);
    if (found === null) continue;
    columns[name] = found.column;
    used.add(found.column);
  }
  return columns;
}

/** What ends the names of times in warehouses. */
const stamp = /(ts|tstz|dt|dttm|dtm|timestamp|datetime)(utc)?$/;

function findColumn(
  entityId: string,
  name: string,
  words: EntityWords,
  seen: Seen,
  used: ReadonlySet<string>,
  isNamed: boolean,
): { readonly column: string } | null {
  const isFit = (i: number): boolean => {
    const { name: column } = seen.profiles[i] as Profile;
    const kind = seen.kinds[i] as Kind;
    if (used.has(column) || kind.isEmpty || !fits(kind, entityId, name, false)) return false;
    if (name.endsWith("_id") && !(kind.isId || kind.isEmail)) return false;
    // A key of rows repeats nowhere; a name that could be anything is no key otherwise.
    const isDumped = entityId === "subscription" || entityId === "ticket";
    if (isOwnKey(entityId, name) && !isNearlyUnique(seen.profiles[i] as Profile, isDumped ? seen.dumps : 1))
      return false;
    if (name === "event" || name === "kind" || name === "category" || name === "priority" || name === "plan")
      return !kind.isNumber && kind.time === null && !kind.isEmail && (seen.profiles[i] as Profile).distinct <= 5000;
    if (name === "mrr_minor" && !isByMonth(column, seen)) return false;
    if (name === "rating" || name === "score") return (seen.profiles[i] as Profile).distinct <= 200;
    if (name === "quantity" || name === "n_events" || name === "n_users") return !isIdName(column);
    return true;
  };
  const names = [squeeze(name), ...(words.columns[name] ?? [])];
  /** The first column that is so, by the order of the names. */
  const first = (
    wanted: readonly string[],
    is: (column: string, one: string) => boolean,
  ): { readonly column: string } | null => {
    for (const one of wanted) {
      const found = seen.profiles.find((profile, i) => is(profile.name, one) && isFit(i));
      if (found !== undefined) return { column: found.name };
    }
    return null;
  };
  // A bare id is the id of what the file's name says.
  const isBare = (one: string): boolean =>
    (one === "id" && entityId !== "account" && name === "account_id") ||
    ((one === "id" || one === "uuid") && entityId === "account" && !isNamed);
  const isTime = ["date", "time"].includes(entityOf(entityId).columns.find((one) => one.name === name)?.type ?? "");
  const stems = isTime ? names.map((one) => one.replace(/(at|on|date)$/, "")).filter(({ length }) => length >= 3) : [];
  const pattern = idPatterns[name];
  return (
    first(
      names.filter((one) => !isBare(one)),
      (column, one) => squeeze(column) === one || plainName(column) === one,
    ) ??
    first(
      names.filter((one) => one !== "id"),
      (column, one) => shortName(column) === one,
    ) ??
    // `END_TS` is `ended_on`, as `end_date` is.
    first(stems, (column, stem) => stamp.test(plainName(column)) && plainName(column).replace(stamp, "") === stem) ??
    // `Account: Start Date`, `Deal - Won time` and `period.start_date`: what stands behind the last mark, where that says enough.
    first(
      names.filter((one) => !common.has(one) && !vague.has(one)),
      (column, one) => innerName(column) === one,
    ) ??
    // `TERMINATION_DT`, `MTHLY_CHRG_AMT`: names of a database that spares letters.
    first(names, (column, one) => longNames(column).includes(one)) ??
    (pattern === undefined
      ? null
      : first([name], (column) => pattern.test(plainName(column)) || pattern.test(innerName(column) ?? ""))) ??
    knownAccount(entityId, name, seen, used)
  );
}

/** A column whose values are ids of accounts, whatever it is called. */
function knownAccount(
  entityId: string,
  name: string,
  seen: Seen,
  used: ReadonlySet<string>,
): { readonly column: string } | null {
  const known = seen.accountColumns.find((column) => !used.has(column));
  return name !== "account_id" || entityId === "account" || known === undefined ? null : { column: known };
}

/** Of `price.amount` the `price.interval` beside it, where there is one, says month and nothing else. */
function isByMonth(column: string, seen: Seen): boolean {
  const parent = /^(.+)[._](?:amount|value)$/i.exec(column)?.[1];
  const interval = seen.profiles.find(
    ({ name }) =>
      parent !== undefined &&
      name.startsWith(parent) &&
      /^[._](billing_?)?(interval|period|frequency|cycle)$/i.test(name.slice(parent.length)),
  );
  return (
    interval === undefined || interval.common.every((text) => /^(month|monthly|1 ?month|p1m|mensal|monat)/i.test(text))
  );
}

/** Words that mean something only with what stands before them. */
const vague = new Set([
  "number",
  "no",
  "key",
  "label",
  "at",
  "on",
  "end",
  "start",
  "to",
  "from",
  "by",
  "value",
  "score",
]);

/**
 * The last part of a name of several, or what stands behind the mark of a field that a company added itself (`new_mrr` and `_new_account_value` of
 * Dynamics, `cf_plan` of Freshworks, `u_seats` of ServiceNow); null of a plain one.
 */
function innerName(name: string): string | null {
  const parts = name.split(/[.:] ?| - /);
  const last = (parts.at(-1) as string)
    .replace(/^_(.+)_value$/i, "$1")
    .replace(/^(new|cf|u|cr[0-9a-f]{2,5})_(?=[a-z])/i, "");
  return last === name ? null : shortName(last);
}

/** Short forms of words in names of columns. */
const shortForms: Readonly<Record<string, string>> = {
  acct: "account",
  amt: "amount",
  bgn: "begin",
  cd: "code",
  chrg: "charges",
  cncl: "cancel",
  cnt: "count",
  cust: "customer",
  dt: "date",
  dte: "date",
  dtm: "date",
  dttm: "date",
  eff: "effective",
  evt: "event",
  exp: "expiry",
  inv: "invoice",
  mth: "month",
  mthly: "monthly",
  nbr: "number",
  nm: "name",
  pmt: "payment",
  prod: "product",
  qty: "quantity",
  rsn: "reason",
  strt: "start",
  sts: "status",
  subscr: "subscription",
  svc: "service",
  tkt: "ticket",
  trx: "transaction",
  txn: "transaction",
  typ: "type",
  usr: "user",
};

/** A name with its short forms written out, with and without a last word that says what kind of value it is; none where nothing is short. */
function longNames(name: string): readonly string[] {
  const parts = name.toLowerCase().split(/[^a-z0-9]+/);
  const long = parts.map((part) => shortForms[part] ?? part);
  if (long.every((part, i) => part === parts[i])) return [];
  const bare = /^(code|amount)$/.test(long.at(-1) as string) && long.length > 1 ? [long.slice(0, -1).join("_")] : [];
  return [long.join("_"), ...bare].map(shortName);
}

/** Whether a column's name says that its values are accounts. */
export function namesAccount(column: string, words: Words): boolean {
  const names = words.get("subscription")?.columns.account_id ?? [];
  const pattern = idPatterns.account_id as RegExp;
  return [plainName(column), innerName(column) ?? ""].some((name) => names.includes(name) || pattern.test(name));
}

const isIdName = (name: string): boolean => /(^|_| )(id|uid|uuid|key|no\.?|nr\.?|number)$/i.test(name);

const isOwnKey = (entityId: string, name: string): boolean =>
  (entityId === "ticket" && name === "ticket_id") ||
  (entityId === "usage_event" && name === "event_id") ||
  (entityId === "subscription" && name === "subscription_id");

/** A few repeats are dirt; many say that the column is no key. */
export const isNearlyUnique = ({ distinct, filled, rows }: Profile, dumps = 1): boolean =>
  filled > 0.9 * rows && distinct * dumps >= 0.95 * filled;

function isKey(column: string | undefined, seen: Seen): boolean {
  const profile = seen.profiles.find(({ name }) => name === column);
  return (
    profile !== undefined && (isNearlyUnique(profile) || (seen.isVersioned && profile.filled > 0.9 * profile.rows))
  );
}

/** A table of accounts has one row an account, and no other id before it that is the row's own. */
function isAccount(columns: Readonly<Record<string, string>>, seen: Seen, isNamed: boolean): boolean {
  const at = seen.profiles.findIndex(({ name }) => name === columns.account_id);
  const profile = seen.profiles[at];
  if (profile === undefined) return false;
  // Dumps of several days repeat every account.
  const repeats = profile.rows / Math.max(1, profile.distinct);
  if (!isNearlyUnique(profile) && !(isNamed && repeats > 1.5) && !seen.isVersioned) return false;
  const other = seen.profiles.findIndex(
    (candidate, i) =>
      i < at && isIdName(candidate.name) && (seen.kinds[i] as Kind).isUnique && candidate.name !== columns.account_id,
  );
  return isNamed || other === -1;
}

/** Columns that belong to another entity count against one. */
function strangers(entityId: string, seen: Seen, columns: Readonly<Record<string, string>>): number {
  const names = new Set(seen.profiles.map(({ name }) => squeeze(name)));
  const has = (...wanted: readonly string[]): boolean => wanted.some((name) => names.has(name));
  const mapped = new Set(Object.values(columns).map(squeeze));
  const free = (...wanted: readonly string[]): number =>
    wanted.filter((name) => names.has(name) && !mapped.has(name)).length;
  let points = 0;
  if (entityId === "account")
    points +=
      1.5 * free("ticketid", "subscriptionid", "eventid", "userid", "invoiceid", "event", "eventname", "invoicenumber");
  if (entityId === "user")
    points += 1.5 * free("ticketid", "subscriptionid", "eventid", "event", "eventname", "invoiceid");
  if (entityId === "subscription")
    points += 1.5 * free("ticketid", "eventname", "invoiceid", "invoicenumber", "priority");
  if (entityId === "usage_event")
    points += 1.5 * free("ticketid", "priority", "invoiceid", "mrr", "subject", "duedate", "churndate", "score");
  if (entityId === "usage_daily") points += has("hour", "timestamp") ? 1 : 0;
  if (entityId === "invoice") points += 1.5 * free("ticketid", "mrr", "event", "priority");
  if (entityId === "engagement") points += 1.5 * free("ticketid", "score", "amount", "mrr", "eventid", "priority");
  if (entityId === "note") points += has("accountid", "customerid") ? 3 : 0;
  return points;
}
