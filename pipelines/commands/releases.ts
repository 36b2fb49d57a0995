import { findCurrentRelease, listReleases } from "../publish/release.ts";
import { type BookOptions, type Context, openBook } from "./context.ts";
import { formatTable } from "./table.ts";

/** The releases that are kept, oldest first; the current one is marked. */
export async function releases(
  context: Context,
  name: string,
  options: BookOptions & { readonly json?: boolean },
): Promise<void> {
  const { state } = await openBook(context, name, options);
  const current = await findCurrentRelease(state);
  const rows = (await listReleases(state)).map(({ folder, manifest }) => ({
    run_id: manifest.run_id,
    release_id: manifest.release_id.slice(0, 12),
    as_of: manifest.as_of,
    built_at: manifest.built_at,
    current: folder === current?.folder,
  }));
  if (options.json) context.print(JSON.stringify(rows, null, 2));
  else
    context.print(
      rows.length === 0
        ? "no releases yet"
        : formatTable(rows.map((r) => ({ ...r, current: r.current ? "current" : "" }))),
    );
}
