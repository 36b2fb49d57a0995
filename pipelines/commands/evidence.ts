/** A scorecard made by rule from the verdicts of an earlier day, written into a book, so that history can test it from there on. */
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { isMap, isSeq, parseDocument } from "yaml";
import type { Book } from "../config/book.ts";
import { writeFileAtomic } from "../lib/files.ts";
import type { Log } from "../lib/log.ts";
import { silentLog } from "../lib/log.ts";
import { suggestScorecard } from "../validation/advice-scorecard.ts";
import { holdLock } from "../warehouse/lock.ts";
import { buildWarehouse, openWarehouse, type RunContext, readInputs, stopwatch } from "./build.ts";
import { resolveDefinitions } from "./definitions.ts";

export interface Evidence {
  /** The folder of the scorecard below the book, as `compare` names it. */
  readonly name: string;
  /** The file that holds it; null when no KPI had earned points by then. */
  readonly file: string | null;
  readonly createdOn: string;
}

/**
 * Builds the book up to its verdicts with the data of `months` before its last day and nothing later, lets the rule of
 * {@link suggestScorecard} make a scorecard of them, writes it into `scorecards/evidence/`, and names it under `compare` of
 * assay.yaml. A version that is there already with the same content is left alone; other content is the next version.
 */
export async function makeEvidence(a: {
  readonly book: Book;
  readonly state: string;
  readonly months: number;
  readonly now: () => Date;
  readonly log: Log;
}): Promise<Evidence> {
  const { book, state, months, now, log } = a;
  const name = "scorecards/evidence";
  const folder = join(book.folder, name);
  const lock = await holdLock(state, now());
  const build = join(state, "builds", "evidence");
  try {
    const run: RunContext = {
      book,
      state,
      definitions: await resolveDefinitions({ ...book, compare: book.compare.filter((id) => id !== name) }),
      full: false,
      now,
      log: silentLog,
      watch: stopwatch(silentLog),
    };
    const inputs = await readInputs(run, undefined);
    const asOf = monthsBefore(inputs.asOf, months);
    await rm(build, { recursive: true, force: true });
    await mkdir(build, { recursive: true });
    const database = await openWarehouse(book, build);
    try {
      await buildWarehouse(database, run, { ...inputs, asOf }, "evidence", "verdicts");
      const versions = await versionsIn(folder);
      const version = versions.length + 1;
      const { text, createdOn } = await suggestScorecard(database.query, { version });
      if (text === null) return { name, file: null, createdOn };
      const last = versions.at(-1);
      const named = (from: number): string => text.replace(`version: ${version}\n`, `version: ${from}\n`);
      if (last !== undefined && last.text === named(last.version)) return { name, file: last.file, createdOn };
      const file = join(folder, `v${version}.yaml`);
      await mkdir(folder, { recursive: true });
      await writeFileAtomic(file, text);
      await nameUnderCompare(book.file, name);
      log.info(`${name}/v${version}.yaml made from the verdicts of ${createdOn}`);
      return { name, file, createdOn };
    } finally {
      database.close();
    }
  } finally {
    await rm(build, { recursive: true, force: true });
    lock.release();
  }
}

async function versionsIn(folder: string): Promise<readonly { version: number; file: string; text: string }[]> {
  const names = await readdir(folder).catch(() => []);
  const versions = names.flatMap((file) => {
    const found = /^v(\d+)\.yaml$/.exec(file);
    return found === null ? [] : [{ version: Number(found[1]), file: join(folder, file) }];
  });
  return Promise.all(
    versions
      .sort((x, y) => x.version - y.version)
      .map(async (one) => ({ ...one, text: await readFile(one.file, "utf8") })),
  );
}

/** Adds a name to the list `compare` of a book's file, comments and the rest of it kept. */
async function nameUnderCompare(file: string, name: string): Promise<void> {
  const document = parseDocument(await readFile(file, "utf8"));
  const listed = document.get("compare");
  if (isSeq(listed)) {
    if (listed.toJSON().includes(name)) return;
    listed.add(document.createNode(name));
  } else if (isMap(document.contents)) document.set("compare", [name]);
  await writeFileAtomic(file, document.toString({ lineWidth: 0, flowCollectionPadding: false }));
}

/** The same day of an earlier month; its last day where it has no such day. */
export function monthsBefore(date: string, months: number): string {
  const [year, month, day] = date.split("-").map(Number) as [number, number, number];
  const first = new Date(Date.UTC(year, month - 1 - months, 1));
  const last = new Date(Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 0)).getUTCDate();
  first.setUTCDate(Math.min(day, last));
  return first.toISOString().slice(0, 10);
}
