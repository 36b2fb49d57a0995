import { html } from "htl";
import { volumes } from "../charts/volumes.js";
import { type Column, figure, tableWithCsv } from "../figure.js";
import { count, daysBetween, missing, percent, plural, shortDate } from "../format.js";
import { paragraph, say } from "../prose.js";
import type { DataCheck, DataSource, Delivery, Note, Reject, Release, Statement } from "../rows.js";
import type { KpiQuality, SourceContract, SourceWeek } from "../rows-evidence.js";
import { dataSentence, sentenceOf } from "../sentences.js";
import { noteMarks } from "../sentences-bands.js";
import { qualitySentence, volumeSentence } from "../sentences-evidence.js";
import { caption, finding, section, sqlSection } from "./parts.js";

export interface DataData {
  readonly release: readonly Release[];
  readonly data_check: readonly DataCheck[];
  readonly data_source: readonly DataSource[];
  readonly delivery: readonly Delivery[];
  readonly kpi_quality: readonly KpiQuality[];
  readonly note: readonly Note[];
  readonly reject: readonly Reject[];
  readonly source_contract: readonly SourceContract[];
  readonly source_week: readonly SourceWeek[];
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
    ${section("Sources", sourceTable(data.data_source, data.source_contract, release), caption("Days behind: whole days between a source's last row and the day of the report. Expected within: what the book promises of it; where it is broken and the release was published all the same, a mark stands above."))}
    ${volumeFigure(data.source_week, data.note)}
    ${qualitySection(data.kpi_quality)}
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
    ${sqlSection(data.statement, ["marts.data_source", "marts.source_week", "marts.kpi_quality", "marts.kpi_week", "marts.data_check", "marts.reject", "marts.delivery"])}
  </div>` as HTMLElement;
}

/** What was off with a source when the release was published all the same. */
function markList(rows: readonly DataSource[]): HTMLElement | null {
  const marks = rows.flatMap(({ mark }) => (mark === null ? [] : [sentenceOf(mark)]));
  if (marks.length === 0) return null;
  return html`<ul class="notice" role="note">${marks.map((mark) => html`<li>${mark}</li>`)}</ul>` as HTMLElement;
}

/** Rows by week, one strip a source: where a feed stopped, doubled or thinned out. */
function volumeFigure(rows: readonly SourceWeek[], all: readonly Note[]): HTMLElement {
  const notes = noteMarks(all, rows.map(({ week }) => week).sort());
  return figure({
    id: "volume",
    title: "Rows by week",
    subtitle: "by the week that the rows speak of, each source on its own scale; triangle: a step up or down",
    alt: volumeSentence(rows)
      .map((part) => (typeof part === "string" ? part : part.fact))
      .join(""),
    chart: rows.length === 0 ? null : (width) => volumes(rows, { width, marks: notes.marks }),
    empty: "No source has a whole week of rows yet.",
    ...finding(volumeSentence(rows), notes.words),
    table: {
      name: "source-weeks",
      rows,
      columns: [
        { name: "Source", text: (r) => r.source },
        { name: "Week of", text: (r) => shortDate(r.week), value: (r) => r.week },
        { name: "Rows", text: (r) => count(r.n_rows), value: (r) => r.n_rows, isNumber: true },
        {
          name: "Usual",
          text: (r) => (r.usual_rows === null ? "not yet known" : count(r.usual_rows)),
          value: (r) => r.usual_rows,
          isNumber: true,
        },
        { name: "Step", text: (r) => r.step ?? "" },
      ],
    },
  });
}

/** How well the data of each KPI arrive. */
function qualitySection(rows: readonly KpiQuality[]): HTMLElement {
  const columns: readonly Column<KpiQuality>[] = [
    { name: "KPI", text: (r) => html`<a href=${`./kpis/${r.kpi}.html`}>${r.label}</a>`, value: (r) => r.label },
    {
      name: "Accounts with a value",
      text: (r) => percent(r.coverage_now),
      value: (r) => r.coverage_now,
      isNumber: true,
    },
    {
      name: "Lowest week",
      text: (r) =>
        r.coverage_lowest === null ? missing : `${percent(r.coverage_lowest)}, ${shortDate(r.lowest_week)}`,
      value: (r) => r.coverage_lowest,
      isNumber: true,
    },
    { name: "Last row", text: (r) => shortDate(r.last_on), value: (r) => r.last_on },
    {
      name: "Longest gap, days",
      text: (r) =>
        r.longest_gap_days === null
          ? missing
          : r.longest_gap_days === 0
            ? "0"
            : `${count(r.longest_gap_days)}, from ${shortDate(r.gap_from)}`,
      value: (r) => r.longest_gap_days,
      isNumber: true,
    },
    {
      name: "Steps in volume",
      text: (r) =>
        r.n_steps === null ? missing : r.n_steps === 0 ? "0" : `${count(r.n_steps)}, last ${shortDate(r.last_step)}`,
      value: (r) => r.n_steps,
      isNumber: true,
    },
  ];
  return section(
    "What feeds the KPIs",
    rows.length === 0 ? (html`<p class="empty">No KPI is switched on.</p>` as Node) : paragraph(qualitySentence(rows)),
    rows.length === 0
      ? null
      : tableWithCsv({ name: "kpi-quality", label: "How well the data of each KPI arrive", rows, columns }),
    caption("Coverage week by week stands on each KPI's page."),
  );
}

function sourceTable(rows: readonly DataSource[], contracts: readonly SourceContract[], release: Release): HTMLElement {
  const promised = new Map(contracts.map((c) => [c.source, c]));
  if (rows.length === 0) return html`<p class="empty">No file was delivered.</p>` as HTMLElement;
  const columns: readonly Column<DataSource>[] = [
    { name: "Source", text: (r) => r.source },
    { name: "Holds", text: (r) => r.entity.replaceAll("_", " ") },
    { name: "First row", text: (r) => shortDate(r.first_day), value: (r) => r.first_day },
    { name: "Last row", text: (r) => shortDate(r.last_day), value: (r) => r.last_day },
    {
      name: "Days behind",
      text: (r) => (r.last_day === null ? "no date" : count(Math.max(0, daysBetween(r.last_day, release.as_of) - 1))),
      value: (r) => (r.last_day === null ? null : daysBetween(r.last_day, release.as_of) - 1),
      isNumber: true,
    },
    {
      name: "Expected within",
      text: (r) => {
        const contract = promised.get(r.source);
        if (contract === undefined || contract.max_age === null) return "not promised";
        return `${contract.max_age}, else ${contract.on_stale === "refuse" ? "no release" : "a mark"}`;
      },
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
  { name: "Delivered", text: (r) => shortDate(r.delivered_on), value: (r) => r.delivered_on },
  { name: "First row", text: (r) => shortDate(r.first_day), value: (r) => r.first_day },
  { name: "Last row", text: (r) => shortDate(r.last_day), value: (r) => r.last_day },
  { name: "Rows read", text: (r) => count(r.rows_read), value: (r) => r.rows_read, isNumber: true },
  { name: "Set aside", text: (r) => count(r.rows_rejected), value: (r) => r.rows_rejected, isNumber: true },
  { name: "SHA-256", text: (r) => r.sha256_start },
];
