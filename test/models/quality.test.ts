/** What the data behind KPIs and sources look like: every expected number counted by hand. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { featureNodes } from "../../pipelines/features/compile.ts";
import { parseKpi, readLibraryKpi } from "../../pipelines/features/library.ts";
import { qualityNodes } from "../../pipelines/features/quality.ts";
import { readModels } from "../../pipelines/models/header.ts";
import type { Database } from "../../pipelines/warehouse/database.ts";
import { build, openGiven, smallBook } from "../small-warehouse.ts";

/** Logins of account a on the Mondays from 2024-01-01 on; none in the week of 12 February. */
const weekly = [100, 120, 110, 130, 500, 520, 0, 125, 90];
const monday = (i: number): string => new Date(Date.UTC(2024, 0, 1 + 7 * i)).toISOString().slice(0, 10);
const dayAfter = (day: string): string => new Date(Date.parse(day) + 86_400_000).toISOString().slice(0, 10);

const logins = weekly.flatMap((n, i) =>
  n === 0
    ? []
    : [{ account_id: "a", activity_date: monday(i), visible_on: dayAfter(monday(i)), event: "login", n_events: n }],
);
/** Opened on 1, 1 and 5 February, the last one by nobody's account; the first has two versions. */
const tickets = [
  {
    account_id: "a",
    ticket_id: "t1",
    opened_at: "2024-02-01 09:00:00",
    visible_on: "2024-02-02",
    superseded_on: "2024-02-20",
  },
  {
    account_id: "a",
    ticket_id: "t1",
    opened_at: "2024-02-01 09:00:00",
    closed_at: "2024-02-10 09:00:00",
    visible_on: "2024-02-20",
  },
  { account_id: "b", ticket_id: "t2", opened_at: "2024-02-01 11:00:00", visible_on: "2024-02-02" },
  { account_id: null, ticket_id: "t3", opened_at: "2024-02-05 11:00:00", visible_on: "2024-02-06" },
  { account_id: "b", ticket_id: "t4", opened_at: "2024-02-19 11:00:00", visible_on: "2024-02-20" },
  // Dated after as_of: not counted.
  { account_id: "b", ticket_id: "t5", opened_at: "2024-03-04 11:00:00", visible_on: "2024-03-05" },
];
const paying = (account_id: string, started_on: string) => ({
  account_id,
  subscription_id: account_id,
  started_on,
  visible_on: dayAfter(started_on),
});

let database: Database;
beforeAll(async () => {
  database = await openGiven(
    {
      "rollup.account_day": logins,
      "staging.ticket": tickets,
      "staging.subscription": [paying("a", "2024-01-01"), paying("b", "2024-01-01"), paying("c", "2024-02-20")],
    },
    { as_of: "2024-03-04" },
  );
  await database.run(
    "create schema raw; create table raw.source_day (source varchar, entity varchar, event_day date, known_day date, n_rows bigint)",
  );
  // Usage as delivered; of a table that is delivered whole every delivery counts here, and once in the result.
  await database.run(`insert into raw.source_day
    select 'usage_event', 'usage_event', activity_date, visible_on, n_events from rollup.account_day
    union all select 'usage_event', 'usage_event', date '2024-01-01', date '2024-01-09', 7
    union all select 'ticket', 'ticket', date '2024-02-01', null, 40`);
  const base = await smallBook();
  const book = {
    ...base,
    sources: { ...base.sources, ticket: { ...base.sources.ticket, mode: "snapshot" as const } },
  } as typeof base;
  const open = await readLibraryKpi("open_tickets");
  const kpis = [
    await readLibraryKpi("logins_28d"),
    { ...open, null_rule: { ...open.null_rule, feed_gap_days: null } },
    parseKpi(
      {
        id: "logins_per_ticket",
        label: "Logins per ticket",
        description: "for a test",
        factor: "control",
        kind: "objective",
        side: "reactive",
        unit: "logins",
        measure: "ratio",
        numerator: "logins_28d",
        denominator: "open_tickets",
        zero_denominator: "not_applicable",
        healthier: "tested",
        says: { less: "had less", more: "had more" },
      },
      "logins_per_ticket",
    ),
  ];
  const nodes = [...(await readModels("spine")), ...featureNodes(kpis, book), ...(await qualityNodes(kpis, book))];
  await build(database, nodes, ["raw.source_day"]);
});
afterAll(() => database.close());

describe("features.kpi_week", () => {
  it("counts accounts, values and zeros of the last scored snapshot of each week, and gives the spread", async () => {
    const rows = await database.query("from features.kpi_week where kpi = 'logins_28d' order by week");
    expect(rows.map((row) => row.week)).toEqual([4, 5, 6, 7, 8, 9].map(monday));
    // On 26 February: a has 500 + 520 + 0 + 125, b none, c is too young to have a value.
    expect(rows[4]).toEqual({
      kpi: "logins_28d",
      week: "2024-02-26",
      snapshot_date: "2024-02-26",
      n_accounts: 3,
      n_values: 2,
      coverage: 0.666666666667,
      n_zero: 1,
      share_zero: 0.5,
      low: 0,
      p05: 0,
      p25: 0,
      p50: 0,
      p75: 1145,
      p95: 1145,
      high: 1145,
    });
  });

  it("has no share and no quantile where nobody has a value", async () => {
    const rows = await database.query(
      "select week, n_accounts, n_values, coverage, share_zero, low, p50, high from features.kpi_week where kpi = 'logins_per_ticket' order by week limit 1",
    );
    const nobody = { n_values: 0, coverage: 0, share_zero: null, low: null, p50: null, high: null };
    expect(rows).toEqual([{ week: "2024-01-29", n_accounts: 2, ...nobody }]);
  });
});

describe("features.kpi_input", () => {
  it("gives first and last day, days without rows, the longest gap and the steps", async () => {
    const rows = await database.query("from features.kpi_input where kpi = 'logins_28d'");
    // 57 days from 1 January to 26 February, 8 of them with rows; none from 6 to 18 February.
    expect(rows).toEqual([
      {
        kpi: "logins_28d",
        first_on: "2024-01-01",
        last_on: "2024-02-26",
        n_rows: 1695,
        n_days: 8,
        n_days_without: 49,
        longest_gap_days: 13,
        gap_from: "2024-02-06",
        n_steps: 2,
        last_step: "2024-02-12",
      },
    ]);
  });

  it("counts the version of a row that stands, and no condition that changes with time", async () => {
    const rows = await database.query(
      "select activity_date, n_rows from features.kpi_input_day where kpi = 'open_tickets' order by 1",
    );
    expect(rows).toEqual([
      { activity_date: "2024-02-01", n_rows: 2 },
      { activity_date: "2024-02-19", n_rows: 1 },
    ]);
  });

  it("of a KPI of KPIs counts what they read", async () => {
    const rows = await database.query(
      "select kpi, n_rows, n_days from features.kpi_input where kpi <> 'logins_28d' order by kpi",
    );
    expect(rows).toEqual([
      { kpi: "logins_per_ticket", n_rows: 1698, n_days: 9 },
      { kpi: "open_tickets", n_rows: 3, n_days: 2 },
    ]);
  });
});

describe("steps in volume", () => {
  it("are the first of the weeks above twice, or below half, of the median of the eight weeks before", async () => {
    const rows = await database.query(
      "select week, n_rows, usual_rows, volume, step from features.kpi_input_week where kpi = 'logins_28d' order by week",
    );
    const week = (i: number, usual_rows: number | null, volume: string | null, step: string | null) => ({
      week: monday(i),
      n_rows: weekly[i],
      usual_rows,
      volume,
      step,
    });
    expect(rows).toEqual([
      week(0, null, null, null),
      week(1, null, null, null),
      week(2, null, null, null),
      week(3, null, null, null),
      week(4, 110, "high", "up"),
      week(5, 120, "high", null),
      week(6, 120, "low", "down"),
      week(7, 120, "usual", null),
      week(8, 120, "usual", null),
    ]);
  });

  it("are told per source, too: appended rows as delivered, of whole tables the rows that stand", async () => {
    const rows = await database.query(
      "select source, week, n_rows, step from features.source_week where n_rows > 0 order by source, week",
    );
    expect(rows.filter(({ source }) => source === "ticket")).toEqual([
      { source: "ticket", week: "2024-02-05", n_rows: 1, step: null },
      { source: "ticket", week: "2024-02-19", n_rows: 1, step: null },
    ]);
    expect(rows.filter(({ source }) => source === "usage_event").slice(0, 5)).toEqual([
      { source: "usage_event", week: "2024-01-01", n_rows: 107, step: null },
      { source: "usage_event", week: "2024-01-08", n_rows: 120, step: null },
      { source: "usage_event", week: "2024-01-15", n_rows: 110, step: null },
      { source: "usage_event", week: "2024-01-22", n_rows: 130, step: null },
      { source: "usage_event", week: "2024-01-29", n_rows: 500, step: "up" },
    ]);
  });
});
