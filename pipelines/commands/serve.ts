import { existsSync } from "node:fs";
import { join } from "node:path";
import { usageError } from "../lib/errors.ts";
import { readCurrentRelease } from "../publish/release.ts";
import { serveFolder } from "../publish/serve.ts";
import { type BookOptions, type Context, openBook } from "./context.ts";

/** Serves the current release's site until the process is stopped. */
export async function serve(
  context: Context,
  name: string,
  options: BookOptions & { readonly port: number; readonly managers?: boolean; readonly json?: boolean },
): Promise<void> {
  const { book, state } = await openBook(context, name, options);
  // The release is checked once here; the folder is served through `current`, so that a later release shows at once.
  await readCurrentRelease(state, book.book, name);
  const folder = join(state, "current", options.managers === true ? "site-managers" : "site");
  if (options.managers === true && !existsSync(folder))
    throw usageError(
      `the current release of ${book.book} has no managers' site, expected one in ${folder}`,
      "write 'site: { managers: true }' into assay.yaml, then refresh",
    );
  const { url } = await serveFolder({ folder, port: options.port });
  context.print(options.json ? JSON.stringify({ url }) : `${book.site.title}: ${url} (stop with Ctrl-C)`);
}
