/**
 * Weight humility: how many other weightings of a scorecard's KPIs history cannot tell from the best one, and how many of
 * those would have an account red too (docs/method.md, "Weight humility").
 */
import type { Step, StepContext } from "../models/model.ts";
import { literal } from "../warehouse/literal.ts";
import { type Card, cardsInForce, cardTitle } from "./advice-cards.ts";
import { humilitySentence } from "./advice-words.ts";
import { doubleLiteral, twelveDigits } from "./tables.ts";

/** Weightings drawn; number 0 is the card's own, and one more is the equal one. */
export const drawn = 2000;
/** Part of the text that is hashed: the same weightings in every book and every engine. */
export const humilitySeed = "assay";

/**
 * Dirichlet(1, ..., 1) weightings: normalised exponentials -ln(1 - u), u the first 52 bits of md5('m:part:seed') as a share of 1. A
 * select with m and one column a part, w1 ...
 */
export function weightingsSql(parts: readonly number[], current: readonly number[], n: number = drawn): string {
  const exponential = (part: number): string =>
    `-ln(1e0 - cast('0x' || substr(md5(m || ':${part}:${humilitySeed}'), 1, 13) as bigint) / 4503599627370496e0)`;
  const names = parts.map((_, k) => `w${k + 1}`);
  const total = parts.map((_, k) => `g${k + 1}`).join(" + ");
  return `
with exponential as (
  select cast(m as integer) as m, ${parts.map((part, k) => `${exponential(part)} as g${k + 1}`).join(", ")}
  from range(1, ${n + 1}) as t(m)
)
select m, ${names.map((name, k) => `g${k + 1} / (${total}) as ${name}`).join(", ")} from exponential
union all
select 0, ${current.map((share) => doubleLiteral(share / 100)).join(", ")}
union all
select ${n + 1}, ${parts.map(() => doubleLiteral(1 / parts.length)).join(", ")}`;
}

/** Dates that lie at least a horizon apart, up to three days less: what one of them counts no other counts again. */
export function apart(dates: readonly string[], horizonDays: number): readonly string[] {
  const kept: string[] = [];
  for (const date of dates) {
    const last = kept.at(-1);
    if (last === undefined || (Date.parse(date) - Date.parse(last)) / 86_400_000 >= horizonDays - 3) kept.push(date);
  }
  return kept;
}

/**
 * Where there are more pairs than that, some stayers stand for all of a stratum beside each leaver, drawn by md5: as many as make
 * about so many pairs, eight at least. With c of n stayers the variance of A is about (1 + 1/c) / (1 + 1/n) times that of all; what
 * the fewer pairs cannot tell apart stays among the kept, so fewer would keep more.
 */
const mostPairs = 60_000;
const fewestStayers = 8;

const columns = `scorecard varchar, version integer, account_id varchar, is_red boolean, red_share double,
  n_weightings integer, n_kept integer, kept_share double, n_churned bigint, n_accounts bigint, auc_current double,
  auc_equal double, auc_best double, is_current_kept boolean, is_equal_kept boolean, sentence varchar`;

/** Writes validation.weight_humility. */
export const adviseOnWeights: Step = {
  kind: "step",
  name: "validation.advise_on_weights",
  depends: [
    "scores.account_score",
    "scores.score_part",
    "scores.scorecard",
    "scores.scorecard_weight",
    "validation.definition",
    "validation.stratum",
  ],
  params: ["as_of", "horizon_days"],
  produces: ["validation.weight_humility"],
  version: "2",
  async run(context) {
    await context.run(`create table validation.weight_humility (${columns})`);
    for (const card of await cardsInForce(context.query)) await humbleCard(context, card);
  },
};

async function humbleCard(context: StepContext, card: Card): Promise<void> {
  const { query, run } = context;
  const of = `scorecard = ${literal(card.scorecard)} and version = ${card.version}`;
  const head = `${literal(card.scorecard)}, ${card.version}`;
  const say = (sentence: string, churned = 0): Promise<void> =>
    run(
      `insert into validation.weight_humility (scorecard, version, n_churned, sentence) values (${head}, ${churned}, ${literal(sentence)})`,
    );
  const parts = await query<{ part_no: number; share: number }>(
    `select part_no, cast(share as double) as share from scores.scorecard_weight where ${of} and share > 0 order by part_no`,
  );
  if (card.combine !== "weighted_mean")
    return say(`${cardTitle(card)} adds points up: it has no weights to draw others for.`);
  if (parts.length < 2) return say(`${cardTitle(card)} has ${parts.length} KPI with weight: nothing to weigh.`);
  const names = parts.map((_, k) => String(k + 1));
  const pivot = (where: string): string => `
select account_id, snapshot_date, ${parts
    .map(({ part_no }, k) => `max(case when part_no = ${part_no} then cast(points as double) end) as p${k + 1}`)
    .join(", ")}
from scores.score_part where ${of} and kind = 'kpi' and ${where} group by account_id, snapshot_date`;
  const score = (row: string): string => {
    const sum = names.map((k) => `w.w${k} * coalesce(${row}.p${k}, 0e0)`).join(" + ");
    const weight = names.map((k) => `case when ${row}.p${k} is not null then w.w${k} else 0e0 end`).join(" + ");
    return `(${sum}) / nullif(${weight}, 0e0)`;
  };

  const [params] = await query<{ horizon_days: number }>("select horizon_days from meta.params");
  const labelled = await query<{ day: string }>(`
select distinct cast(s.snapshot_date as varchar) as day
from validation.stratum as s
inner join validation.definition as d on d.definition = s.definition and d.is_primary
where s.y is not null and s.snapshot_date >= date ${literal(card.created_on)} order by 1`);
  const dates = apart(
    labelled.map(({ day }) => day),
    params?.horizon_days ?? 0,
  );
  if (dates.length === 0)
    return say(`${cardTitle(card)} is younger than every complete outcome window: no weighting can be tried.`);
  const inDates = `snapshot_date in (${dates.map((day) => `date ${literal(day)}`).join(", ")})`;
  await run(`
create or replace temp table humble_row as
select s.account_id, s.snapshot_date, s.account_no, s.stratum, s.y, p.* exclude (account_id, snapshot_date)
from validation.stratum as s
inner join validation.definition as d on d.definition = s.definition and d.is_primary
inner join scores.account_score as a
  on a.account_id = s.account_id and a.snapshot_date = s.snapshot_date and a.score is not null
  and a.scorecard = ${literal(card.scorecard)} and a.version = ${card.version}
inner join (${pivot(inDates)}) as p on p.account_id = s.account_id and p.snapshot_date = s.snapshot_date
where s.y is not null and s.${inDates}`);
  await run(
    `create or replace temp table humble_weight as ${weightingsSql(
      parts.map(({ part_no }) => part_no),
      parts.map(({ share }) => share),
    )}`,
  );
  await run(`
create or replace temp table humble_kept as
with sized as (
  select stratum, sum(y) as e, sum(1 - y) as n from humble_row group by stratum having min(y) = 0 and max(y) = 1
),
placed as (
  select r.*, s.e, row_number() over (partition by r.stratum, r.y order by md5(r.account_id || ':${humilitySeed}'), r.snapshot_date) as place
  from humble_row as r
  inner join sized as s on s.stratum = r.stratum
)
select * exclude (e, place) from placed
where y = 1 or (select sum(e * n) from sized) <= ${mostPairs}
  or place <= e * greatest(${fewestStayers}, ${mostPairs} // (select sum(e) from sized))`);
  // Where all differences of a pair have one sign, no weighting decides otherwise; where its rows lack different KPIs, both
  // scores decide.
  const isAlike = names.map((k) => `(i.p${k} is null) = (j.p${k} is null)`).join(" and ");
  const differences = names.map((k) => `coalesce(j.p${k} - i.p${k}, 0e0)`).join(", ");
  await run(`
create or replace temp table humble_pair as
with sized as (
  select stratum, sum(y) as e, sum(1 - y) as n from humble_kept group by stratum
)
select
  i.account_no as event_account, j.account_no as other_account, cast(round(1e12 / (s.e + s.n)) as bigint) as weight,
  ${isAlike} as is_alike,
  not (${isAlike}) or (greatest(${differences}, 0e0) > 0e0 and least(${differences}, 0e0) < 0e0) as is_open,
  ${names.map((k) => `coalesce(j.p${k} - i.p${k}, 0e0) as d${k}`).join(", ")},
  ${names.map((k) => `i.p${k} as e${k}, j.p${k} as n${k}`).join(", ")}
from humble_kept as i
inner join sized as s on s.stratum = i.stratum
inner join humble_kept as j on j.stratum = i.stratum and j.y = 0
where i.y = 1`);
  const [size] = await query<{ n_churned: number; n_accounts: number }>(`
select count(distinct event_account) as n_churned,
  (select count(*) from (select event_account from humble_pair union select other_account from humble_pair) as a) as n_accounts
from humble_pair`);
  const churned = size?.n_churned ?? 0;
  const drop = async (): Promise<void> => {
    for (const table of ["row", "kept", "weight", "pair", "known"]) await run(`drop table if exists humble_${table}`);
  };
  if (churned < 20) {
    await drop();
    return say(
      `Not enough data: ${churned} churned accounts can be compared, history cannot rank weightings.`,
      churned,
    );
  }
  const side = (x: string): string => {
    const sum = names.map((k) => `w.w${k} * coalesce(p.${x}${k}, 0e0)`).join(" + ");
    const weight = names.map((k) => `case when p.${x}${k} is not null then w.w${k} else 0e0 end`).join(" + ");
    return `(${sum}) / nullif(${weight}, 0e0)`;
  };
  // 2 where the leaver has the lower score, 1 for a tie, 0 otherwise.
  const won = (isAlikeBranch: boolean): string => {
    const ahead = isAlikeBranch ? names.map((k) => `w.w${k} * p.d${k}`).join(" + ") : `${side("n")} - ${side("e")}`;
    return `case when ${ahead} > 1e-9 then 2 when ${ahead} < -1e-9 then 0 else 1 end`;
  };
  const own = "(select * from humble_weight where m = 0) as w";
  await run(`
create or replace temp table humble_known as
select p.*, ${won(true)} as known from humble_pair as p, ${own} where p.is_alike
union all
select p.*, ${won(false)} from humble_pair as p, ${own} where not p.is_alike`);
  // Only what a weighting decides otherwise than the card is kept: it holds all differences of A and of psi.
  const otherwise = (isAlikeBranch: boolean): string => `
select m, event_account, other_account, weight * (won - known) as moved
from (
  select w.m, p.event_account, p.other_account, p.weight, p.known, ${won(isAlikeBranch)} as won
  from humble_known as p cross join humble_weight as w
  where p.is_open and ${isAlikeBranch ? "" : "not "}p.is_alike
) as tried
where won <> known`;
  await run(`create or replace temp table humble_otherwise as ${otherwise(true)} union all ${otherwise(false)}`);
  await run(`
create or replace temp table humble_auc as
with whole as (
  select cast(sum(weight) as double) as pairs, cast(sum(weight * known) as double) as won from humble_known
),
met as (
  select account_no, sum(weight) as met
  from (
    select event_account as account_no, weight from humble_known
    union all
    select other_account, weight from humble_known
  ) as sided
  group by account_no
),
moved as materialized (
  select m, account_no, cast(sum(moved) as bigint) as moved, cast(sum(moved_once) as bigint) as moved_once
  from (
    select m, event_account as account_no, moved, moved as moved_once from humble_otherwise
    union all
    select m, other_account, moved, 0 from humble_otherwise
  ) as sided
  group by m, account_no
),
total as (
  select m, cast(sum(moved_once) as double) as moved from moved group by m
),
ranked as (
  select w.m, (h.won + coalesce(t.moved, 0e0)) / 2e0 / h.pairs as auc
  from humble_weight as w
  cross join whole as h
  left join total as t on t.m = w.m
),
best as (
  select m, auc from ranked order by auc desc, m limit 1
),
best_moved as (
  select v.account_no, v.moved from moved as v inner join best as b on b.m = v.m
),
of_best as (
  select
    cast(coalesce(sum(cast(v.moved as hugeint) * v.moved), 0) as double) as square,
    cast(coalesce(sum(cast(v.moved as hugeint) * t.met), 0) as double) as by_met
  from best_moved as v
  inner join met as t on t.account_no = v.account_no
),
of_each as (
  select
    v.m,
    cast(sum(cast(v.moved as hugeint) * v.moved) as double) as square,
    cast(sum(cast(v.moved as hugeint) * coalesce(b.moved, 0)) as double) as by_best,
    cast(sum(cast(v.moved as hugeint) * t.met) as double) as by_met
  from moved as v
  inner join met as t on t.account_no = v.account_no
  left join best_moved as b on b.account_no = v.account_no
  group by v.m
),
met_square as (
  select cast(sum(cast(met as hugeint) * met) as double) as square from met
),
compared as (
  select
    r.m,
    r.auc,
    b.auc - r.auc as behind,
    -- Sum over accounts of ((moved_best - moved_m) / 2 - (A_best - A_m) met)^2, over the pairs squared: the variance.
    sqrt(greatest(
      (o.square + coalesce(e.square, 0e0) - 2e0 * coalesce(e.by_best, 0e0)) / 4e0
        - (b.auc - r.auc) * (o.by_met - coalesce(e.by_met, 0e0))
        + (b.auc - r.auc) * (b.auc - r.auc) * s.square,
      0e0
    )) / h.pairs as se
  from ranked as r
  cross join best as b
  cross join of_best as o
  cross join met_square as s
  cross join whole as h
  left join of_each as e on e.m = r.m
)
select m, auc, behind, se, behind <= 1.96e0 * se or behind = 0e0 as is_kept from compared`);
  await run("drop table humble_otherwise");
  const [found] = await query<{
    n: number;
    n_kept: number;
    auc_current: number;
    auc_equal: number;
    auc_best: number;
    is_current_kept: boolean;
    is_equal_kept: boolean;
  }>(`
select count(*) as n, count(case when is_kept then 1 end) as n_kept,
  max(case when m = 0 then auc end) as auc_current, max(case when m = ${drawn + 1} then auc end) as auc_equal,
  max(auc) as auc_best, bool_or(m = 0 and is_kept) as is_current_kept, bool_or(m = ${drawn + 1} and is_kept) as is_equal_kept
from humble_auc`);
  if (found === undefined) return drop();
  const sentence = humilitySentence({
    card: cardTitle(card),
    kpis: parts.length,
    n: found.n,
    kept: found.n_kept,
    isCurrentKept: found.is_current_kept,
    churned,
  });
  const number = (value: number): string => doubleLiteral(twelveDigits(value) as number);
  const facts = `${found.n}, ${found.n_kept}, ${number(found.n_kept / found.n)}, ${churned}, ${size?.n_accounts ?? 0}, ${number(found.auc_current)}, ${number(found.auc_equal)}, ${number(found.auc_best)}, ${found.is_current_kept}, ${found.is_equal_kept}`;
  await run(
    `insert into validation.weight_humility values (${head}, null, null, null, ${facts}, ${literal(sentence)})`,
  );
  await redByOthers(context, card, pivot, score, facts, found.n_kept);
  await run("drop table humble_auc");
  await drop();
}

/**
 * Of the newest scored accounts that the card is in force for: in how many of the kept weightings each is red, with as many red
 * ones as the card has now (more where scores tie at the last of them).
 */
async function redByOthers(
  { query, run }: StepContext,
  card: Card,
  pivot: (where: string) => string,
  score: (row: string) => string,
  facts: string,
  kept: number,
): Promise<void> {
  const of = `scorecard = ${literal(card.scorecard)} and version = ${card.version}`;
  const [now] = await query<{ day: string | null; n_red: number; worst: string | null }>(`
with worst as (
  select bands ->> '$.list[0].id' as worst from scores.scorecard where ${of}
),
newest as (
  select max(snapshot_date) as day from scores.account_score where ${of} and is_in_force
)
select cast(n.day as varchar) as day, w.worst, count(case when a.band = w.worst then 1 end) as n_red
from newest as n
cross join worst as w
left join scores.account_score as a
  on a.${of.replace(" and ", " and a.")} and a.snapshot_date = n.day and a.is_in_force and a.score is not null
group by n.day, w.worst`);
  if (now === undefined || now.day === null || now.worst === null || now.n_red === 0) return;
  await run(`
insert into validation.weight_humility
with given as (
  select a.account_id, a.band = ${literal(now.worst)} as is_red, p.* exclude (account_id, snapshot_date)
  from scores.account_score as a
  inner join (${pivot(`snapshot_date = date ${literal(now.day)}`)}) as p
    on p.account_id = a.account_id and p.snapshot_date = a.snapshot_date
  where a.${of.replace(" and ", " and a.")} and a.is_in_force and a.score is not null
),
scored as materialized (
  select w.m, g.account_id, round(${score("g")}, 9) as score
  from given as g
  cross join (select w.* from humble_weight as w inner join humble_auc as a on a.m = w.m and a.is_kept) as w
),
last_red as (
  select m, list_last(min(score, ${now.n_red})) as score from scored group by m
),
counted as (
  select s.account_id, count(case when s.score <= l.score then 1 end) / ${kept}e0 as red_share
  from scored as s
  inner join last_red as l on l.m = s.m
  group by s.account_id
)
select ${literal(card.scorecard)}, ${card.version}, g.account_id, g.is_red, twelve_digits(c.red_share), ${facts},
  'Red in ' || case when c.red_share > 0e0 and c.red_share < 0.005e0 then 'under 1' when c.red_share < 1e0 and c.red_share >= 0.995e0 then 'over 99' else cast(cast(round(100e0 * c.red_share) as integer) as varchar) end
    || ' % of the ${kept.toLocaleString("en-US")} weightings that are statistically as good.'
from given as g
inner join counted as c on c.account_id = g.account_id
where g.is_red or c.red_share > 0e0
order by g.account_id`);
}
