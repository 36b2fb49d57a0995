/** From placed tables to the sources of a book, and what is sure of them, what is guessed and what has no place. */
import { entityOf, stagedNames } from "../config/entities.ts";
import { type Kind, squeeze } from "./kinds.ts";
import type { Links, Place } from "./links.ts";
import {
  keyPlace,
  type Mapping,
  mappingOf,
  type Placed,
  placeAsUsage,
  placeTables,
  type Read,
  seenOf,
} from "./place.ts";
import { columnsByName, isNearlyUnique, namesAccount, nounOf, type Words, withAccounts } from "./recognise.ts";
import { chooseHub, type Link, Resolver } from "./resolve.ts";
import { idOf, type Table } from "./tables.ts";
import type { Vendor } from "./vendors.ts";

export interface Formats {
  readonly type?: "json";
  readonly list?: string;
  readonly encoding?: string;
  readonly delimiter?: string;
  readonly skip_lines?: number;
  readonly skip_rows?: number;
  readonly nulls?: readonly string[];
}

/** A source as `assay.yaml` will say it; the parts that need typed rows come later (settle.ts). */
export interface Draft {
  readonly id: string;
  readonly entity: string;
  readonly label: string;
  readonly table: Table;
  readonly rows: number;
  readonly isWhole: boolean;
  readonly columns: Readonly<Record<string, Mapping>>;
  readonly vendorKey: readonly string[];
  readonly immutable: readonly string[];
  readonly keep: Readonly<Record<string, readonly string[]>>;
  readonly drop: Readonly<Record<string, readonly string[]>>;
  readonly formats: Formats;
  /** A column whose newest value says when the table was written: a time of last changes, as Fivetran has it. */
  readonly writtenAt: string | null;
  readonly isVendor: boolean;
  /** One line about it in the book. */
  readonly comment: string;
}

export interface Finding {
  readonly level: "sure" | "guessed" | "decide";
  /** The source, or the key of the book, that this is about. */
  readonly about: string;
  readonly text: string;
  readonly samples?: readonly string[];
}

export interface NotPlaced {
  readonly files: readonly string[];
  readonly why: string;
}

export interface Proposal {
  readonly drafts: readonly Draft[];
  readonly findings: readonly Finding[];
  readonly notPlaced: readonly NotPlaced[];
}

/** Names that people would give the first source of an entity. */
const usualIds: Readonly<Record<string, string>> = {
  account: "accounts",
  user: "users",
  subscription: "subscriptions",
  usage_event: "usage",
  usage_daily: "usage_by_day",
  ticket: "tickets",
  survey_response: "surveys",
  engagement: "engagements",
  invoice: "invoices",
  csm_rating: "csm_ratings",
  churn_event: "churn_events",
  milestone: "milestones",
  goal: "goals",
  play: "plays",
  note: "notes",
  rate: "rates",
  business_event: "business_events",
};

/** Proposes sources for all tables of a folder. */
export function propose(reads: readonly Read[], vendors: readonly Vendor[], given: Words, links: Links): Proposal {
  const findings: Finding[] = [];
  const notPlaced: NotPlaced[] = [];
  const filesOf = (no: number): readonly string[] => (reads[no] as Read).table.files.map(({ name }) => name);
  const byNames = placeTables(reads, vendors, given, links);
  const shared =
    byNames.placed.some(({ entity }) => entity === "account") || isShared(standInFor(byNames.placed), links, reads)
      ? null
      : sharedIds(reads, links);
  const words = shared === null ? given : withAccounts(given, shared);
  const { placed: all, unneeded, open } = shared === null ? byNames : placeTables(reads, vendors, words, links);
  if (shared !== null && all.length > 0)
    findings.push({
      level: "guessed",
      about: "accounts",
      text: `no id is named as those of accounts are; ${shared.columns[0]} is read so, whose values stand in ${shared.tables} tables`,
    });
  for (const { no, label, why } of unneeded) notPlaced.push({ files: filesOf(no), why: `${label}: ${why}` });
  // A table of counts by the day says more than that there was use.
  const isVague = (one: Placed): boolean =>
    one.vendor === null && one.entity === "usage_event" && one.columns.event?.value === "use";
  const wide = [...open, ...all.filter(isVague).map(({ no }) => no)].flatMap(
    (no) => wideUsage(words, no, reads[no] as Read, all, links, reads) ?? [],
  );
  const isUsage = ({ entity }: Placed): boolean => entity === "usage_event" || entity === "usage_daily";
  const asUsage = [...all, ...wide].some(isUsage)
    ? []
    : open.flatMap((no) => placeAsUsage(no, all, reads, words, links) ?? []);
  for (const no of open) {
    if (![...wide, ...asUsage].some((one) => one.no === no))
      notPlaced.push({ files: filesOf(no), why: whyOpen(reads[no] as Read) });
  }
  const placed = [...all.filter((one) => !wide.some(({ no }) => no === one.no)), ...wide, ...asUsage];
  const hub = chooseHub(placed, links, reads);
  const standIn = hub === null ? standInFor(placed) : null;
  const ids = nameSources(placed, hub);
  const resolver = new Resolver({
    placed,
    hub:
      hub !== null
        ? { no: hub.no, key: keyPlace(hub), also: alsoAccounts(placed, hub, links, reads) }
        : standIn === null
          ? null
          : {
              no: standIn.no,
              key: { table: standIn.no, column: standIn.column, isDomain: standIn.take === "domain" },
              also: [],
            },
    links,
    reads,
    idOf: (no) => ids.get(no) as string,
  });
  const drafts: Draft[] = [];
  const chosen = chooseRivals(
    placed,
    hub,
    hub === null ? [] : alsoAccounts(placed, hub, links, reads),
    links,
    resolver,
    findings,
    notPlaced,
    filesOf,
  );
  for (const one of chosen) {
    const id = ids.get(one.no) as string;
    if (one.entity === "account") {
      drafts.push(draftOf(one, id, one.columns));
      continue;
    }
    const link = entityOf(one.entity).columns.some(({ name }) => name === "account_id")
      ? resolver.linkOf(one.no)
      : null;
    const needsAccount = entityOf(one.entity).columns.some(({ name, required }) => name === "account_id" && required);
    if (needsAccount && link === null) {
      const why =
        hub === null && standIn === null
          ? "nothing says which account its rows belong to"
          : unlinkedText(one, hub, reads);
      notPlaced.push({ files: filesOf(one.no), why: `${one.label}: ${why}` });
      findings.push({
        level: "decide",
        about: id,
        text: `${one.label} are left out: ${why}; a file with both ids (entity account_key) would join them`,
      });
      continue;
    }
    const given =
      link === null ? one.columns : { ...one.columns, account_id: withVia(one.columns.account_id, link.mapping) };
    if (link !== null) noteLink(id, one, link, hub, reads, findings);
    for (const [column, unpaid] of Object.entries(unpaidIn(one)))
      findings.push({
        level: "guessed",
        about: id,
        text: `rows whose ${column} is ${unpaid.join(" or ")} are read as no paid contract and left out; where they are paid take them out of drop`,
      });
    drafts.push(...splitWide(draftOf(one, id, ordered(one.entity, given)), one));
  }
  for (const source of resolver.keySources) {
    // A source that only one that was left out would need is not written.
    if (
      !drafts.some((draft) => Object.values(draft.columns).some(({ via }) => via === source.id)) &&
      !resolver.keySources.some((other) => other.accountId.via === source.id)
    )
      continue;
    const owner = placed.find(({ no }) => no === source.no) as Placed;
    const draft = draftOf(owner, source.id, {
      source: { value: "any" },
      source_id: source.sourceId,
      account_id: source.accountId,
    });
    drafts.push({
      ...draft,
      // An id of an earlier version leads to its account as that of today does.
      keep: owner.vendor === null || owner.entity === "usage_event" ? {} : draft.keep,
      entity: "account_key",
      label: source.how,
      vendorKey: [],
      immutable: [],
      comment: `Which account an id belongs to: ${source.how}.`,
    });
  }
  for (const one of placed) {
    const isLeft = one.entity === "account" && !chosen.includes(one) && resolver.linkOf(one.no) !== null;
    const isSaid = notPlaced.some(({ files }) => files[0] === filesOf(one.no)[0]);
    if (isLeft && !isSaid && !drafts.some(({ table }) => table === one.read.table))
      notPlaced.push({
        files: filesOf(one.no),
        why: `${one.label}: the accounts of ${filesOf(hub?.no ?? one.no)[0]} under other ids, by which no other file goes`,
      });
  }
  derive(drafts, placed, hub, standIn, words, findings);
  for (const [i, draft] of drafts.entries()) {
    if (draft.entity !== "subscription" || draft.isVendor || !withoutEnd(draft.columns)) continue;
    const { notice_on: notice, ...others } = draft.columns;
    drafts[i] = { ...draft, columns: ordered("subscription", { ...others, ended_on: notice as Mapping }) };
    findings.push({ level: "guessed", about: draft.id, text: endText(notice?.from ?? "") });
  }
  for (const one of chosen) {
    for (const guess of one.guesses) findings.push({ level: "guessed", about: ids.get(one.no) as string, text: guess });
    const { rival } = one.words ?? { rival: null };
    if (rival !== null)
      findings.push({
        level: "guessed",
        about: ids.get(one.no) as string,
        text: `read as ${one.entity}, it could be ${rival}, too`,
      });
  }
  for (const { id, table } of drafts) {
    const { sums } = reads.find((read) => read.table === table) as Read;
    for (const [column, texts] of Object.entries(sums))
      findings.push({
        level: "guessed",
        about: id,
        text: `rows that say so in ${column} add up others and are left out`,
        samples: texts,
      });
  }
  for (const { id, table } of drafts) {
    for (const [name, [, ...older]] of Object.entries(table.renamed))
      findings.push({
        level: "guessed",
        about: id,
        text: `${name} is called ${older.join(", ")} in other files: it stands at the same place and holds values of the same form`,
      });
  }
  return { drafts: dropUnused(drafts).map(withAllNames), findings, notPlaced };
}

/** Files of another time may call a column otherwise. */
const withAllNames = (draft: Draft): Draft => ({
  ...draft,
  columns: Object.fromEntries(
    Object.entries(draft.columns).map(([name, mapping]) => {
      const [, ...also] = draft.table.renamed[mapping.from ?? ""] ?? [];
      return [name, also.length === 0 ? mapping : { ...mapping, also }];
    }),
  ),
});

/** Keys of entities in the order of the catalogue: the account first, own columns last. */
function ordered(entityId: string, columns: Readonly<Record<string, Mapping>>): Record<string, Mapping> {
  const names = entityOf(entityId).columns.map(({ name }) => name);
  const rank = (name: string): number => (names.includes(name) ? names.indexOf(name) : names.length);
  return Object.fromEntries(Object.entries(columns).sort(([a], [b]) => rank(a) - rank(b)));
}

const withVia = (own: Mapping | undefined, link: Mapping): Mapping =>
  own?.from === link.from ? { ...own, ...link } : link;

function unlinkedText(one: Placed, hub: Placed | null, reads: readonly Read[]): string {
  const [first] = one.accountColumns;
  const samples = first === undefined ? [] : samplesOf(one.read, first.column);
  const theirs = hub === null ? [] : samplesOf(reads[hub.no] as Read, hub.columns.account_id?.from as string);
  return first === undefined
    ? "no column of them leads to an account"
    : `${first.column} holds ids such as ${samples[0] ?? "none"}, which no table of accounts holds (such as ${theirs[0] ?? "none"})`;
}

/** Sources that only serve others are left out when nothing goes by them. */
function dropUnused(drafts: readonly Draft[]): readonly Draft[] {
  const used = (id: string): boolean =>
    drafts.some((draft) => Object.values(draft.columns).some(({ via }) => via === id));
  return drafts.filter((draft) => draft.entity !== "account_key" || used(draft.id));
}

function noteLink(
  id: string,
  one: Placed,
  link: Link,
  hub: Placed | null,
  reads: readonly Read[],
  findings: Finding[],
): void {
  if (link.values === 0) {
    if (link.mapping.via !== undefined) findings.push({ level: "guessed", about: `${id}.account_id`, text: link.how });
    return;
  }
  const share = link.matched / link.values;
  const ids = link.byName === true ? "names" : "ids";
  const text = `${link.how}: ${link.matched} of ${link.values} different ${ids} match`;
  const isSure = share >= 0.95 && link.mapping.take === undefined && link.byName !== true;
  const column = link.mapping.from as string;
  findings.push({
    level: isSure ? "sure" : "guessed",
    about: `${id}.account_id`,
    text: [
      text,
      ...(link.byName === true ? ["a name that two accounts share leads to neither, and is counted"] : []),
      ...(link.matched === link.values ? [] : ["rows of the others are kept, counted and of no account"]),
    ].join("; "),
    samples: samplesOf(one.read, column).slice(0, 2),
  });
  if (share < 0.5 && hub !== null) {
    findings.push({
      level: "decide",
      about: `${id}.account_id`,
      text: `only ${link.matched} of ${link.values} ids lead to an account (accounts are called ${samplesOf(reads[hub.no] as Read, hub.columns.account_id?.from as string)[0] ?? ""})`,
    });
  }
}

export const samplesOf = (read: Read, column: string): readonly string[] =>
  (read.profiles.find(({ name }) => name === column)?.common ?? []).slice(0, 3);

function whyOpen(read: Read): string {
  if (read.rows === 0) return "has a header and no rows";
  const times = read.kinds.filter(({ time }) => time !== null).length;
  const ids = read.profiles.filter((_, i) => (read.kinds[i] as Kind).isId && !(read.kinds[i] as Kind).isBoolean).length;
  const names = read.table.columns.slice(0, 6).join(", ");
  const rest = read.table.columns.length > 6 ? ` and ${read.table.columns.length - 6} more` : "";
  const lack =
    times === 0 && read.table.dated !== null && read.table.files.length > 1
      ? "its files are dated and its rows are not: whoever is missing from the next one may have left, but no column says since when a row holds, which is what a contract needs (started_on)"
      : times === 0
        ? "no column holds dates, so nothing in it could be placed in time"
        : ids === 0
          ? "no column holds ids"
          : "its columns are not known by their names";
  return `${lack} (${names}${rest})`;
}

/** Ids for the sources: the usual name where one table has the entity, the file's name otherwise. */
function nameSources(placed: readonly Placed[], hub: Placed | null): ReadonlyMap<number, string> {
  const ids = new Map<number, string>();
  const taken = new Set<string>();
  const ordered = hub === null ? placed : [hub, ...placed.filter((one) => one.no !== hub.no)];
  for (const one of ordered) {
    const usual = usualIds[one.entity];
    const isOnly = placed.filter(({ entity }) => entity === one.entity).length === 1 || one.no === hub?.no;
    const vendor = one.vendor === null ? "" : `${one.vendor.vendor.vendor}_`;
    const tries = [
      ...(isOnly && usual !== undefined ? [usual] : []),
      one.read.table.id,
      `${vendor}${idOf(one.read.table.id)}`,
    ];
    let id = tries.find((candidate) => !taken.has(candidate)) ?? one.read.table.id;
    for (let n = 2; taken.has(id); n += 1) id = `${one.read.table.id}_${n}`;
    taken.add(id);
    ids.set(one.no, id);
  }
  return ids;
}

interface StandIn {
  readonly no: number;
  readonly column: string;
  readonly take?: "domain";
}

/** Without a table of accounts: where their ids stand, in the contracts, the users, or the usage itself. */
function standInFor(placed: readonly Placed[]): StandIn | null {
  const moves = placed.find(({ read }) => read.movements !== null);
  if (moves?.read.movements != null) return { no: moves.no, column: moves.read.movements.account };
  for (const entity of ["subscription", "user", "usage_event", "usage_daily", "churn_event", "ticket"]) {
    const one = placed.find((candidate) => candidate.entity === entity && candidate.accountColumns.length > 0);
    const column = one?.accountColumns[0];
    if (one !== undefined && column !== undefined)
      return { no: one.no, column: column.column, ...(column.take === undefined ? {} : { take: column.take }) };
  }
  return null;
}

/** Whether the ids of accounts that names point to stand in another table, too, or could not. */
function isShared(place: StandIn | null, links: Links, reads: readonly Read[]): boolean {
  if (place === null || reads.length === 1) return place !== null;
  const ids = links.of(place.no).filter(({ column, isName }) => column === place.column && !isName);
  return ids.some((own) =>
    links.columns.some(
      (other) => other.table !== place.no && !other.isName && links.mutualShare(own, other, reads) >= 0.5,
    ),
  );
}

/**
 * Where nothing is named as accounts are: the ids that most tables share, and that come again and again in one with dates. Of several those of
 * which there are fewest: a school has many pupils.
 */
function sharedIds(
  reads: readonly Read[],
  links: Links,
): { readonly columns: readonly string[]; readonly noun: string; readonly tables: number } | null {
  const profileOf = (place: Place) => reads[place.table]?.profiles.find(({ name }) => name === place.column);
  const groups = links.columns
    .filter(({ isName }) => !isName)
    .map((column) => {
      const others = links.columns.filter(
        (other) => other.table !== column.table && links.mutualShare(column, other, reads) >= 0.8,
      );
      const members = [column, ...others];
      const comesAgain = members.some((place) => {
        const profile = profileOf(place);
        return (
          profile !== undefined &&
          profile.filled >= 5 * profile.distinct &&
          reads[place.table]?.kinds.some(({ time }) => time !== null) === true
        );
      });
      return { column, members, comesAgain, tables: new Set(members.map(({ table }) => table)).size };
    })
    .filter(({ tables, comesAgain, column }) => tables >= 2 && comesAgain && column.distinct >= 5)
    .sort((a, b) => b.tables - a.tables || a.column.distinct - b.column.distinct || a.column.table - b.column.table);
  const [best] = groups;
  if (best === undefined) return null;
  const columns = [...new Set(best.members.map(({ column }) => column))];
  return { columns, noun: nounOf(best.column.column), tables: best.tables };
}

/** Tables of other accounts of the hub's kind: the same columns, no id in common, and nothing in them that names accounts of the hub. */
function alsoAccounts(placed: readonly Placed[], hub: Placed, links: Links, reads: readonly Read[]): readonly Place[] {
  const names = (one: Placed): readonly string[] => Object.keys(one.columns);
  const hubKey = keyPlace(hub);
  return placed.flatMap((one) => {
    if (one.entity !== "account" || one.no === hub.no || one.vendor?.table.table !== hub.vendor?.table.table) return [];
    const shared = names(one).filter((name) => names(hub).includes(name)).length;
    const isAlike = shared >= 0.7 * Math.max(names(one).length, names(hub).length);
    const isLinked = links
      .of(one.no)
      .some(
        (column) =>
          links.share(column, hubKey, reads) > 0.05 ||
          links
            .of(hub.no)
            .some((place) => (place.isUnique || place.isDomain) && links.share(column, place, reads) > 0.3),
      );
    return isAlike && !isLinked ? [keyPlace(one)] : [];
  });
}

/** Where two tables say the same, or two systems both have contracts, one of them is chosen. */
function chooseRivals(
  placed: readonly Placed[],
  hub: Placed | null,
  also: readonly Place[],
  links: Links,
  resolver: Resolver,
  findings: Finding[],
  notPlaced: NotPlaced[],
  filesOf: (no: number) => readonly string[],
): readonly Placed[] {
  const key = (one: Placed, column: string) => ({
    table: one.no,
    column: one.columns[column]?.from ?? "",
    isDomain: one.columns[column]?.take === "domain",
  });
  const shared = (a: Placed, b: Placed, column: string): number => {
    const overlap = links.between(key(a, column), key(b, column));
    return overlap === null || overlap.values === 0 ? 0 : overlap.shared / overlap.values;
  };
  const kept: Placed[] = [];
  const leave = (one: Placed, why: string): void => {
    notPlaced.push({ files: filesOf(one.no), why: `${one.label}: ${why}` });
  };
  for (const one of placed) {
    if (one.entity === "account" && hub !== null && one.no !== hub.no) {
      const isSame = shared(one, hub, "account_id");
      if (isSame > 0.5)
        leave(
          one,
          `the same accounts as in ${filesOf(hub.no)[0]} (${Math.round(100 * isSame)} % of its ids); that one is read`,
        );
      else if (also.some(({ table }) => table === one.no)) kept.push(one);
      else if (resolver.linkOf(one.no) === null)
        leave(one, `nothing in it says which account of ${filesOf(hub.no)[0]} it is`);
      continue;
    }
    kept.push(one);
  }
  const order = ["billing", "other", "product", "crm", "support", "survey", "marketing"];
  const rank = (one: Placed): number => order.indexOf(one.vendor?.vendor.kind ?? "other");
  const contracts = kept
    .filter(({ entity }) => entity === "subscription")
    .sort((a, b) => rank(a) - rank(b) || b.read.rows - a.read.rows);
  const [first, ...others] = contracts;
  return kept.filter((one) => {
    if (first === undefined || !others.includes(one)) return true;
    if (one.vendor?.vendor.vendor === first.vendor?.vendor.vendor && shared(one, first, "subscription_id") < 0.05)
      return true;
    leave(one, `contracts come from ${filesOf(first.no)[0]}; two systems would count them twice`);
    findings.push({
      level: "decide",
      about: "subscriptions",
      text: `${filesOf(first.no)[0]} (${first.label}) and ${filesOf(one.no)[0]} (${one.label}) both hold contracts; the first is read`,
    });
    return false;
  });
}

/** A category of accounts or contracts that is worth a column of its own. */
const mostExtras = 8;

/** A placed table as a source, with categories of accounts and contracts as columns of their own. */
export function draftOf(one: Placed, id: string, given: Readonly<Record<string, Mapping>>): Draft {
  const { read } = one;
  const { table } = read;
  const entity = entityOf(one.entity);
  const columns: Record<string, Mapping> = { ...given };
  const immutable = [...one.immutable];
  if (entity.extras && !id.includes("_by_")) {
    const used = new Set(Object.values(given).map(({ from }) => from));
    let extras = 0;
    for (const [i, profile] of read.profiles.entries()) {
      const kind = read.kinds[i] as Kind;
      const plain = ownName(profile.name);
      const name = stagedNames.has(plain) ? `${one.entity}_${plain}` : plain;
      const isFlag = kind.isBoolean && /churn|cancel|lost|inactive|gekuendigt/i.test(profile.name);
      const isCategory = kind.isCategory && !kind.isNumber && !kind.isBoolean && kind.time === null && !kind.isEmail;
      if (
        used.has(profile.name) ||
        columns[name] !== undefined ||
        entity.columns.some((column) => column.name === name)
      )
        continue;
      if (!isFlag && !(isCategory && extras < mostExtras)) continue;
      if (profile.name.startsWith("_") || /(^|_)id$/i.test(profile.name)) continue;
      columns[name] = { from: profile.name, ...(isFlag ? { type: "boolean" } : {}) };
      if (!isFlag) extras += 1;
      if (
        !isFlag &&
        one.entity === "account" &&
        /segment|industry|sector|branche|region|channel|source|size|vertical|type|market/i.test(name)
      )
        immutable.push(name);
    }
  }
  if (one.entity === "account")
    for (const name of ["name", "country"])
      if (columns[name] !== undefined && !immutable.includes(name)) immutable.unshift(name);
  return {
    id,
    entity: one.entity,
    label: one.label,
    table,
    rows: read.rows,
    isWhole: read.isWhole,
    columns: ordered(one.entity === "account" || entity.extras ? one.entity : one.entity, columns),
    vendorKey: one.key,
    // Where a table keeps versions, what they differ in has changed.
    immutable: read.versions === null ? [...new Set(immutable)] : [],
    keep: one.keep,
    drop: { ...one.read.sums, ...unpaidIn(one), ...one.drop },
    formats: formatsOf(read, columns),
    writtenAt: table.columns.find((name) => name.toLowerCase() === "_fivetran_synced") ?? null,
    isVendor: one.vendor !== null,
    comment: one.vendor === null ? "" : `${one.label}.`,
  };
}

/** Of a table of contracts the texts of its plans that say that nothing is paid; none where a column says so, or where all are such. */
export function unpaidIn(one: Placed): Readonly<Record<string, readonly string[]>> {
  if (one.entity !== "subscription" || one.vendor !== null || one.columns.is_trial !== undefined) return {};
  return Object.fromEntries(
    one.read.profiles.flatMap((profile, i) => {
      const isKind =
        one.read.kinds[i]?.isCategory === true && /plan|tier|type|tarif|paket|package|product/i.test(profile.name);
      const unpaid = profile.common.filter((text) =>
        /^(free|freemium|trial|demo|test|testphase|gratis|kostenlos)([ _-](plan|tier|trial|account|version))?$/i.test(
          text,
        ),
      );
      return !isKind || unpaid.length === 0 || unpaid.length === profile.distinct ? [] : [[profile.name, unpaid]];
    }),
  );
}

const ownName = (name: string): string =>
  idOf(`x/${name.replace(/__c$/i, "").replaceAll(".", "_")}`).replace(/^table$/, "own");

/** How the files of a table are written, where that is not what a book assumes. */
export function formatsOf(read: Read, columns: Readonly<Record<string, Mapping>>): Formats {
  const { table } = read;
  const mapped = new Set(Object.values(columns).map(({ from }) => from));
  const nothings = new Set(
    read.profiles.flatMap((profile, i) => {
      const kind = read.kinds[i] as Kind;
      // Where a column holds numbers, times or yes and no, such a text can only mean nothing.
      return mapped.has(profile.name) && (kind.isNumber || kind.time !== null || kind.isBoolean || kind.isEmail)
        ? profile.nothings
        : [];
    }),
  );
  return {
    ...(table.kind === "json" && !table.files.every(({ name }) => /\.(json|jsonl|ndjson)(\.gz|\.zst)?$/i.test(name))
      ? { type: "json" as const }
      : {}),
    ...(listOf(table) === null ? {} : { list: listOf(table) as string }),
    ...(table.encoding === "utf-8" || table.files.every(({ sniffed }) => sniffed.kind === "parquet")
      ? {}
      : { encoding: table.encoding }),
    ...(table.skipLines > 0 ? { skip_lines: table.skipLines } : {}),
    ...(isQualtrics(read) ? { skip_rows: 2 } : {}),
    ...(nothings.size === 0 ? {} : { nulls: ["", "NULL", "null", "N/A", "\\N", ...[...nothings].sort()] }),
  };
}

/** Where the records of a table stand in its documents. */
const listOf = ({ files: [first] }: Table): string | null =>
  first?.sniffed.kind === "json" ? first.sniffed.list : null;

/** Qualtrics writes the questions and their ids below the header. */
const isQualtrics = ({ table }: Read): boolean =>
  table.files.some(
    ({ sniffed }) => sniffed.kind === "csv" && (sniffed.text.rows[1]?.[0] ?? "").startsWith('{"ImportId"'),
  );

/** A table with a day, an account and a column a feature: usage by the day, turned from columns into events. */
function wideUsage(
  words: Words,
  no: number,
  read: Read,
  placed: readonly Placed[],
  links: Links,
  reads: readonly Read[],
): Placed | null {
  const day = read.profiles.find((profile, i) => (read.kinds[i] as Kind).time !== null && profile.distinct > 1);
  if (day === undefined) return null;
  const hub = chooseHub(placed, links, reads);
  const account = read.profiles.find((profile, i) => {
    const kind = read.kinds[i] as Kind;
    if (!kind.isId || kind.isBoolean || isNearlyUnique(profile)) return false;
    if (hub === null) return profile.distinct >= 5 && namesAccount(profile.name, words);
    return (
      links.share({ table: no, column: profile.name, isDomain: keyPlace(hub).isDomain }, keyPlace(hub), reads) >= 0.5
    );
  });
  if (account === undefined) return null;
  const counts = read.profiles.filter((profile, i) => {
    const kind = read.kinds[i] as Kind;
    return (
      kind.isInteger &&
      !kind.isBoolean &&
      kind.time === null &&
      profile.distinct > 1 &&
      profile.name !== account.name &&
      !/(id|key|nr|no|year|month|jahr|monat)$/i.test(profile.name)
    );
  });
  if (counts.length === 0 || read.rows < 2 * account.distinct) return null;
  const guesses: string[] = [];
  const columns: Record<string, Mapping> = {
    activity_date: mappingOf("usage_daily", "activity_date", read, day.name, guesses, {}),
  };
  for (const { name } of counts.slice(0, 12))
    columns[`count ${name}`] = mappingOf("usage_daily", "n_events", read, name, guesses, {});
  return {
    no,
    read,
    entity: "usage_daily",
    label: "usage by the day, a column a feature",
    vendor: null,
    words: null,
    columns,
    accountColumns: [{ column: account.name }],
    key: [],
    immutable: [],
    keep: {},
    drop: {},
    guesses: [
      ...guesses,
      `a column of counts is an event of its own: ${counts
        .slice(0, 12)
        .map(({ name }) => name)
        .join(", ")}`,
    ],
  };
}

/** A source for every column of counts. */
function splitWide(draft: Draft, one: Placed): readonly Draft[] {
  const counts = Object.entries(one.columns).filter(([name]) => name.startsWith("count "));
  if (counts.length === 0) return [draft];
  const shared = Object.fromEntries(Object.entries(draft.columns).filter(([name]) => !name.startsWith("count ")));
  return counts.map(([name, mapping]) => {
    const event = ownName(name.slice("count ".length));
    return {
      ...draft,
      id: `${draft.id}_${event}`.slice(0, 60),
      columns: ordered("usage_daily", { ...shared, event: { value: event }, n_events: mapping }),
    };
  });
}

/** An event that says that an account left: `Subscription Cancelled`, `account.deleted`, `churned`. */
const endEvent =
  /(subscription|account|plan|contract|membership|customer|workspace|organi[sz]ation|tenant)s?[ _.:/-]*(was[ _-])?(cancel|churn|terminat|expired|ended|delet|deactivat|closed)|^churn(ed)?$|^(app[ _.-]?)?uninstall(ed)?$/i;

/** Who left, out of a log of events that says so among what was done. */
function deriveCancellations(drafts: Draft[], placed: readonly Placed[], findings: Finding[]): void {
  for (const [i, draft] of drafts.entries()) {
    const one = placed.find(({ read, entity }) => entity === "usage_event" && read.table === draft.table);
    const event = one?.columns.event?.from;
    const time = one?.columns.event_time?.from;
    if (draft.entity !== "usage_event" || one === undefined || event === undefined || time === undefined) continue;
    const profile = one.read.profiles.find(({ name }) => name === event);
    const ends = (profile?.common ?? []).filter((text) => endEvent.test(text));
    if (profile === undefined || ends.length === 0 || ends.length === profile.distinct) continue;
    const columns = {
      account_id: draft.columns.account_id as Mapping,
      occurred_on: mappingOf("churn_event", "occurred_on", one.read, time, [], {}),
    };
    const id = drafts.some((other) => other.id === "churn_events") ? `${draft.id}_churn_events` : "churn_events";
    drafts[i] = { ...draft, drop: { ...draft.drop, [event]: ends } };
    drafts.push({
      ...draftOf(one, id, columns),
      entity: "churn_event",
      label: "cancellations, out of the events",
      keep: { ...draft.keep, [event]: ends },
      vendorKey: [],
      immutable: [],
      formats: formatsOf(one.read, columns),
      comment: "No file of contracts or cancellations: these events say who left.",
    });
    findings.push({
      level: "guessed",
      about: id,
      text: `no file of contracts or cancellations; of ${event} the rows ${ends.join(", ")} say who left, and are no use of the product`,
    });
  }
}

/** Days that only some accounts have, and that are no ends of contracts by their names. */
const noEnd =
  /creat|updat|modif|chang|sync|last|next|renew|review|birth|trial|invoice|bill|pay|paid|call|meeting|contact|login|seen|seit|since|start|begin|join|sign|onboard|first|upgrade|nps|survey|visit|load|import/;

/** The one column of days that only some accounts have, and that nothing else explains; null where there is none or several. */
function endLike({ read, columns }: Placed, named: Readonly<Record<string, string>>): string | null {
  const taken = [...Object.values(columns).map(({ from }) => from), ...Object.values(named)];
  const found = read.profiles.filter(({ name, rows, filled, endlessCount }, i) => {
    const share = (filled - endlessCount) / Math.max(1, rows);
    const isTime = read.kinds[i]?.time != null && read.kinds[i]?.isEmpty === false;
    return isTime && share >= 0.02 && share <= 0.95 && !taken.includes(name) && !noEnd.test(squeeze(name));
  });
  return found.length === 1 ? (found[0]?.name ?? null) : null;
}

/** Nothing says when a contract ended, except the day on which it was cancelled. */
const withoutEnd = (columns: Readonly<Record<string, unknown>>): boolean =>
  columns.notice_on !== undefined && columns.ended_on === undefined;

const endText = (column: string): string =>
  `${column} is read as the end of a contract, since no other column says when one ended; where service went on after it, map it to notice_on and add ended_on`;

/** Sources that are read out of files of another: accounts out of contracts, contracts out of accounts. */
function derive(
  drafts: Draft[],
  placed: readonly Placed[],
  hub: Placed | null,
  standIn: StandIn | null,
  words: Words,
  findings: Finding[],
): void {
  if (hub === null && standIn !== null && !drafts.some(({ entity }) => entity === "account")) {
    const one = placed.find(({ no }) => no === standIn.no) as Placed;
    const base = draftOf(one, "accounts", {});
    const named = columnsByName("account", seenOf(one.read), words);
    const told = Object.fromEntries(
      ["name", "owner", "country"].flatMap((name) => {
        const from = named[name];
        return (one.entity !== "subscription" && one.read.movements === null) ||
          from === undefined ||
          from === standIn.column
          ? []
          : [[name, { from }]];
      }),
    );
    const moves = one.read.movements;
    drafts.unshift({
      ...base,
      keep: moves?.hasStarts === true ? { [moves.kind]: moves.starts } : moves === null ? base.keep : {},
      entity: "account",
      label: "accounts",
      columns: {
        account_id: { from: standIn.column, ...(standIn.take === undefined ? {} : { take: standIn.take }) },
        ...told,
        ...(moves?.hasStarts === true ? { created_at: { ...one.columns.occurred_on } } : {}),
      },
      vendorKey: [],
      immutable: ["name", "country"].filter((name) => told[name] !== undefined),
      comment: "No file lists the accounts: every id in this one is an account.",
    });
    findings.push({
      level: "guessed",
      about: "accounts",
      text: `no file lists the accounts; every ${standIn.column} of ${one.read.fileName} is one`,
    });
  }
  if (drafts.some(({ entity }) => entity === "subscription")) return;
  if (!drafts.some(({ entity }) => entity === "churn_event")) deriveCancellations(drafts, placed, findings);
  const tables = placed.filter(
    (one) =>
      one.entity === "account" && drafts.some((draft) => draft.entity === "account" && draft.table === one.read.table),
  );
  for (const one of tables) {
    const account = one.columns.account_id?.from as string;
    const named = columnsByName("subscription", seenOf(one.read), words);
    const end = named.ended_on === undefined && named.notice_on === undefined ? endLike(one, named) : null;
    const columns = end === null ? named : { ...named, ended_on: end };
    const start = columns.started_on ?? one.columns.created_at?.from;
    const says = ["ended_on", "notice_on", "mrr_minor", "renews_on"].filter((name) => columns[name] !== undefined);
    if (start === undefined || says.length === 0) continue;
    const guesses: string[] = [];
    const mapped: Record<string, Mapping> = {};
    const withEnd = withoutEnd(columns) ? { ...columns, ended_on: columns.notice_on as string } : columns;
    for (const [name, column] of Object.entries({ ...withEnd, started_on: start }))
      if (name !== "notice_on" || withEnd === columns)
        mapped[name] = mappingOf("subscription", name, one.read, column, guesses, {});
    if (end !== null)
      guesses.push(
        `${end}, a day that only some accounts have, is read as the end of their contract: no column is named so`,
      );
    if (withEnd !== columns) guesses.push(endText(columns.notice_on as string));
    mapped.account_id = one.columns.account_id as Mapping;
    mapped.subscription_id = { from: account };
    const id = one.no === hub?.no ? "subscriptions" : `${idOf(one.read.table.id)}_subscriptions`;
    const { immutable: _, ...base } = draftOf(one, id, {});
    drafts.push({
      ...base,
      entity: "subscription",
      label: "contracts, out of the accounts",
      columns: ordered("subscription", mapped),
      vendorKey: ["subscription_id"],
      immutable: [],
      formats: formatsOf(one.read, mapped),
      comment: "No file of contracts: the accounts say when each began to pay and when it left.",
    });
    findings.push({
      level: "guessed",
      about: id,
      text: `no file of contracts; ${one.read.fileName} has ${start} and ${says.map((name) => columns[name]).join(", ")}, read as one contract an account`,
    });
    for (const guess of guesses) findings.push({ level: "guessed", about: id, text: guess });
  }
}
