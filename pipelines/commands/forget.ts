import { basename } from "node:path";
import { AssayError, refusedError, usageError } from "../lib/errors.ts";
import { erasedAt, type Held, lookForAccount, markErased, markRestored } from "../load/erase.ts";
import { restoreDelivery, withdrawDelivery } from "../load/withdraw.ts";
import { checkLayout, findCurrentRelease, listReleases } from "../publish/release.ts";
import { holdLock } from "../warehouse/lock.ts";
import { type BookOptions, type Context, openBook } from "./context.ts";
import { refresh } from "./refresh.ts";

interface ForgetOptions extends BookOptions {
  readonly delivery?: string;
  readonly account?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly restore?: boolean;
  /** False leaves the site out of the release that is built: for tests. */
  readonly site?: boolean;
  readonly json?: boolean;
}

/**
 * `assay forget BOOK --delivery ID|FILE` withdraws a delivery; `--account ID` erases an account everywhere, or with `--restore` allows
 * it again.
 */
export async function forget(context: Context, name: string, options: ForgetOptions): Promise<void> {
  if ((options.delivery === undefined) === (options.account === undefined)) {
    throw usageError(
      "forget needs either --delivery (the id of a delivery or the name of its file) or --account (the id of an account)",
    );
  }
  if (options.account === undefined) return forgetDelivery(context, name, options.delivery ?? "", options);
  if (options.restore === true) return restoreAccount(context, name, options.account, options);
  return forgetAccount(context, name, options.account, options);
}

/** Releases that exist stay as they are; the next refresh builds as if the delivery had never come. */
async function forgetDelivery(context: Context, name: string, named: string, options: ForgetOptions): Promise<void> {
  const { state } = await openBook(context, name, options);
  await checkLayout(state, false);
  const lock = await holdLock(state, context.now());
  try {
    await checkLayout(state, true);
    const releases = await listReleases(state);
    const inUse = new Set(releases.flatMap(({ manifest }) => manifest.store.usage_event.map((file) => basename(file))));
    const isTrial = options.dryRun === true;
    const withdrawn =
      options.restore === true
        ? await restoreDelivery({ state, named, now: context.now() })
        : await withdrawDelivery({ state, named, now: context.now(), inUse, isTrial });
    if (options.json === true) {
      context.print(JSON.stringify(withdrawn, null, 2));
      return;
    }
    const { file, source, delivery_id: id, first_seen_at: seen } = withdrawn;
    const which = `${file} of source ${source}`;
    const facts = `(delivery ${id}, first seen ${seen.slice(0, 10)})`;
    const lines =
      options.restore === true
        ? [
            `${which} stands again ${facts}.`,
            `The next refresh reads it again from its file, which must be there: npx assay refresh ${name}`,
          ]
        : isTrial
          ? [`${which} would be withdrawn ${facts}; nothing has changed.`]
          : [
              `${which} is withdrawn ${facts}.`,
              `The next refresh builds as if it had never come: npx assay refresh ${name}`,
              `To take that back: npx assay forget ${name} --delivery ${id} --restore`,
            ];
    context.print(lines.join("\n"));
  } finally {
    lock.release();
  }
}

/**
 * Writes down that the account is to be erased, then refreshes: that takes its rows out of the store, builds and publishes a release
 * without it and removes all earlier ones. Where the refresh fails the store is clean and the next one that publishes does the rest.
 */
async function forgetAccount(context: Context, name: string, account: string, options: ForgetOptions): Promise<void> {
  const { book, state } = await openBook(context, name, options);
  await checkLayout(state, false);
  const lock = await holdLock(state, context.now());
  let held: Held;
  let kept: readonly string[];
  try {
    await checkLayout(state, true);
    held = await lookForAccount(book, state, account);
    kept = (await listReleases(state)).map(({ folder }) => basename(folder));
    const since = await erasedAt(state, account);
    if (held.rows === 0 && since === null)
      throw usageError(
        `no account ${account} is in the store of ${book.book}, expected the account_id of one that was loaded`,
      );
    if (options.dryRun === true || options.yes !== true) {
      context.print(
        options.json === true
          ? JSON.stringify(answerOf(book.book, held, kept, "would"), null, 2)
          : describe(account, held, kept, "would"),
      );
      if (options.dryRun === true) return;
      throw usageError("nothing was erased: it cannot be undone, so it must be confirmed", "run it again with --yes");
    }
    // Erased before, and a later export brought nothing of it: the marks are there, and a release is built all the same.
    if (held.rows > 0 || since === null) await markErased(state, account, held, context.now());
  } finally {
    lock.release();
  }
  const before = basename((await findCurrentRelease(state))?.folder ?? "");
  try {
    await refresh({ book, state, site: options.site, now: context.now, log: context.log });
  } catch (error) {
    if (!(error instanceof AssayError)) throw error;
    throw refusedError(
      `the account is marked as erased, but the refresh without it failed${before === "" ? "" : `, so that release ${before} holds it still`}: ${error.message}`,
      "mend that and refresh: the next one that publishes takes out what is left",
    );
  }
  const left = new Set((await listReleases(state)).map(({ folder }) => basename(folder)));
  const removed = kept.filter((run) => !left.has(run));
  const now = basename((await findCurrentRelease(state))?.folder ?? "");
  context.print(
    options.json === true
      ? JSON.stringify({ ...answerOf(book.book, held, removed, "did"), release: now }, null, 2)
      : [describe(account, held, removed, "did"), `Readers see release ${now}, built without it.`].join("\n"),
  );
}

async function restoreAccount(context: Context, name: string, account: string, options: ForgetOptions): Promise<void> {
  const { book, state } = await openBook(context, name, options);
  await checkLayout(state, false);
  const lock = await holdLock(state, context.now());
  try {
    await checkLayout(state, true);
    if ((await erasedAt(state, account)) === null) throw usageError(`account ${account} is not among the erased ones`);
    await markRestored(state, account, context.now());
  } finally {
    lock.release();
  }
  context.print(
    options.json === true
      ? JSON.stringify({ book: book.book, restored: true })
      : `The account is allowed again. The next refresh reads the exports that hold it once more, as far as they are there: npx assay refresh ${name}`,
  );
}

const answerOf = (
  book: string,
  { sources, rows, refs, named }: Held,
  releases: readonly string[],
  tense: "would" | "did",
) => ({
  book,
  erased: tense === "did",
  rows,
  sources,
  other_ids: refs.length,
  files_named_after_it: named,
  releases_removed: releases,
});

function describe(
  account: string,
  { sources, rows, refs, named }: Held,
  releases: readonly string[],
  tense: "would" | "did",
): string {
  const did = tense === "did";
  return [
    `${did ? "Erased" : "Would erase"} account ${account}: ${rows} rows of ${sources.length} ${sources.length === 1 ? "source" : "sources"}${refs.length === 0 ? "" : `, found by its id and by ${refs.length} ids that led to it`}.`,
    ...sources.map(
      ({ source, rows: n, files }) => `  ${source}: ${n} ${n === 1 ? "row" : "rows"}, from ${list(files)}`,
    ),
    `The texts of all values that were rejected so far ${did ? "are blanked" : "would be blanked"}: a rejected value does not say whose it is. Counts, lines and reasons stay.`,
    releases.length === 0
      ? "No release is kept that was built with it."
      : `${did ? "Removed" : "Would remove, once a release without it is built and published,"} ${releases.length} ${releases.length === 1 ? "release" : "releases"} built with it: ${list(releases)}.`,
    "The exports are yours and stay as they are; rows of it in them are passed over and counted from now on. erased.jsonl keeps hashes, no id.",
    ...(named.length === 0
      ? []
      : [
          `Files that are named after it keep their names in the ledger: ${list(named)}. Rename them before they are delivered.`,
        ]),
  ].join("\n");
}

/** The first few names, and how many more. */
const list = (names: readonly string[]): string =>
  names.length <= 3 ? names.join(", ") : `${names.slice(0, 2).join(", ")} and ${names.length - 2} more`;
