import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { isAbsolute, join, relative, resolve } from "node:path";
import { z } from "zod";
import { usageError } from "../lib/errors.ts";
import { canonicalJson, sha256 } from "../lib/files.ts";
import { entities, entityIds, entityOf, stagedNames } from "./entities.ts";
import { columnOptions, formats, id, rowFilter } from "./formats.ts";
import { foundText, nearest, type Path, type Problem, readYaml, type YamlFile } from "./yaml.ts";

const days = z.int().min(0);
const duration = z.string().regex(/^\d+(s|m|h|d)$/, "a number and s, m, h or d, like 60s or 2d");
const isoDate = z.iso.date("a calendar date like 2026-01-31");

/** Seconds of a duration like `60s`, `5m`, `2h` or `2d`. */
export function durationSeconds(text: string): number {
  const unit = { s: 1, m: 60, h: 3600, d: 86_400 }[text.slice(-1) as "s" | "m" | "h" | "d"];
  return Number(text.slice(0, -1)) * unit;
}

/** What a book reads lies below the folder that it names: a path cannot lead out of it. */
const filePattern = z
  .string()
  .regex(/^(?!\/)(?!(?:.*\/)?\.\.(?:\/|$))[^\0]+$/, "a path below exports_root, without a leading / and without ..");

const sourceFields = z.strictObject({
  entity: z.enum(entityIds).describe("what the rows of these files are"),
  files: z
    .union([filePattern, z.array(filePattern).min(1)])
    .describe("a file or glob, or several, below exports_root; of a file written by hand below the book"),
  mode: z
    .enum(["append", "snapshot", "range"])
    .optional()
    .describe("default: append; snapshot for a file written by hand"),
  key: z.array(z.string().min(1)).min(1).optional().describe("the columns that identify a row"),
  delivered: z
    .union([
      z.literal("first_seen"),
      z.strictObject({
        from: z.literal("file_name"),
        pattern: z
          .string()
          .regex(
            /^(?!.*\{(?:date|month)\}.*\{(?:date|month)\}).*\{(?:date|month)\}/,
            "a file name with {date} where the date stands, or {month}",
          ),
      }),
      z.strictObject({ from: z.literal("column"), column: z.string().min(1) }),
    ])
    .optional()
    .describe("where the order of the deliveries comes from; default: first seen"),
  columns: z.record(id, z.union([z.string().min(1), columnOptions])).default({}),
  immutable: z.array(z.string().min(1)).default([]).describe("columns of a state row that never change in its life"),
  inclusive: z.boolean().default(false).describe("true: ended_on names the last day, not the day after"),
  latency_days: days.default(0),
  settle: duration.optional().describe("default: 60s; 0s for a file written by hand"),
  max_rejected: z.number().min(0).max(1).default(0.005),
  max_age: duration.optional(),
  on_stale: z
    .enum(["refuse", "warn"])
    .optional()
    .describe(
      "what a source that is stale, empty or thin does to the release; default: refuse where max_age is promised, else warn",
    ),
  covers: z
    .union([
      z.enum(["span", "days"]),
      z.strictObject({
        from: z.literal("file_name"),
        pattern: z
          .string()
          .regex(/\{(day|month|from)\}/, "a file name with {day}, {month}, or {from} and {to}, where they stand"),
      }),
    ])
    .optional()
    .describe("mode range: the days that a file replaces; default: from its first to its last"),
  keep: rowFilter.default({}).describe("only rows that hold one of these texts in the column are rows of the source"),
  drop: rowFilter.default({}).describe("rows that hold one of these texts in the column are no rows of the source"),
  formats: formats.prefault({}),
});

/** Whether an entity's files are written by a person, who edits them in place. */
export const isWrittenByHand = (entity: string): boolean => entities.get(entity)?.kind === "hand";

/** A file written by hand is the whole table as its last edit left it, and is taken as soon as it is saved. */
const sourceSchema = sourceFields.transform((source) => {
  const byHand = isWrittenByHand(source.entity);
  return {
    ...source,
    mode: source.mode ?? (byHand ? "snapshot" : "append"),
    key: source.key ?? (byHand ? [...entityOf(source.entity).key] : undefined),
    delivered: source.delivered ?? (byHand ? ("first_seen" as const) : undefined),
    settle: source.settle ?? (byHand ? "0s" : "60s"),
  };
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
  flags: z
    .union([z.string().min(1), z.array(z.string().min(1))])
    .optional()
    .describe("files of flags, or sets that ship with Assay; default: flags.yaml beside assay.yaml, if it is there"),
  site: z
    .strictObject({
      title: z.string().min(1).optional(),
      min_cell: z.int().min(1).default(5),
      managers: z.boolean().default(false),
      owner_bands: z
        .boolean()
        .default(false)
        .describe("band shares by owner for managers; off, because who was given the hard accounts looks bad in them"),
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
export type ChurnDefinition = z.output<typeof churnDefinition>;
export type Book = BookFields & {
  /** The folder that holds `assay.yaml`, absolute. */
  readonly folder: string;
  /** The path of `assay.yaml`, absolute. */
  readonly file: string;
  /**
   * Hash of the resolved configuration; a comment, the order of keys, another machine's paths, or how much of a machine may be used change
   * nothing: the same release comes out of one thread and of many.
   */
  readonly config_sha256: string;
};

/** Whether later deliveries of usage replace days of earlier ones: then a row of usage may be seen no more from a date on. */
export const usageIsReplaced = ({ sources }: Pick<Book, "sources">): boolean =>
  Object.values(sources).some(
    ({ entity, mode }) => mode === "range" && (entity === "usage_event" || entity === "usage_daily"),
  );

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
  const { value: fields, errorAt } = readBookFile(text, shown.startsWith("..") ? file : shown);
  const exportsRoot = expand(fields.exports_root, options.env, (name) =>
    errorAt(["exports_root"], `\${${name}} is not set in the environment, expected the folder of the exports`),
  );
  return {
    ...fields,
    exports_root: isAbsolute(exportsRoot) ? exportsRoot : resolve(folder, exportsRoot),
    folder,
    file,
    config_sha256: sha256(canonicalJson({ ...fields, threads: undefined, memory_limit: undefined })),
  };
}

/** Checks the text of an `assay.yaml`; `file` is the name that errors show. */
export const parseBook = (text: string, file: string): BookFields => readBookFile(text, file).value;

const readBookFile = (text: string, file: string): YamlFile<BookFields> =>
  readYaml({ text, file, schema: bookSchema, check: crossCheck });

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
      if (!catalogue.includes(name) && stagedNames.has(name)) {
        add(
          here,
          `found ${name}, which Assay's own column is called, expected another name, such as ${entity.id}_${name}`,
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
    if (entity.kind === "hand") {
      if (source.mode !== "snapshot")
        add(
          [...path, "mode"],
          `found ${source.mode}, expected none: a file of ${entity.id} is read as its last edit left it`,
        );
      if (source.key?.join() !== entity.key.join())
        add(
          [...path, "key"],
          `found ${foundText(source.key)}, expected none: of ${entity.id} it is ${entity.key.join(", ")}`,
        );
      const { account_id: account } = source.columns;
      if (typeof account === "object" && account.via !== undefined)
        add(
          [...path, "columns", "account_id", "via"],
          "found via, expected the account's own id in a file written by hand",
        );
    } else if (source.mode === "range") {
      if (entity.kind !== "fact") {
        add(
          [...path, "mode"],
          `found range, expected append or snapshot: rows of ${entity.id} are of no day that could be replaced`,
        );
      }
      if (source.delivered === undefined) {
        add(
          [...path, "mode"],
          "found range without delivered, expected delivered: { from: file_name, pattern: ... } or an explicit first_seen",
        );
      }
    }
    if (source.covers !== undefined && source.mode !== "range")
      add([...path, "covers"], `found covers in mode ${source.mode}, expected it in mode range only`);
    if (
      typeof source.covers === "object" &&
      /\{from\}/.test(source.covers.pattern) !== /\{to\}/.test(source.covers.pattern)
    )
      add([...path, "covers", "pattern"], "found one of {from} and {to}, expected both, or {day} or {month}");
    const { delimiter, quote } = source.formats;
    if (delimiter !== undefined && delimiter === quote)
      add([...path, "formats", "quote"], `found ${foundText(quote)}, expected another sign than the delimiter`);
    if (source.mode === "snapshot" && (entity.id === "usage_event" || entity.id === "usage_daily")) {
      add(
        [...path, "mode"],
        "found snapshot, expected append or range: usage has no state, and a whole table of it would be counted once a delivery",
      );
    } else if (source.mode === "snapshot") {
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
