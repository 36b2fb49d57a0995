/**
 * What a refresh of now would do, without doing it: new files are read into a folder of its own that is thrown away, the statements are laid out
 * as a refresh lays them out, and the fingerprints of all tables are held against those of the current release.
 */
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, realpath, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Book } from "../config/book.ts";
import { AssayError } from "../lib/errors.ts";
import { sha256 } from "../lib/files.ts";
import { silentLog } from "../lib/log.ts";
import { mendLedger } from "../load/ledger.ts";
import { rollUp } from "../load/rollup.ts";
import { stagingNodes } from "../load/stage.ts";
import { layerOf, leadingTo, producesOf, sortNodes } from "../models/graph.ts";
import type { Node } from "../models/model.ts";
import { isRemembered, keptFile } from "../models/remember.ts";
import { runNodes } from "../models/run.ts";
import type { Release } from "../publish/release.ts";
import { Database } from "../warehouse/database.ts";
import { SqlDate } from "../warehouse/literal.ts";
import { engineOf, type Inputs, type LaidOut, layOut, readInputs, stagedFolder, stopwatch } from "./build.ts";
import { codeSha256, type Definitions } from "./definitions.ts";
import { releaseIdOf, statementsOf } from "./refresh.ts";

/** Why a table's rows may be others than those of the current release. */
export type Why = "delivery" | "as_of" | "definition" | "code" | "freshness" | "new";

export interface ForeseenModel {
  readonly model: string;
  /**
   * True: its statement, its parameters and all that it reads are those of the current release, so its rows are. It is made again all the
   * same, or taken from the store where {@link taken} says so: a release is always built whole.
   */
  readonly is_same: boolean;
  readonly why: readonly Why[];
  /** Its rows come from the store: true, false, or null where that holds month by month, as far as the rows behind a month are the same. */
  readonly taken: boolean | null;
}

export interface Foreseen {
  readonly would: "build the first release" | "build a release" | "find nothing to do" | "be refused";
  /** The sentence of the refusal. */
  readonly refused: string | null;
  readonly release_id: string | null;
  readonly as_of: string | null;
  /** Against the current release: deliveries that it does not have, and those that only it has. */
  readonly added: readonly ForeseenDelivery[];
  readonly gone: readonly { readonly source: string; readonly file: string }[];
  readonly models: readonly ForeseenModel[];
  /** Tables that only the current release has. */
  readonly dropped: readonly string[];
  readonly roll_up: { readonly months_built: number; readonly months_reused: number } | null;
}

export interface ForeseenDelivery {
  readonly delivery_id: string;
  readonly source: string;
  readonly file: string;
  readonly rows_read: number;
  readonly rows_loaded: number;
  readonly rows_rejected: number;
}

export interface ForeseeOptions {
  readonly book: Book;
  readonly state: string;
  readonly definitions: Definitions;
  readonly current: Release | null;
  /** As the refresh would be called. */
  readonly full: boolean;
  readonly asOf: string | undefined;
  readonly now: () => Date;
}

const nothing = { release_id: null, as_of: null, added: [], gone: [], models: [], dropped: [], roll_up: null } as const;

export async function foresee(options: ForeseeOptions): Promise<Foreseen> {
  const { book, state, definitions, current, full, asOf, now } = options;
  const aside = await mkdtemp(join(tmpdir(), "assay-plan-"));
  try {
    await standIn(state, aside);
    if (current !== null) await mendLedger(join(aside, "ledger.jsonl"), join(current.folder, "ledger.jsonl"));
    const linkedFrom = await realpath(join(state, "store")).catch(() => undefined);
    const run = { book, state: aside, definitions, full, now, log: silentLog, watch: stopwatch(silentLog), linkedFrom };
    const read = await readInputs(run, asOf);
    // The paths of the store are part of the statements: as a refresh would write them.
    const inputs = JSON.parse(
      JSON.stringify(read).replaceAll(JSON.stringify(aside).slice(1, -1), JSON.stringify(state).slice(1, -1)),
    ) as Inputs;
    const code = await codeSha256();
    const releaseId = releaseIdOf(book, definitions.sha256, inputs, code);
    const release = current === null ? null : await readRelease(current);
    const { deliveries } = inputs.load;
    const known = new Set(release?.deliveries.map(({ delivery_id }) => delivery_id));
    const here = new Set(deliveries.map(({ delivery_id }) => delivery_id));
    const facts = {
      refused: null,
      release_id: releaseId,
      as_of: inputs.asOf,
      added: deliveries
        .filter(({ delivery_id }) => !known.has(delivery_id))
        .map(({ delivery_id, source, file, rows_read, rows_loaded, rows_rejected }) => {
          return { delivery_id, source, file, rows_read, rows_loaded, rows_rejected };
        }),
      gone: (release?.deliveries ?? [])
        .filter(({ delivery_id }) => !here.has(delivery_id))
        .map(({ source, file }) => ({ source, file })),
    };
    const database = await Database.open({ path: ":memory:", threads: 1 });
    try {
      if (!full && release?.release_id === releaseId) return { ...nothing, ...facts, would: "find nothing to do" };
      const engine = await engineOf(database);
      const laid = await layOut({ book, state, definitions, full }, inputs, engine, "release");
      const rollUps = await monthsToRollUp(database, { book, state: aside, full }, read, laid);
      if (release === null || current === null)
        return { ...nothing, ...facts, would: "build the first release", roll_up: rollUps };
      const changed = await whatChanged({ options, inputs, laid, engine, code, release, current });
      const models = compare(laid, release, changed, full, stagedFolder(state));
      const tables = new Set(models.map(({ model }) => model));
      return {
        ...facts,
        would: "build a release",
        models,
        dropped: [...release.prints.keys()].filter((table) => !tables.has(table)).sort(),
        roll_up: rollUps,
      };
    } finally {
      database.close();
    }
  } catch (error) {
    if (!(error instanceof AssayError) || error.exitCode === 4) throw error;
    return { ...nothing, would: "be refused", refused: error.message };
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

/** A folder that reads like the state and can be written: its small files are copied, what the store holds is linked to. */
async function standIn(state: string, aside: string): Promise<void> {
  for (const entry of await readdir(state, { withFileTypes: true }).catch(() => [])) {
    if (entry.isFile() && /\.jsonl?$/.test(entry.name) && entry.name !== "lock.json")
      await copyFile(join(state, entry.name), join(aside, entry.name));
  }
  for (const folder of ["store", join("store", "repeats"), join("store", "bundles"), join("store", "rollup")]) {
    await mkdir(join(aside, folder), { recursive: true });
    for (const entry of await readdir(join(state, folder), { withFileTypes: true }).catch(() => [])) {
      if (entry.isFile() && !entry.name.endsWith(".tmp"))
        await symlink(join(state, folder, entry.name), join(aside, folder, entry.name));
    }
  }
}

interface KnownRelease {
  readonly release_id: string;
  readonly prints: ReadonlyMap<string, string>;
  readonly params: Readonly<Record<string, unknown>>;
  readonly deliveries: readonly {
    readonly delivery_id: string;
    readonly source: string;
    readonly entity: string;
    readonly file: string;
  }[];
  /** How many feeds it marks. */
  readonly marks: number;
}

async function readRelease({ folder, manifest }: Release): Promise<KnownRelease> {
  const database = await Database.open({ path: join(folder, "warehouse.duckdb"), readOnly: true, threads: 1 });
  try {
    const runs = await database.query<{ model: string; fingerprint: string }>(
      "select model, fingerprint from meta.model_run",
    );
    const [params] = await database.query("select * from meta.params");
    return {
      release_id: manifest.release_id,
      prints: new Map(runs.map(({ model, fingerprint }) => [model, fingerprint])),
      params: params ?? {},
      deliveries: await database.query(
        "select delivery_id, source, entity, file from meta.delivery order by source, delivery_no",
      ),
      marks: (await database.scalar<number>("select count(*) from marts.feed_finding where kind <> 'fall'")) ?? 0,
    };
  } finally {
    database.close();
  }
}

/** What is not as the current release was built from it. */
interface Changed {
  /** Entities of deliveries that came or went. */
  readonly entities: ReadonlySet<string>;
  /** KPIs, scorecards, flags or assay.yaml. */
  readonly isDefined: boolean;
  readonly isCode: boolean;
  readonly isFresh: boolean;
  /** Parameters with other values. */
  readonly params: ReadonlySet<string>;
  /** Statements of the current release: name -> hash of its text. */
  readonly texts: ReadonlyMap<string, string>;
}

async function whatChanged(work: {
  readonly options: ForeseeOptions;
  readonly inputs: Inputs;
  readonly laid: LaidOut;
  readonly engine: string;
  readonly code: string;
  readonly release: KnownRelease;
  readonly current: Release;
}): Promise<Changed> {
  const { options, inputs, laid, engine, code, release, current } = work;
  const { manifest } = current;
  const here = new Map(inputs.load.deliveries.map(({ delivery_id, entity }) => [delivery_id, entity]));
  const there = new Map(release.deliveries.map(({ delivery_id, entity }) => [delivery_id, entity]));
  const entities = new Set([
    ...[...here].flatMap(([id, entity]) => (there.has(id) ? [] : [entity])),
    ...[...there].flatMap(([id, entity]) => (here.has(id) ? [] : [entity])),
  ]);
  const marks = inputs.feeds.map(({ sentence }) => sentence);
  return {
    entities,
    isDefined:
      options.definitions.sha256 !== manifest.definitions_sha256 ||
      options.book.config_sha256 !== manifest.config_sha256,
    isCode: code !== manifest.code_sha256 || engine !== manifest.duckdb_version,
    isFresh: marks.some((sentence) => !manifest.warnings.includes(sentence)) || marks.length < release.marks,
    params: new Set(
      Object.entries(laid.params).flatMap(([name, value]) =>
        String(release.params[name] ?? null) === textOf(value) ? [] : [name],
      ),
    ),
    texts: new Map(
      [...(await statementsOf(current.folder)).keys()].flatMap((head) => {
        const [, name, hash] = /^-- \w+ ([\w.]+).*\n-- sha256 ([0-9a-f]{64})/.exec(head) ?? [];
        return name === undefined || hash === undefined ? [] : [[name, hash] as const];
      }),
    ),
  };
}

const textOf = (value: unknown): string => (value instanceof SqlDate ? value.iso : String(value));

/** Each table of a refresh beside the current release's: a table whose fingerprint is the same has the same rows. */
function compare(
  laid: LaidOut,
  release: KnownRelease,
  changed: Changed,
  full: boolean,
  staged: string,
): readonly ForeseenModel[] {
  const why = new Map<string, ReadonlySet<Why>>();
  const models: ForeseenModel[] = [];
  const add = (model: string, isSame: boolean, reasons: ReadonlySet<Why>, taken: boolean | null): void => {
    const isNew = !release.prints.has(model);
    const own = isNew ? new Set<Why>(["new", ...reasons]) : reasons;
    why.set(model, isSame ? new Set() : own);
    models.push({ model, is_same: isSame, why: isSame ? [] : [...own].sort(), taken });
  };
  const isUsage = [...changed.entities].some((entity) => entity.startsWith("usage_"));
  for (const node of laid.staging) {
    const file = keptFile(node, laid.prints);
    addNode(node, !full && file !== null && existsSync(join(staged, file)));
  }
  for (const view of laid.rollUps) {
    const isSame = release.prints.get(view) === laid.prints.get(view);
    // All roll-ups name the inputs as a whole; the months say which of them are made again.
    add(
      view,
      isSame,
      new Set<Why>(changed.entities.size > 0 ? ["delivery"] : ownReasons(changed)),
      isUsage ? null : !full,
    );
  }
  for (const node of laid.nodes) addNode(node, isRemembered(node) && !full ? "by month" : false);
  return models;

  function addNode(node: Node, taken: boolean | "by month"): void {
    const print = laid.prints.get(node.name);
    for (const table of producesOf(node)) {
      const isSame = release.prints.get(table) === print;
      const reasons = new Set<Why>(node.depends.flatMap((parent) => [...(why.get(parent) ?? [])]));
      reasons.delete("new");
      for (const name of node.params)
        if (changed.params.has(name)) reasons.add(name === "as_of" ? "as_of" : "definition");
      if (node.kind !== "step" && changed.texts.get(node.name) !== sha256(node.sql))
        for (const reason of reasonsOfText(node)) reasons.add(reason);
      if (node.name === "marts.look_at_feeds" && changed.isFresh) reasons.add("freshness");
      if (!isSame && reasons.size === 0) for (const reason of ownReasons(changed)) reasons.add(reason);
      add(table, isSame, reasons, taken === "by month" ? (isSame ? true : null) : taken);
    }
  }

  /** The statements of the first layers list deliveries. */
  function reasonsOfText({ name }: Node): readonly Why[] {
    const layer = layerOf(name);
    const isList = layer === "raw" || layer === "meta" || layer === "staging";
    if (!isList || changed.entities.size === 0) return ownReasons(changed);
    return layer !== "raw" || changed.entities.has(name.slice(4)) ? ["delivery"] : ownReasons(changed);
  }
}

/** What may have changed in a statement itself: both, where nobody can tell which. */
const ownReasons = ({ isDefined, isCode, entities }: Changed): readonly Why[] =>
  isDefined || isCode
    ? [...(isDefined ? (["definition"] as const) : []), ...(isCode ? (["code"] as const) : [])]
    : [entities.size > 0 ? "delivery" : "code"];

/** Which months of usage would be rolled up: by the rows that are there, nothing is written. */
async function monthsToRollUp(
  database: Database,
  options: Pick<ForeseeOptions, "book" | "state" | "full">,
  { load }: Inputs,
  laid: LaidOut,
): Promise<Foreseen["roll_up"]> {
  const { book, state, full } = options;
  await database.run(laid.macros);
  if (Object.values(book.sources).some(({ mode, entity }) => mode === "range" && entity.startsWith("usage_"))) {
    const nodes = sortNodes(await stagingNodes(book, load), new Set());
    await runNodes(database, leadingTo(nodes, ["staging.range_day"]), silentLog, () => 0);
  }
  const months = await rollUp({ database, book, load, state, log: silentLog, usage: laid.usage, full, dryRun: true });
  return { months_built: months.builtMonths, months_reused: months.reusedMonths };
}
