/** Finds the flags of a book: sets that ship with Assay, and files of its own. */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Book } from "../config/book.ts";
import { type Flag, parseFlags } from "../config/flags.ts";
import type { KpiDefinition } from "../config/kpi.ts";
import { nearest } from "../config/yaml.ts";
import { usageError } from "../lib/errors.ts";
import { projectRoot } from "../lib/files.ts";

const setRoot = join(projectRoot, "sql", "flags");
const ownFile = "flags.yaml";

export interface ResolvedFlags {
  readonly flags: readonly Flag[];
  /** Flags that cannot be raised in this book, with the reason. */
  readonly off: readonly { readonly id: string; readonly why: string }[];
}

/**
 * The flags under `flags:` of the book, a set by its name or a file below the book; without that key those of `flags.yaml`
 * beside assay.yaml, if it is there. A flag of the book's own on a KPI that the book does not list is a usage error; one
 * of a set is off, and so is any flag on a KPI that is off.
 */
export async function resolveFlags(
  book: Pick<Book, "folder" | "flags" | "kpis">,
  kpis: readonly Pick<KpiDefinition, "id">[],
): Promise<ResolvedFlags> {
  const computed = new Set(kpis.map(({ id }) => id));
  const listed = book.kpis.map((entry) => (typeof entry === "string" ? entry : String(entry.id)));
  const known = [...new Set([...listed, ...computed])];
  const flags: Flag[] = [];
  const off: { id: string; why: string }[] = [];
  for (const { path, file, isSet } of await filesOf(book)) {
    const parsed = parseFlags(await readFile(path, "utf8"), file);
    for (const [i, flag] of parsed.flags.entries()) {
      if (flags.some(({ id }) => id === flag.id) || off.some(({ id }) => id === flag.id)) {
        throw parsed.errorAt([i, "id"], `found ${flag.id}, expected an id that no flag of the book's other files has`);
      }
      if (computed.has(flag.kpi)) flags.push(flag);
      else if (known.includes(flag.kpi)) off.push({ id: flag.id, why: `KPI ${flag.kpi} is off` });
      else if (isSet) off.push({ id: flag.id, why: `KPI ${flag.kpi} is not listed under kpis` });
      else {
        const near = nearest(flag.kpi, known);
        throw parsed.errorAt(
          [i, "kpi"],
          `found ${flag.kpi}, expected a KPI that the book lists under kpis (${[...known].sort().join(", ")})`,
          near === undefined ? undefined : `did you mean ${near}?`,
        );
      }
    }
  }
  return { flags, off };
}

async function filesOf(
  book: Pick<Book, "folder" | "flags">,
): Promise<readonly { readonly path: string; readonly file: string; readonly isSet: boolean }[]> {
  if (book.flags === undefined) {
    const path = join(book.folder, ownFile);
    return existsSync(path) ? [{ path, file: ownFile, isSet: false }] : [];
  }
  const names = typeof book.flags === "string" ? [book.flags] : book.flags;
  const sets = (await readdir(setRoot)).map((file) => file.replace(/\.yaml$/, "")).sort();
  return names.map((name, i) => {
    if (sets.includes(name))
      return { path: join(setRoot, `${name}.yaml`), file: `sql/flags/${name}.yaml`, isSet: true };
    const path = resolve(book.folder, name);
    if (existsSync(path)) return { path, file: name, isSet: false };
    const key = typeof book.flags === "string" ? "flags" : `flags[${i}]`;
    throw usageError(
      `assay.yaml: ${key}: found ${name}, expected a file of the book or one of the sets ${sets.join(", ")}`,
    );
  });
}
