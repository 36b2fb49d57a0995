import { describe, expect, it } from "vitest";
import { silentLog } from "../../pipelines/lib/log.ts";
import { readModels } from "../../pipelines/models/header.ts";
import { runNodes } from "../../pipelines/models/run.ts";
import { disagreements } from "../../pipelines/scores/known-words.ts";
import { lintNode } from "../../pipelines/scores/lint-node.ts";
import { applied, cardText, type GivenAccount, scored } from "../scored.ts";

const day = (n: number): string => new Date(Date.UTC(2026, 2, 30 - 7 * n)).toISOString().slice(0, 10);
const groups = `groups:
  - id: all
    kpis:
      - { kpi: x, weight: 60, points: { linear: { zero_at: 0, full_at: 100 } } }
      - { kpi: y, weight: 40, points: { linear: { zero_at: 10, full_at: 0 } } }`;
const card = (name: string, more = ""): string =>
  cardText(groups, more).replace("scorecard: card", `scorecard: ${name}`);

/** The lint and the model cards of a release over given rows. `off`: KPIs whose export the book lacks. */
async function linted(
  cards: Parameters<typeof scored>[0],
  accounts: readonly GivenAccount[],
  more: Parameters<typeof scored>[2] = {},
) {
  const { database, models } = await scored(cards, accounts, more);
  const on = ["x", "y"].filter((kpi) => !more?.off?.includes(kpi));
  await database.run(`
    create schema meta; create schema marts;
    create table meta.params as select date '${day(0)}' as as_of;
    delete from features.kpi_definition;
    alter table features.kpi_definition add column kind varchar; alter table features.kpi_definition add column side varchar;
    alter table features.kpi_definition add column stage varchar;
    ${on.includes("x") ? "insert into features.kpi_definition values ('x', 'Logins', 'objective', 'proactive', 'adopt');" : ""}
    insert into features.kpi_definition values ('y', 'Open tickets', 'objective', 'reactive', null);
    create table marts.kpi as select * from (values ('y', 'late_only', 'Late alarm', 'Use with care')) as t (kpi, verdict, verdict_label, action_group);
    create table marts.scorecard_state (scorecard varchar, version integer, state varchar, sentence varchar)`);
  const marts = (await readModels("marts")).filter(({ name }) => name === "marts.scorecard");
  const kpis = on.map((id) => ({ id }));
  await runNodes(database, [...marts, lintNode(cards, kpis, models)], silentLog, () => 0);
  try {
    return {
      found: (
        await database.query("select scorecard, rule, sentence, examples from marts.scorecard_lint order by lint_no")
      ).map((row) => Object.values(row)),
      cards: await database.query("select * from marts.scorecard_card order by scorecard, version"),
      steps: await database.query(
        "select * from marts.scorecard_step where state = 'open' order by scorecard, step_no",
      ),
      wrong: await disagreements(database.query),
    };
  } finally {
    database.close();
  }
}

const silenced = (...rules: readonly string[]): string =>
  `silence: [${rules.map((rule) => `{ rule: ${rule}, because: a test }`).join(", ")}]`;
/** Everything that these small scorecards break without its being the point. */
const rest = ["few_kpis", "never_signed_off", "weight_on_evidence"];

describe("what a release knows of its scorecards", () => {
  it("finds accounts that moved on, that meet two conditions, and that have no scorecard", async () => {
    const at = (account_id: string, n: number, lifecycle: string, segment = "big"): GivenAccount => ({
      account_id,
      snapshot_date: day(n),
      lifecycle,
      segment,
      kpis: { x: 50, y: 5 },
    });
    const { found } = await linted(
      [
        applied(card("big", `applies_to: { segment: [big] }\n${silenced(...rest)}`), 1),
        applied(card("new", `applies_to: { lifecycle: [new] }\n${silenced(...rest)}`), 2),
        applied(card("never", `applies_to: { segment: [tiny] }\n${silenced(...rest)}`), 3),
      ],
      [
        ...[at("moved", 2, "new"), at("moved", 1, "adopted"), at("moved", 0, "adopted")],
        ...[at("long_ago", 20, "new"), at("long_ago", 19, "adopted"), at("long_ago", 0, "adopted")],
        ...[at("both", 1, "new"), at("both", 0, "new")],
        ...[at("only_new", 0, "new", "small"), at("nobody", 0, "adopted", "small")],
        // The scorecard changed with the stage.
        ...[at("followed", 1, "new", "small"), at("followed", 0, "adopted", "big")],
      ],
    );
    const own = found.filter(([, rule]) => !rest.includes(String(rule)));
    expect(own).toEqual([
      [
        "big",
        "overlapping_assignment",
        "1 account of big v1 also meets the conditions of another scorecard; the first in the book's order wins",
        null,
      ],
      [
        "big",
        "stage_moved",
        "1 account of big v1 moved to another stage in the last 90 days and kept the scorecard",
        "moved",
      ],
      ["never", "no_assignment", "1 of 6 accounts have no scorecard, never v1 is the last that could be theirs", null],
      ["never", "never_assigned", "no account has never v1", null],
    ]);
  });

  it("finds KPIs that few accounts have, and those without an export", async () => {
    const accounts = Array.from({ length: 10 }, (_, i) => ({
      account_id: `a${i}`,
      snapshot_date: day(0),
      kpis: { x: 50, y: i < 6 ? 5 : null },
    }));
    const covered = async (off: readonly string[]) =>
      (await linted([applied(card("card"))], accounts, { off })).found.find(([, rule]) => rule === "kpi_coverage")?.[2];
    expect(await covered([])).toBe("card v1 reads KPIs that few accounts have: Open tickets (60 % of accounts)");
    expect(await covered(["x"])).toBe(
      "card v1 reads KPIs that few accounts have: x (no export), Open tickets (60 % of accounts)",
    );
  });

  it("tells who disagrees with a score and which parts made it so, the strongest first", async () => {
    const { wrong, cards } = await linted(
      [applied(card("card", "gates: [{ id: used, kpi: x, min: 1, score: 20 }]")), applied(card("beside"), null)],
      [
        { account_id: "low", snapshot_date: day(0), kpis: { x: 10, y: 8 } },
        { account_id: "high", snapshot_date: day(0), kpis: { x: 90, y: 0 } },
        { account_id: "gated", snapshot_date: day(0), kpis: { x: 0, y: 0 } },
      ],
      {
        known: [
          { account_id: "low", expected_band: "green", said_by: "Ida", said_on: day(0) },
          { account_id: "high", expected_band: "red" },
          { account_id: "gated", expected_band: "yellow", said_by: "Bo" },
          { account_id: "high", expected_band: "green", said_by: "Bo" },
        ],
      },
    );
    expect(wrong.map(({ words }) => words)).toEqual([
      `low: Ida said green on ${day(0)}, card v1 says 14, red on ${day(0)}: Logins 10: 10 points x 60 % = 6; Open tickets 8: 20 points x 40 % = 8`,
      `high: somebody said red, card v1 says 94, green on ${day(0)}: Logins 90: 90 points x 60 % = 54; Open tickets 0: 100 points x 40 % = 40`,
      `gated: Bo said yellow, card v1 says 20, red on ${day(0)}: Logins 0: 0 points x 60 % = 0; gate on Logins 0: -20`,
    ]);
    const own = cards.find(({ scorecard }) => scorecard === "card");
    expect([own?.n_known, own?.n_known_agree]).toEqual([4, 1]);
  });

  it("makes a model card of each version", async () => {
    const { cards, steps } = await linted(
      [
        applied(
          card(
            "health",
            [
              "desired_outcome: a report each week",
              "owner: cs-operations",
              "applies_to: { segment: [mid, big], users: { at_least: 10 } }",
              "gates: [{ id: used, kpi: x, min: 1, score: 20 }]",
              "missing: { rule: reweight, coverage_floor: 0.6 }",
              "validated: { on: 2025-08-31, by: Ida }",
              "steps: { interviews: twelve in March }",
              silenced("few_kpis"),
            ].join("\n"),
          ),
        ),
      ],
      [{ account_id: "a", snapshot_date: day(0), segment: "mid", seats: 12, kpis: { x: 10, y: 8 } }],
    );
    const { sql_text, ...own } = cards[0] ?? {};
    expect(own).toEqual({
      scorecard: "health",
      version: 1,
      label: "health",
      purpose: "churn_risk",
      purpose_in_words: "says which accounts are likely to leave; tested against churn",
      objective: "a report each week",
      owner: "cs-operations",
      audience: "managers, leadership",
      applies_in_words: "accounts with segment mid or big; users at least 10",
      n_kpis: 2,
      formula_in_words:
        "weighted mean on a scale from 0 to 100: Logins 60 of 100 (0 at 0 or below, 100 at 100 or above, a straight line between); " +
        "Open tickets 40 of 100 (0 at 10 or above, 100 at 0 or below, a straight line between)",
      missing_in_words:
        "the weight of a KPI without a value goes to the others; no score where less than 60 % of the weight has a value",
      gates_in_words: "used: at most 20 unless x is at least 1",
      bands_in_words: "red up to 30, yellow up to 70, green above 70",
      points_proactive: 60,
      points_objective: 100,
      is_assigned: true,
      is_current: true,
      sign_off: "expired",
      validated_on: "2025-08-31",
      validated_by: "Ida",
      valid_until: "2026-02-28",
      test_state: null,
      test_sentence: null,
      n_known: 0,
      n_known_agree: 0,
      n_warnings: 1,
      n_silenced: 1,
      n_steps_open: 5,
    });
    expect(sql_text).toContain("scores.account_input");
    expect(steps.map(({ step }) => step)).toEqual(["journey", "clusters", "success", "analyse", "repeat"]);
  });
});
