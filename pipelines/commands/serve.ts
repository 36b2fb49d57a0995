import { join } from "node:path";
import { readCurrentRelease } from "../publish/release.ts";
import { serveFolder } from "../publish/serve.ts";
import { type BookOptions, type Context, openBook } from "./context.ts";

/** Serves the current release's site until the process is stopped. */
export async function serve(
  context: Context,
  name: string,
  options: BookOptions & { readonly port: number; readonly json?: boolean },
): Promise<void> {
  const { book, state } = await openBook(context, name, options);
  // The release is checked once here; the folder is served through `current`, so that a later release shows at once.
  await readCurrentRelease(state, book.book, name);
  const { url } = await serveFolder({ folder: join(state, "current", "site"), port: options.port });
  context.print(options.json ? JSON.stringify({ url }) : `${book.site.title}: ${url} (stop with Ctrl-C)`);
}
