import { basename } from "node:path";
import { refusedError, usageError } from "../lib/errors.ts";
import { checkLayout, listReleases, pointCurrentAt, type Release, readCurrentRelease } from "../publish/release.ts";
import { holdLock } from "../warehouse/lock.ts";
import { type BookOptions, type Context, openBook } from "./context.ts";
import { whatIsMissing } from "./whole.ts";

/**
 * `assay rollback BOOK [RUN]`: points `current` at an earlier release, whole or not at all. Without RUN, at the newest one
 * before the current that was not built for a date of its own (`--as-of`). The store and the ledger stay as they are, so
 * the next refresh builds from the same exports again.
 */
export async function rollback(
  context: Context,
  name: string,
  run: string | undefined,
  options: BookOptions & { readonly json?: boolean },
): Promise<void> {
  const { book, state } = await openBook(context, name, options);
  await checkLayout(state, false);
  const lock = await holdLock(state, context.now());
  try {
    const current = await readCurrentRelease(state, book.book, name);
    const kept = await listReleases(state);
    const target = run === undefined ? previous(kept, current, name) : find(kept, run, name);
    if (target.folder === current.folder) {
      throw usageError(`release ${run} is the current one already`, `'npx assay releases ${name}' lists the others`);
    }
    await checkWhole(target);
    await pointCurrentAt(state, basename(target.folder));
    const answer = { book: book.book, from: factsOf(current), to: factsOf(target) };
    context.print(options.json ? JSON.stringify(answer, null, 2) : describe(answer, name));
  } finally {
    lock.release();
  }
}

const factsOf = ({ manifest: { run_id, release_id, as_of, built_at } }: Release) => ({
  run_id,
  release_id,
  as_of,
  built_at,
});
type Facts = ReturnType<typeof factsOf>;

function previous(kept: readonly Release[], current: Release, name: string): Release {
  const at = kept.findIndex(({ folder }) => folder === current.folder);
  const target = kept.slice(0, at).findLast(({ manifest }) => manifest.as_of_given !== true);
  if (target !== undefined) return target;
  throw usageError(
    `no release before the current one, ${basename(current.folder)}, is kept`,
    kept.length > 1 ? `name one of 'npx assay releases ${name}'` : "raise keep in assay.yaml for the next time",
  );
}

/** A release by its run id, or by at least four first characters of its release id that only one has. */
function find(kept: readonly Release[], run: string, name: string): Release {
  const found = kept.filter(
    ({ folder, manifest }) => basename(folder) === run || (run.length >= 4 && manifest.release_id.startsWith(run)),
  );
  const exact = found.find(({ folder }) => basename(folder) === run) ?? (found.length === 1 ? found[0] : undefined);
  if (exact !== undefined) return exact;
  throw usageError(
    found.length > 1
      ? `${found.length} releases begin with ${run}, expected a run_id: ${found.map(({ folder }) => basename(folder)).join(", ")}`
      : `no release ${run} is kept`,
    `'npx assay releases ${name}' lists them`,
  );
}

async function checkWhole(release: Release): Promise<void> {
  const flaw = await whatIsMissing(release, true);
  if (flaw === null) return;
  throw refusedError(
    `release ${basename(release.folder)} is not whole: ${flaw}`,
    "choose another one; current is unchanged",
  );
}

const say = ({ run_id, as_of, built_at }: Facts): string =>
  `${run_id} (data to ${as_of}, built ${built_at.slice(0, 16).replace("T", " ")})`;

const describe = (
  { book, from, to }: { readonly book: string; readonly from: Facts; readonly to: Facts },
  name: string,
): string =>
  [
    `${book}: current is now ${say(to)}`,
    `before: ${say(from)}, which is kept: 'npx assay rollback ${name} ${from.run_id}' goes back to it`,
    "The next refresh builds from the exports as they stand. Where a file is to blame, take it out first.",
  ].join("\n");
