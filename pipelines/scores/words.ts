/** Rules of a scorecard as plain words, for cards, explanations and the terminal. */
import type { PointsRule, Scorecard } from "../config/scorecard.ts";

/** "0 at 7 or below, 100 at 30 or above". `ends` are the points where the rule gives none. */
export function pointsInWords(rule: PointsRule, ends: readonly [number, number]): string {
  if (rule.linear !== undefined) {
    const { zero_at, full_at, give = ends } = rule.linear;
    const [beyondZero, beyondFull] = zero_at < full_at ? ["below", "above"] : ["above", "below"];
    return `${give[0]} at ${zero_at} or ${beyondZero}, ${give[1]} at ${full_at} or ${beyondFull}, a straight line between`;
  }
  if (rule.peak !== undefined) {
    const { best, zero_at, give = ends } = rule.peak;
    return `${give[1]} from ${best[0]} to ${best[1]}, ${give[0]} at ${zero_at[0]} or below and at ${zero_at[1]} or above, straight lines between`;
  }
  if (rule.tiers !== undefined) {
    const { upto, give, edge } = rule.tiers;
    const steps = upto.map((cut, i) => `${give[i]} ${edge === "upper" ? "up to" : "below"} ${cut}`);
    return `${steps.join(", ")}, then ${give.at(-1)}`;
  }
  if (rule.ratings !== undefined) {
    return Object.entries(rule.ratings)
      .sort(([a], [b]) => Number(a) - Number(b))
      .map(([rating, points]) => `${points} for ${rating}`)
      .join(", ");
  }
  if (rule.u !== undefined) {
    const { worst, full_at, give = ends } = rule.u;
    return `${give[0]} from ${worst[0]} to ${worst[1]}, ${give[1]} at ${full_at[0]} or below and at ${full_at[1]} or above, straight lines between`;
  }
  if (rule.additive !== undefined) {
    const { each, most } = rule.additive;
    return `${each} for each, at ${each > 0 ? "most" : "least"} ${most}`;
  }
  if (rule.slope !== undefined) {
    const { days, zero_at, full_at, min_active_weeks, give = ends } = rule.slope;
    const [beyondZero, beyondFull] = zero_at < full_at ? ["below", "above"] : ["above", "below"];
    return `${give[0]} at a slope of ${zero_at} or ${beyondZero}, ${give[1]} at ${full_at} or ${beyondFull}, over ${days} days with at least ${min_active_weeks} snapshots in use`;
  }
  if (rule.midrank !== undefined) {
    const { healthier, within, give = ends } = rule.midrank;
    const who = within === "segment" ? "accounts of its segment" : "all accounts";
    return `${give[0]} to ${give[1]} by the share of ${who} that day that stand ${healthier === "higher" ? "below" : "above"}, ties counted half`;
  }
  throw new Error("a points rule without a kind passed the schema");
}

/** "red below 31, yellow below 71, green from 71". */
export function bandsInWords({ edge, list }: Scorecard["bands"]): string {
  const word = edge === "upper" ? "up to" : "below";
  const lower = list.slice(0, -1).map((band) => `${band.id} ${word} ${band.to}`);
  const last = list.at(-1);
  return [...lower, `${last?.id} ${edge === "upper" ? "above" : "from"} ${list.at(-2)?.to}`].join(", ");
}
