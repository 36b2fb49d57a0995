import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Candidate, findRedundant, linked, type PairFacts } from "../../pipelines/validation/redundancy.ts";

const kpi = (id: string, z: number, more: Partial<Candidate> = {}): Candidate => ({
  id,
  auc: 0.42,
  z,
  coverage: 1,
  isLive: false,
  ...more,
});

/** Every two KPIs are alike unless `rho` says otherwise, and nothing adds anything. */
const facts = (more: Partial<PairFacts> = {}): PairFacts => ({
  spearmanOf: () => 0.9,
  differenceZOf: async () => 0,
  incrementalZOf: async () => 1,
  ...more,
});

describe("which of two alike is kept", () => {
  const kept = async (candidates: readonly Candidate[], more: Partial<PairFacts> = {}) => {
    const redundant = await findRedundant(candidates, facts(more));
    return candidates.map(({ id }) => id).filter((id) => !redundant.has(id));
  };

  it("the one in a live scorecard, then the better covered, then the larger |z|, then the id", async () => {
    expect(await kept([kpi("a", -9), kpi("b", -3, { isLive: true })])).toEqual(["b"]);
    expect(await kept([kpi("a", -9, { coverage: 0.79 }), kpi("b", -3, { coverage: 0.8 })])).toEqual(["b"]);
    expect(await kept([kpi("a", -9, { coverage: 0.81 }), kpi("b", -3, { coverage: 0.89 })])).toEqual(["a"]);
    expect(await kept([kpi("a", -3), kpi("b", 9)])).toEqual(["b"]);
    expect(await kept([kpi("b", -3), kpi("a", -3)])).toEqual(["a"]);
  });

  it("a live one gives way only to one that is shown to rank better", async () => {
    const pair = [kpi("a", -9), kpi("b", -3, { isLive: true })];
    expect(await kept(pair, { differenceZOf: async () => 1.95 })).toEqual(["b"]);
    expect(await kept(pair, { differenceZOf: async () => 1.96 })).toEqual(["a"]);
    expect(await kept(pair, { differenceZOf: async () => null })).toEqual(["b"]);
  });

  it("keeps both when they are not alike, when one adds something, and when nobody could tell", async () => {
    const pair = [kpi("a", -9), kpi("b", -3)];
    expect(await kept(pair, { spearmanOf: () => 0.69 })).toEqual(["a", "b"]);
    expect(await kept(pair, { spearmanOf: () => null })).toEqual(["a", "b"]);
    expect(await kept(pair, { spearmanOf: () => -0.7 })).toEqual(["a"]);
    expect(await kept(pair, { incrementalZOf: async () => -2.58 })).toEqual(["a", "b"]);
    expect(await kept(pair, { incrementalZOf: async () => null })).toEqual(["a", "b"]);
  });

  it("the one that carries the other takes its place, unless that one is live", async () => {
    const incrementalZOf = async (id: string, other: string) => (id === "b" && other === "a" ? -3 : 1);
    expect(await kept([kpi("a", -9), kpi("b", -8)], { incrementalZOf })).toEqual(["b"]);
    expect(await kept([kpi("a", -9, { isLive: true }), kpi("b", -8)], { incrementalZOf })).toEqual(["a", "b"]);
    // c went with a; when b takes the place of a, c goes with b.
    const redundant = await findRedundant([kpi("a", -9), kpi("b", -7), kpi("c", -8)], facts({ incrementalZOf }));
    expect([...redundant].map(([id, { other }]) => `${id} ${other}`).sort()).toEqual(["a b", "c b"]);
  });

  it("names the kept one, never one that is itself left out", async () => {
    // a is like b, b like c, a unlike c: b goes with a, and c stays, for b is not kept.
    const rho = new Map([
      ["a b", 0.9],
      ["b c", 0.9],
      ["a c", 0.3],
    ]);
    const spearmanOf = (x: string, y: string) => rho.get([x, y].sort().join(" ")) ?? null;
    const redundant = await findRedundant([kpi("a", -9), kpi("b", -8), kpi("c", -7)], facts({ spearmanOf }));
    expect([...redundant]).toEqual([["b", { other: "a", spearman: 0.9 }]]);
  });

  it("keeps at least one of any set, whatever the order it is given in", async () => {
    const candidate = fc.record({
      auc: fc.constantFrom(0.4, 0.6),
      z: fc.double({ min: -9, max: 9, noNaN: true }),
      coverage: fc.double({ min: 0, max: 1, noNaN: true }),
      isLive: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(candidate, { minLength: 1, maxLength: 6 }), async (some) => {
        const candidates = some.map((facts, i) => ({ ...facts, id: `k${i}` }));
        const one = await findRedundant(candidates, facts());
        const other = await findRedundant([...candidates].reverse(), facts());
        expect(one.size).toBe(candidates.length - 1);
        expect([...one].sort()).toEqual([...other].sort());
      }),
    );
  });
});

describe("groups", () => {
  it("join by the mean rank correlation, not by one link of a chain", () => {
    const rho = new Map([
      ["a b", 0.95],
      ["b c", 0.75],
      ["a c", 0.4],
      ["d e", 0.7],
    ]);
    const groups = linked(["a", "b", "c", "d", "e", "f"], (x, y) => rho.get([x, y].sort().join(" ")) ?? 0);
    expect(groups).toEqual([
      ["a", "b"],
      ["d", "e"],
    ]);
  });
});
