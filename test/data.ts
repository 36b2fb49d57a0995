import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { projectRoot } from "../pipelines/lib/files.ts";

/** The folder of the real data sets: `ASSAY_DATA`, or `shared/data` beside the project. */
export const dataFolder = resolve(process.env.ASSAY_DATA ?? join(projectRoot, "..", "shared", "data"));

/**
 * True when a real data set is there. Where it is not, says so in one line, so that the tests over it can be left out; in CI its absence
 * is a failure.
 */
export function hasData(folder: string): boolean {
  const path = join(dataFolder, folder);
  if (existsSync(path)) return true;
  const message = `no data at ${path}: tests over ${folder} do not run; set ASSAY_DATA to the folder that holds it`;
  if (process.env.CI === "true") throw new Error(message);
  console.warn(message);
  return false;
}
