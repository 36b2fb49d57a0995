#!/usr/bin/env node
// The bin: registers tsx, so that a fresh clone runs the TypeScript without a build step.
import { closeSync, openSync, writeSync } from "node:fs";

/** Where a process or a thread that we start gets no file, its error speaks of something else: so it is tried. */
function mayOpenFiles() {
  const open = [];
  try {
    while (open.length < 32) open.push(openSync(process.execPath));
    return true;
  } catch (error) {
    return error.code !== "EMFILE";
  } finally {
    for (const file of open) closeSync(file);
  }
}

/** What the machine does not give to Node.js itself: the command line, whose errors they would be, cannot be loaded any more. */
function limitOf(error) {
  if (error instanceof RangeError && /out of memory/i.test(error.message))
    return "assay: out of memory: Node.js does not get the address space that it asks for\n  hint: lift the limit with ulimit -v unlimited; memory_limit in assay.yaml bounds what the engine takes\n";
  if (error?.code === "EMFILE" || !mayOpenFiles())
    return "assay: too many files are open\n  hint: raise the limit with ulimit -n, to 1024 say\n";
  return null;
}

let isSaid = false;

/** Ends at once: what was begun on the way would fail for the same want. */
function end(error) {
  isSaid = true;
  const told = limitOf(error);
  writeSync(2, told ?? `assay: a bug in Assay, please report it\n${error?.stack ?? error}\n`);
  process.exit(told === null ? 1 : 2);
}

/** Who stops us while the command line is loaded reads so; after that it is the command's own affair (`stops` of commands/refresh-book.ts). */
function stop(signal) {
  writeSync(2, `assay: stopped by ${signal}\n  hint: nothing had begun yet\n`);
  process.kill(process.pid, signal);
}

/** The thread that loads modules may end, for want of memory as a rule, and takes the process with it without a word. */
function sayWhySilent(code) {
  if (code !== 1 || isSaid || !process.listeners("SIGTERM").includes(stop)) return;
  writeSync(
    2,
    "assay: Node.js ended before the command line was loaded\n  hint: as a rule a limit of the job is too small: ulimit -v, ulimit -u, ulimit -n\n",
  );
  process.exitCode = 2;
}

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGXCPU"]) process.once(signal, stop);
process.once("exit", sayWhySilent);
// Some of it fails where nobody waits for it.
process.on("uncaughtException", end);
try {
  const { register } = await import("tsx/esm/api");
  register();
  await import("./cli.ts");
} catch (error) {
  end(error);
}
