/** Do the book's definitions of churn name the same accounts? */
import type { Book } from "../config/book.ts";
import { usageError } from "../lib/errors.ts";
import type { Model } from "../models/model.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";

/**
 * Who is churned by each definition: an account counts by events when the event table names it at all, since whoever came
 * back had left. A flag has no date.
 */
function churnedAccounts(book: Book): { readonly sql: string; readonly depends: ReadonlySet<string> } {
  const parts: string[] = [];
  const depends = new Set(["validation.definition"]);
  for (const [id, definition] of Object.entries(book.churn.definitions).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (definition.type === "event") {
      depends.add("staging.churn_event");
      parts.push(`select ${literal(id)} as definition, account_id, min(cast(occurred_on as date)) as first_on
from staging.churn_event
where account_id is not null and superseded_on is null
group by account_id`);
      continue;
    }
    if (definition.type !== "account_flag") {
      depends.add("validation.decision");
      parts.push(`select definition, account_id, min(decided_on) as first_on
from validation.decision
where definition = ${literal(id)}
group by definition, account_id`);
      continue;
    }
    if (!/^[a-z][a-z0-9_]*$/.test(definition.column)) {
      throw usageError(`assay.yaml: churn.definitions.${id}.column has a-z, 0-9 and _, found ${definition.column}`);
    }
    depends.add("staging.account");
    // An extra attribute is text as delivered; what counts as true is what CSV exports write for it.
    parts.push(`select ${literal(id)} as definition, account_id, cast(null as date) as first_on
from staging.account
where account_id is not null and superseded_on is null
  and lower(cast(${quoteIdentifier(definition.column)} as varchar)) in ('true', 't', 'yes', 'y', '1', 'churned')
group by account_id`);
  }
  return { sql: parts.join("\nunion all\n"), depends };
}

/**
 * validation.label_agreement: per pair of definitions (`definition` < `other`) the accounts that both, only the one and
 * only the other call churned at any time, and the median days between their first dates (null where one is a flag).
 */
export function labelAgreementModel(book: Book): Model {
  const { sql, depends } = churnedAccounts(book);
  return {
    kind: "table",
    name: "validation.label_agreement",
    grain: ["definition", "other"],
    depends: [...depends],
    params: [],
    audits: [],
    portable: false,
    sql: `
with churned as (
${sql}
),
pair as (
  select a.definition, b.definition as other
  from validation.definition as a
  inner join validation.definition as b on a.definition < b.definition
),
compared as (
  select
    p.definition,
    p.other,
    coalesce(a.account_id, b.account_id) as account_id,
    a.account_id is not null as has_one,
    b.account_id is not null as has_other,
    abs(date_diff('day', a.first_on, b.first_on)) as days_apart
  from pair as p
  inner join (
    select p.definition, p.other, c.account_id
    from pair as p
    inner join churned as c on c.definition in (p.definition, p.other)
    group by p.definition, p.other, c.account_id
  ) as n on n.definition = p.definition and n.other = p.other
  left join churned as a on a.definition = p.definition and a.account_id = n.account_id
  left join churned as b on b.definition = p.other and b.account_id = n.account_id
)
select
  p.definition,
  p.other,
  count(case when c.has_one and c.has_other then 1 end) as n_both,
  count(case when c.has_one and not c.has_other then 1 end) as n_only_one,
  count(case when c.has_other and not c.has_one then 1 end) as n_only_other,
  cast(quantile_disc(c.days_apart, 0.5) as integer) as median_days_apart
from pair as p
left join compared as c on c.definition = p.definition and c.other = p.other
group by p.definition, p.other`.trim(),
  };
}

/**
 * validation.label_definition: per definition the accounts that it calls churned at any time, of all accounts that the exports
 * name, and those with a complete outcome window that it counts as left and as stayed (null for a flag).
 */
export function labelDefinitionModel(book: Book): Model {
  const { sql, depends } = churnedAccounts(book);
  return {
    kind: "table",
    name: "validation.label_definition",
    grain: ["definition"],
    depends: [...new Set([...depends, "spine.account_period", "staging.account", "validation.outcome"])],
    params: [],
    audits: [],
    portable: false,
    sql: `
with churned as (
${sql}
),
known as (
  select account_id from staging.account where account_id is not null
  union
  select account_id from spine.account_period
),
counted as (
  select definition, count(distinct account_id) as n_churned from churned group by definition
),
tested as (
  select
    definition,
    count(distinct case when y = 1 then account_id end) as n_churned,
    count(distinct case when y = 0 then account_id end) as n_staying
  from validation.outcome
  where y is not null
  group by definition
)
select
  d.definition,
  d.type,
  d.is_primary,
  (select count(*) from known) as n_accounts,
  coalesce(c.n_churned, 0) as n_churned,
  case when d.has_outcome then coalesce(t.n_churned, 0) end as n_tested_churned,
  case when d.has_outcome then coalesce(t.n_staying, 0) end as n_tested_staying
from validation.definition as d
left join counted as c on c.definition = d.definition
left join tested as t on t.definition = d.definition`.trim(),
  };
}
