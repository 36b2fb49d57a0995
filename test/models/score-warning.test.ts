/** Months of warning: the unbroken run in the worst band that leads up to a decision. */
import { expect, it } from "vitest";
import { type Panel, validatePanel } from "../planted-panel.ts";

const dates = ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"];
const accounts = [
  // Red again on 1 April only, decided on 20 April: 19 days.
  { id: "a", bands: ["green", "red", "green", "red"] },
  { id: "b", bands: ["green", "green", "red", "red"] },
  // Red at every score: at least.
  { id: "c", bands: ["red", "red", "red", "red"] },
  // Not red at the end.
  { id: "d", bands: ["red", "red", "red", "unknown"] },
  // A person set the last band, to red here and to green there: the scores say otherwise.
  { id: "f", bands: ["green", "green", "green", "red"] },
  { id: "g", bands: ["green", "green", "red", "green"] },
];

it("counts from the start of the run, and zero when the last score is another band", async () => {
  const panel: Panel = {
    asOf: "2024-12-31",
    accounts: [
      ...accounts.map(({ id }) => ({ id, startedOn: "2023-01-01", endedOn: "2024-06-01", noticeOn: "2024-04-20" })),
      // A departure without any score before it has no warning to measure.
      { id: "e", startedOn: "2023-01-01", endedOn: "2024-06-01", noticeOn: null },
    ],
    rows: accounts.flatMap(({ id }) =>
      dates.map((on) => ({ account: id, on, tenureDays: 400, segment: "all", seats: 1, values: { k: 1 } })),
    ),
    unanswered: [],
    kpis: ["k"],
  };
  const database = await validatePanel(
    panel,
    {
      before: [
        `insert into scores.scorecard values ('card', 1, 'c', 'churn_risk', date '2024-06-01', '{"list":[{"id":"red"},{"id":"green"}]}')`,
        `insert into scores.account_score values ${accounts
          .flatMap(({ id, bands }) =>
            bands.map((band, i) => `('${id}', '${dates[i]}', 'card', 1, true, 10, '${band}')`),
          )
          .join(", ")}`,
        `insert into scores.account_override values ('f', '${dates[3]}', 'card', 1, 'red', 'green'), ('g', '${dates[3]}', 'card', 1, 'green', 'red')`,
      ],
    },
    ["validation.score_warning"],
  );
  const rows = await database.query<{
    account_id: string;
    days: number;
    is_at_least: boolean;
    is_out_of_time: boolean;
  }>(
    "select account_id, round(months_of_warning * 30.44)::integer as days, is_at_least, is_out_of_time from validation.score_warning order by account_id",
  );
  database.close();
  expect(rows).toEqual([
    { account_id: "a", days: 19, is_at_least: false, is_out_of_time: false },
    { account_id: "b", days: 50, is_at_least: false, is_out_of_time: false },
    { account_id: "c", days: 110, is_at_least: true, is_out_of_time: false },
    { account_id: "d", days: 0, is_at_least: false, is_out_of_time: false },
    { account_id: "f", days: 0, is_at_least: false, is_out_of_time: false },
    { account_id: "g", days: 50, is_at_least: false, is_out_of_time: false },
  ]);
});
