import { type BigIntStats, lstatSync, statSync } from "node:fs";
import { readdir, realpath } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { refusedError } from "../lib/errors.ts";

export interface FoundFile {
  /** Below the root, with forward slashes: the name that people see. */
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  /** When the content and when the entry changed, in nanoseconds: together with the size, whether it is worth reading. */
  readonly stamp: string;
  readonly modifiedMs: number;
}

export const stampOf = (facts: { readonly size: bigint; readonly mtimeNs: bigint; readonly ctimeNs: bigint }): string =>
  `${facts.size}:${facts.mtimeNs}:${facts.ctimeNs}`;

/** A name that looks like an export's and is read by no source, or not before a day of the future (`ahead`). */
export interface Unread {
  readonly name: string;
  readonly why: "case" | "no file" | "ahead";
}

/**
 * The files below `root` that match one of the patterns, sorted by name. `*` and `?` stay inside a folder, `**` does not. A link
 * that leads out of the root is refused: whoever may drop a file there could otherwise have any file of the machine read. `unread` hears
 * of names that would match with other capital letters, and of what is named as an export and is no file: a folder, a link that leads nowhere.
 */
export async function findFiles(
  root: string,
  patterns: readonly string[],
  unread: (found: Unread) => void = () => {},
): Promise<readonly FoundFile[]> {
  const found = new Map<string, FoundFile>();
  const home = await realpath(root).catch(() => root);
  const folders = new Map<string, string>();
  // Only a link, or a folder that one leads to, can lead out: where folders are is asked once.
  const leadsTo = async (path: string, isLink: boolean): Promise<string> => {
    if (isLink) return realpath(path);
    const folder = dirname(path);
    const real = folders.get(folder) ?? (await realpath(folder));
    folders.set(folder, real);
    return join(real, basename(path));
  };
  for (const pattern of patterns) {
    const parts = pattern.split("/").filter((part) => part !== "" && part !== ".");
    const magic = parts.findIndex((part) => /[*?{[]/.test(part));
    const fixed = magic === -1 ? parts.slice(0, -1) : parts.slice(0, magic);
    const expression = globExpression(parts.join("/"));
    const inAnyCase = new RegExp(expression.source, "i");
    const base = join(root, ...fixed);
    const deep = magic !== -1 && (parts.length - magic > 1 || parts.includes("**"));
    let entries: readonly string[];
    try {
      entries = await readdir(base, { recursive: deep });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT" || (error as NodeJS.ErrnoException).code === "ENOTDIR")
        continue;
      throw error;
    }
    for (const entry of entries) {
      const name = [...fixed, ...entry.split(sep)].join("/");
      if (found.has(name) || !inAnyCase.test(name) || entry.split(sep).some((part) => part.startsWith("."))) continue;
      if (!expression.test(name)) {
        unread({ name, why: "case" });
        continue;
      }
      const path = join(base, entry);
      const { facts, isLink } = statOf(path);
      if (facts === null || !facts.isFile()) {
        if (namesAFile.test(name)) unread({ name, why: "no file" });
        continue;
      }
      const target = await leadsTo(path, isLink);
      if (!target.startsWith(home.endsWith(sep) ? home : `${home}${sep}`)) {
        throw refusedError(`${name} is a link that leads to ${target}, expected a file below ${root}`);
      }
      found.set(name, {
        name,
        path,
        bytes: Number(facts.size),
        stamp: stampOf(facts),
        modifiedMs: Number(facts.mtimeMs),
      });
    }
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** Folders are matched by many a pattern, and rightly passed over, unless they are named as files are. */
const namesAFile = /\.(csv|tsv|txt|json|jsonl|ndjson|parquet|pq)(\.(gz|zst))?$/i;

/** Null for a link that leads nowhere or to itself, and for a file that went away after it was listed. */
function statOf(path: string): { readonly facts: BigIntStats | null; readonly isLink: boolean } {
  try {
    const own = lstatSync(path, { bigint: true });
    const isLink = own.isSymbolicLink();
    return { facts: isLink ? statSync(path, { bigint: true }) : own, isLink };
  } catch (error) {
    if (!["ENOENT", "ENOTDIR", "ELOOP"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    return { facts: null, isLink: false };
  }
}

/** A glob as a regular expression over a name with forward slashes: `*`, `?`, `**`, `[a-c]` and `{a,b}`. */
export function globExpression(glob: string): RegExp {
  let text = "";
  let depth = 0;
  for (let i = 0; i < glob.length; i += 1) {
    const letter = glob[i] as string;
    if (glob.startsWith("**/", i)) {
      text += "(?:[^/]+/)*";
      i += 2;
    } else if (glob.startsWith("**", i)) {
      text += ".*";
      i += 1;
    } else if (letter === "*") text += "[^/]*";
    else if (letter === "?") text += "[^/]";
    else if (letter === "{" && glob.includes("}", i)) {
      text += "(?:";
      depth += 1;
    } else if (letter === "}" && depth > 0) {
      text += ")";
      depth -= 1;
    } else if (letter === "," && depth > 0) text += "|";
    else if (letter === "[" && glob.indexOf("]", i) > i + 1) {
      const end = glob.indexOf("]", i);
      text += `[${glob
        .slice(i + 1, end)
        .replace(/^!/, "^")
        .replaceAll("\\", "\\\\")}]`;
      i = end;
    } else text += letter.replace(/[.+^$()|\\{}[\]]/g, "\\$&");
  }
  return new RegExp(`^${text}$`);
}
