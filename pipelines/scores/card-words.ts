/** A whole scorecard in words, for its model card. */
import type { Scorecard } from "../config/scorecard.ts";

/** "weighted mean on a scale from 0 to 100: Logins 40 (0 at 7 or below, ...); Open tickets 30 (...)". */
export function formulaInWords(
  card: Pick<Scorecard, "combine" | "scale" | "start">,
  kpis: readonly { readonly label: string; readonly share: number; readonly points_in_words: string }[],
): string {
  const how = {
    weighted_mean: "weighted mean",
    sum: "sum of points",
    start_and_clamp: `starts at ${card.start ?? 0} and adds points, held`,
  }[card.combine];
  const parts = kpis.map(
    ({ label, share, points_in_words }) => `${label} ${Math.round(share * 10) / 10} of 100 (${points_in_words})`,
  );
  return `${how} on a scale from ${card.scale.from} to ${card.scale.to}: ${parts.join("; ")}`;
}

/** "the weight of a KPI without a value goes to the others; no score where less than 60 % of the weight has a value". */
export function missingInWords({ missing: { rule, coverage_floor } }: Pick<Scorecard, "missing">): string {
  const what = {
    reweight: "the weight of a KPI without a value goes to the others",
    zero: "a KPI without a value counts as nothing",
    neutral: "a KPI without a value counts as neutral",
  }[rule];
  if (coverage_floor === 0) return what;
  return `${what}; no score where less than ${Math.round(coverage_floor * 100)} % of the weight has a value`;
}

/** "invoice_sent: at most 0 unless invoices_sent_28d is at least 1"; null without gates. */
export function gatesInWords({ gates }: Pick<Scorecard, "gates">): string | null {
  if (gates.length === 0) return null;
  return gates
    .map(({ id, kpi, min, max, score, band }) => {
      const limits = [
        ...(min === undefined ? [] : [`at least ${min}`]),
        ...(max === undefined ? [] : [`at most ${max}`]),
      ].join(" and ");
      return `${id}: ${score === undefined ? `no better than ${band}` : `at most ${score}`} unless ${kpi} is ${limits}`;
    })
    .join("; ");
}

/** "segment mid or enterprise; users at least 10 and below 50"; everybody without conditions. */
export function appliesInWords(conditions: Scorecard["applies_to"]): string {
  const parts = Object.entries(conditions ?? {}).map(([key, condition]) => {
    if (Array.isArray(condition)) return `${key.replaceAll("_", " ")} ${condition.join(" or ")}`;
    const { at_least, below, of } = condition as { at_least?: number; below?: number; of?: string };
    const limits = [
      ...(at_least === undefined ? [] : [`at least ${at_least}`]),
      ...(below === undefined ? [] : [`below ${below}`]),
    ].join(" and ");
    return `${of === undefined ? "" : `${of} `}${key.replaceAll("_", " ")} ${limits}`;
  });
  return parts.length === 0 ? "every account" : `accounts with ${parts.join("; ")}`;
}
