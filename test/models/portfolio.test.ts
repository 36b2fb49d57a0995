import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parsePlays } from "../../pipelines/config/plays.ts";
import { projectRoot } from "../../pipelines/lib/files.ts";
import type { Model } from "../../pipelines/models/model.ts";
import { portfolioNodes } from "../../pipelines/portfolio/nodes.ts";
import { Database } from "../../pipelines/warehouse/database.ts";

const given = `
create schema meta; create schema staging; create schema spine; create schema scores; create schema validation; create schema marts;
create table meta.params as select date '2026-03-30' as as_of, 2 as min_cell;
create table marts.band as select * from (values ('red', 1), ('yellow', 2), ('green', 3), ('unknown', 99)) as t (band, band_no);
create table staging.account as select * from (values
  ('top', null), ('a', 'top'), ('b', 'top'), ('c', 'a'), ('x', 'y'), ('y', 'x'), ('z', 'x'), ('me', 'me'), ('lost', 'nowhere'))
  as t (account_id, parent_id)
  cross join (select 'n' as name, ' ' as owner, null::varchar as lifecycle, null::varchar as country, false as is_test, date '2026-01-01' as visible_on, null::date as superseded_on, 's' as source, 'd' as delivery_id);
-- Scores and money by hand: a 20 with 300, b 80 with 100, c without a score with 200; top itself does not pay.
create table marts.portfolio_account as select * from (values
  ('a', 20::decimal(18,6), 'red', 300::bigint, true), ('b', 80, 'green', 100, false), ('c', null, 'unknown', 200, false), ('z', 50, 'yellow', 0, false))
  as t (account_id, score, band, mrr_minor, is_red)
  cross join (select 'n' as name, 'Ann' as owner, 'solo' as segment, date '2026-03-09' as band_since, 21 as days_in_band, null::date as renews_on);
create table staging.survey_response as select * from (values
  ('a', 'u1', 9, timestamp '2026-03-01', timestamp '2026-03-02', 'q1'), ('a', 'u1', 3, timestamp '2025-12-01', timestamp '2025-12-02', 'q1'),
  ('a', 'u2', 6, timestamp '2025-12-01', timestamp '2026-02-01', 'q1'), ('b', 'u3', 8, timestamp '2025-01-01', timestamp '2025-01-02', 'q0'),
  ('b', null, 10, timestamp '2026-02-01', timestamp '2026-02-02', 'q1'), ('b', 'u4', 11, timestamp '2026-02-01', timestamp '2026-02-02', 'q1'),
  ('a', 'u5', null, timestamp '2026-02-01', null, 'q1'))
  as t (account_id, user_id, score, asked_at, responded_at, campaign)
  cross join (select 'nps' as kind, date '2025-01-01' as visible_on, null::date as superseded_on);
create table spine.account_period as select * from (values ('a', date '2025-01-01', null::date), ('b', date '2025-01-01', null), ('p', date '2025-01-01', null), ('q', date '2025-01-01', date '2025-08-01'), ('r', date '2025-01-01', null), ('s', date '2025-01-01', null))
  as t (account_id, started_on, ended_on);
create table spine.account_snapshot as
  select e.account_id, d.d as snapshot_date, 'solo' as segment, e.started_on as period_started_on, null::varchar as lifecycle, 100 as mrr_minor, true as is_scored
  from spine.account_period as e cross join (values (date '2025-06-02'), (date '2025-06-09'), (date '2025-07-07'), (date '2025-08-04'), (date '2025-09-01'), (date '2026-03-30')) as d (d)
  where e.ended_on is null or d.d < e.ended_on;
-- p gets a play on 2025-06-04, s on 2025-06-10; a, q and r are in the same band then, b is not. q decides to leave on 2025-06-20.
create table scores.account_score as
  select account_id, snapshot_date, true as is_in_force,
    case when account_id = 'b' then 'green' when account_id = 'r' and snapshot_date >= date '2025-07-07' then 'yellow' else 'red' end as band
  from spine.account_snapshot;
create table staging.play as select * from (values ('p', date '2025-06-04', 'Rescue call'), ('p', date '2025-06-04', 'Rescue call'), ('s', date '2025-06-10', 'Rescue call'), ('a', date '2026-03-20', ' rescue CALL '))
  as t (account_id, started_on, play) cross join (select date '2025-01-01' as visible_on, null::date as superseded_on, null::varchar as outcome)
  cross join (select null::date as ended_on);
update staging.play set ended_on = date '2025-06-11' where account_id = 'p';
create table validation.definition as select 'd' as definition, true as is_primary, 30 as settle_days;
create table validation.stratum as select 'p' as account_id, date '2025-06-01' as snapshot_date, 'd' as definition, 1 as stratum where false;
create table validation.decision as select 'd' as definition, 'q' as account_id, date '2025-06-20' as decided_on, null::date as undone_on, 'notice' as kind;
`;

describe("what managers read", () => {
  let database: Database;
  let nodes: readonly Model[];
  const rows = (sql: string) => database.query(sql);
  beforeAll(async () => {
    database = await Database.open({ path: ":memory:" });
    await database.run(await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"));
    await database.run(given);
    const { plays } = parsePlays(
      "- { id: call, label: Rescue call, when: { band: red, days_in_band: 7 }, steps: [x], due_days: 10 }\n" +
        "- { id: thank, when: { band: green }, steps: [x, y], owner: Bo, due_days: 30 }\n" +
        "- { id: nudge, when: { band: yellow }, steps: [x], due_days: 10 }\n",
      "plays.yaml",
    );
    nodes = await portfolioNodes({ site: { owner_bands: true } } as never, plays);
    const build = ["account_now", "hierarchy_issue", "hierarchy_member", "hierarchy", "promoter", "response_rate"];
    for (const name of [...build, "play_case", "play_after", "play_summary", "play", "play_due", "owner_band"]) {
      const { sql } = nodes.find((node) => node.name === `marts.${name}`) as Model;
      await database.run(`create table marts.${name} as ${sql}`);
    }
  });
  afterAll(() => database.close());

  it("follows parents over all levels, and says which lead nowhere", async () => {
    expect(await rows("select account_id, issue from marts.hierarchy_issue order by 1")).toEqual([
      { account_id: "lost", issue: "no_such_account" },
      { account_id: "me", issue: "itself" },
      { account_id: "x", issue: "cycle" },
      { account_id: "y", issue: "cycle" },
    ]);
    // (20 x 300 + 80 x 100) / 400 = 35 of 400 of 600 in money.
    expect(
      await rows(
        "select account_id, n_below, n_levels, n_paying, n_scored, n_red, mrr_minor, money_score, money_share, worst_account_id from marts.hierarchy order by 1",
      ),
    ).toEqual([
      {
        account_id: "a",
        n_below: 1,
        n_levels: 1,
        n_paying: 2,
        n_scored: 1,
        n_red: 1,
        mrr_minor: 500,
        money_score: 20,
        money_share: 0.6,
        worst_account_id: "a",
      },
      {
        account_id: "top",
        n_below: 3,
        n_levels: 2,
        n_paying: 3,
        n_scored: 2,
        n_red: 1,
        mrr_minor: 600,
        money_score: 35,
        money_share: 0.666666666667,
        worst_account_id: "a",
      },
      {
        account_id: "x",
        n_below: 1,
        n_levels: 1,
        n_paying: 1,
        n_scored: 1,
        n_red: 0,
        mrr_minor: 0,
        money_score: null,
        money_share: null,
        worst_account_id: "z",
      },
    ]);
  });

  it("takes the latest answer of each person of the last year, on the scale", async () => {
    expect(await rows("select account_id, user_id, score, kind from marts.promoter order by 1, 2 nulls last")).toEqual([
      { account_id: "a", user_id: "u1", score: 9, kind: "promoter" },
      { account_id: "a", user_id: "u2", score: 6, kind: "detractor" },
      { account_id: "b", user_id: null, score: 10, kind: "promoter" },
    ]);
  });

  it("counts an answer within 30 days of those asked 30 days ago", async () => {
    // Of a: u1 of December, u5 not, u2 after 62 days; of b: three. The question of March is too young. 4 of 6.
    const [all] = await rows(
      "select n_asked, n_answered, n_accounts, rate from marts.response_rate where by_what = 'all'",
    );
    expect(all).toEqual({ n_asked: 6, n_answered: 4, n_accounts: 2, rate: 0.666666666667 });
    // One account was asked in q0: fewer than two, and nothing to merge it with.
    expect(await rows("select part, n_asked from marts.response_rate where by_what = 'campaign'")).toEqual([
      { part: "q1", n_asked: 5 },
    ]);
  });

  it("holds a play against accounts that looked alike and had none", async () => {
    expect(
      await rows("select account_id, is_played from marts.play_case where started_on = date '2025-06-04' order by 1"),
    ).toEqual([
      { account_id: "a", is_played: false },
      { account_id: "p", is_played: true },
      { account_id: "q", is_played: false },
      { account_id: "r", is_played: false },
      { account_id: "s", is_played: false },
    ]);
    // p: nobody of one, q of four like accounts left within 30 days; s: nobody, q of three. (1/4 + 1/3) / 2 = 7/24.
    // Influences in 288ths: p 6, s 3, a 25, r 25, q -59; variance 5/4 x 4776 / 288^2.
    const [left] = await rows(
      "select n_plays, n_matched, n_accounts, n_like, played_rate, like_rate, difference, difference_low, difference_high from marts.play_after where play = 'all' and band = 'all' and days = 30 and measure = 'left'",
    );
    const half = 1.959963984540054 * Math.sqrt((1.25 * 4776) / 288 ** 2);
    expect(left).toMatchObject({ n_plays: 2, n_matched: 2, n_accounts: 2, n_like: 4, played_rate: 0 });
    expect(left?.like_rate).toBeCloseTo(7 / 24, 11);
    expect(left?.difference).toBeCloseTo(-7 / 24, 11);
    expect(left?.difference_low).toBeCloseTo(-7 / 24 - half, 11);
    expect(left?.difference_high).toBeCloseTo(-7 / 24 + half, 11);
    // r is in a better band on 2025-07-07 and nobody else is: one of four, and of three.
    const [better] = await rows(
      "select played_rate, like_rate from marts.play_after where play = 'all' and band = 'red' and days = 30 and measure = 'better'",
    );
    expect(better?.played_rate).toBe(0);
    expect(better?.like_rate).toBeCloseTo((1 / 4 + 1 / 3) / 2, 11);
  });

  it("tells leadership of plays nothing that is of fewer accounts than a cell may hold", async () => {
    // Two rows of p on one day are one; a's is written otherwise, and alone: with fewer than two accounts there is nothing to merge it with.
    expect(await rows("from marts.play_summary")).toEqual([
      {
        play: "Rescue call",
        n_plays: 2,
        n_accounts: 2,
        n_last_year: 2,
        first_month: "2025-06-01",
        last_month: "2025-06-01",
        // Only s has not ended: one account.
        n_open: null,
        median_days: null,
        outcomes: null,
      },
    ]);
    await database.run(`insert into staging.play (account_id, started_on, play, visible_on, ended_on, outcome) values
      ('b', date '2025-07-02', 'Rescue call', date '2025-07-03', date '2025-07-12', 'stayed'), ('q', date '2025-07-05', 'Rescue call', date '2025-07-06', date '2025-07-25', 'stayed'),
      ('r', date '2025-07-05', 'Rescue call', date '2025-07-06', date '2025-07-25', 'their founder fell ill')`);
    const { sql } = nodes.find((node) => node.name === "marts.play_summary") as Model;
    // Ended after 7, 10, 20 and 20 days. One account's own words are never told.
    expect(await rows(`select n_plays, n_accounts, n_open, median_days, outcomes, last_month from (${sql})`)).toEqual([
      { n_plays: 5, n_accounts: 5, n_open: null, median_days: 10, outcomes: "stayed 2", last_month: "2025-07-01" },
    ]);
  });

  it("lists for whom a play is due, and which has begun", async () => {
    expect(
      await rows("select account_id, play, owner, since, due_on, started_on, state from marts.play_due order by 1, 2"),
    ).toEqual([
      {
        account_id: "a",
        play: "call",
        owner: "Ann",
        since: "2026-03-16",
        due_on: "2026-03-26",
        started_on: "2026-03-20",
        state: "started",
      },
      {
        account_id: "b",
        play: "thank",
        owner: "Bo",
        since: "2026-03-09",
        due_on: "2026-04-08",
        started_on: null,
        state: "due",
      },
      {
        account_id: "z",
        play: "nudge",
        owner: "Ann",
        since: "2026-03-09",
        due_on: "2026-03-19",
        started_on: null,
        state: "overdue",
      },
    ]);
  });

  it("gives an owner's share of each band with its interval", async () => {
    // One of four: Wilson's 95 % interval of 1/4 is 0.0456 to 0.6994.
    const [red] = await rows(
      "select owner, n_accounts, n_total, share, round(share_low, 4) as low, round(share_high, 4) as high from marts.owner_band where band = 'red'",
    );
    expect(red).toEqual({ owner: "Ann", n_accounts: 1, n_total: 4, share: 0.25, low: 0.0456, high: 0.6994 });
  });
});

describe("what a score lost in 28 days", () => {
  it("is told by KPI, the same version on both days, those that are not known now included", async () => {
    const database = await Database.open({ path: ":memory:" });
    try {
      await database.run(`
create schema meta; create schema marts; create schema scores; create schema features;
create table meta.params as select date '2026-03-30' as as_of;
create table features.kpi_definition as select * from (values ('logins', 'Logins'), ('nps', 'NPS'), ('seats', 'Seats')) as t (id, label);
-- a: logins 30 to 22.5, NPS 20 to nothing known, seats 10 to 25, so 60 to 47.5. b has no score then; c was scored by another version then.
create table marts.portfolio_account as select * from (values
  ('a', 'health', 2, 47.5, 60.0), ('b', 'health', 2, 50.0, null), ('c', 'health', 2, 10.0, null))
  as t (account_id, scorecard, version, score, month_score) cross join (select date '2026-03-02' as month_on);
create table scores.score_part as select account_id, snapshot_date, 'health' as scorecard, version, part_no, kind, kpi, value, contribution::decimal(18, 6) as contribution from (values
  ('a', date '2026-03-02', 2, 1, 'kpi', 'logins', 40, 30), ('a', date '2026-03-30', 2, 1, 'kpi', 'logins', 31, 22.5),
  ('a', date '2026-03-02', 2, 2, 'kpi', 'nps', 9, 20), ('a', date '2026-03-30', 2, 2, 'kpi', 'nps', null, null),
  ('a', date '2026-03-02', 2, 3, 'kpi', 'seats', 5, 10), ('a', date '2026-03-30', 2, 3, 'kpi', 'seats', 9, 25),
  ('a', date '2026-03-02', 1, 1, 'kpi', 'logins', 40, 90), ('a', date '2026-03-23', 2, 1, 'kpi', 'logins', 40, 80),
  ('a', date '2026-03-02', 2, 4, 'rounding', null, null, 0.000001), ('a', date '2026-03-30', 2, 4, 'rounding', null, null, 0),
  ('b', date '2026-03-30', 2, 1, 'kpi', 'logins', 40, 50), ('c', date '2026-03-02', 1, 1, 'kpi', 'logins', 40, 50), ('c', date '2026-03-30', 2, 1, 'kpi', 'logins', 1, 10))
  as t (account_id, snapshot_date, version, part_no, kind, kpi, value, contribution);`);
      const { sql } = (await portfolioNodes({ site: { owner_bands: false } } as never, [])).find(
        (node) => node.name === "marts.part_fall",
      ) as Model;
      expect(await database.query(`${sql} order by t.account_id, fall_no`)).toEqual([
        {
          account_id: "a",
          part_no: 2,
          kpi: "nps",
          label: "NPS",
          contribution_then: 20,
          contribution_now: 0,
          change: -20,
          is_known_now: false,
          fall_no: 1,
        },
        {
          account_id: "a",
          part_no: 1,
          kpi: "logins",
          label: "Logins",
          contribution_then: 30,
          contribution_now: 22.5,
          change: -7.5,
          is_known_now: true,
          fall_no: 2,
        },
      ]);
    } finally {
      database.close();
    }
  });
});
