/** Who is labelled, and how: the gap, the horizon, maturity, grace and the definitions of churn, row by row. */
import { describe, expect, it } from "vitest";
import { AssayError } from "../../pipelines/lib/errors.ts";
import type { Database } from "../../pipelines/warehouse/database.ts";
import { addDays, daysBetween, monthStarts, type Panel, type PanelOptions, validatePanel } from "../planted-panel.ts";

interface Given {
  readonly id: string;
  readonly from: string;
  readonly to?: string;
  readonly notice?: string;
}

/** Rows as the spine gives them: paying, at least 90 days old, no notice before the date. */
function panelOf(accounts: readonly Given[], dates: readonly string[], asOf: string): Panel {
  return {
    asOf,
    accounts: accounts.map(({ id, from, to, notice }) => ({
      id,
      startedOn: from,
      endedOn: to ?? null,
      noticeOn: notice ?? null,
    })),
    rows: accounts.flatMap(({ id, from, to, notice }) =>
      dates
        .filter(
          (on) =>
            daysBetween(from, on) >= 90 && (to === undefined || on < to) && (notice === undefined || on <= notice),
        )
        .map((on) => ({
          account: id,
          on,
          tenureDays: daysBetween(from, on),
          segment: "all",
          seats: 5,
          values: { k: 1 },
        })),
    ),
    unanswered: [],
    kpis: ["k"],
  };
}

async function outcomes(panel: Panel, options: PanelOptions = {}, columns = "y"): Promise<Record<string, string>> {
  const database: Database = await validatePanel(panel, options, ["validation.outcome"]);
  const rows = await database.query<{ account_id: string; snapshot_date: string; text: string }>(
    `select account_id, snapshot_date, coalesce(cast(${columns} as varchar), why_unlabelled, '-') as text from validation.outcome order by account_id, snapshot_date`,
  );
  database.close();
  const out: Record<string, string> = {};
  for (const { account_id, snapshot_date, text } of rows) {
    out[account_id] =
      `${out[account_id] ?? ""}${out[account_id] === undefined ? "" : " "}${snapshot_date.slice(5, 7)}:${text}`;
  }
  return out;
}

const dates = monthStarts("2024-03-01", 10);
const asOf = "2025-01-01";

describe("the four accounts of the panel example", () => {
  it("labels them row by row: staying, notice before the end, end without notice, too young", async () => {
    const found = await outcomes(
      panelOf(
        [
          { id: "a1", from: "2023-01-10" },
          { id: "a2", from: "2023-01-05", to: "2024-10-31", notice: "2024-09-20" },
          { id: "a3", from: "2024-06-01", to: "2024-12-02" },
          { id: "a4", from: "2024-08-20" },
        ],
        dates,
        asOf,
      ),
      { gapDays: 30, horizonDays: 90, graceDays: 30 },
    );
    const late = "09:window_not_complete 10:window_not_complete 11:window_not_complete 12:window_not_complete";
    expect(found).toEqual({
      // s + 150 <= 2025-01-01 until August.
      a1: `03:0 04:0 05:0 06:0 07:0 08:0 ${late}`,
      // c = the notice of 20 September: from 1 June (+ 111 days) within [30, 120); 1 September waits for its window.
      a2: "03:0 04:0 05:0 06:1 07:1 08:1 09:window_not_complete",
      a3: "09:window_not_complete 10:window_not_complete 11:window_not_complete 12:window_not_complete",
      a4: "12:window_not_complete",
    });
  });
});

describe("boundaries", () => {
  const s = "2024-06-01";
  const one = (decidedAfter: number, options: PanelOptions = {}, end = asOf) =>
    outcomes(panelOf([{ id: "a", from: "2023-01-01", to: addDays(s, decidedAfter) }], [s], end), {
      gapDays: 30,
      horizonDays: 90,
      graceDays: 30,
      ...options,
    });
  it("[s + G, s + G + H) is churn, the day before is within the gap, the last day is not", async () => {
    expect((await one(29)).a).toBe("06:within_gap");
    expect((await one(30)).a).toBe("06:1");
    expect((await one(119)).a).toBe("06:1");
    expect((await one(120)).a).toBe("06:0");
  });
  it("is labelled only from the day when window and grace are over, for churners too", async () => {
    expect((await one(40, {}, addDays(s, 150))).a).toBe("06:1");
    expect((await one(40, {}, addDays(s, 149))).a).toBe("06:window_not_complete");
    expect((await one(40, { graceDays: 7 }, addDays(s, 127))).a).toBe("06:1");
    expect((await one(40, { graceDays: 7 }, addDays(s, 126))).a).toBe("06:window_not_complete");
  });
  it("the late label asks the same of [s, s + G), and needs only the gap to be over", async () => {
    const late = async (after: number, end = asOf) =>
      (
        await outcomes(
          panelOf([{ id: "a", from: "2023-01-01", to: addDays(s, after) }], [s], end),
          { gapDays: 30, horizonDays: 90, graceDays: 30 },
          "late_y",
        )
      ).a;
    expect(await late(29)).toBe("06:1");
    expect(await late(30)).toBe("06:0");
    expect(await late(29, addDays(s, 60))).toBe("06:1");
    expect(await late(29, addDays(s, 59))).toBe("06:window_not_complete");
  });
  it("a decision on or after as_of has not happened", async () => {
    const found = await outcomes(panelOf([{ id: "a", from: "2023-01-01", notice: "2025-02-01" }], [s], asOf));
    expect(found.a).toBe("06:0");
  });
});

describe("a period after a departure", () => {
  it("starts afresh: the old decision neither labels nor bars it", async () => {
    const panel = panelOf([{ id: "a", from: "2024-01-01" }], ["2024-06-01"], asOf);
    const found = await outcomes(
      {
        ...panel,
        accounts: [
          { id: "a", startedOn: "2022-01-01", endedOn: "2023-06-01", noticeOn: null },
          { id: "a", startedOn: "2024-01-01", endedOn: null, noticeOn: null },
        ],
      },
      {},
    );
    expect(found.a).toBe("06:0");
  });
  it("a snapshot after the notice is already decided", async () => {
    const panel = panelOf([{ id: "a", from: "2023-01-01" }], ["2024-06-01"], asOf);
    const found = await outcomes({
      ...panel,
      accounts: [{ id: "a", startedOn: "2023-01-01", endedOn: "2024-08-01", noticeOn: "2024-05-20" }],
    });
    expect(found.a).toBe("06:already_decided");
  });
});

describe("churn by events", () => {
  const churn = { primary: "cancel", definitions: { cancel: { type: "event", entity: "churn_event" } } };
  const panel = panelOf([{ id: "a", from: "2023-01-01" }], ["2024-04-01", "2024-05-01", "2024-06-01"], asOf);
  const events = (values: string) => ({
    churn,
    before: [
      `insert into staging.churn_event (account_id, occurred_on, is_voluntary, is_reactivation, superseded_on) values ${values}`,
    ],
  });
  it("takes the first event on or after s, and an earlier one bars nothing", async () => {
    // From 1 April: 1 May is day 30. From 1 May: the event of the same day is within the gap. From 1 June: 10 August is day 70.
    const found = await outcomes(
      panel,
      events("('a', '2024-05-01', null, false, null), ('a', '2024-08-10', null, null, null)"),
    );
    expect(found.a).toBe("04:1 05:within_gap 06:1");
  });
  it("leaves reactivations and superseded rows out", async () => {
    const found = await outcomes(
      panel,
      events("('a', '2024-07-10', null, true, null), ('a', '2024-07-12', null, false, '2024-07-20')"),
    );
    expect(found.a).toBe("04:0 05:0 06:0");
  });
  it("censors an exit that was not the customer's choice, inside the window only", async () => {
    const found = await outcomes(panel, events("('a', '2024-08-15', false, false, null)"));
    expect(found.a).toBe("04:0 05:other_exit 06:other_exit");
  });
});

describe("churn by silence", () => {
  const churn = { primary: "silent", definitions: { silent: { type: "inactivity", days: 60 } } };
  const panel = panelOf([{ id: "a", from: "2023-01-01" }], ["2024-04-01", "2024-06-01", "2024-07-01"], asOf);
  const days = (values: readonly string[]) => ({
    churn,
    before: [
      `insert into rollup.account_day values ${values.map((on) => `('a', '${on}', '${addDays(on, 1)}', 'login', 1, null)`).join(", ")}`,
    ],
  });
  it("dates the decision on the first silent day, once the silence lasted", async () => {
    // Active to 9 June, then not before 20 August: c = 10 June. By 1 July the silence stands.
    const found = await outcomes(
      panel,
      days(["2024-03-31", "2024-05-20", "2024-06-09", "2024-08-20", "2024-10-01", "2024-11-20", "2024-12-30"]),
    );
    expect(found.a).toBe("04:1 06:within_gap 07:already_decided");
  });
  it("59 silent days are not enough, 60 are", async () => {
    const silent = (n: number) =>
      outcomes(
        panel,
        days([
          "2024-03-31",
          "2024-05-20",
          "2024-06-09",
          addDays("2024-06-10", n),
          "2024-10-01",
          "2024-11-20",
          "2024-12-30",
        ]),
      );
    expect((await silent(59)).a).toBe("04:0 06:0 07:0");
    expect((await silent(60)).a).toBe("04:1 06:within_gap 07:already_decided");
  });
  it("a label waits for the silence itself where it is longer than the grace", async () => {
    const found = await outcomes(
      panelOf([{ id: "a", from: "2023-01-01" }], ["2024-07-01", "2024-08-01"], asOf),
      days(["2024-05-20", "2024-06-09", "2024-07-30", "2024-09-10", "2024-10-30", "2024-12-15"]),
    );
    // 1 July + 120 + 60 = 28 December; 1 August's would be 28 January.
    expect(found.a).toBe("07:0 08:window_not_complete");
  });
});

describe("notices that are not recorded", () => {
  const panel = panelOf(
    [
      { id: "a", from: "2022-01-01", to: "2024-05-01" },
      { id: "b", from: "2022-01-01", to: "2024-05-01", notice: "2024-02-01" },
    ],
    ["2024-04-01"],
    asOf,
  );
  const run = (gapDays: number, noticeDays: number) =>
    validatePanel(
      panel,
      {
        gapDays,
        before: [`insert into staging.subscription (account_id, notice_days) values ('a', ${noticeDays})`],
      },
      ["validation.notice_check"],
    );
  it("need a gap of at least the longest notice period: exit 2 otherwise", async () => {
    await expect(run(30, 90)).rejects.toMatchObject({
      exitCode: 2,
      message:
        "assay.yaml: calendar.gap_days must be at least the longest notice period (90 days), because only 1 of 2 ended periods have a notice_on, found 30",
    });
    await expect(run(30, 90)).rejects.toBeInstanceOf(AssayError);
    (await run(90, 90)).close();
    (await run(0, 0)).close();
  });
});

describe("labels compared", () => {
  it("counts both, one and the other, and the days between", async () => {
    const panel = panelOf(
      [
        { id: "a", from: "2023-01-01", to: "2024-06-01" },
        { id: "b", from: "2023-01-01", to: "2024-07-01" },
        { id: "c", from: "2023-01-01" },
        { id: "d", from: "2023-01-01" },
      ],
      ["2024-04-01"],
      asOf,
    );
    const database = await validatePanel(
      panel,
      {
        churn: {
          primary: "ends",
          definitions: {
            ends: { type: "subscription_end" },
            cancel: { type: "event", entity: "churn_event" },
            crm: { type: "account_flag", column: "churned" },
          },
        },
        before: [
          "insert into staging.churn_event (account_id, occurred_on, is_reactivation) values ('a', '2024-05-22', false), ('c', '2024-05-22', true)",
          "insert into staging.account (account_id, churned, superseded_on) values ('a', 'true', null), ('b', 'False', null), ('d', 'yes', null), ('c', 'true', '2024-01-01')",
        ],
      },
      ["validation.label_agreement"],
    );
    const rows = await database.query("select * from validation.label_agreement order by definition, other");
    database.close();
    expect(rows).toEqual([
      { definition: "cancel", other: "crm", n_both: 1, n_only_one: 1, n_only_other: 1, median_days_apart: null },
      { definition: "cancel", other: "ends", n_both: 1, n_only_one: 1, n_only_other: 1, median_days_apart: 10 },
      { definition: "crm", other: "ends", n_both: 1, n_only_one: 1, n_only_other: 1, median_days_apart: null },
    ]);
  });
});
