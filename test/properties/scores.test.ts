import fc from "fast-check";
import { expect, it } from "vitest";
import type { AppliedScorecard, PointsRule, Scorecard } from "../../pipelines/config/scorecard.ts";
import { applied, type GivenAccount, scored } from "../scored.ts";

/** Exact arithmetic of its own, so that the statement is not checked against itself. */
class Fraction {
  readonly n: bigint;
  readonly d: bigint;
  constructor(n: bigint, d = 1n) {
    const sign = d < 0n ? -1n : 1n;
    this.n = sign * n;
    this.d = sign * d;
  }
  static of(value: number): Fraction {
    const [whole, digits = ""] = value.toString().split(".");
    return new Fraction(BigInt((whole as string) + digits), 10n ** BigInt(digits.length));
  }
  plus(other: Fraction): Fraction {
    return new Fraction(this.n * other.d + other.n * this.d, this.d * other.d);
  }
  times(other: Fraction): Fraction {
    return new Fraction(this.n * other.n, this.d * other.d);
  }
  over(other: Fraction): Fraction {
    return new Fraction(this.n * other.d, this.d * other.n);
  }
  isBelow(other: Fraction): boolean {
    return this.n * other.d < other.n * this.d;
  }
  /** Six digits, halves away from zero. */
  rounded(): Fraction {
    const [n, d] = [this.n < 0n ? -this.n : this.n, this.d];
    const millionths = (2n * n * 1_000_000n + d) / (2n * d);
    return new Fraction(this.n < 0n ? -millionths : millionths, 1_000_000n);
  }
  toString(): string {
    const { n, d } = this.rounded();
    const digits = (n < 0n ? -n : n).toString().padStart(7, "0");
    return `${n < 0n && d > 0n ? "-" : ""}${digits.slice(0, -6)}.${digits.slice(-6)}`;
  }
}
const zero = new Fraction(0n);
const total = (terms: readonly Fraction[]): Fraction => terms.reduce((all, term) => all.plus(term), zero);

/** Points as the file means them, from the value and all values of the day. */
function pointsOf(rule: PointsRule, value: number | null, day: readonly (number | null)[]): Fraction | null {
  if (value === null) return null;
  const x = Fraction.of(value);
  const line = (from: number, to: number, give: readonly [number, number]): Fraction => {
    const share = x.plus(Fraction.of(-from)).over(Fraction.of(to).plus(Fraction.of(-from)));
    const held = share.isBelow(zero) ? zero : new Fraction(1n).isBelow(share) ? new Fraction(1n) : share;
    return Fraction.of(give[0]).plus(held.times(Fraction.of(give[1]).plus(Fraction.of(-give[0]))));
  };
  if (rule.linear !== undefined) {
    return line(rule.linear.zero_at, rule.linear.full_at, rule.linear.give ?? [0, 100]).rounded();
  }
  if (rule.peak !== undefined) {
    const { best, zero_at, give = [0, 100] } = rule.peak;
    if (value >= best[0] && value <= best[1]) return Fraction.of(give[1]);
    return (value < best[0] ? line(zero_at[0], best[0], give) : line(zero_at[1], best[1], give)).rounded();
  }
  if (rule.tiers !== undefined) {
    const { upto, give, edge } = rule.tiers;
    const tier = upto.findIndex((cut) => value < cut || (edge === "upper" && value === cut));
    return Fraction.of(give[tier < 0 ? upto.length : tier] as number);
  }
  if (rule.ratings !== undefined) {
    const points = rule.ratings[String(value)];
    return points === undefined ? null : Fraction.of(points);
  }
  const others = day.filter((other): other is number => other !== null);
  const below = others.filter((other) => (rule.midrank?.healthier === "lower" ? other > value : other < value)).length;
  const ties = others.filter((other) => other === value).length;
  return new Fraction(BigInt(2 * below + ties) * 100n, BigInt(2 * others.length)).rounded();
}

/** The points of the worst or the best value. */
const extreme = (rule: PointsRule, end: "min" | "max"): number =>
  Math[end](...(rule.tiers?.give ?? (rule.ratings === undefined ? [0, 100] : Object.values(rule.ratings))));

/** A mean of what is there, null when nothing is. */
function mean(parts: readonly { readonly weight: number; readonly value: Fraction | null }[]): Fraction | null {
  const there = parts.filter((part) => part.value !== null && part.weight > 0);
  if (there.length === 0) return null;
  const weights = total(there.map(({ weight }) => new Fraction(BigInt(weight))));
  return total(there.map(({ weight, value }) => new Fraction(BigInt(weight)).times(value as Fraction))).over(weights);
}

/** The score before any gate, group by group as a reader of the file would do it. */
function referenceScore(card: Scorecard, points: (kpi: string) => Fraction | null): Fraction | null {
  const withRule = (entry: { kpi: string; missing?: string | undefined; neutral?: number | undefined }) => {
    const rule = entry.missing ?? card.missing.rule;
    return points(entry.kpi) ?? (rule === "reweight" ? null : Fraction.of(rule === "zero" ? 0 : (entry.neutral ?? 50)));
  };
  if (card.combine !== "weighted_mean") {
    const terms = card.groups.flatMap((group) =>
      (group.kpis ?? []).map((entry) => new Fraction(BigInt(entry.weight)).times(withRule(entry) as Fraction)),
    );
    const sum = Fraction.of(card.start ?? 0).plus(total(terms));
    const [from, to] = [Fraction.of(card.scale.from), Fraction.of(card.scale.to)];
    return sum.isBelow(from) ? from : to.isBelow(sum) ? to : sum;
  }
  const ofKpis = (kpis: NonNullable<Scorecard["groups"][number]["kpis"]>) =>
    mean(kpis.map((entry) => ({ weight: entry.weight, value: withRule(entry) })));
  return mean(
    card.groups.map((group) => ({
      weight: group.weight,
      value:
        group.kpis !== undefined
          ? ofKpis(group.kpis)
          : mean((group.groups ?? []).map((inner) => ({ weight: inner.weight, value: ofKpis(inner.kpis) }))),
    })),
  );
}

const kpiIds = ["a", "b", "c", "d", "e"] as const;
/** Few distinct values, so that ties and edges happen, and awkward ones. */
const value = fc.oneof(
  { weight: 3, arbitrary: fc.constant(null) },
  { weight: 8, arbitrary: fc.integer({ min: -2, max: 14 }) },
  { weight: 2, arbitrary: fc.integer({ min: -20, max: 140 }).map((n) => n / 10) },
);
const ascending = (n: number) =>
  fc
    .uniqueArray(fc.integer({ min: -3, max: 15 }), { minLength: n, maxLength: n })
    .map((list) => list.sort((x, y) => x - y));
const point = fc.integer({ min: 0, max: 1000 }).map((n) => n / 10);
const points: fc.Arbitrary<PointsRule> = fc.oneof(
  fc.tuple(ascending(2), fc.boolean()).map(([[low, high], rises]) => ({
    linear: {
      zero_at: (rises ? low : high) as number,
      full_at: (rises ? high : low) as number,
      give: [0, 100] as [number, number],
    },
  })),
  fc
    .tuple(ascending(3), fc.array(point, { minLength: 4, maxLength: 4 }), fc.constantFrom("upper", "lower"))
    .map(([upto, give, edge]) => ({ tiers: { upto, give, edge: edge as "upper" | "lower" } })),
  fc.array(point, { minLength: 5, maxLength: 5 }).map((give) => ({
    ratings: Object.fromEntries(give.map((given, i) => [String(i + 1), given])),
  })),
  fc.constantFrom("higher", "lower").map((healthier) => ({
    midrank: {
      healthier: healthier as "higher" | "lower",
      within: "snapshot" as const,
      give: [0, 100] as [number, number],
    },
  })),
  ascending(4).map(([a, b, c, d]) => ({
    peak: { best: [b, c] as [number, number], zero_at: [a, d] as [number, number], give: [0, 100] as [number, number] },
  })),
);
const weight = fc.integer({ min: 1, max: 60 });
const rule = fc.constantFrom("reweight", "zero", "neutral");

/** A scorecard of every shape: one to three groups, nested or not, over two to five KPIs. */
const card: fc.Arbitrary<AppliedScorecard> = fc
  .record({
    n: fc.integer({ min: 2, max: 5 }),
    rules: fc.array(points, { minLength: 5, maxLength: 5 }),
    weights: fc.array(weight, { minLength: 10, maxLength: 10 }),
    places: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 5, maxLength: 5 }),
    nested: fc.boolean(),
    combine: fc.constantFrom("weighted_mean", "weighted_mean", "start_and_clamp"),
    missing: rule,
    exception: fc.option(rule, { nil: undefined }),
    floor: fc.constantFrom(0, 0.25, 0.5, 1),
    gates: fc.boolean(),
    edge: fc.constantFrom("upper", "lower"),
  })
  .map((given) => {
    const isMean = given.combine === "weighted_mean";
    const missing = isMean ? given.missing : "zero";
    const entries = kpiIds.slice(0, given.n).map((kpi, i) => ({
      kpi,
      place: given.places[i],
      weight: isMean ? given.weights[i] : 1 + ((given.weights[i] as number) % 3),
      points: given.rules[i],
      ...(i === 0 && isMean && given.exception !== undefined ? { missing: given.exception } : {}),
    }));
    const groups = [0, 1, 2].flatMap((place) => {
      const kpis = entries.filter((entry) => entry.place === place).map(({ place: _, ...entry }) => entry);
      return kpis.length === 0 ? [] : [{ id: `g${place}`, weight: isMean ? given.weights[5 + place] : 1, kpis }];
    });
    const [first, ...rest] = groups;
    const nested =
      given.nested && isMean && rest.length > 0
        ? [first, { id: "outer", weight: given.weights[9], groups: rest }]
        : groups;
    return applied(
      JSON.stringify({
        scorecard: "card",
        version: 1,
        created_on: "2026-01-01",
        purpose: "churn_risk",
        combine: given.combine,
        ...(isMean ? {} : { start: 12.5 }),
        groups: nested,
        missing: { rule: missing, coverage_floor: given.floor },
        gates: given.gates ? [{ id: "low", kpi: "a", min: 1, score: 5 }] : [],
        bands: {
          edge: given.edge,
          list: [
            { id: "red", to: 30 },
            { id: "yellow", to: 70 },
            { id: "green", to: 100 },
          ],
        },
      }),
    );
  });
const accounts: fc.Arbitrary<readonly GivenAccount[]> = fc
  .array(fc.tuple(value, value, value, value, value), { minLength: 1, maxLength: 25 })
  .map((rows) =>
    rows.map((values, i) => ({
      account_id: String(i).padStart(2, "0"),
      kpis: Object.fromEntries(kpiIds.map((kpi, k) => [kpi, values[k] ?? null])),
    })),
  );

it("any scorecard gives what its file means, and its parts sum to the score to the last digit", async () => {
  await fc.assert(
    fc.asyncProperty(card, accounts, async (applied_, rows) => {
      const { database, result } = await scored([applied_], rows);
      try {
        // The audits hold: among them that the sum of contributions is the score, compared as decimals in SQL.
        expect(result.audits.filter((audit) => audit.failedRows > 0)).toEqual([]);
        const got = await database.query<Record<string, string | number | null>>(
          "select cast(score as varchar) as score, cast(score_before as varchar) as score_before, coverage, band_before, band, gated_by, " +
            "cast(score_low as varchar) as score_low, cast(score_high as varchar) as score_high, score between score_low and score_high as is_on_range, score_low = score_high as is_certain from scores.account_score order by account_id",
        );
        const { card: file } = applied_;
        const day = (kpi: string) => rows.map(({ kpis }) => kpis[kpi] ?? null);
        const entries = file.groups.flatMap((g) => g.kpis ?? (g.groups ?? []).flatMap((inner) => inner.kpis));
        const ruleOf = new Map(entries.map(({ kpi, points: kind }) => [kpi, kind]));
        for (const [i, row] of rows.entries()) {
          const byKpi = new Map(
            entries.map(({ kpi, points: kind }) => [kpi, pointsOf(kind, row.kpis[kpi] ?? null, day(kpi))]),
          );
          const expected = referenceScore(file, (kpi) => byKpi.get(kpi) ?? null);
          const actual = got[i] as (typeof got)[number];
          const covered = Number(actual.coverage);
          const isComplete = [...byKpi.values()].every((known) => known !== null);
          expect(covered === 1).toBe(isComplete);
          if (expected === null || covered < file.missing.coverage_floor) {
            expect([actual.score, actual.band, actual.gated_by]).toEqual([null, "unknown", null]);
            continue;
          }
          expect(actual.score_before).toBe(expected.toString());
          const a = row.kpis.a;
          const isGated = file.gates.length > 0 && a !== null && a !== undefined && a < 1;
          expect(actual.gated_by).toBe(isGated ? "low" : null);
          const five = Fraction.of(5);
          expect(actual.score).toBe((isGated && five.isBelow(expected) ? five : expected).toString());
          const score = Number(actual.score);
          const isIn = (to: number) => (file.bands.edge === "upper" ? score <= to : score < to);
          expect(actual.band).toBe(isIn(30) ? "red" : isIn(70) ? "yellow" : "green");
          expect(actual.is_on_range).toBe(true);
          if (file.gates.length === 0) {
            const filled = (end: "min" | "max") =>
              referenceScore(file, (kpi) => byKpi.get(kpi) ?? Fraction.of(extreme(ruleOf.get(kpi) as PointsRule, end)));
            const [low, high] = [filled("min") as Fraction, filled("max") as Fraction];
            expect(actual.score_low).toBe((expected.isBelow(low) ? expected : low).toString());
            expect(actual.score_high).toBe((high.isBelow(expected) ? expected : high).toString());
          }
          if (isComplete && !(file.gates.length > 0 && a === null)) expect(actual.is_certain).toBe(true);
        }
      } finally {
        database.close();
      }
    }),
    { numRuns: 30, seed: 20260302 },
  );
});

it("more of a KPI that is scored upwards never lowers a score, less of one scored downwards neither", async () => {
  const upwards = applied(
    JSON.stringify({
      scorecard: "card",
      version: 1,
      created_on: "2026-01-01",
      purpose: "churn_risk",
      groups: [
        {
          id: "x",
          weight: 7,
          kpis: [
            { kpi: "a", weight: 3, points: { linear: { zero_at: 1, full_at: 12 } } },
            { kpi: "b", weight: 1, points: { tiers: { upto: [2, 5], give: [0, 33.3, 100], edge: "lower" } } },
          ],
        },
        { id: "y", weight: 3, kpis: [{ kpi: "c", points: { linear: { zero_at: 9, full_at: 0 } } }] },
      ],
      missing: { rule: "reweight", coverage_floor: 0 },
      bands: {
        edge: "upper",
        list: [
          { id: "red", to: 30 },
          { id: "green", to: 100 },
        ],
      },
    }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(value, value, value, fc.nat({ max: 30 })), { minLength: 1, maxLength: 30 }),
      async (rows) => {
        const pairs = rows.flatMap(([a, b, c, more], i): GivenAccount[] => [
          { account_id: `${i} before`, kpis: { a, b, c } },
          { account_id: `${i} a`, kpis: { a: a === null ? null : a + more / 10, b, c } },
          { account_id: `${i} b`, kpis: { a, b: b === null ? null : b + more / 10, c } },
          { account_id: `${i} c`, kpis: { a, b, c: c === null ? null : c - more / 10 } },
        ]);
        const { database } = await scored([upwards], pairs);
        try {
          const lowered = await database.query(
            "select n.account_id from scores.account_score as n join scores.account_score as o on o.account_id = split_part(n.account_id, ' ', 1) || ' before' where n.score < o.score",
          );
          expect(lowered).toEqual([]);
        } finally {
          database.close();
        }
      },
    ),
    { numRuns: 8, seed: 7 },
  );
});

it("the order of rows changes nothing", async () => {
  await fc.assert(
    fc.asyncProperty(card, accounts, async (applied_, rows) => {
      const read = async (given: readonly GivenAccount[]) => {
        const { database } = await scored([applied_], given);
        const parts = await database.query("select * from scores.score_part order by account_id, part_no");
        database.close();
        return parts;
      };
      expect(await read([...rows].reverse())).toEqual(await read(rows));
    }),
    { numRuns: 4, seed: 3 },
  );
});
