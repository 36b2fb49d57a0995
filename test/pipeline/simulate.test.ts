import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readBook } from "../../pipelines/config/book.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { simulate } from "../../pipelines/simulate/simulate.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { literal } from "../../pipelines/warehouse/literal.ts";

const work = mkdtempSync(join(tmpdir(), "assay-simulate-"));
const plain = join(work, "plain");
const small = { accounts: 120, months: 12, seed: 5, kind: "plain", log: silentLog } as const;
let database: Database;
let made: { events: number; accounts: number };

/** SHA-256 of every file below a folder, by its path in it. */
function digests(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .sort();
  return Object.fromEntries(
    files.map((path) => [relative(folder, path), createHash("sha256").update(readFileSync(path)).digest("hex")]),
  );
}

beforeAll(async () => {
  made = await simulate({ ...small, out: plain, threads: 2 });
  database = await Database.open({ path: ":memory:" });
  const file = (name: string): string => literal(join(plain, "exports", name));
  await database.run(`
    create view usage as select * from read_parquet(${file("usage/*.parquet")}, filename = true);
    create view contract as select * from read_csv(${file("subscriptions_2026-06-30.csv")});
    create view subscription as select * from contract where not is_trial;
    create view trial as select * from contract where is_trial;
    create view earlier as select * from read_csv(${file("subscriptions_2026-02-28.csv")}) where not is_trial;
    create view account as select * from read_csv(${file("accounts_2026-06-30.csv")});
    create view person as select distinct * from read_csv(${file("users_2026-06-30.csv")}, types = {'created_at': 'varchar', 'deactivated_at': 'timestamp'});
    create view engagement as select * from read_csv(${file("engagements_*.csv")});
    create view invoice as select * from read_csv(${file("invoices_2026-06-30.csv")}, types = {'amount_minor': 'varchar', 'paid_on': 'date'});
    create view milestone as select * from read_csv(${file("milestones_2026-06-30.csv")});
    create view goal as select * from read_csv(${file("goals_2026-06-30.csv")});
    create view news as select * from read_csv(${file("business_events_*.csv")});
    -- Days on which an account paid, up to the day after the last.
    create view paid as
      select account_id, split_part(subscription_id, '-', 2) as spell, min(started_on) as paid_from,
        max(coalesce(ended_on, date '9999-12-31')) as paid_to
      from subscription
      group by all;
    create view ticket as select * from read_csv(${file("tickets_*.csv")}, all_varchar = true);
    create view rating as select * from read_csv(${file("csm_ratings_*.csv")}, all_varchar = true);
    create view survey as select * from read_csv(${file("surveys_*.csv")});
    create view play as select * from read_csv(${file("plays_*.csv")});
  `);
});
afterAll(() => {
  database.close();
  rmSync(work, { recursive: true, force: true });
});

const count = async (sql: string): Promise<number> => Number(await database.scalar(`select count(*) from ${sql}`));

describe("the bytes of a book", () => {
  test("depend on the seed and not on threads, or on what lay in the folder", async () => {
    const again = join(work, "again");
    await simulate({ ...small, seed: 6, months: 7, out: again });
    const other = digests(again);
    await simulate({ ...small, out: again, threads: 1 });
    expect(digests(again)).toEqual(digests(plain));
    expect(digests(again)["exports/accounts_2026-06-30.csv"]).not.toBe(other["exports/accounts_2026-06-30.csv"]);
  });
});

describe("the book", () => {
  test("has a configuration that Assay reads, and files for each of its sources", async () => {
    const book = await readBook(plain, { cwd: work, env: {} });
    expect(book.segments.by).toBe("plan");
    expect(book.scorecards).toEqual(["freshsuccess_40_30_30"]);
    expect(Object.keys(book.sources)).toHaveLength(14);
    const names = Object.keys(digests(join(plain, "exports")));
    for (const source of Object.values(book.sources)) {
      const [head = "", tail = ""] = String(source.files).replace("exports/", "").split("*");
      expect(names.filter((name) => name.startsWith(head) && name.endsWith(tail)).length).toBeGreaterThan(0);
    }
  });

  test("says what is planted, for every KPI but the one that only the naive score reads", async () => {
    const book = await readBook(plain, { cwd: work, env: {} });
    const truth = JSON.parse(readFileSync(join(plain, "truth.json"), "utf8")) as {
      kpis: Record<string, { role: string; expected: string[] }>;
    };
    expect(Object.keys(truth.kpis).sort()).toEqual(book.kpis.filter((id) => id !== "feature_events_28d").sort());
    expect(Object.values(truth.kpis).filter(({ role }) => role === "noise")).toHaveLength(5);
    expect(truth.kpis.csm_rating).toEqual({ role: "late", expected: ["late_only", "mostly_late"] });
    expect(Object.values(truth.kpis).every(({ expected }) => expected.length > 0)).toBe(true);
  });

  test("ends on a month start, and counts what it wrote", async () => {
    expect(await database.scalar("select cast(max(cast(event_time as date)) as varchar) from usage")).toBe(
      "2026-06-30",
    );
    expect(await database.scalar("select cast(min(cast(event_time as date)) as varchar) from usage")).toBe(
      "2025-07-01",
    );
    expect(await database.scalar("select count(distinct event_id) from usage")).toBe(made.events);
    expect(await count("(select distinct account_id from subscription)")).toBe(made.accounts);
    expect(await count("account where account_id in (select account_id from subscription)")).toBe(made.accounts);
  });

  test("is one in which accounts started before the data did, and about as many pay as were asked for", async () => {
    expect(await count("subscription where started_on < '2024-07-01'")).toBeGreaterThan(20);
    const paying = await count(
      "subscription where started_on <= '2026-01-01' and (ended_on is null or ended_on > '2026-01-01')",
    );
    expect(paying).toBeGreaterThan(90);
    expect(paying).toBeLessThan(150);
  });
});

describe("subscriptions", () => {
  test("of annual plans are one row a term that follow without a gap, and a leaver's notice keeps its period", async () => {
    const annual = "subscription where plan <> 'solo'";
    expect(await count(`${annual} and (ended_on <> renews_on or ended_on <> started_on + interval 12 month)`)).toBe(0);
    expect(await count(`${annual} and notice_on > renews_on - cast(notice_days as integer)`)).toBe(0);
    expect(
      await database.query(`select plan, min(notice_days) as least, max(notice_days) as most, max(term_months) as term
        from subscription group by plan order by plan`),
    ).toEqual([
      { plan: "enterprise", least: 90, most: 90, term: 12 },
      { plan: "solo", least: 0, most: 0, term: 1 },
      { plan: "studio", least: 30, most: 30, term: 12 },
    ]);
    expect(
      await count(`(
        select ended_on, lead(started_on) over (partition by split_part(subscription_id, '-', 1), split_part(subscription_id, '-', 2) order by started_on) as next_on
        from ${annual}
      ) where next_on is not null and next_on <> ended_on`),
    ).toBe(0);
  });

  test("of the monthly plan end at most a month after the cancel click", async () => {
    const left = "subscription where plan = 'solo' and notice_on is not null";
    expect(await count(left)).toBeGreaterThan(20);
    expect(await count(`${left} and (ended_on <= notice_on or ended_on > notice_on + interval 1 month)`)).toBe(0);
  });

  test("say when notice was given for nearly every account that left", async () => {
    const left = await count("subscription where end_reason is not null");
    expect(await count("subscription where end_reason is not null and notice_on is not null")).toBeGreaterThanOrEqual(
      left * 0.95,
    );
  });

  test("come in two deliveries, and the first knows nothing of what came after it", async () => {
    expect(
      await count(
        "earlier where notice_on > '2026-02-28' or started_on > '2026-02-28' or (plan = 'solo' and end_reason is not null and ended_on > '2026-02-28')",
      ),
    ).toBe(0);
    const changed = `earlier join subscription as later using (subscription_id)
      where (earlier.plan, earlier.seats, earlier.mrr_minor, earlier.notice_days) <> (later.plan, later.seats, later.mrr_minor, later.notice_days)`;
    expect(await count(changed)).toBe(0);
    expect(
      await count(
        "earlier join subscription as later using (subscription_id) where earlier.notice_on is null and later.notice_on is not null",
      ),
    ).toBeGreaterThan(0);
  });

  test("let some who left come back", async () => {
    expect(
      await count(
        "(select account_id from subscription group by 1 having count(distinct split_part(subscription_id, '-', 2)) > 1)",
      ),
    ).toBeGreaterThan(0);
  });
});

describe("accounts", () => {
  test("say every month at which stage they are, and none is new for longer than eight weeks", async () => {
    const dumps = `read_csv(${literal(join(plain, "exports", "accounts_*.csv"))}, filename = true)`;
    // From the end of July 2025 on.
    expect(await count(`(select distinct filename from ${dumps})`)).toBe(12);
    const staged = `(
      select a.lifecycle, cast(regexp_extract(filename, '\\d{4}-\\d{2}-\\d{2}') as date) as on_day, min(s.started_on) as first_on,
        bool_or(s.ended_on is null or s.ended_on > cast(regexp_extract(filename, '\\d{4}-\\d{2}-\\d{2}') as date)) as is_paying
      from ${dumps} as a
      left join subscription as s on s.account_id = a.account_id and s.started_on <= cast(regexp_extract(filename, '\\d{4}-\\d{2}-\\d{2}') as date)
      group by a.account_id, a.lifecycle, filename
    )`;
    expect(
      await count(`${staged} where lifecycle <> case
        when first_on is null then lifecycle when not is_paying then 'former' when on_day - first_on < 56 then 'onboarding'
        when on_day - first_on < 365 then 'adopting' else 'established' end`),
    ).toBe(0);
    expect(
      await database.query(`select lifecycle, count(first_on) > 0 as has_paid from ${staged} group by 1 order by 1`),
    ).toEqual([
      { lifecycle: "adopting", has_paid: true },
      { lifecycle: "established", has_paid: true },
      { lifecycle: "former", has_paid: true },
      { lifecycle: "onboarding", has_paid: true },
      { lifecycle: "prospect", has_paid: false },
      { lifecycle: "trial", has_paid: false },
    ]);
  });
});

describe("the feeds", () => {
  test("hold no use outside paid time and trials", async () => {
    expect(
      await count(`usage where not exists (
        select 1 from contract as s where s.account_id = usage.account_id
          and event_time >= s.started_on and (s.ended_on is null or event_time < s.ended_on)
      )`),
    ).toBe(0);
  });

  test("bring some rows late and some twice, the second time in the next file and unchanged", async () => {
    expect(await count("usage where loaded_at <= event_time")).toBe(0);
    const late = (await count("usage where loaded_at > event_time + interval 1 day")) / made.events;
    expect(late).toBeGreaterThan(0.01);
    expect(late).toBeLessThan(0.03);
    expect(await count("(select event_id from usage group by 1 having count(*) > 1)")).toBeGreaterThan(50);
    expect(
      await count(
        "(select event_id from usage group by 1 having count(distinct (account_id, user_id, event, event_time, loaded_at)) > 1 or count(distinct filename) <> count(*))",
      ),
    ).toBe(0);
  });

  test("are quieter on Sundays", async () => {
    const perDay = (day: number): Promise<number> => count(`usage where isodow(event_time) = ${day}`);
    expect(await perDay(7)).toBeLessThan(0.5 * (await perDay(2)));
  });

  test("have two weeks without a ticket, said in a note", async () => {
    const day = "cast(try_cast(opened_at as timestamp) as date)";
    expect(await count(`ticket where ${day} between '2025-11-16' and '2025-11-30'`)).toBe(0);
    expect(await count(`ticket where ${day} between '2025-11-10' and '2025-11-15'`)).toBeGreaterThan(0);
    expect(readFileSync(join(plain, "exports", "notes_2026-06-30.csv"), "utf8")).toBe(
      "on,label,kind\n2025-11-16,Ticket feed down until 2025-11-30,incident\n2026-01-01,Redesign of the app,launch\n",
    );
  });

  test("have a few rows that cannot be read, well under what a delivery may have", async () => {
    const bad = await count("ticket where try_cast(opened_at as timestamp) is null");
    expect(bad).toBeGreaterThan(0);
    expect(bad / (await count("ticket"))).toBeLessThan(0.0025);
    expect((await count("rating where try_cast(rating as integer) is null")) / (await count("rating"))).toBeLessThan(
      0.003,
    );
  });

  test("show a manager's rating fall in the last 25 days before notice, and not before", async () => {
    const mean = (from: number, to: number): Promise<number | null> =>
      database.scalar<number>(`select avg(try_cast(rating as integer)) from rating join subscription as s using (account_id)
        where s.notice_on is not null and cast(rated_at as date) >= s.notice_on - ${from} and cast(rated_at as date) < s.notice_on - ${to}`);
    const [late, early] = [await mean(25, 0), await mean(150, 25)];
    expect(Number(early) - Number(late)).toBeGreaterThan(1.2);
    expect(
      Math.abs(Number(early) - Number(await database.scalar("select avg(try_cast(rating as integer)) from rating"))),
    ).toBeLessThan(0.6);
  });

  test("leave part of the surveys without an answer, and name rescues", async () => {
    const silent = (await count("survey where responded_at is null")) / (await count("survey"));
    expect(silent).toBeGreaterThan(0.25);
    expect(silent).toBeLessThan(0.6);
    expect(await count("play where play = 'rescue call'")).toBeGreaterThan(0);
  });
});

describe("trials", () => {
  test("come before the first paid day, and lead to it or to nothing", async () => {
    expect(await count("trial where mrr_minor <> 0 or ended_on > started_on + 14")).toBe(0);
    expect(
      await count(
        "trial join (select account_id, min(paid_from) as paid_from from paid group by 1) using (account_id) where ended_on <> paid_from",
      ),
    ).toBe(0);
    expect(await count("trial join account using (account_id) where cast(created_at as date) <> started_on")).toBe(0);
    const [tried, paid] = [await count("trial"), await count("trial join paid using (account_id) where spell = '1'")];
    expect(paid / tried).toBeGreaterThan(0.45);
    expect(paid / tried).toBeLessThan(0.85);
    expect(await count("account where account_id not in (select account_id from contract)")).toBe(0);
  });

  test("reach the gate more often when they convert", async () => {
    const share = (who: string): Promise<number | null> =>
      database.scalar<number>(`select avg(cast(exists (
          select 1 from usage where usage.account_id = trial.account_id and event = 'invoice_sent' and event_time < trial.ended_on
        ) as integer))
        from trial where account_id ${who} (select account_id from paid) and ended_on is not null`);
    expect(Number(await share("in")) - Number(await share("not in"))).toBeGreaterThan(0.3);
  });
});

describe("people and dealings", () => {
  test("name every user before the first use, and none that was switched off", async () => {
    const use = `(select user_id, account_id, min(event_time) as first_at, max(event_time) as last_at from usage group by all) as u`;
    expect(await count(`${use} anti join person using (user_id, account_id)`)).toBe(0);
    expect(await count(`${use} join person using (user_id) where try_cast(created_at as timestamp) >= first_at`)).toBe(
      0,
    );
    expect(await count(`${use} join person using (user_id) where deactivated_at <= last_at`)).toBe(0);
    expect(await count("(select user_id from person group by 1 having count(*) > 1)")).toBe(0);
    expect(await count("person where is_executive")).toBeGreaterThan(20);
    expect(await count("person where deactivated_at is not null")).toBeGreaterThan(20);
  });

  test("end with the account: no contact, survey, news, milestone or goal in time that was not paid", async () => {
    const outside = (table: string, day: string): Promise<number> =>
      count(`${table} where ${day} is not null and not exists (
        select 1 from paid where paid.account_id = ${table}.account_id and ${day} >= paid_from and ${day} < paid_to
      )`);
    expect(await outside("engagement", "occurred_at")).toBe(0);
    expect(await outside("survey", "asked_at")).toBe(0);
    expect(await outside("news", "occurred_on")).toBe(0);
    expect(await outside("goal", "met_on")).toBe(0);
    expect(
      await count(
        "milestone join (select account_id, max(paid_to) as paid_to from paid group by 1) using (account_id) where reached_on >= paid_to or expected_on >= paid_to",
      ),
    ).toBe(0);
    for (const [kind, status] of [
      ["meeting", "cancelled"],
      ["email", "ignored"],
      ["chat", "replied"],
      ["campaign", "ignored"],
    ])
      expect(await count(`engagement where kind = '${kind}' and status = '${status}'`)).toBeGreaterThan(20);
    for (const kind of ["social", "web_visit", "call"])
      expect(await count(`engagement where kind = '${kind}'`)).toBeGreaterThan(20);
    expect(await database.query("select distinct kind from survey order by kind")).toEqual([
      { kind: "csat" },
      { kind: "nps" },
      { kind: "pmf" },
    ]);
  });

  test("bill every paid month, quarter or year once, and are paid late now and then", async () => {
    expect(await count("(select account_id, issued_on from invoice group by all having count(*) > 1)")).toBe(0);
    expect(
      await count(`invoice where not exists (
        select 1 from paid where paid.account_id = invoice.account_id and issued_on >= paid_from and issued_on < paid_to
      )`),
    ).toBe(0);
    // A month of Solo costs what the subscription says.
    expect(
      await count(`invoice join subscription as s using (account_id)
        where plan = 'solo' and issued_on >= s.started_on and (s.ended_on is null or issued_on < s.ended_on)
          and try_cast(amount_minor as bigint) <> mrr_minor`),
    ).toBe(0);
    expect(
      await count(`invoice join subscription as s using (account_id)
        where plan = 'studio' and issued_on = s.started_on and try_cast(amount_minor as bigint) <> 12 * mrr_minor`),
    ).toBe(0);
    expect(
      await count(
        "subscription as s where not exists (select 1 from invoice as i where i.account_id = s.account_id and issued_on = s.started_on)",
      ),
    ).toBe(0);
    expect(
      await count(
        "invoice where paid_on < issued_on or (paid_on is null) <> (status = 'open') or paid_on > '2026-06-30'",
      ),
    ).toBe(0);
    const late = (await count("invoice where paid_on > due_on")) / (await count("invoice"));
    expect(late).toBeGreaterThan(0.03);
    expect(late).toBeLessThan(0.15);
  });

  test("reach the first sent invoice when usage says so", async () => {
    expect(
      await count(`(
        select account_id, reached_on from milestone where milestone = 'first invoice sent'
      ) join (select account_id, cast(min(event_time) as date) as sent_on from usage where event = 'invoice_sent' group by 1) using (account_id)
      where reached_on <> sent_on`),
    ).toBe(0);
    expect(await count("milestone where reached_on > expected_on")).toBeGreaterThan(20);
    expect(await count("milestone where reached_on <= expected_on")).toBeGreaterThan(20);
  });

  test("name parents that exist and are older", async () => {
    expect(await count("account where parent_id is not null")).toBeGreaterThan(0);
    expect(
      await count(
        "account as child where parent_id is not null and not exists (select 1 from account as p where p.account_id = child.parent_id and p.created_at < child.created_at)",
      ),
    ).toBe(0);
  });
});

describe("other books", () => {
  test("tiny: 120 accounts of which about a dozen left", async () => {
    const out = join(work, "tiny");
    const { accounts } = await simulate({ out, accounts: 1500, months: 18, seed: 1, kind: "tiny", log: silentLog });
    expect(accounts).toBe(120);
    const left = Number(
      await database.scalar(
        `select count(distinct account_id) from read_csv(${literal(join(out, "exports", "subscriptions_2026-06-30.csv"))}) where notice_on is not null`,
      ),
    );
    expect(left).toBeGreaterThan(2);
    expect(left).toBeLessThan(25);
  });

  test("small, and with more notices missing by chance than a book may lack: one is on record after all", async () => {
    const out = join(work, "few");
    // Drawn were 3 of 54, and a refresh refuses a gap of 30 days where more than 5 % are missing.
    await simulate({ ...small, out, accounts: 60, months: 14, seed: 31 });
    const contracts = `read_csv(${literal(join(out, "exports", "subscriptions_2026-06-30.csv"))})`;
    const left = `${contracts} where end_reason is not null and not is_trial`;
    expect(await database.query(`select count(*) as n, count(notice_on) as notices from ${left}`)).toEqual([
      { n: 54, notices: 52 },
    ]);
  });

  test("null: nothing is planted but size, and no rating falls", async () => {
    const out = join(work, "null");
    await simulate({ ...small, out, kind: "null", months: 6 });
    const truth = JSON.parse(readFileSync(join(out, "truth.json"), "utf8")) as {
      kpis: Record<string, { role: string }>;
    };
    expect(new Set(Object.values(truth.kpis).map(({ role }) => role))).toEqual(new Set(["size", "noise", "constant"]));
  });

  test("a volume that was asked for is met within a tenth, as CSV too", async () => {
    const out = join(work, "volume");
    const { events } = await simulate({ ...small, out, months: 6, events: 60_000, usageFormat: "csv" });
    expect(Math.abs(events - 60_000)).toBeLessThan(6_000);
    const files = literal(join(out, "exports", "usage", "*.csv"));
    expect(await database.scalar(`select count(distinct event_id) from read_csv(${files})`)).toBe(events);
  });

  test("that cannot be are refused in one sentence", async () => {
    const out = join(work, "no");
    await expect(simulate({ ...small, out, accounts: 0 })).rejects.toThrow(
      "simulate needs a positive whole number of accounts: 0",
    );
    await expect(simulate({ ...small, out, months: 3 })).rejects.toThrow("simulate needs 6 to 96 months: 3");
    await expect(simulate({ ...small, out, seed: 1.5 })).rejects.toThrow("1.5");
  });
});

describe("the planted world", () => {
  const planted = join(work, "planted");
  const of = { accounts: 150, months: 36, seed: 5, kind: "planted", log: silentLog } as const;
  const files = (name: string): string => literal(join(planted, "exports", name));
  beforeAll(async () => {
    await simulate({ ...of, out: planted, threads: 2 });
  });

  test("is the same bytes on one thread and on two, and other bytes with another seed", async () => {
    await simulate({ ...of, out: join(work, "planted-again"), threads: 1 });
    expect(digests(join(work, "planted-again"))).toEqual(digests(planted));
    await simulate({ ...of, out: join(work, "planted-other"), seed: 6 });
    expect(digests(join(work, "planted-other"))["exports/usage_1.parquet"]).not.toBe(
      digests(planted)["exports/usage_1.parquet"],
    );
  });
  test("is a book that can be read, and its gap is longer than the longest notice", async () => {
    const book = await readBook(planted, { cwd: planted, env: {} });
    expect(book.kpis).toHaveLength(28);
    const longest = await database.scalar(
      `select max(notice_days) from read_parquet(${files("subscriptions_*.parquet")})`,
    );
    expect(Number(longest)).toBeLessThan(book.calendar.gap_days);
  });
  test("has no row outside of the paid period, and ends only with a month", async () => {
    const outside = await database.scalar<number>(`
      with seen as (
        select account_id, event_time as seen_at from read_parquet(${files("usage_*.parquet")})
        union all select account_id, opened_at from read_parquet(${files("tickets_*.parquet")})
        union all select account_id, asked_at from read_parquet(${files("surveys_*.parquet")})
        union all select account_id, occurred_at from read_parquet(${files("contacts_*.parquet")})
      )
      select count(*) from seen join read_parquet(${files("subscriptions_*.parquet")}) as contract using (account_id)
      where seen_at < started_on or seen_at >= coalesce(ended_on, date '2026-07-01')`);
    expect(outside).toBe(0);
    const days = await database.query<{ day: number }>(
      `select distinct day(ended_on) as day from read_parquet(${files("subscriptions_*.parquet")}) where ended_on is not null`,
    );
    expect(days.map(({ day }) => Number(day))).toEqual([1]);
  });
  test("28 days before a month start hold each meter once and four weeks of work", async () => {
    const readings = await database.query<{ event: string; least: number; most: number }>(`
      with start as (
        select cast(d as date) as s from range(date '2023-08-01', date '2026-07-01', interval 1 month) as r(d)
      ),
      held as (
        select account_id, s, event, count(*) as n
        from read_parquet(${files("usage_*.parquet")}) as reading
        join read_parquet(${files("subscriptions_*.parquet")}) as contract using (account_id)
        join start on event_time >= s - 28 and event_time < s and started_on + 28 <= s and coalesce(ended_on, s) >= s
        where event in ('work', 'export', 'noise_01')
        group by all
      )
      select event, min(n) as least, max(n) as most from held group by event order by event`);
    expect(readings.map(({ event, least, most }) => [event, Number(least), Number(most)])).toEqual([
      ["export", 1, 1],
      ["noise_01", 1, 1],
      ["work", 4, 4],
    ]);
  });
});
