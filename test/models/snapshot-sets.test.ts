/** Sets of snapshots as bits, on a calendar of several words, against counting what each snapshot sees. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  countOf,
  countSteps,
  type Intervals,
  joinToRunning,
  setSteps,
  withSteps,
} from "../../pipelines/features/pieces.ts";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { readModels } from "../../pipelines/models/header.ts";
import { builder, compile } from "../../pipelines/warehouse/compiler.ts";
import { Database } from "../../pipelines/warehouse/database.ts";

let database: Database;

// 200 Mondays: four words, the last not full. 3 accounts x 25 items x 8 intervals of up to three years, some without an end or without a length.
beforeAll(async () => {
  database = await Database.open({ path: ":memory:", threads: 1 });
  await database.run(await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"));
  await database.run(
    `create schema spine;
     create table spine.snapshot as
       select cast(date '2020-01-06' + cast(7 * n as integer) as date) as snapshot_date from range(200) as t (n)`,
  );
  const [days] = (await readModels("spine")).filter(({ name }) => name === "spine.snapshot_day");
  await database.run(`create table spine.snapshot_day as ${days?.sql}`);
  await database.run(
    `create table given as
     with drawn as (
       select
         'account ' || (n % 3) as account_id,
         date '2019-06-01' + cast(hash(n, 'item') % 25 as integer) as item,
         cast(hash(n, 'from') % 1395 as integer) as from_no,
         cast(hash(n, 'length') % (case when n % 2 = 0 then 30 else 1100 end) as integer) as length,
         n
       from range(600) as t (n)
     )
     select account_id, item, date '2020-01-06' + from_no as visible_on, date '2020-01-06' + from_no + length as gone_on, n
     from drawn`,
  );
});
afterAll(() => database.close());

/** What each account's snapshots see: items, and the sum of the days' numbers. */
async function counts(isEnding: boolean): Promise<readonly unknown[]> {
  let query = builder.selectFrom("given").innerJoin("spine.snapshot_day as seen", "seen.day", "given.visible_on");
  if (isEnding) {
    query = query
      .leftJoin("spine.snapshot_day as gone", "gone.day", "given.gone_on")
      .where((eb) => eb.or([eb("gone.day", "is", null), eb("seen.snapshot_date", "<", eb.ref("gone.snapshot_date"))]));
  }
  const intervals: Intervals = {
    query,
    from: "seen",
    until: isEnding ? "gone" : undefined,
    account: "given.account_id",
    item: "given.item",
  };
  const running = builder
    .selectFrom("spine.snapshot")
    .innerJoin(builder.selectFrom("given").select("account_id").distinct().as("account"), (join) => join.onTrue())
    .select(["account.account_id", "snapshot_date"]);
  const steps = [...setSteps("used", intervals), ...countSteps("used", true)];
  return database.query(
    compile(
      withSteps([...steps, ["running", running]], (from) =>
        joinToRunning(from.selectFrom("running"), "used_count").select((eb) => [
          "running.account_id",
          "running.snapshot_date",
          eb.cast(countOf(eb, "used", false), "bigint").as("n"),
          eb.cast(countOf(eb, "used", true), "bigint").as("day_sum"),
        ]),
      )
        .orderBy("running.account_id")
        .orderBy("running.snapshot_date"),
    ),
  );
}

/** The same, read literally. */
const counted = (isEnding: boolean): Promise<readonly unknown[]> =>
  database.query(
    `select
       account.account_id,
       snapshot_date,
       count(distinct item) as n,
       coalesce(sum(distinct date_diff('day', date '1970-01-01', item)), 0)::bigint as day_sum
     from spine.snapshot
     cross join (select distinct account_id from given) as account
     left join given as seen
       on seen.account_id = account.account_id
       and visible_on <= snapshot_date${isEnding ? " and snapshot_date < gone_on" : ""}
     group by account.account_id, snapshot_date
     order by account.account_id, snapshot_date`,
  );

describe("sets of snapshots", () => {
  it.each([true, false])("count what each snapshot sees (intervals end: %s)", async (isEnding) => {
    const rows = await counts(isEnding);
    expect(rows).toHaveLength(600);
    expect(rows).toEqual(await counted(isEnding));
  });

  it("the calendar has more than three words", async () => {
    expect(
      await database.query(
        "select word_no, count(distinct snapshot_bit) as bits, max(snapshot_bit) as top from spine.snapshot_day group by word_no order by word_no",
      ),
    ).toEqual([
      { word_no: 0, bits: 60, top: 2n ** 59n },
      { word_no: 1, bits: 60, top: 2n ** 59n },
      { word_no: 2, bits: 60, top: 2n ** 59n },
      { word_no: 3, bits: 20, top: 2 ** 19 },
    ]);
  });
});
