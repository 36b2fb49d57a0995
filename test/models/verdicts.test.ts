/** A panel with planted truth, from rows to verdicts; and panels that must not give any. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Database } from "../../pipelines/warehouse/database.ts";
import { type Panel, plantedPanel, validatePanel } from "../planted-panel.ts";

const scores = [
  `insert into scores.scorecard
select *, '{"list":[{"id":"red","to":30},{"id":"green","to":100}]}' from (values
  ('naive_baseline', 1, 'n', 'churn_risk', date '2020-01-01'),
  ('usage', 1, 'u', 'churn_risk', date '2023-01-01'),
  ('late', 1, 'l', 'churn_risk', date '2024-05-01'),
  ('leavers', 1, 'o', 'churn_risk', date '2020-01-01')) as t`,
  `insert into scores.account_score
select account_id, snapshot_date, 'naive_baseline', 1, false, cast(noise_a as decimal(18,6)), 'all' from features.account_kpi
union all select account_id, snapshot_date, 'usage', 1, snapshot_date >= '2023-04-01', cast(causal as decimal(18,6)),
  case when causal < -0.5 then 'red' else 'green' end from features.account_kpi
union all select account_id, snapshot_date, 'late', 1, false, cast(causal as decimal(18,6)), 'all' from features.account_kpi
union all select k.account_id, k.snapshot_date, 'leavers', 1, false,
  case when p.notice_on >= k.snapshot_date + 30 and p.notice_on < k.snapshot_date + 120 then cast(k.causal as decimal(18,6)) end,
  'all'
from features.account_kpi as k inner join spine.account_period as p on p.account_id = k.account_id`,
];

describe("planted truth", () => {
  let database: Database;
  beforeAll(async () => {
    database = await validatePanel(plantedPanel(7, 700), { before: scores });
  });
  afterAll(() => database?.close());

  it("finds each planted role", async () => {
    const rows = await database.query<{ kpi: string; verdict: string }>(
      "select kpi, verdict from validation.kpi_verdict where group_kind = 'all'",
    );
    const verdict = Object.fromEntries(rows.map((row) => [row.kpi, row.verdict]));
    // Which of the twins is kept is a matter of their sample; that exactly one is, is not.
    expect([verdict.causal, verdict.twin].sort()).toEqual(["predicts", "redundant"]);
    expect(verdict).toMatchObject({
      size_like: "confounded",
      tenure_like: "confounded",
      late: "late_only",
      both_ends: "non_monotone",
      wrong_way: "misleading",
      constant: "not_tested",
    });
    for (const kpi of ["noise_a", "noise_b", "noise_c"]) {
      expect(["no_useful_effect", "inconclusive"]).toContain(verdict[kpi]);
    }
  });

  it("has one row a KPI with every number that a claim rests on", async () => {
    const [row] = await database.query<Record<string, unknown>>(
      "select * from validation.kpi_verdict where kpi in ('causal', 'twin') and verdict = 'predicts' and group_kind = 'all'",
    );
    expect(row).toMatchObject({
      group_kind: "all",
      segment: "all",
      rule: "12",
      action_group: "Use",
      held: null,
      first_seen_on: null,
    });
    expect(row?.auc_low as number).toBeLessThan(row?.auc as number);
    expect(row?.auc as number).toBeLessThan(row?.auc_high as number);
    expect(row?.rate_low_fifth as number).toBeGreaterThan(row?.rate_high_fifth as number);
    expect(row?.sentence).toMatch(/^Accounts that had less (causal|twin) left more often 30 to 120 days later: /);
  });

  it("keeps one of the twins and says which, with their rank correlation", async () => {
    const rows = await database.query<Record<string, unknown>>(
      "select kpi, verdict, rule, redundant_with, label, sentence, action_group from validation.kpi_verdict where kpi in ('causal', 'twin') and group_kind = 'all' order by verdict",
    );
    const [kept, left] = rows.map(({ kpi }) => kpi as string);
    expect(rows[1]).toEqual({
      kpi: left,
      verdict: "redundant",
      rule: "18",
      redundant_with: kept,
      label: `Same as ${kept}`,
      sentence: `Ranks accounts much as ${kept} does (rank correlation .97) and adds nothing measurable beyond it. Keep one.`,
      action_group: "Leave out",
    });
    const [pair] = await database.query<Record<string, unknown>>(
      `select spearman, "group" from validation.kpi_pair where kpi = 'causal' and other = 'twin'`,
    );
    // Midranks by hand: the correlation of the two ranks over rows with both, which here is every labelled row.
    const rho = await database.scalar<number>(`
with ranked as (
  select
    rank() over (order by causal) + (count(*) over (partition by causal) - 1) / 2e0 as a,
    rank() over (order by twin) + (count(*) over (partition by twin) - 1) / 2e0 as b
  from features.account_kpi as k
  inner join validation.outcome as o
    on o.account_id = k.account_id and o.snapshot_date = k.snapshot_date and o.definition = 'subscription_end'
  where o.y is not null
)
select corr(a, b) from ranked`);
    expect(pair?.spearman as number).toBeCloseTo(rho as number, 9);
    expect(pair?.group).toBe(1);
  });

  it("adds up: a KPI's deciles hold every labelled row, and expected departures equal observed ones", async () => {
    const rows = await database.query<{ kpi: string; n: number; observed: number; expected: number }>(`
select kpi, sum(n_rows)::bigint as n, sum(n_rows * rate) as observed, sum(n_rows * expected_rate) as expected
from validation.kpi_decile group by kpi`);
    const labelled = await database.scalar<number>("select count(y) from validation.outcome");
    const events = await database.scalar<number>("select sum(y)::bigint from validation.outcome");
    for (const row of rows) {
      expect(row.n).toBe(labelled);
      expect(row.observed).toBeCloseTo(events as number, 6);
      expect(row.expected).toBeCloseTo(events as number, 6);
    }
    expect(rows).toHaveLength(12);
  });

  it("spreads departures over a KPI's fifths around the rate of the rows that have a value", async () => {
    const rows = await database.query<Record<"rate" | "low" | "middle" | "high", number> & { kpi: string }>(`
select s.kpi, any_value(s.rate_low_fifth) as low, any_value(s.rate_middle) as middle, any_value(s.rate_high_fifth) as high,
  sum(p.y) / count(*) as rate
from validation.kpi_statistic as s
inner join validation.kpi_placed as p on p.kpi = s.kpi and p.definition = s.definition
where s.rate_middle is not null group by s.kpi`);
    expect(rows.map((row) => row.kpi)).toContain("silence");
    for (const { kpi, rate, low, middle, high } of rows) {
      expect(Math.min(low, middle, high), kpi).toBeLessThanOrEqual(rate);
      expect(Math.max(low, middle, high), kpi).toBeGreaterThanOrEqual(rate);
    }
    // Observed over expected by hand: a stratum expects of its rows with a value what those rows did on average.
    const lowest = await database.scalar<number>(`
with valued as (
  select y, bin_5, avg(y) over (partition by stratum) as expected, avg(y) over () as rate
  from validation.kpi_placed where kpi = 'silence'
)
select sum(y) / sum(expected) * any_value(rate) from valued where bin_5 = 0`);
    expect(rows.find((row) => row.kpi === "silence")?.low).toBeCloseTo(lowest as number, 10);
    const [asked] = await database.query<Record<"unanswered" | "answered" | "rate", number>>(`
with asked as (
  select s.y, u.kpi is not null as is_missing, avg(s.y) over (partition by s.stratum) as expected
  from validation.stratum as s
  left join validation.kpi_unanswered as u on u.observation_no = s.observation_no and u.kpi = 'silence'
  left join validation.kpi_value as v on v.observation_no = s.observation_no and v.kpi = 'silence'
  where s.y is not null and (u.kpi is not null or v.kpi is not null)
)
select avg(y) as rate, sum(y) filter (where is_missing) / sum(expected) filter (where is_missing) * avg(y) as unanswered,
  sum(y) filter (where not is_missing) / sum(expected) filter (where not is_missing) * avg(y) as answered
from asked`);
    const [stored] = await database.query<Record<string, number>>(
      "select rate_unanswered, rate_answered from validation.kpi_statistic where kpi = 'silence'",
    );
    expect(stored?.rate_unanswered).toBeCloseTo(asked?.unanswered as number, 10);
    expect(stored?.rate_answered).toBeCloseTo(asked?.answered as number, 10);
  });

  it("cuts strata at the engine's own discrete quantiles, within segment and over all dates", async () => {
    const bins = await database.scalar<number>("select bins from validation.baseline_fit");
    const shares = Array.from({ length: (bins as number) - 1 }, (_, k) => `${k + 1}e0 / ${bins}`).join(", ");
    const other = await database.scalar<number>(`
with cut as (
  select segment, quantile_disc(predictor, [${shares}]) as cuts from validation.stratum where y is not null group by segment
)
select count(*) from validation.stratum as s inner join cut as c on c.segment = s.segment
where s.y is not null and s.bin <> len(list_filter(c.cuts, lambda cut: cut < s.predictor))`);
    expect(other).toBe(0);
    expect(await database.scalar("select count(distinct bin) from validation.stratum")).toBe(bins);
  });

  it("shows the cliff of a late KPI and the slope of an early one", async () => {
    const lead = async (kpi: string) =>
      (
        await database.query<{ auc: number }>(
          `select auc from validation.kpi_lead_time where kpi = '${kpi}' order by months_before`,
        )
      ).map((row) => row.auc);
    const late = await lead("late");
    expect(late).toHaveLength(6);
    expect(late[0] as number).toBeLessThan(0.1);
    for (const auc of late.slice(1)) expect(Math.abs(auc - 0.5)).toBeLessThan(0.06);
    const causal = await lead("causal");
    expect(causal[0] as number).toBeLessThan(causal[2] as number);
    expect(causal[2] as number).toBeLessThan(0.45);
  });

  it("stores influences that give the stored error", async () => {
    const rows = await database.query<{ kpi: string; se: number; wanted: number }>(`
select i.kpi, sqrt(count(case when i.psi <> 0 then 1 end) / (count(case when i.psi <> 0 then 1 end) - 1.0) * sum(i.psi * i.psi)) as se,
  any_value(v.auc_se) as wanted
from validation.account_influence as i
inner join validation.kpi_verdict as v on v.kpi = i.kpi and v.definition = i.definition and v.group_kind = 'all'
where i.statistic = 'main' group by i.kpi`);
    expect(rows.length).toBe(12);
    for (const { se, wanted } of rows) expect(se).toBeCloseTo(wanted, 9);
  });

  it("judges scores out of time, paired with the simple one", async () => {
    const rows = await database.query<Record<string, unknown>>(
      "select scorecard, state, n_churned, auc, simple_auc, difference_low from validation.scorecard_test where period = 'out_of_time' order by scorecard",
    );
    expect(rows.map((row) => [row.scorecard, row.state])).toEqual([
      ["late", "not checked"],
      ["leavers", "not checked"],
      ["naive_baseline", "no use"],
      ["usage", "works"],
    ]);
    expect(rows[3]?.auc as number).toBeGreaterThan(rows[3]?.simple_auc as number);
    const sentence = await database.scalar<string>(
      "select sentence from validation.scorecard_test where scorecard = 'late' and period = 'out_of_time'",
    );
    expect(sentence).toBe("Not checked: 0 of 50 churned accounts needed.");
    expect(
      await database.scalar(
        "select count(*) from validation.scorecard_test where period <> 'out_of_time' and state is not null",
      ),
    ).toBe(0);
  });

  it("counts the churned accounts of a score as it does a KPI's: those that can be compared", async () => {
    const counted = await database.scalar<number>(
      "select n_churned from validation.scorecard_test where scorecard = 'naive_baseline' and period = 'out_of_time'",
    );
    expect(counted).toBe(await database.scalar("select n_churned from validation.kpi_statistic where kpi = 'noise_a'"));
    // A score of leavers alone compares nobody.
    expect(
      await database.scalar(
        "select n_churned from validation.scorecard_test where scorecard = 'leavers' and period = 'out_of_time'",
      ),
    ).toBe(0);
  });

  it("keeps a ledger whose bands add up, longer horizons losing more", async () => {
    const rows = await database.query<{
      days: number;
      share: number;
      n_rows: number;
      churned: number;
      rate: number;
      lift: number;
    }>(`
select days, sum(share_of_churn) as share, sum(n_rows)::bigint as n_rows, sum(n_rows * rate) as churned,
  max(case when band = 'red' then rate end) as rate, max(case when band = 'red' then lift end) as lift
from validation.band_outcome where scorecard = 'usage' and mode = 'as_if' group by days order by days`);
    expect(rows.map((row) => row.days)).toEqual([30, 60, 90, 180]);
    for (const row of rows) expect(row.share).toBeCloseTo(1, 9);
    for (let i = 1; i < rows.length; i += 1) {
      expect(rows[i]?.rate as number).toBeGreaterThan(rows[i - 1]?.rate as number);
      expect(rows[i]?.n_rows as number).toBeLessThan(rows[i - 1]?.n_rows as number);
    }
    expect(rows[0]?.lift as number).toBeGreaterThan(1.3);
    // A decision in [s, s + 30) of a row whose 60 days are over, counted by hand from the periods.
    const counted = await database.scalar<number>(`
select count(*) from spine.account_snapshot as s
inner join spine.account_period as p on p.account_id = s.account_id
cross join meta.params as m
where s.snapshot_date + 60 <= m.as_of and s.snapshot_date >= date '2023-01-01' and p.notice_on >= s.snapshot_date and p.notice_on < s.snapshot_date + 30`);
    expect(rows[0]?.churned).toBeCloseTo(counted as number, 6);
    const asWas = await database.scalar<number>(
      "select sum(n_rows)::bigint from validation.band_outcome where scorecard = 'usage' and mode = 'as_was' and days = 30",
    );
    expect(asWas as number).toBeLessThan(rows[0]?.n_rows as number);
  });
});

describe("histories that can tell nothing", () => {
  const verdicts = async (panel: Panel, options = {}) => {
    const database = await validatePanel(panel, options);
    const rows = await database.query<{
      kpi: string;
      rule: string;
      reason: string;
      sentence: string;
      p: number | null;
      small_print: string | null;
    }>(
      "select kpi, rule, reason, sentence, p, small_print from validation.kpi_verdict where group_kind = 'all' order by kpi",
    );
    database.close();
    return rows;
  };
  const small = { ...plantedPanel(3, 60, 14), kpis: ["causal", "noise_a"], unanswered: [] };
  it("a dozen churned accounts: not enough data, and nothing more", async () => {
    const rows = await verdicts(small);
    expect(new Set(rows.map((row) => row.rule))).toEqual(new Set(["0"]));
    expect(rows.map((row) => [row.p, row.small_print])).toEqual(rows.map(() => [null, null]));
    expect(rows[0]?.sentence).toMatch(
      /^Not tested: \d+ churned and \d+ staying accounts have a value, 50 of each are needed\.$/,
    );
  });
  it("nobody left", async () => {
    const rows = await verdicts({
      ...small,
      accounts: small.accounts.map((account) => ({ ...account, endedOn: null, noticeOn: null })),
    });
    expect(new Set(rows.map((row) => row.reason))).toEqual(new Set(["no_churn"]));
  });
  it("no rate where nothing is expected or no row stands: never 100 of 100", async () => {
    const database = await validatePanel({
      ...small,
      accounts: small.accounts.map((account) => ({ ...account, endedOn: null, noticeOn: null })),
    });
    const rows = await database.query(
      "select distinct rate_low_fifth, rate_middle, rate_high_fifth from validation.kpi_statistic",
    );
    expect(rows).toEqual([{ rate_low_fifth: null, rate_middle: null, rate_high_fifth: null }]);
    expect(await database.query("select wilson_low(null, 5e0) as low, wilson_high(0.5e0, null) as high")).toEqual([
      { low: null, high: null },
    ]);
    database.close();
  });
  it("the highest fifth of a KPI that nearly everybody has is those who have it; a constant has none", async () => {
    const rows = small.rows.map((row, i) => ({ ...row, values: { causal: i % 10 === 0 ? 0 : 1, noise_a: 7 } }));
    const database = await validatePanel({ ...small, rows });
    const wanted = await database.query(`
with valued as (
  select y, value, avg(y) over (partition by stratum) as expected, avg(y) over () as rate
  from validation.kpi_placed where kpi = 'causal'
)
select round(sum(y) / sum(expected) * any_value(rate), 10) as rate from valued group by value order by value`);
    expect(
      await database.query(`
select kpi, round(rate_low_fifth, 10) as low, rate_middle, round(rate_high_fifth, 10) as high
from validation.kpi_statistic order by kpi`),
    ).toEqual([
      { kpi: "causal", low: wanted[0]?.rate, rate_middle: null, high: wanted[1]?.rate },
      { kpi: "noise_a", low: expect.any(Number), rate_middle: null, high: null },
    ]);
    // Nor an interval: where every value is the same, there is no spread to show.
    expect(
      await database.query(`
select distinct auc, auc_low, auc_high from (
  select kpi, auc, auc_low, auc_high from validation.kpi_segment
  union all select kpi, auc, auc_low, auc_high from validation.kpi_period
  union all select kpi, auc, auc_low, auc_high from validation.kpi_lead_time
) as part where kpi = 'noise_a'`),
    ).toEqual([{ auc: 0.5, auc_low: null, auc_high: null }]);
    database.close();
  });
  it("a size that is not known is marked, not taken for the smallest", async () => {
    const gap = (row: { readonly account: string }) => Number(row.account.slice(1)) % 3 === 0;
    const some = await validatePanel({
      ...small,
      rows: small.rows.map((row) => (gap(row) ? { ...row, seats: null } : row)),
    });
    expect(
      await some.query(`
select count(case when seats_missing = 1 then 1 end) as n_missing,
  count(case when seats_missing = 1 and log_seats <> 0 then 1 end) as n_wrong,
  count(case when mrr_missing = 1 then 1 end) as n_money_missing
from validation.baseline_row`),
    ).toEqual([
      {
        n_missing: small.rows.filter(gap).length,
        n_wrong: 0,
        n_money_missing: small.rows.filter(gap).length,
      },
    ]);
    some.close();
  });
  it("no row, and no labelled row", async () => {
    expect(
      new Set((await verdicts({ ...small, rows: [], accounts: [], unanswered: [] })).map((row) => row.reason)),
    ).toEqual(new Set(["no_labelled_rows"]));
    const young = await verdicts({
      ...small,
      asOf: "2022-05-01",
      rows: small.rows.filter((row) => row.on < "2022-05-01"),
    });
    expect(new Set(young.map((row) => row.reason))).toEqual(new Set(["no_labelled_rows"]));
  });
  it("opposite in two segments, though nothing shows over all", async () => {
    const panel = plantedPanel(9, 1500);
    const rows = panel.rows.map((row) => ({
      ...row,
      values: { ...row.values, noise_a: (row.segment === "large" ? 1 : -1) * (row.values.causal as number) },
    }));
    const database = await validatePanel({ ...panel, rows }, {}, ["validation.kpi_verdict"]);
    const [row] = await database.query<{ rule: string; verdict: string; sentence: string }>(
      "select rule, verdict, sentence from validation.kpi_verdict where kpi = 'noise_a' and group_kind = 'all'",
    );
    database.close();
    expect(row).toMatchObject({ rule: "5", verdict: "unstable_segment" });
    expect(row?.sentence).toMatch(
      /^In large, leavers had less noise_a \(6\d of 100\); in small, leavers had more noise_a \(6\d\)\. Use per segment/,
    );
  });

  it("a value that the truncation test saw change is a leak, whatever the data", async () => {
    const rows = await verdicts(small, {
      truncation: "meta.truncated",
      before: ["create table meta.truncated as select 'causal' as kpi, 46 as n_changed union all select 'noise_a', 0"],
    });
    expect(rows.find((row) => row.kpi === "causal")).toMatchObject({
      rule: "L",
      sentence: "Not usable: 46 values change when later rows are removed.",
    });
    expect(rows.find((row) => row.kpi === "noise_a")?.rule).toBe("0");
  });
});
