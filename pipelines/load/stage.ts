/**
 * The staging models of a book: `raw.*`, views over the store with every column of the catalogue, and `staging.*`, one table per
 * entity with identities resolved, repeats taken once, and the dates between which a snapshot may see a row.
 */
import { realpath } from "node:fs/promises";
import { dirname } from "node:path";
import type { Book, Source } from "../config/book.ts";
import { type Entity, entities, sqlTypes } from "../config/entities.ts";
import { parseAudits } from "../models/audits.ts";
import { readModels } from "../models/header.ts";
import type { Model, Node } from "../models/model.ts";
import { Database } from "../warehouse/database.ts";
import { literal, quoteIdentifier, type SqlValue } from "../warehouse/literal.ts";
import { daysOf, rowsOf } from "./bundle.ts";
import { type Delivery, eventTime, type LoadResult } from "./delivery.ts";
import { handWritten } from "./hand-written.ts";
import { accountIdentity, identityJoin, unmatchedIds, viaOf } from "./identities.ts";
import { convertedMoney, moneyOf, moneyWithoutRate, rateJoin, ratePeriod } from "./money.ts";
import { rangeDay } from "./range.ts";
import { keyOf, targetsOf } from "./reading.ts";
import { keyText } from "./repeats.ts";
import { visibleOn } from "./visible.ts";

/** A column of a staging table. */
interface StagedColumn {
  readonly name: string;
  readonly sqlType: string;
  /** Shown from the start of a state's life, before its delivery (docs/exports.md). */
  readonly isEarly: boolean;
}

/** The nodes that turn what was loaded into staging tables, unsorted. */
export async function stagingNodes(book: Book, load: LoadResult): Promise<readonly Node[]> {
  const fixed = await readModels("staging");
  const raw = await Promise.all([...entities.values()].map((entity) => rawView(book, load, entity)));
  const staged = [...entities.values()]
    .filter(({ id, kind }) => id !== "usage_event" && kind !== "map")
    .map((entity) =>
      entity.kind === "hand" ? handWritten(book, entity.id, load.deliveries) : stateOrFact(book, load, entity),
    );
  return [
    ...raw,
    rawRepeats(load),
    rawDays(load),
    deliveryTable(load),
    rejectTable(load),
    arrivalTable(load),
    rangeDay(book, load.deliveries),
    ratePeriod,
    moneyWithoutRate(book),
    accountIdentity(book),
    unmatchedIds(book, load.deliveries),
    sourceRepeats(book, load),
    usageEvent(book, load),
    ...staged,
    ...fixed,
  ];
}

function model(
  name: string,
  facts: {
    kind?: "table" | "view";
    grain?: readonly string[];
    depends?: readonly string[];
    audits?: string;
    portable?: boolean;
  },
  sql: string,
): Model {
  return {
    kind: facts.kind ?? "table",
    name,
    grain: facts.grain ?? [],
    depends: facts.depends ?? [],
    params: [],
    audits: parseAudits(name, facts.audits ?? "", "load/stage.ts"),
    portable: facts.portable ?? false,
    sql,
  };
}

/** A relation of given rows, typed, a line each: one text, since over as many literals the parser takes long. */
function values(columns: readonly (readonly [string, string])[], rows: readonly (readonly SqlValue[])[]): string {
  const lines = rows.map((row) => JSON.stringify(Object.fromEntries(columns.map(([name], i) => [name, row[i]]))));
  const text = `[\n${lines.join(",\n")}\n]`;
  const names = columns.map(([name]) => name).join(",\n  ");
  return `select\n  ${names}\nfrom (select unnest(from_json(${literal(text)}, ${literal(JSON.stringify([Object.fromEntries(columns)]))}), recursive := true))`;
}

const timestampText = (iso: string): string => iso.replace("T", " ").replace("Z", "");

function deliveryTable(load: LoadResult): Model {
  return model(
    "meta.delivery",
    { grain: ["delivery_id"], audits: "unique(delivery_id)" },
    values(
      [
        ["delivery_id", "varchar"],
        ["source", "varchar"],
        ["entity", "varchar"],
        ["file", "varchar"],
        ["sha256", "varchar"],
        ["delivery_no", "bigint"],
        ["delivered_at", "timestamp"],
        ["rows_read", "bigint"],
        ["rows_loaded", "bigint"],
        ["rows_rejected", "bigint"],
        ["rows_left_out", "bigint"],
        ["first_event_at", "timestamp"],
        ["last_event_at", "timestamp"],
        ["ignored_columns", "varchar"],
      ],
      load.deliveries.map((delivery) => [
        delivery.delivery_id,
        delivery.source,
        delivery.entity,
        delivery.file,
        delivery.sha256,
        delivery.no,
        timestampText(delivery.delivered_at),
        delivery.rows_read,
        delivery.rows_loaded,
        delivery.rows_rejected,
        delivery.rows_left_out,
        delivery.first_event_at,
        delivery.last_event_at,
        delivery.ignored.join(", "),
      ]),
    ),
  );
}

function rejectTable(load: LoadResult): Model {
  const columns = ["source", "delivery_id", "file", "line", '"column"', "reason", "value"];
  const types = ["varchar", "varchar", "varchar", "bigint", "varchar", "varchar", "varchar"];
  const rejecting = load.deliveries.filter((delivery) => delivery.rejects !== null);
  const facts = { grain: ["delivery_id", "line", '"column"'] };
  if (rejecting.length === 0) {
    return model(
      "meta.reject",
      facts,
      `select\n  ${columns.map((name, i) => `cast(null as ${types[i]}) as ${name}`).join(",\n  ")}\nwhere false`,
    );
  }
  const parts = rejecting.map(
    ({ source, delivery_id, file, rejects }) =>
      `select\n  ${literal(source)} as source,\n  ${literal(delivery_id)} as delivery_id,\n  ${literal(file)} as file,\n  line,\n  "column",\n  reason,\n  value\n` +
      `from read_parquet(${literal(rejects)})`,
  );
  return model("meta.reject", facts, parts.join("\nunion all\n"));
}

function arrivalTable(load: LoadResult): Model {
  const rows = Object.entries(load.sources).map(([id, facts]) => [
    id,
    facts.entity,
    facts.arrivalKnown,
    facts.arrivalReason,
  ]);
  return model(
    "staging.source_arrival",
    { grain: ["source"], audits: "unique(source)" },
    values(
      [
        ["source", "varchar"],
        ["entity", "varchar"],
        ["arrival_known", "boolean"],
        ["reason", "varchar"],
      ],
      rows,
    ),
  );
}

/** `raw.source_day`: rows per source and day of the event, from what the loader counted. */
function rawDays(load: LoadResult): Model {
  const parts = Object.entries(load.sources).map(([id, { entity }]) => {
    const days = daysOf(load.deliveries.filter(({ source }) => source === id));
    return `select ${literal(id)} as source, ${literal(entity)} as entity, event_day, known_day, n_rows\nfrom ${days}`;
  });
  return model("raw.source_day", { kind: "view" }, parts.join("\nunion all\n"));
}

/** `raw.usage_repeat`: the usage rows that repeat a key, by file and row. */
function rawRepeats(load: LoadResult): Model {
  const parts = Object.entries(load.sources).flatMap(([id, { repeats }]) => {
    if (repeats === null || repeats.rows === 0) return [];
    const store = dirname(load.deliveries.find(({ source }) => source === id)?.rows ?? "");
    return [
      `select ${literal(id)} as source, ${literal(`${store}/`)} || file as file, row_number, key, visible_on, is_other\n` +
        `from read_parquet(${literal(repeats.path)})`,
    ];
  });
  const none =
    "select cast(null as varchar) as source, cast(null as varchar) as file, cast(null as bigint) as row_number, cast(null as varchar) as key, " +
    "cast(null as date) as visible_on, cast(null as boolean) as is_other where false";
  return model("raw.usage_repeat", { kind: "view" }, parts.length === 0 ? none : parts.join("\nunion all\n"));
}

/** Columns of an entity over all of a book's sources: the catalogue's, then the book's own in the order of the sources. */
function columnsOf(book: Book, entity: Entity): readonly { readonly name: string; readonly sqlType: string }[] {
  const columns = new Map<string, string>(entity.columns.map(({ name, type }) => [name, sqlTypes[type]]));
  for (const source of sourcesOf(book, entity)) {
    for (const target of targetsOf(source))
      if (!columns.has(target.name)) columns.set(target.name, sqlTypes[target.type]);
  }
  return [...columns].map(([name, sqlType]) => ({ name, sqlType }));
}

const sourcesOf = (book: Book, entity: Entity): readonly Source[] =>
  Object.values(book.sources).filter((source) => source.entity === entity.id);

/** One view over the store: the typed columns as delivered, and beside them what staging needs to know of each row. */
async function rawView(book: Book, load: LoadResult, entity: Entity): Promise<Model> {
  const columns = columnsOf(book, entity);
  const parts: string[] = [];
  for (const [id, source] of Object.entries(book.sources)) {
    if (source.entity !== entity.id) continue;
    const own = load.deliveries.filter((delivery) => delivery.source === id);
    const filled = new Set(targetsOf(source).map((target) => target.name));
    const current = own.filter((delivery) => delivery.isCurrentReading);
    if (current.length > 0) parts.push(rawPart(id, source, load, columns, filled, current));
    for (const old of own.filter((delivery) => !delivery.isCurrentReading)) {
      parts.push(rawPart(id, source, load, columns, await columnsOfFile(old.rows), [old]));
    }
  }
  if (parts.length === 0) {
    const none = [...columns, ...internalColumns].map(
      ({ name, sqlType }) => `cast(null as ${sqlType}) as ${quoteIdentifier(name)}`,
    );
    parts.push(`select ${none.join(", ")} where false`);
  }
  return model(`raw.${entity.id}`, { kind: "view" }, parts.join("\nunion all\n"));
}

const internalColumns = [
  { name: "_source", sqlType: "varchar" },
  { name: "_delivery_id", sqlType: "varchar" },
  { name: "_delivery_no", sqlType: "bigint" },
  { name: "_delivered_at", sqlType: "timestamp" },
  { name: "_line", sqlType: "bigint" },
  { name: "_mode", sqlType: "varchar" },
  { name: "_key", sqlType: "varchar" },
  { name: "_latency_days", sqlType: "integer" },
  { name: "_arrival_known", sqlType: "boolean" },
  { name: "_via", sqlType: "varchar" },
  { name: "_file", sqlType: "varchar" },
  { name: "_row_number", sqlType: "bigint" },
] as const;

function rawPart(
  id: string,
  source: Source,
  load: LoadResult,
  columns: readonly { readonly name: string; readonly sqlType: string }[],
  filled: ReadonlySet<string>,
  deliveries: readonly Delivery[],
): string {
  const key = keyOf(source);
  const mapped = columns.map(({ name, sqlType }) => {
    const quoted = quoteIdentifier(name);
    return filled.has(name) ? `stored.${quoted}` : `cast(null as ${sqlType}) as ${quoted}`;
  });
  const delivery = values(
    [
      ["file", "varchar"],
      ["delivery_id", "varchar"],
      ["delivery_no", "bigint"],
      ["delivered_at", "timestamp"],
      ["header_lines", "bigint"],
    ],
    deliveries.map(({ rows, delivery_id, no, delivered_at, header_lines }) => {
      return [rows, delivery_id, no, timestampText(delivered_at), header_lines];
    }),
  );
  return `select
  ${mapped.join(",\n  ")},
  ${literal(id)} as _source,
  delivery.delivery_id as _delivery_id,
  delivery.delivery_no as _delivery_no,
  delivery.delivered_at as _delivered_at,
  coalesce(stored._line, stored.file_row_number + 1 + delivery.header_lines) as _line,
  ${literal(source.mode)} as _mode,
  ${key.length === 0 ? "cast(null as varchar)" : keyText(key, "stored.")} as _key,
  cast(${source.latency_days} as integer) as _latency_days,
  ${load.sources[id]?.arrivalKnown ?? false} as _arrival_known,
  cast(${literal(viaOf(source))} as varchar) as _via,
  stored.filename as _file,
  stored.file_row_number as _row_number
from ${rowsOf(deliveries)} as stored
join (
${delivery}
) as delivery on delivery.file = stored.filename`;
}

async function columnsOfFile(path: string): Promise<ReadonlySet<string>> {
  const database = await Database.open({ path: ":memory:", allowedDirectories: [dirname(await realpath(path))] });
  try {
    return new Set((await database.describe(`select * from read_parquet(${literal(path)})`)).map(({ name }) => name));
  } finally {
    database.close();
  }
}

/** `staging.source_repeat`: how many rows of a source repeat a key, and how many of those say something else. */
function sourceRepeats(book: Book, load: LoadResult): Model {
  const keyed = Object.entries(book.sources).filter(
    ([, source]) => source.mode === "append" && keyOf(source).length > 0,
  );
  const parts = keyed.map(([id, source]) => {
    const repeats = load.sources[id]?.repeats;
    if (source.entity === "usage_event" || source.entity === "usage_daily") {
      return `select ${literal(id)} as source, cast(${repeats?.rows ?? 0} as bigint) as n_repeats, cast(${repeats?.corrections ?? 0} as bigint) as n_corrections`;
    }
    const content = targetsOf(source)
      .filter(({ name }) => name !== "known_at")
      .map(({ name }) => quoteIdentifier(name));
    const rows = `raw.${source.entity} where _source = ${literal(id)} and _key is not null`;
    return `select
  ${literal(id)} as source,
  coalesce(sum(n_rows - 1), 0)::bigint as n_repeats,
  coalesce(sum(n_other), 0)::bigint as n_corrections
from (
  select _key, count(*) as n_rows, count(*) filter (where content is distinct from first_content) as n_other
  from (
    select _key, struct_pack(${content.join(", ")}) as content,
      first_value(struct_pack(${content.join(", ")})) over (partition by _key order by _delivery_no, _line) as first_content
    from ${rows} and _key in (select _key from ${rows} group by _key having count(*) > 1)
  )
  group by _key
)`;
  });
  const none =
    "select cast(null as varchar) as source, cast(null as bigint) as n_repeats, cast(null as bigint) as n_corrections where false";
  return model(
    "staging.source_repeat",
    { grain: ["source"], depends: [...new Set(keyed.map(([, source]) => `raw.${source.entity}`))] },
    parts.length === 0 ? none : parts.join("\nunion all\n"),
  );
}

const addDays = (day: string, days: string): string => `date_add('day', ${days}, ${day})`;

/** `staging.usage_event`: a view over the store, so that usage is written down once. */
function usageEvent(book: Book, load: LoadResult): Model {
  const usage = Object.entries(book.sources).filter(([, source]) => source.entity === "usage_event");
  const hasRepeats = usage.some(([id]) => (load.sources[id]?.repeats?.rows ?? 0) > 0);
  const hasVia = usage.some(([, source]) => viaOf(source) !== null);
  const hasRange = usage.some(([, source]) => source.mode === "range");
  const visible = visibleOn(
    { day: "activity_date", knownAt: "known_at", arrivalKnown: "_arrival_known", latencyDays: "_latency_days" },
    addDays,
  );
  return model(
    "staging.usage_event",
    {
      kind: "view",
      portable: true,
      depends: [
        "raw.usage_event",
        "raw.usage_repeat",
        "staging.account_identity",
        ...(hasRange ? ["staging.range_day"] : []),
      ],
    },
    `with event as (
  select raw_event.*, cast(raw_event.event_time as date) as activity_date
  from raw.usage_event as raw_event${
    hasRepeats
      ? `
  where not exists (
    select 1
    from raw.usage_repeat as repeated
    where repeated.file = raw_event._file and repeated.row_number = raw_event._row_number
  )`
      : ""
  }
)
select
  ${hasVia ? "case when event._via is null then event.account_id else identity.account_id end" : "event.account_id"} as account_id,
  event.account_id as account_ref,
  event.event_time,
  event.activity_date,
  event.event,
  event.user_id,
  event.quantity,
  event.event_id,
  event.known_at,
  ${hasRange ? `greatest(${visible}, coalesce(placed.seen_from, date '0001-01-01'))` : visible} as visible_on,
  event._source as source,
  event._delivery_id as delivery_id${hasRange ? ",\n  placed.superseded_on" : ""}
from event${hasVia ? identityJoin("event", "event.activity_date") : ""}${
      hasRange
        ? `${rangeJoin("event", "event.activity_date")}
where placed.superseded_on is null
  or greatest(${visible}, coalesce(placed.seen_from, date '0001-01-01')) < placed.superseded_on`
        : ""
    }`,
  );
}

/** What later and earlier deliveries say of the day of a row of a source in mode range. */
const rangeJoin = (row: string, day: string): string => `
left join staging.range_day as placed
  on placed.source = ${row}._source
  and placed.delivery_no = ${row}._delivery_no
  and placed.event_day is not distinct from ${day}`;

/** The staging table of one entity. */
function stateOrFact(book: Book, load: LoadResult, entity: Entity): Model {
  const sources = sourcesOf(book, entity);
  const isState = entity.kind === "state";
  const hasAccount = entity.columns.some(({ name }) => name === "account_id");
  const hasVia = sources.some((source) => viaOf(source) !== null);
  const hasSnapshot = sources.some((source) => source.mode === "snapshot");
  const hasRange = sources.some((source) => source.mode === "range");
  const hasRates = moneyOf(entity) !== null && Object.values(book.sources).some((source) => source.entity === "rate");
  const hasRefTime = isState && entity.id !== "subscription";
  const hasKnownAt = entity.columns.some(({ name }) => name === "known_at");
  const columns = stagedColumns(book, entity);
  const day = `cast(${eventTime(entity, "given.")} as date)`;
  const plain = columns.map(({ name }) => name);

  const given = plain.map((name) => {
    const quoted = quoteIdentifier(name);
    if (name === "account_id" && hasVia)
      return `case when given._via is null then given.account_id else identity.account_id end as account_id`;
    const money = moneyOf(entity);
    if (name === money) return `${convertedMoney(book, money, hasRates)} as ${quoted}`;
    // What has been converted is in the currency of the book.
    if (name === "currency" && money !== null && hasRates)
      return `case when rated.rate is not null then ${literal(book.currency)} else upper(trim(given.currency)) end as currency`;
    if (name === "currency" && money !== null) return "upper(trim(given.currency)) as currency";
    return `given.${quoted}`;
  });
  const segment = segmentColumn(book, entity, plain);
  const ctes: string[] = [];
  // Of rows with one key the first in a delivery counts; rows without a key each stand for themselves.
  ctes.push(`delivered as (
  select
    ${[...given, ...(segment === null ? [] : [`${segment} as segment`])].join(",\n    ")},
    given._source,
    given._delivery_id,
    given._delivery_no,
    given._line,
    given._mode,
    coalesce(given._key, given._delivery_id || ':' || given._line) as _key,
    given._latency_days,
    given._arrival_known,
    ${day} as event_day,
    cast(given._delivered_at as date) as delivered_on${hasRange ? ",\n    placed.seen_from,\n    placed.superseded_on as replaced_on" : ""}
  from raw.${entity.id} as given${hasRates ? rateJoin(book, day) : ""}${hasRange ? rangeJoin("given", day).replaceAll("\n", "\n  ") : ""}${hasVia ? identityJoin("given", `coalesce(${day}, cast(given._delivered_at as date))`).replaceAll("\n", "\n  ") : ""}
)`);
  const staged = [...plain, ...(segment === null ? [] : ["segment"])];
  const names = staged.map(quoteIdentifier).join(", ");
  const own = visibleOn({
    day: "event_day",
    knownAt: hasKnownAt ? "known_at" : null,
    arrivalKnown: hasKnownAt ? "_arrival_known" : "false",
    latencyDays: "_latency_days",
  });
  const startDay = hasRefTime ? "coalesce(delivered.event_day, first_start.started_on)" : "delivered.event_day";
  if (hasRefTime) {
    ctes.push(`first_start as (
  select account_id, min(started_on) as started_on
  from staging.subscription
  where account_id is not null
  group by account_id
)`);
  }
  ctes.push(`dated as (
  select
    delivered.* exclude (event_day),
    ${startDay} as event_day
  from delivered${hasRefTime ? "\n  left join first_start on first_start.account_id = delivered.account_id" : ""}
)`);
  const ownOrDelivery = `coalesce(${own}, delivered_on + 1)`;
  ctes.push(`ranked as (
  select
    *,
    ${hasRange ? `greatest(${ownOrDelivery}, coalesce(seen_from, date '0001-01-01'))` : ownOrDelivery} as own_visible_on,
    row_number() over (partition by _source, _key, case when _mode ${hasRange ? "<> 'append'" : "= 'snapshot'"} then _delivery_no end
      order by ${isState ? "" : `coalesce(${own}, delivered_on + 1), `}_delivery_no, _line) as nth
  from dated
)`);
  if (hasSnapshot) {
    // Not from meta.delivery: a night that brings nothing of this entity leaves the statement as it is, and its rows are taken over.
    ctes.push(`snapshot_delivery as (
${snapshotDeliveries(load, entity)}
)`);
    ctes.push(`compared as (
  select
    *,
    lag(_delivery_no) over by_key as earlier_no,
    struct_pack(${names}) is distinct from lag(struct_pack(${names})) over by_key as is_changed
  from ranked
  where nth = 1
  window by_key as (partition by _source, _key order by _delivery_no)
),
numbered as (
  -- A version begins where the content changes or where the key comes back after a delivery without it.
  select
    *,
    sum(case when earlier_no = _delivery_no - 1 and not is_changed${hasRange ? " and _mode = 'snapshot'" : ""} then 0 else 1 end)
      over (partition by _source, _key order by _delivery_no rows between unbounded preceding and current row) as version_no
  from compared
),
lasting as (
  select *, max(_delivery_no) over (partition by _source, _key, version_no) as last_no,
    row_number() over (partition by _source, _key, version_no order by _delivery_no) as nth_in_version
  from numbered
),
version as (
  select
    lasting.*,
    case when lasting._mode = 'snapshot' then cast(following.delivered_at as date) + 1${hasRange ? " else lasting.replaced_on" : ""} end as ended_visible_on
  from lasting
  left join snapshot_delivery as following
    on following.source = lasting._source and following.delivery_no = lasting.last_no + 1
  where lasting.nth_in_version = 1
)`);
  } else {
    ctes.push(`version as (
  select *, 1 as version_no, ${hasRange ? "replaced_on" : "cast(null as date)"} as ended_visible_on
  from ranked
  where nth = 1
)`);
  }
  const later = "greatest(own_visible_on, delivered_on + 1)";
  const fullFrom = isState
    ? later
    : `case when version_no = 1${hasRange ? " or _mode = 'range'" : ""} then own_visible_on else ${later} end`;
  ctes.push(`visible as (
  select
    ${staged.map(quoteIdentifier).join(",\n    ")},
    _source,
    _delivery_id,
    ${fullFrom} as visible_on,
    ended_visible_on as superseded_on
  from version${
    isState
      ? `
  union all
  -- The first version before its delivery: what is true of the whole life of the row, and nothing that may have changed.
  select
    ${[
      ...columns.map(({ name, sqlType, isEarly }) =>
        isEarly ? quoteIdentifier(name) : `cast(null as ${sqlType}) as ${quoteIdentifier(name)}`,
      ),
      ...(segment === null
        ? []
        : [isEarlySegment(book, entity, columns) ? "segment" : "cast(null as varchar) as segment"]),
    ].join(",\n    ")},
    _source,
    _delivery_id,
    own_visible_on as visible_on,
    ${later} as superseded_on
  from version
  where version_no = 1 and event_day is not null and own_visible_on < delivered_on + 1`
      : ""
  }
)`);
  const depends = [
    `raw.${entity.id}`,
    ...(hasVia ? ["staging.account_identity"] : []),
    ...(hasRange ? ["staging.range_day"] : []),
    ...(hasRates ? ["staging.rate"] : []),
    ...(hasRefTime ? ["staging.subscription"] : []),
  ];
  const grain = isState ? [...entity.key, "visible_on"] : [];
  return model(
    `staging.${entity.id}`,
    { grain, depends, audits: `not_null(visible_on, source)${hasAccount ? "; warn not_null(account_id)" : ""}` },
    `with ${ctes.join(",\n")}
select
  ${staged.map(quoteIdentifier).join(",\n  ")},
  _source as source,
  _delivery_id as delivery_id,
  visible_on,
  superseded_on
from visible
where superseded_on is null or visible_on < superseded_on`,
  );
}

/** The deliveries of an entity's sources, with their numbers: what a version ends by. */
const snapshotDeliveries = (load: LoadResult, entity: Entity): string =>
  values(
    [
      ["source", "varchar"],
      ["delivery_no", "bigint"],
      ["delivered_at", "timestamp"],
    ],
    load.deliveries
      .filter((delivery) => delivery.entity === entity.id)
      .map(({ source, no, delivered_at }) => [source, no, timestampText(delivered_at)]),
  );

function stagedColumns(book: Book, entity: Entity): readonly StagedColumn[] {
  const keys = new Set(["account_id", "parent_id", ...entity.key, ...sourcesOf(book, entity).flatMap(keyOf)]);
  const sources = sourcesOf(book, entity);
  return columnsOf(book, entity).map(({ name, sqlType }) => {
    const column = entity.columns.find((candidate) => candidate.name === name);
    const isImmutable = sources.length > 0 && sources.every((source) => source.immutable.includes(name));
    const isEarly =
      keys.has(name) || entity.eventColumns.includes(name) || column?.datedBy !== undefined || isImmutable;
    return { name, sqlType, isEarly };
  });
}

/** The column that `segments.by` names, if this entity has it; null for an entity without segments. */
function segmentColumn(book: Book, entity: Entity, columns: readonly string[]): string | null {
  if (entity.id !== "account" && entity.id !== "subscription") return null;
  const name = segmentName(book, entity);
  return name === null || !columns.includes(name)
    ? "cast(null as varchar)"
    : `cast(given.${quoteIdentifier(name)} as varchar)`;
}

function segmentName(book: Book, entity: Entity): string | null {
  const { by } = book.segments;
  if (by === null) return null;
  const [owner, name] = by.includes(".") ? (by.split(".") as [string, string]) : [entity.id, by];
  return owner === entity.id ? name : null;
}

function isEarlySegment(book: Book, entity: Entity, columns: readonly StagedColumn[]): boolean {
  const name = segmentName(book, entity);
  return columns.some((column) => column.name === name && column.isEarly);
}
