import { afterEach, describe, expect, it } from "vitest";
import type { Row } from "../../pipelines/warehouse/database.ts";
import { type TestBook, testBook } from "../loading.ts";

const open: TestBook[] = [];
afterEach(async () => {
  for (const made of open.splice(0)) await made.drop();
});

interface Given {
  readonly sources: string;
  readonly rest?: string;
  /** Nights in their order: the moment at which the files are there, and the files. */
  readonly nights: readonly (readonly [string, Readonly<Record<string, string>>])[];
}

/** Loads night by night, stages once, and answers a query. */
async function staged(
  { sources, rest, nights }: Given,
  ...queries: readonly string[]
): Promise<readonly (readonly Row[])[]> {
  const made = await testBook(sources, rest);
  open.push(made);
  let load = null;
  for (const [now, files] of nights) {
    for (const [file, content] of Object.entries(files)) await made.write(file, content);
    load = await made.load(now);
  }
  const { database } = await made.stage(load ?? (await made.load()));
  try {
    const results: (readonly Row[])[] = [];
    for (const query of queries) results.push(await database.query(query));
    return results;
  } finally {
    database.close();
  }
}

const csv = (...lines: readonly string[]): string => `${lines.join("\n")}\n`;

describe("visible_on of a fact", () => {
  const ticket = (columns: string, options = "") =>
    `tickets: { entity: ticket, files: t.csv, columns: { ${columns} }${options} }`;
  const visible = "select ticket_id, visible_on from staging.ticket order by ticket_id";

  it("is the day after its own day, to the last second of it, plus the latency of the source", async () => {
    const file = csv(
      "ticket_id,account_id,opened_at",
      "1,a,2024-02-28 23:59:59",
      "2,a,2024-02-29 00:00:00",
      "3,a,2024-12-31 12:00:00",
    );
    const [soon] = await staged({ sources: ticket(""), nights: [["2024-06-01", { "t.csv": file }]] }, visible);
    expect(soon).toEqual([
      { ticket_id: "1", visible_on: "2024-02-29" },
      { ticket_id: "2", visible_on: "2024-03-01" },
      { ticket_id: "3", visible_on: "2025-01-01" },
    ]);
    const [later] = await staged(
      { sources: ticket("", ", latency_days: 2"), nights: [["2024-06-01", { "t.csv": file }]] },
      visible,
    );
    expect(later?.map((row) => row.visible_on)).toEqual(["2024-03-02", "2024-03-03", "2025-01-03"]);
  });

  it("is the day after it became known, never before the day after it happened", async () => {
    const file = csv(
      "ticket_id,account_id,opened_at,known_at",
      "1,a,2024-02-01 10:00:00,2024-02-01 11:00:00",
      "2,a,2024-02-02 10:00:00,2024-02-05 00:00:00",
      "3,a,2024-02-03 10:00:00,2024-01-01 00:00:00",
      "4,a,2024-02-04 10:00:00,",
    );
    const [rows] = await staged(
      { sources: ticket("", ", latency_days: 3"), nights: [["2024-06-01", { "t.csv": file }]] },
      visible,
    );
    expect(rows).toEqual([
      { ticket_id: "1", visible_on: "2024-02-02" },
      { ticket_id: "2", visible_on: "2024-02-06" },
      { ticket_id: "3", visible_on: "2024-02-04" },
      { ticket_id: "4", visible_on: "2024-02-08" },
    ]);
  });

  it.each([
    ["one day brought more than half of all rows", ["2024-02-03", "2024-02-03", "2024-02-09"]],
    ["most rows became known more than 7 days after they happened", ["2024-02-20", "2024-03-20", "2024-02-03"]],
  ])("does not heed known_at where %s", async (why, known) => {
    const file = csv(
      "ticket_id,account_id,opened_at,known_at",
      ...known.map((at, i) => `${i},a,2024-02-0${i + 1},${at}`),
    );
    const [rows, arrival] = await staged(
      { sources: ticket(""), nights: [["2024-06-01", { "t.csv": file }]] },
      visible,
      "select arrival_known, reason from staging.source_arrival where source = 'tickets'",
    );
    expect(rows?.map((row) => row.visible_on)).toEqual(["2024-02-02", "2024-02-03", "2024-02-04"]);
    expect(arrival).toEqual([{ arrival_known: false, reason: `bulk backfill: ${why}` }]);
  });
});

describe("repeats", () => {
  it("are taken once by a declared key: the first visible stands, and other content is counted", async () => {
    const [rows, counts] = await staged(
      {
        sources: "tickets: { entity: ticket, files: 't*.csv', key: [ticket_id] }",
        nights: [
          [
            "2024-06-01",
            {
              "t1.csv": csv(
                "ticket_id,account_id,opened_at,priority",
                "1,a,2024-02-05,low",
                "1,a,2024-02-05,low",
                "2,a,2024-02-06,low",
              ),
            },
          ],
          // An earlier own day is visible earlier, although it was delivered later.
          [
            "2024-06-02",
            {
              "t2.csv": csv(
                "ticket_id,account_id,opened_at,priority",
                "1,a,2024-02-04,high",
                "3,b,2024-02-04,high",
                ",b,2024-02-04,x",
                ",b,2024-02-04,x",
              ),
            },
          ],
        ],
      },
      "select ticket_id, opened_at, priority from staging.ticket order by ticket_id nulls last",
      "select * from staging.source_repeat where source = 'tickets'",
    );
    expect(rows).toEqual([
      { ticket_id: "1", opened_at: "2024-02-04 00:00:00", priority: "high" },
      { ticket_id: "2", opened_at: "2024-02-06 00:00:00", priority: "low" },
      { ticket_id: "3", opened_at: "2024-02-04 00:00:00", priority: "high" },
      { ticket_id: null, opened_at: "2024-02-04 00:00:00", priority: "x" },
      { ticket_id: null, opened_at: "2024-02-04 00:00:00", priority: "x" },
    ]);
    expect(counts).toEqual([{ source: "tickets", n_repeats: 2, n_corrections: 1 }]);
  });

  it("of usage are left out of the view, wherever the copies lie", async () => {
    const header = "event_id,account_id,event_time,event,known_at";
    const [rows, counts] = await staged(
      {
        sources: "usage: { entity: usage_event, files: 'u?.csv', key: [event_id] }",
        nights: [
          [
            "2024-06-01",
            {
              "u1.csv": csv(
                header,
                "1,a,2024-02-01,x,2024-02-05",
                "2,a,2024-02-02,x,2024-02-02",
                "3,a,2024-02-03,x,2024-02-03",
              ),
            },
          ],
          [
            "2024-06-02",
            {
              "u2.csv": csv(
                header,
                "1,a,2024-02-01,x,2024-02-01",
                "2,a,2024-02-02,y,2024-02-04",
                "4,a,2024-02-04,x,2024-02-06",
              ),
            },
          ],
        ],
      },
      "select event_id, event, visible_on from staging.usage_event order by event_id",
      "select * from staging.source_repeat where source = 'usage'",
    );
    expect(rows).toEqual([
      { event_id: "1", event: "x", visible_on: "2024-02-02" },
      { event_id: "2", event: "x", visible_on: "2024-02-03" },
      { event_id: "3", event: "x", visible_on: "2024-02-04" },
      { event_id: "4", event: "x", visible_on: "2024-02-07" },
    ]);
    expect(counts).toEqual([{ source: "usage", n_repeats: 2, n_corrections: 1 }]);
  });
});

describe("a state", () => {
  const subscriptions = (options: string) => `subscriptions: { entity: subscription, files: 's_*.csv', ${options} }`;
  const select = `select subscription_id, plan, seats, ended_on, segment, visible_on, superseded_on
    from staging.subscription order by subscription_id, visible_on`;

  it("shows of its first version, before its delivery, only what never changes", async () => {
    const [rows] = await staged(
      {
        sources: subscriptions("key: [subscription_id], immutable: [plan]"),
        rest: "segments: { by: plan }",
        nights: [
          [
            "2024-06-01T08:00:00Z",
            {
              "s_1.csv": csv(
                "subscription_id,account_id,started_on,ended_on,plan,seats",
                "1,a,2024-01-31,2024-05-01,solo,3",
                "2,b,2024-07-01,,studio,4",
              ),
            },
          ],
        ],
      },
      select,
    );
    expect(rows).toEqual([
      {
        subscription_id: "1",
        plan: "solo",
        seats: null,
        ended_on: "2024-05-01",
        segment: "solo",
        visible_on: "2024-02-01",
        superseded_on: "2024-06-02",
      },
      {
        subscription_id: "1",
        plan: "solo",
        seats: 3,
        ended_on: "2024-05-01",
        segment: "solo",
        visible_on: "2024-06-02",
        superseded_on: null,
      },
      // Delivered before its start: one row, from the day after the start.
      {
        subscription_id: "2",
        plan: "studio",
        seats: 4,
        ended_on: null,
        segment: "studio",
        visible_on: "2024-07-02",
        superseded_on: null,
      },
    ]);
  });

  it("of snapshots has a version from each change to the next, until the key vanishes, and again when it comes back", async () => {
    const header = "subscription_id,account_id,started_on,plan,seats";
    const [rows] = await staged(
      {
        sources: subscriptions(
          "mode: snapshot, key: [subscription_id], delivered: { from: file_name, pattern: 's_{date}.csv' }",
        ),
        nights: [
          // Loaded out of order: the order comes from the names.
          [
            "2024-08-01",
            {
              "s_2024-03-03.csv": csv(header, "1,a,2024-01-01,solo,5"),
              "s_20240301.csv": csv(header, "1,a,2024-01-01,solo,3", "2,b,2024-02-01,solo,1"),
            },
          ],
          [
            "2024-08-02",
            {
              "s_2024-03-02.csv": csv(header, "2,b,2024-02-01,solo,1", "1,a,2024-01-01,solo,3"),
              "s_2024-03-05.csv": csv(header, "2,b,2024-02-01,solo,1"),
            },
          ],
        ],
      },
      select,
    );
    expect(rows?.map(({ segment, ended_on, plan, ...row }) => row)).toEqual([
      { subscription_id: "1", seats: null, visible_on: "2024-01-02", superseded_on: "2024-03-02" },
      { subscription_id: "1", seats: 3, visible_on: "2024-03-02", superseded_on: "2024-03-04" },
      { subscription_id: "1", seats: 5, visible_on: "2024-03-04", superseded_on: "2024-03-06" },
      { subscription_id: "2", seats: null, visible_on: "2024-02-02", superseded_on: "2024-03-02" },
      { subscription_id: "2", seats: 1, visible_on: "2024-03-02", superseded_on: "2024-03-04" },
      { subscription_id: "2", seats: 1, visible_on: "2024-03-06", superseded_on: null },
    ]);
  });

  it("without a start of its own begins with the account's first subscription, else with its delivery", async () => {
    const [rows] = await staged(
      {
        sources: `accounts: { entity: account, files: a.csv, columns: { tier: tier }, immutable: [name] }
  ${subscriptions("key: [subscription_id]")}`,
        nights: [
          [
            "2024-06-01",
            {
              "a.csv": csv("account_id,name,tier", "a,Ann,gold", "z,Zoe,tin"),
              "s_1.csv": csv("subscription_id,account_id,started_on", "1,a,2024-03-01", "2,a,2024-02-01"),
            },
          ],
        ],
      },
      "select account_id, name, tier, visible_on, superseded_on from staging.account order by account_id, visible_on",
    );
    expect(rows).toEqual([
      { account_id: "a", name: "Ann", tier: null, visible_on: "2024-02-02", superseded_on: "2024-06-02" },
      { account_id: "a", name: "Ann", tier: "gold", visible_on: "2024-06-02", superseded_on: null },
      { account_id: "z", name: "Zoe", tier: "tin", visible_on: "2024-06-02", superseded_on: null },
    ]);
  });

  it("has no amount in a currency other than the book's", async () => {
    const [rows] = await staged(
      {
        sources: subscriptions("key: [subscription_id], immutable: [mrr_minor, currency]"),
        nights: [
          [
            "2024-06-01",
            {
              "s_1.csv": csv(
                "subscription_id,account_id,started_on,mrr_minor,currency",
                "1,a,2024-07-01,100,USD",
                "2,a,2024-07-01,100,EUR",
                "3,a,2024-07-01,100,",
              ),
            },
          ],
        ],
      },
      "select mrr_minor from staging.subscription order by subscription_id",
    );
    expect(rows).toEqual([{ mrr_minor: 100 }, { mrr_minor: null }, { mrr_minor: 100 }]);
  });
});

it("a fact of snapshots shows its later versions from their delivery, and its end is dated by its own column", async () => {
  const [rows] = await staged(
    {
      sources: "tickets: { entity: ticket, files: 't_*.csv', mode: snapshot, key: [ticket_id], delivered: first_seen }",
      nights: [
        [
          "2024-03-01T05:00:00Z",
          { "t_1.csv": csv("ticket_id,account_id,opened_at,closed_at", "1,a,2024-02-01 09:00:00,") },
        ],
        [
          "2024-03-02T05:00:00Z",
          { "t_1.csv": csv("ticket_id,account_id,opened_at,closed_at", "1,a,2024-02-01 09:00:00,2024-03-01 18:00:00") },
        ],
      ],
    },
    "select closed_at, visible_on, superseded_on from staging.ticket order by visible_on",
  );
  expect(rows).toEqual([
    { closed_at: null, visible_on: "2024-02-02", superseded_on: "2024-03-03" },
    { closed_at: "2024-03-01 18:00:00", visible_on: "2024-03-03", superseded_on: null },
  ]);
});

describe("identities", () => {
  it("come by a subscription's id; a row without a match is kept, without an account", async () => {
    const [events, tickets] = await staged(
      {
        sources: `subscriptions: { entity: subscription, files: s.csv }
  usage: { entity: usage_event, files: u.csv, columns: { account_id: { from: sub, via: subscriptions } } }
  tickets: { entity: ticket, files: t.csv, columns: { account_id: { from: sub, via: subscriptions } } }`,
        nights: [
          [
            "2024-06-01",
            {
              "s.csv": csv(
                "subscription_id,account_id,started_on",
                "s1,a,2024-01-01",
                "s2,b,2024-01-01",
                "s1,b,2024-05-01",
              ),
              "u.csv": csv("sub,event_time,event", "s1,2024-02-01,x", "s2,2024-02-01,x", "s9,2024-02-01,x"),
              "t.csv": csv("sub,opened_at", "s2,2024-02-01", "s9,2024-02-01"),
            },
          ],
        ],
      },
      "select account_ref, account_id from staging.usage_event order by account_ref",
      "select account_id from staging.ticket order by account_id nulls last",
    );
    expect(events).toEqual([
      { account_ref: "s1", account_id: "a" },
      { account_ref: "s2", account_id: "b" },
      { account_ref: "s9", account_id: null },
    ]);
    expect(tickets).toEqual([{ account_id: "b" }, { account_id: null }]);
  });

  it("come by account_key, from their dates on, per source", async () => {
    const [events, rolled] = await staged(
      {
        sources: `keys: { entity: account_key, files: k.csv }
  usage: { entity: usage_event, files: u.csv, columns: { account_id: { from: workspace, via: keys } } }`,
        nights: [
          [
            "2024-06-01",
            {
              "k.csv": csv("source,source_id,account_id,from_on", "usage,w1,a,", "usage,w1,b,2024-02-02", "crm,w1,z,"),
              "u.csv": csv("workspace,event_time,event", "w1,2024-02-01 23:59:59,x", "w1,2024-02-02 00:00:00,x"),
            },
          ],
        ],
      },
      "select account_id, activity_date from staging.usage_event order by activity_date",
      "select account_id, activity_date, n_events from rollup.account_day order by activity_date",
    );
    expect(events).toEqual([
      { account_id: "a", activity_date: "2024-02-01" },
      { account_id: "b", activity_date: "2024-02-02" },
    ]);
    expect(rolled).toEqual([
      { account_id: "a", activity_date: "2024-02-01", n_events: 1 },
      { account_id: "b", activity_date: "2024-02-02", n_events: 1 },
    ]);
  });

  it("never choose between two accounts, and list every id that leads to none or to several", async () => {
    const [tickets, identities, listed] = await staged(
      {
        sources: `keys: { entity: account_key, files: k.csv, columns: { source: { value: any } } }
  tickets: { entity: ticket, files: t.csv, columns: { account_id: { from: org, via: keys } } }`,
        nights: [
          [
            "2024-06-01",
            {
              // o1 is one account's, twice; o2 is two accounts'; one account has no id in the other system.
              "k.csv": csv("source_id,account_id", "o1,a", "o1,a", "o2,a", "o2,b", ",b"),
              "t.csv": csv("org,opened_at", "o1,2024-02-01", "o2,2024-02-01", "o2,2024-02-03", "o3,2024-02-02"),
            },
          ],
        ],
      },
      "select account_id, count(*) as n from staging.ticket group by account_id order by account_id nulls last",
      "select ref, account_id, candidates from staging.account_identity order by ref",
      "select * from staging.unmatched_id order by ref",
    );
    expect(tickets).toEqual([
      { account_id: "a", n: 1 },
      { account_id: null, n: 3 },
    ]);
    expect(identities).toEqual([
      { ref: "o1", account_id: "a", candidates: "a" },
      { ref: "o2", account_id: null, candidates: "a, b" },
    ]);
    const both = { source: "tickets", via: "keys" };
    expect(listed).toEqual([
      {
        ...both,
        ref: "o2",
        why: "ambiguous",
        candidates: "a, b",
        n_rows: 2,
        first_on: "2024-02-01",
        last_on: "2024-02-03",
      },
      {
        ...both,
        ref: "o3",
        why: "unmatched",
        candidates: "",
        n_rows: 1,
        first_on: "2024-02-02",
        last_on: "2024-02-02",
      },
    ]);
  });

  it("come through several sources, and through domains that are not of free mail", async () => {
    const [tickets] = await staged(
      {
        sources: `domains: { entity: account_key, files: crm.csv, columns: { source: { value: any }, source_id: { from: website, take: domain }, account_id: id } }
  people: { entity: user, files: p.csv, columns: { account_id: { from: email, take: domain, via: domains } } }
  tickets: { entity: ticket, files: t.csv, columns: { account_id: { from: requester, via: people } } }`,
        nights: [
          [
            "2024-06-01",
            {
              "crm.csv": csv("id,website", "a,https://www.alder.example/start", "b,birch.test", "b,gmail.com"),
              "p.csv": csv("user_id,email", "u1,Ida@Alder.example", "u2,bo@birch.test", "u3,x@gmail.com"),
              "t.csv": csv("requester,opened_at", "u1,2024-02-01", "u2,2024-02-02", "u3,2024-02-03"),
            },
          ],
        ],
      },
      "select account_id, cast(opened_at as date) as opened_on from staging.ticket order by opened_at",
    );
    expect(tickets).toEqual([
      { account_id: "a", opened_on: "2024-02-01" },
      { account_id: "b", opened_on: "2024-02-02" },
      { account_id: null, opened_on: "2024-02-03" },
    ]);
  });
});

it("an entity without a source is an empty table with its columns", async () => {
  const [rows, days] = await staged(
    {
      sources: "tickets: { entity: ticket, files: t.csv }",
      nights: [
        ["2024-06-01", { "t.csv": csv("account_id,opened_at", "a,2024-02-01 10:00:00", "b,2024-02-01 11:00:00") }],
      ],
    },
    "select account_id, issued_on, paid_on, amount_minor, visible_on, superseded_on from staging.invoice",
    "select entity, activity_date from staging.feed_day where entity <> 'account' order by entity",
  );
  expect(rows).toEqual([]);
  expect(days).toEqual([
    { entity: "ticket", activity_date: "2024-02-01" },
    { entity: "usage_event", activity_date: "2024-02-01" },
  ]);
});

it("a daily total is rolled up like the events that it stands for", async () => {
  const [rows] = await staged(
    {
      sources: "usage: { entity: usage_daily, files: d.csv }",
      nights: [
        [
          "2024-06-01",
          {
            "d.csv": csv(
              "account_id,activity_date,event,n_events,quantity",
              "a,2024-02-01,login,3,1.5",
              "a,2024-02-01,login,2,",
            ),
          },
        ],
      ],
    },
    "select account_id, activity_date, visible_on, event, n_events, quantity from rollup.account_day",
  );
  expect(rows).toEqual([
    {
      account_id: "a",
      activity_date: "2024-02-01",
      visible_on: "2024-02-02",
      event: "login",
      n_events: 5,
      quantity: 1.5,
    },
  ]);
});
