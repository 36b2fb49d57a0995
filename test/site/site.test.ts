import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, realpath, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rowsOfColumns } from "../../observable/src/components/columns.ts";
import { refresh } from "../../pipelines/commands/refresh.ts";
import { readBook } from "../../pipelines/config/book.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { artefacts, toColumns, writeArtefacts } from "../../pipelines/publish/artefacts.ts";
import { checkSite } from "../../pipelines/publish/check-site.ts";
import { serveFolder } from "../../pipelines/publish/serve.ts";
import { buildSite } from "../../pipelines/publish/site.ts";
import { simulate } from "../../pipelines/simulate/simulate.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { openBrowser } from "./browser.ts";
import { type FixtureOptions, openFixture } from "./fixture.ts";
import { beside, drawn, lookOver, open, overWidth, pagesOf, picture, tabWalk, walk } from "./walk.ts";

/** Text from outside that must show as text: in labels, file names, reject reasons and the book's title. */
const hostile = ` <img src=x onerror="window.hit=1"></script><script>window.hit=1</script> [l](javascript:window.hit=1) \${window.hit=1} \u202Eoverride\u202C ${"long".repeat(1250)}`;

/** What a spreadsheet would run, with quotes: the owner of some of them. */
const formula = "=cmd|' /C calc'!A0 \"x\", y";

/** Accounts of the demo whose name and owner are hostile; `named` is one of them that has a page. */
const isHostile = (id: string): boolean => id.endsWith("7");
let named = "";

interface Book {
  readonly name: string;
  readonly fixture: FixtureOptions;
}
const books: readonly Book[] = [
  { name: "plain", fixture: { accounts: 600 } },
  { name: "hostile", fixture: { accounts: 300, label: hostile, title: `Fern${hostile}` } },
  { name: "tiny", fixture: { accounts: 4, withoutValidation: true } },
];

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

/** With the managers' site, and with accounts whose name and owner somebody else wrote. */
async function askForNames(book: string): Promise<void> {
  const file = join(book, "assay.yaml");
  const text = await readFile(file, "utf8");
  const asked = text.replace(/^(site: \{.*min_cell: 5) \}$/m, "$1, managers: true }");
  expect(asked).not.toBe(text);
  await writeFile(file, asked);
  const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  for (const name of await readdir(join(book, "exports"))) {
    if (!name.startsWith("accounts_")) continue;
    const path = join(book, "exports", name);
    const rows = (await readFile(path, "utf8")).split("\n").map((line) => {
      const cells = line.split(",");
      const [id = "", , signedUp, lifecycle] = cells;
      const owner = /[13579]7$/.test(id) ? formula : hostile;
      return isHostile(id)
        ? [id, quoted(hostile), signedUp, lifecycle, quoted(owner), ...cells.slice(5)].join(",")
        : line;
    });
    await writeFile(path, rows.join("\n"));
  }
}

/** A release of a small demo book, made as a user makes one; its site is linked beside the others. */
async function buildDemo(): Promise<string> {
  const book = join(folder, "demo-book");
  await simulate({ out: book, accounts: 250, months: 30, seed: 11, kind: "plain", log: silentLog });
  await askForNames(book);
  const result = await refresh({
    book: await readBook(book, { cwd: folder, env: {} }),
    state: join(folder, "demo-state"),
    now: () => new Date("2026-08-01T06:00:00Z"),
    log: silentLog,
  });
  release = result.release.folder;
  await symlink(join(release, "site"), join(folder, "demo"));
  await symlink(join(release, "site-managers"), join(folder, "managers"));
  const known = await readFile(join(release, "artefacts", "account_search.json"), "utf8");
  named = (JSON.parse(known) as { account_id: string }[]).find(({ account_id: id }) => isHostile(id))?.account_id ?? "";
  return join(folder, "demo");
}

let release: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-site-"));
  browser = await openBrowser();
  // Beside each other: a build waits for its child process more than it computes.
  const sites = await Promise.all([...books.map(build), buildDemo()]);
  for (const [i, name] of [...books.map((book) => book.name), "demo"].entries())
    servers.set(name, await serveFolder({ folder: sites[i] as string, port: 0 }));
  servers.set("managers", await serveFolder({ folder: join(folder, "managers"), port: 0 }));
});

afterAll(async () => {
  await browser?.close();
  for (const server of servers.values()) await server.close();
  await rm(folder, { recursive: true, force: true });
});

/** Of pages that there are many of, these; an early warning and a KPI that could not be tested. */
const some = ["invoices_sent_28d", "sso_enabled"];

/** What is looked for beside that: in the plain book all that axe finds, in the demo the same in the first rows of each table. */
const looks: Readonly<Record<string, Parameters<typeof walk>[3]>> = {
  plain: { pictures: "", axe: Number.POSITIVE_INFINITY },
  demo: { axe: 40 },
};

describe.each([...books.map(({ name }) => name), "demo"])("the site of the %s book", (book) => {
  test("passes its own check", async () => {
    expect(await checkSite(join(folder, book))).toEqual([]);
  });

  test("opens in a browser without the network: no error, no outside request, no empty chart, no broken text", async () => {
    const site = join(folder, book);
    expect(await walk(browser, site, await pagesOf(site, some), looks[book])).toEqual([]);
  });
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
});

test("text from outside is shown as it was written, and no wider than a phone", async () => {
  const url = (servers.get("hostile") as { url: string }).url;
  const context = await browser.newContext({ viewport: { width: 360, height: 800 } });
  const page = await context.newPage();
  for (const name of ["index", "kpis/index", "bands", "data"]) {
    await open(page, `${url}${name}.html`);
    expect(await overWidth(page), name).toBe(0);
  }
  // A model card holds what its author wrote, in every part that an author writes.
  await open(page, `${url}scorecards/freshsuccess_40_30_30.html`);
  expect((await lookOver(page)).problems).toEqual([]);
  const card = await page.locator(".facts").first().innerText();
  for (const part of ["books closed by the fifth", "Kim", "every account of plan", "weighted mean of logins"])
    expect(card).toContain(`${part} <img src=x onerror="window.hit=1"></script>`);
  await open(page, `${url}kpis/logins_28d.html`);
  expect(await page.textContent("h1")).toBe(`Logins${hostile}`);
  expect(await page.textContent(".masthead .book")).toBe(`Fern${hostile}`);
  expect(await page.title()).toContain(`Logins${hostile}`);
  await context.close();
});

/** Pages that only the managers' site has; an account of a hostile name, one that nobody has. */
const ofManagers = (): readonly string[] => [
  "today.html",
  "accounts/index.html",
  `accounts/view.html?id=${named}`,
  "accounts/view.html?id=nobody",
  "surprises.html",
  "archetypes.html",
];

test("the managers' pages open without the network: no error, no outside request, no broken text, nothing wider than the screen, nothing serious for axe", async () => {
  const also = { pictures: "managers-", axe: 60 };
  expect(await walk(browser, join(folder, "managers"), ofManagers(), also)).toEqual([]);
});

test("the name that somebody else wrote is one line of text: on the account's page, in the list, in the search", async () => {
  const url = (servers.get("managers") as { url: string }).url;
  const context = await browser.newContext({ viewport: { width: 360, height: 800 } });
  const page = await context.newPage();
  await open(page, `${url}accounts/view.html?id=${named}`);
  const title = (await page.textContent("h1")) ?? "";
  expect(title).toContain('<img src=x onerror="window.hit=1"></script>');
  // Signs that turn the direction of text are shown as such, and 5,000 letters are cut.
  expect(title).not.toMatch(/[\u202e\u202c]/);
  expect(title.length).toBeLessThanOrEqual(200);
  expect(await overWidth(page)).toBe(0);
  await open(page, `${url}accounts/index.html`);
  expect(await overWidth(page)).toBe(0);
  // The index comes while somebody types: what is found belongs to all that was typed.
  await page.route(/search\b.*\.json/, async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 150));
    await route.continue();
  });
  await page.keyboard.press("/");
  await page.keyboard.type(named, { delay: 40 });
  const found = page.locator(".search-results a").first();
  await expect.poll(() => found.getAttribute("href")).toContain(`accounts/view.html?id=${named}`);
  expect(await page.evaluate(() => "hit" in window)).toBe(false);
  // Enter before the index has come waits for it, and goes to the first.
  await open(page, `${url}index.html`);
  await page.keyboard.press("/");
  await page.keyboard.type(named);
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/accounts/view.html?id=${named}`);
  await context.close();
});

test("on a phone and on a wide screen nothing is wider than the screen; pictures are taken", async () => {
  const url = (servers.get("plain") as { url: string }).url;
  const context = await browser.newContext();
  const found = await beside(await pagesOf(join(folder, "plain"), ["invoices_sent_28d"]), async (name) => {
    const page = await context.newPage();
    const problems: string[] = [];
    for (const width of [360, 1600]) {
      await page.setViewportSize({ width, height: 900 });
      // The second time the page that stands is made wider, as by turning a phone.
      if (width === 360) await open(page, url + name);
      else await drawn(page);
      const over = await overWidth(page);
      if (over > 0) problems.push(`${name}: ${over} px wider than ${width}`);
      await picture(page, `${name}-light-${width}`);
    }
    await page.close();
    return problems;
  });
  await context.close();
  expect(found).toEqual([]);
});

test("print is light, whole and without what only a screen can do", async () => {
  const url = (servers.get("plain") as { url: string }).url;
  const context = await browser.newContext({ colorScheme: "dark", viewport: { width: 760, height: 1000 } });
  const page = await context.newPage();
  await open(page, `${url}index.html`);
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  const printed = await page.evaluate(() => ({
    ground: getComputedStyle(document.body).backgroundColor,
    text: getComputedStyle(document.body).color,
    nav: getComputedStyle(document.querySelector(".masthead nav") as Element).display,
    search: getComputedStyle(document.querySelector(".search") as Element).display,
    tools: getComputedStyle(document.querySelector(".figure-tools") as Element).display,
  }));
  expect(printed).toMatchObject({ ground: "rgb(255, 255, 255)", nav: "none", search: "none", tools: "none" });
  expect(printed.text).toMatch(/^rgb\(([0-5]?\d), ([0-5]?\d), ([0-5]?\d)\)$/);
  await picture(page, "index-print");
  await context.close();
});

test("the keyboard alone: past the header, to a page by search, through a table, to a chart by its link", async () => {
  const url = (servers.get("plain") as { url: string }).url;
  const context = await browser.newContext({ viewport: { width: 1280, height: 700 } });
  const page = await context.newPage();
  await open(page, `${url}index.html`);
  await page.keyboard.press("Tab");
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Skip to the page");
  await page.keyboard.press("/");
  await page.keyboard.type("templates");
  await expect
    .poll(() => page.locator(".search-results a").first().getAttribute("href"))
    .toContain("kpis/template_uses_28d.html");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${url}kpis/template_uses_28d.html`);
  // A choice and a table's order are in the address: whoever gets the link sees the same, at the chart it names.
  await open(page, `${url}bands.html?a-month=50&capacity.sort=-Accounts+a+month#capacity`);
  expect(await page.locator(".choice select").first().inputValue()).toBe("50");
  const figure = page.locator("#capacity");
  await expect.poll(() => figure.locator("tbody tr").first().innerText()).toMatch(/^75\b/);
  await expect.poll(async () => Math.round((await figure.boundingBox())?.y ?? 9999)).toBeLessThan(200);
  // An address that somebody made up changes nothing.
  await open(page, `${url}bands.html?a-month=%3Cimg%20onerror%3Dx%3E`);
  expect(await page.locator(".choice select").first().inputValue()).toBe("25");
  expect((await lookOver(page)).problems).toEqual([]);
  await context.close();
});

test("Tab alone reaches every control of every kind of page, in order and seen, and goes on", async () => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const kinds = [
    ...[
      "index",
      "kpis/index",
      "kpis/invoices_sent_28d",
      "bands",
      "renewals",
      "data",
      "scorecards/freshsuccess_40_30_30",
    ].map((name) => `plain ${name}.html`),
    ...ofManagers().map((name) => `managers ${name}`),
  ];
  const found = await beside(kinds, async (kind) => {
    const [site = "", name = ""] = kind.split(" ");
    const page = await context.newPage();
    await open(page, `${(servers.get(site) as { url: string }).url}${name}`);
    const problems = await tabWalk(page);
    await page.close();
    return problems.map((problem) => `${kind}: ${problem}`);
  });
  await context.close();
  expect(found).toEqual([]);
});

test("by keyboard: a search is walked and closed, what is folded opens and closes, SQL is copied, a link names its chart", async () => {
  const url = (servers.get("plain") as { url: string }).url;
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const page = await context.newPage();
  await open(page, `${url}bands.html#capacity`);
  expect(await page.title()).toBe("Leavers held in time, by the length of the list | Bands | Fernbill");
  const results = page.locator(".search-results");
  const focused = () => page.evaluate(() => document.activeElement?.textContent ?? "");
  await page.keyboard.press("/");
  await page.keyboard.type("s");
  await expect.poll(() => results.locator("a").count()).toBeGreaterThan(2);
  const names = await results.locator("a").allTextContents();
  for (const [key, place] of [
    ["ArrowDown", 0],
    ["ArrowDown", 1],
    ["ArrowUp", 0],
  ] as const) {
    await page.keyboard.press(key);
    expect(await focused()).toBe(names[place]);
  }
  await page.keyboard.press("Escape");
  expect(await results.isVisible()).toBe(false);
  expect(await page.evaluate(() => document.activeElement?.getAttribute("type"))).toBe("search");
  // Enter opens what is folded, Space closes it.
  const numbers = page.locator("#capacity details.data-table");
  await numbers.locator("summary").focus();
  await page.keyboard.press("Enter");
  await expect.poll(() => numbers.locator("tbody tr").count()).toBeGreaterThan(3);
  await page.keyboard.press("Space");
  await expect.poll(() => numbers.locator("table").isVisible()).toBe(false);
  // A select changes by its arrows, and what it says is told.
  const select = page.locator(".choice select").first();
  const before = await select.inputValue();
  await select.focus();
  await page.keyboard.press("ArrowDown");
  await expect.poll(() => new URL(page.url()).searchParams.get("a-month")).not.toBe(null);
  expect(await select.inputValue()).not.toBe(before);
  await expect
    .poll(() => page.locator(".choice [role=status]").first().textContent())
    .toBe(`We can work: ${await select.inputValue()} accounts a month.`);
  const sql = page.locator("#capacity details.sql");
  await sql.locator("summary").focus();
  await page.keyboard.press("Enter");
  const statement = sql.locator(".statement").first();
  await statement.getByRole("button", { name: /^Copy/ }).focus();
  await page.keyboard.press("Enter");
  await expect.poll(() => statement.getByRole("status").textContent()).toBe("Copied");
  const shown = await statement.locator("pre code").textContent();
  expect(shown).toContain("select");
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(shown);
  await context.close();
});

test("a filter lives in the address: a reload, a copy of it and the way back show the same; paper says what was filtered", async () => {
  const url = (servers.get("managers") as { url: string }).url;
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  await open(page, `${url}accounts/index.html`);
  const rows = page.locator('[role="group"][aria-label="Accounts"] tbody tr');
  const ids = () => rows.evaluateAll((all) => all.map((row) => row.children[1]?.textContent));
  const all = await ids();
  await page.locator('.filters label:has(span:text-is("Band")) select').selectOption("yellow");
  await expect.poll(() => rows.count()).toBeLessThan(all.length);
  const chosen = await ids();
  expect(chosen.length).toBeGreaterThan(3);
  const words = `Shown only band: yellow (${chosen.length} of ${all.length} accounts).`;
  const said = page.locator(".filters + [role=status]").first();
  expect(await said.textContent()).toBe(words);
  const address = page.url();
  expect(address).toContain("band=yellow");
  await page.reload();
  await drawn(page);
  expect(await ids()).toEqual(chosen);
  await rows.first().locator("a").click();
  await page.waitForURL("**/accounts/view.html**");
  await page.goBack();
  await drawn(page);
  await expect.poll(ids).toEqual(chosen);
  const copy = await context.newPage();
  await open(copy, address);
  expect(await copy.locator('[role="group"][aria-label="Accounts"] tbody tr').count()).toBe(chosen.length);
  // Charts are drawn to be read on paper, and as they were after that.
  const width = () => copy.locator(".chart svg").first().getAttribute("width");
  const onScreen = await width();
  await copy.evaluate(() => window.dispatchEvent(new Event("beforeprint")));
  expect(await width()).toBe("680");
  await copy.evaluate(() => window.dispatchEvent(new Event("afterprint")));
  expect(await width()).toBe(onScreen);
  // On paper the choice stands in words, and a long table says how much of it is there.
  expect(await copy.locator(".on-paper:visible").count()).toBe(0);
  await copy.emulateMedia({ media: "print" });
  expect(await copy.locator(".chosen:visible").allTextContents()).toContain(words);
  const printed = copy.locator('[role="group"][aria-label="Accounts"] tbody tr:visible');
  expect(await printed.count()).toBe(Math.min(40, chosen.length));
  // A longer one: the first forty rows, and it says so.
  await open(page, `${url}accounts/index.html`);
  await page.emulateMedia({ media: "print" });
  expect(all.length).toBeGreaterThan(40);
  expect(await page.locator('[role="group"][aria-label="Accounts"] tbody tr:visible').count()).toBe(40);
  expect(await page.locator(".on-paper:visible").allTextContents()).toContain(
    `Printed: the first 40 of ${all.length} rows; the page has them all.`,
  );
  await context.close();
});

test("what expires is judged by the reader's day", async () => {
  const url = (servers.get("plain") as { url: string }).url;
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.clock.setFixedTime(new Date("2023-06-30T12:00:00Z"));
  await open(page, `${url}index.html`);
  expect(await page.locator(".answers").innerText()).not.toContain("expired");
  await page.clock.setFixedTime(new Date("2023-07-01T12:00:00Z"));
  await open(page, `${url}index.html`);
  expect(await page.locator(".answers").innerText()).toContain("expired on 1 July 2023: it is due again");
  await open(page, `${url}bands.html`);
  expect(await page.locator(".lede").first().innerText()).toContain("expired on 1 July 2023: it is due again");
  await open(page, `${url}scorecards/freshsuccess_40_30_30.html`);
  expect(await page.locator(".report").innerText()).toContain("the sign-off expired on 1 July 2023");
  await context.close();
});

test("a table sorts by its headers and filters by text, by keyboard", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await open(page, `${(servers.get("plain") as { url: string }).url}kpis/index.html`);
  const table = page.locator('[aria-label="All KPIs"]');
  const first = () => table.locator("tbody tr:first-child > :first-child").textContent();
  await table.getByRole("button", { name: "KPI", exact: true }).focus();
  await page.keyboard.press("Enter");
  await expect.poll(first).toBe("CSM rating");
  await page.keyboard.press("Enter");
  await expect.poll(first).toBe("Templates used");
  await page.getByRole("searchbox", { name: "Filter All KPIs" }).fill("early warning");
  // The filter waits until the typing has stopped.
  await expect.poll(() => table.locator("tbody tr").count()).toBe(2);
  await context.close();
});

/** The cells of a CSV by RFC 4180. */
function cellsOf(text: string): string[][] {
  const rows: string[][] = [[]];
  let cell = "";
  let isQuoted = false;
  for (let i = 0; i < text.length; i += 1) {
    const letter = text[i] as string;
    if (isQuoted && letter === '"' && text[i + 1] === '"') {
      cell += letter;
      i += 1;
    } else if (letter === '"') isQuoted = !isQuoted;
    else if (isQuoted || !/[,\r\n]/.test(letter)) cell += letter;
    else if (letter === ",") {
      rows.at(-1)?.push(cell);
      cell = "";
    } else if (letter === "\n") {
      rows.at(-1)?.push(cell);
      cell = "";
      rows.push([]);
    }
  }
  return rows.slice(0, -1);
}

test("a table saves itself as a CSV that a spreadsheet reads, formulas and other letters included", async () => {
  const context = await browser.newContext({ acceptDownloads: true });
  const page = await context.newPage();
  await open(page, `${(servers.get("managers") as { url: string }).url}accounts/index.html`);
  const saving = page.waitForEvent("download");
  await page.getByRole("button", { name: /^Save as CSV ?: Accounts$/ }).focus();
  await page.keyboard.press("Enter");
  const saved = await saving;
  expect(saved.suggestedFilename()).toMatch(/\.csv$/);
  const text = await readFile(await saved.path(), "utf8");
  expect(text.startsWith("\ufeffAccount,Id,")).toBe(true);
  const shown = await page.locator('[role="group"][aria-label="Accounts"] tbody tr').count();
  expect(text.trimEnd().split("\r\n").length).toBe(1 + shown);
  // Read back as a spreadsheet reads it: each row is the row of the table, names and owners as the export wrote them.
  const [head = [], ...rows] = cellsOf(text.slice(1));
  const at = (name: string): number => head.indexOf(name);
  const cells = await page
    .locator('[role="group"][aria-label="Accounts"] tbody tr')
    .evaluateAll((all) => all.map((row) => [...row.children].map((cell) => cell.textContent ?? "")));
  expect(head).toEqual(
    await page
      .locator('[role="group"][aria-label="Accounts"] thead button')
      .evaluateAll((all) => all.map((b) => b.textContent)),
  );
  expect(rows.map((row) => row[at("Id")])).toEqual(cells.map((row) => row[at("Id")]));
  expect(new Set(rows.map((row) => row.length))).toEqual(new Set([head.length]));
  for (const [i, row] of rows.entries()) {
    const [id, name, owner] = [row[at("Id")] ?? "", row[at("Account")], row[at("Owner")] ?? ""];
    const shown = cells[i] as readonly string[];
    if (isHostile(id)) {
      // The file of the list has the first eighty characters of a name; the account's page has it whole.
      expect(name?.trim().length).toBeGreaterThan(60);
      expect(hostile.trim().startsWith(name?.trim() ?? "")).toBe(true);
      expect(owner === `'${formula}` || (owner.length > 60 && hostile.trim().startsWith(owner.trim()))).toBe(true);
    } else expect([name, owner || "no owner"]).toEqual([shown[at("Account")], shown[at("Owner")]]);
    const score = row[at("Score")] ?? "";
    expect(score === "" ? "no score" : String(Math.round(Number(score) * 10) / 10)).toBe(shown[at("Score")]);
  }
  expect(rows.some((row) => row[at("Owner")] === `'${formula}`)).toBe(true);
  // No cell begins as a formula does, whichever sign a spreadsheet splits at.
  expect(text.slice(1).match(/(^|[,;\t\n])"?[=@]/g)).toBeNull();
  await context.close();
});

/** What a browser loads of this site to draw a page, compressed, data included. */
async function loaded(site: string, path: string): Promise<number> {
  const context = await browser.newContext();
  const page = await context.newPage();
  const asked = new Set<string>();
  page.on("request", (request) => asked.add(new URL(request.url()).pathname));
  await open(page, `${(servers.get(site) as { url: string }).url}${path}`);
  await context.close();
  let bytes = 0;
  for (const name of asked) {
    const file = join(folder, site, decodeURIComponent(name));
    if (existsSync(file) && (await stat(file)).isFile()) bytes += gzipSync(await readFile(file)).length;
  }
  return bytes;
}

test("the first page and its data are at most 400 kB compressed", async () => {
  const bytes = await loaded("plain", "index.html");
  expect(bytes).toBeGreaterThan(20_000);
  expect(bytes).toBeLessThanOrEqual(400_000);
});

test("the list of accounts is at most 500 kB compressed where they are ten thousand", async () => {
  const file = await readFile(join(release, "artefacts", "portfolio.json"));
  const rows = rowsOfColumns<Readonly<Record<string, string | number | boolean | null>>>(
    JSON.parse(file.toString("utf8")),
  ).filter(({ account_id: id }) => !isHostile(String(id)));
  expect(rows.length).toBeGreaterThan(50);
  // Each value is one of the demo's, drawn by itself, so that no pattern of rows makes it small; names and ids are all different.
  let state = 1;
  const draw = (column: string) => {
    state = (state * 48_271) % 2_147_483_647;
    return rows[state % rows.length]?.[column] ?? null;
  };
  const columns = Object.keys(rows[0] as object);
  const many = Array.from({ length: 10_000 }, (_, i) => ({
    ...Object.fromEntries(columns.map((column) => [column, draw(column)])),
    account_id: `F${10_000 + i}`,
    name: `${String(draw("name")).split(" ")[0]} ${String(draw("name")).split(" ").slice(1).join(" ")} ${i}`,
  }));
  const schema = columns.map((name) => {
    const isText = rows.some((row) => typeof row[name] === "string");
    return { name, type: isText && name !== "renews_on" ? ("text" as const) : ("number" as const) };
  });
  const rest = (await loaded("managers", "accounts/index.html")) - gzipSync(file).length;
  const list = gzipSync(toColumns(many, "portfolio", schema)).length;
  expect(rest).toBeGreaterThan(20_000);
  expect(list).toBeGreaterThan(100_000);
  expect(rest + list).toBeLessThanOrEqual(500_000);
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

test("no file that leadership gets of a release with a managers' site holds an account's id or name", async () => {
  const warehouse = await Database.open({ path: join(release, "warehouse.duckdb"), readOnly: true });
  const rows = await warehouse.query<{ word: string }>(
    "select distinct word from (select account_id as word from staging.account union all select name from staging.account) as w where length(word) > 3",
  );
  warehouse.close();
  expect(rows.length).toBeGreaterThan(300);
  const root = await realpath(join(folder, "demo"));
  const found: string[] = [];
  const forLeadership = new Set(artefacts.map(({ name, format }) => `${name}.${format}`));
  const files = [
    ...(await readdir(root, { recursive: true, withFileTypes: true })),
    ...(await readdir(join(release, "artefacts"), { withFileTypes: true })).filter(({ name }) =>
      forLeadership.has(name),
    ),
  ];
  for (const entry of files) {
    // The libraries' own words are nobody's name.
    if (!entry.isFile() || /_node|_observablehq/.test(entry.parentPath)) continue;
    const text = await readFile(join(entry.parentPath, entry.name), "latin1");
    found.push(...rows.filter(({ word }) => text.includes(word)).map(({ word }) => `${entry.name}: ${word}`));
  }
  expect(found).toEqual([]);
  // The search for names finds them where they may be.
  const portfolio = await readFile(join(release, "artefacts", "account_search.json"), "latin1");
  expect(rows.filter(({ word }) => portfolio.includes(word)).length).toBeGreaterThan(50);
  expect(files.length).toBeGreaterThan(100);
});

test("no bound of a range or a cut that readers see is a value that fewer than five accounts ever had", async () => {
  const warehouse = await Database.open({ path: join(release, "warehouse.duckdb"), readOnly: true });
  try {
    // Whole numbers that follow each other are a bound of numbers, not of accounts; a range of one value names it.
    const bounds = await warehouse.query<{ kpi: string; bound: number; is_value: boolean; n: number }>(`
with bound as (
  select kpi, value_from as bound, value_from = value_to as is_value from marts.kpi_range union
  select kpi, value_to, value_from = value_to from marts.kpi_range union
  select kpi, cut_value, false from marts.kpi_cut
),
held as (
  unpivot (select * exclude (snapshot_date) from features.account_kpi) on columns(* exclude account_id) into name kpi value held
)
select b.kpi, b.bound, coalesce(b.is_value, false) as is_value, count(distinct h.account_id) as n
from bound as b left join held as h on h.kpi = b.kpi and h.held = b.bound
where b.bound is not null and (b.is_value or b.bound <> round(b.bound))
group by all`);
    expect(bounds.length).toBeGreaterThan(10);
    expect(bounds.filter(({ is_value, n }) => n < 5 && (is_value || n > 0))).toEqual([]);
  } finally {
    warehouse.close();
  }
});

test.each([
  "leadership",
  "managers",
] as const)("two %s builds of the same artefacts are the same bytes, with the times of as_of", async (audience) => {
  const [built, artefacts] =
    audience === "leadership"
      ? [join(folder, "tiny"), join(folder, "tiny-artefacts")]
      : [join(release, "site-managers"), join(release, "artefacts")];
  const { mtime } = await stat(join(built, "index.html"));
  const asOf = mtime.toISOString().slice(0, 10);
  const again = join(folder, `again-${audience}`);
  await buildSite({ artefacts, out: again, audience, asOf, log: silentLog });
  const listing = async (root: string): Promise<readonly string[]> => (await readdir(root, { recursive: true })).sort();
  const names = await listing(again);
  expect(names).toEqual(await listing(built));
  for (const name of names) {
    const [a, b] = [join(again, name), join(built, name)];
    if (!(await stat(a)).isFile()) continue;
    expect((await readFile(a)).equals(await readFile(b)), name).toBe(true);
    expect((await stat(a)).mtime.toISOString()).toBe(`${asOf}T00:00:00.000Z`);
    expect((await stat(b)).mtime).toEqual(mtime);
  }
  if (audience === "leadership") expect(asOf).toBe("2026-01-01");
});

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
