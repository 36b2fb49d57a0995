/** Which ids of one system stand for which accounts of another: by how many of their values are the same. */
import { freeMailDomains } from "../config/free-mail.ts";
import type { Database } from "../warehouse/database.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import { type Kind, squeeze, withoutNote } from "./kinds.ts";
import type { Profile } from "./profile.ts";

/** A column of a sample, as itself or as the domain of its addresses. */
export interface Place {
  readonly table: number;
  readonly column: string;
  readonly isDomain: boolean;
}

/** What is known of a column of ids. */
export interface IdColumn extends Place {
  readonly distinct: number;
  /** Whole numbers below a million that stand close together: equal values may be chance. */
  readonly isSmall: boolean;
  /** Whole numbers below a million of which at most every other one is there. */
  readonly isSparse: boolean;
  /** Names of companies or people, which lead to an account only where each of its table has another one. */
  readonly isName: boolean;
  readonly isUnique: boolean;
}

export interface Sample {
  /** The name of the table with the rows, all text. */
  readonly name: string;
  readonly fileName: string;
  readonly profiles: readonly Profile[];
  readonly kinds: readonly Kind[];
}

export interface Overlap {
  readonly from: Place;
  readonly to: Place;
  /** Different values of `from`, and how many of them `to` holds, too. */
  readonly values: number;
  readonly shared: number;
}

const placeKey = ({ table, column, isDomain }: Place): string => `${table}\u0001${column}\u0001${isDomain}`;

/** SQL for the domain of an e-mail address or a URL, in lower case; of a provider of free mail: null. */
const domainOf = (value: string): string =>
  `nullif(regexp_extract(lower(${value}), '^(?:[a-z]+://)?(?:www[.])?(?:[^@/]*@)?([a-z0-9.-]+[.][a-z]{2,})', 1), '')`;

/** Most different values of a column that are compared. */
const mostValues = 200_000;

/** Compares all columns that may hold ids, of every two tables. */
export class Links {
  readonly columns: readonly IdColumn[];
  readonly #overlaps: ReadonlyMap<string, readonly Overlap[]>;

  private constructor(columns: readonly IdColumn[], overlaps: ReadonlyMap<string, readonly Overlap[]>) {
    this.columns = columns;
    this.#overlaps = overlaps;
  }

  static async of(database: Database, samples: readonly Sample[]): Promise<Links> {
    await database.run("create or replace table id_value (no integer, v varchar)");
    const columns: IdColumn[] = [];
    for (const [table, sample] of samples.entries()) {
      for (const [i, profile] of sample.profiles.entries()) {
        const kind = sample.kinds[i] as Kind;
        const isAddress = kind.isEmail || kind.isDomain;
        if (!(kind.isId || isAddress) || kind.isBoolean || profile.distinct < 2) continue;
        if (kind.isCategory && !/id$/i.test(profile.name)) continue;
        const isName =
          !isAddress &&
          (/name$/i.test(profile.name) ||
            profile.common.filter((value) => value.includes(" ")).length > 0.3 * profile.common.length);
        const forms = isAddress ? (kind.isEmail ? [false, true] : [true]) : [false];
        for (const isDomain of forms) {
          const no = columns.length;
          const value = `trim(${quoteIdentifier(profile.name)})`;
          const chosen = isDomain
            ? `select distinct ${domainOf(value)} as v from ${sample.name}`
            : `select distinct ${kind.isEmail ? `lower(${value})` : value} as v from ${sample.name}`;
          await database.run(
            `insert into id_value select ${no}, v from (${chosen}) where v is not null and v <> ''
             ${isDomain ? `and v not in (${freeMailDomains.map(literal).join(", ")})` : ""} limit ${mostValues}`,
          );
          const [{ distinct, span }] = (await database.query<{ distinct: number; span: number | null }>(
            `select count(*) as distinct, cast(max(try_cast(v as hugeint)) as double) - cast(min(try_cast(v as hugeint)) as double) + 1 as span from id_value where no = ${no}`,
          )) as [{ distinct: number; span: number | null }];
          const isShort = kind.isInteger && profile.longest < 7;
          const isSparse = isShort && distinct >= 20 && span !== null && distinct <= 0.5 * span;
          columns.push({
            table,
            column: profile.name,
            isDomain,
            distinct,
            isSmall: isShort && !isSparse,
            isSparse,
            isName,
            isUnique: profile.distinct >= 0.95 * profile.filled,
          });
        }
      }
    }
    const rows = await database.query<{ a: number; b: number; n: number }>(
      `select a.no as a, b.no as b, count(*) as n
       from id_value as a inner join id_value as b on b.v = a.v and b.no <> a.no
       group by a.no, b.no order by a.no, b.no`,
    );
    const overlaps = new Map<string, Overlap[]>();
    for (const { a, b, n } of rows) {
      const [from, to] = [columns[a], columns[b]] as [IdColumn, IdColumn];
      if (from.table === to.table || from.isDomain !== to.isDomain) continue;
      const key = placeKey(from);
      overlaps.set(key, [...(overlaps.get(key) ?? []), { from, to, values: from.distinct, shared: n }]);
    }
    await database.run("drop table id_value");
    return new Links(columns, overlaps);
  }

  /** The id columns of a table. */
  of(table: number): readonly IdColumn[] {
    return this.columns.filter((column) => column.table === table);
  }

  /** How much of one column is in another; null where they were not compared or share nothing. */
  between(from: Place, to: Place): Overlap | null {
    return (this.#overlaps.get(placeKey(from)) ?? []).find((overlap) => placeKey(overlap.to) === placeKey(to)) ?? null;
  }

  /**
   * The share of the values of `from` that `to` holds; 0 where equal values may be chance: small whole numbers count only where the names of both
   * say that they are the same, and names only where nearly all are found among names of which each stands once.
   */
  share(from: Place, to: Place, samples: readonly Sample[]): number {
    const overlap = this.between(from, to);
    if (overlap === null || overlap.values === 0) return 0;
    const [a, b] = [from, to].map((place) => this.columns.find((column) => placeKey(column) === placeKey(place))) as [
      IdColumn,
      IdColumn,
    ];
    if ((a.isSmall || b.isSmall) && !areNamedAlike(from, to, samples) && !areNamedAlike(to, from, samples)) return 0;
    const share = overlap.shared / overlap.values;
    if ((a.isName || b.isName) && !(b.isUnique && share >= 0.8)) return 0;
    // Of twenty numbers hardly nine in ten fall by chance on those of a column that leaves out every other one.
    const isChance = (a.isSparse || b.isSparse) && share < 0.9 && !areNamedAlike(from, to, samples);
    return isChance ? 0 : share;
  }

  /** The larger share of the two, whichever of the columns holds more. */
  mutualShare(a: Place, b: Place, samples: readonly Sample[]): number {
    return Math.max(this.share(a, b, samples), this.share(b, a, samples));
  }

  /** Whether a column holds names, and no ids. */
  isName(place: Place): boolean {
    return this.columns.some((column) => column.isName && placeKey(column) === placeKey(place));
  }
}

/** `customer_id` is alike `customer_id` and the `id` of a file of customers, `company_id` that of one of companies. */
function areNamedAlike(from: Place, to: Place, samples: readonly Sample[]): boolean {
  const [a, b] = [squeeze(withoutNote(from.column)), squeeze(withoutNote(to.column))];
  if (a === b) return true;
  const file = squeeze((samples[to.table] as Sample).fileName.split("/").at(-1) ?? "");
  const stem = a.replace(/(id|no|nr|number|key|ref|uuid)$/, "");
  return (
    stem.length >= 3 &&
    (b === stem ||
      ((b === "id" || b === "uuid") && (file.includes(stem) || file.includes(stem.replace(/y$/, "ies")))) ||
      (b.length > 3 && b.replace(/id$/, "") === stem))
  );
}
