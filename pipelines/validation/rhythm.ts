/**
 * Labels that stand for a month. Verdicts of every night would flip around q = .05 and collect chance finds, so the label of
 * a KPI is that of the last month start at or before as_of, and says how many of the last six month starts gave the same one.
 * A look at a month start d is the validation that a refresh as of d makes of the same exports: the spine and everything of
 * validation that a verdict rests on, run again with as_of = d in a catalogue of its own. The features need no second run,
 * because a snapshot's values hold nothing that came later. What a look found is kept by a hash of all that it read.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { canonicalJson, sha256 } from "../lib/files.ts";
import { layerOf, leadingTo, producesOf, sortNodes } from "../models/graph.ts";
import type { Model, Node, Step, StepContext } from "../models/model.ts";
import { literal, quoteIdentifier, SqlDate } from "../warehouse/literal.ts";
import type { ColumnTypes } from "./tables.ts";

/** How many month starts are looked at, the newest included. */
export const looks = 6;
/** A label is new until so many of them gave it. */
export const heldEnough = 3;

/** The month starts at or before a day, newest first. */
export function monthStartsUpTo(asOf: string, n = looks): readonly string[] {
  const [year, month] = asOf.split("-").map(Number) as [number, number];
  return Array.from({ length: n }, (_, i) => {
    const index = year * 12 + month - 1 - i;
    return `${Math.floor(index / 12)}-${String((index % 12) + 1).padStart(2, "0")}-01`;
  });
}

/** A verdict as far as it may stand: the columns of validation.kpi_verdict that follow the month start. */
export interface Standing {
  readonly kpi: string;
  readonly definition: string;
  readonly group_kind: string;
  readonly segment: string;
  readonly rule: string | null;
  readonly verdict: string | null;
  readonly label: string | null;
  readonly sentence: string | null;
  readonly reason: string | null;
  readonly redundant_with: string | null;
  readonly action_group: string | null;
  readonly strength: string | null;
  readonly small_print: string | null;
  readonly auc: number | null;
}

export type PastLook = Standing & { readonly look_on: string };

/** A label with how long it has stood. */
export interface Held {
  readonly look_on: string | null;
  /** The earliest of the month starts looked at that gave this label. */
  readonly first_seen_on: string | null;
  /** How many of them did. */
  readonly held: number | null;
}

const keyOf = ({ kpi, definition, group_kind, segment }: Standing): string =>
  [kpi, definition, group_kind, segment].join(" ");

const side = (auc: number | null): number => (auc === null ? 0 : Math.sign(auc - 0.5));

/** Today's sentence may carry the standing label: it says the same of the KPI, with today's numbers. */
const isSameClaim = (today: Standing, stood: Standing): boolean =>
  today.rule === stood.rule &&
  today.label === stood.label &&
  (today.rule === "0" ||
    (today.reason === stood.reason &&
      today.redundant_with === stood.redundant_with &&
      side(today.auc) === side(stood.auc)));

/**
 * Today's verdicts with the labels of the newest look. Where today's numbers would give another label, the look's label,
 * sentence and small print stand as they were, and the numbers beside them are today's. `past` has the looks before as_of, and
 * not as_of itself, whose look is today's validation. A group without a past look of its own keeps today's label.
 */
export function letStand<T extends Standing>(
  today: readonly T[],
  past: readonly PastLook[],
  asOf: string,
): readonly (T & Held)[] {
  const dates = monthStartsUpTo(asOf);
  const newest = dates[0] as string;
  const byKey = new Map<string, PastLook[]>();
  for (const look of past) byKey.set(keyOf(look), [...(byKey.get(keyOf(look)) ?? []), look]);
  return today.map((row) => {
    const own = byKey.get(keyOf(row)) ?? [];
    const stood = newest === asOf ? row : own.find((look) => look.look_on === newest);
    if (stood === undefined) return { ...row, look_on: null, first_seen_on: null, held: null };
    const label = stood.label;
    const earlier = own.flatMap((look) => (look.label === label ? [look.look_on] : []));
    const seen = [...earlier, ...(newest === asOf ? [asOf] : [])].sort();
    const isWatched = label !== null && own.some((look) => look.look_on !== newest);
    const standing = isSameClaim(row, stood)
      ? {}
      : {
          rule: stood.rule,
          verdict: stood.verdict,
          label: stood.label,
          sentence: stood.sentence,
          reason: stood.reason,
          redundant_with: stood.redundant_with,
          action_group: stood.action_group,
          strength: stood.strength,
          small_print: stood.small_print,
        };
    return {
      ...row,
      ...standing,
      look_on: newest,
      first_seen_on: isWatched ? (seen[0] ?? null) : null,
      held: isWatched ? seen.length : null,
    };
  });
}

export interface LookBackOptions {
  /**
   * Per churn definition the nodes that lead to its validation.kpi_verdict, of that definition alone: for the newest look, whose
   * labels stand today, with all groups; for the past ones, which count how long a label has held, as few as do.
   */
  readonly nodesOf: ReadonlyMap<string, { readonly newest: readonly Node[]; readonly past: readonly Node[] }>;
  readonly primary: string;
  readonly spine: readonly Model[];
  /** The text of sql/warehouse/00_macros.sql. */
  readonly macros: string;
  /** Where looks are kept. */
  readonly folder: string;
  /** What else a look depends on: code, definitions, engine. */
  readonly identity: string;
  /** Remembers nothing. */
  readonly full: boolean;
  /** Rows of a look at which no KPI could be tested, by definition. */
  readonly untested: (context: StepContext, definition: string, lookOn: string) => Promise<void>;
  /** Called with the names of the files that the looks of this run rest on. */
  readonly keep: (files: readonly string[]) => void;
}

/** The table that {@link lookBack} leaves behind: validation.kpi_verdict of the month starts before as_of. */
export const pastLooks = "validation.past_look";

/**
 * validation.past_look: the verdicts of the month starts before as_of. The primary definition at all of them; every other one at
 * the newest alone, whose labels stand today.
 */
export function lookBack(options: LookBackOptions, columns: ColumnTypes): Step {
  const nodes = [...options.nodesOf.values()].flatMap(({ newest, past }) => [...newest, ...past]);
  const spineMakes = new Set(options.spine.flatMap(producesOf));
  const made = new Set([...nodes.flatMap(producesOf), ...spineMakes]);
  const read = [...nodes, ...options.spine].flatMap((node) => node.depends);
  return {
    kind: "step",
    name: "validation.look_back",
    // The spine's tables are made again; that they stand says that what they read does.
    depends: [...new Set([...read.filter((table) => !made.has(table)), ...spineMakes, "validation.decision"])].sort(),
    params: ["as_of"],
    produces: [pastLooks],
    version: sha256(
      canonicalJson([
        "1",
        options.identity,
        nodes.map((node) => [node.name, node.kind === "step" ? node.version : node.sql]),
      ]),
    ),
    async run(context) {
      const { query, run } = context;
      await run(
        `create table ${pastLooks} (${Object.entries(columns)
          .map(([name, type]) => `${quoteIdentifier(name)} ${type}`)
          .join(", ")})`,
      );
      const [facts] = await query<{ as_of: string; accounts: number; home: string; path: string }>(
        `select cast(as_of as varchar) as as_of, current_database() as home, current_setting('search_path') as path,
           (select count(distinct account_id) from spine.account_snapshot where is_validated) as accounts
         from meta.params`,
      );
      if (facts === undefined) throw new Error("meta.params has no row");
      const dates = monthStartsUpTo(facts.as_of).filter((date) => date !== facts.as_of);
      await removeUnfinished(options.folder);
      const desk = new Desk(context, options, facts);
      try {
        for (const date of dates) {
          const isNewest = date === dates[0] && facts.as_of.slice(8) !== "01";
          const definitions = isNewest ? [...options.nodesOf.keys()] : [options.primary];
          for (const definition of definitions) {
            const own = options.nodesOf.get(definition);
            if (own === undefined) continue;
            await desk.look(date, definition, isNewest ? own.newest : own.past, Object.keys(columns));
          }
        }
      } finally {
        await desk.close();
      }
      options.keep(desk.files);
      context.note(`${dates.length} month starts looked at, ${desk.computed} computed`);
    },
  };
}

/** What a killed run was writing. */
async function removeUnfinished(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  for (const name of await readdir(folder)) if (name.endsWith(".tmp")) await rm(join(folder, name), { force: true });
}

/** The catalogue beside the warehouse in which looks are made. */
class Desk {
  readonly files: string[] = [];
  computed = 0;
  readonly #context: StepContext;
  readonly #options: LookBackOptions;
  readonly #home: string;
  readonly #path: string;
  readonly #accounts: number;
  #date = "";
  #isOpen = false;
  readonly #digests = new Map<string, ReadonlyMap<string, string>>();

  constructor(
    context: StepContext,
    options: LookBackOptions,
    { home, path, accounts }: { readonly home: string; readonly path: string; readonly accounts: number },
  ) {
    this.#context = context;
    this.#options = options;
    this.#home = home;
    this.#path = path;
    this.#accounts = accounts;
  }

  /** Adds one look to {@link pastLooks}. */
  async look(date: string, definition: string, nodes: readonly Node[], columns: readonly string[]): Promise<void> {
    const { run } = this.#context;
    const { untested, folder, full } = this.#options;
    await this.#open();
    await run("drop schema if exists validation cascade; create schema validation");
    await this.#provide([...nodes, ...this.#options.spine]);
    const take = async (source: string): Promise<void> => {
      const names = columns.map(quoteIdentifier).join(", ");
      const rows = `select * replace (${literal(new SqlDate(date))} as look_on) from ${source}`;
      await run(`insert into ${this.#at(pastLooks)} (${names}) select ${names} from (${rows})`);
    };
    const outcomes = (await this.#isHopeless(date, definition)) ? null : await this.#outcomes(date, nodes);
    if (outcomes === null || outcomes.churned < 50 || outcomes.staying < 50) {
      // Nothing can be tested with so few: no look needs to find that out KPI by KPI.
      await untested(this.#inside(), definition, date);
      await take("validation.kpi_verdict");
      return;
    }
    const hash = sha256(canonicalJson([await this.#digest(date, definition, nodes)])).slice(0, 16);
    const name = `${date}-${definition}-${hash}.parquet`;
    const file = join(folder, name);
    this.files.push(name);
    if (full || !existsSync(file)) {
      this.computed += 1;
      for (const node of this.#phases(nodes)[1]) await this.#make(node);
      await mkdir(folder, { recursive: true });
      await run(
        `copy (select * from validation.kpi_verdict order by kpi, group_kind, segment) to ${literal(`${file}.tmp`)} (format parquet)`,
      );
      await rename(`${file}.tmp`, file);
    }
    await take(`read_parquet(${literal(file)})`);
  }

  async close(): Promise<void> {
    const { run } = this.#context;
    if (!this.#isOpen) return;
    await run(`set search_path = ${literal(this.#path)}`);
    await run("detach assay_look");
  }

  #at(table: string): string {
    return `${quoteIdentifier(this.#home)}.${table}`;
  }

  #inside(): StepContext {
    return { ...this.#context, note: () => {} };
  }

  async #open(): Promise<void> {
    if (this.#isOpen) return;
    const { run } = this.#context;
    await run("attach ':memory:' as assay_look");
    this.#isOpen = true;
    await run("use assay_look");
    await run(this.#options.macros);
    await run("create schema meta; create schema spine; create schema validation");
  }

  /**
   * Seen without a look: no account-month can have a complete window by then, or there are fewer than 50 accounts, or fewer than
   * 50 had decided by then. A notice that was withdrawn since counts as a decision: by then it may have stood.
   */
  async #isHopeless(date: string, definition: string): Promise<boolean> {
    if (this.#accounts < 50) return true;
    const day = literal(new SqlDate(date));
    const hasContracts = this.#options.spine.some(({ depends }) => depends.includes("staging.subscription"));
    const notices = hasContracts
      ? `union select account_id from ${this.#at("staging.subscription")} where notice_on < ${day}`
      : "";
    const [decided] = await this.#context.query<{ n: number }>(
      `select count(distinct account_id) as n from (
         select account_id from ${this.#at("validation.decision")} where definition = ${literal(definition)} and decided_on < ${day} ${notices}
       )`,
    );
    if (decided !== undefined && decided.n < 50) return true;
    const [row] = await this.#context.query<{ n: number }>(
      `select count(*) as n from ${this.#at("spine.snapshot")} cross join ${this.#at("meta.params")}
       where is_validated and snapshot_date + gap_days + horizon_days <= ${literal(new SqlDate(date))}`,
    );
    return row?.n === 0;
  }

  /** The spine as of the date, and the outcomes of these nodes' definition: how many accounts left and stayed in labelled rows. */
  async #outcomes(
    date: string,
    nodes: readonly Node[],
  ): Promise<{ readonly churned: number; readonly staying: number } | null> {
    const { query, run } = this.#context;
    const { spine } = this.#options;
    if (this.#date !== date) {
      this.#date = date;
      await run(
        `create or replace view meta.params as select * replace (${literal(new SqlDate(date))} as as_of) from ${this.#at("meta.params")}`,
      );
      await run("drop schema spine cascade; create schema spine");
      const given = new Set(spine.flatMap(({ depends }) => depends.filter((table) => layerOf(table) !== "spine")));
      for (const node of sortNodes(spine, given)) await this.#make(onlyValidated(node));
    }
    const [first] = this.#phases(nodes);
    for (const node of first) await this.#make(node);
    const [row] = await query<{ churned: number; staying: number }>(
      `select count(distinct case when y = 1 then account_id end) as churned,
         count(distinct case when y = 0 then account_id end) as staying from validation.outcome`,
    );
    return row ?? null;
  }

  /** Up to the outcomes, and from there. */
  #phases(nodes: readonly Node[]): readonly [readonly Node[], readonly Node[]] {
    const made = new Set(nodes.flatMap(producesOf));
    const given = new Set(nodes.flatMap(({ depends }) => depends.filter((table) => !made.has(table))));
    const sorted = sortNodes(nodes, given);
    const first = new Set(leadingTo(sorted, ["validation.outcome"]));
    return [sorted.filter((node) => first.has(node)), sorted.filter((node) => !first.has(node))];
  }

  async #make(node: Node): Promise<void> {
    if (node.kind === "step") await node.run(this.#inside());
    else await this.#context.run(`create ${node.kind} ${node.name} as\n${node.sql}`);
  }

  /** What the nodes read and do not make themselves, as views of the warehouse. */
  async #provide(nodes: readonly Node[]): Promise<void> {
    const made = new Set(nodes.flatMap(producesOf));
    const read = new Set(nodes.flatMap(({ depends }) => depends.filter((table) => !made.has(table))));
    for (const table of [...read].sort()) {
      const [schema, name] = table.split(".") as [string, string];
      const own = `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
      await this.#context.run(
        `create schema if not exists ${quoteIdentifier(schema)}; create or replace view ${own} as select * from ${this.#at(own)}`,
      );
    }
  }

  /** All that the second phase reads, as text that changes when it does. */
  async #digest(date: string, definition: string, nodes: readonly Node[]): Promise<unknown> {
    const { query } = this.#context;
    const own: string[] = [];
    for (const table of [
      "validation.outcome",
      "validation.definition",
      "spine.account_period",
      "spine.account_snapshot",
    ]) {
      own.push(`${table} ${await digestOf(query, table)}`);
    }
    const [, second] = this.#phases(nodes);
    const made = new Set([...nodes.flatMap(producesOf), ...this.#options.spine.flatMap(producesOf)]);
    const read = new Set(second.flatMap(({ depends }) => depends.filter((table) => !made.has(table))));
    const others: unknown[] = [];
    for (const table of [...read].sort()) {
      const byDate = this.#digests.get(table) ?? (await this.#digestByDate(table));
      this.#digests.set(table, byDate);
      others.push([table, [...byDate].filter(([at]) => at <= date)]);
    }
    const [params] = await query<{ text: string }>("select cast(to_json(p) as varchar) as text from meta.params as p");
    const logic = nodes.map((node) => [node.name, node.kind === "step" ? node.version : node.sql]);
    return [this.#options.identity, date, definition, params?.text, logic, own, others];
  }

  /** Rows of a table of the warehouse by snapshot; a table without snapshots has one entry, under the earliest of days. */
  async #digestByDate(table: string): Promise<ReadonlyMap<string, string>> {
    const { query } = this.#context;
    const at = this.#at(table);
    const columns = await query<{ column_name: string }>(`describe select * from ${at}`);
    const hasDates = columns.some(({ column_name }) => column_name === "snapshot_date");
    const date = hasDates ? "cast(snapshot_date as varchar)" : "''";
    const only = hasDates
      ? ` where snapshot_date in (select snapshot_date from ${this.#at("spine.snapshot")} where is_validated)`
      : "";
    const rows = await query<{ at: string; digest: string }>(
      `select ${date} as at, count(*) || ' ' || sum(cast(hash(t) as hugeint)) || ' ' || bit_xor(hash(t)) as digest
       from ${at} as t${only} group by 1 order by 1`,
    );
    return new Map(rows.map((row) => [row.at, row.digest]));
  }
}

async function digestOf(query: StepContext["query"], table: string): Promise<string> {
  const [row] = await query<{ digest: string }>(
    `select count(*) || ' ' || coalesce(sum(cast(hash(t) as hugeint)), 0) || ' ' || coalesce(bit_xor(hash(t)), 0) as digest from ${table} as t`,
  );
  return row?.digest ?? "";
}

/** The calendar of validation alone: nothing else of the spine's dates is read by a verdict. */
const onlyValidated = (model: Node): Node =>
  model.name === "spine.snapshot" && model.kind !== "step"
    ? { ...model, sql: `select * from (\n${model.sql}\n) as calendar where is_validated` }
    : model;
