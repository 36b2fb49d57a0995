import { Command, CommanderError, InvalidArgumentError } from "commander";
import type { Context } from "../../pipelines/commands/context.ts";
import { machineError } from "../../pipelines/lib/errors.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { buildNotebooks, listNotebooks, preview } from "./kit.ts";

const context: Context = {
  cwd: process.cwd(),
  env: process.env,
  now: () => new Date(),
  log: silentLog,
  print: (text) => process.stdout.write(`${text}\n`),
};
const portNumber = (text: string): number => {
  if (!/^\d+$/.test(text) || Number(text) > 65535) throw new InvalidArgumentError("expected a port from 0 to 65535.");
  return Number(text);
};

const program = new Command("notebooks").description(
  "analysts' notebooks over the current release of a book, read-only",
);
program.exitOverride();

program
  .command("preview")
  .argument("[book]", "a folder with assay.yaml, or a NAME for data/NAME", "demo")
  .option("--state <dir>", "where the book's releases are, instead of <book>/.assay")
  .option("--port <n>", "instead of the first one that is free from 5173 on", portNumber)
  .action(async (book, options) => {
    const server = await preview(context, book, options);
    for (const url of server.resolvedUrls?.local ?? []) context.print(`notebooks of ${book}: ${url}`);
    for (const file of await listNotebooks())
      if (file !== "index.html") context.print(`  ${server.resolvedUrls?.local[0]}${file}`);
    context.print(
      "a page follows its file in notebooks/ as you save it, and a new release at its next reload; Ctrl+C ends",
    );
  });

program
  .command("build")
  .argument("[book]", "a folder with assay.yaml, or a NAME for data/NAME", "demo")
  .argument("[notebooks...]", "files of notebooks/; all of them unless given")
  .option("--state <dir>", "where the book's releases are, instead of <book>/.assay")
  .option("--out <dir>", "instead of notebooks/.observable/dist/<book>")
  .action(async (book, files, options) => context.print(await buildNotebooks(context, book, files, options)));

// Built pages hold rows of accounts: for their owner, unless the owner shares them.
process.umask(0o077);
try {
  await program.parseAsync();
} catch (error) {
  const told = machineError(error);
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (told !== null) {
    process.stderr.write(`assay: ${told.message}\n${told.hint === undefined ? "" : `  hint: ${told.hint}\n`}`);
    process.exitCode = told.exitCode;
  } else {
    process.stderr.write(
      `assay: a bug in the notebooks' tool, please report it\n${error instanceof Error ? error.stack : error}\n`,
    );
    process.exitCode = 1;
  }
}
