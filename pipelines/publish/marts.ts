import { readModels } from "../models/header.ts";
import type { Node } from "../models/model.ts";

/** The aggregates that readers see, one `.sql` file a table in `sql/marts/`. */
export const martNodes = (): Promise<readonly Node[]> => readModels("marts");
