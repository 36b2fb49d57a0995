/** Filters on single usage rows: which of them the roll-ups must answer, and under which column (config/kpi.ts, UsageRollUp). */
import { sql } from "kysely";
import { entityOf } from "../config/entities.ts";
import type { KpiDefinition, UsageFilter, UsageRollUp } from "../config/kpi.ts";
import { canonicalJson, sha256 } from "../lib/files.ts";
import { builder, compile } from "../warehouse/compiler.ts";
import type { KpiColumn } from "./columns.ts";
import { type AnyBuilder, type Filtered, filterSql } from "./filter.ts";
import { innerOf } from "./parts.ts";

const hasFilter = ({ filter }: Filtered): boolean => Object.keys(filter).length > 0;
const isOnEvent = ({ filter }: Filtered): boolean => Object.keys(filter).every((name) => name === "event");

/** The column for a filter: the same wherever the filter is the same. */
const nameOf = ({ filter }: Filtered): string => `passes_${sha256(canonicalJson(filter)).slice(0, 12)}`;

/** The column of rollup.account_day that counts what passes; undefined where the event alone decides. */
export const accountFlag = (filtered: Filtered): string | undefined =>
  isOnEvent(filtered) ? undefined : nameOf(filtered);

/** The column of rollup.user_day that dates what passes; undefined without a filter. */
export const userFlag = (filtered: Filtered): string | undefined =>
  hasFilter(filtered) ? nameOf(filtered) : undefined;

/** The rows of rollup.account_last for a filter. */
export const lastName = nameOf;

/** Whether single users decide what a KPI of usage counts. */
export function readsUsers(kpi: Pick<KpiDefinition, "entity" | "measure" | "of" | "users" | "value">): boolean {
  if (kpi.entity !== "usage_event") return false;
  const inner = kpi.of ?? kpi.measure;
  return kpi.users !== undefined || (inner === "distinct" && kpi.value?.column === "user_id");
}

/** What the roll-ups must hold for these KPIs (the book's and their inputs). */
export function usageRollUp(kpis: readonly KpiDefinition[]): UsageRollUp {
  const account = new Map<string, UsageFilter>();
  const user = new Map<string, UsageFilter>();
  const last = new Map<string, UsageFilter>();
  for (const kpi of kpis) {
    if (kpi.entity !== "usage_event") continue;
    const filter: UsageFilter = { name: nameOf(kpi), sql: conditionText(kpi) };
    if (innerOf(kpi) === "latest") last.set(filter.name, filter);
    if (readsUsers(kpi)) {
      if (hasFilter(kpi)) user.set(filter.name, filter);
      // A slope counts the days with rows of any user whom it counts, so nothing but the users' own table is read.
      continue;
    }
    if (!isOnEvent(kpi)) account.set(filter.name, filter);
  }
  const sorted = (filters: ReadonlyMap<string, UsageFilter>) =>
    [...filters.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return { account: sorted(account), user: sorted(user), last: sorted(last) };
}

const usageColumns: ReadonlyMap<string, KpiColumn> = new Map(
  entityOf("usage_event").columns.map(({ name, type }) => [name, { name, type, datedBy: undefined }]),
);

/** A filter as text: what stands between `where` and the end of a compiled statement. */
function conditionText(filtered: Filtered): string {
  if (!hasFilter(filtered)) return "true";
  const text = compile(
    builder.selectNoFrom((eb: AnyBuilder) => sql`${filterSql(eb, filtered, usageColumns)}`.as("condition")),
  );
  return text.slice("select ".length, -" as condition".length);
}
