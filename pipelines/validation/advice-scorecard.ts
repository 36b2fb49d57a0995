/**
 * A scorecard made by rule from verdicts, and by nothing else: which KPIs get points, from which value to which, and where
 * the bands lie (docs/method.md, "Suggestions").
 */
import type { Query } from "../warehouse/database.ts";
import { literal } from "../warehouse/literal.ts";

/** A KPI as the rule reads it: its verdict over the whole book, and its values in labelled account-months. */
export interface EvidenceKpi {
  readonly kpi: string;
  readonly verdict: string;
  /** P(value of a churner > value of another): below 1/2, more is healthier. */
  readonly auc: number | null;
  readonly z: number | null;
  /** Number of the redundancy group (validation.kpi_pair); null: like no other. */
  readonly group: number | null;
  /** Quantiles, each a value that occurs, in the order of {@link quantileShares}. */
  readonly quantiles: readonly number[];
}

/** A straight line of points: 0 at `zero_at` and beyond, 100 at `full_at` and beyond. */
export interface EvidencePoints {
  readonly kpi: string;
  readonly zero_at: number;
  readonly full_at: number;
}

/** Quantiles between which points rise: the first pair of ends, from the outside in this list's middle, that differ. */
export const quantileShares = [0, 0.01, 0.05, 0.1, 0.9, 0.95, 0.99, 1] as const;

/** Conventions of the made scorecard. */
export const evidenceRule = {
  /** Three to five KPIs is what guides advise; five is the most. */
  mostKpis: 5,
  /** Shares of the scored account-months at or below the end of the red band, and of the yellow one. */
  redShare: 0.1,
  yellowShare: 0.4,
  coverageFloor: 0.5,
} as const;

/**
 * The KPIs that get points, at most five: verdict predicts or weak, one of each redundancy group, those that predict before
 * weak ones, then by |z|, then by id. Points rise over the 10 % to 90 % quantiles in the direction of the verdict; where these
 * are equal, over the 5 % to 95 %, the 1 % to 99 %, or all values. A KPI without two values gets none.
 */
export function chooseEvidence(kpis: readonly EvidenceKpi[]): readonly EvidencePoints[] {
  const order = kpis
    .filter(({ verdict, auc }) => (verdict === "predicts" || verdict === "weak") && auc !== null && auc !== 0.5)
    .sort(
      (a, b) =>
        Number(b.verdict === "predicts") - Number(a.verdict === "predicts") ||
        Math.abs(b.z ?? 0) - Math.abs(a.z ?? 0) ||
        (a.kpi < b.kpi ? -1 : 1),
    );
  const groups = new Set<number>();
  const chosen: EvidencePoints[] = [];
  for (const { kpi, auc, group, quantiles } of order) {
    if (group !== null && groups.has(group)) continue;
    const range = rangeOf(quantiles);
    if (range === null) continue;
    if (group !== null) groups.add(group);
    const [low, high] = range;
    const moreIsHealthier = (auc as number) < 0.5;
    chosen.push(moreIsHealthier ? { kpi, zero_at: low, full_at: high } : { kpi, zero_at: high, full_at: low });
    if (chosen.length === evidenceRule.mostKpis) break;
  }
  return chosen;
}

/** Six decimals, the most that a scorecard file holds. */
const sixDecimals = (value: number): number => Number(value.toFixed(6));

function rangeOf(quantiles: readonly number[]): readonly [number, number] | null {
  for (let inner = quantiles.length / 2; inner >= 1; inner -= 1) {
    const low = sixDecimals(quantiles[inner - 1] as number);
    const high = sixDecimals(quantiles[quantiles.length - inner] as number);
    if (low < high) return [low, high];
  }
  return null;
}

/** Where the bands end, on the scale from 0 to 100: whole points, at least one apart. */
export interface EvidenceBands {
  readonly red: number;
  readonly yellow: number;
}

/** Bands from the two quantiles of the score: rounded to whole points, and neither empty nor the whole scale. */
export function bandsOf(redQuantile: number, yellowQuantile: number): EvidenceBands {
  const red = Math.min(98, Math.max(1, Math.round(redQuantile)));
  return { red, yellow: Math.min(99, Math.max(red + 1, Math.round(yellowQuantile))) };
}

export interface EvidenceScorecard {
  readonly id: string;
  readonly version: number;
  /** The last day whose data the verdicts saw: what follows is out of time. */
  readonly createdOn: string;
  /** Whose churn the verdicts are about; for the description. */
  readonly definition: string;
  /** Churned accounts behind the verdicts; for the description. */
  readonly churned: number;
}

/**
 * The text of a valid scorecard file: the points with equal weights, reweighted where a KPI has no value. Null when no KPI
 * has earned points.
 */
export function evidenceScorecard(
  points: readonly EvidencePoints[],
  { red, yellow }: EvidenceBands,
  { id, version, createdOn, definition, churned }: EvidenceScorecard,
): string | null {
  if (points.length === 0) return null;
  const percent = (share: number): string => `${Math.round(100 * share)} %`;
  return `# Made by 'assay suggest BOOK scorecard' from the verdicts of ${createdOn}; docs/method.md, "Suggestions", has the rule.
scorecard: ${id}
version: ${version}
label: Made from verdicts
description: >-
  The KPIs that history calls an early warning (${definition}, ${churned} churned accounts), one of each group that says the same,
  with equal weights. Points rise between the outer tenths of their values.
created_on: ${createdOn}
purpose: churn_risk
scale: { from: 0, to: 100 }
combine: weighted_mean
groups:
  - id: evidence
    weight: 100
    kpis:
${points
  .map(
    ({ kpi, zero_at, full_at }) =>
      `      - { kpi: ${kpi}, weight: 1, points: { linear: { zero_at: ${zero_at}, full_at: ${full_at} } } }`,
  )
  .join("\n")}
missing: { rule: reweight, coverage_floor: ${evidenceRule.coverageFloor} }
# Of the account-months in the verdicts, ${percent(evidenceRule.redShare)} have a red score and ${percent(evidenceRule.yellowShare)} a red or yellow one.
bands: { edge: upper, list: [{ id: red, to: ${red} }, { id: yellow, to: ${yellow} }, { id: green, to: 100 }] }
`;
}

/** What the rule reads, out of a release: the verdicts of the primary definition and the quantiles of their KPIs. */
export async function readEvidence(query: Query): Promise<readonly EvidenceKpi[]> {
  const primary = "(select definition from validation.definition where is_primary)";
  const rows = await query<Omit<EvidenceKpi, "quantiles"> & { readonly quantiles: readonly number[] | null }>(`
with member as (
  select kpi, "group" from validation.kpi_pair where "group" is not null
  union
  select other, "group" from validation.kpi_pair where "group" is not null
),
valued as (
  select kpi, quantile_disc(value, [${quantileShares.join(", ")}]) as quantiles
  from validation.kpi_placed
  where definition = ${primary}
  group by kpi
)
select v.kpi, v.verdict, v.auc, (v.auc - 0.5) / nullif(v.auc_se, 0) as z, m."group" as "group", q.quantiles
from validation.kpi_verdict as v
left join valued as q on q.kpi = v.kpi
left join member as m on m.kpi = v.kpi
where v.definition = ${primary} and v.group_kind = 'all'
order by v.kpi`);
  return rows.map(({ quantiles, ...row }) => ({ ...row, quantiles: quantiles ?? [] }));
}

/**
 * The bands that give the documented shares of red and yellow over the labelled account-months of the primary definition.
 * The score is the scorecard's own: straight lines, mean of the KPIs with a value, none below the coverage floor.
 */
export async function readEvidenceBands(query: Query, points: readonly EvidencePoints[]): Promise<EvidenceBands> {
  const lines = points.map(
    ({ kpi, zero_at, full_at }) =>
      `when ${literal(kpi)} then 100e0 * greatest(0e0, least(1e0, (value - ${zero_at}) / (${full_at} - ${zero_at})))`,
  );
  const [row] =
    points.length === 0
      ? []
      : await query<{ red: number | null; yellow: number | null }>(`
with scored as (
  select observation_no, round(sum(case kpi ${lines.join(" ")} end) / count(*), 6) as score
  from validation.kpi_placed
  where definition = (select definition from validation.definition where is_primary)
    and kpi in (${points.map(({ kpi }) => literal(kpi)).join(", ")})
  group by observation_no
  having count(*) >= ${evidenceRule.coverageFloor * points.length}
)
select
  quantile_disc(score, ${evidenceRule.redShare}) as red,
  quantile_disc(score, ${evidenceRule.yellowShare}) as yellow
from scored`);
  return bandsOf(row?.red ?? 30, row?.yellow ?? 70);
}

export interface SuggestedScorecard {
  /** The file's text; null when no KPI has earned points. */
  readonly text: string | null;
  readonly points: readonly EvidencePoints[];
  readonly bands: EvidenceBands;
  /** KPIs with a verdict, and the most churned accounts behind one. */
  readonly judged: number;
  readonly churned: number;
  readonly createdOn: string;
}

/** The scorecard that a release's verdicts make, dated with its as_of: what comes after is out of time. */
export async function suggestScorecard(
  query: Query,
  { id = "evidence", version = 1 }: { readonly id?: string; readonly version?: number } = {},
): Promise<SuggestedScorecard> {
  const kpis = await readEvidence(query);
  const points = chooseEvidence(kpis);
  const bands = await readEvidenceBands(query, points);
  const [facts] = await query<{ as_of: string; definition: string; churned: number; judged: number }>(`
select
  cast(p.as_of as varchar) as as_of,
  p.primary_definition as definition,
  coalesce(max(v.n_churned), 0) as churned,
  count(case when v.verdict <> 'not_tested' then 1 end) as judged
from meta.params as p
left join validation.kpi_verdict as v on v.definition = p.primary_definition and v.group_kind = 'all'
group by p.as_of, p.primary_definition`);
  const {
    as_of: createdOn,
    definition,
    churned,
    judged,
  } = facts ?? { as_of: "", definition: "", churned: 0, judged: 0 };
  const text = evidenceScorecard(points, bands, { id, version, createdOn, definition, churned });
  return { text, points, bands, judged, churned, createdOn };
}
