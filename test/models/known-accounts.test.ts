import { describe, expect, it } from "vitest";
import { readKnownThresholds } from "../../pipelines/commands/suggest-known.ts";
import { applied, cardText, type GivenAccount, type GivenKnown, scored } from "../scored.ts";

const linear = "{ linear: { zero_at: 0, full_at: 100 } }";
const groups = `groups: [{ id: all, kpis: [{ kpi: x, points: ${linear} }] }]`;
const named = (scorecard: string, more = ""): string =>
  cardText(groups, more).replace("scorecard: card", `scorecard: ${scorecard}`);

const test = async (
  cards: Parameters<typeof scored>[0],
  accounts: readonly GivenAccount[],
  known: readonly GivenKnown[],
  more: Parameters<typeof scored>[2] = {},
) => {
  const { database } = await scored(cards, accounts, { known, ...more });
  try {
    const rows = await database.query(
      "select account_id, scorecard || '@' || version as card, snapshot_date, band, state from scores.known_account " +
        "order by line_no, scorecard, version",
    );
    return rows.map((row) => Object.values(row));
  } finally {
    database.close();
  }
};
const at = (account_id: string, snapshot_date: string, x: number | null, segment = "all"): GivenAccount => ({
  account_id,
  snapshot_date,
  segment,
  kpis: { x },
});

describe("known accounts", () => {
  it("are compared at the first snapshot after they were spoken of, otherwise at the newest", async () => {
    const days = ["2026-03-02", "2026-03-09", "2026-03-16"];
    const accounts = days.flatMap((day, i) => [at("a", day, [20, 50, 90][i] as number), at("b", day, null)]);
    const rows = await test(
      [applied(named("card", "missing: { rule: reweight, coverage_floor: 0.5 }"))],
      [...accounts, at("gone", "2026-03-02", 90)],
      [
        { account_id: "a", expected_band: "green" },
        { account_id: "a", expected_band: "green", said_on: "2026-03-03" },
        { account_id: "a", expected_band: "red", said_on: "2026-03-02" },
        { account_id: "a", expected_band: "green", said_on: "2026-09-01" },
        { account_id: "b", expected_band: "red" },
        { account_id: "gone", expected_band: "green" },
        { account_id: "gone", expected_band: "green", said_on: "2026-02-01" },
        { account_id: "nobody", expected_band: "green" },
        { account_id: "a", expected_band: "purple" },
      ],
    );
    expect(rows).toEqual([
      ["a", "card@1", "2026-03-16", "green", "agrees"],
      ["a", "card@1", "2026-03-09", "yellow", "disagrees"],
      ["a", "card@1", "2026-03-02", "red", "agrees"],
      ["a", "card@1", "2026-03-16", "green", "agrees"],
      ["b", "card@1", "2026-03-16", "unknown", "no_score"],
      ["gone", "card@1", "2026-03-16", null, "not_paying"],
      ["gone", "card@1", "2026-03-02", "green", "agrees"],
      ["nobody", null, "2026-03-16", null, "unknown_account"],
      ["a", "card@1", "2026-03-16", "green", "unknown_band"],
    ]);
  });

  it("test the score behind an override, every version, and of assigned scorecards the account's own", async () => {
    const rows = await test(
      [
        applied(named("small", "applies_to: { segment: [small] }"), 1),
        applied(named("rest"), 2),
        applied(named("compared"), null),
      ],
      [at("a", "2026-03-02", 20, "small"), at("b", "2026-03-02", 80, "large")],
      [
        { account_id: "a", expected_band: "green" },
        { account_id: "b", expected_band: "green" },
      ],
      { overrides: [{ account_id: "a", band: "green", from_on: "2026-01-01", author: "kim" }] },
    );
    expect(rows).toEqual([
      ["a", "compared@1", "2026-03-02", "red", "disagrees"],
      ["a", "rest@1", "2026-03-02", "red", "other_scorecard"],
      ["a", "small@1", "2026-03-02", "red", "disagrees"],
      ["b", "compared@1", "2026-03-02", "green", "agrees"],
      ["b", "rest@1", "2026-03-02", "green", "agrees"],
      ["b", "small@1", "2026-03-02", "green", "other_scorecard"],
    ]);
  });
});

describe("thresholds from known accounts", () => {
  const thresholds = async (
    healthy: readonly (number | null)[],
    struggling: readonly number[],
    more: GivenKnown[] = [],
  ) => {
    const days = ["2026-03-02", "2026-03-09"];
    const values = [...healthy, ...struggling];
    const accounts = days.flatMap((day, d) =>
      // A week before, everybody stood at 1: only the day that was spoken of counts.
      values.map((x, i) => at(`k${i}`, day, d === 0 ? 1 : x)),
    );
    const known = values.map((_, i) => ({
      account_id: `k${i}`,
      expected_band: i < healthy.length ? "green" : "red",
      said_on: "2026-03-09",
    }));
    const { database } = await scored([applied(named("card"))], accounts, { known: [...known, ...more] });
    try {
      await database.run(
        "create schema meta; create table meta.params as select date '2026-03-09' as as_of; " +
          "create or replace table features.kpi_definition as select 'x' as id",
      );
      return await readKnownThresholds(database.query);
    } finally {
      database.close();
    }
  };

  it("lie midway between the medians, with how many of either stand behind them", async () => {
    // Medians of 60 70 80 90 100 and of 10 20 30 40: 80 and 30 with the fifth struggling one at 30.
    expect(await thresholds([100, 60, 80, 90, 70], [10, 20, 30, 40, 30])).toEqual([
      {
        scorecard: "card",
        version: 1,
        kpi: "x",
        n_healthy: 5,
        n_struggling: 5,
        median_healthy: 80,
        median_struggling: 30,
        threshold: 55,
        sentence:
          "x: 55 lies midway between the medians of 5 healthy accounts (80) and 5 struggling ones (30); a place to start from, not a test.",
      },
    ]);
  });

  it("count an account once, with what was last said, and leave out who is called both on one day", async () => {
    const before = { account_id: "k0", expected_band: "red", said_on: "2026-03-02" };
    const both = { account_id: "k1", expected_band: "red", said_on: "2026-03-09" };
    const [row] = await thresholds([100, 60, 80, 90, 70, 50], [10, 20, 30, 40, 30], [before, both]);
    expect(row).toMatchObject({ n_healthy: 5, n_struggling: 5, median_healthy: 80, threshold: 55 });
  });

  it("need five of each with a value, and two medians", async () => {
    const [few] = await thresholds([100, 60, 80, 90, null], [10, 20, 30, 40, 30]);
    expect(few).toMatchObject({ n_healthy: 4, n_struggling: 5, threshold: null });
    expect(few?.sentence).toBe(
      "x: not enough known accounts with a value, 4 healthy and 5 struggling, 5 of each are needed.",
    );
    const [same] = await thresholds([50, 50, 50, 50, 50], [50, 50, 50, 50, 50]);
    expect(same?.threshold).toBeNull();
    expect(same?.sentence).toBe("x: the same median, 50, for 5 healthy and 5 struggling accounts.");
  });
});
