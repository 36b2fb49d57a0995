/** Which KPIs a book has: the library's, by id, and its own; checked against the catalogue of entities. */
import { existsSync, readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import type { Book } from "../config/book.ts";
import { entities, entityIds, entityOf } from "../config/entities.ts";
import { kpisOf, parseExpression } from "../config/expression.ts";
import { definitionKeys, innerKeys, type KpiDefinition, kpiSchema, referencesOf } from "../config/kpi.ts";
import { nearest, type Path, type Problem, readYaml } from "../config/yaml.ts";
import { usageError } from "../lib/errors.ts";
import { projectRoot } from "../lib/files.ts";
import { deliveredEntities, type KpiColumn, kpiColumns } from "./columns.ts";
import { conditionProblem } from "./filter.ts";
import { innerOf } from "./parts.ts";
import { readsUsers } from "./usage-filter.ts";
import { useCounts } from "./use.ts";
import { userColumns } from "./user-state.ts";

export interface ResolvedKpis {
  /** The book's, in its order. */
  readonly kpis: readonly KpiDefinition[];
  /** What one of `kpis`, or the verdict on it, reads and the book does not list: computed, and nothing else. */
  readonly inputs: readonly KpiDefinition[];
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
 * same id. Mistakes are usage errors. A KPI whose entity no source of the book delivers is off, and so is one that reads it.
 */
export async function resolveKpis(book: Book): Promise<ResolvedKpis> {
  const library = await libraryIds();
  const delivered = deliveredEntities(book);
  const listed = new Map<string, Listed>();
  for (const [i, entry] of book.kpis.entries()) {
    const fail = (problem: Problem): never => {
      throw inBook(book, { ...problem, path: ["kpis", i, ...problem.path] });
    };
    if (typeof entry === "string" && !library.includes(entry)) {
      const sentence = `found ${entry}, expected an id of the library (npx assay kpis lists them) or a definition`;
      fail({ path: [], sentence, ...didYouMean(entry, library) });
    }
    const read = typeof entry === "string" ? await readLibraryKpi(entry) : readDefinition(entry);
    const kpi = "problem" in read ? fail(read.problem) : read;
    if (listed.has(kpi.id)) fail({ path: [], sentence: `found ${kpi.id} a second time, expected every id once` });
    const problem = kpiProblem(kpi, book);
    if (problem !== undefined) fail(problem);
    listed.set(kpi.id, { kpi, fail });
  }

  const hasDaysOnly = !Object.values(book.sources).some(({ entity }) => entity === "usage_event");
  const inputs = new Map<string, KpiDefinition>();
  const known = [...new Set([...listed.keys(), ...library])];
  const off = new Map<string, string>();
  const settled = new Map<string, KpiDefinition>();
  /** `trail`: the KPIs on the way here, of which the first is `from`, the one that the book lists. */
  const settle = async (kpi: KpiDefinition, trail: readonly string[], from: Listed): Promise<void> => {
    if (settled.has(kpi.id) || off.has(kpi.id)) return;
    const needs = new Set(kpi.needs);
    let why: string | undefined;
    for (const { id, path, sentence } of placesOf(kpi)) {
      const way = [...trail, id];
      if (trail.includes(id)) {
        const circle = way.slice(way.indexOf(id)).join(" reads ");
        from.fail({ path: trail.length === 1 ? path : [], sentence: `found a circle, ${circle}, expected none` });
      }
      if (!known.includes(id)) {
        from.fail({
          path: trail.length === 1 ? path : [],
          sentence: `${sentence}, expected the id of a KPI of the book or of the library`,
          ...didYouMean(id, known),
        });
      }
      const own = listed.get(id);
      const input = own?.kpi ?? (await readLibraryKpi(id));
      await settle(input, way, own ?? from);
      for (const need of settled.get(id)?.needs ?? []) needs.add(need);
      if (off.has(id)) why ??= `reads ${id}, which ${off.get(id)}`;
      else if (own === undefined) inputs.set(id, settled.get(id) as KpiDefinition);
    }
    const missing = kpi.needs.filter((entity) => !delivered.has(entity));
    if (missing.length > 0) why = `needs a source of entity ${missing.join(" and ")}`;
    if (hasDaysOnly) why ??= lostByDay(kpi);
    if (why === undefined) settled.set(kpi.id, { ...kpi, needs: [...needs] });
    else off.set(kpi.id, why);
  };
  for (const one of listed.values()) await settle(one.kpi, [one.kpi.id], one);
  const on = [...listed.keys()].flatMap((id) => settled.get(id) ?? []);
  const read = new Set<string>();
  const reach = (kpi: KpiDefinition): void => {
    for (const id of referencesOf(kpi)) {
      read.add(id);
      reach(settled.get(id) as KpiDefinition);
    }
  };
  on.forEach(reach);
  return {
    kpis: on,
    // What only a KPI that is off would read is not computed.
    inputs: [...[...inputs.values()].filter(({ id }) => read.has(id)), ...useCounts(on)],
    off: [...listed.keys()].flatMap((id) => (off.has(id) ? [{ id, why: off.get(id) as string }] : [])),
  };
}

interface Listed {
  readonly kpi: KpiDefinition;
  /** Throws a usage error at a place of its definition. */
  readonly fail: (problem: Problem) => never;
}

/** The KPIs that one reads, with the key that names each and the start of a sentence about it. */
function placesOf(
  kpi: KpiDefinition,
): readonly { readonly id: string; readonly path: Path; readonly sentence: string }[] {
  if (kpi.measure === "ratio") {
    return (["numerator", "denominator"] as const).map((key) => {
      const id = kpi[key] as string;
      return { id, path: [key], sentence: `found ${id}` };
    });
  }
  if (kpi.measure !== "expression") return [];
  const text = kpi.expression as string;
  return [...kpisOf(parseExpression(text))].map(([id, at]) => ({
    id,
    path: ["expression"],
    sentence: `found ${id} at character ${at} of "${text}"`,
  }));
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
  const result = kpiSchema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues;
  // A misspelled key is also a missing one: the misspelling is what the user can act on.
  const issue = issues.find(({ code }) => code === "unrecognized_keys") ?? issues[0];
  return { problem: issueProblem(issue as z.core.$ZodIssue, value) };
}

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
      const measure = (root as { readonly measure?: unknown } | null)?.measure;
      const isCondition = path[0] === "filter" || path[0] === "users";
      const inner = isCondition ? "condition" : (path[0] as keyof typeof innerKeys);
      const keys = path.length === 0 ? definitionKeys(measure) : innerKeys[inner];
      return {
        path: [...path, unknown],
        sentence: `found an unknown key, expected one of ${keys.join(", ")}`,
        ...(isCondition && ["in", "is", "equals", "any"].includes(unknown)
          ? { hint: `write the value or the list itself: ${path[1]}: [one, other]` }
          : didYouMean(unknown, keys)),
      };
    }
    case "invalid_value": {
      const values = issue.values.map(String);
      return { ...expected(`one of ${values.join(", ")}`), ...didYouMean(String(at), values) };
    }
    case "too_small":
      if (issue.origin === "string") return expected("a text that is not empty");
      return expected(issue.origin === "array" ? "at least one" : `at least ${issue.minimum}`);
    case "too_big":
      return expected(`at most ${issue.maximum}${issue.origin === "string" ? " letters" : ""}`);
    case "invalid_type":
      if (issue.expected === "number" && path[0] !== "times" && !path.includes("filter"))
        return expected("a whole number");
      return expected(shapes[path.length === 1 ? String(path[0]) : ""] ?? typeNames[issue.expected] ?? issue.expected);
    case "invalid_union":
      return expected(
        path[0] === "filter" || path[0] === "users"
          ? "a value, a list of values, null, or { not, at_least, more_than, at_most, less_than }"
          : "a column, or { column, as }",
      );
    case "custom":
      // A sentence of its own says what was found and where in the text.
      if (issue.message.startsWith("found ")) return { path, sentence: issue.message };
      return /^(an?|at least) /.test(issue.message)
        ? expected(issue.message)
        : { path, sentence: `found ${found}, but ${issue.message}` };
    default:
      return expected(issue.message.replace(/^./, (letter) => letter.toLowerCase()));
  }
}

/** What the mappings of a definition look like. */
const shapes: Readonly<Record<string, string>> = {
  filter: "a mapping of columns to what they must be, like { event: login }",
  users: "a mapping of columns of user to what they must be, like { is_executive: true }",
  says: "{ less: a phrase, more: a phrase }",
  id: "an id: a lower-case letter, then lower-case letters, digits and single underscores",
  null_rule: `a mapping of ${innerKeys.null_rule.join(", ")}`,
};

const typeNames: Readonly<Record<string, string>> = {
  string: "a text",
  int: "a whole number",
  number: "a number",
  record: "a mapping of keys",
  object: "a mapping of keys",
  array: "a list",
};

/** What usage that comes by the day cannot answer: who it was, and anything about a single event. */
function lostByDay(kpi: KpiDefinition): string | undefined {
  if (kpi.entity !== "usage_event") return undefined;
  if (readsUsers(kpi))
    return "counts users, and usage by the day (usage_daily) names none: the users of single days cannot be added up";
  const single = Object.keys(kpi.filter).find((name) => name === "user_id" || name === "event_id");
  return single === undefined ? undefined : `asks for ${single}, which usage by the day (usage_daily) does not hold`;
}

/** What a KPI can read: what happens to accounts and what they are; usage by the day is rolled up with single events. */
const countedEntities: readonly string[] = [...entities.values()]
  .filter(
    ({ id, kind, columns }) =>
      (kind === "state" || kind === "fact") &&
      id !== "usage_daily" &&
      columns.some(({ name }) => name === "account_id"),
  )
  .map(({ id }) => id);

/** Names and types that only the catalogue of entities and the book know: the first that is wrong. */
function kpiProblem(kpi: KpiDefinition, book: Book): Problem | undefined {
  const named = [["entity", kpi.entity], ...kpi.needs.map((need) => ["needs", need])] as [string, string | null][];
  for (const [key, id] of named) {
    const right = key === "entity" ? countedEntities : entityIds;
    if (id === null || right.includes(id)) continue;
    return {
      path: [key],
      sentence: `found ${id}, expected one of ${right.join(", ")}`,
      ...(id === "usage_daily"
        ? { hint: "usage_event: usage that comes by the day is read with it" }
        : didYouMean(id, right)),
    };
  }
  if (kpi.entity === null) return undefined;
  const columns = kpiColumns(entityOf(kpi.entity), book);
  if (kpi.account !== undefined) {
    const column = columns.get(kpi.account);
    if (kpi.entity === "usage_event") {
      return { path: ["account"], sentence: `found ${kpi.account}, expected none: usage is rolled up by account_id` };
    }
    if (column === undefined) return unknownColumn(kpi.entity, columns, ["account"], kpi.account);
    if (column.type !== "text" || column.datedBy !== undefined) {
      return { path: ["account"], sentence: `found ${kpi.account}, expected a column with the id of an account` };
    }
  }
  const conditions = conditionsProblem(kpi.entity, columns, "filter", kpi.filter);
  if (conditions !== undefined) return conditions;
  const users = conditionsProblem("user", userColumns, "users", kpi.users ?? {});
  if (users !== undefined) return users;
  if (kpi.value !== undefined) {
    const { column: name, as } = kpi.value;
    const column = columns.get(name);
    if (column === undefined) return unknownColumn(kpi.entity, columns, ["value"], name);
    if (as === "length" && column.type !== "text") {
      return { path: ["value"], sentence: `found the length of ${name}, expected a text column: it is ${column.type}` };
    }
    const isNumber = ["integer", "number", "money", "boolean"].includes(column.type);
    if (as === "value" && innerOf(kpi) !== "distinct" && !isNumber) {
      return { path: ["value"], sentence: `found ${name}, expected a column of numbers: it is ${column.type}` };
    }
  }
  return kpi.entity === "usage_event" ? usageProblem(kpi) : undefined;
}

function unknownColumn(entity: string, columns: ReadonlyMap<string, KpiColumn>, path: Path, name: string): Problem {
  const names = [...columns.keys()];
  return {
    path,
    sentence: `found ${name}, expected a column of ${entity}: ${names.join(", ")}`,
    ...didYouMean(name, names),
  };
}

function conditionsProblem(
  entity: string,
  columns: ReadonlyMap<string, KpiColumn>,
  key: "filter" | "users",
  conditions: KpiDefinition["filter"],
): Problem | undefined {
  for (const [name, condition] of Object.entries(conditions)) {
    const column = columns.get(name);
    if (column === undefined) return unknownColumn(entity, columns, [key, name], name);
    const sentence = conditionProblem(column, condition);
    if (sentence !== undefined) return { path: [key, name], sentence };
    if (name !== "account_id") continue;
    return {
      path: [key, name],
      sentence: "found account_id, expected another column: every account has its own value",
    };
  }
  return undefined;
}

/** Usage is read once, into roll-ups by account, day and event and by account, user and day: a KPI reads only those. */
function usageProblem(kpi: KpiDefinition): Problem | undefined {
  const value = kpi.value?.column;
  const inner = innerOf(kpi);
  if (inner === "distinct" && value !== "user_id" && value !== "event") {
    return {
      path: ["value"],
      sentence: `found ${value}, expected user_id or event: usage counts different ones of these`,
    };
  }
  if (inner === "distinct" && value === "event" && kpi.users !== undefined) {
    return { path: ["users"], sentence: "found users, expected none: different events are counted whoever used them" };
  }
  if ((inner === "sum" || inner === "latest") && value !== "quantity") {
    return {
      path: ["value"],
      sentence: `found ${value}, expected quantity: the only number of usage that is rolled up`,
    };
  }
  return undefined;
}
