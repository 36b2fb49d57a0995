/** The book's definitions of churn as SQL: who decided to leave, and when the first evidence of it stood. */
import { type Book, usageIsReplaced } from "../config/book.ts";
import { usageError } from "../lib/errors.ts";
import type { Model, Step } from "../models/model.ts";
import { literal } from "../warehouse/literal.ts";

const idPattern = /^[a-z][a-z0-9_]*$/;

const table = (
  name: string,
  grain: readonly string[],
  depends: readonly string[],
  params: readonly string[],
  sql: string,
): Model => ({ kind: "table", name, grain, depends, params, audits: [], portable: false, sql: sql.trim() });

/**
 * validation.definition: one row a definition. `settle_days` is how long a departure can still be undone (the
 * reactivation grace, or the silence itself where that is longer). A flag without a date makes no outcomes: it is there
 * for the label audit only.
 */
export function definitionModel(book: Book): Model {
  const factors = new Set(book.baseline);
  const rows = Object.entries(book.churn.definitions)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, definition]) => {
      if (!idPattern.test(id)) throw usageError(`assay.yaml: a churn definition's id has a-z, 0-9 and _, found ${id}`);
      const silence = definition.type === "inactivity" ? definition.days : 0;
      return `(${[id, definition.type, id === book.churn.primary, definition.type !== "account_flag", silence]
        .map(literal)
        .join(", ")})`;
    });
  const has = (factor: (typeof book.baseline)[number]) => literal(factors.has(factor));
  return table(
    "validation.definition",
    ["definition"],
    [],
    ["reactivation_grace_days"],
    `
select
  d.definition,
  d.type,
  d.is_primary,
  d.has_outcome,
  cast(greatest(p.reactivation_grace_days, d.silence_days) as integer) as settle_days,
  ${has("tenure")} as use_tenure,
  ${has("segment")} as use_segment,
  ${has("size")} as use_size,
  ${has("renewal_due")} as use_renewal_due
from (values ${rows.join(", ")}) as d(definition, type, is_primary, has_outcome, silence_days)
cross join meta.params as p`,
  );
}

/**
 * validation.decision: one row a departure. `decided_on` is its earliest evidence: of a paid period the notice or the
 * end, whichever comes first; of events the day (reactivations left out); of inactivity the first silent day. `undone_on`
 * is the day from which the account may decide again. Evidence at or after as_of has not happened.
 */
export function decisionModel(book: Book): Model {
  const parts: string[] = [];
  const depends = new Set<string>();
  for (const [id, definition] of Object.entries(book.churn.definitions).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const name = literal(id);
    switch (definition.type) {
      case "subscription_end":
        depends.add("spine.account_period");
        parts.push(`
select
  ${name} as definition,
  account_id,
  started_on as period_started_on,
  coalesce(least(notice_on, ended_on), notice_on, ended_on) as decided_on,
  case when notice_on is not null and (ended_on is null or notice_on <= ended_on) then 'notice' else 'end' end as kind,
  lead(started_on) over (partition by account_id order by started_on) as undone_on
from spine.account_period`);
        break;
      case "event":
        depends.add("staging.churn_event");
        parts.push(`
select
  ${name} as definition,
  account_id,
  cast(null as date) as period_started_on,
  cast(occurred_on as date) as decided_on,
  case when bool_and(is_voluntary is false) then 'other_exit' else 'event' end as kind,
  cast(occurred_on as date) + 1 as undone_on
from staging.churn_event
where account_id is not null and superseded_on is null and coalesce(is_reactivation, false) = false
group by account_id, cast(occurred_on as date)`);
        break;
      case "inactivity":
        depends.add("rollup.account_day");
        parts.push(`
select
  ${name} as definition,
  account_id,
  cast(null as date) as period_started_on,
  activity_date + 1 as decided_on,
  'inactivity' as kind,
  next_on as undone_on
from (
  select account_id, activity_date, lead(activity_date) over (partition by account_id order by activity_date) as next_on
  from (select distinct account_id, activity_date from rollup.account_day where account_id is not null${usageIsReplaced(book) ? " and superseded_on is null" : ""}) as day
) as active
cross join meta.params as p
where date_diff('day', activity_date, coalesce(next_on, p.as_of)) > ${definition.days}`);
        break;
      case "account_flag":
        break;
    }
  }
  if (parts.length === 0) {
    parts.push(
      "select null::varchar as definition, null::varchar as account_id, null::date as period_started_on, null::date as decided_on, null::varchar as kind, null::date as undone_on",
    );
  }
  return table(
    "validation.decision",
    ["definition", "account_id", "decided_on"],
    [...depends],
    ["as_of"],
    `
with evidence as (
${parts.map((part) => part.trim()).join("\nunion all\n")}
)
select e.definition, e.account_id, e.period_started_on, e.decided_on, e.kind, e.undone_on
from evidence as e
cross join meta.params as p
where e.decided_on < p.as_of`,
  );
}

/**
 * Refuses a gap that hides nothing: where notices are recorded for under 95 % of the ended periods, the gap must be at
 * least as long as the longest notice period, or what is measured is the reaction to a decision already made. Writes
 * validation.notice_check: ended periods, those with a notice, the longest notice_days.
 */
export const checkNotice = (book: Book): Step | null => {
  const ids = Object.entries(book.churn.definitions)
    .filter(([, definition]) => definition.type === "subscription_end")
    .map(([id]) => id);
  if (ids.length === 0) return null;
  return {
    kind: "step",
    name: "validation.check_notice",
    depends: ["spine.account_period", "staging.subscription"],
    params: ["gap_days"],
    produces: ["validation.notice_check"],
    version: "1",
    async run({ query, run }) {
      await run(`create table validation.notice_check as
select
  p.gap_days,
  (select count(*) from spine.account_period where ended_on is not null) as n_ended,
  (select count(*) from spine.account_period where ended_on is not null and notice_on is not null) as n_with_notice,
  (select coalesce(max(notice_days), 0) from staging.subscription where superseded_on is null) as longest_notice_days
from meta.params as p`);
      const [found] = await query<{
        gap_days: number;
        n_ended: number;
        n_with_notice: number;
        longest_notice_days: number;
      }>("select * from validation.notice_check");
      if (found === undefined || found.n_ended === 0) return;
      const isRecorded = found.n_with_notice >= 0.95 * found.n_ended;
      if (!isRecorded && found.gap_days < found.longest_notice_days) {
        throw usageError(
          `assay.yaml: calendar.gap_days must be at least the longest notice period (${found.longest_notice_days} days), because only ${found.n_with_notice} of ${found.n_ended} ended periods have a notice_on, found ${found.gap_days}`,
        );
      }
    },
  };
};
