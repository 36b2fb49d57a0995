/** The counts that rule 9 of the verdicts holds beside KPIs of usage (config/kpi.ts, useBeside). */
import { type KpiDefinition, useBeside } from "../config/kpi.ts";

/** Definitions that nobody lists: all events of each look-back, and the events behind a KPI that is no plain count itself. */
export function useCounts(kpis: readonly KpiDefinition[]): readonly KpiDefinition[] {
  const counts = new Map<string, KpiDefinition>();
  const listed = new Set(kpis.map(({ id }) => id));
  for (const kpi of kpis) {
    const beside = useBeside(kpi);
    if (beside === undefined) continue;
    const count = (id: string, filter: KpiDefinition["filter"]): void => {
      if (listed.has(id)) return;
      const { version, label, description, factor, kind, side, window_days, says, needs } = kpi;
      counts.set(id, {
        ...{ id, version, label, description, factor, kind, side, window_days, says, needs, filter },
        unit: "events",
        measure: "count",
        entity: "usage_event",
        healthier: "tested",
        null_rule: { no_rows: "zero", no_value: "unanswered", feed_gap_days: null, tenure: "any" },
      } as KpiDefinition);
    };
    count(beside.all, {});
    count(beside.own, kpi.filter);
  }
  return [...counts.values()];
}
