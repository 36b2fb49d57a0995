/** What history says of the scorecards that a book assigns, and when that ends a command with exit 5. */
import { guardRailError } from "../lib/errors.ts";
import { expiredSentence } from "../scores/lint.ts";
import type { Query } from "../warehouse/database.ts";

export interface CardState {
  readonly scorecard: string;
  readonly version: number;
  readonly state: string;
  readonly sentence: string;
}

/** The state of every scorecard that is assigned, in the version in force. */
export async function cardStates(query: Query): Promise<readonly CardState[]> {
  return query(
    `select m.scorecard, m.version, t.state, t.sentence
     from marts.scorecard as m
     inner join validation.scorecard_test as t on t.scorecard = m.scorecard and t.version = m.version
     where m.is_current and t.period = 'out_of_time' order by m.assign_order`,
  );
}

/** What a scorecard without any use is called wherever it ends a command with exit 5. */
export const noUseSentence = ({ scorecard, version, sentence }: CardState): string =>
  `${scorecard} v${version} is of no use on this history: ${sentence.charAt(0).toLowerCase()}${sentence.slice(1)}`;

/** Throws exit 5 for the first expired sign-off, else the first assigned scorecard of no use. */
export function refuseBadCards(
  book: string,
  states: readonly CardState[],
  expired: readonly { readonly scorecard: string; readonly version: number; readonly valid_until: string }[],
): void {
  const [first] = expired;
  if (first !== undefined) {
    throw guardRailError(`${book}: ${expiredSentence(`${first.scorecard} v${first.version}`, first.valid_until)}`);
  }
  const bad = states.find(({ state }) => state === "no use");
  if (bad !== undefined) {
    throw guardRailError(
      `${book}: ${noUseSentence(bad)}`,
      "docs/scorecards.md, 'On history', says what to do about it",
    );
  }
}
