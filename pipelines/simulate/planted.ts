/**
 * The planted world: every trap that a verdict must not fall into, each in a KPI of its own, as raw exports. Its rates of confusion
 * are measured by `assay trial` (docs/trials.md). Structure and coefficients are those of a published design, not tuned to verdicts.
 */
import { join } from "node:path";
import { literal } from "../warehouse/literal.ts";
import { date, monthTable, type Span } from "./accounts.ts";

export type PlantedKind = "planted" | "planted_null";

/** Log-odds of deciding to leave in a month, per unit of what is named. */
interface Hazard {
  readonly usage: number;
  readonly seatUse: number;
  readonly trend: number;
  readonly billing: number;
  readonly tickets: number;
  readonly csat: number;
  readonly silence: number;
  readonly reversed: number;
  readonly faded: number;
}

const hazards: Readonly<Record<PlantedKind, Hazard>> = {
  planted: {
    usage: -0.65,
    seatUse: -0.4,
    trend: -0.22,
    billing: 1,
    tickets: 1.4,
    csat: 0.4,
    silence: 0.8,
    reversed: -0.55,
    faded: -0.95,
  },
  planted_null: {
    usage: 0,
    seatUse: 0,
    trend: 0,
    billing: 0,
    tickets: 0,
    csat: 0,
    silence: 0,
    reversed: 0,
    faded: 0,
  },
};

/** One latent number per account and month becomes one row of usage with a quantity: the month's reading of a meter. */
interface Meter {
  readonly event: string;
  /** What the reading follows, as SQL over the columns of `planted_month`. */
  readonly level: string;
  /** Standard deviation of what the month adds to the level. */
  readonly noise: number;
  /** Log of the reading per unit of level and noise, and the reading at level 0. */
  readonly slope: number;
  readonly mean: number;
  /** Added to the level once the account has decided. */
  readonly afterDecision: number;
}

const meter = (event: string, level: string, of: Partial<Meter> = {}): Meter => ({
  event,
  level,
  noise: 0,
  slope: 0.7,
  mean: 100,
  afterDecision: 0,
  ...of,
});

/** Noise that is a meter: persistent (even numbers) and transient. Every fourth is a count of contacts instead, with many ties. */
const noises = Array.from({ length: 14 }, (_, i) => ({
  no: i + 1,
  id: `noise_${String(i + 1).padStart(2, "0")}`,
  share: i % 2 === 1 ? 0.9 : 0.3,
  isCount: i % 4 === 3,
}));
const contactKinds = ["call", "chat", "mail"] as const;
const meteredNoises = noises.filter(({ isCount }) => !isCount);
const countedNoises = noises
  .filter(({ isCount }) => isCount)
  .map((noise, i) => ({ ...noise, kind: contactKinds[i] as string }));

const meters: readonly Meter[] = [
  meter("export", "usage", { noise: 0.25, afterDecision: -1 }),
  meter("admin_action", "0.0", { noise: 1, slope: 0.5, afterDecision: -3 }),
  meter("document_kept", "log_tenure", { noise: 0.45, slope: 0.6, mean: 30 }),
  meter("record_kept", "size", { noise: 0.35, slope: 0.8, mean: 200 }),
  meter("template_use", "1.76 * (1 - is_enterprise) + reversed_trait", { noise: 0.3, slope: 0.6, mean: 60 }),
  meter("classic_view", "faded"),
  ...meteredNoises.map(({ no, id, share }) => meter(id, `${share} * noise_trait_${no}`, { noise: 0.5 })),
];

/** Statements that make the world, in order. The tables begin with `planted_`. */
export const plantedTables = (span: Span, accounts: number, kind: PlantedKind): readonly string[] => [
  monthTable(span),
  accountTable(span, accounts),
  walkTable(span),
  monthlyTable(span),
  decisionTable(span, kind),
  usageTable(span),
  otherTables(span),
];

/**
 * One row per account: 45 % started in the months before the data, the others at even pace until half a year before its end.
 * `size` is a log; the traits are standard normals for life, or what the names say.
 */
const accountTable = (span: Span, accounts: number): string => `
create table planted_account as
with numbered as (
  select cast(i as integer) as account_no from range(1, ${accounts + 1}) as r(i)
),
drawn as (
  select
    account_no,
    case
      when uniform_a(draw('start', account_no, 0)) < 0.45
        then cast(floor(uniform_a(draw('start', account_no, 1)) * ${span.history}) as integer) - ${span.history}
      else cast(floor(uniform_a(draw('start', account_no, 1)) * ${span.months - 6}) as integer)
    end as start_month,
    cast(uniform_a(draw('segment', account_no, 0)) < 0.4 as integer) as is_enterprise,
    gauss_a(draw('size', account_no, 0)) as size_draw,
    gauss_b(draw('size', account_no, 0)) as csat_trait,
    0.6 * gauss_a(draw('level', account_no, 0)) as usage_level,
    0.6 * gauss_b(draw('level', account_no, 0)) as seat_level,
    0.7 * gauss_a(draw('level', account_no, 1)) as faded_level,
    0.75 * gauss_b(draw('level', account_no, 1)) as reversed_trait,
    1.3 + 0.75 * gauss_a(draw('level', account_no, 2)) as log_tickets,
    cast(uniform_b(draw('segment', account_no, 0)) < 0.35 as integer) as is_silent,
    ${noises.map(({ no }) => `gauss_${no % 2 === 1 ? "a" : "b"}(draw('noise', account_no, ${Math.ceil(no / 2)})) as noise_trait_${no}`).join(",\n    ")}
  from numbered
)
select
  drawn.* exclude (size_draw),
  'P' || lpad(cast(account_no as varchar), 5, '0') as account_id,
  case is_enterprise when 1 then 'enterprise' else 'team' end as plan,
  case is_enterprise when 1 then 0.8 else -0.5 end + 0.6 * size_draw as size,
  greatest(2, cast(round(exp(3 + case is_enterprise when 1 then 0.8 else -0.5 end + 0.6 * size_draw)) as integer)) as seats,
  cast(month.starts_on + cast(floor(uniform_b(draw('start', account_no, 0)) * 28) as integer) as date) as started_on
from drawn
join month on month.month_no = start_month;
`;

/**
 * Three first-order autoregressive walks per account and month (0.8 a month) around a level of its own. The running sum is one of
 * integers, each innovation scaled up by what it will have lost, so that the order of adding changes nothing.
 */
const walkTable = (span: Span): string => `
create table planted_walk as
with shock as (
  select
    account_no,
    cast(m as integer) as month_no,
    m - start_month + 4 as age,
    draw('walk.a', account_no, m) as a,
    draw('walk.b', account_no, m) as b
  from planted_account
  join range(${-span.history - 4}, ${span.months + 1}) as r(m) on m >= start_month - 4
),
summed as (
  select
    account_no,
    month_no,
    age,
    sum(cast(round(normal_a(a) * case age when 0 then 0.8 else 0.48 end * 1.25 ** age) as bigint)) over up_to as usage,
    sum(cast(round(normal_b(a) * case age when 0 then 0.8 else 0.48 end * 1.25 ** age) as bigint)) over up_to as seat,
    sum(cast(round(normal_a(b) * case age when 0 then 0.7 else 0.42 end * 1.25 ** age) as bigint)) over up_to as faded
  from shock
  window up_to as (partition by account_no order by month_no rows between unbounded preceding and current row)
)
select
  account_no,
  month_no,
  round(usage_level + usage / 10000.0 * 0.8 ** age, 6) as usage,
  round(seat_level + seat / 10000.0 * 0.8 ** age, 6) as seat_use,
  round(faded_level + faded / 10000.0 * 0.8 ** age, 6) as faded
from summed
join planted_account using (account_no);
`;

/** What an account is like at the start of a month, on which it decides during the month. `billing`: payments fail. */
const monthlyTable = (span: Span): string => `
create table planted_month as
with walked as (
  select *, usage - lag(usage, 3) over (partition by account_no order by month_no) as trend
  from planted_walk
),
-- Three months in four the state of payments stays; otherwise, and in the first month, it is drawn.
drawn as (
  select
    walked.*,
    start_month,
    case when month_no = start_month - 4 or uniform_a(draw('billing', account_no, month_no)) >= 0.75
      then cast(uniform_b(draw('billing', account_no, month_no)) < 0.1 as integer) end as new_billing
  from walked
  join planted_account using (account_no)
),
lived as (
  select
    * exclude (new_billing),
    last_value(new_billing ignore nulls) over (
      partition by account_no order by month_no rows between unbounded preceding and current row
    ) as billing
  from drawn
)
select account_no, month_no, usage, seat_use, faded, trend, billing, ln(1 + month_no - start_month) as log_tenure
from lived
where month_no >= start_month and month_no <= ${span.months};
`;

/**
 * The first month whose draw lies below its risk: the account decides in its first three days, before anything of that month is seen.
 * No notice is on record; the contract ends one or two months on, with a month.
 */
const decisionTable = (span: Span, kind: PlantedKind): string => {
  const of = hazards[kind];
  const half = Math.floor(span.months / 2);
  return `
create table planted_decision as
with risk as (
  select
    m.account_no,
    m.month_no,
    a.started_on,
    cast(month.starts_on + cast(floor(uniform_a(h) * 3) as integer) as date) as day,
    cast(month.starts_on + to_months(1 + cast(uniform_a(draw('notice', m.account_no, m.month_no)) < 0.5 as integer)) as date) as ends_on,
    uniform_b(h) as chance,
    logistic(
      -3.45
      + ${of.usage} * usage
      + ${of.seatUse} * seat_use
      + ${of.trend} * trend
      + ${of.billing} * (billing - 0.1)
      - 0.55 * (log_tenure - 2.3) / 0.9
      - 0.35 * size
      - 0.6 * is_enterprise
      + ${of.tickets} * (abs(log_tickets - 1.3) - 0.6)
      + ${of.csat} * csat_trait
      + ${of.silence} * (is_silent - 0.35)
      + ${of.reversed} * reversed_trait
      + case when m.month_no < ${half} then ${of.faded} else 0 end * faded
    ) as probability
  from planted_month as m
  join planted_account as a using (account_no)
  join month on month.month_no = m.month_no
  cross join lateral (select draw('decision', m.account_no, m.month_no) as h)
)
select
  account_no,
  min(day) as decided_on,
  arg_min(ends_on, day) as ended_on
from risk
where chance < probability and day > started_on
group by account_no;

create table planted_customer as
select a.*, d.decided_on, coalesce(d.ended_on, date '9999-12-31') as ended_on
from planted_account as a
left join planted_decision as d using (account_no)
-- Who had left before the data began is in no file.
where coalesce(d.ended_on > ${date(span.start)}, true);

-- What is seen of a month's state: the rows of the month before, all from its fourth to its twenty-eighth day, so that the 28 days
-- before every month start hold them once.
create table planted_seen as
select
  m.*,
  c.* exclude (account_no),
  month.starts_on as seen_from,
  month.ends_on - month.starts_on as n_days
from planted_month as m
join planted_customer as c using (account_no)
join month on month.month_no = m.month_no - 1
where month.month_no >= 0 and month.ends_on > started_on and month.starts_on < ended_on;
`;
};

/** A row's day between the fourth and the twenty-eighth, and its time of day, of the bits 0 to 31 of a draw. */
const seenAt = (h: string): string =>
  `seen_from + to_seconds(259200 + cast(floor(uniform_bits(${h}, 0, 65536) * 25) as integer) * 86400 + 25200 + cast(floor(uniform_bits(${h}, 16, 65536) * 46000) as integer))`;

/** A count around a large mean, of the normal of another draw (Anscombe 1948). */
const countOf = (mean: string, normal: string): string =>
  `greatest(0, round((sqrt(${mean} + 0.125) + ${normal} / 2) ** 2 - 0.25))`;

const usageTable = (span: Span): string => `
create table planted_usage as
-- Work is metered every week: four readings in any 28 days, twelve in any 84.
with week as (
  select *, unnest(range(5)) as week_no
  from planted_seen
),
weekly as (
  select
    *,
    seen_from + to_days(cast((account_no + 7 - datesub('day', date '2020-01-06', seen_from) % 7) % 7 + 7 * week_no as integer)) + interval 9 hour as event_time
  from week
),
reading as (
  select account_id, event_time, 'work' as event, started_on, ended_on,
    ${countOf("mean", "gauss_a(draw('work', account_no, concat(month_no, '.', week_no)))")} as quantity
  from (
    select *, 25 * exp(0.7 * (usage - case when decided_on < cast(event_time as date) then 1 else 0 end)) as mean
    from weekly
    where event_time < seen_from + to_days(cast(n_days as integer))
  )
  union all
  select account_id, event_time, 'seat_day', started_on, ended_on, round(seats * 20 * logistic(seat_use), 2)
  from (select *, ${seenAt("draw('seat', account_no, month_no)")} as event_time from planted_seen)
  union all
  -- Hardly anybody uses the test version.
  select account_id, event_time, 'beta', started_on, ended_on, 1
  from (select *, draw('beta', account_no, month_no) as h, ${seenAt("draw('beta', account_no, month_no)")} as event_time from planted_seen)
  where uniform_bits(h, 32, 65536) < 0.015
${meters
  .map(
    ({ event, level, noise, slope, mean, afterDecision }) => `  union all
  select account_id, event_time, ${literal(event)}, started_on, ended_on, ${countOf("mean", "gauss_b(g)")}
  from (
    select *, ${mean} * exp(${slope} * (${level}${noise === 0 ? "" : ` + ${noise} * gauss_a(g)`}${
      afterDecision === 0 ? "" : ` + case when decided_on < cast(event_time as date) then ${afterDecision} else 0 end`
    })) as mean
    from (
      select *, ${seenAt(`draw(${literal(`${event}.day`)}, account_no, month_no)`)} as event_time, draw(${literal(event)}, account_no, month_no) as g
      from planted_seen
    )
  )`,
  )
  .join("\n")}
)
select account_id, event_time, event, cast(quantity as decimal(18, 2)) as quantity, event_time + interval 20 minute as loaded_at
from reading
where event_time >= started_on and event_time < ended_on and event_time < ${date(span.end)};
`;

const otherTables = (span: Span): string => `
create table planted_ticket as
with counted as (
  select
    *,
    poisson(exp(log_tickets + 0.15 * gauss_a(draw('ticket.month', account_no, month_no))), draw('ticket.count', account_no, month_no)) as n_questions,
    billing * (1 + cast(floor(uniform_a(draw('failed', account_no, month_no)) * 3) as integer)) as n_failed
  from planted_seen
),
placed as (
  select *, 'question' as category, draw('ticket', account_no, concat(month_no, '.', i)) as h
  from (select *, unnest(range(n_questions)) as i from counted)
  union all
  select *, 'failed_payment', draw('ticket.failed', account_no, concat(month_no, '.', i))
  from (select *, unnest(range(n_failed)) as i from counted)
)
select
  concat('T', account_no, '-', month_no, '-', category[1], i) as ticket_id,
  account_id,
  ${seenAt("h")} as opened_at,
  category
from placed
where opened_at >= started_on and opened_at < ended_on and opened_at < ${date(span.end)};

create table planted_survey as
with asked as (
  select
    *,
    seen_from + to_days(3 + cast(floor(uniform_bits(h, 0, 1024) * 17) as integer)) + interval 9 hour as asked_at,
    uniform_bits(h, 10, 4096) as chance,
    uniform_bits(h, 22, 4096) as delay
  from (select *, draw('survey', account_no, month_no) as h from planted_seen)
),
answered as (
  select
    account_id, started_on, ended_on, 'nps' as kind, asked_at,
    case when chance >= case is_silent when 1 then 0.85 else 0.2 end then asked_at + to_seconds(3600 + cast(delay * 400000 as integer)) end as responded_at,
    round(50 + 10 * gauss_a(draw('nps', account_no, month_no)), 1) as score
  from asked
  union all
  select
    account_id, started_on, ended_on, 'csat', asked_at,
    asked_at + to_seconds(3600 + cast(delay * 400000 as integer)),
    round(70 + 8 * (csat_trait + 0.5 * gauss_b(draw('nps', account_no, month_no))), 1)
  from asked
)
select
  account_id, kind, asked_at,
  case when responded_at < ${date(span.end)} then responded_at end as responded_at,
  case when responded_at < ${date(span.end)} then score end as score
from answered
where asked_at >= started_on and asked_at < ended_on and asked_at < ${date(span.end)};

create table planted_contact as
with counted as (
${countedNoises
  .map(
    ({
      no,
      share,
      kind,
    }) => `  select account_no, month_no, account_id, started_on, ended_on, seen_from, ${literal(kind)} as kind,
    poisson(exp(0.4 * (${share} * noise_trait_${no} + 0.5 * gauss_a(draw('contact.month', account_no, concat(month_no, '.', ${literal(kind)})))) - 0.5),
      draw('contact.count', account_no, concat(month_no, '.', ${literal(kind)}))) as n
  from planted_seen`,
  )
  .join("\n  union all\n")}
)
select account_id, ${seenAt("h")} as occurred_at, kind, i
from (
  select *, draw('contact', account_no, concat(month_no, '.', kind, '.', i)) as h
  from (select *, unnest(range(n)) as i from counted)
)
where occurred_at >= started_on and occurred_at < ended_on and occurred_at < ${date(span.end)};
`;

/** The files, each sorted by a key. Usage comes in one file a year, so that no delivery holds half of the rows. */
export function plantedExports(span: Span, folder: string): readonly string[] {
  const last = addDays(span.end, -1);
  const to = (name: string, select: string): string =>
    `copy (${select}) to ${literal(join(folder, name))} (format parquet, compression zstd)`;
  const years = Array.from({ length: Math.ceil(span.months / 12) }, (_, i) => i);
  return [
    to(
      `accounts_${last}.parquet`,
      `select account_id, cast(started_on as timestamp) as created_at
       from planted_customer
       where started_on <= ${date(last)}
       order by account_no`,
    ),
    to(
      `subscriptions_${last}.parquet`,
      `select
         concat('S', account_id) as subscription_id, account_id, started_on,
         case when ended_on <= ${date(last)} then ended_on end as ended_on,
         62 as notice_days, 1 as term_months, seats * 2900 as mrr_minor, 'USD' as currency, seats, plan
       from planted_customer
       where started_on <= ${date(last)}
       order by account_no`,
    ),
    ...years.map((year) => {
      const from = `${date(span.start)} + to_months(${12 * year})`;
      const until = `${date(span.start)} + to_months(${Math.min(12 * (year + 1), span.months)})`;
      return to(
        `usage_${year + 1}.parquet`,
        `select * from planted_usage where loaded_at >= ${from} and loaded_at < ${until}
         order by event_time, account_id, event`,
      );
    }),
    to(`tickets_${last}.parquet`, "select * from planted_ticket order by opened_at, ticket_id"),
    to(`surveys_${last}.parquet`, "select * from planted_survey order by asked_at, account_id, kind"),
    to(
      `contacts_${last}.parquet`,
      "select account_id, occurred_at, kind from planted_contact order by occurred_at, account_id, kind, i",
    ),
  ];
}

const addDays = (iso: string, days: number): string => {
  const day = new Date(`${iso}T00:00:00Z`);
  day.setUTCDate(day.getUTCDate() + days);
  return day.toISOString().slice(0, 10);
};

/** A KPI as the book defines it. */
interface PlantedKpi {
  readonly id: string;
  readonly role: string;
  /** The keys of its definition that say what it counts. */
  readonly measure: string;
  readonly healthier?: "higher" | "lower";
}

const sumOf = (event: string): string =>
  `measure: sum, entity: usage_event, value: quantity, filter: { event: ${event} }, window_days: 28`;
const answerTo = (kind: string): string =>
  `measure: latest, entity: survey_response, value: score, filter: { kind: ${kind} }, window_days: 28, null_rule: { no_rows: not_applicable, no_value: unanswered }`;

const plantedKpis: readonly PlantedKpi[] = [
  { id: "work_28d", role: "causal", measure: sumOf("work") },
  { id: "exports_28d", role: "twin", measure: sumOf("export") },
  {
    id: "seat_use_28d",
    role: "moderate",
    measure:
      "measure: per_seat, of: sum, entity: usage_event, value: quantity, filter: { event: seat_day }, window_days: 28",
  },
  {
    id: "work_trend_28d",
    role: "trend",
    measure:
      "measure: trend, of: sum, entity: usage_event, value: quantity, filter: { event: work }, window_days: 28, baseline_days: 84",
  },
  {
    id: "failed_payments_28d",
    role: "rare",
    measure: "measure: count, entity: ticket, filter: { category: failed_payment }, window_days: 28",
    healthier: "lower",
  },
  { id: "csat", role: "wrong_way", measure: answerTo("csat") },
  { id: "admin_actions_28d", role: "late", measure: sumOf("admin_action") },
  { id: "documents_kept", role: "tenure", measure: sumOf("document_kept") },
  { id: "records_kept", role: "size", measure: sumOf("record_kept") },
  { id: "template_uses_28d", role: "reversed", measure: sumOf("template_use") },
  {
    id: "tickets_84d",
    role: "both_ends",
    measure: "measure: count, entity: ticket, filter: { category: question }, window_days: 84",
    healthier: "lower",
  },
  { id: "nps", role: "silence", measure: answerTo("nps") },
  { id: "classic_views_28d", role: "faded", measure: sumOf("classic_view") },
  { id: "beta_uses_28d", role: "constant", measure: sumOf("beta") },
  ...noises.map(({ id, isCount }) => ({
    id,
    role: "noise",
    measure: isCount
      ? `measure: count, entity: engagement, filter: { kind: ${countedNoises.find((noise) => noise.id === id)?.kind} }, window_days: 28`
      : sumOf(id),
  })),
];

/** The verdicts that are right for a role, where there are data enough for one. */
const rightVerdicts: Readonly<Record<string, readonly string[]>> = {
  causal: ["predicts", "redundant"],
  twin: ["predicts", "redundant"],
  moderate: ["predicts", "weak"],
  trend: ["weak", "predicts"],
  rare: ["weak", "predicts"],
  wrong_way: ["misleading"],
  late: ["late_only", "mostly_late", "leaks", "too_good"],
  tenure: ["confounded"],
  size: ["confounded"],
  reversed: ["reversed_adjusted", "predicts", "weak"],
  both_ends: ["non_monotone"],
  silence: ["missingness"],
  faded: ["unstable_time"],
  constant: ["not_tested"],
  noise: ["no_useful_effect", "inconclusive"],
};

/** Without effects, what is left: use that falls after the decision, and what follows tenure, size or segment. */
const nullRole = (role: string): string =>
  ({
    causal: "late_use",
    twin: "late_use",
    trend: "late_use",
    late: "late",
    tenure: "tenure",
    size: "size",
    constant: "constant",
    reversed: "segment",
  })[role] ?? "noise";
const nullVerdicts: Readonly<Record<string, readonly string[]>> = {
  ...rightVerdicts,
  late_use: ["late_only", "no_useful_effect", "inconclusive"],
  segment: ["confounded", "no_useful_effect", "inconclusive"],
};

/** What `truth.json` says: each KPI's part, and the verdicts that are right for it. */
export const plantedTruth = (
  kind: PlantedKind,
): Readonly<Record<string, { readonly role: string; readonly expected: readonly string[] }>> =>
  Object.fromEntries(
    plantedKpis.map(({ id, role: planted }) => {
      const role = kind === "planted" ? planted : nullRole(planted);
      return [id, { role, expected: (kind === "planted" ? rightVerdicts : nullVerdicts)[role] ?? [] }];
    }),
  );

/** The book of the planted world. */
export const plantedBook = (
  kind: PlantedKind,
  span: Span,
): string => `# Everything here is invented: see docs/simulator.md, and truth.json for what is planted.
book: ${kind.replace("_", "-")}
as_of: ${span.end}
currency: USD

# No notice is on record, and contracts end 27 to 62 days after the decision: the gap is longer. Gap and horizon are the second to the
# fifth month from a month start.
calendar:
  score_every: month
  validate_every: month
  window_days: 28
  gap_days: 63
  horizon_days: 91
  min_tenure_days: 90
  reactivation_grace_days: 30

exports_root: .
sources:
  accounts:
    entity: account
    files: exports/accounts_*.parquet
    mode: snapshot
    settle: 0s
    key: [account_id]
    delivered: { from: file_name, pattern: "accounts_{date}.parquet" }
  subscriptions:
    entity: subscription
    files: exports/subscriptions_*.parquet
    mode: snapshot
    settle: 0s
    key: [subscription_id]
    delivered: { from: file_name, pattern: "subscriptions_{date}.parquet" }
    immutable: [plan, seats, mrr_minor, currency, notice_days, term_months]
  usage:
    entity: usage_event
    files: exports/usage_*.parquet
    mode: append
    settle: 0s
    columns: { known_at: loaded_at }
  tickets:
    entity: ticket
    files: exports/tickets_*.parquet
    mode: append
    settle: 0s
    key: [ticket_id]
  surveys:
    entity: survey_response
    files: exports/surveys_*.parquet
    mode: append
    settle: 0s
  contacts:
    entity: engagement
    files: exports/contacts_*.parquet
    mode: append
    settle: 0s

churn:
  primary: subscription_end
  definitions:
    subscription_end: { type: subscription_end }

segments: { by: plan }              # team, enterprise
baseline: [tenure, segment, size]

# Every KPI is declared healthier one way, also those that are noise.
kpis:
${plantedKpis
  .map(
    ({ id, measure, healthier = "higher" }) =>
      `  - { id: ${id}, label: ${literal(labelOf(id))}, description: ${literal(`${labelOf(id)}, see docs/simulator.md.`)}, factor: control, kind: objective, side: proactive, unit: points, ${measure}, healthier: ${healthier}, says: { less: had less of it, more: had more of it } }`,
  )
  .join("\n")}
`;

const labelOf = (id: string): string => {
  const words = id.replace(/_\d+d$/, "").replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
};
