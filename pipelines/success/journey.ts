/** Where accounts stand on their way: the funnel from trial to gate by month of its start, and stages with what became of them. */
import type { Model } from "../models/model.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import type { ResolvedPractice } from "./files.ts";
import { labelledRows, ratedBy } from "./rates.ts";

export function journeyModels(funnel: ResolvedPractice["funnel"]): readonly Model[] {
  return [trialModel(funnel), funnelModel(funnel), funnelSplitModel(funnel), stageModel];
}

const model = (
  name: string,
  grain: readonly string[],
  depends: readonly string[],
  params: readonly string[],
  sql: string,
): Model => ({ kind: "table", name, grain, depends, params, audits: [], portable: false, sql: sql.trim() });

/**
 * Every account that began with a trial, and how far it came; a trial of something more, by an account that had paid before, is none.
 * key_feature_on: the first day of the key feature in the trial, up to the first paid day. The gate is looked at on the first scored date so many days after the first paid day; who has left by then has not passed,
 * and a KPI without a value leaves it open.
 */
function trialModel({ key_feature, paid_within_days, gate }: ResolvedPractice["funnel"]): Model {
  return model(
    "marts.account_trial",
    ["account_id"],
    [
      "spine.account_period",
      "spine.snapshot",
      "staging.subscription",
      ...(key_feature === null ? [] : ["rollup.account_day"]),
      ...(gate === null ? [] : ["features.account_kpi"]),
    ],
    ["as_of"],
    `
with first_trial as (
  select account_id, min(started_on) as trial_on, arg_min(ended_on, started_on) as trial_ended_on
  from staging.subscription
  cross join meta.params
  where is_trial and account_id is not null and started_on < as_of and visible_on <= as_of and (superseded_on is null or as_of < superseded_on)
  group by account_id
),
trial as (
  select t.*
  from first_trial as t
  where not exists (select 1 from spine.account_period as p where p.account_id = t.account_id and p.started_on < t.trial_on)
),
paid as (
  select t.account_id, min(p.started_on) as paid_on, arg_min(p.ended_on, p.started_on) as ended_on
  from trial as t inner join spine.account_period as p on p.account_id = t.account_id and p.started_on >= t.trial_on
  group by t.account_id
),
used as (
  ${
    key_feature === null
      ? "select cast(null as varchar) as account_id, cast(null as date) as used_on limit 0"
      : `select d.account_id, min(d.activity_date) as used_on
  from "rollup".account_day as d inner join trial as t on t.account_id = d.account_id and d.activity_date >= t.trial_on
  cross join meta.params as p
  where d.event = ${literal(key_feature)} and d.visible_on <= p.as_of
  group by d.account_id`
  }
),
walked as (
  select t.account_id, t.trial_on, u.used_on, p.paid_on, p.ended_on, least(coalesce(t.trial_ended_on, date '9999-12-31'), coalesce(p.paid_on + 1, date '9999-12-31')) as trial_until
  from trial as t
  left join paid as p on p.account_id = t.account_id
  left join used as u on u.account_id = t.account_id
),
looked_at as (
  select w.account_id, min(s.snapshot_date) as gate_on
  from walked as w inner join spine.snapshot as s on s.is_scored and s.snapshot_date >= w.paid_on + ${gate?.after_days ?? 0}
  group by w.account_id
)
select
  w.account_id,
  w.trial_on,
  case when w.used_on < w.trial_until then w.used_on end as key_feature_on,
  case when w.paid_on <= w.trial_on + ${paid_within_days} then w.paid_on end as paid_on,
  case when w.paid_on <= w.trial_on + ${paid_within_days} then l.gate_on end as gate_on,
  ${
    gate === null
      ? "cast(null as boolean)"
      : `case when w.paid_on <= w.trial_on + ${paid_within_days} and l.gate_on is not null
    then case when k.account_id is null then false else cast(k.${quoteIdentifier(gate.kpi)} as double) >= ${gate.at_least} end end`
  } as has_passed,
  w.trial_on + ${paid_within_days} <= p.as_of as can_have_paid
from walked as w
cross join meta.params as p
left join looked_at as l on l.account_id = w.account_id
${gate === null ? "" : "left join features.account_kpi as k on k.account_id = w.account_id and k.snapshot_date = l.gate_on\n"}order by w.account_id`,
  );
}

/**
 * Counts by the time in which the trial began: months, or quarters, half-years or years where a month holds fewer than min_cell; null is
 * all of them. Of trials (steps 2 and 3) or of payers (step 4); only those whose time for the step is over count in the share. The first
 * step has no share, and without a key feature there is no second one.
 */
const funnelModel = ({ key_feature }: ResolvedPractice["funnel"]): Model =>
  model(
    "marts.funnel_month",
    ["cohort_from", "step_no"],
    ["marts.account_trial"],
    ["as_of", "min_cell"],
    `
with unit as (
  select * from (values (1, 'month'), (2, 'quarter'), (3, 'half-year'), (4, 'year')) as t (unit_no, unit)
),
placed as (
  select
    u.unit_no,
    u.unit,
    a.*,
    case u.unit_no
      when 1 then cast(date_trunc('month', a.trial_on) as date)
      when 2 then cast(date_trunc('quarter', a.trial_on) as date)
      when 3 then make_date(year(a.trial_on), case when month(a.trial_on) <= 6 then 1 else 7 end, 1)
      else cast(date_trunc('year', a.trial_on) as date)
    end as cohort_from
  from marts.account_trial as a cross join unit as u
),
fine as (
  -- The finest grid in which every cohort is large enough.
  select min(unit_no) as unit_no
  from (
    select unit_no, min(n) as smallest from (select unit_no, cohort_from, count(*) as n from placed group by unit_no, cohort_from) group by unit_no
  ) cross join meta.params
  where smallest >= min_cell
),
chosen as (
  select p.unit, p.cohort_from, p.key_feature_on, p.paid_on, p.has_passed, p.can_have_paid
  from placed as p inner join fine as f on f.unit_no = p.unit_no
  union all
  select 'all', null, key_feature_on, paid_on, has_passed, can_have_paid from placed where unit_no = 1
),
counted as (
  select
    unit,
    cohort_from,
    count(*) as n_trials,
    count(key_feature_on) as n_used,
    count(*) filter (where can_have_paid) as n_can_pay,
    count(*) filter (where can_have_paid and paid_on is not null) as n_paid,
    count(has_passed) as n_looked_at,
    count(*) filter (where has_passed) as n_passed
  from chosen group by unit, cohort_from
),
step as (
  select unit, cohort_from, 1 as step_no, 'trial' as step, n_trials as n_accounts, n_trials as n_of, n_trials, true as is_complete from counted
  union all
  ${
    key_feature === null
      ? ""
      : "select unit, cohort_from, 2, 'key feature in the trial', n_used, n_trials, n_trials, n_can_pay = n_trials from counted\n  union all"
  }
  select unit, cohort_from, 3, 'paid', n_paid, n_can_pay, n_trials, n_can_pay = n_trials from counted
  union all
  select unit, cohort_from, 4, 'gate passed', n_passed, n_looked_at, n_trials, n_can_pay = n_trials and n_looked_at = n_paid from counted
)
select
  s.unit,
  s.cohort_from,
  cast(s.step_no as integer) as step_no,
  s.step,
  s.n_accounts,
  s.n_of,
  case when s.step_no > 1 and s.n_of >= p.min_cell then twelve_digits(s.n_accounts / cast(s.n_of as double)) end as share,
  case when s.step_no > 1 and s.n_of >= p.min_cell then twelve_digits(wilson_low(s.n_accounts / cast(s.n_of as double), s.n_of)) end as share_low,
  case when s.step_no > 1 and s.n_of >= p.min_cell then twelve_digits(wilson_high(s.n_accounts / cast(s.n_of as double), s.n_of)) end as share_high,
  s.is_complete
from step as s
cross join meta.params as p
where s.n_trials >= p.min_cell
order by s.cohort_from nulls first, s.step_no`,
  );

/** Of trials whose time to pay is over: who paid, with the key feature in the trial and without; no row where no key feature is named. */
const funnelSplitModel = ({ key_feature }: ResolvedPractice["funnel"]): Model =>
  model(
    "marts.funnel_split",
    ["has_used"],
    ["marts.account_trial"],
    ["min_cell"],
    `
with counted as (
  select key_feature_on is not null as has_used, count(*) as n_trials, count(paid_on) as n_paid
  from marts.account_trial where can_have_paid group by key_feature_on is not null
)
select
  c.has_used,
  c.n_trials,
  c.n_paid,
  twelve_digits(c.n_paid / cast(c.n_trials as double)) as paid_rate,
  twelve_digits(wilson_low(c.n_paid / cast(c.n_trials as double), c.n_trials)) as paid_low,
  twelve_digits(wilson_high(c.n_paid / cast(c.n_trials as double), c.n_trials)) as paid_high
from counted as c cross join meta.params as p
where c.n_trials >= p.min_cell${key_feature === null ? " and false" : ""}
order by c.has_used desc`,
  );

/**
 * Stages of the journey: the lifecycle that the export gives, or, where it gives none, how long an account has paid. Accounts and money
 * now; how many came into the stage and left it for another during 90 days; departures from it in history. A stage of fewer than
 * min_cell accounts goes into `other`, and the smallest of the rest with it where those are too few together.
 */
const stageModel: Model = model(
  "marts.journey_stage",
  ["stage"],
  ["spine.account_snapshot", "spine.snapshot", "validation.definition", "validation.stratum"],
  ["min_cell"],
  `
with newest as (select max(snapshot_date) as snapshot_date from spine.snapshot where is_scored),
basis as (
  select case when count(lifecycle) > 0 then 'lifecycle' else 'time paid' end as basis
  from spine.account_snapshot as s inner join newest as n on n.snapshot_date = s.snapshot_date
),
past as (select max(s.snapshot_date) as snapshot_date from spine.snapshot as s inner join newest as n on s.is_scored and s.snapshot_date <= n.snapshot_date - 90),
staged as (
  select
    s.account_id,
    s.snapshot_date,
    s.mrr_minor,
    b.basis,
    case
      when b.basis = 'lifecycle' then coalesce(s.lifecycle, 'not given')
      when s.tenure_days < 90 then 'first 90 days'
      when s.tenure_days < 365 then 'first year'
      when s.tenure_days < 730 then 'second year'
      else 'later years'
    end as stage,
    case when b.basis = 'lifecycle' then 5 when s.tenure_days < 90 then 1 when s.tenure_days < 365 then 2 when s.tenure_days < 730 then 3 else 4 end as place
  from spine.account_snapshot as s cross join basis as b
  where s.is_validated or s.snapshot_date in (select snapshot_date from newest union all select snapshot_date from past)
),
sized as (
  select s.stage, count(*) as n
  from staged as s inner join newest as n on n.snapshot_date = s.snapshot_date group by s.stage
),
grouped as (
  select
    unnest(list(stage order by n, stage)) as stage,
    unnest(merged_groups(list(n order by n, stage), any_value(min_cell), true)) as group_no
  from sized cross join meta.params
),
kept as (
  select any_value(g.stage) as stage
  from grouped as g cross join meta.params as p inner join sized as z on z.stage = g.stage
  group by g.group_no having count(*) = 1 and any_value(z.n) >= any_value(p.min_cell)
),
held as (
  select s.* exclude (stage, place), coalesce(k.stage, 'other') as stage, case when k.stage is null then 9 else s.place end as place
  from staged as s left join kept as k on k.stage = s.stage
),
present as (
  select h.stage, min(h.place) as place, any_value(h.basis) as basis, count(*) as n_accounts, cast(sum(h.mrr_minor) as bigint) as mrr_minor
  from held as h inner join newest as n on n.snapshot_date = h.snapshot_date group by h.stage
),
moved as (
  select a.stage as stage_before, b.stage as stage_now, count(*) as n
  from held as a inner join past as q on q.snapshot_date = a.snapshot_date
  inner join held as b on b.account_id = a.account_id inner join newest as n on n.snapshot_date = b.snapshot_date
  where a.stage <> b.stage
  group by a.stage, b.stage
),
${labelledRows},
judged as (
  select h.stage, l.account_no, l.y, l.expected
  from labelled as l inner join held as h on h.account_id = l.account_id and h.snapshot_date = l.snapshot_date
),
${ratedBy("rated", "judged", ["stage"], "(select min_cell from meta.params)")}
select
  p.basis,
  p.stage,
  p.n_accounts,
  (select cast(sum(n_accounts) as bigint) from present) as n_total,
  p.mrr_minor,
  coalesce((select cast(sum(n) as bigint) from moved as m where m.stage_now = p.stage), 0) as n_came_90d,
  coalesce((select cast(sum(n) as bigint) from moved as m where m.stage_before = p.stage), 0) as n_went_90d,
  coalesce(r.n_rows, 0) as n_rows,
  coalesce(r.n_accounts, 0) as n_judged,
  r.n_churned,
  r.churn_rate,
  r.churn_low,
  r.churn_high
from present as p
left join rated as r on r.stage = p.stage
where p.n_accounts >= (select min_cell from meta.params)
order by p.place, p.stage`,
);
