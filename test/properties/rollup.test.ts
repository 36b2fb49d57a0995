import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { UsageRollUp } from "../../pipelines/config/kpi.ts";
import { type TestBook, testBook } from "../loading.ts";

/** One row of usage as a company might send it: late rows, copies and corrections under a known id among them. */
interface Usage {
  readonly id: number | null;
  readonly account: string;
  readonly user: string | null;
  readonly day: number;
  /** Days until the row was known; null: not recorded. */
  readonly late: number | null;
  readonly event: string;
  readonly quantity: number | null;
}

const usage: fc.Arbitrary<Usage> = fc.record({
  id: fc.option(fc.integer({ min: 1, max: 12 })),
  account: fc.constantFrom("a", "b"),
  user: fc.option(fc.constantFrom("u1", "u2", "u3")),
  day: fc.integer({ min: 0, max: 70 }),
  late: fc.option(fc.constantFrom(0, 0, 1, 3, 40)),
  event: fc.constantFrom("login", "export"),
  quantity: fc.option(fc.integer({ min: -5, max: 5 })),
});

const date = (day: number): string => new Date(Date.UTC(2024, 0, 15 + day)).toISOString().slice(0, 10);
const line = ({ id, account, user, day, late, event, quantity }: Usage): string =>
  [id, account, user, `${date(day)} 12:00:00`, event, late === null ? null : `${date(day + late)} 13:00:00`, quantity]
    .map((cell) => cell ?? "")
    .join(",");
const file = (rows: readonly Usage[]): string =>
  ["event_id,account_id,user_id,event_time,event,known_at,quantity", ...rows.map(line), ""].join("\n");

const sources = "usage: { entity: usage_event, files: 'night*.csv', key: [event_id], max_rejected: 0 }";

const usageNodes = ["raw.usage_event", "raw.usage_repeat", "staging.account_identity", "staging.usage_event"];

async function rolledUp(made: TestBook) {
  const { database, rolled } = await made.stage(await made.load(), usageNodes);
  try {
    return {
      rolled,
      accountDay: await database.query("select * from rollup.account_day order by all"),
      accountDayDirect: await database.query(
        `select account_id, activity_date, visible_on, event, count(*) as n_events, cast(sum(quantity) as decimal(18,6)) as quantity
         from staging.usage_event group by all order by all`,
      ),
      userDay: await database.query(
        "select account_id, user_id, activity_date, min(visible_on) as visible_on from rollup.user_day group by all order by all",
      ),
      userDayDirect: await database.query(
        `select account_id, user_id, activity_date, min(visible_on) as visible_on
         from staging.usage_event where user_id is not null group by all order by all`,
      ),
    };
  } finally {
    database.close();
  }
}

/** What stands of the rows, by the words of the contract: the first visible of each id, then by delivery and line. */
function standing(
  nights: readonly (readonly Usage[])[],
  arrivalKnown: boolean,
): readonly (Usage & { readonly visible: number })[] {
  const rows = nights.flatMap((night, n) =>
    night.map((row, i) => ({ ...row, n, i, visible: row.day + 1 + (arrivalKnown ? (row.late ?? 0) : 0) })),
  );
  return rows.filter(
    (row) =>
      row.id === null ||
      !rows.some(
        (other) => other.id === row.id && (other.visible - row.visible || other.n - row.n || other.i - row.i) < 0,
      ),
  );
}

const wanted: UsageRollUp = {
  account: [
    { name: "passes_1", sql: "event = 'login' and quantity >= 2" },
    { name: "passes_2", sql: "user_id is null or known_at > timestamp '2024-02-10 00:00:00'" },
  ],
  user: [{ name: "passes_1", sql: "event = 'login' and quantity >= 2" }],
  last: [
    { name: "passes_1", sql: "event = 'login' and quantity >= 2" },
    { name: "passes_3", sql: "true" },
  ],
};

/** The columns that filters add, beside the same from single events. */
async function filtered(made: TestBook): Promise<void> {
  const { database } = await made.stage(await made.load(), usageNodes, wanted);
  try {
    const sums = wanted.account.map(
      ({ name, sql }) =>
        `count(*) filter (where ${sql}) as ${name}, cast(sum(quantity) filter (where ${sql}) as decimal(18,6)) as ${name}_quantity`,
    );
    const pairs = [
      [
        "select account_id, activity_date, visible_on, event, passes_1, passes_1_quantity, passes_2, passes_2_quantity from rollup.account_day order by all",
        `select account_id, activity_date, visible_on, event, ${sums.join(", ")} from staging.usage_event group by all order by all`,
      ],
      [
        "select account_id, user_id, activity_date, min(visible_on) as visible_on, min(passes_1) as passes_1 from rollup.user_day group by all order by all",
        `select account_id, user_id, activity_date, min(visible_on) as visible_on, min(visible_on) filter (where ${wanted.user[0]?.sql}) as passes_1
         from staging.usage_event where user_id is not null group by all order by all`,
      ],
      [
        "select * from rollup.account_last order by all",
        wanted.last
          .map(
            ({ name, sql }) =>
              `select account_id, activity_date, visible_on, '${name}' as filter_name, max(event_time) as last_at,
                 cast(max(quantity order by event_time desc, quantity desc) as decimal(18,6)) as quantity
               from (from staging.usage_event where ${sql} and quantity is not null
                 qualify event_time = max(event_time) over (partition by account_id, activity_date, visible_on)) group by all`,
          )
          .join(" union all ")
          .concat(" order by all"),
      ],
    ] as const;
    for (const [rolled, direct] of pairs) expect(await database.query(rolled)).toEqual(await database.query(direct));
  } finally {
    database.close();
  }
}

describe("roll-ups", () => {
  it("equal a direct aggregation of the rows that stand, with late rows and repeats, night by night as at once", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(usage, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 3 }),
        async (nights) => {
          // Equal files would be one delivery.
          fc.pre(new Set(nights.map(file)).size === nights.length);
          const atOnce = await testBook(sources);
          const byNight = await testBook(sources);
          try {
            for (const [i, night] of nights.entries()) await atOnce.write(`night${i}.csv`, file(night));
            const full = await rolledUp(atOnce);
            for (const [i, night] of nights.entries()) {
              await byNight.write(`night${i}.csv`, file(night));
              await rolledUp(byNight);
            }
            const incremental = await rolledUp(byNight);
            expect(full.accountDay).toEqual(full.accountDayDirect);
            expect(full.userDay).toEqual(full.userDayDirect);
            expect(incremental.accountDay).toEqual(full.accountDay);
            expect(incremental.userDay).toEqual(full.userDay);
            expect(incremental.rolled.builtMonths).toBe(0);
            await filtered(atOnce);

            const known = (await atOnce.load()).sources.usage?.arrivalKnown ?? false;
            const rows = standing(nights, known);
            expect(full.accountDay.reduce((sum, row) => sum + Number(row.n_events), 0)).toBe(rows.length);
            const users = new Map<string, number>();
            for (const { account, user, day, visible } of rows) {
              const key = `${account} ${user} ${date(day)}`;
              if (user !== null) users.set(key, Math.min(users.get(key) ?? Number.POSITIVE_INFINITY, visible));
            }
            expect(
              full.userDay.map((row) => `${row.account_id} ${row.user_id} ${row.activity_date} ${row.visible_on}`),
            ).toEqual([...users].map(([key, visible]) => `${key} ${date(visible)}`).sort());
          } finally {
            await atOnce.drop();
            await byNight.drop();
          }
        },
      ),
      { numRuns: 6 },
    );
  });

  it("of a new night rebuild the months that it reaches and reuse the others", async () => {
    const made = await testBook(sources);
    try {
      const on = (id: number, day: number, late = 0): Usage => ({
        id,
        account: "a",
        user: "u1",
        day,
        late,
        event: "login",
        quantity: 1,
      });
      // Days 0, 20 and 50 are visible in January, February and March.
      await made.write("night1.csv", file([on(1, 0), on(2, 20), on(3, 50)]));
      const first = await rolledUp(made);
      expect(first.rolled).toMatchObject({ builtMonths: 3, reusedMonths: 0 });

      await made.write("night2.csv", file([on(4, 51)]));
      const second = await rolledUp(made);
      expect(second.rolled).toMatchObject({ builtMonths: 1, reusedMonths: 2 });
      expect(second.rolled.files.filter((path) => first.rolled.files.includes(path)).length).toBe(4);

      // A row of January that became known in March changes March only.
      await made.write("night3.csv", file([on(5, 1, 50)]));
      expect((await rolledUp(made)).rolled).toMatchObject({ builtMonths: 1, reusedMonths: 2 });

      // A copy of a row of February, visible later in February: the row stands, the month is named anew.
      await made.write("night4.csv", file([on(2, 20, 1)]));
      const fourth = await rolledUp(made);
      expect(fourth.rolled).toMatchObject({ builtMonths: 1, reusedMonths: 2 });
      expect(fourth.accountDay.find((row) => row.activity_date === date(20))).toMatchObject({
        n_events: 1,
        visible_on: date(21),
      });

      expect((await rolledUp(made)).rolled).toMatchObject({ builtMonths: 0, reusedMonths: 3 });
    } finally {
      await made.drop();
    }
  });

  it("show a late user once, on the first day that knew them", async () => {
    const made = await testBook(sources);
    try {
      const on = (id: number, user: string, day: number, late: number): Usage => ({
        id,
        account: "a",
        user,
        day,
        late,
        event: "login",
        quantity: null,
      });
      await made.write(
        "night1.csv",
        file([
          on(1, "u1", 0, 0),
          on(2, "u1", 0, 30),
          on(3, "u2", 0, 30),
          on(4, "u2", 0, 50),
          on(5, "u3", 1, 0),
          on(6, "u3", 2, 0),
          on(7, "u3", 3, 1),
        ]),
      );
      const { userDay } = await rolledUp(made);
      expect(userDay.filter((row) => row.activity_date === date(0))).toEqual([
        { account_id: "a", user_id: "u1", activity_date: date(0), visible_on: date(1) },
        { account_id: "a", user_id: "u2", activity_date: date(0), visible_on: date(31) },
      ]);
    } finally {
      await made.drop();
    }
  });
});
