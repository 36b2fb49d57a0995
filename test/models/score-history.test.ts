/** Reds that came back, surprises with what people answered, and the ledger, over rows written by hand. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Database } from "../../pipelines/warehouse/database.ts";
import { monthStarts, type Panel, validatePanel } from "../planted-panel.ts";

const dates = monthStarts("2023-09-01", 16);
const within = (from: string, to: string) => (on: string) => on >= from && on < to;
/** Who is red when; everybody else is green. */
const accounts: readonly { id: string; isRed: (on: string) => boolean; more?: string[]; notice?: string }[] = [
  { id: "back", isRed: within("2024-02-01", "2024-04-01") },
  // Green for 19 days in between: one spell.
  { id: "brief", isRed: (on) => on === "2024-02-01" || on === "2024-03-20", more: ["2024-03-20"] },
  { id: "chronic", isRed: () => true },
  { id: "fresh", isRed: within("2024-08-01", "2025-01-01") },
  { id: "gone", isRed: within("2024-05-01", "2025-01-01"), notice: "2024-06-15" },
  { id: "green", isRed: () => false, notice: "2024-06-15" },
  { id: "green_too", isRed: () => false, notice: "2024-06-15" },
  { id: "steady", isRed: () => false },
  // Left without ever having had a score.
  { id: "unseen", isRed: () => false, notice: "2024-06-15" },
];
const datesOf = ({ more = [], notice }: (typeof accounts)[number]): string[] =>
  [...dates, ...more].filter((on) => notice === undefined || on < "2024-07-15").sort();

let database: Database;
beforeAll(async () => {
  const panel: Panel = {
    asOf: "2024-12-01",
    accounts: accounts.map(({ id, notice }) => ({
      id,
      startedOn: "2023-01-01",
      endedOn: notice === undefined ? null : "2024-07-15",
      noticeOn: notice ?? null,
    })),
    rows: accounts.flatMap((account) =>
      datesOf(account).map((on) => ({
        account: account.id,
        on,
        tenureDays: 400,
        segment: "all",
        seats: 1,
        values: { k: 1 },
      })),
    ),
    unanswered: [],
    kpis: ["k"],
  };
  const scores = accounts.flatMap((account) =>
    datesOf(account).map((on) => {
      if (account.id === "unseen") return `('unseen', '${on}', 'card', 1, true, null, 'unknown')`;
      const band = account.isRed(on) ? "red" : "green";
      return `('${account.id}', '${on}', 'card', 1, true, ${band === "red" ? 10 : 80}, '${band}')`;
    }),
  );
  database = await validatePanel(
    panel,
    {
      before: [
        `insert into scores.scorecard values ('card', 1, 'c', 'churn_risk', date '2023-01-01', '{"list":[{"id":"red"},{"id":"green"}]}')`,
        `insert into scores.account_score values ${scores.join(", ")}`,
        // A person set chronic's band today: the card's own is still red.
        "update scores.account_score set band = 'green' where account_id = 'chronic' and snapshot_date = date '2024-12-01'",
        "insert into scores.account_override values ('chronic', date '2024-12-01', 'card', 1, 'green', 'red')",
        `insert into staging.disposition values
          ('green_too', 'green_churner', 'missed', 'Ida', '2024-08-01', 1, 'd', '2024-08-02', null),
          ('green_too', 'green_churner', ' Unforeseeable', 'Bo', '2024-09-01', 2, 'd', '2024-09-02', null),
          ('green', 'green_churner', 'data_error', 'Bo', '2024-09-01', 3, 'd', '2024-09-02', '2024-10-01'),
          ('chronic', 'chronic_red', 'false_alarm', 'Bo', '2024-09-01', 4, 'd', '2025-09-02', null)`,
        `insert into staging.engagement values
          ('chronic', '2024-10-01', 'meeting', 'held', '2024-10-02', null, 'e'), ('chronic', '2024-11-01', 'meeting', null, '2024-11-02', null, 'e'),
          ('chronic', '2024-11-05', 'meeting', 'cancelled', '2024-11-06', null, 'e'), ('chronic', '2024-11-05', 'call', 'held', '2024-11-06', null, 'e'),
          ('steady', '2024-11-01', 'meeting', 'held', '2024-11-02', null, 'e'), ('steady', '2024-01-01', 'meeting', 'held', '2024-01-02', null, 'e')`,
      ],
    },
    ["recovery", "surprise_rate", "band_outcome", "score_warning"].map((table) => `validation.${table}`),
  );
});
afterAll(() => database.close());

describe("reds", () => {
  it("came back when they were out of red for 28 days, in one spell with what was shorter", async () => {
    const [row] = await database.query("select * from validation.recovery");
    expect(row).toMatchObject({
      n_spells: 5,
      n_accounts: 5,
      n_recovered: 2,
      n_left: 1,
      n_open: 2,
      n_ended: 0,
      // Begun by 7 May: back, brief, chronic, gone.
      n_matured: 4,
      recovered_share: 0.5,
      left_share: 0.25,
      // From 1 February to 1 April, both.
      median_days_red: 60,
    });
  });
});

describe("surprises", () => {
  it("are the green that left and the red that stay red without a decision, with the newest answer known", async () => {
    const rows = await database.query(
      "select kind, account_id, since, decided_on, score_then, disposition, said_by, is_counted from validation.surprise order by kind desc, account_id",
    );
    const left = { kind: "green_churner", since: "2024-05-01", decided_on: "2024-06-15", score_then: 80 };
    expect(rows).toEqual([
      // The answer was taken out of the file on 1 October.
      { ...left, account_id: "green", disposition: null, said_by: null, is_counted: true },
      { ...left, account_id: "green_too", disposition: "unforeseeable", said_by: "Bo", is_counted: false },
      {
        kind: "chronic_red",
        account_id: "chronic",
        since: "2023-09-01",
        decided_on: null,
        score_then: 10,
        // Its answer is not visible yet.
        disposition: null,
        said_by: null,
        is_counted: true,
      },
    ]);
  });

  it("are counted with and without those that are no fault of the score, beside the meetings they took", async () => {
    const rows = await database.query(
      "select kind, n_asked, n, n_answered, n_counted, counted_share, n_meetings, n_meetings_with_them from validation.surprise_rate order by kind",
    );
    const meetings = { n_meetings: 3 };
    expect(rows).toEqual([
      // Of chronic, whatever a person set, and fresh.
      {
        kind: "chronic_red",
        n_asked: 2,
        n: 1,
        n_answered: 0,
        n_counted: 1,
        counted_share: 0.5,
        ...meetings,
        n_meetings_with_them: 2,
      },
      // Of gone, green and green_too; nothing had been said of unseen.
      {
        kind: "green_churner",
        n_asked: 3,
        n: 2,
        n_answered: 1,
        n_counted: 1,
        counted_share: 0.5,
        ...meetings,
        n_meetings_with_them: 0,
      },
    ]);
  });
});

describe("the ledger", () => {
  it("has the lift with the interval that the accounts' influences give", async () => {
    const [row] = await database.query<Record<string, number>>(
      "select rate, lift, lift_low, lift_high, share_of_churn from validation.band_outcome where mode = 'as_if' and band = 'green' and days = 60",
    );
    const rows = await database.query<{ account_id: string; band: string; y: number }>(`
select s.account_id, s.band, case when o.churned_on < s.snapshot_date + 60 then 1 else 0 end as y
from scores.account_score as s
inner join validation.outcome as o on o.account_id = s.account_id and o.snapshot_date = s.snapshot_date
where s.snapshot_date + 90 <= date '2024-12-01' and coalesce(o.why_unlabelled, '') <> 'already_decided'`);
    const share = (part: typeof rows): number => part.reduce((sum, { y }) => sum + y, 0) / part.length;
    const green = rows.filter(({ band }) => band === "green");
    const [rate, all] = [share(green), share(rows)];
    const ids = [...new Set(rows.map(({ account_id }) => account_id))];
    const influences = ids.map((id) => {
      const off = (part: typeof rows, mean: number): number =>
        part.filter(({ account_id }) => account_id === id).reduce((sum, { y }) => sum + y - mean, 0) /
        (part.length * mean);
      return off(green, rate) - off(rows, all);
    });
    const variance = (ids.length / (ids.length - 1)) * influences.reduce((sum, u) => sum + u * u, 0);
    const factor = Math.exp(1.959963984540054 * Math.sqrt(variance));
    expect(row?.rate).toBeCloseTo(rate, 11);
    expect(row?.lift).toBeCloseTo(rate / all, 11);
    expect(row?.lift_low).toBeCloseTo(rate / all / factor, 10);
    expect(row?.lift_high).toBeCloseTo((rate / all) * factor, 10);
  });
});

it("measures the warning of those that left and, at the same days, of some that stayed", async () => {
  const rows = await database.query<{ departed_id: string; account_id: string; is_departure: boolean; days: number }>(
    "select departed_id, account_id, is_departure, round(months_of_warning * 30.44)::integer as days from validation.score_warning order by departed_id, account_id",
  );
  expect(rows.filter(({ is_departure }) => is_departure).map(({ account_id, days }) => [account_id, days])).toEqual([
    // Red from 1 May, decided on 15 June.
    ["gone", 45],
    ["green", 0],
    ["green_too", 0],
    ["unseen", 0],
  ]);
  for (const row of rows.filter(({ is_departure }) => !is_departure)) {
    expect(["back", "brief", "chronic", "fresh", "steady"]).toContain(row.account_id);
    // Red since 1 September 2023, or not.
    expect(row.days).toBe(row.account_id === "chronic" ? 288 : 0);
  }
  const stayers = await database.scalar<number>(
    "select max(n) from (select count(*) as n from validation.warning_case where not is_departure group by departed_id)",
  );
  expect(stayers as number).toBeLessThanOrEqual(5);
});
