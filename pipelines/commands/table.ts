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

/** RFC 4180, with a quote before anything that a spreadsheet would run as a formula. */
export function formatCsv(rows: readonly Readonly<Record<string, unknown>>[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const cell = (value: unknown): string => {
    if (value === null || value === undefined) return "";
    const text = String(value);
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [columns.map(cell), ...rows.map((row) => columns.map((name) => cell(row[name])))]
    .map((row) => row.join(","))
    .join("\n");
}

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
