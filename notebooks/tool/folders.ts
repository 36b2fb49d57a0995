import { dirname } from "node:path";

/** Where the notebooks lie, with their packages and the results of their cells. */
export const notebooksFolder: string = dirname(import.meta.dirname);
