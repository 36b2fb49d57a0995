import {
  type Compilable,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
} from "kysely";
import { literal, quoteIdentifier, type SqlValue } from "./literal.ts";

/** Postgres text with values written in place: DuckDB runs it, Trino parses it. */
class LiteralQueryCompiler extends PostgresQueryCompiler {
  protected override appendValue(value: unknown): void {
    this.append(literal(value as SqlValue));
  }
  protected override appendImmediateValue(value: unknown): void {
    this.append(literal(value as SqlValue));
  }
  protected override visitIdentifier(node: { readonly name: string }): void {
    this.append(
      /^[a-z_][a-z0-9_]*$/.test(node.name) && !reservedWords.has(node.name) ? node.name : quoteIdentifier(node.name),
    );
  }
}

/** Words that DuckDB or Trino would read as syntax where a name is meant. */
export const reservedWords: ReadonlySet<string> = new Set(
  (
    "all analyse analyze and anti any array as asc asof asymmetric at authorization between binary both by case cast check " +
    "collate collation column columns concurrently constraint create cross cube current_date default deferrable delete desc " +
    "describe distinct do drop else end escape except execute exists extract false fetch for foreign freeze from full " +
    "function generated glob group grouping having ilike in initially inner insert intersect into is isnull join lambda " +
    "lateral leading left like limit map natural not notnull null offset old on only or order outer overlaps pivot " +
    "pivot_longer pivot_wider placing positional primary qualify range recursive references returning right rollup row rows " +
    "select semi set show similar snapshot some start struct summarize symmetric table tablesample then to trailing trim " +
    "true try_cast uescape union unique unnest unpack unpivot user using values variadic verbose when where window with"
  ).split(" "),
);

// biome-ignore lint/suspicious/noExplicitAny: tables differ from book to book, so the builder has no fixed schema.
type AnyTables = any;

/** Builds statements; it has no connection and cannot run them. */
export const builder = new Kysely<AnyTables>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new LiteralQueryCompiler(),
  },
});

/** The text of a built statement, without parameters. */
export function compile(query: Compilable): string {
  const { sql, parameters } = query.compile();
  if (parameters.length > 0) throw new Error(`compiled SQL still has ${parameters.length} parameters`);
  return sql;
}
