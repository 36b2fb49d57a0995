/**
 * What the data behind each KPI and each source look like, for readers: coverage and spread by week, days with and without
 * rows, steps in volume. All of it describes the data as they are known today; no KPI and no score reads it.
 */
import { type Book, usageIsReplaced } from "../config/book.ts";
import { entityOf } from "../config/entities.ts";
import { basesOf, type KpiDefinition } from "../config/kpi.ts";
import { readModels } from "../models/header.ts";
import type { Model } from "../models/model.ts";
import { builder, compile } from "../warehouse/compiler.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import { type Group, groupKpis, isUsage, tableOf } from "./columns.ts";
import { occurredOn } from "./facts.ts";
import { type AnyBuilder, filterSql } from "./filter.ts";
import { type AnyQuery, withSteps } from "./pieces.ts";
import { accountFlag, readsUsers } from "./usage-filter.ts";

/**
 * - features.kpi_week: per KPI and week accounts, values, coverage, zeros and quantiles; features.scored_week, the snapshots that it looks at;
 * - features.kpi_input_day, features.kpi_input_week, features.kpi_input: the rows that each KPI reads, by day, by week, in short;
 * - features.source_day, features.source_week: the rows of each source.
 */
export async function qualityNodes(
  kpis: readonly KpiDefinition[],
  book: Book,
  inputs: readonly KpiDefinition[] = [],
): Promise<readonly Model[]> {
  const all = new Map([...kpis, ...inputs].map((kpi) => [kpi.id, kpi]));
  const bases = [...new Set(kpis.flatMap((kpi) => basesOf(kpi, all)))];
  const grouped = groupKpis(bases, book);
  const [first, ...others] = grouped.filter(isUsage);
  const usage = first && { ...first, kpis: [first, ...others].flatMap((group) => group.kpis) };
  const groups = [...(usage === undefined ? [] : [usage]), ...grouped.filter((group) => !isUsage(group))];
  return [
    ...(usage === undefined ? [] : [usageInputDay(usage, usageIsReplaced(book))]),
    kpiInputDay(kpis, all, groups),
    scoredWeek,
    kpiWeek(kpis),
    sourceDay(book),
    ...(await readModels("features")),
  ];
}

function table(
  name: string,
  grain: readonly string[],
  depends: readonly string[],
  sql: string,
  params: readonly string[] = [],
): Model {
  return { kind: "table", name, grain, depends, params, audits: [], portable: false, sql: sql.trim() };
}

/** The conditions of a filter that hold for good: one on a column with a date of its own changes its mind on that day. */
function lasting(kpi: KpiDefinition, group: Group): Pick<KpiDefinition, "filter"> {
  const filter = Object.fromEntries(
    Object.entries(kpi.filter).filter(([name]) => group.columns.get(name)?.datedBy === undefined),
  );
  return { filter };
}

/** features.usage_input_day: per day of use the events that each KPI of usage reads. Where users decide, all events. */
function usageInputDay(group: Group, isReplaced: boolean): Model {
  const events = (eb: AnyBuilder, kpi: KpiDefinition) => {
    const flag = accountFlag(kpi);
    if (flag !== undefined) return readsUsers(kpi) ? eb.ref("n_events") : eb.ref(flag);
    const filter = filterSql(eb, kpi, group.columns);
    return filter === undefined ? eb.ref("n_events") : eb.case().when(filter).then(eb.ref("n_events")).else(0).end();
  };
  const days: AnyQuery = builder.selectFrom("rollup.account_day");
  const amounts = ["n_events", ...new Set(group.kpis.flatMap((kpi) => accountFlag(kpi) ?? []))];
  // Of a day there are few events and many accounts: the accounts are added up once, and not for each KPI.
  const eventDay = (isReplaced ? days.where("superseded_on", "is", null) : days)
    .select((eb: AnyBuilder) => [
      "activity_date",
      "event",
      ...amounts.map((name) => eb.cast(eb.fn.sum(name), "bigint").as(name)),
    ])
    .where("account_id", "is not", null)
    .groupBy(["activity_date", "event"]);
  const query = withSteps([["event_day", eventDay]], (from) => from.selectFrom("event_day"))
    .select((eb: AnyBuilder) => [
      "activity_date",
      ...group.kpis.map((kpi) => eb.cast(eb.fn.sum(events(eb, kpi)), "bigint").as(kpi.id)),
    ])
    .groupBy("activity_date");
  return {
    kind: "table",
    name: "features.usage_input_day",
    grain: ["activity_date"],
    depends: ["rollup.account_day"],
    params: [],
    audits: [],
    portable: true,
    sql: compile(query),
  };
}

/**
 * features.kpi_input_day: per KPI and day before as_of the rows about that day which it reads, where there are any. Of a row
 * with several versions the one that stands counts. A KPI of KPIs reads what they read.
 */
function kpiInputDay(
  kpis: readonly KpiDefinition[],
  all: ReadonlyMap<string, KpiDefinition>,
  groups: readonly Group[],
): Model {
  const parts = groups.flatMap((group): readonly string[] => {
    const ids = group.kpis.map(({ id }) => quoteIdentifier(id)).join(", ");
    if (isUsage(group)) {
      return [
        `select kpi as base, activity_date, n_rows from (from features.usage_input_day unpivot (n_rows for kpi in (${ids})))`,
      ];
    }
    const days: AnyQuery = builder
      .selectFrom(`staging.${group.entity.id}`)
      .select((eb: AnyBuilder) => [
        occurredOn(eb, group).as("activity_date"),
        ...group.kpis.map((kpi) => {
          const filter = filterSql(eb, { ...kpi, ...lasting(kpi, group) }, group.columns);
          const rows = filter === undefined ? eb.val(1) : eb.case().when(filter).then(1).else(0).end();
          return eb.cast(eb.fn.sum(rows), "bigint").as(kpi.id);
        }),
      ])
      .where("superseded_on", "is", null)
      .where("account_id", "is not", null)
      .groupBy((eb: AnyBuilder) => occurredOn(eb, group));
    return [
      `select kpi as base, activity_date, n_rows from (from (${compile(days)}) unpivot (n_rows for kpi in (${ids})))`,
    ];
  });
  const read = kpis.flatMap((kpi) => basesOf(kpi, all).map((base) => `(${literal(kpi.id)}, ${literal(base.id)})`));
  const depends = groups.map((group) => (isUsage(group) ? "features.usage_input_day" : `staging.${group.entity.id}`));
  const grain = ["kpi", "activity_date"];
  if (parts.length === 0) {
    return table(
      "features.kpi_input_day",
      grain,
      [],
      "select cast(null as varchar) as kpi, cast(null as date) as activity_date, cast(null as bigint) as n_rows where false",
    );
  }
  return table(
    "features.kpi_input_day",
    grain,
    depends,
    `
with base_day as (
${parts.join("\nunion all\n")}
),
base_of (kpi, base) as (
values ${read.join(", ")}
)
select
  base_of.kpi,
  base_day.activity_date,
  cast(sum(base_day.n_rows) as bigint) as n_rows
from base_day
join base_of on base_of.base = base_day.base
cross join meta.params
where base_day.n_rows > 0 and base_day.activity_date < as_of
group by base_of.kpi, base_day.activity_date
order by base_of.kpi, base_day.activity_date`,
    ["as_of"],
  );
}

/** features.scored_week: per week (its Monday) its last scored snapshot. */
const scoredWeek: Model = table(
  "features.scored_week",
  ["snapshot_date"],
  ["spine.snapshot"],
  `
select
  cast(date_trunc('week', snapshot_date) as date) as week,
  max(snapshot_date) as snapshot_date
from spine.snapshot
where is_scored
group by week
order by week`,
);

const quantiles = [0.05, 0.25, 0.5, 0.75, 0.95] as const;

/**
 * features.kpi_week: per KPI and week (its Monday) what the last scored snapshot of the week shows. coverage: the share of the
 * accounts that have a value; share_zero, the smallest and largest value and the quantiles (values that occur: of two middle
 * ones the lower) are over the values, and null when there are none.
 */
function kpiWeek(kpis: readonly KpiDefinition[]): Model {
  const ranks = quantiles.map(
    (_, i) => `q[${i + 1}] as p${String(Math.round((quantiles[i] as number) * 100)).padStart(2, "0")}`,
  );
  const parts = kpis.map((kpi, i) => {
    const value = `kpi.${quoteIdentifier(kpi.id)}`;
    return `select
  ${i + 1} as kpi_no,
  cast(${literal(kpi.id)} as varchar) as kpi,
  week.week,
  week.snapshot_date,
  count(*) as n_accounts,
  count(${value}) as n_values,
  count(*) filter (where ${value} = 0) as n_zero,
  min(${value}) as low,
  quantile_disc(${value}, [${quantiles.join(", ")}]) as q,
  max(${value}) as high
from ${tableOf(kpi)} as kpi
join features.scored_week as week on week.snapshot_date = kpi.snapshot_date
group by week.week, week.snapshot_date`;
  });
  const none = `select
  0 as kpi_no, cast(null as varchar) as kpi, week.week, week.snapshot_date, 0 as n_accounts, 0 as n_values, 0 as n_zero,
  0e0 as low, [0e0] as q, 0e0 as high
from features.scored_week as week
where false`;
  return table(
    "features.kpi_week",
    ["kpi", "snapshot_date"],
    ["features.scored_week", ...new Set(kpis.map(tableOf))],
    `
with summed as (
${(parts.length === 0 ? [none] : parts).join("\nunion all\n")}
)
select
  kpi,
  week,
  snapshot_date,
  n_accounts,
  n_values,
  twelve_digits(n_values / n_accounts) as coverage,
  n_zero,
  case when n_values > 0 then twelve_digits(n_zero / n_values) end as share_zero,
  low,
  ${ranks.join(",\n  ")},
  high
from summed
order by kpi_no, week`,
  );
}

/**
 * features.source_day: per source and day before as_of the rows about that day. Appended rows as they were delivered; of tables
 * that are delivered whole the rows that stand.
 */
function sourceDay(book: Book): Model {
  const appended = Object.entries(book.sources).filter(([, { mode }]) => mode === "append");
  const whole = Object.entries(book.sources).filter(([, { mode, entity }]) => {
    const { kind, eventColumns } = entityOf(entity);
    return mode !== "append" && kind !== "map" && eventColumns.length > 0;
  });
  const parts = whole.map(([id, { entity }]) => {
    const days = entityOf(entity).eventColumns.map((name) => `cast(${quoteIdentifier(name)} as date)`);
    const day = days.length === 1 ? days[0] : `least(${days.join(", ")})`;
    return (
      `select source, cast(${literal(entity)} as varchar) as entity, ${day} as activity_date, count(*) as n_rows\n` +
      `from staging.${quoteIdentifier(entity)}\nwhere source = ${literal(id)} and superseded_on is null\ngroup by 1, 2, 3`
    );
  });
  const ids = appended.map(([id]) => literal(id)).join(", ");
  const delivered =
    "select source, entity, event_day as activity_date, cast(sum(n_rows) as bigint) as n_rows\n" +
    `from raw.source_day\nwhere ${ids === "" ? "false" : `source in (${ids})`}\ngroup by 1, 2, 3`;
  return table(
    "features.source_day",
    ["source", "activity_date"],
    ["raw.source_day", ...new Set(whole.map(([, { entity }]) => `staging.${entity}`))],
    `
with day as (
${[delivered, ...parts].join("\nunion all\n")}
)
select
  source,
  entity,
  activity_date,
  n_rows
from day
cross join meta.params
where activity_date < as_of
order by source, activity_date`,
    ["as_of"],
  );
}
