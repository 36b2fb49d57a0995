/** A scorecard made by rule from the verdicts of an earlier day, written into a book, so that history can test it from there on. */
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { isNode, isSeq, parseDocument } from "yaml";
import type { Book } from "../config/book.ts";
import { writeFileAtomic } from "../lib/files.ts";
import { silentLog } from "../lib/log.ts";
import { suggestScorecard } from "../validation/advice-scorecard.ts";
import { holdLock } from "../warehouse/lock.ts";
import {
  type CapacityDifference,
  type CapacityRow,
  type RankDifference,
  readBacktest,
  type TestRow,
} from "./backtest.ts";
import { hundredths, range, signed, whole } from "./backtest-words.ts";
import { buildWarehouse, openWarehouse, type RunContext, readInputs, stopwatch } from "./build.ts";
import { resolveDefinitions } from "./definitions.ts";
import { wrap } from "./table.ts";
import type { Workbench } from "./workbench.ts";

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
}): Promise<Evidence> {
  const { book, state, months, now } = a;
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
    const database = await openWarehouse(book, state, build);
    try {
      await buildWarehouse(database, run, { ...inputs, asOf }, "evidence", "verdicts");
      const versions = await versionsIn(folder);
      const version = versions.length + 1;
      const { text, createdOn } = await suggestScorecard(database.query, { version });
      if (text === null) return { name, file: null, createdOn };
      const last = versions.at(-1);
      const named = (from: number): string => text.replace(`version: ${version}\n`, `version: ${from}\n`);
      const isThere = last !== undefined && last.text === named(last.version);
      const file = isThere ? last.file : join(folder, `v${version}.yaml`);
      if (!isThere) {
        await mkdir(folder, { recursive: true });
        await writeFileAtomic(file, text);
      }
      await writeFileAtomic(book.file, addToCompare(await readFile(book.file, "utf8"), name));
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

/** Adds a name to the list `compare` of a book's file; no other byte of it changes. */
export function addToCompare(text: string, name: string): string {
  const listed = parseDocument(text).get("compare");
  if (!isSeq(listed) || listed.items.length === 0) {
    const rest = text.replace(/^compare:.*\n?/m, "");
    return `${rest.endsWith("\n") ? rest : `${rest}\n`}compare: [${name}]\n`;
  }
  if (listed.toJSON().includes(name)) return text;
  const last = listed.items.at(-1);
  const end = isNode(last) && last.range ? last.range[1] : text.length;
  const line = text.slice(text.lastIndexOf("\n", end - 1) + 1, end);
  const more = listed.flow === true ? `, ${name}` : `\n${/^\s*/.exec(line)?.[0] ?? ""}- ${name}`;
  return text.slice(0, end) + more + text.slice(end);
}

/** The same day of an earlier month; its last day where it has no such day. */
export function monthsBefore(date: string, months: number): string {
  const [year, month, day] = date.split("-").map(Number) as [number, number, number];
  const first = new Date(Date.UTC(year, month - 1 - months, 1));
  const last = new Date(Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 0)).getUTCDate();
  first.setUTCDate(Math.min(day, last));
  return first.toISOString().slice(0, 10);
}

/** What the made scorecard is worth beside the one in force, on what came after it was made. */
export interface EvidenceReport {
  readonly scorecard: string;
  readonly version: number;
  readonly created_on: string;
  /** With equal weights. */
  readonly kpis: readonly string[];
  readonly first_on: string | null;
  readonly last_on: string | null;
  readonly against: string | null;
  readonly test: TestRow | null;
  readonly difference: RankDifference | null;
  readonly capacity: readonly CapacityRow[];
  readonly capacity_difference: CapacityDifference | null;
}

/** Accounts that the demo's people can work in a month. */
const demoCapacity = 25;

/** Null when the release has no scorecard of that name. */
export async function readEvidenceReport(bench: Workbench): Promise<EvidenceReport | null> {
  const { query } = bench.database;
  const [made] = await query<{ version: number; in_force: string | null }>(
    `select max(version) as version, (select scorecard || '@' || version from marts.scorecard where is_current order by is_for_all desc, assign_order limit 1) as in_force
     from release.scores.scorecard where scorecard = 'evidence' having count(*) > 0`,
  );
  if (made === undefined) return null;
  const name = `evidence@${made.version}`;
  const answer = await readBacktest(bench, {
    scorecard: name,
    ...(made.in_force === null ? {} : { against: made.in_force }),
    capacity: demoCapacity,
  });
  const kpis = await query<{ kpi: string }>(
    `select kpi from release.scores.scorecard_weight where scorecard = 'evidence' and version = ${made.version} order by kpi`,
  );
  const test = answer.tests.find(({ period }) => period === "out_of_time") ?? null;
  return {
    scorecard: answer.shown.scorecard,
    version: answer.shown.version,
    created_on: answer.shown.created_on,
    kpis: kpis.map(({ kpi }) => kpi),
    first_on: test?.first_on ?? null,
    last_on: test?.last_on ?? null,
    against: made.in_force,
    test,
    difference: answer.difference,
    capacity: answer.capacity.filter(({ capacity }) => capacity === demoCapacity),
    capacity_difference: answer.capacity_differences.find(({ capacity }) => capacity === demoCapacity) ?? null,
  };
}

/** For a terminal: three sentences, each with what it rests on. */
export function describeEvidence(report: EvidenceReport): string {
  const { test, difference, against } = report;
  const other = against?.replace("@", " v") ?? "";
  const head =
    `A scorecard made by rule from the verdicts of ${report.created_on} (${report.kpis.join(", ")}; equal weights), ` +
    `tested on what came after, ${report.first_on} to ${report.last_on}${against === null ? "" : `, beside ${other}`}:`;
  if (test === null || test.auc === null)
    return wrap(`${head} ${test?.sentence ?? "no outcome is known yet."}`, 116, "");
  const compared =
    difference === null
      ? ""
      : `; ${other} ${hundredths(difference.other_auc)}, difference ${signed(difference.difference)}` +
        `${range(difference.difference_low, difference.difference_high, signed, " to ")}`;
  const lines = [
    `ranked ${hundredths(test.auc)} of 100 pairs rightly${range(test.auc_low, test.auc_high, hundredths)}${compared}; ${test.n_churned} churned accounts, 90 % intervals`,
  ];
  const [own, beside] = report.capacity;
  if (own !== undefined) {
    const won = report.capacity_difference;
    lines.push(
      `at ${own.capacity} accounts a month its lists held ${whole(own.caught_share)} %${range(own.caught_low, own.caught_high, whole)} of ${own.n_departures} departures` +
        (beside === undefined
          ? ""
          : `; those of ${other} ${whole(beside.caught_share)} %${range(beside.caught_low, beside.caught_high, whole)}`) +
        (won === null
          ? ""
          : `, difference ${signed(won.difference)}${range(won.difference_low, won.difference_high, signed, " to ")}`) +
        `; by lot ${whole(own.chance_share)} %; 95 % intervals`,
    );
  }
  return [wrap(head, 116, ""), ...lines.map((line) => `  ${wrap(line, 114, "    ")}`)].join("\n");
}
