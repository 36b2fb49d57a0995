/**
 * IBM's Telco customers (7,043, 26.5 % of them left): the logistic regression by Newton's method in SQL ranks them as well as
 * scikit-learn's does in cross-validation (five times ten folds: AUC .845, average precision .654).
 * The folds are random because the table has no dates: one row a customer, measured at the end. Where there are dates, as in every
 * book, Assay never splits rows at random.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fitLogistic } from "../../pipelines/validation/newton.ts";
import { doubleLiteral } from "../../pipelines/validation/tables.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { literal } from "../../pipelines/warehouse/literal.ts";
import { dataFolder, hasData } from "../data.ts";

const numbers = ["tenure", "MonthlyCharges", "TotalCharges", "SeniorCitizen"];
/** Columns of words with the words that get a dummy; `No internet service` is the same customers everywhere. */
const words: Readonly<Record<string, readonly string[]>> = {
  gender: ["Male"],
  Partner: ["Yes"],
  Dependents: ["Yes"],
  PhoneService: ["Yes"],
  MultipleLines: ["Yes"],
  InternetService: ["DSL", "Fiber optic"],
  OnlineSecurity: ["Yes"],
  OnlineBackup: ["Yes"],
  DeviceProtection: ["Yes"],
  TechSupport: ["Yes"],
  StreamingTV: ["Yes"],
  StreamingMovies: ["Yes"],
  Contract: ["One year", "Two year"],
  PaperlessBilling: ["Yes"],
  PaymentMethod: ["Electronic check", "Mailed check", "Credit card (automatic)"],
};
const terms = [
  ...numbers.map((name) => `coalesce(try_cast("${name}" as double), 0e0)`),
  ...Object.entries(words).flatMap(([name, values]) =>
    values.map((value) => `case when "${name}" = ${literal(value)} then 1e0 else 0e0 end`),
  ),
];
const x = terms.map((_, i) => `x${i}`);

describe.runIf(hasData("telco"))("Telco, a table without dates", () => {
  let database: Database;
  beforeAll(async () => {
    database = await Database.open({ path: ":memory:", threads: 2 });
    const file = join(dataFolder, "telco", "Telco-Customer-Churn.csv");
    await database.run(`
create table customer as
with read as (
  select
    "customerID" as id, case when "Churn" = 'Yes' then 1 else 0 end as y, ${terms.map((sql, i) => `${sql} as x${i}`).join(", ")}
  from read_csv(${literal(file)}, header = true, all_varchar = true)
)
select
  cast(row_number() over (order by id) as integer) as account_no, y,
  (row_number() over (partition by y order by md5(id))) % 10 as fold,
  ${x.map((name) => `(${name} - avg(${name}) over ()) / stddev_pop(${name}) over () as ${name}`).join(", ")}
from read`);
  });
  afterAll(() => database?.close());

  it("the logistic regression in SQL reaches AUC .845 and average precision .654 out of fold", async () => {
    const fits = await fitLogistic(database.query, {
      rows: `select 'fold' || f.fold as fit, c.account_no, 0 as block, c.y, ${x.map((name) => `c.${name}`).join(", ")}
from customer as c cross join (select distinct fold from customer) as f where c.fold <> f.fold`,
      covariates: x,
      ridge: 1e-3,
    });
    expect(fits.size).toBe(10);
    expect([...fits.values()].every(({ isConverged }) => isConverged)).toBe(true);
    const predictors = [...fits].map(
      ([fit, { effects, coefficients }]) =>
        `when 'fold' || fold = ${literal(fit)} then ${[
          doubleLiteral(effects.get(0) as number),
          ...x.map((name) => `${doubleLiteral(coefficients.get(name) as number)} * ${name}`),
        ].join(" + ")}`,
    );
    const [found] = await database.query<{ n: number; churned: number; auc: number; average_precision: number }>(`
with predicted as (select y, 1e0 / (1e0 + exp(-(case ${predictors.join(" ")} end))) as p from customer),
counted as (select p, sum(y)::double as e, count(*)::double as m from predicted group by p),
placed as (
  select *, sum(m) over up - m - (sum(e) over up - e) as others_below, sum(e) over down as tp, sum(m) over down as k,
    sum(e) over () as te, sum(m) over () as n
  from counted
  window up as (order by p), down as (order by p desc)
)
select any_value(n)::integer as n, any_value(te)::integer as churned,
  sum(e * (others_below + (m - e) / 2)) / any_value(te * (n - te)) as auc,
  sum(e / te * tp / k) as average_precision
from placed`);
    expect([found?.n, found?.churned]).toEqual([7043, 1869]);
    expect(Math.abs((found?.auc as number) - 0.845)).toBeLessThan(0.003);
    expect(Math.abs((found?.average_precision as number) - 0.654)).toBeLessThan(0.005);
  });
});
