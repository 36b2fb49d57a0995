import { Command, CommanderError, InvalidArgumentError } from "commander";
import { audit } from "./commands/audit.ts";
import { backtest } from "./commands/backtest.ts";
import { bench } from "./commands/bench.ts";
import { benchScores } from "./commands/bench-scores.ts";
import { benchValidation } from "./commands/bench-validation.ts";
import { jsonLog, terminalLog } from "./commands/console-log.ts";
import type { Context } from "./commands/context.ts";
import { demo } from "./commands/demo.ts";
import { diff } from "./commands/diff.ts";
import { digest } from "./commands/digest.ts";
import { doctor } from "./commands/doctor.ts";
import { explain } from "./commands/explain.ts";
import { forget } from "./commands/forget.ts";
import { init } from "./commands/init.ts";
import { listKpis, showKpi } from "./commands/kpis.ts";
import { plan } from "./commands/plan.ts";
import { plays } from "./commands/plays.ts";
import { archetypesOf, cardsOf, clusters, outcomesOf } from "./commands/practice.ts";
import { query } from "./commands/query.ts";
import { refreshBook, stops } from "./commands/refresh-book.ts";
import { releases } from "./commands/releases.ts";
import { rollback } from "./commands/rollback.ts";
import { score } from "./commands/score.ts";
import { serve } from "./commands/serve.ts";
import { simulateBook } from "./commands/simulate.ts";
import { status } from "./commands/status.ts";
import { suggest } from "./commands/suggest.ts";
import { surprises } from "./commands/surprises.ts";
import { testKpis } from "./commands/test.ts";
import { trial } from "./commands/trial.ts";
import { verdicts } from "./commands/verdicts.ts";
import { machineError } from "./lib/errors.ts";
import { printable } from "./lib/log.ts";
import { assayVersion } from "./lib/version.ts";

const wholeNumber = (text: string): number => {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("expected a whole number.");
  return Number(text);
};
const amount = (text: string): number => {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError("expected a number from 0.");
  return Number(text);
};
/** `250000`, `250k`, `10m`. */
const volume = (text: string): number => {
  const match = /^(\d+)([km]?)$/.exec(text.toLowerCase());
  if (match === null) throw new InvalidArgumentError("expected a number like 250000, 250k or 10m.");
  return Number(match[1]) * { "": 1, k: 1e3, m: 1e6 }[match[2] as "" | "k" | "m"];
};
const volumes = (text: string): readonly number[] => text.split(",").map(volume);
const date = (text: string): string => {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text) || Number.isNaN(Date.parse(text))) {
    throw new InvalidArgumentError("expected a date like 2026-01-31.");
  }
  return text;
};
const dates = (text: string): readonly string[] => text.split(",").map(date);
const kinds = ["plain", "null", "tiny", "planted", "planted_null"] as const;
const kind = (text: string): (typeof kinds)[number] => {
  if (!(kinds as readonly string[]).includes(text))
    throw new InvalidArgumentError(`expected one of ${kinds.join(", ")}.`);
  return text as (typeof kinds)[number];
};

const context: Context = {
  cwd: process.cwd(),
  env: process.env,
  now: () => new Date(),
  log: process.stderr.isTTY ? terminalLog(process.stderr) : jsonLog(process.stderr, () => new Date()),
  print: (text) => {
    // What is written to a file or another program keeps its bytes.
    const shown = process.stdout.isTTY ? printable(text, { lines: true }) : text;
    process.stdout.write(shown.endsWith("\n") ? shown : `${shown}\n`);
  },
};

const program = new Command("assay")
  .description("Checks which customer-health KPIs and scorecards really precede churn.")
  .version(assayVersion)
  .showHelpAfterError("(run with --help for the options)")
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "assay: ")) });

/** A verb that reads a book: every one has `--state` and `--json`. */
const verb = (name: string, description: string): Command =>
  program
    .command(name)
    .description(description)
    .argument("<book>", "a folder with assay.yaml, or NAME for data/NAME")
    .option("--state <dir>", "where ledger, store and releases live (default: <book>/.assay)")
    .option("--json", "print the answer as JSON");

program
  .command("demo")
  .description("the demo book, end to end: simulate, refresh, verdicts")
  .option("--small", "120 accounts: too few to say anything, and it says so")
  .option("--seed <n>", "another book of the same kind", wholeNumber, 1)
  .option("--json", "print the answer as JSON")
  .action((options) => demo(context, options));
program
  .command("simulate")
  .description("a book of any size with known truth (truth.json)")
  .requiredOption("--out <dir>", "the folder to write")
  .option("--accounts <n>", "accounts that pay at any time", wholeNumber, 1500)
  .option("--months <n>", "months of history", wholeNumber, 36)
  .option("--seed <n>", "the same seed gives the same bytes", wholeNumber, 1)
  .option("--kind <kind>", `one of ${kinds.join(", ")}`, kind, "plain" as const)
  .option("--json", "print the answer as JSON")
  .action((options) => simulateBook(context, options));
program
  .command("trial")
  .description(
    "planted truth against verdicts over many seeds: who was called what, beside the bars; exit 5 when one fails",
  )
  .option("--seeds <n>", "how many books", wholeNumber, 3)
  .option("--from <seed>", "the first seed", wholeNumber, 1)
  .option("--accounts <n>", "accounts of each book, as in simulate", wholeNumber, 1500)
  .option("--kind <kind>", `one of ${kinds.join(", ")}`, kind, "planted" as const)
  .option("--workers <n>", "books at a time, each on one thread", wholeNumber, 2)
  .option("--file <file>", "results by seed, to go on with (default: data/trials/<kind>-<accounts>.jsonl)")
  .option("--markdown", "print the tables as docs/trials.md has them")
  .option("--json", "print the answer as JSON")
  .action((options) => trial(context, options));
program
  .command("init")
  .description("looks at a folder of exports and proposes its assay.yaml")
  .argument("<folder>", "the folder with the exports, or NAME for data/NAME")
  .option("--book <name>", "the book's name (default: the folder's)")
  .option("--force", "write over an assay.yaml that is there")
  .option("--json", "print the answer as JSON")
  .action((folder, options) => init(context, folder, options));
verb("refresh", "load, build, validate and publish: the main job")
  .option("--full", "build everything again, even when nothing changed")
  .option("--as-of <date>", "as the book stood on that date; does not move current", date)
  .option("--publish", "with --as-of: make that release the current one")
  .option("--dry-run", "say what it would load and build, and why, and change nothing: what plan says")
  .option("--now <time>", "the wall clock, for tests")
  .action((book, options) => refreshBook(context, book, options));
const kpis = program
  .command("kpis")
  .description("the KPI library, or the KPIs of a book: what is on, and why the rest is off")
  .argument("[book]", "a folder with assay.yaml, or NAME for data/NAME")
  .option("--state <dir>", "where ledger, store and releases live (default: <book>/.assay)")
  .option("--json", "print the answer as JSON")
  .action((book, options) => listKpis(context, book, options));
kpis
  .command("show")
  .description("one KPI: its definition in words, its SQL, and with a release its values")
  .argument("<id>", "a KPI of the book or of the library")
  .argument("[book]", "a folder with assay.yaml, or NAME for data/NAME")
  .action((id, book, _options, command) => showKpi(context, id, book, command.optsWithGlobals()));
verb("test", "the book's own KPI fixtures, tests/*.yaml").action((book, options) => testKpis(context, book, options));
verb("plan", "what a refresh would find, and why; changes nothing").action((book, options) =>
  plan(context, book, options),
);
verb("verdicts", "what history says about each KPI, grouped by what to do")
  .option("--segment <name>", "the verdicts inside one segment or sign-up cohort")
  .option("--all", "every segment and sign-up cohort too")
  .option("--definition <id>", "what becomes of the verdicts under another definition of churn")
  .action((book, options) => verdicts(context, book, options));
verb("score", "the scores of a release, with their parts for one account")
  .option("--account <id>", "one account, with the parts of its score")
  .option("--at <date>", "a scored snapshot (default: the newest)", date)
  .option("--scorecard <id>", "another scorecard than the one in force; a file, like draft.yaml, previews it")
  .option("--leave-one-out", "what each KPI does for the scorecard: scores and ranking without it")
  .action((book, options) => score(context, book, options));
verb("audit", "what is wrong with a release that no refresh stops for")
  .option("--labels", "the definitions of churn beside each other, and the verdicts that hang on one")
  .option("--truncation", "does any KPI know more than could be known then? cuts the data, computes again, compares")
  .option("--dates <list>", "with --truncation: these snapshots, like 2026-01-05,2026-02-02", dates)
  .option("--all", "with --truncation: every snapshot")
  .action((book, options) => audit(context, book, options));
verb("explain", "why one account has its score, and why it is another one than before")
  .argument("<account>", "its id")
  .option("--at <date>", "a scored snapshot (default: the newest)", date)
  .option("--since <date>", "an earlier scored snapshot: what changed the score, summing to the difference", date)
  .option("--scorecard <id>", "id or id@version, another one than the one in force")
  .option("--days <n>", "the window of the trend", wholeNumber)
  .action((book, account, options) => explain(context, book, account, options));
verb("diff", "two versions of a scorecard, or drafts, side by side; exit 5 when the second breaks a guard rail")
  .argument("<a>", "scorecard@version, a bare scorecard (its newest version) or a file like draft.yaml")
  .argument("<b>", "the one that would replace it")
  .option("--red-lift <x>", "the worst band churns at least this many times the base", amount, 2)
  .option("--max-green <percent>", "at most this share of the book in the best band", amount, 80)
  .option("--min-coverage <percent>", "at least this share of the weight has a value", amount, 70)
  .option("--leave-one-out", "what each KPI does for the second")
  .action((book, a, b, options) => diff(context, book, a, b, options));
verb(
  "clusters",
  "groups of accounts that use the product alike, what became of them, and what the best and the lost look like",
).action((book, options) => clusters(context, book, options));
verb("archetypes", "five archetypes, what the score says of each, and whether they mean anything here").action(
  (book, options) => archetypesOf(context, book, options),
);
verb("outcomes", "what accounts want and how far they are: outcomes, milestones, goals, funnel, stages")
  .argument("[account]", "its id: the course of one account")
  .action((book, account, options) => outcomesOf(context, book, account, options));
verb(
  "cards",
  "scorecards: who has them, what is open on the way to each, and accounts that fit none or several",
).action((book, options) => cardsOf(context, book, options));
verb("suggest", "what history suggests: weights, thresholds, or a scorecard made from verdicts")
  .argument(
    "[what]",
    "weights, thresholds or scorecard (a file for <book>/scorecards/); default: weights and thresholds",
  )
  .action((book, what, options) => suggest(context, book, what, options));
verb(
  "backtest",
  "what history says of a scorecard, beside another; exit 5 when one that is assigned has no use or has expired",
)
  .option("--scorecard <id>", "id or id@version (default: the one in force)")
  .option("--against <id>", "the other (default: naive_baseline)")
  .option("--capacity <n>", "accounts that you can work in a month", wholeNumber)
  .action((book, options) => backtest(context, book, options));
verb("plays", "the plays that are due, what came after those that were begun, and how many reds came back").action(
  (book, options) => plays(context, book, options),
);
verb("digest", "what changed for the accounts of each owner: newly red, new flags, falls, renewals, plays")
  .argument("[owner]", "one owner, in full")
  .action((book, owner, options) => digest(context, book, owner, options));
verb("surprises", "the accounts that the score got wrong, and what people said of them").action((book, options) =>
  surprises(context, book, options),
);
verb("query", "read-only SQL on the current release")
  .argument("<sql>", "one statement")
  .option("--csv", "print the answer as CSV")
  .action((book, sql, options) => query(context, book, sql, options));
verb("serve", "the site on 127.0.0.1")
  .option("--port <n>", "the port", wholeNumber, 4173)
  .option("--managers", "the site that names accounts, where the book asks for it")
  .action((book, options) => serve(context, book, options));
verb("status", "one line for monitors").action((book, options) => status(context, book, options));
verb("forget", "withdraw a delivery: the next refresh builds as if it had never come; or erase an account everywhere")
  .option("--delivery <id>", "its id in meta.delivery, or the name of its file")
  .option("--account <id>", "its account_id: out of store, ledger and kept releases, and out of exports that come")
  .option("--dry-run", "says what it would do, and does nothing")
  .option("--yes", "with --account: do it; it cannot be undone")
  .option("--restore", "take it back: the delivery stands again, or an erased account is allowed again")
  .action((book, options) => forget(context, book, options));
verb("releases", "the releases that are kept").action((book, options) => releases(context, book, options));
verb("rollback", "points current at an earlier release that is kept")
  .argument("[run]", "its run_id (default: the one before the current)")
  .action((book, run, options) => rollback(context, book, run, options));
program
  .command("doctor")
  .description("whether this machine, and the state of a book, are fit for a refresh")
  .argument("[book]", "a folder with assay.yaml, or NAME for data/NAME")
  .option("--state <dir>", "where ledger, store and releases live (default: <book>/.assay)")
  .option("--json", "print the answer as JSON")
  .action((book, options) => doctor(context, book, options));
program
  .command("bench", { hidden: true })
  .description("seconds, rows and memory of each step beside the limit of the same run")
  .option("--events <list>", "volumes, like 1m,10m", volumes, [1e6, 1e7])
  .option("--memory-limit <size>", "of the engine, like 4GB")
  .option("--threads <n>", "of the engine", wholeNumber)
  .option("--wide", "reading one of 200 KPIs instead")
  .option("--reading", "reading exports of every form instead, beside the engine alone")
  .option("--rows <n>", "with --reading: rows of each file", wholeNumber, 2_000_000)
  .option("--nights <n>", "so many nightly deliveries in a row over one small book instead", wholeNumber)
  .option("--after <n>", "with --nights: so many nights are delivered first and refreshed at once", wholeNumber)
  .option("--scores", "16 scorecards over 10,000 accounts and 150 snapshots instead")
  .option("--validation", "all verdicts of 10,000 accounts at 24 snapshots with 50 KPIs instead")
  .action((options) => {
    if (options.validation === true) return benchValidation(context);
    return options.scores === true ? benchScores(context) : bench(context, options);
  });

// Exports, warehouses and reports hold customers' data: whatever is made is for its owner, unless the owner shares it.
process.umask(0o077);

/** Runs the command line; the only place that sets the exit code. */
async function main(): Promise<number> {
  try {
    await program.parseAsync();
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const told = machineError(error);
    if (told !== null) {
      const hint = told.hint === undefined ? "" : `  hint: ${printable(told.hint)}\n`;
      process.stderr.write(`assay: ${printable(told.message)}\n${hint}`);
      return told.exitCode;
    }
    const trace = printable(String(error instanceof Error ? error.stack : error), { lines: true });
    process.stderr.write(`assay: a bug in Assay, please report it\n${trace}\n`);
    return 1;
  }
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // A reader such as `head` that closes early is not our failure.
  if (error.code === "EPIPE") process.exit(0);
  process.stderr.write(`assay: the answer could not be written: ${machineError(error)?.message ?? error.message}\n`);
  process.exit(2);
});
// Who reads the log may go away (a pager, a log service that restarts): the night's work goes on.
process.stderr.on("error", () => {});
// The bin has listened while all this was loaded.
for (const signal of stops) process.removeAllListeners(signal);
process.exitCode = await main();
