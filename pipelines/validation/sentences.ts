/** What readers see of a verdict: a label, a sentence and the small print. */
import { dateInWords } from "../lib/words.ts";
import {
  boundsOf,
  type Decision,
  type Evidence,
  isTooSmallToMatter,
  type Leak,
  oppositeSegments,
  type Strength,
  strengthOf,
  timeCourseOf,
} from "./rules.ts";

/** Facts beside the evidence that a sentence may name. */
export interface Wording {
  /** The KPI's label, as it stands within a sentence. */
  readonly kpi: string;
  /** Verb phrases in the past tense: `sent fewer invoices`, `sent more invoices`. */
  readonly less: string;
  readonly more: string;
  readonly gapDays: number;
  readonly horizonDays: number;
  readonly snapshotEvery: "week" | "month";
  readonly accounts: number;
  readonly aucLow: number | null;
  readonly aucHigh: number | null;
  /** 95 % interval of the later half. */
  readonly half2Low: number | null;
  readonly half2High: number | null;
  readonly detectable: number | null;
  readonly splitOn: string | null;
  readonly modalValue: number | null;
  readonly lowestValue: number | null;
  readonly lowestShare: number | null;
  readonly rateLow: number | null;
  readonly rateMiddle: number | null;
  readonly rateHigh: number | null;
  readonly rateUnanswered: number | null;
  readonly rateAnswered: number | null;
  /** Rule 18: the label of the KPI that is kept instead, and the rank correlation with it. */
  readonly sameAs: { readonly kpi: string; readonly spearman: number } | null;
}

/** Pairs of 100, a whole number. */
const pairs = (share: number): string => String(Math.round(100 * share));

/** A rate as accounts of 100: 4.1 below ten, 23 from there. */
export function inHundred(rate: number | null): string {
  if (rate === null) return "not known";
  const value = 100 * rate;
  return value >= 9.95 ? String(Math.round(value)) : value.toFixed(1);
}

/** A share in percent; short of the whole it never shows as 100. */
export function percent(share: number | null): string {
  if (share === null) return "not known";
  if (share > 0.99 && share < 1) return (Math.floor(1000 * share) / 10).toFixed(1);
  return inHundred(share);
}

/** A share in percent that fell short of a whole one: rounded down, so that it never shows as what is needed. */
const shortOf = (share: number | null): string =>
  share === null ? "not known" : String(Math.floor(100 * share + 1e-9));

export const count = (value: number): string => value.toLocaleString("en-US");

/** Pairs of 100 that the KPI sorts: 100 (1/2 + |A - 1/2|). */
export const sorted = (auc: number | null): string => (auc === null ? "not known" : pairs(0.5 + Math.abs(auc - 0.5)));

/** An interval of A on the scale of sorted pairs in the direction of `auc`. */
export function sortedInterval(
  auc: number | null,
  low: number | null,
  high: number | null,
): { lo: string; hi: string } {
  if (auc === null || low === null || high === null) return { lo: "not known", hi: "not known" };
  return auc < 0.5 ? { lo: pairs(1 - high), hi: pairs(1 - low) } : { lo: pairs(low), hi: pairs(high) };
}

/** The far end of the interval: what remains possible in the direction of A. */
const atMost = (e: Evidence, w: Wording): string => sortedInterval(e.auc, w.aucLow, w.aucHigh).hi;

export function labelOf(decision: Decision, e: Evidence, w: Pick<Wording, "sameAs">): string {
  switch (decision.verdict) {
    case "not_tested":
      return "Not enough data";
    case "leaks":
      return "Uses the future";
    case "too_good":
      return "Too good to be true";
    case "late_only":
      return "Late alarm";
    case "mostly_late":
      return "Mostly a late alarm";
    case "non_monotone":
      return decision.reason === "middle" ? "Warning in the middle" : "Warning at both ends";
    case "unstable_time":
      return timeCourseOf(e) === "emerging" ? "Emerging" : "Faded";
    case "unstable_segment":
      return "Opposite in two segments";
    case "confounded":
      return "Mostly size, age or segment";
    case "negligible":
      return "Too small";
    case "lenses_disagree":
      return "No claim";
    case "confounded_by_use":
      return "Goes with overall use";
    case "reversed_adjusted":
      return "Hidden by the mix";
    case "misleading":
      return "Scored the wrong way round";
    case "predicts": {
      const strength: Strength = strengthOf(Math.abs((e.auc ?? 0.5) - 0.5));
      return `Early warning (${strength})`;
    }
    case "weak":
      return "Weak early warning";
    case "missingness":
      return "Silence is the signal";
    case "no_useful_effect":
      return "Too small to matter";
    case "inconclusive":
      return "Cannot tell yet";
    case "redundant":
      return `Same as ${w.sameAs?.kpi ?? "another"}`;
  }
}

export function sentenceOf(decision: Decision, e: Evidence, w: Wording): string {
  switch (decision.verdict) {
    case "not_tested":
      return notTested(decision.reason as string, e, w);
    case "leaks":
      return leakSentence(e.leak);
    case "too_good":
      return `Sorts ${sorted(e.auc)} of 100 pairs. Single early signals usually sort 55 to 70; treat as information from the future until shown otherwise.`;
    case "late_only":
      return (
        `Moves in the ${w.gapDays} days before the decision (${sorted(e.lateAuc)} of 100 pairs). ` +
        (isLinkedOtherWay(e)
          ? `Earlier, the link is the other way round (${sorted(e.auc)} of 100). `
          : `Earlier, no link was found; up to ${atMost(e, w)} of 100 remains possible. `) +
        "It may be a result of leaving, not a warning."
      );
    case "mostly_late":
      return `Sorts ${sorted(e.auc)} of 100 pairs early, ${sorted(e.lateAuc)} in the last ${w.gapDays} days: most of it comes too late.`;
    case "non_monotone":
      return bothEnds(decision.reason, w);
    case "unstable_time":
      return unstable(e, w);
    case "confounded": {
      const { upper } = boundsOf(e);
      const { lo, hi } = sortedInterval(e.auc, w.aucLow, w.aucHigh);
      const isGone = upper !== null && e.crudeAuc !== null && upper < 0.5 * Math.abs(e.crudeAuc - 0.5);
      return isGone
        ? `Alone it sorts ${sorted(e.crudeAuc)} of 100 pairs; among like accounts ${sorted(e.auc)} (${lo}-${hi}): the plain difference goes with size, age and segment.`
        : `Alone ${sorted(e.crudeAuc)} of 100, like for like ${sorted(e.auc)} (${lo}-${hi}): the rest cannot be told from zero.`;
    }
    case "negligible":
      return `There is a link, at most ${atMost(e, w)} of 100 pairs: too small to act on.`;
    case "lenses_disagree":
      return "Two ways of allowing for size, age and segment disagree: no claim.";
    case "reversed_adjusted": {
      const [now, plain] = isLow(e) ? [w.less, w.more] : [w.more, w.less];
      return `Over all accounts, leavers ${plain}. Like for like, they ${now} (${sorted(e.auc)} of 100). The plain chart points the wrong way.`;
    }
    case "misleading": {
      const [most, least] = isLow(e) ? [w.rateLow, w.rateHigh] : [w.rateHigh, w.rateLow];
      const shown = doEndsAgree(e, w)
        ? `${inHundred(most)} against ${inHundred(least)} in 100`
        : `${sorted(e.auc)} of 100 pairs`;
      return isLow(e)
        ? `Counted as healthy when low, yet accounts that ${w.less} left more often (${shown}).`
        : `Counted as healthy, yet accounts that ${w.more} left more often (${shown}).`;
    }
    case "predicts":
      return strengthOf(Math.abs((e.auc ?? 0.5) - 0.5)) === "check for leakage"
        ? `${earlyWarning(e, w)} It sorts ${sorted(e.auc)} of 100 pairs, where single early signals usually sort 55 to 70: find out first when its values are written.`
        : earlyWarning(e, w);
    case "weak":
      return `${earlyWarning(e, w)} A small difference: use it beside others, not alone.`;
    case "missingness": {
      const way = (e.missingZ ?? 0) >= 0 ? "more" : "less";
      const silence = `Accounts without a value left ${way} often (${inHundred(w.rateUnanswered)} against ${inHundred(w.rateAnswered)} in 100).`;
      return `${silence} The value itself: ${lowerFirst(isTooSmallToMatter(e) ? tooSmall(e, w) : cannotTell(e, w))}`;
    }
    case "no_useful_effect":
      return tooSmall(e, w);
    case "inconclusive":
      return cannotTell(e, w);
    case "unstable_segment": {
      const pair = oppositeSegments(e);
      if (pair === null) throw new Error("two segments that point opposite ways are needed for this verdict");
      const { down, up } = pair;
      return `In ${down.segment}, leavers ${w.less} (${sorted(down.auc)} of 100); in ${up.segment}, leavers ${w.more} (${sorted(up.auc)}). Use per segment or not at all.`;
    }
    case "redundant":
      return `Ranks accounts much as ${w.sameAs?.kpi ?? "another"} does (rank correlation ${rank(w.sameAs?.spearman ?? null)}) and adds nothing measurable beyond it. Keep one.`;
    case "confounded_by_use":
      return `Looks ${isLow(e) ? "healthy" : "like a warning"} alone (${sorted(e.auc)} of 100 pairs), but among accounts with the same use otherwise it points the other way: it rides on use.`;
  }
}

/** Rule L: from where the KPI knows the future. */
export function leakSentence(leak: Leak | null): string {
  if (leak?.kind === "lineage") return `Not usable: it is made from ${leak.table}, which records the decision itself.`;
  const changed = leak?.changed ?? 0;
  return changed === 1
    ? "Not usable: 1 value changes when later rows are removed."
    : `Not usable: ${count(changed)} values change when later rows are removed.`;
}

/** A rank correlation: .95, -.72. */
const rank = (rho: number | null): string => (rho === null ? "not known" : rho.toFixed(2).replace(/^(-?)0/, "$1"));

/** A claim made early, in the direction that the late values do not have. */
const isLinkedOtherWay = (e: Evidence): boolean =>
  e.q.main !== null && e.q.main < 0.05 && isLow(e) === (e.lateAuc ?? 0.5) > 0.5;

const isLow = (e: Evidence): boolean => e.auc !== null && e.auc < 0.5;

/** The first letter small, unless the word is an abbreviation. */
export const lowerFirst = (text: string): string =>
  /^[A-Z][A-Z]/.test(text) ? text : text.slice(0, 1).toLowerCase() + text.slice(1);

function notTested(reason: string, e: Evidence, w: Wording): string {
  switch (reason) {
    case "no_labelled_rows":
      return `No account-${w.snapshotEvery} has a complete outcome window yet.`;
    case "no_churn":
      return `Nobody left in the labelled ${w.snapshotEvery}s.`;
    case "no_survivors":
      return `Everybody left in the labelled ${w.snapshotEvery}s.`;
    case "too_few_churned":
      return `Not tested: ${count(e.churned)} churned and ${count(e.staying)} staying accounts have a value, 50 of each are needed.`;
    case "baseline_knows_outcome":
      return "Size, age or segment already give the outcome away; check them first.";
    case "low_coverage":
      return `Not tested: only ${shortOf(e.coverage)} % of account-${w.snapshotEvery}s have a value, 20 % are needed.`;
    case "near_constant":
      if (e.distinct <= 1) return "Not tested: it has only one value.";
      return `Not tested: ${percent(e.modalShare)} % of values are the same (${w.modalValue}).`;
    default:
      return `Only ${shortOf(e.overlap)} % of leavers have like accounts to compare with, 80 % are needed.`;
  }
}

function bothEnds(reason: string | null, w: Wording): string {
  const middle = w.rateMiddle === null ? "" : ` (${inHundred(w.rateMiddle)})`;
  const advice = "Do not score it as more or less is better.";
  if (reason === "middle") {
    return (
      `Accounts with neither very low nor very high ${w.kpi} left more often${w.rateMiddle === null ? "" : ` (${inHundred(w.rateMiddle)} in 100)`} ` +
      `than those at the ends (${inHundred(w.rateLow)} and ${inHundred(w.rateHigh)}). ${advice}`
    );
  }
  return `Accounts with very low and very high ${w.kpi} left more often (${inHundred(w.rateLow)} and ${inHundred(w.rateHigh)} in 100) than those between${middle}. ${advice}`;
}

function unstable(e: Evidence, w: Wording): string {
  const mid = w.splitOn === null ? "the middle of the history" : dateInWords(w.splitOn);
  const course = timeCourseOf(e);
  if (course === "emerging") return `Linked only since ${mid}; wait for the next validation.`;
  // The later half on the scale of the earlier one, so that a reversal shows as less than 50.
  const towards = (a: number | null) => (a === null ? "not known" : pairs((e.half1Auc ?? 0.5) < 0.5 ? 1 - a : a));
  const { lo, hi } = sortedInterval(e.half1Auc, w.half2Low, w.half2High);
  const since = course === "reversed" ? "the other way round since" : "not shown since";
  return `Linked with leaving in the earlier half, up to ${mid} (${sorted(e.half1Auc)} of 100), ${since} (${towards(e.half2Auc)}, ${lo}-${hi}): do not rely on it today.`;
}

function earlyWarning(e: Evidence, w: Wording): string {
  const lead = `${w.gapDays} to ${w.gapDays + w.horizonDays} days later`;
  const isShared = w.lowestShare !== null && w.lowestShare > 0.2;
  const lowest = isShared
    ? w.lowestValue === 0
      ? "those with none"
      : "those at the lowest value"
    : "the lowest fifth";
  const end = "allowing for size, age and segment.";
  if (!doEndsAgree(e, w)) {
    return `Accounts that ${isLow(e) ? w.less : w.more} left more often ${lead} (${sorted(e.auc)} of 100 pairs), ${end} The lowest and the highest values alone do not show it.`;
  }
  if (isLow(e)) {
    return `Accounts that ${w.less} left more often ${lead}: ${inHundred(w.rateLow)} in 100 of ${lowest}, ${inHundred(w.rateHigh)} of the highest, ${end}`;
  }
  // Where so many share the lowest value the others do not part into fifths.
  const [high, low] = isShared ? ["those with the highest values", lowest] : ["the highest fifth", "the lowest"];
  return `Accounts that ${w.more} left more often ${lead}: ${inHundred(w.rateHigh)} in 100 of ${high}, ${inHundred(w.rateLow)} of ${low}, ${end}`;
}

/** The rates at the two ends point the way that A does: ranks count every value, the ends only theirs. */
const doEndsAgree = (e: Evidence, w: Wording): boolean =>
  w.rateLow === null || w.rateHigh === null || (isLow(e) ? w.rateLow > w.rateHigh : w.rateHigh > w.rateLow);

const tooSmall = (e: Evidence, w: Wording): string =>
  `Tested on ${count(e.churned)} churned accounts: a one-way link is at most ${atMost(e, w)} of 100 pairs, where 50 is a coin toss.`;

function cannotTell(e: Evidence, w: Wording): string {
  if (w.detectable === null) return `${count(e.churned)} churned accounts do not tell.`;
  const needed = Math.ceil(e.churned * ((w.detectable - 0.5) / 0.07) ** 2);
  const settle = needed > e.churned ? ` About ${count(needed)} would settle 57.` : "";
  return `${count(e.churned)} churned accounts would show a link of ${pairs(Math.min(1, w.detectable))} of 100 pairs four times in five; a smaller one may or may not exist.${settle}`;
}

/** What the numbers are, under every verdict that rests on a test; null where nothing was compared. */
export function smallPrintOf(e: Evidence, w: Wording): string | null {
  if (e.auc === null || w.aucLow === null || w.aucHigh === null) return null;
  const { lo, hi } = sortedInterval(e.auc, w.aucLow, w.aucHigh);
  const q = e.q.main === null ? "not tested" : e.q.main < 0.001 ? "below .001" : e.q.main.toFixed(3).replace(/^0/, "");
  return (
    `${sorted(e.auc)} of 100 pairs of one account-${w.snapshotEvery} that led to leaving and one that did not, same three months, ` +
    `segment and slice of expected churn; ties count half; 95 % interval ${lo}-${hi}, not adjusted for selection; ` +
    `q ${q}; ${count(e.churned)} churned of ${count(w.accounts)} accounts.`
  );
}
