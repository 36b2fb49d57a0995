/** Measures the reading of one KPI where there are many: 200 of them for 10,000 accounts on 60 snapshots. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readBook } from "../config/book.ts";
import { featureNodes } from "../features/compile.ts";
import { resolveKpis } from "../features/library.ts";
import { projectRoot } from "../lib/files.ts";
import { silentLog } from "../lib/log.ts";
import { sortNodes } from "../models/graph.ts";
import { readModels } from "../models/header.ts";
import { runNodes } from "../models/run.ts";
import { Database } from "../warehouse/database.ts";
import type { Context } from "./context.ts";
import { formatTable } from "./table.ts";

const size = { kpis: 200, accounts: 10_000, snapshots: 60, events: 2_000_000 } as const;

/** Prints how long the feature groups take to build, and how long one KPI over all snapshots takes to read: from its group, from the wide view. */
export async function benchWide(context: Context): Promise<void> {
  const work = join(tmpdir(), `assay-bench-wide-${process.pid}`);
  await mkdir(work, { recursive: true });
  const database = await Database.open({ path: join(work, "wide.duckdb") });
  try {
    await writeFile(join(work, "assay.yaml"), bookText());
    const book = await readBook(work, { cwd: work, env: {} });
    const { kpis, inputs } = await resolveKpis(book);
    await context.log.step(`make ${size.accounts} accounts at ${size.snapshots} snapshots`, () => makeInputs(database));
    const spine = (await readModels("spine")).filter(({ name }) => name === "spine.snapshot_day");
    const given = [
      "rollup.account_day",
      "rollup.user_day",
      "spine.snapshot",
      "spine.account_snapshot",
      "staging.account",
      "staging.milestone",
    ];
    const nodes = sortNodes([...spine, ...featureNodes(kpis, book, inputs)], new Set(given));
    const started = performance.now();
    await context.log.step(`build ${kpis.length} KPIs`, () =>
      runNodes(database, nodes, silentLog, () => performance.now()),
    );
    const built = seconds(started);
    await database.run("checkpoint");
    const kpi = kpis[117]?.id ?? "";
    context.print(
      formatTable([
        {
          kpis: kpis.length,
          "rows of spine": Number(await database.scalar("select count(*) from spine.account_snapshot")),
          "build, s": built,
          "one KPI from its group, s": await read(database, "features.usage", kpi),
          "from features.account_kpi, s": await read(database, "features.account_kpi", kpi),
        },
      ]),
    );
  } finally {
    database.close();
    await rm(work, { recursive: true, force: true });
  }
}

const seconds = (started: number): number => Math.round((performance.now() - started) / 10) / 100;

/** Every value of one KPI, read and thrown away inside the engine. */
async function read(database: Database, table: string, kpi: string): Promise<number> {
  const started = performance.now();
  await database.run(`create or replace temp table one_kpi as select account_id, snapshot_date, ${kpi} from ${table}`);
  return seconds(started);
}

function bookText(): string {
  const events = ["login", "export", "share", "comment", "invite"];
  const kpis = Array.from({ length: size.kpis }, (_, i) => {
    const measure = i % 4 === 3 ? "active_days" : "count";
    return (
      `  - { id: wide_${i}, label: Wide ${i}, description: for the bench, factor: control, kind: objective, side: reactive, unit: things, ` +
      "healthier: tested, says: { less: had less, more: had more }, entity: usage_event, " +
      `measure: ${measure}, filter: { event: ${events[i % events.length]} }, window_days: ${7 * (1 + (i % 12))} }`
    );
  });
  return [
    "book: wide",
    "sources:",
    "  accounts: { entity: account, files: accounts.csv }",
    "  usage: { entity: usage_event, files: usage.csv }",
    "churn: { primary: silent, definitions: { silent: { type: inactivity, days: 60 } } }",
    "kpis:",
    ...kpis,
    "",
  ].join("\n");
}

/** The spine and the roll-ups of a book, from numbers: the same on every machine. */
async function makeInputs(database: Database): Promise<void> {
  await database.run(await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"));
  await database.run("create schema spine; create schema staging; create schema rollup; create schema features");
  await database.run(
    `create table spine.snapshot as
     select date '2024-01-01' + cast(7 * w as integer) as snapshot_date, true as is_scored, w % 4 = 0 as is_validated
     from range(${size.snapshots}) as t (w)`,
  );
  await database.run(
    `create table spine.account_snapshot as
     select 'a' || lpad(cast(a as varchar), 5, '0') as account_id, snapshot_date, date '2023-01-01' as period_started_on,
       cast(snapshot_date - date '2023-01-01' as integer) as tenure_days, 'all' as segment, 'adopted' as lifecycle,
       cast(100 as bigint) as mrr_minor, cast(5 as bigint) as seats, false as renewal_due, cast(null as date) as renews_on,
       false as in_notice, is_scored, is_validated
     from range(${size.accounts}) as t (a) cross join spine.snapshot order by account_id, snapshot_date`,
  );
  await database.run(
    `create table rollup.account_day as
     select distinct 'a' || lpad(cast((i * 7919) % ${size.accounts} as varchar), 5, '0') as account_id,
       date '2023-10-01' + cast((i * 104729) % 500 as integer) as activity_date,
       date '2023-10-02' + cast((i * 104729) % 500 as integer) as visible_on,
       ['login', 'export', 'share', 'comment', 'invite'][1 + (i * 31) % 5] as event,
       cast(1 + i % 3 as bigint) as n_events, cast(null as decimal(18,6)) as quantity
     from range(${size.events}) as t (i)`,
  );
  await database.run(
    `create table rollup.user_day as
     select account_id, account_id || '-1' as user_id, activity_date, min(visible_on) as visible_on
     from rollup.account_day group by account_id, activity_date`,
  );
  await database.run(
    "create table staging.milestone (account_id varchar, milestone varchar, expected_on date, reached_on date, visible_on date, superseded_on date)",
  );
  await database.run(
    `create table staging.account as select distinct account_id, cast(null as timestamp) as created_at, date '2023-01-02' as visible_on,
       cast(null as date) as superseded_on from spine.account_snapshot`,
  );
}
