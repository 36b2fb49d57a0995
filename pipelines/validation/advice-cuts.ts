/**
 * Cut-offs that history suggests: gates found on earlier rows and looked at once on later ones, and tiers of points
 * (docs/method.md, "Gates and thresholds").
 */
import { dateInWords } from "../lib/words.ts";
import type { Step, StepContext } from "../models/model.ts";
import { literal, type SqlValue } from "../warehouse/literal.ts";
import { dropRanked, rankSubjects } from "./advice-rank.ts";
import { accounts, gateSentence, tierSentence } from "./advice-words.ts";
import { holm, oneSidedP } from "./distributions.ts";
import { doubleLiteral, twelveDigits, writeTable } from "./tables.ts";

type Row = Record<string, SqlValue>;

export type Side = "at_most" | "at_least";

/** A gate as the training rows show it: the side of a threshold on which it fails. */
export interface GateCandidate {
  readonly kpi: string;
  readonly side: Side;
  readonly threshold: number;
  /** Departures over those that the strata's mean outcome expects. */
  readonly lift: number;
  /** Of the rows with a value. */
  readonly share: number;
  /** Churned accounts with a value of the KPI in the training rows. */
  readonly churned: number;
  readonly group: number | null;
}

/** At most three, by lift: one threshold a KPI, one KPI a redundancy group, failed by at most a fifth of the rows. */
export function chooseGates(candidates: readonly GateCandidate[]): readonly GateCandidate[] {
  const order = candidates
    .filter(({ lift, share, churned }) => lift > 1 && share > 0 && share <= 0.2 && churned >= 50)
    .sort(
      (a, b) =>
        b.lift - a.lift || a.share - b.share || (a.kpi < b.kpi ? -1 : a.kpi > b.kpi ? 1 : a.side < b.side ? -1 : 1),
    );
  const finalists: GateCandidate[] = [];
  for (const gate of order) {
    const isTaken = finalists.some(({ kpi, group }) => kpi === gate.kpi || (group !== null && group === gate.group));
    if (!isTaken) finalists.push(gate);
    if (finalists.length === 3) break;
  }
  return finalists;
}

/** A bin of values with its departures; `variance` is that of `observed / expected`, clustered by account. */
export interface CutBin {
  readonly from: number;
  readonly to: number;
  readonly observed: number;
  readonly expected: number;
  readonly variance: number;
}

/**
 * Merges neighbours, the least different pair first, until every two neighbours differ by |z| >= 1.96. Variances add up as if no
 * account were in two bins, which makes the merged one a little too small where accounts stay alike.
 */
export function mergeBins(bins: readonly CutBin[]): readonly CutBin[] {
  let tiers = bins.filter(({ expected }) => expected > 0);
  const ratio = (bin: CutBin): number => bin.observed / bin.expected;
  while (tiers.length > 1) {
    let at = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i + 1 < tiers.length; i += 1) {
      const [a, b] = [tiers[i] as CutBin, tiers[i + 1] as CutBin];
      const spread = Math.sqrt(a.variance + b.variance);
      const z = spread > 0 ? Math.abs(ratio(a) - ratio(b)) / spread : 0;
      if (z < least) {
        least = z;
        at = i;
      }
    }
    if (least >= 1.96) break;
    const [a, b] = [tiers[at] as CutBin, tiers[at + 1] as CutBin];
    const expected = a.expected + b.expected;
    const merged: CutBin = {
      from: a.from,
      to: b.to,
      observed: a.observed + b.observed,
      expected,
      variance: (a.variance * a.expected ** 2 + b.variance * b.expected ** 2) / expected ** 2,
    };
    tiers = [...tiers.slice(0, at), merged, ...tiers.slice(at + 2)];
  }
  return tiers;
}

/** Points of tiers: 0 for the one with most departures over expected, 100 for that with fewest, in steps of five. */
export function tierPoints(tiers: readonly CutBin[]): readonly number[] {
  const ratios = tiers.map(({ observed, expected }) => observed / expected);
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)];
  return ratios.map((ratio) => (high > low ? 5 * Math.round((20 * (high - ratio)) / (high - low)) : 100));
}

/** Verdicts of KPIs that no cut-off should be looked for in. */
const unusable = ["leaks", "too_good", "not_tested"];
/** Verdicts of KPIs that get tiers, besides those with points in a scorecard of the book. */
const worthTiers = ["predicts", "weak", "non_monotone", "misleading", "reversed_adjusted"];

/** Writes validation.gate_finding and validation.suggested_threshold. */
export const adviseOnCuts: Step = {
  kind: "step",
  name: "validation.advise_on_cuts",
  depends: [
    "features.kpi_definition",
    "scores.scorecard",
    "scores.scorecard_weight",
    "validation.definition",
    "validation.kpi_pair",
    "validation.kpi_placed",
    "validation.kpi_verdict",
    "validation.stratum",
  ],
  params: ["gap_days", "horizon_days"],
  produces: ["validation.gate_finding", "validation.suggested_threshold"],
  version: "2",
  async run(context) {
    const parts = await layCuts(context);
    if ("why" in parts) {
      await writeGates(context, [{ state: "cannot tell", sentence: parts.why }]);
      await writeTiers(context, []);
      return;
    }
    await findGates(context, parts);
    await findTiers(context, parts);
    await context.run("drop table cut_row; drop table cut_value");
  },
};

interface Parts {
  /** First day of the held-out rows; training rows had their outcome known by then. */
  readonly heldFrom: string;
  readonly heldTo: string;
}

/** cut_row: labelled rows of usable KPIs, in training or held out; cut_value: its counts by value. */
async function layCuts({ query, run }: StepContext): Promise<Parts | { readonly why: string }> {
  const [found] = await query<{ held_from: string | null; held_to: string | null; churned: number }>(`
with primary_row as (
  select s.snapshot_date, s.y, s.account_no
  from validation.stratum as s
  inner join validation.definition as d on d.definition = s.definition and d.is_primary
  where s.y is not null
),
dated as (
  select snapshot_date, sum(y) as n from primary_row group by snapshot_date
),
running as (
  select snapshot_date, sum(n) over (order by snapshot_date desc) as n_after, sum(n) over () as n_all from dated
)
select
  cast(max(case when n_all > 0 and 3 * n_after >= n_all then snapshot_date end) as varchar) as held_from,
  cast(max(snapshot_date) as varchar) as held_to,
  (select count(distinct case when y = 1 then account_no end) from primary_row) as churned
from running`);
  const churned = found?.churned ?? 0;
  if (found === undefined || found.held_from === null || found.held_to === null || churned < 50) {
    return { why: `Not enough data: ${churned} of 50 churned accounts needed.` };
  }
  await run(`
create or replace temp table cut_row as
with labelled as (
  select
    s.observation_no, s.account_no, s.block, s.segment, s.stratum, s.y,
    case
      when s.snapshot_date >= date ${literal(found.held_from)} then 'held'
      when s.snapshot_date + p.gap_days + p.horizon_days + d.settle_days <= date ${literal(found.held_from)} then 'training'
    end as part
  from validation.stratum as s
  inner join validation.definition as d on d.definition = s.definition and d.is_primary
  cross join meta.params as p
  where s.y is not null
),
expected as (
  select stratum, part, sum(y) / cast(count(*) as double) as expected from labelled where part is not null group by stratum, part
)
select k.kpi, k.value, l.account_no, l.block, l.segment, l.stratum, l.y, l.part, e.expected
from labelled as l
inner join expected as e on e.stratum = l.stratum and e.part = l.part
inner join validation.kpi_placed as k on k.observation_no = l.observation_no
inner join validation.definition as d on d.definition = k.definition and d.is_primary
inner join validation.kpi_verdict as v
  on v.definition = k.definition and v.kpi = k.kpi and v.group_kind = 'all'
where v.verdict not in (${unusable.map(literal).join(", ")})`);
  await run(`
create or replace temp table cut_value as
select
  kpi, value, n, observed, expected,
  sum(n) over up as n_up, sum(observed) over up as observed_up, sum(expected) over up as expected_up,
  sum(n) over whole as n_all, sum(observed) over whole as observed_all, sum(expected) over whole as expected_all
from (
  select kpi, value, cast(count(*) as double) as n, cast(sum(y) as double) as observed,
    sum(cast(expected as decimal(18, 15))) as expected
  from cut_row where part = 'training' group by kpi, value
) as counted
window
  up as (partition by kpi order by value rows between unbounded preceding and current row),
  whole as (partition by kpi)`);
  return { heldFrom: found.held_from, heldTo: found.held_to };
}

async function findGates(context: StepContext, { heldFrom, heldTo }: Parts): Promise<void> {
  const { query, run } = context;
  const candidates = await query<GateCandidate>(`
with churned as (
  select kpi, count(distinct case when y = 1 then account_no end) as churned from cut_row where part = 'training' group by kpi
),
threshold as (
  select distinct kpi, unnest(quantile_disc(value, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])) as threshold
  from cut_row where part = 'training' group by kpi
),
sided as (
  select v.kpi, 'at_most' as side, v.value as threshold, v.n_up as n, v.observed_up as observed,
    cast(v.expected_up as double) as expected, v.n_all
  from cut_value as v
  inner join threshold as t on t.kpi = v.kpi and t.threshold = v.value
  union all
  select v.kpi, 'at_least', v.value, v.n_all - v.n_up + v.n, v.observed_all - v.observed_up + v.observed,
    cast(v.expected_all - v.expected_up + v.expected as double), v.n_all
  from cut_value as v
  inner join threshold as t on t.kpi = v.kpi and t.threshold = v.value
),
member as (
  select kpi, "group" from validation.kpi_pair where "group" is not null
  union
  select other, "group" from validation.kpi_pair where "group" is not null
)
select s.kpi, s.side, s.threshold, twelve_digits(s.observed / nullif(s.expected, 0e0)) as lift, s.n / s.n_all as share,
  c.churned, m."group"
from sided as s
inner join churned as c on c.kpi = s.kpi
left join member as m on m.kpi = s.kpi
where s.expected > 0e0 and s.n < s.n_all
order by s.kpi, s.side, s.threshold`);
  const finalists = chooseGates(candidates);
  if (finalists.length === 0) {
    const trained = Math.max(0, ...candidates.map(({ churned }) => churned));
    const sentence =
      trained < 50
        ? `Not enough data: ${trained} of 50 churned accounts with a known outcome before ${dateInWords(heldFrom)}.`
        : `No threshold is failed by a fifth of the account-months or fewer and more often before leaving (${accounts(trained)} before ${dateInWords(heldFrom)}).`;
    await writeGates(context, [{ state: trained < 50 ? "cannot tell" : "none", sentence }]);
    return;
  }
  const failing = finalists.map(({ kpi, side, threshold }, i) => {
    const fails = side === "at_most" ? `value <= ${doubleLiteral(threshold)}` : `value >= ${doubleLiteral(threshold)}`;
    return `select '${i}' as subject, account_no, block, segment, stratum, case when ${fails} then 1e0 else 0e0 end as value, y from cut_row where part = 'held' and kpi = ${literal(kpi)}`;
  });
  await run(`create or replace temp table gate_row as ${failing.join("\nunion all\n")}`);
  await rankSubjects(context, "gate", "gate_row");
  const looks = await query<
    Readonly<Record<string, number | null>> & { subject: string; n_churned: number; n_churned_failing: number }
  >(`
with by_account as (
  select subject, value, account_no, count(*) as m, sum(y) as e from gate_row group by subject, value, account_no
),
summed as (
  select subject, value, cast(sum(m) as double) as m, cast(sum(e) as double) as e, count(*) as n_accounts,
    count(case when e > 0 then 1 end) as n_churned,
    cast(sum(e * e) as double) as ee, cast(sum(e * m) as double) as em, cast(sum(m * m) as double) as mm
  from by_account group by subject, value
),
varied as (
  select *, e / m as rate,
    n_accounts / (n_accounts - 1e0) * (ee - 2e0 * (e / m) * em + (e / m) * (e / m) * mm) / (m * m) as variance
  from summed
),
effective as (
  select *,
    case when n_accounts > 1 and variance > 1e-15 then rate * (1e0 - rate) / variance else cast(n_accounts as double) end as n_eff
  from varied
),
sided as (
  select subject, value, m, e, n_accounts, n_churned, rate, wilson_low(rate, n_eff) as low, wilson_high(rate, n_eff) as high
  from effective
),
whole as (
  select subject, count(*) as n_rows, count(distinct account_no) as n_accounts,
    count(distinct case when y = 1 then account_no end) as n_churned
  from gate_row group by subject
)
select w.subject, w.n_rows, w.n_accounts, w.n_churned,
  coalesce(f.n_accounts, 0) as n_failing, coalesce(f.n_churned, 0) as n_churned_failing,
  f.rate as rate_failing, f.low as rate_failing_low, f.high as rate_failing_high,
  p.rate as rate_passing, p.low as rate_passing_low, p.high as rate_passing_high,
  f.rate / nullif((f.e + p.e) / (f.m + p.m), 0e0) as lift, a.auc, a.z
from whole as w
left join sided as f on f.subject = w.subject and f.value = 1e0
left join sided as p on p.subject = w.subject and p.value = 0e0
left join gate_auc as a on a.subject = w.subject
order by w.subject`);
  const isTold = (look: (typeof looks)[number]): boolean =>
    look.n_churned >= 30 && look.n_churned_failing >= 10 && typeof look.z === "number";
  const labels = new Map(
    (await query<{ id: string; label: string }>("select id, label from features.kpi_definition")).map((row) => [
      row.id,
      row.label,
    ]),
  );
  const ps = holm(looks.map((look) => ({ id: look.subject, p: isTold(look) ? oneSidedP(look.z as number) : null })));
  const rows = finalists.map((gate, i): Row => {
    const look = looks.find(({ subject }) => subject === String(i));
    const number = (name: string): number | null => (look?.[name] as number | null | undefined) ?? null;
    const held = {
      n_rows: number("n_rows") ?? 0,
      n_accounts: number("n_accounts") ?? 0,
      n_churned: number("n_churned") ?? 0,
      n_failing: number("n_failing") ?? 0,
      n_churned_failing: number("n_churned_failing") ?? 0,
      rate_failing: twelveDigits(number("rate_failing")),
      rate_failing_low: twelveDigits(number("rate_failing_low")),
      rate_failing_high: twelveDigits(number("rate_failing_high")),
      rate_passing: twelveDigits(number("rate_passing")),
      rate_passing_low: twelveDigits(number("rate_passing_low")),
      rate_passing_high: twelveDigits(number("rate_passing_high")),
    };
    const told = look !== undefined && isTold(look);
    const pHolm = ps.get(String(i)) ?? null;
    const state = !told ? "cannot tell" : pHolm !== null && pHolm <= 0.05 ? "holds" : "does not hold";
    return {
      gate_no: i + 1,
      kpi: gate.kpi,
      side: gate.side,
      threshold: twelveDigits(gate.threshold),
      state,
      held_from: heldFrom,
      held_to: heldTo,
      ...held,
      lift: twelveDigits(number("lift")),
      auc: twelveDigits(number("auc")),
      p: told ? twelveDigits(oneSidedP(number("z") as number)) : null,
      p_holm: twelveDigits(pHolm),
      sentence: gateSentence({
        ...gate,
        ...held,
        label: labels.get(gate.kpi) ?? gate.kpi,
        state,
        heldFrom,
        heldTo,
        pHolm,
      }),
    };
  });
  await writeGates(context, rows);
  await dropRanked(context, "gate");
  await run("drop table gate_row");
}

async function findTiers(context: StepContext, { heldFrom, heldTo }: Parts): Promise<void> {
  const { query, run } = context;
  const bins = await query<CutBin & { kpi: string }>(`
with placed as (
  select kpi, value, least(9, cast(floor((n_up - n) * 10 / n_all) as integer)) as bin from cut_value
),
valued as (
  select r.kpi, p.bin, r.account_no, count(*) as m, cast(sum(r.y) as double) as e,
    exact_share_sum(r.expected) as x, min(r.value) as value_from, max(r.value) as value_to
  from cut_row as r
  inner join placed as p on p.kpi = r.kpi and p.value = r.value
  where r.part = 'training'
  group by r.kpi, p.bin, r.account_no
),
summed as (
  select kpi, bin, sum(e) as observed, exact_sum(x) as expected, min(value_from) as value_from, max(value_to) as value_to
  from valued group by kpi, bin
)
select
  v.kpi, s.value_from as "from", s.value_to as "to", s.observed, s.expected,
  count(*) / greatest(count(*) - 1e0, 1e0)
    * exact_sum((v.e - s.observed / s.expected * v.x) * (v.e - s.observed / s.expected * v.x)) / (s.expected * s.expected) as variance
from valued as v
inner join summed as s on s.kpi = v.kpi and s.bin = v.bin
inner join validation.kpi_verdict as k on k.kpi = v.kpi and k.group_kind = 'all'
inner join validation.definition as d on d.definition = k.definition and d.is_primary
where s.expected > 0e0 and (
  k.verdict in (${worthTiers.map(literal).join(", ")})
  or k.kpi in (
    select w.kpi from scores.scorecard_weight as w
    inner join scores.scorecard as c on c.scorecard = w.scorecard and c.version = w.version and c.is_assigned
  )
)
group by v.kpi, v.bin, s.value_from, s.value_to, s.observed, s.expected
order by v.kpi, v.bin`);
  const suggested = [...new Set(bins.map(({ kpi }) => kpi))].flatMap((kpi) => {
    const tiers = mergeBins(bins.filter((bin) => bin.kpi === kpi));
    const points = tierPoints(tiers);
    return tiers.map((tier, i) => ({ kpi, tier: i + 1, tiers: tiers.length, points: points[i] as number, ...tier }));
  });
  if (suggested.length === 0) {
    await writeTiers(context, []);
    return;
  }
  // A tier reaches up to the next one's first value, so that later values in between belong somewhere.
  const isLast = ({ tier, tiers }: { readonly tier: number; readonly tiers: number }): boolean => tier === tiers;
  await run(`
create or replace temp table tier_row as
with tier(kpi, tier, above, upto) as (values ${suggested
    .map((row, i) => {
      const above = row.tier === 1 ? "null" : doubleLiteral((suggested[i - 1] as { to: number }).to);
      return `(${literal(row.kpi)}, ${row.tier}, cast(${above} as double), cast(${isLast(row) ? "null" : doubleLiteral(row.to)} as double))`;
    })
    .join(", ")})
select r.part, r.kpi, t.tier, r.account_no, count(*) as m, sum(r.y) as e
from cut_row as r
inner join tier as t
  on t.kpi = r.kpi and (t.above is null or r.value > t.above) and (t.upto is null or r.value <= t.upto)
group by r.part, r.kpi, t.tier, r.account_no`);
  const rates = await query<{
    part: "training" | "held";
    kpi: string;
    tier: number;
    n_rows: number;
    n_accounts: number;
    n_churned: number;
    rate: number;
    low: number;
    high: number;
  }>(`
with summed as (
  select part, kpi, tier, cast(sum(m) as double) as m, cast(sum(e) as double) as e, count(*) as n_accounts,
    count(case when e > 0 then 1 end) as n_churned,
    cast(sum(e * e) as double) as ee, cast(sum(e * m) as double) as em, cast(sum(m * m) as double) as mm
  from tier_row group by part, kpi, tier
),
varied as (
  select *, e / m as rate,
    n_accounts / (n_accounts - 1e0) * (ee - 2e0 * (e / m) * em + (e / m) * (e / m) * mm) / (m * m) as variance
  from summed
),
effective as (
  select *,
    case when n_accounts > 1 and variance > 1e-15 then rate * (1e0 - rate) / variance else cast(n_accounts as double) end as n_eff
  from varied
)
select part, kpi, tier, cast(m as bigint) as n_rows, n_accounts, n_churned, rate, wilson_low(rate, n_eff) as low,
  wilson_high(rate, n_eff) as high
from effective order by part, kpi, tier`);
  await run("drop table tier_row");
  const rateOf = (part: "training" | "held", kpi: string, tier: number) =>
    rates.find((row) => row.part === part && row.kpi === kpi && row.tier === tier);
  await writeTiers(
    context,
    suggested.map((row): Row => {
      const { kpi, tier, tiers, points } = row;
      const then = rateOf("training", kpi, tier);
      const later = rateOf("held", kpi, tier);
      const values = {
        value_from: twelveDigits(row.from),
        value_to: twelveDigits(row.to),
        rate: twelveDigits(then?.rate ?? null),
        rate_low: twelveDigits(then?.low ?? null),
        rate_high: twelveDigits(then?.high ?? null),
        later_rate: twelveDigits(later?.rate ?? null),
        later_rate_low: twelveDigits(later?.low ?? null),
        later_rate_high: twelveDigits(later?.high ?? null),
      };
      return {
        kpi,
        tier,
        n_tiers: tiers,
        points: tiers === 1 ? null : points,
        ...values,
        observed_over_expected: twelveDigits(row.observed / row.expected),
        n_rows: then?.n_rows ?? 0,
        n_accounts: then?.n_accounts ?? 0,
        n_churned: then?.n_churned ?? 0,
        later_n_rows: later?.n_rows ?? 0,
        later_n_accounts: later?.n_accounts ?? 0,
        later_n_churned: later?.n_churned ?? 0,
        later_from: heldFrom,
        later_to: heldTo,
        sentence: tierSentence({
          tiers,
          points,
          ...values,
          churned: then?.n_churned ?? 0,
          laterChurned: later?.n_churned ?? 0,
          laterFrom: heldFrom,
        }),
      };
    }),
  );
}

const writeGates = (context: StepContext, rows: readonly Row[]): Promise<void> =>
  writeTable(
    context,
    "validation.gate_finding",
    {
      gate_no: "integer",
      kpi: "varchar",
      side: "varchar",
      threshold: "double",
      state: "varchar",
      held_from: "date",
      held_to: "date",
      n_rows: "bigint",
      n_accounts: "bigint",
      n_churned: "bigint",
      n_failing: "bigint",
      n_churned_failing: "bigint",
      rate_failing: "double",
      rate_failing_low: "double",
      rate_failing_high: "double",
      rate_passing: "double",
      rate_passing_low: "double",
      rate_passing_high: "double",
      lift: "double",
      auc: "double",
      p: "double",
      p_holm: "double",
      sentence: "varchar",
    },
    rows,
  );

const writeTiers = (context: StepContext, rows: readonly Row[]): Promise<void> =>
  writeTable(
    context,
    "validation.suggested_threshold",
    {
      kpi: "varchar",
      tier: "integer",
      n_tiers: "integer",
      value_from: "double",
      value_to: "double",
      points: "integer",
      rate: "double",
      rate_low: "double",
      rate_high: "double",
      observed_over_expected: "double",
      n_rows: "bigint",
      n_accounts: "bigint",
      n_churned: "bigint",
      later_rate: "double",
      later_rate_low: "double",
      later_rate_high: "double",
      later_n_rows: "bigint",
      later_n_accounts: "bigint",
      later_n_churned: "bigint",
      later_from: "date",
      later_to: "date",
      sentence: "varchar",
    },
    rows,
  );
