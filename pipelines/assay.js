#!/usr/bin/env node
// The bin: registers tsx, so that a fresh clone runs the TypeScript without a build step.
import { writeSync } from "node:fs";

/** What the machine does not give to Node.js itself: the command line, whose errors they would be, cannot be loaded any more. */
function limitOf(error) {
  if (error?.code === "EMFILE")
    return "assay: too many files are open\n  hint: raise the limit with ulimit -n, to 1024 say\n";
  if (error instanceof RangeError && /out of memory/i.test(error.message))
    return "assay: out of memory: Node.js does not get the address space that it asks for\n  hint: lift the limit with ulimit -v unlimited; memory_limit in assay.yaml bounds what the engine takes\n";
  return null;
}

/** Ends at once: what was begun on the way would fail for the same want. */
function end(error) {
  const told = limitOf(error);
  writeSync(2, told ?? `assay: a bug in Assay, please report it\n${error?.stack ?? error}\n`);
  process.exit(told === null ? 1 : 2);
}

// Some of it fails where nobody waits for it.
process.on("uncaughtException", end);
try {
  const { register } = await import("tsx/esm/api");
  register();
  await import("./cli.ts");
} catch (error) {
  end(error);
}
