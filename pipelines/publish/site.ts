import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import {
  copyFile,
  cp,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { machineError, usageError } from "../lib/errors.ts";
import { projectRoot } from "../lib/files.ts";
import type { Log } from "../lib/log.ts";
import { artefacts as allArtefacts } from "./artefacts.ts";
import { writeDetails } from "./details.ts";
import { contentSecurityPolicy } from "./html.ts";

export type Audience = "leadership" | "managers";

export interface BuildSite {
  /** The folder that {@link writeArtefacts} filled. */
  readonly artefacts: string;
  /** The site's folder; must not exist yet. */
  readonly out: string;
  readonly audience: Audience;
  /** Calendar date; every file of the site carries its midnight, so that bytes and times repeat. */
  readonly asOf: string;
  readonly log: Log;
}

/**
 * Optional libraries that Framework looks up in a registry even when no page uses them. An empty folder of the right
 * name in its cache answers the look-up, so that the build needs no network.
 */
const lookedUp = [
  "react-dom",
  "react",
  "@observablehq/sample-datasets",
  "lodash",
  "arquero",
  "apache-arrow",
  "d3",
  "echarts",
  "htl",
  "leaflet",
  "d3-dsv",
  "mapbox-gl",
  "@observablehq/plot",
  "topojson-client",
  "parquet-wasm",
] as const;

/** The locked version, or any valid one for a library that is not installed: no file of it is ever read. */
function lockedVersion(name: string): string {
  const file = join(projectRoot, "node_modules", name, "package.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version : "1.0.0";
}

/**
 * Builds the static site from exported artefacts, with the network off. The work happens in a fresh folder beside
 * `out`, which is renamed to `out` at the end: a build that fails leaves nothing at `out`.
 */
export async function buildSite({ artefacts, out, audience, asOf, log }: BuildSite): Promise<void> {
  if (existsSync(out)) throw usageError(`a site is built into a fresh folder, and this one exists: ${out}`);
  await mkdir(dirname(out), { recursive: true });
  const work = await mkdtemp(join(dirname(out), `.${basename(out)}-build-`));
  try {
    await prepareRoot(work, { artefacts, audience, asOf });
    await runFramework(work, log);
    const dist = join(work, "dist");
    if (audience === "managers") await linkShards(join(artefacts, "accounts"), join(dist, "accounts", "data"));
    await finishPages(dist);
    await setTimes(dist, asOf);
    await rename(dist, out);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Pages of accounts load one file of these each, by the account's id. They lie on the disk once: a release has them as artefacts already. */
async function linkShards(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  // Not every file system has hard links.
  for (const name of await readdir(from))
    await link(join(from, name), join(to, name)).catch(() => copyFile(join(from, name), join(to, name)));
}

const leadershipFiles = (): readonly string[] =>
  allArtefacts.filter(({ audience }) => audience === "leadership").map(({ name, format }) => `${name}.${format}`);

/** Pages that name accounts: only the managers' site has them. Paths under `src/`. */
const managersPages = ["accounts", "archetypes.md", "surprises.md", "today.md"] as const;

/** Pages, components and data in one folder; the project's node_modules beside them, or bare imports stay unresolved. */
async function prepareRoot(
  work: string,
  { artefacts, audience, asOf }: Pick<BuildSite, "artefacts" | "audience" | "asOf">,
): Promise<void> {
  const source = join(projectRoot, "observable");
  const hidden = /\/(\.observablehq|dist|data|node_modules)(\/|$)/;
  const managersOnly = managersPages.map((page) => join(source, "src", page));
  await cp(source, work, {
    recursive: true,
    filter: (path) =>
      !hidden.test(path.slice(source.length)) && (audience === "managers" || !managersOnly.includes(path)),
  });
  await symlink(join(projectRoot, "node_modules"), join(work, "node_modules"), "dir");
  // Framework evaluates its config as a module and, without this, as CommonJS.
  await writeFile(join(work, "package.json"), `${JSON.stringify({ type: "module", private: true })}\n`);
  await preparePageData(join(work, "src"), { artefacts, audience });
  await setTimes(join(work, "src"), asOf);
}

/** What pages load and Framework looks up, beside the pages: artefacts, one file a KPI and scorecard, the search's index. */
export async function preparePageData(
  source: string,
  { artefacts, audience }: Pick<BuildSite, "artefacts" | "audience">,
): Promise<void> {
  const data = join(source, "data");
  // What leadership reads is listed; a file that is not is an account's, or of another day.
  const listed = new Set(["statement.json", "statement_practice.json", ...leadershipFiles()]);
  await cp(artefacts, data, {
    recursive: true,
    filter: (path) =>
      path === artefacts || (audience === "managers" ? basename(path) !== "accounts" : listed.has(basename(path))),
  });
  await writeFile(join(data, "site.json"), `${JSON.stringify({ audience })}\n`);
  for (const name of lookedUp) {
    await mkdir(join(source, ".observablehq", "cache", "_npm", `${name}@${lockedVersion(name)}`), { recursive: true });
  }
  await writeDetails(data);
  await writeSearch(source);
}

/** The index of the search box: what has a page of its own. Accounts are in the managers' data alone. */
async function writeSearch(source: string): Promise<void> {
  type Rows = readonly Readonly<Record<string, string | null>>[];
  const read = async (name: string): Promise<Rows> => {
    const file = join(source, "data", `${name}.json`);
    return existsSync(file) ? JSON.parse(await readFile(file, "utf8")) : [];
  };
  const words = (...parts: readonly (string | null | undefined)[]): string => parts.filter(Boolean).join(" ");
  const [kpis, cards, accounts] = await Promise.all(["kpi", "scorecard", "account_search"].map(read));
  const hasCardPages = existsSync(join(source, "scorecards", "[id].md"));
  const newest = new Map((cards ?? []).map((card) => [card.scorecard, card]));
  const entries = [
    ...(kpis ?? []).map((kpi) => ({
      title: kpi.label,
      path: `kpis/${kpi.kpi}.html`,
      kind: "KPI",
      words: words(kpi.kpi, kpi.description, kpi.verdict_label),
    })),
    ...(hasCardPages ? [...newest.values()] : []).map((card) => ({
      title: card.label,
      path: `scorecards/${card.scorecard}.html`,
      kind: "Scorecard",
      words: words(card.scorecard, card.description),
    })),
    ...(accounts ?? []).map((account) => ({
      title: account.name ?? account.account_id,
      path: `accounts/view.html?id=${encodeURIComponent(account.account_id ?? "")}`,
      kind: "Account",
      words: words(account.account_id),
    })),
  ];
  await writeFile(join(source, "data", "search.json"), `[\n${entries.map((e) => JSON.stringify(e)).join(",\n")}\n]\n`);
}

const framework = join(projectRoot, "node_modules", "@observablehq", "framework", "dist", "bin", "observable.js");

/** Runs `observable build` as a child process; its output is kept for the error message and otherwise dropped. */
async function runFramework(work: string, log: Log): Promise<void> {
  const output: string[] = [];
  const env = {
    HOME: work,
    TZ: "UTC",
    NO_COLOR: "1",
    OBSERVABLE_TELEMETRY_DISABLE: "1",
  };
  const child = spawn(process.execPath, [framework, "build"], { cwd: work, env, stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.setEncoding("utf8").on("data", (text: string) => output.push(text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => output.push(text));
  const { code, signal } = await new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  if (signal !== null)
    throw usageError(
      `the site build was killed by ${signal}`,
      "the kernel does that where memory runs out: give the machine more, or lower memory_limit in assay.yaml",
    );
  const lines = output.join("").split("\n");
  for (const line of lines) if (/warning|error|unable/i.test(line)) log.warn(`site build: ${line.trim()}`);
  const [want] = code === 0 ? [] : lines.flatMap((line) => machineError(new Error(line)) ?? []);
  if (want !== undefined) throw usageError(`the site could not be built: ${want.message}`, want.hint);
  if (code !== 0) throw new Error(`the site build ended with ${code}: ${lines.filter(Boolean).slice(-8).join(" | ")}`);
}

/** What Framework's page frame leaves out: the language, a zoomable viewport, a way past the header for those who tab, a policy that lists each script. */
async function finishPages(dist: string): Promise<void> {
  for (const entry of await readdir(dist, { recursive: true })) {
    if (!entry.endsWith(".html")) continue;
    const path = join(dist, entry);
    const text = (await readFile(path, "utf8"))
      .replace("<html>", '<html lang="en">')
      .replace(", maximum-scale=1", "")
      .replace("<body>", '<body>\n<a class="skip" href="#observablehq-main">Skip to the page</a>')
      .replace(/<meta name="generator"[^>]*>\n/, "");
    await writeFile(
      path,
      text.replace('<meta charset="utf-8">', `<meta charset="utf-8">\n${contentSecurityPolicy(text)}`),
    );
  }
}

/** Sets the time of every file and folder to the midnight of a date. */
async function setTimes(folder: string, asOf: string): Promise<void> {
  const time = new Date(`${asOf}T00:00:00Z`);
  const entries = await readdir(folder, { recursive: true });
  for (const entry of entries.sort().reverse()) await utimes(join(folder, entry), time, time);
  await utimes(folder, time, time);
}
