import { describe, expect, it } from "vitest";
import { baselineTerms, binsFor } from "../../pipelines/validation/baseline.ts";
import { aucInterval } from "../../pipelines/validation/interval.ts";
import { cholesky, quadraticForm, solveFactored } from "../../pipelines/validation/linear.ts";
import { type BlockEvents, dividePeriods } from "../../pipelines/validation/periods.ts";
import { groupVerdicts, powerSentence, type ReportRow } from "../../pipelines/validation/report.ts";
import { type ScorecardEvidence, stateOf, stateSentence } from "../../pipelines/validation/scorecards.ts";

const row = (kpi: string, action_group: string, auc: number | null, more: Partial<ReportRow> = {}): ReportRow => ({
  kpi,
  verdict: "x",
  action_group,
  auc,
  auc_se: 0.02,
  n_churned: 200,
  detectable_auc: 0.58,
  ...more,
});

describe("report", () => {
  it("groups by what to do, the clearest first, empty groups included", () => {
    const groups = groupVerdicts([
      row("b", "Use", 0.45),
      row("a", "Use", 0.38),
      row("d", "Leave out", null),
      row("c", "Leave out", 0.5),
    ]);
    expect(groups.map(({ group, rows }) => [group, rows.map(({ kpi }) => kpi).join()])).toEqual([
      ["Use", "a,b"],
      ["Use with care", ""],
      ["Score differently", ""],
      ["Leave out", "c,d"],
      ["Not known", ""],
    ]);
  });
  it("says what could have been seen", () => {
    expect(powerSentence([row("a", "Use", 0.4), row("b", "Use", 0.4, { detectable_auc: 0.6, auc_se: 0.016 })])).toBe(
      "200 accounts with a complete history left: a KPI that sorts 59 of 100 like-for-like pairs (50 is a coin toss) would be called four times in five; a smaller one may be missed. For most KPIs a link of 55 can be ruled out where there is none.",
    );
    expect(powerSentence([row("a", "Use", 0.4, { auc_se: 0.031 })])).toContain("A link of 55 cannot be ruled out");
    // At .025 the interval of a KPI that is exactly a coin toss ends below 55, but few are so near to one.
    expect(powerSentence([row("a", "Use", 0.4, { auc_se: 0.025 })])).toContain("A link of 55 cannot be ruled out");
    expect(powerSentence([row("a", "Not known", null, { n_churned: 12, detectable_auc: null })])).toBe(
      "No KPI could be tested: 12 accounts with a complete history left, 50 are needed, and 200 to see a link of 59 of 100 pairs.",
    );
    expect(powerSentence([])).toContain("0 accounts");
  });
});

describe("periods", () => {
  const block = (n: number, accounts: readonly number[]): BlockEvents => ({
    block: n,
    from: `2024-0${n + 1}-01`,
    to: `2024-0${n + 1}-28`,
    accounts,
  });
  const range = (from: number, n: number) => Array.from({ length: n }, (_, i) => from + i);
  it("merges forward until twenty accounts churned, and the rest joins the last", () => {
    const periods = dividePeriods([
      block(0, range(0, 12)),
      // The same accounts again do not count twice.
      block(1, range(0, 12)),
      block(2, range(12, 8)),
      block(3, range(30, 25)),
      block(4, range(60, 5)),
    ]);
    expect(periods.map(({ period }) => period)).toEqual([1, 1, 1, 2, 2]);
  });
  it("splits nearest to the median event row where both sides have 25", () => {
    const halves = dividePeriods([
      block(0, range(0, 25)),
      block(1, range(25, 30)),
      block(2, range(60, 30)),
      block(3, range(90, 5)),
    ]);
    expect(halves.map(({ half }) => half)).toEqual([1, 1, 2, 2]);
    expect(halves[0]?.splitOn).toBe("2024-03-01");
  });
  it("has no halves when a side would have fewer", () => {
    const halves = dividePeriods([block(0, range(0, 24)), block(1, range(0, 60))]);
    expect(halves.map(({ half }) => half)).toEqual([null, null]);
    expect(dividePeriods([])).toEqual([]);
  });
});

describe("scorecard states", () => {
  const evidence: ScorecardEvidence = {
    churned: 200,
    staying: 900,
    coverage: 0.9,
    auc: 0.64,
    low: 0.6,
    high: 0.68,
    simpleAuc: 0.58,
    difference: 0.06,
    differenceLow: 0.02,
    differenceHigh: 0.1,
    gapDays: 30,
    horizonDays: 90,
    purpose: "churn_risk",
  };
  const state = (changes: Partial<ScorecardEvidence>) => stateOf({ ...evidence, ...changes });
  const text = (changes: Partial<ScorecardEvidence>) => stateSentence({ ...evidence, ...changes });
  it("works", () => {
    expect(state({})).toBe("works");
    expect(text({})).toBe(
      "Ranked 64 of 100 leaver-and-stayer pairs rightly, 30-120 days ahead (60-68); the simple score 58.",
    );
    expect(text({ simpleAuc: null, difference: null, differenceLow: null })).toBe(
      "Ranked 64 of 100 leaver-and-stayer pairs rightly, 30-120 days ahead (60-68).",
    );
  });
  it("first match in order, at the bounds", () => {
    expect(state({ churned: 49 })).toBe("not checked");
    expect(state({ churned: 50 })).toBe("works");
    expect(state({ staying: 49 })).toBe("not checked");
    expect(state({ low: null, high: null })).toBe("not checked");
    expect(state({ coverage: 0.699 })).toBe("not checked");
    expect(state({ coverage: null })).toBe("not checked");
    expect(state({ high: 0.549, low: 0.5 })).toBe("no use");
    expect(state({ high: 0.55, low: 0.5 })).toBe("cannot tell");
    expect(state({ low: 0.519 })).toBe("cannot tell");
    expect(state({ low: 0.52 })).toBe("works");
    expect(state({ differenceLow: 0 })).toBe("no better than the simple one");
    expect(state({ differenceLow: 0.001 })).toBe("works");
  });
  it("sentences", () => {
    expect(text({ churned: 12 })).toBe("Not checked: 12 of 50 churned accounts needed.");
    expect(text({ staying: 31 })).toBe("Not checked: 31 of 50 staying accounts needed.");
    expect(text({ difference: -0.0001, differenceLow: -0.02, differenceHigh: 0.02 })).toContain(
      "(difference 0.0, -2.0 to +2.0)",
    );
    expect(text({ coverage: 0.416 })).toBe("Not checked: 41 % of account-months scored, 70 % needed.");
    expect(text({ high: 0.534, low: 0.47 })).toBe("At most 53 of 100: close to a coin toss.");
    expect(text({ auc: 0.55, low: 0.5, high: 0.6 })).toBe("Not shown to rank leavers: 55 of 100 (50-60).");
    expect(text({ difference: 0.01, differenceLow: -0.02, differenceHigh: 0.04 })).toBe(
      "It ranks leavers, but logins + NPS + feature events + tickets are not shown to do worse (difference +1.0, -2.0 to +4.0).",
    );
    expect(text({ purpose: "behaviour_index", churned: 12 })).toBe(
      "Meant to describe behaviour, not to predict churn; checked against churn all the same: Not checked: 12 of 50 churned accounts needed.",
    );
  });
});

describe("small systems", () => {
  it("solves by Cholesky, and refuses what is not positive definite", () => {
    const factor = cholesky([
      [4, 2],
      [2, 3],
    ]);
    const [first, second] = solveFactored(factor as readonly Float64Array[], [10, 9]);
    expect(first).toBeCloseTo(1.5, 12);
    expect(second).toBeCloseTo(2, 12);
    expect(
      cholesky([
        [1, 2],
        [2, 1],
      ]),
    ).toBeNull();
  });
  it("leaves out a component that others explain, and counts the rank", () => {
    expect(
      quadraticForm(
        [1, 2, 2],
        [
          [1, 0, 0],
          [0, 4, 4],
          [0, 4, 4],
        ],
      ),
    ).toEqual({ statistic: 2, rank: 2 });
    expect(quadraticForm([0], [[0]])).toEqual({ statistic: 0, rank: 0 });
  });
  it("keeps an interval of A within 0 and 1, around A on the logit scale", () => {
    const { low, high } = aucInterval(0.9, 0.05);
    // logit .9 = 2.1972; half 1.96 x .05 / .09 = 1.0889
    expect(low).toBeCloseTo(1 / (1 + Math.exp(-(2.1972245773362196 - 1.0888688803))), 9);
    expect(high).toBeCloseTo(1 / (1 + Math.exp(-(2.1972245773362196 + 1.0888688803))), 9);
    expect(aucInterval(null, 0.05)).toEqual({ low: null, high: null });
  });
});

describe("baseline", () => {
  it("has more bins the more churned accounts there are", () => {
    expect([199, 200, 999, 1000].map(binsFor)).toEqual([10, 20, 20, 40]);
  });
  it("has a dummy, an age and a size term for every segment but the first", () => {
    const own = baselineTerms(["solo", "enterprise", "studio"], "seats", true).filter((term) => term.segment !== null);
    expect(own.map(({ segment, variable }) => `${segment} ${variable}`)).toEqual([
      "solo one",
      "solo tenure",
      "solo seats",
      "studio one",
      "studio tenure",
      "studio seats",
    ]);
    expect(baselineTerms(["a", "b"], "mrr", false).filter((term) => term.segment !== null)).toHaveLength(1);
  });
});
