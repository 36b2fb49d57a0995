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
      /^[a-z_][a-z0-9_]*$/.test(node.name) && !reserved.has(node.name) ? node.name : quoteIdentifier(node.name),
    );
  }
}

/** Words that DuckDB or Trino would read as syntax where a name is meant. */
const reserved = new Set(
  (
    "all and any as asc at between by case cast check column constraint create cross cube current_date default delete desc describe " +
    "distinct drop else end escape except execute exists extract false fetch for from full function group grouping having in inner " +
    "insert intersect into is join lateral left like limit map natural not null offset on only or order outer pivot primary qualify " +
    "range recursive references right rollup row rows select set show snapshot some start summarize table then to trim true uescape " +
    "union unique unnest unpivot user using values when where window with old"
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
