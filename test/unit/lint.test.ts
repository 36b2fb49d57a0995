import { describe, expect, it } from "vitest";
import { lintRules } from "../../pipelines/config/lint-rules.ts";
import { type LintCard, type LintKpi, lintScorecards, stepsOf } from "../../pipelines/scores/lint.ts";
import { applied, cardText } from "../scored.ts";

const text = (more = ""): string =>
  cardText("groups: [{ id: all, kpis: [{ kpi: x, points: { linear: { zero_at: 0, full_at: 100 } } }] }]", more);

const kpi = (share: number, more: Partial<LintKpi> = {}): LintKpi => ({
  kpi: "x",
  share,
  label: "X",
  kind: "objective",
  side: "proactive",
  coverage: 1,
  verdict: "predicts",
  verdict_label: "Early warning",
  action_group: "Use",
  ...more,
});
const three = [kpi(40), kpi(30), kpi(30)];

const card = (more: Partial<LintCard> = {}, file = ""): LintCard => ({
  applied: applied(text(file)),
  is_current: true,
  is_upcoming: false,
  sign_off: "valid",
  valid_until: "2026-07-15",
  kpis: three,
  n_accounts: 100,
  moved: { n: 0, examples: [] },
  known: { agree: 0, disagree: 0 },
  n_overlapping: 0,
  ...more,
});

const found = (
  one: LintCard | readonly LintCard[],
  facts: { n_accounts: number; n_unassigned: number; n_outcomes?: number } = { n_accounts: 100, n_unassigned: 0 },
) => lintScorecards({ cards: [one].flat() as readonly LintCard[], ...facts });
const sentences = (...args: Parameters<typeof found>) =>
  found(...args).map(({ rule, severity, sentence }) => `${rule} ${severity}: ${sentence}`);

describe("a scorecard held against the guides", () => {
  it("has nothing against it when it follows them all", () => {
    expect(found(card())).toEqual([]);
  });

  it.each<[string, Partial<LintCard>, string]>([
    ["two KPIs", { kpis: [kpi(50), kpi(50)] }, "few_kpis warning: card v1 rests on 2 KPIs: X, X"],
    [
      "a third that only gates",
      { kpis: [kpi(50), kpi(50), kpi(0)] },
      "few_kpis warning: card v1 rests on 2 KPIs: X, X",
    ],
    ["six KPIs", { kpis: Array.from({ length: 6 }, () => kpi(100 / 6)) }, "many_kpis warning: card v1 counts 6 KPIs"],
    [
      "as much sentiment as behaviour",
      { kpis: [kpi(25), kpi(25), kpi(50, { kind: "sentiment", label: "NPS" })] },
      "sentiment_weight warning: 50 of 100 points of card v1 are sentiment (NPS), 50 are objective",
    ],
    [
      "less than half proactive",
      { kpis: [kpi(49.9), kpi(20, { side: "reactive" }), kpi(30.1, { side: "reactive" })] },
      "reactive_weight warning: 49.9 of 100 points of card v1 are proactive, 50.1 are reactive",
    ],
    [
      "known accounts that disagree",
      { known: { agree: 4, disagree: 1 } },
      "known_accounts warning: card v1 agrees with 4 of 5 known accounts",
    ],
    ["no sign-off", { sign_off: "none", valid_until: null }, "never_signed_off warning: nobody has signed card v1"],
    [
      "an expired sign-off",
      { sign_off: "expired" },
      "sign_off_expired failure: the sign-off of card v1 expired on 2026-07-15",
    ],
    [
      "accounts of two scorecards",
      { n_overlapping: 1 },
      "overlapping_assignment warning: 1 account of card v1 also meets the conditions of another scorecard; the first in the book's order wins",
    ],
    ["nobody", { n_accounts: 0 }, "never_assigned warning: no account has card v1"],
    [
      "accounts that moved on",
      { moved: { n: 12, examples: ["a", "b"] } },
      "stage_moved warning: 12 accounts of card v1 moved to another stage in the last 90 days and kept the scorecard",
    ],
    [
      "KPIs that few accounts have",
      {
        kpis: [
          ...three.slice(1),
          kpi(40, { coverage: 0.699, label: "NPS" }),
          kpi(0, { coverage: null, kind: null, side: null, label: "csat" }),
        ],
      },
      "kpi_coverage warning: card v1 reads KPIs that few accounts have: NPS (69 % of accounts), csat (no export)",
    ],
    [
      "weight against the evidence",
      {
        kpis: [
          kpi(40, { verdict: "confounded", verdict_label: "Mostly size", action_group: "Leave out", label: "Logins" }),
          kpi(30, {
            verdict: "late_only",
            verdict_label: "Late alarm",
            action_group: "Use with care",
            label: "Rating",
          }),
          kpi(30, { verdict: "weak", verdict_label: "Weak", action_group: "Use with care" }),
        ],
      },
      "weight_on_evidence warning: 70 of 100 points of card v1 are on KPIs that history speaks against: Logins 40 (Mostly size), Rating 30 (Late alarm)",
    ],
  ])("says so of %s", (_what, more, sentence) => {
    expect(sentences(card(more))).toEqual([sentence]);
  });

  it("does not hold verdicts about churn against a score of something else", () => {
    const late = [kpi(40, { verdict: "late_only" }), kpi(30), kpi(30)];
    const expansion = { ...card({ kpis: late }), applied: applied(text().replace("churn_risk", "expansion")) };
    expect(found(expansion)).toEqual([]);
    expect(found(card({ kpis: late })).map(({ rule }) => rule)).toEqual(["weight_on_evidence"]);
  });

  it("tells of accounts without a scorecard, and of too many outcomes, once, at the last one", () => {
    const cards = ["a", "b", "c", "d", "e"].map((outcome) => card({}, `desired_outcome: ${outcome}`));
    expect(sentences(cards, { n_accounts: 100, n_unassigned: 3 })).toEqual([
      "no_assignment warning: 3 of 100 accounts have no scorecard, card v1 is the last that could be theirs",
      "many_outcomes warning: the book's scorecards stand for 5 desired outcomes",
    ]);
    expect(found(cards.slice(1))).toEqual([]);
    // Outcomes that a file names count where the scorecards stand for few.
    const named = (n_outcomes: number) => sentences(card(), { n_accounts: 100, n_unassigned: 0, n_outcomes });
    expect(named(5)).toEqual(["many_outcomes warning: outcomes.yaml names 5 desired outcomes"]);
    expect(named(4)).toEqual([]);
  });

  it("looks at the version in force and the one to come, not at those before or beside", () => {
    const off = { sign_off: "none" as const, valid_until: null };
    expect(found(card({ ...off, is_current: false }))).toEqual([]);
    expect(found(card({ ...off, is_current: false, is_upcoming: true })).map(({ rule }) => rule)).toEqual([
      "never_signed_off",
    ]);
    // Nobody can have what is not in force yet.
    expect(found(card({ is_current: false, is_upcoming: true, n_accounts: 0 }))).toEqual([]);
  });

  it("lists what was silenced, with the reason, and never silences an expired sign-off", () => {
    const file = "silence: [{ rule: many_kpis, because: agreed with the board }]";
    const many = Array.from({ length: 6 }, () => kpi(100 / 6));
    expect(found(card({ kpis: many, sign_off: "expired" }, file)).map((f) => [f.rule, f.severity, f.because])).toEqual([
      ["sign_off_expired", "failure", null],
      ["many_kpis", "silenced", "agreed with the board"],
    ]);
    expect(() => applied(text("silence: [{ rule: sign_off_expired, because: later }]"))).toThrow(
      /silence\[0\]\.rule: found "sign_off_expired", expected one of few_kpis/,
    );
    expect(() => applied(text("silence: [{ rule: many_kpis }]"))).toThrow(/silence\[0\]\.because: found nothing/);
  });

  it("says whose rule it is and how to silence it on purpose", () => {
    const [first] = found(card({ kpis: Array.from({ length: 6 }, () => kpi(100 / 6)) }));
    expect(first?.source).toBe("Freshsuccess's guide and an unsigned guide");
    expect(first?.hint).toBe("on purpose? write silence: [{ rule: many_kpis, because: ... }] into card.yaml");
    expect(lintRules.filter(({ guides }) => guides.length === 0).map(({ id }) => id)).toEqual(["weight_on_evidence"]);
  });

  it("is no other version for it: silence and steps are not content", () => {
    const plain = applied(text());
    const silenced = applied(text("silence: [{ rule: many_kpis, because: so }]\nsteps: { interviews: 12 held }"));
    expect(silenced.definition_sha256).toBe(plain.definition_sha256);
  });
});

describe("the steps that lead to a score", () => {
  it("are done or open by what the file and the release know", () => {
    const told = stepsOf(
      card({ known: { agree: 4, disagree: 1 }, sign_off: "expired" }, "steps: { interviews: twelve by Ida }"),
      { n_staged: 2, test: { state: "not checked", sentence: "Not checked: 41 of 50 churned accounts needed." } },
    );
    expect(told.map(({ step, state, what }) => `${step} ${state}: ${what}`)).toEqual([
      "objective open: no desired outcome is written down",
      "metrics done: 3 KPIs in 1 group",
      "journey open: 2 of 3 KPIs name a stage",
      "clusters open: nothing is written down",
      "success done: agrees with 4 of 5 known accounts",
      "interviews done: twelve by Ida",
      "analyse open: Not checked: 41 of 50 churned accounts needed.",
      "aggregate done: weighted mean",
      "repeat open: the sign-off expired on 2026-07-15",
    ]);
  });
});
