// Reads an Arrow artefact into plain rows: numbers, texts and ISO dates, as the JSON artefacts have them.

import { tableFromIPC } from "apache-arrow";

export function rowsOf<Row>(bytes: ArrayBuffer): readonly Row[] {
  const table = tableFromIPC(new Uint8Array(bytes));
  const names = table.schema.fields.map((field) => ({
    name: field.name,
    isDate: String(field.type).startsWith("Date"),
  }));
  return Array.from({ length: table.numRows }, (_, i) => {
    const row: Record<string, unknown> = {};
    for (const { name, isDate } of names) {
      const value = table.getChild(name)?.get(i) ?? null;
      row[name] = isDate && value !== null ? new Date(Number(value)).toISOString().slice(0, 10) : value;
    }
    return row as Row;
  });
}
