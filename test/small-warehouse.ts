/** Spine and features over rows written by hand. */

import { build, type GivenParams, type GivenTables, openGiven, rollUpGiven } from "../pipelines/commands/given-rows.ts";
import { type Book, bookSchema } from "../pipelines/config/book.ts";
import { entities } from "../pipelines/config/entities.ts";
import type { KpiDefinition } from "../pipelines/config/kpi.ts";
import { featureNodes } from "../pipelines/features/compile.ts";
import { usageRollUp } from "../pipelines/features/usage-filter.ts";
import { readModels } from "../pipelines/models/header.ts";
import type { Database } from "../pipelines/warehouse/database.ts";

export {
  build,
  defaultParams,
  type GivenParams,
  type GivenTables,
  givenColumns,
  openGiven,
} from "../pipelines/commands/given-rows.ts";

/** Spine and features over given rows: roll-ups, or single events in staging.usage_event, which are rolled up. */
export async function buildFeatures(
  given: GivenTables,
  kpis: readonly KpiDefinition[],
  params: GivenParams = {},
  book: Book = smallBook(),
  inputs: readonly KpiDefinition[] = [],
): Promise<Database> {
  const usage = usageRollUp([...kpis, ...inputs]);
  const database = await openGiven(given, params, book, usage);
  await rollUpGiven(database, usage);
  await build(database, [...(await readModels("spine")), ...featureNodes(kpis, book, inputs)]);
  return database;
}

/** A book that delivers every entity, without extras. */
export function smallBook(more: Readonly<Record<string, unknown>> = {}): Book {
  const fields = bookSchema.parse({
    book: "small",
    sources: Object.fromEntries([...entities.keys()].map((entity) => [entity, { entity, files: `${entity}.csv` }])),
    kpis: ["logins_28d"],
    ...more,
  });
  return { ...fields, folder: "/books/small", file: "/books/small/assay.yaml", config_sha256: "" };
}
