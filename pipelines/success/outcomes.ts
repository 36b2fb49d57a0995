/** Desired outcomes: a score of each account for the outcome it wants, and what became of those that have it. docs/practice.md. */
import type { Model } from "../models/model.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import type { ResolvedPractice } from "./files.ts";
import { labelledRows, ratedBy } from "./rates.ts";

type Outcomes = ResolvedPractice["outcomes"];

/** `knowsOutcome`: the book's account export says what an account wants (`desired_outcome`). */
export function outcomeModels(outcomes: Outcomes, knowsOutcome: boolean): readonly Model[] {
  return [wantedModel(knowsOutcome), milestoneModel(outcomes), scoreModel(outcomes), summaryModel(outcomes)];
}

/** What an account wants, as known at the newest scored snapshot and at those that history can judge. */
const wantedModel = (knowsOutcome: boolean): Model =>
  model(
    "marts.account_outcome",
    ["account_id", "snapshot_date"],
    ["spine.account_snapshot", "spine.snapshot", "staging.account", "validation.definition", "validation.stratum"],
    [],
    knowsOutcome
      ? `
with ${newest},
looked_at as (
  select s.account_id, s.snapshot_date
  from spine.account_snapshot as s inner join newest as n on n.snapshot_date = s.snapshot_date
  union
  select s.account_id, s.snapshot_date
  from validation.stratum as s
  inner join validation.definition as d on d.definition = s.definition and d.is_primary
  where s.y is not null
)
select l.account_id, l.snapshot_date, arg_max(cast(a.desired_outcome as varchar), (a.visible_on, a.source)) as desired_outcome
from looked_at as l
inner join staging.account as a on a.account_id = l.account_id
  and a.visible_on <= l.snapshot_date and (a.superseded_on is null or l.snapshot_date < a.superseded_on)
where a.desired_outcome is not null
group by l.account_id, l.snapshot_date
order by l.account_id, l.snapshot_date`
      : `
select cast(null as varchar) as account_id, cast(null as date) as snapshot_date, cast(null as varchar) as desired_outcome limit 0`,
  );

const model = (
  name: string,
  grain: readonly string[],
  depends: readonly string[],
  params: readonly string[],
  sql: string,
): Model => ({
  kind: "table",
  name,
  grain,
  depends,
  params,
  audits: [],
  portable: false,
  sql: sql.trim(),
});

const newest = "newest as (select max(snapshot_date) as snapshot_date from spine.snapshot where is_scored)";

/** What the file says of each outcome; without a file no row. */
const listed = (outcomes: Outcomes): string => {
  const rows = outcomes.map(
    ({ id, label, success: { kpi, comparison, threshold } }, i) =>
      `(${i + 1}, ${[id, label, kpi, comparison].map(literal).join(", ")}, cast(${threshold} as double))`,
  );
  return `listed as (
  select * from (values ${rows.length === 0 ? "(0, null, null, null, null, null)" : rows.join(", ")})
    as t (outcome_no, outcome, label, kpi, comparison, threshold)
  where outcome_no > 0
)`;
};

/** The value of the success measure of an account's outcome: columns o.outcome, k.<kpi>. */
const measured = (outcomes: Outcomes): string =>
  outcomes.length === 0
    ? "cast(null as double)"
    : `case o.outcome ${outcomes.map(({ id, success }) => `when ${literal(id)} then cast(k.${quoteIdentifier(success.kpi)} as double)`).join(" ")} end`;

const isMet = "case when o.comparison = 'at_least' then value >= o.threshold else value <= o.threshold end";

/**
 * Every milestone of an account, as the newest snapshot knows it, in days since its first paid day. The file's days stand before those
 * of the export, for accounts that pay now and want that outcome; one that the export does not have is open. What was expected after an
 * account's last paid day and never passed is `gone`: it is not late.
 */
function milestoneModel(outcomes: Outcomes): Model {
  const planned = outcomes.flatMap(({ id, milestones }) =>
    milestones.map(({ milestone, days }) => `(${literal(id)}, ${literal(milestone)}, ${days})`),
  );
  return model(
    "marts.milestone_account",
    ["account_id", "milestone", "expected_on"],
    [
      "features.account_milestone",
      "marts.account_outcome",
      "spine.account_period",
      "spine.first_use",
      "spine.snapshot",
    ],
    [],
    `
with ${newest},
first_period as (
  select account_id, min(started_on) as started_on, arg_min(ended_on, started_on) as ended_on from spine.account_period group by account_id
),
last_paid as (
  select account_id, case when bool_or(ended_on is null) then date '9999-12-31' else max(ended_on) end as ended_on
  from spine.account_period group by account_id
),
planned as (
  select * from (values ${planned.length === 0 ? "(null, null, null)" : planned.join(", ")}) as t (outcome, milestone, days)
),
wanted as (
  select t.account_id, p.milestone, f.started_on + cast(p.days as integer) as expected_on
  from marts.account_outcome as t
  inner join newest as n on n.snapshot_date = t.snapshot_date
  inner join planned as p on p.outcome = t.desired_outcome
  -- What an account passed before the data began is not on record.
  inner join first_period as f on f.account_id = t.account_id and f.started_on >= (select min(first_used_on) from spine.first_use)
),
known as (
  select account_id, milestone, max(expected_on) as expected_on, min(reached_on) as reached_on
  from features.account_milestone group by account_id, milestone, expected_on
),
joined as (
  select
    coalesce(k.account_id, w.account_id) as account_id,
    coalesce(k.milestone, w.milestone) as milestone,
    coalesce(w.expected_on, k.expected_on) as expected_on,
    k.reached_on
  from known as k full join wanted as w on w.account_id = k.account_id and w.milestone = k.milestone
)
select
  j.account_id,
  j.milestone,
  f.started_on,
  j.expected_on,
  j.reached_on,
  cast(j.expected_on - f.started_on as integer) as expected_day,
  cast(j.reached_on - f.started_on as integer) as reached_day,
  cast(case when j.expected_on < n.snapshot_date and (j.reached_on is not null or j.expected_on < l.ended_on) then greatest(0, coalesce(j.reached_on, n.snapshot_date) - j.expected_on) end as integer) as days_late,
  case
    when j.reached_on is not null and j.expected_on is null then 'reached'
    when j.reached_on <= j.expected_on then 'on time'
    when j.reached_on > j.expected_on then 'late'
    when j.expected_on < n.snapshot_date and j.expected_on < l.ended_on then 'overdue'
    when j.expected_on < n.snapshot_date then 'gone'
    else 'ahead'
  end as state
from joined as j
inner join first_period as f on f.account_id = j.account_id
inner join last_paid as l on l.account_id = j.account_id
cross join newest as n
order by j.account_id, j.expected_on, j.milestone`,
  );
}

/**
 * Of each account that pays now and wants an outcome, how far it is, 0 to 100: the mean of what is known of two parts. Success: 100 where
 * the measure is met, otherwise the value's share of the threshold (the other way round for at_most). Milestones: of those expected by
 * now, the share passed on time.
 */
function scoreModel(outcomes: Outcomes): Model {
  return model(
    "marts.outcome_score",
    ["account_id"],
    [
      "features.account_kpi",
      "marts.milestone_account",
      "marts.account_outcome",
      "spine.account_snapshot",
      "spine.snapshot",
    ],
    [],
    `
with ${newest},
${listed(outcomes)},
wanted as (
  select t.account_id, t.snapshot_date, t.desired_outcome
  from marts.account_outcome as t inner join newest as n on n.snapshot_date = t.snapshot_date
  where t.desired_outcome is not null
),
valued as (
  select w.account_id, w.snapshot_date, w.desired_outcome, o.outcome, o.comparison, o.threshold, ${measured(outcomes)} as value
  from wanted as w
  left join listed as o on o.outcome = w.desired_outcome
  left join features.account_kpi as k on k.account_id = w.account_id and k.snapshot_date = w.snapshot_date
),
passed as (
  select
    account_id,
    count(*) filter (where days_late is not null) as n_due,
    count(*) filter (where days_late is not null and reached_on is not null) as n_reached,
    count(*) filter (where days_late is not null and state = 'on time') as n_on_time
  from marts.milestone_account group by account_id
),
parted as (
  select
    o.*,
    ${isMet} as is_met,
    case
      when o.value is null then null
      when ${isMet} then 100e0
      when o.comparison = 'at_least' and o.threshold > 0 then 100e0 * greatest(0e0, o.value) / o.threshold
      when o.comparison = 'at_most' and o.value > 0 then 100e0 * greatest(0e0, o.threshold) / o.value
      else 0e0
    end as success_part,
    coalesce(p.n_due, 0) as n_due,
    coalesce(p.n_reached, 0) as n_reached,
    coalesce(p.n_on_time, 0) as n_on_time,
    100e0 * p.n_on_time / nullif(p.n_due, 0) as milestone_part
  from valued as o left join passed as p on p.account_id = o.account_id
)
select
  account_id,
  snapshot_date,
  desired_outcome as outcome,
  outcome is not null as is_listed,
  twelve_digits(value) as value,
  is_met,
  twelve_digits(success_part) as success_part,
  n_due,
  n_reached,
  n_on_time,
  twelve_digits(milestone_part) as milestone_part,
  case when outcome is not null then twelve_digits((coalesce(success_part, 0e0) + coalesce(milestone_part, 0e0))
    / nullif((success_part is not null)::integer + (milestone_part is not null)::integer, 0)) end as score
from parted
order by account_id`,
  );
}

/**
 * An outcome that an account wants: who has it now, with Wilson's interval, and how many of those that had it and had it not left later.
 * Outcomes that the file does not list and fewer than min_cell accounts want are together `other outcomes`.
 */
function summaryModel(outcomes: Outcomes): Model {
  const words = (threshold: number, comparison: string): string =>
    `${comparison === "at_least" ? "at least" : "at most"} ${threshold}`;
  const said = outcomes.map(
    ({ id, success }) =>
      `when ${literal(id)} then concat(d.label, ${literal(` ${words(success.threshold, success.comparison)}`)})`,
  );
  return model(
    "marts.outcome_summary",
    ["outcome"],
    [
      "features.account_kpi",
      "features.kpi_definition",
      "marts.outcome_score",
      "marts.account_outcome",
      "validation.definition",
      "validation.stratum",
    ],
    ["min_cell"],
    `
with ${listed(outcomes)},
small as (
  select outcome from marts.outcome_score
  where not is_listed group by outcome having count(*) < (select min_cell from meta.params)
),
said as (
  select s.* exclude (outcome), case when z.outcome is null then s.outcome else 'other outcomes' end as outcome
  from marts.outcome_score as s left join small as z on z.outcome = s.outcome
),
wanted as (
  select
    s.outcome,
    count(*) as n_accounts,
    count(s.score) as n_scored,
    exact_sum(s.score) / nullif(count(s.score), 0) as mean_score,
    quantile_cont(s.score, [0.25, 0.5, 0.75]) as q,
    count(s.is_met) as n_measured,
    count(*) filter (where s.is_met) as n_met,
    cast(sum(s.n_due) as bigint) as n_due,
    cast(sum(s.n_on_time) as bigint) as n_on_time
  from said as s group by s.outcome
),
named as (
  select
    coalesce(o.outcome, w.outcome) as outcome,
    o.outcome_no,
    coalesce(o.label, replace(w.outcome, '_', ' ')) as label,
    o.outcome is not null as is_listed,
    ${said.length === 0 ? "cast(null as varchar)" : `case o.outcome ${said.join(" ")} end`} as success_in_words,
    w.* exclude (outcome)
  from listed as o
  full join wanted as w on w.outcome = o.outcome
  left join features.kpi_definition as d on d.id = o.kpi
),
${labelledRows},
judged_value as (
  select l.account_no, l.y, l.expected, o.outcome, o.comparison, o.threshold, ${measured(outcomes)} as value
  from labelled as l
  inner join marts.account_outcome as t on t.account_id = l.account_id and t.snapshot_date = l.snapshot_date
  inner join listed as o on o.outcome = t.desired_outcome
  inner join features.account_kpi as k on k.account_id = l.account_id and k.snapshot_date = l.snapshot_date
),
judged as (
  select account_no, y, expected, outcome, ${isMet.replaceAll("o.", "")} as is_met from judged_value where value is not null
),
${ratedBy("rated", "judged", ["outcome", "is_met"], "(select min_cell from meta.params)")}
select
  cast(coalesce(n.outcome_no, 1000) as integer) as outcome_no,
  n.outcome,
  n.label,
  n.is_listed,
  n.success_in_words,
  coalesce(n.n_accounts, 0) as n_accounts,
  coalesce(n.n_scored, 0) as n_scored,
  case when n.n_scored >= p.min_cell then twelve_digits(n.mean_score) end as mean_score,
  case when n.n_scored >= greatest(20, p.min_cell) then twelve_digits(n.q[1]) end as score_q25,
  case when n.n_scored >= greatest(20, p.min_cell) then twelve_digits(n.q[2]) end as score_q50,
  case when n.n_scored >= greatest(20, p.min_cell) then twelve_digits(n.q[3]) end as score_q75,
  coalesce(n.n_measured, 0) as n_measured,
  case when n.n_measured >= p.min_cell then n.n_met end as n_met,
  case when n.n_measured >= p.min_cell then twelve_digits(n.n_met / cast(n.n_measured as double)) end as met_rate,
  case when n.n_measured >= p.min_cell then twelve_digits(wilson_low(n.n_met / cast(n.n_measured as double), n.n_measured)) end as met_low,
  case when n.n_measured >= p.min_cell then twelve_digits(wilson_high(n.n_met / cast(n.n_measured as double), n.n_measured)) end as met_high,
  coalesce(n.n_due, 0) as n_milestones_due,
  coalesce(n.n_on_time, 0) as n_milestones_on_time,
  ${["met", "unmet"]
    .map(
      (side) => `coalesce(${side}.n_rows, 0) as ${side}_rows,
  coalesce(${side}.n_accounts, 0) as ${side}_accounts,
  ${side}.n_churned as ${side}_churned,
  ${side}.churn_rate as ${side}_churn_rate,
  ${side}.churn_low as ${side}_churn_low,
  ${side}.churn_high as ${side}_churn_high,
  ${side}.expected_rate as ${side}_expected_rate,
  ${side}.difference as ${side}_difference,
  ${side}.difference_low as ${side}_difference_low,
  ${side}.difference_high as ${side}_difference_high`,
    )
    .join(",\n  ")}
from named as n
cross join meta.params as p
left join rated as met on met.outcome = n.outcome and met.is_met
left join rated as unmet on unmet.outcome = n.outcome and not unmet.is_met
where n.is_listed or n.n_accounts >= p.min_cell
order by 1, n.outcome`,
  );
}
