// Reads an artefact that is stored by columns into rows: lists of accounts, where a text that repeats stands once.

type Cell = string | number | boolean | null;

export interface Columns {
  readonly rows: number;
  readonly columns: Readonly<
    Record<string, readonly Cell[] | { readonly of: readonly string[]; readonly at: readonly (number | null)[] }>
  >;
}

export function rowsOfColumns<Row>({ rows, columns }: Columns): readonly Row[] {
  const cells = Object.entries(columns).map(([name, column]) => {
    if (!("of" in column)) return [name, column] as const;
    return [name, column.at.map((place) => (place === null ? null : (column.of[place] as string)))] as const;
  });
  return Array.from(
    { length: rows },
    (_, i) => Object.fromEntries(cells.map(([name, column]) => [name, column[i] ?? null])) as Row,
  );
}
