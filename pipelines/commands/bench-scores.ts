/** Measures how long the scores of a large book take: synthetic KPIs, real scorecards, every version over every snapshot. */
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AppliedScorecard } from "../config/scorecard.ts";
import { parseScorecard } from "../config/scorecard.ts";
import { projectRoot } from "../lib/files.ts";
import { silentLog } from "../lib/log.ts";
import { sortNodes } from "../models/graph.ts";
import { runNodes } from "../models/run.ts";
import { kpisOf } from "../scores/card.ts";
import { scoreNodes } from "../scores/compile.ts";
import { Database } from "../warehouse/database.ts";
import type { Context } from "./context.ts";
import { formatTable } from "./table.ts";

export interface ScoresBench {
  readonly accounts: number;
  readonly snapshots: number;
  readonly scorecards: number;
}

/** Prints the seconds of the whole layer `scores`, of its models, and of reading one account's parts. */
export async function benchScores(
  context: Context,
  size: ScoresBench = { accounts: 10_000, snapshots: 150, scorecards: 16 },
): Promise<void> {
  const cards = Array.from({ length: size.scorecards }, (_, i) => syntheticCard(i));
  const path = join(tmpdir(), `assay-bench-scores-${process.pid}.duckdb`);
  const database = await Database.open({ path });
  try {
    const kpis = [...new Set(cards.flatMap(({ card }) => kpisOf(card)))].sort();
    await context.log.step(`make ${size.accounts} accounts at ${size.snapshots} snapshots`, () =>
      makeFeatures(database, kpis, size),
    );
    const given = new Set(["spine.account_snapshot", "features.account_kpi", "staging.account"]);
    const models = scoreNodes(
      cards,
      kpis.map((id) => ({ id })),
      { sources: {} },
    );
    const started = performance.now();
    const result = await context.log.step("scores", () =>
      runNodes(database, sortNodes(models, given), silentLog, () => performance.now()),
    );
    const seconds = (performance.now() - started) / 1000;
    const rows = Number(await database.scalar("select count(*) from scores.account_score"));
    const partsStarted = performance.now();
    const parts = await database.query(
      "select * from scores.score_part where account_id = 'a0004321' order by snapshot_date, scorecard, part_no",
    );
    const partsSeconds = (performance.now() - partsStarted) / 1000;
    const nowStarted = performance.now();
    await database.query(
      "select * from scores.score_part where account_id = 'a0004321' and scorecard = 'card_3' and snapshot_date = (select max(snapshot_date) from spine.account_snapshot) order by part_no",
    );
    const nowSeconds = (performance.now() - nowStarted) / 1000;
    const failed = result.audits.filter((audit) => audit.failedRows > 0);
    if (failed.length > 0) throw new Error(`audits failed: ${failed.map(({ audit }) => audit).join(", ")}`);
    context.print(
      formatTable([
        {
          scorecards: size.scorecards,
          "score rows": rows,
          "scores, s": round(seconds),
          "rows per s": Math.round(rows / seconds),
          "all parts of an account, s": round(partsSeconds),
          "its parts": parts.length,
          "of one score, s": round(nowSeconds),
        },
      ]),
    );
    const slowest = [...result.runs].sort((a, b) => b.ms - a.ms).slice(0, 6);
    context.print(formatTable(slowest.map(({ name, ms }) => ({ model: name, s: round(ms / 1000) }))));
  } finally {
    database.close();
    await rm(path, { force: true });
  }
}

const round = (value: number): number => Math.round(value * 100) / 100;

/** Sixteen KPIs and a row for every account and week; a tenth of the values are unknown. Whole numbers, so that nothing depends on the machine. */
export async function makeFeatures(database: Database, kpis: readonly string[], size: ScoresBench): Promise<void> {
  await database.run(await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"));
  await database.run("create schema spine; create schema features; create schema staging");
  await database.run(
    "create table spine.account_snapshot as select 'a' || lpad(cast(a as varchar), 7, '0') as account_id, " +
      "date '2023-01-02' + cast(7 * w as integer) as snapshot_date, ['solo', 'studio', 'enterprise'][1 + a % 3] as segment, " +
      "case when w < 12 then 'onboarding' else 'adopted' end as lifecycle, cast(30 + 7 * w as integer) as tenure_days, " +
      "cast(1000 * (a % 97) as bigint) as mrr_minor, cast(1 + a % 50 as bigint) as seats, true as is_scored, w % 4 = 0 as is_validated " +
      `from range(${size.accounts}) as t (a) cross join range(${size.snapshots}) as u (w) order by a, w`,
  );
  const value = (kpi: string, i: number): string =>
    `case when (a * 7 + w * 3 + ${i}) % 10 > 0 then cast((a * ${17 + 2 * i} + w * ${5 + i}) % 41 as double) end as ${kpi}`;
  await database.run(
    "create table features.account_kpi as select 'a' || lpad(cast(a as varchar), 7, '0') as account_id, " +
      `date '2023-01-02' + cast(7 * w as integer) as snapshot_date, ${kpis.map(value).join(", ")} ` +
      `from range(${size.accounts}) as t (a) cross join range(${size.snapshots}) as u (w) order by a, w`,
  );
  await database.run(
    "create table staging.account (account_id varchar, visible_on date, superseded_on date, country varchar, source varchar)",
  );
}

/** Scorecards of every shape in turn, five KPIs each. */
export function syntheticCard(i: number): AppliedScorecard {
  const kpi = (k: number): string => `kpi_${(i * 3 + k) % 16}`;
  const linear = { linear: { zero_at: 5, full_at: 30 } };
  const entries = [
    { kpi: kpi(0), weight: 2, points: linear },
    { kpi: kpi(1), weight: 1, points: { tiers: { upto: [5, 20], give: [0, 50, 100], edge: "upper" } } },
    { kpi: kpi(2), weight: 1, points: i % 4 === 3 ? { midrank: { healthier: "higher" } } : linear },
    { kpi: kpi(3), weight: 1, points: { linear: { zero_at: 30, full_at: 0 } } },
    { kpi: kpi(4), weight: 3, points: { peak: { best: [8, 12], zero_at: [0, 40] } } },
  ];
  const [a, b, c, d, e] = entries;
  const isSum = i % 4 === 2;
  const text = JSON.stringify({
    scorecard: `card_${i}`,
    version: 1,
    created_on: "2023-01-01",
    purpose: "churn_risk",
    combine: isSum ? "start_and_clamp" : "weighted_mean",
    ...(isSum ? { start: 50 } : {}),
    groups: isSum
      ? [
          {
            id: "all",
            kpis: entries.map((entry, k) => ({
              ...entry,
              weight: 1,
              points: { linear: { zero_at: 5, full_at: 30, give: k % 2 === 0 ? [-10, 10] : [5, -5] } },
            })),
          },
        ]
      : [
          { id: "one", weight: 40, kpis: [a, b] },
          { id: "two", weight: 30, kpis: [c, d] },
          { id: "three", weight: 30, kpis: [e] },
        ],
    missing: { rule: isSum ? "zero" : "reweight", coverage_floor: 0.5 },
    gates: i % 2 === 0 ? [{ id: "low", kpi: kpi(0), min: 1, score: 20 }] : [],
    bands: {
      edge: "upper",
      list: [
        { id: "red", to: 30 },
        { id: "yellow", to: 70 },
        { id: "green", to: 100 },
      ],
    },
  });
  const { errorAt: _, ...parsed } = parseScorecard(text, `card_${i}/v1.yaml`);
  return { ...parsed, file: `card_${i}/v1.yaml`, is_preset: false, assign_order: i + 1 };
}
