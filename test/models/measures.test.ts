/** Every measure on a few rows, against values worked out by hand. Snapshots are looked at on 3 June 2024, a Monday and as_of. */
import { afterEach, describe, expect, it } from "vitest";
import type { KpiDefinition } from "../../pipelines/config/kpi.ts";
import { featureNodes } from "../../pipelines/features/compile.ts";
import { parseKpi } from "../../pipelines/features/library.ts";
import type { Model } from "../../pipelines/models/model.ts";
import type { Database } from "../../pipelines/warehouse/database.ts";
import { buildFeatures, type GivenTables, smallBook } from "../small-warehouse.ts";

let database: Database | undefined;
afterEach(() => {
  database?.close();
  database = undefined;
});

const define = (kpi: Readonly<Record<string, unknown>>): KpiDefinition =>
  parseKpi(
    {
      label: String(kpi.id),
      description: "for a test",
      factor: "control",
      kind: "objective",
      side: "reactive",
      unit: "things",
      healthier: "tested",
      says: { less: "had less", more: "had more" },
      ...kpi,
    },
    String(kpi.id),
  );

const dayAfter = (day: string): string =>
  new Date(Date.parse(day.slice(0, 10)) + 86_400_000).toISOString().slice(0, 10);

type Row = Readonly<Record<string, string | number | boolean | null>>;

const pays = (account_id: string, started_on = "2023-01-01", more: Row = {}): Row => ({
  account_id,
  subscription_id: `${account_id}${started_on}`,
  started_on,
  visible_on: dayAfter(started_on),
  ...more,
});
const used = (account_id: string, day: string, more: Row = {}): Row => ({
  account_id,
  event_time: `${day} 12:00:00`,
  event: "login",
  visible_on: dayAfter(day),
  ...more,
});
const ticket = (account_id: string, day: string, more: Row = {}): Row => ({
  account_id,
  opened_at: `${day} 12:00:00`,
  visible_on: dayAfter(day),
  ...more,
});

/** What each account has on a date: its values in the order of the KPIs, or the reasons. One KPI: no list. */
async function values(
  kpis: KpiDefinition | readonly KpiDefinition[],
  given: GivenTables,
  s = "2024-06-03",
  inputs: readonly KpiDefinition[] = [],
): Promise<Record<string, unknown>> {
  const list = Array.isArray(kpis) ? (kpis as readonly KpiDefinition[]) : [kpis as KpiDefinition];
  database?.close();
  database = await buildFeatures(given, list, {}, smallBook(), inputs);
  const rows = await database.query<Record<string, unknown> & { account_id: string }>(
    `select * from features.account_kpi where snapshot_date = date '${s}' order by account_id`,
  );
  const missing = await database.query<{ account_id: string; kpi: string; why: string }>(
    `select account_id, kpi, why from features.kpi_why_null where snapshot_date = date '${s}'`,
  );
  const whys = new Map(missing.map(({ account_id, kpi, why }) => [`${account_id} ${kpi}`, why]));
  for (const row of rows) {
    for (const { id } of list) expect(row[id] === null).toBe(whys.has(`${row.account_id} ${id}`));
  }
  const one = (row: Record<string, unknown>, id: string) => row[id] ?? whys.get(`${row.account_id} ${id}`);
  return Object.fromEntries(
    rows.map((row) => {
      const all = list.map(({ id }) => one(row, id));
      return [row.account_id, Array.isArray(kpis) ? all : all[0]];
    }),
  );
}

const quiet = { feed_gap_days: null };

describe("share", () => {
  const kpi = define({ id: "k", measure: "share", entity: "ticket", window_days: 30, null_rule: quiet });
  const tickets = (...days: readonly (readonly [string, string])[]) => ({
    "staging.subscription": [pays("a"), pays("b"), pays("gone", "2023-01-01", { ended_on: "2024-05-20" })],
    "staging.ticket": days.map(([account, day]) => ticket(account, day)),
  });

  it("is the account's part of all accounts that pay at s, in percent, from the first day of the look-back to the last", async () => {
    const given = tickets(
      ["a", "2024-05-04"],
      ["a", "2024-05-03"],
      ["b", "2024-06-02"],
      ["b", "2024-05-30"],
      ["gone", "2024-05-10"],
    );
    expect(await values(kpi, given)).toEqual({ a: 33.3333333333, b: 66.6666666667 });
  });

  it("does not apply when nobody has any", async () => {
    expect(await values(kpi, tickets(["gone", "2024-05-10"]))).toEqual({ a: "not_applicable", b: "not_applicable" });
  });

  it("counts what younger accounts have in the whole, though they have no value yet", async () => {
    const given = tickets(
      ["a", "2024-05-30"],
      ["young", "2024-05-30"],
      ["young", "2024-05-31"],
      ["young", "2024-06-01"],
    );
    given["staging.subscription"].push(pays("young", "2024-05-20"));
    expect(await values(kpi, given)).toEqual({ a: 25, b: 0, young: "not_yet" });
  });

  it("adds up, counts users and days of usage", async () => {
    const base = { measure: "share", entity: "usage_event", window_days: 7, null_rule: quiet };
    const given = {
      "staging.subscription": [pays("a"), pays("b")],
      "staging.usage_event": [
        used("a", "2024-06-01", { quantity: 1.5, user_id: "u1" }),
        used("a", "2024-06-01", { quantity: 0.5, user_id: "u2" }),
        used("a", "2024-05-28", { user_id: "u1" }),
        used("b", "2024-06-02", { quantity: 6, user_id: "u9" }),
      ],
    };
    const kpis = [
      define({ ...base, id: "s", of: "sum", value: "quantity" }),
      define({ ...base, id: "d", of: "distinct", value: "user_id" }),
      define({ ...base, id: "n", of: "active_days" }),
    ];
    expect(await values(kpis, given)).toEqual({
      a: [25, 66.6666666667, 66.6666666667],
      b: [75, 33.3333333333, 33.3333333333],
    });
  });
});

describe("per_seat", () => {
  it("divides by the seats that s knows, and does not apply without any", async () => {
    const kpi = define({ id: "k", measure: "per_seat", entity: "ticket", window_days: 30, null_rule: quiet });
    const given = {
      "staging.subscription": [
        pays("a", "2023-01-01", { seats: 4 }),
        pays("b"),
        pays("c", "2023-01-01", { seats: 0 }),
        pays("d", "2023-01-01", { seats: 3 }),
      ],
      "staging.ticket": ["a", "a", "a", "b", "c"].map((account) => ticket(account, "2024-05-20")),
    };
    expect(await values(kpi, given)).toEqual({ a: 0.75, b: "not_applicable", c: "not_applicable", d: 0 });
  });
});

describe("parts", () => {
  it("that several KPIs share are added up once", async () => {
    const base = { entity: "usage_event", filter: { event: "login" }, window_days: 28, null_rule: quiet };
    const kpis = [
      define({ ...base, id: "n", measure: "count" }),
      define({ ...base, id: "each", measure: "per_seat" }),
      define({ ...base, id: "part", measure: "share" }),
      define({ ...base, id: "change", measure: "trend", baseline_days: 28 }),
    ];
    const window = featureNodes(kpis, smallBook()).find(({ name }) => name === "features.usage_window") as Model;
    expect(window.sql.match(/case when event = 'login' then n_events/g)?.length).toBe(2);
    const given = {
      "staging.subscription": [pays("a", "2023-01-01", { seats: 4 })],
      "staging.usage_event": ["2024-05-01", "2024-05-20", "2024-05-21"].map((day) => used("a", day)),
    };
    expect(await values(kpis, given)).toEqual({ a: [2, 0.5, 100, 100] });
  });
});

describe("tenure_scaled", () => {
  const kpi = define({ id: "k", measure: "tenure_scaled", entity: "ticket", window_days: 28, null_rule: quiet });
  it("scales what a young account did to the whole look-back, from its fourteenth day on", async () => {
    const given = {
      "staging.subscription": [
        pays("a"),
        pays("b", "2024-05-20"),
        pays("c", "2024-05-21"),
        pays("d", "2024-05-06"),
        pays("e", "2024-05-07"),
      ],
      "staging.ticket": ["a", "b", "c", "d", "e"].map((account) => ticket(account, "2024-05-30")),
    };
    expect(await values(kpi, given)).toEqual({ a: 1, b: 2, c: "not_yet", d: 1, e: 1.03703703704 });
  });
  it("takes another youngest age", async () => {
    const given = {
      "staging.subscription": [pays("a", "2024-05-27")],
      "staging.ticket": [ticket("a", "2024-05-30")],
    };
    expect(await values({ ...kpi, min_tenure_days: 7 }, given)).toEqual({ a: 4 });
    expect(await values({ ...kpi, min_tenure_days: 8 }, given)).toEqual({ a: "not_yet" });
  });
});

describe("trend", () => {
  const trend = (more: Row = {}) =>
    define({
      id: "k",
      measure: "trend",
      entity: "usage_event",
      window_days: 7,
      baseline_days: 14,
      null_rule: quiet,
      ...more,
    });
  // The look-back is 27 May to 2 June, the baseline 13 to 26 May.
  const days = (account: string, ...list: readonly string[]) => list.map((day) => used(account, day));
  const given = {
    "staging.subscription": [
      pays("a"),
      pays("b"),
      pays("c"),
      pays("d"),
      pays("old_enough", "2024-05-13"),
      pays("young", "2024-05-14"),
    ],
    "staging.usage_event": [
      ...days("a", "2024-05-26", "2024-05-13", "2024-05-12", "2024-05-27", "2024-06-02", "2024-06-02"),
      ...days("b", "2024-05-20", "2024-05-20"),
      ...days("c", "2024-06-01"),
      ...days("old_enough", "2024-05-14", "2024-05-28"),
      ...days("young", "2024-05-14", "2024-05-28"),
    ],
  };
  it("compares the amount a day with the account's own before, both windows whole", async () => {
    // a: 3 in 7 days against 2 in 14: three times as much a day, so 200 % more.
    expect(await values(trend(), given)).toEqual({
      a: 200,
      b: -100,
      c: "not_applicable",
      d: "not_applicable",
      old_enough: 100,
      young: "not_yet",
    });
  });
  it("can call a rise from nothing zero", async () => {
    expect(await values(trend({ zero_denominator: "zero" }), given)).toMatchObject({ a: 200, b: -100, c: 0, d: 0 });
  });
  it("of days counts each once, and of sums takes decimals", async () => {
    // a: 2 days in 7 against 2 in 14.
    expect(await values(trend({ of: "active_days" }), given)).toMatchObject({ a: 100, b: -100 });
    const sums = {
      "staging.subscription": [pays("a")],
      "staging.usage_event": [
        used("a", "2024-05-20", { quantity: 0.3 }),
        used("a", "2024-06-01", { quantity: 0.1 }),
        used("a", "2024-06-02"),
      ],
    };
    // .1 / 7 against .3 / 14: two thirds.
    expect(await values(trend({ of: "sum", value: "quantity" }), sums)).toEqual({ a: -33.3333333333 });
  });
  it("looks for a broken feed in the baseline, too", async () => {
    const kpi = define({
      id: "k",
      measure: "trend",
      entity: "usage_event",
      window_days: 7,
      baseline_days: 14,
      null_rule: { feed_gap_days: 10 },
    });
    const fed = {
      "staging.subscription": [pays("a")],
      "staging.usage_event": ["2024-05-24", "2024-05-28", "2024-06-02"].map((day) => used("a", day)),
    };
    expect(await values(kpi, fed)).toEqual({ a: "feed_broken" });
    // From 13 to 23 May there are 11 days of silence.
    expect(await values({ ...kpi, null_rule: { ...kpi.null_rule, feed_gap_days: 12 } }, fed)).toEqual({ a: 300 });
  });
});

describe("slope", () => {
  const slope = (more: Row = {}) =>
    define({ id: "k", measure: "slope", entity: "usage_event", window_days: 5, null_rule: quiet, ...more });
  const subscriptions = [pays("a"), pays("b"), pays("c")];
  it("is the least-squares slope of the daily amounts, days without rows included, in percent of their mean a week", async () => {
    const given = {
      "staging.subscription": subscriptions,
      "staging.usage_event": [
        // 29 May to 2 June: 1 0 2 0 3. Mean 1.2; sum of (d - 3) n is -2 + 6 = 4, over 10: slope .4; 700 * .4 / 1.2.
        ...["2024-05-29", "2024-05-31", "2024-05-31", "2024-06-02", "2024-06-02", "2024-06-02"].map((day) =>
          used("a", day),
        ),
        used("a", "2024-05-28"),
        // Two days are too few.
        ...["2024-05-29", "2024-06-02", "2024-06-02"].map((day) => used("b", day)),
      ],
    };
    expect(await values(slope(), given)).toEqual({ a: 233.333333333, b: "not_applicable", c: "not_applicable" });
    expect(await values(slope({ min_active_days: 2 }), given)).toMatchObject({
      // 1 0 0 0 2: slope (-2 + 4) / 10, mean .6.
      b: 233.333333333,
    });
    // Days: 1 0 1 0 1.
    expect(await values(slope({ of: "active_days" }), given)).toMatchObject({ a: 0 });
  });
  it("of sums and of facts", async () => {
    const given = {
      "staging.subscription": subscriptions,
      "staging.usage_event": [
        used("a", "2024-05-29", { quantity: 0.3 }),
        used("a", "2024-05-30", { quantity: 0.2 }),
        used("a", "2024-05-31", { quantity: 0.1 }),
        used("b", "2024-05-29", { quantity: 1 }),
        used("b", "2024-05-30", { quantity: -1 }),
        used("b", "2024-05-31"),
      ],
      "staging.ticket": ["2024-05-29", "2024-05-30", "2024-05-31", "2024-05-31"].map((day) => ticket("a", day)),
    };
    const kpis = [
      slope({ of: "sum", value: "quantity" }),
      define({ id: "t", measure: "slope", entity: "ticket", window_days: 5, null_rule: quiet }),
    ];
    // .3 .2 .1 0 0: (-.6 - .2) / 10 = -.08, mean .12. Tickets 1 1 2 0 0: (-2 - 1) / 10 = -.3, mean .8.
    expect(await values(kpis, given)).toEqual({
      a: [-466.666666667, -262.5],
      b: ["not_applicable", "not_applicable"],
      c: ["not_applicable", "not_applicable"],
    });
  });
});

describe("decay", () => {
  it("lets a row count 1 on the day before s and nothing W days before", async () => {
    const base = { entity: "usage_event", window_days: 11, decay: "linear", null_rule: quiet };
    const given = {
      "staging.subscription": [pays("a"), pays("b"), pays("c")],
      "staging.usage_event": [
        used("a", "2024-06-02"),
        used("a", "2024-06-01", { quantity: 3 }),
        used("a", "2024-05-23"),
        used("a", "2024-05-22"),
        used("b", "2024-05-23"),
      ],
    };
    const count = define({ ...base, id: "n", measure: "count" });
    const sum = define({ ...base, id: "q", measure: "sum", value: "quantity" });
    const known = define({ ...base, id: "o", measure: "count", null_rule: { ...quiet, no_rows: "not_applicable" } });
    expect(await values([count, sum, known], given)).toEqual({
      a: [1.9, 2.7, 1.9],
      b: [0, 0, 0],
      c: [0, 0, "not_applicable"],
    });
    const tickets = { ...given, "staging.usage_event": [], "staging.ticket": [ticket("a", "2024-05-28")] };
    expect(await values(define({ ...base, id: "t", measure: "count", entity: "ticket" }), tickets)).toMatchObject({
      a: 0.5,
    });
  });
});

describe("time_to_first", () => {
  it("counts the days from the paid period's start to the first row, once it has happened", async () => {
    const kpi = define({ id: "k", measure: "time_to_first", entity: "usage_event", filter: { event: "invoice_sent" } });
    const first = (account: string, day: string, more: Row = {}) =>
      used(account, day, { event: "invoice_sent", ...more });
    const given = {
      "staging.subscription": [
        ...["a", "before", "never", "late"].map((account) => pays(account, "2024-04-01")),
        pays("again", "2023-01-01", { ended_on: "2023-06-01" }),
        pays("again", "2024-04-01"),
      ],
      "staging.usage_event": [
        first("a", "2024-05-20"),
        first("a", "2024-04-11"),
        used("a", "2024-04-02"),
        first("before", "2024-03-20"),
        first("never", "2024-06-02", { event: "login" }),
        first("late", "2024-05-01", { visible_on: "2024-06-04" }),
        first("late", "2024-06-02"),
        first("again", "2024-04-05"),
        first("again", "2023-02-01"),
      ],
    };
    expect(await values(kpi, given)).toEqual({ a: 10, again: 0, before: 0, late: 62, never: "not_yet" });
    expect(await values(kpi, given, "2024-04-15")).toMatchObject({ a: 10, late: "not_yet" });
    expect(await values(kpi, given, "2024-04-08")).toMatchObject({ a: "not_yet" });
  });

  it("from the account's creation where s knows it, of rows that may be withdrawn", async () => {
    const kpi = define({ id: "k", measure: "time_to_first", entity: "ticket", from: "account_created" });
    const given = {
      "staging.subscription": [pays("a", "2024-04-01"), pays("b", "2024-04-01"), pays("c", "2024-04-01")],
      "staging.account": [
        { account_id: "a", created_at: "2024-03-01 09:00:00", visible_on: "2024-03-02" },
        { account_id: "c", created_at: "2024-05-30 09:00:00", visible_on: "2024-05-31" },
      ],
      "staging.ticket": [
        ticket("a", "2024-04-10", { superseded_on: "2024-05-20" }),
        ticket("a", "2024-04-20"),
        ticket("b", "2024-04-20"),
        ticket("c", "2024-04-20"),
      ],
    };
    expect(await values(kpi, given, "2024-05-13")).toEqual({ a: 40, b: "not_applicable", c: "not_applicable" });
    expect(await values(kpi, given)).toEqual({ a: 50, b: "not_applicable", c: 0 });
  });
});

describe("days_since and first", () => {
  it("take rows that were withdrawn since, as long as they stood", async () => {
    const kpi = define({ id: "k", measure: "days_since", entity: "ticket" });
    const given = {
      "staging.subscription": [pays("a"), pays("b")],
      "staging.ticket": [
        ticket("a", "2024-05-10"),
        ticket("a", "2024-05-15", { superseded_on: "2024-06-02" }),
        ticket("b", "2024-05-16", { superseded_on: "2024-06-02" }),
      ],
    };
    expect(await values(kpi, given, "2024-05-27")).toEqual({ a: 12, b: 11 });
    expect(await values(kpi, given)).toEqual({ a: 24, b: "not_yet" });
  });
});

describe("milestone", () => {
  const given = {
    "staging.subscription": [pays("a"), pays("b"), pays("c")],
    "staging.milestone": [
      // On its day; a day late; 10 days early and due only later; open for 33 days; expected on s, so not yet before it.
      { milestone: "kickoff", expected_on: "2024-01-10", reached_on: "2024-01-10" },
      { milestone: "import", expected_on: "2024-02-10", reached_on: "2024-02-11" },
      { milestone: "early", expected_on: "2024-05-20", reached_on: "2024-05-10" },
      { milestone: "training", expected_on: "2024-05-01", reached_on: null },
      { milestone: "rollout", expected_on: "2024-06-03", reached_on: null, visible_on: "2024-02-01" },
      { milestone: "unplanned", expected_on: null, reached_on: "2024-02-01" },
    ]
      .map((row) => ({ account_id: "a", visible_on: dayAfter(row.reached_on ?? row.expected_on ?? ""), ...row }))
      .concat([
        {
          account_id: "b",
          milestone: "kickoff",
          expected_on: "2024-06-02",
          reached_on: "2024-06-03",
          visible_on: "2024-06-03",
        },
      ]),
  };
  const kpi = (as: string, more: Readonly<Record<string, unknown>> = {}) =>
    define({ id: as, measure: "milestone", as, ...more });
  const all = [kpi("share_on_time"), kpi("share_reached"), kpi("days_late")];

  it("looks at what was expected before s, and at what was reached before s", async () => {
    // a: 4 expected, 2 of them on time, 3 reached; late by 0, 1, 0 and 33 days.
    expect(await values(all, given)).toEqual({
      a: [50, 75, 8.5],
      b: [0, 0, 1],
      c: ["not_applicable", "not_applicable", "not_applicable"],
    });
    expect(await values(all, given, "2024-05-13")).toMatchObject({
      a: [33.3333333333, 66.6666666667, 4.33333333333],
      b: ["not_applicable", "not_applicable", "not_applicable"],
    });
  });

  it("takes a filter, and counts beside other measures of the entity", async () => {
    const kpis = [
      kpi("days_late", { filter: { milestone: ["training", "import"] } }),
      define({ id: "n", measure: "count", entity: "milestone", null_rule: { ...quiet, tenure: "any" } }),
    ];
    expect(await values(kpis, given)).toMatchObject({ a: [17, 6], b: ["not_applicable", 1] });
  });

  it("has a table of the milestones as the newest snapshot knows them", async () => {
    await values(all, given);
    expect(
      await database?.query(
        "select account_id, milestone, expected_on, reached_on, days_late from features.account_milestone",
      ),
    ).toEqual([
      { account_id: "a", milestone: "kickoff", expected_on: "2024-01-10", reached_on: "2024-01-10", days_late: 0 },
      { account_id: "a", milestone: "import", expected_on: "2024-02-10", reached_on: "2024-02-11", days_late: 1 },
      { account_id: "a", milestone: "training", expected_on: "2024-05-01", reached_on: null, days_late: 33 },
      { account_id: "a", milestone: "early", expected_on: "2024-05-20", reached_on: "2024-05-10", days_late: 0 },
      { account_id: "a", milestone: "rollout", expected_on: "2024-06-03", reached_on: null, days_late: null },
      { account_id: "a", milestone: "unplanned", expected_on: null, reached_on: "2024-02-01", days_late: null },
      { account_id: "b", milestone: "kickoff", expected_on: "2024-06-02", reached_on: null, days_late: 1 },
    ]);
  });
});

describe("usage filtered on any column", () => {
  const given = {
    "staging.subscription": [pays("a"), pays("b")],
    "staging.usage_event": [
      used("a", "2024-05-30", { user_id: "u1", quantity: 5 }),
      used("a", "2024-05-30", { user_id: "u1", quantity: 2 }),
      used("a", "2024-05-31", { user_id: "u2", quantity: 7, event: "export" }),
      used("a", "2024-06-01", { user_id: "u3", quantity: 1 }),
      used("a", "2024-06-02", { quantity: 9 }),
      used("b", "2024-06-02", { user_id: "u4" }),
      // Arrives after the snapshot.
      used("b", "2024-06-01", { user_id: "u5", quantity: 8, visible_on: "2024-06-04" }),
    ],
  };
  const base = { entity: "usage_event", window_days: 7, null_rule: quiet };
  const big = { quantity: { at_least: 5 } };
  it("counts, adds up, dates and lists what passes", async () => {
    const kpis = [
      define({ ...base, id: "n", measure: "count", filter: big }),
      define({ ...base, id: "s", measure: "sum", value: "quantity", filter: { ...big, event: "login" } }),
      define({ ...base, id: "d", measure: "active_days", filter: big }),
      define({ ...base, id: "u", measure: "distinct", value: "user_id", filter: big }),
      define({ ...base, id: "e", measure: "distinct", value: "event", filter: { user_id: { not: null } } }),
      define({ ...base, id: "since", measure: "days_since", filter: { user_id: "u1" } }),
      define({ ...base, id: "logins", measure: "distinct", value: "user_id", filter: { event: "login" } }),
      define({ ...base, id: "all_events", measure: "distinct", value: "event" }),
      define({ ...base, id: "all_users", measure: "distinct", value: "user_id" }),
    ];
    expect(await values(kpis, given)).toEqual({
      a: [3, 14, 3, 2, 2, 4, 2, 2, 3],
      b: [0, 0, 0, 0, 1, "not_yet", 1, 1, 1],
    });
  });
});

describe("latest of usage", () => {
  const base = { id: "k", measure: "latest", entity: "usage_event", value: "quantity" };
  const given = {
    "staging.subscription": [pays("a"), pays("b"), pays("c"), pays("d")],
    "staging.usage_event": [
      used("zz", "2024-01-01"),
      used("a", "2024-05-20", { quantity: 5, event_time: "2024-05-20 09:00:00", event: "gauge" }),
      used("a", "2024-05-20", { quantity: 4, event_time: "2024-05-20 17:00:00", event: "gauge" }),
      used("a", "2024-05-20", { quantity: 3, event_time: "2024-05-20 17:00:00", event: "gauge" }),
      used("a", "2024-05-21", { event: "gauge" }),
      used("a", "2024-05-30", { quantity: 9, event: "other" }),
      // Of a later day, known a week after it.
      used("a", "2024-05-24", { quantity: 7, event: "gauge", visible_on: "2024-06-01" }),
      used("b", "2024-05-30", { event: "gauge" }),
      used("d", "2024-04-30", { quantity: 1, event: "gauge" }),
      used("d", "2024-05-30", { event: "gauge" }),
    ],
  };
  it("is the quantity of the latest event that has one, ties the larger", async () => {
    const kpi = define({ ...base, filter: { event: "gauge" } });
    expect(await values(kpi, given, "2024-05-27")).toEqual({ a: 4, b: "not_yet", c: "not_yet", d: 1 });
    expect(await values(kpi, given)).toEqual({ a: 7, b: "unanswered", c: "not_yet", d: 1 });
    expect(await values(define(base), given)).toMatchObject({ a: 9 });
  });
  it("forgets what has left the look-back", async () => {
    const kpi = define({ ...base, filter: { event: "gauge" }, window_days: 14 });
    expect(await values(kpi, given)).toEqual({ a: 7, b: "unanswered", c: "not_yet", d: "unanswered" });
    expect(await values({ ...kpi, window_days: 9 }, given)).toMatchObject({ a: "not_yet" });
    expect(await values({ ...kpi, window_days: 10 }, given)).toMatchObject({ a: 7 });
  });
});

describe("users", () => {
  const staff = { is_executive: true };
  const user = (account_id: string, user_id: string, more: Row = {}) => ({
    account_id,
    user_id,
    is_executive: true,
    visible_on: "2024-01-01",
    ...more,
  });
  const given = {
    "staging.subscription": [pays("a"), pays("b")],
    "staging.user": [
      user("a", "boss"),
      user("a", "clerk", { is_executive: false }),
      user("a", "left", { deactivated_at: "2024-05-31 10:00:00" }),
      // Became an executive as s sees it from 30 May on.
      user("a", "risen", { is_executive: null, superseded_on: "2024-05-30" }),
      user("a", "risen", { visible_on: "2024-05-30" }),
      user("b", "boss", { is_executive: false }),
    ],
    "staging.usage_event": [
      used("zz", "2024-01-01"),
      used("a", "2024-05-21", { user_id: "boss" }),
      used("a", "2024-05-22", { user_id: "risen" }),
      used("a", "2024-05-22", { user_id: "boss" }),
      used("a", "2024-05-23", { user_id: "left" }),
      used("a", "2024-05-24", { user_id: "clerk" }),
      used("a", "2024-05-25", { user_id: "stranger" }),
      used("a", "2024-05-26"),
      used("b", "2024-05-26", { user_id: "boss" }),
    ],
  };
  const base = { entity: "usage_event", window_days: 14, users: staff, null_rule: quiet };
  it("counts those who met the conditions and were active as s knew them", async () => {
    const kpis = [
      define({ ...base, id: "n", measure: "distinct", value: "user_id" }),
      define({ ...base, id: "d", measure: "active_days" }),
      define({ ...base, id: "w", measure: "active_days", filter: { event: "export" } }),
    ];
    expect(await values(kpis, given, "2024-05-27")).toEqual({ a: [2, 3, 0], b: [0, 0, 0] });
    // risen counts now, left no more: boss on 21 and 22, risen on 22.
    expect(await values(kpis, given)).toEqual({ a: [2, 2, 0], b: [0, 0, 0] });
  });
  it("weighs their days in a slope, per seat and against the whole", async () => {
    const seats = { ...given, "staging.subscription": [pays("a", "2023-01-01", { seats: 4 }), pays("b")] };
    const kpis = [
      define({ ...base, id: "s", measure: "slope", of: "active_days", window_days: 13, min_active_days: 2 }),
      define({ ...base, id: "p", measure: "per_seat", of: "distinct", value: "user_id" }),
      define({ ...base, id: "q", measure: "share", of: "distinct", value: "user_id" }),
    ];
    // Days 1 and 2 of 13: (-6 - 5) / 182; mean 2 / 13.
    expect(await values(kpis, seats)).toEqual({
      a: [-275, 0.5, 100],
      b: ["not_applicable", "not_applicable", 0],
    });
  });
  it("has no value while no row names a user", async () => {
    const kpi = define({ ...base, id: "n", measure: "distinct", value: "user_id" });
    const unnamed = { ...given, "staging.usage_event": [used("a", "2024-05-26")] };
    expect(await values(kpi, unnamed)).toEqual({ a: "not_applicable", b: "not_applicable" });
  });
});

describe("KPIs of KPIs", () => {
  const count = (id: string, entity: string) =>
    define({ id, measure: "count", entity, window_days: 28, null_rule: quiet });
  const tickets = count("tickets", "ticket");
  const plays = count("plays", "play");
  const rating = define({ id: "rating", measure: "latest", entity: "csm_rating", value: "rating" });
  const ratio = (id: string, numerator: string, denominator: string, zero: string, times = 1) =>
    define({ id, measure: "ratio", numerator, denominator, zero_denominator: zero, times });
  const expression = (id: string, text: string) => define({ id, measure: "expression", expression: text });
  const given = {
    "staging.subscription": [pays("a"), pays("b"), pays("c"), pays("young", "2024-05-20")],
    "staging.ticket": ["a", "a", "a", "b"].map((account) => ticket(account, "2024-05-20")),
    "staging.play": ["a", "a", "a", "a", "a", "a", "a"].map((account) => ({
      account_id: account,
      started_on: "2024-05-20",
      visible_on: "2024-05-21",
    })),
    "staging.csm_rating": [{ account_id: "a", rated_at: "2024-05-01 10:00:00", rating: 2.5, visible_on: "2024-05-02" }],
  };

  it("ratio divides, says what zero means, and passes on the first reason", async () => {
    const kpis = [
      tickets,
      ratio("r", "tickets", "plays", "not_applicable"),
      ratio("z", "tickets", "plays", "zero", 100),
      ratio("m", "rating", "tickets", "zero"),
      ratio("n", "tickets", "rating", "zero"),
    ];
    expect(await values(kpis, given, "2024-06-03", [plays, rating])).toEqual({
      a: [3, 0.428571428571, 42.8571428571, 0.833333333333, 1.2],
      b: [1, "not_applicable", 0, "not_yet", "not_yet"],
      c: [0, "not_applicable", 0, "not_yet", "not_yet"],
      young: ["not_yet", "not_yet", "not_yet", "not_yet", "not_yet"],
    });
  });

  it("expression computes with the usual precedence", async () => {
    const at = async (text: string) =>
      (await values(expression("e", text), given, "2024-06-03", [tickets, plays, rating])).a;
    expect(await at("tickets + plays * 2")).toBe(17);
    expect(await at("(tickets + plays) * 2")).toBe(20);
    expect(await at("tickets - plays - 1")).toBe(-5);
    expect(await at("tickets / plays / 2")).toBe(0.214285714286);
    expect(await at("-tickets + 1e1")).toBe(7);
    expect(await at("min(tickets, plays, 1.5) + max(tickets, rating)")).toBe(4.5);
    expect(await at("abs(tickets - plays)")).toBe(4);
    expect(await at("ln(plays)")).toBe(1.94591014906);
    expect(await at("ln(tickets - 3)")).toBe("not_applicable");
    expect(await at("ln(tickets - 4)")).toBe("not_applicable");
    expect(await at("1 / (tickets - 3)")).toBe("not_applicable");
    expect(await at("coalesce(1 / (tickets - 3), 9)")).toBe(9);
    expect(await at("tickets * 1e308")).toBe("not_applicable");
    expect(await at("tickets * 1e308 * 0")).toBe("not_applicable");
  });

  it("expression has the reason of its first input without a value, unless coalesce takes it", async () => {
    const kpis = [
      expression("first", "rating * tickets"),
      expression("taken", "coalesce(rating, 0) + tickets"),
      expression("least", "min(tickets, rating)"),
      expression("twice", "coalesce(rating, 1 / tickets)"),
      expression("deeper", "first + taken * 0"),
      ratio("of_derived", "taken", "deeper", "zero"),
    ];
    expect(await values(kpis, given, "2024-06-03", [tickets, rating])).toEqual({
      a: [7.5, 5.5, 2.5, 2.5, 7.5, 0.733333333333],
      b: ["not_yet", 1, "not_yet", 1, "not_yet", "not_yet"],
      c: ["not_yet", 0, "not_yet", "not_yet", "not_yet", "not_yet"],
      young: ["not_yet", "not_yet", "not_yet", "not_yet", "not_yet", "not_yet"],
    });
  });

  it("leave their inputs out of what readers see, and name what they rest on", async () => {
    const executives = define({
      id: "x",
      measure: "distinct",
      entity: "usage_event",
      value: "user_id",
      users: { is_executive: true },
      window_days: 28,
    });
    await values([ratio("r", "tickets", "x", "zero")], given, "2024-06-03", [tickets, executives]);
    expect((await database?.describe("select * from features.account_kpi"))?.map(({ name }) => name)).toEqual([
      "account_id",
      "snapshot_date",
      "r",
    ]);
    expect(await database?.query("select distinct kpi from features.kpi_why_null")).toEqual([{ kpi: "r" }]);
    expect(await database?.query("select id, entity, formula, feature_table from features.kpi_definition")).toEqual([
      { id: "r", entity: null, formula: "tickets / x", feature_table: "features.derived" },
    ]);
    expect(await database?.query("select entity from features.kpi_source where kpi = 'r'")).toEqual([
      { entity: "ticket" },
      { entity: "usage_event" },
      { entity: "user" },
    ]);
  });

  it("may be called as a column of the spine is", async () => {
    const seats = define({ id: "seats", measure: "sum", entity: "subscription", value: "seats" });
    expect(await values(expression("tenure_days", "seats + 1"), given, "2024-06-03", [seats])).toMatchObject({ a: 1 });
  });
});

describe("every definition", () => {
  it("has a statement that computes the same values alone", async () => {
    const base = { entity: "usage_event", window_days: 28, null_rule: quiet };
    const kpis = [
      define({ ...base, id: "share", measure: "share" }),
      define({ ...base, id: "trend", measure: "trend", baseline_days: 28 }),
      define({ ...base, id: "slope", measure: "slope", null_rule: {} }),
      define({ ...base, id: "executives", measure: "distinct", value: "user_id", users: { role: "boss" } }),
      define({ id: "gauge", measure: "latest", entity: "usage_event", value: "quantity", filter: { user_id: "u" } }),
      define({ id: "first", measure: "time_to_first", entity: "ticket", from: "account_created" }),
      define({ id: "late", measure: "milestone", as: "days_late" }),
      define({ id: "quot", measure: "ratio", numerator: "share", denominator: "trend", zero_denominator: "zero" }),
      define({ id: "more", measure: "expression", expression: "ln(quot) + first" }),
    ];
    await values(kpis, {
      "staging.subscription": [pays("a"), pays("b")],
      "staging.account": [{ account_id: "a", created_at: "2023-01-01 00:00:00", visible_on: "2023-01-02" }],
      "staging.user": [{ account_id: "a", user_id: "u", role: "boss", visible_on: "2024-01-01" }],
      "staging.ticket": [ticket("a", "2024-03-01")],
      "staging.milestone": [{ account_id: "a", milestone: "m", expected_on: "2024-03-01", visible_on: "2024-03-02" }],
      "staging.usage_event": ["2024-03-29", "2024-04-10", "2024-05-10", "2024-05-20", "2024-06-01"].map((day) =>
        used("a", day, { user_id: "u", quantity: 2 }),
      ),
    });
    const definitions = (await database?.query<{ id: string; sql: string }>(
      "select id, sql from features.kpi_definition",
    )) as { id: string; sql: string }[];
    expect(definitions.length).toBe(kpis.length);
    for (const { id, sql } of definitions) {
      const whole = `select account_id, snapshot_date, ${id} from features.account_kpi`;
      expect({ id, rows: await database?.query(`(${sql}) except all (${whole})`) }).toEqual({ id, rows: [] });
      expect({ id, n: await database?.scalar(`select count(*) from (${sql})`) }).toEqual({
        id,
        n: await database?.scalar("select count(*) from features.account_kpi"),
      });
    }
  });
});
