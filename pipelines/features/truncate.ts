/**
 * The truncation test: every KPI at s, computed again from data cut to what was visible at s, must be what it is from all
 * data. The cut is made on the tables that the features read, and knows nothing of how they are read: rows that became
 * visible after s are gone, versions that were superseded after s stand again, and a column with a date of its own is
 * empty unless that date lies before s. The statements are the release's own; only the calendar is reduced to s.
 */
import { entities } from "../config/entities.ts";
import { producesOf, sortNodes } from "../models/graph.ts";
import type { Model, Node, Step, StepContext } from "../models/model.ts";
import { literal, quoteIdentifier, SqlDate } from "../warehouse/literal.ts";

/** A value that the cut changed. Text: the number, or why there is none. */
export interface Changed {
  readonly account_id: string;
  readonly snapshot_date: string;
  readonly full: string;
  readonly cut: string;
}

/** What the cut did to one KPI (or one column of the spine's state) over all compared snapshots. */
export interface Truncated {
  readonly name: string;
  readonly n_rows: number;
  readonly n_changed: number;
  /** The first few by account and date. */
  readonly examples: readonly Changed[];
}

export interface TruncationResult {
  readonly dates: readonly string[];
  readonly kpis: readonly Truncated[];
  /** What spine.account_snapshot says an account was like at s: segment, lifecycle, money, seats, renewal. */
  readonly state: readonly Truncated[];
}

export interface TruncationInput {
  /** The catalog that holds staging, rollup, spine and features as they were built from all data. */
  readonly catalog: string;
  /** The text of sql/warehouse/00_macros.sql. */
  readonly macros: string;
  readonly spine: readonly Model[];
  /** featureNodes of the KPIs. */
  readonly features: readonly Node[];
  readonly kpis: readonly string[];
  readonly dates: readonly string[];
}

/** Who paid, from when on, is known in hindsight (sql/spine/account_period.sql): it decides which rows there are. */
const inHindsight: ReadonlySet<string> = new Set(["spine.account_period", "spine.first_use", "spine.renewal_rows"]);
const stateColumns = ["segment", "lifecycle", "mrr_minor", "seats", "renews_on", "renewal_due"] as const;
const maxExamples = 3;

/** The rows of an entity as they stood at s. */
export function cutEntity(
  table: string,
  columns: readonly { readonly name: string; readonly datedBy?: string }[],
  s: string,
): string {
  const at = literal(new SqlDate(s));
  const dated = columns.flatMap(({ name, datedBy }) =>
    datedBy === undefined
      ? []
      : [
          `case when cast(${quoteIdentifier(datedBy)} as date) < ${at} then ${quoteIdentifier(name)} end as ${quoteIdentifier(name)}`,
        ],
  );
  const stands = `case when superseded_on <= ${at} then superseded_on end as superseded_on`;
  return `select * replace (${[...dated, stands].join(", ")}) from ${table} where visible_on <= ${at}`;
}

/**
 * Compares every KPI of `dates` with what the cut data give. Works in an attached catalog in memory and leaves the
 * connection as it was. Cost per date: one read of the roll-ups and of the staging tables.
 */
export async function compareWithCut(
  { query, run, note }: StepContext,
  input: TruncationInput,
): Promise<TruncationResult> {
  const whole = quoteIdentifier(input.catalog);
  const [before] = await query<{ path: string }>("select current_setting('search_path') as path");
  await run("attach ':memory:' as cut (read_write)");
  try {
    await run("use cut");
    await run(input.macros);
    for (const schema of ["meta", "staging", "rollup", "spine", "features"]) await run(`create schema "${schema}"`);
    await run(`create view meta.params as select * from ${whole}.meta.params`);
    const staged = await query<{ name: string }>(
      `select table_name as name from duckdb_columns()
       where database_name = ${literal(input.catalog)} and schema_name = 'staging' and column_name in ('superseded_on', 'visible_on')
       group by 1 having count(*) = 2 order by 1`,
    );
    // A roll-up's own dates say when something was first known: after s they are not known yet.
    const rolled = await query<{ name: string; dates: readonly string[] | null }>(
      `select table_name as name,
         list(column_name order by column_index) filter (where data_type = 'DATE' and column_name not in ('activity_date', 'visible_on')) as dates
       from duckdb_columns() where database_name = ${literal(input.catalog)} and schema_name = 'rollup' group by 1 order by 1`,
    );
    const spine = input.spine.filter(({ name }) => name !== "spine.snapshot");
    const given = new Set([
      "spine.snapshot",
      ...staged.map(({ name }) => `staging.${name}`),
      ...rolled.map(({ name }) => `rollup.${name}`),
      ...spine.flatMap(({ depends }) => depends.filter((table) => !table.startsWith("spine."))),
    ]);
    const nodes = needed([...spine, ...input.features], given);
    const kpis = new Map<string, Tally>(input.kpis.map((kpi) => [kpi, newTally()]));
    const state = new Map<string, Tally>(stateColumns.map((column) => [column, newTally()]));
    for (const s of input.dates) {
      note(s);
      const at = literal(new SqlDate(s));
      for (const { name } of staged) {
        const columns = entities.get(name)?.columns ?? [];
        await run(
          `create or replace view staging.${quoteIdentifier(name)} as ${cutEntity(`${whole}.staging.${quoteIdentifier(name)}`, columns, s)}`,
        );
      }
      for (const { name, dates } of rolled) {
        const table = `"rollup".${quoteIdentifier(name)}`;
        const known = (dates ?? [])
          .map(quoteIdentifier)
          .map((date) => `case when ${date} <= ${at} then ${date} end as ${date}`);
        const columns = known.length === 0 ? "*" : `* replace (${known.join(", ")})`;
        await run(
          `create or replace view ${table} as select ${columns} from ${whole}.${table} where visible_on <= ${at}`,
        );
      }
      for (const schema of ["spine", "features"]) await run(`drop schema ${schema} cascade; create schema ${schema}`);
      await run(`create table spine.snapshot as select * from ${whole}.spine.snapshot where snapshot_date = ${at}`);
      for (const node of nodes) {
        if (node.kind === "step") throw new Error(`${node.name} is a step: the truncation test runs statements only`);
        const sql = inHindsight.has(node.name) ? `select * from ${whole}.${node.name}` : node.sql;
        await run(`create ${node.kind} ${node.name} as\n${sql}`);
      }
      await compareKpis(query, whole, input.kpis, s, kpis);
      await compareState(query, whole, s, state);
    }
    return { dates: input.dates, kpis: listed(kpis), state: listed(state) };
  } finally {
    await run(`set search_path = ${literal(before?.path ?? "")}`);
    await run("detach cut");
  }
}

/** Snapshots that every refresh compares: of the validated ones the last, and two earlier ones at equal distances. */
const checkedDates = `
  with validated as (
    select snapshot_date, row_number() over (order by snapshot_date) as n, count(*) over () as n_dates
    from spine.snapshot
    where is_validated
  )
  select snapshot_date from validated where n in (n_dates // 3, 2 * n_dates // 3, n_dates) order by snapshot_date`;

/**
 * The truncation test as a step of a refresh, on three snapshots: validation.truncation_sample with one row a KPI (n_rows
 * compared, n_changed, example). Rule L reads it. `assay audit --truncation` is the same for any snapshots.
 */
export function truncationStep(input: Omit<TruncationInput, "catalog" | "dates">): Step {
  const read = [...input.spine, ...input.features].flatMap(({ depends }) => depends);
  return {
    kind: "step",
    name: "validation.check_truncation",
    depends: [...new Set([...read, "features.account_kpi", "features.kpi_why_null", "spine.account_snapshot"])],
    params: [],
    produces: [truncationSample],
    version: "1",
    async run(context) {
      const [home] = await context.query<{ name: string }>("select current_database() as name");
      const dates = (await context.query<{ snapshot_date: string }>(checkedDates)).map((row) => row.snapshot_date);
      const catalog = home?.name ?? "";
      const { kpis } = await compareWithCut({ ...context, note: () => {} }, { ...input, catalog, dates });
      const rows = kpis.map(({ name, n_rows, n_changed, examples: [first] }) => {
        const example =
          first === undefined
            ? null
            : `${first.account_id} at ${first.snapshot_date}: ${first.full} from all data, ${first.cut} from the data visible then`;
        return `(${[name, n_rows, n_changed, example].map(literal).join(", ")})`;
      });
      await context.run(
        `create table ${truncationSample} (kpi varchar, n_rows bigint, n_changed bigint, example varchar)${
          rows.length === 0 ? "" : `; insert into ${truncationSample} values ${rows.join(", ")}`
        }`,
      );
    },
  };
}

/** The table that {@link truncationStep} leaves behind. */
export const truncationSample = "validation.truncation_sample";

/** The nodes behind features.account_kpi, features.kpi_why_null and the spine's state, in order. */
function needed(nodes: readonly Node[], given: ReadonlySet<string>): readonly Node[] {
  const sorted = sortNodes(nodes, given);
  const wanted = new Set(["features.account_kpi", "features.kpi_why_null", "spine.account_snapshot"]);
  const kept: Node[] = [];
  for (const node of [...sorted].reverse()) {
    if (!producesOf(node).some((table) => wanted.has(table))) continue;
    kept.push(node);
    if (!inHindsight.has(node.name)) for (const table of node.depends) wanted.add(table);
  }
  return kept.reverse();
}

interface Tally {
  n_rows: number;
  n_changed: number;
  readonly examples: Changed[];
}

const newTally = (): Tally => ({ n_rows: 0, n_changed: 0, examples: [] });

const listed = (tallies: ReadonlyMap<string, Tally>): readonly Truncated[] =>
  [...tallies].map(([name, { n_rows, n_changed, examples }]) => ({ name, n_rows, n_changed, examples }));

/** Value and reason of each KPI at s, all data beside the cut: both must be the same, and so must the rows there are. */
async function compareKpis(
  query: StepContext["query"],
  whole: string,
  kpis: readonly string[],
  s: string,
  tallies: ReadonlyMap<string, Tally>,
): Promise<void> {
  if (kpis.length === 0) return;
  const at = literal(new SqlDate(s));
  const names = kpis.map(quoteIdentifier);
  const long = (catalog: string): string => `
    select value.account_id, value.kpi, value.value, missing.why
    from (
      from (select account_id, ${names.map((name) => `cast(${name} as double) as ${name}`).join(", ")} from ${catalog}.features.account_kpi where snapshot_date = ${at})
      unpivot include nulls (value for kpi in (${names.join(", ")}))
    ) as value
    left join ${catalog}.features.kpi_why_null as missing
      on missing.account_id = value.account_id and missing.kpi = value.kpi and missing.snapshot_date = ${at}`;
  await tally(
    query,
    tallies,
    s,
    `with whole as (${long(whole)}), cut as (${long("cut")})
     select
       coalesce(whole.kpi, cut.kpi) as name,
       coalesce(whole.account_id, cut.account_id) as account_id,
       whole.value is distinct from cut.value or whole.why is distinct from cut.why
         or whole.account_id is null or cut.account_id is null as is_changed,
       case when whole.account_id is null then 'no row' else coalesce(regexp_replace(cast(whole.value as varchar), '\\.0$', ''), whole.why, 'null') end as whole_text,
       case when cut.account_id is null then 'no row' else coalesce(regexp_replace(cast(cut.value as varchar), '\\.0$', ''), cut.why, 'null') end as cut_text
     from whole full join cut on cut.account_id = whole.account_id and cut.kpi = whole.kpi`,
  );
}

async function compareState(
  query: StepContext["query"],
  whole: string,
  s: string,
  tallies: ReadonlyMap<string, Tally>,
): Promise<void> {
  const at = literal(new SqlDate(s));
  const long = (catalog: string): string => `
    from (select account_id, ${stateColumns.map((name) => `cast(${name} as varchar) as ${name}`).join(", ")} from ${catalog}.spine.account_snapshot where snapshot_date = ${at})
    unpivot include nulls (value for name in (${stateColumns.join(", ")}))`;
  await tally(
    query,
    tallies,
    s,
    `with whole as (${long(whole)}), cut as (${long("cut")})
     select
       coalesce(whole.name, cut.name) as name,
       coalesce(whole.account_id, cut.account_id) as account_id,
       whole.value is distinct from cut.value or whole.account_id is null or cut.account_id is null as is_changed,
       case when whole.account_id is null then 'no row' else coalesce(whole.value, 'null') end as whole_text,
       case when cut.account_id is null then 'no row' else coalesce(cut.value, 'null') end as cut_text
     from whole full join cut on cut.account_id = whole.account_id and cut.name = whole.name`,
  );
}

/** Adds one snapshot's rows (name, account_id, is_changed, whole_text, cut_text) to the tallies. */
async function tally(
  query: StepContext["query"],
  tallies: ReadonlyMap<string, Tally>,
  s: string,
  compared: string,
): Promise<void> {
  const rows = await query<{
    name: string;
    n_rows: number;
    n_changed: number;
    examples: readonly (readonly [string, string, string])[] | null;
  }>(
    `select
       name,
       count(*) as n_rows,
       count(*) filter (where is_changed) as n_changed,
       list([account_id, whole_text, cut_text] order by account_id) filter (where is_changed)[:${maxExamples}] as examples
     from (${compared}) group by name`,
  );
  for (const row of rows) {
    const sum = tallies.get(row.name);
    if (sum === undefined) continue;
    sum.n_rows += row.n_rows;
    sum.n_changed += row.n_changed;
    for (const [account_id, full, cut] of row.examples ?? []) {
      if (sum.examples.length < maxExamples) sum.examples.push({ account_id, snapshot_date: s, full, cut });
    }
  }
}
