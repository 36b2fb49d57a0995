/** Statistics in SQL against numbers that scipy, scikit-learn and statsmodels gave (test/golden/oracles, with versions). */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { sortNodes } from "../../pipelines/models/graph.ts";
import { parseModel } from "../../pipelines/models/header.ts";
import type { Node } from "../../pipelines/models/model.ts";
import { runNodes } from "../../pipelines/models/run.ts";
import {
  benjaminiHochberg,
  benjaminiYekutieli,
  chiSquareP,
  twoSidedP,
  zOfTwoSidedP,
} from "../../pipelines/validation/distributions.ts";
import { type GroupStatistic, heterogeneityP, secondStage } from "../../pipelines/validation/groups.ts";
import { fitLogistic } from "../../pipelines/validation/newton.ts";
import { rankModels, rankTotals } from "../../pipelines/validation/rank.ts";
import { testShape } from "../../pipelines/validation/shape.ts";
import { Database } from "../../pipelines/warehouse/database.ts";

interface RankGolden {
  readonly auc: number;
  readonly se: number;
  readonly tied: number;
  readonly jackknife: number;
  readonly psi: Readonly<Record<string, number>>;
}
interface Golden {
  readonly versions: Readonly<Record<string, string>>;
  /** account, stratum, segment, size, y, x (with gaps), heavy (many ties), ushape */
  readonly rows: readonly (readonly [number, number, string, number, number, number | null, number, number])[];
  readonly auc: Readonly<Record<"x" | "heavy" | "x_one_stratum", RankGolden>>;
  /** A value that is the outcome itself: Hanley and McNeil's error at the shrunk A. */
  readonly perfect: {
    readonly churned: number;
    readonly staying: number;
    readonly centre: number;
    readonly se: number;
    readonly z: number;
  };
  readonly shape: Readonly<Record<"ushape" | "heavy", { chi2: number; df: number; p: number; bins: number[] }>>;
  readonly families: { readonly p: number[]; readonly bh: number[]; readonly by: number[] };
  readonly normal: readonly [number, number][];
  readonly normal_quantile: readonly [number, number][];
  readonly chi2: readonly [number, number, number][];
  readonly logistic: { readonly params: number[]; readonly se: number[]; readonly log_likelihood: number };
  readonly ridge: { readonly lambda: number; readonly params: number[]; readonly se: number[] };
  /** Groups as A and its error. */
  readonly cochran: readonly { readonly groups: readonly (readonly [number, number])[]; readonly p: number }[];
  readonly second_stage: readonly {
    readonly id: string;
    readonly main_q: number;
    readonly groups: readonly (readonly [number, number])[];
    readonly het_q: number;
    readonly selected: boolean;
    readonly q: readonly number[] | null;
  }[];
  readonly wilson: readonly [number, number, number, number][];
  readonly average_precision: { readonly score: number[]; readonly value: number };
  readonly spearman: { readonly heavy_size: number };
}

/** Relative to 1 or to the size of the number, whichever is larger. */
function close(found: number | null | undefined, wanted: number, tolerance = 1e-9): void {
  expect(Math.abs((found as number) - wanted) / Math.max(1, Math.abs(wanted))).toBeLessThan(tolerance);
}

let golden: Golden;
let database: Database;

async function model(file: string): Promise<Node> {
  const path = join(projectRoot, "sql", "validation", file);
  return parseModel(await readFile(path, "utf8"), file);
}

beforeAll(async () => {
  golden = JSON.parse(
    await readFile(join(projectRoot, "test", "golden", "oracles", "statistics.json"), "utf8"),
  ) as Golden;
  database = await Database.open({ path: ":memory:", threads: 2 });
  await database.run(await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"));
  const rows = golden.rows.map(
    ([account, stratum, segment, size, y, x, heavy, ushape], i) =>
      `(${i}, ${account}, ${stratum}, '${segment}', ${size}e0, ${y}, ${x === null ? "null" : `${x}e0`}, ${heavy}e0, ${ushape}e0)`,
  );
  await database.run(`create schema validation;
create table rows (observation_no integer, account_no integer, stratum integer, segment varchar, size double, y integer, x double, heavy double, ushape double);
insert into rows values ${rows.join(",")};
create view validation.observed as
select 'd' as definition, subject, 'main' as statistic, account_no, 0 as block, 'all' as segment, stratum, value, y from (
  select 'x' as subject, account_no, stratum, x as value, y from rows where x is not null
  union all select 'heavy', account_no, stratum, heavy, y from rows
  union all select 'x_one_stratum', account_no, 0, x, y from rows where x is not null
  union all select 'perfect', account_no, stratum, y, y from rows
);
create table validation.kpi_value as
select observation_no, 'ushape' as kpi, 1 as kpi_no, ushape as value from rows union all select observation_no, 'heavy', 2, heavy from rows;
create table validation.stratum as select 'd' as definition, observation_no, account_no, stratum, y from rows;
create table validation.baseline_row as select 'd' as definition, observation_no, size as log_tenure from rows;
create table validation.kpi_coverage as select 'd' as definition, kpi, 9 as n_distinct from (values ('ushape'), ('heavy')) as t(kpi);`);
  const nodes: readonly Node[] = [
    ...rankModels({ name: "t", source: "validation.observed" }),
    ...rankTotals("t", "validation.t_part"),
    await model("kpi_bin.sql"),
    await model("kpi_placed.sql"),
    await model("kpi_stratum.sql"),
    await model("kpi_shape_part.sql"),
    await model("kpi_tenure.sql"),
    testShape,
  ];
  const given = ["observed", "kpi_value", "stratum", "baseline_row", "kpi_coverage"].map((t) => `validation.${t}`);
  await runNodes(database, sortNodes(nodes, new Set(given)), silentLog, () => 0);
});

afterAll(() => database?.close());

describe("stratified AUC with clustered variance", () => {
  it.each([
    "x",
    "heavy",
    "x_one_stratum",
  ] as const)("%s equals scikit-learn and the reference formula", async (subject) => {
    const [row] = await database.query<{ auc: number; se: number; tied: number }>(
      `select auc, se, tied from validation.t_auc where subject = '${subject}'`,
    );
    const wanted = golden.auc[subject];
    close(row?.auc, wanted.auc);
    close(row?.se, wanted.se);
    close(row?.tied, wanted.tied);
    // The delete-one-account jackknife is another estimator of the same variance.
    expect((row?.se as number) / wanted.jackknife).toBeGreaterThan(0.95);
    expect((row?.se as number) / wanted.jackknife).toBeLessThan(1.05);
  });

  it("gives each account its influence, and the influences sum to zero", async () => {
    for (const [account, psi] of Object.entries(golden.auc.x.psi)) {
      const found = await database.scalar<number>(
        `select psi from validation.t_influence where subject = 'x' and account_no = ${account}`,
      );
      close(found, psi, 1e-12);
    }
    const sum = await database.scalar<number>("select sum(psi) from validation.t_influence where subject = 'x'");
    expect(Math.abs(sum as number)).toBeLessThan(1e-12);
  });
});

describe("a perfect separator", () => {
  it("has the error that Hanley and McNeil's formula plans for", async () => {
    const [row] = await database.query<{
      auc: number;
      centre: number;
      se: number;
      z: number;
      n_churned: number;
      n_staying: number;
    }>("select auc, centre, se, z, n_churned, n_staying from validation.t_auc where subject = 'perfect'");
    const { churned, staying, centre, se, z } = golden.perfect;
    expect([row?.auc, row?.n_churned, row?.n_staying]).toEqual([1, churned, staying]);
    close(row?.centre, centre);
    close(row?.se, se);
    close(row?.z, z);
  });
});

describe("shape", () => {
  it.each(["ushape", "heavy"] as const)("%s: the five-bin score test equals the matrix formula", async (kpi) => {
    const [row] = await database.query<{ chi2: number; df: number; p: number }>(
      `select chi2, df, p from validation.kpi_shape where kpi = '${kpi}'`,
    );
    close(row?.chi2, golden.shape[kpi].chi2);
    expect(row?.df).toBe(golden.shape[kpi].df);
    close(row?.p, golden.shape[kpi].p);
  });

  it("cuts at values that occur, so that equal values share a bin", async () => {
    const rows = await database.query<{ n: number }>(
      "select sum(n_rows)::bigint as n from validation.kpi_bin where kpi = 'heavy' group by bin_5 order by bin_5",
    );
    expect(rows.map((row) => row.n)).toEqual(golden.shape.heavy.bins);
  });
});

describe("logistic regression through SQL aggregates", () => {
  const problem = (ridge: number) => ({
    rows: `select 'x' as fit, account_no, stratum as block, y, size as x_size, case when segment = 'smb' then 1e0 else 0e0 end as x_smb, (x - 2e0) / 1.2e0 as x_kpi from rows where x is not null`,
    covariates: ["x_size", "x_smb", "x_kpi"],
    ridge,
    wald: "x_kpi",
  });

  it("equals statsmodels without a penalty: coefficients, likelihood, clustered error", async () => {
    const fit = (await fitLogistic(database.query, problem(0))).get("x");
    const { params, se, log_likelihood } = golden.logistic;
    expect(fit?.isConverged).toBe(true);
    close(fit?.effects.get(0), params[0] as number);
    for (const block of [1, 2, 3, 4, 5]) {
      close(fit?.effects.get(block), (params[0] as number) + (params[block] as number));
    }
    close(fit?.coefficients.get("x_size"), params[6] as number);
    close(fit?.coefficients.get("x_smb"), params[7] as number);
    close(fit?.coefficients.get("x_kpi"), params[8] as number);
    close(fit?.logLikelihood, log_likelihood);
    close(fit?.se, se[8] as number);
    close(fit?.z, (params[8] as number) / (se[8] as number));
  });

  it("equals the penalised normal equations with a ridge", async () => {
    const { lambda, params, se } = golden.ridge;
    const fit = (await fitLogistic(database.query, problem(lambda))).get("x");
    close(fit?.effects.get(0), params[0] as number);
    close(fit?.coefficients.get("x_kpi"), params[8] as number);
    close(fit?.se, se[8] as number);
  });

  it("leaves out a fit of one class", async () => {
    const fits = await fitLogistic(database.query, {
      rows: "select 'none' as fit, account_no, 0 as block, 0 as y, size as x_size from rows",
      covariates: ["x_size"],
      ridge: 0,
    });
    expect(fits.size).toBe(0);
  });

  it("says so when the rows separate, and gives no z", async () => {
    const fit = (
      await fitLogistic(database.query, {
        rows: "select 's' as fit, account_no, 0 as block, y, case when y = 1 then 1e0 else -1e0 end as x_y from rows",
        covariates: ["x_y"],
        ridge: 0,
        wald: "x_y",
      })
    ).get("s");
    expect(fit?.z).toBeNull();
    expect(fit?.isSeparated || !fit?.isConverged).toBe(true);
  });
});

describe("distributions and families", () => {
  it("two-sided normal tails, far out too", () => {
    for (const [z, p] of golden.normal) expect((twoSidedP(z) as number) / p).toBeCloseTo(1, 9);
    expect(twoSidedP(null)).toBeNull();
    expect(twoSidedP(Number.NaN)).toBeNull();
    close(zOfTwoSidedP(0.05), 1.959963984540054);
  });

  it("normal quantiles in SQL", async () => {
    for (const [p, z] of golden.normal_quantile) {
      close(await database.scalar<number>(`select normal_quantile(${p}::double)`), z, 1e-12);
    }
    expect(await database.scalar("select normal_quantile(0e0)")).toBeNull();
  });

  it("chi-square tails, with a floor of 1e-12", () => {
    for (const [x, df, p] of golden.chi2) close(chiSquareP(x, df), p);
    expect(chiSquareP(500, 1)).toBe(1e-12);
  });

  it("q-values equal scipy's, with ties, and a null counts in no m", () => {
    const tests = golden.families.p.map((p, i) => ({ id: `k${String(i).padStart(2, "0")}`, p }));
    const bh = benjaminiHochberg([...tests, { id: "unknown", p: null }]);
    const by = benjaminiYekutieli([...tests, { id: "unknown", p: null }]);
    for (const [i, { id }] of tests.entries()) {
      close(bh.get(id), golden.families.bh[i] as number);
      close(by.get(id), golden.families.by[i] as number);
    }
    expect(bh.has("unknown")).toBe(false);
  });

  const groupsOf = (groups: readonly (readonly [number, number])[]): readonly GroupStatistic[] =>
    groups.map(([auc, se], i) => ({
      kind: "segment",
      group: `g${i}`,
      auc,
      se,
      z: (auc - 0.5) / se,
      tied: 0,
      centre: auc,
      accounts: 200,
      churned: 60,
      staying: 140,
    }));

  it("Cochran's Q of groups equals statsmodels' test of homogeneity", () => {
    for (const { groups, p } of golden.cochran) close(heterogeneityP(groupsOf(groups)), p);
  });

  it("second-stage q-values are scipy's within the chosen KPIs, times what the choice cost", () => {
    const found = secondStage(
      golden.second_stage.map(({ id, main_q, groups }) => ({ id, mainQ: main_q, groups: groupsOf(groups) })),
    );
    for (const { id, het_q, selected, q } of golden.second_stage) {
      const stage = found.get(id);
      close(stage?.hetQ, het_q);
      expect(stage?.isSelected).toBe(selected);
      const own = [0, 1, 2, 3].map((i) => stage?.tests.get(`g${i}`)?.q ?? null);
      if (q === null) expect(own).toEqual([null, null, null, null]);
      else for (const [i, wanted] of q.entries()) close(own[i], wanted);
    }
  });

  it("Wilson's interval", async () => {
    for (const [k, n, low, high] of golden.wilson) {
      close(await database.scalar<number>(`select wilson_low(${k} / ${n}e0, ${n}e0)`), low);
      close(await database.scalar<number>(`select wilson_high(${k} / ${n}e0, ${n}e0)`), high);
    }
  });

  it("Spearman's correlation with ties", async () => {
    close(
      await database.scalar<number>("select spearman_tenure from validation.kpi_tenure where kpi = 'heavy'"),
      golden.spearman.heavy_size,
    );
  });
});
