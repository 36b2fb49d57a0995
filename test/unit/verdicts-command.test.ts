import { describe, expect, it } from "vitest";
import { describeVerdicts, type Verdicts } from "../../pipelines/commands/verdicts.ts";

type Row = Verdicts["verdicts"][number];
const row = (kpi: string, changes: Partial<Row> = {}): Row => ({
  kpi,
  definition: "ends",
  group_kind: "all",
  segment: "all",
  verdict: "predicts",
  rule: "12",
  label: "Early warning (modest)",
  sentence: "Accounts that logged in less left more often.",
  action_group: "Use",
  auc: 0.43,
  auc_low: 0.4,
  auc_high: 0.46,
  auc_se: 0.015,
  n_churned: 376,
  n_accounts: 984,
  detectable_auc: 0.55,
  badges: "",
  look_on: "2026-06-01",
  first_seen_on: "2026-01-01",
  held: 6,
  against_primary: null,
  ...changes,
});
const control = (p: number | null, auc: number): Verdicts["random_controls"][number] => ({
  control: "c",
  kind: "transient",
  auc,
  auc_low: 0.4,
  auc_high: 0.6,
  p,
  n_accounts: 984,
  n_churned: 376,
});
const answer = (changes: Partial<Verdicts> = {}): Verdicts => ({
  as_of: "2026-06-17",
  definition: "ends",
  verdicts: [row("logins")],
  groups: [],
  other_definitions: [],
  looks: [],
  random_controls: [],
  interventions: [],
  power: "The power.",
  reveal: null,
  ...changes,
});
/** Without the breaks and indents of a terminal's lines. */
const plain = (text: string): string => text.replace(/\s+/g, " ");

describe("verdicts in the terminal", () => {
  it("says from which day the labels are, and how long they held", () => {
    const text = plain(describeVerdicts(answer()));
    expect(text).toContain(
      "Labels are those of 1 June 2026 and stand until the next month start; numbers are of 17 June 2026.",
    );
    expect(text).toContain(
      "57 of 100 pairs, 95 % interval 54-60; 376 of 984 accounts churned; held 6 of 6 month starts",
    );
  });
  it("says nothing of the day where it is the report's own, nor of labels that nobody watched", () => {
    expect(describeVerdicts(answer({ as_of: "2026-06-01" }))).not.toContain("Labels are");
    const unwatched = answer({ verdicts: [row("logins", { look_on: null, first_seen_on: null, held: null })] });
    expect(describeVerdicts(unwatched)).not.toMatch(/Labels are|month start/);
  });
  it("marks a label new until three month starts gave it, in place of the badge", () => {
    const held = (n: number) =>
      plain(
        describeVerdicts(
          answer({
            verdicts: [
              row("logins", {
                held: n,
                first_seen_on: "2026-05-01",
                badges: n < 3 ? "tenure_proxy, new" : "tenure_proxy",
              }),
            ],
          }),
        ),
      );
    expect(held(2)).toContain("new: 2 of 6 month starts, first on 2026-05-01; tenure proxy)");
    expect(held(3)).toContain("held 3 of 6 month starts; tenure proxy)");
  });
  it("tells in one line how many groups there are, and shows them when asked", () => {
    const small = row("logins", {
      group_kind: "segment",
      segment: "tiny",
      verdict: null as never,
      label: null as never,
      sentence: "In tiny, 9 churned.",
    });
    const solo = row("logins", {
      group_kind: "segment",
      segment: "solo",
      sentence: "In solo, leavers logged in less.",
    });
    const cohort = row("logins", {
      group_kind: "cohort",
      segment: "2024",
      verdict: "inconclusive",
      label: "Cannot tell yet",
      sentence: "It cannot be told.",
    });
    const made = answer({ groups: [small, solo, cohort] });
    expect(plain(describeVerdicts(made))).toContain(
      "Inside 3 segments and sign-up cohorts: 1 claim (solo); --all shows them, --segment NAME one.",
    );
    expect(plain(describeVerdicts(made, { segment: "solo" }))).toMatch(
      /^SEGMENT SOLO logins Early warning \(modest\)\. In solo, leavers logged in less\./,
    );
    const all = plain(describeVerdicts(made, { all: true }));
    expect(all).toContain("SEGMENT TINY logins In tiny, 9 churned.");
    expect(all).toContain("SIGNED UP IN 2024 logins Cannot tell yet. It cannot be told.");
  });
  it("shows another definition by what becomes of the verdicts, and as no headline", () => {
    const other = (kpi: string, against: string, label: string) =>
      row(kpi, { definition: "cancel", against_primary: against, label, sentence: `About ${kpi}.` });
    const made = answer({
      other_definitions: [other("b", "cannot_tell", "Cannot tell"), other("a", "survives", "Survives")],
    });
    const text = plain(describeVerdicts(made, { definition: "cancel" }));
    expect(text).toMatch(/^SURVIVES UNDER cancel a About a\. CANNOT TELL UNDER cancel b About b\./);
    expect(text).toContain("No headline rests on cancel");
    expect(describeVerdicts(made)).not.toContain("cancel");
  });
  it("says what chance looks like", () => {
    const made = answer({ random_controls: [control(0.03, 0.46), control(0.8, 0.51), control(null, 0.7)] });
    expect(plain(describeVerdicts(made))).toContain(
      "For comparison, 2 KPIs made of random numbers sort 51 to 54 of 100 pairs (376 of 984 accounts churned); 1 of them would pass p < .05 alone.",
    );
    expect(describeVerdicts(answer({ random_controls: [control(null, 0.5)] }))).not.toContain("random");
  });
});
