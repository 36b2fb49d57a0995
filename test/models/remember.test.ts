/** What is remembered of features: which months a change reaches, and that the others give the rows of a build from nothing. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { featureNodes } from "../../pipelines/features/compile.ts";
import { resolveKpis } from "../../pipelines/features/library.ts";
import { usageRollUp } from "../../pipelines/features/usage-filter.ts";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { rollUp } from "../../pipelines/load/rollup.ts";
import { stagingNodes } from "../../pipelines/load/stage.ts";
import { fingerprint, layerOf, producesOf, sortNodes } from "../../pipelines/models/graph.ts";
import { readModels } from "../../pipelines/models/header.ts";
import type { Model } from "../../pipelines/models/model.ts";
import { runKept, runRemembered } from "../../pipelines/models/remember.ts";
import { runNodes } from "../../pipelines/models/run.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { type TestBook, testBook } from "../loading.ts";

type Months = Readonly<Record<string, { readonly built: number; readonly reused: number }>>;
type Rows = Readonly<Record<string, readonly unknown[]>>;

/** Load to features of a book as it lies there: how many months each table built and reused, and the rows of all of them. */
async function build(
  made: TestBook,
  folder: string,
  asOf: string,
  full = false,
): Promise<{ months: Months; rows: Rows; built: readonly string[] }> {
  const book = await made.read();
  const load = await made.load("2024-12-01T00:00:00Z");
  const { kpis, inputs } = await resolveKpis(book);
  const database = await Database.open({ path: ":memory:", threads: 2 });
  try {
    const macros = await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8");
    const params = { as_of: asOf, window_days: 28, gap_days: 30, horizon_days: 90, min_tenure_days: 0 };
    await database.run(macros);
    await database.run(
      `create schema meta; create table meta.params as select date '${asOf}' as as_of, 28 as window_days, 30 as gap_days, 90 as horizon_days,
         0 as min_tenure_days, 30 as reactivation_grace_days, 'week' as score_every, 'month' as validate_every, 'USD' as currency`,
    );
    const staging = sortNodes(await stagingNodes(book, load), new Set());
    await runNodes(database, staging, silentLog, () => 0);
    const rolled = await rollUp({
      database,
      book,
      load,
      state: made.state,
      log: silentLog,
      usage: usageRollUp([...kpis, ...inputs]),
    });
    const given = new Set([...staging.flatMap(producesOf), "rollup.account_day", "rollup.user_day"]);
    const nodes = sortNodes([...(await readModels("spine")), ...featureNodes(kpis, book, inputs)], given);
    const inLayer = (layer: string) => nodes.filter((node) => layerOf(node.name) === layer);
    await runNodes(database, inLayer("spine"), silentLog, () => 0);
    const before = new Set(await readdir(folder));
    const result = await runRemembered({
      database,
      nodes: inLayer("features"),
      calendar: nodes.filter((node): node is Model => node.kind === "table" && node.name === "spine.snapshot_day"),
      folder,
      prepare: macros,
      params,
      engine: "test",
      usageByDay: rolled.byDay,
      full,
      log: silentLog,
      now: () => 0,
    });
    const rows: Record<string, readonly unknown[]> = {};
    for (const { name } of inLayer("features").filter((node) => node.kind === "table"))
      rows[name] = await database.query(`select * from ${name} order by all`);
    const built = (await readdir(folder)).filter((name) => !before.has(name)).sort();
    return { months: Object.fromEntries(result.months), rows, built };
  } finally {
    database.close();
  }
}

const day = (n: number): string => new Date(Date.UTC(2024, 0, 1 + n)).toISOString().slice(0, 10);

/** Two accounts log in on days of their own; rows are known on the day itself. */
const usageOf = (from: number, to: number): string =>
  [
    "event_id,account_id,user_id,event_time,event,known_at",
    ...Array.from({ length: to - from }, (_, i) => from + i).flatMap((n) => [
      ...(n % 3 === 0 ? [`a${n},a,a-${n % 2},${day(n)} 09:00:00,login,${day(n)} 10:00:00`] : []),
      ...(n % 5 === 0 ? [`b${n},b,b-1,${day(n)} 09:00:00,export,${day(n)} 10:00:00`] : []),
    ]),
    "",
  ].join("\n");

const ticketsOf = (days: readonly number[]): string =>
  [
    "ticket_id,account_id,opened_at,known_at",
    ...days.map((n) => `t${n},a,${day(n)} 09:00:00,${day(n)} 10:00:00`),
    "",
  ].join("\n");

const sources = `usage: { entity: usage_event, files: "usage_*.csv", key: [event_id] }
tickets: { entity: ticket, files: "tickets_*.csv", key: [ticket_id] }`;

const edit = async (made: TestBook, from: string, to: string): Promise<void> => {
  const file = join(made.folder, "assay.yaml");
  await writeFile(file, (await readFile(file, "utf8")).replace(from, to));
};

describe("features remembered by month", { timeout: 300_000 }, () => {
  let made: TestBook;
  let folder: string;

  /** Builds with what is remembered, and from nothing; the rows must not differ. */
  async function night(asOf: string): Promise<{ months: Months; built: readonly string[] }> {
    const fresh = await mkdtemp(join(tmpdir(), "assay-fresh-"));
    try {
      const remembered = await build(made, folder, asOf);
      const { rows } = await build(made, fresh, asOf);
      expect(remembered.rows).toEqual(rows);
      return remembered;
    } finally {
      await rm(fresh, { recursive: true, force: true });
    }
  }

  beforeAll(async () => {
    made = await testBook(sources);
    folder = await mkdtemp(join(tmpdir(), "assay-features-"));
    await edit(made, "kpis: [logins_28d]", "kpis: [logins_28d, active_users_28d, days_since_login, tickets_28d]");
    await made.write("usage_1.csv", usageOf(0, 150));
    await made.write("tickets_1.csv", ticketsOf([20, 60, 100, 140]));
  });
  afterAll(async () => {
    await made.drop();
    await rm(folder, { recursive: true, force: true });
  });

  it("rebuilds what a change reaches and nothing else", async () => {
    // Snapshots from February (a window after the first use) to May, and the newest.
    const first = await night(day(150));
    expect(first.months["features.usage_window"]).toEqual({ built: 6, reused: 0 });

    expect((await night(day(150))).built).toEqual([]);

    // One more day: only the newest snapshot.
    await made.write("usage_2.csv", usageOf(150, 151));
    const oneDay = await night(day(151));
    for (const table of ["usage_window", "usage_ever_window", "usage", "usage_ever", "ticket", "kpi_why_null"])
      expect({ table, ...oneDay.months[`features.${table}`] }).toEqual({ table, built: 1, reused: 5 });
    expect(oneDay.built.every((name) => name.includes("-2024-05-31-"))).toBe(true);

    // Known today, 40 days late: no earlier snapshot could know it.
    await made.write(
      "usage_3.csv",
      `event_id,account_id,user_id,event_time,event,known_at\nlate,a,a-9,${day(110)} 08:00:00,login,${day(150)} 10:00:00\n`,
    );
    expect((await night(day(151))).months["features.usage_window"]).toEqual({ built: 1, reused: 5 });

    // Known then, delivered now: the snapshots of the 28 days after it change (19 February to 18 March).
    await made.write(
      "usage_4.csv",
      `event_id,account_id,user_id,event_time,event,known_at\nlost,b,b-9,${day(49)} 08:00:00,login,${day(49)} 10:00:00\n`,
    );
    const lost = await night(day(151));
    expect(lost.months["features.usage_window"]).toEqual({ built: 2, reused: 4 });
    expect(lost.months["features.usage"]).toEqual({ built: 2, reused: 4 });
    expect(lost.months["features.ticket_window"]).toEqual({ built: 0, reused: 6 });

    // New KPIs of usage leave the tickets alone, also where they look further back: the feed's silence in 180 days is none of theirs.
    await edit(made, "tickets_28d]", "tickets_28d, active_days_28d, usage_slope_180d]");
    const added = await night(day(151));
    expect(added.months["features.usage_window"]).toEqual({ built: 6, reused: 0 });
    expect(added.months["features.usage_ever"]).toEqual({ built: 0, reused: 6 });
    expect(added.months["features.ticket_window"]).toEqual({ built: 0, reused: 6 });
    expect(added.months["features.ticket"]).toEqual({ built: 0, reused: 6 });

    // A source is gone, and its KPI with it.
    await edit(made, '  tickets: { entity: ticket, files: "tickets_*.csv", key: [ticket_id] }\n', "");
    const dropped = await night(day(151));
    expect(dropped.months["features.ticket_window"]).toBeUndefined();
    expect(dropped.months["features.usage_window"]).toEqual({ built: 0, reused: 6 });

    // The first Monday of June joins the first of June once it is not the newest any more.
    expect((await night(day(154))).months["features.usage_window"]).toEqual({ built: 2, reused: 5 });
    expect((await night(day(155))).months["features.usage_window"]).toEqual({ built: 2, reused: 5 });
    expect((await night(day(156))).months["features.usage_window"]).toEqual({ built: 1, reused: 6 });

    // Remembering nothing: what was kept could be damaged, so nothing of it stays to be taken over.
    const kept = (await readdir(folder)).filter((name) => name.startsWith("features.usage_window-"));
    expect(kept.length).toBeGreaterThan(7);
    const full = await build(made, folder, day(156), true);
    expect(full.months["features.usage_window"]).toEqual({ built: 7, reused: 0 });
    const left = (await readdir(folder)).filter((name) => name.startsWith("features.usage_window-")).sort();
    expect(left.map((name) => name.replace(/^features.usage_window-(.*)-[0-9a-f]{16}.parquet$/, "$1"))).toEqual([
      "2024-01..2024-06",
      "2024-06-05",
    ]);
    expect((await night(day(156))).built).toEqual([]);
  });
});

describe("rows that fail an audit", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "assay-audited-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const node: Model = {
    kind: "table",
    name: "features.odd",
    grain: ["account_id", "snapshot_date"],
    depends: ["spine.snapshot", "staging.repeat"],
    params: [],
    audits: [
      {
        name: "unique(snapshot_date)",
        sql: "select snapshot_date from features.odd group by snapshot_date having count(*) > 1",
        blocking: true,
      },
    ],
    portable: false,
    sql: `select 'a' as account_id, snapshot_date from spine.snapshot
      left join staging.repeat on visible_on = snapshot_date order by snapshot_date`,
  };

  /** The dates on which `repeats` has two rows give two rows: bad rows, months built, rows in the table. */
  async function run(dates: readonly string[], repeats: readonly string[]): Promise<readonly unknown[]> {
    const database = await Database.open({ path: ":memory:", threads: 1 });
    const values = (days: readonly string[]): string =>
      [...days.map((day) => `(date '${day}')`), "(cast(null as date))"].join(", ");
    try {
      await database.run(
        `create schema meta; create table meta.params as select 1 as n;
         create schema spine; create table spine.snapshot as select * from (values ${values(dates)}) as t (snapshot_date) where snapshot_date is not null;
         create schema staging; create table staging.repeat as
           select visible_on, cast(null as date) as superseded_on from (values ${values([...repeats, ...repeats])}) as t (visible_on)
           where visible_on is not null`,
      );
      const result = await runRemembered({
        database,
        nodes: [node],
        calendar: [],
        folder,
        prepare: "select 1",
        params: {},
        engine: "test",
        usageByDay: new Map(),
        full: false,
        log: silentLog,
        now: () => 0,
      });
      const rows = await database.scalar<number>("select count(*) from features.odd");
      return [result.audits.map(({ failedRows }) => failedRows), result.months.get(node.name)?.built, rows];
    } finally {
      database.close();
    }
  }

  it("are not kept: the next run finds them again", async () => {
    const [before, today] = [["2024-01-01", "2024-02-01"], "2024-03-01"];
    expect(await run(before, [])).toEqual([[0], 2, 2]);
    expect(await run(before, [])).toEqual([[0], 0, 2]);
    // February is not the newest any more.
    for (const _ of [1, 2]) expect(await run([...before, today], [today])).toEqual([[1], 2, 4]);
    expect(await run([...before, today], [])).toEqual([[0], 2, 3]);
    expect(await run([...before, today], [])).toEqual([[0], 0, 3]);
  });

  it("are not kept of a first run either", async () => {
    await rm(folder, { recursive: true, force: true });
    for (const _ of [1, 2]) expect(await run(["2024-01-01", "2024-02-01"], ["2024-01-01"])).toEqual([[1], 2, 3]);
    expect(await run(["2024-01-01", "2024-02-01"], [])).toEqual([[0], 2, 2]);
  });
});

describe("staging tables remembered whole", { timeout: 300_000 }, () => {
  let made: TestBook;
  let folder: string;

  /** Builds staging with what is kept, and from nothing; the rows must not differ. The tables that were taken over. */
  async function night(full = false): Promise<readonly string[]> {
    const load = await made.load("2024-12-01T00:00:00Z");
    const nodes = sortNodes(await stagingNodes(await made.read(), load), new Set());
    const prints = fingerprint(nodes, {}, "test", new Map());
    const macros = await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8");
    const rows: Rows[] = [];
    let reused: readonly string[] = [];
    for (const isKept of [true, false]) {
      const database = await Database.open({ path: ":memory:", threads: 2 });
      try {
        await database.run(macros);
        const run = { database, nodes, prints, folder, full, log: silentLog, now: () => 0 };
        if (isKept) reused = [...(await runKept(run)).reused].sort();
        else await runNodes(database, nodes, silentLog, () => 0);
        const found: Record<string, readonly unknown[]> = {};
        for (const { name } of nodes.filter((node) => node.kind === "table")) {
          const types = await database.describe(`select * from ${name}`);
          found[name] = [...types, ...(await database.query(`select * from ${name} order by all`))];
        }
        rows.push(found);
      } finally {
        database.close();
      }
    }
    expect(rows[0]).toEqual(rows[1]);
    return reused;
  }

  const accounts = (names: readonly string[]): string =>
    ["account_id,name,created_at", ...names.map((name) => `${name[0]},${name},2024-01-01`), ""].join("\n");

  beforeAll(async () => {
    made = await testBook(`${sources}
accounts: { entity: account, files: "accounts_*.csv", mode: snapshot, key: [account_id], delivered: { from: file_name, pattern: "accounts_{date}.csv" } }`);
    folder = await mkdtemp(join(tmpdir(), "assay-staging-"));
    await made.write("usage_1.csv", usageOf(0, 30));
    await made.write("tickets_1.csv", ticketsOf([2, 6]));
    await made.write("accounts_2024-02-01.csv", accounts(["a1", "b1"]));
  });
  afterAll(async () => {
    await made.drop();
    await rm(folder, { recursive: true, force: true });
  });

  it("takes over what nothing new reaches", async () => {
    expect(await night()).toEqual([]);
    const all = await night();
    expect(all).toContain("staging.account");
    expect(all).toContain("staging.unmatched_id");

    await made.write("tickets_2.csv", ticketsOf([9]));
    const withTickets = await night();
    expect(withTickets).toContain("staging.account");
    expect(withTickets).not.toContain("staging.ticket");
    expect(withTickets).not.toContain("staging.unmatched_id");

    // A version ends by the delivery after it: a dump reaches its own table, and what names accounts.
    await made.write("accounts_2024-03-01.csv", accounts(["a2"]));
    const withAccounts = await night();
    expect(withAccounts).toContain("staging.ticket");
    expect(withAccounts).not.toContain("staging.account");

    expect(await night(true)).toEqual([]);
    expect(await night()).toEqual(all);
  });
});
