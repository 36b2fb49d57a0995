import type { KpiDefinition } from "../pipelines/config/kpi.ts";
import { parseKpi } from "../pipelines/features/library.ts";

/** KPIs over usage of every measure, with and without a look-back, with every kind of condition. */
export const kpisOfUsage: readonly KpiDefinition[] = [
  { measure: "count" },
  { measure: "count", window_days: 28, filter: { event: ["login", "invoice_sent"] } },
  { measure: "count", window_days: 28, filter: { event: { not: "login" } }, decay: "linear" },
  { measure: "count", window_days: 28, filter: { user_id: { not: null }, quantity: { at_least: 1.5, less_than: 20 } } },
  { measure: "count", window_days: 28, filter: { event_time: { at_least: "2024-01-01" } } },
  { measure: "count", window_days: 28, filter: { known_at: null, user_id: { not: ["u1", "o'u2"] } } },
  { measure: "sum", value: "quantity", window_days: 84 },
  { measure: "sum", value: "quantity", window_days: 14, filter: { user_id: "u1" }, null_rule: { no_rows: "not_yet" } },
  { measure: "sum", value: "quantity", window_days: 84, decay: "linear" },
  { measure: "distinct", value: "user_id" },
  { measure: "distinct", value: "user_id", window_days: 28, filter: { event: "login" } },
  { measure: "distinct", value: "user_id", window_days: 28, users: { is_executive: true, role: { not: "viewer" } } },
  { measure: "distinct", value: "event", window_days: 28 },
  { measure: "active_days" },
  { measure: "active_days", window_days: 28, filter: { quantity: { more_than: 1 } } },
  { measure: "active_days", window_days: 28, users: { is_executive: true } },
  { measure: "days_since", filter: { event: "login" } },
  { measure: "days_since", window_days: 60, filter: { quantity: null } },
  { measure: "latest", value: "quantity", window_days: 60, filter: { event: "seats_in_use" } },
  { measure: "share", of: "sum", value: "quantity", window_days: 28 },
  { measure: "per_seat", of: "distinct", value: "user_id", window_days: 28 },
  { measure: "tenure_scaled", of: "active_days", window_days: 28 },
  { measure: "trend", of: "active_days", window_days: 28, baseline_days: 84 },
  { measure: "trend", window_days: 28, baseline_days: 84, filter: { user_id: { not: null } } },
  { measure: "slope", window_days: 84 },
  { measure: "slope", of: "active_days", window_days: 84 },
  { measure: "slope", of: "sum", value: "quantity", window_days: 84 },
  { measure: "time_to_first", filter: { event: "invoice_sent" } },
].map((own, i) => {
  const id = `usage_${i}_${own.measure}`;
  const facts = { description: "for a test", factor: "control", kind: "objective", side: "reactive", unit: "things" };
  const says = { less: "had less", more: "had more" };
  return parseKpi({ id, label: id, ...facts, healthier: "tested", says, entity: "usage_event", ...own }, id);
});
