import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The parts of the exported release that the site's frame needs; pages read the rest in the browser. */
interface Frame {
  readonly title: string;
  readonly asOf: string;
  readonly releaseId: string;
}

const data = join(import.meta.dirname, "src", "data");
const readRows = (name: string): readonly Record<string, unknown>[] =>
  JSON.parse(readFileSync(join(data, `${name}.json`), "utf8"));

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

const sections = [
  {
    name: "Report",
    pages: [
      { name: "Summary", path: "/index" },
      { name: "KPIs", path: "/kpis/index" },
      { name: "Bands", path: "/bands" },
      { name: "Cohorts", path: "/cohorts" },
    ],
  },
  {
    name: "Evidence",
    pages: [
      { name: "Data", path: "/data" },
      { name: "Method", path: "/method" },
    ],
  },
];

const isCurrent = (page: string, path: string): boolean =>
  page === path || (page === "/kpis/index" && path.startsWith("/kpis/"));

const header = ({ path }: { readonly path: string }): string => `<div class="masthead">
<a class="book" href="/index">${escapeHtml(frame.title)}</a>
<nav aria-label="Pages">${sections
  .map(
    (section) =>
      `<div class="section"><span class="section-name">${section.name}</span>${section.pages
        .map(
          (page) =>
            `<a href="${page.path}"${isCurrent(page.path, path) ? ' aria-current="page"' : ""}>${page.name}</a>`,
        )
        .join("")}</div>`,
  )
  .join("")}</nav>
</div>`;

const footer = `<p>Data to ${escapeHtml(frame.asOf)}. Release ${escapeHtml(frame.releaseId.slice(0, 12))}. Associations at a stated
lead time, never causes. Aggregates only: no customer is named in this report.</p>`;

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
  dynamicPaths: readRows("kpi").map((row) => `/kpis/${String(row.kpi)}`),
};
