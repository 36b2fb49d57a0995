/** Labels that stand for a month: what a look found is what a validation as of that day finds, and nights change no label. */
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KpiDefinition } from "../../pipelines/config/kpi.ts";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { leadingTo, sortNodes } from "../../pipelines/models/graph.ts";
import type { Model } from "../../pipelines/models/model.ts";
import { runNodes } from "../../pipelines/models/run.ts";
import { validationNodes } from "../../pipelines/validation/nodes.ts";
import type { Row } from "../../pipelines/warehouse/database.ts";
import { type Panel, panelDatabase, panelGiven, plantedPanel } from "../planted-panel.ts";

const model = (name: string, depends: readonly string[], sql: string): Model => ({
  kind: "table",
  name,
  grain: [],
  depends,
  params: ["as_of"],
  audits: [],
  portable: false,
  sql,
});

/** A spine that knows what happened before as_of: the shape of sql/spine, over the panel's own rows. */
const spine: readonly Model[] = [
  model(
    "spine.account_period",
    ["staging.whole_period"],
    `select account_id, started_on, case when ended_on < as_of then ended_on end as ended_on, end_reason,
  case when notice_on < as_of then notice_on end as notice_on
from staging.whole_period cross join meta.params where started_on < as_of`,
  ),
  model(
    "spine.snapshot",
    ["staging.whole_snapshot"],
    "select distinct snapshot_date, true as is_scored, true as is_validated from staging.whole_snapshot cross join meta.params where snapshot_date <= as_of",
  ),
  model(
    "spine.account_snapshot",
    ["spine.snapshot", "staging.whole_snapshot"],
    "select w.* from staging.whole_snapshot as w inner join spine.snapshot as s on s.snapshot_date = w.snapshot_date",
  ),
];

interface Night {
  readonly look: readonly Row[];
  readonly verdict: readonly Row[];
  readonly files: readonly string[];
}

/** The validation of a night, with looks kept in `folder` (none without). */
async function night(panel: Panel, asOf: string, folder: string | null, full = false): Promise<Night> {
  const { database, book } = await panelDatabase(panel, {
    before: [
      `update meta.params set as_of = date '${asOf}'`,
      "create table staging.whole_period as from spine.account_period",
      "create table staging.whole_snapshot as from spine.account_snapshot",
      "drop schema spine cascade; create schema spine",
    ],
  });
  try {
    const files: string[] = [];
    const kpis = panel.kpis.map((id) => ({ id, entity: "usage_event", filter: {} }) as unknown as KpiDefinition);
    const nodes = await validationNodes(book, kpis, [], {
      ...(folder === null
        ? {}
        : {
            looks: {
              spine,
              macros: await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"),
              folder,
              identity: "test",
              full,
              keep: (names) => files.push(...names),
            },
          }),
    });
    const given = new Set([
      ...panelGiven.filter((table) => !table.startsWith("spine.")),
      "staging.whole_period",
      "staging.whole_snapshot",
    ]);
    const wanted = leadingTo([...spine, ...nodes], ["validation.kpi_verdict"]);
    await runNodes(database, sortNodes(wanted, given), silentLog, () => 0);
    return {
      look: await database.query("select * from validation.kpi_look order by look_on, kpi"),
      verdict: await database.query("select * from validation.kpi_verdict order by group_kind, segment, kpi"),
      files,
    };
  } finally {
    database.close();
  }
}

const labels = ({ verdict }: Night) =>
  verdict.map(({ kpi, group_kind, segment, rule, verdict: id, label, reason, action_group, held, first_seen_on }) => ({
    kpi,
    group_kind,
    segment,
    rule,
    id,
    label,
    reason,
    action_group,
    ...(group_kind === "cohort" ? {} : { held, first_seen_on }),
  }));

describe("labels that stand for a month", () => {
  const panel: Panel = { ...plantedPanel(11, 330, 26), kpis: ["causal", "twin", "size_like", "silence", "noise_a"] };
  // The panel ends on a month start; this is three months before, and the months after hold what a night does not know.
  const start = "2023-12-01";
  let folder: string;
  let first: Night;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "assay-looks-"));
    first = await night(panel, start, folder);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("has a look for each of six month starts, the newest of them today's validation", () => {
    expect([...new Set(first.look.map((row) => row.look_on))]).toEqual([
      "2023-07-01",
      "2023-08-01",
      "2023-09-01",
      "2023-10-01",
      "2023-11-01",
      "2023-12-01",
    ]);
    const tested = first.look.filter((row) => row.q !== null);
    expect(tested.length).toBeGreaterThan(10);
  });

  it("gives at a past month start what a validation as of that day gives", { timeout: 240_000 }, async () => {
    const then = await night(panel, "2023-10-01", null);
    const own = then.look.filter((row) => row.look_on === "2023-10-01");
    expect(own.length).toBe(panel.kpis.length);
    expect(own.some((row) => row.q !== null)).toBe(true);
    expect(first.look.filter((row) => row.look_on === "2023-10-01")).toEqual(own);
  });

  it("changes no label as nights are added, while numbers go on", { timeout: 240_000 }, async () => {
    // On 29 December the outcomes of the August snapshot are complete.
    const later = await night(panel, "2023-12-30", folder);
    expect(labels(later)).toEqual(labels(first));
    expect(later.look).toEqual(first.look);
    const numbers = ({ verdict }: Night) => verdict.map(({ auc, n_churned }) => [auc, n_churned]);
    expect(numbers(later)).not.toEqual(numbers(first));
    const whole = later.verdict.filter((row) => row.group_kind === "all");
    expect(new Set(whole.map((row) => row.look_on))).toEqual(new Set([start]));
  });

  it("remembers looks, and a rebuild from nothing finds the same", { timeout: 240_000 }, async () => {
    const written = async (names: readonly string[]) =>
      Promise.all(names.map(async (name) => [name, (await stat(join(folder, name))).mtimeMs]));
    const kept = await readdir(folder);
    const before = await written(kept);
    const again = await night(panel, "2023-12-30", folder);
    expect(await written(kept)).toEqual(before);
    expect(kept.filter((name) => again.files.includes(name)).length).toBeGreaterThanOrEqual(5);
    const empty = await mkdtemp(join(tmpdir(), "assay-looks-"));
    const fresh = await night(panel, "2023-12-30", empty);
    expect(fresh).toEqual(again);
    await rm(empty, { recursive: true });
  });

  it("looks again where the past was corrected, and only from there on", { timeout: 240_000 }, async () => {
    const at = panel.rows.findIndex(({ on }) => on === "2023-09-01");
    const row = panel.rows[at];
    if (row === undefined) throw new Error("the panel has rows of September");
    const values = Object.fromEntries(Object.entries(row.values).map(([kpi, value]) => [kpi, (value ?? 0) + 1]));
    const before = new Set(await readdir(folder));
    const corrected = await night({ ...panel, rows: panel.rows.with(at, { ...row, values }) }, start, folder);
    const days = (names: readonly string[]) => names.map((name) => name.slice(0, 10)).sort();
    expect(days(corrected.files.filter((name) => before.has(name)))).toEqual(["2023-07-01", "2023-08-01"]);
    expect(days(corrected.files.filter((name) => !before.has(name)))).toEqual([
      "2023-09-01",
      "2023-10-01",
      "2023-11-01",
    ]);
  });
});
