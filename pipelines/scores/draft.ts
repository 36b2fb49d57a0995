/** A scorecard file that no release knows: read, checked against the KPIs of a release, and made into what compiles. */
import { type AppliedScorecard, parseScorecard, type Scorecard } from "../config/scorecard.ts";
import { nearest } from "../config/yaml.ts";
import { reachProblem } from "./card.ts";
import { kpiPaths } from "./library.ts";
import type { Bounding } from "./reach.ts";

/**
 * The draft in the text of a file; `file` is the name that errors show, with line and key. `known` are the KPIs that it may
 * read, `definitions` bound the values of those that the release computes. It counts as the first scorecard of the book and as in force from the beginning, so that `is_in_force` says to
 * whom it applies.
 */
export function readDraft(
  text: string,
  file: string,
  known: readonly string[],
  definitions: readonly Bounding[],
): AppliedScorecard {
  const { errorAt, ...parsed } = parseScorecard(text, file);
  for (const { kpi, path } of kpiPaths(parsed.card)) {
    if (known.includes(kpi)) continue;
    const near = nearest(kpi, known);
    throw errorAt(
      path,
      `found ${kpi}, expected a KPI of the release (${[...known].sort().join(", ")})`,
      `${near === undefined ? "" : `did you mean ${near}? `}another one has to stand under kpis of the book, and be refreshed, first`,
    );
  }
  const problem = reachProblem(parsed.card, definitions);
  if (problem !== null) throw errorAt(problem.path, problem.sentence);
  return { ...parsed, ...asDraft(parsed.card), file };
}

/** A stored version as a draft, from what the release keeps of its file. */
export function draftOf(definition: string, file: string): AppliedScorecard {
  const { errorAt: _, ...parsed } = parseScorecard(definition, file);
  return { ...parsed, ...asDraft(parsed.card), file };
}

const asDraft = ({ in_force_from: _, ...card }: Scorecard) => ({
  card: card as Scorecard,
  is_preset: false,
  assign_order: 1,
});

/**
 * The card without one of its KPIs, wherever it stands; a group that has none left goes too. Null for a card of that KPI
 * alone. What remains keeps its weights, so that the rest is reweighted as the card does for a missing KPI.
 */
export function withoutKpi(card: Scorecard, kpi: string): Scorecard | null {
  const keep = (kpis: ScorecardKpis): ScorecardKpis => kpis.filter((entry) => entry.kpi !== kpi);
  const groups = card.groups.flatMap((group): Scorecard["groups"] => {
    if (group.kpis !== undefined) {
      const kpis = keep(group.kpis);
      return kpis.length === 0 ? [] : [{ ...group, kpis }];
    }
    const inner = (group.groups ?? []).flatMap((leaf) => {
      const kpis = keep(leaf.kpis);
      return kpis.length === 0 ? [] : [{ ...leaf, kpis }];
    });
    return inner.length === 0 ? [] : [{ ...group, groups: inner }];
  });
  return groups.length === 0 ? null : { ...card, groups };
}
type ScorecardKpis = NonNullable<Scorecard["groups"][number]["kpis"]>;
