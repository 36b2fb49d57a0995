import { basename } from "node:path";
import { usageError } from "../lib/errors.ts";
import { withdrawDelivery } from "../load/withdraw.ts";
import { listReleases } from "../publish/release.ts";
import { holdLock } from "../warehouse/lock.ts";
import { type BookOptions, type Context, openBook } from "./context.ts";

/**
 * `assay forget BOOK --delivery ID|FILE`: withdraws a delivery. Releases that exist stay as they are; the next refresh builds as if
 * it had never come.
 */
export async function forget(
  context: Context,
  name: string,
  options: BookOptions & { readonly delivery?: string; readonly json?: boolean },
): Promise<void> {
  if (options.delivery === undefined)
    throw usageError("forget needs --delivery, expected the id of a delivery or the name of its file");
  const { state } = await openBook(context, name, options);
  const lock = await holdLock(state, context.now());
  try {
    const releases = await listReleases(state);
    const inUse = new Set(releases.flatMap(({ manifest }) => manifest.store.usage_event.map((file) => basename(file))));
    const withdrawn = await withdrawDelivery({ state, named: options.delivery, now: context.now(), inUse });
    if (options.json === true) {
      context.print(JSON.stringify(withdrawn, null, 2));
      return;
    }
    const { file, source, delivery_id: id, first_seen_at: seen } = withdrawn;
    context.print(
      [
        `${file} of source ${source} is withdrawn (delivery ${id}, first seen ${seen.slice(0, 10)}).`,
        `The next refresh builds as if it had never come: npx assay refresh ${name}`,
      ].join("\n"),
    );
  } finally {
    lock.release();
  }
}
