import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { checkSite } from "../../pipelines/publish/check-site.ts";
import { contentSecurityPolicy, inlineScripts } from "../../pipelines/publish/html.ts";

const folders: string[] = [];
afterEach(async () => {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
});

const page = (body: string, script = 'import "./a.js";'): string => {
  const html = `<!DOCTYPE html><html><head><title>T</title></head><body>${body}<script type="module">${script}</script></body></html>`;
  return html.replace("<head>", `<head>${contentSecurityPolicy(html)}`);
};

/** A sound site, with files replaced or added. */
async function site(changes: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "assay-check-"));
  folders.push(folder);
  const files: Record<string, string> = {
    "index.html": page('<a href="./kpis/x.html">x</a><a href="#here">h</a><h2 id="here">Here</h2><link href="s.css">'),
    "kpis/x.html": page('<a href="../index.html#here">back</a>', 'import {a} from "../a.js";'),
    "a.js": 'import {b} from "./b.js";export const a = b;const c = () => import("./b.js");',
    "b.js": "export const b = 1;",
    "s.css": "body{background:url(data:image/png;base64,AA)}",
    "data.json": '[{"text":"undefined"}]',
    ...changes,
  };
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

test("a sound site has no problems, whatever words its data holds", async () => {
  expect(await checkSite(await site())).toEqual([]);
});

test.each([
  [
    "a bare import that the build left as it was",
    { "a.js": 'import * as Plot from "@observablehq/plott";' },
    /a\.js: imports a name that no file of the site has: @observablehq\/plott/,
  ],
  [
    "a dynamic import of a missing file",
    { "a.js": 'export const a = () => import("./gone.js");' },
    /a\.js: imports a file that is not there: \.\/gone\.js/,
  ],
  ["a re-export of a missing file", { "a.js": 'export*from"./gone.js";' }, /imports a file that is not there/],
  ["a minified import", { "a.js": 'import{b as t}from"./gone.js";' }, /imports a file that is not there/],
  [
    "an import from a registry",
    { "b.js": 'import "https://cdn.example.org/x.js";' },
    /b\.js: imports from another host/,
  ],
  [
    "a dead link",
    { "index.html": page('<a href="./nowhere">x</a>') },
    /index\.html: <a> names a file that is not there: \.\/nowhere/,
  ],
  [
    "a dead anchor",
    { "kpis/x.html": page('<a href="../index.html#gone">x</a>', "") },
    /no such anchor: \.\.\/index\.html#gone/,
  ],
  [
    "a link above the site",
    { "index.html": page('<a href="../../etc/passwd">x</a>') },
    /not there: \.\.\/\.\.\/etc\/passwd/,
  ],
  [
    "an outside style",
    { "index.html": page('<link rel="stylesheet" href="https://fonts.example.org/f.css">') },
    /<link> names another host: https:\/\/fonts\.example\.org/,
  ],
  [
    "an outside address without a protocol",
    { "index.html": page('<img src="//x.example.org/p.png">') },
    /<img> names another host/,
  ],
  ["an outside font", { "s.css": "@font-face{src:url(https://x.example.org/f.woff2)}" }, /s\.css: names another host/],
  ["a call to another host", { "b.js": 'fetch("https://x.example.org/ping");' }, /b\.js: calls another host/],
  [
    "an outside address in single quotes",
    { "index.html": page("<img src='https://x.example.org/p.png'>") },
    /<img src=.* names another host: https:\/\/x\.example\.org/,
  ],
  [
    "an outside address in a set of pictures",
    { "index.html": page('<img srcset="a.png 1x, https://x.example.org/p.png 2x">') },
    /names another host: https:\/\/x\.example\.org/,
  ],
  [
    "an outside address that a module of ours would make a link of",
    { "_import/components/p.js": "export const a = `<a href=https://x.example.org>x</a>`;" },
    /_import\/components\/p\.js: a script names another host: https:\/\/x\.example\.org/,
  ],
  ["a link that runs a script", { "index.html": page('<a href="javascript:alert(1)">x</a>') }, /a link runs a script/],
  ["NaN in the text", { "index.html": page("<p>kept NaN of 100</p>") }, /index\.html: the text shows NaN/],
  ["undefined in the text", { "index.html": page("<p>kept undefined of 100</p>") }, /the text shows undefined/],
  ["data that is not JSON", { "data.json": "[1,]" }, /data\.json: is not JSON/],
  [
    "data that is not there",
    { "kpis/x.html": page("", 'registerFile("d.json", {"name":"d.json","path":"../_file/d.json"});') },
    /loads data that is not there/,
  ],
])("%s is found", async (_what, changes, problem) => {
  const problems = await checkSite(await site(changes as Record<string, string>));
  expect(problems.join("\n")).toMatch(problem);
});

test("a script that was changed after the policy was written is found", async () => {
  const html = page("<p>x</p>").replace('import "./a.js";', 'import "./b.js";');
  expect((await checkSite(await site({ "index.html": html }))).join("\n")).toMatch(
    /not listed in the Content-Security-Policy/,
  );
});

test("a site without a first page is not a site", async () => {
  const folder = await mkdtemp(join(tmpdir(), "assay-check-"));
  folders.push(folder);
  expect(await checkSite(folder)).toEqual(["index.html is missing"]);
});

test("inline scripts are those without a source", () => {
  expect(inlineScripts('<script src="a.js"></script><script type="module">let a = 1;</script>')).toEqual([
    "let a = 1;",
  ]);
});
