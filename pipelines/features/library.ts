/** Which KPIs a book has: the library's, by id, and its own; checked against the catalogue of entities. */
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { parse } from "yaml";
import type { z } from "zod";
import type { Book } from "../config/book.ts";
import { entityIds, entityOf } from "../config/entities.ts";
import { builtMeasures, type KpiDefinition, kpiSchema, measures } from "../config/kpi.ts";
import { nearest } from "../config/yaml.ts";
import { usageError } from "../lib/errors.ts";
import { projectRoot } from "../lib/files.ts";
import { deliveredEntities, kpiColumns } from "./columns.ts";
import { conditionProblem } from "./filter.ts";

export interface ResolvedKpis {
  readonly kpis: readonly KpiDefinition[];
  /** KPIs that the book asks for and cannot have, with the reason. */
  readonly off: readonly { readonly id: string; readonly why: string }[];
}

const libraryFolder = join(projectRoot, "sql", "kpis");

/** The ids of the library, sorted. */
export async function libraryIds(folder: string = libraryFolder): Promise<readonly string[]> {
  const files = await readdir(folder);
  return files
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => file.slice(0, -".yaml".length))
    .sort();
}

/** One definition of the library. */
export async function readLibraryKpi(id: string, folder: string = libraryFolder): Promise<KpiDefinition> {
  const file = join(folder, `${id}.yaml`);
  const where = relative(projectRoot, file);
  const kpi = parseKpi(parse(await readFile(file, "utf8")), where);
  if (kpi.id !== id) throw usageError(`${where}: id: found ${kpi.id}, expected the name of the file, ${id}`);
  return kpi;
}

/** Every definition of the library, by id. */
export const readLibrary = async (folder: string = libraryFolder): Promise<readonly KpiDefinition[]> =>
  Promise.all((await libraryIds(folder)).map((id) => readLibraryKpi(id, folder)));

/**
 * The book's KPIs in the order in which it lists them. A definition written in the book wins over the library's with the
 * same id. Mistakes are usage errors; a KPI whose entity no source of the book delivers is off.
 */
export async function resolveKpis(book: Book): Promise<ResolvedKpis> {
  const known = await libraryIds();
  const delivered = deliveredEntities(book);
  const kpis: KpiDefinition[] = [];
  const off: { id: string; why: string }[] = [];
  const seen = new Set<string>();
  for (const [i, entry] of book.kpis.entries()) {
    const where = `${relative(book.folder, book.file)}: kpis[${i}]`;
    if (typeof entry === "string" && !known.includes(entry)) {
      const near = nearest(entry, known);
      throw usageError(
        `${where}: found ${entry}, expected an id of the library or a definition; the library has ${known.join(", ")}`,
        near === undefined ? undefined : `did you mean ${near}?`,
      );
    }
    const kpi = typeof entry === "string" ? await readLibraryKpi(entry) : parseKpi(entry, where);
    if (seen.has(kpi.id)) throw usageError(`${where}: found ${kpi.id} a second time, expected every id once`);
    seen.add(kpi.id);
    checkKpi(kpi, book, typeof entry === "string" ? `sql/kpis/${kpi.id}.yaml` : where);
    const missing = kpi.needs.filter((entity) => !delivered.has(entity));
    if (missing.length === 0) kpis.push(kpi);
    else off.push({ id: kpi.id, why: `needs a source of entity ${missing.join(" and ")}` });
  }
  return { kpis, off };
}

/** A definition with its defaults; `where` starts the sentence of an error. */
export function parseKpi(value: unknown, where: string): KpiDefinition {
  const measure = (value as { measure?: unknown } | null)?.measure;
  if (
    typeof measure === "string" &&
    (measures as readonly string[]).includes(measure) &&
    !(builtMeasures as readonly string[]).includes(measure)
  ) {
    throw usageError(
      `${where}.measure: found ${measure}, which this version of Assay does not compute yet; expected one of ${builtMeasures.join(", ")}`,
    );
  }
  const result = kpiSchema.safeParse(value);
  if (result.success) return result.data;
  throw usageError(issueSentence(result.error.issues[0] as z.core.$ZodIssue, value, where));
}

function issueSentence(issue: z.core.$ZodIssue, root: unknown, where: string): string {
  const found = (path: readonly PropertyKey[]): string => {
    let at: unknown = root;
    for (const key of path) at = (at as Record<PropertyKey, unknown> | null | undefined)?.[key];
    return at === undefined ? "nothing" : JSON.stringify(at);
  };
  const key = (path: readonly PropertyKey[]): string => [where, ...path.map(String)].join(".");
  switch (issue.code) {
    case "unrecognized_keys": {
      const unknown = issue.keys[0] as string;
      const allowed = issue.path.length === 0 ? Object.keys(kpiSchema.in.shape) : [];
      const near = nearest(unknown, allowed);
      const hint = near === undefined ? "" : `; did you mean ${near}?`;
      return `${key([...issue.path, unknown])}: found an unknown key, expected only keys of a KPI definition${hint}`;
    }
    case "invalid_value":
      return `${key(issue.path)}: found ${found(issue.path)}, expected one of ${issue.values.map(String).join(", ")}`;
    case "invalid_type":
      return `${key(issue.path)}: found ${found(issue.path)}, expected ${article(issue.expected)}`;
    case "invalid_union":
      return `${key(issue.path)}: found ${found(issue.path)}, expected a value, a list of values, null or { not, at_least, more_than, at_most, less_than }`;
    case "custom":
      return `${key(issue.path)}: ${issue.message}, found ${found(issue.path)}`;
    default:
      return `${key(issue.path)}: found ${found(issue.path)}, expected ${issue.message.replace(/^./, (c) => c.toLowerCase())}`;
  }
}

const article = (type: string): string =>
  ({ string: "a text", int: "a whole number", number: "a number", record: "a mapping", object: "a mapping" })[type] ??
  type;

/** Names and types that only the catalogue and the book know. */
function checkKpi(kpi: KpiDefinition, book: Book, where: string): void {
  const fail = (key: string, sentence: string, near?: string): never => {
    throw usageError(`${where}.${key}: ${sentence}`, near === undefined ? undefined : `did you mean ${near}?`);
  };
  for (const [key, id] of [["entity", kpi.entity] as const, ...kpi.needs.map((need) => ["needs", need] as const)]) {
    if (!entityIds.includes(id)) {
      fail(key, `found ${id}, expected one of ${entityIds.join(", ")}`, nearest(id, entityIds));
    }
  }
  const columns = kpiColumns(entityOf(kpi.entity), book);
  const names = [...columns.keys()];
  if (!names.includes("account_id")) fail("entity", `found ${kpi.entity}, expected an entity that knows its account`);
  for (const [name, condition] of Object.entries(kpi.filter)) {
    const column = columns.get(name);
    if (column === undefined) {
      fail("filter", `found ${name}, expected a column of ${kpi.entity}: ${names.join(", ")}`, nearest(name, names));
    } else {
      const problem = conditionProblem(column, condition);
      if (problem !== undefined) fail(`filter.${name}`, problem);
    }
  }
  const { value } = kpi;
  if (value !== undefined) {
    const column = columns.get(value.column);
    if (column === undefined) {
      fail(
        "value",
        `found ${value.column}, expected a column of ${kpi.entity}: ${names.join(", ")}`,
        nearest(value.column, names),
      );
    } else if (kpi.measure !== "distinct") {
      const numeric =
        value.as === "length"
          ? column.type === "text"
          : ["integer", "number", "money", "boolean"].includes(column.type);
      if (!numeric) {
        fail(
          "value",
          value.as === "length"
            ? `found ${value.column} as length, expected a text column: it is ${column.type}`
            : `found ${value.column}, expected a column of numbers: it is ${column.type}`,
        );
      }
    }
  }
  if (kpi.entity === "usage_event") checkUsage(kpi, fail);
}

/** Usage is read once, into roll-ups by account, day and event and by account, user and day: a KPI reads only those. */
function checkUsage(kpi: KpiDefinition, fail: (key: string, sentence: string) => never): void {
  const filtered = Object.keys(kpi.filter);
  if (kpi.measure === "latest")
    fail("measure", "found latest of usage_event, expected count, sum, distinct, active_days or days_since");
  if (kpi.measure === "distinct") {
    if (kpi.value?.column !== "user_id")
      fail("value", `found ${kpi.value?.column}, expected user_id: usage counts different users only`);
    if (filtered.length > 0)
      fail("filter", `found ${filtered.join(", ")}, expected no filter: different users are counted over all events`);
  }
  if (kpi.measure === "sum" && kpi.value?.column !== "quantity") {
    fail("value", `found ${kpi.value?.column}, expected quantity: the only number of usage_event that is rolled up`);
  }
  const other = filtered.find((name) => name !== "event");
  if (other !== undefined)
    fail("filter", `found ${other}, expected event: usage is rolled up by account, day and event`);
}
