import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The parts of the exported release that the site's frame needs; pages read the rest in the browser. */
interface Frame {
  readonly title: string;
  readonly asOf: string;
  readonly releaseId: string;
}

const data = join(import.meta.dirname, "src", "data");
const read = (name: string): unknown => JSON.parse(readFileSync(join(data, `${name}.json`), "utf8"));
const readRows = (name: string): readonly Record<string, unknown>[] => read(name) as Record<string, unknown>[];
const isForManagers = (read("site") as { readonly audience: string }).audience === "managers";

const [release = {}] = readRows("release");
const frame: Frame = {
  title: String(release.title ?? "Assay"),
  asOf: String(release.as_of ?? ""),
  releaseId: String(release.release_id ?? ""),
};

/** A book's title is someone's text: it never becomes markup. */
const escapeHtml = (text: string): string =>
  text.replace(
    /[&<>"']/g,
    (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[c] as string,
  );

interface Entry {
  readonly name: string;
  readonly path: string;
  /** Read by the search box and shown as a hint. */
  readonly about: string;
}

/** One line a page. A page of the managers' site alone stands in `customers` (and in `managersPages` of publish/site.ts). */
const report: readonly Entry[] = [
  { name: "Summary", path: "/index", about: "What was kept, what renews, whether the score can be trusted" },
  { name: "KPIs", path: "/kpis/index", about: "Which KPIs move before customers leave, and what to do with each" },
  { name: "Bands", path: "/bands", about: "What red, yellow and green have meant, capacity, moves, bands over time" },
  { name: "Renewals", path: "/renewals", about: "What comes up for renewal in which colour, and how renewals went" },
  { name: "Cohorts", path: "/cohorts", about: "Retention by quarter of sign-up, accounts and money" },
  {
    name: "Practice",
    path: "/practice",
    about: "Groups of use, archetypes, desired outcomes, funnel, and whether they mean anything here",
  },
];

const evidence: readonly Entry[] = [
  {
    name: "Scorecards",
    path: "/scorecards/index",
    about: "What each score counts, what its points rest on, how well it ranked, versions and sign-offs",
  },
  { name: "Labels", path: "/labels", about: "What counts as leaving, and which verdicts hang on it" },
  { name: "Advice", path: "/advice", about: "Rules of thumb, weights and gates, tried on this history" },
  { name: "Data", path: "/data", about: "Deliveries, rows set aside, freshness, checks" },
  { name: "Method", path: "/method", about: "How a verdict is reached, words, limits, glossary" },
];

const customers: readonly Entry[] = [
  { name: "Today", path: "/today", about: "Newly red, new flags, falls, renewals ahead, plays to begin, per owner" },
  {
    name: "Accounts",
    path: "/accounts/index",
    about: "The portfolio by band, slope and money; families, promoters, who answers",
  },
  {
    name: "Archetypes",
    path: "/archetypes",
    about: "Power users, strugglers, advocates, ghosts: who is which, and whether it means anything here",
  },
  { name: "Surprises", path: "/surprises", about: "Left from the best band, red for long; what came after plays" },
];

const sections = [
  ...(isForManagers && customers.length > 0 ? [{ name: "Customers", pages: customers }] : []),
  { name: "Report", pages: report },
  { name: "Evidence", pages: evidence },
];

/** A page under a folder counts to the folder's index page. */
const isCurrent = (page: string, path: string): boolean =>
  page === path || (page.endsWith("/index") && page !== "/index" && path.startsWith(page.replace(/index$/, "")));

const header = ({ path }: { readonly path: string }): string => `<div class="masthead">
<a class="book" href="/index">${escapeHtml(frame.title)}</a>
<div id="search"></div>
<nav aria-label="Pages">${sections
  .map(
    (section) =>
      `<div class="section"><span class="section-name">${section.name}</span>${section.pages
        .map(
          (page) =>
            `<a href="${page.path}" title="${escapeHtml(page.about)}"${isCurrent(page.path, path) ? ' aria-current="page"' : ""}>${page.name}</a>`,
        )
        .join("")}</div>`,
  )
  .join("")}</nav>
</div>
<script type="module" src="/components/masthead.js"></script>`;

/** 1 July 2026. */
const inWords = (iso: string): string =>
  iso === ""
    ? "an unknown day"
    : new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone: "UTC" }).format(new Date(iso));

const footer = `<p>Data to ${inWords(frame.asOf)}. Release ${escapeHtml(frame.releaseId.slice(0, 12))}. Associations at a stated
lead time, never causes. ${
  isForManagers
    ? "For account managers: customers are named here; do not pass it on."
    : "Aggregates only: no customer is named in this report."
}</p>`;

export default {
  root: "src",
  output: "dist",
  title: frame.title,
  style: "style.css",
  globalStylesheets: ["observablehq:stdlib/inputs.css"],
  sidebar: false,
  pager: false,
  toc: false,
  search: false,
  // Links name the files themselves, so that any web server can hold the site.
  preserveExtension: true,
  preserveIndex: true,
  header,
  footer,
  dynamicPaths: [
    ...readRows("kpi").map((row) => `/kpis/${String(row.kpi)}`),
    ...new Set(readRows("scorecard").map((row) => `/scorecards/${String(row.scorecard)}`)),
  ],
};
