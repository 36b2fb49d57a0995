import type { Book } from "../config/book.ts";
import { readModels } from "../models/header.ts";
import type { Node } from "../models/model.ts";
import { bookMarts } from "./book-marts.ts";

/** The aggregates that readers see, one `.sql` file a table in `sql/marts/`, and those made from the book's own files. */
export const martNodes = async (book?: Book): Promise<readonly Node[]> => [
  ...(await readModels("marts")),
  ...(await bookMarts(book)),
];
