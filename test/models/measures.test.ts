/** Every measure on a few rows, against values worked out by hand. Snapshots are looked at on 3 June 2024, a Monday and as_of. */
import { afterEach, describe, expect, it } from "vitest";
import type { KpiDefinition } from "../../pipelines/config/kpi.ts";
import { parseKpi } from "../../pipelines/features/library.ts";
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
