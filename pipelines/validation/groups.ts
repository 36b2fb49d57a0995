/**
 * Verdicts inside segments and sign-up cohorts: a second stage behind the whole book. Which KPIs may be read by group is chosen
 * first (a claim over the whole book, or groups that differ); inside those the bar is lowered to what that choice has cost
 * (Benjamini and Bogomolov 2014), so that the share of wrong claims stays where it was.
 */
import { benjaminiHochberg, chiSquareP, twoSidedP } from "./distributions.ts";
import { aucInterval } from "./interval.ts";
import { boundsOf, type Decision, type Evidence, isContradicted, type RuleId } from "./rules.ts";
import { count, sorted, sortedInterval } from "./sentences.ts";

/** A needs 50 churned and 50 staying accounts of a group for a test. */
export const leastInGroup = 50;

export type GroupKind = "segment" | "cohort";

/** A of one KPI in one group, like for like. */
export interface GroupStatistic {
  readonly kind: GroupKind;
  readonly group: string;
  readonly auc: number;
  readonly se: number | null;
  readonly z: number | null;
  readonly tied: number | null;
  /** A, or the shrunk A of a perfect separator. */
  readonly centre: number | null;
  readonly accounts: number;
  readonly churned: number;
  readonly staying: number;
}

const isLarge = ({ churned, staying }: GroupStatistic): boolean => Math.min(churned, staying) >= leastInGroup;

/**
 * Cochran's Q over the groups with 50 accounts of each class: sum of (A - mean)^2 / V with the mean weighted by 1 / V, against
 * chi-square with one degree of freedom less than groups. Null below two groups that have a spread.
 */
export function heterogeneityP(groups: readonly GroupStatistic[]): number | null {
  const usable = groups.filter((group) => isLarge(group) && group.se !== null && group.se > 0);
  if (usable.length < 2) return null;
  const weights = usable.map(({ se }) => 1 / ((se as number) * (se as number)));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const mean = usable.reduce((sum, { auc }, i) => sum + auc * (weights[i] as number), 0) / total;
  const q = usable.reduce((sum, { auc }, i) => sum + (weights[i] as number) * (auc - mean) ** 2, 0);
  return chiSquareP(q, usable.length - 1);
}

export interface SecondStageInput {
  readonly id: string;
  /** q of the whole book's main family; null outside it: such a KPI is not read by group. */
  readonly mainQ: number | null;
  readonly groups: readonly GroupStatistic[];
}

export interface SecondStage {
  readonly hetP: number | null;
  readonly hetQ: number | null;
  readonly isSelected: boolean;
  /** Per group with 50 of each class its p, and q = min(1, q_BH m / size(S)): a claim when below .05. */
  readonly tests: ReadonlyMap<string, { readonly p: number; readonly q: number | null }>;
}

/** The second stage of one kind of groups for the KPIs of a definition. */
export function secondStage(inputs: readonly SecondStageInput[]): ReadonlyMap<string, SecondStage> {
  const family = inputs.filter(({ mainQ }) => mainQ !== null);
  const hetP = new Map(family.map(({ id, groups }) => [id, heterogeneityP(groups)]));
  const hetQ = benjaminiHochberg([...hetP].map(([id, p]) => ({ id, p })));
  const isSelected = ({ id, mainQ }: SecondStageInput): boolean =>
    mainQ !== null && (mainQ < 0.05 || (hetQ.get(id) ?? 1) < 0.01);
  const selected = family.filter(isSelected).length;
  return new Map(
    inputs.map((input) => {
      const p = input.groups
        .filter(isLarge)
        .flatMap(({ group, z }) => (z === null ? [] : [{ id: group, p: twoSidedP(z) as number }]));
      const q = isSelected(input) ? benjaminiHochberg(p) : new Map<string, number>();
      const adjusted = (group: string): number | null => {
        const own = q.get(group);
        return own === undefined ? null : Math.min(1, (own * family.length) / selected);
      };
      return [
        input.id,
        {
          hetP: hetP.get(input.id) ?? null,
          hetQ: hetQ.get(input.id) ?? null,
          isSelected: isSelected(input),
          tests: new Map(p.map(({ id, p: value }) => [id, { p: value, q: adjusted(id) }])),
        },
      ];
    }),
  );
}

/** Verdicts that rest on looks which no group repeats (late, shape, time, the second lens): they hold in groups as they do over all. */
const holdsInGroups: ReadonlySet<RuleId> = new Set(["L", "0", "1", "2", "2b", "3", "4", "6", "8", "9"]);

/**
 * The verdict of a KPI in a group: none below 50 of each class. What the whole book's verdict found out by a look of its own
 * stands; otherwise rows 1, 7, 11, 12, 13, 16 and 17 of the table, over the group's A, with the q of the second stage.
 */
export function decideGroup(
  whole: { readonly evidence: Evidence; readonly decision: Decision },
  group: GroupStatistic,
  q: number | null,
): Decision | null {
  if (!isLarge(group)) return null;
  if (holdsInGroups.has(whole.decision.rule)) return { ...whole.decision, reason: "whole_book" };
  const { auc } = group;
  const of = (rule: RuleId, verdict: Decision["verdict"]): Decision => ({ rule, verdict, reason: null });
  if (auc < 0.05 || auc > 0.95) return of("1", "too_good");
  const { o, lower, upper, upperUntied } = boundsOf({ auc, se: group.se, tied: group.tied });
  if (q !== null && q < 0.05) {
    if (upper !== null && upper < 0.02) return of("7", "negligible");
    if (isContradicted({ healthier: whole.evidence.healthier, auc })) return of("11", "misleading");
    const tied = group.tied ?? 0;
    const isFar = o !== null && (o >= 0.05 || (tied >= 0.5 && tied < 1 && o / (1 - tied) >= 0.1));
    return isFar && lower !== null && lower >= 0.02 ? of("12", "predicts") : of("13", "weak");
  }
  const { distinct, shapeP } = whole.evidence;
  const hasNoShape = distinct < 3 || (shapeP !== null && shapeP >= 0.1);
  const isRuledOut = upper !== null && upper < 0.05 && upperUntied !== null && upperUntied < 0.1 && hasNoShape;
  return isRuledOut ? of("16", "no_useful_effect") : of("17", "inconclusive");
}

export interface GroupWording {
  readonly less: string;
  readonly more: string;
  /** The label of the whole book's verdict. */
  readonly wholeLabel: string;
}

const nameOf = ({ kind, group }: GroupStatistic): string =>
  kind === "segment" ? `In ${group}` : `Among accounts that signed up in ${group}`;

/** One sentence about a group, with its numbers. */
export function groupSentence(decision: Decision | null, group: GroupStatistic, wording: GroupWording): string {
  const { auc, churned, staying } = group;
  const interval = aucInterval(group.centre, group.se === 0 ? null : group.se);
  const { lo, hi } = sortedInterval(auc, interval.low, interval.high);
  const range = interval.low === null ? "" : ` (${lo}-${hi})`;
  const n = `${count(churned)} churned of ${count(group.accounts)} accounts`;
  const where = nameOf(group);
  const isLow = auc < 0.5;
  if (decision === null) {
    return `${where}, ${count(churned)} churned and ${count(staying)} staying accounts can be compared, 50 of each are needed for a verdict: ${sorted(auc)} of 100 pairs${range} so far.`;
  }
  if (decision.reason === "whole_book") {
    return `${where} (${n}; ${sorted(auc)} of 100 pairs${range}) the verdict is that of the whole book: ${wording.wholeLabel}.`;
  }
  switch (decision.verdict) {
    case "too_good":
      return `${where} it sorts ${sorted(auc)} of 100 pairs (${n}): treat as information from the future until shown otherwise.`;
    case "negligible":
      return `${where} there is a link, at most ${hi} of 100 pairs: too small to act on (${n}).`;
    case "misleading":
      return isLow
        ? `${where}, low values count as healthy, yet leavers ${wording.less}: ${sorted(auc)} of 100 pairs${range}; ${n}.`
        : `${where}, high values count as healthy, yet leavers ${wording.more}: ${sorted(auc)} of 100 pairs${range}; ${n}.`;
    case "predicts":
    case "weak": {
      const small = decision.verdict === "weak" ? " A small difference: use it beside others, not alone." : "";
      return `${where}, leavers ${isLow ? wording.less : wording.more}: ${sorted(auc)} of 100 pairs${range}; ${n}.${small}`;
    }
    case "no_useful_effect":
      return `${where} a one-way link is at most ${hi} of 100 pairs, where 50 is a coin toss (${n}).`;
    default:
      return `${where} it cannot be told: ${sorted(auc)} of 100 pairs${range}; ${n}.`;
  }
}
