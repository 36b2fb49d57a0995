import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { inlineScripts, scriptHashes } from "./html.ts";

/**
 * Problems of a built site, one sentence each; none means that it may be published. The build ends well with a
 * misspelt import, a dead link or a page that shows NaN: here is where they are found. Files are read, nothing is run:
 *
 * - imports of modules: a bare name or a file that is not there;
 * - links, scripts, styles and data that name no file of the site, and anchors that no page has;
 * - addresses of other hosts in anything that a page would load, and links to them;
 * - NaN, undefined, Infinity or Invalid Date in the text of a page; data that is not JSON;
 * - an inline script that the page's Content-Security-Policy does not list.
 */
export async function checkSite(folder: string): Promise<readonly string[]> {
  const root = resolve(folder);
  const files = (await readdir(root, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  if (!existsSync(join(root, "index.html"))) return ["index.html is missing"];
  const problems: string[] = [];
  const anchors = new Map<string, ReadonlySet<string>>();
  const anchorsOf = async (file: string): Promise<ReadonlySet<string>> => {
    const known = anchors.get(file);
    if (known !== undefined) return known;
    const found = new Set(
      [...(await readFile(file, "utf8")).matchAll(/\sid="([^"]*)"/g)].map((match) => decode(match[1] as string)),
    );
    anchors.set(file, found);
    return found;
  };
  for (const file of files) {
    const name = relative(root, file);
    if (file.endsWith(".html")) {
      const html = await readFile(file, "utf8");
      problems.push(...(await checkLinks(root, file, name, html, anchorsOf)));
      for (const script of inlineScripts(html)) problems.push(...checkModule(root, file, name, script));
      problems.push(...checkText(name, textOf(html)), ...checkPolicy(name, html));
    } else if (file.endsWith(".js")) {
      problems.push(...checkModule(root, file, name, await readFile(file, "utf8")));
    } else if (file.endsWith(".css")) {
      problems.push(...checkStyle(root, file, name, await readFile(file, "utf8")));
    } else if (file.endsWith(".json")) {
      problems.push(...checkJson(name, await readFile(file, "utf8")));
    }
  }
  return [...new Set(problems)];
}

const isOutside = (address: string): boolean => /^(?:[a-z][a-z0-9+.-]*:)?\/\//i.test(address);
const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'", "#x27": "'" };
const decode = (text: string): string =>
  text.replace(/&(amp|lt|gt|quot|#39|#x27);/g, (_, name: string) => entities[name] as string);

/** The file that an address on a page means, inside the site; null when it leaves the site. */
function fileOf(root: string, from: string, address: string): string | null {
  const path = decodeURIComponent(address.replace(/[?#].*$/, ""));
  const file = path === "" ? from : path.startsWith("/") ? join(root, path) : resolve(dirname(from), path);
  return file === root || file.startsWith(root + sep) ? file : null;
}

function findPage(file: string): string | null {
  for (const candidate of [file, `${file}.html`, join(file, "index.html")]) {
    if (existsSync(candidate) && !candidate.endsWith(sep)) {
      if (candidate !== file || /\.[a-z0-9]+$/i.test(file)) return candidate;
    }
  }
  return null;
}

async function checkLinks(
  root: string,
  file: string,
  name: string,
  html: string,
  anchorsOf: (file: string) => Promise<ReadonlySet<string>>,
): Promise<readonly string[]> {
  const problems: string[] = [];
  const markup = html.replace(/(<script\b[^>]*>)[\s\S]*?<\/script>/g, "$1</script>");
  for (const match of markup.matchAll(/<([a-z]+)\b[^>]*?\s(href|src|action|poster|data)="([^"]*)"/gi)) {
    const [, tag, , raw] = match as unknown as [string, string, string, string];
    const address = decode(raw);
    if (/^javascript:/i.test(address.trim())) {
      problems.push(`${name}: a link runs a script: ${address.slice(0, 60)}`);
      continue;
    }
    if (/^(data|mailto):/i.test(address)) continue;
    if (isOutside(address) || /^[a-z][a-z0-9+.-]*:/i.test(address)) {
      problems.push(`${name}: <${tag}> names another host: ${address}`);
      continue;
    }
    const target = fileOf(root, file, address);
    const page = target === null ? null : findPage(target);
    if (page === null) {
      problems.push(`${name}: <${tag}> names a file that is not there: ${address}`);
      continue;
    }
    const anchor = /#(.+)$/.exec(address)?.[1];
    if (anchor !== undefined && page.endsWith(".html") && !(await anchorsOf(page)).has(decodeURIComponent(anchor))) {
      problems.push(`${name}: no such anchor: ${address}`);
    }
  }
  // Whatever else of a tag could name one: srcset, a style, a refresh.
  for (const [tag] of markup.matchAll(/<[a-z][^>]*>/gi)) {
    const address = /["'\s(,;=]((?:https?:)?\/\/[a-z0-9][^\s"')]*)/i.exec(decode(tag))?.[1];
    if (address !== undefined && !problems.some((problem) => problem.endsWith(` ${address}`)))
      problems.push(`${name}: ${tag.slice(0, 40)} names another host: ${address}`);
  }
  return problems;
}

/** Static imports and exports, dynamic imports of a literal, and what the build registers as a page's files. */
function checkModule(root: string, file: string, name: string, source: string): readonly string[] {
  const problems: string[] = [];
  // Minified and hand-written code alike; a keyword inside a word or a property name is not one.
  const always = /(?<![\w$.])(?:import|export)\s*(?:[\w$*{}\s,]+?\bfrom\s*|\*\s*from\s*)?(["'])([^"'\n]+)\1/g;
  const onDemand = /(?<![\w$.])(?:import|import\.meta\.resolve)\(\s*(["'])([^"'\n]+)\1/g;
  // Framework's own client can load two dozen libraries on demand; a page that asked for one would import it itself.
  const patterns = name.startsWith("_observablehq/") ? [always] : [always, onDemand];
  const imports = patterns.flatMap((pattern) => [...source.matchAll(pattern)].map((match) => match[2] as string));
  for (const specifier of imports) {
    if (isOutside(specifier) || /^(https?|npm|jsr|node|observablehq|data|blob):/.test(specifier)) {
      problems.push(`${name}: imports from another host: ${specifier}`);
    } else if (!/^\.{0,2}\//.test(specifier)) {
      problems.push(`${name}: imports a name that no file of the site has: ${specifier}`);
    } else {
      const target = fileOf(root, file, specifier);
      if (target === null || !existsSync(target))
        problems.push(`${name}: imports a file that is not there: ${specifier}`);
    }
  }
  for (const match of source.matchAll(/registerFile\(\s*"[^"]*",\s*\{[^}]*?"path":"([^"]*)"/g)) {
    const target = fileOf(root, file, match[1] as string);
    if (target === null || !existsSync(target)) problems.push(`${name}: loads data that is not there: ${match[1]}`);
  }
  for (const match of source.matchAll(
    /(?<![\w$.])(?:fetch|Worker|EventSource|WebSocket|importScripts)\(\s*["'`]([a-z]+:)?\/\/([^"'`]+)["'`]/g,
  )) {
    problems.push(`${name}: calls another host: ${match[2]}`);
  }
  // The site's own modules name no address at all, whatever they would do with it; libraries name some in their comments.
  if (name.startsWith("_import/") || name.endsWith(".html")) {
    for (const match of source.matchAll(/\bhttps?:\/\/(?!www\.w3\.org\/)[^\s"'`<>\\]*/gi))
      problems.push(`${name}: a script names another host: ${match[0]}`);
  }
  return problems;
}

function checkStyle(root: string, file: string, name: string, source: string): readonly string[] {
  const problems: string[] = [];
  for (const match of source.matchAll(/(?:url\(\s*|@import\s+)(["']?)([^"')\s;]+)\1/g)) {
    const address = match[2] as string;
    if (/^(data:|#)/.test(address) || address === "url(") continue;
    if (isOutside(address) || /^[a-z]+:/i.test(address)) problems.push(`${name}: names another host: ${address}`);
    else {
      const target = fileOf(root, file, address);
      if (target === null || !existsSync(target)) problems.push(`${name}: names a file that is not there: ${address}`);
    }
  }
  return problems;
}

/** What a reader sees of a page before its scripts run. */
const textOf = (html: string): string =>
  decode(
    html
      // The book's title is someone's text: any word may be in it.
      .replace(/<title>[\s\S]*?<\/title>|<a class="book"[\s\S]*?<\/a>/g, " ")
      .replace(/<(script|style)\b[\s\S]*?<\/\1>/gi, " ")
      .replace(/<pre\b[\s\S]*?<\/pre>/gi, " ")
      .replace(/<!--[\s\S]*?-->/g, " ")
      .replace(/<[^>]*>/g, " "),
  );

const broken = /\bNaN\b|\bundefined\b|\bInfinity\b|Invalid Date|\[object Object\]/;

function checkText(name: string, text: string): readonly string[] {
  const match = broken.exec(text);
  return match === null ? [] : [`${name}: the text shows ${match[0]}: ${around(text, match.index)}`];
}

const around = (text: string, at: number): string =>
  text
    .slice(Math.max(0, at - 30), at + 40)
    .replace(/\s+/g, " ")
    .trim();

/** Data must parse; its words are someone's text and may be any. */
function checkJson(name: string, text: string): readonly string[] {
  try {
    JSON.parse(text);
    return [];
  } catch (error) {
    return [`${name}: is not JSON: ${(error as Error).message}`];
  }
}

function checkPolicy(name: string, html: string): readonly string[] {
  const policy = /<meta http-equiv="Content-Security-Policy" content="([^"]*)">/.exec(html)?.[1];
  if (policy === undefined) return [`${name}: has no Content-Security-Policy`];
  return scriptHashes(html)
    .filter((hash) => !policy.includes(`'${hash}'`))
    .map((hash) => `${name}: an inline script is not listed in the Content-Security-Policy: ${hash}`);
}
