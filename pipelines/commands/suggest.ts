import { refusedError, usageError } from "../lib/errors.ts";
import { suggestScorecard } from "../validation/advice-scorecard.ts";
import type { Query } from "../warehouse/database.ts";
import { type BookOptions, type Context, openRelease } from "./context.ts";

export const suggestions = ["weights", "thresholds", "scorecard"] as const;
export type Suggestion = (typeof suggestions)[number];

/** What history suggests: weights and thresholds for a person to look at, or a whole scorecard made from verdicts by rule. */
export async function suggest(
  context: Context,
  name: string,
  what: string | undefined,
  options: BookOptions & { readonly json?: boolean },
): Promise<void> {
  if (what !== undefined && !(suggestions as readonly string[]).includes(what)) {
    throw usageError(`suggest: found ${what}, expected one of ${suggestions.join(", ")}, or none for all`);
  }
  const { book, database } = await openRelease(context, name, options);
  try {
    if (what === "scorecard") await printScorecard(context, database.query, book.book, options.json === true);
  } finally {
    database.close();
  }
}

/** The file on stdout, so that it can be sent where it belongs; an error when no KPI has earned a place in it. */
async function printScorecard(context: Context, query: Query, book: string, asJson: boolean): Promise<void> {
  const found = await suggestScorecard(query);
  if (asJson) {
    context.print(JSON.stringify(found, null, 2));
    return;
  }
  if (found.text === null) {
    throw refusedError(
      `no scorecard can be made for ${book}: of ${found.judged} KPIs with a verdict none is an early warning (${found.churned} churned accounts at most)`,
      `'npx assay verdicts ${book}' has the reasons`,
    );
  }
  context.print(found.text);
}
