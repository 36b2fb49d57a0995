import { existsSync } from "node:fs";
import { appendFile, mkdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { readBook } from "../config/book.ts";
import { guardRailError, usageError } from "../lib/errors.ts";
import { projectRoot } from "../lib/files.ts";
import { silentLog } from "../lib/log.ts";
import { assayVersion } from "../lib/version.ts";
import { type SimulateOptions, simulate } from "../simulate/simulate.ts";
import type { Database } from "../warehouse/database.ts";
import { buildWarehouse, openWarehouse, type RunContext, readInputs, stopwatch } from "./build.ts";
import type { Context } from "./context.ts";
import { codeSha256, resolveDefinitions } from "./definitions.ts";
import { type KpiResult, type SeedResult, summarize } from "./trial-table.ts";
import { describeTrial, trialInMarkdown } from "./trial-words.ts";

export interface TrialOptions {
  readonly seeds: number;
  readonly accounts: number;
  readonly kind: SimulateOptions["kind"];
  readonly from: number;
  readonly workers: number;
  /** Where the result of each seed is appended; default: data/trials/<kind>-<accounts>.jsonl. */
  readonly file?: string;
  readonly json?: boolean;
  /** The tables as they stand in docs/trials.md. */
  readonly markdown?: boolean;
}

/**
 * Planted truth against verdicts: simulates a book per seed, builds it up to the verdicts, and counts who was called what, beside the
 * bars. Each seed's result is appended to a file, so that a run that was cut goes on where it stopped; results of other code do not
 * count. Exit 5 when a bar fails.
 */
export async function trial(context: Context, options: TrialOptions): Promise<void> {
  const { kind, accounts, from, seeds, workers } = options;
  if (seeds < 1) throw usageError(`trial needs at least one seed, found --seeds ${seeds}`);
  if (workers < 1) throw usageError(`trial needs at least one worker, found --workers ${workers}`);
  const file =
    options.file === undefined
      ? join(projectRoot, "data", "trials", `${kind}-${accounts}.jsonl`)
      : resolve(context.cwd, options.file);
  const code = await codeSha256();
  const isWanted = (result: SeedResult): boolean =>
    result.kind === kind && result.accounts === accounts && result.seed >= from && result.seed < from + seeds;
  const earlier = (await readResults(file)).filter(isWanted);
  const results = new Map(earlier.filter((result) => result.code === code).map((result) => [result.seed, result]));
  if (earlier.some((result) => result.code !== code))
    context.log.info(`${file} has results of other code: they do not count`);

  const wanted = Array.from({ length: seeds }, (_, i) => from + i).filter((seed) => !results.has(seed));
  const work = join(tmpdir(), `assay-trial-${process.pid}`);
  await mkdir(dirname(file), { recursive: true });
  const next = wanted.values();
  const runAll = async (): Promise<void> => {
    for (const seed of next) {
      const result = await trySeed({ kind, accounts, seed, code, folder: join(work, String(seed)) });
      await appendFile(file, `${JSON.stringify(result)}\n`);
      results.set(seed, result);
      const right = result.kpis.filter(({ expected, verdict }) => expected.includes(verdict)).length;
      context.log.info(
        `seed ${seed}: ${result.churned} churned accounts, ${right} of ${result.kpis.length} KPIs as expected, ${Math.round(result.seconds)} s (${results.size} of ${seeds})`,
      );
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(workers, wanted.length) }, runAll));
  } finally {
    await rm(work, { recursive: true, force: true });
  }

  const summary = summarize(
    kind,
    accounts,
    [...results.values()].sort((a, b) => a.seed - b.seed),
  );
  const measured_on = context.now().toISOString().slice(0, 10);
  const inWords = options.markdown ? trialInMarkdown : describeTrial;
  context.print(
    options.json
      ? JSON.stringify({ measured_on, ...summary, code_sha256: code }, null, 2)
      : inWords(summary, measured_on),
  );
  const failed = summary.bars.filter(({ holds }) => !holds);
  if (failed[0] !== undefined) {
    const more = failed.length > 1 ? `, and ${failed.length - 1} more` : "";
    throw guardRailError(
      `a bar of the trial fails: ${failed[0].what}, found ${failed[0].rate}, expected ${failed[0].limit}${more}`,
    );
  }
}

/** The lines of a file of results; the last one may have been cut. */
async function readResults(file: string): Promise<readonly SeedResult[]> {
  if (!existsSync(file)) return [];
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line !== "");
  return lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as SeedResult];
    } catch {
      return [];
    }
  });
}

/** One book, simulated in `folder`, built up to its verdicts, and removed. */
export async function trySeed(options: {
  readonly kind: TrialOptions["kind"];
  readonly accounts: number;
  readonly seed: number;
  readonly code: string;
  readonly folder: string;
}): Promise<SeedResult> {
  const { folder, ...named } = options;
  const started = performance.now();
  try {
    await simulate({ ...named, out: folder, months: 36, threads: 1, log: silentLog });
    const { kpis, duckdb } = await judgeBook(folder);
    return {
      ...named,
      assay: assayVersion,
      duckdb,
      churned: Math.max(0, ...kpis.map(({ churned }) => churned)),
      seconds: Math.round((performance.now() - started) / 100) / 10,
      kpis,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Builds a simulated book up to its verdicts, on one thread and into `<folder>/.assay`, beside what its truth.json says. */
export async function judgeBook(
  folder: string,
): Promise<{ readonly kpis: readonly KpiResult[]; readonly duckdb: string }> {
  const book = { ...(await readBook(folder, { cwd: folder, env: {} })), threads: 1 };
  const state = join(folder, ".assay");
  await rm(state, { recursive: true, force: true });
  await mkdir(state, { recursive: true });
  const run: RunContext = {
    book,
    state,
    definitions: await resolveDefinitions(book),
    full: true,
    now: () => afterTheData,
    log: silentLog,
    watch: stopwatch(silentLog),
  };
  const database = await openWarehouse(book, state, state);
  try {
    const { duckdbVersion } = await buildWarehouse(
      database,
      run,
      await readInputs(run, undefined),
      "trial",
      "verdicts",
    );
    const truth = JSON.parse(await readFile(join(folder, "truth.json"), "utf8")) as Truth;
    return { kpis: await readKpis(database, truth), duckdb: duckdbVersion };
  } finally {
    database.close();
  }
}

/** Simulated data end with June 2026, whatever the clock says. */
const afterTheData = new Date("2026-07-02T00:00:00Z");

interface Truth {
  readonly kpis: Readonly<Record<string, { readonly role: string; readonly expected: readonly string[] }>>;
}

/** The verdicts over the whole book for the primary definition, with what was planted; KPIs without a role are left out. */
async function readKpis(database: Database, truth: Truth): Promise<readonly KpiResult[]> {
  const rows = await database.query<Omit<KpiResult, "role" | "expected">>(`
    select v.kpi, v.rule, v.verdict, v.auc, v.auc_low as low, v.auc_high as high, s.crude_auc as crude, s.late_auc as late,
      cast(s.n_churned as integer) as churned
    from validation.kpi_verdict as v
    join validation.kpi_statistic as s on s.kpi = v.kpi and s.definition = v.definition
    where v.group_kind = 'all' and v.definition = (select primary_definition from meta.params)
    order by v.kpi`);
  return rows.flatMap((row) => {
    const planted = truth.kpis[row.kpi];
    return planted === undefined ? [] : [{ ...row, ...planted }];
  });
}
