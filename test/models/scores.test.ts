import { join } from "node:path";
import { format } from "sql-formatter";
import { afterEach, describe, expect, it } from "vitest";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { reachProblem } from "../../pipelines/scores/card.ts";
import { resolveScorecards } from "../../pipelines/scores/library.ts";
import { scoreRows } from "../../pipelines/scores/preview.ts";
import type { Database } from "../../pipelines/warehouse/database.ts";
import { literal } from "../../pipelines/warehouse/literal.ts";
import { expectGolden } from "../golden.ts";
import { applied, cardText, type GivenAccount, scored } from "../scored.ts";

let database: Database | undefined;
afterEach(() => {
  database?.close();
  database = undefined;
});

type Options = Parameters<typeof scored>[2];
type Cards = Parameters<typeof scored>[0];

/** Runs the scorecards and reads account_score, decimals as text so that all six digits count. */
async function scores(cards: Cards, accounts: readonly GivenAccount[], columns: string, options?: Options) {
  const built = await scored(cards, accounts, options);
  database = built.database;
  expect(built.result.audits.filter((audit) => audit.failedRows > 0)).toEqual([]);
  return database.query(
    `select ${columns} from scores.account_score order by snapshot_date, account_id, scorecard, version`,
  );
}
/** One KPI `x`, one account a value. */
const byValue = (values: readonly (number | null)[]): readonly GivenAccount[] =>
  values.map((x, i) => ({ account_id: `a${String(i).padStart(2, "0")}`, kpis: { x } }));
const oneKpi = (points: string, more?: string): Cards => [
  applied(cardText(`groups: [{ id: all, kpis: [{ kpi: x, points: ${points} }] }]`, more)),
];
const text = "cast(score as varchar) as score";
const only = async (cards: Cards, values: readonly (number | null)[]) =>
  (await scores(cards, byValue(values), text)).map((row) => row.score);

const presets = async (names: { scorecards?: string[]; compare?: string[] }) => {
  const kpis = ["logins_28d", "nps", "feature_events_28d", "open_tickets", "csm_rating"];
  return resolveScorecards(
    { folder: join(projectRoot, "test"), kpis, scorecards: [], compare: [], ...names },
    kpis.map((id) => ({ id })),
  );
};

describe("points", () => {
  it("runs a straight line between 0 at or below and 100 at or above", async () => {
    expect(await only(oneKpi("{ linear: { zero_at: 7, full_at: 30 } }"), [6, 7, 18, 30, 31, null])).toEqual([
      "0.000000",
      "0.000000",
      "47.826087",
      "100.000000",
      "100.000000",
      null,
    ]);
  });
  it("runs the line downwards when less is healthier", async () => {
    expect(await only(oneKpi("{ linear: { zero_at: 12, full_at: 0 } }"), [-1, 0, 3, 12, 13])).toEqual([
      "100.000000",
      "100.000000",
      "75.000000",
      "0.000000",
      "0.000000",
    ]);
  });
  it("keeps lines exact over limits as large as money in cents", async () => {
    expect(await only(oneKpi("{ linear: { zero_at: 0, full_at: 30000000000 } }"), [10000000000, 1e15])).toEqual([
      "33.333333",
      // More digits than a value can have: it counts as missing, never as something else.
      null,
    ]);
  });
  it("gives the value on a cut to the tier that the edge names", async () => {
    const tiers = (edge: string) => `{ tiers: { upto: [2, 8], give: [0, 50, 100], edge: ${edge} } }`;
    const values = [1.999999, 2, 2.000001, 8, 8.5];
    expect(await only(oneKpi(tiers("upper")), values)).toEqual(
      ["0", "0", "50", "50", "100"].map((points) => `${points}.000000`),
    );
    database?.close();
    expect(await only(oneKpi(tiers("lower")), values)).toEqual(
      ["0", "50", "50", "100", "100"].map((points) => `${points}.000000`),
    );
  });
  it("scores listed ratings and treats an unlisted one as missing", async () => {
    expect(await only(oneKpi("{ ratings: { 1: 0, 2.5: 40, 3: 100 } }"), [1, 2, 2.5, 3])).toEqual([
      "0.000000",
      null,
      "40.000000",
      "100.000000",
    ]);
  });
  it("falls on both sides of a peak", async () => {
    const peak = "{ peak: { best: [1, 3], zero_at: [0, 12] } }";
    expect(await only(oneKpi(peak), [-1, 0, 0.5, 1, 3, 7.5, 12, 40])).toEqual(
      ["0", "0", "50", "100", "100", "50", "0", "0"].map((points) => `${points}.000000`),
    );
  });
  it("rises on both sides of a trough, and steps where a side has no slope", async () => {
    const trough = "{ peak: { best: [0, 2], zero_at: [0, 4], give: [100, 20] } }";
    expect(await only(oneKpi(trough), [-0.5, 0, 2, 3, 4])).toEqual(
      ["100", "20", "20", "60", "100"].map((points) => `${points}.000000`),
    );
  });
  it("rises on both sides of a U", async () => {
    expect(
      await only(oneKpi("{ u: { worst: [4, 8], full_at: [0, 20] } }"), [-1, 0, 3, 4, 8, 11, 20, 99, null]),
    ).toEqual([
      ...[
        "100.000000",
        "100.000000",
        "25.000000",
        "0.000000",
        "0.000000",
        "25.000000",
        "100.000000",
        "100.000000",
        null,
      ],
    ]);
  });
  it("gives points for each, up to the most and none below 0", async () => {
    expect(await only(oneKpi("{ additive: { each: 2.5, most: 30 } }"), [-4, 0, 1, 3.3, 12, 13, 1e11, null])).toEqual([
      ...["0.000000", "0.000000", "2.500000", "8.250000", "30.000000", "30.000000", "30.000000", null],
    ]);
  });
  it("places a value by the share of accounts below, ties counted half", async () => {
    // Of 4 values, 5 has 0 below and 1 tie: (0 + 1/2) / 4; the two 7s have 1 below: (1 + 1) / 4; 9: 3.5 / 4.
    expect(await only(oneKpi("{ midrank: { healthier: higher } }"), [5, 7, 7, 9, null])).toEqual([
      "12.500000",
      "50.000000",
      "50.000000",
      "87.500000",
      null,
    ]);
    database?.close();
    expect(await only(oneKpi("{ midrank: { healthier: lower } }"), [5, 7, 7, 9, 9, 9])).toEqual([
      "91.666667",
      "66.666667",
      "66.666667",
      "25.000000",
      "25.000000",
      "25.000000",
    ]);
  });
  it("puts an account that stands alone in the middle", async () => {
    expect(await only(oneKpi("{ midrank: { healthier: higher } }"), [3])).toEqual(["50.000000"]);
  });
  it("ranks within the date, and among all its accounts even when few are restated", async () => {
    const at = (account_id: string, snapshot_date: string, x: number, is_scored = true): GivenAccount => ({
      account_id,
      snapshot_date,
      is_scored,
      kpis: { x },
    });
    const rows = await scores(
      oneKpi("{ midrank: { healthier: higher } }"),
      [at("a", "2026-03-01", 1, false), at("b", "2026-03-01", 2), at("a", "2026-03-02", 9), at("b", "2026-03-02", 2)],
      `account_id, snapshot_date, ${text}`,
    );
    expect(rows).toEqual([
      { account_id: "b", snapshot_date: "2026-03-01", score: "75.000000" },
      { account_id: "a", snapshot_date: "2026-03-02", score: "75.000000" },
      { account_id: "b", snapshot_date: "2026-03-02", score: "25.000000" },
    ]);
  });
  it("ranks within the segment when asked to", async () => {
    const of = (account_id: string, segment: string, x: number): GivenAccount => ({ account_id, segment, kpis: { x } });
    const rows = await scores(
      oneKpi("{ midrank: { healthier: higher, within: segment } }"),
      [of("a", "small", 1), of("b", "small", 2), of("c", "large", 100)],
      text,
    );
    expect(rows.map((row) => row.score)).toEqual(["25.000000", "75.000000", "50.000000"]);
  });
});

describe("exact arithmetic", () => {
  it("rounds once, halves away from zero, over all that a decimal of six digits holds", async () => {
    await scores([], [], "*");
    const text = (sql: string) => database?.scalar(`select cast(${sql} as varchar)`);
    expect(await text("[divide_half_up(n, 4) for n in [5, 6, 7, -5, -6, -7, 0]]")).toBe("[1, 2, 2, -1, -2, -2, 0]");
    expect(await text("divide_half_up(cast(5 as hugeint) * 100000000000000000000, 3)")).toBe("166666666666666666667");
    for (const value of ["-0.000001", "-1.500000", "0.000000", "999999999999.999999", "-999999999999.999999"]) {
      const millionths = value.replace(".", "").replace(/^(-?)0+(?=\d)/, "$1");
      expect(await text(`millionths(cast(${value} as decimal(18,6)))`)).toBe(millionths);
      expect(await text(`from_millionths(${millionths})`)).toBe(value);
    }
    expect(await text("[held_between(x, 1, 3) for x in [0, 2, 9, null]]")).toBe("[1, 2, 3, NULL]");
  });

  it("keeps literals from being 32-bit where their sums and doubles are not", async () => {
    const line = (give: string) => `{ linear: { zero_at: 0, full_at: 100, give: ${give} } }`;
    // 1920 x 1,000,000 is below 2^31, twice as much is not.
    const rounded = applied(
      cardText(
        `groups: [{ id: g, round: integer, kpis: [{ kpi: a, weight: 1919, points: ${line("[0, 100]")} }, { kpi: b, weight: 1, points: ${line("[0, 100]")} }] }]`,
      ),
    );
    expect(
      await scores([rounded], [{ account_id: "1", kpis: { a: 33, b: 33 } }], "score, score_low, score_high"),
    ).toEqual([{ score: 33, score_low: 33, score_high: 33 }]);
    database?.close();
    // Reaches of 1,999.999999 and 1,999.999998 points have nothing in common.
    const sum = applied(
      cardText(
        `scale: { from: -5000, to: 5000 }\ncombine: sum\ngroups: [{ id: g, kpis: [{ kpi: a, points: ${line("[0, 1999.999999]")} }, { kpi: b, points: ${line("[-1999.999998, 0]")} }] }]`,
        "missing: { rule: zero, coverage_floor: 0.5 }\nbands: { edge: upper, list: [{ id: red, to: 0 }, { id: green, to: 5000 }] }",
      ),
    );
    expect(
      await scores(
        [sum],
        [
          { account_id: "1", kpis: { a: 100, b: 0 } },
          { account_id: "2", kpis: { a: 100, b: null } },
        ],
        "cast(score as varchar) as score, coverage",
      ),
    ).toEqual([
      { score: "0.000001", coverage: 1 },
      { score: "1999.999999", coverage: 0.5 },
    ]);
  });

  it("uses wider integers where weights are fine, and gives the same score", async () => {
    const primes = [9973, 9967, 9949, 9941, 9931, 9929, 9923, 9907];
    const group = (weight: number, i: number) =>
      `{ id: g${i}, weight: ${weight}, kpis: [{ kpi: a${i}, weight: ${weight}, points: { linear: { zero_at: 0, full_at: 100 } } }, ` +
      `{ kpi: b${i}, weight: 7919, points: { linear: { zero_at: 0, full_at: 100 } } }] }`;
    const cards = [applied(cardText(`groups: [${primes.slice(0, 4).map(group).join(", ")}]`))];
    const kpis = Object.fromEntries(
      primes
        .map((_, i) => [i, 33])
        .flatMap(([i]) => [
          [`a${i}`, 33],
          [`b${i}`, null],
        ]),
    );
    const rows = await scores(cards, [{ account_id: "1", kpis }], "cast(score as varchar) as score");
    expect(rows).toEqual([{ score: "33.000000" }]);
    const tooFine = applied(cardText(`groups: [${primes.map(group).join(", ")}]`));
    expect(reachProblem(tooFine.card)).toEqual({
      path: ["groups"],
      sentence: "found weights too fine for exact arithmetic, expected smaller whole numbers",
    });
  });
});

describe("groups and missing KPIs", () => {
  const groups = `groups:
  - id: usage
    weight: 60
    kpis:
      - { kpi: a, weight: 2, points: { linear: { zero_at: 0, full_at: 100 } } }
      - { kpi: b, weight: 1, points: { linear: { zero_at: 0, full_at: 100 } } }
  - id: support
    weight: 40
    kpis: [{ kpi: c, points: { linear: { zero_at: 0, full_at: 100 } } }]`;
  const columns =
    "cast(score as varchar) as score, cast(score_low as varchar) as low, cast(score_high as varchar) as high, coverage, band";
  const account = (account_id: string, a: number | null, b: number | null, c: number | null): GivenAccount => ({
    account_id,
    kpis: { a, b, c },
  });

  it("spreads a missing weight within its group first, then over the groups", async () => {
    const rows = await scores(
      [applied(cardText(groups))],
      [
        account("1 all", 90, 30, 50),
        account("2 b missing", 90, null, 50),
        account("3 group missing", null, null, 50),
        account("4 only b", null, 30, null),
        account("5 nothing", null, null, null),
      ],
      columns,
    );
    expect(rows).toEqual([
      // (2 x 90 + 30) / 3 = 70; 0.6 x 70 + 0.4 x 50 = 62.
      { score: "62.000000", low: "62.000000", high: "62.000000", coverage: 1, band: "yellow" },
      // Usage is 90 alone: 0.6 x 90 + 20 = 74. With b at 0: 0.6 x 60 + 20 = 56; at 100: 0.6 x 280/3 + 20 = 76.
      { score: "74.000000", low: "56.000000", high: "76.000000", coverage: 0.8, band: "green" },
      { score: "50.000000", low: "20.000000", high: "80.000000", coverage: 0.4, band: "yellow" },
      { score: "30.000000", low: "6.000000", high: "86.000000", coverage: 0.2, band: "red" },
      { score: null, low: "0.000000", high: "100.000000", coverage: 0, band: "unknown" },
    ]);
  });

  it("has no score and no parts below the coverage floor, and one exactly at it", async () => {
    const card = applied(cardText(groups, "missing: { rule: reweight, coverage_floor: 0.4 }"));
    const rows = await scores([card], [account("1", null, null, 50), account("2", null, 30, null)], columns);
    expect(rows).toEqual([
      { score: "50.000000", low: "20.000000", high: "80.000000", coverage: 0.4, band: "yellow" },
      { score: null, low: "6.000000", high: "86.000000", coverage: 0.2, band: "unknown" },
    ]);
    const parts = await database?.query("select account_id, count(*) as n from scores.score_part group by account_id");
    expect(parts).toEqual([{ account_id: "1", n: 3 }]);
  });

  it("takes zero or neutral points where the file says so, and still counts them as unknown", async () => {
    const rules = groups
      .replace("kpi: b, weight: 1,", "kpi: b, weight: 1, missing: zero,")
      .replace("kpi: c,", "kpi: c, missing: neutral, neutral: 40,");
    const rows = await scores([applied(cardText(rules))], [account("1", 90, null, null)], columns);
    // Usage (2 x 90 + 0) / 3 = 60; 0.6 x 60 + 0.4 x 40 = 52; worst 36, best 0.6 x 280/3 + 40 = 96.
    expect(rows).toEqual([{ score: "52.000000", low: "36.000000", high: "96.000000", coverage: 0.4, band: "yellow" }]);
    const parts = await database?.query("select kpi, value, points, weight, contribution from scores.score_part");
    expect(parts).toEqual([
      { kpi: "a", value: 90, points: 90, weight: 40, contribution: 36 },
      { kpi: "b", value: null, points: 0, weight: 20, contribution: 0 },
      { kpi: "c", value: null, points: 40, weight: 40, contribution: 16 },
    ]);
  });

  it("nests groups once", async () => {
    const nested = `groups:
  - id: engagement
    weight: 1
    groups:
      - { id: people, weight: 3, kpis: [{ kpi: a, points: { linear: { zero_at: 0, full_at: 100 } } }] }
      - { id: money, weight: 1, kpis: [{ kpi: b, points: { linear: { zero_at: 0, full_at: 100 } } }] }
  - { id: product, weight: 1, kpis: [{ kpi: c, points: { linear: { zero_at: 0, full_at: 100 } } }] }`;
    const rows = await scores(
      [applied(cardText(nested))],
      [account("1", 80, 40, 10), account("2", null, 40, 10), account("3", null, null, 10)],
      "cast(score as varchar) as score, coverage",
    );
    expect(rows).toEqual([
      // (3 x 80 + 40) / 4 = 70; (70 + 10) / 2 = 40.
      { score: "40.000000", coverage: 1 },
      { score: "25.000000", coverage: 0.625 },
      { score: "10.000000", coverage: 0.5 },
    ]);
    expect(await database?.query("select group_id, parent_group_id, share from scores.scorecard_weight")).toEqual([
      { group_id: "people", parent_group_id: "engagement", share: 37.5 },
      { group_id: "money", parent_group_id: "engagement", share: 12.5 },
      { group_id: "product", parent_group_id: null, share: 50 },
    ]);
  });

  it("keeps a residue that thirds leave as a part of its own", async () => {
    const thirds =
      "groups: [{ id: all, kpis: [{ kpi: a, points: { linear: { zero_at: 0, full_at: 100 } } }, " +
      "{ kpi: b, points: { linear: { zero_at: 0, full_at: 100 } } }, { kpi: c, points: { linear: { zero_at: 0, full_at: 100 } } }] }]";
    await scores([applied(cardText(thirds))], [account("1", 20, 20, 10)], text);
    // 6.666667 + 6.666667 + 3.333333 = 16.666667, which is the score: no residue; 20, 20, 20 leaves one.
    expect(await database?.query("select kind, contribution from scores.score_part")).toEqual([
      { kind: "kpi", contribution: 6.666667 },
      { kind: "kpi", contribution: 6.666667 },
      { kind: "kpi", contribution: 3.333333 },
    ]);
    database?.close();
    await scores([applied(cardText(thirds))], [account("1", 20, 20, 20)], text);
    expect(await database?.query("select kind, contribution from scores.score_part")).toEqual([
      { kind: "kpi", contribution: 6.666667 },
      { kind: "kpi", contribution: 6.666667 },
      { kind: "kpi", contribution: 6.666667 },
      { kind: "rounding", contribution: -0.000001 },
    ]);
  });

  it("treats a KPI that the book cannot compute as missing for everybody", async () => {
    const rows = await scores([applied(cardText(groups))], [account("1", 90, 30, 50)], columns, { off: ["c"] });
    expect(rows).toEqual([{ score: "70.000000", low: "42.000000", high: "82.000000", coverage: 0.6, band: "yellow" }]);
  });
});

describe("adding points up", () => {
  const nine = `scale: { from: 0, to: 9 }
combine: sum
groups: [{ id: questions, kpis: [${["a", "b", "c"].map((kpi) => `{ kpi: ${kpi}, points: { ratings: { 0: 0, 1: 1, 2: 2, 3: 3 } } }`).join(", ")}] }]`;
  const nineBands =
    "bands: { edge: lower, list: [{ id: red, to: 3 }, { id: yellow, to: 6.000001 }, { id: green, to: 9 }] }";

  it("sums ratings in all 64 combinations of nine_point: above 6, 3 to 6, below 3", async () => {
    const card = applied(cardText(nine, `missing: { rule: zero, coverage_floor: 1 }\n${nineBands}`));
    const accounts = Array.from({ length: 64 }, (_, i): GivenAccount => {
      const [a, b, c] = [i % 4, Math.floor(i / 4) % 4, Math.floor(i / 16)] as [number, number, number];
      return { account_id: String(i).padStart(2, "0"), kpis: { a, b, c } };
    });
    const rows = await scores([card], accounts, "score, band");
    expect(rows).toEqual(
      accounts.map(({ kpis }) => {
        const sum = (kpis.a as number) + (kpis.b as number) + (kpis.c as number);
        return { score: sum, band: sum > 6 ? "green" : sum >= 3 ? "yellow" : "red" };
      }),
    );
  });

  it("starts, adds, and shows what the end of the scale takes away", async () => {
    const card = applied(
      cardText(
        `scale: { from: 0, to: 10 }
combine: start_and_clamp
start: 5
groups:
  - id: all
    kpis:
      - { kpi: a, points: { tiers: { upto: [0], give: [-3, 4], edge: upper } } }
      - { kpi: b, weight: 2, points: { tiers: { upto: [0], give: [-2, 1.5], edge: upper } } }`,
        "missing: { rule: zero, coverage_floor: 0 }\nbands: { edge: upper, list: [{ id: red, to: 3 }, { id: green, to: 10 }] }",
      ),
    );
    const of = (account_id: string, a: number | null, b: number | null) => ({ account_id, kpis: { a, b } });
    const rows = await scores(
      [card],
      [of("1", 1, 1), of("2", 0, 0), of("3", 1, null), of("4", null, null)],
      "score, score_low, score_high, coverage",
    );
    expect(rows).toEqual([
      // 5 + 4 + 3 = 12, held at 10.
      { score: 10, score_low: 10, score_high: 10, coverage: 1 },
      // 5 - 3 - 4 = -2, held at 0.
      { score: 0, score_low: 0, score_high: 0, coverage: 1 },
      // Each KPI can move the score by 7.
      { score: 9, score_low: 5, score_high: 10, coverage: 0.5 },
      { score: 5, score_low: 0, score_high: 10, coverage: 0 },
    ]);
    const parts = await database?.query(
      "select part_no, kind, kpi, points, contribution from scores.score_part where account_id in ('1', '2') order by account_id, part_no",
    );
    expect(parts).toEqual([
      { part_no: 0, kind: "start", kpi: null, points: null, contribution: 5 },
      { part_no: 1, kind: "kpi", kpi: "a", points: 4, contribution: 4 },
      { part_no: 2, kind: "kpi", kpi: "b", points: 1.5, contribution: 3 },
      { part_no: 4, kind: "clamp", kpi: null, points: null, contribution: -2 },
      { part_no: 0, kind: "start", kpi: null, points: null, contribution: 5 },
      { part_no: 1, kind: "kpi", kpi: "a", points: -3, contribution: -3 },
      { part_no: 2, kind: "kpi", kpi: "b", points: -2, contribution: -4 },
      { part_no: 4, kind: "clamp", kpi: null, points: null, contribution: 2 },
    ]);
  });
});

describe("groups that are held and rounded", () => {
  const line = "{ linear: { zero_at: 0, full_at: 100 } }";
  it("are numbers of their own, and what that changes is a part", async () => {
    const card = applied(
      cardText(`groups:
  - { id: use, weight: 3, round: integer, cap: { max: 60 }, kpis: [{ kpi: a, weight: 1, points: ${line} }, { kpi: b, weight: 2, points: ${line} }] }
  - { id: rest, weight: 1, kpis: [{ kpi: c, points: ${line} }] }`),
    );
    const of = (account_id: string, a: number | null, b: number | null, c: number | null) => ({
      account_id,
      kpis: { a, b, c },
    });
    const rows = await scores(
      [card],
      [of("1", 10, 20, 30), of("2", 100, 80, 10), of("3", null, 21.7, 10), of("4", null, null, 10)],
      "score, score_low, score_high, coverage",
    );
    expect(rows).toEqual([
      // (10 + 40) / 3 = 16.67 is 17; (3 x 17 + 30) / 4.
      { score: 20.25, score_low: 20.25, score_high: 20.25, coverage: 1 },
      // 86.67 is 87, held at 60.
      { score: 47.5, score_low: 47.5, score_high: 47.5, coverage: 1 },
      // 22 from b alone; with a at 0 it is 14.47, with a at 100 47.8.
      { score: 19, score_low: 13, score_high: 38.5, coverage: 0.75 },
      { score: 10, score_low: 2.5, score_high: 47.5, coverage: 0.25 },
    ]);
    expect(
      await database?.query(
        "select account_id, kind, group_id, weight, contribution from scores.score_part where account_id < '3' order by account_id, part_no",
      ),
    ).toEqual([
      { account_id: "1", kind: "kpi", group_id: "use", weight: 25, contribution: 2.5 },
      { account_id: "1", kind: "kpi", group_id: "use", weight: 50, contribution: 10 },
      { account_id: "1", kind: "kpi", group_id: "rest", weight: 25, contribution: 7.5 },
      { account_id: "1", kind: "rounding", group_id: "use", weight: null, contribution: 0.25 },
      { account_id: "2", kind: "kpi", group_id: "use", weight: 25, contribution: 25 },
      { account_id: "2", kind: "kpi", group_id: "use", weight: 50, contribution: 40 },
      { account_id: "2", kind: "kpi", group_id: "rest", weight: 25, contribution: 2.5 },
      { account_id: "2", kind: "clamp", group_id: "use", weight: null, contribution: -20 },
    ]);
  });

  it("round from the exact value, never twice", async () => {
    // 49.4999999 of a hundred is 49.5 in six digits and 49 in whole points.
    const card = applied(
      cardText(
        `groups: [{ id: g, kpis: [{ kpi: a, weight: 9999, points: ${line} }, { kpi: b, weight: 1, points: ${line} }] }]`,
        "round: integer",
      ),
    );
    const rows = await scores(
      [card],
      [
        { account_id: "1", kpis: { a: 49.5, b: 49.499 } },
        { account_id: "2", kpis: { a: 49.5, b: 49.5 } },
      ],
      "score",
    );
    expect(rows).toEqual([{ score: 49 }, { score: 50 }]);
  });

  it("never divide by the weight of nothing, which is an error in some engines", async () => {
    const { database } = await scored(
      [
        applied(
          cardText(
            `groups: [{ id: a, cap: { max: 50 }, kpis: [{ kpi: x, points: ${line} }] }, { id: b, round: integer, groups: [{ id: c, kpis: [{ kpi: y, points: ${line} }] }] }]`,
          ),
        ),
      ],
      [
        { account_id: "neither", kpis: { x: null, y: null } },
        { account_id: "one", kpis: { x: 80, y: null } },
        { account_id: "other", kpis: { x: null, y: 20 } },
      ],
    );
    const quotient = "case when d = 0 then error('divided by 0') else";
    await database.run(
      `create or replace macro divide_half_up(n, d) as ${quotient} (2 * (n) + sign(n) * (d)) // (2 * (d)) end`,
    );
    await database.run(`create or replace macro half_up(n, d) as ${quotient} (2 * (n) + (d)) // (2 * (d)) end`);
    const rows = await database.query("select account_id, score from scores.card_card_v1 order by account_id");
    const parts = await database.query("select account_id, contribution from scores.score_part where kind = 'kpi'");
    database.close();
    expect(rows.map(({ account_id, score }) => [account_id, score])).toEqual([
      ["neither", null],
      ["one", 50],
      ["other", 20],
    ]);
    expect(parts).toHaveLength(4);
  });

  it("may hold a KPI that stands in another group too", async () => {
    const card = applied(
      cardText(
        `groups: [{ id: one, weight: 1, kpis: [{ kpi: a, points: ${line} }] }, { id: two, weight: 1, kpis: [{ kpi: a, points: { linear: { zero_at: 100, full_at: 0 } } }, { kpi: b, points: ${line} }] }]`,
      ),
    );
    const rows = await scores([card], [{ account_id: "1", kpis: { a: 80, b: 60 } }], "score");
    expect(rows).toEqual([{ score: 60 }]);
    expect(await database?.query("select part_no, group_id, kpi, points from scores.score_part")).toEqual([
      { part_no: 1, group_id: "one", kpi: "a", points: 80 },
      { part_no: 2, group_id: "two", kpi: "a", points: 20 },
      { part_no: 3, group_id: "two", kpi: "b", points: 60 },
    ]);
  });
});

describe("gates, bands and overrides", () => {
  const linear = "{ linear: { zero_at: 0, full_at: 100 } }";
  const gated = (gates: string): Cards => [
    applied(cardText(`groups: [{ id: all, kpis: [{ kpi: x, points: ${linear} }] }]`, `gates: ${gates}`)),
  ];
  const of = (account_id: string, x: number | null, sent: number | null): GivenAccount => ({
    account_id,
    kpis: { x, sent },
  });

  it("fails a gate after all points and keeps what the score would have been", async () => {
    const rows = await scores(
      gated("[{ id: invoice_sent, kpi: sent, min: 1, score: 0 }]"),
      [of("1", 74, 0), of("2", 74, 1), of("3", 74, null), of("4", null, 0)],
      "score, score_low, score_high, score_before, band_before, band, gated_by",
    );
    expect(rows).toEqual([
      {
        score: 0,
        score_low: 0,
        score_high: 0,
        score_before: 74,
        band_before: "green",
        band: "red",
        gated_by: "invoice_sent",
      },
      {
        score: 74,
        score_low: 74,
        score_high: 74,
        score_before: 74,
        band_before: "green",
        band: "green",
        gated_by: null,
      },
      // Not known is not failed, but it may have been.
      {
        score: 74,
        score_low: 0,
        score_high: 74,
        score_before: 74,
        band_before: "green",
        band: "green",
        gated_by: null,
      },
      // Without a score no gate applies.
      {
        score: null,
        score_low: 0,
        score_high: 100,
        score_before: null,
        band_before: "unknown",
        band: "unknown",
        gated_by: null,
      },
    ]);
    expect(
      await database?.query(
        "select account_id, kind, kpi, value, contribution from scores.score_part where kind = 'gate'",
      ),
    ).toEqual([{ account_id: "1", kind: "gate", kpi: "sent", value: 0, contribution: -74 }]);
  });

  it("applies the harshest of several failed gates and never raises a score", async () => {
    const rows = await scores(
      gated(
        "[{ id: cap, kpi: sent, max: 5, score: 60 }, { id: harder, kpi: sent, max: 8, score: 20 }, { id: same, kpi: sent, max: 9, score: 20 }]",
      ),
      [of("1", 90, 6), of("2", 90, 9), of("3", 10, 9)],
      "score, gated_by",
    );
    expect(rows).toEqual([
      { score: 60, gated_by: "cap" },
      { score: 20, gated_by: "harder" },
      { score: 10, gated_by: "harder" },
    ]);
    expect(
      await database?.query("select contribution from scores.score_part where kind = 'gate' order by account_id"),
    ).toEqual([{ contribution: -30 }, { contribution: -70 }, { contribution: 0 }]);
  });

  it("holds the band and leaves the score where a gate names a band", async () => {
    const rows = await scores(
      gated(
        "[{ id: poor, kpi: sent, min: 1, band: red }, { id: weak, kpi: sent, min: 3, band: yellow }, { id: cap, kpi: sent, max: 8, score: 60 }]",
      ),
      [of("1", 90, 0), of("2", 90, 2), of("3", 20, 2), of("4", 90, 9), of("5", 90, null), of("6", null, 0)],
      "score, score_low, band_before, band, gated_by",
    );
    expect(rows).toEqual([
      { score: 90, score_low: 90, band_before: "green", band: "red", gated_by: "poor" },
      { score: 90, score_low: 90, band_before: "green", band: "yellow", gated_by: "weak" },
      // Worse already: the gate decided nothing.
      { score: 20, score_low: 20, band_before: "red", band: "red", gated_by: null },
      { score: 60, score_low: 60, band_before: "green", band: "yellow", gated_by: "cap" },
      { score: 90, score_low: 60, band_before: "green", band: "green", gated_by: null },
      { score: null, score_low: 0, band_before: "unknown", band: "unknown", gated_by: null },
    ]);
  });

  it("applies groups, floor, gate, band and override in this order, whatever the order of the file", async () => {
    const card = applied(`
bands: { edge: upper, list: [{ id: red, to: 30 }, { id: yellow, to: 70 }, { id: green, to: 100 }] }
gates: [{ id: gone, kpi: sent, min: 1, score: 65.5 }]
missing: { rule: reweight, coverage_floor: 0.5 }
round: integer
groups:
  - { id: g, weight: 1, cap: { max: 80 }, kpis: [{ kpi: x, points: ${linear} }, { kpi: y, points: ${linear} }] }
purpose: churn_risk
created_on: 2026-01-01
version: 1
scorecard: card
`);
    const at = (account_id: string, x: number | null, y: number | null, sent: number): GivenAccount => ({
      account_id,
      kpis: { x, y, sent },
    });
    const rows = await scores(
      [card],
      // y's weight goes to x before the cap; the cap before the gate; rounding before the gate, so that 65.5 stays; the band
      // after the gate; the override last, and without a score too.
      [
        at("1", 99, null, 0),
        at("2", 99, null, 1),
        at("3", 70.4, 70.4, 1),
        at("4", 70.6, null, 0),
        at("5", null, null, 0),
      ],
      "account_id, score_before, score, band_before, band, gated_by, overridden_by",
      {
        overrides: [
          { account_id: "4", band: "red", from_on: "2026-01-01", author: "kim" },
          { account_id: "5", band: "green", from_on: "2026-01-01", author: "lee" },
        ],
      },
    );
    expect(rows.map((row) => Object.values(row).join(" "))).toEqual([
      "1 80 65.5 green yellow gone ",
      "2 80 80 green green  ",
      "3 70 70 yellow yellow  ",
      "4 71 65.5 green red gone kim",
      "5   unknown green  lee",
    ]);
  });

  it("compares all six digits with the edge that the file names", async () => {
    const bands = (edge: string) =>
      `bands: { edge: ${edge}, list: [{ id: red, to: 30 }, { id: yellow, to: 70 }, { id: green, to: 100 }] }`;
    const values = [0, 29.999999, 30, 30.000001, 30.5, 31, 69.999999, 70, 70.000001, 70.5, 71, 100];
    const colours = async (edge: string) =>
      (await scores(oneKpi(linear, bands(edge)), byValue(values), "band")).map((row) => row.band);
    expect(await colours("upper")).toEqual([
      ...["red", "red", "red", "yellow", "yellow", "yellow"],
      ...["yellow", "yellow", "green", "green", "green", "green"],
    ]);
    database?.close();
    expect(await colours("lower")).toEqual([
      ...["red", "red", "yellow", "yellow", "yellow", "yellow"],
      ...["yellow", "green", "green", "green", "green", "green"],
    ]);
  });

  it("lets an override replace the band while it lasts, never the score", async () => {
    const at = (snapshot_date: string, x: number | null): GivenAccount => ({
      account_id: "a",
      snapshot_date,
      kpis: { x },
    });
    const rows = await scores(
      [
        ...oneKpi(linear),
        applied(
          cardText(`groups: [{ id: all, kpis: [{ kpi: x, points: ${linear} }] }]`).replace(
            "scorecard: card",
            "scorecard: other",
          ),
          null,
        ),
      ],
      [at("2026-03-02", 80), at("2026-03-09", 80), at("2026-03-16", null), at("2026-03-23", 80)],
      "scorecard, snapshot_date, score, band_before, band, overridden_by",
      {
        overrides: [
          { account_id: "a", band: "red", from_on: "2026-03-09", expires_on: "2026-03-23", author: "kim" },
          { account_id: "a", band: "yellow", from_on: "2026-03-16", expires_on: "2026-03-23", author: "lee" },
          { account_id: "a", band: "purple", from_on: "2026-03-16", author: "nobody" },
        ],
      },
    );
    const card = (row: object) => ({ scorecard: "card", ...row });
    expect(rows.filter((row) => row.scorecard === "card")).toEqual([
      card({ snapshot_date: "2026-03-02", score: 80, band_before: "green", band: "green", overridden_by: null }),
      card({ snapshot_date: "2026-03-09", score: 80, band_before: "green", band: "red", overridden_by: "kim" }),
      card({ snapshot_date: "2026-03-16", score: null, band_before: "unknown", band: "yellow", overridden_by: "lee" }),
      card({ snapshot_date: "2026-03-23", score: 80, band_before: "green", band: "green", overridden_by: null }),
    ]);
    // A scorecard that nobody sees is not overridden: its history stays comparable.
    expect(rows.filter((row) => row.scorecard === "other").map((row) => row.band)).toEqual([
      ...["green", "green", "unknown", "green"],
    ]);
  });

  it("shows letters as a view of the score, the start of a letter included", async () => {
    await scores(
      oneKpi(linear, "grades: { letters: { A: 90, B: 80, F: 0 } }"),
      byValue([90, 89.999999, 80, 0, null]),
      text,
    );
    expect(await database?.query("select grade from scores.account_grade order by account_id")).toEqual(
      ["A", "B", "B", "F", null].map((grade) => ({ grade })),
    );
  });
});

describe("versions and assignment", () => {
  const version = (id: string, number: number, order: number | null, more: string) =>
    applied(
      cardText("groups: [{ id: all, kpis: [{ kpi: x, points: { linear: { zero_at: 0, full_at: 100 } } }] }]", more)
        .replace("scorecard: card", `scorecard: ${id}`)
        .replace("version: 1", `version: ${number}`),
      order,
    );
  const at = (account_id: string, snapshot_date: string, segment: string): GivenAccount => ({
    account_id,
    snapshot_date,
    segment,
    kpis: { x: 50 },
  });

  it("computes every version over all dates and marks the one in force then", async () => {
    const cards = [
      version("big", 1, 1, "in_force_from: 2026-02-01\napplies_to: { segment: [large] }"),
      version("big", 2, 1, "in_force_from: 2026-03-01\napplies_to: { segment: [large, mid] }"),
      version("rest", 1, 2, ""),
      version("beside", 1, null, ""),
    ];
    const rows = await scores(
      cards,
      [
        at("l", "2026-01-05", "large"),
        at("l", "2026-02-01", "large"),
        at("l", "2026-03-01", "large"),
        at("m", "2026-02-02", "mid"),
        at("m", "2026-03-02", "mid"),
        at("s", "2026-03-02", "small"),
      ],
      "account_id, snapshot_date, scorecard, version, is_in_force",
    );
    expect(rows).toHaveLength(24);
    expect(
      rows
        .filter((row) => row.is_in_force)
        .map((row) => `${row.account_id} ${row.snapshot_date} ${row.scorecard}@${row.version}`),
    ).toEqual([
      "l 2026-01-05 rest@1",
      "l 2026-02-01 big@1",
      "m 2026-02-02 rest@1",
      "l 2026-03-01 big@2",
      "m 2026-03-02 big@2",
      "s 2026-03-02 rest@1",
    ]);
  });

  it("assigns by every trait, as known at the snapshot, the first that applies", async () => {
    const cards = [
      version("rich", 1, 1, "applies_to: { value: { of: potential, at_least: 100000 } }"),
      version("paying", 1, 2, "applies_to: { value: { at_least: 50000, below: 90000 } }"),
      version("many", 1, 3, "applies_to: { users: { at_least: 20 }, product: [ledger, payroll] }"),
      version("nordic", 1, 4, "applies_to: { geography: [NO, SE] }"),
      version("young", 1, 5, "applies_to: { maturity: { below: 90 } }"),
      version("reports", 1, 6, "applies_to: { desired_outcome: [reports], lifecycle: [adopted] }"),
    ];
    const of = (account_id: string, more: Partial<GivenAccount>, snapshot_date = "2026-03-02"): GivenAccount => ({
      account_id,
      snapshot_date,
      tenure_days: 400,
      kpis: { x: 50 },
      ...more,
    });
    const built = await scored(
      cards,
      [
        of("edge", { mrr_minor: 50_000 }),
        of("below", { mrr_minor: 90_000 }),
        of("grows", {}),
        of("grows", {}, "2026-03-09"),
        of("many", { seats: 20 }),
        of("few", { seats: 19 }),
        of("unknown", { seats: null, tenure_days: null }),
        of("nordic", { tenure_days: 10 }),
        of("young", { tenure_days: 89 }),
        of("old", { tenure_days: 90 }),
        of("reports", { lifecycle: "adopted" }),
        of("reports", { lifecycle: null }, "2026-03-09"),
      ],
      {
        traits: [
          { account_id: "grows", potential_minor: 100, superseded_on: "2026-03-09" },
          { account_id: "grows", potential_minor: 100_000, visible_on: "2026-03-09" },
          ...["many", "few", "unknown"].map((account_id) => ({ account_id, product: "payroll" })),
          { account_id: "nordic", country: "NO" },
          { account_id: "reports", desired_outcome: "reports" },
        ],
      },
    );
    database = built.database;
    const rows = await database.query<Record<string, unknown>>(
      "select account_id, snapshot_date, scorecard, n_matching from scores.account_assignment order by account_id, snapshot_date",
    );
    expect(
      rows.map(({ account_id, snapshot_date, scorecard, n_matching }) =>
        [account_id, String(snapshot_date).slice(5), scorecard, n_matching].join(" "),
      ),
    ).toEqual([
      "below 03-02  0",
      "edge 03-02 paying 1",
      "few 03-02  0",
      "grows 03-02  0",
      "grows 03-09 rich 1",
      "many 03-02 many 1",
      // Young too, and Nordic comes first.
      "nordic 03-02 nordic 2",
      "old 03-02  0",
      "reports 03-02 reports 1",
      "reports 03-09  0",
      "unknown 03-02  0",
      "young 03-02 young 1",
    ]);
    // Restated all the same: every version has a score for every account at every date.
    expect(await database.scalar("select count(*) from scores.account_score where score = 50")).toBe(6 * 12);
    expect(await database.scalar("select count(*) from scores.account_score where is_in_force")).toBe(6);
  });

  it("takes the higher number of two versions that start together", async () => {
    const rows = await scores(
      [version("a", 1, 1, ""), version("a", 2, 1, "")],
      [at("x", "2026-03-02", "all")],
      "version, is_in_force",
    );
    expect(rows).toEqual([
      { version: 1, is_in_force: false },
      { version: 2, is_in_force: true },
    ]);
  });

  it("restates rows that are scored or validated, and no others", async () => {
    const flags = (account_id: string, is_scored: boolean, is_validated: boolean): GivenAccount => ({
      account_id,
      is_scored,
      is_validated,
      kpis: { x: 1 },
    });
    const rows = await scores(
      oneKpi("{ linear: { zero_at: 0, full_at: 100 } }"),
      [flags("1", true, false), flags("2", false, true), flags("3", false, false)],
      "account_id",
    );
    expect(rows.map((row) => row.account_id)).toEqual(["1", "2"]);
  });

  it("makes empty tables of the same shape for a book without scorecards", async () => {
    expect(await scores([], byValue([1]), "*")).toEqual([]);
    const columns = async (table: string) =>
      (await database?.describe(`select * from scores.${table}`))?.map(({ name, type }) => `${name} ${type}`);
    const tables = ["account_score", "score_part", "account_grade", "scorecard", "scorecard_weight"];
    const empty = await Promise.all(tables.map(columns));
    database?.close();
    await scores(oneKpi("{ linear: { zero_at: 0, full_at: 9 } }", "grades: { letters: { A: 0 } }"), byValue([1]), "*");
    expect(await Promise.all(tables.map(columns))).toEqual(empty);
  });
});

describe("reading scores", () => {
  const linear = "{ linear: { zero_at: 0, full_at: 100 } }";
  const two = [
    applied(
      cardText(
        `groups: [{ id: all, kpis: [{ kpi: x, weight: 3, points: ${linear} }, { kpi: y, weight: 1, points: ${linear} }] }]`,
        "gates: [{ id: alive, kpi: y, min: 10, score: 0 }]",
      ),
    ),
    applied(
      cardText(`groups: [{ id: all, kpis: [{ kpi: x, points: ${linear} }] }]`).replace(
        "scorecard: card",
        "scorecard: beside",
      ),
      null,
    ),
  ];
  const at = (account_id: string, snapshot_date: string, x: number | null, y: number | null, is_scored = true) => ({
    account_id,
    snapshot_date,
    is_scored,
    is_validated: true,
    kpis: { x, y },
  });
  const open = async () => {
    const built = await scored(two, [
      at("a", "2026-03-02", 40, 80),
      at("b", "2026-03-02", 20, 4),
      at("c", "2026-03-02", null, 60),
      at("d", "2026-03-02", null, null),
      at("a", "2026-03-09", 50, 80),
      at("a", "2026-03-10", 60, 80, false),
    ]);
    database = built.database;
    await database.run("insert into features.kpi_definition values ('x', 'Logins')");
    return built.database.query;
  };

  it("gives the newest scored snapshot, or the last one up to a date, lowest first, with the parts in words", async () => {
    const query = await open();
    expect((await scoreRows({ query })).map((row) => [row.account_id, row.snapshot_date, row.score])).toEqual([
      ["a", "2026-03-09", 57.5],
    ]);
    const rows = await scoreRows({ query, at: "2026-03-08" });
    expect(rows.map((row) => `${row.account_id}: ${row.words}`)).toEqual([
      "b: 0, red; would be 16, red without the gate alive",
      "a: 50, yellow",
      "c: 60, yellow; 75 % of the weight has no value, with it the score would be between 15 and 90",
      "d: no score: 100 % of the weight has no value, it could be anything between 0 and 100",
    ]);
    expect(rows.map((row) => row.parts.map((part) => part.words))).toEqual([
      ["Logins 20: 20 points x 75 % = 15", "y 4: 4 points x 25 % = 1", "gate on y 4: -16"],
      ["Logins 40: 40 points x 75 % = 30", "y 80: 80 points x 25 % = 20"],
      ["Logins without a value: not scored, its weight goes to the others", "y 60: 60 points x 100 % = 60"],
      [],
    ]);
  });

  it("reads another scorecard than the one in force only when asked", async () => {
    const query = await open();
    const rows = await scoreRows({ query, scorecard: "beside", account: "b", at: "2026-03-02" });
    expect(rows.map((row) => [row.scorecard, row.version, row.is_in_force, row.score])).toEqual([
      ["beside", 1, false, 20],
    ]);
    expect(await scoreRows({ query, scorecard: "beside@1", account: "a" })).toHaveLength(1);
  });

  it("says what is wrong with a request", async () => {
    const query = await open();
    const refusal = (request: Omit<Parameters<typeof scoreRows>[0], "query">) =>
      scoreRows({ query, ...request }).catch((error: Error) => error.message);
    expect(await refusal({ at: "2026-02-30" })).toBe("--at needs a date like 2026-01-31, found 2026-02-30");
    expect(await refusal({ at: "2026-03-01" })).toBe(
      "--at needs a date from 2026-03-02, the first scored snapshot, found 2026-03-01",
    );
    expect(await refusal({ scorecard: "none" })).toBe("--scorecard needs one of beside@1, card@1, found none");
    expect(await refusal({ account: "z" })).toBe("--account needs an account with a scored snapshot, found z");
    expect(await refusal({ account: "b" })).toBe(
      "account b has no snapshot on 2026-03-09, it has some from 2026-03-02 to 2026-03-02",
    );
  });
});

describe("presets", () => {
  const account = (account_id: string, kpis: GivenAccount["kpis"]): GivenAccount => ({ account_id, kpis });

  it("scores freshsuccess_40_30_30 by its published arithmetic", async () => {
    const cards = await presets({ scorecards: ["freshsuccess_40_30_30"] });
    const [usage] = cards[0]?.card.groups ?? [];
    const limits = usage?.kpis?.[0]?.points.linear;
    expect(limits).toBeDefined();
    const { zero_at, full_at } = limits as { zero_at: number; full_at: number };
    // The guide's account stands 11 of 23 parts of the way: (18 - 7) / (30 - 7).
    const guide = zero_at + ((full_at - zero_at) * 11) / 23;
    await scores(cards, [account("1", { logins_28d: guide, open_tickets: 10, csm_rating: 3 })], text);
    expect(
      await database?.query("select kpi, round(points) as points, weight from scores.score_part where kind = 'kpi'"),
    ).toEqual([
      { kpi: "logins_28d", points: 48, weight: 40 },
      { kpi: "open_tickets", points: 0, weight: 30 },
      { kpi: "csm_rating", points: 50, weight: 30 },
    ]);
  });

  it("puts 30.5 in red, 31 in yellow, 70.5 in yellow and 71 in green", async () => {
    const cards = await presets({ scorecards: ["freshsuccess_40_30_30"] });
    const { zero_at, full_at } = cards[0]?.card.groups[0]?.kpis?.[0]?.points.linear as {
      zero_at: number;
      full_at: number;
    };
    const withScore = (score: number): GivenAccount => {
      // Tickets at 0 points and the rating at 1 or 5 give 0 or 30; usage gives the rest of its 40.
      const base = score > 40 ? (score > 60 ? 60 : 30) : 0;
      const usage = (score - base) / 40;
      return account(String(score), {
        logins_28d: zero_at + (full_at - zero_at) * usage,
        open_tickets: base === 60 ? 0 : 10,
        csm_rating: base >= 30 ? 5 : 1,
      });
    };
    const rows = await scores(cards, [30, 30.5, 31, 70, 70.5, 71].map(withScore), "round(score, 3) as score, band");
    expect(rows).toEqual([
      { score: 30, band: "red" },
      { score: 30.5, band: "red" },
      { score: 31, band: "yellow" },
      { score: 70, band: "yellow" },
      { score: 70.5, band: "yellow" },
      { score: 71, band: "green" },
    ]);
  });

  it("ranks naive_baseline against everybody, more tickets standing lower", async () => {
    const cards = await presets({ compare: ["naive_baseline"] });
    const rows = await scores(
      cards,
      [
        account("1", { logins_28d: 1, nps: 9, feature_events_28d: 0, open_tickets: 0 }),
        account("2", { logins_28d: 5, nps: null, feature_events_28d: 0, open_tickets: 2 }),
        account("3", { logins_28d: null, nps: null, feature_events_28d: null, open_tickets: 2 }),
        account("4", { logins_28d: null, nps: null, feature_events_28d: null, open_tickets: null }),
      ],
      "cast(score as varchar) as score, coverage, band, is_in_force",
    );
    expect(rows).toEqual([
      // Logins 25 (of two), NPS 50 (alone), features 50 (a tie of two), tickets 100 x 2.5/3 = 83.333333.
      { score: "52.083333", coverage: 1, band: "yellow", is_in_force: false },
      // Logins 75, features 50, tickets 33.333333: a third each.
      { score: "52.777778", coverage: 0.75, band: "yellow", is_in_force: false },
      // One KPI of four is the floor.
      { score: "33.333333", coverage: 0.25, band: "yellow", is_in_force: false },
      { score: null, coverage: 0, band: "unknown", is_in_force: false },
    ]);
    expect(await database?.query("select share from scores.scorecard_weight")).toEqual(Array(4).fill({ share: 25 }));
  });

  it("declares every table that its statements read", async () => {
    const cards = await presets({ scorecards: ["freshsuccess_40_30_30"], compare: ["naive_baseline"] });
    const { models, ...built } = await scored(cards, [], { overrides: [] });
    database = built.database;
    for (const { name, sql, depends } of models) {
      const tree = String(await database.scalar(`select cast(json_serialize_sql(${literal(sql)}) as varchar)`));
      expect(tree).toContain('"error":false');
      const read = [...tree.matchAll(/"schema_name":"(\w+)","table_name":"(\w+)"/g)].map(([, s, t]) => `${s}.${t}`);
      expect([name, [...new Set(read)].sort()]).toEqual([name, [...depends].sort()]);
    }
  });

  it("compiles to the statements under test/golden", async () => {
    const cards = await presets({ scorecards: ["freshsuccess_40_30_30"], compare: ["naive_baseline"] });
    const { models, ...built } = await scored(cards, []);
    database = built.database;
    for (const name of [
      "scores.account_input",
      "scores.card_freshsuccess_40_30_30_v1",
      "scores.card_naive_baseline_v1",
    ]) {
      const model = models.find((candidate) => candidate.name === name);
      await expectGolden(`${name}.sql`, `${format(model?.sql ?? "", { language: "duckdb", keywordCase: "lower" })}\n`);
    }
  });
});
