import { mkdir, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { serveFolder } from "../../pipelines/publish/serve.ts";
import { axeSource } from "./browser.ts";

/** Pictures for a person to look at; git leaves them out. */
export const pictures = join(projectRoot, "test", "site", "pictures");

/** Opens a page with every request to another place refused, waits until it is drawn, and returns what went wrong. */
export async function open(page: Page, url: string): Promise<readonly string[]> {
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
  await page.goto(url, { waitUntil: "load" });
  await drawn(page);
  return problems;
}

/** Until every cell of the page has shown what it shows, every chart has its marks, the search box stands and the letters are there. */
export async function drawn(page: Page): Promise<void> {
  await page.waitForFunction(() => {
    const main = document.querySelector("#observablehq-main");
    if (main === null || main.querySelector(".report, .facts") === null) return false;
    // A cell's place is a comment with its id; what it shows stands before that.
    const code = [...document.querySelectorAll("script[type=module]")].map(({ textContent }) => textContent).join("");
    const showing = [...code.matchAll(/define\(\{id: "(\w+)",[^\]]*?inputs: \[([^\]]*)\]/g)].filter(([, , inputs]) =>
      inputs?.includes('"display"'),
    );
    const places = document.createTreeWalker(main, NodeFilter.SHOW_COMMENT);
    const shown = new Set<string>();
    while (places.nextNode())
      if (places.currentNode.previousSibling !== null) shown.add(places.currentNode.textContent ?? "");
    return (
      showing.length > 0 &&
      showing.every(([, id]) => shown.has(`:${id}:`)) &&
      document.querySelector("#search") === null &&
      [...document.querySelectorAll(".chart")].every((chart) => chart.children.length > 0)
    );
  });
  // A chart whose box has just changed its width is drawn anew in the next frame.
  await page.evaluate(async () => {
    await document.fonts.ready;
    for (let frame = 0; frame < 2; frame += 1) await new Promise((resolve) => requestAnimationFrame(resolve));
  });
}

const brokenText = /.{0,30}(?:\bNaN\b|\bundefined\b|\bnull\b|\bInfinity\b|Invalid Date|\[object ).{0,30}/g;

/** What is wrong with a drawn page, and the links that it has. */
export async function lookOver(
  page: Page,
): Promise<{ readonly problems: readonly string[]; readonly links: readonly string[] }> {
  const facts = await page.evaluate(() => ({
    text: (document.querySelector("#observablehq-main") as HTMLElement).innerText,
    alts: [...document.querySelectorAll(".chart")].map((chart) => chart.getAttribute("aria-label") ?? ""),
    empty: [...document.querySelectorAll(".chart svg")].filter(
      (svg) => svg.querySelectorAll("circle, rect, path, image, line[aria-label], g[aria-label] line").length < 2,
    ).length,
    charts: document.querySelectorAll(".chart svg").length,
    heading: document.querySelectorAll("h1").length,
    links: [...document.querySelectorAll("a[href]")].map((a) => (a as HTMLAnchorElement).href),
    twice: [...document.querySelectorAll(".observablehq [id]")]
      .filter((part) => part.closest("svg") === null)
      .map(({ id }) => id)
      .filter((id, i, all) => all.indexOf(id) !== i),
    isHit: "hit" in window,
  }));
  return {
    links: facts.links,
    problems: [
      ...(facts.text.match(brokenText) ?? []).map((text) => `text: ${text}`),
      ...(facts.empty > 0 ? [`${facts.empty} of ${facts.charts} charts have no marks`] : []),
      ...(facts.alts.some((alt) => alt.length < 10) ? ["a chart has no text alternative"] : []),
      ...(facts.heading === 1 ? [] : [`${facts.heading} first headings`]),
      ...facts.twice.map((id) => `two parts have the link #${id}`),
      ...(facts.isHit ? ["text from outside ran as a script"] : []),
      ...(facts.text.length < 60 ? ["the page is nearly empty"] : []),
    ],
  };
}

/** What axe judges by colours; all its other rules find the same in light and in dark. */
const rulesOfColour = ["color-contrast", "link-in-text-block"];

/**
 * Serious and critical findings of axe, everything that folds open, as the page stands and again in dark. `rows`: of longer tables only
 * so many are looked at, for the others are made as they are.
 */
export async function axe(page: Page, rows = Number.POSITIVE_INFINITY): Promise<readonly string[]> {
  await page.evaluate((most) => {
    for (const details of document.querySelectorAll("details")) details.open = true;
    for (const row of document.querySelectorAll<HTMLTableRowElement>("tbody tr"))
      if (row.sectionRowIndex >= most) row.hidden = true;
  }, rows);
  await page.evaluate(axeSource);
  const found: string[] = [];
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    const violations = await page.evaluate(
      async (only) => {
        const { axe } = window as unknown as {
          axe: {
            run(options: object): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>;
          };
        };
        const options = only === null ? {} : { runOnly: { type: "rule", values: only } };
        const { violations } = await axe.run(options);
        return violations.map(({ id, impact, nodes }) => ({ id, impact, node: nodes[0]?.html ?? "" }));
      },
      colorScheme === "light" ? null : rulesOfColour,
    );
    for (const { id, impact, node } of violations)
      if (impact === "serious" || impact === "critical") found.push(`${id} in ${colorScheme}: ${node.slice(0, 200)}`);
  }
  return found;
}

/** How many pixels wider than the screen the page is. */
export const overWidth = (page: Page): Promise<number> =>
  page.evaluate(() => Math.max(0, document.documentElement.scrollWidth - window.innerWidth));

/** Every kind of page: all that stand alone, and of the pages of one KPI or scorecard those that `some` names. */
export async function pagesOf(folder: string, some: readonly string[]): Promise<readonly string[]> {
  const pages = (await readdir(folder, { recursive: true })).filter((entry) => entry.endsWith(".html")).sort();
  const isOneOfMany = (page: string): boolean => /^(kpis|scorecards)\/(?!index)/.test(page);
  const chosen = pages.filter((page) => !isOneOfMany(page) || some.some((id) => page.endsWith(`/${id}.html`)));
  const cards = pages.filter((page) => page.startsWith("scorecards/") && isOneOfMany(page));
  return [...new Set([...chosen, ...cards.slice(0, 1)])];
}

/**
 * Opens these pages of a site with the network off: what is wrong anywhere, links that lead nowhere among it, and pages wider than the
 * screen. With `pictures`, the beginning of their names, in light and dark; with `axe`, its findings over so many rows of a table.
 */
export async function walk(
  browser: Browser,
  folder: string,
  pages: readonly string[],
  also: { readonly pictures?: string; readonly axe?: number } = {},
): Promise<readonly string[]> {
  const server = await serveFolder({ folder, port: 0 });
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const found: string[] = [];
  const links = new Set<string>();
  try {
    for (const name of pages) {
      const page = await context.newPage();
      const problems = [...(await open(page, server.url + name))];
      const seen = await lookOver(page);
      for (const link of seen.links) links.add(link.replace(/[?#].*$/, ""));
      problems.push(...seen.problems);
      const over = await overWidth(page);
      if (over > 0) problems.push(`${over} px wider than the screen`);
      for (const colorScheme of also.pictures === undefined ? [] : (["light", "dark"] as const)) {
        await page.emulateMedia({ colorScheme });
        await picture(page, `${also.pictures}${name}-${colorScheme}-1280`);
      }
      if (also.axe !== undefined) problems.push(...(await axe(page, also.axe)));
      found.push(...problems.map((problem) => `${name}: ${problem}`));
      await page.close();
    }
    for (const link of links) {
      if (!link.startsWith(server.url)) found.push(`a link leaves the site: ${link}`);
      else if ((await fetch(link, { method: "HEAD" })).status !== 200) found.push(`a link leads nowhere: ${link}`);
    }
  } finally {
    await context.close();
    await server.close();
  }
  return found;
}

/** A picture of the whole page. */
export async function picture(page: Page, name: string): Promise<void> {
  const path = join(pictures, `${name.replace(/[/?=]/g, "-").replace(".html", "")}.png`);
  await mkdir(dirname(path), { recursive: true });
  await page.screenshot({ path, fullPage: true });
}
