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
    // What a reader who hears the page goes by: its language, its parts, headings that leave no level out, tables with a name.
    language: document.documentElement.lang,
    parts: ["header", "nav", "main", "footer"].filter((name) => document.querySelectorAll(name).length !== 1),
    skipped: [...document.querySelectorAll("h1, h2, h3, h4, [role=heading]")]
      .map((part) => ({ level: Number(part.ariaLevel ?? part.tagName.slice(1)), text: part.textContent ?? "" }))
      .filter(({ level }, i, all) => level > (all[i - 1]?.level ?? 0) + 1)
      .map(({ text }) => text),
    nameless: [...document.querySelectorAll("table")].filter(
      (table) => (table.caption?.textContent ?? "") === "" || table.querySelector("th[scope=col]") === null,
    ).length,
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
      ...(facts.language === "en" ? [] : ["the page has no language"]),
      ...facts.parts.map((name) => `not one ${name}`),
      ...facts.skipped.map((text) => `a heading leaves a level out: ${text.slice(0, 80)}`),
      ...(facts.nameless > 0 ? [`${facts.nameless} tables without a name or heads`] : []),
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

/** All controls of a page that Tab reaches, in the order of the page. */
const controls = "a[href], button, input, select, textarea, summary, [tabindex='0']";

/**
 * Goes through a page by Tab alone: what was passed over, came out of order, or had no mark to be seen by. Of a table only its first
 * rows are kept, for the others are made as they are.
 */
export async function tabWalk(page: Page): Promise<readonly string[]> {
  const n = await page.evaluate((selector) => {
    for (const row of document.querySelectorAll<HTMLTableRowElement>("tbody tr"))
      if (row.sectionRowIndex >= 2) row.hidden = true;
    const all = [...document.querySelectorAll<HTMLElement>(selector)].filter((part) => part.checkVisibility());
    Object.assign(window, { reached: [], wanted: all });
    document.addEventListener("focusin", ({ target }) => {
      const part = target as HTMLElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(part);
      const isSeen = outlineStyle !== "none" && Number.parseFloat(outlineWidth) > 0;
      (window as unknown as { reached: object[] }).reached.push({ place: all.indexOf(part), isSeen });
    });
    return all.length;
  }, controls);
  for (let i = 0; i <= n; i += 1) await page.keyboard.press("Tab");
  return page.evaluate(() => {
    const { reached, wanted } = window as unknown as {
      reached: { place: number; isSeen: boolean }[];
      wanted: HTMLElement[];
    };
    const nameOf = (place: number): string =>
      `${place} ${wanted[place]?.tagName} ${(wanted[place]?.ariaLabel ?? wanted[place]?.textContent ?? "").slice(0, 60)}`;
    // After the last one the browser's own parts come, then the first again.
    const once = reached.slice(0, wanted.length);
    return [
      ...(once.length < wanted.length ? [`Tab reaches ${once.length} of ${wanted.length} controls`] : []),
      ...once.flatMap(({ place }, i) =>
        place === i ? [] : [`control ${i} of the page is ${nameOf(i)}, Tab came to ${nameOf(place)}`],
      ),
      ...once.flatMap(({ place, isSeen }) =>
        isSeen ? [] : [`no mark shows that the keyboard is at ${nameOf(place)}`],
      ),
    ].slice(0, 5);
  });
}

/** How many pixels wider than the screen the page is; what sticks out at the left cannot even be scrolled to. */
export const overWidth = (page: Page): Promise<number> =>
  page.evaluate(() => {
    const left = [...document.querySelectorAll("button, input, select, summary, .length")]
      .filter((part) => part.checkVisibility())
      .map((part) => part.getBoundingClientRect().left);
    return Math.max(0, document.documentElement.scrollWidth - window.innerWidth, -Math.min(0, ...left));
  });

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
    found.push(
      ...(await beside(pages, async (name) => {
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
        await page.close();
        return problems.map((problem) => `${name}: ${problem}`);
      })),
    );
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

/** Works through pages two at a time, for one waits while the other computes; what is found stands in the order of the pages. */
export async function beside(
  pages: readonly string[],
  work: (name: string) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const found: (readonly string[])[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < pages.length; i = next++) found[i] = await work(pages[i] as string);
  };
  await Promise.all([worker(), worker()]);
  return found.flat();
}

/** A picture of the whole page. */
export async function picture(page: Page, name: string): Promise<void> {
  const path = join(pictures, `${name.replace(/[/?=]/g, "-").replace(".html", "")}.jpeg`);
  await mkdir(dirname(path), { recursive: true });
  await page.screenshot({ path, fullPage: true, type: "jpeg", quality: 80 });
}
