import fc from "fast-check";
import { expect, it } from "vitest";
import type { AppliedScorecard, PointsRule, Scorecard } from "../../pipelines/config/scorecard.ts";
import { applied, cardText, type GivenAccount, scored } from "../scored.ts";

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
  if (rule.u !== undefined) {
    const { worst, full_at, give = [0, 100] } = rule.u;
    if (value >= worst[0] && value <= worst[1]) return Fraction.of(give[0]);
    return (
      value < worst[0] ? line(full_at[0], worst[0], [give[1], give[0]]) : line(worst[1], full_at[1], give)
    ).rounded();
  }
  if (rule.additive !== undefined) {
    const { each, most } = rule.additive;
    if (value <= 0) return zero;
    const given = Fraction.of(each).times(x).rounded();
    const limit = Fraction.of(most);
    return (each > 0 ? limit.isBelow(given) : given.isBelow(limit)) ? limit : given;
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
const extreme = (rule: PointsRule, end: "min" | "max"): number => {
  if (rule.additive !== undefined) return Math[end](0, rule.additive.most);
  const give = rule.linear?.give ?? rule.peak?.give ?? rule.u?.give ?? rule.midrank?.give ?? rule.tiers?.give;
  return Math[end](...(give ?? (rule.ratings === undefined ? [0, 100] : Object.values(rule.ratings))));
};

/** A mean of what is there, null when nothing is. */
function mean(parts: readonly { readonly weight: number; readonly value: Fraction | null }[]): Fraction | null {
  const there = parts.filter((part) => part.value !== null && part.weight > 0);
  if (there.length === 0) return null;
  const weights = total(there.map(({ weight }) => new Fraction(BigInt(weight))));
  return total(there.map(({ weight, value }) => new Fraction(BigInt(weight)).times(value as Fraction))).over(weights);
}

const whole = (value: Fraction): Fraction => {
  const [n, d] = [value.n < 0n ? -value.n : value.n, value.d];
  const up = (2n * n + d) / (2n * d);
  return new Fraction(value.n < 0n ? -up : up);
};
interface Shaped {
  readonly cap?: { readonly min?: number | undefined; readonly max?: number | undefined } | undefined;
  readonly round?: string | undefined;
}
/** A group with a cap or a rounding is a number of its own: whole points or six digits, then within the cap. */
function shape(value: Fraction | null, { cap, round }: Shaped): Fraction | null {
  if (value === null || (cap === undefined && round === undefined)) return value;
  const one = round === undefined ? value.rounded() : whole(value);
  if (cap?.min !== undefined && one.isBelow(Fraction.of(cap.min))) return Fraction.of(cap.min);
  return cap?.max !== undefined && Fraction.of(cap.max).isBelow(one) ? Fraction.of(cap.max) : one;
}

type Entry = NonNullable<Scorecard["groups"][number]["kpis"]>[number];
/** Names the places of a card: the same KPI may stand in several groups, with other points. */
type PointsAt = (entry: Entry) => Fraction | null;

/** The score before any gate, group by group as a reader of the file would do it. */
function referenceScore(card: Scorecard, points: PointsAt): Fraction | null {
  const isMean = card.combine === "weighted_mean";
  const withRule = (entry: Entry) => {
    const rule = entry.missing ?? card.missing.rule;
    return points(entry) ?? (rule === "reweight" ? null : Fraction.of(rule === "zero" ? 0 : (entry.neutral ?? 50)));
  };
  const combine = (parts: readonly { readonly weight: number; readonly value: Fraction | null }[]): Fraction | null =>
    isMean
      ? mean(parts)
      : total(parts.map(({ weight, value }) => new Fraction(BigInt(weight)).times(value as Fraction)));
  const ofKpis = (kpis: readonly Entry[], shaped: Shaped) =>
    shape(combine(kpis.map((entry) => ({ weight: entry.weight, value: withRule(entry) }))), shaped);
  const sum = combine(
    card.groups.map((group) => ({
      weight: group.weight,
      value:
        group.kpis !== undefined
          ? ofKpis(group.kpis, group)
          : shape(
              combine(
                (group.groups ?? []).map((inner) => ({ weight: inner.weight, value: ofKpis(inner.kpis, inner) })),
              ),
              group,
            ),
    })),
  );
  if (sum === null) return null;
  const started = Fraction.of(card.start ?? 0).plus(sum);
  const rounded = card.round === undefined ? started : whole(started);
  if (card.combine !== "start_and_clamp") return rounded;
  const [from, to] = [Fraction.of(card.scale.from), Fraction.of(card.scale.to)];
  return rounded.isBelow(from) ? from : to.isBelow(rounded) ? to : rounded;
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
const more: fc.Arbitrary<PointsRule> = fc.oneof(
  points,
  points,
  ascending(4).map(([a, b, c, d]) => ({
    u: { worst: [b, c] as [number, number], full_at: [a, d] as [number, number], give: [0, 100] as [number, number] },
  })),
  fc.tuple(fc.integer({ min: 1, max: 90 }), point).map(([each, most]) => ({
    additive: { each: each / 10, most: Math.max(most, 0.1) },
  })),
);
/** Signed, for points that are added up. */
const signed: fc.Arbitrary<PointsRule> = fc.oneof(
  more,
  fc.tuple(fc.integer({ min: 1, max: 90 }), point).map(([each, most]) => ({
    additive: { each: -each / 10, most: -Math.max(most, 0.1) },
  })),
  fc
    .tuple(ascending(2), fc.integer({ min: -400, max: 400 }), fc.integer({ min: -400, max: 400 }))
    .map(([[low, high], a, b]) => ({
      linear: {
        zero_at: low as number,
        full_at: high as number,
        give: [(2 * a) / 10, (2 * b + 1) / 10] as [number, number],
      },
    })),
);
const weight = fc.integer({ min: 1, max: 60 });
const cap = fc.constantFrom(undefined, undefined, { max: 60 }, { min: 20 }, { min: 10, max: 75 });
const round = fc.constantFrom(undefined, undefined, "integer");
const rule = fc.constantFrom("reweight", "zero", "neutral");

/** A scorecard of every shape: one to three groups, nested or not, capped or rounded, over two to seven places of five KPIs. */
const card: fc.Arbitrary<AppliedScorecard> = fc
  .record({
    n: fc.integer({ min: 2, max: 7 }),
    rules: fc.array(more, { minLength: 7, maxLength: 7 }),
    signedRules: fc.array(signed, { minLength: 7, maxLength: 7 }),
    weights: fc.array(weight, { minLength: 12, maxLength: 12 }),
    places: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 7, maxLength: 7 }),
    nested: fc.boolean(),
    combine: fc.constantFrom("weighted_mean", "weighted_mean", "start_and_clamp", "sum"),
    missing: rule,
    exception: fc.option(rule, { nil: undefined }),
    floor: fc.constantFrom(0, 0.25, 0.5, 1),
    gates: fc.constantFrom("none", "score", "band", "both"),
    edge: fc.constantFrom("upper", "lower"),
    caps: fc.array(cap, { minLength: 4, maxLength: 4 }),
    rounds: fc.array(round, { minLength: 5, maxLength: 5 }),
    weightless: fc.boolean(),
  })
  .map((given) => {
    const isMean = given.combine === "weighted_mean";
    const missing = isMean ? given.missing : "zero";
    const entries = Array.from({ length: given.n }, (_, i) => ({
      kpi: kpiIds[i % kpiIds.length] as string,
      // The sixth and seventh repeat a KPI, in a group of their own.
      place: i < kpiIds.length ? given.places[i] : 3,
      weight: isMean ? (i === 1 && given.weightless ? 0 : given.weights[i]) : 1 + ((given.weights[i] as number) % 3),
      points: isMean ? given.rules[i] : given.signedRules[i],
      ...(i === 0 && isMean && given.exception !== undefined ? { missing: given.exception } : {}),
    }));
    const groups = [0, 1, 2, 3].flatMap((place) => {
      const kpis = entries.filter((entry) => entry.place === place).map(({ place: _, ...entry }) => entry);
      if (kpis.length === 0) return [];
      // A group needs something of weight.
      if (kpis.every((entry) => entry.weight === 0)) (kpis[0] as { weight: number }).weight = 1;
      const shaped = {
        ...(given.caps[place] && { cap: given.caps[place] }),
        ...(given.rounds[place] && { round: "integer" }),
      };
      return [{ id: `g${place}`, weight: isMean ? given.weights[7 + place] : 1, ...shaped, kpis }];
    });
    const [first, ...rest] = groups;
    const outer = {
      ...(given.caps[0] && { cap: given.caps[0] }),
      ...(given.rounds[4] && { round: "integer" }),
    };
    const nested =
      given.nested && rest.length > 0
        ? [first, { id: "outer", weight: isMean ? given.weights[11] : 1, ...outer, groups: rest }]
        : groups;
    const scale = given.combine === "sum" ? { from: -10_000, to: 10_000 } : { from: 0, to: 100 };
    return applied(
      JSON.stringify({
        scorecard: "card",
        version: 1,
        created_on: "2026-01-01",
        purpose: "churn_risk",
        combine: given.combine,
        scale,
        ...(given.combine === "start_and_clamp" ? { start: 12.5 } : {}),
        ...(given.rounds[0] === undefined ? {} : { round: "integer" }),
        groups: nested,
        missing: { rule: missing, coverage_floor: given.floor },
        gates: [
          ...(given.gates === "score" || given.gates === "both" ? [{ id: "low", kpi: "a", min: 1, score: 5 }] : []),
          ...(given.gates === "band" || given.gates === "both"
            ? [{ id: "held", kpi: "b", max: 9, band: "yellow" }]
            : []),
        ],
        bands: {
          edge: given.edge,
          list: [
            { id: "red", to: 30 },
            { id: "yellow", to: 70 },
            { id: "green", to: scale.to },
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
  const seen = { gate: 0, band: 0, override: 0, clamp: 0, rounding: 0, unknown: 0 };
  await fc.assert(
    fc.asyncProperty(card, accounts, fc.nat({ max: 24 }), async (applied_, rows, who) => {
      const overridden = rows[who % rows.length]?.account_id as string;
      const { database, result } = await scored([applied_], rows, {
        overrides: [{ account_id: overridden, band: "red", from_on: "2026-01-01", author: "kim" }],
      });
      try {
        // The audits hold: among them that the sum of contributions is the score, compared as decimals in SQL.
        expect(result.audits.filter((audit) => audit.failedRows > 0)).toEqual([]);
        expect(
          await database.query(
            "select account_id from scores.account_score as s where score is distinct from " +
              "(select sum(contribution) from scores.score_part as p where p.account_id = s.account_id)",
          ),
        ).toEqual([]);
        const got = await database.query<Record<string, string | number | null>>(
          "select cast(score as varchar) as score, cast(score_before as varchar) as score_before, coverage, band_before, band, gated_by, overridden_by, " +
            "cast(score_low as varchar) as score_low, cast(score_high as varchar) as score_high, score between score_low and score_high as is_on_range, score_low = score_high as is_certain from scores.account_score order by account_id",
        );
        for (const { kind } of await database.query<{ kind: string }>("select kind from scores.score_part")) {
          if (kind === "clamp" || kind === "rounding") seen[kind] += 1;
        }
        const { card: file } = applied_;
        const day = (kpi: string) => rows.map(({ kpis }) => kpis[kpi] ?? null);
        const entries: readonly Entry[] = file.groups.flatMap(
          (g) => g.kpis ?? (g.groups ?? []).flatMap((inner) => inner.kpis),
        );
        const gate = (id: string) => file.gates.some((one) => one.id === id);
        for (const [i, row] of rows.entries()) {
          const byEntry = new Map(
            entries.map((entry) => [entry, pointsOf(entry.points, row.kpis[entry.kpi] ?? null, day(entry.kpi))]),
          );
          const expected = referenceScore(file, (entry) => byEntry.get(entry) ?? null);
          const actual = got[i] as (typeof got)[number];
          const covered = Number(actual.coverage);
          const isComplete = entries.every(({ kpi, weight: w, points: kind }) =>
            w === 0 || extreme(kind, "min") === extreme(kind, "max")
              ? true
              : (byEntry.get(entries.find((e) => e.kpi === kpi && e.points === kind) as Entry) ?? null) !== null,
          );
          if (file.combine === "weighted_mean") {
            expect(covered === 1).toBe(entries.every((entry) => entry.weight === 0 || byEntry.get(entry) !== null));
          } else if (isComplete) expect(covered).toBe(1);
          const isOverridden = row.account_id === overridden;
          expect(actual.overridden_by).toBe(isOverridden ? "kim" : null);
          if (isOverridden) seen.override += 1;
          if (expected === null || covered < file.missing.coverage_floor) {
            seen.unknown += 1;
            expect([actual.score, actual.band_before, actual.band, actual.gated_by]).toEqual([
              ...[null, "unknown", isOverridden ? "red" : "unknown", null],
            ]);
            continue;
          }
          expect(actual.score_before).toBe(expected.toString());
          const [a, b] = [row.kpis.a ?? null, row.kpis.b ?? null];
          const failsScore = gate("low") && a !== null && a < 1;
          const five = Fraction.of(5);
          const after = failsScore && five.isBelow(expected) ? five : expected;
          expect(actual.score).toBe(after.toString());
          const bandOf = (score: Fraction): string => {
            const n = Number(score.toString());
            const isIn = (to: number) => (file.bands.edge === "upper" ? n <= to : n < to);
            return isIn(30) ? "red" : isIn(70) ? "yellow" : "green";
          };
          expect(actual.band_before).toBe(bandOf(expected));
          const isHeld = gate("held") && b !== null && b > 9 && bandOf(after) === "green";
          expect(actual.gated_by).toBe(isHeld ? "held" : failsScore ? "low" : null);
          if (isHeld) seen.band += 1;
          if (failsScore) seen.gate += 1;
          expect(actual.band).toBe(isOverridden ? "red" : isHeld ? "yellow" : bandOf(after));
          expect(actual.is_on_range).toBe(true);
          if (!gate("low")) {
            const filled = (end: "min" | "max") =>
              referenceScore(file, (entry) => byEntry.get(entry) ?? Fraction.of(extreme(entry.points, end)));
            const [low, high] = [filled("min") as Fraction, filled("max") as Fraction];
            expect(actual.score_low).toBe((expected.isBelow(low) ? expected : low).toString());
            expect(actual.score_high).toBe((high.isBelow(expected) ? expected : high).toString());
          }
          if ([...byEntry.values()].every((known) => known !== null) && !(gate("low") && a === null)) {
            expect(actual.is_certain).toBe(true);
          }
        }
      } finally {
        database.close();
      }
    }),
    { numRuns: Number(process.env.ASSAY_RUNS ?? 25), seed: 20260302 },
  );
  // Every way to change a score was met.
  for (const [what, n] of Object.entries(seen)) expect([what, n > 0]).toEqual([what, true]);
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

/** Pearson's r of day and value over the readings that count, as the documents say it; null where it counts as missing. */
function referenceSlope(readings: readonly { day: number; value: number | null }[], minActive: number): number | null {
  const known = readings.flatMap(({ day, value: x }) => (x === null ? [] : [{ day, x }]));
  if (known.length < 2 || known.filter(({ x }) => x > 0).length < minActive) return null;
  const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length;
  const [days, values] = [mean(known.map(({ day }) => day)), mean(known.map(({ x }) => x))];
  if (known.every(({ x }) => x === known[0]?.x)) return 0;
  const total = (of: (one: { day: number; x: number }) => number): number =>
    known.reduce((all, one) => all + of(one), 0);
  const shared = total(({ day, x }) => (day - days) * (x - values));
  return shared / Math.sqrt(total(({ day }) => (day - days) ** 2) * total(({ x }) => (x - values) ** 2));
}

it("points by slope follow the account's own scored values of the window, both ends included", async () => {
  const first = Date.parse("2026-01-05T00:00:00Z") / 86_400_000;
  const reading = fc.record({ week: fc.integer({ min: 0, max: 30 }), value, is_scored: fc.boolean() });
  const histories = fc.array(fc.uniqueArray(reading, { selector: ({ week }) => week, minLength: 1, maxLength: 20 }), {
    minLength: 1,
    maxLength: 4,
  });
  await fc.assert(
    fc.asyncProperty(
      histories,
      fc.constantFrom(14, 35, 90),
      fc.integer({ min: 2, max: 4 }),
      async (given, days, min) => {
        const rows = given.flatMap((history, i) =>
          history.map(({ week, value: x, is_scored }) => ({
            account_id: `a${i}`,
            snapshot_date: new Date((first + 7 * week) * 86_400_000).toISOString().slice(0, 10),
            is_scored,
            is_validated: true,
            kpis: { x },
            day: 7 * week,
          })),
        );
        const slope = `{ slope: { days: ${days}, zero_at: -1, full_at: 1, min_active_weeks: ${min} } }`;
        const { database } = await scored(
          [applied(cardText(`groups: [{ id: g, kpis: [{ kpi: x, points: ${slope} }] }]`))],
          rows,
        );
        const found = await database.query<{ account_id: string; snapshot_date: string; score: number | null }>(
          "select account_id, snapshot_date, score from scores.account_score order by account_id, snapshot_date",
        );
        database.close();
        expect(found).toHaveLength(rows.length);
        for (const { account_id, snapshot_date, score } of found) {
          const at = rows.find((row) => row.account_id === account_id && row.snapshot_date === snapshot_date);
          const window = rows
            .filter((row) => row.account_id === account_id && row.is_scored)
            .filter(({ day }) => at !== undefined && day <= at.day && day >= at.day - days)
            .map(({ day, kpis }) => ({ day, value: kpis.x }));
          const expected = referenceSlope(window, min);
          if (expected === null) expect(score).toBeNull();
          // The slope is rounded to six digits before it becomes points.
          else expect(Math.abs((score ?? Number.NaN) - 50 * (1 + expected))).toBeLessThan(0.000_05);
        }
      },
    ),
    { numRuns: 25, seed: 20261122 },
  );
});
