import { afterEach, describe, expect, it } from "vitest";
import { describeExplanation } from "../../pipelines/commands/explain.ts";
import { type Explanation, explainAccount } from "../../pipelines/scores/explain.ts";
import { trendOf } from "../../pipelines/scores/trend.ts";
import type { Database } from "../../pipelines/warehouse/database.ts";
import { addExplained } from "../explained.ts";
import { applied, cardText, type GivenAccount, type GivenOverride, scored } from "../scored.ts";

let database: Database | undefined;
afterEach(() => {
  database?.close();
  database = undefined;
});

/** Usage 40, tickets 30, the manager's rating 30: each linear from 0 to 10, tickets the other way. */
const three = (more = "", version = 1, usage = 40): string =>
  cardText(
    `groups:
  - { id: use, weight: ${usage}, kpis: [{ kpi: logins, points: { linear: { zero_at: 0, full_at: 10 } } }] }
  - { id: help, weight: 30, kpis: [{ kpi: tickets, points: { linear: { zero_at: 10, full_at: 0 } } }] }
  - { id: view, weight: 30, kpis: [{ kpi: rating, points: { linear: { zero_at: 0, full_at: 10 } } }] }`,
    more,
  ).replace("version: 1", `version: ${version}`);
const [then, now] = ["2026-03-02", "2026-03-30"];
type Kpis = GivenAccount["kpis"];
const at = (snapshot_date: string, kpis: Kpis, segment = "all", account_id = "a1"): GivenAccount => ({
  account_id,
  snapshot_date,
  segment,
  mrr_minor: 5000,
  kpis,
});

async function open(
  cards: readonly string[],
  accounts: readonly GivenAccount[],
  why: Parameters<typeof addExplained>[1] = [],
  overrides?: readonly GivenOverride[],
): Promise<Database> {
  const built = await scored(
    cards.map((card) => applied(card, card.includes("scorecard: other") ? 2 : 1)),
    accounts,
    overrides === undefined ? {} : { overrides },
  );
  database = built.database;
  await addExplained(database, why);
  return database;
}
const explain = (open: Database, more: Partial<Parameters<typeof explainAccount>[0]> = {}): Promise<Explanation> =>
  explainAccount({ query: open.query, account: "a1", ...more });
const ledger = (e: Explanation) =>
  (e.since?.lines ?? []).map(({ cause, kpi, from, to, amount }) => [cause, kpi ?? `${from} -> ${to}`, amount]);

describe("the change ledger", () => {
  it("gives each KPI its own part, by the weights of the earlier date", async () => {
    // Then 100 x .4 + 80 x .3 + 50 x .3 = 79; now 70 x .4 + 80 x .3 + 40 x .3 = 64.
    const rows = [at(then, { logins: 10, tickets: 2, rating: 5 }), at(now, { logins: 7, tickets: 2, rating: 4 })];
    const e = await explain(await open([three()], rows), { since: then });
    expect([e.since?.score, e.score, e.since?.difference]).toEqual([79, 64, -15]);
    expect(ledger(e)).toEqual([
      ["behaviour", "logins", -12],
      ["behaviour", "rating", -3],
    ]);
  });

  it("tells a value that went missing from a value that fell", async () => {
    // Then 40 + 24 + 15 = 79. With 5 logins at the same weights: 20 + 24 + 15 = 59 (-20). Without the rating tickets and
    // logins share 70: (20 + 24) / .7 = 62.857143 (+3.857143).
    const rows = [at(then, { logins: 10, tickets: 2, rating: 5 }), at(now, { logins: 5, tickets: 2, rating: null })];
    const e = await explain(await open([three()], rows, [["a1", now, "rating", "unanswered"]]), { since: then });
    expect(e.score).toBe(62.857143);
    expect(ledger(e)).toEqual([
      ["behaviour", "logins", -20],
      ["missing_data", "rating", 3.857143],
    ]);
    expect(describeExplanation(e)).toContain("rating: 5 -> no value (asked, not answered)");
    expect(e.missing).toEqual([{ kpi: "rating", label: "rating", why: "unanswered", share: 30 }]);
    // The missing 30 could still be 0 or 100: 44 to 74.
    expect([e.score_low, e.score_high, e.coverage]).toEqual([44, 74, 0.7]);
  });

  it("keeps values, a new version, another scorecard and a gate apart", async () => {
    const cards = [
      three('applies_to: { segment: ["all"] }', 1),
      three('applies_to: { segment: ["all"] }\nin_force_from: 2026-03-20', 2, 140),
      cardText(
        "groups: [{ id: g, kpis: [{ kpi: rating, points: { linear: { zero_at: 0, full_at: 10 } } }] }]",
        "gates: [{ id: quiet, kpi: logins, min: 8, score: 20 }]",
      ).replace("scorecard: card", "scorecard: other"),
    ];
    // v1 then 40 + 24 + 15 = 79; v1 now 28 + 24 + 15 = 67 (-12); v2 now, 140 of 200 for usage: 49 + 12 + 7.5 = 68.5 (+1.5);
    // the other scorecard 50, held at 20 by its gate (-48.5).
    const rows = [
      at(then, { logins: 10, tickets: 2, rating: 5 }),
      at(now, { logins: 7, tickets: 2, rating: 5 }, "big"),
    ];
    const e = await explain(await open(cards, rows), { since: then });
    expect([e.since?.score, e.score, e.score_before, e.gated_by]).toEqual([79, 20, 50, "quiet"]);
    expect(ledger(e)).toEqual([
      ["behaviour", "logins", -12],
      ["definition", "card@1 -> card@2", 1.5],
      ["assignment", "card@2 -> other@1", -48.5],
    ]);
    const text = describeExplanation(e);
    expect(text).toContain("quiet failed: logins is 7, at least 8 needed; would be 50.0 yellow without the gate");
    expect(text).toContain("definition  card@1 -> card@2");
  });

  it("books a gate of the same card, and an override as nothing", async () => {
    const gate = "gates: [{ id: quiet, kpi: logins, min: 8, score: 20 }]";
    const rows = [at(then, { logins: 10, tickets: 2, rating: 5 }), at(now, { logins: 7, tickets: 2, rating: 5 })];
    const override = {
      account_id: "a1",
      band: "green",
      from_on: "2026-03-10",
      expires_on: "2026-05-01",
      author: "kim",
    };
    const e = await explain(await open([three(gate)], rows, [], [override]), { since: then });
    // 67 before the gate takes 47.
    expect(ledger(e)).toEqual([
      ["behaviour", "logins", -12],
      ["gate", "null -> quiet", -47],
      ["override", "null -> green", 0],
    ]);
    expect([e.score, e.band, e.override?.card_band, e.override?.expires_on]).toEqual([
      20,
      "green",
      "red",
      "2026-05-01",
    ]);
    expect(describeExplanation(e)).toContain(
      "kim set the band to green, the card says red from 2026-03-10 until 2026-05-01",
    );
  });

  it("knows a slope over too few weeks as missing, though the KPI has a value and its neutral points", async () => {
    const card = cardText(
      `groups:
  - id: g
    kpis:
      - { kpi: x, points: { slope: { days: 28, zero_at: -1, full_at: 1, min_active_weeks: 3 } }, missing: neutral, neutral: 30 }
      - { kpi: y, points: { linear: { zero_at: 0, full_at: 10 } } }`,
    );
    const dates = ["2026-03-02", "2026-03-09", "2026-03-16", "2026-03-23", "2026-03-30"];
    const rows = dates.map((date, i) => at(date, { x: 5 + i, y: 5 }));
    const e = await explain(await open([card], rows), { since: then });
    expect([e.since?.coverage, e.coverage]).toEqual([0.5, 1]);
    expect(e.since?.lines.map(({ cause, kpi }) => [cause, kpi])).toEqual([["missing_data", "x"]]);
    const before = await explain(database as Database, { at: then });
    expect(before.missing).toEqual([{ kpi: "x", label: "x", why: "too_few_weeks", share: 50 }]);
  });

  it("tells no difference where an end has no score, but how far it could reach", async () => {
    const floor = "missing: { rule: reweight, coverage_floor: 0.5 }";
    const rows = [
      at(then, { logins: 10, tickets: 2, rating: 5 }),
      at(now, { logins: 10, tickets: null, rating: null }),
    ];
    const e = await explain(await open([three(floor)], rows), { since: then });
    expect([e.score, e.band, e.since?.difference, e.parts]).toEqual([null, "unknown", null, []]);
    expect(e.since?.became_unknown).toEqual(["tickets", "rating"]);
    // 40 is known; the other 60 could be nothing or all.
    expect(describeExplanation(e)).toContain("anything from -39.0 to +21.0");
  });
});

describe("what is shown", () => {
  it("adds up to the score as it is shown, with a rounding line only where one is needed", async () => {
    // Thirds: 3.3 + 3.3 + 3.3 of a score of 10.
    const kpi = (id: string) => `{ kpi: ${id}, points: { linear: { zero_at: 0, full_at: 10 } } }`;
    const card = cardText(`groups: [{ id: g, kpis: [${["a", "b", "c"].map(kpi).join(", ")}] }]`);
    const text = describeExplanation(await explain(await open([card], [at(now, { a: 1, b: 1, c: 1 })])));
    expect(text).toContain("rounding to one digit");
    expect(text).toMatch(/rounding to one digit +\+0\.1/);
    expect(text).toMatch(/ {2}score +10\.0/);
  });

  it("ranks in the band by slope, then money", async () => {
    const dates = ["2026-03-02", "2026-03-09", "2026-03-16", "2026-03-23", "2026-03-30"];
    const line = (id: string, from: number, to: number): readonly GivenAccount[] =>
      dates.map((date, i) => at(date, { x: from + ((to - from) * i) / 4 }, "all", id));
    const card = cardText("groups: [{ id: g, kpis: [{ kpi: x, points: { linear: { zero_at: 0, full_at: 100 } } }] }]");
    const rows = [...line("a1", 90, 80), ...line("a2", 100, 72), ...line("a3", 80, 80), ...line("a4", 20, 10)];
    const e = await explain(await open([card], rows));
    expect(e.rank).toEqual({ place: 2, of: 3, slope: -10 });
    expect(e.trend?.words).toBe("green, declining 10");
  });

  it("puts a trend into words over its window", () => {
    const trend = (scores: readonly number[], band: string) =>
      trendOf(
        scores.map((score, i) => ({ snapshot_date: `2026-0${i + 1}-01`, score })),
        band,
        84,
      )?.words;
    expect(trend([95, 85, 75], "green")).toBe("green, declining 20");
    expect(trend([45, 50, 65], "yellow")).toBe("yellow, improving 20");
    expect(trend([50, 70, 50.4], "yellow")).toBe("yellow, steady");
    expect(trend([50], "yellow")).toBe(undefined);
  });
});

describe("what cannot be explained", () => {
  const rows = [
    at(then, { logins: 10, tickets: 2, rating: 5 }),
    at(now, { logins: 10, tickets: 2, rating: 5 }, "all", "a2"),
  ];
  it("names what is near", async () => {
    const given = await open([three()], rows);
    await expect(explain(given)).rejects.toThrow(
      "account a1 does not pay on 2026-03-30, the newest snapshot: it pays on snapshots from 2026-03-02 to 2026-03-02",
    );
    await expect(explain(given, { account: "a9" })).rejects.toMatchObject({ exitCode: 2, hint: "did you mean a1?" });
    await expect(explain(given, { at: "2026-03-05" })).rejects.toMatchObject({
      hint: "the nearest of this account: --at 2026-03-02",
    });
    await expect(explain(given, { account: "a2", since: "2026-03-30" })).rejects.toThrow(
      "--since needs a snapshot before 2026-03-30, found 2026-03-30",
    );
  });
});
