import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { lookAtFall, lookAtFeeds, refuseOffFeeds } from "../../pipelines/commands/feeds.ts";
import type { Book } from "../../pipelines/config/book.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { type Delivery, type LoadResult, loadDeliveries } from "../../pipelines/load/load.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { literal } from "../../pipelines/warehouse/literal.ts";
import { testBook } from "../loading.ts";

const work = mkdtempSync(join(tmpdir(), "assay-feeds-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

let files = 0;
/** A delivery with so many rows on each day, the last at 23:00 unless told otherwise. */
async function delivery(
  source: string,
  entity: string,
  days: readonly (readonly [string, number])[],
  facts: Partial<Delivery> & { readonly lastHour?: number } = {},
): Promise<Delivery> {
  files += 1;
  const path = join(work, `${files}.parquet`);
  const database = await Database.open({ path: ":memory:" });
  const values = days.map(([day, n]) => `(date ${literal(day)}, ${n})`);
  const rows = values.length === 0 ? "(select null::date as d, 0 as n where false)" : `(values ${values.join(", ")})`;
  await database.run(
    `copy (select d as event_day, cast(n as bigint) as n_rows, d + interval ${facts.lastHour ?? 23} hour as last_event_at from ${rows} as t(d, n))
     to ${literal(path)} (format parquet)`,
  );
  database.close();
  const total = days.reduce((sum, [, n]) => sum + n, 0);
  return {
    source,
    entity,
    file: `${source}_${files}.csv`,
    rows_loaded: total,
    delivered_at: "2026-06-30 04:00:00",
    days: path,
    ...facts,
  } as Delivery;
}

const day = (from: string, n: number): string => new Date(Date.parse(from) + n * 86_400_000).toISOString().slice(0, 10);
/** Ten weeks of usage: 1,000 rows a weekday with a small swing, 300 at weekends; the last days as given. */
function weeksOfUsage(lastDays: Readonly<Record<string, number>> = {}): readonly (readonly [string, number])[] {
  return Array.from({ length: 70 }, (_, i) => {
    const at = day("2026-04-20", i);
    const isWeekend = [0, 6].includes(new Date(at).getUTCDay());
    return [at, lastDays[at] ?? (isWeekend ? 300 : 1000) + ((i * 37) % 40)] as const;
  });
}

const bookOf = (sources: Readonly<Record<string, Readonly<Record<string, unknown>>>>): Book =>
  ({ sources }) as unknown as Book;
const loadOf = (deliveries: readonly Delivery[], lasts: Readonly<Record<string, string>> = {}): LoadResult =>
  ({
    deliveries,
    sources: Object.fromEntries(Object.entries(lasts).map(([id, last]) => [id, { last_event_at: last }])),
  }) as unknown as LoadResult;
const usage = { entity: "usage_event", mode: "append", max_age: "2d" };

test("what looks like an export and is read by nobody is a mark: other capitals, a folder, links that lead nowhere or to themselves", async () => {
  const made = await testBook('days: { entity: usage_event, files: ["days/*.csv", "{days,archive}*"] }');
  try {
    await made.write("days/2024-02-01.csv", "account_id,event_time,event\na,2024-02-01 10:00:00,login\n");
    await made.write("days/2024-02-02.CSV", "");
    await made.write("archive/old.txt", "");
    mkdirSync(join(made.folder, "days", "2024-02-03.csv"));
    symlinkSync("nowhere", join(made.folder, "days", "2024-02-04.csv"));
    symlinkSync("2024-02-05.csv", join(made.folder, "days", "2024-02-05.csv"));
    const load = await made.load();
    expect(load.deliveries.map(({ file }) => file)).toEqual(["accounts.csv", "days/2024-02-01.csv"]);
    const feeds = await lookAtFeeds(await made.read(), load, new Date("2024-02-02T00:00:00Z"));
    expect(feeds.map(({ sentence, refuses }) => [sentence, refuses])).toEqual([
      [
        "source days does not read days/2024-02-02.CSV: the name differs from days/*.csv, {days,archive}* only in capital letters",
        false,
      ],
      [
        "source days does not read days/2024-02-03.csv and 2 more: it is no file, but a folder, or a link that leads nowhere",
        false,
      ],
    ]);
  } finally {
    await made.drop();
  }
});

test("a file of the future waits until then, which is said", async () => {
  const made = await testBook('days: { entity: usage_event, files: "days/*.csv", settle: 10m }');
  try {
    const now = new Date("2024-02-02T00:00:00Z");
    utimesSync(join(made.folder, "accounts.csv"), new Date(0), new Date(0));
    const days = ["2024-02-01", "2024-02-02", "2031-01-01"];
    for (const day of days) {
      await made.write(`days/${day}.csv`, `account_id,event_time,event\na,2024-01-31 10:00:00,login ${day}\n`);
      utimesSync(join(made.folder, "days", `${day}.csv`), new Date(0), new Date(`${day}T00:00:00Z`));
    }
    const load = await loadDeliveries({ book: await made.read(), state: made.state, log: silentLog, now: () => now });
    // The one of midnight has not stood still for ten minutes: an ordinary wait.
    expect(load.deliveries.map(({ file }) => file)).toEqual(["accounts.csv", "days/2024-02-01.csv"]);
    expect((await lookAtFeeds(await made.read(), load, now)).map(({ sentence }) => sentence)).toEqual([
      "source days does not read days/2031-01-01.csv: it says that it was changed in the future, and waits until then: is a clock wrong?",
    ]);
  } finally {
    await made.drop();
  }
});

describe("age, by the wall clock", () => {
  const look = async (now: string, source: Readonly<Record<string, unknown>> = usage, facts: Partial<Delivery> = {}) =>
    lookAtFeeds(
      bookOf({ feed: source }),
      loadOf([await delivery("feed", source.entity as string, [["2026-06-28", 5]], facts)]),
      new Date(now),
    );

  test("fresh to the second, stale one later; the sentence says since when", async () => {
    expect(await look("2026-06-30T23:00:00Z")).toEqual([]);
    expect(await look("2026-06-30T23:00:01Z")).toEqual([
      {
        source: "feed",
        kind: "stale",
        sentence: "source feed is stale: its newest row is of 2026-06-28 23:00, expected one within 2d",
        refuses: true,
      },
    ]);
  });

  test("a clock set back makes nothing stale, and a row of the far future nothing fresh", async () => {
    expect(await look("2026-01-01T00:00:00Z", { ...usage, max_age: "30d" })).toMatchObject([{ kind: "stale" }]);
    const future = await delivery("feed", "usage_event", [
      ["2026-06-01", 5],
      ["2030-01-01", 1],
    ]);
    const found = await lookAtFeeds(bookOf({ feed: usage }), loadOf([future]), new Date("2026-06-28T00:00:00Z"));
    expect(found[0]?.sentence).toContain("its newest row is of 2026-06-01 23:00");
  });

  test("a table that is dumped whole is as old as its newest delivery", async () => {
    const dump = { entity: "account", mode: "snapshot", max_age: "2d" };
    expect(await look("2026-07-02T04:00:00Z", dump)).toEqual([]);
    expect((await look("2026-07-02T05:00:00Z", dump))[0]?.sentence).toBe(
      "source feed is stale: its newest delivery is of 2026-06-30 04:00, expected one within 2d",
    );
  });

  test("no promise, no age; on_stale: warn marks", async () => {
    expect(await look("2027-01-01T00:00:00Z", { entity: "usage_event", mode: "append" })).toEqual([]);
    expect(await look("2027-01-01T00:00:00Z", { ...usage, on_stale: "warn" })).toMatchObject([{ refuses: false }]);
  });
});

describe("size of a dump", () => {
  const sizes = async (before: number, last: number, source: Readonly<Record<string, unknown>> = {}) =>
    lookAtFeeds(
      bookOf({ crm: { entity: "account", mode: "snapshot", ...source } }),
      loadOf([
        await delivery("crm", "account", [], { rows_loaded: before, file: "monday.csv" }),
        await delivery("crm", "account", [], { rows_loaded: last, file: "tuesday.csv" }),
      ]),
      new Date("2026-07-01T00:00:00Z"),
    );

  test("one without a row is refused, promise or not; one that lost more than half counts as off", async () => {
    expect(await sizes(100, 0)).toMatchObject([
      {
        kind: "empty",
        refuses: true,
        sentence: "source crm is empty: tuesday.csv has no row, monday.csv before it had 100",
      },
    ]);
    expect(await sizes(100, 0, { on_stale: "warn" })).toMatchObject([{ refuses: false }]);
    expect(await sizes(100, 50)).toEqual([]);
    expect(await sizes(100, 49)).toMatchObject([{ kind: "shrunk", refuses: false }]);
    expect(await sizes(100, 49, { on_stale: "refuse" })).toMatchObject([{ refuses: true }]);
    expect(await sizes(20, 0)).toMatchObject([{ kind: "empty" }]);
    expect(await sizes(19, 0)).toEqual([]);
  });
});

test("a dump whose ids are written otherwise than in the one before: refused where none is left, a mark under half", async () => {
  const made = await testBook(
    "plans: { entity: subscription, files: 'plans_*.csv', mode: snapshot, key: [subscription_id], delivered: { from: file_name, pattern: 'plans_{date}.csv' } }",
  );
  const dump = (id: (n: number) => string): string =>
    [
      "subscription_id,account_id,started_on,mrr_minor",
      ...Array.from({ length: 24 }, (_, n) => `${id(n)},a,2024-01-01,1`),
      "",
    ].join("\n");
  const told = async () => {
    const feeds = await lookAtFeeds(await made.read(), await made.load(), new Date("2024-02-02T00:00:00Z"));
    return feeds.map(({ kind, sentence, refuses }) => [kind, sentence, refuses]);
  };
  try {
    await made.write(
      "plans_2024-02-01.csv",
      dump((n) => `S${n}`),
    );
    await made.write(
      "plans_2024-02-02.csv",
      dump((n) => (n < 12 ? `S${n}` : `s-${n}`)),
    );
    expect(await told()).toEqual([]);
    await made.write(
      "plans_2024-02-03.csv",
      dump((n) => (n < 11 ? `S${n}` : `P${n}`)),
    );
    const names = "source plans names other rows: plans_2024-02-0";
    const sentence = `${names}3.csv holds 11 of the 24 subscription_id of plans_2024-02-02.csv before it`;
    expect(await told()).toEqual([["other_keys", sentence, false]]);
    await made.write(
      "plans_2024-02-04.csv",
      dump((n) => `00${n}`),
    );
    const none = `${names}4.csv holds 0 of the 24 subscription_id of plans_2024-02-03.csv before it`;
    expect(await told()).toEqual([["other_keys", none, true]]);
  } finally {
    await made.drop();
  }
});

describe("volume against the same weekday", () => {
  const look = async (lastDays: Readonly<Record<string, number>>, lastHour = 23) =>
    lookAtFeeds(
      bookOf({ usage: { entity: "usage_event", mode: "append" } }),
      loadOf([await delivery("usage", "usage_event", weeksOfUsage(lastDays), { lastHour })]),
      new Date("2026-06-29T04:00:00Z"),
    );

  test("an ordinary week, a weekend, and one day that is only low by a third say nothing", async () => {
    expect(await look({})).toEqual([]);
    expect(await look({ "2026-06-28": 205 })).toEqual([]);
  });

  test("under half of the fewest on the last day, or low two days running", async () => {
    expect(await look({ "2026-06-28": 100 })).toMatchObject([
      {
        kind: "thin",
        refuses: false,
        sentence: expect.stringMatching(
          /^source usage is thin: 100 rows of Sunday 2026-06-28, the 8 Sundays before had 3\d\d to 3\d\d$/,
        ),
      },
    ]);
    expect(await look({ "2026-06-27": 200, "2026-06-28": 200 })).toMatchObject([
      { sentence: expect.stringMatching(/and so was the day before$/) },
    ]);
  });

  test("a last day that is not over is not held against whole ones", async () => {
    expect(await look({ "2026-06-28": 100 }, 9)).toEqual([]);
  });

  test("a day without any row is zero, not absent", async () => {
    const rows = weeksOfUsage().filter(([at]) => at !== "2026-06-27" && at !== "2026-06-26");
    const off = rows.map(([at, n]) => [at, at === "2026-06-28" ? 100 : n] as const);
    const found = await lookAtFeeds(
      bookOf({ usage: { entity: "usage_event", mode: "append" } }),
      loadOf([await delivery("usage", "usage_event", off)]),
      new Date("2026-06-29T04:00:00Z"),
    );
    expect(found).toMatchObject([{ sentence: expect.stringContaining("and so was the day before") }]);
  });

  test("few rows say nothing", async () => {
    const rows = weeksOfUsage({ "2026-06-28": 0 }).map(([at, n]) => [at, Math.floor(n / 11)] as const);
    const found = await lookAtFeeds(
      bookOf({ usage: { entity: "usage_event", mode: "append" } }),
      loadOf([await delivery("usage", "usage_event", rows)]),
      new Date("2026-06-29T04:00:00Z"),
    );
    expect(found).toEqual([]);
  });
});

describe("a fall in scores", () => {
  /** Ten accounts, 20 weeks, scores near 80; the last week each loses what is given to the KPI of usage and of tickets. */
  async function scored(lostToUsage: number, lostToTickets: number): Promise<Database> {
    const database = await Database.open({ path: ":memory:" });
    await database.run(`
      create schema meta; create schema scores; create schema features;
      create table meta.params as select date '2026-06-29' as as_of;
      create table scores.scorecard as select 'health' as scorecard, 1 as version, 0::decimal(18,6) as scale_from, 100::decimal(18,6) as scale_to;
      create table features.kpi_source as select * from (values ('logins', 'usage_event'), ('tickets', 'ticket')) as t(kpi, entity);
      create table scores.score_part as
        select 'a' || a.n as account_id, date '2026-06-29' - cast(7 * w.n as integer) as snapshot_date, 'health' as scorecard, 1 as version,
          k.kpi, cast(40 + (a.n * 7 + w.n * 3) % 3 - case when w.n = 0 then k.lost else 0 end as decimal(18,6)) as contribution
        from range(10) as a(n), range(20) as w(n), (values ('logins', ${lostToUsage}), ('tickets', ${lostToTickets})) as k(kpi, lost);
      create table scores.account_score as
        select account_id, snapshot_date, scorecard, version, true as is_in_force, sum(contribution) as score
        from scores.score_part group by all`);
    return database;
  }
  const book = bookOf({
    usage: { entity: "usage_event", mode: "append" },
    tickets: { entity: "ticket", mode: "append", on_stale: "warn" },
  });
  const fallOf = async (lost: readonly [number, number], lasts: Readonly<Record<string, string>>) => {
    const database = await scored(...lost);
    try {
      return await lookAtFall(database.query, book, loadOf([], lasts), []);
    } finally {
      database.close();
    }
  };
  const fresh = { usage: "2026-06-28 23:00:00", tickets: "2026-06-28 12:00:00" };

  test("of a feed that is behind is told, with its share, and refused as its source says", async () => {
    expect(await fallOf([20, 0], { ...fresh, usage: "2026-06-20 10:00:00" })).toMatchObject({
      source: "usage",
      kind: "fall",
      refuses: true,
      sentence: expect.stringMatching(
        /^scores fell by 1?\d\d\.\d of 100 points on average from 2026-06-22 to 2026-06-29, and \d+ % of that are KPIs of source usage, which is not up to date$/,
      ),
    });
    expect(await fallOf([0, 20], { ...fresh, tickets: "2026-06-20 10:00:00" })).toMatchObject({
      source: "tickets",
      refuses: false,
    });
  });

  test("of feeds that are up to date, of several feeds, or of an ordinary size is the accounts' own", async () => {
    expect(await fallOf([20, 0], fresh)).toBeNull();
    expect(await fallOf([20, 20], { ...fresh, usage: "2026-06-20 10:00:00" })).toBeNull();
    expect(await fallOf([0, 0], { ...fresh, usage: "2026-06-20 10:00:00" })).toBeNull();
  });
});

test("what refuses becomes one sentence, the rest its hint", () => {
  const stale = { source: "a", kind: "stale" as const, sentence: "source a is stale: x", refuses: true };
  expect(() => refuseOffFeeds([{ ...stale, refuses: false }])).not.toThrow();
  expect(() => refuseOffFeeds([stale])).toThrow("source a is stale: x");
});
