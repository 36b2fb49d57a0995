import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { againstPrimary, describeAgainst } from "../../pipelines/validation/definitions.ts";
import {
  decideGroup,
  type GroupStatistic,
  groupSentence,
  heterogeneityP,
  secondStage,
} from "../../pipelines/validation/groups.ts";
import type { Decision, Evidence } from "../../pipelines/validation/rules.ts";

interface Golden {
  readonly heterogeneity: readonly { auc: number[]; se: number[]; q: number; p: number }[];
  readonly second_stage: readonly {
    id: string;
    main_q: number | null;
    auc: number[];
    se: number[];
    k: number[];
    het_p: number | null;
    het_q: number | null;
    selected: boolean;
    p: number[];
    q: number[] | null;
  }[];
}
const golden = JSON.parse(
  readFileSync(join(projectRoot, "test", "golden", "oracles", "groups.json"), "utf8"),
) as Golden;

const group = (changes: Partial<GroupStatistic> = {}): GroupStatistic => {
  const auc = changes.auc ?? 0.4;
  const se = changes.se === undefined ? 0.02 : changes.se;
  return {
    kind: "segment",
    group: "large",
    auc,
    se,
    z: se === null ? null : (auc - 0.5) / se,
    tied: 0,
    centre: auc,
    accounts: 400,
    churned: 120,
    staying: 390,
    ...changes,
  };
};

describe("whether groups differ", () => {
  it("is Cochran's Q, as statsmodels has it", () => {
    for (const { auc, se, p } of golden.heterogeneity) {
      const groups = auc.map((a, i) => group({ group: `g${i}`, auc: a, se: se[i] as number }));
      expect(heterogeneityP(groups)).toBeCloseTo(p, 10);
    }
  });
  it("asks groups with 50 churned and 50 staying accounts that have a spread, two at least", () => {
    const pair = [group({ group: "a", auc: 0.4 }), group({ group: "b", auc: 0.6 })];
    expect(heterogeneityP(pair)).toBeLessThan(1e-9);
    expect(heterogeneityP([pair[0] as GroupStatistic, group({ group: "b", auc: 0.6, churned: 49 })])).toBeNull();
    expect(heterogeneityP([pair[0] as GroupStatistic, group({ group: "b", auc: 0.6, se: 0 })])).toBeNull();
  });
});

describe("the second stage", () => {
  it("chooses KPIs and lowers the bar by the share chosen, as scipy has it", () => {
    const stage = secondStage(
      golden.second_stage.map(({ id, main_q, auc, se, k }) => ({
        id,
        mainQ: main_q,
        groups: auc.map((a, i) => group({ group: `g${i}`, auc: a, se: se[i] as number, churned: k[i] as number })),
      })),
    );
    const reasons = new Set<string>();
    for (const { id, main_q, het_p, het_q, selected, p, q } of golden.second_stage) {
      const own = stage.get(id);
      expect(own?.isSelected).toBe(selected);
      if (het_p === null) expect(own?.hetP).toBeNull();
      else expect(own?.hetP).toBeCloseTo(het_p, 10);
      if (het_q === null) expect(own?.hetQ).toBeNull();
      else expect(own?.hetQ).toBeCloseTo(het_q, 10);
      // The third group has 49 churned accounts: no test.
      expect([...(own?.tests.keys() ?? [])]).toEqual(["g0", "g1"]);
      for (const [i, name] of ["g0", "g1"].entries()) {
        expect(own?.tests.get(name)?.p).toBeCloseTo(p[i] as number, 10);
        if (q === null) expect(own?.tests.get(name)?.q).toBeNull();
        else expect(own?.tests.get(name)?.q).toBeCloseTo(q[i] as number, 10);
      }
      if (selected) reasons.add((main_q as number) < 0.05 ? "claim" : "differ");
    }
    expect(reasons).toEqual(new Set(["claim", "differ"]));
  });
});

const evidence = { healthier: "higher", distinct: 100, shapeP: 0.5 } as Evidence;
const whole = (rule: Decision["rule"], verdict: Decision["verdict"], changes: Partial<Evidence> = {}) => ({
  evidence: { ...evidence, ...changes },
  decision: { rule, verdict, reason: null },
});
const open = whole("17", "inconclusive");

describe("the verdict of a group", () => {
  it("is none below 50 of either class", () => {
    expect(decideGroup(open, group({ churned: 49 }), 0.001)).toBeNull();
    expect(decideGroup(open, group({ staying: 49 }), 0.001)).toBeNull();
    expect(decideGroup(open, group({ churned: 50, staying: 50 }), 0.001)?.verdict).toBe("predicts");
  });
  it("takes over what a look of its own found for the whole book", () => {
    expect(decideGroup(whole("L", "leaks"), group(), 0.001)).toEqual({
      rule: "L",
      verdict: "leaks",
      reason: "whole_book",
    });
    expect(decideGroup(whole("8", "lenses_disagree"), group(), 0.001)?.verdict).toBe("lenses_disagree");
    expect(decideGroup(whole("12", "predicts"), group({ auc: 0.5 }), 0.9)?.reason).toBeNull();
  });
  it("claims below .05 only, by size", () => {
    expect(decideGroup(open, group(), 0.05)?.verdict).toBe("inconclusive");
    expect(decideGroup(open, group(), null)?.verdict).toBe("inconclusive");
    expect(decideGroup(open, group(), 0.049)?.verdict).toBe("predicts");
    expect(decideGroup(open, group({ auc: 0.46, se: 0.015 }), 0.01)?.verdict).toBe("weak");
    expect(decideGroup(open, group({ auc: 0.495, se: 0.002 }), 0.01)?.verdict).toBe("negligible");
    expect(decideGroup(open, group({ auc: 0.97, se: 0.002 }), 0.01)?.verdict).toBe("too_good");
  });
  it("contradicts a declared direction, both ways, and never 'tested'", () => {
    expect(decideGroup(open, group({ auc: 0.6 }), 0.01)?.verdict).toBe("misleading");
    expect(decideGroup(whole("17", "inconclusive", { healthier: "lower" }), group(), 0.01)?.verdict).toBe("misleading");
    expect(decideGroup(whole("17", "inconclusive", { healthier: "tested" }), group({ auc: 0.6 }), 0.01)?.verdict).toBe(
      "predicts",
    );
  });
  it("rules out only what is surely small, and without a shape", () => {
    const near = group({ auc: 0.49, se: 0.015 });
    expect(decideGroup(open, near, null)?.verdict).toBe("no_useful_effect");
    expect(decideGroup(whole("17", "inconclusive", { shapeP: 0.05 }), near, null)?.verdict).toBe("inconclusive");
    expect(decideGroup(open, { ...near, tied: 0.9 }, null)?.verdict).toBe("inconclusive");
  });
  it("says the group, its numbers and no more", () => {
    const wording = { less: "logged in less", more: "logged in more", wholeLabel: "late alarm" };
    const say = (q: number | null, changes: Partial<GroupStatistic> = {}) => {
      const at = group(changes);
      return groupSentence(decideGroup(open, at, q), at, wording);
    };
    expect(say(0.01)).toBe("In large, leavers logged in less: 60 of 100 pairs (56-64); 120 churned of 400 accounts.");
    expect(say(0.01, { auc: 0.6 })).toBe(
      "In large, high values count as healthy, yet leavers logged in more: 60 of 100 pairs (56-64); 120 churned of 400 accounts.",
    );
    expect(say(null, { kind: "cohort", group: "2024-Q1" })).toBe(
      "Among accounts that signed up in 2024-Q1 it cannot be told: 60 of 100 pairs (56-64); 120 churned of 400 accounts.",
    );
    expect(say(0.01, { churned: 49 })).toBe(
      "In large, 49 churned and 390 staying accounts can be compared, 50 of each are needed for a verdict: 60 of 100 pairs (56-64) so far.",
    );
    const late = whole("2", "late_only");
    expect(groupSentence(decideGroup(late, group(), null), group(), wording)).toBe(
      "In large (120 churned of 400 accounts; 60 of 100 pairs (56-64)) the verdict is that of the whole book: late alarm.",
    );
  });
});

describe("another definition of churn", () => {
  const judged = (verdict: string, auc = 0.4, reason: string | null = null) => ({
    verdict,
    reason,
    label: "Early warning (modest)",
    auc,
  });
  it("survives, changes or cannot tell", () => {
    expect(againstPrimary(judged("predicts"), judged("weak"))).toBe("survives");
    expect(againstPrimary(judged("predicts"), judged("redundant"))).toBe("survives");
    expect(againstPrimary(judged("predicts"), judged("predicts", 0.6))).toBe("changes");
    expect(againstPrimary(judged("predicts"), judged("no_useful_effect"))).toBe("changes");
    expect(againstPrimary(judged("predicts"), judged("inconclusive"))).toBe("cannot_tell");
    expect(againstPrimary(judged("not_tested"), judged("predicts"))).toBe("cannot_tell");
    expect(againstPrimary(judged("no_useful_effect", 0.51), judged("no_useful_effect", 0.49))).toBe("survives");
    expect(againstPrimary(judged("unstable_time", 0.4, "faded"), judged("unstable_time", 0.4, "emerging"))).toBe(
      "changes",
    );
  });
  it("says so with its own numbers", () => {
    const other = {
      ...judged("weak", 0.45),
      definition: "inactivity",
      label: "Weak early warning",
      auc_low: 0.42,
      auc_high: 0.48,
      n_churned: 150,
      n_accounts: 900,
    };
    expect(describeAgainst("survives", { ...judged("predicts"), definition: "subscription_end" }, other)).toBe(
      "Under inactivity the verdict is the same as under subscription_end (early warning (modest)): 55 of 100 pairs (52-58); 150 churned of 900 accounts.",
    );
  });
});
