import { html } from "htl";
import { type Column, tableWithCsv } from "../figure.js";
import { count, date, daysBetween, percent, plural } from "../format.js";
import { paragraph, say } from "../prose.js";
import type { DataCheck, DataSource, Delivery, Reject, Release, Statement } from "../rows.js";
import { dataSentence, sentenceOf } from "../sentences.js";
import { caption, section, sqlSection } from "./parts.js";

export interface DataData {
  readonly release: readonly Release[];
  readonly data_check: readonly DataCheck[];
  readonly data_source: readonly DataSource[];
  readonly delivery: readonly Delivery[];
  readonly reject: readonly Reject[];
  readonly statement: readonly Statement[];
}

/** What arrived, what was set aside and why, and what looks odd in it. */
export function dataPage(data: DataData, today: Date): HTMLElement {
  const release = data.release[0] as Release;
  const read = data.data_source.reduce((sum, s) => sum + s.rows_read, 0);
  const rejected = data.data_source.reduce((sum, s) => sum + s.rows_rejected, 0);
  const files = data.data_source.reduce((sum, s) => sum + s.n_deliveries, 0);
  const odd = data.data_check.filter(({ n_rows }) => n_rows > 0);
  return html`<div class="report">
    ${paragraph(dataSentence(data.data_source, release, today), "lede")}
    ${paragraph(say`${plural(files, "file")} from ${plural(data.data_source.length, "source")} were read, ${plural(read, "row")} in all; ${count(rejected)} (${percent(read === 0 ? 0 : rejected / read)}) were set aside with a reason.`)}
    ${paragraph(
      data.data_check.length === 0
        ? say`No checks on the exports ran in this release.`
        : say`${count(odd.length)} of ${plural(data.data_check.length, "check")} on the exports found something odd; the rows stay in and are counted below.`,
    )}
    ${markList(data.data_source)}
    ${section("Sources", sourceTable(data.data_source, release))}
    ${section(
      "Checks",
      data.data_check.length === 0
        ? (html`<p class="empty">No checks ran.</p>` as Node)
        : tableWithCsv({
            name: "data-checks",
            label: "Checks on the exports",
            rows: data.data_check,
            columns: checkColumns,
          }),
      caption("Examples with their ids stay in the warehouse: validation.data_check."),
    )}
    ${section(
      "Rows set aside",
      data.reject.length === 0
        ? (html`<p class="empty">Every row of every file could be read.</p>` as Node)
        : tableWithCsv({
            name: "rejects",
            label: "Rows set aside by reason",
            rows: data.reject,
            columns: rejectColumns,
          }),
      caption("A row is set aside when a required value cannot be read. Values stay in the warehouse: meta.reject."),
    )}
    ${section("Files", data.delivery.length === 0 ? (html`<p class="empty">No file was delivered.</p>` as Node) : tableWithCsv({ name: "deliveries", label: "Delivered files", rows: data.delivery, columns: deliveryColumns, search: true }))}
    ${sqlSection(data.statement, ["marts.data_source", "marts.data_check", "marts.reject", "marts.delivery"])}
  </div>` as HTMLElement;
}

/** What was off with a source when the release was published all the same. */
function markList(rows: readonly DataSource[]): HTMLElement | null {
  const marks = rows.flatMap(({ mark }) => (mark === null ? [] : [sentenceOf(mark)]));
  if (marks.length === 0) return null;
  return html`<ul class="notice" role="note">${marks.map((mark) => html`<li>${mark}</li>`)}</ul>` as HTMLElement;
}

function sourceTable(rows: readonly DataSource[], release: Release): HTMLElement {
  if (rows.length === 0) return html`<p class="empty">No file was delivered.</p>` as HTMLElement;
  const columns: readonly Column<DataSource>[] = [
    { name: "Source", text: (r) => r.source },
    { name: "Holds", text: (r) => r.entity.replaceAll("_", " ") },
    { name: "First row", text: (r) => date(r.first_day), value: (r) => r.first_day },
    { name: "Last row", text: (r) => date(r.last_day), value: (r) => r.last_day },
    {
      name: "Days behind",
      text: (r) => (r.last_day === null ? "no date" : count(Math.max(0, daysBetween(r.last_day, release.as_of) - 1))),
      value: (r) => (r.last_day === null ? null : daysBetween(r.last_day, release.as_of) - 1),
      isNumber: true,
    },
    { name: "In the KPIs", text: (r) => (r.is_read ? "yes" : "no") },
    { name: "Files", text: (r) => count(r.n_deliveries), value: (r) => r.n_deliveries, isNumber: true },
    { name: "Rows read", text: (r) => count(r.rows_read), value: (r) => r.rows_read, isNumber: true },
    { name: "Set aside", text: (r) => count(r.rows_rejected), value: (r) => r.rows_rejected, isNumber: true },
  ];
  return tableWithCsv({ name: "sources", label: "Sources", rows, columns });
}

const checkColumns: readonly Column<DataCheck>[] = [
  { name: "Check", text: (r) => r.what },
  { name: "Rows", text: (r) => count(r.n_rows), value: (r) => r.n_rows, isNumber: true },
];

const rejectColumns: readonly Column<Reject>[] = [
  { name: "Source", text: (r) => r.source },
  { name: "Column", text: (r) => r.column_name },
  { name: "Reason", text: (r) => r.reason },
  { name: "Lines", text: (r) => count(r.n_lines), value: (r) => r.n_lines, isNumber: true },
  { name: "Files", text: (r) => count(r.n_files), value: (r) => r.n_files, isNumber: true },
];

const deliveryColumns: readonly Column<Delivery>[] = [
  { name: "File", text: (r) => r.file },
  { name: "Source", text: (r) => r.source },
  { name: "Delivered", text: (r) => date(r.delivered_on), value: (r) => r.delivered_on },
  { name: "First row", text: (r) => date(r.first_day), value: (r) => r.first_day },
  { name: "Last row", text: (r) => date(r.last_day), value: (r) => r.last_day },
  { name: "Rows read", text: (r) => count(r.rows_read), value: (r) => r.rows_read, isNumber: true },
  { name: "Set aside", text: (r) => count(r.rows_rejected), value: (r) => r.rows_rejected, isNumber: true },
  { name: "SHA-256", text: (r) => r.sha256_start },
];
