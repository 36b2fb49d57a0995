/** The share of readings that led to leaving, by any groups of account-months, beside what like accounts had. */

/**
 * Common table expressions that end in `<name>`, one row per group. `from` is a relation with the columns of `keys`, account_no (one
 * account has many rows), y (1 a departure, 0 none) and expected (the mean y of the row's stratum of validation.stratum: accounts
 * alike in age, segment, size and renewal in the same months).
 * rate with Wilson's 95 % interval on the effective number of rows, because an account's rows move together (docs/method.md);
 * difference = rate - expected_rate with a 95 % interval from the accounts' own sums, z its ratio to its standard error.
 * Nothing is said of fewer than `least` accounts.
 */
export function ratedBy(name: string, from: string, keys: readonly string[], least: string): string {
  const key = keys.join(", ");
  return `${name}_account as (
  select
    ${key}, account_no, count(*) as m, cast(sum(y) as bigint) as e,
    exact_sum(y - expected) as over
  from ${from}
  group by ${key}, account_no
),
${name}_sum as (
  select
    ${key},
    cast(sum(m) as bigint) as n_rows,
    count(*) as n_accounts,
    count(*) filter (where e > 0) as n_churned,
    cast(sum(e) as double) / sum(m) as rate,
    exact_sum(over) / sum(m) as difference,
    cast(sum(e * e) as double) as ee,
    cast(sum(e * m) as double) as em,
    cast(sum(m * m) as double) as mm,
    exact_sum(over * over) as oo,
    exact_sum(over * m) as om
  from ${name}_account
  group by ${key}
),
${name}_spread as (
  select
    *,
    n_accounts / nullif(n_accounts - 1e0, 0e0) * (ee - 2e0 * rate * em + rate * rate * mm) / (cast(n_rows as double) * n_rows) as variance,
    sqrt(greatest(0e0, n_accounts / nullif(n_accounts - 1e0, 0e0) * (oo - 2e0 * difference * om + difference * difference * mm))) / n_rows as se
  from ${name}_sum
),
${name} as (
  select
    ${key},
    n_rows,
    n_accounts,
    case when n_accounts >= ${least} then n_churned end as n_churned,
    case when n_accounts >= ${least} then twelve_digits(rate) end as churn_rate,
    case when n_accounts >= ${least} then twelve_digits(wilson_low(rate, n_eff)) end as churn_low,
    case when n_accounts >= ${least} then twelve_digits(wilson_high(rate, n_eff)) end as churn_high,
    case when n_accounts >= ${least} then twelve_digits(rate - difference) end as expected_rate,
    case when n_accounts >= ${least} then twelve_digits(difference) end as difference,
    case when n_accounts >= ${least} then twelve_digits(difference - 1.959963984540054e0 * se) end as difference_low,
    case when n_accounts >= ${least} then twelve_digits(difference + 1.959963984540054e0 * se) end as difference_high,
    case when n_accounts >= ${least} and se > 1e-12 then twelve_digits(difference / se) end as z
  from (
    select
      *,
      case when n_accounts > 1 and variance > 1e-15 then rate * (1e0 - rate) / variance else cast(n_accounts as double) end as n_eff
    from ${name}_spread
  )
)`;
}

/** Rows that history can judge, with what like accounts had: CTE `labelled` (account_id, account_no, snapshot_date, y, expected). */
export const labelledRows = `labelled_row as (
  select s.account_no, s.observation_no, s.stratum, s.account_id, s.snapshot_date, s.y
  from validation.stratum as s
  inner join validation.definition as d on d.definition = s.definition and d.is_primary
  where s.y is not null
),
labelled_stratum as (
  select stratum, twelve_digits(sum(y) / cast(count(*) as double)) as expected from labelled_row group by stratum
),
labelled as (
  select r.account_id, r.account_no, r.snapshot_date, r.y, t.expected
  from labelled_row as r inner join labelled_stratum as t on t.stratum = r.stratum
)`;
