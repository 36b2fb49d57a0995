/** From the sources to the rest of a book: the calendar, what churn is, segments, KPIs and a scorecard to begin with. */
import { entities, entityOf } from "../config/entities.ts";
import type { KpiDefinition } from "../config/kpi.ts";
import { addDays } from "../lib/clock.ts";
import type { Database } from "../warehouse/database.ts";
import { literal, quoteIdentifier } from "../warehouse/literal.ts";
import type { Finding } from "./propose.ts";
import type { Settled } from "./settle.ts";

export interface Conclusion {
  readonly currency: string;
  readonly calendar: Readonly<Record<string, string | number>>;
  readonly churn: {
    readonly primary: string;
    readonly definitions: Readonly<Record<string, Readonly<Record<string, string | number>>>>;
  };
  readonly segmentsBy: string | null;
  /** Ids of the library, and definitions of the book's own events. */
  readonly kpis: readonly (string | Readonly<Record<string, unknown>>)[];
  /** The KPIs of a first scorecard, with what is healthy. */
  readonly scored: readonly { readonly kpi: string; readonly healthier: "higher" | "lower" }[];
  /** What a book cannot do without and the folder lacks, one sentence each. */
  readonly missing: readonly string[];
}

const ofEntity = (sources: readonly Settled[], ...ids: readonly string[]): readonly Settled[] =>
  sources.filter(({ draft }) => ids.includes(draft.entity));

const isMapped = ({ draft }: Settled, name: string): boolean => draft.columns[name] !== undefined;

/** Reads the typed rows of all sources. */
export async function conclude(
  database: Database,
  sources: readonly Settled[],
  library: readonly KpiDefinition[],
  currencySigns: readonly string[],
  findings: Finding[],
): Promise<Conclusion> {
  const missing = whatIsMissing(sources);
  const usage = ofEntity(sources, "usage_event", "usage_daily");
  const lastOn =
    usage
      .flatMap(({ lastAt }) => lastAt ?? [])
      .sort()
      .at(-1)
      ?.slice(0, 10) ?? null;
  const firstOn =
    usage
      .flatMap(({ firstAt }) => firstAt ?? [])
      .sort()[0]
      ?.slice(0, 10) ?? null;
  const asOf = lastOn === null ? null : addDays(lastOn, 1);
  const churn = await chooseChurn(database, sources, asOf, findings);
  const calendar = await chooseCalendar(database, sources, firstOn, asOf, findings);
  const kpis = await chooseKpis(database, sources, library, findings);
  return {
    currency: await chooseCurrency(database, sources, currencySigns, findings),
    calendar,
    churn,
    segmentsBy: await chooseSegments(database, sources, findings),
    ...kpis,
    missing,
  };
}

function whatIsMissing(sources: readonly Settled[]): readonly string[] {
  const has = (...ids: readonly string[]): boolean => ofEntity(sources, ...ids).length > 0;
  const missing: string[] = [];
  if (!has("account"))
    missing.push(
      "no file says which accounts there are: expected a table with one row an account, or contracts, users or usage that name one",
    );
  if (!has("usage_event", "usage_daily"))
    missing.push("no file holds usage with dates: expected events (account, time, what was done) or counts by the day");
  return missing;
}

async function chooseCurrency(
  database: Database,
  sources: readonly Settled[],
  signs: readonly string[],
  findings: Finding[],
): Promise<string> {
  for (const source of ofEntity(sources, "subscription")) {
    if (!isMapped(source, "currency")) continue;
    const rows = await database.query<{ currency: string; n: number }>(
      `select upper(currency) as currency, count(*) as n from ${source.view} where regexp_full_match(currency, '[A-Za-z]{3}') group by all order by n desc, currency`,
    );
    const [first] = rows;
    if (first === undefined) continue;
    const rates = ofEntity(sources, "rate")[0];
    if (rows.length > 1 && rates !== undefined) {
      const own = await bookCurrency(
        database,
        rates,
        rows.map(({ currency }) => currency),
      );
      findings.push({
        level: "guessed",
        about: "currency",
        text: `${own ?? first.currency}; a rate of ${rates.draft.id} is read as what one unit of its currency is worth in ${own ?? first.currency} from that day on`,
      });
      return own ?? first.currency;
    }
    if (rows.length > 1)
      findings.push({
        level: "decide",
        about: "currency",
        text: `contracts are in ${rows
          .slice(0, 4)
          .map(({ currency }) => currency)
          .join(", ")}; without a file of rates only ${first.currency} counts as money`,
      });
    else
      findings.push({
        level: "sure",
        about: "currency",
        text: `${first.currency}, by ${source.draft.columns.currency?.from ?? "the column of currencies"}`,
      });
    return first.currency;
  }
  const named = sources.flatMap(({ draft }) =>
    ["mrr_minor", "amount_minor"].flatMap(
      (name) => /(?:^|[^a-z])(eur|usd|gbp|chf)\)?$/i.exec(draft.columns[name]?.from ?? "")?.[1] ?? [],
    ),
  )[0];
  if (named !== undefined) {
    findings.push({
      level: "guessed",
      about: "currency",
      text: `${named.toUpperCase()}, by the name of a column of amounts`,
    });
    return named.toUpperCase();
  }
  const [sign] = signs;
  if (sign !== undefined) {
    findings.push({ level: "guessed", about: "currency", text: `${sign}, by the signs beside amounts` });
    return sign;
  }
  if (sources.some((source) => isMapped(source, "mrr_minor") || isMapped(source, "amount_minor")))
    findings.push({ level: "guessed", about: "currency", text: "no column and no sign says which; USD is written" });
  return "USD";
}

/** The currency that rates are given in: the one that the name of their column says, or the only one of the contracts' that has no rate. */
async function bookCurrency(database: Database, rates: Settled, used: readonly string[]): Promise<string | null> {
  const named = /(?:^|[^a-z])(eur|usd|gbp|chf)$/i.exec(rates.draft.columns.rate?.from ?? "")?.[1]?.toUpperCase();
  if (named !== undefined && used.includes(named)) return named;
  const rated = new Set(
    (
      await database.query<{ currency: string }>(`select distinct upper(trim(currency)) as currency from ${rates.view}`)
    ).map(({ currency }) => currency),
  );
  const free = used.filter((currency) => !rated.has(currency));
  return free.length === 1 ? (free[0] as string) : null;
}

/** Of a table that is dumped whole its rows in their newest dump: a contract that is open in an earlier one has not stayed open. */
const newestOnly = ({ mode, key }: Settled): string =>
  mode === "snapshot" && key.length > 0
    ? ` qualify row_number() over (partition by ${key.map(quoteIdentifier).join(", ")} order by _file desc) = 1`
    : "";

/** How many accounts each kind of evidence lets leave before `asOf`. */
async function chooseChurn(
  database: Database,
  sources: readonly Settled[],
  asOf: string | null,
  findings: Finding[],
): Promise<Conclusion["churn"]> {
  const until = literal(asOf ?? "9999-12-31");
  const definitions: Record<string, Record<string, string | number>> = {};
  const counts: { id: string; n: number }[] = [];
  const contracts = ofEntity(sources, "subscription");
  if (contracts.length > 0) {
    definitions.subscription_end = { type: "subscription_end" };
    const rows = contracts.map(
      (source) =>
        `select account_id, ended_on, ${isMapped(source, "is_trial") ? "is_trial" : "false"} as is_trial from ${source.view}${newestOnly(source)}`,
    );
    const n = await database.scalar<number>(
      `select count(*) from (select account_id from (${rows.join(" union all ")}) where is_trial is not true group by account_id having bool_and(coalesce(ended_on < ${until}, false)))`,
    );
    counts.push({ id: "subscription_end", n: n ?? 0 });
  }
  const events = ofEntity(sources, "churn_event");
  if (events.length > 0) {
    definitions.cancel = { type: "event", entity: "churn_event" };
    const rows = events.map(
      (source) =>
        `select account_id from ${source.view} where ${isMapped(source, "is_reactivation") ? "is_reactivation is not true and " : ""}occurred_on < ${until}`,
    );
    const n = await database.scalar<number>(`select count(distinct account_id) from (${rows.join(" union all ")})`);
    counts.push({ id: "cancel", n: n ?? 0 });
  }
  if (ofEntity(sources, "usage_event", "usage_daily").length > 0) definitions.silent = { type: "inactivity", days: 60 };
  for (const source of ofEntity(sources, "account")) {
    for (const [name, mapping] of Object.entries(source.draft.columns)) {
      if (mapping.type !== "boolean" || definitions.flag !== undefined) continue;
      definitions.flag = { type: "account_flag", column: name };
      findings.push({
        level: "guessed",
        about: "churn.flag",
        text: `${mapping.from} has no date, so it only checks the other definitions`,
      });
    }
  }
  const [best, ...others] = [...counts].sort((a, b) => b.n - a.n);
  const primary =
    best === undefined || best.n === 0
      ? (counts.find(({ n }) => n > 0)?.id ??
        (definitions.silent !== undefined && counts.length === 0 ? "silent" : (counts[0]?.id ?? "silent")))
      : best.id;
  if (best !== undefined && best.n > 0) {
    const rest = others.map(({ id, n }) => `${id} ${n}`).join(", ");
    findings.push({
      level: others.length === 0 ? "sure" : "guessed",
      about: "churn.primary",
      text: `${best.id}: ${best.n} accounts left by it${rest === "" ? "" : `, by others fewer (${rest})`}`,
    });
    if (best.n < 30)
      findings.push({
        level: "decide",
        about: "churn.primary",
        text: `only ${best.n} accounts left by it: too few for most verdicts; where more left, a file of cancellations is missing`,
      });
  } else if (definitions.silent !== undefined) {
    findings.push({
      level: "decide",
      about: "churn.primary",
      text:
        counts.length === 0
          ? "no file says who left, so 60 days without use count as leaving; a file of cancellations or contract ends would say more"
          : "no contract has ended and no cancellation is listed before the newest usage, so nothing can be tested yet",
    });
  }
  if (counts.length > 0 && (best?.n ?? 0) === 0 && definitions.silent !== undefined)
    return { primary: "silent", definitions };
  return { primary, definitions };
}

/** The usual calendar where history is long enough for it; a short one otherwise. */
async function chooseCalendar(
  database: Database,
  sources: readonly Settled[],
  firstOn: string | null,
  asOf: string | null,
  findings: Finding[],
): Promise<Conclusion["calendar"]> {
  if (firstOn === null || asOf === null) return {};
  const days = Math.round((Date.parse(asOf) - Date.parse(firstOn)) / 86_400_000);
  if (days < 300) {
    findings.push({
      level: days < 100 ? "decide" : "guessed",
      about: "calendar",
      text: `usage reaches over ${days} days only (${firstOn} to ${asOf}): churn within 28 days of a snapshot is tested, from the first day on, every week; the usual 30 to 120 days need about a year`,
    });
    return {
      score_every: "week",
      validate_every: "week",
      window_days: 28,
      gap_days: 0,
      horizon_days: 28,
      min_tenure_days: 28,
      reactivation_grace_days: 7,
    };
  }
  const contracts = ofEntity(sources, "subscription", "churn_event").filter(
    (source) => source.draft.entity === "subscription",
  );
  for (const { view } of contracts) {
    const [row] = await database.query<{ n: number; early: number }>(
      `select count(*) as n, count(*) filter (where left_on - began_on < 120) as early
       from (select account_id, min(started_on) as began_on, max(ended_on) as left_on from ${view} group by account_id having bool_and(coalesce(ended_on < ${literal(asOf)}, false)))`,
    );
    if (row !== undefined && row.n >= 20 && row.early > 0.4 * row.n) {
      findings.push({
        level: "guessed",
        about: "calendar.min_tenure_days",
        text: `${row.early} of ${row.n} accounts that left did so within 120 days: accounts count from their 28th day`,
      });
      return { min_tenure_days: 28 };
    }
  }
  const starts = await database.query<{ n: number; young: number }>(
    [
      ...ofEntity(sources, "account")
        .filter((source) => isMapped(source, "created_at"))
        .map(
          ({ view }) =>
            `select count(*) as n, count(*) filter (where created_at > timestamp ${literal(`${addDays(asOf, -365)} 00:00:00`)}) as young from ${view}`,
        ),
    ].join(" union all ") || "select 0 as n, 0 as young",
  );
  const [n, young] = starts.reduce(([a, b], row) => [a + row.n, b + row.young], [0, 0]);
  if (n > 0 && young > 0.4 * n && days < 1000) {
    findings.push({
      level: "guessed",
      about: "calendar.min_tenure_days",
      text: `${young} of ${n} accounts are younger than a year: they count from their 28th day`,
    });
    return { min_tenure_days: 28 };
  }
  return {};
}

const segmentWords = [
  /^(account_|customer_)?segment$/,
  /segment/,
  /plan|tier|tarif|edition|package|paket/,
  /size|groesse/,
  /industry|sector|branche|vertical/,
  /channel|kanal/,
  /region|market/,
  /country|land/,
];

/** Columns with a handful of values that a dump of today knows, best first. */
async function openSegments(
  database: Database,
  sources: readonly Settled[],
): Promise<readonly { readonly name: string; readonly source: Settled; readonly groups: number }[]> {
  const found: { name: string; source: Settled; groups: number; rank: number }[] = [];
  for (const source of ofEntity(sources, "account", "subscription")) {
    for (const name of Object.keys(source.draft.columns)) {
      const rank = segmentWords.findIndex((word) => word.test(name));
      if (rank === -1 || source.immutable.includes(name)) continue;
      const groups = await database.scalar<number>(
        `select count(distinct ${quoteIdentifier(name)}) from ${source.view}`,
      );
      if (groups !== null && groups !== undefined && groups >= 2 && groups <= 8)
        found.push({ name, source, groups, rank });
    }
  }
  return found.sort((a, b) => a.rank - b.rank || a.groups - b.groups);
}

/** A column with a handful of values that is known from an account's start; plans before industries. */
async function chooseSegments(
  database: Database,
  sources: readonly Settled[],
  findings: Finding[],
): Promise<string | null> {
  const candidates: { name: string; owner: string; rank: number; groups: number; source: Settled }[] = [];
  for (const source of ofEntity(sources, "account", "subscription")) {
    for (const name of source.immutable) {
      const rank = segmentWords.findIndex((word) => word.test(name));
      if (rank === -1) continue;
      const groups =
        (await database.scalar<number>(`select count(distinct ${quoteIdentifier(name)}) from ${source.view}`)) ?? 0;
      const filled =
        (await database.scalar<number>(
          `select count(${quoteIdentifier(name)}) / greatest(count(*), 1) from ${source.view}`,
        )) ?? 0;
      if (groups >= 2 && groups <= 8 && filled >= 0.7)
        candidates.push({ name, owner: source.draft.entity, rank, groups, source });
    }
  }
  const [best] = candidates.sort((a, b) => a.rank - b.rank || a.groups - b.groups);
  if (best === undefined) {
    const [open] = await openSegments(database, sources);
    findings.push(
      open === undefined
        ? {
            level: "guessed",
            about: "segments",
            text: "no column with two to eight values that is known from the start: the book is one segment",
          }
        : {
            level: "decide",
            about: "segments",
            text: `the book is one segment, since no group of accounts is known from the start; ${open.name} of ${open.source.draft.id} has ${open.groups} values: where an account stays what it is, add it to immutable there and write segments: { by: ${open.name} }`,
          },
    );
    return null;
  }
  const isTwice = candidates.some(({ name, owner }) => name === best.name && owner !== best.owner);
  findings.push({
    level: "guessed",
    about: "segments.by",
    text: `${best.source.draft.columns[best.name]?.from ?? best.name} of ${best.source.draft.id}, ${best.groups} different values`,
  });
  return isTwice ? `${best.owner}.${best.name}` : best.name;
}

const preferred = [
  "logins_28d",
  "feature_events_28d",
  "active_users_28d",
  "active_days_28d",
  "feature_breadth_28d",
  "usage_slope_180d",
  "seat_use_28d",
  "open_tickets",
  "tickets_28d",
  "urgent_tickets_90d",
  "csat_90d",
  "csm_rating",
  "nps",
  "csat_survey",
  "surveys_answered_365d",
  "overdue_invoices",
  "overdue_amount",
  "days_since_two_way_contact",
  "meetings_90d",
  "touches_90d",
  "gone_dark_90d",
  "newsletter_opens",
  "webinar_signups",
  "milestones_on_time",
  "goals_met",
  "lost_stakeholder_180d",
  "users_added_90d",
  "mrr",
  "seats",
  "login_trend_28d",
  "days_since_login",
  "executive_users_28d",
  "roles_in_use",
];

/** The KPIs of the library that these rows feed, and one for each of the commonest events. */
async function chooseKpis(
  database: Database,
  sources: readonly Settled[],
  library: readonly KpiDefinition[],
  findings: Finding[],
): Promise<Pick<Conclusion, "kpis" | "scored">> {
  const fed = new Set<string>();
  for (const kpi of library) if (kpi.entity !== null && (await isFed(database, sources, kpi))) fed.add(kpi.id);
  for (const kpi of library) {
    if (kpi.measure === "ratio" && fed.has(kpi.numerator as string) && fed.has(kpi.denominator as string))
      fed.add(kpi.id);
  }
  const ids = preferred.filter((id) => fed.has(id)).slice(0, 22);
  const events = await commonEvents(database, sources);
  const taken = new Set(library.map(({ id }) => id));
  const own = events.map((event) => {
    const kpi = eventKpi(event, taken);
    taken.add(String(kpi.id));
    return kpi;
  });
  if (own.length > 0)
    findings.push({
      level: "guessed",
      about: "kpis",
      text: `counts of the commonest events beside ${ids.length} of the library`,
      samples: events.slice(0, 3),
    });
  const rest = [...fed].filter((id) => !ids.includes(id)).length;
  if (rest > 0)
    findings.push({
      level: "sure",
      about: "kpis",
      text: `the exports feed ${fed.size} of ${library.length} KPIs of the library; ${ids.length} are written (npx assay kpis shows the others)`,
    });
  const wanted: readonly (readonly [string, "higher" | "lower"])[] = [
    ["logins_28d", "higher"],
    ["active_users_28d", "higher"],
    ["feature_events_28d", "higher"],
    ["active_days_28d", "higher"],
    ["open_tickets", "lower"],
    ["csm_rating", "higher"],
    ["nps", "higher"],
    ["overdue_invoices", "lower"],
  ];
  const scored = wanted.filter(([id]) => ids.includes(id)).map(([kpi, healthier]) => ({ kpi, healthier }));
  return { kpis: [...ids, ...own], scored };
}

/** Whether at least one row of the exports meets a KPI's filter and holds what it reads. */
async function isFed(database: Database, sources: readonly Settled[], kpi: KpiDefinition): Promise<boolean> {
  if (kpi.factor === "control") return false;
  // Seats of one dump say nothing of the past, unless a change of them is a new row.
  const knowsSeats = ofEntity(sources, "subscription").some(
    ({ draft, immutable }) =>
      immutable.includes("seats") || (draft.columns.seats !== undefined && draft.table.files.length > 1),
  );
  if (kpi.measure === "per_seat" && !knowsSeats) return false;
  const own = ofEntity(sources, kpi.entity as string, ...(kpi.entity === "usage_event" ? ["usage_daily"] : []));
  const others = kpi.needs.filter((entity) => entity !== kpi.entity && ofEntity(sources, entity).length === 0);
  if (own.length === 0 || others.length > 0) return false;
  for (const source of own) {
    const has = (name: string): boolean => isMapped(source, name);
    const wanted = kpi.value?.column ?? null;
    if (wanted !== null && entities.get(source.draft.entity)?.columns.some(({ name }) => name === wanted) !== true)
      continue;
    const conditions = wanted === null ? [] : has(wanted) ? [`${quoteIdentifier(wanted)} is not null`] : ["false"];
    for (const [name, condition] of Object.entries(kpi.filter)) conditions.push(conditionOf(name, condition, has));
    const where = conditions.length === 0 ? "" : ` where ${conditions.join(" and ")}`;
    if ((await database.scalar<boolean>(`select exists (select 1 from ${source.view}${where})`)) === true) return true;
  }
  return false;
}

function conditionOf(name: string, condition: unknown, has: (name: string) => boolean): string {
  const column = quoteIdentifier(name);
  // A condition on a column that no export fills holds for everybody or for nobody: such a KPI says nothing.
  if (!has(name)) return "false";
  if (condition === null) return "true";
  if (Array.isArray(condition))
    return `cast(${column} as varchar) in (${condition.map((value) => literal(String(value))).join(", ")})`;
  if (typeof condition === "object") {
    const { not } = condition as { readonly not?: unknown };
    if (not === undefined || not === null) return `${column} is not null`;
    const others = (Array.isArray(not) ? not : [not]).map((value) => literal(String(value)));
    return `cast(${column} as varchar) not in (${others.join(", ")})`;
  }
  return `cast(${column} as varchar) = ${literal(String(condition))}`;
}

/** Events that at least one account in twenty causes, the commonest first; none where there are dozens of kinds. */
async function commonEvents(database: Database, sources: readonly Settled[]): Promise<readonly string[]> {
  const usage = ofEntity(sources, "usage_event", "usage_daily");
  if (usage.length === 0) return [];
  const rows = usage.map(({ view }) => `select account_id, event from ${view}`);
  const found = await database.query<{ event: string; n: number; kinds: number }>(
    `with own as (${rows.join(" union all ")}),
     kind as (select event, count(*) as n, count(distinct account_id) as accounts from own where event is not null group by event)
     select event, n, (select count(*) from kind) as kinds from kind
     where accounts >= 0.05 * (select count(distinct account_id) from own) order by n desc, event limit 10`,
  );
  const own = found.filter(({ event }) => event !== "login" && event.length <= 60);
  return (found[0]?.kinds ?? 0) < 2 || (found[0]?.kinds ?? 0) > 25 ? [] : own.slice(0, 8).map(({ event }) => event);
}

/** `Report.viewed` as `report_viewed`. */
function plainId(event: string): string {
  const word = event
    .normalize("NFKD")
    .replaceAll(/[\u0300-\u036f]/g, "")
    .replaceAll(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "_")
    .replaceAll(/^[_0-9]+|_+$/g, "")
    .slice(0, 40)
    .replace(/_$/, "");
  return word === "" ? "event" : word;
}

function eventKpi(event: string, taken: ReadonlySet<string>): Readonly<Record<string, unknown>> {
  const word = plainId(event);
  let id = taken.has(`${word}_28d`) ? `${word}_events_28d` : `${word}_28d`;
  for (let n = 2; taken.has(id); n += 1) id = `${word}_events_${n}_28d`;
  const text =
    event
      .replaceAll(/[_.:/-]+/g, " ")
      .replaceAll(/[^\p{L}\p{N} ]/gu, "")
      .trim()
      .slice(0, 40) || word.replaceAll("_", " ");
  return {
    id,
    label: text.charAt(0).toUpperCase() + text.slice(1),
    description: `Events of kind ${text} during the last 28 days.`,
    factor: "user_activity",
    kind: "objective",
    side: "proactive",
    unit: "events",
    measure: "count",
    entity: "usage_event",
    filter: { event },
    window_days: 28,
    healthier: "tested",
    says: { less: `had fewer events of kind ${text}`, more: `had more events of kind ${text}` },
  };
}

/** The entities with a place in the book, for messages. */
export const entityLabel = (id: string): string => entityOf(id).id.replaceAll("_", " ");
