import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refresh } from "../../pipelines/commands/refresh.ts";
import { readBook } from "../../pipelines/config/book.ts";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { serveFolder } from "../../pipelines/publish/serve.ts";
import { simulate } from "../../pipelines/simulate/simulate.ts";
import { assay, type Ran } from "../pipeline/assay.ts";
import { openBrowser } from "../site/browser.ts";

const folder = join(projectRoot, "notebooks");
const kit = join(folder, "node_modules", "@observablehq", "notebook-kit", "dist", "src", "index.js");
const files = readdirSync(folder).filter((file) => file.endsWith(".html"));
const numbered = files.filter((file) => /^\d_/.test(file));

/** The notebooks' own command line, in a process of its own; at first use it installs their packages. */
function notebooks(args: readonly string[]): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(folder, "notebooks.js"), ...args], { cwd: projectRoot });
    const out: string[] = [];
    const err: string[] = [];
    child.stdout.on("data", (chunk) => out.push(String(chunk)));
    child.stderr.on("data", (chunk) => err.push(String(chunk)));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout: out.join(""), stderr: err.join("") }));
  });
}

interface Cell {
  readonly id: number;
  readonly mode: string;
  readonly value: string;
  readonly database?: string;
}

let work: string;
let book: string;
let out: string;
let browser: Browser;
let server: Awaited<ReturnType<typeof serveFolder>>;
let origin: string;
/** What a page of each notebook showed. */
const shown = new Map<
  string,
  { readonly text: string; readonly charts: number; readonly tables: number; readonly trouble: readonly string[] }
>();

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "assay-notebooks-"));
  book = join(work, "book");
  await simulate({ out: book, accounts: 300, months: 24, seed: 5, kind: "plain", log: silentLog });
  await refresh({
    book: await readBook(book, { cwd: work, env: {} }),
    state: join(book, ".assay"),
    now: () => new Date("2026-08-01T06:00:00Z"),
    site: false,
    log: silentLog,
  });
  out = join(work, "out");
  const built = await notebooks(["build", book, "--out", out]);
  expect(built.code, built.stderr).toBe(0);
  expect(built.stdout.trim()).toBe(out);
  server = await serveFolder({ folder: out, port: 0 });
  origin = server.url;
  browser = await openBrowser();
  for (const file of files) shown.set(file, await look(file));
  // The first run in a clone also installs the notebooks' packages.
}, 900_000);
afterAll(async () => {
  await browser?.close();
  await server?.close();
  if (work !== undefined) await rm(work, { recursive: true, force: true });
});

/** Opens a page with the network cut off, and waits until every cell has its value. */
async function look(file: string) {
  const page: Page = await browser.newPage();
  const trouble: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") trouble.push(message.text());
  });
  page.on("pageerror", (error) => trouble.push(error.message));
  await page.route("**/*", (route) => {
    const url = route.request().url();
    if (url.startsWith(origin) || url.startsWith("data:")) return route.continue();
    trouble.push(`asked the network for ${url}`);
    return route.abort();
  });
  await page.goto(`${origin}${file}`);
  await page.waitForLoadState("networkidle");
  // Cells follow one another without asking for a file: until none has changed anything for half a second.
  await page.evaluate(
    () =>
      new Promise<void>((resolve) => {
        let quiet = setTimeout(resolve, 500);
        new MutationObserver(() => {
          clearTimeout(quiet);
          quiet = setTimeout(resolve, 500);
        }).observe(document.body, { subtree: true, childList: true, characterData: true });
      }),
  );
  const result = {
    text: await page.innerText("main"),
    charts: await page.locator("main figure svg, main > div > svg").count(),
    tables: await page.locator("main table").count(),
    trouble: [...trouble, ...(await page.locator(".observablehq--error").allInnerTexts())],
  };
  await page.close();
  return result;
}

describe("every notebook", () => {
  test("there are six, and an index that leads to each", async () => {
    expect(numbered).toHaveLength(6);
    const index = await readFile(join(folder, "index.html"), "utf8");
    for (const file of numbered) expect(index).toContain(`(./${file})`);
  });

  test.each(files)("%s is a notebook of words, SQL and charts, and comes back as it was", async (file) => {
    expect(existsSync(kit), "the notebooks' packages are missing: run 'npm ci --prefix notebooks'").toBe(true);
    const { deserialize, serialize } = await import(pathToFileURL(kit).href);
    const { JSDOM } = await import(pathToFileURL(join(folder, "node_modules", "jsdom", "lib", "api.js")).href);
    const { window } = new JSDOM();
    const parser = new window.DOMParser();
    const notebook = deserialize(readFileSync(join(folder, file), "utf8"), { parser });
    const cells = notebook.cells as readonly Cell[];
    expect(deserialize(serialize(notebook, { document: window.document }), { parser }).cells).toEqual(cells);
    const sql = cells.filter(({ mode }) => mode === "sql");
    expect(sql.length).toBeGreaterThan(0);
    // Only the release is read: nothing else has a driver here.
    expect(new Set(sql.map(({ database }) => database))).toEqual(new Set(["release"]));
    // Libraries come from the disk, by their bare names.
    for (const { value } of cells) expect(value).not.toMatch(/npm:|https?:\/\//);
  });

  test.each(files)("%s opens without the network and without an error", (file) => {
    expect(shown.get(file)?.trouble).toEqual([]);
  });

  test.each(numbered)("%s shows its charts and ends in commands for this book", (file) => {
    const { text, charts } = shown.get(file) as NonNullable<ReturnType<typeof shown.get>>;
    // A segment needs 50 churned accounts; a book as small as this one may have none, and then says so.
    if (!text.includes("so nothing can be told")) expect(charts).toBeGreaterThanOrEqual(2);
    expect(text.slice(-1500)).toContain(`npx assay `);
    expect(text).toContain(book);
    expect(text).not.toMatch(/undefined|NaN|\[object /);
  });

  test("no number of the text is typed: words outside of expressions hold no result", () => {
    for (const file of numbered) {
      const source = readFileSync(join(folder, file), "utf8");
      for (const [, words = ""] of source.matchAll(/<script type="text\/markdown">([\s\S]*?)<\/script>/g)) {
        const typed = words
          .replace(/\$\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}/g, "")
          .replace(/^ *\d\. /gm, "")
          .replace(/## \d\./g, "");
        // What remains are conventions of the method: a coin toss, the interval's level, small bars named in the text.
        const numbers = [...typed.matchAll(/\d[\d,.]*/g)].map(([found]) => found.replace(/[.,]$/, ""));
        for (const found of numbers) expect(["0", "1", "2", "3", "25", "50", "90", "95", "100"]).toContain(found);
      }
    }
  });
});

describe("what the notebooks compute", () => {
  test("1: the KPI's own statement and the interval by hand give what the warehouse holds", () => {
    const { text } = shown.get("1_one_kpi.html") as { text: string };
    const values = /([\d,]+) of ([\d,]+) values are equal/.exec(text);
    expect(values?.[1]).toBe(values?.[2]);
    expect(Number(values?.[1]?.replaceAll(",", ""))).toBeGreaterThan(1000);
    expect(text).toContain("They agree");
  });

  test("2: the draft is a scorecard that assay takes", async () => {
    const { text } = shown.get("2_scorecard.html") as { text: string };
    const draft = /scorecard: mine\n[\s\S]*?id: green, to: 100 \}\] \}/.exec(text)?.[0];
    expect(draft).toBeDefined();
    await writeFile(join(work, "draft.yaml"), `${draft}\n`);
    const ran = await assay(["score", book, "--scorecard", join(work, "draft.yaml")]);
    expect(ran.code, ran.stderr).toBe(0);
  });

  test("5: A within segments is that of the warehouse", () => {
    const { text } = shown.get("5_segment.html") as { text: string };
    const within = /warehouse within ([\d.e+-]+) in/.exec(text);
    if (within === null) expect(text).toContain("so nothing can be told");
    else expect(Number(within[1])).toBeLessThan(1e-9);
  });

  test("6: the lines for assay.yaml are a KPI that plan takes", async () => {
    const { text } = shown.get("6_own_kpi.html") as { text: string };
    const lines = / {2}- id: [a-z0-9_]+\n[\s\S]*?says: \{[^}]*\}/.exec(text)?.[0];
    expect(lines).toBeDefined();
    const yaml = join(book, "assay.yaml");
    const before = await readFile(yaml, "utf8");
    await writeFile(yaml, before.replace(/^kpis:\n/m, `kpis:\n${lines}\n`));
    const planned = await assay(["plan", book]);
    await writeFile(yaml, before);
    expect(planned.code, planned.stderr).toBe(0);
  });
});

describe("the tool", () => {
  test("a mistake in a cell costs one sentence that names notebook and cell", async () => {
    const file = join(folder, "test_mistake.html");
    await writeFile(
      file,
      `<!doctype html>\n<notebook>\n  <title>x</title>\n  <script id="7" type="application/sql" database="release" output="rows">\n    select nothing_like_it from meta.params\n  </script>\n</notebook>\n`,
    );
    try {
      const ran = await notebooks(["build", book, "test_mistake.html", "--out", join(work, "wrong")]);
      expect(ran.code).toBe(2);
      expect(ran.stderr).toMatch(/^assay: test_mistake\.html, cell 7 \(rows\): Binder Error: .*nothing_like_it/m);
      await writeFile(
        file,
        `<!doctype html>\n<notebook>\n  <title>x</title>\n  <script type="application/sql" database="release">\n    create table meta.mine as select 1\n  </script>\n</notebook>\n`,
      );
      const writing = await notebooks(["build", book, "test_mistake.html", "--out", join(work, "wrong")]);
      expect(writing.code).toBe(2);
    } finally {
      await rm(file, { force: true });
    }
  });

  test("what is kept of a query is kept under the release, and a book without one is told so", async () => {
    const { release_id, book: id } = JSON.parse(await readFile(join(out, "notebooks.json"), "utf8"));
    const kept = readdirSync(join(folder, ".observable", "cache")).filter((name) => name.startsWith(`${id}-`));
    expect(kept.length).toBeGreaterThan(10);
    for (const name of kept) expect(name.startsWith(`${id}-${release_id.slice(0, 16)}-`)).toBe(true);
    const none = await notebooks(["build", book, "--state", join(work, "nowhere")]);
    expect(none.code).toBe(2);
    expect(none.stderr).toContain("no release of");
  });
});
