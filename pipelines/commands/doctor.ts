import { existsSync } from "node:fs";
import {
  access,
  constants,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  symlink,
  writeFile,
} from "node:fs/promises";
import { availableParallelism, tmpdir, totalmem } from "node:os";
import { basename, dirname, join } from "node:path";
import { AssayError, machineError, usageError } from "../lib/errors.ts";
import { projectRoot } from "../lib/files.ts";
import { type LedgerLine, readLedger } from "../load/ledger.ts";
import { changedFiles } from "../load/sweep.ts";
import { checkLayout, currentName, findCurrentRelease, listReleases } from "../publish/release.ts";
import { Database } from "../warehouse/database.ts";
import { holdLock } from "../warehouse/lock.ts";
import { type BookOptions, type Context, openBook } from "./context.ts";
import { wrap } from "./table.ts";
import { whatIsMissing } from "./whole.ts";

interface Check {
  readonly check: string;
  /** `bad`: a refresh cannot work like this; `care`: it works, and a person should know. */
  readonly state: "ok" | "care" | "bad";
  readonly found: string;
}

/**
 * `assay doctor [BOOK]`: whether this machine can run Assay, and with a book whether its state can be written, has room, is
 * not held and is whole. Leaves nothing behind. Exit 2 when a refresh could not work.
 */
export async function doctor(
  context: Context,
  name: string | undefined,
  options: BookOptions & { readonly json?: boolean },
): Promise<void> {
  const checks: Check[] = [await checkNode(), await checkEngine(), await checkFolder("temporary files", tmpdir())];
  if (name !== undefined) checks.push(...(await checkBook(context, name, options)));
  context.print(options.json ? JSON.stringify(checks, null, 2) : describe(checks));
  const bad = checks.filter(({ state }) => state === "bad");
  if (bad.length > 0) {
    throw usageError(`${bad.length} of ${checks.length} checks failed: ${bad.map(({ check }) => check).join(", ")}`);
  }
}

async function checkNode(): Promise<Check> {
  const { engines } = JSON.parse(await readFile(join(projectRoot, "package.json"), "utf8")) as {
    engines: { node: string };
  };
  const wanted = engines.node.replace(/^\D+/, "");
  const isEnough = compareVersions(process.versions.node, wanted) >= 0;
  return {
    check: "Node",
    state: isEnough ? "ok" : "bad",
    found: `${process.versions.node}${isEnough ? "" : `, ${wanted} or later is needed`}`,
  };
}

/** Below 0: `a` is the older one. Numbers compare as numbers. */
function compareVersions(a: string, b: string): number {
  const parts = (text: string): readonly number[] => text.split(".").map((part) => Number.parseInt(part, 10));
  const [left, right] = [parts(a), parts(b)];
  const at = left.findIndex((part, i) => part !== (right[i] ?? 0));
  return at === -1 ? 0 : (left[at] as number) - (right[at] ?? 0);
}

async function checkEngine(): Promise<Check> {
  try {
    const database = await Database.open({ path: ":memory:" });
    try {
      const [row] = await database.query<{ version: string; memory: string; threads: string }>(
        "select library_version as version, current_setting('memory_limit') as memory, cast(current_setting('threads') as varchar) as threads from pragma_version()",
      );
      const gigabytes = (totalmem() / 2 ** 30).toFixed(1);
      return {
        check: "DuckDB",
        state: "ok",
        found:
          `${row?.version}, takes up to ${row?.memory} of the machine's ${gigabytes} GiB and ${row?.threads} of ` +
          `${availableParallelism()} threads unless the book says less`,
      };
    } finally {
      database.close();
    }
  } catch (error) {
    return { check: "DuckDB", state: "bad", found: `does not start: ${firstLine(error)}; run npm ci` };
  }
}

async function checkBook(context: Context, name: string, options: BookOptions): Promise<readonly Check[]> {
  const { book, state } = await openBook(context, name, options);
  const checks: Check[] = [
    { check: "assay.yaml", state: "ok", found: `${book.file}, ${Object.keys(book.sources).length} sources` },
    await checkExports(book.exports_root),
  ];
  let lines: readonly LedgerLine[];
  try {
    await checkLayout(state, false);
    ({ lines } = await readLedger(join(state, "ledger.jsonl")));
  } catch (error) {
    // What a newer Assay wrote is not touched, not even to try whether it could be.
    return [...checks, { check: "state", state: "bad", found: sentenceOf(error, `${state} cannot be read`) }];
  }
  return [
    ...checks,
    await checkFolder("state", state),
    await checkRoom(state),
    await checkLock(state, context.now()),
    await checkStore(state, name, lines),
    await checkCurrent(state),
    await checkClock(state, context.now()),
  ];
}

async function checkExports(root: string): Promise<Check> {
  try {
    await access(root, constants.R_OK | constants.X_OK);
    const names = await readdir(root);
    return names.length === 0
      ? { check: "exports", state: "bad", found: `${root} is empty` }
      : { check: "exports", state: "ok", found: `${root} can be read` };
  } catch (error) {
    return { check: "exports", state: "bad", found: sentenceOf(error, `${root} cannot be read`) };
  }
}

/** A file, a rename over a link and a link, in a folder of its own: what a refresh does when it publishes. */
async function checkFolder(check: string, folder: string): Promise<Check> {
  const place = nearestFolder(folder);
  try {
    const probe = await mkdtemp(join(place, ".assay-doctor-"));
    try {
      await writeFile(join(probe, "file"), "x");
      for (const target of ["one", "two"]) {
        await symlink(target, join(probe, "aside"));
        await rename(join(probe, "aside"), join(probe, "current"));
      }
    } finally {
      await rm(probe, { recursive: true, force: true });
    }
    const made = place === folder ? "" : `, made by the first refresh`;
    return { check, state: "ok", found: `${folder} can be written${made}` };
  } catch (error) {
    return { check, state: "bad", found: sentenceOf(error, `${folder} cannot be written with links and renames`) };
  }
}

/** A refresh builds a whole release beside the current one, and spills what does not fit into memory. */
async function checkRoom(state: string): Promise<Check> {
  const { bavail, bsize } = await statfs(nearestFolder(state));
  const free = bavail * bsize;
  const current = await currentOf(state);
  const needed = current === null ? 2 ** 30 : 3 * (await sizeOf(current));
  const what = current === null ? "without a release to compare with, 1 GB" : "three times the current release";
  return {
    check: "disk",
    state: free < needed / 3 ? "bad" : free < needed ? "care" : "ok",
    found: `${megabytes(free)} free, ${what} is comfortable${current === null ? "" : ` (${megabytes(needed)})`}`,
  };
}

async function checkLock(state: string, now: Date): Promise<Check> {
  if (!existsSync(join(state, "lock.duckdb"))) return { check: "lock", state: "ok", found: "nobody holds it" };
  try {
    (await holdLock(state, now)).release();
    return { check: "lock", state: "ok", found: "nobody holds it" };
  } catch (error) {
    const isBusy = error instanceof AssayError && error.exitCode === 4;
    return { check: "lock", state: isBusy ? "care" : "bad", found: sentenceOf(error, "cannot be held") };
  }
}

/** Every file of rows by its bytes: what reads a damaged one may well get rows, only others. */
async function checkStore(state: string, name: string, lines: readonly LedgerLine[]): Promise<Check> {
  const check = "store";
  try {
    const [first, ...others] = await changedFiles(join(state, "store"), lines);
    if (first === undefined) return { check, state: "ok", found: "rows are as they were written" };
    const more = others.length === 0 ? "" : ` and ${others.length} more`;
    return {
      check,
      state: "bad",
      found: `${first}${more}: other bytes than were written; 'npx assay refresh ${name} --full' reads the rows again from their exports`,
    };
  } catch (error) {
    return { check, state: "bad", found: sentenceOf(error, "cannot be read") };
  }
}

async function checkCurrent(state: string): Promise<Check> {
  const check = "current";
  try {
    const release = await findCurrentRelease(state);
    if (release === null) {
      const gone = await currentName(state);
      return gone === null
        ? { check, state: "ok", found: "no release yet" }
        : { check, state: "bad", found: `${gone} is gone; refresh makes one` };
    }
    const id = basename(release.folder);
    const flaw = await whatIsMissing(release, existsSync(join(release.folder, "site")));
    return flaw === null
      ? { check, state: "ok", found: `${id}, data to ${release.manifest.as_of}` }
      : { check, state: "bad", found: `${id} is not whole: ${flaw}; refresh builds it again` };
  } catch (error) {
    return { check, state: "bad", found: sentenceOf(error, "the current release does not open; refresh with --full") };
  }
}

/** Releases are named by the clock: one that went back makes new ones sort before old ones. */
async function checkClock(state: string, now: Date): Promise<Check> {
  const check = "clock";
  const newest = (await listReleases(state).catch(() => []))
    .map(({ manifest }) => manifest.built_at)
    .sort()
    .at(-1);
  if (newest === undefined || newest <= now.toISOString()) return { check, state: "ok", found: now.toISOString() };
  return { check, state: "care", found: `it says ${now.toISOString()}, but a release was built at ${newest}` };
}

const currentOf = async (state: string): Promise<string | null> =>
  (await findCurrentRelease(state).catch(() => null))?.folder ?? null;

async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const sizes = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => (await stat(join(entry.parentPath, entry.name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** The folder itself, or where it would be made. */
function nearestFolder(folder: string): string {
  let at = folder;
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at);
  return at;
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6).toLocaleString("en")} MB`;
const firstLine = (error: unknown): string =>
  String(error instanceof Error ? error.message : error).split("\n")[0] ?? "";
const sentenceOf = (error: unknown, otherwise: string): string =>
  machineError(error)?.message ?? `${otherwise}: ${firstLine(error)}`;

function describe(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ check }) => check.length));
  return checks
    .map(({ check, state, found }) => {
      const indent = " ".repeat(width + 8);
      return `${state.padEnd(4)}  ${check.padEnd(width)}  ${wrap(found, 112 - indent.length, indent)}`;
    })
    .join("\n");
}
