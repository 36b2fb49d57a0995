/**
 * Usage clusters: accounts grouped by how they use the product, as they stood at a date early enough for what became of them to
 * be known. k-means by Lloyd's iterations (Lloyd 1982), each a statement; the number of groups by stability under resampling,
 * measured by the adjusted Rand index (Hubert and Arabie 1985). Method and limits: docs/practice.md, "Usage clusters".
 */
import type { Step, StepContext } from "../models/model.ts";
import { literal, quoteIdentifier, SqlDate } from "../warehouse/literal.ts";
import type { ResolvedPractice } from "./files.ts";

/** The rules of the choice, in one place; docs/practice.md states them. */
export const clusterRules = {
  /** Fewer accounts are not grouped. */
  leastAccounts: 100,
  /** A KPI needs a value for this share of them, may hold one value for at most that share, and may not repeat an earlier one. */
  coverage: 0.7,
  sameValue: 0.95,
  rankCorrelation: 0.9,
  kFrom: 2,
  kTo: 6,
  /** No group is smaller than this share of the accounts, nor than this number. */
  smallestShare: 0.05,
  smallest: 30,
  /** Starts of the whole, resamples of three quarters, starts of each of them. */
  starts: 8,
  resamples: 10,
  resampleStarts: 2,
  /** Mean adjusted Rand index over the resamples. */
  stable: 0.8,
  /** Lloyd's iterations end when no centre moves, and after so many. */
  iterations: 60,
  /** Centres are found on at most so many accounts, those with the lowest md5; all accounts are placed. */
  fitted: 1000,
} as const;

const tables = {
  choice: `k integer, n_accounts bigint, n_fitted bigint, smallest bigint, smallest_allowed bigint, stability double, stability_low double,
    separation double, is_chosen boolean, why_not varchar`,
  cluster: `cluster integer, label varchar, success varchar, fitted_on date, n_accounts bigint, share double, n_labelled bigint,
    n_churned bigint, churn_rate double, churn_low double, churn_high double, expected_rate double, difference double,
    difference_low double, difference_high double, differs boolean, now_on date, n_now bigint, share_now double, main_segment varchar,
    main_segment_share double, main_segment_share_of_all double, median_seats double`,
  kpi: `cluster integer, kpi_no integer, kpi varchar, label varchar, unit varchar, n_values bigint, centre double, q25 double,
    q50 double, q75 double, q50_of_all double`,
  account: "account_id varchar, snapshot_date date, moment varchar, cluster integer, n_known integer",
  fact: `fitted_on date, now_on date, n_accounts bigint, n_fitted bigint, n_labelled bigint, k integer, kpis varchar, left_out varchar,
    stability double, separation double, segment_v double, size_v double, n_differ integer, reason varchar`,
} as const;

export const clusterProduces: readonly string[] = [
  "marts.usage_cluster_choice",
  "marts.usage_cluster",
  "marts.usage_cluster_kpi",
  "marts.account_cluster",
  "marts.usage_cluster_fact",
];

export function clusterStep({ kpis, on, groups }: ResolvedPractice["clusters"]): Step {
  return {
    kind: "step",
    name: "marts.find_usage_clusters",
    depends: [
      "features.account_kpi",
      "features.kpi_definition",
      "spine.account_snapshot",
      "spine.snapshot",
      "validation.definition",
      "validation.outcome",
    ],
    params: ["min_cell"],
    produces: clusterProduces,
    version: `1 ${JSON.stringify([kpis, on, groups, clusterRules])}`,
    run: (context) => find(context, { kpis, on, groups }),
  };
}

async function find(context: StepContext, { kpis, on, groups }: ResolvedPractice["clusters"]): Promise<void> {
  const { query, run } = context;
  await run(`create table marts.usage_cluster_choice (${tables.choice})`);
  await run(`create table marts.usage_cluster (${tables.cluster})`);
  await run(`create table marts.usage_cluster_kpi (${tables.kpi})`);
  await run(`create table marts.account_cluster (${tables.account})`);
  await run(`create table marts.usage_cluster_fact (${tables.fact})`);
  const [dates] = await query<{ fitted_on: string | null; now_on: string | null }>(`
select
  coalesce(
    ${
      on === null
        ? `(select max(o.snapshot_date) from validation.outcome as o
      inner join validation.definition as d on d.definition = o.definition and d.is_primary where o.y is not null)`
        : "null"
    },
    (select max(snapshot_date) from spine.snapshot where is_validated${on === null ? "" : ` and snapshot_date <= date ${literal(on)}`})
  ) as fitted_on,
  (select max(snapshot_date) from spine.snapshot where is_scored) as now_on`);
  const fittedOn = dates?.fitted_on ?? null;
  const nowOn = dates?.now_on ?? null;
  const end = (fact: Fact): Promise<void> => writeFact(run, { fittedOn, nowOn, ...fact });
  if (fittedOn === null || nowOn === null)
    return end({ reason: on === null ? "no date of the book can be judged yet" : `the book has no date up to ${on}` });
  if (kpis.length < 2) return end({ reason: "the book lists fewer than two KPIs of use" });

  await run(rowStatement(kpis, fittedOn, nowOn));
  const n = Number((await query<{ n: number }>("select count(*) as n from cluster_row where moment = 'then'"))[0]?.n);
  const { used, leftOut } = n === 0 ? { used: [], leftOut: [] } : await chooseKpis(query, kpis);
  const left = leftOut.map(({ kpi, why }) => `${kpi} (${why})`).join(", ");
  const known = { n_accounts: n, kpis: used.join(", "), left_out: left === "" ? null : left };
  if (n < clusterRules.leastAccounts)
    return cleanUp(run, () => end({ ...known, reason: `${n} accounts, ${clusterRules.leastAccounts} are needed` }));
  if (used.length < 2)
    return cleanUp(run, () => end({ ...known, reason: "fewer than two KPIs of use tell accounts apart" }));

  await run(pointStatement(used));
  await run(memberStatement(used.length));
  await drawSeeds(run);
  await iterate(context, used.length);
  const nFitted = Number((await query<{ n: number }>("select count(*) as n from cluster_point where is_fitted"))[0]?.n);
  const floor = Math.max(clusterRules.smallest, Math.ceil(clusterRules.smallestShare * nFitted));
  const tried = await query<Tried>(judgeStatement);
  // The number that resamples find again best; of two that are found again equally well the larger.
  const chosen = tried
    .filter(
      ({ smallest, stability }) => smallest !== null && smallest >= floor && (stability ?? 0) >= clusterRules.stable,
    )
    .sort((x, y) => (x.stability ?? 0) - (y.stability ?? 0) || x.k - y.k)
    .at(-1);
  await run(
    `insert into marts.usage_cluster_choice values ${tried
      .map(({ k, smallest, stability, stability_low, separation }) => {
        const why =
          k === chosen?.k
            ? null
            : smallest === null
              ? "a group stayed empty"
              : smallest < floor
                ? `a group has ${smallest} accounts, ${floor} are needed`
                : (stability ?? 0) < clusterRules.stable
                  ? "not stable"
                  : "another number is found again better";
        const values = [k, n, nFitted, smallest, floor, stability, stability_low, separation, k === chosen?.k, why];
        return `(${values.map(literal).join(", ")})`;
      })
      .join(", ")}`,
  );
  if (chosen === undefined)
    return cleanUp(run, () => end({ ...known, n_fitted: nFitted, reason: "no number of groups is stable" }));
  await placeAccounts(run, chosen.k, used.length);
  await run(kpiStatement(used));
  await run(clusterStatement(chosen.k, groups, fittedOn, nowOn));
  await run(`insert into marts.account_cluster
select account_id, snapshot_date, moment, cluster, n_known from cluster_placed order by account_id, snapshot_date, moment`);
  const [v] = await query<{ segment_v: number | null; size_v: number | null; n_labelled: number; n_differ: number }>(
    associationStatement(),
  );
  return cleanUp(run, () =>
    end({ ...known, ...v, n_fitted: nFitted, k: chosen.k, stability: chosen.stability, separation: chosen.separation }),
  );
}

interface Fact {
  readonly n_accounts?: number;
  readonly n_fitted?: number;
  readonly n_labelled?: number;
  readonly k?: number;
  readonly kpis?: string;
  readonly left_out?: string | null;
  readonly stability?: number | null;
  readonly separation?: number | null;
  readonly segment_v?: number | null;
  readonly size_v?: number | null;
  readonly n_differ?: number;
  readonly reason?: string;
}

async function writeFact(
  run: StepContext["run"],
  { fittedOn, nowOn, ...fact }: Fact & { readonly fittedOn: string | null; readonly nowOn: string | null },
): Promise<void> {
  const day = (text: string | null): string => (text === null ? "null" : literal(new SqlDate(text)));
  const rest = [
    fact.n_accounts ?? 0,
    fact.n_fitted ?? 0,
    fact.n_labelled ?? 0,
    fact.k ?? null,
    fact.kpis ?? null,
    fact.left_out ?? null,
    fact.stability ?? null,
    fact.separation ?? null,
    fact.segment_v ?? null,
    fact.size_v ?? null,
    fact.n_differ ?? 0,
    fact.reason ?? null,
  ];
  await run(
    `insert into marts.usage_cluster_fact values (${day(fittedOn)}, ${day(nowOn)}, ${rest.map(literal).join(", ")})`,
  );
}

const working = ["row", "point", "member", "seed", "live", "next", "done", "best", "fit", "placed", "centre"];
async function cleanUp(run: StepContext["run"], last: () => Promise<void>): Promise<void> {
  await last();
  for (const name of working) await run(`drop table if exists cluster_${name}`);
}

/** Who is grouped, at the date of the grouping (eligible for a verdict) and now (whoever pays), with what became of them. */
const rowStatement = (kpis: readonly string[], fittedOn: string, nowOn: string): string => `
create or replace temp table cluster_row as
with outcome as (
  select o.account_id, o.snapshot_date, o.y, o.why_unlabelled
  from validation.outcome as o
  inner join validation.definition as d on d.definition = o.definition and d.is_primary
  where o.snapshot_date = date ${literal(fittedOn)}
),
chosen as (
  select s.account_id, s.snapshot_date, 'then' as moment, s.segment, s.seats, s.mrr_minor, o.y
  from spine.account_snapshot as s
  left join outcome as o on o.account_id = s.account_id and o.snapshot_date = s.snapshot_date
  where s.snapshot_date = date ${literal(fittedOn)} and s.is_validated and coalesce(o.why_unlabelled, '') <> 'already_decided'
  union all
  select s.account_id, s.snapshot_date, 'now', s.segment, s.seats, s.mrr_minor, null
  from spine.account_snapshot as s
  where s.snapshot_date = date ${literal(nowOn)}
)
select c.*, ${kpis.map((kpi) => `cast(k.${quoteIdentifier(kpi)} as double) as ${quoteIdentifier(kpi)}`).join(", ")}
from chosen as c
inner join features.account_kpi as k on k.account_id = c.account_id and k.snapshot_date = c.snapshot_date
order by c.moment, c.account_id`;

type Query = StepContext["query"];

/** Leaves out what few accounts have, what hardly differs, and what an earlier KPI says already. */
async function chooseKpis(
  query: Query,
  kpis: readonly string[],
): Promise<{ readonly used: readonly string[]; readonly leftOut: readonly { kpi: string; why: string }[] }> {
  const stats = await query<{ kpi: string; coverage: number; same: number | null }>(
    kpis
      .map((kpi, i) => {
        const column = quoteIdentifier(kpi);
        return `select ${i} as i, ${literal(kpi)} as kpi, count(${column}) / cast(count(*) as double) as coverage,
  (select max(n) from (select count(*) as n from cluster_row where moment = 'then' and ${column} is not null group by ${column}))
    / cast(nullif(count(${column}), 0) as double) as same
from cluster_row where moment = 'then'`;
      })
      .join("\nunion all\n") + "\norder by i",
  );
  const leftOut: { kpi: string; why: string }[] = [];
  const fit: string[] = [];
  for (const { kpi, coverage, same } of stats) {
    if (coverage < clusterRules.coverage) leftOut.push({ kpi, why: "few accounts have a value" });
    else if ((same ?? 1) > clusterRules.sameValue) leftOut.push({ kpi, why: "nearly all values are the same" });
    else fit.push(kpi);
  }
  const pairs = fit.flatMap((a, i) => fit.slice(i + 1).map((b) => [a, b] as const));
  const rho = new Map<string, number>();
  if (pairs.length > 0) {
    const [row] = await query<Record<string, number | null>>(`
with ranked as (
  select ${fit
    .map((kpi) => {
      const column = quoteIdentifier(kpi);
      return `case when ${column} is not null then rank() over (order by ${column} nulls last) + (count(*) over (partition by ${column}) - 1) / 2e0 end as ${column}`;
    })
    .join(",\n    ")}
  from cluster_row where moment = 'then'
)
select ${pairs.map(([a, b], i) => `round(corr(${quoteIdentifier(a)}, ${quoteIdentifier(b)}), 9) as p${i}`).join(", ")} from ranked`);
    for (const [i, [a, b]] of pairs.entries()) rho.set(`${a} ${b}`, Math.abs(row?.[`p${i}`] ?? 0));
  }
  const used: string[] = [];
  for (const kpi of fit) {
    const twin = used.find((other) => (rho.get(`${other} ${kpi}`) ?? 0) >= clusterRules.rankCorrelation);
    if (twin === undefined) used.push(kpi);
    else leftOut.push({ kpi, why: `says what ${twin} says` });
  }
  return { used, leftOut };
}

/**
 * Standardised places in whole millionths: ln(1 + |x|) with the sign of x, less its mean, over its standard deviation at the date
 * of the grouping, within 3 either way; a missing value stands in the middle. An account of which fewer than half is known is not placed.
 */
const pointStatement = (kpis: readonly string[]): string => {
  const scaled = (kpi: string): string => {
    const column = quoteIdentifier(kpi);
    return `sign(${column}) * ln(1e0 + abs(${column}))`;
  };
  return `
create or replace temp table cluster_point as
with scaled as (
  select account_id, snapshot_date, moment, ${kpis.map((kpi, i) => `${scaled(kpi)} as t${i + 1}`).join(", ")}
  from cluster_row
),
centred as (
  select ${kpis.map((_, i) => `exact_sum(t${i + 1}) / count(t${i + 1}) as m${i + 1}`).join(", ")} from scaled where moment = 'then'
),
spread as (
  select ${kpis.map((_, i) => `sqrt(exact_sum((t${i + 1} - m${i + 1}) * (t${i + 1} - m${i + 1})) / count(t${i + 1})) as s${i + 1}`).join(", ")}
  from scaled cross join centred where moment = 'then'
),
placed as (
  select
    account_id, snapshot_date, moment,
    ${kpis.map((_, i) => `(t${i + 1} is not null)::integer`).join(" + ")} as n_known,
    ${kpis.map((_, i) => `cast(round(1e6 * held_between(coalesce((t${i + 1} - m${i + 1}) / nullif(s${i + 1}, 0e0), 0e0), -3e0, 3e0)) as bigint) as z${i + 1}`).join(",\n    ")}
  from scaled cross join centred cross join spread
)
select
  *,
  row_number() over (order by moment, account_id) as account_no,
  moment = 'then' and row_number() over (partition by moment order by md5(account_id), account_id) <= ${clusterRules.fitted} as is_fitted
from placed
where 2 * n_known >= ${kpis.length}
order by moment, account_id`;
};

/** Points of the whole (sample 0) and of the resamples, three quarters each. Places are whole numbers in doubles: their sums are exact. */
const memberStatement = (d: number): string => `
create or replace temp table cluster_member as
select s.sample, p.account_no, p.account_id, ${zs(d)
  .map((z) => `cast(p.${z} as double) as ${z}`)
  .join(", ")}, ${placeOf(d, "p")} as place
from cluster_point as p
cross join range(0, ${clusterRules.resamples + 1}) as s (sample)
where p.is_fitted and (s.sample = 0 or substr(md5(concat('sample ', s.sample, ' ', p.account_id)), 1, 1) < 'c')
order by s.sample, p.account_no`;

const zs = (d: number): readonly string[] => Array.from({ length: d }, (_, i) => `z${i + 1}`);
const placeOf = (d: number, alias: string): string =>
  `cast([${zs(d)
    .map((z) => `${alias}.${z}`)
    .join(", ")}] as double[${d}])`;

/** A number between 0 and 1 that is the same wherever and whenever it is drawn. */
const drawn = (...words: readonly string[]): string =>
  `((cast(concat('0x', substr(md5(concat(${words.join(", ' ', ")})), 1, 12)) as bigint) + 0.5e0) / 281474976710656e0)`;

/**
 * Accounts to start from, for each run: the first by lot, each next one by lot with odds that grow with the squared distance to the
 * nearest one before (k-means++, Arthur and Vassilvitskii 2007; drawn as a race of exponentials, Efraimidis and Spirakis 2006).
 */
async function drawSeeds(run: StepContext["run"]): Promise<void> {
  await run(`
create or replace temp table cluster_race as
with run as (
  select r as run, case when r < ${clusterRules.starts} then 0 else 1 + (r - ${clusterRules.starts}) // ${clusterRules.resampleStarts} end as sample
  from range(0, ${clusterRules.starts + clusterRules.resamples * clusterRules.resampleStarts}) as t (r)
)
select run.run, m.sample, m.account_no, m.account_id, m.place, 1e0 as gap
from run inner join cluster_member as m on m.sample = run.sample
order by run.run, m.account_no`);
  await run("create or replace temp table cluster_seed as select *, 0 as nth from cluster_race limit 0");
  for (let nth = 1; nth <= clusterRules.kTo; nth++) {
    await run(`
insert into cluster_seed
select run, sample, account_no, account_id, place, gap, ${nth} as nth
from (
  select *, row_number() over (partition by run order by -ln(${drawn(`'start ${nth}'`, "run", "account_id")}) / gap, account_id) as finish
  from cluster_race where gap > 0
) where finish = 1
order by run`);
    await run(`
create or replace temp table cluster_race as
select r.run, r.sample, r.account_no, r.account_id, r.place,
  least(${nth === 1 ? "" : "r.gap, "}array_distance(r.place, s.place) * array_distance(r.place, s.place)) as gap
from cluster_race as r inner join cluster_seed as s on s.run = r.run and s.nth = ${nth}
order by r.run, r.account_no`);
  }
  await run("drop table cluster_race");
}

interface Tried {
  readonly k: number;
  readonly smallest: number | null;
  readonly stability: number | null;
  readonly stability_low: number | null;
  readonly separation: number | null;
}

/** Distance of a point p to a centre c; of two that are equally near the lower number is taken. */
const distance = "array_distance(p.place, c.centre) + 1e-6 * c.j";

/** The runs of every k to their ends; `cluster_best` keeps the best of each k and sample, cluster_fit who is in which group of it. */
async function iterate({ query, run }: StepContext, d: number): Promise<void> {
  await run(`
create or replace temp table cluster_live as
select k.k, s.run, s.sample, s.nth as j, s.place as centre
from cluster_seed as s inner join range(${clusterRules.kFrom}, ${clusterRules.kTo + 1}) as k (k) on s.nth <= k.k
order by k.k, s.run, s.nth`);
  await run("create or replace temp table cluster_done as select * from cluster_live limit 0");
  const columns = "k, run, sample, j, centre";
  for (let i = 1; ; i++) {
    await run(`
create or replace temp table cluster_next as
with nearest as (
  select c.k, c.run, c.sample, p.account_no, arg_min(c.j, ${distance}) as j
  from cluster_live as c inner join cluster_member as p on p.sample = c.sample
  group by c.k, c.run, c.sample, p.account_no
),
moved as (
  select n.k, n.run, n.j, count(*) as n, ${zs(d)
    .map((z) => `sum(p.${z}) as ${z}`)
    .join(", ")}
  from nearest as n inner join cluster_member as p on p.sample = n.sample and p.account_no = n.account_no
  group by n.k, n.run, n.j
),
centred as (
  select c.k, c.run, c.sample, c.j, c.centre as old, cast([${zs(d)
    .map((z, dim) => `coalesce(m.${z} / m.n, c.centre[${dim + 1}])`)
    .join(", ")}] as double[${d}]) as centre
  from cluster_live as c left join moved as m on m.k = c.k and m.run = c.run and m.j = c.j
)
select ${columns}, bool_or(centre <> old) over (partition by k, run) as has_moved
from centred order by k, run, j`);
    const isLast = i === clusterRules.iterations;
    await run(
      `insert into cluster_done select ${columns} from cluster_next${isLast ? "" : " where not has_moved"} order by k, run, j`,
    );
    await run(
      `create or replace temp table cluster_live as select ${columns} from cluster_next where has_moved order by k, run, j`,
    );
    const [row] = await query<{ n: number }>("select count(*) as n from cluster_live");
    if (isLast || row?.n === 0) break;
  }
  // Squared distances are summed in whole numbers: the same on any number of threads.
  await run(`
create or replace temp table cluster_best as
with nearest as (
  select c.k, c.run, c.sample, p.account_no, arg_min(c.j, ${distance}) as j, min(${distance}) as d
  from cluster_done as c inner join cluster_member as p on p.sample = c.sample
  group by c.k, c.run, c.sample, p.account_no
),
judged as (
  select k, run, any_value(sample) as sample, sum(cast(round(d * d / 1e3) as hugeint)) as inside, count(distinct j) as n_groups
  from nearest group by k, run
),
best as (
  select k, run, n_groups, row_number() over (partition by k, sample order by n_groups desc, inside, run) as place from judged
)
select c.k, c.run, c.sample, c.j, c.centre, b.n_groups
from cluster_done as c inner join best as b on b.k = c.k and b.run = c.run and b.place = 1
order by c.k, c.sample, c.j`);
  await run(`
create or replace temp table cluster_fit as
select c.k, c.sample, p.account_no, arg_min(c.j, ${distance}) as j, list_sort(list(array_distance(p.place, c.centre)))[1:2] as ds
from cluster_best as c cross join cluster_member as p
where p.sample = 0
group by c.k, c.sample, p.account_no`);
}

/** How far the groups of resamples agree with those of the whole, over all fitted accounts, and how far the groups lie apart. */
const judgeStatement = `
with sized as (select k, j, count(*) as n from cluster_fit where sample = 0 group by k, j),
pair as (
  select b.k, b.sample, a.j as x, b.j as y, cast(count(*) as double) as n
  from cluster_fit as a inner join cluster_fit as b on b.k = a.k and b.account_no = a.account_no
  where a.sample = 0 and b.sample > 0
  group by b.k, b.sample, a.j, b.j
),
both_of as (select k, sample, sum(n * (n - 1) / 2) as n_pairs, sum(n) as n from pair group by k, sample),
whole_of as (
  select k, sample, sum(n * (n - 1) / 2) as n_pairs from (select k, sample, x, sum(n) as n from pair group by k, sample, x) group by k, sample
),
part_of as (
  select k, sample, sum(n * (n - 1) / 2) as n_pairs from (select k, sample, y, sum(n) as n from pair group by k, sample, y) group by k, sample
),
rand as (
  select
    k,
    (b.n_pairs - w.n_pairs * p.n_pairs / (n * (n - 1) / 2))
      / nullif((w.n_pairs + p.n_pairs) / 2 - w.n_pairs * p.n_pairs / (n * (n - 1) / 2), 0) as ari
  from both_of as b inner join whole_of as w using (k, sample) inner join part_of as p using (k, sample)
),
stability as (select k, twelve_digits(exact_sum(ari) / count(*)) as stability, twelve_digits(min(ari)) as stability_low from rand group by k),
separation as (
  select k, twelve_digits(exact_sum(1e0 - ds[1] / nullif(ds[2], 0e0)) / count(*)) as separation from cluster_fit where sample = 0 group by k
)
select
  cast(b.k as integer) as k,
  case when max(b.n_groups) = b.k then (select min(n) from sized as z where z.k = b.k) end as smallest,
  any_value(s.stability) as stability,
  any_value(s.stability_low) as stability_low,
  any_value(p.separation) as separation
from cluster_best as b
left join stability as s on s.k = b.k
left join separation as p on p.k = b.k
where b.sample = 0
group by b.k
order by b.k`;

/** Numbers the groups from the least use to the most, and places everybody, then and now. */
async function placeAccounts(run: StepContext["run"], k: number, d: number): Promise<void> {
  await run(`
create or replace temp table cluster_centre as
select row_number() over (order by list_sum(cast(centre as double[])), j) as cluster, j as old_no, centre, ${zs(d)
    .map((z, i) => `centre[${i + 1}] as ${z}`)
    .join(", ")}
from cluster_best where k = ${k} and sample = 0 order by 1`);
  await run(`
create or replace temp table cluster_placed as
with point as (select *, ${placeOf(d, "x")} as place from cluster_point as x),
nearest as (
  select p.account_id, p.moment, any_value(p.n_known) as n_known, arg_min(c.j, ${distance}) as j
  from point as p cross join (select old_no as j, centre from cluster_centre) as c
  group by p.account_id, p.moment
)
select r.*, n.n_known, c.cluster
from cluster_row as r
inner join nearest as n on n.account_id = r.account_id and n.moment = r.moment
inner join cluster_centre as c on c.old_no = n.j
order by r.moment, r.account_id`);
}

/** Per group and KPI: where the centre lies, and quantiles at the date of the grouping beside the median of all. */
const kpiStatement = (kpis: readonly string[]): string => `
insert into marts.usage_cluster_kpi
with valued as (
  ${kpis
    .map((kpi, i) => {
      const column = quoteIdentifier(kpi);
      return `select
    p.cluster, ${literal(kpi)} as kpi, count(p.${column}) as n_values, twelve_digits(any_value(c.z${i + 1}) / 1e6) as centre,
    quantile_cont(p.${column}, 0.25) as q25, quantile_cont(p.${column}, 0.5) as q50, quantile_cont(p.${column}, 0.75) as q75,
    (select quantile_cont(${column}, 0.5) from cluster_placed where moment = 'then') as q50_of_all
  from cluster_placed as p inner join cluster_centre as c on c.cluster = p.cluster
  where p.moment = 'then' group by p.cluster`;
    })
    .join("\n  union all\n  ")}
)
select
  cast(v.cluster as integer), k.kpi_no, v.kpi, k.label, k.unit, v.n_values, v.centre,
  of_enough(twelve_digits(v.q25), v.n_values, greatest(p.min_cell, 20)), of_enough(twelve_digits(v.q50), v.n_values, greatest(p.min_cell, 20)),
  of_enough(twelve_digits(v.q75), v.n_values, greatest(p.min_cell, 20)), twelve_digits(v.q50_of_all)
from valued as v inner join features.kpi_definition as k on k.id = v.kpi cross join meta.params as p
order by v.cluster, k.kpi_no`;

/**
 * Churn of each group with Wilson's interval, and beside it what accounts of the same segment and third of size had: the
 * difference with the 95 % interval of the stratified hypergeometric variance (Mantel and Haenszel 1959). `differs`: at 5 % for all
 * groups together (Bonferroni). Size is seats, or money where seats are unknown.
 */
const clusterStatement = (
  k: number,
  groups: ResolvedPractice["clusters"]["groups"],
  fittedOn: string,
  nowOn: string,
): string => `
insert into marts.usage_cluster
with sized as (
  select *, coalesce(seats, mrr_minor) as size, (select quantile_disc(coalesce(seats, mrr_minor), [0.333333, 0.666667]) from cluster_placed where moment = 'then') as cuts
  from cluster_placed
),
stratified as (
  select
    *,
    concat(segment, ' ', case when size is null then 0 when size <= cuts[1] then 1 when size <= cuts[2] then 2 else 3 end) as stratum
  from sized
),
labelled as (select * from stratified where moment = 'then' and y is not null),
stratum as (select stratum, cast(count(*) as double) as n, cast(sum(y) as double) as m from labelled group by stratum),
cell as (
  select l.cluster, l.stratum, cast(count(*) as double) as n, s.n as n_all, s.m
  from labelled as l inner join stratum as s on s.stratum = l.stratum group by l.cluster, l.stratum, s.n, s.m
),
expected as (
  select
    cluster,
    exact_sum(n * m / n_all) as e,
    exact_sum(case when n_all > 1 then n * (n_all - n) * m * (n_all - m) / (n_all * n_all * (n_all - 1e0)) else 0e0 end) as v
  from cell group by cluster
),
churned as (select cluster, count(*) as n, cast(sum(y) as bigint) as m from labelled group by cluster),
present as (
  select
    cluster,
    count(*) filter (where moment = 'then') as n_then,
    count(*) filter (where moment = 'now') as n_now,
    quantile_cont(case when moment = 'then' then seats end, 0.5) as median_seats
  from stratified group by cluster
),
segmented as (
  select cluster, segment, count(*) as n, sum(count(*)) over (partition by segment) as n_of_all,
    row_number() over (partition by cluster order by count(*) desc, segment) as place
  from stratified where moment = 'then' group by cluster, segment
),
total as (
  select count(*) filter (where moment = 'then') as n_then, count(*) filter (where moment = 'now') as n_now from stratified
),
described as (
  select cluster, string_agg(concat(case when centre > 0 then 'more ' else 'less ' end, lower(left(label, 1)), substr(label, 2)), ', ' order by abs(centre) desc, kpi_no) as words
  from (
    select *, row_number() over (partition by cluster order by abs(centre) desc, kpi_no) as place from marts.usage_cluster_kpi
  ) where place <= 2 and abs(centre) >= 0.3
  group by cluster
),
named as (
  select * from (values ${groups.length === 0 ? "(null, null, null)" : groups.map((group) => `(${group.cluster}, ${literal(group.label ?? null)}, ${literal(group.success ?? null)})`).join(", ")}) as t (cluster, label, success)
)
select
  cast(p.cluster as integer),
  coalesce(g.label, concat(upper(left(d.words, 1)), substr(d.words, 2)), 'Near the middle in everything'),
  cast(g.success as varchar),
  date ${literal(fittedOn)},
  p.n_then,
  twelve_digits(p.n_then / cast(t.n_then as double)),
  coalesce(c.n, 0),
  coalesce(c.m, 0),
  case when c.n >= q.min_cell then twelve_digits(c.m / cast(c.n as double)) end,
  case when c.n >= q.min_cell then twelve_digits(wilson_low(c.m / cast(c.n as double), c.n)) end,
  case when c.n >= q.min_cell then twelve_digits(wilson_high(c.m / cast(c.n as double), c.n)) end,
  case when c.n >= q.min_cell then twelve_digits(e.e / c.n) end,
  case when c.n >= q.min_cell then twelve_digits((c.m - e.e) / c.n) end,
  case when c.n >= q.min_cell then twelve_digits((c.m - e.e - 1.959963984540054e0 * sqrt(e.v)) / c.n) end,
  case when c.n >= q.min_cell then twelve_digits((c.m - e.e + 1.959963984540054e0 * sqrt(e.v)) / c.n) end,
  coalesce(c.n >= q.min_cell and e.v > 1e-12 and abs(c.m - e.e) / sqrt(e.v) > normal_quantile(1e0 - 0.025e0 / ${k}), false),
  date ${literal(nowOn)},
  p.n_now,
  twelve_digits(p.n_now / cast(nullif(t.n_now, 0) as double)),
  s.segment,
  twelve_digits(s.n / cast(p.n_then as double)),
  twelve_digits(cast(s.n_of_all as double) / t.n_then),
  twelve_digits(p.median_seats)
from present as p
cross join total as t
cross join meta.params as q
left join churned as c on c.cluster = p.cluster
left join expected as e on e.cluster = p.cluster
left join segmented as s on s.cluster = p.cluster and s.place = 1
left join described as d on d.cluster = p.cluster
left join named as g on g.cluster = p.cluster
order by p.cluster`;

/** Cramér's V of group and segment, and of group and third of size, at the date of the grouping: 0 nothing in common, 1 the same. */
const associationStatement = (): string => `
with sized as (
  select
    *,
    coalesce(seats, mrr_minor) as size,
    (select quantile_disc(coalesce(seats, mrr_minor), [0.333333, 0.666667]) from cluster_placed where moment = 'then') as cuts
  from cluster_placed where moment = 'then'
),
trait as (
  select cluster, 'segment' as trait, coalesce(segment, 'unknown') as value from sized
  union all
  select cluster, 'size', case when size is null then '0' when size <= cuts[1] then '1' when size <= cuts[2] then '2' else '3' end from sized
),
cell as (select trait, cluster, value, cast(count(*) as double) as n from trait group by trait, cluster, value),
by_cluster as (select trait, cluster, sum(n) as n from cell group by trait, cluster),
by_value as (select trait, value, sum(n) as n from cell group by trait, value),
summed as (
  -- chi-squared / n is the sum of n_ij^2 / (n_i n_j), less 1.
  select c.trait, exact_sum(c.n * c.n / (a.n * b.n)) - 1e0 as phi
  from cell as c
  inner join by_cluster as a on a.trait = c.trait and a.cluster = c.cluster
  inner join by_value as b on b.trait = c.trait and b.value = c.value
  group by c.trait
),
degrees as (
  select trait, least((select count(*) from by_cluster as a where a.trait = v.trait), count(*)) - 1 as df from by_value as v group by trait
)
select
  max(case when s.trait = 'segment' then twelve_digits(sqrt(greatest(0e0, s.phi) / nullif(df, 0))) end) as segment_v,
  max(case when s.trait = 'size' then twelve_digits(sqrt(greatest(0e0, s.phi) / nullif(df, 0))) end) as size_v,
  (select cast(sum(n_labelled) as bigint) from marts.usage_cluster) as n_labelled,
  (select count(*) from marts.usage_cluster where differs) as n_differ
from summed as s inner join degrees as d on d.trait = s.trait`;
