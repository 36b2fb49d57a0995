import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { readModels } from "../../pipelines/models/header.ts";
import { bandRank } from "../../pipelines/scores/rank.ts";
import { tellDistribution } from "../../pipelines/scores/readings.ts";
import type { Database } from "../../pipelines/warehouse/database.ts";
import { addExplained } from "../explained.ts";
import { applied, cardText, type GivenAccount, scored } from "../scored.ts";

let database: Database | undefined;
afterEach(() => {
  database?.close();
  database = undefined;
});

const line = "groups: [{ id: g, kpis: [{ kpi: x, points: { linear: { zero_at: 0, full_at: 100 } } }] }]";
const version = (n: number, more = "", groups = line): string =>
  cardText(groups, more).replace("version: 1", `version: ${n}`);
const row = (account_id: string, snapshot_date: string, x: number | null, mrr_minor = 1000): GivenAccount => ({
  account_id,
  snapshot_date,
  mrr_minor,
  kpis: { x },
});

async function open(cards: readonly string[], rows: readonly GivenAccount[]): Promise<Database> {
  database = (
    await scored(
      cards.map((card) => applied(card)),
      rows,
    )
  ).database;
  await addExplained(database);
  return database;
}

it("spreads accounts over the bands, the best first, in percents that add up", async () => {
  const values = [80, 90, 50, 10, null, 71];
  const given = await open(
    [version(1)],
    values.map((x, i) => row(`a${i}`, "2026-03-02", x)),
  );
  await tellDistribution.run({ query: given.query, run: (sql) => given.run(sql), note: () => {} });
  expect(
    await given.query(
      "select band, place, n_accounts, n_total, percent, sentence from scores.score_distribution order by place_no",
    ),
  ).toEqual(
    [
      ["green", "above 70", 3, 50],
      ["yellow", "30-70", 1, 17],
      ["red", "up to 30", 1, 17],
      ["unknown", "without a score", 1, 16],
    ].map(([band, place, n_accounts, percent]) => ({
      band,
      place,
      n_accounts,
      n_total: 6,
      percent,
      sentence: "50 % above 70, 17 % 30-70, 17 % up to 30, 16 % without a score",
    })),
  );
});

it("averages by month, marks a new version, and weighs by money", async () => {
  // v2 scores half of v1 and is in force from March on.
  const half = line.replace("full_at: 100", "full_at: 200");
  const given = await open(
    [version(1), version(2, "in_force_from: 2026-03-01", half)],
    ["2026-02-09", "2026-02-23", "2026-03-30"].flatMap((date) => [
      row("a", date, 40, 1000),
      row("b", date, 80, 3000),
      row("c", date, null),
    ]),
  );
  await given.run(await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"));
  await given.run("create or replace table meta.params as select 2 as min_cell, date '2026-03-30' as as_of");
  const month = (await readModels("marts")).find(({ name }) => name === "marts.score_month");
  if (month === undefined) throw new Error("no marts.score_month");
  expect(
    await given.query(
      `select mode, snapshot_date, version, is_new_version, n_accounts, n_scored, mean_score, mean_by_money from (${month.sql}) order by mode desc, snapshot_date`,
    ),
  ).toEqual(
    [
      // (40 + 80) / 2; (40 x 1 + 80 x 3) / 4. The last scored snapshot of February is the 23rd.
      ["as_was", "2026-02-23", 1, false, 60, 70],
      ["as_was", "2026-03-30", 2, true, 30, 35],
      ["as_if", "2026-02-23", 2, false, 30, 35],
      ["as_if", "2026-03-30", 2, false, 30, 35],
    ].map(([mode, snapshot_date, version_, is_new_version, mean_score, mean_by_money]) => ({
      mode,
      snapshot_date,
      version: version_,
      is_new_version,
      n_accounts: 3,
      n_scored: 2,
      mean_score,
      mean_by_money,
    })),
  );
});

it("ranks in a band by slope, money and id, and has no slope below four scores", async () => {
  const dates = ["2026-03-02", "2026-03-09", "2026-03-16", "2026-03-23"];
  const over = (id: string, values: readonly number[], mrr = 1000): readonly GivenAccount[] =>
    values.map((x, i) => row(id, dates[4 - values.length + i] as string, x, mrr));
  const given = await open(
    [version(1)],
    [
      ...over("falls", [60, 59, 58, 57]),
      ...over("level_rich", [50, 50, 50, 50], 9000),
      ...over("level", [50, 50, 50, 50]),
      ...over("level_twin", [50, 50, 50, 50]),
      ...over("new", [60, 50, 40], 9000),
      ...over("red", [10, 10, 10, 10]),
    ],
  );
  expect(
    await given.query(
      `select account_id, place, n_in_band, slope from (${bandRank.sql}) where band = 'yellow' order by place`,
    ),
  ).toEqual([
    { account_id: "falls", place: 1, n_in_band: 5, slope: -4 },
    { account_id: "level_rich", place: 2, n_in_band: 5, slope: 0 },
    { account_id: "level", place: 3, n_in_band: 5, slope: 0 },
    { account_id: "level_twin", place: 4, n_in_band: 5, slope: 0 },
    { account_id: "new", place: 5, n_in_band: 5, slope: null },
  ]);
});
