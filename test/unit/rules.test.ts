import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  actionGroupOf,
  actionGroups,
  badgesOf,
  boundsOf,
  type Decision,
  decide,
  decideAll,
  detectableAuc,
  type Evidence,
  notTestedReasons,
  oppositeSegments,
  ruleIds,
  type Statistics,
  strengthOf,
  twoLinesP,
} from "../../pipelines/validation/rules.ts";

/** A KPI about which everything is known and nothing is wrong: A = .50, 200 churned accounts, no q below any bar. */
const plain: Evidence = {
  leak: null,
  nLabelled: 10_000,
  nEventLabels: 600,
  churned: 200,
  staying: 900,
  baselineKnows: false,
  coverage: 1,
  modalShare: 0.1,
  distinct: 500,
  overlap: 1,
  auc: 0.5,
  se: 0.02,
  z: 0,
  tied: 0,
  crudeAuc: 0.5,
  crudeZ: 0,
  crudeDifferenceZ: 0,
  lateAuc: 0.5,
  lateZ: 0,
  shapeP: 0.5,
  sides: [],
  half1Auc: 0.5,
  half1Se: 0.03,
  half2Auc: 0.5,
  half2Se: 0.03,
  half2Z: 0,
  halvesZ: 0,
  logitZ: -3,
  missingZ: null,
  segments: [],
  otherUse: null,
  healthier: "higher",
  q: { main: 0.9, crude: 0.9, late: 0.9, shape: 0.9, halves: 0.9, missing: null },
};
const given = (changes: Partial<Evidence>, q: Partial<Evidence["q"]> = {}): Evidence => ({
  ...plain,
  ...changes,
  q: { ...plain.q, ...q },
});
const rule = (changes: Partial<Evidence>, q: Partial<Evidence["q"]> = {}): string => decide(given(changes, q)).rule;
/** An adjusted claim: q < .05, A = .42, the lens agrees. */
const claim = { auc: 0.42, se: 0.02, z: -4, crudeAuc: 0.42, logitZ: -4 };

describe("row L, before everything", () => {
  it("a leak needs no churn at all", () => {
    expect(decide(given({ leak: { kind: "truncation", changed: 4 }, nLabelled: 0 }))).toEqual({
      rule: "L",
      verdict: "leaks",
      reason: "truncation",
    });
    expect(decide(given({ leak: { kind: "lineage", table: "play" } })).reason).toBe("lineage");
  });
});

describe("row 0, reasons in order", () => {
  const reason = (changes: Partial<Evidence>) => decide(given(changes)).reason;
  it("names the first that holds", () => {
    expect(reason({ nLabelled: 0, nEventLabels: 0, churned: 0 })).toBe("no_labelled_rows");
    expect(reason({ nEventLabels: 0, churned: 0 })).toBe("no_churn");
    expect(reason({ nLabelled: 600, staying: 0 })).toBe("no_survivors");
    expect(reason({ churned: 49, baselineKnows: true, coverage: 0.1 })).toBe("too_few_churned");
    expect(reason({ baselineKnows: true, coverage: 0.1 })).toBe("baseline_knows_outcome");
    expect(reason({ coverage: 0.1, modalShare: 1 })).toBe("low_coverage");
    expect(reason({ modalShare: 0.99, overlap: 0.5 })).toBe("near_constant");
    expect(reason({ overlap: 0.5 })).toBe("no_overlap");
  });
  it("counts the smaller class, and 50 is enough", () => {
    expect(reason({ churned: 50, staying: 49 })).toBe("too_few_churned");
    expect(rule({ churned: 50, staying: 50 })).not.toBe("0");
  });
  it("holds its bounds: 20 % of rows, 98 % the same, 80 % of leavers", () => {
    expect(rule({ coverage: 0.2 })).not.toBe("0");
    expect(rule({ coverage: 0.1999 })).toBe("0");
    expect(rule({ modalShare: 0.98 })).not.toBe("0");
    expect(rule({ modalShare: 0.9801 })).toBe("0");
    expect(rule({ overlap: 0.8 })).not.toBe("0");
    expect(rule({ overlap: 0.7999 })).toBe("0");
  });
  it("a missing number is no reason", () => {
    expect(rule({ coverage: null, modalShare: null, overlap: null })).toBe("16");
  });
});

describe("row 1, too good", () => {
  it("only outside .05 to .95", () => {
    expect(rule({ auc: 0.049 })).toBe("1");
    expect(rule({ auc: 0.951 })).toBe("1");
    expect(rule({ auc: 0.05 }, { main: 0.001 })).not.toBe("1");
    expect(rule({ auc: 0.95 }, { main: 0.001 })).not.toBe("1");
  });
});

describe("rows 2 and 2b, late", () => {
  it("late only: strong in the gap, nothing early", () => {
    expect(rule({ lateAuc: 0.3, auc: 0.49, se: 0.02 }, { late: 0.01 })).toBe("2");
    expect(rule({ lateAuc: 0.41, auc: 0.49, se: 0.02 }, { late: 0.01 })).not.toBe("2");
    expect(rule({ lateAuc: 0.3 }, { late: 0.05 })).not.toBe("2");
  });
  it("what remains possible early must be under .05 or a third of the late effect", () => {
    // .4 late: a third is .133. d = .06, 1.645 se = .05: .11 < .133.
    expect(rule({ lateAuc: 0.1, auc: 0.44, se: 0.0304 }, { late: 0.001 })).toBe("2");
    expect(rule({ lateAuc: 0.1, auc: 0.4, se: 0.0304 }, { late: 0.001 })).not.toBe("2");
  });
  it("an early link in the same direction is not late only; in the other direction it may be", () => {
    expect(rule({ ...claim, lateAuc: 0.02, se: 0.01 }, { late: 0.001, main: 0.001 })).toBe("2b");
    expect(rule({ lateAuc: 0.1, auc: 0.54, se: 0.01, z: 4 }, { late: 0.001, main: 0.001 })).toBe("2");
  });
  it("mostly late: early and late, but late three times as strong", () => {
    expect(rule({ ...claim, auc: 0.46, lateAuc: 0.2, se: 0.01 }, { late: 0.001, main: 0.001 })).toBe("2b");
    expect(rule({ ...claim, auc: 0.4, lateAuc: 0.2, se: 0.01 }, { late: 0.001, main: 0.001 })).toBe("12");
  });
});

describe("row 3, both ends", () => {
  const sides = [
    { left: -3, right: 3 },
    { left: -1, right: 2 },
    { left: null, right: 2 },
  ];
  it("needs both gates and three values", () => {
    expect(rule({ sides }, { shape: 0.009 })).toBe("3");
    expect(rule({ sides }, { shape: 0.01 })).not.toBe("3");
    expect(rule({ sides, distinct: 2 }, { shape: 0.001 })).not.toBe("3");
    expect(rule({ sides: [{ left: -1, right: 1 }] }, { shape: 0.001 })).not.toBe("3");
    expect(rule({ sides: [{ left: 3, right: 4 }] }, { shape: 0.001 })).not.toBe("3");
  });
  it("three times the least of the larger p", () => {
    // p(|z| = 3) = .0026998
    expect(twoLinesP(sides)).toBeCloseTo(3 * 0.0026997960632602, 12);
    expect(twoLinesP([{ left: 2, right: 3 }])).toBeNull();
  });
  it("tells the ends from the middle", () => {
    expect(decide(given({ sides }, { shape: 0.001 })).reason).toBe("both_ends");
    expect(decide(given({ sides: [{ left: 3, right: -3 }] }, { shape: 0.001 })).reason).toBe("middle");
  });
});

describe("row 4, time", () => {
  const faded = { half1Auc: 0.38, half1Se: 0.03, half2Auc: 0.49, half2Se: 0.03, half2Z: -0.3 };
  it("needs the difference and one half that shows nothing, or another sign", () => {
    expect(decide(given(faded, { halves: 0.009 }))).toEqual({ rule: "4", verdict: "unstable_time", reason: "faded" });
    expect(rule(faded, { halves: 0.01 })).not.toBe("4");
    // Both halves clear on the same side: weaker, but there.
    expect(rule({ ...faded, half2Auc: 0.44, half2Se: 0.01 }, { halves: 0.001 })).not.toBe("4");
  });
  it("emerging when the later half is stronger, reversed when both are clear and disagree", () => {
    expect(
      decide(given({ half1Auc: 0.49, half1Se: 0.03, half2Auc: 0.38, half2Se: 0.03 }, { halves: 0.001 })).reason,
    ).toBe("emerging");
    expect(
      decide(given({ half1Auc: 0.4, half1Se: 0.02, half2Auc: 0.6, half2Se: 0.02 }, { halves: 0.001 })).reason,
    ).toBe("reversed");
  });
});

describe("rows 6 to 13, claims", () => {
  it("confounded: the crude difference goes with the mix and nothing is left, or the lenses disagree", () => {
    const mixed = { ...claim, auc: 0.49, se: 0.004, z: -2.5, crudeAuc: 0.4, crudeDifferenceZ: 5, logitZ: -2.1 };
    expect(rule(mixed, { main: 0.04, crude: 0.001 })).toBe("6");
    expect(rule({ ...mixed, auc: 0.47, se: 0.01, logitZ: -1 }, { main: 0.01, crude: 0.001 })).toBe("6");
    expect(rule({ ...mixed, crudeDifferenceZ: 1.9 }, { main: 0.04, crude: 0.001 })).toBe("7");
  });
  it("negligible: at most .02 from one half", () => {
    expect(rule({ ...claim, auc: 0.494, se: 0.002 }, { main: 0.01 })).toBe("7");
    expect(rule({ ...claim, auc: 0.49, se: 0.004, crudeAuc: 0.49 }, { main: 0.01 })).toBe("7");
    expect(rule({ ...claim, auc: 0.46, se: 0.01 }, { main: 0.01 })).not.toBe("7");
  });
  it("lenses disagree: weak or of the other sign; an unknown z does not disagree", () => {
    expect(rule({ ...claim, logitZ: -1.95 }, { main: 0.01 })).toBe("8");
    expect(rule({ ...claim, logitZ: 3 }, { main: 0.01 })).toBe("8");
    expect(rule({ ...claim, logitZ: null }, { main: 0.01 })).toBe("12");
    expect(rule({ ...claim, logitZ: -1.96 }, { main: 0.01 })).toBe("12");
  });
  it("reversed: the crude sign is the other one, and real", () => {
    expect(rule({ ...claim, crudeAuc: 0.53 }, { main: 0.01, crude: 0.01 })).toBe("10");
    expect(rule({ ...claim, crudeAuc: 0.53 }, { main: 0.01, crude: 0.05 })).toBe("12");
    expect(rule({ ...claim, crudeAuc: 0.519 }, { main: 0.01, crude: 0.01 })).toBe("12");
  });
  it("misleading: a declared direction is contradicted, and `tested` never is", () => {
    const wrong = { ...claim, auc: 0.58, z: 4, crudeAuc: 0.58, logitZ: 4 };
    expect(rule({ ...wrong, healthier: "higher" }, { main: 0.01 })).toBe("11");
    expect(rule({ ...wrong, healthier: "lower" }, { main: 0.01 })).toBe("12");
    expect(rule({ ...wrong, healthier: "tested" }, { main: 0.01 })).toBe("12");
    expect(rule({ ...claim, healthier: "lower" }, { main: 0.01 })).toBe("11");
  });
  it("predicts from .05, with at least .02 sure; weak otherwise", () => {
    expect(rule({ ...claim, auc: 0.45, se: 0.018 }, { main: 0.01 })).toBe("12");
    expect(rule({ ...claim, auc: 0.451, se: 0.01 }, { main: 0.01 })).toBe("13");
    expect(rule({ ...claim, auc: 0.44, se: 0.025 }, { main: 0.01 })).toBe("13");
  });
  it("a yes/no KPI predicts by its untied pairs", () => {
    expect(rule({ ...claim, auc: 0.46, se: 0.01, tied: 0.6 }, { main: 0.01 })).toBe("12");
    expect(rule({ ...claim, auc: 0.46, se: 0.01, tied: 0.49 }, { main: 0.01 })).toBe("13");
    expect(rule({ ...claim, auc: 0.46, se: 0.01, tied: 0.55 }, { main: 0.01 })).toBe("13");
  });
  it("q of .05 is no claim", () => {
    expect(rule(claim, { main: 0.05 })).toBe("17");
  });
});

describe("rows 14 to 17, no claim", () => {
  it("silence, at .01", () => {
    expect(rule({}, { missing: 0.009 })).toBe("14");
    expect(rule({}, { missing: 0.01 })).not.toBe("14");
  });
  it("rides on use: goes with it, and turns when it is held", () => {
    const riding = { ...claim, otherUse: { spearman: -0.3, z: 0.1 } };
    expect(rule(riding, { main: 0.001 })).toBe("9");
    expect(rule(riding, { main: 0.2 })).not.toBe("9");
    expect(rule({ ...riding, otherUse: { spearman: 0.29, z: 0.1 } }, { main: 0.001 })).toBe("12");
    expect(rule({ ...riding, otherUse: { spearman: 0.9, z: -0.1 } }, { main: 0.001 })).toBe("12");
    expect(rule({ ...riding, otherUse: { spearman: 0.9, z: null } }, { main: 0.001 })).toBe("12");
    expect(rule({ ...riding, otherUse: { spearman: null, z: 3 } }, { main: 0.001 })).toBe("12");
    // The lens decides before: without a clear sign there is none to turn.
    expect(rule({ ...riding, logitZ: -1 }, { main: 0.001 })).toBe("8");
  });
  it("opposite in two segments, whatever q, before any claim", () => {
    const at = (segment: string, z: number, k = 60) => ({ segment, auc: 0.5 + z / 50, z, k });
    expect(rule({ segments: [at("solo", -3), at("studio", 3)] })).toBe("5");
    expect(rule({ ...claim, segments: [at("solo", -3), at("studio", 3)] }, { main: 0.001 })).toBe("5");
    expect(rule({ segments: [at("solo", -3), at("studio", 2.58)] })).toBe("16");
    expect(rule({ segments: [at("solo", -3), at("studio", 3, 49)] })).toBe("16");
    expect(rule({ segments: [at("solo", -3), at("studio", -4)] })).toBe("16");
    expect(oppositeSegments({ segments: [at("a", -3), at("b", 3), at("c", -5), at("d", 3)] })).toEqual({
      down: at("c", -5),
      up: at("b", 3),
    });
  });
  it("confounded without a claim", () => {
    expect(rule({ auc: 0.49, crudeAuc: 0.4, crudeDifferenceZ: 4 }, { crude: 0.001 })).toBe("15");
    expect(rule({ auc: 0.44, crudeAuc: 0.4, crudeDifferenceZ: 4 }, { crude: 0.001 })).not.toBe("15");
    expect(rule({ auc: 0.49, crudeAuc: 0.471, crudeDifferenceZ: 4 }, { crude: 0.001 })).not.toBe("15");
  });
  it("too small to matter only when small is shown", () => {
    expect(rule({ auc: 0.5, se: 0.02 })).toBe("16");
    expect(rule({ auc: 0.5, se: 0.031 })).toBe("17");
    expect(rule({ auc: 0.5, se: 0.02, tied: 0.7 })).toBe("17");
    expect(rule({ auc: 0.5, se: 0.02, shapeP: 0.09 })).toBe("17");
    expect(rule({ auc: 0.5, se: 0.02, shapeP: 0.09, distinct: 2 })).toBe("16");
    expect(rule({ auc: null, se: null })).toBe("17");
  });
});

const share = fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: null });
const z = fc.option(fc.double({ min: -20, max: 20, noNaN: true }), { nil: null });
const anyStatistics: fc.Arbitrary<Statistics> = fc.record({
  leak: fc.constantFrom(null, { kind: "truncation", changed: 3 } as const, { kind: "lineage", table: "play" } as const),
  nLabelled: fc.nat(1000),
  nEventLabels: fc.nat(1000),
  churned: fc.nat(300),
  staying: fc.nat(300),
  baselineKnows: fc.boolean(),
  coverage: share,
  modalShare: share,
  distinct: fc.nat(5),
  overlap: share,
  auc: share,
  se: fc.option(fc.double({ min: 0, max: 0.2, noNaN: true }), { nil: null }),
  z,
  tied: share,
  crudeAuc: share,
  crudeZ: z,
  crudeDifferenceZ: z,
  lateAuc: share,
  lateZ: z,
  shapeP: share,
  sides: fc.array(fc.record({ left: z, right: z }), { maxLength: 3 }),
  half1Auc: share,
  half1Se: share,
  half2Auc: share,
  half2Se: share,
  half2Z: z,
  halvesZ: z,
  logitZ: z,
  missingZ: z,
  segments: fc.array(
    fc.record({
      segment: fc.constantFrom("a", "b", "c"),
      auc: fc.double({ min: 0, max: 1, noNaN: true }),
      z: fc.double({ min: -20, max: 20, noNaN: true }),
      k: fc.nat(200),
    }),
    { maxLength: 3 },
  ),
  otherUse: fc.option(fc.record({ spearman: share, z }), { nil: null }),
  healthier: fc.constantFrom("higher", "lower", "tested"),
});

describe("the table", () => {
  it("gives every input exactly one verdict, in the order of the rules, with a group", () => {
    fc.assert(
      fc.property(fc.array(anyStatistics, { minLength: 1, maxLength: 6 }), (inputs) => {
        const results = decideAll(inputs.map((input, i) => ({ ...input, id: `k${i}` })));
        expect(results).toHaveLength(inputs.length);
        for (const { decision, evidence } of results) {
          expect(ruleIds).toContain(decision.rule);
          expect(actionGroups).toContain(actionGroupOf(decision));
          expect(decide(evidence)).toEqual(decision);
          if (decision.verdict === "not_tested") expect(notTestedReasons).toContain(decision.reason);
        }
      }),
    );
  });
});

describe("families", () => {
  const kpi = (id: string, changes: Partial<Statistics>) => ({ ...plain, ...changes, id });
  it("leaves leaks, untested and too good KPIs out of m", () => {
    const strong = kpi("strong", { ...claim, z: -2.5 });
    const alone = decideAll([strong]);
    const beside = decideAll([
      strong,
      kpi("leak", { leak: { kind: "lineage", table: "play" }, z: -9 }),
      kpi("few", { churned: 10, z: -9 }),
      kpi("good", { auc: 0.01, z: -9 }),
    ]);
    expect(beside[0]?.evidence.q.main).toBe(alone[0]?.evidence.q.main);
    expect(beside[0]?.size).toBe(1);
    expect(beside.slice(1).map((result) => result.evidence.q.main)).toEqual([null, null, null]);
  });
  it("raises q with the number of KPIs tested", () => {
    const noise = Array.from({ length: 9 }, (_, i) => kpi(`noise${i}`, { z: 0.1 * i }));
    const results = decideAll([kpi("strong", { ...claim, z: -2.5 }), ...noise]);
    // p = .01242, ten tests.
    expect(results[0]?.evidence.q.main).toBeCloseTo(0.12419330651552, 10);
    expect(results[0]?.decision.rule).toBe("17");
  });
});

describe("a perfect separator", () => {
  it("has a p far below 1 and is too good to be true", () => {
    const [result] = decideAll([{ ...plain, auc: 0, se: 0.012, z: -40, id: "perfect" }]);
    expect(result?.p.main).toBeLessThan(1e-12);
    expect(result?.decision.rule).toBe("1");
  });
});

describe("power, strength, bounds, groups and badges", () => {
  it("detectable A: 1/2 + (z_BH + .842) se", () => {
    // One rejection among 20: p = .0025, z = 3.0233; (3.0233 + .842) x .02.
    expect(detectableAuc(0.02, 1, 20)).toBeCloseTo(0.5 + (3.02334148307 + 0.842) * 0.02, 8);
    expect(detectableAuc(0.02, 0, 20)).toBe(detectableAuc(0.02, 1, 20));
    expect(detectableAuc(null, 1, 20)).toBeNull();
  });
  it("strength by the distance from one half", () => {
    expect([0.049, 0.05, 0.1, 0.25].map(strengthOf)).toEqual(["slight", "modest", "strong", "check for leakage"]);
    // .5 - .45 is a hair under .05 in binary; the label must not differ from the rule.
    expect(strengthOf(Math.abs(0.45 - 0.5))).toBe("modest");
  });
  it("bounds are one-sided 5 %, and u* divides by the untied share", () => {
    const { lower, upper, upperUntied } = boundsOf({ auc: 0.44, se: 0.02, tied: 0.5 });
    expect(lower).toBeCloseTo(0.0271, 12);
    expect(upper).toBeCloseTo(0.0929, 12);
    expect(upperUntied).toBeCloseTo(0.1858, 12);
    expect(boundsOf({ auc: 0.5, se: 0.02, tied: 1 }).upperUntied).toBeNull();
  });
  it("an emerging KPI may be used with care, a faded one is left out", () => {
    const time = (reason: string): Decision => ({ rule: "4", verdict: "unstable_time", reason });
    expect(["emerging", "faded", "reversed"].map((reason) => actionGroupOf(time(reason)))).toEqual([
      "Use with care",
      "Leave out",
      "Leave out",
    ]);
  });
  it("badges", () => {
    const facts = { spearmanTenure: -0.5, arrivalKnown: false };
    expect(
      badgesOf(
        given({ churned: 50, coverage: 0.69, half1Auc: 0.4, half2Auc: 0.41, half2Z: -1.96 }, { main: 0.04 }),
        facts,
      ),
    ).toEqual(["exploratory", "out_of_time_confirmed", "high_missing", "tenure_proxy", "arrival_times_unknown"]);
    expect(badgesOf({ ...plain, churned: 100 }, { spearmanTenure: 0.49, arrivalKnown: null })).toEqual([]);
    expect(
      badgesOf({ ...plain, half1Auc: 0.6, half2Auc: 0.41, half2Z: -3 }, { spearmanTenure: null, arrivalKnown: true }),
    ).toEqual([]);
    // No claim, nothing to confirm.
    const halves = { half1Auc: 0.4, half2Auc: 0.41, half2Z: -3 };
    const known = { spearmanTenure: null, arrivalKnown: true };
    expect(badgesOf({ ...plain, ...halves, q: { ...plain.q, main: 0.04 } }, known)).toEqual(["out_of_time_confirmed"]);
    expect(badgesOf({ ...plain, ...halves, q: { ...plain.q, main: 0.06 } }, known)).toEqual([]);
    expect(badgesOf({ ...plain, ...halves, q: { ...plain.q, main: null } }, known)).toEqual([]);
  });
});
