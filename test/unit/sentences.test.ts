import { describe, expect, it } from "vitest";
import { dateInWords } from "../../pipelines/lib/words.ts";
import { type Decision, decide, type Evidence } from "../../pipelines/validation/rules.ts";
import {
  inHundred,
  labelOf,
  lowerFirst,
  percent,
  sentenceOf,
  smallPrintOf,
  type Wording,
} from "../../pipelines/validation/sentences.ts";

const evidence: Evidence = {
  leak: null,
  nLabelled: 10_000,
  nEventLabels: 600,
  churned: 200,
  staying: 900,
  baselineKnows: false,
  coverage: 0.9,
  modalShare: 0.1,
  distinct: 500,
  overlap: 1,
  auc: 0.42,
  se: 0.02,
  z: -4,
  tied: 0,
  crudeAuc: 0.4,
  crudeZ: -5,
  crudeDifferenceZ: 1,
  lateAuc: 0.3,
  lateZ: -5,
  shapeP: 0.5,
  sides: [],
  half1Auc: 0.4,
  half1Se: 0.02,
  half2Auc: 0.49,
  half2Se: 0.02,
  half2Z: -0.5,
  halvesZ: -3,
  logitZ: -4,
  missingZ: 4,
  segments: [],
  otherUse: null,
  healthier: "higher",
  q: { main: 0.003, crude: 0.001, late: 0.9, shape: 0.9, halves: 0.9, missing: null },
};
const wording: Wording = {
  kpi: "invoices sent",
  less: "sent fewer invoices",
  more: "sent more invoices",
  gapDays: 30,
  horizonDays: 90,
  snapshotEvery: "month",
  accounts: 1100,
  aucLow: 0.38,
  aucHigh: 0.46,
  half2Low: 0.45,
  half2High: 0.53,
  detectable: 0.585,
  splitOn: "2025-03-01",
  modalValue: 0,
  lowestValue: 0,
  lowestShare: 0.1,
  rateLow: 0.118,
  rateMiddle: 0.062,
  rateHigh: 0.041,
  rateUnanswered: 0.095,
  rateAnswered: 0.059,
  sameAs: null,
};
const as = (rule: Decision["rule"], verdict: Decision["verdict"], reason: string | null = null): Decision => ({
  rule,
  verdict,
  reason,
});
const say = (decision: Decision, e: Partial<Evidence> = {}, w: Partial<Wording> = {}): string =>
  sentenceOf(decision, { ...evidence, ...e }, { ...wording, ...w });
const label = (decision: Decision, e: Partial<Evidence> = {}, w: Partial<Wording> = {}): string =>
  labelOf(decision, { ...evidence, ...e }, { ...wording, ...w });

describe("row 0", () => {
  const reason = (name: string, e: Partial<Evidence> = {}, w: Partial<Wording> = {}) =>
    say(as("0", "not_tested", name), e, w);
  it("says what is missing", () => {
    expect(label(as("0", "not_tested", "no_churn"))).toBe("Not enough data");
    expect(reason("too_few_churned", { churned: 12, staying: 1050 })).toBe(
      "Not tested: 12 churned and 1,050 staying accounts have a value, 50 of each are needed.",
    );
    expect(reason("low_coverage", { coverage: 0.124 })).toBe(
      "Not tested: only 12 % of account-months have a value, 20 % are needed.",
    );
    // What fell short never shows as what is needed.
    expect(reason("low_coverage", { coverage: 0.1996 })).toContain("only 19 % of account-months");
    expect(reason("no_overlap", { overlap: 0.798 })).toContain("Only 79 % of leavers");
    expect(reason("near_constant", { modalShare: 0.9951 })).toBe("Not tested: 99.5 % of values are the same (0).");
    expect(reason("near_constant", { modalShare: 1, distinct: 1 })).toBe("Not tested: it has only one value.");
    expect(reason("no_labelled_rows")).toBe("No account-month has a complete outcome window yet.");
    expect(reason("no_churn")).toBe("Nobody left in the labelled months.");
    expect(reason("no_churn", {}, { snapshotEvery: "week" })).toBe("Nobody left in the labelled weeks.");
    expect(reason("no_survivors")).toBe("Everybody left in the labelled months.");
    expect(reason("no_overlap", { overlap: 0.61 })).toBe(
      "Only 61 % of leavers have like accounts to compare with, 80 % are needed.",
    );
    expect(reason("baseline_knows_outcome")).toBe(
      "Size, age or segment already give the outcome away; check them first.",
    );
  });
});

describe("one sentence a verdict", () => {
  it("L", () => {
    expect(label(as("L", "leaks"))).toBe("Uses the future");
    expect(say(as("L", "leaks", "truncation"), { leak: { kind: "truncation", changed: 1234 } })).toBe(
      "Not usable: 1,234 values change when later rows are removed.",
    );
    expect(say(as("L", "leaks", "lineage"), { leak: { kind: "lineage", table: "churn_event" } })).toBe(
      "Not usable: it is made from churn_event, which records the decision itself.",
    );
  });
  it("1", () => {
    expect(label(as("1", "too_good"))).toBe("Too good to be true");
    expect(say(as("1", "too_good"), { auc: 0.03 })).toBe(
      "Sorts 97 of 100 pairs. Single early signals usually sort 55 to 70; treat as information from the future until shown otherwise.",
    );
  });
  it("5", () => {
    const segments = [
      { segment: "solo", auc: 0.41, z: -4, k: 80 },
      { segment: "studio", auc: 0.58, z: 3, k: 90 },
    ];
    expect(label(as("5", "unstable_segment"))).toBe("Opposite in two segments");
    expect(say(as("5", "unstable_segment"), { segments })).toBe(
      "In solo, leavers sent fewer invoices (59 of 100); in studio, leavers sent more invoices (58). Use per segment or not at all.",
    );
  });
  it("9", () => {
    expect(label(as("9", "confounded_by_use"))).toBe("Goes with overall use");
    expect(say(as("9", "confounded_by_use"), { auc: 0.39 })).toBe(
      "Looks healthy alone (61 of 100 pairs), but among accounts with the same use otherwise it points the other way: it rides on use.",
    );
    expect(say(as("9", "confounded_by_use"), { auc: 0.61 })).toContain("Looks like a warning alone (61 of 100 pairs)");
  });
  it("18", () => {
    const sameAs = { kpi: "payments matched", spearman: 0.953 };
    expect(label(as("18", "redundant"), {}, { sameAs })).toBe("Same as payments matched");
    expect(say(as("18", "redundant"), {}, { sameAs })).toBe(
      "Ranks accounts much as payments matched does (rank correlation .95) and adds nothing measurable beyond it. Keep one.",
    );
    expect(say(as("18", "redundant"), {}, { sameAs: { kpi: "seats", spearman: -0.718 } })).toContain(
      "(rank correlation -.72)",
    );
  });
  it("2 and 2b", () => {
    expect(label(as("2", "late_only"))).toBe("Late alarm");
    expect(say(as("2", "late_only"), { auc: 0.49, lateAuc: 0.18 }, { aucLow: 0.46, aucHigh: 0.52 })).toBe(
      "Moves in the 30 days before the decision (82 of 100 pairs). Earlier, no link was found; up to 54 of 100 remains possible. It may be a result of leaving, not a warning.",
    );
    expect(
      say(
        as("2", "late_only"),
        { auc: 0.57, lateAuc: 0.2, q: { ...evidence.q, main: 0.01 } },
        { aucLow: 0.54, aucHigh: 0.6 },
      ),
    ).toContain("Earlier, the link is the other way round (57 of 100). It may be");
    expect(label(as("2b", "mostly_late"))).toBe("Mostly a late alarm");
    expect(say(as("2b", "mostly_late"), { auc: 0.46, lateAuc: 0.2 })).toBe(
      "Sorts 54 of 100 pairs early, 80 in the last 30 days: most of it comes too late.",
    );
  });
  it("3, both shapes", () => {
    expect(label(as("3", "non_monotone", "both_ends"))).toBe("Warning at both ends");
    expect(say(as("3", "non_monotone", "both_ends"), {}, { kpi: "open tickets", rateHigh: 0.1 })).toBe(
      "Accounts with very low and very high open tickets left more often (12 and 10 in 100) than those between (6.2). Do not score it as more or less is better.",
    );
    expect(label(as("3", "non_monotone", "middle"))).toBe("Warning in the middle");
    expect(say(as("3", "non_monotone", "middle"))).toBe(
      "Accounts with neither very low nor very high invoices sent left more often (6.2 in 100) than those at the ends (12 and 4.1). Do not score it as more or less is better.",
    );
  });
  it("4, faded, emerging, reversed", () => {
    expect(label(as("4", "unstable_time", "faded"))).toBe("Faded");
    expect(say(as("4", "unstable_time", "faded"))).toBe(
      "Linked with leaving in the earlier half, up to 1 March 2025 (60 of 100), not shown since (51, 47-55): do not rely on it today.",
    );
    const emerging = { half1Auc: 0.49, half2Auc: 0.4 };
    expect(label(as("4", "unstable_time", "emerging"), emerging)).toBe("Emerging");
    expect(say(as("4", "unstable_time", "emerging"), emerging)).toBe(
      "Linked only since 1 March 2025; wait for the next validation.",
    );
    expect(
      say(as("4", "unstable_time", "reversed"), { half2Auc: 0.58 }, { half2Low: 0.54, half2High: 0.62 }),
    ).toContain("the other way round since (42, 38-46)");
    // A clear link that turned round did not begin in the later half, however strong it is there.
    const turned = { half1Auc: 0.42, half1Se: 0.02, half2Auc: 0.62, half2Se: 0.02 };
    expect(label(as("4", "unstable_time", "reversed"), turned)).toBe("Faded");
    expect(say(as("4", "unstable_time", "reversed"), turned, { half2Low: 0.58, half2High: 0.66 })).toBe(
      "Linked with leaving in the earlier half, up to 1 March 2025 (58 of 100), the other way round since (38, 34-42): do not rely on it today.",
    );
  });
  it("6 and 15, both texts", () => {
    expect(label(as("15", "confounded"))).toBe("Mostly size, age or segment");
    expect(say(as("15", "confounded"), { auc: 0.49, se: 0.01 }, { aucLow: 0.47, aucHigh: 0.51 })).toBe(
      "Alone it sorts 60 of 100 pairs; among like accounts 51 (49-53): the plain difference goes with size, age and segment.",
    );
    expect(say(as("6", "confounded"), { auc: 0.46, se: 0.02 }, { aucLow: 0.42, aucHigh: 0.5 })).toBe(
      "Alone 60 of 100, like for like 54 (50-58): the rest cannot be told from zero.",
    );
  });
  it("7 and 8", () => {
    expect(say(as("7", "negligible"), { auc: 0.49 }, { aucLow: 0.483, aucHigh: 0.497 })).toBe(
      "There is a link, at most 52 of 100 pairs: too small to act on.",
    );
    expect(say(as("8", "lenses_disagree"))).toBe("Two ways of allowing for size, age and segment disagree: no claim.");
  });
  it("10, whichever way it turns", () => {
    expect(label(as("10", "reversed_adjusted"))).toBe("Hidden by the mix");
    expect(say(as("10", "reversed_adjusted"))).toBe(
      "Over all accounts, leavers sent more invoices. Like for like, they sent fewer invoices (58 of 100). The plain chart points the wrong way.",
    );
    expect(say(as("10", "reversed_adjusted"), { auc: 0.58 })).toContain(
      "leavers sent fewer invoices. Like for like, they sent more invoices",
    );
  });
  it("11, for a KPI declared healthy when high, and when low", () => {
    expect(say(as("11", "misleading"), { auc: 0.58 }, { rateLow: 0.041, rateHigh: 0.118 })).toBe(
      "Counted as healthy, yet accounts that sent more invoices left more often (12 against 4.1 in 100).",
    );
    expect(say(as("11", "misleading"), { healthier: "lower" })).toBe(
      "Counted as healthy when low, yet accounts that sent fewer invoices left more often (12 against 4.1 in 100).",
    );
  });
  it("12 and 13", () => {
    const text =
      "Accounts that sent fewer invoices left more often 30 to 120 days later: 12 in 100 of the lowest fifth, 4.1 of the highest, allowing for size, age and segment.";
    expect(say(as("12", "predicts"))).toBe(text);
    expect(say(as("13", "weak"))).toBe(`${text} A small difference: use it beside others, not alone.`);
    expect(label(as("12", "predicts"))).toBe("Early warning (modest)");
    expect(label(as("12", "predicts"), { auc: 0.38 })).toBe("Early warning (strong)");
    expect(label(as("13", "weak"))).toBe("Weak early warning");
    expect(say(as("12", "predicts"), { auc: 0.6 }, { rateLow: 0.04, rateHigh: 0.12 })).toBe(
      "Accounts that sent more invoices left more often 30 to 120 days later: 12 in 100 of the highest fifth, 4.0 of the lowest, allowing for size, age and segment.",
    );
  });
  it("does not call it the lowest fifth when more than a fifth share the lowest value", () => {
    expect(say(as("12", "predicts"), {}, { lowestShare: 0.31 })).toContain("12 in 100 of those with none, 4.1");
    expect(say(as("12", "predicts"), {}, { lowestShare: 0.31, lowestValue: 1 })).toContain(
      "12 in 100 of those at the lowest value, 4.1",
    );
    expect(say(as("12", "predicts"), {}, { lowestShare: 0.2 })).toContain("of the lowest fifth");
  });
  it("calls no fifth what is the rest beside those with none", () => {
    const rates = { rateLow: 0.04, rateHigh: 0.12, lowestShare: 0.8, lowestValue: 0 };
    expect(say(as("12", "predicts"), { auc: 0.6 }, rates)).toContain(
      "12 in 100 of those with the highest values, 4.0 of those with none",
    );
  });
  it("leaves out rates of the ends that point the other way", () => {
    expect(say(as("13", "weak"), { auc: 0.45 }, { rateLow: 0.04, rateHigh: 0.05 })).toBe(
      "Accounts that sent fewer invoices left more often 30 to 120 days later (55 of 100 pairs), allowing for size, age and segment. The lowest and the highest values alone do not show it. A small difference: use it beside others, not alone.",
    );
    expect(say(as("11", "misleading"), { auc: 0.58 }, { rateLow: 0.05, rateHigh: 0.04 })).toBe(
      "Counted as healthy, yet accounts that sent more invoices left more often (58 of 100 pairs).",
    );
  });
  it("asks where a very strong one comes from", () => {
    expect(label(as("12", "predicts"), { auc: 0.2 })).toBe("Early warning (check for leakage)");
    expect(say(as("12", "predicts"), { auc: 0.2 })).toContain(
      "It sorts 80 of 100 pairs, where single early signals usually sort 55 to 70: find out first when its values are written.",
    );
  });
  it("14: the silence, then the value itself", () => {
    expect(label(as("14", "missingness"))).toBe("Silence is the signal");
    expect(say(as("14", "missingness"), { auc: 0.5, se: 0.01 }, { aucLow: 0.48, aucHigh: 0.52 })).toBe(
      "Accounts without a value left more often (9.5 against 5.9 in 100). The value itself: tested on 200 churned accounts: a one-way link is at most 52 of 100 pairs, where 50 is a coin toss.",
    );
    expect(say(as("14", "missingness"), { missingZ: -4 })).toContain("left less often");
  });
  it("16 and 17", () => {
    expect(say(as("16", "no_useful_effect"), { auc: 0.51 }, { aucLow: 0.48, aucHigh: 0.54 })).toBe(
      "Tested on 200 churned accounts: a one-way link is at most 54 of 100 pairs, where 50 is a coin toss.",
    );
    // 200 x (.085 / .07)^2 = 294.9
    expect(say(as("17", "inconclusive"))).toBe(
      "200 churned accounts would show a link of 59 of 100 pairs four times in five; a smaller one may or may not exist. About 295 would settle 57.",
    );
    // What there is already suffices for 57: no advice to wait for fewer accounts than there are.
    expect(say(as("17", "inconclusive"), {}, { detectable: 0.56 })).not.toContain("settle");
  });
  it("never claims a cause", () => {
    const verdicts: Decision[] = [
      as("12", "predicts"),
      as("13", "weak"),
      as("11", "misleading"),
      as("10", "reversed_adjusted"),
      as("3", "non_monotone", "both_ends"),
      as("16", "no_useful_effect"),
      as("17", "inconclusive"),
      as("2", "late_only"),
    ];
    for (const decision of verdicts) {
      expect(say(decision)).not.toMatch(/\b(cause|because|drive|protect|prove|significant|safe|will leave|no effect)/);
    }
  });
});

describe("small print and numbers", () => {
  it("says what the pairs are and that the interval ignores selection", () => {
    expect(smallPrintOf(evidence, wording)).toBe(
      "58 of 100 pairs of one account-month that led to leaving and one that did not, same three months, segment and slice of expected churn; ties count half; 95 % interval 54-62, not adjusted for selection; q .003; 200 churned of 1,100 accounts.",
    );
    expect(smallPrintOf({ ...evidence, auc: null }, wording)).toBeNull();
  });
  it("formats", () => {
    expect([0.0994, 0.0995, 0.041, 0, 1].map(inHundred)).toEqual(["9.9", "10", "4.1", "0.0", "100"]);
    expect(inHundred(null)).toBe("not known");
    expect([0.999, 0.9999, 1, 0.72].map(percent)).toEqual(["99.9", "99.9", "100", "72"]);
    expect(dateInWords("2025-11-01")).toBe("1 November 2025");
    expect([lowerFirst("Open tickets"), lowerFirst("NPS answer")]).toEqual(["open tickets", "NPS answer"]);
  });
  it("a verdict that the rules give has a sentence", () => {
    expect(say(decide(evidence))).toContain("Accounts that sent fewer invoices left more often");
  });
});
