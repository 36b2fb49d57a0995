/** Which files of a folder belong together: one table each, as dated dumps, monthly parts or a single file. */
import { readdir, stat } from "node:fs/promises";
import { basename, join, relative, sep } from "node:path";
import { ListCut } from "../lib/list-cut.ts";
import { dayOf, namedDay, namedMonth } from "../lib/named-days.ts";
import type { Encoding, Sniffed } from "./sniff.ts";
import { pathsOf } from "./sniff.ts";

export interface ExportFile {
  /** Below the folder, with forward slashes. */
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  readonly modifiedMs: number;
  readonly sniffed: Exclude<Sniffed, { kind: "other" }>;
  /** The columns of a text or the paths of JSON records; of Parquet they come from the engine. */
  readonly columns: readonly string[];
  /** Paths into columns that hold JSON objects: `groups.company`. */
  readonly inner: readonly string[];
}

/** Files of one kind, with the same columns and names that differ in digits only. */
export interface Table {
  /** A name for the source: `accounts`, `usage`. */
  readonly id: string;
  readonly files: readonly ExportFile[];
  /** What `files:` says. */
  readonly glob: string;
  /** Where the names hold dates: `accounts_{date}.csv`, and the dates. */
  readonly dated: { readonly pattern: string; readonly dates: readonly string[] } | null;
  readonly kind: "csv" | "json" | "parquet";
  readonly encoding: Encoding;
  readonly delimiter: string | null;
  readonly skipLines: number;
  readonly columns: readonly string[];
  /** Those of `columns` that are paths into JSON texts of others. */
  readonly inner: readonly string[];
  /** Columns of `columns` that other files of the table call otherwise, at the same place and with such values: all names, its own first. */
  readonly renamed: Readonly<Record<string, readonly string[]>>;
  /** Of files that would belong here but lack columns: how many names all of them share. */
  readonly hasOtherHeaders: boolean;
}

/** All files below a folder but hidden ones, a book's own files and what people keep beside exports. */
export async function listFiles(
  folder: string,
): Promise<readonly { name: string; path: string; bytes: number; modifiedMs: number }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found = await Promise.all(
    entries
      .filter((entry) => !entry.isDirectory())
      .map(async (entry) => {
        const path = join(entry.parentPath, entry.name);
        const name = relative(folder, path).split(sep).join("/");
        if (name.split("/").some((part) => part.startsWith(".") || part === "node_modules")) return null;
        const isOwn = /^(assay\.ya?ml|flags\.yaml|(scorecards|vendors|tests)\/.*\.ya?ml)$/.test(name);
        if (isOwn) return null;
        try {
          const facts = await stat(path);
          return facts.isFile() ? { name, path, bytes: facts.size, modifiedMs: facts.mtimeMs } : null;
        } catch {
          return null;
        }
      }),
  );
  return found.flatMap((file) => file ?? []).sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** The columns of a file whose beginning has been read. */
export function columnsOf(sniffed: Exclude<Sniffed, { kind: "other" }>): readonly string[] | string {
  if (sniffed.kind === "parquet") return [];
  if (sniffed.kind === "csv") return sniffed.text.columns;
  const paths = new Set<string>();
  for (const text of recordTexts(sniffed.head, sniffed.list)) {
    try {
      for (const path of pathsOf(JSON.parse(text))) paths.add(path);
    } catch {
      // The last record may be cut off.
    }
  }
  return paths.size === 0 ? "holds no JSON records: expected one object a line, or a list of objects" : [...paths];
}

/** At most so many values are looked for inside JSON texts. */
const mostInner = 40;

/** The paths of single values inside the columns whose texts are JSON objects; `rows`: some of the records. */
export function innerOf(columns: readonly string[], rows: readonly (readonly (string | null)[])[]): readonly string[] {
  const found = columns.flatMap((column, i) => {
    const texts = rows.flatMap((row) => row[i]?.trim() || []).slice(0, 200);
    if (column === "" || texts.length === 0 || !texts.every((text) => text.startsWith("{"))) return [];
    const paths = new Set<string>();
    for (const text of texts) {
      try {
        for (const path of pathsOf(JSON.parse(text))) paths.add(`${column}.${path}`);
      } catch {
        return [];
      }
    }
    return [...paths];
  });
  return found.filter((path) => !columns.includes(path)).slice(0, mostInner);
}

/** The first objects of JSON lines or of a list, each as its text. */
function recordTexts(whole: string, list: string | null): readonly string[] {
  const head = list === null ? whole : new ListCut(list).push(Buffer.from(whole)).toString("utf8");
  if (!head.startsWith("["))
    return head
      .split(/\r?\n/)
      .filter((line) => line.trim() !== "")
      .slice(0, 500);
  const texts: string[] = [];
  let depth = 0;
  let start = 0;
  let isText = false;
  for (let i = 1; i < head.length && texts.length < 500; i += 1) {
    const letter = head[i];
    if (isText) {
      if (letter === "\\") i += 1;
      else if (letter === '"') isText = false;
    } else if (letter === '"') isText = true;
    else if (letter === "{" || letter === "[") {
      if (depth === 0) start = i;
      depth += 1;
    } else if (letter === "}" || letter === "]") {
      depth -= 1;
      if (depth === 0) texts.push(head.slice(start, i + 1));
      if (depth < 0) break;
    }
  }
  return texts;
}

/** A date or a month stands for itself: no digit of a longer number, no letter of a longer word. */
const alone = (text: string): string => `(?<![\\d\\p{L}])${text}(?![\\d\\p{L}])`;
const digitsAlone = (text: string): string => `(?<!\\d)${text}(?!\\d)`;
const dayExpressions = [
  new RegExp(digitsAlone("(?:19|20)\\d{2}([-_./]?)\\d{2}\\1\\d{2}")),
  new RegExp(alone(namedDay), "iu"),
];
const monthExpression = new RegExp(alone(namedMonth), "iu");

/** Folders that say a date stay folders. */
const withoutDigits = (date: string): string =>
  date
    .split("/")
    .map(() => "#")
    .join("/");

/** A name with its digits taken out: what files of one table share. Extensions and folders stay. */
function stemOf(name: string): string {
  return name
    .replace(/(?<!\d)(?:19|20)\d{2}([-_.]?)\d{2}\1\d{2}(?:T?\d{4,6}Z?)?(?!\d)/g, "#")
    .replace(new RegExp(alone(namedDay), "giu"), withoutDigits)
    .replace(new RegExp(alone(namedMonth), "giu"), withoutDigits)
    .replace(/(?<![\dA-Za-z])\d{4}[-_]\d{2}(?!\d)/g, "#")
    .replace(/(?<![\dA-Za-z])(part|q|kw|w|v|chunk|page|batch|p)?[-_]?\d+(?![\dA-Za-z])/gi, "#")
    .replace(/([._-])\(#\)|\s*\(#\)/g, "#")
    .replace(/#+/g, "#");
}

const headerOf = (file: ExportFile): string =>
  [...new Set(file.columns)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)).join("\u0001");

/**
 * Groups files into tables. Files of one stem with different columns stay together where the smaller header holds at least 70 % of the names of
 * both (a column was added later): only shared columns are mapped then. Otherwise each header is a table of its own.
 */
export function groupTables(files: readonly ExportFile[]): readonly Table[] {
  const stems = new Map<string, ExportFile[]>();
  for (const file of files) {
    const key = [stemOf(file.name), file.sniffed.kind].join("\u0001");
    stems.set(key, [...(stems.get(key) ?? []), file]);
  }
  const groups: {
    files: ExportFile[];
    stem: string;
    isWhole: boolean;
    hasOtherHeaders: boolean;
    renamed: Readonly<Record<string, readonly string[]>>;
  }[] = [];
  for (const [key, members] of stems) {
    const stem = key.split("\u0001")[0] as string;
    const headers = new Map<string, ExportFile[]>();
    for (const file of members) {
      // JSON records of one kind need not all hold the same paths.
      const header = file.sniffed.kind === "json" ? "" : [headerOf(file), shapeOf(file)].join("\u0002");
      headers.set(header, [...(headers.get(header) ?? []), file]);
    }
    const parts = [...headers.values()];
    if (parts.length > 1 && parts.length <= 12 && shareNames(parts)) {
      groups.push({ files: members, stem, isWhole: true, hasOtherHeaders: true, renamed: {} });
      continue;
    }
    const renamed = parts.length > 1 ? renamedIn(parts) : null;
    if (renamed !== null) {
      groups.push({ files: members, stem, isWhole: true, hasOtherHeaders: false, renamed });
      continue;
    }
    for (const part of parts)
      groups.push({ files: part, stem, isWhole: parts.length === 1, hasOtherHeaders: false, renamed: {} });
  }
  const ids = new Set<string>();
  return groups.map(({ files: members, stem, isWhole, hasOtherHeaders, renamed }) => {
    const [first] = members as [ExportFile];
    const glob = members.length === 1 ? escapeGlob(first.name) : isWhole ? globOf(stem, members) : "";
    const shared =
      Object.keys(renamed).length > 0
        ? (members.at(-1) as ExportFile).columns
        : [...new Set(first.columns)].filter((name) => members.every((file) => file.columns.includes(name)));
    const plain = firstOfCase(
      first.sniffed.kind === "json" ? [...new Set(members.flatMap((file) => file.columns))] : shared,
    );
    const columns = firstOfCase([...plain, ...new Set(members.flatMap((file) => file.inner))]);
    const { sniffed } = first;
    return {
      id: freeId(stem, ids),
      files: members,
      glob,
      dated: datedNames(members),
      kind: sniffed.kind,
      encoding: sniffed.kind === "parquet" ? "utf-8" : sniffed.encoding,
      delimiter: sniffed.kind === "csv" ? sniffed.text.delimiter : null,
      skipLines: sniffed.kind === "csv" ? sniffed.text.skipLines : 0,
      columns,
      inner: columns.slice(plain.length),
      renamed,
      hasOtherHeaders,
    };
  });
}

/** The engine knows no case in names: of two that differ in it the first stands. */
function firstOfCase(names: readonly string[]): readonly string[] {
  const seen = new Set<string>([""]);
  return names.filter((name) => !seen.has(name.toLowerCase()) && seen.add(name.toLowerCase()));
}

/** What must be equal for files to be read in one way. */
const shapeOf = ({ sniffed }: ExportFile): string =>
  sniffed.kind === "csv" ? `${sniffed.encoding} ${sniffed.text.delimiter} ${sniffed.text.skipLines}` : sniffed.kind;

function shareNames(parts: readonly (readonly ExportFile[])[]): boolean {
  const sets = parts.map((part) => new Set(part[0]?.columns ?? []));
  const all = new Set(sets.flatMap((names) => [...names]));
  const shared = [...all].filter((name) => sets.every((names) => names.has(name)));
  const shapes = new Set(parts.flatMap((part) => part.map(shapeOf)));
  return shapes.size === 1 && shared.length >= 0.7 * all.size;
}

/** The form of a value: `N0042` is `a9`. */
const formOf = (value: string): string =>
  value
    .trim()
    .replace(/\p{L}+/gu, "a")
    .replace(/\d+/g, "9");

/**
 * Files of one table whose columns were renamed at some time: as many columns, some of the same name, the others at the same place and with
 * values of the same form. The newest names, each with all that stood in its place; null where that is not so.
 */
function renamedIn(parts: readonly (readonly ExportFile[])[]): Readonly<Record<string, readonly string[]>> | null {
  const newest = [...parts].sort((a, b) => ((a.at(-1)?.name ?? "") < (b.at(-1)?.name ?? "") ? 1 : -1));
  const [one, ...others] = newest.map((part) => part[0] as ExportFile) as [ExportFile, ...ExportFile[]];
  if (parts.length > 6 || new Set(parts.flat().map(shapeOf)).size > 1) return null;
  const formsAt = ({ sniffed }: ExportFile, i: number): ReadonlySet<string> =>
    new Set((sniffed.kind === "csv" ? sniffed.text.rows : []).flatMap((row) => (row[i]?.trim() ? formOf(row[i]) : [])));
  const renamed: Record<string, string[]> = {};
  for (const other of others) {
    if (other.columns.length !== one.columns.length) return null;
    let same = 0;
    for (const [i, name] of one.columns.entries()) {
      const theirs = other.columns[i] as string;
      if (theirs === name) {
        same += 1;
        continue;
      }
      if (one.columns.includes(theirs) || other.columns.includes(name)) return null;
      const [a, b] = [formsAt(one, i), formsAt(other, i)];
      if (a.size > 0 && b.size > 0 && ![...a].some((form) => b.has(form))) return null;
      renamed[name] = [...new Set([...(renamed[name] ?? [name]), theirs])];
    }
    if (same < 1 || same < 0.3 * one.columns.length) return null;
  }
  return renamed;
}

/** A glob that these files match: their common stem with stars. Files of another header in the same place are listed one by one. */
function globOf(stem: string, files: readonly ExportFile[]): string {
  return files.length === 1
    ? escapeGlob((files[0] as ExportFile).name)
    : escapeGlob(stem).replaceAll(/#+/g, "*").replaceAll(/\*+/g, "*");
}

/** A name as a glob that matches it and nothing else. */
const escapeGlob = (name: string): string => name.replace(/[*?[{]/g, (letter) => `[${letter}]`);

/** The dates in the names of all files, and where they stand; of several files their months, where no name says a day. */
function datedNames(files: readonly ExportFile[]): Table["dated"] {
  const tries = [files.map(({ name }) => basename(name)), files.map(({ name }) => name)].flatMap((names) => [
    ...dayExpressions.map((expression) => ({ names, expression, sign: "{date}" })),
    ...(files.length > 1 ? [{ names, expression: monthExpression, sign: "{month}" }] : []),
  ]);
  for (const { names, expression, sign } of tries) {
    const found = names.map((name) => expression.exec(name)?.[0]);
    const dates = found.map((text) => (text === undefined ? null : dayOf(text)));
    const patterns = new Set(names.map((name, i) => name.replace(found[i] ?? "", sign)));
    const [pattern] = patterns;
    if (dates.includes(null) || patterns.size !== 1 || pattern === undefined) continue;
    if (sign === "{month}" && new Set(dates).size < dates.length) continue;
    return { pattern: escapeGlob(pattern).replace(`[{]${sign.slice(1)}`, sign), dates: dates as readonly string[] };
  }
  return null;
}

/** The day or month that a name holds, of its file or of its folders; empty where it holds none. */
export const dateIn = (name: string): string =>
  [...dayExpressions, monthExpression].flatMap((expression) => expression.exec(name)?.[0] ?? [])[0] ?? "";

/** An id out of a file's name, free of digits and of words that every export has. */
export function idOf(stem: string): string {
  const name = basename(stem)
    .replace(/\.(gz|zst|csv|tsv|txt|json|jsonl|ndjson|parquet|pq|dat|xls|xlsx)\b/gi, "")
    .replaceAll("#", "_");
  const word = (text: string): string =>
    text
      .normalize("NFKD")
      .replaceAll(/[\u0300-\u036f]/g, "")
      .replaceAll(/([a-z])([A-Z])/g, "$1_$2")
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, "_")
      .replaceAll(/^_+|_+$/g, "");
  const short = word(name).replace(/^(export|dump|data|full|report)_|_(export|dump|data|full|report|final)$/g, "");
  const folder = word(stem.split("/").at(-2) ?? "");
  const chosen = /^[a-z]/.test(short) ? short : folder !== "" ? `${folder}${short === "" ? "" : `_${short}`}` : "";
  const id = chosen === "" ? "table" : chosen;
  return (/^[a-z]/.test(id) ? id : `t_${id}`).slice(0, 50);
}

function freeId(stem: string, taken: Set<string>): string {
  const id = idOf(stem);
  const folder = idOf(`x/${(stem.split("/").at(-2) ?? "").replaceAll("#", "")}`);
  const tries = [id, ...(folder === "table" ? [] : [`${folder}_${id}`])];
  for (let n = 2; ; n += 1) {
    const next = tries.shift() ?? `${id}_${n}`;
    if (taken.has(next)) continue;
    taken.add(next);
    return next;
  }
}
