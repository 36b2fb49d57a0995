/**
 * The stratified AUC and its account-clustered variance as SQL, for many subjects (KPIs, scores) and several statistics
 * at once. The estimator: A = P(value of a churner > value of a non-churner) over pairs of the same stratum, ties half,
 * a stratum with e event rows and n others weighted by 1 / (e + n) (van Elteren 1960). The variance comes from the
 * accounts' influence values psi: DeLong's components, extended to strata and to clusters (docs/method.md, "The number: A").
 */
import type { Model } from "../models/model.ts";

export interface RankSource {
  /** Prefix of the tables that come out: `kpi` makes validation.kpi_cell, kpi_part. */
  readonly name: string;
  /**
   * The table to rank, one row an observation: definition, subject, statistic, account_no, block, segment, stratum,
   * value (never null), y (1 event, 0 other).
   */
  readonly source: string;
}

const model = (name: string, grain: readonly string[], depends: readonly string[], sql: string): Model => ({
  kind: "table",
  name,
  grain,
  depends,
  params: [],
  audits: [],
  portable: false,
  sql: sql.trim(),
});

/**
 * `<name>_cell` counts events and others per value and stratum with those below; `<name>_part` sums, per account, block
 * and segment, what its rows won (pairs won, a tie half) and met (pairs), both weighted. Strata without both classes
 * contribute nothing and are left out. Everything that follows is a sum of parts:
 * A = sum(event_won) / sum(event_met), psi = (won - A met) / sum(event_met).
 */
export function rankModels({ name, source }: RankSource): readonly Model[] {
  const cell = `validation.${name}_cell`;
  return [
    model(
      cell,
      ["definition", "subject", "statistic", "stratum", "value"],
      [source],
      `
with counted as (
  select
    definition, subject, statistic, stratum, value,
    cast(sum(y) as double) as n_events,
    cast(sum(1 - y) as double) as n_others
  from ${source}
  group by definition, subject, statistic, stratum, value
),
ranked as (
  select
    *,
    sum(n_events) over (partition by definition, subject, statistic, stratum) as stratum_events,
    sum(n_others) over (partition by definition, subject, statistic, stratum) as stratum_others,
    coalesce(sum(n_events) over below, 0e0) as events_below,
    coalesce(sum(n_others) over below, 0e0) as others_below
  from counted
  window below as (
    partition by definition, subject, statistic, stratum order by value rows between unbounded preceding and 1 preceding
  )
)
select
  definition, subject, statistic, stratum, value, n_events, n_others, stratum_events, stratum_others, events_below,
  others_below
from ranked
where stratum_events > 0 and stratum_others > 0`,
    ),
    model(
      `validation.${name}_part`,
      ["definition", "subject", "statistic", "account_no", "block", "segment"],
      [source, cell],
      `
with weighed as (
  select
    o.definition, o.subject, o.statistic, o.account_no, o.block, o.segment, o.y,
    case
      when o.y = 1 then c.others_below + c.n_others / 2e0
      else c.stratum_events - c.events_below - c.n_events / 2e0
    end / (c.stratum_events + c.stratum_others) as won,
    case when o.y = 1 then c.stratum_others else c.stratum_events end / (c.stratum_events + c.stratum_others) as met,
    case when o.y = 1 then c.n_others / (c.stratum_events + c.stratum_others) else 0e0 end as tied
  from ${source} as o
  inner join ${cell} as c
    on c.definition = o.definition and c.subject = o.subject and c.statistic = o.statistic
    and c.stratum = o.stratum and c.value = o.value
)
select
  definition, subject, statistic, account_no, block, segment,
  count(*) as n_rows,
  cast(sum(y) as bigint) as n_event_rows,
  exact_share_sum(won) as won,
  exact_share_sum(met) as met,
  exact_share_sum(case when y = 1 then won else 0e0 end) as event_won,
  exact_share_sum(case when y = 1 then met else 0e0 end) as event_met,
  exact_share_sum(tied) as event_tied
from weighed
group by definition, subject, statistic, account_no, block, segment`,
    ),
  ];
}

interface Totals {
  /** A row of `parts` is all that an account has of a statistic. */
  readonly isSummed?: boolean;
  /** What names a statistic in `parts`; of whole numbers with `names`, a table that gives their definition, subject, statistic. */
  readonly keys?: readonly string[];
  readonly names?: string;
  /** The statistics of which each account's influence is kept, as the end of a condition: `statistic in (...)`. Without it, of all. */
  readonly influenceOf?: string;
}

/**
 * Sums parts to `<name>_auc` (one row a statistic: auc, se, tie share, distinct accounts) and `<name>_influence` (psi per
 * account). `parts` may be a view that adds statistics made of a part of the strata (a half, a period, a segment).
 */
export function rankTotals(
  name: string,
  parts: string,
  { isSummed = false, keys = ["definition", "subject", "statistic"], names, influenceOf }: Totals = {},
): readonly Model[] {
  const point = `validation.${name}_point`;
  const influence = `validation.${name}_influence`;
  const named = ["definition", "subject", "statistic"];
  const same = (a: string, b: string): string => keys.map((key) => `${a}.${key} = ${b}.${key}`).join(" and ");
  const summed = (...columns: readonly string[]): string =>
    isSummed
      ? `select * from ${parts}`
      : `select ${keys.join(", ")}, account_no, ${columns.join(", ")}\n  from ${parts}\n  group by ${keys.join(", ")}, account_no`;
  const shares = (...columns: readonly string[]): readonly string[] =>
    columns.map((column) => `exact_share_sum(${column}) as ${column}`);
  const columns = [...new Set([...keys, ...named])];
  const moved = (condition: string): string => `
summed as (
  ${summed(...shares("won", "met"))}
),
moved as (
  select
    ${columns.map((column) => `p.${column}`).join(", ")}, s.account_no,
    round((s.won - p.auc * s.met) / p.pairs, 16) as psi
  from summed as s
  inner join ${point} as p on ${same("p", "s")}
  where ${condition}
)`;
  const isKept = influenceOf === undefined ? "p.auc is not null" : `p.auc is not null and p.${influenceOf}`;
  return [
    model(
      point,
      named,
      [parts, ...(names === undefined ? [] : [names])],
      `
with by_account as (
  ${summed("sum(n_rows) as n_rows", "sum(n_event_rows) as n_event_rows", ...shares("event_won", "event_met", "event_tied"))}
),
counted as (
  select
    ${keys.join(", ")},
    exact_sum(event_won) / nullif(exact_sum(event_met), 0e0) as auc,
    exact_sum(event_met) as pairs,
    exact_sum(event_tied) / nullif(exact_sum(event_met), 0e0) as tied,
    cast(sum(n_rows) as bigint) as n_rows,
    cast(sum(n_event_rows) as bigint) as n_event_rows,
    count(*) as n_accounts,
    count(case when n_event_rows > 0 then 1 end) as n_churned,
    count(case when n_rows > n_event_rows then 1 end) as n_staying
  from by_account
  group by ${keys.join(", ")}
)
${names === undefined ? "select * from counted" : `select ${named.map((column) => `n.${column}`).join(", ")}, c.*\nfrom counted as c\ninner join ${names} as n on ${same("n", "c")}`}`,
    ),
    model(
      influence,
      [...named, "account_no"],
      [parts, point],
      `
with${moved(isKept)}
select ${named.join(", ")}, account_no, psi from moved`,
    ),
    model(
      `validation.${name}_auc`,
      named,
      influenceOf === undefined ? [point, influence] : [parts, point],
      `
with${influenceOf === undefined ? "" : `${moved("p.auc is not null")},`}
spread as (
  select
    ${keys.join(", ")},
    exact_sum(psi * psi) as squares,
    count(case when psi <> 0 then 1 end) as n_moving
  from ${influenceOf === undefined ? influence : "moved"}
  group by ${keys.join(", ")}
),
estimated as (
  select
    p.*,
    case
      when s.squares = 0e0 then 0e0
      when s.n_moving > 1 then sqrt(s.squares * s.n_moving / (s.n_moving - 1e0))
    end as se_psi,
    (p.auc * p.n_churned + 0.5e0) / (p.n_churned + 1e0) as shrunk
  from ${point} as p
  inner join spread as s on ${same("s", "p")}
),
mended as (
  -- A perfect separator has no variance of its own: Hanley and McNeil (1982) at a shrunk A stands in. A constant has
  -- none either, and its A is 1/2 but for rounding.
  select
    *,
    se_psi = 0e0 and abs(auc - 0.5e0) > 1e-12 as is_perfect,
    sqrt(
      (
        shrunk * (1e0 - shrunk)
        + (n_churned - 1e0) * (shrunk / (2e0 - shrunk) - shrunk * shrunk)
        + (n_staying - 1e0) * (2e0 * shrunk * shrunk / (1e0 + shrunk) - shrunk * shrunk)
      ) / (cast(n_churned as double) * n_staying)
    ) as se_planned
  from estimated
)
select
  definition, subject, statistic,
  twelve_digits(auc) as auc,
  twelve_digits(case when is_perfect then se_planned else se_psi end) as se,
  twelve_digits(
    case
      when is_perfect then (shrunk - 0.5e0) / se_planned
      when se_psi > 0e0 then (auc - 0.5e0) / se_psi
      when se_psi = 0e0 then 0e0
    end
  ) as z,
  twelve_digits(case when is_perfect then shrunk else auc end) as centre,
  twelve_digits(tied) as tied,
  twelve_digits(pairs) as pairs,
  n_rows, n_event_rows, n_accounts, n_churned, n_staying
from mended`,
    ),
  ];
}
