/** Notebook Kit's Vite plugin over one book: SQL cells run on its current release, libraries come from the disk. */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, isAbsolute, join, relative, resolve } from "node:path";
import { config, observable } from "@observablehq/notebook-kit/vite";
import { build, createServer, type InlineConfig, type ViteDevServer } from "vite";
import { type BookOptions, type Context, openBook } from "../../pipelines/commands/context.ts";
import { AssayError, usageError } from "../../pipelines/lib/errors.ts";
import { type Manifest, readCurrentRelease } from "../../pipelines/publish/release.ts";
import { runSqlCells } from "./cells.ts";
import { notebooksFolder } from "./folders.ts";
import { offline } from "./offline.ts";
import { type OpenedRelease, openForCells } from "./release.ts";

const cacheFolder = join(notebooksFolder, ".observable", "cache");

/** Results are kept under this name: another release, or another book, never meets them. */
const keptAs = ({ book, release_id }: Manifest): string => `${book}-${release_id.slice(0, 16)}`;

const current = async (context: Context, name: string, options: BookOptions): Promise<Manifest> => {
  const { book, state } = await openBook(context, name, options);
  return (await readCurrentRelease(state, book.book, name)).manifest;
};

/** Deletes what earlier releases of the book left in the cache. */
async function sweep(manifest: Manifest): Promise<void> {
  if (!existsSync(cacheFolder)) return;
  for (const name of await readdir(cacheFolder))
    if (name.startsWith(`${manifest.book}-`) && !name.startsWith(`${keptAs(manifest)}-`))
      await rm(join(cacheFolder, name), { force: true });
}

function vite(context: Context, name: string, options: BookOptions): InlineConfig {
  // For the command lines that a notebook ends with.
  const called = [name, ...(options.state === undefined ? [] : ["--state", options.state])]
    .map((word) => (/^[\w./:-]+$/.test(word) ? word : `'${word}'`))
    .join(" ")
    .replaceAll("&", "&amp;")
    .replaceAll('"', "&quot;");
  // One notebook after the other: each opens the release only if a result is missing, and closes it.
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = turn.then(work);
    turn = done.catch(() => undefined);
    return done;
  };
  return {
    ...config(),
    configFile: false,
    root: notebooksFolder,
    cacheDir: join(notebooksFolder, ".observable", "vite"),
    plugins: [
      offline(),
      observable({
        transformTemplate: (template) =>
          template.replace("</head>", `<meta name="assay-book" content="${called}"></head>`),
        transformNotebook: (notebook, { filename }) =>
          inTurn(async () => {
            // Asked anew for each page: a preview goes over to a new release with the next reload.
            const manifest = await current(context, name, options);
            await sweep(manifest);
            let opened: Promise<OpenedRelease> | undefined;
            const open = (): Promise<OpenedRelease> => {
              opened ??= openForCells(context, name, options);
              return opened;
            };
            try {
              return await runSqlCells(notebook, filename, keptAs(manifest), open);
            } finally {
              await opened?.then(
                (release) => release.close(),
                () => undefined,
              );
            }
          }),
      }),
    ],
    optimizeDeps: {
      include: ["@observablehq/plot", "@observablehq/inputs", "htl", "d3"],
    },
  };
}

export async function preview(
  context: Context,
  name: string,
  options: BookOptions & { readonly port?: number },
): Promise<ViteDevServer> {
  await current(context, name, options);
  const server = await createServer({
    ...vite(context, name, options),
    logLevel: "warn",
    server: { host: "127.0.0.1", ...(options.port === undefined ? {} : { port: options.port, strictPort: true }) },
  });
  await server.listen();
  return server;
}

/** The notebooks of the folder, without their ending: the index first. */
export const listNotebooks = async (): Promise<readonly string[]> =>
  (await readdir(notebooksFolder)).filter((file) => file.endsWith(".html")).sort();

const marker = "notebooks.json";

/** Static pages of the given notebooks, or of all, with their rows. */
export async function buildNotebooks(
  context: Context,
  name: string,
  files: readonly string[],
  options: BookOptions & { readonly out?: string },
): Promise<string> {
  const manifest = await current(context, name, options);
  const inputs = files.length > 0 ? files.map((file) => inFolder(context, file)) : await listNotebooks();
  const out = resolve(context.cwd, options.out ?? join(notebooksFolder, ".observable", "dist", manifest.book));
  if (existsSync(out) && (await readdir(out)).length > 0 && !existsSync(join(out, marker)))
    throw usageError(`--out ${out} holds other files, expected an empty folder or one of an earlier build`);
  await build({
    ...vite(context, name, options),
    logLevel: "error",
    build: {
      outDir: out,
      emptyOutDir: true,
      chunkSizeWarningLimit: 5000,
      rollupOptions: { input: inputs.map((file) => join(notebooksFolder, file)) },
    },
  }).catch((error: unknown) => {
    // Vite wraps what a plugin throws.
    throw causeOf(error);
  });
  await mkdir(out, { recursive: true });
  const { book, release_id, as_of } = manifest;
  await writeFile(join(out, marker), `${JSON.stringify({ book, release_id, as_of, notebooks: inputs }, null, 2)}\n`);
  return out;
}

function inFolder(context: Context, file: string): string {
  const path = [resolve(context.cwd, file), resolve(notebooksFolder, file)].find((each) => existsSync(each));
  const inside = path === undefined ? "" : relative(notebooksFolder, path);
  if (path === undefined || isAbsolute(inside) || inside.startsWith("..") || !inside.endsWith(".html"))
    throw usageError(`no notebook ${file}, expected the name of an .html file in ${basename(notebooksFolder)}/`);
  return inside;
}

/** The error that a user can act on, from inside what Vite made of it. */
function causeOf(error: unknown): unknown {
  if (error === undefined) return undefined;
  if (error instanceof AssayError) return error;
  const { cause, errors = [] } = (error ?? {}) as { readonly cause?: unknown; readonly errors?: readonly unknown[] };
  return [cause, ...errors].map(causeOf).find((found) => found instanceof AssayError) ?? error;
}

/** What a build says of itself, for tests. */
export const readMarker = async (out: string): Promise<unknown> =>
  JSON.parse(await readFile(join(out, marker), "utf8"));
