import { describe, expect, it } from "vitest";
import { applied, cardText, type GivenAccount, type GivenKnown, scored } from "../scored.ts";

const linear = "{ linear: { zero_at: 0, full_at: 100 } }";
const groups = `groups: [{ id: all, kpis: [{ kpi: x, points: ${linear} }] }]`;
const named = (scorecard: string, more = ""): string =>
  cardText(groups, more).replace("scorecard: card", `scorecard: ${scorecard}`);

const test = async (
  cards: Parameters<typeof scored>[0],
  accounts: readonly GivenAccount[],
  known: readonly GivenKnown[],
  more: Parameters<typeof scored>[2] = {},
) => {
  const { database } = await scored(cards, accounts, { known, ...more });
  try {
    const rows = await database.query(
      "select account_id, scorecard || '@' || version as card, snapshot_date, band, state from scores.known_account " +
        "order by line_no, scorecard, version",
    );
    return rows.map((row) => Object.values(row));
  } finally {
    database.close();
  }
};
const at = (account_id: string, snapshot_date: string, x: number | null, segment = "all"): GivenAccount => ({
  account_id,
  snapshot_date,
  segment,
  kpis: { x },
});

describe("known accounts", () => {
  it("are compared at the first snapshot after they were spoken of, otherwise at the newest", async () => {
    const days = ["2026-03-02", "2026-03-09", "2026-03-16"];
    const accounts = days.flatMap((day, i) => [at("a", day, [20, 50, 90][i] as number), at("b", day, null)]);
    const rows = await test(
      [applied(named("card", "missing: { rule: reweight, coverage_floor: 0.5 }"))],
      [...accounts, at("gone", "2026-03-02", 90)],
      [
        { account_id: "a", expected_band: "green" },
        { account_id: "a", expected_band: "green", said_on: "2026-03-03" },
        { account_id: "a", expected_band: "red", said_on: "2026-03-02" },
        { account_id: "a", expected_band: "green", said_on: "2026-09-01" },
        { account_id: "b", expected_band: "red" },
        { account_id: "gone", expected_band: "green" },
        { account_id: "gone", expected_band: "green", said_on: "2026-02-01" },
        { account_id: "nobody", expected_band: "green" },
        { account_id: "a", expected_band: "purple" },
      ],
    );
    expect(rows).toEqual([
      ["a", "card@1", "2026-03-16", "green", "agrees"],
      ["a", "card@1", "2026-03-09", "yellow", "disagrees"],
      ["a", "card@1", "2026-03-02", "red", "agrees"],
      ["a", "card@1", "2026-03-16", "green", "agrees"],
      ["b", "card@1", "2026-03-16", "unknown", "no_score"],
      ["gone", "card@1", "2026-03-16", null, "not_paying"],
      ["gone", "card@1", "2026-03-02", "green", "agrees"],
      ["nobody", null, "2026-03-16", null, "unknown_account"],
      ["a", "card@1", "2026-03-16", "green", "unknown_band"],
    ]);
  });

  it("test the score behind an override, every version, and of assigned scorecards the account's own", async () => {
    const rows = await test(
      [
        applied(named("small", "applies_to: { segment: [small] }"), 1),
        applied(named("rest"), 2),
        applied(named("compared"), null),
      ],
      [at("a", "2026-03-02", 20, "small"), at("b", "2026-03-02", 80, "large")],
      [
        { account_id: "a", expected_band: "green" },
        { account_id: "b", expected_band: "green" },
      ],
      { overrides: [{ account_id: "a", band: "green", from_on: "2026-01-01", author: "kim" }] },
    );
    expect(rows).toEqual([
      ["a", "compared@1", "2026-03-02", "red", "disagrees"],
      ["a", "rest@1", "2026-03-02", "red", "other_scorecard"],
      ["a", "small@1", "2026-03-02", "red", "disagrees"],
      ["b", "compared@1", "2026-03-02", "green", "agrees"],
      ["b", "rest@1", "2026-03-02", "green", "agrees"],
      ["b", "small@1", "2026-03-02", "green", "other_scorecard"],
    ]);
  });
});
