#!/usr/bin/env node
// The bin: registers tsx, so that a fresh clone runs the TypeScript without a build step.
import { register } from "tsx/esm/api";

register();
try {
  await import("./cli.ts");
} catch (error) {
  // What the command line says of it cannot be loaded any more.
  if (error?.code !== "EMFILE") throw error;
  process.stderr.write("assay: too many files are open\n  hint: raise the limit with ulimit -n, to 1024 say\n");
  process.exitCode = 2;
}
