import { describe, expect, it } from "vitest";
import {
  addToCompare,
  describeEvidence,
  type EvidenceReport,
  monthsBefore,
} from "../../pipelines/commands/evidence.ts";

describe("the name of a made scorecard in assay.yaml", () => {
  it.each([
    [
      "compare: [naive_baseline]   # why\nsite: {}\n",
      "compare: [naive_baseline, scorecards/evidence]   # why\nsite: {}\n",
    ],
    [
      "compare:\n  - naive_baseline   # why\nsite: {}\n",
      "compare:\n  - naive_baseline\n  - scorecards/evidence   # why\nsite: {}\n",
    ],
    ["compare: []\nsite: {}\n", "site: {}\ncompare: [scorecards/evidence]\n"],
    ["book: x", "book: x\ncompare: [scorecards/evidence]\n"],
    ["compare: [scorecards/evidence]\n", "compare: [scorecards/evidence]\n"],
  ])("is added and nothing else changes: %j", (text, wanted) => {
    expect(addToCompare(text, "scorecards/evidence")).toBe(wanted);
  });
});

describe("the day some months before", () => {
  it.each([
    ["2026-07-01", 12, "2025-07-01"],
    ["2024-03-31", 1, "2024-02-29"],
    ["2024-01-15", 13, "2022-12-15"],
  ])("%s less %i is %s", (date, months, wanted) => {
    expect(monthsBefore(date, months)).toBe(wanted);
  });
});

describe("what the made scorecard is worth", () => {
  const row = {
    scorecard: "evidence",
    version: 1,
    from_on: "2025-07-01",
    capacity: 25,
    n_lists: 8,
    n_places: 200,
    n_departures: 321,
    caught: 19,
    caught_share: 0.06,
    caught_low: 0.04,
    caught_high: 0.09,
    chance_share: 0.04,
    money_caught: 100,
  };
  const report: EvidenceReport = {
    scorecard: "evidence",
    version: 1,
    created_on: "2025-07-01",
    kpis: ["a", "b"],
    first_on: "2025-07-01",
    last_on: "2026-02-01",
    against: "textbook@1",
    test: { auc: 0.551, auc_low: 0.524, auc_high: 0.578, n_churned: 320 } as EvidenceReport["test"],
    difference: {
      from_on: "2025-07-01",
      n_churned: 320,
      auc: 0.551,
      other_auc: 0.502,
      difference: 0.049,
      difference_low: 0.01,
      difference_high: 0.087,
    },
    capacity: [row, { ...row, scorecard: "textbook", caught_share: 0.04, caught_low: 0.03, caught_high: 0.07 }],
    capacity_difference: { capacity: 25, difference: 0.014, difference_low: -0.018, difference_high: 0.046 },
  };

  it("stands with its rule, its days, its numbers and their intervals", () => {
    expect(describeEvidence(report).replaceAll(/\s+/g, " ")).toBe(
      "A scorecard made by rule from the verdicts of 2025-07-01 (a, b; equal weights), tested on what came after, 2025-07-01 to 2026-02-01, beside " +
        "textbook v1: ranked 55.1 of 100 pairs rightly (52.4-57.8); textbook v1 50.2, difference +4.9 (+1.0 to +8.7); 320 churned accounts, 90 % intervals " +
        "at 25 accounts a month its lists held 6 % (4-9) of 321 departures; those of textbook v1 4 % (3-7), difference +1.4 (-1.8 to +4.6); by lot 4 %; 95 % intervals",
    );
  });

  it("is not known before an outcome is", () => {
    expect(describeEvidence({ ...report, test: null })).toContain("no outcome is known yet");
  });
});
