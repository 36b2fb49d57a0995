/** Scores turned into probabilities walking forward, and how well the probabilities fit what came (docs/method.md, "Scores"). */
import type { Step } from "../models/model.ts";
import { cholesky, solveFactored } from "./linear.ts";
import { type ColumnTypes, twelveDigits, writeTable } from "./tables.ts";

/** Rows that share a regressor: how many there are, and how many of them left. */
export interface CountedRows {
  readonly x: number;
  readonly n: number;
  readonly events: number;
}

export interface LogisticLine {
  readonly intercept: number;
  readonly slope: number;
  /** X'WX at the estimate: ones, ones times x, x squared. */
  readonly information: readonly [number, number, number];
}

const expit = (eta: number): number => 1 / (1 + Math.exp(-eta));

/**
 * Logistic regression on one regressor by Newton's method with step-halving, over counted rows: the maximum of the likelihood,
 * without a penalty. Null where there is none: one class only, one value only, or a regressor that separates the classes.
 */
export function fitLine(rows: readonly CountedRows[]): LogisticLine | null {
  const n = rows.reduce((sum, row) => sum + row.n, 0);
  const events = rows.reduce((sum, row) => sum + row.events, 0);
  if (events === 0 || events === n) return null;
  // Centred and scaled, so that one tolerance serves every regressor.
  const mean = rows.reduce((sum, row) => sum + row.n * row.x, 0) / n;
  const spread = Math.sqrt(rows.reduce((sum, row) => sum + row.n * (row.x - mean) ** 2, 0) / n);
  if (!(spread > 1e-12)) return null;
  const scaled = rows.map((row) => ({ ...row, z: (row.x - mean) / spread }));
  const likelihood = (a: number, b: number): number =>
    scaled.reduce((sum, { n: all, events: left, z }) => {
      const eta = a + b * z;
      // log(1 + exp(eta)) without overflow.
      const log = Math.max(eta, 0) + Math.log1p(Math.exp(-Math.abs(eta)));
      return sum + left * eta - all * log;
    }, 0);
  let a = Math.log(events / (n - events));
  let b = 0;
  let value = likelihood(a, b);
  for (let pass = 0; pass < 50; pass += 1) {
    let [g0, g1, h00, h01, h11] = [0, 0, 0, 0, 0];
    for (const { n: all, events: left, z } of scaled) {
      const mu = expit(a + b * z);
      const w = all * mu * (1 - mu);
      const off = left - all * mu;
      g0 += off;
      g1 += off * z;
      h00 += w;
      h01 += w * z;
      h11 += w * z * z;
    }
    const factor = cholesky([
      [h00, h01],
      [h01, h11],
    ]);
    if (factor === null) return null;
    const [da, db] = solveFactored(factor, [g0, g1]) as [number, number];
    if (Math.max(Math.abs(da), Math.abs(db)) < 1e-12) break;
    let scale = 1;
    while (scale > 1e-6 && likelihood(a + scale * da, b + scale * db) < value - 1e-12 * Math.abs(value)) scale /= 2;
    a += scale * da;
    b += scale * db;
    value = likelihood(a, b);
    // The likelihood of classes that separate has no maximum: the slope runs away.
    if (!Number.isFinite(value) || Math.abs(b) > 30) return null;
  }
  const slope = b / spread;
  const intercept = a - slope * mean;
  const information = rows.reduce<[number, number, number]>(
    ([one, first, second], row) => {
      const mu = expit(intercept + slope * row.x);
      const w = row.n * mu * (1 - mu);
      return [one + w, first + w * row.x, second + w * row.x * row.x];
    },
    [0, 0, 0],
  );
  return { intercept, slope, information };
}

/**
 * Standard error of the slope, clustered by account: (H^-1 M H^-1) G/(G-1) (n-1)/(n-2), where `meat` holds the sums over
 * accounts of u0 u0, u0 u1, u1 u1 of each account's scores. Null with fewer than two accounts.
 */
export function clusteredSlopeError(
  { information: [h00, h01, h11] }: LogisticLine,
  meat: readonly [number, number, number],
  accounts: number,
  n: number,
): number | null {
  const determinant = h00 * h11 - h01 * h01;
  if (accounts < 2 || n < 3 || !(determinant > 0)) return null;
  // Second row of the inverse.
  const [i10, i11] = [-h01 / determinant, h00 / determinant];
  const [m00, m01, m11] = meat;
  const variance = i10 * i10 * m00 + 2 * i10 * i11 * m01 + i11 * i11 * m11;
  return Math.sqrt(Math.max(0, variance) * (accounts / (accounts - 1)) * ((n - 1) / (n - 2)));
}

/** Churned accounts that a calibrator needs. */
export const leastTrained = 50;

interface PeriodRow {
  readonly subject: string;
  readonly period_no: number;
  /** Last snapshot whose outcome was known when the period began; null without any. */
  readonly train_to: string | null;
  readonly n_train_churned: number;
}

const calibratorColumns: ColumnTypes = {
  subject: "varchar",
  period_no: "integer",
  train_to: "date",
  n_train_rows: "bigint",
  n_train_churned: "bigint",
  base_rate: "double",
  intercept: "double",
  slope: "double",
  why_null: "varchar",
};

/**
 * validation.score_calibrator (subject, period: the log-odds of leaving are intercept + slope x hundredth of the scale / 100),
 * score_probability (what that makes of every hundredth) and score_slope (the outcome on the log-odds of the forecast, for
 * the whole part out of time and for each period). A period's calibrator is fitted on the labelled rows whose window, and
 * the days in which a departure can be undone, were over when the period began; `too_few_churned` below 50 churned
 * accounts there.
 */
export const calibrateScores: Step = {
  kind: "step",
  name: "validation.calibrate_scores",
  depends: ["validation.score_row", "validation.score_period", "validation.definition"],
  params: ["gap_days", "horizon_days"],
  produces: ["validation.score_calibrator", "validation.score_probability", "validation.score_slope"],
  version: "1",
  async run(context) {
    const periods = await context.query<PeriodRow>(`
with period as (
  select subject, period_no, min(first_on) as first_on
  from validation.score_period where sample = 'out_of_time' group by subject, period_no
)
select
  p.subject, p.period_no,
  max(r.snapshot_date) as train_to,
  count(distinct case when r.y = 1 then r.account_no end) as n_train_churned
from period as p
cross join meta.params as m
cross join (select settle_days from validation.definition where is_primary) as d
left join validation.score_row as r
  on r.subject = p.subject and r.score is not null
  and r.snapshot_date + m.gap_days + m.horizon_days + d.settle_days <= p.first_on
group by p.subject, p.period_no
order by p.subject, p.period_no`);
    const counts = await context.query<{
      subject: string;
      snapshot_date: string;
      hundredth: number;
      n: number;
      events: number;
    }>(`
select subject, snapshot_date, hundredth, count(*) as n, cast(sum(y) as bigint) as events
from validation.score_row where score is not null
group by subject, snapshot_date, hundredth order by subject, snapshot_date, hundredth`);
    const calibrators = periods.map((period) => {
      const { subject, period_no, train_to, n_train_churned } = period;
      const trained =
        train_to === null ? [] : counts.filter((row) => row.subject === subject && row.snapshot_date <= train_to);
      const rows = byHundredth(trained);
      const n = rows.reduce((sum, row) => sum + row.n, 0);
      const events = rows.reduce((sum, row) => sum + row.events, 0);
      const line = n_train_churned < leastTrained ? null : fitLine(rows);
      return {
        subject,
        period_no,
        train_to,
        n_train_rows: n,
        n_train_churned,
        base_rate: n === 0 ? null : twelveDigits(events / n),
        intercept: line === null ? null : twelveDigits(line.intercept),
        slope: line === null ? null : twelveDigits(line.slope),
        why_null: n_train_churned < leastTrained ? "too_few_churned" : line === null ? "no_fit" : null,
      };
    });
    await writeTable(context, "validation.score_calibrator", calibratorColumns, calibrators);
    await context.run(`
create table validation.score_probability as
select
  c.subject,
  c.period_no,
  cast(h.hundredth as integer) as hundredth,
  twelve_digits(1e0 / (1e0 + exp(-(c.intercept + c.slope * h.hundredth / 100e0)))) as probability,
  c.base_rate
from validation.score_calibrator as c
cross join range(0, 101) as h(hundredth)
where c.why_null is null`);
    await writeSlopes(context);
  },
};

const byHundredth = (rows: readonly { readonly hundredth: number; readonly n: number; readonly events: number }[]) => {
  const sums = new Map<number, { x: number; n: number; events: number }>();
  for (const { hundredth, n, events } of rows) {
    const sum = sums.get(hundredth) ?? { x: hundredth / 100, n: 0, events: 0 };
    sum.n += n;
    sum.events += events;
    sums.set(hundredth, sum);
  }
  return [...sums.values()].sort((a, b) => a.x - b.x);
};

/** Forecasts that are 0 or 1 but for rounding have no log-odds: they are held a millionth of a millionth away. */
const logOdds =
  "ln(held_between(p.probability, 1e-12, 1e0 - 1e-12) / (1e0 - held_between(p.probability, 1e-12, 1e0 - 1e-12)))";

const forecastRows = `
select r.subject, s.slice, r.account_no, r.y, ${logOdds} as x
from validation.score_row as r
inner join validation.score_period as d on d.subject = r.subject and d.block = r.block and d.sample = 'out_of_time'
inner join validation.score_probability as p
  on p.subject = r.subject and p.period_no = d.period_no and p.hundredth = r.hundredth
cross join lateral (select unnest(['out_of_time', 'out_of_time:' || d.period_no]) as slice) as s
where r.is_out_of_time and r.score is not null`;

async function writeSlopes(context: Parameters<Step["run"]>[0]): Promise<void> {
  const counts = await context.query<{ subject: string; slice: string; x: number; n: number; events: number }>(`
select subject, slice, x, count(*) as n, cast(sum(y) as bigint) as events
from (${forecastRows}) as f group by subject, slice, x order by subject, slice, x`);
  const slices = new Map<string, { subject: string; slice: string; rows: CountedRows[] }>();
  for (const { subject, slice, ...row } of counts) {
    const key = `${subject} ${slice}`;
    const found = slices.get(key) ?? { subject, slice, rows: [] };
    found.rows.push(row);
    slices.set(key, found);
  }
  const fitted = [...slices.values()].flatMap(({ subject, slice, rows }) => {
    const line = fitLine(rows);
    return line === null ? [] : [{ subject, slice, line }];
  });
  await context.run("create temp table score_line (subject varchar, slice varchar, intercept double, slope double)");
  for (let from = 0; from < fitted.length; from += 500) {
    const rows = fitted.slice(from, from + 500);
    await context.run(
      `insert into score_line values ${rows.map(({ subject, slice, line }) => `('${subject}', '${slice}', ${line.intercept}, ${line.slope})`).join(", ")}`,
    );
  }
  const meats = await context.query<{
    subject: string;
    slice: string;
    m00: number;
    m01: number;
    m11: number;
    accounts: number;
    n: number;
  }>(`
with scored as (
  select f.subject, f.slice, f.account_no, f.x, f.y - 1e0 / (1e0 + exp(-(l.intercept + l.slope * f.x))) as u
  from (${forecastRows}) as f
  inner join score_line as l on l.subject = f.subject and l.slice = f.slice
),
by_account as (
  select subject, slice, account_no, count(*) as n, exact_sum(u) as u0, exact_sum(u * x) as u1
  from scored group by subject, slice, account_no
)
select
  subject, slice, exact_sum(u0 * u0) as m00, exact_sum(u0 * u1) as m01, exact_sum(u1 * u1) as m11,
  count(*) as accounts, cast(sum(n) as bigint) as n
from by_account group by subject, slice order by subject, slice`);
  await context.run("drop table score_line");
  const lines = new Map(fitted.map(({ subject, slice, line }) => [`${subject} ${slice}`, line]));
  await writeTable(
    context,
    "validation.score_slope",
    { subject: "varchar", slice: "varchar", intercept: "double", slope: "double", slope_se: "double" },
    meats.map(({ subject, slice, m00, m01, m11, accounts, n }) => {
      const line = lines.get(`${subject} ${slice}`) as LogisticLine;
      return {
        subject,
        slice,
        intercept: twelveDigits(line.intercept),
        slope: twelveDigits(line.slope),
        slope_se: twelveDigits(clusteredSlopeError(line, [m00, m01, m11], accounts, n)),
      };
    }),
  );
}
