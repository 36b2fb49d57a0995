import { csvText } from "../lib/csv.ts";

/** Rows as columns of aligned text; numbers to the right, their decimal points below each other, null as an empty cell. */
export function formatTable(rows: readonly Readonly<Record<string, unknown>>[], names?: readonly string[]): string {
  const columns = names ?? Object.keys(rows[0] ?? {});
  const decimals = columns.map((name) => Math.max(0, ...rows.map((row) => decimalsOf(row[name]))));
  const cells = rows.map((row) =>
    columns.map((name, i) => {
      const missing = typeof row[name] === "number" ? (decimals[i] as number) - decimalsOf(row[name]) : 0;
      return formatCell(row[name]) + " ".repeat(missing);
    }),
  );
  const widths = columns.map((name, i) => Math.max(name.length, ...cells.map((row) => (row[i] as string).length)));
  const isNumber = columns.map((name) => rows.some((r) => typeof r[name] === "number"));
  const line = (row: readonly string[]): string =>
    row
      .map((text, i) => (isNumber[i] ? text.padStart(widths[i] as number) : text.padEnd(widths[i] as number)))
      .join("  ")
      .trimEnd();
  return [line(columns), line(widths.map((width) => "-".repeat(width))), ...cells.map(line)].join("\n");
}

/** Characters from the decimal point on: of 1.25 three, of 12 none. */
const decimalsOf = (value: unknown): number =>
  typeof value === "number" ? (/\.\d+$/.exec(String(value))?.[0].length ?? 0) : 0;

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
