import { afterEach, describe, expect, it } from "vitest";
import { readModels } from "../../pipelines/models/header.ts";
import type { Database } from "../../pipelines/warehouse/database.ts";
import { build, type GivenParams, type GivenTables, openGiven } from "../small-warehouse.ts";

let database: Database | undefined;
afterEach(() => {
  database?.close();
  database = undefined;
});

async function spine(given: GivenTables, params: GivenParams = {}): Promise<Database> {
  database = await openGiven(given, params);
  await build(database, await readModels("spine"));
  return database;
}

/** A subscription known from the day after it began. */
const paid = (account_id: string, started_on: string, more: Record<string, string | number | boolean | null> = {}) => ({
  subscription_id: `${account_id} ${started_on}`,
  account_id,
  started_on,
  visible_on: nextDay(started_on),
  ...more,
});

const nextDay = (iso: string): string => new Date(Date.parse(iso) + 86_400_000).toISOString().slice(0, 10);

const periods = (db: Database) =>
  db.query("select account_id, started_on, ended_on, end_reason, notice_on from spine.account_period order by 1, 2");

describe("spine.account_period", () => {
  it("joins spells up to the grace and splits them one day beyond it", async () => {
    const db = await spine({
      "staging.subscription": [
        paid("inside", "2023-01-01", { ended_on: "2023-03-01", end_reason: "pause" }),
        paid("inside", "2023-03-31", { ended_on: "2023-06-01", end_reason: "price" }),
        paid("outside", "2023-01-01", { ended_on: "2023-03-01", end_reason: "pause" }),
        paid("outside", "2023-04-01"),
      ],
    });
    expect(await periods(db)).toEqual([
      { account_id: "inside", started_on: "2023-01-01", ended_on: "2023-06-01", end_reason: "price", notice_on: null },
      { account_id: "outside", started_on: "2023-01-01", ended_on: "2023-03-01", end_reason: "pause", notice_on: null },
      { account_id: "outside", started_on: "2023-04-01", ended_on: null, end_reason: null, notice_on: null },
    ]);
  });

  it("takes overlapping subscriptions as one period, also one inside another", async () => {
    const db = await spine({
      "staging.subscription": [
        paid("a", "2023-01-01", { ended_on: "2023-12-01" }),
        paid("a", "2023-02-01", { ended_on: "2023-03-01" }),
        paid("a", "2023-12-20", { ended_on: "2024-02-29" }),
      ],
    });
    expect(await periods(db)).toMatchObject([{ started_on: "2023-01-01", ended_on: "2024-02-29" }]);
  });

  it("begins with the paid subscription that follows a trial, and leaves out who only tried", async () => {
    const db = await spine({
      "staging.subscription": [
        paid("a", "2023-01-01", { ended_on: "2023-01-15", is_trial: true }),
        paid("a", "2023-01-15"),
        paid("b", "2023-01-01", { ended_on: "2023-01-15", is_trial: true }),
      ],
    });
    expect(await periods(db)).toMatchObject([{ account_id: "a", started_on: "2023-01-15", ended_on: null }]);
  });

  it("takes an end at or after as_of as open, and the day before as an end", async () => {
    const db = await spine({
      "staging.subscription": [
        paid("a", "2023-01-01", { ended_on: "2024-06-03" }),
        paid("b", "2023-01-01", { ended_on: "2024-06-02" }),
        paid("c", "2024-06-03"),
      ],
    });
    expect(await periods(db)).toMatchObject([
      { account_id: "a", ended_on: null },
      { account_id: "b", ended_on: "2024-06-02" },
    ]);
  });

  it("dates the notice when the last subscription that runs on gets one", async () => {
    const db = await spine({
      "staging.subscription": [
        paid("a", "2023-01-01", { ended_on: "2023-06-01", notice_on: "2023-04-01" }),
        paid("a", "2023-01-02", { ended_on: "2023-05-20", notice_on: "2023-05-01" }),
        // One product is kept: nobody left.
        paid("b", "2023-01-01", { ended_on: "2023-06-01", notice_on: "2023-04-01" }),
        paid("b", "2023-01-02"),
        // Notice given, the end lies ahead.
        paid("c", "2023-01-01", { ended_on: "2024-12-31", notice_on: "2024-05-01" }),
        // A notice of the future is not known.
        paid("d", "2023-01-01", { ended_on: "2024-12-31", notice_on: "2024-06-03" }),
        // Ended without a notice after the first product was given up with one.
        paid("e", "2023-01-01", { ended_on: "2023-06-01", notice_on: "2023-04-01" }),
        paid("e", "2023-01-02", { ended_on: "2023-06-05" }),
      ],
    });
    expect(await periods(db)).toMatchObject([
      { account_id: "a", ended_on: "2023-06-01", notice_on: "2023-05-01" },
      { account_id: "b", ended_on: null, notice_on: null },
      { account_id: "c", ended_on: null, notice_on: "2024-05-01" },
      { account_id: "d", ended_on: null, notice_on: null },
      { account_id: "e", ended_on: "2023-06-05", notice_on: null },
    ]);
  });

  it("forgets a notice that was withdrawn, and one whose end passed 30 days ago while the account still pays", async () => {
    const db = await spine({
      "staging.subscription": [
        { ...paid("a", "2023-01-01", { notice_on: "2023-05-01" }), superseded_on: "2023-06-02" },
        { ...paid("a", "2023-01-01"), visible_on: "2023-06-02" },
        paid("b", "2023-01-01", { notice_on: "2024-02-01", notice_days: 93 }),
        paid("c", "2023-01-01", { notice_on: "2024-02-01", notice_days: 94 }),
      ],
    });
    expect(await periods(db)).toMatchObject([
      { account_id: "a", notice_on: null },
      { account_id: "b", notice_on: null },
      { account_id: "c", notice_on: "2024-02-01" },
    ]);
  });

  it("uses the last version of a row and ends a row that vanished with the delivery that lacked it", async () => {
    const db = await spine({
      "staging.subscription": [
        { ...paid("a", "2023-01-01"), superseded_on: "2023-09-02" },
        { ...paid("a", "2023-01-01", { ended_on: "2023-08-31" }), visible_on: "2023-09-02" },
        { ...paid("b", "2023-01-01"), superseded_on: "2023-05-01" },
        { ...paid("b", "2023-01-01", { seats: 3 }), visible_on: "2023-05-01", superseded_on: "2023-09-02" },
      ],
    });
    expect(await periods(db)).toMatchObject([
      { account_id: "a", ended_on: "2023-08-31" },
      { account_id: "b", ended_on: "2023-09-01" },
    ]);
  });

  it("leaves out rows without an account and rows that end when they begin", async () => {
    const db = await spine({
      "staging.subscription": [
        { subscription_id: "x", started_on: "2023-01-01", visible_on: "2023-01-02" },
        paid("a", "2023-01-01", { ended_on: "2023-01-01" }),
      ],
    });
    expect(await periods(db)).toEqual([]);
  });

  it("falls back to sign-up, first use and churn events in a book without subscriptions", async () => {
    const db = await spine({
      "staging.account": [
        { account_id: "a", created_at: "2023-01-01 10:00:00", visible_on: "2023-01-02" },
        { account_id: "b", visible_on: "2023-01-02" },
        { account_id: "c", visible_on: "2023-01-02" },
      ],
      "rollup.account_day": [
        { account_id: "b", activity_date: "2023-02-10", visible_on: "2023-02-11", event: "login", n_events: 1 },
      ],
      "staging.churn_event": [
        { account_id: "a", occurred_on: "2023-05-01", reason: "price", visible_on: "2023-05-02" },
        { account_id: "a", occurred_on: "2023-09-01", is_reactivation: true, visible_on: "2023-09-02" },
        { account_id: "a", occurred_on: "2024-06-03", visible_on: "2024-06-04" },
      ],
    });
    expect(await periods(db)).toEqual([
      { account_id: "a", started_on: "2023-01-01", ended_on: "2023-05-01", end_reason: "price", notice_on: null },
      { account_id: "a", started_on: "2023-09-01", ended_on: null, end_reason: null, notice_on: null },
      { account_id: "b", started_on: "2023-02-10", ended_on: null, end_reason: null, notice_on: null },
    ]);
  });
});

describe("spine.snapshot", () => {
  const used = (activity_date: string) => ({
    account_id: "a",
    activity_date,
    visible_on: nextDay(activity_date),
    event: "login",
    n_events: 1,
  });

  it("scores Mondays and as_of, validates firsts of the month, from the first date with a whole window", async () => {
    const db = await spine(
      { "staging.subscription": [paid("a", "2023-11-01")], "rollup.account_day": [used("2024-02-01")] },
      { as_of: "2024-03-13" },
    );
    // 2024-02-01 + 28 days is 29 February.
    expect(await db.query("select * from spine.snapshot")).toEqual([
      { snapshot_date: "2024-03-01", is_scored: false, is_validated: true },
      { snapshot_date: "2024-03-04", is_scored: true, is_validated: false },
      { snapshot_date: "2024-03-11", is_scored: true, is_validated: false },
      { snapshot_date: "2024-03-13", is_scored: true, is_validated: false },
    ]);
  });

  it("can score monthly and validate weekly", async () => {
    const db = await spine(
      { "staging.subscription": [paid("a", "2024-01-01")], "rollup.account_day": [used("2024-01-01")] },
      { as_of: "2024-02-06", score_every: "month", validate_every: "week" },
    );
    expect(await db.query("select * from spine.snapshot")).toEqual([
      { snapshot_date: "2024-01-29", is_scored: false, is_validated: true },
      { snapshot_date: "2024-02-01", is_scored: true, is_validated: false },
      { snapshot_date: "2024-02-05", is_scored: false, is_validated: true },
      { snapshot_date: "2024-02-06", is_scored: true, is_validated: false },
    ]);
  });

  it("has as_of alone while there is no whole window, and without any account", async () => {
    const young = await spine({
      "staging.subscription": [paid("a", "2024-05-20")],
      "rollup.account_day": [used("2024-05-20")],
    });
    expect(await young.query("select snapshot_date, is_scored from spine.snapshot")).toEqual([
      { snapshot_date: "2024-06-03", is_scored: true },
    ]);
    young.close();
    const empty = await spine({});
    expect(await empty.query("select snapshot_date from spine.snapshot")).toEqual([{ snapshot_date: "2024-06-03" }]);
    expect(await empty.query("select * from spine.account_snapshot")).toEqual([]);
  });

  it("starts with the paid periods when usage is absent, and no earlier for a stray day of use decades ago", async () => {
    const db = await spine({ "staging.subscription": [paid("a", "2024-04-01")] });
    expect(await db.scalar("select min(snapshot_date) from spine.snapshot")).toBe("2024-04-29");
    db.close();
    const stray = await spine({
      "staging.subscription": [paid("a", "2024-04-01")],
      "rollup.account_day": [used("1970-01-01"), used("2024-05-01")],
    });
    expect(await stray.scalar("select min(snapshot_date) from spine.snapshot")).toBe("2024-04-29");
  });

  it("maps every day to the first snapshot on or after it", async () => {
    const db = await spine(
      { "staging.subscription": [paid("a", "2024-01-01")], "rollup.account_day": [used("2024-01-01")] },
      { as_of: "2024-02-06" },
    );
    expect(
      await db.query(
        "select snapshot_date, count(*) as n, min(day) as first_day from spine.snapshot_day group by 1 order by 1",
      ),
    ).toEqual([
      { snapshot_date: "2024-01-29", n: 19752, first_day: "1970-01-01" },
      { snapshot_date: "2024-02-01", n: 3, first_day: "2024-01-30" },
      { snapshot_date: "2024-02-05", n: 4, first_day: "2024-02-02" },
      { snapshot_date: "2024-02-06", n: 1, first_day: "2024-02-06" },
    ]);
  });
});

describe("spine.account_snapshot", () => {
  it("has one row per paying account and date: from the start, up to the day before the end", async () => {
    const db = await spine(
      {
        "staging.subscription": [
          paid("a", "2024-01-01", { ended_on: "2024-02-05" }),
          paid("b", "2024-02-05"),
          paid("c", "2023-01-01"),
        ],
      },
      { as_of: "2024-02-06", window_days: 28 },
    );
    const rows = await db.query(
      "select account_id, min(snapshot_date) as first_on, max(snapshot_date) as last_on, min(tenure_days) as tenure from spine.account_snapshot where snapshot_date >= '2024-01-29' group by 1 order by 1",
    );
    expect(rows).toEqual([
      { account_id: "a", first_on: "2024-01-29", last_on: "2024-02-01", tenure: 28 },
      { account_id: "b", first_on: "2024-02-05", last_on: "2024-02-06", tenure: 0 },
      { account_id: "c", first_on: "2024-01-29", last_on: "2024-02-06", tenure: 393 },
    ]);
  });

  it("knows plan, money and seats only from the day on which they were visible", async () => {
    const first = { ...paid("a", "2024-01-01"), superseded_on: "2024-03-05" };
    const db = await spine(
      {
        "staging.subscription": [
          first,
          { ...first, mrr_minor: 5000, seats: 4, segment: "solo", visible_on: "2024-03-05", superseded_on: null },
          { ...paid("a", "2024-03-20"), mrr_minor: 9000, seats: 6, segment: "studio" },
        ],
      },
      { as_of: "2024-04-02" },
    );
    const rows = await db.query(
      "select snapshot_date, mrr_minor, seats, segment from spine.account_snapshot where snapshot_date in ('2024-03-04', '2024-03-11', '2024-03-25')",
    );
    expect(rows).toEqual([
      { snapshot_date: "2024-03-04", mrr_minor: null, seats: null, segment: "unknown" },
      { snapshot_date: "2024-03-11", mrr_minor: 5000, seats: 4, segment: "solo" },
      { snapshot_date: "2024-03-25", mrr_minor: 14000, seats: 10, segment: "studio" },
    ]);
  });

  it("goes on with the subscription that ended until its successor is known", async () => {
    const db = await spine(
      {
        "staging.subscription": [
          paid("a", "2024-01-01", { ended_on: "2024-03-01", mrr_minor: 100 }),
          paid("a", "2024-03-12", { mrr_minor: 200 }),
        ],
      },
      { as_of: "2024-04-02" },
    );
    expect(
      await db.query(
        "select snapshot_date, mrr_minor from spine.account_snapshot where snapshot_date between '2024-02-26' and '2024-03-18'",
      ),
    ).toEqual([
      { snapshot_date: "2024-02-26", mrr_minor: 100 },
      { snapshot_date: "2024-03-01", mrr_minor: 100 },
      { snapshot_date: "2024-03-04", mrr_minor: 100 },
      { snapshot_date: "2024-03-11", mrr_minor: 100 },
      { snapshot_date: "2024-03-18", mrr_minor: 200 },
    ]);
  });

  it("has no money in another currency, and the segment of the account where the book says so", async () => {
    const db = await spine({
      "staging.subscription": [
        paid("a", "2024-01-01", { mrr_minor: 100, currency: "USD" }),
        paid("b", "2024-01-01", { mrr_minor: 100, currency: "EUR" }),
      ],
      "staging.account": [
        { account_id: "a", segment: "public", lifecycle: "live", visible_on: "2024-01-02" },
        { account_id: "b", visible_on: "2024-01-02" },
      ],
    });
    expect(
      await db.query(
        "select account_id, mrr_minor, segment, lifecycle from spine.account_snapshot where snapshot_date = '2024-06-03' order by 1",
      ),
    ).toEqual([
      { account_id: "a", mrr_minor: 100, segment: "public", lifecycle: "live" },
      { account_id: "b", mrr_minor: null, segment: "unknown", lifecycle: null },
    ]);
  });

  it("validates accounts of enough tenure, not in notice and not internal", async () => {
    const db = await spine({
      "staging.subscription": [
        paid("a", "2024-01-01"),
        paid("b", "2024-01-01", { ended_on: "2024-12-31", notice_on: "2024-04-30" }),
        paid("c", "2024-01-01"),
        // A notice that stood on 1 May and was withdrawn on 10 May.
        { ...paid("d", "2024-01-01", { notice_on: "2024-04-20" }), superseded_on: "2024-05-10" },
        { ...paid("d", "2024-01-01"), visible_on: "2024-05-10" },
      ],
      "staging.account": [{ account_id: "c", is_test: true, visible_on: "2024-01-02" }],
    });
    expect(
      await db.query(
        "select account_id, snapshot_date, tenure_days from spine.account_snapshot where is_validated order by all",
      ),
    ).toEqual([
      { account_id: "a", snapshot_date: "2024-04-01", tenure_days: 91 },
      { account_id: "a", snapshot_date: "2024-05-01", tenure_days: 121 },
      { account_id: "a", snapshot_date: "2024-06-01", tenure_days: 152 },
      { account_id: "b", snapshot_date: "2024-04-01", tenure_days: 91 },
      { account_id: "d", snapshot_date: "2024-04-01", tenure_days: 91 },
      { account_id: "d", snapshot_date: "2024-06-01", tenure_days: 152 },
    ]);
    // Notice of 30 April: the snapshot of that day still counts, the next does not.
    expect(
      await db.query(
        "select snapshot_date, in_notice from spine.account_snapshot where account_id = 'b' and snapshot_date between '2024-04-29' and '2024-05-06'",
      ),
    ).toEqual([
      { snapshot_date: "2024-04-29", in_notice: false },
      { snapshot_date: "2024-05-01", in_notice: true },
      { snapshot_date: "2024-05-06", in_notice: true },
    ]);
  });

  describe("renewal_due", () => {
    const due = (db: Database) =>
      db.query(
        "select snapshot_date from spine.account_snapshot where account_id = 'a' and renewal_due and day(snapshot_date) = 1 order by 1",
      );
    /** Renewed once as a row of its own, so the book's renewals are rows. */
    const renewedAsRow = [
      paid("r", "2022-01-01", { ended_on: "2023-01-01", renews_on: "2023-01-01", term_months: 12 }),
      paid("r", "2023-01-01", { ended_on: "2024-01-01", renews_on: "2024-01-01", term_months: 12 }),
      paid("r", "2024-01-01", { renews_on: "2025-01-01", term_months: 12 }),
    ];

    it("is on while the deadline, less the notice days, lies in [s + gap, s + gap + horizon)", async () => {
      const db = await spine({
        "staging.subscription": [
          ...renewedAsRow,
          // Deadline 2024-01-31: due from s = 2023-10-04 to s = 2024-01-01.
          paid("a", "2023-05-01", { renews_on: "2024-04-30", term_months: 12, notice_days: 90 }),
        ],
      });
      expect(await due(db)).toEqual([
        { snapshot_date: "2023-11-01" },
        { snapshot_date: "2023-12-01" },
        { snapshot_date: "2024-01-01" },
      ]);
    });

    it("is off where renewals move the date in the account's one row", async () => {
      const db = await spine({
        "staging.subscription": [
          ...["b", "c"].map((account) => paid(account, "2022-03-01", { renews_on: "2024-12-31", term_months: 12 })),
          paid("a", "2022-03-01", { renews_on: "2024-04-30", term_months: 12 }),
          ...renewedAsRow,
        ],
      });
      expect(await db.query("select * from spine.renewal_rows")).toEqual([
        { n_renewed: 4, n_as_rows: 1, are_rows: false },
      ]);
      expect(await due(db)).toEqual([]);
    });

    it("is off while nobody has outlasted a first term", async () => {
      const db = await spine({
        "staging.subscription": [paid("a", "2023-08-01", { renews_on: "2024-07-31", term_months: 12 })],
      });
      expect(await due(db)).toEqual([]);
    });

    it("ends a term of months that began on the 31st with the last day of a shorter month", async () => {
      // One month from 31 January 2024 ends on 29 February; 30 days of grace later is 30 March.
      const rows = (ended_on: string) => [
        paid("a", "2024-01-31", { ended_on, renews_on: "2024-02-29", term_months: 1 }),
      ];
      const outlasted = await spine({ "staging.subscription": rows("2024-03-31") });
      expect(await outlasted.scalar("select n_renewed from spine.renewal_rows")).toBe(1);
      outlasted.close();
      const ended = await spine({ "staging.subscription": rows("2024-03-30") });
      expect(await ended.scalar("select n_renewed from spine.renewal_rows")).toBe(0);
    });
  });
});
