import { csvText } from "../lib/csv.ts";

/**
 * Rows as columns of aligned text; numbers to the right, their decimal points below each other, null as an empty cell. Where the table
 * is wider than `width`, words of heads and texts go on to a second line, in the widest column first; no number is broken.
 */
export function formatTable(
  rows: readonly Readonly<Record<string, unknown>>[],
  names?: readonly string[],
  width = Number.POSITIVE_INFINITY,
): string {
  const columns = names ?? Object.keys(rows[0] ?? {});
  const decimals = columns.map((name) => Math.max(0, ...rows.map((row) => decimalsOf(row[name]))));
  const cells = rows.map((row) =>
    columns.map((name, i) => {
      const missing = typeof row[name] === "number" ? (decimals[i] as number) - decimalsOf(row[name]) : 0;
      return formatCell(row[name]) + " ".repeat(missing);
    }),
  );
  const isNumber = columns.map((name) => rows.some((r) => typeof r[name] === "number"));
  const widths = fitted(columns, cells, isNumber, width);
  const line = (row: readonly string[]): string =>
    row
      .map((text, i) => (isNumber[i] ? text.padStart(widths[i] as number) : text.padEnd(widths[i] as number)))
      .join("  ")
      .trimEnd();
  const lines = (row: readonly string[]): readonly string[] => {
    const parts = row.map((text, i) =>
      text.length <= (widths[i] as number) ? [text] : wrap(text, widths[i] as number, "").split("\n"),
    );
    return Array.from({ length: Math.max(...parts.map((part) => part.length)) }, (_, nth) =>
      line(parts.map((part) => part[nth] ?? "")),
    );
  };
  return [...lines(columns), line(widths.map((of) => "-".repeat(of))), ...cells.flatMap(lines)].join("\n");
}

/** Column widths that fit, as far as words allow: the widest column gives first. */
function fitted(
  columns: readonly string[],
  cells: readonly (readonly string[])[],
  isNumber: readonly boolean[],
  width: number,
): readonly number[] {
  const longest = (texts: readonly string[]): number => Math.max(0, ...texts.map((text) => text.length));
  const widths = columns.map((name, i) => longest([name, ...cells.map((row) => row[i] as string)]));
  const least = columns.map((name, i) =>
    longest([
      ...name.split(" "),
      ...cells.flatMap((row) => (isNumber[i] ? [row[i] as string] : (row[i] as string).split(" "))),
    ]),
  );
  let over = widths.reduce((sum, of) => sum + of + 2, -2) - width;
  for (; over > 0 && over !== Number.POSITIVE_INFINITY; over--) {
    const spare = widths.map((of, i) => (of > (least[i] as number) ? of : 0));
    const widest = spare.indexOf(Math.max(...spare));
    if (spare[widest] === 0) break;
    widths[widest] = (widths[widest] as number) - 1;
  }
  return widths;
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
