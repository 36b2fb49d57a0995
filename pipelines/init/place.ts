/** What each table of a folder is: a vendor's table, or what its names and values say. */
import { entityOf } from "../config/entities.ts";
import { clockOf as clockFormats, type Kind, type NumberWriting, squeeze } from "./kinds.ts";
import type { Links, Place, Sample } from "./links.ts";
import type { Movements, Versions } from "./movements.ts";
import type { Profile } from "./profile.ts";
import { columnsByName, type Recognised, recognise, type Seen, type Words } from "./recognise.ts";
import type { Table } from "./tables.ts";
import { alternativesOf, columnFinder, fits, matchVendor, type Vendor, type VendorMatch } from "./vendors.ts";

/** A table whose rows have been looked at. */
export interface Read extends Sample {
  readonly table: Table;
  readonly rows: number;
  readonly isWhole: boolean;
  /** Lines that add up others: a column and the texts that tell them. */
  readonly sums: Readonly<Record<string, readonly string[]>>;
  readonly movements: Movements | null;
  readonly versions: Versions | null;
}

/** How one column of an entity is filled: the keys of `columns` in a book. */
export interface Mapping {
  readonly from?: string;
  /** Other names of that column, in files of another time. */
  readonly also?: readonly string[];
  readonly value?: string | number | boolean;
  readonly unit?: "s" | "ms" | "us" | "major" | "minor";
  readonly per?: "year";
  readonly format?: string | readonly string[];
  readonly clock?: string;
  readonly number?: NumberWriting;
  readonly nulls?: readonly string[];
  readonly map?: Readonly<Record<string, string>>;
  readonly take?: "domain";
  readonly via?: string;
  readonly type?: string;
}

/** A mapping as a book writes it. */
export const asWritten = ({ also, ...mapping }: Mapping) =>
  also === undefined ? mapping : { ...mapping, from: [...(mapping.from === undefined ? [] : [mapping.from]), ...also] };

/** Where the ids of a table of accounts stand. */
export const keyPlace = ({ no, columns: { account_id: key } }: Placed): Place => ({
  table: no,
  column: key?.from as string,
  isDomain: key?.take === "domain",
});

export interface Placed {
  /** Its place among the tables of the folder. */
  readonly no: number;
  readonly read: Read;
  readonly entity: string;
  /** `Stripe subscriptions`, or what the names of its columns say. */
  readonly label: string;
  readonly vendor: VendorMatch | null;
  readonly words: Recognised | null;
  readonly columns: Readonly<Record<string, Mapping>>;
  /** Columns that may name the account, best first. */
  readonly accountColumns: readonly { readonly column: string; readonly take?: "domain" }[];
  readonly key: readonly string[];
  readonly immutable: readonly string[];
  readonly keep: Readonly<Record<string, readonly string[]>>;
  readonly drop: Readonly<Record<string, readonly string[]>>;
  /** What was guessed on the way. */
  readonly guesses: readonly string[];
}

/** Recognised, and not needed: a vendor's table without a place in a book. */
export interface Unneeded {
  readonly no: number;
  readonly vendor: VendorMatch;
  readonly label: string;
  readonly why: string;
}

/** Places every table that a vendor's mapping fits, then those that their names and values explain. */
export function placeTables(
  reads: readonly Read[],
  vendors: readonly Vendor[],
  words: Words,
  links: Links,
): { readonly placed: readonly Placed[]; readonly unneeded: readonly Unneeded[]; readonly open: readonly number[] } {
  const matches = reads.map((read) => matchVendor(read.table.columns, read.profiles, read.fileName, vendors));
  const isThere = (match: VendorMatch, table: string): boolean =>
    matches.some((other) => other?.vendor.vendor === match.vendor.vendor && other.table.table === table);
  const placed: Placed[] = [];
  const unneeded: Unneeded[] = [];
  const rest: number[] = [];
  for (const [no, read] of reads.entries()) {
    const match = matches[no] ?? null;
    if (match === null) {
      if (read.movements === null) rest.push(no);
      else placed.push(placeMovements(no, read, read.movements));
      continue;
    }
    const label = `${match.vendor.label} ${match.table.label}`;
    const better = match.table.unless.find((table) => isThere(match, table));
    if (match.table.entity === "none")
      unneeded.push({ no, vendor: match, label, why: match.table.why ?? "nothing in it is needed" });
    else if (better !== undefined)
      unneeded.push({ no, vendor: match, label, why: `the table ${better} says the same better` });
    else {
      const one = placeByVendor(no, read, match, words);
      if (one === null) rest.push(no);
      else placed.push(one);
    }
  }
  // First without, then with what the ids of the accounts found so far say about other tables.
  const first = rest.flatMap((no) => placeByWords(no, reads[no] as Read, words, []) ?? []);
  const known = [...placed, ...first];
  const second = rest.flatMap((no) => {
    const others = known.filter((other) => other.no !== no);
    const columns = accountLike(no, others, links, reads);
    const earlier = first.find((one) => one.no === no);
    if (columns.length === 0) return earlier ?? [];
    return placeByWords(no, reads[no] as Read, words, columns) ?? earlier ?? [];
  });
  const all = [...placed, ...second].sort((a, b) => a.no - b.no);
  return { placed: all, unneeded, open: rest.filter((no) => !second.some((one) => one.no === no)) };
}

/** A table that no name places, as what accounts did: it has an account, a time, and many rows an account. Null where it has not. */
export function placeAsUsage(
  no: number,
  known: readonly Placed[],
  reads: readonly Read[],
  words: Words,
  links: Links,
): Placed | null {
  const read = reads[no] as Read;
  const accountColumns = accountLike(no, known, links, reads);
  // First with a column of what was done, then as use of no kind.
  const one = ["journal", "events"]
    .map((word) => placeByWords(no, { ...read, fileName: `${read.fileName}/${word}` }, words, accountColumns))
    .find((placed) => placed?.entity === "usage_event");
  const account = read.profiles.find(({ name }) => name === one?.accountColumns[0]?.column);
  if (one === undefined || one === null || account === undefined || read.rows < 5 * account.distinct) return null;
  return {
    ...one,
    read,
    guesses: [
      ...one.guesses,
      "no file is named as use of a product is: these rows have an account and a time, and many an account",
    ],
  };
}

/** Columns of a table whose values are mostly ids of known accounts, subscriptions or users, best first. */
function accountLike(no: number, others: readonly Placed[], links: Links, reads: readonly Read[]): readonly string[] {
  const domains = others
    .filter(({ entity }) => entity === "account")
    .flatMap((other) => links.of(other.no).filter(({ isDomain }) => isDomain))
    .map((place) => ({ ...place, weight: 0.7 }));
  const targets = others.flatMap((other) => {
    // A warehouse's tables go by keys of their own making, of which a table of accounts has one a row.
    const keys =
      other.entity === "account"
        ? links.of(other.no).filter((place) => place.isUnique && !place.isDomain && !place.isSmall)
        : [];
    const column =
      other.entity === "account"
        ? other.columns.account_id?.from
        : other.entity === "subscription"
          ? other.columns.subscription_id?.from
          : other.entity === "user"
            ? other.columns.user_id?.from
            : undefined;
    return [
      ...(column === undefined
        ? []
        : [{ table: other.no, column, isDomain: false, weight: other.entity === "account" ? 1 : 0.8 }]),
      ...keys.filter((key) => key.column !== column).map((key) => ({ ...key, weight: 0.7 })),
    ];
  });
  return links
    .of(no)
    .filter(({ isDomain, isUnique, isSmall }) => isDomain || !isUnique || !isSmall)
    .map((column) => ({
      column: column.column,
      share: Math.max(
        0,
        ...(column.isDomain ? domains : targets).map((target) => target.weight * links.share(column, target, reads)),
      ),
    }))
    .filter(({ share }) => share >= 0.4)
    .sort((a, b) => b.share - a.share)
    .map(({ column }) => column);
}

const profileAt = (read: Read, column: string): number => read.profiles.findIndex(({ name }) => name === column);

/** A field that a company added itself: no vendor's table can name it. */
const isCustom = (name: string): boolean => /(__c|_c)$|^(custom_|metadata[._])/i.test(name);

function placeByVendor(no: number, read: Read, match: VendorMatch, words: Words): Placed | null {
  const { table } = match;
  const find = columnFinder(read.table.columns);
  const entity = entityOf(table.entity);
  const columns: Record<string, Mapping> = {};
  const guesses: string[] = [];
  const accountColumns: { column: string; take?: "domain" }[] = [];
  for (const [name, mapping] of Object.entries(table.columns)) {
    let empty: Mapping | undefined;
    for (const { from, options } of alternativesOf(mapping)) {
      if (from.length === 0) {
        if (columns[name] === undefined && options.value !== undefined) columns[name] = { value: options.value };
        continue;
      }
      const column = find(from[0] as string);
      if (column === undefined) continue;
      const at = profileAt(read, column);
      const profile = read.profiles[at] as Profile;
      const kind = read.kinds[at] as Kind;
      if (name === "account_id")
        accountColumns.push({ column, ...(options.take === undefined ? {} : { take: options.take }) });
      if (!fits(kind, entity.id, name, options.map !== undefined) || !holdsOnly(read, find, options.when)) continue;
      const full = mappingOf(entity.id, name, read, column, guesses, {
        ...(options.unit === undefined ? {} : { unit: options.unit }),
        ...(options.take === undefined ? {} : { take: options.take }),
        ...(options.map === undefined ? {} : { map: usedOf(options.map, profile) }),
        ...(options.nulls === undefined ? {} : { nulls: options.nulls }),
        ...(options.type === undefined ? {} : { type: options.type }),
      });
      if (kind.isEmpty) empty ??= full;
      else columns[name] ??= full;
    }
    if (columns[name] === undefined && empty !== undefined) columns[name] = empty;
  }
  const taken = new Set(Object.values(columns).map(({ from }) => from));
  const custom = read.profiles.filter(({ name }) => isCustom(name) && !taken.has(name));
  const own = columnsByName(
    entity.id,
    {
      ...seenOf(read),
      profiles: custom,
      kinds: custom.map((profile) => read.kinds[read.profiles.indexOf(profile)] as Kind),
    },
    words,
  );
  for (const [name, column] of Object.entries(own)) {
    if (columns[name] !== undefined || name.endsWith("_id")) continue;
    columns[name] = mappingOf(entity.id, name, read, column, guesses, {});
    guesses.push(`${column}, a field of your own, is read as ${name}`);
  }
  if (entity.columns.some(({ name, required }) => required && columns[name] === undefined)) return null;
  if (entity.oneOf.length > 0 && entity.oneOf.every((name) => columns[name] === undefined)) return null;
  const filter = (
    given: Readonly<Record<string, string | readonly string[]>>,
    isKeep: boolean,
  ): Record<string, readonly string[]> =>
    Object.fromEntries(
      Object.entries({ ...given, ...(isKeep ? {} : fivetranDeleted(read)) }).flatMap(([wanted, texts]) => {
        const column = find(wanted);
        if (column === undefined) return [];
        const profile = read.profiles[profileAt(read, column)] as Profile;
        const own = (typeof texts === "string" ? [texts] : texts).filter((text) => profile.common.includes(text));
        return own.length === 0 || (!isKeep && own.length === profile.distinct && profile.filled === profile.rows)
          ? []
          : [[column, own]];
      }),
    );
  return {
    no,
    read,
    entity: entity.id,
    label: `${match.vendor.label} ${table.label}`,
    vendor: match,
    words: null,
    columns,
    accountColumns,
    key: table.key.filter((name) => columns[name] !== undefined),
    immutable: table.immutable.filter((name) => columns[name] !== undefined),
    keep: filter(table.keep, true),
    drop: filter(table.drop, false),
    guesses,
  };
}

/** A row that is gone in the vendor's system stays in Fivetran's table, marked. */
const fivetranDeleted = (read: Read): Readonly<Record<string, readonly string[]>> =>
  read.table.columns.some((name) => squeeze(name) === "fivetrandeleted")
    ? { _fivetran_deleted: ["true", "TRUE", "True"] }
    : {};

function holdsOnly(
  read: Read,
  find: (wanted: string) => string | undefined,
  when: Readonly<Record<string, readonly string[]>> | undefined,
): boolean {
  return Object.entries(when ?? {}).every(([wanted, texts]) => {
    const column = find(wanted);
    if (column === undefined) return false;
    const profile = read.profiles[profileAt(read, column)] as Profile;
    return profile.filled > 0 && profile.common.every((value) => texts.includes(value));
  });
}

/** Of a vendor's translations those whose texts occur, and those of texts that a short sample may lack. */
const usedOf = (map: Readonly<Record<string, string>>, profile: Profile): Readonly<Record<string, string>> => {
  const used = Object.entries(map).filter(([text]) => profile.common.includes(text));
  return used.length === 0 || profile.distinct > used.length ? map : Object.fromEntries(used);
};

/** A table as recognition looks at it. */
export const seenOf = (read: Read, accountColumns: readonly string[] = []): Seen => ({
  fileName: read.fileName,
  // The days between which a version held are none of the row's own.
  profiles: read.profiles.filter(({ name }) => read.versions?.spans.includes(name) !== true),
  kinds: read.kinds.filter((_, i) => read.versions?.spans.includes(read.profiles[i]?.name ?? "") !== true),
  isVersioned: read.versions !== null,
  dumps: read.table.dated === null ? 1 : read.table.files.length,
  accountColumns,
});

function placeByWords(no: number, read: Read, words: Words, accountColumns: readonly string[]): Placed | null {
  const found = recognise(seenOf(read, accountColumns), words);
  if (found === null) return null;
  const guesses: string[] = found.byValues.map(
    (column) =>
      `${column} is read as the kind of event: no column is named so, and its few values repeat as kinds of events do`,
  );
  const columns: Record<string, Mapping> = {};
  for (const [name, column] of Object.entries(found.columns))
    columns[name] = mappingOf(
      found.entity,
      name,
      read,
      column,
      guesses,
      found.takes[name] === undefined ? {} : { take: "domain" },
    );
  for (const [name, value] of Object.entries(found.values)) columns[name] = { value };
  const named = found.columns.account_id;
  const own =
    found.entity === "account"
      ? []
      : [...(named === undefined ? [] : [named]), ...accountColumns.filter((column) => column !== named)];
  return {
    no,
    read,
    entity: found.entity,
    label: found.entity.replaceAll("_", " "),
    vendor: null,
    words: found,
    columns,
    accountColumns: own.map((column) => ({
      column,
      ...(read.kinds[profileAt(read, column)]?.isDomain === true ? { take: "domain" as const } : {}),
    })),
    key: [],
    immutable: [],
    keep: read.versions?.keep ?? {},
    drop: {},
    guesses:
      read.versions === null
        ? guesses
        : [
            ...guesses,
            `rows are versions (${read.versions.spans.join(", ")}): those that hold today are read, by ${Object.keys(read.versions.keep)[0]}; what was true before is not`,
          ],
  };
}

/** Movements of revenue as what they say for sure: who left, and who came back. */
function placeMovements(no: number, read: Read, moves: Movements): Placed {
  const { kind, day, account, ends, returns } = moves;
  const guesses: string[] = [];
  const texts = [...ends, ...returns];
  return {
    no,
    read,
    entity: "churn_event",
    label: moves.isMoney ? "movements of revenue" : "changes of status",
    vendor: null,
    words: null,
    columns: {
      occurred_on: mappingOf("churn_event", "occurred_on", read, day, guesses, {}),
      ...(returns.length === 0
        ? {}
        : {
            is_reactivation: {
              from: kind,
              map: Object.fromEntries(texts.map((text) => [text, returns.includes(text) ? "true" : "false"])),
            },
          }),
    },
    accountColumns: [{ column: account }],
    key: [],
    immutable: [],
    keep: { [kind]: texts },
    drop: {},
    guesses: [
      ...guesses,
      `of ${kind} the rows ${texts.join(", ")} say who left${returns.length === 0 ? "" : " and who came back"}, on ${day}${moves.isMoney ? "; amounts of movements are not read" : ""}`,
    ],
  };
}

/** The column with the time of day of a day: of two pairs the one whose name is alike. */
function clockOf(read: Read, day: string): { readonly column: string; readonly formats: readonly string[] } | null {
  const isClock = ({ common }: Profile): boolean =>
    common.length > 0 && common.every((value) => /^\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp]\.?[Mm]\.?)?$/.test(value));
  const stem = (name: string): string =>
    squeeze(name).replaceAll(/datum|uhrzeit|zeit|date|time|clock|day|tag|hour|at$|on$/g, "");
  const clocks = read.profiles.filter(isClock);
  const days = read.kinds.filter(({ time }) => time?.isDay === true && time.unit === undefined).length;
  const alike = clocks.filter(({ name }) => stem(name) === stem(day));
  const found =
    alike.length === 1 ? alike[0] : alike.length === 0 && clocks.length === 1 && days === 1 ? clocks[0] : undefined;
  if (found === undefined) return null;
  const formats = clockFormats(found.common.map((value) => ` ${value}`));
  return { column: found.name, formats: found.filled < found.rows ? [...formats, ""] : formats };
}

/** Null where a day and its time are read as they are: 2024-01-31 10:00. */
function joinedFormats(
  day: string | readonly string[] | undefined,
  clocks: readonly string[],
): string | readonly string[] | null {
  if (day === undefined && clocks.every((clock) => !clock.includes("%p"))) return null;
  const days = day === undefined ? ["%Y-%m-%d"] : typeof day === "string" ? [day] : day;
  const all = days.flatMap((one) => clocks.map((clock) => one + clock));
  return all.length === 1 ? (all[0] as string) : all;
}

const localHint = "where they are local write formats: { timezone: Europe/Berlin }, or the zone that they are of";

/** `ARR`, `Annual Contract Value`, `Jahresbetrag`. */
const isAnnual = (column: string): boolean =>
  /^(arr|acv)|arr$|acv$|annual|annum|peryear|yearly|jahres|anual|annuel|(fee|price|value|amount|charge|cost|rate)s?pa$/.test(
    squeeze(column),
  );

/** How a column of a file fills a column of an entity, by what it holds. */
export function mappingOf(
  entityId: string,
  name: string,
  read: Read,
  column: string,
  guesses: string[],
  given: Mapping,
): Mapping {
  const at = profileAt(read, column);
  const profile = read.profiles[at] as Profile;
  const kind = read.kinds[at] as Kind;
  const declared = entityOf(entityId).columns.find((one) => one.name === name)?.type;
  const type = declared ?? given.type ?? "text";
  const { unit: wanted, ...rest } = given;
  const mapping: { -readonly [Key in keyof Mapping]: Mapping[Key] } = { from: column, ...rest };
  const { time } = kind;
  if ((type === "date" || type === "time") && time !== null) {
    if (time.unit !== undefined) mapping.unit = time.unit;
    if (time.format !== undefined) mapping.format = time.format;
    if (profile.endless.length > 0) mapping.nulls = profile.endless;
    const clock = time.unit === undefined && time.isDay ? clockOf(read, column) : null;
    if (clock !== null) {
      mapping.clock = clock.column;
      const formats = joinedFormats(time.format, clock.formats);
      if (formats !== null) mapping.format = formats;
      else delete mapping.format;
      guesses.push(`${column} and ${clock.column} are a day and its time of day`);
    }
    if (time.isUnsure)
      guesses.push(`${column}: day and month could stand the other way round, read as ${String(time.format)}`);
    const isLocal = type === "time" && time.unit === undefined && !time.isZoned && (!time.isDay || clock !== null);
    if (isLocal && !guesses.some((text) => text.endsWith(localHint)))
      guesses.push(`${column}: times are written without a zone and read as UTC; ${localHint}`);
  }
  if ((type === "money" || type === "number" || type === "integer") && kind.number !== null)
    mapping.number = kind.number;
  if (type === "money") {
    const hasDecimals = profile.decimalPoint + profile.decimalComma > 0 || kind.currency !== null;
    // An object of amount and currency, as APIs write money: whole numbers are its smallest units.
    const parent = /^(.+)\.[^.]+$/.exec(column)?.[1];
    const isObject =
      !hasDecimals && read.profiles.some(({ name: other }) => /^(.+)\.currency(_?code)?$/i.exec(other)?.[1] === parent);
    if (isObject)
      guesses.push(
        `${column}: whole numbers beside a currency, read as its smallest units (cents); where they are whole units, write unit: major`,
      );
    const isMinor = isObject || /(minor|cents?|_ct)$/i.test(column) || (wanted === "minor" && !hasDecimals);
    if (!isMinor) mapping.unit = "major";
    if (!isMinor && !hasDecimals && wanted === undefined)
      guesses.push(`${column}: whole numbers, read as whole units of money and not as cents`);
  }
  if (name === "mrr_minor" && isAnnual(column)) {
    mapping.per = "year";
    guesses.push(`${column} is read as what a year costs: a month is a twelfth of it`);
  }
  if (name === "event") {
    // The library counts logins under this name.
    const login = profile.common.filter((value) =>
      /^(user[ _.-]*)?(log(ged)?[ _.-]*in|logins?|sign(ed)?[ _.-]*in|anmeldung|login success|acesso|inicio de sesi[oó]n|connexion)$/i.test(
        value,
      ),
    );
    if (login.length > 0 && !profile.common.includes("login"))
      mapping.map = Object.fromEntries(login.map((value) => [value, "login"]));
  }
  if (type === "boolean" && profile.common.some((value) => /^(ja|nein)$/i.test(value)))
    mapping.map = Object.fromEntries(profile.common.map((value) => [value, /^ja$/i.test(value) ? "true" : "false"]));
  return mapping;
}
