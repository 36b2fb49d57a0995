import { describe, expect, it } from "vitest";
import { parseScorecard, type Scorecard } from "../../pipelines/config/scorecard.ts";
import { definitionChanges, describeDiff, guardRails, type Measured, wilson } from "../../pipelines/scores/diff.ts";
import { distributionInWords, wholePercents } from "../../pipelines/scores/distribution.ts";
import { withoutKpi } from "../../pipelines/scores/draft.ts";
import { lostInShowing, shownTenths, signedTenths } from "../../pipelines/scores/shown.ts";

const bands = "bands: { edge: upper, list: [{ id: red, to: 30 }, { id: yellow, to: 70 }, { id: green, to: 100 }] }";
const card = (groups: string, more = bands): Scorecard =>
  parseScorecard(
    `scorecard: card\nversion: 1\ncreated_on: 2026-01-01\npurpose: churn_risk\nmissing: { rule: reweight, coverage_floor: 0.5 }\n${groups}\n${more}`,
    "card.yaml",
  ).card;
const line = "{ linear: { zero_at: 0, full_at: 10 } }";
const two = (a: number, b: number, points = line): string =>
  `groups: [{ id: g, kpis: [{ kpi: logins, weight: ${a}, points: ${points} }, { kpi: tickets, weight: ${b}, points: ${line} }] }]`;

const measured = (more: Partial<Measured> = {}): Measured => ({
  a: { name: "card@1", created_on: "2025-01-01", bands: ["red", "yellow", "green"], coverage: 1 },
  b: { name: "card@2", created_on: "2026-01-01", bands: ["red", "yellow", "green"], coverage: 0.9 },
  snapshot_date: "2026-06-01",
  currency: "USD",
  gap_days: 30,
  horizon_days: 90,
  scope: null,
  changes: [],
  shifts: [
    { segment: "big", from: "green", to: "yellow", accounts: 10, mrr_minor: 1_234_500 },
    { segment: "big", from: "yellow", to: "yellow", accounts: 50, mrr_minor: 500_000 },
    { segment: "small", from: "red", to: "green", accounts: 40, mrr_minor: 100_000 },
  ],
  out_of_time_from: "2026-01-01",
  caught: [{ period: "out_of_time", n: 60, caught_a: 20, caught_b: 15, lost: 8, won: 3, green_a: 6, green_b: 3 }],
  reds: [red("out_of_time")],
  ranking: {
    period: "out_of_time",
    auc_a: 0.6,
    auc_b: 0.62,
    difference: 0.02,
    difference_low: -0.01,
    difference_high: 0.05,
    n_churned: 60,
  },
  ...more,
});
/** Base 60 of 1000; red of the second 30 of 250: twice the base. */
const red = (period: "all" | "out_of_time", more = {}) => ({
  period,
  n: 1000,
  e: 60,
  n_churned: 55,
  n_staying: 300,
  n_a: 200,
  e_a: 20,
  accounts_a: 80,
  n_b: 250,
  e_b: 30,
  accounts_b: 90,
  ...more,
});
const limits = { red_lift: 2, max_green: 0.8, min_coverage: 0.7 };
const states = (m: Measured, l = limits) => Object.fromEntries(guardRails(m, l).map(({ id, state }) => [id, state]));

describe("guard rails", () => {
  it("hold at their limits and break beyond them", () => {
    const kept = { red_lift: "kept", green_share: "kept", coverage: "kept", ranking: "kept" };
    expect(states(measured())).toEqual(kept);
    expect(states(measured({ reds: [red("out_of_time", { e_b: 29 })] })).red_lift).toBe("broken");
    expect(states(measured(), { ...limits, red_lift: 2.1 }).red_lift).toBe("broken");
    expect(states(measured(), { ...limits, max_green: 0.4 }).green_share).toBe("kept");
    expect(states(measured(), { ...limits, max_green: 0.39 }).green_share).toBe("broken");
    expect(states(measured(), { ...limits, min_coverage: 0.9 }).coverage).toBe("kept");
    expect(states(measured(), { ...limits, min_coverage: 0.91 }).coverage).toBe("broken");
  });
  it("show enough digits to tell on which side of its limit a value is, and what the first version had", () => {
    const near = guardRails(measured({ reds: [red("out_of_time", { e_b: 29 })] }), { ...limits, red_lift: 1.9 })[0];
    expect(near?.words).toMatch(/^red churns 1\.93 x base .*, at least 1\.9 x needed; red of card@1 1\.7 x$/);
    const { a, b } = measured();
    const thin = guardRails(measured({ b: { ...b, coverage: 0.6996 } }), limits)[2];
    expect(thin).toMatchObject({ state: "broken", words: "coverage is 69.96 % of the weight, at least 70 % needed" });
    expect(guardRails(measured({ a, b: { ...b, coverage: 0.7 } }), limits)[2]?.words).toContain("coverage is 70 % of");
  });
  it("break where nobody is ever in the worst band", () => {
    const none = measured({ reds: [red("out_of_time", { n_b: 0, e_b: 0, accounts_b: 0 })] });
    expect(guardRails(none, limits)[0]).toMatchObject({
      state: "broken",
      words: "nobody is ever red: it warns of no one",
    });
  });
  it("call a ranking worse only when the whole interval is below nothing", () => {
    const ranking = {
      ...(measured().ranking as NonNullable<Measured["ranking"]>),
      difference: -0.03,
      difference_low: -0.06,
    };
    expect(states(measured({ ranking: { ...ranking, difference_high: 0.001 } })).ranking).toBe("kept");
    expect(states(measured({ ranking: { ...ranking, difference_high: -0.001 } })).ranking).toBe("broken");
    expect(states(measured({ ranking: null })).ranking).toBe("not_known");
  });
  it("fall back to all history with too little out of time, and say so; with too little even there they tell nothing", () => {
    const few = red("out_of_time", { n_churned: 49 });
    const worse = guardRails(measured({ reds: [red("all", { e_b: 10 }), few] }), limits)[0];
    expect(worse).toMatchObject({ state: "broken" });
    expect(worse?.words).toContain("on all history, as too few left after 2026-01-01");
    expect(states(measured({ reds: [red("all", { n_churned: 49 }), few] })).red_lift).toBe("not_known");
  });
});

describe("the difference for a reviewer", () => {
  it("shows who moves with which money, within about twenty lines", () => {
    const m = measured();
    const text = describeDiff({ ...m, guards: guardRails(m, limits) });
    expect(text.split("\n").length).toBeLessThanOrEqual(26);
    expect(text).toContain("MOVED 50 accounts, 13,345 USD a month");
    expect(text).toContain("10 (12,345)");
    expect(text).toMatch(/big +60 +10 \(12,345\) +\. +\./);
    expect(text).toContain("caught (red): 20 of 60, 33 % (23-46) -> 15 of 60, 25 % (16-37); 3 won, 8 lost");
    expect(text).toContain("red churns 2.0 x base");
  });
  it("says which shares, points and bands changed, and nothing of what did not", () => {
    expect(definitionChanges(card(two(1, 1)), card(two(2, 2)))).toEqual([]);
    const tiers = "{ tiers: { upto: [5], give: [0, 100], edge: upper } }";
    expect(definitionChanges(card(two(1, 1)), card(two(3, 1, tiers), bands.replace("to: 30", "to: 40")))).toEqual([
      "logins: 50 -> 75 of 100",
      "logins: 0 at 0 or below, 100 at 10 or above, a straight line between -> 0 up to 5, then 100",
      "tickets: 50 -> 25 of 100",
      "bands: red up to 30, yellow up to 70, green above 70 -> red up to 40, yellow up to 70, green above 70",
    ]);
    const one = `groups: [{ id: g, kpis: [{ kpi: logins, points: ${line} }] }]`;
    expect(definitionChanges(card(two(1, 1)), card(one))).toEqual([
      "logins: 50 -> 100 of 100",
      "tickets removed: it had 50 of 100",
    ]);
  });
  it("has Wilson's interval", () => {
    // scipy.stats.binomtest(12, 40).proportion_ci(method="wilson")
    const [low, high] = wilson(12, 40);
    expect(low).toBeCloseTo(0.18074845229746528, 12);
    expect(high).toBeCloseTo(0.45430018818144935, 12);
    expect(wilson(0, 0)).toEqual([0, 1]);
  });
});

describe("how accounts spread over the scale", () => {
  const nine = card(
    two(1, 1),
    "scale: { from: 0, to: 9 }\nbands: { edge: upper, list: [{ id: low, to: 3 }, { id: mid, to: 6 }, { id: high, to: 9 }] }",
  );
  it("is one sentence, the best band first", () => {
    expect(
      distributionInWords(
        nine,
        new Map([
          ["high", 80],
          ["mid", 10],
          ["low", 10],
        ]),
      ),
    ).toBe("80 % above 6, 10 % 3-6, 10 % up to 3");
    expect(
      distributionInWords(
        nine,
        new Map([
          ["high", 1],
          ["unknown", 1],
        ]),
      ),
    ).toBe("50 % above 6, 0 % 3-6, 0 % up to 3, 50 % without a score");
    expect(distributionInWords(nine, new Map())).toBe(null);
  });
  it("has whole percents that add up to 100", () => {
    expect(wholePercents([1, 1, 1])).toEqual([34, 33, 33]);
    expect(wholePercents([2, 1, 0])).toEqual([67, 33, 0]);
    expect(wholePercents([0, 0])).toEqual([0, 0]);
  });
});

describe("small pieces", () => {
  it("rounds millionths to tenths away from zero and says what that loses", () => {
    expect([47_826_087n, -50_000n, -49_999n, 950_000n].map(shownTenths)).toEqual(["47.8", "-0.1", "0.0", "1.0"]);
    expect([50_000n, -1_000_000n, 0n].map(signedTenths)).toEqual(["+0.1", "-1.0", "0.0"]);
    expect(lostInShowing([3_333_333n, 3_333_333n, 3_333_334n], 100n)).toBe(100_000n);
    expect(lostInShowing([5_000_000n], 50n)).toBe(0n);
  });
  it("leaves a KPI out, and its group when it was the last", () => {
    const nested = card(
      `groups: [{ id: x, weight: 1, kpis: [{ kpi: a, points: ${line} }] }, { id: y, weight: 2, groups: [{ id: z, kpis: [{ kpi: b, points: ${line} }, { kpi: a, points: ${line} }] }] }]`,
    );
    const left = (kpi: string): unknown =>
      withoutKpi(nested, kpi)?.groups.map(({ id, kpis, groups }) => [
        id,
        kpis?.map((entry) => entry.kpi) ?? groups?.map((inner) => [inner.id, inner.kpis.map((entry) => entry.kpi)]),
      ]);
    expect(left("a")).toEqual([["y", [["z", ["b"]]]]]);
    expect(left("b")).toEqual([
      ["x", ["a"]],
      ["y", [["z", ["a"]]]],
    ]);
    expect(withoutKpi(card(`groups: [{ id: g, kpis: [{ kpi: a, points: ${line} }] }]`), "a")).toBe(null);
  });
});
