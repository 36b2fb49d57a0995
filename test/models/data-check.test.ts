/** Oddities of exports, counted on rows written by hand. */
import { expect, it } from "vitest";
import { type Panel, validatePanel } from "../planted-panel.ts";

const panel: Panel = {
  asOf: "2024-12-31",
  accounts: [
    { id: "a", startedOn: "2024-01-10", endedOn: "2024-06-01", noticeOn: null },
    { id: "b", startedOn: "2024-01-10", endedOn: null, noticeOn: null },
  ],
  rows: [],
  unanswered: [],
  kpis: ["k"],
};

it("counts rows as delivered, repeats included, with up to three examples", async () => {
  const database = await validatePanel(
    panel,
    {
      before: [
        "insert into staging.account (account_id, created_at) values ('a', '2024-01-05'), ('b', '2024-01-05 12:00')",
        "insert into staging.subscription (source, account_id, subscription_id, started_on) values ('subs', 'a', 's1', '2024-01-10'), ('subs', 'b', 's2', '2024-01-10')",
        "insert into staging.account_identity values ('subs', null, 's1', 'a', '0001-01-01', '9999-12-31'), ('subs', null, 's2', 'b', '0001-01-01', '9999-12-31')",
        `insert into raw.usage_event values
          ('usage', 'subs', 's1', '2024-01-09 23:59', null),
          ('usage', 'subs', 's1', '2024-01-09 23:59', null),
          ('usage', 'subs', 's1', '2024-01-10', null),
          ('usage', 'subs', 's2', '2024-01-04', null),
          ('usage', 'subs', 's1', '2024-05-31', '2024-05-30'),
          ('usage', 'subs', 's1', '2024-06-01', '2024-06-02'),
          ('usage', 'subs', 's9', '2024-06-03', null),
          ('app', null, 'b', '2024-12-31', null)`,
        "insert into staging.source_arrival values ('usage', 'usage_event', true, ''), ('tickets', 'ticket', true, '')",
        "insert into staging.source_repeat values ('usage', 7, 2), ('tickets', 3, 1)",
        `insert into staging.subscription (source, account_id, subscription_id, started_on, ended_on, seats, mrr_minor, currency) values
          ('subs', 'z', 's3', '2024-02-10', '2024-02-09', 1, 1, 'USD'), ('subs', 'b', 's4', '2024-02-10', '2024-02-10', -1, 1, 'EUR'),
          ('subs', 'a', 's5', '2024-02-10', null, 1, -1, null)`,
        `insert into staging.ticket (account_id, opened_at, superseded_on) values
          ('a', '2024-01-04 10:00', null), ('b', '2024-01-05 11:00', null), ('b', '2024-01-05 12:00', null), ('a', '2024-06-01', null), (null, '2024-03-01', null), ('a', '2024-01-01', '2024-02-01')`,
        `insert into staging.ticket (account_id, opened_at, closed_at, known_at) values
          ('b', '2024-02-02 10:00', '2024-02-02 09:00', '2024-02-02 09:30')`,
        `insert into staging.engagement (account_id, occurred_at) values
          ('a', '2024-01-04'), ('a', '2024-02-01'), ('a', '2024-06-01 08:00'), ('b', '2024-12-01')`,
        `insert into staging.survey_response (account_id, responded_at) values
          ('b', '2024-01-05 11:59'), ('b', '2024-01-06'), ('a', '2024-07-01'), ('a', null)`,
        "insert into staging.churn_event (account_id, occurred_on) values ('a', '2024-01-04'), ('b', '2024-01-05')",
      ],
    },
    ["validation.data_check"],
  );
  const rows = await database.query<{ check: string; n: number; examples: string | null }>(
    'select "check", n, examples from validation.data_check order by "check"',
  );
  database.close();
  expect(Object.fromEntries(rows.map(({ check, n, examples }) => [check, [n, examples]]))).toEqual({
    usage_before_subscription: [3, "s1, s2"],
    usage_before_sign_up: [1, "b"],
    usage_after_leaving: [1, "a"],
    usage_known_before_it_happened: [1, "s1"],
    usage_known_when_the_account_left: [0, null],
    usage_without_account: [1, "s9"],
    usage_in_the_future: [1, "b"],
    usage_ids_with_other_content: [2, "usage"],
    repeated_rows: [10, "tickets, usage"],
    tickets_before_sign_up: [2, "a, b"],
    tickets_after_leaving: [1, "a"],
    tickets_without_account: [1, null],
    tickets_known_before_they_happened: [1, "b"],
    tickets_closed_before_they_opened: [1, "b"],
    contacts_before_sign_up: [1, "a"],
    contacts_after_leaving: [1, "a"],
    surveys_before_sign_up: [1, "b"],
    surveys_after_leaving: [1, "a"],
    // Tickets are rare here: their gaps say nothing.
    days_without_tickets: [0, null],
    churn_events_before_sign_up: [1, "a"],
    subscriptions_without_account: [1, "z"],
    subscriptions_ending_before_they_start: [1, "z"],
    negative_seats_or_money: [2, "a, b"],
    money_in_another_currency: [1, "b"],
    // Usage on 4, 9, 10 January, 31 May, 1 and 3 June 2024; that on 31 December, the date of the report, does not count.
    days_without_usage: [4 + 141 + 1, "2024-01-05, 2024-01-11, 2024-06-02"],
  });
});

it("counts days without tickets where these come nearly every day, in stretches of a week or more", async () => {
  const days = (from: string, n: number): string =>
    `select 'a', date '${from}' + cast(i as integer) from range(${n}) as t(i)`;
  const database = await validatePanel(
    panel,
    {
      before: [
        `insert into staging.ticket (account_id, opened_at) ${days("2024-02-01", 40)}`,
        // 40 days, a gap of 7, 40 days, a gap of 6, and one that began after the report.
        `insert into staging.ticket (account_id, opened_at) ${days("2024-03-19", 40)}`,
        `insert into staging.ticket (account_id, opened_at) ${days("2024-05-04", 5)}`,
        "insert into staging.ticket (account_id, opened_at) values ('a', '2025-01-31')",
      ],
    },
    ["validation.data_check"],
  );
  const rows = await database.query(
    `select n, examples from validation.data_check where "check" = 'days_without_tickets'`,
  );
  database.close();
  expect(rows).toEqual([{ n: 7, examples: "2024-03-12" }]);
});

it("tells a time of last change from an arrival: rows of weeks before that all arrived when their account left", async () => {
  const counted = async (known: string) => {
    const database = await validatePanel(
      panel,
      {
        before: [
          `insert into raw.usage_event select 'usage', null, 'a', timestamp '2024-04-01' + to_days(cast(i as integer)), ${known} from range(40) as t(i)`,
          "insert into raw.usage_event select 'usage', null, 'b', timestamp '2024-04-01', timestamp '2024-06-01' from range(90)",
        ],
      },
      ["validation.data_check"],
    );
    const [row] = await database.query<{ n: number; examples: string | null }>(
      "select n, examples from validation.data_check where \"check\" = 'usage_known_when_the_account_left'",
    );
    database.close();
    return [row?.n, row?.examples];
  };
  // a left on 1 June; the rows of b, which stays, say nothing.
  expect(await counted("timestamp '2024-06-03 08:00'")).toEqual([40, "a"]);
  expect(await counted("timestamp '2024-04-01' + to_days(cast(i as integer)) + interval 20 day")).toEqual([0, null]);
});
