import { csvText } from "../lib/csv.ts";

/** Rows as columns of aligned text; numbers to the right, null as an empty cell. */
export function formatTable(rows: readonly Readonly<Record<string, unknown>>[], names?: readonly string[]): string {
  const columns = names ?? Object.keys(rows[0] ?? {});
  const cells = rows.map((row) => columns.map((name) => formatCell(row[name])));
  const widths = columns.map((name, i) => Math.max(name.length, ...cells.map((row) => (row[i] as string).length)));
  const isNumber = columns.map((name) => rows.some((r) => typeof r[name] === "number"));
  const line = (row: readonly string[]): string =>
    row
      .map((text, i) => (isNumber[i] ? text.padStart(widths[i] as number) : text.padEnd(widths[i] as number)))
      .join("  ")
      .trimEnd();
  return [line(columns), line(widths.map((width) => "-".repeat(width))), ...cells.map(line)].join("\n");
}

function formatCell(value: unknown): string {
  if (value === null || value === undefined) return "";
  return Array.isArray(value) ? JSON.stringify(value) : String(value).replaceAll(/[\r\n\t]+/g, " ");
}

/** Rows as CSV; see {@link csvText}. */
export const formatCsv = (rows: readonly Readonly<Record<string, unknown>>[]): string =>
  csvText(Object.keys(rows[0] ?? {}), rows);

/** Breaks a sentence into lines of at most `width` characters, each after the first behind `indent`. */
export function wrap(text: string, width: number, indent: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line.length > 0 && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line.length === 0 ? word : `${line} ${word}`;
  }
  return [...lines, line].join(`\n${indent}`);
}
