/**
 * One refresh without a site, in a process that can be killed: `killable.ts BOOK STATE NOW [N|pN]`. Says `begun` when it begins and, at
 * the end, how many times it changed a file or folder itself. With N it kills itself, as the kernel would, before its Nth change, with
 * pN before the Nth from where publishing begins: what runs in the engine is for the clock to interrupt.
 */
import { createRequire, syncBuiltinESMExports } from "node:module";
import { readBook } from "../../pipelines/config/book.ts";
import { silentLog } from "../../pipelines/lib/log.ts";

const [folder = "", state = "", now = "", stop = "0"] = process.argv.slice(2);
let changes = 0;
let published = 0;

const files = createRequire(import.meta.url)("node:fs/promises") as Record<string, (...args: unknown[]) => unknown>;
for (const name of ["rename", "symlink", "rm", "writeFile", "mkdir", "open"]) {
  const original = files[name] as (...args: unknown[]) => unknown;
  files[name] = (...args) => {
    changes += 1;
    if (published > 0 || (name === "rename" && String(args[1]).includes("/releases/"))) published += 1;
    if (stop === String(changes) || stop === `p${published}`) process.kill(process.pid, "SIGKILL");
    return original(...args);
  };
}
syncBuiltinESMExports();

process.umask(0o077);
// Only now: what it imports shall see the functions above.
const { refresh } = await import("../../pipelines/commands/refresh.ts");
const book = await readBook(folder, { cwd: folder, env: {} });
process.stdout.write("begun\n");
const result = await refresh({ book, state, site: false, now: () => new Date(now), log: silentLog });
process.stdout.write(`${JSON.stringify({ outcome: result.outcome, changes, published })}\n`);
