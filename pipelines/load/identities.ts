/**
 * Which account an id of another system belongs to (`staging.account_identity`), and the ids that lead to none or to several
 * (`staging.unmatched_id`). Nothing is guessed: an id with two candidates leads nowhere, and is counted and listed.
 */
import type { Book, Source } from "../config/book.ts";
import { type Entity, entities } from "../config/entities.ts";
import { freeMailDomains } from "../config/free-mail.ts";
import { parseAudits } from "../models/audits.ts";
import type { Model } from "../models/model.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import { rowsOf } from "./bundle.ts";
import type { Delivery } from "./delivery.ts";

/** The source that `account_id` of a source goes by, if any. */
export const viaOf = (source: Source): string | null => {
  const mapping = source.columns.account_id;
  return typeof mapping === "object" ? (mapping.via ?? null) : null;
};

/** Which account a row with `_via` belongs to on its day. */
export const identityJoin = (row: string, day: string): string => `
left join staging.account_identity as identity
  on identity.via = ${row}._via
  and identity.ref = ${row}.account_id
  and (identity.source is null or identity.source = ${row}._source)
  and ${day} >= identity.from_on
  and ${day} < identity.to_on`;

/** The sources that others go by, each after the one that it goes by itself. */
function inOrder(book: Book): readonly string[] {
  const ordered: string[] = [];
  const visit = (id: string, trail: readonly string[]): void => {
    const source = book.sources[id];
    if (source === undefined || ordered.includes(id) || trail.includes(id)) return;
    const via = viaOf(source);
    if (via !== null) visit(via, [...trail, id]);
    ordered.push(id);
  };
  for (const source of Object.values(book.sources)) {
    const via = viaOf(source);
    if (via !== null) visit(via, []);
  }
  return ordered;
}

const always = "date '0001-01-01'";
const never = "date '9999-12-31'";

/**
 * One row per id of a source that others go by, and day from which it holds. Of a subscription its first row stands, as for all repeats of a key;
 * of users the first delivery that knows the id does; of account keys all files do, and of dumps the newest that has the id. An id with several accounts from one day on is
 * ambiguous: `account_id` is null and `candidates` says which. A source with one value for `source` serves whoever goes by it.
 * Domains of free mail are no ids. A source that goes by another one is resolved through that.
 */
export function accountIdentity(book: Book): Model {
  const ids = inOrder(book);
  const steps = ids.flatMap((id, i) => {
    const source = book.sources[id] as Source;
    const via = viaOf(source);
    const isKey = source.entity === "account_key";
    const ref = isKey ? "source_id" : source.entity === "subscription" ? "subscription_id" : "user_id";
    const mapped = source.columns.source;
    const isForAll = !isKey || (typeof mapped === "object" && mapped.value !== undefined);
    const idMapping = source.columns.source_id;
    const isDomain = isKey && typeof idMapping === "object" && idMapping.take === "domain";
    // Whose word counts where rows or deliveries disagree.
    const standing = isKey
      ? source.mode === "snapshot"
        ? `row._delivery_no = max(row._delivery_no) over (partition by row.${ref})`
        : null
      : source.entity === "user"
        ? `row._delivery_no = min(row._delivery_no) over (partition by row.${ref})`
        : `row_number() over (partition by row.${ref} order by row._delivery_no, row._line) = 1`;
    const from = isKey ? `coalesce(row.from_on, ${always})` : always;
    const given = `given_${i} as (
  select
    ${literal(id)} as via,
    ${isForAll ? "cast(null as varchar)" : "row.source"} as source,
    row.${ref} as ref,
    row.account_id,
    ${from} as from_on
  from raw.${source.entity} as row
  where row._source = ${literal(id)}
    and row.${ref} is not null
    and row.account_id is not null${isDomain ? `\n    and row.${ref} not in (${freeMailDomains.map(literal).join(", ")})` : ""}${standing === null ? "" : `\n  qualify ${standing}`}
)`;
    const before = via === null ? -1 : ids.indexOf(via);
    const known = `known_${i} as (
${
  before === -1
    ? `  select via, source, ref, account_id, from_on from given_${i}`
    : `  -- By way of ${via}: an id holds from when both do.
  select own.via, own.source, own.ref, identity.account_id, greatest(own.from_on, identity.from_on) as from_on
  from given_${i} as own
  inner join identity_${before} as identity
    on identity.ref = own.account_id
    and (identity.source is null or identity.source = ${literal(id)})
    and own.from_on < identity.to_on
  where identity.account_id is not null`
}
)`;
    const identity = `identity_${i} as (
  select
    via,
    source,
    ref,
    case when count(distinct account_id) = 1 then min(account_id) end as account_id,
    array_to_string(list_slice(list(distinct account_id order by account_id), 1, 5), ', ') as candidates,
    from_on,
    coalesce(lead(from_on) over (partition by source, ref order by from_on), ${never}) as to_on
  from known_${i}
  group by via, source, ref, from_on
)`;
    return [given, known, identity];
  });
  const columns = "via, source, ref, account_id, from_on, to_on, candidates";
  const sql =
    ids.length === 0
      ? `select
  cast(null as varchar) as via,
  cast(null as varchar) as source,
  cast(null as varchar) as ref,
  cast(null as varchar) as account_id,
  cast(null as date) as from_on,
  cast(null as date) as to_on,
  cast(null as varchar) as candidates
where false`
      : `with ${steps.join(",\n")}\n${ids.map((_, i) => `select ${columns} from identity_${i}`).join("\nunion all\n")}`;
  return {
    kind: "table",
    name: "staging.account_identity",
    grain: ["via", "source", "ref", "from_on"],
    depends: [...new Set(ids.map((id) => `raw.${(book.sources[id] as Source).entity}`))],
    params: [],
    audits: parseAudits(
      "staging.account_identity",
      "not_null(via, ref); warn not_null(account_id)",
      "load/identities.ts",
    ),
    portable: false,
    sql,
  };
}

/**
 * Grain: source, via, ref. The ids of exports that lead to no account (`unmatched`: nothing knows them) or to several (`ambiguous`, with up to
 * five candidates), with their rows as delivered and the days between which they came. Rows of theirs stay in staging without an
 * account. `via` is empty where a source names the account itself and no export of accounts or subscriptions knows it.
 */
export function unmatchedIds(book: Book, deliveries: readonly Delivery[]): Model {
  const has = (entity: Entity): boolean => Object.values(book.sources).some((source) => source.entity === entity.id);
  const used = [...entities.values()].filter(
    (entity) =>
      has(entity) &&
      entity.kind !== "hand" &&
      entity.id !== "account" &&
      entity.id !== "account_key" &&
      entity.columns.some(({ name }) => name === "account_id"),
  );
  // The ids alone are looked at first: rows are read in full only of one that may lead nowhere. Of usage without what stands beside each row.
  const usage = Object.entries(book.sources).flatMap(([id, source]) => {
    const own = deliveries.filter((delivery) => delivery.source === id);
    if (source.entity !== "usage_event" || own.length === 0) return [];
    return `  select ${literal(viaOf(source) ?? "")} as via, account_id as ref from ${rowsOf(own)} group by account_id`;
  });
  const others = used
    .filter(({ id }) => id !== "usage_event")
    .map(({ id }) => `  select coalesce(_via, '') as via, account_id as ref from raw.${id} group by all`);
  const refs = [...usage, ...others];
  const unsettled =
    refs.length === 0
      ? "  select cast(null as varchar) as via, cast(null as varchar) as ref where false"
      : `  select distinct via, ref
  from (
${refs.join("\n  union all\n")}
  ) as given
  where ref is not null
    and not exists (select 1 from settled as s where s.via = given.via and s.ref = given.ref)`;
  const parts = used.map((entity) => {
    const days = entity.eventColumns.map((name) => `cast(${quoteIdentifier(name)} as date)`);
    const day = days.length === 0 ? "cast(null as date)" : days.length === 1 ? days[0] : `least(${days.join(", ")})`;
    return `  select _source as source, _via as via, account_id as ref, ${day} as on_day, count(*) as n_rows
  from raw.${entity.id} as row
  where row.account_id in (select ref from unsettled)
    and exists (select 1 from unsettled as u where u.via = coalesce(row._via, '') and u.ref = row.account_id)
  group by all`;
  });
  const none = `  select cast(null as varchar) as source, cast(null as varchar) as via, cast(null as varchar) as ref,
    cast(null as date) as on_day, cast(null as bigint) as n_rows
  where false`;
  return {
    kind: "table",
    name: "staging.unmatched_id",
    grain: ["source", "via", "ref"],
    depends: [
      ...used.map(({ id }) => `raw.${id}`),
      "staging.account_identity",
      "staging.account",
      "staging.subscription",
    ],
    params: [],
    audits: parseAudits("staging.unmatched_id", "not_null(source, ref, n_rows)", "load/identities.ts"),
    portable: false,
    sql: `with known_account as (
  select account_id from staging.account where account_id is not null
  union
  select account_id from staging.subscription where account_id is not null
),
settled as (
  select '' as via, account_id as ref from known_account
  union all
  select via, ref
  from staging.account_identity
  where source is null
  group by via, ref
  having count(*) = 1 and bool_and(account_id is not null and from_on = ${always} and to_on = ${never})
),
unsettled as (
${unsettled}
),
day_of_id as (
${parts.length === 0 ? none : parts.join("\n  union all\n")}
),
resolved as (
  select
    day.*,
    case when day.via is null then known.account_id else identity.account_id end as account_id,
    identity.candidates
  from day_of_id as day
  left join known_account as known on day.via is null and known.account_id = day.ref
  left join staging.account_identity as identity
    on identity.via = day.via
    and identity.ref = day.ref
    and (identity.source is null or identity.source = day.source)
    and coalesce(day.on_day, ${always}) >= identity.from_on
    and coalesce(day.on_day, ${always}) < identity.to_on
)
select
  source,
  coalesce(via, '') as via,
  ref,
  case when max(candidates) is null then 'unmatched' else 'ambiguous' end as why,
  coalesce(max(candidates), '') as candidates,
  cast(sum(n_rows) as bigint) as n_rows,
  min(on_day) as first_on,
  max(on_day) as last_on
from resolved
where account_id is null
group by source, coalesce(via, ''), ref
order by source, via, ref`,
  };
}
