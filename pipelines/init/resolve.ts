/** Which account each table's rows belong to: directly, through another source, or through ids that two systems share. */
import { withoutNote } from "./kinds.ts";
import type { Links, Place } from "./links.ts";
import { keyPlace, type Mapping, type Placed, type Read } from "./place.ts";

/** How a table names its accounts, and how far that reaches. */
export interface Link {
  readonly mapping: Mapping;
  /** Different ids, and those of them that lead to an account (or to the source that it goes by). */
  readonly values: number;
  readonly matched: number;
  /** In words: `workspace_id is the account's Workspace__c`. */
  readonly how: string;
  readonly isNamed: boolean;
  /** Accounts go by their names in this table. */
  readonly byName?: boolean;
}

/** A source of entity account_key that a link needs. */
export interface KeySource {
  readonly id: string;
  readonly no: number;
  readonly sourceId: Mapping;
  readonly accountId: Mapping;
  readonly how: string;
}

/** Where the ids of the book's accounts stand; `also`: tables of other accounts of the same kind, such as those of another region. */
export interface Hub {
  readonly no: number;
  readonly key: Place;
  readonly also: readonly Place[];
}

interface Target {
  readonly place: Place;
  readonly kind: "hub" | "source" | "key";
  /** The table that leads on to the account. */
  readonly no: number;
}

const sourceKeys: Readonly<Record<string, string>> = {
  subscription: "subscription_id",
  user: "user_id",
  account_key: "source_id",
};

/**
 * Of the tables of accounts, the one that the book's accounts come from: the one whose ids most other tables use; a CRM before a product, a product
 * before billing, billing before support, where that does not tell.
 */
export function chooseHub(placed: readonly Placed[], links: Links, reads: readonly Read[]): Placed | null {
  const order = ["support", "survey", "marketing", "other", "billing", "product", "crm"];
  const scored = placed
    .filter(({ entity }) => entity === "account")
    .map((one) => {
      // Its own key, and the columns that hold the ids of other systems.
      const keys = links
        .of(one.no)
        .filter(
          ({ isUnique, isDomain, column }) =>
            isDomain === keyPlace(one).isDomain && (isUnique || column === keyPlace(one).column),
        );
      const users = placed.filter(
        (other) =>
          other.no !== one.no &&
          other.entity !== "account" &&
          links.of(other.no).some((column) => keys.some((key) => links.share(column, key, reads) >= 0.5)),
      ).length;
      const kind = one.vendor === null ? order.indexOf("product") : order.indexOf(one.vendor.vendor.kind);
      return { one, score: 2 * users + kind + Math.min(1, one.read.rows / 1e5) };
    });
  return scored.sort((a, b) => b.score - a.score || a.one.no - b.one.no)[0]?.one ?? null;
}

/** Finds, for every placed table, how its rows lead to the accounts of the hub. */
export class Resolver {
  readonly keySources: KeySource[] = [];
  readonly #placed: readonly Placed[];
  readonly #hub: Hub | null;
  readonly #links: Links;
  readonly #reads: readonly Read[];
  readonly #idOf: (no: number) => string;
  readonly #known = new Map<number, Link | null>();
  readonly #asked = new Set<number>();

  constructor(given: {
    readonly placed: readonly Placed[];
    /** Where the ids of accounts stand: the key of the hub, or a column of what stands in for it. */
    readonly hub: Hub | null;
    readonly links: Links;
    readonly reads: readonly Read[];
    readonly idOf: (no: number) => string;
  }) {
    this.#placed = given.placed;
    this.#hub = given.hub;
    this.#links = given.links;
    this.#reads = given.reads;
    this.#idOf = given.idOf;
  }

  /** Null where nothing leads from a table to an account. */
  linkOf(no: number): Link | null {
    const known = this.#known.get(no);
    if (known !== undefined) return known;
    // A circle leads nowhere.
    if (this.#asked.has(no)) return null;
    this.#asked.add(no);
    const link = this.#find(no);
    this.#asked.delete(no);
    this.#known.set(no, link);
    return link;
  }

  #find(no: number): Link | null {
    const one = this.#placed.find((placed) => placed.no === no) as Placed;
    const hub = this.#hub;
    const named = one.accountColumns.map(({ column, take }) => ({ column, isDomain: take === "domain" }));
    if (hub === null) return this.#byName(one);
    if (hub.no === no)
      return {
        mapping: { from: hub.key.column, ...(hub.key.isDomain ? { take: "domain" as const } : {}) },
        values: 0,
        matched: 0,
        how: "its own id",
        isNamed: true,
      };
    const candidates = this.#links
      .of(no)
      .map((column) => ({
        column,
        rank: named.findIndex((name) => name.column === column.column && name.isDomain === column.isDomain),
      }))
      // A vendor says which columns name the account; a table of accounts may be known by any of its ids.
      .filter(
        ({ rank, column }) =>
          rank !== -1 ||
          one.entity === "account" ||
          one.vendor === null ||
          one.vendor.vendor.kind === "product" ||
          column.column === one.columns.user_id?.from,
      );
    const targets = this.#targets(no);
    let best: { link: Link; score: number } | null = null;
    for (const { column, rank } of candidates) {
      for (const target of targets) {
        const share = this.#share(column, target);
        const isOwnKey = this.#isKeyOf(one, column.column);
        // The key of a fact's rows is no id of an account, whatever its numbers happen to equal.
        const isRowKey = isOwnKey && !column.isDomain && one.entity !== "account" && one.entity !== "user";
        if (isRowKey && target.kind === "hub") continue;
        if (share < (column.isDomain ? 0.15 : 0.3)) continue;
        const score =
          share +
          (target.kind === "hub" ? 0.3 : 0) +
          (rank === -1 ? 0 : 0.25 - 0.02 * rank) -
          (column.isDomain ? 0.2 : 0) -
          (this.#links.isName(target.place) ? 0.3 : 0) -
          (isOwnKey ? 0.1 : 0) -
          (this.#placed.find((placed) => placed.no === target.no)?.entity === "usage_event" ? 0.1 : 0) -
          (target.no === hub.no ? 0 : 0.08);
        if (best !== null && best.score >= score) continue;
        const link = this.#linkTo(one, column, target);
        if (link !== null) best = { link: { ...link, isNamed: rank !== -1 }, score };
      }
    }
    if (best !== null) return this.#byUsers(one, best.link) ?? best.link;
    return one.entity === "account" ? null : this.#byName(one);
  }

  /** Of a stream of calls few rows name the account, and all rows the user: an event belongs to the account of its user. */
  #byUsers(one: Placed, link: Link): Link | null {
    const user = one.columns.user_id?.from;
    const { from } = link.mapping;
    const filled = (column: string | undefined): number => {
      const profile = one.read.profiles.find(({ name }) => name === column);
      return profile === undefined ? 0 : profile.filled / Math.max(1, profile.rows);
    };
    if (one.entity !== "usage_event" || user === undefined || from === user || filled(from) > 0.5 || filled(user) < 0.9)
      return null;
    const via = this.#keySource(
      { place: { table: one.no, column: user, isDomain: false }, kind: "key", no: one.no },
      link,
    );
    const how = `few rows have ${from}: the account is that of ${user}, by the rows that have both`;
    return { mapping: { from: user, via }, values: 0, matched: 0, how, isNamed: true };
  }

  /** Of all tables of accounts of the hub's kind together. */
  #share(column: Place, target: Target): number {
    const more = target.kind === "hub" ? (this.#hub?.also ?? []) : [];
    return [target.place, ...more].reduce((sum, place) => sum + this.#links.share(column, place, this.#reads), 0);
  }

  /** What the names say, where no value confirms it. */
  #byName(one: Placed): Link | null {
    if (one.entity === "account" || this.#hub !== null) return null;
    const [first] = one.accountColumns;
    if (first === undefined) return null;
    return {
      mapping: { from: first.column, ...(first.take === undefined ? {} : { take: first.take }) },
      values: 0,
      matched: 0,
      how: "by its name",
      isNamed: true,
    };
  }

  #isKeyOf(one: Placed, column: string): boolean {
    return ["ticket_id", "event_id", "subscription_id", "user_id", "account_id"].some(
      (name) => one.columns[name]?.from === column && (name !== "account_id" || one.entity === "account"),
    );
  }

  #targets(no: number): readonly Target[] {
    const hub = this.#hub as Hub;
    const targets: Target[] = [{ place: hub.key, kind: "hub", no: hub.no }];
    const asking = this.#placed.find((placed) => placed.no === no)?.entity ?? "";
    const isFact = !["account", "user", "subscription", "usage_event"].includes(asking);
    for (const other of this.#placed) {
      if (other.no === no) continue;
      const key = other.columns[sourceKeys[other.entity] ?? ""];
      if (key?.from !== undefined)
        targets.push({
          place: { table: other.no, column: key.from, isDomain: key.take === "domain" },
          kind: "source",
          no: other.no,
        });
      // Who uses the product for one account alone belongs to it; who does so for several is ambiguous, and counted.
      const user = other.entity === "usage_event" && isFact ? other.columns.user_id?.from : undefined;
      if (user !== undefined)
        targets.push({ place: { table: other.no, column: user, isDomain: false }, kind: "key", no: other.no });
      if (other.entity !== "account" && other.entity !== "user") continue;
      for (const column of this.#links.of(other.no)) {
        const isHubKey =
          other.no === hub.no && column.column === hub.key.column && column.isDomain === hub.key.isDomain;
        const isAddress = column.isDomain || /mail/i.test(column.column);
        if (isHubKey || (column.column === key?.from && !column.isDomain)) continue;
        // Of users only their addresses: other columns of theirs repeat.
        if (other.entity === "user" ? isAddress : column.isUnique || column.isDomain)
          targets.push({ place: column, kind: "key", no: other.no });
      }
    }
    return targets;
  }

  #linkTo(one: Placed, column: Place, target: Target): Link | null {
    const more = target.kind === "hub" ? (this.#hub?.also ?? []) : [];
    const overlaps = [target.place, ...more].flatMap((place) => this.#links.between(column, place) ?? []);
    const [overlap] = overlaps;
    if (overlap === undefined) return null;
    const from: Mapping = { from: column.column, ...(column.isDomain ? { take: "domain" as const } : {}) };
    const byName = this.#links.isName(target.place);
    const facts = {
      byName,
      values: overlap.values,
      matched: overlaps.reduce((sum, { shared }) => sum + shared, 0),
      isNamed: false,
    };
    const what = column.isDomain ? `the domain of ${column.column}` : column.column;
    if (target.kind === "hub")
      return { ...facts, mapping: from, how: `${what} is the account's ${target.place.column}` };
    const next = this.linkOf(target.no);
    if (next === null) return null;
    // Usage that knows its accounts by its users says nothing new of them.
    if (target.kind === "key" && next.mapping.from === target.place.column && next.mapping.via !== undefined)
      return null;
    const other = this.#idOf(target.no);
    if (target.kind === "source") {
      if (one.entity === "account_key" && other === this.#idOf(one.no)) return null;
      return { ...facts, mapping: { ...from, via: other }, how: `${what} is the ${target.place.column} of ${other}` };
    }
    const via = this.#keySource(target, next);
    const whose = target.place.isDomain ? `the domain of ${target.place.column}` : target.place.column;
    return { ...facts, mapping: { ...from, via }, how: `${what} is ${whose} of ${other}` };
  }

  /** The source that turns the values of a column into accounts; made when it is first needed. */
  #keySource(target: Target, next: Link): string {
    const { column, isDomain } = target.place;
    const known = this.keySources.find(
      (source) =>
        source.no === target.no && source.sourceId.from === column && (source.sourceId.take === "domain") === isDomain,
    );
    if (known !== undefined) return known.id;
    const word = withoutNote(column)
      .replace(/__c$/i, "")
      .replaceAll(/([a-z])([A-Z])/g, "$1_$2")
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, "_")
      .replaceAll(/^_+|_+$/g, "");
    const base =
      `${this.#idOf(target.no)}_by_${isDomain && !/domain/.test(word) ? `${word}_domain` : word || "id"}`.slice(0, 55);
    let id = base;
    for (let n = 2; this.keySources.some((source) => source.id === id); n += 1) id = `${base}_${n}`;
    this.keySources.push({
      id,
      no: target.no,
      sourceId: { from: column, ...(isDomain ? { take: "domain" as const } : {}) },
      accountId: next.mapping,
      how: `${isDomain ? "the domain of " : ""}${column} of ${this.#idOf(target.no)}`,
    });
    return id;
  }
}
