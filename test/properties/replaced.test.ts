/** Usage whose days are delivered again: at every snapshot the KPIs are those of a book that holds just what stood then. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { KpiDefinition } from "../../pipelines/config/kpi.ts";
import { parseKpi } from "../../pipelines/features/library.ts";
import { testBook } from "../loading.ts";
import { buildFeatures, type GivenTables, smallBook } from "../small-warehouse.ts";

const define = (id: string, more: Readonly<Record<string, unknown>>): KpiDefinition =>
  parseKpi(
    {
      id,
      label: id,
      description: "for a test",
      factor: "control",
      kind: "objective",
      side: "reactive",
      unit: "things",
      healthier: "tested",
      says: { less: "had less", more: "had more" },
      entity: "usage_event",
      null_rule: { feed_gap_days: null },
      ...more,
    },
    id,
  );

const kpis = [
  define("logins", { measure: "count", filter: { event: "login" }, window_days: 10 }),
  define("ever", { measure: "count", window_days: null }),
  define("hours", { measure: "sum", value: "quantity", window_days: 7 }),
  define("days", { measure: "active_days", window_days: 12 }),
  define("login_days_ever", { measure: "active_days", filter: { event: "login" }, window_days: null }),
  define("events", { measure: "distinct", value: "event", window_days: 9 }),
  define("users", { measure: "distinct", value: "user_id", window_days: 9 }),
  define("login_users", { measure: "distinct", value: "user_id", filter: { event: "login" }, window_days: 15 }),
  define("since", { measure: "days_since", filter: { event: "login" } }),
  define("gauge", { measure: "latest", value: "quantity", filter: { event: "stock" }, window_days: 20 }),
];

const iso = (n: number): string => new Date(Date.UTC(2024, 3, 1 + n)).toISOString().slice(0, 10);

/** One row as delivered, with the days from and until which it is seen. */
interface Used {
  readonly account: string;
  readonly user: string;
  readonly event: string;
  readonly day: number;
  readonly from: number;
  readonly until: number | null;
  readonly quantity: number;
}

const usage = fc.array(
  fc
    .record({
      account: fc.constantFrom("a", "b"),
      user: fc.constantFrom("u", "v", "w"),
      event: fc.constantFrom("login", "report", "stock"),
      day: fc.integer({ min: 0, max: 55 }),
      late: fc.integer({ min: 1, max: 20 }),
      stands: fc.option(fc.integer({ min: 1, max: 25 }), { freq: 2 }),
      quantity: fc.integer({ min: 1, max: 9 }),
    })
    .map(({ late, stands, ...row }): Used => {
      const from = row.day + late;
      return { ...row, from, until: stands === null ? null : from + stands };
    }),
  { minLength: 3, maxLength: 40 },
);

const paying = ["a", "b"].map((account_id) => ({
  account_id,
  subscription_id: account_id,
  started_on: "2023-01-01",
  visible_on: "2023-01-02",
}));

function tables(rows: readonly Used[]): GivenTables {
  const dated = ({ account, day, from, until }: Used) => ({
    account_id: account,
    activity_date: iso(day),
    visible_on: iso(from),
    ...(until === null ? {} : { superseded_on: iso(until) }),
  });
  // One row per account, user, day and interval, as the roll-up has it; a filter's date is that of its first row.
  const passes = (row: Used) => ({ ...dated(row), user_id: row.user });
  return {
    "staging.subscription": paying,
    "rollup.account_day": rows.map((row) => ({ ...dated(row), event: row.event, n_events: 1, quantity: row.quantity })),
    "rollup.user_day": rows.map((row) => ({
      ...passes(row),
      ...Object.fromEntries(userFlags.map(([name, event]) => [name, event === row.event ? iso(row.from) : null])),
    })),
    "rollup.account_last": rows.flatMap((row) =>
      row.event === "stock"
        ? [
            {
              ...dated(row),
              filter_name: lastFlag,
              last_at: `${iso(row.day)} 10:00:00`,
              quantity: row.quantity,
            },
          ]
        : [],
    ),
  };
}

const { usageRollUp } = await import("../../pipelines/features/usage-filter.ts");
const wanted = usageRollUp(kpis);
const userFlags = wanted.user.map(({ name }) => [name, "login"] as const);
const lastFlag = wanted.last[0]?.name ?? "";

const replaced = smallBook({
  sources: {
    account: { entity: "account", files: "a.csv" },
    subscription: { entity: "subscription", files: "s.csv" },
    usage: { entity: "usage_event", files: "u.csv", mode: "range", delivered: "first_seen" },
  },
});

async function valuesOf(rows: readonly Used[], book = replaced): Promise<ReadonlyMap<string, string>> {
  const database = await buildFeatures(tables(rows), kpis, { as_of: "2024-06-03" }, book);
  try {
    const found = await database.query<Record<string, unknown>>("from features.account_kpi order by all");
    return new Map(
      found.map(({ account_id, snapshot_date, ...values }) => [
        `${snapshot_date} ${account_id}`,
        JSON.stringify(values),
      ]),
    );
  } finally {
    database.close();
  }
}

const runs = Number(process.env.ASSAY_PROPERTY_RUNS ?? 2);

describe("usage that is replaced", () => {
  it("gives at every snapshot what a book gives that holds only what stood then", { timeout: 600_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(usage, async (drawn) => {
        // A gauge of two rows at one time is a tie: each stock row has a day of its own.
        const rows = drawn.filter(
          (row, i) =>
            row.event !== "stock" ||
            !drawn.some(
              (other, j) => j < i && other.event === "stock" && other.account === row.account && other.day === row.day,
            ),
        );
        const first = rows.reduce((least, row) => Math.min(least, row.from), 99);
        const anchor: Used = { account: "c", user: "u", event: "login", day: 0, from: 1, until: null, quantity: 1 };
        const all = await valuesOf([anchor, ...rows]);
        for (const s of [21, 35, 49, 63].filter((day) => day >= first)) {
          const at = iso(s);
          const standing = rows
            .filter(({ from, until }) => from <= s && (until === null || s < until))
            .map((row) => ({ ...row, until: null }));
          const alone = await valuesOf([anchor, ...standing]);
          for (const account of ["a", "b"]) {
            const key = `${at} ${account}`;
            expect({ key, values: all.get(key) }).toEqual({ key, values: alone.get(key) });
          }
        }
      }),
      { numRuns: runs, endOnFailure: true },
    );
  });

  it("is rolled up as staging shows it, however its days are delivered", async () => {
    const made = await testBook(
      'usage: { entity: usage_event, files: "u_*.csv", mode: range, key: [event_id], delivered: { from: file_name, pattern: "u_{date}.csv" } }',
    );
    const write = (name: string, ...lines: readonly string[]) =>
      made.write(name, `event_id,account_id,user_id,event_time,event,quantity\n${lines.join("\n")}\n`);
    try {
      await write(
        "u_2024-02-10.csv",
        "1,a,u,2024-01-30 10:00:00,login,1",
        "2,a,v,2024-02-05 10:00:00,login,2",
        "2,a,v,2024-02-05 10:00:00,login,9",
        "3,b,u,2024-02-09 09:00:00,report,3",
      );
      await write("u_2024-02-12.csv", "2,a,w,2024-02-05 10:00:00,login,4", "4,b,u,2024-02-11 09:00:00,report,5");
      const rows = async () => {
        const load = await made.load();
        const { database, rolled } = await made.stage(load);
        try {
          const day =
            "account_id, cast(activity_date as varchar) as day, cast(visible_on as varchar) as seen, cast(superseded_on as varchar) as gone";
          return {
            staged: await database.query(
              `select ${day}, event, count(*) as n, cast(sum(quantity) as varchar) as q from staging.usage_event group by all order by all`,
            ),
            rolled: await database.query(
              `select ${day}, event, n_events as n, cast(quantity as varchar) as q from rollup.account_day order by all`,
            ),
            users: await database.query(`select ${day}, user_id from rollup.user_day order by all`),
            stagedUsers: await database.query(`select distinct ${day}, user_id from staging.usage_event order by all`),
            built: rolled.builtMonths,
          };
        } finally {
          database.close();
        }
      };
      const first = await rows();
      expect(first.rolled).toEqual(first.staged);
      expect(first.users).toEqual(first.stagedUsers);
      expect(first.staged).toEqual([
        { account_id: "a", day: "2024-01-30", seen: "2024-01-31", gone: null, event: "login", n: 1, q: "1.000000" },
        {
          account_id: "a",
          day: "2024-02-05",
          seen: "2024-02-06",
          gone: "2024-02-13",
          event: "login",
          n: 1,
          q: "2.000000",
        },
        { account_id: "a", day: "2024-02-05", seen: "2024-02-13", gone: null, event: "login", n: 1, q: "4.000000" },
        {
          account_id: "b",
          day: "2024-02-09",
          seen: "2024-02-10",
          gone: "2024-02-13",
          event: "report",
          n: 1,
          q: "3.000000",
        },
        { account_id: "b", day: "2024-02-11", seen: "2024-02-12", gone: null, event: "report", n: 1, q: "5.000000" },
      ]);
      // A correction in March of a day of February: January's roll-up stands as it was.
      await write("u_2024-03-05.csv", "5,a,u,2024-02-11 10:00:00,login,7");
      const later = await rows();
      expect(later.rolled).toEqual(later.staged);
      expect(later.users).toEqual(later.stagedUsers);
      expect(later.built).toBe(2);
      expect(later.staged.at(-1)).toMatchObject({ account_id: "b", day: "2024-02-11", gone: "2024-03-06" });
    } finally {
      await made.drop();
    }
  });
});
