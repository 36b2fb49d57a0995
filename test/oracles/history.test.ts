/**
 * Scorecards on history against numbers that scikit-learn, statsmodels and plain arithmetic gave from the same rows
 * (test/golden/oracles/history.json, with versions). Nothing of the program took part in making them.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { sortNodes } from "../../pipelines/models/graph.ts";
import { readModels } from "../../pipelines/models/header.ts";
import { runNodes } from "../../pipelines/models/run.ts";
import { historyNodes } from "../../pipelines/validation/history.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { upTo } from "../planted-panel.ts";

type Numbers = Readonly<Record<string, number>>;
interface Golden {
  readonly dates: readonly string[];
  readonly decided: readonly (string | null)[];
  /** account, month, stratum, y, alpha@1, alpha@2, naive_baseline@1, has a play, money */
  readonly rows: readonly (readonly (number | null)[])[];
  /** made on, in force from */
  readonly cards: Readonly<Record<string, readonly [string, string | null]>>;
  readonly slice: Readonly<Record<string, Numbers>>;
  readonly difference: Readonly<Record<string, Numbers>>;
  readonly calibration: Readonly<Record<string, Readonly<Record<string, Numbers>>>>;
  readonly capacity: Readonly<Record<string, Numbers>>;
  readonly decay: Readonly<Record<string, Numbers>>;
  readonly drift: Readonly<Record<string, Readonly<Record<string, number | boolean>>>>;
}

let golden: Golden;
let database: Database;

/** Relative to 1 or to the size of the number, whichever is larger. */
function close(found: unknown, wanted: number | undefined, tolerance = 1e-9): void {
  expect(typeof found).toBe("number");
  expect(Math.abs((found as number) - (wanted as number)) / Math.max(1, Math.abs(wanted as number))).toBeLessThan(
    tolerance,
  );
}

const z90 = 1.6448536269514722;
const z95 = 1.959963984540054;
const id = (account: number): string => `A${String(account).padStart(3, "0")}`;

beforeAll(async () => {
  golden = JSON.parse(await readFile(join(projectRoot, "test", "golden", "oracles", "history.json"), "utf8")) as Golden;
  database = await Database.open({ path: ":memory:", threads: 2 });
  await database.run(await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"));
  const text = (value: string | number | null | undefined): string =>
    value === null || value === undefined ? "null" : typeof value === "number" ? String(value) : `'${value}'`;
  const rows = golden.rows.map(([account, month, stratum, y, ...rest], i) => {
    const a = account as number;
    const values = [id(a), golden.dates[month as number], i + 1, a + 1, Math.floor((month as number) / 3), stratum, y];
    return `(${[...values, golden.decided[a], ...rest].map(text).join(", ")})`;
  });
  const cards = Object.entries(golden.cards);
  await database.run(`
create schema meta; create schema spine; create schema scores; create schema staging; create schema validation;
create table meta.params as select date '2026-06-01' as as_of, 30 as gap_days, 90 as horizon_days;
create table validation.definition as select 'd' as definition, true as is_primary, 30 as settle_days;
create table given (account_id varchar, snapshot_date date, observation_no integer, account_no integer, block integer, stratum integer,
  y integer, decided_on date, alpha1 decimal(18,6), alpha2 decimal(18,6), naive decimal(18,6), has_play integer, mrr_minor bigint);
insert into given values ${rows.join(",\n")};
create table validation.observation as select observation_no, account_no, account_id, snapshot_date, block from given;
create table validation.stratum as
  select 'd' as definition, observation_no, account_no, account_id, snapshot_date, block, 'all' as segment, stratum, y from given;
create table validation.outcome as select 'd' as definition, account_id, snapshot_date, decided_on as churned_on, y from given;
create table spine.account_snapshot as select account_id, snapshot_date, mrr_minor from given;
create table staging.play as
  select account_id, snapshot_date + 119 as started_on, date '2020-01-01' as visible_on, cast(null as date) as superseded_on from given where false;
create table scores.scorecard as select * from (values ${cards
    .map(([name, [made]]) => `('${name.split("@")[0]}', ${name.split("@")[1]}, date '${made}', 0, 100)`)
    .join(
      ", ",
    )}, ('alpha', 3, date '${golden.cards["alpha@2"]?.[0]}', 0, 100)) as t(scorecard, version, created_on, scale_from, scale_to);
create table scores.account_score as
  select account_id, snapshot_date, 'alpha' as scorecard, 1 as version, snapshot_date >= date '${golden.cards["alpha@1"]?.[1]}' as is_in_force, alpha1 as score from given
  union all select account_id, snapshot_date, 'alpha', v, false, alpha2 from given cross join (values (2), (3)) as t(v)
  union all select account_id, snapshot_date, 'naive_baseline', 1, false, naive from given;`);
  const given = ["definition", "observation", "stratum", "outcome"].map((table) => `validation.${table}`);
  const nodes = [...(await readModels("validation")), ...historyNodes()].filter(({ name }) => !given.includes(name));
  const wanted = [
    "score_auc",
    "score_ranking",
    "score_spread",
    "scorecard_difference",
    "scorecard_calibration",
    "scorecard_decay",
    "scorecard_drift",
    "scorecard_capacity",
    "scorecard_capacity_difference",
  ];
  // In the golden a play is a mark of the row: plays overlap the windows of neighbouring months, marks do not.
  const kept = upTo(
    nodes,
    wanted.map((table) => `validation.${table}`),
  ).map((node) =>
    node.name === "validation.score_row" && node.kind !== "step"
      ? {
          ...node,
          sql: node.sql.replace(
            /worked as \([\s\S]*?\n\)/,
            "worked as (select observation_no from given where has_play = 1)",
          ),
        }
      : node,
  );
  const others = ["spine.account_snapshot", "staging.play", "scores.scorecard", "scores.account_score"];
  await runNodes(database, sortNodes(kept, new Set([...given, ...others])), silentLog, () => 0);
});

afterAll(() => database?.close());

describe("each part of history and each of its periods", () => {
  it("has the AUC, its clustered error, average precision and lift of the references", async () => {
    const rows = await database.query<Record<string, number | string>>(`
select s.subject || ' ' || s.slice as name, 1 - a.auc as auc, a.se, a.n_churned as churned, a.n_staying as staying, r.n_rows as n,
  r.coverage, r.average_precision as ap, r.lift_10 as lift, e.precision_se as ap_se, e.lift_se
from validation.score_slice as s
inner join validation.score_auc as a on a.subject = s.subject and a.statistic = s.statistic
inner join validation.score_ranking as r on r.subject = s.subject and r.slice = s.slice
inner join validation.score_spread as e on e.subject = s.subject and e.slice = s.statistic
where s.subject <> 'alpha@3'`);
    expect(rows.map(({ name }) => name).sort()).toEqual(Object.keys(golden.slice).sort());
    for (const { name, ...row } of rows) {
      for (const [key, value] of Object.entries(golden.slice[name as string] as Numbers)) close(row[key], value);
    }
  });

  it("differs from the simple score and from another version by the paired influences, and never from itself", async () => {
    const rows = await database.query<Record<string, number | string>>(`
select d.scorecard || '@' || d.version || ' ' || other || '@' || other_version || ' ' || coalesce(right(s.slice, 1), d.period) as name,
  d.auc, other_auc as other, difference, difference_se as se, n_churned as churned, difference_low as low, difference_high as high
from validation.scorecard_difference as d
left join validation.score_slice as s
  on s.scorecard = d.scorecard and s.version = d.version and s.period = d.period and s.period_no is not null`);
    const named = new Map(rows.map(({ name, ...row }) => [name, row]));
    // Version 3 says the same as version 2.
    expect(named.get("alpha@3 alpha@2 out_of_time")).toMatchObject({ difference: 0, se: 0, low: 0, high: 0 });
    for (const [name, wanted] of Object.entries(golden.difference)) {
      const row = named.get(name) as Record<string, number>;
      for (const [key, value] of Object.entries(wanted)) close(row[key], value);
      close(row.low, (wanted.difference as number) - z90 * (wanted.se as number));
      close(row.high, (wanted.difference as number) + z90 * (wanted.se as number));
    }
  });
});

describe("a score as a probability", () => {
  it("is fitted on what was known before each period, and scored like the references", async () => {
    const rows = await database.query<Record<string, number | string | null>>(`
select c.*, s.subject, s.slice, k.intercept as own_intercept, k.slope as own_slope, k.base_rate
from validation.scorecard_calibration as c
inner join validation.score_slice as s on s.scorecard = c.scorecard and s.version = c.version and s.period = c.period
left join validation.score_calibrator as k on k.subject = s.subject and s.slice = 'out_of_time:' || k.period_no
where s.subject <> 'alpha@3'`);
    let fitted = 0;
    for (const row of rows) {
      const wanted = golden.calibration[row.subject as string]?.[row.slice as string];
      if (wanted?.brier === undefined) {
        if (wanted?.train_churned !== undefined) expect(row.n_train_churned).toBe(wanted.train_churned);
        expect(row.brier).toBeNull();
        expect(row.why_null).toBe("too_few_churned");
        continue;
      }
      fitted += 1;
      if (wanted.train_churned !== undefined) {
        expect(row.n_train_churned).toBe(wanted.train_churned);
        close(row.own_intercept, wanted.intercept);
        close(row.own_slope, wanted.slope_of_score);
        close(row.base_rate, wanted.base);
      }
      expect([row.n_rows, row.n_accounts, row.n_churned]).toEqual([wanted.n, wanted.accounts, wanted.churned]);
      for (const key of ["brier", "base_brier", "observed", "expected", "ratio", "slope", "ece", "ece_null"]) {
        close(row[key], wanted[key]);
      }
      close(row.intercept, wanted.intercept_of_odds);
      const half = (high: string, low: string): number => ((row[high] as number) - (row[low] as number)) / 2 / z90;
      close(half("brier_high", "brier_low"), wanted.brier_se);
      close(half("brier_gain_high", "brier_gain_low"), wanted.gain_se);
      close(half("slope_high", "slope_low"), wanted.slope_se);
      close(Math.log((row.ratio_high as number) / (row.ratio_low as number)) / 2 / z90, wanted.log_ratio_se);
      close(((row.ece_high as number) - (row.ece as number)) / z90, wanted.ece_se);
    }
    expect(fitted).toBeGreaterThanOrEqual(4);
  });
});

describe("what a list of N accounts a month holds", () => {
  it("counts tied scores in proportion, and compares two lists account by account", async () => {
    const rows = await database.query<Record<string, number | string>>(`
select scorecard || '@' || version || ' ' || from_on || ' ' || capacity as name, n_lists as lists, n_places as places,
  n_departures as departures, caught, caught_low as low, caught_high as high, chance_share as chance, n_hits as hits, money
from validation.scorecard_capacity where capacity in (5, 25) and version < 3`);
    expect(rows).toHaveLength(8);
    for (const { name, ...row } of rows) {
      for (const [key, value] of Object.entries(golden.capacity[name as string] as Numbers)) close(row[key], value);
    }
    const differences = await database.query<Record<string, number | string>>(`
select scorecard || '@' || version || ' ' || other || '@' || other_version || ' difference' as name, difference, difference_low, difference_high
from validation.scorecard_capacity_difference where capacity = 25 and from_on = date '${golden.cards["alpha@1"]?.[0]}'`);
    const named = new Map(differences.map((row) => [row.name, row]));
    for (const name of ["alpha@1 naive_baseline@1 difference", "alpha@2 alpha@1 difference"]) {
      const { difference, se } = golden.capacity[name] as Numbers;
      close(named.get(name)?.difference, difference);
      close(named.get(name)?.difference_low, (difference as number) - z95 * (se as number));
      close(named.get(name)?.difference_high, (difference as number) + z95 * (se as number));
    }
  });
});

describe("a version as time goes by", () => {
  it("has the slope of a weighted line, with the error of all periods together", async () => {
    const rows = await database.query<Record<string, number | string>>(
      "select scorecard || '@' || version as name, n_periods as n, slope_per_year as slope, slope_se as se, cochran_q as q from validation.scorecard_decay",
    );
    for (const [name, wanted] of Object.entries(golden.decay)) {
      const row = rows.find((one) => one.name === name) as Record<string, number>;
      for (const [key, value] of Object.entries(wanted)) close(row[key], value);
    }
  });

  it("has the stability index, its mean without drift, and the bar of the alarm", async () => {
    const rows = await database.query<Record<string, number | string | boolean>>(
      "select scorecard || '@' || version || ' ' || snapshot_date as name, n_reference as n1, n_accounts as n2, bins, psi, null_psi as \"null\", bar, is_alarm from validation.scorecard_drift where version < 3",
    );
    expect(rows.map(({ name }) => name).sort()).toEqual(Object.keys(golden.drift).sort());
    for (const { name, is_alarm, ...row } of rows) {
      const { alarm, ...wanted } = golden.drift[name as string] as Record<string, number | boolean>;
      expect(is_alarm).toBe(alarm);
      for (const [key, value] of Object.entries(wanted)) close(row[key], value as number);
    }
  });
});
