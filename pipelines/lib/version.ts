import { readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "./files.ts";

/** The version of Assay: package.json says it, and nothing else. */
export const assayVersion = (
  JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as { readonly version: string }
).version;
