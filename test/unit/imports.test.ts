import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";
import { projectRoot } from "../../pipelines/lib/files.ts";

// Imports point one way: a room may import the rooms of its list, and nobody may import back.
const mayImport: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  warehouse: ["lib"],
  config: ["lib", "warehouse"],
  models: ["lib", "warehouse"],
  load: ["config", "models", "warehouse", "lib"],
  features: ["config", "models", "warehouse", "lib"],
  scores: ["config", "models", "warehouse", "lib"],
  validation: ["config", "models", "warehouse", "lib"],
  publish: ["config", "models", "warehouse", "lib"],
  simulate: ["config", "models", "warehouse", "lib"],
  init: ["config", "models", "warehouse", "lib"],
  portfolio: ["config", "models", "warehouse", "lib"],
  success: ["config", "models", "warehouse", "lib"],
  commands: [
    "load",
    "features",
    "scores",
    "validation",
    "publish",
    "simulate",
    "init",
    "portfolio",
    "success",
    "config",
    "models",
    "warehouse",
    "lib",
  ],
  ".": ["commands", "config", "lib"],
};

const root = join(projectRoot, "pipelines");
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
const imports = files.flatMap((file) => {
  const text = readFileSync(join(root, file), "utf8");
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map((match) => match[1] as string);
  return specifiers.map((specifier) => ({ file, specifier }));
});
const roomOf = (file: string): string => (dirname(file) === "." ? "." : (file.split("/")[0] as string));

test("every room is known", () => {
  expect([...new Set(files.map(roomOf))].filter((room) => !(room in mayImport))).toEqual([]);
});

test("imports between rooms point one way", () => {
  const wrong = imports
    .filter(({ specifier }) => specifier.startsWith("."))
    .map(({ file, specifier }) => ({ file, target: relative(root, resolve(root, dirname(file), specifier)) }))
    .filter(({ file, target }) => {
      const [from, to] = [roomOf(file), roomOf(target)];
      return from !== to && !(mayImport[from] ?? []).includes(to);
    })
    .map(({ file, target }) => `${file} imports ${target}`);
  expect(imports.length).toBeGreaterThan(50);
  expect(wrong).toEqual([]);
});

test("only the warehouse room knows the database's package, and only the command line ends the process", () => {
  const wrongPackage = imports.filter(
    ({ file, specifier }) => specifier.startsWith("@duckdb/") && roomOf(file) !== "warehouse",
  );
  expect(wrongPackage).toEqual([]);
  const enders = files.filter((file) =>
    /process\.exit\b|process\.exitCode/.test(readFileSync(join(root, file), "utf8")),
  );
  expect(enders).toEqual(["cli.ts"]);
});

test("below the command line nothing reads the clock or the environment by itself", () => {
  const below = files.filter((file) => roomOf(file) !== "." && roomOf(file) !== "commands");
  const wrong = below.filter((file) =>
    /Date\.now\(\)|new Date\(\)|process\.env/.test(readFileSync(join(root, file), "utf8")),
  );
  expect(wrong).toEqual([]);
});
