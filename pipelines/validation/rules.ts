/**
 * The verdict of a KPI: a fixed, ordered table of rules over what history shows, first match wins (docs/method.md).
 * Pure: numbers in, one verdict out. A condition that reads a null is false.
 */
import { benjaminiHochberg, benjaminiYekutieli, twoSidedP, zOfTwoSidedP } from "./distributions.ts";

export const ruleIds = [
  "L",
  "0",
  "1",
  "2",
  "2b",
  "3",
  "4",
  "5",
  "6",
  "7",
  "8",
  "9",
  "10",
  "11",
  "12",
  "13",
  "14",
  "15",
  "16",
  "17",
  "18",
] as const;
export type RuleId = (typeof ruleIds)[number];

export type Verdict =
  | "leaks"
  | "not_tested"
  | "too_good"
  | "late_only"
  | "mostly_late"
  | "non_monotone"
  | "unstable_time"
  | "unstable_segment"
  | "confounded"
  | "negligible"
  | "lenses_disagree"
  | "confounded_by_use"
  | "reversed_adjusted"
  | "misleading"
  | "predicts"
  | "weak"
  | "missingness"
  | "no_useful_effect"
  | "inconclusive"
  | "redundant";

export const notTestedReasons = [
  "no_labelled_rows",
  "no_churn",
  "no_survivors",
  "too_few_churned",
  "baseline_knows_outcome",
  "low_coverage",
  "near_constant",
  "no_overlap",
] as const;

export type Leak =
  | { readonly kind: "truncation"; readonly changed: number }
  | { readonly kind: "lineage"; readonly table: string };

export type Healthier = "higher" | "lower" | "tested";

/** What the rules read of one KPI under one definition of churn. A = P(value of a churner > value of another). */
export interface Statistics {
  readonly leak: Leak | null;
  readonly nLabelled: number;
  readonly nEventLabels: number;
  /** E_k and N_k: accounts with an event row, a non-event row, that has a value and can be compared. */
  readonly churned: number;
  readonly staying: number;
  readonly baselineKnows: boolean;
  readonly coverage: number | null;
  readonly modalShare: number | null;
  readonly distinct: number;
  readonly overlap: number | null;
  readonly auc: number | null;
  readonly se: number | null;
  readonly z: number | null;
  readonly tied: number | null;
  readonly crudeAuc: number | null;
  readonly crudeZ: number | null;
  readonly crudeDifferenceZ: number | null;
  readonly lateAuc: number | null;
  readonly lateZ: number | null;
  readonly shapeP: number | null;
  /** z left and right of the 30, 50 and 70 % splits. */
  readonly sides: readonly { readonly left: number | null; readonly right: number | null }[];
  readonly half1Auc: number | null;
  readonly half1Se: number | null;
  readonly half2Auc: number | null;
  readonly half2Se: number | null;
  readonly half2Z: number | null;
  readonly halvesZ: number | null;
  readonly logitZ: number | null;
  readonly missingZ: number | null;
  /** The same A within each segment of the strata. */
  readonly segments: readonly SegmentStatistic[];
  /**
   * For a count, sum, distinct or active_days of usage: its rank correlation with all other use in its look-back, and the z of
   * the lens with that use held; null where it was not asked.
   */
  readonly otherUse: { readonly spearman: number | null; readonly z: number | null } | null;
  readonly healthier: Healthier;
}

export interface SegmentStatistic {
  readonly segment: string;
  readonly auc: number;
  readonly z: number;
  /** K: the smaller of the churned and the staying accounts that can be compared there. */
  readonly k: number;
}

/** q-values of the families; null outside a family. */
export interface FamilyQ {
  readonly main: number | null;
  readonly crude: number | null;
  readonly late: number | null;
  readonly shape: number | null;
  readonly halves: number | null;
  readonly missing: number | null;
}

export interface Evidence extends Statistics {
  readonly q: FamilyQ;
}

export interface Decision {
  readonly rule: RuleId;
  readonly verdict: Verdict;
  readonly reason: string | null;
}

/** Smaller, false when either is null. */
const below = (a: number | null, b: number | null): boolean => a !== null && b !== null && a < b;
/** At least, false when either is null. */
const atLeast = (a: number | null, b: number | null): boolean => a !== null && b !== null && a >= b;

/** Statistics are stored to 12 digits; a difference of two must not fall below a bound by binary dust (.5 - .45 < .05). */
const clean = (value: number): number => Math.round(value * 1e12) / 1e12;

const offCentre = (a: number | null): number | null => (a === null ? null : clean(Math.abs(a - 0.5)));
const side = (a: number): number => Math.sign(a - 0.5);

/** One-sided 5 % bounds of |A - 1/2|. */
export function boundsOf({ auc, se, tied }: Pick<Statistics, "auc" | "se" | "tied">) {
  if (auc === null || se === null) return { o: null, lower: null, upper: null, upperUntied: null };
  const o = clean(Math.abs(auc - 0.5));
  const upper = clean(o + 1.645 * se);
  const untied = 1 - (tied ?? 0);
  return { o, lower: clean(o - 1.645 * se), upper, upperUntied: untied > 0 ? clean(upper / untied) : null };
}

/** X of the table: the crude difference is real, and most of it goes with age, size or segment. */
export function isExplainedByMix(e: Evidence): boolean {
  const crude = offCentre(e.crudeAuc);
  return (
    below(e.q.crude, 0.05) &&
    atLeast(crude, 0.03) &&
    crude !== null &&
    below(offCentre(e.auc), 0.5 * crude) &&
    atLeast(e.crudeDifferenceZ, 1.96)
  );
}

/** The logistic lens sees nothing, or the other sign. Unknown when it has no z. */
export function doLensesDisagree(e: Statistics): boolean {
  if (e.logitZ === null || e.auc === null) return false;
  return Math.abs(e.logitZ) < 1.96 || Math.sign(e.logitZ) !== side(e.auc);
}

/** 3 x the least, over the splits whose sides have opposite signs, of the larger of both p's; null without such a split. */
export function twoLinesP(sides: Statistics["sides"]): number | null {
  let least: number | null = null;
  for (const { left, right } of sides) {
    if (left === null || right === null || left * right >= 0) continue;
    const p = twoSidedP(Math.min(Math.abs(left), Math.abs(right))) as number;
    if (least === null || p < least) least = p;
  }
  return least === null ? null : Math.min(1, 3 * least);
}

/** `both_ends`: low and high values go with leaving; `middle`: the values between do. From the clearest split. */
export function shapeOf(sides: Statistics["sides"]): "both_ends" | "middle" {
  let best = 0;
  let shape: "both_ends" | "middle" = "both_ends";
  for (const { left, right } of sides) {
    if (left === null || right === null || left * right >= 0) continue;
    const clear = Math.min(Math.abs(left), Math.abs(right));
    if (clear > best) {
      best = clear;
      shape = left < 0 ? "both_ends" : "middle";
    }
  }
  return shape;
}

/** `faded` or `emerging` by which half is stronger; `reversed` when both halves are clear and disagree. */
export function timeCourseOf(e: Statistics): "faded" | "emerging" | "reversed" {
  const { half1Auc: a, half2Auc: b } = e;
  if (a === null || b === null) return "faded";
  const isOpposite = side(a) * side(b) < 0;
  if (isOpposite && !includesHalf(a, e.half1Se) && !includesHalf(b, e.half2Se)) return "reversed";
  return Math.abs(a - 0.5) >= Math.abs(b - 0.5) ? "faded" : "emerging";
}

const includesHalf = (auc: number | null, se: number | null): boolean =>
  auc !== null && se !== null && Math.abs(auc - 0.5) <= 1.645 * se;

function isUnstableInTime(e: Evidence): boolean {
  if (!below(e.q.halves, 0.01) || e.half1Auc === null || e.half2Auc === null) return false;
  return (
    includesHalf(e.half1Auc, e.half1Se) ||
    includesHalf(e.half2Auc, e.half2Se) ||
    side(e.half1Auc) * side(e.half2Auc) < 0
  );
}

/**
 * The two segments that point opposite ways most clearly: K >= 50 and |z| > 2.58 in each, whatever q; null without such a
 * pair. `down` is the one where leavers have less.
 */
export function oppositeSegments(
  e: Pick<Statistics, "segments">,
): { readonly down: SegmentStatistic; readonly up: SegmentStatistic } | null {
  const clear = e.segments.filter(({ k, z }) => k >= 50 && Math.abs(z) > 2.58);
  const clearest = (some: readonly SegmentStatistic[]): SegmentStatistic | undefined =>
    [...some].sort((a, b) => Math.abs(b.z) - Math.abs(a.z) || (a.segment < b.segment ? -1 : 1))[0];
  const down = clearest(clear.filter(({ z }) => z < 0));
  const up = clearest(clear.filter(({ z }) => z > 0));
  return down === undefined || up === undefined ? null : { down, up };
}

/** The first reason for which a KPI is not tested, null when it is. */
export function notTestedReason(e: Statistics): (typeof notTestedReasons)[number] | null {
  if (e.nLabelled === 0) return "no_labelled_rows";
  if (e.nEventLabels === 0) return "no_churn";
  if (e.nEventLabels === e.nLabelled) return "no_survivors";
  if (Math.min(e.churned, e.staying) < 50) return "too_few_churned";
  if (e.baselineKnows) return "baseline_knows_outcome";
  if (below(e.coverage, 0.2)) return "low_coverage";
  if (e.modalShare !== null && e.modalShare > 0.98) return "near_constant";
  if (below(e.overlap, 0.8)) return "no_overlap";
  return null;
}

/** Rows L, 0 and 1: decided before any family is formed, so that these KPIs are not in m. */
export function decideBeforeFamilies(e: Statistics): Decision | null {
  if (e.leak !== null) return { rule: "L", verdict: "leaks", reason: e.leak.kind };
  const reason = notTestedReason(e);
  if (reason !== null) return { rule: "0", verdict: "not_tested", reason };
  if (e.auc !== null && (e.auc < 0.05 || e.auc > 0.95)) return { rule: "1", verdict: "too_good", reason: null };
  return null;
}

interface Rule {
  readonly id: RuleId;
  readonly verdict: Verdict;
  readonly when: (e: Evidence) => boolean;
  readonly reason?: (e: Evidence) => string;
}

const isClaimed = (e: Evidence): boolean => below(e.q.main, 0.05);

/** d of the table: A's distance from 1/2 in the direction of the late statistic. */
const towardsLate = (e: Evidence): number | null =>
  e.auc === null || e.lateAuc === null ? null : side(e.lateAuc) * (e.auc - 0.5);

const isLate = (e: Evidence): boolean => below(e.q.late, 0.05) && atLeast(offCentre(e.lateAuc), 0.1);

/** Declared healthy values go with leaving. */
export const isContradicted = (e: Pick<Statistics, "auc" | "healthier">): boolean =>
  e.auc !== null && ((e.healthier === "higher" && e.auc > 0.5) || (e.healthier === "lower" && e.auc < 0.5));

/** The KPI goes with other use, and holding that use turns its sign in the lens. */
export function doesRideOnUse(e: Statistics): boolean {
  if (e.otherUse === null || e.otherUse.spearman === null || e.otherUse.z === null || e.logitZ === null) return false;
  return Math.abs(e.otherUse.spearman) >= 0.3 && e.otherUse.z * e.logitZ < 0;
}

/** Rows 2 to 17 in order; row 18 is a second pass (redundancy.ts). */
const rules: readonly Rule[] = [
  {
    id: "2",
    verdict: "late_only",
    when: (e) => {
      const d = towardsLate(e);
      const late = offCentre(e.lateAuc);
      if (!isLate(e) || d === null || late === null || e.se === null) return false;
      return !(isClaimed(e) && d > 0) && Math.max(0, d) + 1.645 * e.se < Math.max(0.05, late / 3);
    },
  },
  {
    id: "2b",
    verdict: "mostly_late",
    when: (e) => {
      const d = towardsLate(e);
      const late = offCentre(e.lateAuc);
      if (!isLate(e) || d === null || late === null || e.se === null) return false;
      return isClaimed(e) && d > 0 && d + 1.645 * e.se < late / 3;
    },
  },
  {
    id: "3",
    verdict: "non_monotone",
    when: (e) => below(e.q.shape, 0.01) && e.distinct >= 3 && below(twoLinesP(e.sides), 0.05),
    reason: (e) => shapeOf(e.sides),
  },
  { id: "4", verdict: "unstable_time", when: isUnstableInTime, reason: timeCourseOf },
  { id: "5", verdict: "unstable_segment", when: (e) => oppositeSegments(e) !== null },
  {
    id: "6",
    verdict: "confounded",
    when: (e) => isClaimed(e) && isExplainedByMix(e) && (below(boundsOf(e).upper, 0.02) || doLensesDisagree(e)),
  },
  { id: "7", verdict: "negligible", when: (e) => isClaimed(e) && below(boundsOf(e).upper, 0.02) },
  { id: "8", verdict: "lenses_disagree", when: (e) => isClaimed(e) && doLensesDisagree(e) },
  { id: "9", verdict: "confounded_by_use", when: (e) => isClaimed(e) && doesRideOnUse(e) },
  {
    id: "10",
    verdict: "reversed_adjusted",
    when: (e) =>
      isClaimed(e) &&
      e.auc !== null &&
      e.crudeAuc !== null &&
      side(e.crudeAuc) * side(e.auc) < 0 &&
      below(e.q.crude, 0.05) &&
      atLeast(offCentre(e.crudeAuc), 0.02),
  },
  { id: "11", verdict: "misleading", when: (e) => isClaimed(e) && isContradicted(e) },
  {
    id: "12",
    verdict: "predicts",
    when: (e) => {
      const { o, lower } = boundsOf(e);
      if (!isClaimed(e) || o === null || !atLeast(lower, 0.02)) return false;
      const tied = e.tied ?? 0;
      return o >= 0.05 || (tied >= 0.5 && tied < 1 && clean(o / (1 - tied)) >= 0.1);
    },
  },
  { id: "13", verdict: "weak", when: isClaimed },
  { id: "14", verdict: "missingness", when: (e) => below(e.q.missing, 0.01) },
  { id: "15", verdict: "confounded", when: isExplainedByMix },
  {
    id: "16",
    verdict: "no_useful_effect",
    when: (e) => {
      const { upper, upperUntied } = boundsOf(e);
      return below(upper, 0.05) && below(upperUntied, 0.1) && (e.distinct < 3 || atLeast(e.shapeP, 0.1));
    },
  },
  { id: "17", verdict: "inconclusive", when: () => true },
];

/** The verdict: total, first match. */
export function decide(e: Evidence): Decision {
  const early = decideBeforeFamilies(e);
  if (early !== null) return early;
  const rule = rules.find((candidate) => candidate.when(e)) as Rule;
  return { rule: rule.id, verdict: rule.verdict, reason: rule.reason?.(e) ?? null };
}

/** Which of 16 and 17 the value itself would get: the second half of the text of row 14. */
export const isTooSmallToMatter = (e: Evidence): boolean => (rules.find((rule) => rule.id === "16") as Rule).when(e);

export type Family = keyof FamilyQ;
export const families: readonly Family[] = ["main", "crude", "late", "shape", "halves", "missing"];

export interface Tested<T extends Statistics> {
  readonly input: T;
  readonly evidence: Evidence;
  readonly decision: Decision;
  readonly p: Readonly<Record<Family, number | null>>;
  readonly qBy: number | null;
  /** Rejections and size of the main family, for the power statement. */
  readonly rejections: number;
  readonly size: number;
}

/** The p-values of a KPI, by family. */
export const pValuesOf = (s: Statistics): Readonly<Record<Family, number | null>> => ({
  main: twoSidedP(s.z),
  crude: twoSidedP(s.crudeZ),
  late: twoSidedP(s.lateZ),
  shape: s.distinct >= 2 ? s.shapeP : null,
  halves: twoSidedP(s.halvesZ),
  missing: twoSidedP(s.missingZ),
});

/**
 * Decides all KPIs of one definition together: rows L, 0 and 1 first, then a Benjamini-Hochberg family each for the rest
 * (main, crude and late are read at .05, shape, halves and missingness at .01), then the table.
 */
export function decideAll<T extends Statistics & { readonly id: string }>(inputs: readonly T[]): readonly Tested<T>[] {
  const tested = inputs.filter((input) => decideBeforeFamilies(input) === null);
  const p = new Map(inputs.map((input) => [input.id, pValuesOf(input)]));
  const of = (family: Family) => tested.map(({ id }) => ({ id, p: p.get(id)?.[family] ?? null }));
  const q = new Map(families.map((family) => [family, benjaminiHochberg(of(family))]));
  const main = of("main");
  const qBy = benjaminiYekutieli(main);
  const size = main.filter((test) => test.p !== null).length;
  const rejections = [...(q.get("main") as ReadonlyMap<string, number>).values()].filter(
    (value) => value < 0.05,
  ).length;
  return inputs.map((input) => {
    const qOf = (family: Family) => q.get(family)?.get(input.id) ?? null;
    const evidence: Evidence = {
      ...input,
      q: {
        main: qOf("main"),
        crude: qOf("crude"),
        late: qOf("late"),
        shape: qOf("shape"),
        halves: qOf("halves"),
        missing: qOf("missing"),
      },
    };
    return {
      input,
      evidence,
      decision: decide(evidence),
      p: p.get(input.id) as Readonly<Record<Family, number | null>>,
      qBy: qBy.get(input.id) ?? null,
      rejections,
      size,
    };
  });
}

/**
 * The A (above 1/2) that a KPI with this standard error would show four times in five at the bar that R rejections among m
 * tests set: 1/2 + (z_BH + .842) se. Null without a test.
 */
export function detectableAuc(se: number | null, rejections: number, size: number): number | null {
  if (se === null || size === 0) return null;
  return 0.5 + (zOfTwoSidedP((0.05 * Math.max(1, rejections)) / size) + 0.842) * se;
}

export type ActionGroup = "Use" | "Use with care" | "Score differently" | "Leave out" | "Not known";
export const actionGroups: readonly ActionGroup[] = [
  "Use",
  "Use with care",
  "Score differently",
  "Leave out",
  "Not known",
];

/** What to do about a KPI with this verdict. */
export function actionGroupOf({ verdict, reason }: Pick<Decision, "verdict" | "reason">): ActionGroup {
  switch (verdict) {
    case "predicts":
      return "Use";
    case "weak":
    case "mostly_late":
    case "late_only":
    case "unstable_segment":
    case "missingness":
      return "Use with care";
    case "non_monotone":
    case "reversed_adjusted":
    case "misleading":
    case "confounded_by_use":
      return "Score differently";
    case "unstable_time":
      return reason === "emerging" ? "Use with care" : "Leave out";
    case "leaks":
    case "too_good":
    case "confounded":
    case "negligible":
    case "no_useful_effect":
    case "redundant":
      return "Leave out";
    case "not_tested":
    case "lenses_disagree":
    case "inconclusive":
      return "Not known";
  }
}

export type Strength = "slight" | "modest" | "strong" | "check for leakage";

/** In words, by |A - 1/2|. */
export function strengthOf(distance: number): Strength {
  const o = clean(distance);
  return o < 0.05 ? "slight" : o < 0.1 ? "modest" : o < 0.25 ? "strong" : "check for leakage";
}

export type Badge =
  | "out_of_time_confirmed"
  | "high_missing"
  | "tenure_proxy"
  | "intervention_contaminated"
  | "arrival_times_unknown"
  | "exploratory";

/**
 * Marks beside a verdict; none changes it. Where the families are known, only a link with q < .05 can be confirmed out of time:
 * beside "cannot tell" the mark would be the claim that the verdict withholds.
 */
export function badgesOf(
  e: Statistics & { readonly q?: FamilyQ },
  facts: {
    readonly spearmanTenure: number | null;
    readonly arrivalKnown: boolean | null;
    /** Plays start far more often in the KPI's riskiest fifth than elsewhere (validation.kpi_intervention). */
    readonly isContaminated?: boolean;
  },
): readonly Badge[] {
  const badges: Badge[] = [];
  const k = Math.min(e.churned, e.staying);
  if (k >= 50 && k < 100) badges.push("exploratory");
  if (
    (e.q === undefined || below(e.q.main, 0.05)) &&
    e.half1Auc !== null &&
    e.half2Auc !== null &&
    side(e.half1Auc) === side(e.half2Auc) &&
    side(e.half1Auc) !== 0 &&
    e.half2Z !== null &&
    Math.abs(e.half2Z) >= 1.96
  ) {
    badges.push("out_of_time_confirmed");
  }
  if (below(e.coverage, 0.7)) badges.push("high_missing");
  if (facts.spearmanTenure !== null && Math.abs(facts.spearmanTenure) >= 0.5) badges.push("tenure_proxy");
  if (facts.isContaminated === true) badges.push("intervention_contaminated");
  if (facts.arrivalKnown === false) badges.push("arrival_times_unknown");
  return badges;
}
