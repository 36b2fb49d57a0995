import fc from "fast-check";
import { expect, it } from "vitest";
import type { AppliedScorecard } from "../../pipelines/config/scorecard.ts";
import { toMillionths } from "../../pipelines/scores/exact.ts";
import { type Explanation, explainAccount } from "../../pipelines/scores/explain.ts";
import type { Database } from "../../pipelines/warehouse/database.ts";
import { addExplained } from "../explained.ts";
import { applied, type GivenAccount, scored } from "../scored.ts";

const [then, now] = ["2026-03-02", "2026-06-01"];
const kpiIds = ["a", "b", "c", "d"] as const;
type Values = readonly (number | null)[];

const value = fc.oneof(
  { weight: 2, arbitrary: fc.constant(null) },
  { weight: 7, arbitrary: fc.integer({ min: -1, max: 11 }) },
);
const known = fc.integer({ min: 0, max: 10 });
const values: fc.Arbitrary<Values> = fc.tuple(value, value, value, value);
const whole = fc.integer({ min: 0, max: 100 });

const points = fc.oneof(
  fc.boolean().map((rises) => ({ linear: { zero_at: rises ? 0 : 9, full_at: rises ? 9 : 0, give: [0, 100] } })),
  fc.tuple(whole, whole, whole).map((give) => ({ tiers: { upto: [2, 6], give, edge: "upper" } })),
  fc.tuple(whole, whole, whole).map((give) => ({ ratings: { 1: give[0], 4: give[1], 7: give[2] } })),
  fc.constant({ midrank: { healthier: "higher", give: [0, 100] } }),
  fc.constant({ peak: { best: [3, 5], zero_at: [0, 10], give: [0, 100] } }),
);

interface Shape {
  readonly combine: string;
  readonly rules: readonly object[];
  readonly weights: readonly number[];
  readonly places: readonly number[];
  readonly nested: boolean;
  readonly missing: string;
  readonly floor: number;
  readonly gate: boolean;
  readonly shaped: boolean;
}
const shape: fc.Arbitrary<Shape> = fc.record({
  combine: fc.constantFrom("weighted_mean", "weighted_mean", "sum", "start_and_clamp"),
  rules: fc.array(points, { minLength: 4, maxLength: 4 }),
  weights: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 8, maxLength: 8 }),
  places: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 4, maxLength: 4 }),
  nested: fc.boolean(),
  missing: fc.constantFrom("reweight", "reweight", "zero", "neutral"),
  floor: fc.constantFrom(0, 0, 0.5),
  gate: fc.boolean(),
  shaped: fc.boolean(),
});

/** One version of a scorecard of the given shape. */
function cardOf(
  given: Shape,
  facts: { scorecard: string; version: number; order: number; more?: object },
): AppliedScorecard {
  const isMean = given.combine === "weighted_mean";
  const entries = kpiIds.map((kpi, i) => ({
    kpi,
    place: given.places[i],
    weight: isMean ? given.weights[i] : 1 + ((given.weights[i] as number) % 2),
    points: given.rules[i],
  }));
  const groups = [0, 1, 2].flatMap((place) => {
    const kpis = entries.filter((entry) => entry.place === place).map(({ place: _, ...entry }) => entry);
    if (kpis.length === 0) return [];
    const shaped = given.shaped && place === 0 ? { cap: { min: 10, max: 80 }, round: "integer" } : {};
    return [{ id: `g${place}`, weight: isMean ? given.weights[4 + place] : 1, ...shaped, kpis }];
  });
  const [first, ...rest] = groups;
  const nested =
    given.nested && rest.length > 0 ? [first, { id: "outer", weight: isMean ? 3 : 1, groups: rest }] : groups;
  const scale = given.combine === "sum" ? { from: 0, to: 1000 } : { from: 0, to: 100 };
  const text = JSON.stringify({
    scorecard: facts.scorecard,
    version: facts.version,
    created_on: "2026-01-01",
    purpose: "churn_risk",
    combine: given.combine,
    scale,
    ...(given.combine === "start_and_clamp" ? { start: 12.5 } : {}),
    groups: nested,
    missing: { rule: isMean ? given.missing : "zero", coverage_floor: given.floor },
    gates: given.gate ? [{ id: "low", kpi: "a", min: 3, score: 5 }] : [],
    bands: {
      edge: "upper",
      list: [
        { id: "red", to: 30 },
        { id: "yellow", to: 70 },
        { id: "green", to: scale.to },
      ],
    },
    ...facts.more,
  });
  return applied(text, facts.order);
}

const account = (id: string, date: string, given: Values, segment = "all"): GivenAccount => ({
  account_id: id,
  snapshot_date: date,
  segment,
  kpis: Object.fromEntries(kpiIds.map((kpi, i) => [kpi, given[i] ?? null])),
});

async function explained(
  cards: readonly AppliedScorecard[],
  accounts: readonly GivenAccount[],
  look: (database: Database, ids: readonly string[]) => Promise<void>,
): Promise<void> {
  const { database, result } = await scored(cards, accounts);
  try {
    expect(result.audits.filter((audit) => audit.failedRows > 0)).toEqual([]);
    await addExplained(database);
    await look(database, [...new Set(accounts.map(({ account_id }) => account_id))]);
  } finally {
    database.close();
  }
}
const ledgerOf = (database: Database, id: string): Promise<Explanation> =>
  explainAccount({ query: database.query, account: id, since: then });

/** The lines sum to the difference of the scores, in whole millionths; no difference without both scores. */
function expectSum(e: Explanation): void {
  const since = e.since;
  if (since === null) throw new Error("no ledger");
  if (e.score === null || since.score === null) {
    expect(since.difference).toBe(null);
    return;
  }
  const difference = toMillionths(e.score) - toMillionths(since.score);
  expect(toMillionths(since.difference ?? Number.NaN)).toBe(difference);
  expect(since.lines.reduce((all, { amount }) => all + toMillionths(amount), 0n)).toBe(difference);
}
/** The causes of lines that move the score. */
const causes = (e: Explanation): readonly string[] => [
  ...new Set((e.since?.lines ?? []).filter(({ amount }) => amount !== 0).map(({ cause }) => cause)),
];

/** Each run builds a database; machines under load take their time. */
const patience = 240_000;

it("sums to the difference to the last digit, whatever changed", { timeout: patience }, async () => {
  let told = 0;
  await fc.assert(
    fc.asyncProperty(
      shape,
      shape,
      shape,
      fc.array(fc.tuple(values, values, fc.boolean()), { minLength: 4, maxLength: 4 }),
      async (old, renewed, other, rows) => {
        const cards = [
          cardOf(old, { scorecard: "main", version: 1, order: 1, more: { applies_to: { segment: ["all"] } } }),
          cardOf(renewed, {
            scorecard: "main",
            version: 2,
            order: 1,
            more: { in_force_from: "2026-05-01", applies_to: { segment: ["all"] } },
          }),
          cardOf(other, { scorecard: "rest", version: 1, order: 2 }),
        ];
        const accounts = rows.flatMap(([before, after, moves], i) => [
          account(`a${i}`, then, before),
          account(`a${i}`, now, after, moves ? "moved" : "all"),
        ]);
        await explained(cards, accounts, async (database, ids) => {
          for (const id of ids) {
            const e = await ledgerOf(database, id);
            expectSum(e);
            if (e.since?.difference !== null) told += 1;
          }
        });
      },
    ),
    { numRuns: 8, endOnFailure: true },
  );
  expect(told).toBeGreaterThan(8);
});

it("names the cause: values, missing data, version, scorecard or gate, and nothing else", {
  timeout: patience,
}, async () => {
  const seen: Record<string, number> = {};
  await fc.assert(
    fc.asyncProperty(
      shape.map((given) => ({
        ...given,
        gate: false,
        floor: 0,
        rules: given.rules.map((rule) =>
          "midrank" in rule || "ratings" in rule ? { linear: { zero_at: 0, full_at: 9, give: [0, 100] } } : rule,
        ),
      })),
      shape.map((given) => ({ ...given, floor: 0 })),
      fc.tuple(known, known, known, known),
      fc.tuple(known, known, known, known),
      fc.integer({ min: 0, max: 3 }),
      async (old, other, before, after, lost) => {
        const without = before.map((v, i) => (i === lost ? null : v));
        const gated = { id: "low", kpi: "e", min: 1, score: 1 };
        const cards = (more: object) => [
          cardOf(old, {
            scorecard: "main",
            version: 1,
            order: 1,
            more: { applies_to: { segment: ["all", "gated"] }, ...more },
          }),
          cardOf(other, { scorecard: "rest", version: 1, order: 2 }),
        ];
        const gate = (e: number) => ({ e });
        const same = (id: string, from: Values, to: Values, segment = "all") => [
          account(id, then, from),
          account(id, now, to, segment),
        ];
        const rows = [
          ...same("values", before, after),
          ...same("lost", before, without),
          ...same("found", without, before),
          ...same("moved", before, before, "elsewhere"),
          ...same("nothing", before, before),
          ...same("gate", before, before),
        ].map((row) => ({
          ...row,
          kpis: { ...row.kpis, ...gate(row.account_id === "gate" && row.snapshot_date === now ? 0 : 1) },
        }));
        const check = async (database: Database, id: string, allowed: readonly string[]) => {
          const e = await ledgerOf(database, id);
          expectSum(e);
          expect(causes(e).filter((cause) => !allowed.includes(cause))).toEqual([]);
          for (const cause of causes(e)) seen[cause] = (seen[cause] ?? 0) + 1;
        };
        await explained(cards({ gates: [gated] }), rows, async (database) => {
          await check(database, "values", ["behaviour"]);
          await check(database, "lost", ["missing_data"]);
          await check(database, "found", ["missing_data"]);
          await check(database, "moved", ["assignment"]);
          await check(database, "nothing", []);
          await check(database, "gate", ["gate"]);
        });
        const versions = [
          cardOf(old, { scorecard: "main", version: 1, order: 1 }),
          cardOf(other, { scorecard: "main", version: 2, order: 1, more: { in_force_from: "2026-05-01" } }),
        ];
        await explained(versions, same("version", before, before), (database) =>
          check(database, "version", ["definition"]),
        );
      },
    ),
    { numRuns: 4, endOnFailure: true },
  );
  for (const cause of ["behaviour", "missing_data", "definition", "assignment", "gate"]) {
    expect(seen[cause], cause).toBeGreaterThan(0);
  }
});
