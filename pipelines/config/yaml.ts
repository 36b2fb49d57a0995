/** A YAML file against its schema: one sentence per mistake, with file, line, key, what was found and what is right. */
import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { z } from "zod";
import { usageError } from "../lib/errors.ts";

/** Keys and places in lists, from the top of a file. */
export type Path = readonly (string | number)[];

export interface Problem {
  readonly path: Path;
  readonly sentence: string;
  readonly hint?: string;
}

export interface YamlFile<Value> {
  /** As the schema gives it, with defaults filled in. */
  readonly value: Value;
  /** As the file says it. */
  readonly raw: unknown;
  /** A usage error at a key, for checks that come after the file has been read. */
  readonly errorAt: (path: Path, sentence: string, hint?: string) => Error;
}

/**
 * Reads the text of a file that a user wrote; `file` is the name that errors show. `check` says what one key means beside
 * another. The error names the first mistake in full, misspelled keys before others, and the places of the rest.
 */
export function readYaml<Schema extends z.ZodType>(given: {
  readonly text: string;
  readonly file: string;
  readonly schema: Schema;
  readonly check?: (value: z.output<Schema>) => readonly Problem[];
}): YamlFile<z.output<Schema>> {
  const { text, file, schema, check } = given;
  const lines = new LineCounter();
  // What is wrong with a file is an error below; the parser's own warnings would go past it to the terminal.
  const document = parseLevels(text, file, lines);
  const [broken] = document.errors;
  if (broken !== undefined) {
    const key = broken.code === "DUPLICATE_KEY" ? (/^[^\s:]+(?=\s*:)/.exec(text.slice(broken.pos[0]))?.[0] ?? "") : "";
    throw usageError(
      `${file}:${lines.linePos(broken.pos[0]).line}: not valid YAML: ${
        key === "" ? lowerFirst(broken.message) : `found the key ${key} a second time, expected every key once`
      }`,
      yamlHints.find(([about]) => about.test(broken.message))?.[1],
    );
  }
  const placeOf = (path: Path): string => `${file}:${lineOf(document, lines, path)}`;
  const errorAt = (path: Path, sentence: string, hint?: string): Error =>
    usageError(`${placeOf(path)}: ${keyText(path)}: ${sentence}`, hint);
  const raw = plainValue(document, (sentence) => usageError(`${file}: ${sentence}`));
  const result = schema.safeParse(raw);
  const problems = result.success
    ? (check?.(result.data) ?? [])
    : misspelledFirst(result.error.issues as readonly Issue[]).flatMap((issue) => describeIssue(issue, raw, schema));
  const [first, ...others] = problems;
  if (first !== undefined) {
    const more = [...new Set(others.map(({ path }) => `${placeOf(path)} ${keyText(path)}`))];
    const hints = [first.hint, more.length > 0 ? `also wrong: ${more.join(", ")}` : undefined];
    throw errorAt(first.path, first.sentence, hints.filter((hint) => hint !== undefined).join("; ") || undefined);
  }
  if (!result.success) throw result.error;
  return { value: result.data, raw, errorAt };
}

/** What as a rule is behind the parser's own words. */
const yamlHints: readonly (readonly [RegExp, string])[] = [
  [
    /compact mappings|implicit/,
    "a text that holds ': ' needs quotes around it, and the keys of one mapping start in the same column",
  ],
  [/without - indicator|same column/, "the keys of one mapping, and the dashes of one list, start in the same column"],
  [/^tabs /i, "indent with spaces"],
  [/^flow (map|seq)/i, "what { or [ opens ends with } or ]"],
];

/** The parser descends level by level: thousands of them end its stack before they end. */
function parseLevels(text: string, file: string, lineCounter: LineCounter): Document.Parsed {
  try {
    return parseDocument(text, { lineCounter, prettyErrors: false, logLevel: "error" });
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof SyntaxError)) throw error;
    throw usageError(`${file}: not valid YAML: found levels within levels by the thousand, expected a dozen at most`);
  }
}

/** The document as plain values. Aliases may stand for what came before them, not for what holds them, and not by the thousand. */
function plainValue(document: Document.Parsed, refuse: (sentence: string) => Error): unknown {
  try {
    const value: unknown = document.toJS() ?? {};
    // Throws where an alias stands for something that holds it.
    JSON.stringify(value);
    return value;
  } catch (error) {
    if (!(error instanceof ReferenceError || error instanceof TypeError || error instanceof RangeError)) throw error;
    throw refuse(
      `not valid YAML: found an alias that cannot be followed (${lowerFirst(error.message.split("\n")[0] ?? "")}), expected values without aliases`,
    );
  }
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

export function foundText(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  const text = JSON.stringify(value) ?? "nothing";
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

const counted = (n: number | undefined, one: string, several: string): string => `${n} ${n === 1 ? one : several}`;

/** One sentence per mistake: what was found, what would be right. */
function describeIssue(issue: Issue, root: unknown, schema: z.ZodType, prefix: Path = []): readonly Problem[] {
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
        const known = knownKeys(path, root, schema);
        const near = nearest(key, known);
        return {
          path: [...path, key],
          sentence: `found an unknown key, expected one of ${known.join(", ")}`,
          ...(near === undefined ? {} : { hint: `did you mean ${near}?` }),
        };
      });
    case "invalid_type":
      if (issue.expected === "object") {
        const keys = knownKeys(path, root, schema);
        if (keys.length > 0) return wrong(`a mapping of ${keys.join(", ")}`);
      }
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
      if (issue.origin === "string") return wrong("a text that is not empty");
      return wrong(`at least ${issue.origin === "array" ? counted(issue.minimum, "entry", "entries") : issue.minimum}`);
    case "too_big":
      if (issue.origin === "string")
        return wrong(`a text of at most ${counted(issue.maximum, "character", "characters")}`);
      return wrong(`at most ${issue.origin === "array" ? counted(issue.maximum, "entry", "entries") : issue.maximum}`);
    case "invalid_format":
      return wrong(issue.message);
    case "invalid_union":
      return describeUnion(issue, root, schema, path);
    default:
      return wrong(lowerFirst(issue.message));
  }
}

/** Of a union, the branch that fits the value's type: its own mistakes are what the user wants to hear. */
function describeUnion(issue: Issue, root: unknown, schema: z.ZodType, path: Path): readonly Problem[] {
  if (issue.discriminator !== undefined) {
    const name = issue.discriminator;
    const object = path.at(-1) === name ? path.slice(0, -1) : path;
    const kinds = objectsAt(object, schema).map((branch) => branch.properties?.[name]?.const);
    const values = kinds.filter((kind) => kind !== undefined);
    return describeIssue({ code: "invalid_value", path: [...object, name], message: "", values }, root, schema);
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
  if (branch !== undefined) return branch.flatMap((inner) => describeIssue(inner, root, schema, path));
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

/** The objects that the schema allows at a path: several where it is a union. */
function objectsAt(path: Path, schema: z.ZodType): readonly JsonSchema[] {
  const flatten = (inner: JsonSchema): readonly JsonSchema[] =>
    (inner.anyOf ?? inner.oneOf)?.flatMap(flatten) ?? [inner];
  let schemas: readonly JsonSchema[] = [z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonSchema];
  for (const part of path) {
    schemas = schemas.flatMap(flatten).flatMap((inner) => {
      const next = typeof part === "number" ? inner.items : (inner.properties?.[part] ?? inner.additionalProperties);
      return next === undefined || typeof next === "boolean" ? [] : [next];
    });
  }
  return schemas.flatMap(flatten).filter((inner) => inner.properties !== undefined);
}

/** The keys that the schema allows at a path; of a union, those of the branch whose constants agree with the value. */
function knownKeys(path: Path, root: unknown, schema: z.ZodType): readonly string[] {
  const value = valueAt(root, path) as Readonly<Record<string, unknown>> | null | undefined;
  const objects = objectsAt(path, schema);
  const agreeing = objects.filter((object) =>
    Object.entries(object.properties ?? {}).every(
      ([key, inner]) => inner.const === undefined || inner.const === value?.[key],
    ),
  );
  const chosen = agreeing.length > 0 ? agreeing : objects;
  return [...new Set(chosen.flatMap((object) => Object.keys(object.properties ?? {})))];
}

/** The candidate that is at most a third of its letters away (Levenshtein), or the only one that begins with the word, if any. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  if (best !== undefined && bestDistance <= Math.max(1, Math.ceil(best.length / 3))) return best;
  const longer =
    word.length < 3 ? [] : candidates.filter((candidate) => candidate.startsWith(`${word.toLowerCase()}_`));
  return longer.length === 1 ? longer[0] : undefined;
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
      const item: unknown = isSeq(node) ? node.items[Number(part)] : undefined;
      if (!isNode(item)) break;
      node = item;
      offset = node.range?.[0] ?? offset;
    }
  }
  return lines.linePos(offset).line;
}
