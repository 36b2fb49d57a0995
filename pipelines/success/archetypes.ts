/** Five archetypes by where an account stands in use, tickets and marketing, with what became of them. docs/practice.md, "Archetypes". */
import type { Model } from "../models/model.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import type { ResolvedPractice } from "./files.ts";
import { labelledRows, ratedBy } from "./rates.ts";

/** In the order of precedence: the first that holds is the account's. `expected` is the health that Threado's guide expects. */
export const archetypes = [
  { id: "power_user", label: "Power User", expected: "high", does: "offer more", when: "much use, few tickets" },
  { id: "struggler", label: "Struggler", expected: "low", does: "step in", when: "little use, many tickets" },
  {
    id: "brand_advocate",
    label: "Brand Advocate",
    expected: "high",
    does: "ask for a testimonial",
    when: "much use, much response to marketing",
  },
  {
    id: "ghost",
    label: "Ghost",
    expected: "very low",
    does: "win back",
    when: "little use, little response to marketing",
  },
  {
    id: "on_the_fence",
    label: "On the Fence",
    expected: "medium",
    does: "ask and mend",
    when: "use and tickets in the middle",
  },
] as const;

/** Who is not one of the five. */
export const noArchetype = { id: "none", label: "None of the five", expected: "", does: "", when: "" } as const;

const axes = ["usage", "tickets", "marketing"] as const;
type Axis = (typeof axes)[number];

export function archetypeModels(practice: ResolvedPractice["archetypes"]): readonly Model[] {
  return [placeModel(practice), archetypeModel(practice)];
}

/** Mid-place of a value among the paying accounts of the snapshot that have one, 0 to 1; ties share theirs, no value has none. */
const midPlace = (column: string): string => {
  const w = `partition by snapshot_date, ${column} is null`;
  return `case when ${column} is not null then
      (cume_dist() over (${w} order by ${column}) + (rank() over (${w} order by ${column}) - 1) / cast(count(*) over (${w}) as double)) / 2e0 end`;
};

function placeModel({ low, high, ...kpisOf }: ResolvedPractice["archetypes"]): Model {
  const all = [...new Set(axes.flatMap((axis) => kpisOf[axis]))];
  const mean = (axis: Axis): string => {
    const columns = kpisOf[axis].map(quoteIdentifier);
    if (columns.length === 0) return "cast(null as double)";
    const known = columns.map((column) => `(${column} is not null)::integer`).join(" + ");
    return `twelve_digits((${columns.map((column) => `coalesce(${column}, 0e0)`).join(" + ")}) / nullif(${known}, 0))`;
  };
  const sql = `
with chosen as (
  select s.account_id, s.snapshot_date
  from spine.account_snapshot as s
  inner join spine.snapshot as d on d.snapshot_date = s.snapshot_date
  where d.is_validated or s.snapshot_date = (select max(snapshot_date) from spine.snapshot where is_scored)
),
valued as (
  select c.account_id, c.snapshot_date${all.map((kpi) => `, cast(k.${quoteIdentifier(kpi)} as double) as ${quoteIdentifier(kpi)}`).join("")}
  from chosen as c
  inner join features.account_kpi as k on k.account_id = c.account_id and k.snapshot_date = c.snapshot_date
),
ranked as (
  select account_id, snapshot_date${all.map((kpi) => `, ${midPlace(quoteIdentifier(kpi))} as ${quoteIdentifier(kpi)}`).join("")}
  from valued
),
averaged as (
  select account_id, snapshot_date, ${axes.map((axis) => `${mean(axis)} as ${axis}`).join(", ")} from ranked
),
placed as (
  select account_id, snapshot_date, ${axes.map((axis) => `twelve_digits(${midPlace(axis)}) as ${axis}_place`).join(", ")} from averaged
)
select
  account_id,
  snapshot_date,
  usage_place,
  tickets_place,
  marketing_place,
  case
    when usage_place >= ${high / 100} and tickets_place <= ${low / 100} then 'power_user'
    when usage_place <= ${low / 100} and tickets_place >= ${high / 100} then 'struggler'
    when usage_place >= ${high / 100} and marketing_place >= ${high / 100} then 'brand_advocate'
    when usage_place <= ${low / 100} and marketing_place <= ${low / 100} then 'ghost'
    when usage_place > ${low / 100} and usage_place < ${high / 100}
      and tickets_place > ${low / 100} and tickets_place < ${high / 100} then 'on_the_fence'
    else 'none'
  end as archetype
from placed
order by account_id, snapshot_date`;
  return {
    kind: "table",
    name: "marts.account_archetype",
    grain: ["account_id", "snapshot_date"],
    depends: ["features.account_kpi", "spine.account_snapshot", "spine.snapshot"],
    params: [],
    audits: [],
    portable: false,
    sql: sql.trim(),
  };
}

function archetypeModel({ low, high, ...kpisOf }: ResolvedPractice["archetypes"]): Model {
  const list = [...archetypes, noArchetype];
  const sql = `
with archetype as (
  select * from (values ${list
    .map(
      ({ id, label, expected, does, when }, i) =>
        `(${i + 1}, ${[id, label, when, expected === "" ? null : expected, does === "" ? null : does].map(literal).join(", ")})`,
    )
    .join(", ")}) as t (archetype_no, archetype, label, rule, expected_health, does)
),
newest as (select max(snapshot_date) as snapshot_date from spine.snapshot where is_scored),
present as (
  select a.archetype, a.account_id, s.mrr_minor, k.score, k.band
  from marts.account_archetype as a
  inner join newest as n on n.snapshot_date = a.snapshot_date
  inner join spine.account_snapshot as s on s.account_id = a.account_id and s.snapshot_date = a.snapshot_date
  left join scores.account_score as k on k.account_id = a.account_id and k.snapshot_date = a.snapshot_date and k.is_in_force
),
card as (
  select cast(any_value(c.scale_from) as double) as scale_from, cast(any_value(c.scale_to) as double) as scale_to,
    count(distinct concat(c.scale_from, ' ', c.scale_to)) as n_scales
  from scores.scorecard as c
  where exists (
    select 1 from scores.account_score as k inner join newest as n on n.snapshot_date = k.snapshot_date
    where k.is_in_force and k.scorecard = c.scorecard and k.version = c.version
  )
),
of_all as (
  select count(*) as n, count(score) as n_scored, exact_sum(cast(score as double)) / count(score) as mean_score from present
),
now_in as (
  select
    archetype,
    count(*) as n,
    count(score) as n_scored,
    cast(sum(mrr_minor) as bigint) as mrr_minor,
    exact_sum(cast(score as double)) / count(score) as mean_score,
    sqrt(greatest(0e0, (exact_sum(cast(score as double) * cast(score as double)) - exact_sum(cast(score as double)) * exact_sum(cast(score as double)) / count(score))
      / nullif(count(score) - 1, 0)) / count(score)) as se
  from present group by archetype
),
${labelledRows},
judged as (
  select a.archetype, l.account_no, l.y, l.expected
  from labelled as l
  inner join marts.account_archetype as a on a.account_id = l.account_id and a.snapshot_date = l.snapshot_date
),
${ratedBy("rated", "judged", ["archetype"], "(select min_cell from meta.params)")},
scored as (
  select
    t.*, coalesce(n.n, 0) as n_now, o.n as n_of, n.n_scored, n.mrr_minor, n.mean_score,
    n.mean_score - 1.959963984540054e0 * n.se as score_low, n.mean_score + 1.959963984540054e0 * n.se as score_high,
    o.mean_score as mean_score_of_all, o.n_scored as n_scored_of_all, c.n_scales,
    abs(c.scale_to - c.scale_from) / 10e0 as tenth
  from archetype as t
  cross join of_all as o
  cross join card as c
  left join now_in as n on n.archetype = t.archetype
)
select
  s.archetype_no,
  s.archetype,
  s.label,
  s.rule,
  s.does,
  s.expected_health,
  ${literal(`low: up to ${low} of 100, high: from ${high} of 100`)} as quantiles,
  ${literal(kpisOf.usage.join(", "))} as usage_kpis,
  ${literal(kpisOf.tickets.join(", "))} as tickets_kpis,
  ${literal(kpisOf.marketing.join(", "))} as marketing_kpis,
  cast(s.n_now as bigint) as n_now,
  cast(s.n_of as bigint) as n_of,
  twelve_digits(s.n_now / cast(nullif(s.n_of, 0) as double)) as share_now,
  of_enough(s.mrr_minor, s.n_now, p.min_cell) as mrr_minor,
  cast(coalesce(s.n_scored, 0) as bigint) as n_scored,
  case when s.n_scales = 1 and s.n_scored >= p.min_cell then twelve_digits(s.mean_score) end as mean_score,
  case when s.n_scales = 1 and s.n_scored >= p.min_cell then twelve_digits(s.score_low) end as score_low,
  case when s.n_scales = 1 and s.n_scored >= p.min_cell then twelve_digits(s.score_high) end as score_high,
  case when s.n_scales = 1 and s.n_scored_of_all >= p.min_cell then twelve_digits(s.mean_score_of_all) end as mean_score_of_all,
  case
    when s.expected_health is null or s.n_scales <> 1 or coalesce(s.n_scored, 0) < greatest(p.min_cell, 10) then null
    when s.expected_health = 'high' then case when s.score_low > s.mean_score_of_all then 'agrees' when s.score_high < s.mean_score_of_all then 'contradicts' else 'cannot tell' end
    -- In the middle: the whole interval within a tenth of the scale of the book's mean; an interval that merely holds it says nothing.
    when s.expected_health = 'medium' then case
      when s.score_low >= s.mean_score_of_all - s.tenth and s.score_high <= s.mean_score_of_all + s.tenth then 'agrees'
      when s.score_low > s.mean_score_of_all + s.tenth or s.score_high < s.mean_score_of_all - s.tenth then 'contradicts'
      else 'cannot tell'
    end
    else case when s.score_high < s.mean_score_of_all then 'agrees' when s.score_low > s.mean_score_of_all then 'contradicts' else 'cannot tell' end
  end as health_agrees,
  coalesce(r.n_rows, 0) as n_rows,
  coalesce(r.n_accounts, 0) as n_accounts,
  r.n_churned,
  r.churn_rate,
  r.churn_low,
  r.churn_high,
  r.expected_rate,
  r.difference,
  r.difference_low,
  r.difference_high,
  -- Five are looked at: at 5 % for all of them together.
  coalesce(s.archetype <> 'none' and abs(r.z) > normal_quantile(1e0 - 0.025e0 / ${archetypes.length}), false) as differs
from scored as s
cross join meta.params as p
left join rated as r on r.archetype = s.archetype
where s.n_of >= p.min_cell
order by s.archetype_no`;
  return {
    kind: "table",
    name: "marts.archetype",
    grain: ["archetype"],
    depends: [
      "marts.account_archetype",
      "scores.account_score",
      "scores.scorecard",
      "spine.account_snapshot",
      "spine.snapshot",
      "validation.definition",
      "validation.stratum",
    ],
    params: ["min_cell"],
    audits: [],
    portable: false,
    sql: sql.trim(),
  };
}
