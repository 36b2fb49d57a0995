/** `assay init FOLDER`: looks at a folder of exports and proposes its `assay.yaml`. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, relative, resolve } from "node:path";
import { type Book, bookSchema, parseBook } from "../config/book.ts";
import { readLibrary, resolveKpis } from "../features/library.ts";
import { conclude } from "../init/conclude.ts";
import { Links } from "../init/links.ts";
import { lookAtFolder } from "../init/look.ts";
import { asWritten } from "../init/place.ts";
import { type Draft, type Finding, type NotPlaced, propose } from "../init/propose.ts";
import { readWords } from "../init/recognise.ts";
import { type Loaded, rejectsOf, type Settled, settle } from "../init/settle.ts";
import { bookText, oneLine, scorecardText, shownValue } from "../init/text.ts";
import { readVendors } from "../init/vendors.ts";
import { AssayError, refusedError, usageError } from "../lib/errors.ts";
import { writeFileAtomic } from "../lib/files.ts";
import { silentLog } from "../lib/log.ts";
import { loadDeliveries } from "../load/load.ts";
import { resolveScorecards } from "../scores/library.ts";
import { Database } from "../warehouse/database.ts";
import type { Context } from "./context.ts";
import { wrap } from "./table.ts";

export interface InitOptions {
  readonly book?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

interface Answer {
  readonly book: string;
  readonly file: string;
  readonly files: number;
  readonly sources: readonly {
    readonly id: string;
    readonly entity: string;
    readonly label: string;
    readonly files: readonly string[];
    readonly rows: number;
    readonly rows_rejected: number;
    readonly mode: string;
    readonly key: readonly string[];
  }[];
  readonly findings: readonly Finding[];
  readonly not_placed: readonly NotPlaced[];
  readonly missing: readonly string[];
}

/** At most so many files of a source are read to try its mapping, the first and the last among them. */
const mostTried = 24;
const mostTriedBytes = 400e6;

export async function init(context: Context, name: string, options: InitOptions): Promise<void> {
  const folder = await folderOf(context, name);
  const file = join(folder, "assay.yaml");
  const shown = shownPath(context, file);
  if (existsSync(file) && options.force !== true)
    throw usageError(`${shown}: is there already, expected a folder without one`, "--force writes a new one over it");
  const book = bookName(options.book ?? basename(folder), options.book !== undefined);
  const scratch = await mkdtemp(join(tmpdir(), "assay-init-"));
  const database = await Database.open({ path: ":memory:", tempDirectory: join(scratch, "spill") });
  try {
    const words = await readWords();
    const found = await lookAtFolder({ folder, database, scratch, log: context.log, words });
    if (found.files === 0) throw usageError(`${shownPath(context, folder)}: holds no files, expected exports`);
    const { reads } = found;
    const notPlaced: NotPlaced[] = [...found.notPlaced];
    const vendors = await readVendors(join(folder, "vendors"));
    const links = await context.log.step("compare ids", () => Links.of(database, reads));
    const proposal = propose(reads, vendors, words, links);
    const findings: Finding[] = [...proposal.findings];
    notPlaced.push(...proposal.notPlaced);
    const sources: Settled[] = [];
    const counts = new Map<string, Loaded>();
    for (const draft of proposal.drafts) {
      await context.log.step(`try ${draft.id}`, async (note) => {
        const tried = await tryDraft(context, database, draft, folder, scratch, findings);
        if (typeof tried === "string") {
          notPlaced.push({ files: draft.table.files.map((one) => one.name), why: `${draft.label}: ${tried}` });
          return;
        }
        note(`${tried.loaded.rowsRead} rows, ${tried.loaded.rowsRejected} kept out`);
        counts.set(draft.id, tried.loaded);
        sources.push(await settle(database, tried.draft, tried.loaded, findings));
      });
    }
    const library = await readLibrary();
    const kept = withoutBroken(sources);
    const signs = reads.flatMap((read) => read.kinds.flatMap(({ currency }) => currency ?? []));
    const conclusion = await conclude(database, kept, library, signs, findings);
    const answer: Answer = {
      book,
      file: shown,
      files: found.files,
      sources: kept.map(({ draft, mode, key }) => ({
        id: draft.id,
        entity: draft.entity,
        label: draft.label,
        files: draft.table.files.map((one) => one.name),
        rows: counts.get(draft.id)?.rowsRead ?? 0,
        rows_rejected: counts.get(draft.id)?.rowsRejected ?? 0,
        mode,
        key,
      })),
      findings,
      not_placed: notPlaced,
      missing: conclusion.missing,
    };
    if (conclusion.missing.length > 0 || conclusion.kpis.length === 0) {
      context.print(options.json === true ? JSON.stringify(answer, null, 2) : describe(answer, reads.length > 0));
      throw refusedError(
        `${shownPath(context, folder)}: ${conclusion.missing.join("; ") || "no KPI of the library can be fed by these files"}${commonestReason(notPlaced)}; nothing is written`,
      );
    }
    const age = Math.min(...found.tables.map(({ modifiedMs }) => context.now().getTime() - modifiedMs));
    const scorecard = conclusion.scored.length >= 2 ? "scorecards/start" : null;
    const listed = conclusion.kpis.map((kpi) => (typeof kpi === "string" ? kpi : String(kpi.id)));
    const naive = ["logins_28d", "nps", "feature_events_28d", "open_tickets"];
    const hasNaive = naive.filter((kpi) => listed.includes(kpi)).length >= 3;
    const text = bookText({
      book,
      sources: kept,
      conclusion: hasNaive
        ? { ...conclusion, kpis: [...conclusion.kpis, ...naive.filter((kpi) => !listed.includes(kpi))] }
        : conclusion,
      findings,
      settle: age < 120_000 ? "0s" : undefined,
      maxAge: freshness(kept, context.now()),
      scorecard,
      compare: hasNaive ? ["naive_baseline"] : [],
      notPlaced: notPlaced.map(
        ({ files, why }) => `${files[0]}${files.length > 1 ? ` and ${files.length - 1} more` : ""}: ${why}`,
      ),
    });
    const card = scorecard === null ? null : join(folder, "scorecards", "start", "v1.yaml");
    const isNewCard = card !== null && (!existsSync(card) || options.force === true);
    if (card !== null && isNewCard) await writeFileAtomic(card, scorecardText(conclusion.scored, book));
    await checkProposal(text, shown, folder);
    await writeFileAtomic(file, text);
    context.print(options.json === true ? JSON.stringify(answer, null, 2) : describe(answer, true));
  } finally {
    database.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

async function folderOf(context: Context, name: string): Promise<string> {
  const folder = [resolve(context.cwd, name), join(context.cwd, "data", name)].find((candidate) =>
    existsSync(candidate),
  );
  if (folder === undefined) throw usageError(`no folder at ${name}: expected one with exports`);
  if (!(await stat(folder)).isDirectory()) throw usageError(`${name} is a file, expected the folder with the exports`);
  return folder;
}

function shownPath(context: Context, path: string): string {
  const short = relative(context.cwd, path);
  return short.startsWith("..") || short === "" ? path : short;
}

function bookName(given: string, isAsked: boolean): string {
  if (isAsked) {
    if (!/^[a-z][a-z0-9_-]*$/.test(given))
      throw usageError(`--book: found ${given}, expected lower-case letters, digits, - and _, starting with a letter`);
    return given;
  }
  const name = given
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, "-")
    .replaceAll(/^[^a-z]+|-+$/g, "");
  return name === "" ? "book" : name;
}

/** Reads files of a source the way a refresh will, into a folder of its own. A sentence where that is refused. */
async function tryDraft(
  context: Context,
  database: Database,
  draft: Draft,
  folder: string,
  scratch: string,
  findings: Finding[],
): Promise<{ readonly draft: Draft; readonly loaded: Loaded } | string> {
  const first = await load(context, draft, folder, scratch);
  if (typeof first === "string") return first;
  if (first.rowsRejected <= 0.02 * first.rowsRead) return { draft, loaded: first };
  // A column that is not needed may not keep rows out: it is left out itself.
  const rejects = await rejectsOf(database, first);
  const bad = new Set(rejects.filter(({ n }) => n > 0.02 * first.rowsRead).map(({ column }) => column));
  const isNeeded = (column: string): boolean =>
    [
      "account_id",
      "event_time",
      "event",
      "started_on",
      "opened_at",
      "occurred_on",
      "occurred_at",
      "activity_date",
      "issued_on",
      "rated_at",
      "rating",
      "user_id",
      "source_id",
      "kind",
    ].includes(column);
  const columns = Object.fromEntries(
    Object.entries(draft.columns).filter(([column, { from }]) => isNeeded(column) || !bad.has(from ?? column)),
  );
  if (Object.keys(columns).length === Object.keys(draft.columns).length) {
    return first.rowsRejected > 0.5 * first.rowsRead && draft.rows > 20
      ? `${first.rowsRejected} of ${first.rowsRead} rows would be kept out (${rejects[0]?.column}: ${rejects[0]?.reason}, found ${shownValue(rejects[0]?.value ?? "")})`
      : { draft, loaded: first };
  }
  for (const { column, reason, value, n } of rejects) {
    if (!isNeeded(column) && bad.has(column))
      findings.push({
        level: "guessed",
        about: draft.id,
        text: `${column} is not read: ${n} of ${first.rowsRead} rows would be kept out (${reason})`,
        ...(value === null ? {} : { samples: [value] }),
      });
  }
  const second: Draft = {
    ...draft,
    columns,
    immutable: draft.immutable.filter((column) => columns[column] !== undefined),
  };
  const loaded = await load(context, second, folder, `${scratch}`);
  return typeof loaded === "string" ? loaded : { draft: second, loaded };
}

let tries = 0;

async function load(context: Context, draft: Draft, folder: string, scratch: string): Promise<Loaded | string> {
  const chosen = spread(draft.table.files, mostTried);
  let bytes = 0;
  const files = chosen.filter((file, i) => {
    bytes += file.bytes;
    return i === 0 || bytes <= mostTriedBytes;
  });
  const names = files.map(({ name }) => name.replace(/[*?[{]/g, (letter) => `[${letter}]`));
  const fields = {
    entity: draft.entity,
    keep: draft.keep,
    drop: draft.drop,
    formats: draft.formats,
    files: names,
    max_rejected: 1,
    settle: "0s",
  };
  const columns = Object.fromEntries(
    Object.entries(draft.columns).map(([name, { via: _, ...mapping }]) => [name, asWritten(mapping)]),
  );
  const parsed = bookSchema.parse({ book: "tried", sources: { [draft.id]: { ...fields, columns } }, kpis: ["none"] });
  const book: Book = { ...parsed, exports_root: folder, folder, file: join(folder, "assay.yaml"), config_sha256: "" };
  tries += 1;
  const state = join(scratch, `try_${tries}`);
  await mkdir(state, { recursive: true });
  try {
    const result = await loadDeliveries({ book, state, log: silentLog, now: context.now, settleSeconds: 0 });
    const own = [...result.deliveries].sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0));
    return {
      files: own.map(({ file, rows, rejects }) => ({ name: file, rows, rejects })),
      rowsRead: own.reduce((sum, { rows_read }) => sum + rows_read, 0),
      rowsRejected: own.reduce((sum, { rows_rejected }) => sum + rows_rejected, 0),
    };
  } catch (error) {
    if (error instanceof AssayError && error.exitCode === 3) return error.message;
    throw error;
  }
}

function spread<T>(items: readonly T[], most: number): readonly T[] {
  if (items.length <= most) return items;
  return Array.from({ length: most }, (_, i) => items[Math.round((i * (items.length - 1)) / (most - 1))] as T);
}

/** A source that goes by one that could not be read cannot be read either. */
function withoutBroken(sources: readonly Settled[]): readonly Settled[] {
  const ids = new Set(sources.map(({ draft }) => draft.id));
  const kept = sources.filter(({ draft }) =>
    Object.values(draft.columns).every(({ via }) => via === undefined || ids.has(via)),
  );
  return kept.length === sources.length ? kept : withoutBroken(kept);
}

/** Three times the usual silence, and whether the newest row is younger than that. */
function freshness(
  sources: readonly Settled[],
  now: Date,
): ReadonlyMap<string, { readonly text: string; readonly isLive: boolean; readonly why: string }> {
  const contracts = new Map<string, { readonly text: string; readonly isLive: boolean; readonly why: string }>();
  for (const { draft, everyDays, lastAt } of sources) {
    if (everyDays === null || lastAt === null || !draft.entity.startsWith("usage")) continue;
    const days = Math.max(2, 2 * everyDays + 1);
    const age = Math.floor((now.getTime() - Date.parse(`${lastAt.slice(0, 10)}T00:00:00Z`)) / 86_400_000);
    const isLive = age <= days;
    const usual = `rows came at least every ${everyDays === 1 ? "day" : `${everyDays} days`}`;
    contracts.set(draft.id, {
      text: `${days}d`,
      isLive,
      why: isLive
        ? usual
        : `${usual}; off, because the newest row is of ${lastAt.slice(0, 10)}: switch it on with live exports`,
    });
  }
  return contracts;
}

/** What is written must be a book: a mistake here is Assay's own. */
async function checkProposal(text: string, shown: string, folder: string): Promise<void> {
  const parsed = parseBook(text, shown);
  const book: Book = { ...parsed, exports_root: folder, folder, file: join(folder, "assay.yaml"), config_sha256: "" };
  const { kpis } = await resolveKpis(book);
  await resolveScorecards(book, kpis);
}

const mostShown = 14;

/** The answer on a terminal. */
function describe(answer: Answer, hasTables: boolean): string {
  const { sources, findings, not_placed: notPlaced } = answer;
  const sure = findings.filter(({ level }) => level === "sure");
  const guessed = findings.filter(({ level }) => level === "guessed");
  const decide = findings.filter(({ level }) => level === "decide");
  const used = new Set(sources.flatMap(({ files }) => files)).size;
  const lines: string[] = [];
  const isWritten = answer.missing.length === 0;
  const place = answer.file.replace(/\/?assay\.yaml$/, "") || ".";
  lines.push(
    `${isWritten ? `${answer.file} is written: ` : ""}${sources.length} sources out of ${used} of ${answer.files} files`,
  );
  const widest = Math.max(
    ...[...sources.map(({ id }) => id), ...findings.map(({ about }) => about)].map((text) => text.length),
    8,
  );
  const idWidth = Math.min(widest, 30);
  const width = 100;
  const row = (label: string, text: string): string => {
    const shown = label.length > idWidth ? `${label}\n${" ".repeat(idWidth + 2)}` : label.padEnd(idWidth);
    return `  ${shown}  ${wrap(oneLine(text), width - idWidth, " ".repeat(idWidth + 4))}`;
  };
  if (sources.length > 0) {
    lines.push("", "SOURCES");
    for (const { id, entity, label, files, rows, rows_rejected: rejected, mode } of sources) {
      const what = entity.replaceAll("_", " ") === label ? label : `${entity.replaceAll("_", " ")} (${label})`;
      const where =
        files.length === 1
          ? shownName(files[0] as string)
          : `${shownName(files[0] as string)} and ${files.length - 1} more`;
      lines.push(
        row(
          id,
          `${what}, ${where}: ${rows} rows${rejected === 0 ? "" : `, ${rejected} kept out`}${mode === "append" ? "" : `, ${mode}`}`,
        ),
      );
    }
  }
  const section = (title: string, list: readonly Finding[]): void => {
    if (list.length === 0) return;
    lines.push("", title);
    for (const { about, text, samples } of list.slice(0, title.startsWith("SURE") ? mostShown : 60)) {
      const shown =
        samples === undefined || samples.length === 0
          ? ""
          : ` (such as ${samples.map((value) => shownValue(value)).join(", ")})`;
      lines.push(row(about, `${text}${shown}`));
    }
    if (title.startsWith("SURE") && list.length > mostShown) lines.push(`  and ${list.length - mostShown} more`);
  };
  section("SURE: the rows say so", sure);
  section("GUESSED: likely, and worth a look; each is a line of assay.yaml", guessed);
  if (notPlaced.length > 0) {
    lines.push("", "NOT PLACED: not read");
    for (const { files, why } of notPlaced) {
      const where = `${shownName(files[0] ?? "")}${files.length > 1 ? ` and ${files.length - 1} more` : ""}`;
      lines.push(`  ${wrap(`${where}: ${oneLine(why)}`, width, "    ")}`);
    }
  }
  section("TO DECIDE: a refresh runs without, and knows more with", decide);
  if (isWritten && hasTables) lines.push("", `next: npx assay refresh ${place}`, `then: npx assay verdicts ${place}`);
  return lines.join("\n");
}

const shownName = (name: string): string => shownValue(name, 60).slice(1, -1);

/** Why most of the files that are not read are not. */
function commonestReason(notPlaced: readonly NotPlaced[]): string {
  const files = new Map<string, readonly string[]>();
  for (const one of notPlaced) files.set(one.why, [...(files.get(one.why) ?? []), ...one.files]);
  const [first] = [...files].sort(([, a], [, b]) => b.length - a.length);
  if (first === undefined) return "";
  const [why, [name = "", ...others]] = first;
  return `; ${name}${others.length === 0 ? "" : ` and ${others.length} more`}: ${why}`;
}
