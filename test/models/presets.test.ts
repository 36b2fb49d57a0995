/** The presets and the examples of docs/scorecards, against the arithmetic that their inventors publish. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { AppliedScorecard } from "../../pipelines/config/scorecard.ts";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { kpisOf } from "../../pipelines/scores/card.ts";
import { resolveScorecards } from "../../pipelines/scores/library.ts";
import { type Bounding, reachProblem } from "../../pipelines/scores/reach.ts";
import type { Database } from "../../pipelines/warehouse/database.ts";
import { applied, cardText, type GivenAccount, scored } from "../scored.ts";

let database: Database | undefined;
afterEach(() => {
  database?.close();
  database = undefined;
});

const presetFolder = join(projectRoot, "sql", "scorecards");
const exampleFolder = join(projectRoot, "docs", "scorecards");
const preset = async (name: string, order: number | null = 1): Promise<AppliedScorecard> =>
  applied(await readFile(join(presetFolder, name, "v1.yaml"), "utf8"), order);
const example = async (name: string, order: number | null = 1): Promise<AppliedScorecard> =>
  applied(await readFile(join(exampleFolder, `${name}.yaml`), "utf8"), order);
const library = async (): Promise<readonly Bounding[]> => {
  const folder = join(projectRoot, "sql", "kpis");
  const files = (await readdir(folder)).filter((name) => name.endsWith(".yaml"));
  return Promise.all(files.map(async (name) => parse(await readFile(join(folder, name), "utf8")) as Bounding));
};

type Kpis = GivenAccount["kpis"];
const account = (kpis: Kpis, i = 0): GivenAccount => ({ account_id: `a${String(i).padStart(4, "0")}`, kpis });
/** Scores and bands of accounts with these KPIs, in their order. */
async function scoresOf(card: AppliedScorecard, rows: readonly Kpis[]) {
  database?.close();
  const built = await scored([card], rows.map(account));
  database = built.database;
  expect(built.result.audits.filter((audit) => audit.failedRows > 0)).toEqual([]);
  return database.query<{ score: number | null; band: string; gated_by: string | null; score_before: number | null }>(
    "select score, band, gated_by, score_before from scores.account_score order by account_id",
  );
}
const inShort = async (card: AppliedScorecard, rows: readonly Kpis[]) =>
  (await scoresOf(card, rows)).map(({ score, band }) => `${score} ${band}`);

describe("every preset", () => {
  it("is there, reads KPIs of the library, and has no cut, band or gate that no account reaches", async () => {
    const kpis = await library();
    const names = (await readdir(presetFolder)).sort();
    expect(names).toEqual([
      ...["additive_points", "catalyst", "churnzero", "default", "freshsuccess_40_30_30", "gainsight", "hubspot"],
      ...["naive_baseline", "nine_point", "onboarding", "planhat", "totango", "vitally"],
    ]);
    for (const name of names) {
      const { card } = await preset(name);
      expect([name, kpisOf(card).filter((kpi) => !kpis.some(({ id }) => id === kpi))]).toEqual([name, []]);
      expect([name, reachProblem(card, kpis)]).toEqual([name, null]);
      expect([name, card.scorecard]).toEqual([name, name]);
    }
  });

  it("says which KPIs a book lacks, and is taken once they stand under kpis", async () => {
    const book = { folder: join(projectRoot, "test"), scorecards: ["catalyst"], compare: [], kpis: ["open_tickets"] };
    const error = await resolveScorecards(book, [{ id: "open_tickets" }]).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({
      exitCode: 2,
      message:
        "assay.yaml: scorecards[0]: found catalyst, which scores logins_per_seat_28d and key_feature_days_28d and csm_rating, expected every KPI of it under kpis",
      hint: "add logins_per_seat_28d and key_feature_days_28d and csm_rating to kpis; a KPI without its export counts as missing",
    });
    const kpis = ["logins_per_seat_28d", "key_feature_days_28d", "open_tickets", "csm_rating"];
    expect(await resolveScorecards({ ...book, kpis }, [])).toHaveLength(1);
  });
});

describe("gainsight", () => {
  it("excludes the number that a range starts from: 50 is red and 51 yellow", async () => {
    const card = await preset("gainsight");
    // Tickets alone are known below the floor; contact and tickets and NPS are 60 % of the weight, 20 each.
    const rows = [
      // 50: tickets 4 (50), contact 52 days (50), NPS 5 (50).
      { open_tickets: 4, days_since_two_way_contact: 52, nps: 5 },
      // 51.5: (50 + 54.5 + 50) / 3.
      { open_tickets: 4, days_since_two_way_contact: 48.58, nps: 5 },
      { open_tickets: 2, days_since_two_way_contact: 33, nps: 7.5 },
      { open_tickets: 2, days_since_two_way_contact: 33, nps: 7.6 },
    ];
    expect(await inShort(card, rows)).toEqual(["50 red", "51.5 yellow", "75 yellow", "75.333333 green"]);
  });

  it("weighs measures in a group: (20 x 47 + 15 x 59 + 22 x 21) / 57 = 40.122, shown as 40", async () => {
    const measure = (kpi: string, weight: number): string =>
      `{ kpi: ${kpi}, weight: ${weight}, points: { linear: { zero_at: 0, full_at: 100 } } }`;
    const kpis = [measure("tickets", 20), measure("days_to_resolve", 15), measure("frequency", 22)].join(", ");
    const rows = [
      { tickets: 47, days_to_resolve: 59, frequency: 21 },
      // Without a score a measure leaves its weight to the others: (940 + 885) / 35.
      { tickets: 47, days_to_resolve: 59, frequency: null },
    ];
    const group = (more: string): AppliedScorecard =>
      applied(cardText(`groups: [{ id: support, ${more}kpis: [${kpis}] }]`));
    expect(await inShort(group(""), rows)).toEqual(["40.122807 yellow", "52.142857 yellow"]);
    expect(await inShort(group("round: integer, "), rows)).toEqual(["40 yellow", "52 yellow"]);
  });
});

describe("totango", () => {
  it("rounds dimensions and the whole to integers in all 243 combinations, which moves bands", async () => {
    const card = await preset("totango");
    const levels = { good: 100, average: 60, poor: 0 };
    const values = {
      active_days_28d: { good: 13, average: 12, poor: 4 },
      feature_breadth_28d: { good: 4, average: 3, poor: 1 },
      open_tickets: { good: 1, average: 4, poor: 5 },
      csat_90d: { good: 4, average: 3, poor: 2 },
      nps: { good: 9, average: 8, poor: 6 },
    };
    type Level = keyof typeof levels;
    const names = Object.keys(levels) as Level[];
    const combinations = Array.from({ length: 243 }, (_, n) =>
      [1, 3, 9, 27, 81].map((place) => names[Math.floor(n / place) % 3] as Level),
    );
    const rows = combinations.map((chosen) =>
      Object.fromEntries(Object.entries(values).map(([kpi, of], i) => [kpi, of[chosen[i] as Level]])),
    );
    // Whole hundredths, so that half of one is exact.
    const half = (n: number, d: number): number => Math.floor((2 * n + d) / (2 * d));
    const bandOf = (score: number): string => (score < 50 ? "poor" : score < 75 ? "average" : "good");
    let moved = 0;
    const expected = combinations.map((chosen) => {
      const [days, breadth, tickets, csat, nps] = chosen.map((level) => levels[level]) as [
        ...[number, number, number, number, number],
      ];
      const [usage, support] = [67 * days + 33 * breadth, 55 * tickets + 45 * csat];
      const score = half(50 * half(usage, 100) + 25 * half(support, 100) + 25 * nps, 100);
      if (bandOf(score) !== bandOf((50 * usage + 25 * support + 2500 * nps) / 10_000)) moved += 1;
      return `${score} ${bandOf(score)}`;
    });
    expect(await inShort(card, rows)).toEqual(expected);
    expect(moved).toBeGreaterThan(0);
    // What rounding does to a dimension and to the whole are parts of their own.
    const parts = await database?.query(
      "select distinct group_id from scores.score_part where kind = 'rounding' order by group_id nulls last",
    );
    expect(parts).toEqual([{ group_id: "usage" }, { group_id: null }]);
  });

  it("has a variant in which any poor metric makes the account poor, whatever its score", async () => {
    const card = await example("totango_any_poor");
    const rows = await scoresOf(card, [
      { active_days_28d: 20, feature_breadth_28d: 5, open_tickets: 0 },
      { active_days_28d: 20, feature_breadth_28d: 5, open_tickets: 2 },
      { active_days_28d: 20, feature_breadth_28d: 5, open_tickets: 5 },
      { active_days_28d: 20, feature_breadth_28d: null, open_tickets: null },
      { active_days_28d: 4, feature_breadth_28d: 1, open_tickets: 5 },
    ]);
    expect(rows.map(({ score, band, gated_by }) => [score, band, gated_by])).toEqual([
      [100, "good", null],
      [86.666667, "average", null],
      [66.666667, "poor", "many_tickets"],
      [100, "good", null],
      // Already poor: no gate did it.
      [0, "poor", null],
    ]);
    expect(await database?.query("select kpi, value, contribution from scores.score_part where kind = 'gate'")).toEqual(
      [{ kpi: "open_tickets", value: 5, contribution: 0 }],
    );
  });
});

describe("vitally", () => {
  it("is the weighted mean of 10, 5 and 0, in thirds: (10 + 10 + 0) / 3 = 6.67 is healthy", async () => {
    const card = await preset("vitally");
    const of = (days_since_login: number, key_feature_days_28d: number, nps: number | null) => ({
      days_since_login,
      key_feature_days_28d,
      nps,
    });
    expect(
      await inShort(card, [of(1, 7, 6), of(7, 6, 9), of(21, 1, 8), of(22, 0, 9), of(22, 0, 8), of(1, 7, null)]),
    ).toEqual([
      "6.666667 healthy",
      "8.333333 healthy",
      // 5, 0 and 5: 3.333333 is where concerning begins.
      "3.333333 concerning",
      "3.333333 concerning",
      "1.666667 poor",
      "10 healthy",
    ]);
  });
});

describe("churnzero", () => {
  it("gives the upper edge of a range to it, in shares of factors that total 100", async () => {
    const card = await preset("churnzero");
    const best = { logins_28d: 21, key_feature_days_28d: 7, open_tickets: 1, nps: 9 };
    expect(
      await inShort(card, [
        best,
        { ...best, logins_28d: 20 },
        { ...best, logins_28d: 4 },
        { ...best, key_feature_days_28d: 6 },
        { ...best, key_feature_days_28d: 0, logins_28d: 4 },
        { ...best, nps: null },
      ]),
    ).toEqual(["100 green", "85 green", "70 yellow", "85 green", "40 red", "80 green"]);
  });
});

describe("planhat", () => {
  it("starts at 5, adds impacts, holds between 0 and 10 and rounds: 6.25 is 6 and 3.75 is 4", async () => {
    const card = await preset("planhat");
    const of = (nps: number | null, days: number | null, contact: number | null, tickets: number | null) => ({
      nps,
      active_days_28d: days,
      days_since_two_way_contact: contact,
      open_tickets: tickets,
    });
    const rows = await scoresOf(card, [
      // An answer of 7 adds 2: 5 + 2.
      of(7, 5, 15, 0),
      // 5 + 2.5 (7.5) - 1.25 = 6.25.
      of(7.5, 5, 15, 4),
      // 5 - 1.25 = 3.75.
      of(5, 5, 15, 4),
      // 5 + 5 + 2 + 1 = 13, held at 10; 5 - 5 - 3 - 1 - 1.25, held at 0.
      of(10, 11, 0, 0),
      of(0, 2, 30, 4),
      // Beyond its limits a factor keeps its impact.
      of(5, 5, 45, 0),
      of(null, 5, 15, 0),
    ]);
    expect(rows.map(({ score, band }) => `${score} ${band}`)).toEqual([
      ...["7 green", "6 yellow", "4 yellow", "10 green", "0 red", "4 yellow", "5 yellow"],
    ]);
    const parts = await database?.query(
      "select kind, contribution from scores.score_part where account_id = 'a0001' order by part_no",
    );
    expect(parts).toEqual([
      { kind: "start", contribution: 5 },
      { kind: "kpi", contribution: 2.5 },
      { kind: "kpi", contribution: 0 },
      { kind: "kpi", contribution: 0 },
      { kind: "kpi", contribution: -1.25 },
      { kind: "rounding", contribution: -0.25 },
    ]);
  });

  it("rounds the mean of a group: (10 + 5 + 5 + 5) / 4 = 6.25 is 6, (0 + 5 + 5 + 5) / 4 = 3.75 is 4", async () => {
    const kpis = ["parent", "one", "two", "three"].map(
      (kpi) => `{ kpi: ${kpi}, points: { linear: { zero_at: 0, full_at: 10 } } }`,
    );
    const card = applied(`
scorecard: companies
version: 1
created_on: 2026-01-01
purpose: churn_risk
scale: { from: 0, to: 10 }
groups: [{ id: companies, round: integer, kpis: [${kpis.join(", ")}] }]
missing: { rule: reweight, coverage_floor: 0 }
bands: { edge: upper, list: [{ id: red, to: 3 }, { id: yellow, to: 6 }, { id: green, to: 10 }] }`);
    const of = (parent: number) => ({ parent, one: 5, two: 5, three: 5 });
    expect(await inShort(card, [of(10), of(0)])).toEqual(["6 yellow", "4 yellow"]);
  });
});

describe("catalyst", () => {
  it("interpolates sub-scores of 1 to 10 and spreads the weight of what is missing", async () => {
    const card = await preset("catalyst");
    const of = (
      logins: number | null,
      days: number | null,
      open_tickets: number | null,
      csm_rating: number | null,
    ) => ({
      logins_per_seat_28d: logins,
      key_feature_days_28d: days,
      open_tickets,
      csm_rating,
    });
    expect(
      await inShort(card, [
        of(2, 2, 7, 1.888888),
        of(3, 3, 6, 2.333333),
        of(7, 7, 2, 4.111111),
        of(9, 20, 0, 5),
        of(0, 0, 12, 1),
        // Product is logins alone (4), tickets 7: (2 x 4 + 7) / 3.
        of(3, null, 3, null),
      ]),
    ).toEqual(["3 at_risk", "4 neutral", "8 healthy", "10 healthy", "1 at_risk", "5 neutral"]);
  });
});

describe("hubspot", () => {
  it("adds and subtracts, caps its groups, and caps total 100", async () => {
    const card = await preset("hubspot");
    expect(card.card.groups.reduce((all, { cap }) => all + (cap?.max ?? 0), 0)).toBe(100);
    const of = (
      logins: number,
      meetings: number,
      cancelled: number,
      open_tickets: number,
      nps: number,
      rating: number,
    ) => ({
      recent_logins_28d: logins,
      meetings_90d: meetings,
      cancelled_meetings_90d: cancelled,
      open_tickets,
      nps,
      csm_rating: rating,
    });
    expect(
      await inShort(card, [
        // 50 + 15 held at 50, 25, 20 + 15 held at 25.
        of(10, 3, 0, 0, 9, 4),
        // 7.5 decayed logins: 37.5 + 10 - 5; tickets 15; NPS 10.
        of(7.5, 2, 1, 2, 7, 3),
        // 5 - 15 held at 0; 0; -20 held at 0.
        of(1, 0, 3, 5, 6, 2),
      ]),
    ).toEqual(["100 healthy", "67.5 healthy", "0 at_risk"]);
    const clamps = await database?.query(
      "select account_id, group_id, contribution from scores.score_part where kind = 'clamp' order by account_id, part_no",
    );
    expect(clamps).toEqual([
      { account_id: "a0000", group_id: "engagement", contribution: -15 },
      { account_id: "a0000", group_id: "sentiment", contribution: -10 },
      { account_id: "a0002", group_id: "engagement", contribution: 10 },
      { account_id: "a0002", group_id: "sentiment", contribution: 20 },
    ]);
    // What a group can move the score by is its cap.
    expect(
      await database?.query(
        "select group_id, sum(share) as share from scores.scorecard_weight group by all order by all",
      ),
    ).toEqual([
      { group_id: "engagement", share: 50 },
      { group_id: "sentiment", share: 25 },
      { group_id: "tickets", share: 25 },
    ]);
  });
});

describe("nine_point", () => {
  it("is green above 6, yellow from 3 to 6 and red below, in all 64 combinations", async () => {
    const card = await preset("nine_point");
    const values = { key_feature_days_28d: [0, 3, 9, 10], active_users_28d: [0, 1, 3, 4], csm_rating: [1, 2, 3, 4] };
    const combinations = Array.from({ length: 64 }, (_, n) => [n % 4, Math.floor(n / 4) % 4, Math.floor(n / 16)]);
    const rows = combinations.map((chosen) =>
      Object.fromEntries(Object.entries(values).map(([kpi, of], i) => [kpi, of[chosen[i] as number] as number])),
    );
    const expected = combinations.map((chosen) => {
      const sum = chosen.reduce((a, b) => a + b, 0);
      return `${sum} ${sum > 6 ? "green" : sum >= 3 ? "yellow" : "red"}`;
    });
    expect(await inShort(card, rows)).toEqual(expected);
    expect(await inShort(card, [{ ...rows[63], csm_rating: null }])).toEqual(["null unknown"]);
  });
});

describe("additive_points", () => {
  it("adds actions, subtracts trouble, and holds the sum between 0 and 100", async () => {
    const card = await preset("additive_points");
    const of = (
      logins: number,
      days: number,
      visits: number,
      meetings: number,
      tickets: number,
      nps: number | null,
    ) => ({
      logins_28d: logins,
      key_feature_days_28d: days,
      resources_used_90d: visits,
      meetings_90d: meetings,
      open_tickets: tickets,
      nps,
    });
    expect(
      await inShort(card, [
        of(12, 5, 2, 1, 1, 8), // 12 + 10 + 4 + 5 - 4
        of(500, 28, 50, 9, 0, 10), // 40 + 40 + 10 + 10 + 10 = 110
        of(2, 0, 0, 0, 9, 0), // 2 - 20 - 15
        of(20, 5, 0, 0, 0, null), // 30
        of(21, 5, 0, 0, 0, null),
      ]),
    ).toEqual(["27 red", "100 green", "0 red", "30 red", "31 yellow"]);
  });
});

describe("the pair of onboarding and default", () => {
  it("gives accounts the first while they are onboarded, and the second after", async () => {
    const cards = [await preset("onboarding", 1), await preset("default", 2)];
    const at = (snapshot_date: string, lifecycle: string | null): GivenAccount => ({
      account_id: "a",
      snapshot_date,
      lifecycle,
      kpis: { days_since_login: 2, milestones_on_time: 50, open_tickets: 6, key_feature_days_28d: 6 },
    });
    const built = await scored(cards, [
      at("2026-01-05", "onboarding"),
      at("2026-02-02", "adopted"),
      at("2026-03-02", null),
    ]);
    database = built.database;
    expect(
      await database.query(
        "select snapshot_date, scorecard, n_matching from scores.account_assignment order by snapshot_date",
      ),
    ).toEqual([
      { snapshot_date: "2026-01-05", scorecard: "onboarding", n_matching: 2 },
      { snapshot_date: "2026-02-02", scorecard: "default", n_matching: 1 },
      { snapshot_date: "2026-03-02", scorecard: "default", n_matching: 1 },
    ]);
    expect(
      await database.query(
        "select snapshot_date, scorecard, score from scores.account_score where is_in_force order by snapshot_date",
      ),
    ).toEqual([
      // Milestones 50 and a login 2 days ago (100): (60 x 50 + 40 x 100) / 100.
      { snapshot_date: "2026-01-05", scorecard: "onboarding", score: 70 },
      // Key feature 50 alone in usage; 6 tickets are 50.
      { snapshot_date: "2026-02-02", scorecard: "default", score: 50 },
      { snapshot_date: "2026-03-02", scorecard: "default", score: 50 },
    ]);
    // History is restated: both versions have a score at every date.
    expect(await database.scalar("select count(*) from scores.account_score where score is not null")).toBe(6);
  });
});

describe("the examples of the docs", () => {
  it("name every KPI that is not in the library in their comments, and reach every band", async () => {
    const kpis = await library();
    for (const name of (await readdir(exampleFolder)).sort()) {
      const text = await readFile(join(exampleFolder, name), "utf8");
      const { card } = applied(text);
      expect([name, `${card.scorecard}.yaml`]).toEqual([name, name]);
      expect([name, reachProblem(card, kpis)]).toEqual([name, null]);
      const own = kpisOf(card).filter((kpi) => !kpis.some(({ id }) => id === kpi));
      expect([name, own.length === 0 || /of your own/.test(text)]).toEqual([name, true]);
      expect(text.split("\n").length).toBeLessThan(30);
    }
  });

  it("weigh as PostHog does: engagement 15, 5, 5, product 33, 20, 17, 5", async () => {
    const card = await example("posthog");
    const healthy = {
      ...{ days_since_login: 1, open_tickets: 0, meetings_90d: 2, key_feature_days_28d: 7 },
      ...{ feature_events_28d: 31, feature_breadth_28d: 4, integration_days_28d: 5 },
    };
    expect(
      await inShort(card, [
        healthy,
        { ...healthy, key_feature_days_28d: 1 }, // less 3.3
        { ...healthy, key_feature_days_28d: 6, days_since_login: 6 }, // less 1.65 and 1.5
      ]),
    ).toEqual(["10 healthy", "6.7 healthy", "6.85 healthy"]);
    expect(await database?.query("select share from scores.scorecard_weight order by part_no")).toEqual(
      [15, 5, 5, 33, 20, 17, 5].map((share) => ({ share })),
    );
  });

  it("show what Sourcegraph does not count, with weight 0", async () => {
    const card = await example("sourcegraph");
    const of = (use: number, meetings: number | null) => ({
      csm_rating: 5,
      open_tickets: 0,
      meetings_90d: meetings,
      seat_use_28d: use,
    });
    // 30 + 15 + 55 x (0, 50 or 100) / 100; 0.5 belongs to the middle, 0.8 to the top.
    expect(await inShort(card, [of(0.499999, 0), of(0.5, 9), of(0.799999, null), of(0.8, 0)])).toEqual([
      "45 yellow",
      "72.5 green",
      "72.5 green",
      "100 green",
    ]);
    expect(
      await database?.query(
        "select points, weight, contribution from scores.score_part where group_id = 'relationship' order by account_id",
      ),
    ).toEqual([
      { points: 0, weight: 0, contribution: 0 },
      { points: 100, weight: 0, contribution: 0 },
      { points: null, weight: 0, contribution: 0 },
      { points: 0, weight: 0, contribution: 0 },
    ]);
  });

  it("cut licence use by tenure as GitLab does", async () => {
    const cards = await Promise.all(
      ["gitlab_to_month_6", "gitlab_to_month_9", "gitlab_later"].map((name, i) => example(name, i + 1)),
    );
    const uses = [0.09, 0.1, 0.5, 0.51, 0.75, 0.76];
    const tenures = [59, 60, 179, 180, 269, 270];
    const accounts = tenures.flatMap((tenure_days) =>
      uses.map(
        (seat_use_28d): GivenAccount => ({
          account_id: `${String(tenure_days).padStart(3, "0")} ${seat_use_28d}`,
          tenure_days,
          kpis: { seat_use_28d },
        }),
      ),
    );
    const built = await scored(cards, accounts);
    database = built.database;
    const rows = await database.query<{ account_id: string; band: string | null }>(
      "select a.account_id, s.band from scores.account_assignment as a left join scores.account_score as s " +
        "on s.account_id = a.account_id and s.is_in_force order by a.account_id",
    );
    const bands = (tenure: number) =>
      rows.filter(({ account_id }) => account_id.startsWith(String(tenure).padStart(3, "0"))).map(({ band }) => band);
    const [early, middle, late] = [
      ["red", "yellow", "yellow", "green", "green", "green"],
      ["red", "red", "red", "yellow", "yellow", "green"],
      ["red", "red", "red", "red", "red", "green"],
    ];
    expect(tenures.map(bands)).toEqual([Array(6).fill(null), early, early, middle, middle, late]);
  });

  it("give Mattermost's four times 25 points", async () => {
    const card = await example("mattermost");
    const best = { tenure_days: 731, days_to_licence_end: 91, tickets_90d: 1, days_since_two_way_contact: 30 };
    const tickets = [0, 1, 2, 3, 4, 5, 9].map((tickets_90d) => ({ ...best, tickets_90d }));
    expect((await scoresOf(card, tickets)).map(({ score }) => (score as number) - 75)).toEqual([
      ...[12.5, 25, 25, 18.75, 18.75, 6.25, 6.25],
    ]);
    const ends = [15, 16, 30, 31, 60, 61, 90, 91].map((days_to_licence_end) => ({ ...best, days_to_licence_end }));
    expect((await scoresOf(card, ends)).map(({ score }) => (score as number) - 75)).toEqual([
      ...[2.5, 6.25, 6.25, 18.75, 18.75, 22.5, 22.5, 25],
    ]);
    const worst = { tenure_days: 100, days_to_licence_end: 3, tickets_90d: 7, days_since_two_way_contact: 90 };
    expect(await inShort(card, [worst])).toEqual(["17.5 red"]);
  });

  it("score the standardised slope of weekly use", async () => {
    const card = await example("slope");
    const week = (account_id: string, i: number, logins_7d: number | null): GivenAccount => ({
      account_id,
      snapshot_date: new Date(Date.UTC(2026, 0, 5 + 7 * i)).toISOString().slice(0, 10),
      kpis: { logins_7d },
    });
    const series: Record<string, readonly (number | null)[]> = {
      rising: [1, 2, 3, 4, 5],
      falling: [50, 40, 30, 20, 10],
      flat: [3, 3, 3, 3, 3],
      // r of (0, 1, 2, 3, 4) and (1, 3, 2, 5, 4): 8 / 10.
      mixed: [1, 3, 2, 5, 4],
      // Two weeks in use say nothing.
      idle: [0, 4, 0, 5, 0],
      gaps: [1, null, null, 2, 3],
    };
    const built = await scored(
      [card],
      Object.entries(series).flatMap(([id, values]) => values.map((value, i) => week(id, i, value))),
    );
    database = built.database;
    const rows = await database.query<{ account_id: string; score: number | null }>(
      "select account_id, score from scores.account_score where snapshot_date = date '2026-02-02' order by account_id",
    );
    expect(Object.fromEntries(rows.map(({ account_id, score }) => [account_id, score]))).toEqual({
      falling: 0,
      flat: 50,
      // r of days 0, 21, 28 and 1, 2, 3: 28 / sqrt(2 x 1274 / 3) = 0.960769.
      gaps: 98.03845,
      idle: null,
      mixed: 90,
      rising: 100,
    });
  });

  it("sees no further back than the slope's days", async () => {
    const card = applied((await readFile(join(exampleFolder, "slope.yaml"), "utf8")).replace("days: 180", "days: 14"));
    const at = (snapshot_date: string, logins_7d: number): GivenAccount => ({
      account_id: "a",
      snapshot_date,
      kpis: { logins_7d },
    });
    const built = await scored(
      [card],
      [at("2026-01-05", 100), at("2026-01-12", 1), at("2026-01-19", 2), at("2026-01-26", 3)],
    );
    database = built.database;
    expect(await database.query("select score from scores.account_score order by snapshot_date")).toEqual([
      { score: null },
      { score: null },
      // Days 0, 7, 14 and 100, 1, 2, both ends included: r = -0.861596. Then 1, 2, 3.
      { score: 6.9202 },
      { score: 100 },
    ]);
  });
});
