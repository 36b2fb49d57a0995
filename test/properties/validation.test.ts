/** What must not change a verdict, and what must change it in a known way. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { sortNodes } from "../../pipelines/models/graph.ts";
import { runNodes } from "../../pipelines/models/run.ts";
import { twoSidedP } from "../../pipelines/validation/distributions.ts";
import { rankModels, rankTotals } from "../../pipelines/validation/rank.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import {
  addDays,
  normal,
  type Panel,
  type PanelOptions,
  plantedPanel,
  random,
  validatePanel,
} from "../planted-panel.ts";

interface Ranked {
  readonly auc: number;
  readonly se: number;
  readonly z: number;
  readonly tied: number;
}

/** Ranks rows of (account, stratum, value, y). */
async function rank(rows: readonly (readonly [number, number, number, number])[]): Promise<Ranked> {
  const database = await Database.open({ path: ":memory:", threads: 2 });
  await database.run(await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"));
  await database.run(
    "create schema validation; create table validation.seen (account_no integer, stratum integer, value double, y integer);" +
      "create view validation.observed as select 'd' as definition, 'k' as subject, 'main' as statistic, account_no, 0 as block, 'all' as segment, stratum, value, y from validation.seen",
  );
  if (rows.length > 0) {
    await database.run(
      `insert into validation.seen values ${rows.map(([a, s, v, y]) => `(${a}, ${s}, ${v}, ${y})`).join(",")}`,
    );
  }
  const nodes = [...rankModels({ name: "t", source: "validation.observed" }), ...rankTotals("t", "validation.t_part")];
  await runNodes(database, sortNodes(nodes, new Set(["validation.observed"])), silentLog, () => 0);
  const [row] = await database.query<Ranked>("select auc, se, z, tied from validation.t_auc");
  database.close();
  return row as Ranked;
}

function rows(seed: number, accounts = 120): readonly (readonly [number, number, number, number])[] {
  const uniform = random(seed);
  return Array.from({ length: accounts * 4 }, (_, i) => {
    const account = Math.floor(i / 4);
    const value = Math.floor(8 * uniform());
    return [account, Math.floor(3 * uniform()), value, uniform() < 0.1 + 0.04 * value ? 1 : 0] as const;
  });
}

const around = (found: number, wanted: number, tolerance = 1e-9) =>
  expect(Math.abs(found - wanted)).toBeLessThan(tolerance);

describe("a ranked statistic", () => {
  it("turns round with the value: x -> -x gives 1 - A and the same error", async () => {
    const plain = await rank(rows(1));
    const turned = await rank(rows(1).map(([a, s, v, y]) => [a, s, -v, y] as const));
    around(turned.auc, 1 - plain.auc);
    around(turned.se, plain.se);
    around(turned.z, -plain.z);
  });
  it("does not see an increasing transform", async () => {
    expect(await rank(rows(2).map(([a, s, v, y]) => [a, s, v ** 3 + 5, y] as const))).toEqual(await rank(rows(2)));
  });
  it("does not count a row twice as news: A and its clustered error stay", async () => {
    const plain = await rank(rows(3));
    const doubled = await rank([...rows(3), ...rows(3)]);
    around(doubled.auc, plain.auc);
    around(doubled.se, plain.se);
  });
  it("divides the error by the root of two when every account has a double", async () => {
    const plain = await rank(rows(4));
    const doubled = await rank([...rows(4), ...rows(4).map(([a, s, v, y]) => [a + 1000, s, v, y] as const)]);
    around(doubled.auc, plain.auc);
    // I/(I-1) differs: 120 against 240 accounts.
    around(doubled.se * Math.SQRT2 * Math.sqrt((239 / 240) * (120 / 119)), plain.se, 1e-4);
  });
  it("gives a perfect separator an error and a z, not p = 1", async () => {
    const perfect = await rank(rows(5).map(([a, s, , y]) => [a, s, y, y] as const));
    expect(perfect.auc).toBe(1);
    expect(perfect.se).toBeGreaterThan(0);
    expect(perfect.z).toBeGreaterThan(5);
  });
  it("is one half with error zero when every value is the same", async () => {
    expect(await rank(rows(6).map(([a, s, , y]) => [a, s, 1, y] as const))).toEqual({ auc: 0.5, se: 0, z: 0, tied: 1 });
  });
  it("has no row when no stratum holds both classes", async () => {
    expect(await rank(rows(7).map(([a, s, v]) => [a, s, v, s === 0 ? 1 : 0] as const))).toBeUndefined();
    expect(await rank([])).toBeUndefined();
  });
});

/** p of the Kolmogorov-Smirnov test of these numbers against the uniform distribution: its series, with Stephens' correction. */
function uniformP(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length;
  const d = Math.max(...sorted.map((value, i) => Math.max((i + 1) / n - value, value - i / n)));
  const x = (Math.sqrt(n) + 0.12 + 0.11 / Math.sqrt(n)) * d;
  let p = 0;
  for (let k = 1; k <= 100; k += 1) p += 2 * (-1) ** (k - 1) * Math.exp(-2 * k * k * x * x);
  return Math.min(1, Math.max(0, p));
}

describe("a p-value", () => {
  // 300 accounts in three groups, six rows each; a stratum is a group and two dates. Values cling to their account, and who
  // leaves is 1 in all later rows: what rows taken for independent make 20 % false alarms of.
  const perms = 200;
  const noise = random(77);
  const gauss = normal(noise);
  const accounts = Array.from({ length: 300 }, (_, account) => {
    const level = gauss();
    const leavesAt = noise() < 0.35 ? Math.floor(6 * noise()) : 6;
    return Array.from({ length: 6 }, (_, t) => ({
      account,
      group: account % 3,
      t,
      value: Math.round(2 * (level + 0.3 * gauss())),
      y: t >= leavesAt ? 1 : 0,
    }));
  }).flat();

  it("is uniform when the outcomes are permuted among the accounts of a stratum", async () => {
    const database = await Database.open({ path: ":memory:", threads: 2 });
    await database.run(await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"));
    await database.run(`
create schema validation;
create table seen (account integer, grp integer, t integer, value double, y integer);
insert into seen values ${accounts.map((r) => `(${r.account}, ${r.group}, ${r.t}, ${r.value}, ${r.y})`).join(",")};
create table permuted as
with place as (select distinct account, grp, row_number() over (partition by grp order by account) as place from (select distinct account, grp from seen)),
shuffled as (
  select b, account, grp, row_number() over (partition by b, grp order by md5(b || ':' || account), account) as place
  from (select distinct account, grp from seen), range(${perms}) as r(b)
)
select s.b, p.account as holder, s.account as giver
from shuffled as s inner join place as p on p.grp = s.grp and p.place = s.place;
create view validation.observed as
select 'p' || p.b as definition, 'k' as subject, 'main' as statistic, v.account as account_no, 0 as block, 'all' as segment,
  v.grp * 3 + v.t // 2 as stratum, v.value, o.y
from permuted as p
inner join seen as v on v.account = p.holder
inner join seen as o on o.account = p.giver and o.t = v.t`);
    const nodes = [
      ...rankModels({ name: "t", source: "validation.observed" }),
      ...rankTotals("t", "validation.t_part"),
    ];
    await runNodes(database, sortNodes(nodes, new Set(["validation.observed"])), silentLog, () => 0);
    const found = await database.query<{ z: number; auc: number }>("select z, auc from validation.t_auc");
    database.close();
    const p = found.map(({ z }) => twoSidedP(z) as number);
    expect(p).toHaveLength(perms);
    expect(uniformP(p)).toBeGreaterThan(0.001);
    // The size at 5 %, within three standard errors.
    expect(p.filter((value) => value < 0.05).length / perms).toBeLessThan(0.05 + 3 * Math.sqrt((0.05 * 0.95) / perms));
    around(found.reduce((sum, { auc }) => sum + auc, 0) / perms, 0.5, 0.01);
  });

  it("and the test can tell: p-values that crowd at the small end are not uniform", () => {
    const even = Array.from({ length: 200 }, (_, i) => (i + 0.5) / 200);
    expect(uniformP(even)).toBeGreaterThan(0.99);
    expect(uniformP(even.map((p) => p ** 1.7))).toBeLessThan(0.001);
  });
});

const tables = [
  "kpi_statistic",
  "kpi_verdict",
  "kpi_test",
  "kpi_decile",
  "kpi_lead_time",
  "kpi_period",
  "kpi_segment",
  "baseline_coefficient",
] as const;
type Table = (typeof tables)[number];
type Everything = Readonly<Record<Table | "moving", readonly Record<string, unknown>[]>>;

/** Verdicts and statistics as text: every digit counts. `moving`: accounts with an influence, per KPI and statistic. */
async function everything(panel: Panel, options: PanelOptions = {}): Promise<Everything> {
  const wanted = tables.map((table) => `validation.${table}`);
  const database = await validatePanel(panel, { threads: 1, ...options }, wanted);
  const out: Record<string, readonly Record<string, unknown>[]> = {};
  for (const table of tables) out[table] = await database.query(`select * from validation.${table} order by all`);
  out.moving = await database.query(
    "select subject as kpi, count(*) as n from validation.kpi_influence where statistic = 'main' and psi <> 0 group by 1 order by 1",
  );
  database.close();
  return out as Everything;
}

interface Statistic {
  readonly kpi: string;
  readonly auc: number;
  readonly auc_se: number;
  readonly z: number;
  readonly z_logit: number;
  readonly crude_auc: number;
  readonly late_auc: number;
  readonly n_churned: number;
  readonly spearman_tenure: number;
  readonly [column: string]: unknown;
}
const statistics = (found: Everything) => found.kpi_statistic as readonly Statistic[];
const rules = (found: Everything) =>
  found.kpi_verdict.map(({ kpi, group_kind, segment, rule }) => `${kpi} ${group_kind} ${segment} ${rule}`).sort();

const kpis = ["causal", "twin", "late", "both_ends", "silence", "wrong_way", "tenure_like", "noise_b"];
/** 129 churned accounts and eight KPIs with seven different verdicts. */
const panel: Panel = { ...plantedPanel(5, 420, 26), kpis };
/** 86 churned accounts: twice as many are still below 200, so that the strata have as many bins. */
const small: Panel = { ...plantedPanel(11, 260, 26), kpis: ["causal", "late", "both_ends", "silence"] };

const mapValues = (from: Panel, change: (value: number, kpi: string) => number): Panel => ({
  ...from,
  rows: from.rows.map((row) => ({
    ...row,
    values: Object.fromEntries(
      Object.entries(row.values).map(([kpi, value]) => [kpi, value === null ? null : change(value, kpi)]),
    ),
  })),
});

describe("a validation", { timeout: 240_000 }, () => {
  let plain: Everything;
  let plainSmall: Everything;
  beforeAll(async () => {
    plain = await everything(panel, { healthier: Object.fromEntries(kpis.map((kpi) => [kpi, "higher"])) });
    plainSmall = await everything(small);
  });

  it("has many verdicts to change", () => {
    expect(new Set(plain.kpi_verdict.map(({ verdict }) => verdict)).size).toBeGreaterThanOrEqual(6);
  });

  it("turns round with the values: x -> -x, and higher is healthier -> lower is, gives 1 - A and the same verdicts", async () => {
    const turned = await everything(
      mapValues(panel, (value) => -value),
      { healthier: Object.fromEntries(kpis.map((kpi) => [kpi, "lower"])) },
    );
    for (const [i, one] of statistics(plain).entries()) {
      const other = statistics(turned)[i] as Statistic;
      expect(other.kpi).toBe(one.kpi);
      around(other.auc, 1 - one.auc);
      around(other.auc_se, one.auc_se);
      around(other.z, -one.z);
      around(other.crude_auc, 1 - one.crude_auc);
      around(other.late_auc, 1 - one.late_auc);
      around(other.z_logit, -one.z_logit, 1e-6);
      around(other.spearman_tenure, -one.spearman_tenure);
    }
    expect(rules(turned)).toEqual(rules(plain));
  });

  it("does not see an increasing transform: every digit of every statistic stays", async () => {
    const bent = await everything(
      mapValues(panel, (value) => Math.exp(value / 8) + value),
      { healthier: Object.fromEntries(kpis.map((kpi) => [kpi, "higher"])) },
    );
    const ranks = (found: Everything) => statistics(found).map(({ modal_value: _, lowest_value: __, ...rest }) => rest);
    expect(ranks(bent)).toEqual(ranks(plain));
    expect(bent.kpi_verdict).toEqual(plain.kpi_verdict);
    expect(bent.kpi_test).toEqual(plain.kpi_test);
    expect(bent.kpi_lead_time).toEqual(plain.kpi_lead_time);
  });

  it("of twice as many accounts, each with a double, has the same A and the error divided by the root of two", async () => {
    const twice: Panel = {
      ...small,
      accounts: small.accounts.flatMap((a) => [a, { ...a, id: `${a.id}_2` }]),
      rows: small.rows.flatMap((r) => [r, { ...r, account: `${r.account}_2` }]),
      unanswered: small.unanswered.flatMap((u) => [u, { ...u, account: `${u.account}_2` }]),
    };
    const doubled = await everything(twice);
    for (const [i, one] of statistics(plainSmall).entries()) {
      const other = statistics(doubled)[i] as Statistic;
      const moving = plainSmall.moving.find(({ kpi }) => kpi === one.kpi)?.n as number;
      // I / (I - 1) of the variance, over I and over 2 I accounts.
      const share = Math.sqrt(moving / (moving - 1) / ((2 * moving) / (2 * moving - 1)));
      expect(other.n_churned).toBe(2 * one.n_churned);
      around(other.auc, one.auc);
      around(other.auc_se * Math.SQRT2 * share, one.auc_se);
      around(other.crude_auc, one.crude_auc);
    }
  });

  it("gives the same digits on one thread or two, in any order of rows and accounts, and in parts", async () => {
    const uniform = random(99);
    const shuffled: Panel = {
      ...small,
      accounts: [...small.accounts].sort(() => uniform() - 0.5),
      rows: [...small.rows].sort(() => uniform() - 0.5),
    };
    const parts = ["features.account_kpi", "spine.account_snapshot"].flatMap((table) => {
      const name = table.replace(".", "_part_");
      return [
        ...[0, 1, 2].map(
          (part) =>
            `create table ${name}_${part} as select * from ${table} where (month(snapshot_date) + length(account_id)) % 3 = ${part}`,
        ),
        `drop table ${table}`,
        `create view ${table} as ${[2, 0, 1].map((part) => `select * from ${name}_${part}`).join(" union all ")}`,
      ];
    });
    expect(await everything(shuffled, { threads: 2, before: parts })).toEqual(plainSmall);
  });

  it("does not see accounts that were never eligible", async () => {
    const strange = `
insert into spine.account_period select '!' || account_id, started_on, date '2022-09-15', null, null from spine.account_period;
insert into spine.account_snapshot
select '!' || account_id, snapshot_date, period_started_on, tenure_days, 'strange', lifecycle, 99, 12345, true, renews_on, in_notice, true, false
from spine.account_snapshot;
insert into features.account_kpi select '!' || account_id, snapshot_date, ${small.kpis.map(() => "1e12").join(", ")} from features.account_kpi;
insert into features.kpi_why_null select '!' || account_id, snapshot_date, 'silence', 'unanswered' from spine.account_snapshot`;
    expect(await everything(small, { before: [strange] })).toEqual(plainSmall);
  });

  it("does not see the year: all dates 364 days on, on a weekly calendar", async () => {
    const weekly = "update meta.params set validate_every = 'week'";
    const days = 364;
    const later: Panel = {
      ...small,
      asOf: addDays(small.asOf, days),
      accounts: small.accounts.map((a) => ({
        ...a,
        startedOn: addDays(a.startedOn, days),
        endedOn: a.endedOn === null ? null : addDays(a.endedOn, days),
        noticeOn: a.noticeOn === null ? null : addDays(a.noticeOn, days),
      })),
      rows: small.rows.map((r) => ({ ...r, on: addDays(r.on, days) })),
      unanswered: small.unanswered.map((u) => ({ ...u, on: addDays(u.on, days) })),
    };
    // Sign-up cohorts are calendar years: another year parts the accounts otherwise.
    const undated = ({ kpi_verdict, ...found }: Everything) =>
      JSON.stringify(
        { ...found, kpi_verdict: kpi_verdict.filter(({ group_kind }) => group_kind !== "cohort") },
        null,
        1,
      )
        .replace(/\d{4}-\d\d-\d\d/g, "a day")
        .replace(/\d{1,2} [A-Z][a-z]+ 20\d\d/g, "a day");
    expect(undated(await everything(later, { before: [weekly] }))).toEqual(
      undated(await everything(small, { before: [weekly] })),
    );
  });

  it("of a segment split at random keeps every clear sign, and A within a standard error", async () => {
    const half = random(4);
    const side = new Map(panel.accounts.map(({ id }) => [id, half() < 0.5 ? "small_1" : "small_2"]));
    const split: Panel = {
      ...panel,
      rows: panel.rows.map((r) => (r.segment === "small" ? { ...r, segment: side.get(r.account) as string } : r)),
    };
    const found = await everything(split);
    expect(new Set(found.kpi_segment.map(({ segment }) => segment))).toEqual(new Set(["large", "small_1", "small_2"]));
    let clear = 0;
    for (const [i, one] of statistics(plain).entries()) {
      const other = statistics(found)[i] as Statistic;
      expect(Math.abs(other.auc - one.auc)).toBeLessThan(one.auc_se);
      if (Math.abs(one.z) < 3) continue;
      clear += 1;
      expect(Math.sign(other.auc - 0.5)).toBe(Math.sign(one.auc - 0.5));
      expect(Math.abs(other.z)).toBeGreaterThan(1.96);
    }
    expect(clear).toBeGreaterThanOrEqual(3);
  });

  it("stands values of any size", async () => {
    const bent = mapValues(
      { ...small, kpis: ["causal", "noise_b"] },
      (value) => Math.sign(value) * 10 ** (60 * Math.abs(value)),
    );
    const plain = await validatePanel({ ...small, kpis: ["causal", "noise_b"] }, {}, ["validation.kpi_statistic"]);
    const huge = await validatePanel(bent, {}, ["validation.kpi_statistic", "validation.kpi_decile"]);
    const statistic = "select kpi, auc, auc_se, crude_auc, late_auc from validation.kpi_statistic order by kpi";
    expect(await huge.query(statistic)).toEqual(await plain.query(statistic));
    const [{ most, least }] = (await huge.query(
      "select max(mean_value) as most, min(mean_value) as least from validation.kpi_decile where kpi = 'causal'",
    )) as [{ most: number; least: number }];
    expect(most).toBeGreaterThan(1e60);
    expect(least).toBeLessThan(-1e60);
    plain.close();
    huge.close();
  });

  it("keeps one of a KPI, its copy, the same on another scale, and the same with a little noise", async () => {
    const gauss = normal(random(3));
    const copies: Panel = {
      ...panel,
      kpis: ["causal", "copy", "bent", "near", "noise_b"],
      rows: panel.rows.map((row) => {
        const causal = row.values.causal as number;
        return {
          ...row,
          values: { ...row.values, copy: causal, bent: Math.exp(causal), near: causal + 0.01 * gauss() },
        };
      }),
    };
    const database = await validatePanel(copies, {}, ["validation.kpi_verdict"]);
    const found = await database.query<{ kpi: string; verdict: string; redundant_with: string | null }>(
      "select kpi, verdict, redundant_with from validation.kpi_verdict where group_kind = 'all' and kpi <> 'noise_b' order by kpi",
    );
    database.close();
    const kept = found.filter(({ verdict }) => verdict === "predicts");
    expect(kept).toHaveLength(1);
    expect(found.filter(({ redundant_with }) => redundant_with === kept[0]?.kpi)).toHaveLength(3);
  });

  it("keeps the labels that it gave when months are appended", async () => {
    const labels = async (asOf: string) => {
      const until: Panel = {
        ...small,
        asOf,
        accounts: small.accounts
          .filter(({ startedOn }) => startedOn < asOf)
          .map((a) => ({
            ...a,
            endedOn: a.endedOn !== null && a.endedOn < asOf ? a.endedOn : null,
            noticeOn: a.noticeOn !== null && a.noticeOn < asOf ? a.noticeOn : null,
          })),
        rows: small.rows.filter(({ on }) => on < asOf),
      };
      const database = await validatePanel(until, {}, ["validation.outcome"]);
      const rows = await database.query<{ y: number }>(
        "select account_id, snapshot_date, y from validation.outcome where y is not null order by all",
      );
      database.close();
      return rows;
    };
    const before = await labels("2023-09-01");
    const after = await labels("2024-03-01");
    expect(before.filter(({ y }) => y === 1).length).toBeGreaterThan(50);
    expect(after.length).toBeGreaterThan(before.length);
    const known = new Set(after.map((row) => JSON.stringify(row)));
    expect(before.filter((row) => !known.has(JSON.stringify(row)))).toEqual([]);
  });
});
