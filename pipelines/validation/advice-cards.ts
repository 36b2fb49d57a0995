/** The scorecards that advice is about: assigned ones, in the version that is in force. */
import type { Query } from "../warehouse/database.ts";

export interface Card {
  readonly scorecard: string;
  readonly version: number;
  readonly label: string;
  /** Rows before this day may have made the card: they are no test of it. */
  readonly created_on: string;
  readonly combine: string;
}

/** In the order of assignment. */
export const cardsInForce = (query: Query): Promise<readonly Card[]> =>
  query<Card>(`
select scorecard, version, label, cast(created_on as varchar) as created_on, combine from (
  select *, row_number() over (partition by scorecard order by in_force_from desc nulls last, version desc) as place
  from scores.scorecard cross join meta.params as p
  where is_assigned and (in_force_from is null or in_force_from <= p.as_of)
) as c where place = 1 order by assign_order, scorecard`);

/** `health@3`: how tables and statements tell a version from others. */
export const cardName = ({ scorecard, version }: Pick<Card, "scorecard" | "version">): string =>
  `${scorecard}@${version}`;

/** "Customer health": how a sentence names it. */
export const cardTitle = ({ label }: Pick<Card, "label">): string => `"${label}"`;
