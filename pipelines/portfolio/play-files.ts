/** Finds the plays of a book: `plays.yaml` beside assay.yaml, if it is there. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Book } from "../config/book.ts";
import { type Play, parsePlays } from "../config/plays.ts";
import type { AppliedScorecard } from "../config/scorecard.ts";
import { nearest } from "../config/yaml.ts";

const ownFile = "plays.yaml";

/** The archetypes that a play may be for: those of marts.archetype. */
export const archetypeIds = ["power_user", "struggler", "brand_advocate", "ghost", "on_the_fence"] as const;

/** A band that no assigned scorecard has, or an archetype that there is not, is a usage error with its line. */
export async function resolvePlays(
  book: Pick<Book, "folder">,
  cards: readonly AppliedScorecard[],
): Promise<readonly Play[]> {
  const path = join(book.folder, ownFile);
  if (!existsSync(path)) return [];
  const { plays, errorAt } = parsePlays(await readFile(path, "utf8"), ownFile);
  const assigned = cards.filter(({ assign_order }) => assign_order !== null);
  const bands = [...new Set(assigned.flatMap(({ card }) => card.bands.list.map(({ id }) => id))), "unknown"];
  const check = (found: string, known: readonly string[], what: string, where: readonly (string | number)[]): void => {
    if (known.includes(found)) return;
    const near = nearest(found, known);
    throw errorAt(
      where,
      `found ${found}, expected ${what} (${known.join(", ")})`,
      near === undefined ? undefined : `did you mean ${near}?`,
    );
  };
  for (const [i, play] of plays.entries()) {
    for (const band of play.bands) check(band, bands, "a band of a scorecard of the book", [i, "when", "band"]);
    for (const archetype of play.archetypes) check(archetype, archetypeIds, "an archetype", [i, "when", "archetype"]);
  }
  return plays;
}
