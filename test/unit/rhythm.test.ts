import { describe, expect, it } from "vitest";
import { letStand, monthStartsUpTo, type PastLook, type Standing } from "../../pipelines/validation/rhythm.ts";

const row = (changes: Partial<Standing> = {}): Standing => ({
  kpi: "logins",
  definition: "subscription_end",
  group_kind: "all",
  segment: "all",
  rule: "12",
  verdict: "predicts",
  label: "Early warning (modest)",
  sentence: "today's",
  reason: null,
  redundant_with: null,
  action_group: "Use",
  strength: "modest",
  small_print: "today's print",
  auc: 0.42,
  ...changes,
});
const weak: Partial<Standing> = {
  rule: "13",
  verdict: "weak",
  label: "Weak early warning",
  action_group: "Use with care",
  strength: null,
};
const look = (look_on: string, changes: Partial<Standing> = {}): PastLook => ({
  ...row({ sentence: `of ${look_on}`, small_print: `print of ${look_on}`, ...changes }),
  look_on,
});
const one = (today: Standing, past: readonly PastLook[], asOf: string) => letStand([today], past, asOf)[0];

describe("month starts", () => {
  it("go back over the turn of the year, a month start counting as its own", () => {
    expect(monthStartsUpTo("2026-02-17")).toEqual([
      "2026-02-01",
      "2026-01-01",
      "2025-12-01",
      "2025-11-01",
      "2025-10-01",
      "2025-09-01",
    ]);
    expect(monthStartsUpTo("2026-03-01", 2)).toEqual(["2026-03-01", "2026-02-01"]);
  });
});

describe("a label that stands", () => {
  // W W E W E E: the six month starts before 17 June.
  const past = [
    look("2026-01-01", weak),
    look("2026-02-01", weak),
    look("2026-03-01"),
    look("2026-04-01", weak),
    look("2026-05-01"),
    look("2026-06-01"),
  ];
  it("counts the month starts that gave it, in whatever order, and the earliest of them", () => {
    expect(one(row(), past, "2026-06-17")).toMatchObject({
      label: "Early warning (modest)",
      held: 3,
      first_seen_on: "2026-03-01",
      look_on: "2026-06-01",
    });
  });
  it("takes today's sentence where today says the same", () => {
    expect(one(row(), past, "2026-06-17")).toMatchObject({ sentence: "today's", small_print: "today's print" });
  });
  it("keeps the look's label, sentence and group where today would say another, beside today's numbers", () => {
    expect(one(row({ ...weak, auc: 0.47 }), past, "2026-06-17")).toMatchObject({
      rule: "12",
      verdict: "predicts",
      label: "Early warning (modest)",
      sentence: "of 2026-06-01",
      small_print: "print of 2026-06-01",
      action_group: "Use",
      strength: "modest",
      auc: 0.47,
      held: 3,
    });
  });
  it("keeps the look's sentence where the direction turned under the same label", () => {
    expect(one(row({ auc: 0.58 }), past, "2026-06-17")).toMatchObject({ sentence: "of 2026-06-01", auc: 0.58 });
  });
  it("is today's on a month start, which counts as the newest look", () => {
    const on = past.slice(1);
    expect(one(row(weak), on, "2026-07-01")).toMatchObject({
      label: "Weak early warning",
      sentence: "today's",
      held: 3,
      first_seen_on: "2026-02-01",
      look_on: "2026-07-01",
    });
    expect(one(row({ ...weak, label: "Faded" }), on, "2026-07-01")).toMatchObject({
      held: 1,
      first_seen_on: "2026-07-01",
    });
  });
  it("stays today's without a look of its own, and has no count", () => {
    expect(one(row({ kpi: "other" }), past, "2026-06-17")).toMatchObject({
      sentence: "today's",
      look_on: null,
      held: null,
      first_seen_on: null,
    });
  });
  it("has no count where only the newest look exists", () => {
    const cancel = { definition: "cancel" };
    expect(one(row({ ...cancel, ...weak }), [look("2026-06-01", cancel)], "2026-06-17")).toMatchObject({
      label: "Early warning (modest)",
      look_on: "2026-06-01",
      held: null,
    });
  });
  it("keeps 'not enough data' with today's counts, whatever the reason was then", () => {
    const none = { rule: "0", verdict: "not_tested", label: "Not enough data", strength: null };
    const then = look("2026-06-01", { ...none, reason: "no_churn", auc: null });
    expect(one(row({ ...none, reason: "too_few_churned" }), [then], "2026-06-17")).toMatchObject({
      label: "Not enough data",
      reason: "too_few_churned",
      sentence: "today's",
    });
  });
  it("knows each group by itself", () => {
    const large = { group_kind: "segment", segment: "large" };
    const [whole, group] = letStand(
      [row(), row({ ...large, ...weak })],
      [...past, look("2026-06-01", large)],
      "2026-06-17",
    );
    expect(whole?.label).toBe("Early warning (modest)");
    expect(group).toMatchObject({ label: "Early warning (modest)", look_on: "2026-06-01", held: null });
  });
});
