/** The rules of advice: weights, steps, gates, tiers, and sentences that say no more than their numbers. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type CutBin,
  chooseGates,
  type GateCandidate,
  mergeBins,
  tierPoints,
} from "../../pipelines/validation/advice-cuts.ts";
import { apart } from "../../pipelines/validation/advice-humility.ts";
import { kpisOfKey, setKey, stopAt } from "../../pipelines/validation/advice-models.ts";
import { testBlocks } from "../../pipelines/validation/advice-panel.ts";
import { chooseLambda, inSteps, shapleyValues, sharesOf, shrink } from "../../pipelines/validation/advice-weights.ts";
import {
  curveSummary,
  differenceSentence,
  gateSentence,
  humilitySentence,
  signedPairs,
} from "../../pipelines/validation/advice-words.ts";

describe("Shapley's values", () => {
  it("are those of a game solved by hand", () => {
    // v(1) = 10, v(2) = 6, v(1, 2) = 12: twins share what both bring.
    expect(shapleyValues(2, (mask) => [0, 10, 6, 12][mask] as number)).toEqual([8, 4]);
    expect(shapleyValues(0, () => 0)).toEqual([]);
  });

  it("sum to the worth of all, and give nothing to who adds nothing", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 8, maxLength: 8 }), (worth) => {
        // The third player changes nothing.
        const of = (mask: number): number => (mask === 0 ? 0 : (worth[mask & 3] as number) * (mask & 3 ? 1 : 0));
        const values = shapleyValues(3, of);
        expect(values.reduce((sum, value) => sum + value, 0)).toBeCloseTo(of(7), 6);
        expect(values[2]).toBeCloseTo(0, 9);
      }),
    );
  });
});

describe("weights", () => {
  it("count a negative worth as none, and no worth at all as equal", () => {
    expect(sharesOf([6, -1, 2])).toEqual([0.75, 0, 0.25]);
    expect(sharesOf([0, 0])).toEqual([0.5, 0.5]);
  });

  it("shrink towards equal ones", () => {
    expect(shrink([0.8, 0.2], 0.5)).toEqual([0.65, 0.35]);
    expect(shrink([0.8, 0.2], 1)).toEqual([0.5, 0.5]);
  });

  it("come in steps of five by largest remainder, and sum to 100", () => {
    expect(inSteps([1 / 3, 1 / 3, 1 / 3])).toEqual([35, 35, 30]);
    expect(inSteps([0.62, 0.27, 0.11])).toEqual([65, 25, 10]);
    expect(inSteps([1])).toEqual([100]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 5 }), (parts) => {
        const total = parts.reduce((sum, part) => sum + part, 0);
        const steps = inSteps(parts.map((part) => part / total));
        expect(steps.reduce((sum, step) => sum + step, 0)).toBe(100);
        for (const [i, step] of steps.entries()) {
          expect(Math.abs(step - (100 * (parts[i] as number)) / total)).toBeLessThan(5);
        }
      }),
    );
  });

  it("take the largest lambda within one standard error of the least loss", () => {
    const loss = (lambda: number, value: number, seOfDifference: number) => ({ lambda, loss: value, seOfDifference });
    expect(chooseLambda([loss(0, 0.5, 0), loss(0.5, 0.51, 0.02), loss(1, 0.53, 0.02)])).toBe(0.5);
    expect(chooseLambda([loss(0, 0.5, 0), loss(1, 0.5, 0)])).toBe(1);
    expect(chooseLambda([])).toBe(1);
  });
});

describe("forward selection", () => {
  const step = (gain: number | null, seOfGain: number | null) => ({ gain, seOfGain });
  it("stops before a gain of less than one standard error, before fillers, and at five", () => {
    expect(stopAt([step(0.02, 0.01), step(0.004, 0.005), step(0.1, 0.01)])).toBe(1);
    expect(stopAt([step(0.001, 0.005)])).toBe(0);
    expect(stopAt([step(-0.001, 0)])).toBe(0);
    expect(stopAt([step(0.02, 0.01), step(null, null)])).toBe(1);
    expect(stopAt(Array.from({ length: 8 }, () => step(0.02, 0.01)))).toBe(5);
    expect(stopAt([])).toBe(0);
  });

  it("names a set by its sorted KPIs", () => {
    expect(setKey(["b", "a"])).toBe("a + b");
    expect(kpisOfKey(setKey(["b", "a"]))).toEqual(["a", "b"]);
    expect(kpisOfKey("")).toEqual([]);
  });

  it("cuts history where 40 % and 20 % of the events are left, at blocks", () => {
    const blocks = (counts: readonly number[]) => counts.map((n, block) => ({ block, from: `b${block}`, n }));
    expect(testBlocks(blocks([30, 30, 20, 20]))).toEqual([2, 3]);
    expect(testBlocks(blocks([20, 20, 20, 20, 20]))).toEqual([3, 4]);
    expect(testBlocks(blocks([100]))).toBeNull();
    expect(testBlocks(blocks([90, 10]))).toBeNull();
    expect(testBlocks([])).toBeNull();
  });
});

describe("gates", () => {
  const gate = (kpi: string, lift: number, more: Partial<GateCandidate> = {}): GateCandidate => ({
    kpi,
    side: "at_most",
    threshold: 1,
    lift,
    share: 0.1,
    churned: 60,
    group: null,
    ...more,
  });
  it("are three at most, one a KPI and one a group, by lift", () => {
    const chosen = chooseGates([
      gate("a", 2),
      gate("a", 1.9, { threshold: 2 }),
      gate("b", 3, { group: 1 }),
      gate("c", 2.5, { group: 1 }),
      gate("d", 1.5),
      gate("e", 1.2),
    ]);
    expect(chosen.map(({ kpi }) => kpi)).toEqual(["b", "a", "d"]);
  });

  it("are no candidates where more than a fifth fails, nobody leaves more, or fewer than 50 left", () => {
    expect(chooseGates([gate("a", 2, { share: 0.21 }), gate("b", 1), gate("c", 2, { churned: 49 })])).toEqual([]);
    expect(chooseGates([gate("a", 2, { share: 0.2, churned: 50 })])).toHaveLength(1);
  });
});

describe("tiers", () => {
  const bin = (from: number, observed: number, expected = 100, variance = 0.01): CutBin => ({
    from,
    to: from,
    observed,
    expected,
    variance,
  });
  it("merge neighbours that do not differ", () => {
    const tiers = mergeBins([bin(1, 180), bin(2, 170), bin(3, 60), bin(4, 50)]);
    expect(tiers.map(({ from, to }) => [from, to])).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(tierPoints(tiers)).toEqual([0, 100]);
    expect(mergeBins([bin(1, 100), bin(2, 105), bin(3, 98)])).toHaveLength(1);
    expect(mergeBins([])).toEqual([]);
  });

  it("give the middle its points where departures are at both ends", () => {
    expect(tierPoints([bin(1, 200), bin(2, 50), bin(3, 125)])).toEqual([0, 100, 50]);
    expect(tierPoints([bin(1, 100)])).toEqual([100]);
  });
});

it("looks at snapshots that lie a horizon apart", () => {
  expect(apart(["2025-01-01", "2025-02-01", "2025-03-01", "2025-04-01", "2025-07-01"], 90)).toEqual([
    "2025-01-01",
    "2025-04-01",
    "2025-07-01",
  ]);
  // February makes a quarter of 89 days, which is near enough.
  expect(apart(["2025-02-01", "2025-05-01"], 90)).toEqual(["2025-02-01", "2025-05-01"]);
  expect(apart([], 90)).toEqual([]);
});

describe("sentences", () => {
  it("call a difference one only where its interval leaves 0 out", () => {
    const found = (difference: number, low: number, high: number) => ({ difference, low, high, se: 0.01 });
    expect(differenceSentence("A", "B", found(0.02, -0.01, 0.05), 120)).toBe(
      "A against B: not distinguishable (+2.0 of 100 pairs, -1.0 to +5.0; 120 churned accounts).",
    );
    expect(differenceSentence("A", "B", found(0.02, 0.01, 0.03), 120)).toBe(
      "A sort more leavers and stayers rightly than B (+2.0 of 100 pairs, +1.0 to +3.0; 120 churned accounts).",
    );
    expect(differenceSentence("A", "B", found(-0.02, -0.03, -0.01), 1)).toContain("sort fewer");
    expect(differenceSentence("A", "B", { difference: null, low: null, high: null, se: null }, 0)).toContain(
      "cannot be compared",
    );
    expect(signedPairs(-0.0001)).toBe("0.0");
  });

  it("name the sets that are equivalent", () => {
    const found = { nCandidates: 4, churned: 200, from: "2025-01-01", to: "2025-06-01" };
    expect(curveSummary({ ...found, suggested: 2, sets: ["a + b", "a + c", "a + d"] })).toContain(
      "These 3 sets are equivalent, within one standard error: a + b; a + c; a + d.",
    );
    expect(curveSummary({ ...found, suggested: 0, sets: [] })).toBe(
      "Of 4 KPIs with an early warning none is shown to add to what age, size and segment say (200 churned accounts, account-months of 1 January 2025 to 1 June 2025, which no model had seen).",
    );
  });

  it("say that history cannot rank weightings below 100 churned accounts", () => {
    const found = { card: '"Card"', kpis: 3, n: 2002, kept: 1001, isCurrentKept: true };
    expect(humilitySentence({ ...found, churned: 99 })).toMatch(
      /^History cannot rank weightings: 99 churned accounts;/,
    );
    expect(humilitySentence({ ...found, churned: 100 })).toBe(
      '1,001 of 2,002 weightings of the 3 KPIs of "Card" (50 %) rank leavers as well as the best of them, as far as can be told; the card\'s own is one of these (100 churned accounts).',
    );
  });

  it("show held-out numbers of a gate, and what is missing where it cannot be told", () => {
    const found = {
      label: "Invoices sent",
      side: "at_most" as const,
      threshold: 2,
      n_churned: 90,
      n_churned_failing: 30,
      rate_failing: 0.2,
      rate_failing_low: 0.15,
      rate_failing_high: 0.26,
      rate_passing: 0.05,
      rate_passing_low: 0.04,
      rate_passing_high: 0.06,
      heldFrom: "2025-05-01",
      heldTo: "2026-02-01",
    };
    expect(gateSentence({ ...found, state: "holds", pHolm: 0.0004 })).toBe(
      "Invoices sent at most 2: 20 % (15-26) left later, of the others 5.0 % (4.0-6.0); left more often than like accounts (one-sided p < .001 after Holm; 90 churned accounts, 30 on that side; held-out account-months of 1 May 2025 to 1 February 2026).",
    );
    expect(gateSentence({ ...found, state: "does not hold", pHolm: 0.3 })).toContain("not shown to leave more often");
    expect(gateSentence({ ...found, state: "cannot tell", pHolm: null, n_churned_failing: 4 })).toBe(
      "Invoices sent at most 2: cannot tell; 90 churned accounts (30 are needed), 4 of them on that side (10), in held-out account-months of 1 May 2025 to 1 February 2026.",
    );
  });
});
