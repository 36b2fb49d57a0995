/** Which KPIs a book has: the library's, by id, and its own; checked against the catalogue of entities. */
import { existsSync, readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import type { Book } from "../config/book.ts";
import { entityIds, entityOf } from "../config/entities.ts";
import { type KpiDefinition, kpiSchema, measures } from "../config/kpi.ts";
import { nearest, type Path, type Problem, readYaml } from "../config/yaml.ts";
import { usageError } from "../lib/errors.ts";
import { projectRoot } from "../lib/files.ts";
import { deliveredEntities, kpiColumns } from "./columns.ts";
import { conditionProblem } from "./filter.ts";

export interface ResolvedKpis {
  readonly kpis: readonly KpiDefinition[];
  /** KPIs that the book asks for and cannot have, with the reason. */
  readonly off: readonly { readonly id: string; readonly why: string }[];
}

/** The measures that compile. */
const builtMeasures: readonly string[] = ["count", "sum", "distinct", "active_days", "days_since", "latest"];

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
    const fail = (problem: Problem): never => {
      throw inBook(book, { ...problem, path: ["kpis", i, ...problem.path] });
    };
    if (typeof entry === "string" && !known.includes(entry)) {
      const sentence = `found ${entry}, expected a definition or an id of the library: ${known.join(", ")}`;
      fail({ path: [], sentence, ...didYouMean(entry, known) });
    }
    const read = typeof entry === "string" ? await readLibraryKpi(entry) : readDefinition(entry);
    const kpi = "problem" in read ? fail(read.problem) : read;
    if (seen.has(kpi.id)) fail({ path: [], sentence: `found ${kpi.id} a second time, expected every id once` });
    seen.add(kpi.id);
    const problem = kpiProblem(kpi, book);
    if (problem !== undefined) fail(problem);
    const missing = kpi.needs.filter((entity) => !delivered.has(entity));
    if (missing.length === 0) kpis.push(kpi);
    else off.push({ id: kpi.id, why: `needs a source of entity ${missing.join(" and ")}` });
  }
  return { kpis, off };
}

/** A usage error at a key of the book's file: with the line, where the file is there to be read again. */
function inBook(book: Book, problem: Problem): Error {
  const shown = relative(book.folder, book.file);
  if (!existsSync(book.file))
    return usageError(`${shown}: ${keyText(problem.path)}: ${problem.sentence}`, problem.hint);
  const file = readYaml({ text: readFileSync(book.file, "utf8"), file: shown, schema: z.unknown() });
  return file.errorAt(problem.path, problem.sentence, problem.hint);
}

const keyText = (path: Path): string =>
  path.map((part, i) => (typeof part === "number" ? `[${part}]` : i === 0 ? part : `.${part}`)).join("");

/** A definition with its defaults; `where` starts the sentence of the usage error. */
export function parseKpi(value: unknown, where: string): KpiDefinition {
  const read = readDefinition(value);
  if (!("problem" in read)) return read;
  const { path, sentence, hint } = read.problem;
  throw usageError(`${[where, ...path].join(".")}: ${sentence}`, hint);
}

function readDefinition(value: unknown): KpiDefinition | { readonly problem: Problem } {
  const measure = (value as { measure?: unknown } | null)?.measure;
  if (isMeasure(measure) && !builtMeasures.includes(measure)) {
    const sentence = `found ${measure}, which this version of Assay does not compute yet, expected one of ${builtMeasures.join(", ")}`;
    return { problem: { path: ["measure"], sentence } };
  }
  const result = kpiSchema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues;
  // A misspelled key is also a missing one: the misspelling is what the user can act on.
  const issue = issues.find(({ code }) => code === "unrecognized_keys") ?? issues[0];
  return { problem: issueProblem(issue as z.core.$ZodIssue, value) };
}

const isMeasure = (value: unknown): value is string =>
  typeof value === "string" && (measures as readonly string[]).includes(value);

const didYouMean = (word: string, candidates: readonly string[]): { readonly hint?: string } => {
  const near = nearest(word, candidates);
  return near === undefined ? {} : { hint: `did you mean ${near}?` };
};

function issueProblem(issue: z.core.$ZodIssue, root: unknown): Problem {
  const path = issue.path as Path;
  let at: unknown = root;
  for (const key of path) at = (at as Record<PropertyKey, unknown> | null | undefined)?.[key];
  const found = at === undefined ? "nothing" : JSON.stringify(at);
  const expected = (right: string): Problem => ({ path, sentence: `found ${found}, expected ${right}` });
  switch (issue.code) {
    case "unrecognized_keys": {
      const unknown = issue.keys[0] as string;
      const keys = path.length === 0 ? Object.keys(kpiSchema.in.shape) : [];
      const right = keys.length === 0 ? "a key that the docs name" : `one of ${keys.join(", ")}`;
      return {
        path: [...path, unknown],
        sentence: `found an unknown key, expected ${right}`,
        ...didYouMean(unknown, keys),
      };
    }
    case "invalid_value": {
      const values = path[0] === "measure" ? [...builtMeasures] : issue.values.map(String);
      return { ...expected(`one of ${values.join(", ")}`), ...didYouMean(String(at), values) };
    }
    case "too_small":
      return expected(
        issue.origin === "array" || issue.origin === "string" ? "at least one" : `at least ${issue.minimum}`,
      );
    case "invalid_type":
      return expected(typeNames[issue.expected] ?? issue.expected);
    case "invalid_union":
      return expected(
        path[0] === "filter"
          ? "a value, a list of values, null, or { not, at_least, more_than, at_most, less_than }"
          : "a column, or { column, as }",
      );
    case "custom":
      return { path, sentence: `found ${found}, expected otherwise: ${issue.message}` };
    default:
      return expected(issue.message.replace(/^./, (letter) => letter.toLowerCase()));
  }
}

const typeNames: Readonly<Record<string, string>> = {
  string: "a text",
  int: "a whole number",
  number: "a number",
  record: "a mapping of keys",
  object: "a mapping of keys",
  array: "a list",
};

/** Names and types that only the catalogue of entities and the book know: the first that is wrong. */
function kpiProblem(kpi: KpiDefinition, book: Book): Problem | undefined {
  for (const [key, id] of [
    ...(kpi.entity === null ? [] : [["entity", kpi.entity]]),
    ...kpi.needs.map((need) => ["needs", need]),
  ] as [string, string][]) {
    if (!(entityIds as readonly string[]).includes(id)) {
      return {
        path: [key],
        sentence: `found ${id}, expected one of ${entityIds.join(", ")}`,
        ...didYouMean(id, entityIds),
      };
    }
  }
  if (kpi.entity === null) return undefined;
  const columns = kpiColumns(entityOf(kpi.entity), book);
  const names = [...columns.keys()];
  if (!columns.has("account_id")) {
    return { path: ["entity"], sentence: `found ${kpi.entity}, expected an entity that knows its account` };
  }
  const unknownColumn = (path: Path, name: string): Problem => ({
    path,
    sentence: `found ${name}, expected a column of ${kpi.entity}: ${names.join(", ")}`,
    ...didYouMean(name, names),
  });
  for (const [name, condition] of Object.entries(kpi.filter)) {
    const column = columns.get(name);
    if (column === undefined) return unknownColumn(["filter", name], name);
    const sentence = conditionProblem(column, condition);
    if (sentence !== undefined) return { path: ["filter", name], sentence };
  }
  if (kpi.value !== undefined) {
    const { column: name, as } = kpi.value;
    const column = columns.get(name);
    if (column === undefined) return unknownColumn(["value"], name);
    if (as === "length" && column.type !== "text") {
      return { path: ["value"], sentence: `found the length of ${name}, expected a text column: it is ${column.type}` };
    }
    const isNumber = ["integer", "number", "money", "boolean"].includes(column.type);
    if (as === "value" && kpi.measure !== "distinct" && !isNumber) {
      return { path: ["value"], sentence: `found ${name}, expected a column of numbers: it is ${column.type}` };
    }
  }
  return kpi.entity === "usage_event" ? usageProblem(kpi) : undefined;
}

/** Usage is read once, into roll-ups by account, day and event and by account, user and day: a KPI reads only those. */
function usageProblem(kpi: KpiDefinition): Problem | undefined {
  const filtered = Object.keys(kpi.filter);
  const value = kpi.value?.column;
  if (kpi.measure === "latest") {
    const right = "count, sum, distinct, active_days or days_since";
    return { path: ["measure"], sentence: `found latest of usage_event, expected ${right}` };
  }
  if (kpi.measure === "distinct" && value !== "user_id") {
    return { path: ["value"], sentence: `found ${value}, expected user_id: usage counts different users only` };
  }
  if (kpi.measure === "distinct" && filtered.length > 0) {
    const sentence = `found ${filtered.join(", ")}, expected no filter: different users are counted over all events`;
    return { path: ["filter"], sentence };
  }
  if (kpi.measure === "sum" && value !== "quantity") {
    return {
      path: ["value"],
      sentence: `found ${value}, expected quantity: the only number of usage that is rolled up`,
    };
  }
  const other = filtered.find((name) => name !== "event");
  return other === undefined
    ? undefined
    : {
        path: ["filter", other],
        sentence: `found ${other}, expected event: usage is rolled up by account, day and event`,
      };
}
