/** Days that are delivered again, as history and today see them; usage by the day; deliveries that are withdrawn. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { forget } from "../../pipelines/commands/forget.ts";
import { resolveKpis } from "../../pipelines/features/library.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { pendingDeliveries } from "../../pipelines/load/recognise.ts";
import { withdrawDelivery } from "../../pipelines/load/withdraw.ts";
import { type TestBook, testBook } from "../loading.ts";

const books: TestBook[] = [];
afterAll(async () => {
  for (const book of books) await book.drop();
});

async function book(sources: string, files: Readonly<Record<string, string>>): Promise<TestBook> {
  const made = await testBook(sources);
  books.push(made);
  for (const [name, content] of Object.entries(files)) await made.write(name, content);
  return made;
}

const csv = (header: string, ...lines: readonly string[]): string => `${[header, ...lines].join("\n")}\n`;

describe("a fact in mode range", () => {
  const source =
    'tickets: { entity: ticket, files: "t_*.csv", mode: range, delivered: { from: file_name, pattern: "t_{date}.csv" } }';
  const head = "account_id,opened_at,category";

  it("is seen as first delivered up to the delivery that replaces its day, and as that says from then on", async () => {
    const made = await book(source, {
      "t_2024-02-10.csv": csv(head, "a,2024-02-01,one", "a,2024-02-05,two", "b,2024-02-08,three"),
      // Covers the 5th to the 9th: two is corrected, three is gone, four is new, one stands.
      "t_2024-02-12.csv": csv(head, "a,2024-02-05,two again", "a,2024-02-09,four"),
      "t_2024-02-20.csv": csv(head, "a,2024-02-09,four again", "a,2024-02-15,five"),
    });
    const { database } = await made.stage(await made.load());
    try {
      const seen = await database.query(
        "select category, visible_on, superseded_on from staging.ticket order by visible_on, category",
      );
      expect(seen).toEqual([
        { category: "one", visible_on: "2024-02-02", superseded_on: null },
        { category: "two", visible_on: "2024-02-06", superseded_on: "2024-02-13" },
        { category: "three", visible_on: "2024-02-09", superseded_on: "2024-02-13" },
        { category: "four", visible_on: "2024-02-10", superseded_on: "2024-02-21" },
        { category: "two again", visible_on: "2024-02-13", superseded_on: null },
        { category: "five", visible_on: "2024-02-16", superseded_on: null },
        { category: "four again", visible_on: "2024-02-21", superseded_on: null },
      ]);
    } finally {
      database.close();
    }
  });

  it("replaces only days with rows, or the days that the file's name says, as covers has it", async () => {
    const files = {
      "t_2024-02-10_2024-02.csv": csv(head, "a,2024-02-01,one", "a,2024-02-03,two", "a,2024-02-05,three"),
      "t_2024-02-12_2024-02.csv": csv(head, "a,2024-02-01,one again", "a,2024-02-05,three again"),
    };
    const with_ = (covers: string): string =>
      `tickets: { entity: ticket, files: "t_*.csv", mode: range, covers: ${covers}, max_rejected: 0.6, delivered: { from: file_name, pattern: "t_{date}_*.csv" } }`;
    const standing = async (covers: string, more: Readonly<Record<string, string>> = {}): Promise<unknown[]> => {
      const made = await book(with_(covers), { ...files, ...more });
      const { database } = await made.stage(await made.load(), [
        "raw.source_day",
        "raw.ticket",
        "meta.delivery",
        "meta.reject",
        "staging.account_identity",
        "staging.range_day",
        "staging.ticket",
      ]);
      try {
        const rows = await database.query<{ category: string }>(
          "select category from staging.ticket where superseded_on is null order by category",
        );
        const rejects = await database.query<{ reason: string }>("select reason from meta.reject");
        return [...rows.map(({ category }) => category), ...rejects.map(({ reason }) => reason)];
      } finally {
        database.close();
      }
    };
    expect(await standing("span")).toEqual(["one again", "three again"]);
    expect(await standing("days")).toEqual(["one again", "three again", "two"]);
    const name = '{ from: file_name, pattern: "t_*_{month}.csv" }';
    expect(await standing(name)).toEqual(["one again", "three again"]);
    // A day of the month without a row is empty now; a row outside the month is none of the file's.
    const late = { "t_2024-02-15_2024-02.csv": csv(head, "a,2024-02-20,last", "a,2024-03-01,stray") };
    expect(await standing(name, late)).toEqual([
      "last",
      "expected a day from 2024-02-01 to 2024-02-29, as the file's name says",
    ]);
  });

  it("needs an order, days of its own, and a name that says what it covers", async () => {
    const made = await book(
      source.replace("delivered:", 'covers: { from: file_name, pattern: "x_{day}.csv" }, delivered:'),
      {
        "t_2024-02-10.csv": csv(head, "a,2024-02-01,one"),
      },
    );
    await expect(made.load()).rejects.toThrow("its name does not say which days it covers, expected x_{day}.csv");
    const unordered = await book('tickets: { entity: ticket, files: "t.csv", mode: range }', {});
    await expect(unordered.read()).rejects.toThrow("found range without delivered");
    const usage = await book(
      'usage: { entity: usage_event, files: "u.csv", mode: snapshot, key: [event_id], delivered: first_seen }',
      {},
    );
    await expect(usage.read()).rejects.toThrow("expected append or range");
  });
});

describe("usage by the day", () => {
  it("turns off what it cannot answer, and says why", async () => {
    const made = await book("usage: { entity: usage_daily, files: u.csv, key: [account_id, activity_date, event] }", {
      "u.csv": "account_id,activity_date,event,n_events\na,2024-02-01,login,5\n",
    });
    const read = await made.read();
    const { kpis, off } = await resolveKpis({
      ...read,
      kpis: ["logins_28d", "active_users_28d", "active_days_28d", "usage_slope_180d"],
    });
    expect(kpis.map(({ id }) => id)).toEqual(["logins_28d", "active_days_28d", "usage_slope_180d"]);
    expect(off).toEqual([
      { id: "active_users_28d", why: expect.stringContaining("counts users, and usage by the day") },
    ]);
  });

  it("is rolled up by its counts, a repeated key once", async () => {
    const made = await book(
      'usage: { entity: usage_daily, files: "day*.csv", key: [account_id, activity_date, event] }',
      {
        "day1.csv":
          "account_id,activity_date,event,n_events,quantity\na,2024-02-01,login,5,1.5\na,2024-02-02,login,2,\n",
        "day2.csv":
          "account_id,activity_date,event,n_events,quantity\na,2024-02-02,login,9,\nb,2024-02-02,report,1,2\n",
      },
    );
    const load = await made.load();
    expect(load.sources.usage?.repeats).toMatchObject({ rows: 1, corrections: 1 });
    const { database } = await made.stage(load);
    try {
      const columns =
        "account_id, cast(activity_date as varchar) as day, event, n_events, cast(quantity as varchar) as q";
      expect(await database.query(`select ${columns} from rollup.account_day order by all`)).toEqual([
        { account_id: "a", day: "2024-02-01", event: "login", n_events: 5, q: "1.500000" },
        { account_id: "a", day: "2024-02-02", event: "login", n_events: 2, q: null },
        { account_id: "b", day: "2024-02-02", event: "report", n_events: 1, q: "2.000000" },
      ]);
    } finally {
      database.close();
    }
  });
});

describe("a withdrawn delivery", () => {
  it("has never come: the next load is that of a book without it", async () => {
    const source = 'tickets: { entity: ticket, files: "t_*.csv", key: [ticket_id] }';
    const one = csv("ticket_id,account_id,opened_at", "1,a,2024-02-01", "2,a,2024-02-02");
    const wrong = csv("ticket_id,account_id,opened_at", "2,b,2024-02-02", "3,b,2024-02-03");
    const right = csv("ticket_id,account_id,opened_at", "2,a,2024-02-02", "3,a,2024-02-04");
    const made = await book(source, { "t_1.csv": one, "t_2.csv": wrong });
    const plain = await book(source, { "t_1.csv": one });
    await made.load();
    const withdraw = (named: string, inUse: readonly string[] = []) =>
      withdrawDelivery({ state: made.state, named, now: new Date("2024-06-02T00:00:00Z"), inUse: new Set(inUse) });
    await expect(withdraw("t_3.csv")).rejects.toThrow("no delivery is called t_3.csv");
    expect(await withdraw("t_2.csv")).toMatchObject({ source: "tickets", file: "t_2.csv" });
    await expect(withdraw("t_2.csv")).rejects.toThrow("was withdrawn already, on 2024-06-02");
    // The file still lies in the folder, and is passed over.
    const rows = async (of: TestBook): Promise<unknown> => {
      const load = await of.load();
      const { database } = await of.stage(load);
      try {
        return {
          inputs: load.inputs_sha256,
          tickets: await database.query("select * exclude (delivery_id) from staging.ticket order by all"),
          deliveries: await database.query(
            "select source, file, delivery_no, rows_loaded from meta.delivery order by all",
          ),
        };
      } finally {
        database.close();
      }
    };
    expect(await rows(made)).toEqual(await rows(plain));
    const [pending] = (
      await pendingDeliveries({
        book: await made.read(),
        state: made.state,
        now: () => new Date("2100-01-01T00:00:00Z"),
      })
    ).filter((one) => one.source === "tickets");
    expect(pending).toMatchObject({ fresh: [], withdrawn: ["t_2.csv"] });
    for (const of of [made, plain]) await of.write("t_2.csv", right);
    expect(await rows(made)).toEqual(await rows(plain));
    const ledger = await readFile(join(made.state, "ledger.jsonl"), "utf8");
    expect(ledger).toContain('"kind":"withdrawal"');
  });

  it("is named by a dry run, withdrawn by the command, and stands again in its old place", async () => {
    const made = await book('tickets: { entity: ticket, files: "t_*.csv", key: [ticket_id] }', {
      "t_1.csv": csv("ticket_id,account_id,opened_at", "1,a,2024-02-01"),
      "t_2.csv": csv("ticket_id,account_id,opened_at", "2,b,2024-02-02"),
    });
    const before = await made.load("2024-06-01T00:00:00Z");
    const printed: string[] = [];
    const context = {
      cwd: made.folder,
      env: {},
      now: () => new Date("2024-06-02T00:00:00Z"),
      log: silentLog,
      print: (text: string) => void printed.push(text),
    };
    const files = async () =>
      (await made.load("2024-06-03T00:00:00Z")).deliveries
        .filter(({ source }) => source === "tickets")
        .map(({ file }) => file);
    await expect(forget(context, ".", { delivery: "t_2.csv", restore: true })).rejects.toThrow(
      "no delivery called t_2.csv was withdrawn",
    );
    await forget(context, ".", { delivery: "t_2.csv", dryRun: true });
    expect(printed.pop()).toMatch(/^t_2\.csv of source tickets would be withdrawn \(.*\); nothing has changed\.$/);
    expect(await files()).toEqual(["t_1.csv", "t_2.csv"]);
    await forget(context, ".", { delivery: "t_2.csv" });
    expect(printed.pop()).toMatch(/To take that back: npx assay forget \. --delivery [0-9a-f]{16} --restore$/);
    expect(await files()).toEqual(["t_1.csv"]);
    await forget(context, ".", { delivery: "t_2.csv", restore: true });
    expect(printed.pop()).toContain("t_2.csv of source tickets stands again");
    const after = await made.load("2024-06-04T00:00:00Z");
    expect(after.inputs_sha256).toBe(before.inputs_sha256);
    expect(after.deliveries).toEqual(before.deliveries);
  });
});
