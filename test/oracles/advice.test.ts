/** Advice in SQL against numbers that pandas, scikit-learn, scipy and statsmodels gave (test/golden/oracles, with versions). */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { parseModel } from "../../pipelines/models/header.ts";
import type { StepContext } from "../../pipelines/models/model.ts";
import { adviseOnCuts } from "../../pipelines/validation/advice-cuts.ts";
import { adviseOnWeights, weightingsSql } from "../../pipelines/validation/advice-humility.ts";
import { judgeLosses, SetModels } from "../../pipelines/validation/advice-models.ts";
import type { Panel } from "../../pipelines/validation/advice-panel.ts";
import { shapleyValues } from "../../pipelines/validation/advice-weights.ts";
import { holm, oneSidedP } from "../../pipelines/validation/distributions.ts";
import { fitLogistic } from "../../pipelines/validation/newton.ts";
import { Database } from "../../pipelines/warehouse/database.ts";

interface Look {
  readonly kpi: string;
  readonly side: string;
  readonly threshold: number;
  readonly n_rows: number;
  readonly n_accounts: number;
  readonly n_churned: number;
  readonly n_failing: number;
  readonly n_churned_failing: number;
  readonly failing: readonly [number, number, number];
  readonly passing: readonly [number, number, number];
  readonly auc: number;
  readonly p: number;
  readonly lift: number;
  readonly p_holm: number;
}
interface Golden {
  readonly versions: Readonly<Record<string, string>>;
  readonly dates: readonly string[];
  /** account, date, segment, y, use, tickets, flag, csat */
  readonly rows: readonly (readonly [number, number, number, number, number, number, number, number | null])[];
  readonly gates: { readonly held_from: string; readonly looks: readonly Look[] };
  readonly cutoffs: readonly {
    readonly cut: number;
    readonly sides: readonly {
      readonly side: string;
      readonly n_rows: number;
      readonly n_accounts: number;
      readonly n_churned: number;
      readonly rate: number;
      readonly low: number;
      readonly high: number;
      readonly lift: number;
    }[];
  }[];
  readonly weightings: Readonly<Record<string, readonly number[]>>;
  readonly humility: {
    readonly n_kept: number;
    readonly n_churned: number;
    readonly auc_current: number;
    readonly auc_equal: number;
    readonly auc_best: number;
    readonly n_red: number;
    readonly red_share: Readonly<Record<string, number>>;
  };
  /** account, y, b, x0, x1, x2 */
  readonly model_rows: readonly (readonly [number, number, number, number, number, number])[];
  readonly shapley: Readonly<
    Record<
      "plain" | "ridge",
      {
        readonly values: readonly number[];
        readonly deviances: Readonly<Record<string, number>>;
        readonly params: Readonly<Record<string, readonly number[]>>;
      }
    >
  >;
  readonly losses: Readonly<
    Record<string, { readonly loss: number; readonly se: number; readonly se_difference: number }>
  >;
  readonly holm: { readonly p: readonly number[]; readonly adjusted: readonly number[] };
  readonly one_sided: readonly (readonly [number, number])[];
}

/** Relative to 1 or to the size of the number, whichever is larger. */
function close(found: unknown, wanted: number, tolerance = 1e-9): void {
  expect(Math.abs((found as number) - wanted) / Math.max(1, Math.abs(wanted))).toBeLessThan(tolerance);
}

let golden: Golden;
let database: Database;
let context: StepContext;

const kpis = ["use", "tickets", "flag", "csat"] as const;

beforeAll(async () => {
  golden = JSON.parse(await readFile(join(projectRoot, "test", "golden", "oracles", "advice.json"), "utf8")) as Golden;
  database = await Database.open({ path: ":memory:", threads: 2 });
  await database.run(await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"));
  context = { query: database.query, run: (sql) => database.run(sql), note: () => {} };
  const values = golden.rows.map(([account, date, segment, y, use, tickets, flag, csat], i) => {
    const numbers = [use, tickets, flag, csat].map((value) => (value === null ? "null" : `${value}e0`));
    return `(${i}, ${account}, date '${golden.dates[date]}', ${date}, ${segment}, ${y}, ${numbers.join(", ")})`;
  });
  await database.run(`
create schema meta; create schema validation; create schema features; create schema scores;
create table meta.params as select date '2025-06-01' as as_of, 30 as gap_days, 90 as horizon_days;
create table given (no integer, account integer, on_date date, date_no integer, segment integer, y integer, use double, tickets double, flag double, csat double);
insert into given values ${values.join(", ")};
create table validation.definition as select 'ends' as definition, true as is_primary, 30 as settle_days;
create table validation.stratum as
select 'a' || account as account_id, on_date as snapshot_date, 'ends' as definition, date_no * 2 + segment as stratum,
  no as observation_no, account as account_no, cast(date_no // 3 as integer) as block, cast(segment as varchar) as segment, y
from given;
create table validation.kpi_placed as
with valued as (
  select no as observation_no, account as account_no, y, kpi, value from given unpivot (value for kpi in (${kpis.join(", ")}))
),
counted as (
  select *, count(*) over (partition by kpi) as n_all,
    rank() over (partition by kpi order by value) - 1 as n_below
  from valued
)
select 'ends' as definition, kpi, observation_no, account_no, y, value,
  cast(least(9, n_below * 10 // n_all) as integer) as bin_10
from counted;
create table validation.kpi_verdict (kpi varchar, definition varchar, verdict varchar, group_kind varchar);
insert into validation.kpi_verdict values ${kpis.map((kpi) => `('${kpi}', 'ends', 'predicts', 'all')`).join(", ")};
create table validation.kpi_pair (kpi varchar, other varchar, "group" integer);
create table features.kpi_definition (id varchar, label varchar);
create table scores.scorecard as
select 'card' as scorecard, 1 as version, 'Card' as label, date '2020-01-01' as created_on, 'weighted_mean' as combine, true as is_assigned,
  cast(null as date) as in_force_from, 1 as assign_order, '{"list":[{"id":"red","to":40}]}' as bands;
create table scores.scorecard_weight (scorecard varchar, version integer, part_no integer, kpi varchar, share decimal(18,6));
insert into scores.scorecard_weight values ('card', 1, 1, 'use', 50), ('card', 1, 2, 'tickets', 30), ('card', 1, 3, 'csat', 20);
create table scores.score_part as
select s.account_id, s.snapshot_date, 'card' as scorecard, 1 as version, p.part_no, 'kpi' as kind,
  case p.part_no
    when 1 then cast(least(100, greatest(0, 50 + 20 * g.use)) as decimal(18,6))
    when 2 then cast(least(100, greatest(0, 100 - 10 * g.tickets)) as decimal(18,6))
    else cast(least(100, greatest(0, 25 * (g.csat - 1))) as decimal(18,6))
  end as points, p.share as weight
from validation.stratum as s
inner join given as g on g.no = s.observation_no
cross join scores.scorecard_weight as p;
update scores.score_part set points = null where part_no = 3 and (account_id, snapshot_date) in
  (select s.account_id, s.snapshot_date from validation.stratum as s inner join given as g on g.no = s.observation_no where g.csat is null);
create table scores.account_score as
select account_id, snapshot_date, 'card' as scorecard, 1 as version, true as is_in_force,
  cast(sum(points * weight) / sum(case when points is not null then weight end) as decimal(18,6)) as score, cast(null as varchar) as band
from scores.score_part group by account_id, snapshot_date;
update scores.account_score set band = case when score <= 40 then 'red' else 'green' end`);
  const cutoff = await readFile(join(projectRoot, "sql", "validation", "kpi_cutoff.sql"), "utf8");
  await database.run(`create table validation.kpi_cutoff as ${parseModel(cutoff, "kpi_cutoff.sql").sql}`);
  await adviseOnCuts.run(context);
  await adviseOnWeights.run(context);
  await database.run(`
create temp table advice_row (account_no integer, y integer, base_t1 double, t1 boolean, q1 boolean, k_x0 double, k_x1 double, k_x2 double);
insert into advice_row values ${golden.model_rows
    .map(
      ([account, y, b, ...x]) => `(${account}, ${y}, ${b}e0, true, true, ${x.map((value) => `${value}e0`).join(", ")})`,
    )
    .join(", ")}`);
});

afterAll(() => database.close());

it("says which versions the numbers are from", () => {
  expect(Object.keys(golden.versions)).toEqual(expect.arrayContaining(["scikit-learn", "scipy", "statsmodels"]));
});

it("finds the gates that pandas finds, and judges them on held-out rows alone", async () => {
  const rows = await database.query<Readonly<Record<string, unknown>>>(
    "select * from validation.gate_finding order by gate_no",
  );
  expect(rows.map(({ kpi, side, threshold, state }) => [kpi, side, threshold, state])).toEqual(
    golden.gates.looks.map(({ kpi, side, threshold, p_holm }) => [
      kpi,
      side,
      threshold,
      p_holm <= 0.05 ? "holds" : "does not hold",
    ]),
  );
  for (const [i, look] of golden.gates.looks.entries()) {
    const row = rows[i] as Readonly<Record<string, unknown>>;
    expect(row.held_from).toBe(golden.gates.held_from);
    for (const name of ["n_rows", "n_accounts", "n_churned", "n_failing", "n_churned_failing"] as const) {
      expect([name, row[name]]).toEqual([name, look[name]]);
    }
    for (const [j, name] of ["", "_low", "_high"].entries()) {
      close(row[`rate_failing${name}`], look.failing[j] as number);
      close(row[`rate_passing${name}`], look.passing[j] as number);
    }
    close(row.auc, look.auc);
    close(row.p, look.p);
    close(row.p_holm, look.p_holm);
    close(row.lift, look.lift);
  }
});

it("counts both sides of every cut with the interval of the effective number of rows", async () => {
  const rows = await database.query<Readonly<Record<string, unknown>>>(
    "select * from validation.kpi_cutoff where kpi = 'use' order by cut_value, side desc",
  );
  const wanted = golden.cutoffs.flatMap(({ cut, sides }) => sides.map((side) => ({ cut, ...side })));
  expect(
    rows.map(({ cut_value, side, n_rows, n_accounts, n_churned }) => [cut_value, side, n_rows, n_accounts, n_churned]),
  ).toEqual(wanted.map(({ cut, side, n_rows, n_accounts, n_churned }) => [cut, side, n_rows, n_accounts, n_churned]));
  for (const [i, row] of rows.entries()) {
    close(row.rate, wanted[i]?.rate as number);
    close(row.rate_low, wanted[i]?.low as number);
    close(row.rate_high, wanted[i]?.high as number);
    close(row.lift, wanted[i]?.lift as number);
  }
});

describe("weight humility", () => {
  it("draws the weightings that Python draws", async () => {
    for (const [m, weights] of Object.entries(golden.weightings)) {
      const [row] = await database.query<Readonly<Record<string, number>>>(
        `select * from (${weightingsSql([1, 2, 3], [50, 30, 20])}) as w where m = ${m}`,
      );
      for (const [k, weight] of weights.entries()) close(row?.[`w${k + 1}`], weight, 1e-14);
    }
  });

  it("keeps the weightings that numpy keeps, and has the same accounts red", async () => {
    const [summary] = await database.query<Readonly<Record<string, unknown>>>(
      "select * from validation.weight_humility where account_id is null",
    );
    expect([summary?.n_weightings, summary?.n_kept, summary?.n_churned]).toEqual([
      2002,
      golden.humility.n_kept,
      golden.humility.n_churned,
    ]);
    close(summary?.auc_current, golden.humility.auc_current);
    close(summary?.auc_equal, golden.humility.auc_equal);
    close(summary?.auc_best, golden.humility.auc_best);
    expect(summary?.sentence).toMatch(/^History cannot rank weightings: 72 churned accounts; 288 of 2,002 weightings/);
    const rows = await database.query<{ account_id: string; is_red: boolean; red_share: number }>(
      "select account_id, is_red, red_share from validation.weight_humility where account_id is not null",
    );
    expect(rows.filter(({ is_red }) => is_red)).toHaveLength(golden.humility.n_red);
    expect(new Set(rows.map(({ account_id }) => account_id))).toEqual(
      new Set(Object.keys(golden.humility.red_share).map((account) => `a${account}`)),
    );
    for (const { account_id, red_share } of rows) {
      close(red_share, golden.humility.red_share[account_id.slice(1)] as number);
    }
  });
});

describe("models of sets", () => {
  const panel = {
    kpis: ["x0", "x1", "x2"].map((id) => ({ id, verdict: "predicts", isCandidate: true, isBinned: false })),
    marks: [],
  } as unknown as Panel;
  const names = ["x0", "x1", "x2"] as const;
  const subset = (mask: number): readonly number[] => [0, 1, 2].filter((i) => (mask >> i) & 1);

  it("have the deviances and the coefficients of penalised Newton in numpy, and Shapley's values over all orders", async () => {
    const models = new SetModels(context, panel);
    const keys = Array.from({ length: 8 }, (_, mask) =>
      subset(mask)
        .map((i) => names[i])
        .join(" + "),
    );
    await models.fit(keys.map((key) => ({ training: "t1", key })));
    const deviances = keys.map((key) => models.get({ training: "t1", key })?.deviance as number);
    for (const [mask, deviance] of deviances.entries()) {
      const wanted = golden.shapley.ridge;
      close(deviance, wanted.deviances[subset(mask).join("+")] as number);
      const model = models.get({ training: "t1", key: keys[mask] as string });
      const params = wanted.params[subset(mask).join("+")] as readonly number[];
      for (const [i, value] of [model?.intercept, model?.base, ...(model?.slopes ?? [])].entries()) {
        close(value, params[i] as number);
      }
    }
    const values = shapleyValues(3, (mask) => (deviances[0] as number) - (deviances[mask] as number));
    for (const [i, value] of values.entries()) close(value, golden.shapley.ridge.values[i] as number, 1e-8);
  });

  it("agree with statsmodels where nothing is penalised", async () => {
    const deviances: number[] = [];
    for (let mask = 0; mask < 8; mask += 1) {
      const columns = subset(mask);
      const fits = await fitLogistic(database.query, {
        rows: `select 'all' as fit, account_no, 0 as block, y, base_t1 as b${columns.map((i) => `, k_x${i} as c${i}`).join("")} from advice_row`,
        covariates: ["b", ...columns.map((i) => `c${i}`)],
        ridge: 0,
      });
      const deviance = -2 * (fits.get("all")?.logLikelihood as number);
      close(deviance, golden.shapley.plain.deviances[columns.join("+")] as number);
      deviances.push(deviance);
    }
    const values = shapleyValues(3, (mask) => (deviances[0] as number) - (deviances[mask] as number));
    for (const [i, value] of values.entries()) close(value, golden.shapley.plain.values[i] as number);
  });

  it("lose what numpy says, with errors clustered by account", async () => {
    const etas = { a: "base_t1", b: "base_t1 + 0.5e0 * k_x0", c: "-1e0 + 0.2e0 * k_x2" };
    const judged = Object.entries(etas).map(([name, eta]) => ({ name, parts: [{ testing: "q1" as const, eta }] }));
    const found = (await judgeLosses(context, [{ group: "g", judged }])).get("g") ?? [];
    expect(found).toHaveLength(3);
    for (const { name, loss, se, seOfDifference } of found) {
      close(loss, golden.losses[name]?.loss as number);
      close(se, golden.losses[name]?.se as number);
      close(seOfDifference, golden.losses[name]?.se_difference as number);
    }
  });
});

it("steps down as Holm does, with exact one-sided tails", () => {
  const adjusted = holm(golden.holm.p.map((p, i) => ({ id: String(i), p })));
  for (const [i, wanted] of golden.holm.adjusted.entries()) close(adjusted.get(String(i)), wanted, 1e-14);
  expect(holm([{ id: "none", p: null }])).toEqual(new Map());
  for (const [z, p] of golden.one_sided) expect(Math.abs(oneSidedP(z) / p - 1)).toBeLessThan(1e-9);
});
