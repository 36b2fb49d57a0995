/**
 * A whole validation against numbers that numpy, scipy, scikit-learn and statsmodels gave from the same rows: the panel and the
 * numbers are in test/golden/oracles/panel.json, with versions. Nothing of the program took part in making them.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { projectRoot } from "../../pipelines/lib/files.ts";
import type { StepContext } from "../../pipelines/models/model.ts";
import { holdUse } from "../../pipelines/validation/other-use.ts";
import { type Candidate, pairFactsOf } from "../../pipelines/validation/redundancy.ts";
import type { Database } from "../../pipelines/warehouse/database.ts";
import { type Panel, validatePanel } from "../planted-panel.ts";

/** number, auc or rate, its interval, churned accounts */
type Interval = readonly [number | string, number, number, number, number];
interface Golden {
  readonly versions: Readonly<Record<string, string>>;
  readonly panel: {
    readonly asOf: string;
    readonly dates: readonly string[];
    readonly kpis: readonly string[];
    /** started, ended, notice */
    readonly accounts: readonly (readonly [string, string | null, string | null])[];
    /** account, date, days of age, segment, seats, then the KPIs in twentieths */
    readonly rows: readonly (readonly (number | string | null)[])[];
  };
  readonly baseline: Readonly<Record<string, number>>;
  readonly n_strata: number;
  readonly split_on: string;
  readonly kpi: Readonly<
    Record<
      string,
      {
        readonly statistic: Readonly<Record<string, number>>;
        /** bin, rows, accounts, churned accounts, rate, low, high, expected rate */
        readonly decile: readonly (readonly number[])[];
        readonly lead_time: readonly Interval[];
        readonly period: readonly Interval[];
        readonly segment: readonly Interval[];
      }
    >
  >;
  /** kpi, other, rows with both, rank correlation of their ranks there */
  readonly pairs: readonly (readonly [string, string, number, number])[];
  /** kpi, other, z of the clustered Wald test beyond the other, z of the paired difference of |A - 1/2| */
  readonly beyond: readonly (readonly [string, string, number, number])[];
  /** kpi, other, z of the clustered Wald test with the other's normal scores as a covariate, rank correlation of the two */
  readonly other_use: readonly (readonly [string, string, number, number])[];
}

const golden = JSON.parse(
  await readFile(join(projectRoot, "test", "golden", "oracles", "panel.json"), "utf8"),
) as Golden;

function panelOf({ asOf, dates, kpis, accounts, rows }: Golden["panel"]): Panel {
  const id = (no: number) => `A${String(no).padStart(4, "0")}`;
  const values = rows.map(([account, date, tenureDays, segment, seats, ...rest]) => ({
    account: id(account as number),
    on: dates[date as number] as string,
    tenureDays: tenureDays as number,
    segment: segment as string,
    seats: seats as number,
    values: Object.fromEntries(kpis.map((kpi, i) => [kpi, rest[i] === null ? null : (rest[i] as number) / 20])),
  }));
  return {
    asOf,
    kpis,
    accounts: accounts.map(([startedOn, endedOn, noticeOn], no) => ({ id: id(no), startedOn, endedOn, noticeOn })),
    rows: values,
    unanswered: values
      .filter((row) => row.values.silence === null)
      .map(({ account, on }) => ({ account, on, kpi: "silence" })),
  };
}

/** Relative to 1 or to the size of the number, whichever is larger. */
const apart = (found: unknown, wanted: number): number =>
  Math.abs((found as number) - wanted) / Math.max(1, Math.abs(wanted));

/** The numbers that differ from the golden ones by more than 1e-9: none. */
const differing = (pairs: readonly (readonly [string, unknown, number])[]) =>
  pairs.filter(([, found, wanted]) => !(apart(found, wanted) < 1e-9));

describe("a validated panel equals scipy, scikit-learn and statsmodels", () => {
  let database: Database;
  beforeAll(async () => {
    database = await validatePanel(panelOf(golden.panel));
  });
  afterAll(() => database?.close());

  it("the baseline model and its strata", async () => {
    const rows = await database.query<{ name: string; coefficient: number }>(
      "select variable || coalesce(' ' || segment, '') as name, coefficient from validation.baseline_coefficient",
    );
    const found = new Map(rows.map(({ name, coefficient }) => [name, coefficient]));
    expect([...found.keys()].sort()).toEqual(Object.keys(golden.baseline).sort());
    expect(
      differing(Object.entries(golden.baseline).map(([name, wanted]) => [name, found.get(name), wanted] as const)),
    ).toEqual([]);
    expect(await database.scalar("select count(distinct stratum) from validation.stratum")).toBe(golden.n_strata);
    expect(await database.scalar("select cast(min(split_on) as varchar) from validation.period")).toBe(golden.split_on);
  });

  it.each(Object.keys(golden.kpi))("%s: what the rules read", async (kpi) => {
    const [row] = await database.query(`select * from validation.kpi_statistic where kpi = '${kpi}'`);
    const { statistic } = golden.kpi[kpi] as Golden["kpi"][string];
    expect(Object.keys(statistic).length).toBeGreaterThan(30);
    expect(differing(Object.entries(statistic).map(([name, wanted]) => [name, row?.[name], wanted] as const))).toEqual(
      [],
    );
  });

  it.each(Object.keys(golden.kpi))("%s: value ranges, lead times, periods and segments with intervals", async (kpi) => {
    const { decile, lead_time, period, segment } = golden.kpi[kpi] as Golden["kpi"][string];
    const names = ["n_rows", "n_accounts", "n_churned", "rate", "rate_low", "rate_high", "expected_rate"];
    const bins = await database.query(
      `select bin, ${names.join(", ")} from validation.kpi_decile where kpi = '${kpi}'`,
    );
    expect(bins).toHaveLength(decile.length);
    const checks: [string, unknown, number][] = [];
    for (const [bin, ...wanted] of decile) {
      const found = bins.find((row) => row.bin === bin);
      for (const [i, name] of names.entries()) checks.push([`bin ${bin} ${name}`, found?.[name], wanted[i] as number]);
    }
    for (const [what, golden, sql] of [
      ["lead", lead_time, "select months_before as at, * from validation.kpi_lead_time"],
      [
        "period",
        period,
        "select row_number() over (partition by kpi order by first_on) as at, * from validation.kpi_period",
      ],
      ["segment", segment, "select segment as at, * from validation.kpi_segment"],
    ] as const) {
      const rows = (await database.query(`select * from (${sql}) where kpi = '${kpi}'`)) as Record<string, unknown>[];
      expect([what, rows.length]).toEqual([what, golden.length]);
      for (const [at, auc, low, high, churned] of golden) {
        const found = rows.find((row) => row.at === at);
        for (const [name, wanted] of Object.entries({ auc, auc_low: low, auc_high: high, n_churned: churned })) {
          checks.push([`${what} ${at} ${name}`, found?.[name], wanted]);
        }
      }
    }
    expect(differing(checks)).toEqual([]);
  });

  it("what a KPI adds beyond another one, and how much better it ranks", async () => {
    const run = (sql: string) => database.run(sql);
    const context = { query: database.query, run } as unknown as StepContext;
    const facts = await pairFactsOf(context, "subscription_end");
    const candidate = async (id: string): Promise<Candidate> => {
      const row = await database.query<{ auc: number; z: number }>(
        `select auc, z from validation.kpi_statistic where kpi = '${id}'`,
      );
      return { id, ...(row[0] as { auc: number; z: number }), coverage: 1, isLive: false };
    };
    const checks: [string, unknown, number][] = [];
    for (const [kpi, other, beyond, better] of golden.beyond) {
      checks.push([`${kpi} beyond ${other}`, await facts.incrementalZOf(kpi, other), beyond]);
      checks.push([
        `${kpi} against ${other}`,
        await facts.differenceZOf(await candidate(kpi), await candidate(other)),
        better,
      ]);
    }
    expect(differing(checks)).toEqual([]);
  });

  it("rule 9: what a KPI adds beyond all other use, here another KPI's values", async () => {
    const run = (sql: string) => database.run(sql);
    const context = { query: database.query, run } as unknown as StepContext;
    const checks: [string, unknown, number][] = [];
    for (const [kpi, other, z, spearman] of golden.other_use) {
      await run(`
create or replace table features.usage as
select account_id, snapshot_date, ${other} + 7 as events_all, 7 as events_own from features.account_kpi`);
      const held = await holdUse(
        context,
        "subscription_end",
        new Map([[kpi, { all: "events_all", own: "events_own" }]]),
      );
      checks.push([`${kpi} beside ${other}`, held.get(kpi)?.z, z]);
      checks.push([`${kpi} and ${other}`, held.get(kpi)?.spearman, spearman]);
    }
    expect(differing(checks)).toEqual([]);
  });

  it("rank correlations of every two KPIs", async () => {
    const checks: [string, unknown, number][] = [];
    for (const [kpi, other, rows, spearman] of golden.pairs) {
      const [found] = await database.query<{ n_rows: number; spearman: number }>(
        `select n_rows, spearman from validation.kpi_rank_pair where kpi = '${kpi}' and other = '${other}'`,
      );
      checks.push([`${kpi} ${other} rows`, found?.n_rows, rows], [`${kpi} ${other}`, found?.spearman, spearman]);
    }
    expect(differing(checks)).toEqual([]);
  });
});
