import { expect, it } from "vitest";
import { parseScorecard } from "../../pipelines/config/scorecard.ts";
import {
  bandsOf,
  chooseEvidence,
  type EvidenceKpi,
  evidenceScorecard,
} from "../../pipelines/validation/advice-scorecard.ts";

const kpi = (id: string, more: Partial<EvidenceKpi> = {}): EvidenceKpi => ({
  kpi: id,
  verdict: "predicts",
  auc: 0.4,
  z: -5,
  group: null,
  quantiles: [0, 1, 2, 3, 17, 18, 19, 20],
  ...more,
});
const about = { id: "evidence", version: 1, createdOn: "2026-02-01", definition: "subscription_end", churned: 300 };

it("gives points to early warnings only, in the direction of the verdict", () => {
  const chosen = chooseEvidence([
    kpi("more_is_healthier"),
    kpi("less_is_healthier", { auc: 0.6, z: 4 }),
    kpi("misleading", { verdict: "misleading" }),
    kpi("late", { verdict: "late_only" }),
  ]);
  expect(chosen).toEqual([
    { kpi: "more_is_healthier", zero_at: 3, full_at: 17 },
    { kpi: "less_is_healthier", zero_at: 17, full_at: 3 },
  ]);
});

it("takes one of each group, clear before weak, then the larger z, then the id, and five at most", () => {
  const chosen = chooseEvidence([
    kpi("weak", { verdict: "weak", z: -9 }),
    kpi("twin", { group: 1, z: -6 }),
    kpi("first", { group: 1, z: -7 }),
    kpi("d"),
    kpi("c"),
    kpi("b"),
    kpi("a"),
  ]);
  expect(chosen.map((points) => points.kpi)).toEqual(["first", "a", "b", "c", "d"]);
  expect(chooseEvidence([kpi("weak", { verdict: "weak", z: -9 }), kpi("clear")]).map((points) => points.kpi)).toEqual([
    "clear",
    "weak",
  ]);
});

it("widens the range of points until its ends differ, and leaves out a KPI of one value", () => {
  expect(chooseEvidence([kpi("rare", { quantiles: [0, 0, 0, 0, 0, 1, 1, 1] })])).toEqual([
    { kpi: "rare", zero_at: 0, full_at: 1 },
  ]);
  expect(chooseEvidence([kpi("constant", { quantiles: [1, 1, 1, 1, 1, 1, 1, 1] })])).toEqual([]);
  expect(chooseEvidence([kpi("nothing", { quantiles: [] })])).toEqual([]);
});

it("writes a file that reads as a scorecard", () => {
  const text = evidenceScorecard(
    chooseEvidence([kpi("sent"), kpi("exported", { auc: 0.6, quantiles: [0, 0, 0, 0.1234567, 0.5, 1, 1, 1] })]),
    { red: 20, yellow: 55 },
    about,
  ) as string;
  const { card } = parseScorecard(text, "v1.yaml");
  expect(card.created_on).toBe("2026-02-01");
  expect(card.groups[0]?.kpis).toEqual([
    { kpi: "exported", weight: 1, points: { linear: { zero_at: 0.5, full_at: 0.123457 } } },
    { kpi: "sent", weight: 1, points: { linear: { zero_at: 3, full_at: 17 } } },
  ]);
  expect(card.bands.list.map(({ to }) => to)).toEqual([20, 55, 100]);
  expect(card.missing).toEqual({ rule: "reweight", coverage_floor: 0.5 });
});

it("makes no scorecard of nothing", () => {
  expect(evidenceScorecard([], { red: 20, yellow: 55 }, about)).toBeNull();
});

it("keeps bands apart and on the scale", () => {
  expect(bandsOf(20.4, 55.6)).toEqual({ red: 20, yellow: 56 });
  expect(bandsOf(0, 0)).toEqual({ red: 1, yellow: 2 });
  expect(bandsOf(100, 100)).toEqual({ red: 98, yellow: 99 });
});
