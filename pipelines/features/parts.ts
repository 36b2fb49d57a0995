/** KPIs in parts: what the window tables add up, one raw column each, before rules turn them into values. */
import type { KpiDefinition } from "../config/kpi.ts";

/** One raw column of a window table. */
export interface Part extends Pick<KpiDefinition, "filter" | "value" | "users"> {
  readonly name: string;
  /** `first` is the day of the first row. */
  readonly measure: "count" | "sum" | "distinct" | "active_days" | "days_since" | "latest" | "first";
  readonly window_days: number | null;
  /** Each amount times its day, counted from 1970-01-01: with the plain amounts it weighs the days of any look-back exactly. */
  readonly times_day: boolean;
}

/** The measure whose rows a KPI adds up. */
export const innerOf = (kpi: KpiDefinition): KpiDefinition["measure"] => kpi.of ?? kpi.measure;

/** The raw columns of a KPI, the first of them under its id; milestones are counted apart (milestone.ts). */
export function partsOf(kpi: KpiDefinition): readonly Part[] {
  const { id, filter, value, users, window_days } = kpi;
  const part = (name: string, measure: Part["measure"], more: Partial<Part> = {}): Part => ({
    name,
    measure,
    filter,
    value,
    users,
    window_days,
    times_day: false,
    ...more,
  });
  const inner = innerOf(kpi);
  const rows =
    inner === "sum" && kpi.null_rule.no_rows !== "zero" ? [part(`${id}__rows`, "count", { value: undefined })] : [];
  switch (kpi.measure) {
    case "ratio":
    case "expression":
    case "milestone":
      return [];
    case "time_to_first":
      return [part(id, "first")];
    case "trend":
      return [
        part(id, inner as Part["measure"]),
        part(`${id}__both`, inner as Part["measure"], { window_days: bothDays(kpi) }),
      ];
    case "slope":
      return [
        part(id, inner as Part["measure"]),
        part(`${id}__moment`, inner as Part["measure"], { times_day: true }),
        ...(inner === "active_days" ? [] : [part(`${id}__days`, "active_days", { value: undefined })]),
      ];
    default:
      return [
        part(id, inner as Part["measure"]),
        ...rows,
        ...(kpi.decay === undefined ? [] : [part(`${id}__moment`, inner as Part["measure"], { times_day: true })]),
      ];
  }
}

const bothDays = (kpi: KpiDefinition): number => (kpi.window_days as number) + (kpi.baseline_days as number);
