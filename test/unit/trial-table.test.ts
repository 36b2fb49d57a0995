import { describe, expect, it } from "vitest";
import { type KpiResult, type SeedResult, summarize } from "../../pipelines/commands/trial-table.ts";
import { atLeast, atMost, exactInterval } from "../../pipelines/validation/binomial.ts";

/** One row as it should be, unless told otherwise. */
const row = (kpi: string, role: string, verdict: string, changes: Partial<KpiResult> = {}): KpiResult => ({
  kpi,
  role,
  expected: [verdict],
  verdict,
  rule: "",
  auc: 0.43,
  low: 0.4,
  high: 0.46,
  crude: 0.43,
  late: 0.43,
  churned: 260,
  ...changes,
});

/** A seed in which everything is right, with other rows in the place of those of the same KPI. */
function seed(no: number, changed: readonly KpiResult[] = []): SeedResult {
  const right = [
    row("work", "causal", "predicts"),
    row("export", "twin", "redundant"),
    row("seat", "moderate", "weak"),
    row("trend", "trend", "weak"),
    row("failed", "rare", "inconclusive"),
    row("csat", "wrong_way", "misleading", { auc: 0.57 }),
    row("admin", "late", "late_only"),
    row("documents", "tenure", "confounded"),
    row("records", "size", "confounded"),
    row("template", "reversed", "predicts"),
    row("tickets", "both_ends", "non_monotone"),
    row("nps", "silence", "missingness"),
    row("classic", "faded", "unstable_time"),
    row("beta", "constant", "not_tested"),
    // The interval of one noise KPI in twenty leaves one half out.
    row("noise", "noise", "inconclusive", no % 20 === 0 ? {} : { auc: 0.5, low: 0.46, high: 0.54 }),
  ];
  const kpis = right.map((k) => changed.find(({ kpi }) => kpi === k.kpi) ?? k);
  return {
    kind: "planted",
    accounts: 1500,
    seed: no,
    code: "",
    assay: "1",
    duckdb: "1",
    churned: 260,
    seconds: 1,
    kpis,
  };
}

/** Forty seeds, the first `n` of them with these rows. */
const forty = (n: number, ...changed: readonly KpiResult[]): readonly SeedResult[] =>
  Array.from({ length: 40 }, (_, i) => seed(i, i < n ? changed : []));
const failing = (results: readonly SeedResult[]): readonly string[] =>
  summarize("planted", 1500, results)
    .bars.filter(({ holds }) => !holds)
    .map(({ what }) => what);

describe("exact binomial", () => {
  it("tails are scipy's (1.17.1: binom.sf, binom.cdf)", () => {
    expect(atLeast(3, 40, 0.01)).toBeCloseTo(0.007497363395395947, 12);
    expect(atLeast(4, 40, 0.02)).toBeCloseTo(0.008240928100404395, 12);
    expect(atMost(34, 40, 0.95)).toBeCloseTo(0.013876949213303673, 12);
    expect(atMost(28, 40, 0.85)).toBeCloseTo(0.011969217872532157, 12);
    expect([atLeast(0, 5, 0.3), atMost(5, 5, 0.3), atMost(4, 5, 1), atLeast(1, 5, 0)]).toEqual([1, 1, 0, 0]);
  });
  it("intervals are scipy's (binomtest(k, n).proportion_ci, exact)", () => {
    const close = ([k, n]: readonly [number, number], low: number, high: number): void => {
      const found = exactInterval(k, n);
      expect(found.low).toBeCloseTo(low, 9);
      expect(found.high).toBeCloseTo(high, 9);
    };
    close([0, 40], 0, 0.08809730287880335);
    close([3, 40], 0.015742179851041527, 0.20386474873289898);
    close([40, 40], 0.9119026971211966, 1);
    close([11, 560], 0.009845430021820761, 0.03487421541223416);
    expect(exactInterval(0, 0)).toEqual({ low: 0, high: 1 });
  });
});

describe("the bars of the planted world", () => {
  it("hold where everything is right", () => {
    const { bars, kpis, churned } = summarize("planted", 1500, forty(0));
    expect(bars.filter(({ holds }) => !holds)).toEqual([]);
    expect(bars).toHaveLength(23);
    expect(churned).toEqual({ least: 260, mean: 260, most: 260 });
    expect(kpis.find(({ kpi }) => kpi === "csat")).toEqual({
      kpi: "csat",
      role: "wrong_way",
      crude: 0.43,
      adjusted: 0.57,
      late: 0.43,
      asExpected: 1,
      verdicts: { misleading: 40 },
    });
  });
  it("at most 1 % fails at three of forty, at most 2 % at four", () => {
    const csat = row("csat", "wrong_way", "predicts");
    expect(failing(forty(2, csat))).toEqual([]);
    expect(failing(forty(3, csat))).toEqual(["wrong way: called a warning"]);
    const size = row("records", "size", "weak");
    expect(failing(forty(3, size))).toEqual([]);
    expect(failing(forty(4, size))).toContain("size: called a warning");
  });
  it("at least 95 % fails at 34 of forty, at least 85 % at 28, all of them at 39", () => {
    const tenure = row("documents", "tenure", "inconclusive");
    expect(failing(forty(5, tenure))).toEqual([]);
    expect(failing(forty(6, tenure))).toEqual(["tenure: confounded"]);
    const causal = row("work", "causal", "inconclusive");
    expect(failing(forty(11, causal))).toEqual([]);
    expect(failing(forty(12, causal))).toEqual(["causal: early warning, or the same as its twin"]);
    expect(failing(forty(1, row("beta", "constant", "weak")))).toContain("constant: not tested");
  });
  it("the sign of the reversed one counts, not only that something is said", () => {
    const wrong = row("template", "reversed", "predicts", { auc: 0.55 });
    expect(failing(forty(3, wrong))).toEqual(["reversed by the mix: wrong sign"]);
    expect(failing(forty(3, row("template", "reversed", "misleading", { auc: 0.55 })))).toEqual([
      "reversed by the mix: wrong sign",
    ]);
    expect(failing(forty(3, row("template", "reversed", "inconclusive", { auc: 0.55 })))).toEqual([]);
  });
  it("intervals of noise that are too narrow or too wide fail", () => {
    const narrow = row("noise", "noise", "inconclusive");
    expect(failing(forty(20, narrow))).toEqual(["noise: the 95 % interval holds one half"]);
  });
  it("are those of the size: none in between, others at a thousand", () => {
    const of = (churned: number) =>
      summarize("planted", 1500, [{ ...seed(1), churned }]).bars.map(({ what, limit }) => `${what} ${limit}`);
    expect(of(600)).toEqual([]);
    expect(of(260)).toContain("moderate: early or weak warning at least 40 %");
    expect(of(1000)).toContain("moderate: early or weak warning at least 95 %");
    expect(of(1000)).toContain("rare: early or weak warning at least 70 %");
  });
});

describe("the bars of a world without effects", () => {
  const nulls = (n: number, verdict: string): readonly string[] =>
    summarize(
      "planted_null",
      1500,
      forty(n, row("noise", "noise", verdict, { auc: 0.5, low: 0.46, high: 0.54 })).map((one) => ({
        ...one,
        kpis: one.kpis.filter(({ kpi }) => kpi === "noise" || kpi === "admin"),
      })),
    )
      .bars.filter(({ holds }) => !holds)
      .map(({ what }) => what);
  it("a late alarm is no claim; four of forty with a claim are within two standard errors of 5 %, five are not", () => {
    expect(nulls(0, "")).toEqual([]);
    expect(nulls(4, "weak")).toEqual([]);
    expect(nulls(5, "weak")).toEqual(["any claim of the primary family"]);
  });
  it("findings outside of the primary family have a bar of their own", () => {
    expect(nulls(9, "non_monotone")).toEqual([]);
    expect(nulls(11, "non_monotone")).toEqual(["any claim, or a finding of shape, time, segment or silence"]);
  });
});
