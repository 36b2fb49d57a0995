import type { Book } from "../config/book.ts";
import { entities } from "../config/entities.ts";
import { deliveredEntities } from "../features/columns.ts";

/** The book with a source of every entity: a KPI can be shown and tested before its export is there. */
export function withEverySource(book: Book): Book {
  const delivered = deliveredEntities(book);
  const [any] = Object.values(book.sources);
  const more = [...entities.keys()]
    .filter((entity) => !delivered.has(entity))
    .map((entity) => [`every_${entity}`, { ...any, entity, columns: {} }]);
  return { ...book, sources: { ...book.sources, ...Object.fromEntries(more) } };
}
