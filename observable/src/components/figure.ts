// What stands around a chart: title, subtitle, a link to it, the chart at the width there is, its data as a table and as
// CSV, and the SQL of its numbers. Every page builds from these:
//
//   figure({ title, subtitle?, alt, id?, legend?, chart, empty?, note?, table, sql? })   a chart with all of that
//   tableWithCsv({ name, label, rows, columns, folded?, search? })                       sorts, filters, saves itself
//   sqlBlock(title, text)                                                                a statement and a copy button
//   toCsv(rows, columns), legend(items)
//
// Filters and other choices that should survive in a link: addressState and choice of address.ts.

import { html } from "htl";
import { addressState, chosen } from "./address.js";
import { count, plural } from "./format.js";
import type { Statement } from "./rows.js";

export interface Column<Row> {
  readonly name: string;
  /** What the cell shows. */
  readonly text: (row: Row) => string | Node;
  /** What sorts and what the CSV holds; default: the text. */
  readonly value?: (row: Row) => string | number | null;
  readonly isNumber?: boolean;
}

export interface FigureOptions<Row> {
  /** What a link to the chart ends in; default: the table's name. One page must not have it twice. */
  readonly id?: string;
  /** The subject of the finding. */
  readonly title: string;
  /** Units and n. */
  readonly subtitle?: string;
  /** The finding in words, for those who do not see the chart. */
  readonly alt: string;
  readonly legend?: Node | null;
  /** Null when there is nothing to draw: then `empty` says why. */
  readonly chart: ((width: number) => Node) | null;
  readonly empty?: string;
  readonly note?: string | Node;
  readonly table: {
    readonly name: string;
    readonly rows: readonly Row[];
    readonly columns: readonly Column<Row>[];
  } | null;
  /** The table is the figure: it stands open, in place of a chart. */
  readonly isTable?: boolean;
  /** The statements that made the numbers: `statementsOf` of pages/parts.ts. */
  readonly sql?: readonly Statement[];
}

/** Letters, digits and dashes of a title, for the end of a link. */
export const slug = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "")
    .slice(0, 60) || "part";

/** What A4 and Letter have between the margins of style.css, and half of it for charts that stand side by side, in pixels. */
const sheet = 680;
const halfSheet = 326;

/** Draws at the width of its box and again whenever that changes. */
export function responsive(render: (width: number) => Node, alt: string): HTMLElement {
  const box = html`<div class="chart" role="img" aria-label=${alt}></div>` as HTMLElement;
  let drawn = 0;
  const draw = (width: number): void => {
    const drawing = render(width) as Element;
    // The box speaks for the drawing; its parts have labels of their own that mean nothing without it.
    drawing.setAttribute("aria-hidden", "true");
    box.replaceChildren(drawing);
  };
  const observer = new ResizeObserver(([entry]) => {
    const width = Math.floor(entry?.contentRect.width ?? 0);
    if (width === 0 || width === drawn) return;
    drawn = width;
    // In the next frame: a chart drawn inside the notification would change sizes while they are being told.
    requestAnimationFrame(() => draw(width));
  });
  observer.observe(box);
  // A drawing made for a screen has letters too small to read when a sheet of paper shrinks it.
  const printing = (event: Event): void => {
    if (!box.isConnected) for (const name of ["beforeprint", "afterprint"]) window.removeEventListener(name, printing);
    else if (drawn > 0)
      draw(
        event.type === "afterprint" ? drawn : (box.closest(".pair")?.childElementCount ?? 1) > 1 ? halfSheet : sheet,
      );
  };
  for (const name of ["beforeprint", "afterprint"]) window.addEventListener(name, printing);
  return box;
}

export function figure<Row>(options: FigureOptions<Row>): HTMLElement {
  const { title, subtitle, alt, legend, chart, empty, note, table, isTable = false, sql = [] } = options;
  const id = options.id ?? (table === null ? slug(title) : table.name);
  const rows = table === null || table.rows.length === 0 ? null : table;
  const tools = [
    rows === null || isTable ? null : tableWithCsv({ ...rows, folded: true, label: title }),
    sql.length === 0
      ? null
      : folded(
          "sql",
          ["SQL", ` of ${title}`],
          sql.map((s) => statementBlock(statementTitle(s), s.sql)),
        ),
  ];
  const drawn = html`<figure class="report-figure" id=${id} aria-labelledby=${`${id}-title`}>
    <figcaption><span class="figure-title" id=${`${id}-title`} role="heading" aria-level="2">${title}</span>${anchor(id, title)}${
      subtitle === undefined ? null : html`<span class="figure-subtitle">${subtitle}</span>`
    }</figcaption>
    ${legend ?? null}
    ${
      chart !== null
        ? responsive(chart, alt)
        : rows !== null && isTable
          ? tableWithCsv({ ...rows, label: title })
          : html`<p class="empty">${empty ?? "Nothing to draw yet."}</p>`
    }
    ${note === undefined ? null : html`<p class="note-line">${note}</p>`}
    <div class="figure-tools">${tools}</div>
  </figure>` as HTMLElement;
  goToIfWanted(drawn);
  return drawn;
}

/** The mark beside a title that is a link to it; its sign is in the style, so that the title's text stays the title. */
export const anchor = (id: string, title: string): HTMLElement =>
  html`<a class="anchor" href=${`#${id}`} aria-label=${`Link to ${title}`}></a>` as HTMLElement;

/** Titles of figures under a heading of the page come a level below it. */
export function lowerTitles(part: ParentNode): void {
  for (const title of part.querySelectorAll(".figure-title")) title.setAttribute("aria-level", "3");
}

let hasMoved = false;

/**
 * A link to a part of a page that a script makes: the browser looks for it before it is there. It is marked, and brought
 * into view while the charts above it take their sizes, until the reader moves or nothing has changed its size for two
 * seconds. What is drawn anew after that stays where it is.
 */
export function goToIfWanted(part: HTMLElement): void {
  if (hasMoved || location.hash.length < 2 || location.hash.slice(1) !== part.id) return;
  part.classList.add("wanted");
  // The tab and the bookmark name what the link led to, until the reader goes on.
  const page = document.title;
  document.title = `${part.querySelector(".figure-title, h2")?.textContent ?? part.id} | ${page}`;
  const leave = (): void => {
    part.classList.remove("wanted");
    document.title = page;
  };
  window.addEventListener("hashchange", leave, { once: true });
  let still: ReturnType<typeof setTimeout> | undefined;
  const show = (): void => {
    if (part.isConnected) part.scrollIntoView();
    clearTimeout(still);
    if (!hasMoved) still = setTimeout(stop, 2000);
  };
  const observer = new ResizeObserver(show);
  observer.observe(document.body);
  const stop = (): void => {
    hasMoved = true;
    observer.disconnect();
  };
  for (const moved of ["wheel", "touchstart", "keydown", "pointerdown"])
    window.addEventListener(moved, stop, { once: true, passive: true });
  requestAnimationFrame(show);
}

/**
 * A part that opens on demand and is made when it first opens: most readers never ask. What every chart of a page has
 * says to those who hear it which chart it is of.
 */
function folded(
  className: string,
  [summary, of]: readonly [string, string],
  content: Iterable<Node> | (() => Iterable<Node>),
): HTMLDetailsElement {
  const spoken = of === "" ? null : html`<span class="only-spoken">${of}</span>`;
  const details =
    html`<details class=${className}><summary>${summary}${spoken}</summary></details>` as HTMLDetailsElement;
  let isMade = false;
  details.addEventListener("toggle", () => {
    if (isMade || !details.open) return;
    isMade = true;
    details.append(...(typeof content === "function" ? content() : content));
  });
  return details;
}

/**
 * A text that a spreadsheet would run as a formula gets an apostrophe before it, also where the text starts a new cell
 * for a spreadsheet that splits at semicolons or tabs; a number stays a number.
 */
const csvCell = (value: string | number | null): string => {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  const safe = /^[+-]?\d+(\.\d+)?$/.test(value)
    ? value
    : value.replace(/(^|[;\t\r\n|])(\s*[=+\-@\t\r＝＋－＠])/g, "$1'$2");
  return /[",;\t\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

const cellValue = <Row>(column: Column<Row>, row: Row): string | number | null => {
  if (column.value !== undefined) return column.value(row);
  const text = column.text(row);
  return typeof text === "string" ? text : text.textContent;
};

export function toCsv<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const lines = [
    columns.map(({ name }) => csvCell(name)),
    ...rows.map((row) => columns.map((c) => csvCell(cellValue(c, row)))),
  ];
  return `${lines.map((line) => line.join(",")).join("\r\n")}\r\n`;
}

/** With the mark by which spreadsheets know UTF-8: without it they show other letters for é and €. */
function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv;charset=utf-8" }));
  const link = html`<a href=${url} download=${`${name}.csv`}></a>` as HTMLAnchorElement;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

const compare = (a: string | number | null, b: string | number | null): number => {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en");
};

/**
 * The first column names the row, unless it counts; a long text gets the room to be read, a date stays on its line. Made without a
 * template: a list of accounts has thousands of cells.
 */
function cell(content: string | Node, isNumber: boolean, isFirst: boolean): Node {
  const made = document.createElement(isFirst && !isNumber ? "th" : "td");
  made.append(content);
  if (isNumber) made.className = "number";
  else if (isFirst) made.setAttribute("scope", "row");
  else {
    const { length } = made.textContent ?? "";
    made.className = length > 48 ? "long" : length <= 12 ? "word" : "";
  }
  return made;
}

function rowOf<Row>(columns: readonly Column<Row>[], row: Row): Node {
  const made = document.createElement("tr");
  made.append(...columns.map((column, i) => cell(column.text(row), column.isNumber === true, i === 0)));
  return made;
}

/** More rows than a reader scrolls through; others on demand, so many at a time: ten thousand at once would stop the browser. */
const atFirst = 300;
const more = 1000;
/** More rows than anybody reads on paper: style.css leaves out what comes after them, and the table says so. */
const onPaper = 40;

/**
 * A table that sorts by its headers, filters by text when long, and saves itself as CSV; works by keyboard alone. Filter
 * and order live in the address under the table's name. Folded, it is made when it is first opened.
 */
export function tableWithCsv<Row>(options: {
  /** Unique on the page; also the CSV's file name. */
  readonly name: string;
  readonly label: string;
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  readonly folded?: boolean;
  readonly search?: boolean;
}): HTMLElement {
  if (options.folded !== true) return html`<div class="data-table">${tableParts(options)}</div>` as HTMLElement;
  const details = folded("data-table", ["Numbers in this chart", `: ${options.label}`], () => tableParts(options));
  const wanted = new URLSearchParams(location.search);
  if (wanted.has(`${options.name}.q`) || wanted.has(`${options.name}.sort`)) details.open = true;
  return details;
}

function tableParts<Row>(options: {
  readonly name: string;
  readonly label: string;
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  readonly search?: boolean;
}): readonly Node[] {
  const { name, label, rows, columns, search = rows.length > 15 } = options;
  const words = addressState<string>(`${name}.q`, "");
  /** "column" ascending, "-column" descending, empty: as the rows came. */
  const order = addressState<string>(
    `${name}.sort`,
    "",
    columns.flatMap((column) => ["", column.name, `-${column.name}`]),
  );
  let most = atFirst;
  const body = html`<tbody></tbody>` as HTMLElement;
  const heads = columns.map((column) => {
    const button = html`<button type="button">${column.name}</button>` as HTMLButtonElement;
    button.onclick = () => {
      const [up, down] = [column.name, `-${column.name}`];
      const now = order.get();
      order.set(now === up ? down : now === down ? up : column.isNumber === true ? down : up);
    };
    return html`<th scope="col" class=${column.isNumber ? "number" : ""}>${button}<span class="on-paper">${column.name}</span></th>` as HTMLElement;
  });
  const rest = html`<button type="button" class="save" hidden></button>` as HTMLButtonElement;
  // A long table scrolls inside its frame: its length is said, so that nobody takes the first rows for all of them.
  const length = html`<span class="length"></span>` as HTMLElement;
  const said = chosen();
  const paper = html`<p class="on-paper"></p>` as HTMLElement;
  const fill = (): void => {
    const wanted = words.get().trim().toLowerCase();
    const shown = rows.filter(
      (row) =>
        wanted === "" ||
        columns.some((c) =>
          String(cellValue(c, row) ?? "")
            .toLowerCase()
            .includes(wanted),
        ),
    );
    const sorted = columns.find(
      ({ name: column }) => column === order.get().replace(/^-/, "") || column === order.get(),
    );
    const isDown = sorted !== undefined && order.get() === `-${sorted.name}`;
    if (sorted !== undefined)
      shown.sort((a, b) => compare(cellValue(sorted, a), cellValue(sorted, b)) * (isDown ? -1 : 1));
    for (const [i, th] of heads.entries()) {
      if (columns[i] === sorted) th.setAttribute("aria-sort", isDown ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    }
    const first = shown.slice(0, most);
    said.tell(
      wanted === ""
        ? ""
        : `Shown only rows that hold "${words.get().trim()}": ${count(shown.length)} of ${count(rows.length)}.`,
    );
    paper.textContent = [
      sorted === undefined ? "" : `In order of "${sorted.name}"${isDown ? ", falling" : ""}.`,
      shown.length > onPaper
        ? `Printed: the first ${count(onPaper)} of ${plural(shown.length, "row")}; the page has them all.`
        : "",
    ]
      .filter(Boolean)
      .join(" ");
    length.textContent =
      rows.length <= 12
        ? ""
        : wanted === ""
          ? plural(rows.length, "row")
          : `${count(shown.length)} of ${plural(rows.length, "row")}`;
    rest.hidden = first.length === shown.length;
    rest.textContent =
      shown.length <= most + more
        ? `Show all ${plural(shown.length, "row")}`
        : `Show ${count(more)} more of ${plural(shown.length, "row")}`;
    body.replaceChildren(
      ...(first.length === 0
        ? [html`<tr><td colspan=${columns.length}>No row matches.</td></tr>` as Node]
        : first.map((row) => rowOf(columns, row))),
    );
  };
  rest.onclick = () => {
    most += more;
    fill();
  };
  const filter =
    html`<input type="search" placeholder="Filter" aria-label=${`Filter ${label}`} value=${words.get()}>` as HTMLInputElement;
  let typed: ReturnType<typeof setTimeout> | undefined;
  filter.oninput = () => {
    clearTimeout(typed);
    typed = setTimeout(() => words.set(filter.value.trim()), 120);
  };
  const save =
    html`<button type="button" class="save">Save as CSV<span class="only-spoken">: ${label}</span></button>` as HTMLButtonElement;
  save.onclick = () => download(name, toCsv(rows, columns));
  let last: string | null = null;
  const refill = (): void => {
    const now = `${words.get()}\n${order.get()}`;
    if (now === last) return;
    last = now;
    fill();
  };
  words.listen(refill, body);
  refill();
  return [
    html`<div class="table-tools">${length}${search || words.get() !== "" ? filter : null}${rest}${save}</div>`,
    said.line,
    paper,
    html`<div class=${`table-scroll${rows.length <= 16 ? " short" : ""}`} role="group" tabindex="0" aria-label=${label}><table class=${columns.length > 9 ? "wide" : ""}>
      <caption><span class="only-spoken">${label}</span></caption>
      <thead><tr>${heads}</tr></thead>${body}
    </table></div>`,
  ];
}

/** Colour swatches with letters. */
export const legend = (
  items: readonly { readonly name: string; readonly letter?: string; readonly colour: string }[],
): HTMLElement =>
  html`<div class="legend">${items.map(
    ({ name, letter, colour }) =>
      html`<span class="key"><span class="swatch" style=${{ background: colour }} aria-hidden="true">${letter ?? ""}</span>${name}</span>`,
  )}</div>` as HTMLElement;

/** The SQL behind a number, folded, with a button that copies it. */
export const sqlBlock = (title: string, text: string): HTMLElement =>
  folded("sql", [title, ""], () => [statementBlock(title, text)]);

/** What a statement makes: its table and what a row of it stands for. */
export const statementTitle = ({ model, grain }: Statement): string =>
  `${model} (${grain === "one row" ? grain : `one row per ${grain}`})`;

function statementBlock(title: string, text: string): HTMLElement {
  const copy =
    html`<button type="button" class="save">Copy<span class="only-spoken"> ${title}</span></button>` as HTMLButtonElement;
  const said = html`<span class="length" role="status"></span>` as HTMLElement;
  copy.onclick = async () => {
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = "Copied";
    } catch {
      // A page opened over plain http from another machine has no clipboard: the text is selected instead.
      getSelection()?.selectAllChildren(code);
      said.textContent = "Selected: press Ctrl+C";
    }
    setTimeout(() => {
      said.textContent = "";
    }, 2500);
  };
  const code = html`<pre tabindex="0" aria-label=${title}><code>${text}</code></pre>` as HTMLElement;
  return html`<div class="statement"><div class="table-tools"><code class="model">${title}</code>${said}${copy}</div>${code}</div>` as HTMLElement;
}
