// What stands around a chart: title, subtitle, the chart at the width there is, and its data as a table and as CSV.

import { html } from "htl";

export interface Column<Row> {
  readonly name: string;
  /** What the cell shows. */
  readonly text: (row: Row) => string | Node;
  /** What sorts and what the CSV holds; default: the text. */
  readonly value?: (row: Row) => string | number | null;
  readonly isNumber?: boolean;
}

export interface FigureOptions<Row> {
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
}

/** Draws at the width of its box and again whenever that changes. */
export function responsive(render: (width: number) => Node, alt: string): HTMLElement {
  const box = html`<div class="chart" role="img" aria-label=${alt}></div>` as HTMLElement;
  let drawn = 0;
  const observer = new ResizeObserver(([entry]) => {
    const width = Math.floor(entry?.contentRect.width ?? 0);
    if (width === 0 || width === drawn) return;
    drawn = width;
    // In the next frame: a chart drawn inside the notification would change sizes while they are being told.
    requestAnimationFrame(() => {
      const drawing = render(width) as Element;
      // The box speaks for the drawing; its parts have labels of their own that mean nothing without it.
      drawing.setAttribute("aria-hidden", "true");
      box.replaceChildren(drawing);
    });
  });
  observer.observe(box);
  return box;
}

export function figure<Row>(options: FigureOptions<Row>): HTMLElement {
  const { title, subtitle, alt, legend, chart, empty, note, table } = options;
  return html`<figure class="report-figure">
    <figcaption><span class="figure-title">${title}</span>${
      subtitle === undefined ? null : html`<span class="figure-subtitle">${subtitle}</span>`
    }</figcaption>
    ${legend ?? null}
    ${chart === null ? html`<p class="empty">${empty ?? "Nothing to draw yet."}</p>` : responsive(chart, alt)}
    ${note === undefined ? null : html`<p class="note-line">${note}</p>`}
    ${table === null || table.rows.length === 0 ? null : dataTable({ ...table, folded: true, label: title })}
  </figure>` as HTMLElement;
}

const csvCell = (value: string | number | null): string => {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  // A spreadsheet would run text that starts like a formula.
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
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

function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  const link = html`<a href=${url} download=${`${name}.csv`}></a>` as HTMLAnchorElement;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

const compare = (a: string | number | null, b: string | number | null): number => {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en");
};

/** A table that sorts by its headers, filters by text when long, and saves itself as CSV; works by keyboard alone. */
export function dataTable<Row>(options: {
  readonly name: string;
  readonly label: string;
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  readonly folded?: boolean;
  readonly search?: boolean;
}): HTMLElement {
  const { name, label, rows, columns, folded = false, search = rows.length > 15 } = options;
  let sorted: { readonly column: Column<Row>; readonly down: boolean } | null = null;
  let wanted = "";
  const body = html`<tbody></tbody>` as HTMLElement;
  const heads = columns.map((column) => {
    const button = html`<button type="button">${column.name}</button>` as HTMLButtonElement;
    const th = html`<th scope="col" class=${column.isNumber ? "number" : ""}>${button}</th>` as HTMLElement;
    button.onclick = () => {
      sorted = { column, down: sorted?.column === column ? !sorted.down : column.isNumber === true };
      for (const other of heads) other.removeAttribute("aria-sort");
      th.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
      fill();
    };
    return th;
  });
  const fill = (): void => {
    const shown = rows.filter(
      (row) =>
        wanted === "" ||
        columns.some((c) =>
          String(cellValue(c, row) ?? "")
            .toLowerCase()
            .includes(wanted),
        ),
    );
    if (sorted !== null) {
      const { column, down } = sorted;
      shown.sort((a, b) => compare(cellValue(column, a), cellValue(column, b)) * (down ? -1 : 1));
    }
    body.replaceChildren(
      ...(shown.length === 0
        ? [html`<tr><td colspan=${columns.length}>No row matches.</td></tr>` as Node]
        : shown.map(
            (row) =>
              html`<tr>${columns.map((c) => html`<td class=${c.isNumber ? "number" : ""}>${c.text(row)}</td>`)}</tr>` as Node,
          )),
    );
  };
  const filter = html`<input type="search" placeholder="Filter" aria-label=${`Filter ${label}`}>` as HTMLInputElement;
  filter.oninput = () => {
    wanted = filter.value.trim().toLowerCase();
    fill();
  };
  const save = html`<button type="button" class="save">Save as CSV</button>` as HTMLButtonElement;
  save.onclick = () => download(name, toCsv(rows, columns));
  // A long table scrolls inside its frame: its length is said, so that nobody takes the first rows for all of them.
  const length = rows.length > 12 ? html`<span class="length">${rows.length} rows</span>` : null;
  const content = html`<div class="table-tools">${length}${search ? filter : null}${save}</div>
    <div class="table-scroll" role="region" tabindex="0" aria-label=${label}><table>
      <thead><tr>${heads}</tr></thead>${body}
    </table></div>`;
  fill();
  return folded
    ? (html`<details class="data-table"><summary>Numbers in this chart</summary>${content}</details>` as HTMLElement)
    : (html`<div class="data-table">${content}</div>` as HTMLElement);
}

/** Colour swatches with letters. */
export const legend = (
  items: readonly { readonly name: string; readonly letter?: string; readonly colour: string }[],
): HTMLElement =>
  html`<div class="legend">${items.map(
    ({ name, letter, colour }) =>
      html`<span class="key"><span class="swatch" style=${{ background: colour }} aria-hidden="true">${letter ?? ""}</span>${name}</span>`,
  )}</div>` as HTMLElement;

/** SQL behind a number, folded, with a button that copies it. */
export function sqlBlock(title: string, text: string): HTMLElement {
  const copy = html`<button type="button" class="save">Copy</button>` as HTMLButtonElement;
  copy.onclick = async () => {
    await navigator.clipboard.writeText(text);
    copy.textContent = "Copied";
    setTimeout(() => {
      copy.textContent = "Copy";
    }, 1500);
  };
  return html`<details class="sql"><summary>${title}</summary><div class="table-tools">${copy}</div><pre tabindex="0" aria-label=${title}><code>${text}</code></pre></details>` as HTMLElement;
}
