type CsvCell = string | number | bigint | boolean | null | undefined | object;

/**
 * RFC 4180 with LF: a header and one line a row, columns as given. Null is an empty cell. A text that a spreadsheet would run
 * as a formula gets an apostrophe before it, and so does one that already has such apostrophes: taking one off gives the text back. A number
 * is a number.
 */
export function csvText(columns: readonly string[], rows: readonly Readonly<Record<string, unknown>>[]): string {
  const lines = rows.map((row) => columns.map((name) => cellText(row[name] as CsvCell)));
  return [columns.map(cellText), ...lines].map((line) => `${line.join(",")}\n`).join("");
}

function cellText(value: CsvCell): string {
  if (value === null || value === undefined) return "";
  const text = String(value);
  const safe = typeof value === "string" && /^'*[=+\-@\t\r\n]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
