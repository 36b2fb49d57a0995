import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, readlink, rename, rm, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { AssayError, refusedError, usageError } from "../lib/errors.ts";
import { writeFileAtomic } from "../lib/files.ts";
import { assayVersion } from "../lib/version.ts";
import type { ArtefactFile } from "./artefacts.ts";

/**
 * The layout of a state folder: ledger, store and releases. Raised when an older Assay would misread what this one writes. 1 is everything
 * before layouts were written down; 2 has erased accounts, which an older Assay would bring back.
 */
export const stateLayout = 2;

const layoutFile = (state: string): string => join(state, "layout.json");

const newerLayout = (what: string, layout: number, version: string): Error =>
  usageError(
    `${what} is of layout ${layout}, written by Assay ${version}, expected at most ${stateLayout}, which Assay ${assayVersion} knows`,
    "upgrade Assay, or choose another folder with --state",
  );

/** Refuses a state that a newer Assay has written to, or built a release in; whoever is about to write says with `mark` that this one does now. */
export async function checkLayout(state: string, mark: boolean): Promise<void> {
  const { layout, version } = await readLayout(state);
  if (layout > stateLayout) throw newerLayout(state, layout, version);
  await listReleases(state);
  if (mark && layout < stateLayout)
    await writeFileAtomic(
      layoutFile(state),
      `${JSON.stringify({ layout: stateLayout, assay_version: assayVersion })}\n`,
    );
}

async function readLayout(state: string): Promise<{ readonly layout: number; readonly version: string }> {
  if (!existsSync(layoutFile(state))) return { layout: 1, version: "" };
  const text = await readFile(layoutFile(state), "utf8");
  try {
    const { layout, assay_version: version } = JSON.parse(text) as Record<string, unknown>;
    return { layout: typeof layout === "number" ? layout : 1, version: String(version) };
  } catch {
    // It only tells of a newer Assay; one that is damaged tells nothing.
    return { layout: 1, version: "" };
  }
}

/** A file below `out/`, for other systems. */
export interface OutFile {
  readonly name: string;
  readonly file: string;
  readonly rows: number;
  readonly sha256: string;
}

/** What a release says of itself: `manifest.json`. */
export interface Manifest {
  /** Hash of inputs, definitions and code: the same three give the same id, on any machine and day. */
  readonly release_id: string;
  /** Names the run, with its time; only the manifest and the folder's name hold it. */
  readonly run_id: string;
  readonly book: string;
  /** The layout of the state that it was built in; releases of the first have none. */
  readonly layout?: number;
  readonly as_of: string;
  readonly built_at: string;
  readonly assay_version: string;
  readonly duckdb_version: string;
  readonly config_sha256: string;
  readonly inputs_sha256: string;
  readonly code_sha256: string;
  /** True: `as_of` came from the command line, not from the book. */
  readonly as_of_given?: boolean;
  /** Of all KPIs, scorecards and flags as they were resolved. */
  readonly definitions_sha256?: string;
  /** The KPIs that were on, each with the hash of its definition. */
  readonly kpis?: readonly { readonly id: string; readonly version: number; readonly definition_sha256: string }[];
  /** Store files that the session views need (`assay query` attaches them): paths below `store/`. */
  readonly store: {
    readonly usage_event: readonly string[];
    readonly account_day: readonly string[];
    readonly user_day: readonly string[];
    /** Only where a KPI reads the latest quantity of usage. */
    readonly account_last?: readonly string[];
    /** Tables of staging that the next refresh may take over: names below `store/staging/`. */
    readonly staging?: readonly string[];
    /** Months of features that the next refresh may take over: names below `store/features/`. */
    readonly features?: readonly string[];
    /** Verdicts as of past month starts that the next refresh may take over: names below `store/looks/`. */
    readonly looks?: readonly string[];
  };
  /** Every scorecard version that this release or an earlier one used: a number never changes its content. */
  readonly scorecards: readonly {
    readonly scorecard: string;
    readonly version: number;
    readonly definition_sha256: string;
  }[];
  readonly artefacts: readonly ArtefactFile[];
  /** Releases of earlier versions of Assay have none. */
  readonly out?: readonly OutFile[];
  /** Warnings of the build, one sentence each. */
  readonly warnings: readonly string[];
}

export interface Release {
  readonly folder: string;
  readonly manifest: Manifest;
}

/** How the last refresh of a state ended: `last-run.json`, for `assay status`. One that was killed has written nothing. */
export interface LastRun {
  readonly at: string;
  readonly outcome: "published" | "built" | "unchanged" | "failed";
  readonly release_id?: string;
  readonly run_id?: string;
  readonly exit_code?: number;
  readonly error?: string;
}

const lastRunFile = (state: string): string => join(state, "last-run.json");

export const writeLastRun = (state: string, run: LastRun): Promise<void> =>
  writeFileAtomic(lastRunFile(state), `${JSON.stringify(run)}\n`);

/** Null before the first refresh ended; a file that cannot be read says nothing. */
export async function readLastRun(state: string): Promise<LastRun | null> {
  return readFile(lastRunFile(state), "utf8")
    .then((text) => JSON.parse(text) as LastRun)
    .catch(() => null);
}

/** The time in the name sorts releases; the id tells two of one second apart. */
export const runIdOf = (now: Date, releaseId: string): string =>
  `${now
    .toISOString()
    .replace(/[-:]/g, "")
    .replace(/\.\d+Z$/, "Z")}-${releaseId.slice(0, 8)}`;

/** The time that names the next run: now, or just after the newest release where the clock was set back, so that releases keep their order. */
export async function timeOfNextRun(state: string, now: Date): Promise<Date> {
  const newest = (await listReleases(state)).at(-1)?.folder ?? "";
  const [, day, time] = /^(\d{8})T(\d{6})Z/.exec(basename(newest)) ?? [];
  if (day === undefined || time === undefined) return now;
  const iso = `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}T${time.slice(0, 2)}:${time.slice(2, 4)}:${time.slice(4)}Z`;
  const next = new Date(Date.parse(iso) + 1000);
  return next > now ? next : now;
}

async function readRelease(folder: string): Promise<Release> {
  const file = join(folder, "manifest.json");
  const manifest = parseManifest(await readFile(file, "utf8"));
  if (manifest === null)
    throw refusedError(
      `a release is damaged: ${file}`,
      "refresh builds it again; until then 'npx assay rollback BOOK' goes to one that is whole",
    );
  if (layoutOf(manifest) > stateLayout)
    throw newerLayout(`release ${basename(folder)}`, layoutOf(manifest), manifest.assay_version);
  return { folder, manifest };
}

/** Null for a text that is no manifest. */
function parseManifest(text: string): Manifest | null {
  try {
    const found = JSON.parse(text) as Partial<Manifest> | null;
    return typeof found?.run_id === "string" && typeof found.store === "object" && found.store !== null
      ? (found as Manifest)
      : null;
  } catch {
    return null;
  }
}

export const layoutOf = ({ layout }: Manifest): number => layout ?? 1;

/** All releases, oldest first. One that is damaged is none. */
export async function listReleases(state: string): Promise<readonly Release[]> {
  const root = join(state, "releases");
  if (!existsSync(root)) return [];
  const names = (await readdir(root)).filter((name) => existsSync(join(root, name, "manifest.json"))).sort();
  const found = await Promise.all(
    names.map((name) =>
      readRelease(join(root, name)).catch((error: NodeJS.ErrnoException) => {
        // Pruned since it was listed.
        if (error.code === "ENOENT" || isDamage(error)) return null;
        throw error;
      }),
    ),
  );
  return found.filter((release) => release !== null);
}

/**
 * What `current` points at, or null before the first release. A refresh that publishes meanwhile may prune the release that was just
 * named: then `current` names another one.
 */
export async function findCurrentRelease(state: string): Promise<Release | null> {
  for (let before = await currentName(state); before !== null; ) {
    try {
      return await readRelease(join(state, "releases", before));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      const name = await currentName(state);
      if (name === before) return null;
      before = name;
    }
  }
  return null;
}

const isDamage = (error: unknown): boolean => error instanceof AssayError && error.exitCode === 3;

/** The same for whoever builds the next one: a damaged release is none, and `note` hears of it. */
export async function findReleaseBefore(state: string, note: (sentence: string) => void): Promise<Release | null> {
  return findCurrentRelease(state).catch((error: unknown) => {
    if (!isDamage(error)) throw error;
    note(`${(error as AssayError).message}: everything is built again`);
    return null;
  });
}

/** The name of the release that `current` points at, whether it is there or not. */
export async function currentName(state: string): Promise<string | null> {
  try {
    return basename(await readlink(join(state, "current")));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return null;
    if (code !== "EINVAL") throw error;
    throw usageError(
      `${join(state, "current")} is no symlink, expected one to a release`,
      "delete it, then refresh: copies of a state folder must keep symlinks",
    );
  }
}

/** Opens the current release: where a refresh pruned it before it was open, the one that came after it. */
export async function openCurrent<T>(
  state: string,
  book: string,
  named: string,
  open: (release: Release) => Promise<T>,
): Promise<T> {
  for (;;) {
    const release = await readCurrentRelease(state, book, named);
    try {
      return await open(release);
    } catch (error) {
      if (basename(release.folder) === (await currentName(state))) throw error;
    }
  }
}

/** The same, where having none is the user's error (exit 2); `named` is what the user called the book by. */
export async function readCurrentRelease(state: string, book: string, named: string = book): Promise<Release> {
  const release = await findCurrentRelease(state);
  if (release !== null) return release;
  const gone = await currentName(state);
  throw gone === null
    ? usageError(`no release of ${book} yet in ${state}`, `run 'npx assay refresh ${named}' first`)
    : usageError(`the current release of ${book} is gone: ${gone} in ${state}`, `run 'npx assay refresh ${named}'`);
}

/** Takes a release away by one rename, so that none is ever half there; what a kill leaves of it lies among the builds, and is swept. */
async function removeRelease(state: string, name: string): Promise<void> {
  const aside = join(state, "builds", `${name}.pruned`);
  await mkdir(join(state, "builds"), { recursive: true });
  await rm(aside, { recursive: true, force: true });
  await rename(join(state, "releases", name), aside);
  await rm(aside, { recursive: true, force: true });
}

/** Removes every release but the current one, and returns their names: none of them may be gone back to. */
export async function removeOtherReleases(state: string): Promise<readonly string[]> {
  const current = await findCurrentRelease(state);
  const root = join(state, "releases");
  const names = existsSync(root) ? await readdir(root) : [];
  const others = names.filter((name) => current !== null && name !== basename(current.folder)).sort();
  for (const name of others) await removeRelease(state, name);
  return others;
}

/** Removes the tables, roll-ups and months of features that no release names: a later night's replaced them. */
export async function sweepStore(state: string): Promise<void> {
  const stores = (await listReleases(state)).map(({ manifest: { store } }) => store);
  const rollUps = stores.flatMap((store) => [...store.account_day, ...store.user_day, ...(store.account_last ?? [])]);
  await sweepFolder(join(state, "store", "rollup"), rollUps);
  await sweepFolder(
    join(state, "store", "staging"),
    stores.flatMap((store) => store.staging ?? []),
  );
  await sweepFolder(
    join(state, "store", "features"),
    stores.flatMap((store) => store.features ?? []),
  );
  await sweepFolder(
    join(state, "store", "looks"),
    stores.flatMap((store) => store.looks ?? []),
  );
}

async function sweepFolder(folder: string, files: readonly string[]): Promise<void> {
  if (!existsSync(folder)) return;
  const named = new Set(files.map((file) => basename(file)));
  for (const name of await readdir(folder)) {
    if (name.endsWith(".parquet") && !named.has(name)) await rm(join(folder, name), { force: true });
  }
}

/**
 * The run id, or the same with a number after it where a release of that second and content stands already, or what a killed run left of
 * one: a clock that was set back, or a quick restart, comes to the same second again.
 */
export function freeRunId(state: string, runId: string): string {
  for (let n = 1; ; n += 1) {
    const id = n === 1 ? runId : `${runId}-${n}`;
    if (!existsSync(join(state, "releases", id)) && !existsSync(join(state, "builds", id))) return id;
  }
}

/** Renames a finished build to its place; `current` still points elsewhere. Returns the release's folder. */
export async function moveToReleases(state: string, buildFolder: string, runId: string): Promise<string> {
  const folder = join(state, "releases", runId);
  await mkdir(join(state, "releases"), { recursive: true });
  await rename(buildFolder, folder);
  return folder;
}

/** Points `current` at a release by one rename: warehouse, artefacts and site flip together. */
export async function pointCurrentAt(state: string, runId: string): Promise<void> {
  const aside = join(state, `current.${process.pid}.tmp`);
  await rm(aside, { force: true });
  await symlink(join("releases", runId), aside);
  await rename(aside, join(state, "current"));
}

/**
 * Removes releases beyond the newest `keep`, folders among them that are none (damaged, or copied by half), and whatever interrupted runs
 * left in `builds/`. Never the current release, nor the running build and the release that it becomes: a clock that was set back makes it look old.
 */
export async function sweep(state: string, keep: number, runningBuild: string): Promise<void> {
  const root = join(state, "releases");
  const releases = (await listReleases(state)).map(({ folder }) => basename(folder));
  const kept = new Set([
    await currentName(state),
    basename(runningBuild),
    ...releases.slice(Math.max(0, releases.length - keep)),
  ]);
  for (const name of existsSync(root) ? await readdir(root) : []) {
    if (!kept.has(name)) await removeRelease(state, name);
  }
  const builds = join(state, "builds");
  if (existsSync(builds)) {
    for (const name of await readdir(builds)) {
      // A site build whose parent was killed may still write there for a moment.
      if (join(builds, name) !== runningBuild)
        await rm(join(builds, name), { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    }
  }
  for (const name of await readdir(state)) {
    // What a killed run was writing; another process may be at work on its own, for it says that it was refused.
    const writer = /\.(\d+)\.tmp$/.exec(name)?.[1];
    if (writer !== undefined && !isRunning(Number(writer))) await rm(join(state, name), { force: true });
  }
}

/** Whether a process of this machine has the number. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
