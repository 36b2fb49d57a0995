import type { Book } from "../config/book.ts";
import { type ColumnType, type Entity, entityOf } from "../config/entities.ts";
import type { KpiDefinition } from "../config/kpi.ts";
import { innerOf, type Part, partsOf } from "./parts.ts";

/** A column that a KPI may name. */
export interface KpiColumn {
  readonly name: string;
  readonly type: ColumnType;
  /** The column whose date says when the value became a fact: it is hidden from snapshots up to and including that day. */
  readonly datedBy: string | undefined;
}

/** The columns of an entity in this book: the catalogue's, and the book's own where the entity takes extras. */
export function kpiColumns(entity: Entity, book: Book): ReadonlyMap<string, KpiColumn> {
  const columns = new Map<string, KpiColumn>();
  for (const column of entity.columns) {
    columns.set(column.name, { name: column.name, type: column.type, datedBy: column.datedBy });
  }
  if (!entity.extras) return columns;
  for (const source of Object.values(book.sources)) {
    if (source.entity !== entity.id) continue;
    for (const [name, mapping] of Object.entries(source.columns)) {
      if (columns.has(name)) continue;
      const type = typeof mapping === "string" ? undefined : mapping.type;
      columns.set(name, { name, type: type ?? "text", datedBy: undefined });
    }
  }
  return columns;
}

/** The entities that at least one source of the book delivers; usage by the day is rolled up like events. */
export function deliveredEntities(book: Book): ReadonlySet<string> {
  const delivered = new Set<string>(Object.values(book.sources).map((source) => source.entity));
  if (delivered.has("usage_daily")) delivered.add("usage_event");
  return delivered;
}

/** KPIs that read one entity, and so share a table. */
export interface Group {
  /** `usage` or `usage_ever` for usage_event, otherwise the entity's id, with the column that names the account: features.<name>. */
  readonly name: string;
  readonly entity: Entity;
  /** The column that names the account. */
  readonly account: string;
  readonly columns: ReadonlyMap<string, KpiColumn>;
  readonly kpis: readonly KpiDefinition[];
  /** The raw columns of its window table. */
  readonly parts: readonly Part[];
}

/**
 * The name below features of the table of a KPI that reads rows. What looks for the first, the last or the latest use reaches all of
 * history: apart from the look-backs, so that a new month of theirs reads no more than their longest.
 */
function groupName(kpi: KpiDefinition): string {
  const { entity, account } = kpi;
  if (entity === "usage_event") {
    return ["days_since", "time_to_first", "latest"].includes(innerOf(kpi)) ? "usage_ever" : "usage";
  }
  return `${entity}${account === undefined ? "" : `_by_${account}`}`;
}

export const isUsage = ({ entity }: Pick<Group, "entity">): boolean => entity.id === "usage_event";

/** KPIs by the entity that they read, both in the order given. */
export function groupKpis(kpis: readonly KpiDefinition[], book: Book): readonly Group[] {
  const based = kpis.filter((kpi) => kpi.entity !== null);
  return [...new Set(based.map(groupName))].map((name) => {
    const own = based.filter((kpi) => groupName(kpi) === name);
    const [{ entity: id, account }] = own as [KpiDefinition];
    const entity = entityOf(id as string);
    return {
      name,
      entity,
      account: account ?? "account_id",
      columns: kpiColumns(entity, book),
      kpis: own,
      parts: own.flatMap(partsOf),
    };
  });
}

/** The table with a KPI's values. */
export const tableOf = (kpi: KpiDefinition): string => `features.${kpi.entity === null ? "derived" : groupName(kpi)}`;
