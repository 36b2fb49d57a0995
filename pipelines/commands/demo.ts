import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { readBook } from "../config/book.ts";
import { canonicalJson, projectRoot, sha256OfFolders, writeFileAtomic } from "../lib/files.ts";
import { simulate } from "../simulate/simulate.ts";
import { type Context, openRelease } from "./context.ts";
import { refresh } from "./refresh.ts";
import { describeVerdicts, readVerdicts } from "./verdicts.ts";

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
  const book = await readBook(folder, { cwd: context.cwd, env: context.env });
  const state = join(folder, ".assay");
  const result = await refresh({ book, state, now: context.now, log: context.log });
  const { database } = await openRelease(context, folder, {});
  try {
    const answer = await readVerdicts(database);
    if (options.json) {
      context.print(
        JSON.stringify({ outcome: result.outcome, release_id: result.release.manifest.release_id, ...answer }, null, 2),
      );
      return;
    }
    context.print(describeVerdicts(answer));
    context.print(`\nsite: npx assay serve ${name}`);
  } finally {
    database.close();
  }
}

/** True when the folder holds a whole book of that kind and seed, made by the simulator as it is now. */
async function isSimulated(folder: string, made: string): Promise<boolean> {
  const mark = join(folder, ".simulated");
  return existsSync(mark) && (await readFile(mark, "utf8")) === made;
}
