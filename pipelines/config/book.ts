import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { isAbsolute, join, relative, resolve } from "node:path";
import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument } from "yaml";
import { z } from "zod";
import { usageError } from "../lib/errors.ts";
import { canonicalJson, sha256 } from "../lib/files.ts";
import { entities, entityIds, entityOf } from "./entities.ts";

/** What a user may call a source, a definition, a column of their own. */
const id = z.string().regex(/^[a-z][a-z0-9_]*$/, "lower-case letters, digits and _, starting with a letter");
const days = z.int().min(0);
const duration = z.string().regex(/^\d+(s|m|h|d)$/, "a number and s, m, h or d, like 60s or 2d");
const isoDate = z.iso.date("a calendar date like 2026-01-31");

/** Seconds of a duration like `60s`, `5m`, `2h` or `2d`. */
export function durationSeconds(text: string): number {
  const unit = { s: 1, m: 60, h: 3600, d: 86_400 }[text.slice(-1) as "s" | "m" | "h" | "d"];
  return Number(text.slice(0, -1)) * unit;
}

const columnOptions = z.strictObject({
  from: z.string().min(1).optional().describe("the column of the file; default: the same name"),
  value: z
    .union([z.string(), z.number(), z.boolean()])
    .optional()
    .describe("one value for every row, instead of a column"),
  unit: z
    .enum(["s", "ms", "us", "major", "minor"])
    .optional()
    .describe("s, ms, us: Unix time; major: an amount in dollars or euros, minor: in cents"),
  format: z.string().min(1).optional().describe("a strptime format for dates and times that are not ISO"),
  nulls: z.array(z.string()).optional().describe("texts that mean that nothing is known; default: those of the source"),
  via: id.optional().describe("the source that knows which account this id belongs to"),
  type: z
    .enum(["text", "integer", "number", "money", "boolean", "date", "time"])
    .optional()
    .describe("the type of a column of your own; default text"),
});

const sourceSchema = z.strictObject({
  entity: z.enum(entityIds).describe("what the rows of these files are"),
  files: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .describe("a file or glob, or several, below exports_root"),
  mode: z.enum(["append", "snapshot", "range"]).default("append"),
  key: z.array(z.string().min(1)).min(1).optional().describe("the columns that identify a row"),
  delivered: z
    .union([
      z.literal("first_seen"),
      z.strictObject({
        from: z.literal("file_name"),
        pattern: z.string().regex(/\{date\}/, "a file name with {date} where the date stands"),
      }),
      z.strictObject({ from: z.literal("column"), column: z.string().min(1) }),
    ])
    .optional()
    .describe("where the order of the deliveries comes from; default: first seen"),
  columns: z.record(id, z.union([z.string().min(1), columnOptions])).default({}),
  immutable: z.array(z.string().min(1)).default([]).describe("columns of a state row that never change in its life"),
  inclusive: z.boolean().default(false).describe("true: ended_on names the last day, not the day after"),
  latency_days: days.default(0),
  settle: duration.default("60s"),
  max_rejected: z.number().min(0).max(1).default(0.005),
  max_age: duration.optional(),
  on_stale: z.enum(["refuse", "warn"]).default("refuse"),
  formats: z
    .strictObject({
      delimiter: z.string().min(1).optional(),
      quote: z.string().length(1).optional(),
      nulls: z.array(z.string()).min(1).default(["", "NULL", "null", "N/A", "\\N"]),
    })
    .prefault({}),
});

const churnDefinition = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("subscription_end") }),
  z.strictObject({ type: z.literal("event"), entity: z.literal("churn_event") }),
  z.strictObject({ type: z.literal("inactivity"), days: z.int().min(1) }),
  z.strictObject({ type: z.literal("account_flag"), column: id }),
]);

const fields = z.strictObject({
  book: z.string().regex(/^[a-z][a-z0-9_-]*$/, "lower-case letters, digits, - and _, starting with a letter"),
  as_of: z.union([z.literal("latest"), isoDate]).default("latest"),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, "three capital letters like USD")
    .default("USD"),
  calendar: z
    .strictObject({
      score_every: z.enum(["week", "month"]).default("week"),
      validate_every: z.enum(["week", "month"]).default("month"),
      window_days: z.int().min(1).default(28),
      gap_days: days.default(30),
      horizon_days: z.int().min(1).default(90),
      min_tenure_days: days.default(90),
      reactivation_grace_days: days.default(30),
    })
    .prefault({}),
  exports_root: z.string().min(1).default("."),
  sources: z.record(id, sourceSchema),
  churn: z
    .strictObject({
      primary: id.default("subscription_end"),
      definitions: z.record(id, churnDefinition).default({ subscription_end: { type: "subscription_end" } }),
    })
    .prefault({}),
  segments: z
    .strictObject({
      by: z
        .string()
        .regex(/^((account|subscription)\.)?[a-z][a-z0-9_]*$/)
        .nullable()
        .default(null),
    })
    .prefault({}),
  baseline: z
    .array(z.enum(["tenure", "segment", "size", "renewal_due"]))
    .default(["tenure", "segment", "size", "renewal_due"]),
  kpis: z
    .array(z.union([id, z.record(z.string(), z.unknown())]))
    .min(1)
    .describe("ids of the library, or definitions written here"),
  scorecards: z.array(z.string().min(1)).default([]),
  compare: z.array(z.string().min(1)).default([]),
  site: z
    .strictObject({
      title: z.string().min(1).optional(),
      min_cell: z.int().min(1).default(5),
      managers: z.boolean().default(false),
    })
    .prefault({}),
  engine: z.literal("duckdb").default("duckdb"),
  memory_limit: z
    .string()
    .regex(/^\d+(\.\d+)?(MB|GB)$/, "an amount like 4GB")
    .optional(),
  threads: z.int().min(1).optional(),
  keep: z.int().min(1).default(5),
});

/** The schema of `assay.yaml`; its output has every default filled in. */
export const bookSchema = fields.transform((book) => ({
  ...book,
  site: { ...book.site, title: book.site.title ?? book.book },
}));

type BookFields = z.output<typeof bookSchema>;
export type Source = z.output<typeof sourceSchema>;
export type ColumnOptions = z.output<typeof columnOptions>;
export type ChurnDefinition = z.output<typeof churnDefinition>;
export type Book = BookFields & {
  /** The folder that holds `assay.yaml`, absolute. */
  readonly folder: string;
  /** The path of `assay.yaml`, absolute. */
  readonly file: string;
  /** Hash of the resolved configuration; a comment, the order of keys or another machine's paths change nothing. */
  readonly config_sha256: string;
};

/** The JSON Schema of `assay.yaml`, for editors. */
export const bookJsonSchema = (): Record<string, unknown> =>
  z.toJSONSchema(bookSchema, { io: "input" }) as Record<string, unknown>;

/**
 * Reads and checks a book: a folder that holds `assay.yaml`, or a NAME for `data/NAME` below `cwd`. A problem is a
 * usage error that names file and line, key, what was found and what would be right.
 */
export async function readBook(
  nameOrFolder: string,
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string | undefined>> },
): Promise<Book> {
  const folder = [join(options.cwd, "data", nameOrFolder), resolve(options.cwd, nameOrFolder)].find((candidate) =>
    existsSync(join(candidate, "assay.yaml")),
  );
  if (folder === undefined) {
    throw usageError(`no book at ${nameOrFolder}: expected a folder with assay.yaml, or a NAME for data/NAME`);
  }
  const file = join(folder, "assay.yaml");
  const shown = relative(options.cwd, file);
  const text = await readFile(file, "utf8");
  const fields = parseBook(text, shown.startsWith("..") ? file : shown);
  const exportsRoot = expand(fields.exports_root, options.env, (name) =>
    at(text, shown, ["exports_root"], `\${${name}} is not set in the environment, expected the folder of the exports`),
  );
  return {
    ...fields,
    exports_root: isAbsolute(exportsRoot) ? exportsRoot : resolve(folder, exportsRoot),
    folder,
    file,
    config_sha256: sha256(canonicalJson(fields)),
  };
}

/** Checks the text of an `assay.yaml`; `file` is the name that errors show. */
export function parseBook(text: string, file: string): BookFields {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [broken] = document.errors;
  if (broken !== undefined) {
    throw usageError(`${file}:${lines.linePos(broken.pos[0]).line}: not valid YAML: ${lowerFirst(broken.message)}`);
  }
  const value: unknown = document.toJS() ?? {};
  const result = bookSchema.safeParse(value);
  const problems = result.success
    ? crossCheck(result.data)
    : misspelledFirst(result.error.issues as readonly Issue[]).flatMap((issue) => describeIssue(issue, value));
  const [first, ...others] = problems.map((problem) => ({
    ...problem,
    line: lineOf(document, lines, problem.path),
  }));
  if (first !== undefined) {
    const more = others.map(({ line, path }) => `${file}:${line} ${keyText(path)}`);
    const hints = [first.hint, more.length > 0 ? `also wrong: ${more.join(", ")}` : undefined];
    throw usageError(
      `${file}:${first.line}: ${keyText(first.path)}: ${first.sentence}`,
      hints.filter((hint) => hint !== undefined).join("; ") || undefined,
    );
  }
  if (!result.success) throw result.error;
  return result.data;
}

type Path = readonly (string | number)[];
interface Problem {
  readonly path: Path;
  readonly sentence: string;
  readonly hint?: string;
}
/** The parts of zod's issues that are read here. */
interface Issue {
  readonly code: string;
  readonly path: Path;
  readonly message: string;
  readonly keys?: readonly string[];
  readonly expected?: string;
  readonly values?: readonly unknown[];
  readonly errors?: readonly (readonly Issue[])[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly origin?: string;
  readonly format?: string;
  readonly discriminator?: string;
  readonly options?: readonly unknown[];
  readonly issues?: readonly Issue[];
}

/** A misspelled key is also a missing one: the misspelling is what the user can act on. */
const misspelledFirst = (issues: readonly Issue[]): readonly Issue[] =>
  [...issues].sort((a, b) => Number(b.code === "unrecognized_keys") - Number(a.code === "unrecognized_keys"));

const keyText = (path: Path): string =>
  path.reduce<string>(
    (text, part) => (typeof part === "number" ? `${text}[${part}]` : text === "" ? part : `${text}.${part}`),
    "",
  ) || "the file";

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

const valueAt = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>((inner, part) => (inner as Record<string | number, unknown> | undefined | null)?.[part], value);

function foundText(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

const typeNames: Readonly<Record<string, string>> = {
  object: "a mapping of keys",
  record: "a mapping of keys",
  array: "a list",
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
};

/** One sentence per mistake: what was found, what would be right. */
function describeIssue(issue: Issue, root: unknown, prefix: Path = []): readonly Problem[] {
  const path = [...prefix, ...issue.path];
  const found = foundText(valueAt(root, path));
  const wrong = (right: string): readonly Problem[] => [{ path, sentence: `found ${found}, expected ${right}` }];
  const oneOf = (values: readonly unknown[]): readonly Problem[] => {
    const value = valueAt(root, path);
    const near = typeof value === "string" ? nearest(value, values.map(String)) : undefined;
    const [problem] = wrong(values.length === 1 ? foundText(values[0]) : `one of ${values.join(", ")}`);
    return [{ ...(problem as Problem), ...(near === undefined ? {} : { hint: `did you mean ${near}?` }) }];
  };
  switch (issue.code) {
    case "unrecognized_keys":
      return (issue.keys ?? []).map((key) => {
        const known = knownKeys(path, root);
        const near = nearest(key, known);
        return {
          path: [...path, key],
          sentence: `found an unknown key, expected one of ${known.join(", ")}`,
          ...(near === undefined ? {} : { hint: `did you mean ${near}?` }),
        };
      });
    case "invalid_type":
      return wrong(typeNames[issue.expected ?? ""] ?? issue.expected ?? "another type");
    case "invalid_value":
      return oneOf(issue.values ?? []);
    case "invalid_key":
      return [
        {
          path,
          sentence: `found the key ${foundText(path.at(-1))}, expected ${issue.issues?.[0]?.message ?? "another"}`,
        },
      ];
    case "too_small":
      return wrong(
        issue.origin === "array"
          ? `at least ${issue.minimum} entry`
          : issue.origin === "string"
            ? "a text that is not empty"
            : `at least ${issue.minimum}`,
      );
    case "too_big":
      return wrong(issue.origin === "string" ? `a text of ${issue.maximum} character` : `at most ${issue.maximum}`);
    case "invalid_format":
      return wrong(issue.message);
    case "invalid_union":
      return describeUnion(issue, root, path);
    default:
      return wrong(lowerFirst(issue.message));
  }
}

/** Of a union, the branch that fits the value's type: its own mistakes are what the user wants to hear. */
function describeUnion(issue: Issue, root: unknown, path: Path): readonly Problem[] {
  if (issue.discriminator !== undefined) {
    const full = [...path];
    if (full.at(-1) !== issue.discriminator) full.push(issue.discriminator);
    const kinds = ["subscription_end", "event", "inactivity", "account_flag"];
    return describeIssue({ code: "invalid_value", path: full, message: "", values: kinds }, root);
  }
  const branches = issue.errors ?? [];
  const near = branches.filter(
    (branch) =>
      !branch.some((inner) => inner.path.length === 0 && ["invalid_type", "invalid_value"].includes(inner.code)),
  );
  const fits = near.filter(
    (branch) => !branch.some((inner) => inner.code === "invalid_value" && inner.path.at(-1) === "from"),
  );
  const branch = fits[0] ?? near[0];
  if (branch !== undefined) return branch.flatMap((inner) => describeIssue(inner, root, path));
  const wanted = branches.map((inner) => {
    const [only] = inner;
    if (only?.code === "invalid_value") return (only.values ?? []).join(", ");
    return typeNames[only?.expected ?? ""] ?? only?.expected ?? only?.message;
  });
  return [{ path, sentence: `found ${foundText(valueAt(root, path))}, expected ${wanted.join(" or ")}` }];
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly const?: unknown;
}

/** The keys that the schema allows at a path; of a union, those of the branch whose constants agree with the value. */
function knownKeys(path: Path, root: unknown): readonly string[] {
  let schemas: readonly JsonSchema[] = [bookJsonSchema() as JsonSchema];
  const flatten = (schema: JsonSchema): readonly JsonSchema[] => {
    const inner = schema.anyOf ?? schema.oneOf;
    return inner === undefined ? [schema] : inner.flatMap(flatten);
  };
  for (const part of path) {
    schemas = schemas.flatMap(flatten).flatMap((schema) => {
      const next = typeof part === "number" ? schema.items : (schema.properties?.[part] ?? schema.additionalProperties);
      return next === undefined || typeof next === "boolean" ? [] : [next];
    });
  }
  const value = valueAt(root, path) as Readonly<Record<string, unknown>>;
  const objects = schemas.flatMap(flatten).filter((schema) => schema.properties !== undefined);
  const agreeing = objects.filter((schema) =>
    Object.entries(schema.properties ?? {}).every(
      ([key, inner]) => inner.const === undefined || inner.const === value[key],
    ),
  );
  const chosen = agreeing.length > 0 ? agreeing : objects;
  return [...new Set(chosen.flatMap((schema) => Object.keys(schema.properties ?? {})))];
}

/** The candidate that is at most a third of its letters away (Levenshtein), if any. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best !== undefined && bestDistance <= Math.max(1, Math.ceil(best.length / 3)) ? best : undefined;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const current = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (previous[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(change, (previous[j] as number) + 1, (current[j - 1] as number) + 1));
    }
    previous = current;
  }
  return previous[b.length] as number;
}

/** The line of the key at a path, or of the nearest part of it that the file has. */
function lineOf(document: Document.Parsed, lines: LineCounter, path: Path): number {
  let node: Node | null | undefined = document.contents;
  let offset = node?.range?.[0] ?? 0;
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part));
      if (pair === undefined) break;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value as Node | null;
    } else {
      const next: unknown = document.getIn(path.slice(0, path.indexOf(part) + 1), true);
      if (next === undefined || next === null || typeof next !== "object") break;
      node = next as Node;
      offset = node.range?.[0] ?? offset;
    }
  }
  return lines.linePos(offset).line;
}

/** An error at a key, for checks that come after the file has been read. */
function at(text: string, file: string, path: Path, sentence: string): Error {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  return usageError(`${file}:${lineOf(document, lines, path)}: ${keyText(path)}: ${sentence}`);
}

function expand(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
  missing: (name: string) => Error,
): string {
  return text.replaceAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => {
    const value = env[name];
    if (value === undefined || value === "") throw missing(name);
    return value;
  });
}

/** What one key means beside another: names that must exist, modes that need a key. */
function crossCheck(book: BookFields): readonly Problem[] {
  const problems: Problem[] = [];
  const sources = Object.entries(book.sources);
  const has = (entityId: string): boolean => sources.some(([, source]) => source.entity === entityId);
  const add = (path: Path, sentence: string, near?: string): void => {
    problems.push({ path, sentence, ...(near === undefined ? {} : { hint: `did you mean ${near}?` }) });
  };
  for (const [sourceId, source] of sources) {
    const path = ["sources", sourceId];
    const entity = entityOf(source.entity);
    const catalogue = entity.columns.map((column) => column.name);
    for (const [name, mapping] of Object.entries(source.columns)) {
      const here = [...path, "columns", name];
      if (!entity.extras && !catalogue.includes(name)) {
        add(
          here,
          `found a column that ${entity.id} does not have, expected one of ${catalogue.join(", ")}`,
          nearest(name, catalogue),
        );
      }
      if (typeof mapping === "string") continue;
      if (mapping.from !== undefined && mapping.value !== undefined)
        add(here, "found both from and value, expected one of them");
      if (mapping.type !== undefined && catalogue.includes(name)) {
        add(
          [...here, "type"],
          `found a type for ${name}, expected none: the type of a column of ${entity.id} is fixed`,
        );
      }
      if (mapping.via !== undefined) {
        const target = book.sources[mapping.via];
        if (name !== "account_id") add([...here, "via"], `found via on ${name}, expected it on account_id only`);
        if (target === undefined) {
          add(
            [...here, "via"],
            `found ${foundText(mapping.via)}, expected the id of a source`,
            nearest(mapping.via, Object.keys(book.sources)),
          );
        } else if (!["account_key", "subscription", "user"].includes(target.entity)) {
          add(
            [...here, "via"],
            `found a source of entity ${target.entity}, expected one of account_key, subscription or user`,
          );
        }
      }
    }
    const columns = new Set([...catalogue, ...Object.keys(source.columns)]);
    for (const list of ["key", "immutable"] as const) {
      for (const [i, name] of (source[list] ?? []).entries()) {
        if (!columns.has(name)) {
          add(
            [...path, list, i],
            `found ${foundText(name)}, expected a column of ${entity.id}`,
            nearest(name, [...columns]),
          );
        }
      }
    }
    if (source.immutable.length > 0 && entity.kind !== "state") {
      add(
        [...path, "immutable"],
        `found columns for ${entity.id}, expected none: only account, subscription and user have a state that could change`,
      );
    }
    if (source.mode === "range") {
      add(
        [...path, "mode"],
        "found range, expected append or snapshot: this version of Assay does not replace ranges of days yet",
      );
    }
    if (source.mode === "snapshot") {
      if (source.key === undefined)
        add([...path, "mode"], "found snapshot without a key, expected key: [the columns that identify a row]");
      if (source.delivered === undefined) {
        add(
          [...path, "mode"],
          "found snapshot without delivered, expected delivered: { from: file_name, pattern: ... } or an explicit first_seen",
        );
      }
    }
  }
  if (!has("account")) add(["sources"], "found no source of entity account, expected one");
  if (!has("usage_event") && !has("usage_daily"))
    add(["sources"], "found no source of usage, expected one of entity usage_event or usage_daily");
  const { primary, definitions } = book.churn;
  const chosen = definitions[primary];
  if (chosen === undefined) {
    add(
      ["churn", "primary"],
      `found ${foundText(primary)}, expected one of ${Object.keys(definitions).join(", ")}`,
      nearest(primary, Object.keys(definitions)),
    );
  }
  for (const [name, definition] of Object.entries(definitions)) {
    const path = ["churn", "definitions", name];
    const needed =
      definition.type === "subscription_end"
        ? "subscription"
        : definition.type === "event"
          ? definition.entity
          : undefined;
    if (needed !== undefined && !has(needed)) {
      add(path, `found type ${definition.type} without a source of entity ${needed}, expected one under sources`);
    }
    if (definition.type === "account_flag") {
      if (name === primary)
        add(
          ["churn", "primary"],
          "found an account flag, expected a definition with a date: a flag serves the label audit only",
        );
      if (!sources.some(([, source]) => source.entity === "account" && columnsOf(source).includes(definition.column))) {
        add(
          [...path, "column"],
          `found ${foundText(definition.column)}, expected a column of the account source, mapped under its columns`,
        );
      }
    }
  }
  if (book.segments.by !== null) {
    const [owner, column] = book.segments.by.includes(".")
      ? book.segments.by.split(".")
      : [undefined, book.segments.by];
    const owners = owner === undefined ? ["account", "subscription"] : [owner as string];
    const known = sources.flatMap(([, source]) => (owners.includes(source.entity) ? columnsOf(source) : []));
    if (!known.includes(column as string)) {
      add(
        ["segments", "by"],
        `found ${foundText(book.segments.by)}, expected a column of ${owners.join(" or ")}, mapped under the columns of its source`,
        nearest(column as string, known),
      );
    }
  }
  return problems;
}

/** The canonical columns and the columns of their own that a source can fill. */
const columnsOf = (source: Source): readonly string[] => [
  ...(entities.get(source.entity)?.columns.map((column) => column.name) ?? []),
  ...Object.keys(source.columns),
];
