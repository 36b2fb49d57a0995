import { describe, expect, test } from "vitest";
import { readAddress, writeAddress } from "../../observable/src/components/address.ts";
import { bandStyles } from "../../observable/src/components/bands.ts";
import { toCsv } from "../../observable/src/components/figure.ts";
import {
  count,
  datesInWords,
  daysBetween,
  money,
  moneyTick,
  monthSpan,
  pairs,
  percent,
  plural,
  quarters,
} from "../../observable/src/components/format.ts";
import { rangeLabels } from "../../observable/src/components/pages/kpi.ts";
import { list, plain, say } from "../../observable/src/components/prose.ts";
import type { KpiRange, Release, Scorecard } from "../../observable/src/components/rows.ts";
import { findEntries } from "../../observable/src/components/search.ts";
import * as sentences from "../../observable/src/components/sentences.ts";
import {
  besideStayersSentence,
  capacitySentence,
  colourBeforeSentence,
  coloursCaveat,
  noteMarks,
  renewalBandSentence,
  signOffSentence,
} from "../../observable/src/components/sentences-bands.ts";

const release = { as_of: "2026-01-01", currency: "USD", min_cell: 5, gap_days: 30, horizon_days: 90 } as Release;
const styles = bandStyles([
  { band: "red", band_no: 1 },
  { band: "yellow", band_no: 2 },
  { band: "green", band_no: 3 },
]);
const card: Scorecard = {
  scorecard: "s",
  version: 2,
  label: "Health",
  description: null,
  purpose: "churn_risk",
  created_on: null,
  in_force_from: null,
  is_assigned: true,
  bands_in_words: null,
  scale_from: 0,
  scale_to: 100,
  valid_until: null,
};
const year = (period_no: number, gross: number | null, net: number | null, kept: number, unknown = 0) => ({
  period_no,
  base_on: "2025-01-01",
  end_on: "2026-01-01",
  n_base: 100,
  n_kept: kept * 100,
  n_money_unknown: unknown,
  gross_rate: gross,
  net_rate: net,
  kept_rate: kept,
});

describe("home", () => {
  test("kept: both years, one year, no money, nothing", () => {
    const say = (...rows: ReturnType<typeof year>[]) => plain(sentences.keptSentence(rows, release));
    expect(say(year(0, 0.87, 1.04, 0.82), year(1, 0.89, 1.07, 0.84))).toBe(
      "In the year to 1 January 2026 we kept 87 of every 100 dollars (gross retention, GRR), 104 with expansion (net retention, NRR), and 82 of 100 customers; a year earlier 89, 107 and 84.",
    );
    expect(say(year(0, 0.87, 1.04, 0.82, 3))).toBe(
      "In the year to 1 January 2026 we kept 87 of every 100 dollars (gross retention, GRR), 104 with expansion (net retention, NRR), and 82 of 100 customers; the year before is not known. Money of 3 customers is unknown and left out of both retentions.",
    );
    expect(say(year(0, null, null, 0.82, 100), year(1, 0.89, 1.07, 0.84))).toBe(
      "In the year to 1 January 2026 we kept 82 of 100 customers; how much of their money is not known, because no revenue was delivered for both ends of the year; a year earlier 84 of 100 customers.",
    );
    expect(say()).toBe(
      "What was kept over 12 months is not known: the data does not reach back to 5 customers who paid a year ago.",
    );
  });

  test("kept says so where leaving is recorded elsewhere", () => {
    const fact = { definition: "cancel", definition_type: "event" } as Parameters<typeof sentences.keptCaveat>[0];
    expect(plain(sentences.keptCaveat(fact))).toContain("another record (cancel), and the two may disagree");
    expect(sentences.keptCaveat({ ...fact, definition_type: "subscription_end" } as typeof fact)).toEqual([]);
    expect(sentences.keptCaveat(undefined)).toEqual([]);
  });

  test("ahead: money, or accounts where no money is known, or too few", () => {
    const row = (band: string, n_accounts: number, mrr_minor: number) => ({
      band,
      n_accounts,
      n_total: 12,
      n_money_unknown: 0,
      mrr_minor,
    });
    expect(
      plain(
        sentences.aheadSentence(
          [row("red", 2, 31_000_00), row("unknown", 1, 9_500_00), row("green", 9, 149_500_00)],
          styles,
          release,
        ),
      ),
    ).toBe(
      "$190k of monthly revenue (12 accounts) comes up for renewal in the next 90 days: $31.0k red, $9.5k not scored.",
    );
    expect(plain(sentences.aheadSentence([row("red", 2, 0), row("green", 10, 0)], styles, release))).toBe(
      "12 accounts come up for renewal in the next 90 days: 2 red, 0 not scored.",
    );
    expect(plain(sentences.aheadSentence([], styles, release))).toContain("Fewer than 5 renewals are known");
  });

  test("trust: bands from risky to healthy, then those without; under min_cell words only", () => {
    const row = (series: string, band: string, n_leavers: number) => ({ series, band, n_leavers, n_total: 96 });
    const rows = [
      row("in_force", "green", 33),
      row("in_force", "red", 41),
      row("in_force", "yellow", 22),
      row("naive_baseline", "red", 40),
      row("naive_baseline", "green", 56),
    ];
    expect(plain(sentences.trustSentence(rows, styles, release))).toBe(
      "Of 96 customers that decided to leave in the last 12 months, 41 were red, 22 yellow and 33 green 30 days before.",
    );
    expect(plain(sentences.simpleScoreSentence(rows, styles))).toContain("had 40 of them red");
    expect(plain(sentences.trustSentence([], styles, release))).toContain("Fewer than 5 customers decided to leave");
  });

  test("weight and state follow the newest version of each assigned scorecard", () => {
    const points = (version: number, action_group: string, n: number) => ({
      scorecard: "s",
      version,
      action_group,
      action_no: 1,
      points: n,
    });
    const rows = [points(1, "Use", 70), points(2, "Use", 0), points(2, "Leave out", 40), points(2, "Not known", 60)];
    expect(plain(sentences.weightSentence(rows, [{ ...card, version: 1 }, card]))).toBe(
      "0 of this score's 100 points rest on an early warning; 40 on KPIs to leave out and 60 on KPIs of which history cannot tell.",
    );
    expect(plain(sentences.weightSentence(rows, [{ ...card, is_assigned: false }]))).toContain(
      "No scorecard is assigned",
    );
    const state = {
      scorecard: "s",
      version: 2,
      state: "not checked",
      sentence: "Not checked: 12 of 50 churned accounts needed.",
      auc: null,
      auc_low: null,
      auc_high: null,
      difference: null,
      difference_low: null,
      difference_high: null,
      n_churned: 12,
    };
    expect(plain(sentences.stateSentence([state], [card]))).toBe(
      "The score, asked which of two like customers leaves, was not checked: 12 of 50 churned accounts needed.",
    );
    expect(plain(sentences.stateSentence([], [card]))).toBe(
      "The score was not checked against history in this release.",
    );
    // Of several each is named before its own, and the question stands once.
    const other = { ...card, scorecard: "first_year", label: "First year", version: 1 };
    const both = [card, other];
    expect(
      plain(
        sentences.weightSentence(
          [points(2, "Use", 60), points(2, "Leave out", 40), { ...points(1, "Use", 100), scorecard: "first_year" }],
          both,
        ),
      ),
    ).toBe(
      `"${card.label}": 60 of 100 points rest on an early warning; 40 on KPIs to leave out. "First year": 100 of 100 points rest on an early warning.`,
    );
    const otherState = {
      ...state,
      scorecard: "first_year",
      version: 1,
      sentence: "At most 51 of 100: close to a coin toss.",
    };
    expect(plain(sentences.stateSentence([state, otherState], both))).toBe(
      `"${card.label}", asked which of two like customers leaves, was not checked: 12 of 50 churned accounts needed. "First year" ranks at most 51 of 100 pairs rightly: close to a coin toss.`,
    );
    // A score that was made for something else is not blamed for what it was not made for.
    expect(plain(sentences.stateSentence([state], [{ ...card, purpose: "behaviour_index" }]))).toContain(
      "was not made to foresee leaving",
    );
    // Colours may be counted ahead without a word of warning only where history shows that they foresee leaving.
    expect(plain(coloursCaveat([state], [card]))).toBe(
      "History does not show that the colours of this score foresee who leaves.",
    );
    expect(coloursCaveat([{ ...state, state: "works" }], [card])).toEqual([]);
    expect(plain(coloursCaveat([state, otherState], both))).toBe(
      "History does not show that the colours of these scores foresee who leaves.",
    );
    expect(plain(coloursCaveat([{ ...state, state: "works" }, otherState], both))).toBe(
      'History does not show that the colours of "First year" foresee who leaves.',
    );
    // What has expired is judged by the reader's day, not by the release's.
    const signed = { ...card, valid_until: "2026-01-01" };
    expect(signOffSentence([signed], new Date("2025-12-31T23:00:00Z"))).toEqual([]);
    expect(plain(signOffSentence([signed], new Date("2026-01-01T00:00:00Z")))).toContain("expired on 1 January 2026");
  });

  test("change counts scored moves only, by the order of the bands", () => {
    const move = (from_band: string, to_band: string, from_no: number, to_no: number, n_accounts: number) => ({
      before_on: "2025-12-01",
      from_band,
      to_band,
      from_no,
      to_no,
      n_accounts,
      n_total: 100,
    });
    const rows = [
      move("green", "red", 3, 1, 4),
      move("red", "green", 1, 3, 9),
      move("red", "red", 1, 1, 80),
      move("unknown", "red", 99, 1, 7),
    ];
    expect(plain(sentences.changeSentence(rows, release))).toBe(
      "Since 1 December 2025, 4 of 93 accounts moved to a riskier band and 9 to a healthier one, under one scorecard version.",
    );
    expect(plain(sentences.changeSentence([], release))).toContain("is not known");
  });

  test("data: the oldest source that a KPI reads; a row of the day before is up to date", () => {
    const source = (name: string, last_day: string | null, is_read = true, mark: string | null = null) => ({
      source: name,
      entity: name,
      n_deliveries: 1,
      rows_read: 1,
      rows_loaded: 1,
      rows_rejected: 0,
      first_day: null,
      last_day,
      delivered_on: null,
      is_read,
      mark,
    });
    const today = new Date("2026-01-05T12:00:00Z");
    expect(
      plain(
        sentences.dataSentence(
          [source("usage", "2025-12-31"), source("tickets", "2025-12-12"), source("notes", "2024-01-01", false)],
          release,
          today,
        ),
      ),
    ).toBe(
      "Data to 1 January 2026, 4 days ago. The oldest source that KPIs read is tickets: it ends on 12 December 2025, 19 days behind.",
    );
    expect(
      plain(sentences.dataSentence([source("usage", "2025-12-31")], release, new Date("2026-01-01T08:00:00Z"))),
    ).toBe("Data to 1 January 2026. The oldest source that KPIs read is usage: it ends on 31 December 2025.");
    // What was delivered after the day of the report reaches no further than to it.
    const late = [source("accounts", "2026-02-01"), source("usage", "2025-12-31")];
    expect(plain(sentences.dataSentence(late, release, today))).toBe(
      "Data to 1 January 2026, 4 days ago. All 2 sources that KPIs read reach to 31 December 2025.",
    );
    // Where all end on one day, none of them is the oldest.
    const even = [
      source("accounts", "2025-12-30"),
      source("usage", "2025-12-30"),
      source("notes", "2025-01-01", false),
    ];
    expect(plain(sentences.dataSentence(even, release, today))).toBe(
      "Data to 1 January 2026, 4 days ago. All 2 sources that KPIs read reach to 30 December 2025, 1 day behind.",
    );
    expect(plain(sentences.dataSentence([source("accounts", null)], release, today))).toContain(
      "none can be called old",
    );
    const stale = source("usage", "2025-12-31", true, "source usage is thin: 3 rows");
    expect(plain(sentences.dataSentence([stale], release, today))).toMatch(
      /31 December 2025\. Source usage is thin: 3 rows\.$/,
    );
  });
});

test("colours before leaving, a list's catch and renewals by band say no more than they hold", () => {
  const before = (is_departure: boolean, days_before: number, band: string, n_cases: number, n_total: number) => ({
    scorecard: "s",
    version: 2,
    is_departure,
    days_before,
    band,
    n_cases,
    n_total,
    n_unlike: 3,
  });
  const rows = [
    before(true, 30, "red", 20, 80),
    before(true, 0, "red", 60, 80),
    before(false, 30, "red", 100, 400),
    before(false, 0, "red", 100, 400),
  ];
  expect(plain(colourBeforeSentence(rows, styles, 30))).toBe(
    "25 % of 80 customers were red 30 days before they decided to leave, against 25 % of like customers that stayed; at the last reading before the decision it was 75 % against 25 %.",
  );
  expect(plain(colourBeforeSentence([], styles, 30))).toContain("is not known");
  expect(plain(besideStayersSentence(rows, styles, 30))).toBe(
    "Over all years, 25 % of 80 leavers with half a year of scores were red 30 days before, and 25 % of like customers (same segment, size and age) that stayed.",
  );
  expect(plain(besideStayersSentence(rows, styles, 30, { named: "First year" }))).toContain(
    'Over all years by "First year", 25 % of 80 leavers',
  );
  // Where nobody stands beside the leavers, or the day was not looked at, nothing is said.
  expect(besideStayersSentence(rows.slice(0, 2), styles, 30)).toEqual([]);
  expect(besideStayersSentence(rows, styles, 45)).toEqual([]);
  const caught = {
    scorecard: "s",
    version: 2,
    from_on: "2025-01-01",
    capacity: 25,
    n_lists: 6,
    n_places: 150,
    n_departures: 90,
    caught_share: 0.1,
    caught_low: 0.05,
    caught_high: 0.18,
    chance_share: 0.06,
    money_caught: 1,
    money: 2,
  };
  const days = { gap: 30, horizon: 90 };
  expect(plain(capacitySentence([caught], [], 25, days))).toBe(
    "A list of the 25 lowest scores each month would have held 10 % of 90 leavers 30 to 120 days before they decided (95 % interval 5.0 % to 18 %); lists drawn by lot 6.0 %. More than chance is not shown.",
  );
  expect(plain(capacitySentence([{ ...caught, caught_low: 0.07 }], [], 25, days))).not.toContain("chance");
  expect(plain(capacitySentence([], [], 25, days))).toContain("is not known");
  const renewed = (band: string, band_no: number, rate: number, low: number, high: number) => ({
    band,
    band_no,
    n_accounts: 50,
    n_kept: 40,
    kept_rate: rate,
    rate_low: low,
    rate_high: high,
    gross_rate: null,
    n_decided: 7,
    first_on: "2025-01-01",
    last_on: "2025-12-01",
  });
  const said = plain(
    renewalBandSentence([renewed("red", 1, 0.9, 0.8, 0.97), renewed("green", 3, 0.95, 0.9, 0.99)], styles),
  );
  expect(said).toContain("the intervals overlap, so the bands are not shown to differ");
  expect(said).toContain("7 accounts had given notice by then and are left out");
});

test("the search finds every word of a query, titles first, accents and case aside", () => {
  const entry = (title: string, words = "") => ({ title, words, path: "", kind: "KPI" });
  const all = [entry("Days of use", "logins"), entry("Ticket logins"), entry("Logins"), entry("Émile's KPI")];
  expect(findEntries(all, " login").map(({ title }) => title)).toEqual(["Logins", "Ticket logins", "Days of use"]);
  expect(findEntries(all, "emile kpi")).toHaveLength(1);
  expect(findEntries(all, "login nothing")).toEqual([]);
  expect(findEntries(all, "  ")).toEqual([]);
});

test("the ledger says when the bands are not shown to differ", () => {
  const row = (band: string, band_no: number, rate: number, low: number, high: number) => ({
    scorecard: "s",
    version: 2,
    mode: "as_if",
    days: 90,
    band,
    band_no,
    n_rows: 10,
    n_accounts: 10,
    n_churned: 1,
    rate,
    rate_low: low,
    rate_high: high,
    lift: 1,
    lift_low: 0.9,
    lift_high: 1.1,
    share_of_churn: 0.25,
    share_low: 0.2,
    share_high: 0.3,
    money_minor: 100,
  });
  expect(
    plain(sentences.ledgerSentence([row("red", 1, 0.2, 0.15, 0.25), row("green", 3, 0.05, 0.03, 0.08)], styles)),
  ).toBe(
    "Within 90 days of a reading, its last days included, 20 % of red readings led to leaving, against 5.0 % of green ones. 25 % of all readings that led to leaving were green.",
  );
  expect(
    plain(sentences.ledgerSentence([row("red", 1, 0.2, 0.05, 0.4), row("green", 3, 0.1, 0.03, 0.2)], styles)),
  ).toContain("the intervals overlap, so the bands are not shown to differ");
  expect(plain(sentences.ledgerSentence([], styles))).toContain("is not known yet");
  expect(
    sentences.ledgerOf([row("red", 1, 0.2, 0.1, 0.3), { ...row("red", 1, 0.3, 0.1, 0.4), mode: "as_was" }], card),
  ).toHaveLength(1);
});

test("value ranges in words: open ends, one value, no value last", () => {
  const range = (value_from: number | null, value_to: number | null, is_missing = false) =>
    ({ kpi: "k", range_no: 1, is_missing, value_from, value_to, n_accounts: 9 }) as KpiRange;
  const labels = rangeLabels([
    range(null, null, true),
    range(0, 0),
    range(1, 7),
    range(8, 0.25e4),
    range(2500, null),
  ]).map(({ label }) => label);
  expect(labels).toEqual(["0", "1 to 7", "8 to 2,500", "2,500 and more", "no value"]);
  expect(rangeLabels([range(null, 3), range(null, null)]).map(({ label }) => label)).toEqual(["up to 3", "any value"]);
});

describe("numbers", () => {
  test("every missing number is words", () => {
    expect([count(null), percent(Number.NaN), money(undefined, "USD"), pairs(null)]).toEqual(
      Array(4).fill("not enough data"),
    );
  });
  test("a note's dates read like those beside them; what is no date stays", () => {
    expect(datesInWords("down until 2024-09-30, ticket 2024-13-01")).toBe(
      "down until 30 September 2024, ticket 2024-13-01",
    );
    const note = { noted_on: "2024-09-16", label: "Feed down until 2024-09-30", kind: null };
    expect(noteMarks([note], ["2024-01-01", "2025-01-01"])).toEqual({
      marks: [{ on: "2024-09-16", label: "1" }],
      words: "1, 16 September 2024: Feed down until 30 September 2024.",
    });
  });
  test("ticks of money have no trailing zero", () => {
    expect([0, 1_000_000, 1_250_000, 250_000_000].map((minor) => moneyTick(minor, "USD"))).toEqual([
      "$0",
      "$10k",
      "$12.5k",
      "$2.5M",
    ]);
  });
  test("rates, money, pairs, dates", () => {
    expect([percent(0), percent(0.0004), percent(0.041), percent(0.1), percent(0.9949), percent(1)]).toEqual([
      "0 %",
      "under 0.1 %",
      "4.1 %",
      "10 %",
      "99 %",
      "100 %",
    ]);
    expect([
      money(1_234_00, "USD"),
      money(12_345_00, "USD"),
      money(1_900_000_00, "EUR"),
      money(-5_00, "USD"),
      money(99_00, "CHF"),
      money(999_600_00, "USD"),
      money(12_345, "JPY"),
    ]).toEqual(["$1.2k", "$12.3k", "€1.9M", "-$5", "99 CHF", "$1.0M", "¥12.3k"]);
    expect([pairs(0.42), pairs(0.58), pairs(0.5)]).toEqual(["58", "58", "50"]);
    expect([monthSpan("2025-11-01", "2026-01-01"), monthSpan("2025-01-01", "2025-01-01", true)]).toEqual([
      "Nov 2025 to Jan 2026",
      "Jan 25",
    ]);
    expect([quarters("2024-01-01", "2024-04-01"), quarters("2024-01-01", "2024-10-01")]).toEqual([
      "2024 Q1",
      "2024 Q1 to 2024 Q3",
    ]);
    expect(daysBetween("2024-02-28", "2024-03-01")).toBe(2);
    expect([plural(1, "account"), plural(1200, "account"), list(["a", "b", "c"])]).toEqual([
      "1 account",
      "1,200 accounts",
      "a, b and c",
    ]);
  });
});

test("a CSV cell is never a formula, and quotes are doubled", () => {
  const columns = [{ name: "label", text: (row: { label: string }) => row.label }];
  expect(toCsv([{ label: "=1+1" }, { label: 'a "b", c' }, { label: "@x" }], columns)).toBe(
    'label\r\n\'=1+1\r\n"a ""b"", c"\r\n\'@x\r\n',
  );
  const cells = toCsv(
    [{ label: "-12.5" }, { label: "-1+cmd" }, { label: " =1" }, { label: "x;=1" }, { label: "a;b" }],
    columns,
  );
  expect(cells).toBe('label\r\n-12.5\r\n\'-1+cmd\r\n\' =1\r\n"x;\'=1"\r\n"a;b"\r\n');
});

test("a choice lives in the address, and what is not a choice is not one", () => {
  expect(readAddress("?days=90", "days", "30", ["30", "90"])).toBe("90");
  expect(readAddress("?days=1e9", "days", "30", ["30", "90"])).toBe("30");
  expect(readAddress(`?q=${"x".repeat(5000)}`, "q", "")).toBe("");
  expect(readAddress("", "days", "30")).toBe("30");
  expect(writeAddress("?a=1", "q", "<b> & c", "")).toBe("?a=1&q=%3Cb%3E+%26+c");
  expect(writeAddress("?a=1&q=x", "q", "", "")).toBe("?a=1");
  expect(writeAddress("?q=x", "q", "", "")).toBe("");
});

test("bands of other names get steps of one scale, in the order of the scorecard", () => {
  const five = bandStyles(["e", "d", "c", "b", "a"].map((band, i) => ({ band, band_no: i + 1 })));
  expect(five.slice(0, 5).map(({ letter }) => letter)).toEqual(["E", "D", "C", "B", "A"]);
  expect(new Set(five.slice(0, 5).map(({ colour }) => colour)).size).toBe(5);
});

test("facts are marked, plain text is not", () => {
  expect(say`a ${1} b ${["c"]}`).toEqual(["a ", { fact: "1" }, " b ", "c"]);
  expect(plain(say`a ${1} b ${["c"]}`)).toBe("a 1 b c");
});

test("shares of one whole in a sentence have a tenth, so that readers who add them up come to 100", () => {
  const row = (band: string, n_accounts: number) => ({
    series: "in_force",
    snapshot_date: "2025-01-01",
    band,
    n_accounts,
    n_total: 500,
    mrr_minor: 0,
    total_minor: 0,
  });
  expect(
    plain(sentences.distributionSentence([row("red", 79), row("yellow", 388), row("green", 33)], styles)),
  ).toContain("6.6 % of 500 accounts are green, 77.6 % yellow and 15.8 % red");
});
