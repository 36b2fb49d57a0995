import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refresh } from "../../pipelines/commands/refresh.ts";
import { readBook } from "../../pipelines/config/book.ts";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { writeArtefacts } from "../../pipelines/publish/artefacts.ts";
import { checkSite } from "../../pipelines/publish/check-site.ts";
import { serveFolder } from "../../pipelines/publish/serve.ts";
import { buildSite } from "../../pipelines/publish/site.ts";
import { simulate } from "../../pipelines/simulate/simulate.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { axeSource, openBrowser } from "./browser.ts";
import { type FixtureOptions, openFixture } from "./fixture.ts";

/** Text from outside that must show as text: in labels, file names, reject reasons and the book's title. */
const hostile = ` <img src=x onerror="window.hit=1"></script><script>window.hit=1</script> [l](javascript:window.hit=1) \${window.hit=1}`;

interface Book {
  readonly name: string;
  readonly fixture: FixtureOptions;
}
const books: readonly Book[] = [
  { name: "plain", fixture: { accounts: 600 } },
  { name: "hostile", fixture: { accounts: 300, label: hostile, title: `Fern${hostile}` } },
  { name: "tiny", fixture: { accounts: 4, withoutValidation: true } },
];

/** Pictures for a person to look at. */
const pictures = join(projectRoot, "test", "site", "pictures");

let folder: string;
let browser: Browser;
const servers = new Map<string, Awaited<ReturnType<typeof serveFolder>>>();

async function build(book: Book): Promise<string> {
  const artefacts = join(folder, `${book.name}-artefacts`);
  const out = join(folder, book.name);
  const database = await openFixture(book.fixture);
  try {
    await writeArtefacts({
      database,
      folder: artefacts,
    });
  } finally {
    database.close();
  }
  await buildSite({ artefacts, out, audience: "leadership", asOf: "2026-01-01", log: silentLog });
  return out;
}

/** A release of a small demo book, made as a user makes one; its site is linked beside the others. */
async function buildDemo(): Promise<string> {
  const book = join(folder, "demo-book");
  await simulate({ out: book, accounts: 250, months: 30, seed: 11, kind: "plain", log: silentLog });
  const result = await refresh({
    book: await readBook(book, { cwd: folder, env: {} }),
    state: join(folder, "demo-state"),
    now: () => new Date("2026-08-01T06:00:00Z"),
    log: silentLog,
  });
  release = result.release.folder;
  await symlink(join(release, "site"), join(folder, "demo"));
  return join(folder, "demo");
}

let release: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-site-"));
  await mkdir(pictures, { recursive: true });
  browser = await openBrowser();
  for (const book of books) servers.set(book.name, await serveFolder({ folder: await build(book), port: 0 }));
  servers.set("demo", await serveFolder({ folder: await buildDemo(), port: 0 }));
}, 900_000);

afterAll(async () => {
  await browser?.close();
  for (const server of servers.values()) await server.close();
  await rm(folder, { recursive: true, force: true });
});

/** Every page of the plain book; of the others every kind of page, with two KPIs. */
async function pagesOf(book: string): Promise<readonly string[]> {
  const entries = await readdir(join(folder, book), { recursive: true });
  const pages = entries.filter((entry) => entry.endsWith(".html")).sort();
  const isKpi = (page: string): boolean => /^kpis\/(?!index)/.test(page);
  const some = new Set(["kpis/invoices_sent_28d.html", "kpis/sso_enabled.html"]);
  return book === "plain" ? pages : pages.filter((page) => !isKpi(page) || some.has(page));
}

/** Opens a page with every request to another place refused, and returns what went wrong. */
async function open(page: Page, url: string): Promise<readonly string[]> {
  const problems: string[] = [];
  const origin = new URL(url).origin;
  await page.route("**/*", (route) => {
    if (new URL(route.request().url()).origin === origin) return route.continue();
    problems.push(`asks another host: ${route.request().url()}`);
    return route.abort();
  });
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`error: ${error.message}`));
  page.on("requestfailed", (request) => problems.push(`failed: ${request.url()}`));
  page.on("response", (response) => {
    if (response.status() >= 400) problems.push(`${response.status()}: ${response.url()}`);
  });
  await page.goto(url, { waitUntil: "networkidle" });
  await page.waitForFunction(() =>
    [...document.querySelectorAll(".chart")].every((chart) => chart.children.length > 0),
  );
  return problems;
}

const brokenText = /.{0,30}(?:\bNaN\b|\bundefined\b|\bnull\b|\bInfinity\b|Invalid Date|\[object ).{0,30}/g;

describe.each([...books.map(({ name }) => name), "demo"])("the site of the %s book", (book) => {
  test("passes its own check", async () => {
    expect(await checkSite(join(folder, book))).toEqual([]);
  });

  test("opens in a browser without the network: no error, no outside request, no empty chart, no broken text", async () => {
    const url = (servers.get(book) as { url: string }).url;
    const seen: string[] = [];
    const links = new Set<string>();
    for (const name of await pagesOf(book)) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
      const page = await context.newPage();
      const problems = [...(await open(page, url + name))];
      const facts = await page.evaluate(() => ({
        text: (document.querySelector("#observablehq-main") as HTMLElement).innerText,
        alts: [...document.querySelectorAll(".chart")].map((chart) => chart.getAttribute("aria-label") ?? ""),
        empty: [...document.querySelectorAll(".chart svg")].filter(
          (svg) => svg.querySelectorAll("circle, rect, path, image, line[aria-label], g[aria-label] line").length < 2,
        ).length,
        charts: document.querySelectorAll(".chart svg").length,
        heading: document.querySelectorAll("h1").length,
        links: [...document.querySelectorAll("a[href]")].map((a) => (a as HTMLAnchorElement).href),
        isHit: "hit" in window,
      }));
      for (const link of facts.links) links.add(link.replace(/#.*$/, ""));
      problems.push(...(facts.text.match(brokenText) ?? []).map((text) => `text: ${text}`));
      if (facts.empty > 0) problems.push(`${facts.empty} of ${facts.charts} charts have no marks`);
      if (facts.alts.some((alt) => alt.length < 10)) problems.push("a chart has no text alternative");
      if (facts.heading !== 1) problems.push(`${facts.heading} first headings`);
      if (facts.isHit) problems.push("text from outside ran as a script");
      if (facts.text.length < 200) problems.push("the page is nearly empty");
      seen.push(...problems.map((problem) => `${name}: ${problem}`));
      await context.close();
    }
    expect(seen).toEqual([]);
    for (const link of links) {
      expect(link.startsWith(url), `a link leaves the site: ${link}`).toBe(true);
      expect((await fetch(link)).status, link).toBe(200);
    }
  }, 300_000);
});

test("the numbers on the demo's pages are those of its warehouse", async () => {
  const warehouse = await Database.open({ path: join(release, "warehouse.duckdb"), readOnly: true });
  let facts: Readonly<Record<string, number | string>> = {};
  try {
    // Asked of the base tables, not of the marts that the pages read.
    const [row] = await warehouse.query<Record<string, number | string>>(`
with ends as (
  select max(snapshot_date) as now_on, max(snapshot_date) filter (where snapshot_date <= as_of - 365) as then_on
  from spine.snapshot cross join meta.params group by as_of
),
base as (
  select b.mrr_minor as then_minor, case when a.account_id is null then 0 else a.mrr_minor end as now_minor, a.account_id is not null as is_kept
  from ends inner join spine.account_snapshot as b on b.snapshot_date = ends.then_on
  left join spine.account_snapshot as a on a.snapshot_date = ends.now_on and a.account_id = b.account_id
)
select
  round(100 * avg(cast(is_kept as integer))) as kept,
  round(100 * sum(least(then_minor, now_minor)) filter (where now_minor is not null) / sum(then_minor) filter (where now_minor is not null)) as gross,
  (select count(*) from features.kpi_definition) as n_kpis,
  (select count(*) from validation.kpi_verdict where definition = (select primary_definition from meta.params) and action_group = 'Use') as n_use,
  (select coalesce(sum(w.share), 0) from scores.scorecard_weight as w inner join scores.scorecard as c on c.scorecard = w.scorecard and c.version = w.version and c.is_assigned
    inner join validation.kpi_verdict as v on v.kpi = w.kpi and v.definition = (select primary_definition from meta.params) and v.verdict = 'predicts') as early_points,
  (select count(*) from spine.account_snapshot cross join meta.params where snapshot_date = as_of) as n_now
from base`);
    facts = row ?? {};
  } finally {
    warehouse.close();
  }
  const url = (servers.get("demo") as { url: string }).url;
  const context = await browser.newContext();
  const page = await context.newPage();
  await open(page, `${url}index.html`);
  const home = await page.locator(".answers").innerText();
  expect(home).toContain(`we kept ${facts.gross} of every 100 dollars`);
  expect(home).toContain(`and ${facts.kept} of 100 customers;`);
  expect(home).toContain(`${facts.early_points} of this score's 100 points rest on an early warning`);
  await open(page, `${url}kpis/index.html`);
  expect(await page.locator(".lede").innerText()).toMatch(
    new RegExp(`^Of ${facts.n_kpis} KPIs, ${facts.n_use} (is an|are) early warnings? to use`),
  );
  await open(page, `${url}bands.html`);
  expect(await page.locator(".report").innerText()).toContain(`of ${facts.n_now} accounts are green`);
  await context.close();
}, 120_000);

test("text from outside is shown as it was written", async () => {
  const url = (servers.get("hostile") as { url: string }).url;
  const context = await browser.newContext();
  const page = await context.newPage();
  await open(page, `${url}kpis/logins_28d.html`);
  expect(await page.textContent("h1")).toBe(`Logins${hostile}`);
  expect(await page.textContent(".masthead .book")).toBe(`Fern${hostile}`);
  expect(await page.title()).toContain(`Logins${hostile}`);
  await context.close();
});

test.each(["light", "dark"] as const)("axe finds nothing serious in %s", async (colorScheme) => {
  const url = (servers.get("plain") as { url: string }).url;
  const found: string[] = [];
  // Scripts of a test are not the page's: the policy is lifted for them.
  const context = await browser.newContext({ colorScheme, viewport: { width: 1280, height: 900 }, bypassCSP: true });
  const all = ["index", "kpis/index", "kpis/logins_28d", "bands", "cohorts", "data", "method"];
  for (const name of (colorScheme === "light" ? all : ["index", "kpis/index", "bands"]).map((page) => `${page}.html`)) {
    const page = await context.newPage();
    await open(page, url + name);
    await page.evaluate(() => {
      for (const details of document.querySelectorAll("details")) details.open = true;
    });
    await page.evaluate(axeSource);
    const violations = await page.evaluate(async () => {
      const axe = (
        window as unknown as {
          axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> };
        }
      ).axe;
      return (await axe.run()).violations.map(({ id, impact, nodes }) => ({ id, impact, node: nodes[0]?.html ?? "" }));
    });
    found.push(
      ...violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(({ id, node }) => `${name}: ${id}: ${node.slice(0, 200)}`),
    );
    await page.close();
  }
  await context.close();
  expect(found).toEqual([]);
}, 120_000);

test.each([
  ["light", 1280],
  ["dark", 1280],
  ["light", 360],
  ["light", 1600],
] as const)(
  "pictures in %s at %d px, nothing wider than the screen",
  async (colorScheme, width) => {
    const url = (servers.get("plain") as { url: string }).url;
    const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 } });
    const wide: string[] = [];
    for (const name of ["index", "kpis/index", "kpis/invoices_sent_28d", "bands", "cohorts", "data", "method"]) {
      const page = await context.newPage();
      await open(page, `${url}${name}.html`);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      if (over > 0) wide.push(`${name}: ${over} px`);
      await page.screenshot({
        path: join(pictures, `${name.replace("/", "-")}-${colorScheme}-${width}.png`),
        fullPage: true,
      });
      await page.close();
    }
    await context.close();
    expect(wide).toEqual([]);
  },
  120_000,
);

test("a table sorts by its headers and filters by text, by keyboard", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await open(page, `${(servers.get("plain") as { url: string }).url}kpis/index.html`);
  const table = page.locator('[aria-label="All KPIs"]');
  const first = () => table.locator("tbody tr:first-child td:first-child").textContent();
  await table.getByRole("button", { name: "KPI", exact: true }).focus();
  await page.keyboard.press("Enter");
  expect(await first()).toBe("CSM rating");
  await page.keyboard.press("Enter");
  expect(await first()).toBe("Templates used");
  await page.getByRole("searchbox", { name: "Filter All KPIs" }).fill("early warning");
  expect(await table.locator("tbody tr").count()).toBe(2);
  await context.close();
});

test("the first page and its data are at most 400 kB compressed", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const asked = new Set<string>();
  page.on("request", (request) => asked.add(new URL(request.url()).pathname));
  await open(page, `${(servers.get("plain") as { url: string }).url}index.html`);
  await context.close();
  let bytes = 0;
  for (const path of asked) {
    const file = join(folder, "plain", decodeURIComponent(path));
    if (existsSync(file) && (await stat(file)).isFile()) bytes += gzipSync(await readFile(file)).length;
  }
  expect(bytes).toBeGreaterThan(20_000);
  expect(bytes).toBeLessThanOrEqual(400_000);
});

test("the leadership site names no account in any file", async () => {
  const root = join(folder, "plain");
  const files = (await readdir(root, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const naming: string[] = [];
  for (const entry of files) {
    const text = await readFile(join(entry.parentPath, entry.name), "latin1");
    if (/\bacc_\d/.test(text)) naming.push(entry.name);
  }
  expect(files.length).toBeGreaterThan(30);
  expect(naming).toEqual([]);
});

test("two builds of the same artefacts are the same bytes, with the times of as_of", async () => {
  const again = join(folder, "again");
  await buildSite({
    artefacts: join(folder, "tiny-artefacts"),
    out: again,
    audience: "leadership",
    asOf: "2026-01-01",
    log: silentLog,
  });
  const listing = async (root: string): Promise<readonly string[]> => (await readdir(root, { recursive: true })).sort();
  expect(await listing(again)).toEqual(await listing(join(folder, "tiny")));
  for (const name of await listing(again)) {
    const [a, b] = [join(again, name), join(folder, "tiny", name)];
    if (!(await stat(a)).isFile()) continue;
    expect((await readFile(a)).equals(await readFile(b)), name).toBe(true);
    expect((await stat(a)).mtime.toISOString()).toBe("2026-01-01T00:00:00.000Z");
  }
}, 120_000);

test("an existing folder is never written into", async () => {
  await expect(
    buildSite({
      artefacts: join(folder, "tiny-artefacts"),
      out: join(folder, "tiny"),
      audience: "leadership",
      asOf: "2026-01-01",
      log: silentLog,
    }),
  ).rejects.toThrow("fresh folder");
});
