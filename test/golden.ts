/** Compares a text with the committed one under test/golden/; `UPDATE_GOLDEN=1` rewrites it instead. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { projectRoot } from "../pipelines/lib/files.ts";

export async function expectGolden(name: string, text: string): Promise<void> {
  const path = join(projectRoot, "test", "golden", name);
  if (process.env.UPDATE_GOLDEN === "1") await writeFile(path, text);
  expect(text).toBe(await readFile(path, "utf8"));
}
