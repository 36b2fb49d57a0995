import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Book, readBook } from "../config/book.ts";
import { canonicalJson, projectRoot, sha256OfFolders, writeFileAtomic } from "../lib/files.ts";
import { simulate } from "../simulate/simulate.ts";
import { type Context, openRelease } from "./context.ts";
import { codeSha256 } from "./definitions.ts";
import { askForManagers } from "./demo-managers.ts";
import { describeEvidence, type EvidenceReport, makeEvidence, readEvidenceReport } from "./evidence.ts";
import { refresh } from "./refresh.ts";
import { describeVerdicts, readVerdicts } from "./verdicts.ts";
import { openWorkbench } from "./workbench.ts";

/** The demo book end to end: simulate it (unless it is there already), refresh it, print what history says. */
export async function demo(
  context: Context,
  options: { readonly small?: boolean; readonly seed: number; readonly json?: boolean },
): Promise<void> {
  const name = options.small ? "demo-small" : "demo";
  const folder = join(projectRoot, "data", name);
  const wanted = { kind: options.small ? "tiny" : "plain", seed: options.seed } as const;
  const made = canonicalJson({ ...wanted, simulator: await sha256OfFolders(["pipelines/simulate"]) });
  if (!(await isSimulated(folder, made))) {
    await context.log.step("simulate Fernbill", async (note) => {
      // Another simulation is another company: what was loaded of the one before would count as its earlier deliveries.
      for (const old of [".assay", ".simulated", ".evidence"])
        await rm(join(folder, old), { recursive: true, force: true });
      const { accounts, events } = await simulate({
        out: folder,
        accounts: 1500,
        months: 36,
        ...wanted,
        log: context.log,
      });
      await writeFileAtomic(join(folder, ".simulated"), made);
      note(`${accounts} accounts, ${events} usage events`);
    });
  }
  if (!options.small) await askForManagers(folder);
  const state = join(folder, ".assay");
  const read = (): Promise<Book> => readBook(folder, { cwd: context.cwd, env: context.env });
  if (!options.small) await withEvidence(context, folder, state, made, await read());
  const book = await read();
  const result = await refresh({ book, state, now: context.now, log: context.log });
  const evidence = options.small ? null : await readReport(context, folder);
  const { database } = await openRelease(context, folder, {});
  try {
    const answer = await readVerdicts(database);
    if (options.json) {
      const { release_id } = result.release.manifest;
      context.print(JSON.stringify({ outcome: result.outcome, release_id, ...answer, evidence }, null, 2));
      return;
    }
    context.print(describeVerdicts(answer));
    if (evidence !== null) context.print(`\n${describeEvidence(evidence)}`);
    context.print(`\nsite: npx assay serve ${name}`);
  } finally {
    database.close();
  }
}

/**
 * The scorecard that the verdicts of month 24 make by rule, so that the last twelve months test it: made once for each book and
 * each version of the code.
 */
async function withEvidence(context: Context, folder: string, state: string, made: string, book: Book): Promise<void> {
  const mark = join(folder, ".evidence");
  const wanted = canonicalJson({ made, code: await codeSha256() });
  if (existsSync(mark) && (await readFile(mark, "utf8")) === wanted) return;
  await context.log.step("make a scorecard from the verdicts at month 24", async (note) => {
    const { name, file, createdOn } = await makeEvidence({ book, state, months: 12, now: context.now });
    note(file === null ? `none: no KPI is an early warning on ${createdOn}` : `${name}, as of ${createdOn}`);
  });
  await writeFileAtomic(mark, wanted);
}

async function readReport(context: Context, folder: string): Promise<EvidenceReport | null> {
  const bench = await openWorkbench(context, folder, {});
  try {
    return await readEvidenceReport(bench);
  } finally {
    bench.database.close();
  }
}

/** True when the folder holds a whole book of that kind and seed, made by the simulator as it is now. */
async function isSimulated(folder: string, made: string): Promise<boolean> {
  const mark = join(folder, ".simulated");
  return existsSync(mark) && (await readFile(mark, "utf8")) === made;
}
