/** Nights of one small book: what a plan says is what a refresh does; two builds of one content are one release, to the byte. */
import { appendFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { deliver, firstNight, writeNightsBook } from "../../pipelines/commands/bench-nights.ts";
import type { Foreseen } from "../../pipelines/commands/foresee.ts";
import { plan } from "../../pipelines/commands/plan.ts";
import { refresh } from "../../pipelines/commands/refresh.ts";
import { type Report, reportSchema } from "../../pipelines/commands/report.ts";
import { status } from "../../pipelines/commands/status.ts";
import { readBook } from "../../pipelines/config/book.ts";
import { addDays } from "../../pipelines/lib/clock.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { listReleases } from "../../pipelines/publish/release.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { fileDifferences, tableDifferences } from "../same-release.ts";

const work = mkdtempSync(join(tmpdir(), "assay-nightly-"));
const book = join(work, "book");
const state = join(book, ".assay");
const now = () => new Date(`${addDays(firstNight, 3)}T03:00:00Z`);
const yaml = join(book, "assay.yaml");
const edit = (from: string | RegExp, to: string): void => {
  const text = readFileSync(yaml, "utf8");
  expect(text).toMatch(from);
  writeFileSync(yaml, text.replace(from, to));
};

const refreshed = async (folder = book, into = state, full = false) =>
  refresh({
    book: await readBook(folder, { cwd: folder, env: {} }),
    state: into,
    site: false,
    full,
    now,
    log: silentLog,
  });

type Answer = {
  readonly would: string;
  readonly refused: string | null;
  readonly reasons: readonly string[];
  readonly release_id: string | null;
  readonly load: Pick<Foreseen, "added" | "gone">;
  readonly rebuild: Pick<Foreseen, "models" | "dropped" | "roll_up">;
};
/** What a command that only looks prints as JSON. */
async function looked<T>(command: typeof plan | typeof status): Promise<T> {
  const printed: string[] = [];
  const context = { cwd: book, env: {}, now, log: silentLog, print: (text: string) => void printed.push(text) };
  await command(context, book, { json: true });
  return JSON.parse(printed.join("")) as T;
}
const planned = () => looked<Answer>(plan);

interface Known {
  readonly deliveries: readonly { readonly delivery_id: string }[];
  readonly runs: ReadonlyMap<
    string,
    { readonly fingerprint: string; readonly reused: boolean; readonly months_built: number }
  >;
}
async function known(folder: string): Promise<Known> {
  const database = await Database.open({ path: join(folder, "warehouse.duckdb"), readOnly: true });
  try {
    const runs = await database.query<{ model: string; fingerprint: string; reused: boolean; months_built: number }>(
      "select model, fingerprint, reused, months_built from meta.model_run",
    );
    return {
      deliveries: await database.query("select delivery_id from meta.delivery"),
      runs: new Map(runs.map((run) => [run.model, run])),
    };
  } finally {
    database.close();
  }
}
const idsOf = ({ deliveries }: Known): readonly string[] => deliveries.map(({ delivery_id }) => delivery_id).sort();

let current: Awaited<ReturnType<typeof refreshed>>;
/** Plans, refreshes, and holds what was said against what meta.* says was done. Returns what was said of the tables. */
async function foreseen(change: () => void | Promise<void>): Promise<Foreseen["models"]> {
  const before = await known(current.release.folder);
  await change();
  const said = await planned();
  expect([said.would, said.refused]).toEqual(["build a release", null]);
  current = await refreshed();
  const after = await known(current.release.folder);
  expect(current.release.manifest.release_id).toBe(said.release_id);
  const had = new Set(idsOf(before));
  expect(said.load.added.map(({ delivery_id }) => delivery_id).sort()).toEqual(
    idsOf(after).filter((id) => !had.has(id)),
  );
  expect(said.load.gone.length).toBe(idsOf(before).filter((id) => !idsOf(after).includes(id)).length);
  const { models, dropped, roll_up: months } = said.rebuild;
  expect(models.map(({ model }) => model).sort()).toEqual([...after.runs.keys()].sort());
  expect(dropped).toEqual([...before.runs.keys()].filter((model) => !after.runs.has(model)).sort());
  const wrong = models.filter(({ model, is_same: isSame, why, taken }) => {
    const run = after.runs.get(model);
    const isEqual = run?.fingerprint === before.runs.get(model)?.fingerprint;
    return isSame !== isEqual || isSame !== (why.length === 0) || (taken !== null && taken !== run?.reused);
  });
  expect(wrong).toEqual([]);
  expect(months?.months_built).toBe(after.runs.get("rollup.account_day")?.months_built);
  return models;
}
const reasons = (models: Foreseen["models"]) => [...new Set(models.flatMap(({ why }) => why))].sort();
const same = (models: Foreseen["models"], prefix: string) =>
  models.filter(({ model }) => model.startsWith(prefix)).every(({ is_same: isSame }) => isSame);

beforeAll(async () => {
  await writeNightsBook(book);
  await deliver(book, firstNight);
  current = await refreshed();
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe("a plan says what the refresh then does", () => {
  test("nothing new: nothing to do", async () => {
    const said = await planned();
    expect([said.would, said.release_id]).toEqual(["find nothing to do", current.release.manifest.release_id]);
    const again = await refreshed();
    expect(again.outcome).toBe("unchanged");
    expect(reportOf(join(state, "last-report.json"))).toMatchObject({ outcome: "unchanged", exit_code: 0, models: [] });
  });

  test("a new day", async () => {
    const models = await foreseen(() => deliver(book, addDays(firstNight, 1)));
    expect(reasons(models)).toEqual(["as_of", "delivery"]);
    expect(same(models, "staging.note")).toBe(true);
  });

  test("a row that comes eight weeks late, and a corrected table", async () => {
    const day = addDays(firstNight, 2);
    const models = await foreseen(async () => {
      await deliver(book, day);
      appendFileSync(
        join(book, `usage_${day}.csv`),
        `late,N01,u1,${addDays(day, -56)}T10:00:00,login,${day}T23:00:00\n`,
      );
      const subscriptions = join(book, `subscriptions_${day}.csv`);
      writeFileSync(subscriptions, readFileSync(subscriptions, "utf8").replace(/^SN02,.*\n/m, ""));
    });
    expect(reasons(models)).toEqual(["as_of", "delivery"]);
    expect(same(models, "staging.note")).toBe(true);
    expect(same(models, "staging.subscription")).toBe(false);
  });

  const kpi = (id: string, days: number): string =>
    `{ id: ${id}, label: ${id}, description: for a test, factor: control, kind: objective, side: reactive, unit: tickets, healthier: tested, says: { less: had less, more: had more }, measure: count, entity: ticket, window_days: ${days} }`;

  test("a new KPI and a changed one: no table before the features, and nothing for another reason", async () => {
    const added = await foreseen(() => edit("open_tickets, nps]", `open_tickets, nps, ${kpi("tickets_late", 28)}]`));
    for (const layer of ["meta.", "raw.", "staging.", "spine."])
      expect([layer, same(added, layer)]).toEqual([layer, true]);
    expect(reasons(added)).toEqual(["definition"]);
    expect(added.filter(({ taken }) => taken === true).map(({ model }) => model)).toContain("features.usage_window");
    const changed = await foreseen(() => edit(kpi("tickets_late", 28), kpi("tickets_late", 35)));
    expect(reasons(changed)).toEqual(["definition"]);
    expect([same(changed, "spine."), same(changed, "features.usage_window")]).toEqual([true, true]);
    expect(same(changed, "features.ticket_window")).toBe(false);
  });

  test("another scorecard: no feature, and the report says which bands it changes, status how many", async () => {
    const models = await foreseen(() =>
      edit("scorecards: [naive_baseline]", "scorecards: []\ncompare: [naive_baseline]"),
    );
    expect(reasons(models)).toEqual(["definition"]);
    expect(same(models, "features.")).toBe(true);
    const report = reportOf(join(current.release.folder, "report.json"));
    const { since_last_release: since } = report;
    const moved = since?.bands.reduce((sum, { accounts }) => sum + accounts, 0) ?? 0;
    expect(moved).toBeGreaterThan(0);
    expect(moved).toBe(await moves(since?.release_id ?? ""));
    expect((await looked<{ since_last_release: unknown }>(status)).since_last_release).toEqual({
      release_id: since?.release_id,
      as_of: since?.as_of,
      verdicts: since?.verdicts.length,
      bands: moved,
      report: join(state, "current", "report.json"),
    });
  });

  test("another calendar: nothing that is staged", async () => {
    const models = await foreseen(() => edit(/^currency: USD$/m, "currency: USD\ncalendar: { gap_days: 20 }"));
    expect(reasons(models)).toEqual(["definition"]);
    for (const layer of ["raw.", "staging."]) expect([layer, same(models, layer)]).toEqual([layer, true]);
    expect(same(models, "validation.outcome")).toBe(false);
  });

  test("a dropped source, and a file that must be refused", async () => {
    const models = await foreseen(() => edit(/^ {2}tickets: .*\n/m, ""));
    expect(reasons(models)).toContain("definition");
    const name = join(book, `usage_${addDays(firstNight, 3)}.csv`);
    writeFileSync(name, "event_id,account,event_time,event\n1,N01,2025-01-04,login\n");
    const said = await planned();
    expect([said.would, said.refused]).toEqual([
      "be refused",
      expect.stringMatching(/^usage_2025-01-04\.csv: column /),
    ]);
    const sentence = await refreshed().catch((error: Error) => error.message);
    expect(sentence).toBe(said.refused);
    expect(reportOf(join(state, "last-report.json"))).toMatchObject({
      outcome: "failed",
      exit_code: 3,
      error: sentence,
    });
    rmSync(name);
  });

  test("other code: every table for that reason, or the same", async () => {
    const file = join(current.release.folder, "manifest.json");
    const manifest = readFileSync(file, "utf8");
    const { code_sha256: code, release_id: id } = current.release.manifest;
    writeFileSync(file, manifest.replaceAll(code, "0".repeat(64)).replaceAll(id, "1".repeat(64)));
    const said = await planned();
    writeFileSync(file, manifest);
    expect([said.would, said.release_id]).toEqual(["build a release", id]);
    expect(said.reasons).toEqual(["Assay's own code, SQL or pages have changed"]);
  });
});

const reportOf = (file: string): Report => reportSchema.parse(JSON.parse(readFileSync(file, "utf8")));

/** Accounts whose band is another one than in an earlier release, counted by hand. */
async function moves(releaseId: string): Promise<number> {
  const bands = async (folder: string): Promise<ReadonlyMap<string, string | null>> => {
    const database = await Database.open({ path: join(folder, "warehouse.duckdb"), readOnly: true });
    try {
      const rows = await database.query<{ account_id: string; band: string | null }>(
        "select account_id, band from scores.account_score where is_in_force and snapshot_date = (select as_of from meta.params)",
      );
      return new Map(rows.map(({ account_id, band }) => [account_id, band]));
    } finally {
      database.close();
    }
  };
  const earlier = (await listReleases(state)).find(({ manifest }) => manifest.release_id === releaseId);
  const [was, is] = [await bands(earlier?.folder ?? ""), await bands(current.release.folder)];
  const accounts = new Set([...was.keys(), ...is.keys()]);
  return [...accounts].filter((id) => (was.get(id) ?? null) !== (is.get(id) ?? null)).length;
}

test("the report of a release is what meta.* says", async () => {
  const report = reportOf(join(current.release.folder, "report.json"));
  const { folder, manifest } = current.release;
  const database = await Database.open({ path: join(folder, "warehouse.duckdb"), readOnly: true });
  try {
    const [facts] = await database.query(
      `select (select count(*) from meta.model_run) as models, (select count(*) from meta.audit_result) as audits,
         (select cast(sum(rows_read) as bigint) from meta.delivery) as rows_read`,
    );
    expect(facts).toEqual({
      models: report.models.length,
      audits: report.audits.checked,
      rows_read: report.sources.reduce((sum, { rows_read: n }) => sum + n, 0),
    });
  } finally {
    database.close();
  }
  for (const source of report.sources)
    expect(source.rows_read).toBe(source.rows_loaded + source.rows_rejected + source.rows_left_out);
  expect(report).toMatchObject({ outcome: "published", exit_code: 0, release_id: manifest.release_id, error: null });
  expect(report.steps.map(({ step }) => step)).toContain("validation");
  expect(report.memory_peak_mb).toBeGreaterThan(50);
});

describe("what is built from nothing is the release that came night by night", () => {
  // Another state is another path of the store, which statements name.
  const read =
    (...states: readonly string[]) =>
    (text: string): string =>
      states.reduce((left, path) => left.replaceAll(path, "STATE"), text).replace(/^-- sha256 .*$/m, "");
  const threaded = join(work, "one-thread");

  test("to the byte, on one thread and in another time zone", async () => {
    const zone = process.env.TZ;
    process.env.TZ = zone === "Pacific/Auckland" ? "America/St_Johns" : "Pacific/Auckland";
    try {
      edit(/^keep: .*$/m, "$&\nthreads: 1");
      const { release } = await refreshed(book, threaded);
      const [one, other] = [current.release.folder, release.folder];
      expect(release.manifest.release_id).toBe(current.release.manifest.release_id);
      expect(await tableDifferences(one, other, { except: { "meta.model_run": ["fingerprint"] } })).toEqual([]);
      expect(fileDifferences(one, other, { read: read(state, threaded) })).toEqual([]);
    } finally {
      if (zone === undefined) delete process.env.TZ;
      else process.env.TZ = zone;
    }
  });

  test("when the rows of every export stand in another order, but for the names of deliveries", async () => {
    const folder = join(work, "turned");
    cpSync(book, folder, { recursive: true, filter: (path) => !path.includes(".assay") });
    for (const name of readdirSync(folder).filter((file) => file.endsWith(".csv"))) {
      const [header, ...lines] = readFileSync(join(folder, name), "utf8").trimEnd().split("\n");
      writeFileSync(join(folder, name), [header, ...lines.reverse(), ""].join("\n"));
    }
    const turned = await refreshed(folder, join(folder, ".assay"));
    const [one, other] = [current.release.folder, turned.release.folder];
    // Other bytes are other deliveries: their hashes, and what is named by them.
    const except = {
      "*": ["delivery_id", "release_id"],
      "meta.delivery": ["sha256"],
      "marts.delivery": ["sha256_start"],
      "meta.release": ["inputs_sha256"],
      "meta.model_run": ["fingerprint"],
    };
    expect(await tableDifferences(one, other, { except })).toEqual([]);
    const skip = (name: string): boolean => name.startsWith("compiled/") || name === "artefacts/delivery.arrow";
    const id = (text: string): string =>
      [current, turned].reduce(
        (left, { release: { manifest } }) =>
          left.replaceAll(manifest.release_id, "ID").replaceAll(manifest.release_id.slice(0, 12), "ID"),
        text,
      );
    const differing = fileDifferences(one, other, { read: id, skip });
    expect(differing).toEqual([]);
  });
});
