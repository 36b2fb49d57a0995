import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { usageError } from "../lib/errors.ts";
import { projectRoot } from "../lib/files.ts";
import { parseAudits } from "./audits.ts";
import type { Model } from "./model.ts";

const keys = ["model", "kind", "grain", "depends", "params", "audits", "portable"] as const;
type Key = (typeof keys)[number];

const splitList = (text: string | undefined): readonly string[] =>
  (text ?? "")
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part.length > 0);

/**
 * Reads a `.sql` model: leading `-- key: value` lines, then one select. A line of the header that continues the one
 * before starts with `--` and two or more spaces. Other comment lines before the select are prose.
 */
export function parseModel(text: string, file: string): Model {
  const facts = new Map<Key, string>();
  const lines = text.split(/\r?\n/);
  let at = 0;
  let last: Key | undefined;
  for (; at < lines.length; at += 1) {
    const line = lines[at] as string;
    if (line.trim() === "") continue;
    if (!line.startsWith("--")) break;
    const fact = /^-- ([a-z]+): (.*)$/.exec(line);
    if (fact !== null && (keys as readonly string[]).includes(fact[1] as string)) {
      last = fact[1] as Key;
      facts.set(last, (fact[2] as string).trim());
    } else if (last !== undefined && /^-- {2,}\S/.test(line)) {
      facts.set(last, `${facts.get(last)} ${line.slice(2).trim()}`);
    } else last = undefined;
  }
  const name = facts.get("model");
  if (name === undefined || !/^[a-z_]+\.[a-z0-9_]+$/.test(name)) {
    throw usageError(`${file}: the header needs a line '-- model: schema.table', found ${name ?? "none"}`);
  }
  const sql = lines.slice(at).join("\n").trim().replace(/;$/, "");
  const kind = facts.get("kind") ?? "table";
  if (kind !== "table" && kind !== "view") throw usageError(`${file}: kind is table or view, found ${kind}`);
  return {
    kind,
    name,
    grain: splitList(facts.get("grain")),
    depends: splitList(facts.get("depends")),
    params: splitList(facts.get("params")),
    audits: parseAudits(name, facts.get("audits") ?? "", file),
    portable: facts.get("portable") === "trino",
    sql,
  };
}

/** All fixed-shape models below a folder of `sql/`, in the order of their names. */
export async function readModels(folder: string, root: string = join(projectRoot, "sql")): Promise<readonly Model[]> {
  const entries = await readdir(join(root, folder), { recursive: true });
  const files = entries.filter((entry) => entry.endsWith(".sql")).sort();
  return Promise.all(
    files.map(async (entry) => {
      const path = join(root, folder, entry);
      return parseModel(await readFile(path, "utf8"), relative(root, path));
    }),
  );
}
