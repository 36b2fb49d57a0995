/** Notebook Kit fetches its built-in libraries from a CDN when a page opens. Here they come from `notebooks/node_modules`. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";
import { notebooksFolder } from "./folders.ts";

const cdn = String.raw`https://cdn\.jsdelivr\.net/npm/((?:@[\w.-]+/)?[\w.-]+)(?:@[^/"']+)?([^"')]*)`;
const imported = new RegExp(String.raw`(import\(\s*|from\s+)(["'])${cdn}\2`, "g");
const styled = new RegExp(String.raw`@import url\((["'])${cdn}\1\)`, "g");
const absent = "virtual:absent/";

const sentence = (name: string): string =>
  `the package ${name} is not installed: run 'npm install ${name} --prefix notebooks', then open the notebook again`;
const thrower = (name: string): string =>
  `throw new Error(${JSON.stringify(sentence(name))});\nexport default undefined;`;

const installed = (name: string, path = ""): string => join(notebooksFolder, "node_modules", name, path);

/**
 * Rewrites imports from the CDN, those of Notebook Kit's runtime as well as `npm:` imports of a cell, to bare ones. A package that is not
 * installed becomes a module that says so when a cell asks for it, and touches no network.
 */
export function offline(): Plugin {
  return {
    name: "assay:offline",
    enforce: "pre",
    resolveId: (id) => (id.startsWith(absent) ? `\0${id}` : null),
    load(id) {
      return id.startsWith(`\0${absent}`) ? thrower(id.slice(absent.length + 1)) : null;
    },
    transform(code) {
      if (!code.includes("cdn.jsdelivr.net/npm/")) return null;
      // A module that cannot do without an absent package is absent itself: its names are not known here.
      const missing = [...code.matchAll(imported)].find(
        ([, before, , name = ""]) => before?.startsWith("from") && !existsSync(installed(name)),
      );
      if (missing !== undefined) return { code: thrower(missing[3] ?? ""), map: null };
      return {
        code: code
          .replace(imported, (_all, before: string, quote: string, name: string) => {
            const local = existsSync(installed(name)) ? name : `${absent}${name}`;
            return `${before}${quote}${local}${quote}`;
          })
          .replace(styled, (all, quote: string, name: string, path: string) =>
            existsSync(installed(name, path)) ? `@import url(${quote}${installed(name, path)}${quote})` : all,
          ),
        map: null,
      };
    },
  };
}
