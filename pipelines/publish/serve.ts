import { type FileHandle, open, realpath, stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, sep } from "node:path";
import { pipeline } from "node:stream/promises";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".arrow": "application/vnd.apache.arrow.file",
  ".csv": "text/csv; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".txt": "text/plain; charset=utf-8",
};

/**
 * The file a request means, or null: `/` and `/kpis/` are their index pages, `/bands` is `bands.html`. Nothing outside
 * the folder is ever named, through `..`, an encoded slash or a symbolic link.
 */
export async function findSiteFile(folder: string, url: string): Promise<string | null> {
  let path: string;
  try {
    path = decodeURIComponent(new URL(url, "http://localhost").pathname);
  } catch {
    return null;
  }
  if (path.includes("\0") || path.includes("\\") || path.split("/").includes("..")) return null;
  const root = await realpath(folder);
  const candidates = path.endsWith("/") ? [`${path}index.html`] : [path, `${path}.html`, `${path}/index.html`];
  for (const candidate of candidates) {
    try {
      const file = await realpath(join(root, candidate));
      if (file.startsWith(root + sep) && (await stat(file)).isFile()) return file;
    } catch {
      // Not there: the next spelling may be.
    }
  }
  return null;
}

/** The file, open: from then on a refresh may prune the release that it belongs to. One that did so before is asked for in the next. */
async function openSiteFile(
  folder: string,
  url: string,
): Promise<{ readonly file: string; readonly handle: FileHandle } | null> {
  for (let before = await realpath(folder); ; ) {
    const file = await findSiteFile(folder, url);
    const handle = file === null ? null : await open(file).catch(() => null);
    if (file !== null && handle !== null) return { file, handle };
    const root = await realpath(folder);
    if (root === before) return null;
    before = root;
  }
}

/** A page of another host whose name was pointed at this machine must not read the report. */
const isLocal = (host: string | undefined): boolean =>
  host !== undefined && /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/i.test(host);

async function answer(folder: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!isLocal(request.headers.host)) {
    response.writeHead(403, { "content-type": "text/plain; charset=utf-8" }).end("only this machine is served\n");
    return;
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { allow: "GET, HEAD" }).end();
    return;
  }
  const opened = await openSiteFile(folder, request.url ?? "/");
  if (opened === null) {
    response.writeHead(404, { "content-type": "text/plain; charset=utf-8" }).end("no such page\n");
    return;
  }
  const { file, handle } = opened;
  const { pathname: path, search } = new URL(request.url ?? "/", "http://localhost");
  if (
    file.endsWith(`${sep}index.html`) &&
    !path.endsWith("/") &&
    !path.endsWith("/index") &&
    !path.endsWith("/index.html")
  ) {
    // One slash: with two it would name a host.
    await handle.close();
    response.writeHead(308, { location: `/${path.replace(/^\/+/, "")}/${search}` }).end();
    return;
  }
  const { size } = await handle.stat();
  response.writeHead(200, {
    "content-type": types[extname(file)] ?? "application/octet-stream",
    "content-length": size,
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
  });
  if (request.method === "HEAD") {
    await handle.close();
    response.end();
  } else {
    // A reader who goes away, before the file was open or after, leaves none open.
    await pipeline(handle.createReadStream(), response).catch(() => response.destroy());
  }
}

/**
 * Serves a folder on 127.0.0.1 only; port 0 takes a free one. `close` ends open connections too.
 * The folder may be a symbolic link (`current/site`) that is re-pointed while the server runs.
 */
export async function serveFolder(options: {
  readonly folder: string;
  readonly port: number;
}): Promise<{ readonly url: string; readonly close: () => Promise<void> }> {
  const server = createServer((request, response) => {
    answer(options.folder, request, response).catch(() => response.writeHead(500).end());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)));
        server.closeAllConnections();
      }),
  };
}
