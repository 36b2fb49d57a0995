/** Mappings of vendors' tables: data in `vendors/*.yaml`, and in a folder of the same name beside a user's exports (docs/vendors.md). */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { entities, entityIds, entityOf } from "../config/entities.ts";
import { id } from "../config/formats.ts";
import { type Problem, readYaml } from "../config/yaml.ts";
import { type Kind, plainName, squeeze } from "./kinds.ts";
import type { Profile } from "./profile.ts";

const oneColumn = z.strictObject({
  from: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).optional(),
  value: z.union([z.string(), z.number(), z.boolean()]).optional(),
  unit: z.enum(["major", "minor"]).optional().describe("of an amount that is written without decimals"),
  take: z.enum(["domain"]).optional(),
  map: z.record(z.string(), z.string()).optional(),
  nulls: z.array(z.string()).optional(),
  type: z.enum(["text", "integer", "number", "money", "boolean", "date", "time"]).optional(),
  when: z
    .record(z.string(), z.array(z.string()).min(1))
    .optional()
    .describe("only where these columns hold nothing but these texts"),
});
const column = z.union([z.string().min(1), oneColumn, z.array(z.union([z.string().min(1), oneColumn])).min(1)]);
const texts = z.union([z.string(), z.array(z.string()).min(1)]);

const table = z.strictObject({
  table: id,
  label: z.string().min(1).describe("what people call the rows"),
  entity: z.enum([...entityIds, "none"]).describe("none: recognised, and nothing that Assay needs"),
  why: z.string().min(1).optional().describe("of none: why, as the end of a sentence"),
  has: z
    .array(z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]))
    .min(2)
    .describe("columns that are all there; a list stands for one of them"),
  lacks: z.array(z.string().min(1)).default([]).describe("columns of which none is there"),
  looks: z
    .record(z.string(), z.string())
    .default({})
    .describe("regular expressions that most values of a column match: a hint"),
  file: z.array(z.string().min(1)).default([]).describe("words in the names of files: a hint"),
  key: z.array(id).default([]),
  columns: z.record(id, column).default({}),
  immutable: z.array(id).default([]),
  keep: z.record(z.string(), texts).default({}),
  drop: z.record(z.string(), texts).default({}),
  unless: z.array(id).default([]).describe("tables of the vendor that say the same better, where they are there"),
});

const vendorSchema = z.strictObject({
  vendor: id,
  label: z.string().min(1),
  kind: z.enum(["crm", "billing", "support", "product", "survey", "marketing", "other"]),
  tables: z.array(table).min(1),
});

export type VendorTable = z.output<typeof table>;
export type Vendor = z.output<typeof vendorSchema>;
/** How a column of an entity comes from one of several columns of an export. */
export interface Alternative {
  readonly from: readonly string[];
  readonly options: z.output<typeof oneColumn>;
}

/** The alternatives of a mapping, in the order in which they are tried. */
export function alternativesOf(mapping: VendorTable["columns"][string]): readonly Alternative[] {
  const list = Array.isArray(mapping) ? mapping : [mapping];
  return list.flatMap((item): readonly Alternative[] => {
    if (typeof item === "string") return [{ from: [item], options: {} }];
    if (item.from === undefined) return [{ from: [], options: item }];
    const from = typeof item.from === "string" ? [item.from] : item.from;
    return from.map((name) => ({ from: [name], options: item }));
  });
}

const ownFolder = join(fileURLToPath(new URL(".", import.meta.url)), "vendors");

/** The vendors that ship with Assay, and those of a folder of the user's, which come first. */
export async function readVendors(folder?: string): Promise<readonly Vendor[]> {
  const own = folder !== undefined && existsSync(folder) ? await readFolder(folder, "vendors/") : [];
  const shipped = await readFolder(ownFolder, "pipelines/init/vendors/");
  return [...own, ...shipped.filter(({ vendor }) => !own.some((other) => other.vendor === vendor))];
}

async function readFolder(folder: string, shown: string): Promise<readonly Vendor[]> {
  const names = (await readdir(folder)).filter((name) => /\.ya?ml$/.test(name)).sort();
  return Promise.all(
    names.map(async (name) => parseVendor(await readFile(join(folder, name), "utf8"), `${shown}${name}`)),
  );
}

/** Checks the text of a vendor's file; `file` is the name that errors show. */
export const parseVendor = (text: string, file: string): Vendor =>
  readYaml({ text, file, schema: vendorSchema, check: checkVendor }).value;

function checkVendor(vendor: Vendor): readonly Problem[] {
  const problems: Problem[] = [];
  for (const [i, one] of vendor.tables.entries()) {
    if (one.entity === "none") continue;
    const entity = entityOf(one.entity);
    const names = entity.columns.map(({ name }) => name);
    for (const name of Object.keys(one.columns)) {
      if (!names.includes(name) && !entity.extras)
        problems.push({
          path: ["tables", i, "columns", name],
          sentence: `found a column that ${entity.id} does not have, expected one of ${names.join(", ")}`,
        });
    }
    for (const { name, required } of entity.columns) {
      if (required && one.columns[name] === undefined)
        problems.push({
          path: ["tables", i, "columns"],
          sentence: `found no ${name}, expected one: ${entity.id} needs it`,
        });
    }
    for (const [at, pattern] of Object.entries(one.looks)) {
      try {
        new RegExp(pattern);
      } catch {
        problems.push({
          path: ["tables", i, "looks", at],
          sentence: `found ${pattern}, expected a regular expression`,
        });
      }
    }
  }
  return problems;
}

/** Finds columns of an export by a vendor's name for them: `AccountId`, `ACCOUNTID` and `account_id` are one. */
export function columnFinder(names: readonly string[]): (wanted: string) => string | undefined {
  const exact = new Map<string, string>();
  const plain = new Map<string, string>();
  for (const name of names) {
    if (!exact.has(squeeze(name))) exact.set(squeeze(name), name);
    if (!plain.has(plainName(name))) plain.set(plainName(name), name);
  }
  return (wanted) => exact.get(squeeze(wanted)) ?? plain.get(squeeze(wanted));
}

export interface VendorMatch {
  readonly vendor: Vendor;
  readonly table: VendorTable;
  readonly score: number;
}

/** The vendor's table that a file's columns are, or null. Of several the one that asks for most of them. */
export function matchVendor(
  names: readonly string[],
  profiles: readonly Profile[],
  fileName: string,
  vendors: readonly Vendor[],
): VendorMatch | null {
  const find = columnFinder(names);
  const words = fileName.toLowerCase();
  let best: VendorMatch | null = null;
  for (const vendor of vendors) {
    const isNamed = words.replaceAll(/[^a-z]/g, "").includes(vendor.vendor.replaceAll("_", ""));
    for (const one of vendor.tables) {
      const isThere = (wanted: string | readonly string[]): boolean =>
        typeof wanted === "string" ? find(wanted) !== undefined : wanted.some((name) => find(name) !== undefined);
      if (!one.has.every(isThere) || one.lacks.some(isThere)) continue;
      const looks = Object.entries(one.looks).map(([wanted, pattern]) => {
        const found = find(wanted);
        const profile = profiles.find(({ name }) => name === found);
        if (profile === undefined || profile.filled === 0) return 0;
        const expression = new RegExp(pattern);
        return profile.common.filter((value) => expression.test(value)).length >= 0.5 * profile.common.length ? 1 : -1;
      });
      const isFile = one.file.some((word) => words.includes(word));
      const hints = looks.filter((look) => look === 1).length;
      // A short list of common names is no signature: then the values or the file's name must say so, too.
      if (one.has.length < 4 && hints === 0 && !isFile && !isNamed) continue;
      const score =
        one.has.length + 3 * hints - looks.filter((look) => look === -1).length + (isFile ? 2 : 0) + (isNamed ? 2 : 0);
      if (best === null || score > best.score) best = { vendor, table: one, score };
    }
  }
  return best;
}

/** Whether a column can stand for a column of an entity: a time for a time, a number for an amount. */
export function fits(kind: Kind, entityId: string, name: string, hasMap: boolean): boolean {
  const type = entities.get(entityId)?.columns.find((one) => one.name === name)?.type ?? "text";
  if (kind.isEmpty) return true;
  switch (type) {
    case "date":
    case "time":
      return kind.time !== null;
    case "money":
    case "rate":
    case "number":
      return kind.isNumber || hasMap;
    case "integer":
      return kind.isNumber || hasMap;
    case "boolean":
      return kind.isBoolean || hasMap;
    default:
      return true;
  }
}
