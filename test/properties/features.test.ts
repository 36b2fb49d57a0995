/** Generated books with late rows, repeats, corrections, reactivations and deletions: what no example would think of. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rollUpGiven } from "../../pipelines/commands/given-rows.ts";
import { entities } from "../../pipelines/config/entities.ts";
import { type ExpressionTree, parseExpression } from "../../pipelines/config/expression.ts";
import { basesOf, type FilterCondition, type KpiDefinition } from "../../pipelines/config/kpi.ts";
import { featureNodes } from "../../pipelines/features/compile.ts";
import { parseKpi, readLibrary } from "../../pipelines/features/library.ts";
import { usageRollUp } from "../../pipelines/features/usage-filter.ts";
import { sortNodes } from "../../pipelines/models/graph.ts";
import { readModels } from "../../pipelines/models/header.ts";
import type { Model } from "../../pipelines/models/model.ts";
import type { Database, Row } from "../../pipelines/warehouse/database.ts";
import { build, buildFeatures, givenColumns, smallBook } from "../small-warehouse.ts";

const start = Date.parse("2024-01-01");
const lastDay = 120;
const asOf = iso(lastDay);
function iso(day: number): string {
  return new Date(start + day * 86_400_000).toISOString().slice(0, 10);
}
const at = (day: number, hour: number): string => `${iso(day)} ${String(hour).padStart(2, "0")}:00:00`;

const accounts = ["a", "b", "c"];
const account = fc.constantFrom(...accounts);
const day = fc.integer({ min: 0, max: lastDay - 1 });
/** Days from the event to the day on which it was known; mostly at once. */
const delay = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 60 }) },
);

const event = fc.record({
  account,
  user: fc.option(fc.constantFrom("u1", "u2", "u3"), { freq: 6 }),
  event: fc.constantFrom("login", "mobile_session", "dark_mode", "sso_login", "invoice_sent"),
  day,
  hour: fc.integer({ min: 0, max: 23 }),
  delay,
  quantity: fc.option(fc.integer({ min: 0, max: 9 })),
});
const ticket = fc.record({
  account,
  day,
  delay,
  closedAfter: fc.option(fc.integer({ min: 0, max: 40 })),
  csat: fc.option(fc.integer({ min: 1, max: 5 })),
  category: fc.option(fc.constantFrom("bug", "billing")),
  /** Days until a later delivery corrects the category, and until one lacks the row. */
  correctedAfter: fc.option(fc.integer({ min: 1, max: 30 })),
  goneAfter: fc.option(fc.integer({ min: 1, max: 60 }), { freq: 6 }),
});
const survey = fc.record({
  account,
  day,
  delay,
  kind: fc.constantFrom("nps", "nps", "csat"),
  answeredAfter: fc.option(fc.integer({ min: 0, max: 30 })),
  score: fc.integer({ min: 0, max: 10 }),
});
const rating = fc.record({
  account,
  day,
  delay,
  hour: fc.integer({ min: 0, max: 23 }),
  rating: fc.integer({ min: 0, max: 5 }),
});
const touch = fc.record({
  account,
  day,
  delay,
  kind: fc.constantFrom("campaign", "community", "meeting"),
  status: fc.option(fc.constantFrom("opened", "ignored")),
});
const person = fc.record({
  account,
  user: fc.constantFrom("u1", "u2", "u3"),
  day: fc.integer({ min: -50, max: lastDay - 1 }),
  is_executive: fc.option(fc.boolean()),
  /** Days until a later delivery says otherwise, and until they leave. */
  changedAfter: fc.option(fc.integer({ min: 1, max: 60 })),
  leftAfter: fc.option(fc.integer({ min: 0, max: 100 })),
});
const step = fc.record({
  account,
  milestone: fc.constantFrom("kickoff", "import", "rollout"),
  day,
  delay,
  reachedAfter: fc.option(fc.integer({ min: -15, max: 40 })),
  goneAfter: fc.option(fc.integer({ min: 1, max: 60 }), { freq: 6 }),
});
const spell = fc.record({
  account,
  from: fc.integer({ min: -200, max: 60 }),
  days: fc.option(fc.integer({ min: 20, max: 150 })),
});
const book = fc.record({
  events: fc.array(event, { minLength: 40, maxLength: 120, size: "max" }),
  tickets: fc.array(ticket, { maxLength: 12, size: "max" }),
  surveys: fc.array(survey, { maxLength: 8, size: "max" }),
  ratings: fc.array(rating, { maxLength: 12, size: "max" }),
  touches: fc.array(touch, { maxLength: 12, size: "max" }),
  people: fc.uniqueArray(person, { maxLength: 6, size: "max", selector: (p) => `${p.account} ${p.user}` }),
  steps: fc.array(step, { maxLength: 10, size: "max" }),
  spells: fc.array(spell, { minLength: 1, maxLength: 5, size: "max" }),
});
type Generated = typeof book extends fc.Arbitrary<infer T> ? T : never;

interface Usage {
  readonly account_id: string;
  readonly user_id: string | null;
  readonly event: string;
  readonly event_time: string;
  readonly activity_date: string;
  readonly visible_on: string;
  readonly quantity: number | null;
}

type Rows = readonly Readonly<Record<string, Cell>>[];

/** The rows as staging holds them, and usage as single events. */
function staged(given: Generated): { readonly usage: readonly Usage[]; readonly tables: Record<string, Rows> } {
  const usage = given.events.map((e) => ({
    account_id: e.account,
    user_id: e.user,
    event: e.event,
    event_time: at(e.day, e.hour),
    activity_date: iso(e.day),
    visible_on: iso(e.day + 1 + e.delay),
    quantity: e.quantity,
  }));
  const people = given.people.flatMap((p): Rows => {
    const row = {
      account_id: p.account,
      user_id: p.user,
      is_executive: p.is_executive,
      deactivated_at: p.leftAfter === null ? null : at(p.day + p.leftAfter, 11),
    };
    if (p.changedAfter === null) return [{ ...row, visible_on: iso(p.day + 1) }];
    const changed = iso(p.day + 1 + p.changedAfter);
    return [
      { ...row, visible_on: iso(p.day + 1), superseded_on: changed },
      { ...row, is_executive: p.is_executive !== true, visible_on: changed },
    ];
  });
  const steps = given.steps.map((m) => {
    const reached = m.reachedAfter === null ? null : m.day + m.reachedAfter;
    const from = Math.min(m.day, reached ?? m.day) + 1 + m.delay;
    return {
      account_id: m.account,
      milestone: m.milestone,
      expected_on: iso(m.day),
      reached_on: reached === null ? null : iso(reached),
      visible_on: iso(from),
      superseded_on: m.goneAfter === null ? null : iso(from + m.goneAfter),
    };
  });
  const tickets = given.tickets.flatMap((t, i): Rows => {
    const row = {
      ticket_id: `t${i}`,
      account_id: t.account,
      opened_at: at(t.day, 9),
      closed_at: t.closedAfter === null ? null : at(t.day + t.closedAfter, 17),
      csat: t.closedAfter === null ? null : t.csat,
      category: t.category,
    };
    const from = t.day + 1 + t.delay;
    const corrected = t.correctedAfter === null ? null : from + t.correctedAfter;
    const gone = t.goneAfter === null ? null : (corrected ?? from) + t.goneAfter;
    const end = gone === null ? null : iso(gone);
    if (corrected === null) return [{ ...row, visible_on: iso(from), superseded_on: end }];
    return [
      { ...row, visible_on: iso(from), superseded_on: iso(corrected) },
      { ...row, category: "bug", visible_on: iso(corrected), superseded_on: end },
    ];
  });
  const surveys = given.surveys.map((s) => ({
    account_id: s.account,
    kind: s.kind,
    asked_at: at(s.day, 8),
    responded_at: s.answeredAfter === null ? null : at(s.day + s.answeredAfter, 12),
    score: s.answeredAfter === null ? null : s.score,
    visible_on: iso(s.day + 1 + s.delay),
  }));
  const ratings = given.ratings.map((r) => ({
    account_id: r.account,
    rated_at: at(r.day, r.hour),
    rating: r.rating,
    visible_on: iso(r.day + 1 + r.delay),
  }));
  const touches = given.touches.map((t) => ({
    account_id: t.account,
    occurred_at: at(t.day, 10),
    kind: t.kind,
    status: t.status,
    visible_on: iso(t.day + 1 + t.delay),
  }));
  // What a subscription says is known with a delivery on day 30; its keys and dates from the start.
  const subscriptions = given.spells.flatMap((s, i): Rows => {
    const known = {
      subscription_id: `s${i}`,
      account_id: s.account,
      started_on: iso(s.from),
      ended_on: s.days === null ? null : iso(s.from + s.days),
    };
    const full = { ...known, mrr_minor: 100 * (i + 1), seats: i + 1, segment: i % 2 === 0 ? "solo" : "studio" };
    if (s.from >= 30) return [{ ...full, visible_on: iso(s.from + 1) }];
    return [
      { ...known, visible_on: iso(s.from + 1), superseded_on: iso(31) },
      { ...full, visible_on: iso(31) },
    ];
  });
  return {
    usage,
    tables: {
      "staging.ticket": tickets,
      "staging.survey_response": surveys,
      "staging.csm_rating": ratings,
      "staging.engagement": touches,
      "staging.user": people,
      "staging.milestone": steps,
      "staging.subscription": subscriptions,
      "staging.account": [
        { account_id: "a", name: "Alder", created_at: at(-30, 9), visible_on: iso(-300), superseded_on: iso(50) },
        { account_id: "a", name: "Alder & Ash", created_at: at(-30, 9), visible_on: iso(50) },
        { account_id: "b", created_at: at(20, 9), visible_on: iso(21) },
        { account_id: "zz", segment: "solo", visible_on: iso(-300) },
      ],
    },
  };
}

/** Single events, which the warehouse rolls up as loading does. */
const events = (usage: readonly Usage[]): Record<string, Rows> => ({
  "staging.usage_event": usage.map(({ activity_date: _, ...row }) => row),
});

const base = {
  version: 1,
  description: "for a test",
  factor: "control",
  kind: "objective",
  side: "reactive",
  unit: "things",
  healthier: "tested",
  says: { less: "had less", more: "had more" },
};
/** KPIs beside the library's: every measure over usage and over other entities. */
const more: readonly KpiDefinition[] = [
  {
    id: "quantity_56d",
    measure: "sum",
    entity: "usage_event",
    value: "quantity",
    window_days: 56,
    filter: { event: ["login", "invoice_sent"] },
  },
  {
    id: "quantity_or_none",
    measure: "sum",
    entity: "usage_event",
    value: "quantity",
    window_days: 14,
    null_rule: { no_rows: "not_yet", feed_gap_days: null, tenure: "any" },
  },
  {
    id: "logins_ever",
    measure: "count",
    entity: "usage_event",
    filter: { event: "login" },
    null_rule: { feed_gap_days: null },
  },
  { id: "days_ever", measure: "active_days", entity: "usage_event", null_rule: { feed_gap_days: null } },
  {
    id: "users_7d",
    measure: "distinct",
    entity: "usage_event",
    value: "user_id",
    window_days: 7,
    null_rule: { feed_gap_days: null },
  },
  {
    id: "users_28d_at_once",
    measure: "distinct",
    entity: "usage_event",
    value: "user_id",
    window_days: 28,
    null_rule: { feed_gap_days: null },
  },
  {
    id: "users_ever",
    measure: "distinct",
    entity: "usage_event",
    value: "user_id",
    null_rule: { feed_gap_days: null },
  },
  { id: "days_since_login", measure: "days_since", entity: "usage_event", filter: { event: "login" } },
  {
    id: "days_since_mobile",
    measure: "days_since",
    entity: "usage_event",
    filter: { event: { not: ["login", "dark_mode"] } },
    window_days: 30,
  },
  {
    id: "bug_tickets_42d",
    measure: "count",
    entity: "ticket",
    filter: { category: { not: "billing" } },
    window_days: 42,
    null_rule: { feed_gap_days: null },
  },
  { id: "ticket_kinds", measure: "distinct", entity: "ticket", value: "category", null_rule: { feed_gap_days: 30 } },
  {
    id: "ticket_days_60d",
    measure: "active_days",
    entity: "ticket",
    window_days: 60,
    null_rule: { feed_gap_days: null, tenure: "any" },
  },
  {
    id: "happy_closes",
    measure: "count",
    entity: "ticket",
    filter: { closed_at: { not: null }, csat: { at_least: 4 } },
    null_rule: { feed_gap_days: null },
  },
  {
    id: "csat_sum",
    measure: "sum",
    entity: "ticket",
    value: "csat",
    window_days: 50,
    null_rule: { no_rows: "not_applicable", feed_gap_days: null },
  },
  { id: "last_csat", measure: "latest", entity: "ticket", value: "csat", window_days: 70 },
  { id: "days_since_ticket", measure: "days_since", entity: "ticket", filter: { category: "bug" }, window_days: 40 },
  { id: "bug_share", measure: "share", entity: "ticket", filter: { category: "bug" }, window_days: 60 },
  { id: "user_share", measure: "share", of: "distinct", value: "user_id", entity: "usage_event", window_days: 14 },
  { id: "per_seat", measure: "per_seat", entity: "usage_event", window_days: 20, null_rule: { feed_gap_days: null } },
  {
    id: "csat_per_seat",
    measure: "per_seat",
    of: "sum",
    value: "csat",
    entity: "ticket",
    window_days: 60,
    null_rule: { feed_gap_days: null, no_rows: "not_applicable" },
  },
  {
    id: "scaled",
    measure: "tenure_scaled",
    of: "active_days",
    entity: "usage_event",
    window_days: 60,
    null_rule: { feed_gap_days: null },
  },
  {
    id: "trend_28d",
    measure: "trend",
    entity: "usage_event",
    filter: { event: { not: "dark_mode" } },
    window_days: 14,
    baseline_days: 28,
    null_rule: { feed_gap_days: 20 },
  },
  {
    id: "trend_days",
    measure: "trend",
    of: "active_days",
    entity: "usage_event",
    window_days: 14,
    baseline_days: 14,
    zero_denominator: "zero",
    null_rule: { feed_gap_days: null },
  },
  {
    id: "trend_tickets",
    measure: "trend",
    of: "sum",
    value: "csat",
    entity: "ticket",
    window_days: 30,
    baseline_days: 20,
    null_rule: { feed_gap_days: null, tenure: "any" },
  },
  { id: "slope", measure: "slope", entity: "usage_event", window_days: 28, null_rule: { feed_gap_days: null } },
  {
    id: "slope_quantity",
    measure: "slope",
    of: "sum",
    value: "quantity",
    entity: "usage_event",
    window_days: 21,
    min_active_days: 1,
    null_rule: { feed_gap_days: null },
  },
  {
    id: "slope_staff_days",
    measure: "slope",
    of: "active_days",
    users: { is_executive: { not: true } },
    entity: "usage_event",
    window_days: 40,
    min_active_days: 1,
    null_rule: { feed_gap_days: null },
  },
  {
    id: "slope_tickets",
    measure: "slope",
    of: "active_days",
    entity: "ticket",
    window_days: 60,
    min_active_days: 1,
    null_rule: { feed_gap_days: null },
  },
  {
    id: "decaying",
    measure: "count",
    decay: "linear",
    entity: "usage_event",
    filter: { event: "login" },
    window_days: 30,
    null_rule: { feed_gap_days: null },
  },
  {
    id: "decaying_tickets",
    measure: "count",
    decay: "linear",
    entity: "ticket",
    filter: { category: { not: null } },
    window_days: 30,
    null_rule: { feed_gap_days: null },
  },
  { id: "first_invoice", measure: "time_to_first", entity: "usage_event", filter: { event: "invoice_sent" } },
  { id: "first_ticket", measure: "time_to_first", entity: "ticket", from: "account_created" },
  { id: "on_time", measure: "milestone", as: "share_on_time" },
  { id: "reached", measure: "milestone", as: "share_reached", filter: { milestone: ["kickoff", "import"] } },
  { id: "late", measure: "milestone", as: "days_late" },
  {
    id: "executives",
    measure: "distinct",
    value: "user_id",
    users: { is_executive: true },
    entity: "usage_event",
    window_days: 28,
    null_rule: { feed_gap_days: null },
  },
  {
    id: "executive_days",
    measure: "active_days",
    users: { is_executive: true },
    filter: { event: ["login", "invoice_sent"] },
    entity: "usage_event",
    window_days: 28,
    null_rule: { feed_gap_days: null },
  },
  {
    id: "users_of_invoices",
    measure: "distinct",
    value: "user_id",
    filter: { event: "invoice_sent", quantity: { not: null } },
    entity: "usage_event",
    window_days: 40,
    null_rule: { feed_gap_days: null },
  },
  {
    id: "big",
    measure: "count",
    filter: { quantity: { at_least: 5 }, user_id: { not: "u1" } },
    entity: "usage_event",
    null_rule: { feed_gap_days: null },
  },
  {
    id: "breadth",
    measure: "distinct",
    value: "event",
    filter: { user_id: { not: null } },
    entity: "usage_event",
    window_days: 28,
    null_rule: { feed_gap_days: null },
  },
  { id: "gauge", measure: "latest", value: "quantity", entity: "usage_event", window_days: 35 },
  {
    id: "gauge_ever",
    measure: "latest",
    value: "quantity",
    entity: "usage_event",
    filter: { event: ["login", "mobile_session"], user_id: ["u1", "u2"] },
  },
  {
    id: "quotient",
    measure: "ratio",
    numerator: "scaled",
    denominator: "executives",
    times: 10,
    zero_denominator: "zero",
  },
  {
    id: "mixed",
    measure: "expression",
    expression: "coalesce(last_csat, -1) + max(breadth, trend_days, 2) / (quotient - 3)",
  },
  {
    id: "opened_early",
    measure: "count",
    entity: "ticket",
    filter: { opened_at: { less_than: "2024-02-15" } },
    null_rule: { feed_gap_days: null },
  },
].map((kpi) => parseKpi({ ...base, label: kpi.id, ...kpi }, kpi.id));

// ---------------------------------------------------------------- the definition, read literally

type Fact = Readonly<Record<string, Cell>>;
type Cell = number | string | boolean | null;

function passes(value: Cell, condition: FilterCondition): boolean {
  if (condition === null) return value === null;
  if (Array.isArray(condition)) return value !== null && condition.includes(value);
  if (typeof condition !== "object") return value === condition;
  const { not, at_least, more_than, at_most, less_than } = condition;
  if (not !== undefined && passes(value, not)) return false;
  const compare = (bound: string | number | undefined, holds: (a: Cell, b: Cell) => boolean) =>
    bound === undefined || (value !== null && holds(value, bound));
  return (
    compare(at_least, (a, b) => (a as number) >= (b as number)) &&
    compare(more_than, (a, b) => (a as number) > (b as number)) &&
    compare(at_most, (a, b) => (a as number) <= (b as number)) &&
    compare(less_than, (a, b) => (a as number) < (b as number))
  );
}

const dayNumber = (date: string): number => Math.round((Date.parse(date.slice(0, 10)) - start) / 86_400_000);

interface Point {
  readonly account: string;
  readonly s: number;
  readonly tenure: number;
  readonly seats: number | null;
  readonly started: number;
}

interface Given {
  /** Entity -> rows; usage as single events. */
  readonly facts: (entity: string) => readonly Fact[];
  /** Who pays at s. */
  readonly paying: (s: number) => readonly Point[];
  readonly kpis: ReadonlyMap<string, KpiDefinition>;
}

const onDay = (entity: string | null, row: Fact): number => {
  const names = entity === "usage_event" ? ["activity_date"] : (entities.get(entity ?? "")?.eventColumns ?? []);
  const days = names.map((name) => row[name]).filter((v) => v !== null && v !== undefined);
  return days.length === 0 ? dayNumber(String(row.visible_on)) - 1 : Math.min(...days.map((v) => dayNumber(String(v))));
};

/** What s may know of the rows of an entity: the versions of that day, dated columns hidden until theirs. */
function knownAt(entity: string, facts: readonly Fact[], s: number): readonly Fact[] {
  return facts
    .filter(
      (row) =>
        dayNumber(String(row.visible_on)) <= s &&
        (row.superseded_on === null || row.superseded_on === undefined || s < dayNumber(String(row.superseded_on))),
    )
    .map((row) => {
      const hidden: Record<string, Cell> = { ...row };
      for (const column of entity === "usage_event" ? [] : (entities.get(entity)?.columns ?? [])) {
        if (column.datedBy === undefined) continue;
        const dated = row[column.datedBy];
        if (dated === null || dated === undefined || dayNumber(String(dated)) >= s) hidden[column.name] = null;
      }
      // The day of a row is told by its own dates, hidden ones too: it became visible through them.
      return { ...hidden, on: onDay(entity, row) };
    });
}

const passesAll = (row: Fact, filter: KpiDefinition["filter"]): boolean =>
  Object.entries(filter).every(([name, condition]) => passes(row[name] ?? null, condition));

/** The rows of an account that a KPI counts at s, of the days from `from` to before `to`. */
function counted(given: Given, kpi: KpiDefinition, { account, s }: Point, from = Number.NEGATIVE_INFINITY, to = s) {
  const entity = kpi.entity as string;
  const users = new Set(
    kpi.users === undefined
      ? []
      : knownAt("user", given.facts("user"), s)
          .filter((row) => row.account_id === account && row.deactivated_at === null)
          .filter((row) => passesAll(row, kpi.users ?? {}))
          .map((row) => row.user_id),
  );
  return knownAt(entity, given.facts(entity), s)
    .filter((row) => row[kpi.account ?? "account_id"] === account)
    .filter((row) => from === Number.NEGATIVE_INFINITY || (Number(row.on) >= from && Number(row.on) < to))
    .filter((row) => passesAll(row, kpi.filter))
    .filter((row) => kpi.users === undefined || users.has(row.user_id ?? null));
}

/** What some rows add up to. */
function amount(kpi: KpiDefinition, rows: readonly Fact[]): number {
  const column = kpi.value?.column ?? "";
  const known = rows.map((row) => row[column] ?? null).filter((value) => value !== null);
  switch (kpi.of ?? kpi.measure) {
    case "sum":
      return known.reduce((sum: number, value) => sum + Number(value), 0);
    case "distinct":
      return new Set(known).size;
    case "active_days":
      return new Set(rows.map((row) => row.on)).size;
    default:
      return rows.length;
  }
}

/** The KPI of one account at day s, from single rows. */
function literally(given: Given, kpi: KpiDefinition, point: Point): number | string {
  const { s, tenure, seats } = point;
  const window = kpi.window_days;
  const { no_rows, no_value, feed_gap_days, tenure: tenureRule } = kpi.null_rule;
  const value = (id: string): number | string => literally(given, given.kpis.get(id) as KpiDefinition, point);
  if (kpi.measure === "ratio") {
    const numerator = value(kpi.numerator as string);
    const denominator = value(kpi.denominator as string);
    if (typeof numerator === "string") return numerator;
    if (typeof denominator === "string") return denominator;
    if (denominator === 0) return kpi.zero_denominator === "zero" ? 0 : "not_applicable";
    return ((kpi.times ?? 1) * numerator) / denominator;
  }
  if (kpi.measure === "expression") return evaluate(parseExpression(kpi.expression as string), value);
  const lookback = window === null ? null : window + (kpi.baseline_days ?? 0);
  if (tenureRule === "whole_window" && lookback !== null && tenure < lookback) return "not_yet";
  if (kpi.min_tenure_days !== undefined && tenure < kpi.min_tenure_days) return "not_yet";
  if (feed_gap_days !== null) {
    // Days are known by any version of a row, also by one that was corrected since.
    const facts = given.facts(kpi.entity as string).filter((row) => dayNumber(String(row.visible_on)) <= s);
    const known = new Set(facts.map((row) => onDay(kpi.entity, row)));
    const length = Math.max(lookback ?? feed_gap_days, feed_gap_days);
    let run = 0;
    for (let d = s - length; d < s; d += 1) {
      run = known.has(d) ? 0 : run + 1;
      if (run >= feed_gap_days) return "feed_broken";
    }
  }
  const looksAtUsers = kpi.users !== undefined || kpi.value?.column === "user_id";
  if (kpi.entity === "usage_event" && looksAtUsers) {
    const known = given.facts("usage_event").filter((row) => dayNumber(String(row.visible_on)) <= s);
    if (!known.some((row) => row.user_id !== null)) return "not_applicable";
  }
  const inside = (p: Point) => counted(given, kpi, p, window === null ? undefined : p.s - window);
  const rows = inside(point);
  // Different values: a row without one does not count.
  const isCounted = (row: Fact): boolean =>
    (kpi.of ?? kpi.measure) !== "distinct" || (row[kpi.value?.column ?? ""] ?? null) !== null;
  const none = no_rows !== "zero" && !rows.some(isCounted) ? no_rows : undefined;
  switch (kpi.measure) {
    case "share": {
      const total = given.paying(s).reduce((sum, other) => sum + amount(kpi, inside(other)), 0);
      return none ?? (total === 0 ? "not_applicable" : (100 * amount(kpi, rows)) / total);
    }
    case "per_seat":
      return seats === null || seats === 0 ? "not_applicable" : (none ?? amount(kpi, rows) / seats);
    case "tenure_scaled":
      return none ?? (amount(kpi, rows) * (window as number)) / Math.min(window as number, tenure);
    case "trend": {
      const W = window as number;
      const B = kpi.baseline_days as number;
      const before = amount(kpi, counted(given, kpi, point, s - W - B, s - W));
      if (before === 0) return kpi.zero_denominator === "zero" ? 0 : "not_applicable";
      return 100 * (amount(kpi, rows) / W / (before / B) - 1);
    }
    case "slope": {
      const W = window as number;
      const daily = Array.from({ length: W }, (_, i) => {
        const own = rows.filter((row) => row.on === s - W + i);
        return amount(kpi, own);
      });
      const mean = daily.reduce((sum, n) => sum + n, 0) / W;
      const days = new Set(rows.map((row) => row.on)).size;
      if (days < (kpi.min_active_days as number) || mean <= 0) return "not_applicable";
      const middle = (W - 1) / 2;
      const moment = daily.reduce((sum, n, i) => sum + (i - middle) * (n - mean), 0);
      const squares = daily.reduce((sum, _, i) => sum + (i - middle) ** 2, 0);
      return (700 * (moment / squares)) / mean;
    }
    case "time_to_first": {
      const created = knownAt("account", given.facts("account"), s)
        .filter((row) => row.account_id === point.account && (row.created_at ?? null) !== null)
        .map((row) => dayNumber(String(row.created_at)));
      const from = kpi.from === "account_created" ? Math.min(...created) : point.started;
      if (!Number.isFinite(from)) return "not_applicable";
      if (rows.length === 0) return no_rows;
      return Math.max(0, Math.min(...rows.map((row) => Number(row.on))) - from);
    }
    case "milestone": {
      const due = rows.filter((row) => (row.expected_on ?? null) !== null && dayNumber(String(row.expected_on)) < s);
      if (due.length === 0) return "not_applicable";
      const late = due.map((row) => {
        const reached = row.reached_on === null ? s : dayNumber(String(row.reached_on));
        return Math.max(0, reached - dayNumber(String(row.expected_on)));
      });
      if (kpi.as === "days_late") return late.reduce((sum, n) => sum + n, 0) / due.length;
      const reached = due.filter((row, i) => row.reached_on !== null && (kpi.as === "share_reached" || late[i] === 0));
      return (100 * reached.length) / due.length;
    }
    case "days_since":
      return rows.length === 0 ? no_rows : s - Math.max(...rows.map((row) => Number(row.on)));
    case "latest":
      return rows.length === 0 ? no_rows : (latest(kpi, rows) ?? no_value);
    default: {
      if (none !== undefined) return none;
      const weight = (row: Fact): number => (Number(row.on) - s + (window as number)) / ((window as number) - 1);
      const n = kpi.decay === undefined ? amount(kpi, rows) : rows.reduce((sum, row) => sum + weight(row), 0);
      return Math.min(n, kpi.cap ?? n);
    }
  }
}

/** The value of the latest row that has one; undefined when none has. */
function latest(kpi: KpiDefinition, rows: readonly Fact[]): number | undefined {
  const column = kpi.value?.column as string;
  const entity = entities.get(kpi.entity as string);
  const dater = entity?.columns.find(({ name }) => name === column)?.datedBy;
  const time = (row: Fact): string => {
    const names = dater === undefined ? (entity?.eventColumns ?? []) : [dater];
    const times = names.map((name) => row[name]).filter((v) => v !== null && v !== undefined);
    return times.length === 0 ? String(row.visible_on) : (times.map(String).sort()[0] as string);
  };
  const order = (x: string, y: string): number => (x === y ? 0 : x < y ? 1 : -1);
  const [best] = rows
    .filter((row) => (row[column] ?? null) !== null)
    .map((row) => ({
      time: time(row),
      visible: String(row.visible_on),
      value: kpi.value?.as === "length" ? String(row[column]).length : Number(row[column]),
    }))
    .sort((x, y) => order(x.time, y.time) || order(x.visible, y.visible) || y.value - x.value);
  return best?.value;
}

/** An expression over values or reasons. */
function evaluate(tree: ExpressionTree, value: (id: string) => number | string): number | string {
  const given = (trees: readonly ExpressionTree[]) => trees.map((each) => evaluate(each, value));
  switch (tree.kind) {
    case "number":
      return tree.value;
    case "kpi":
      return value(tree.id);
    case "negative": {
      const of = evaluate(tree.of, value);
      return typeof of === "string" ? of : -of;
    }
    case "binary": {
      const [left, right] = given([tree.left, tree.right]) as [number | string, number | string];
      if (typeof left === "string") return left;
      if (typeof right === "string") return right;
      if (tree.operator === "+") return left + right;
      if (tree.operator === "-") return left - right;
      if (tree.operator === "*") return left * right;
      return right === 0 ? "not_applicable" : left / right;
    }
    default: {
      const all = given(tree.given);
      const known = all.filter((each) => typeof each === "number");
      if (tree.name === "coalesce") return known[0] ?? (all[0] as string);
      const missing = all.find((each) => typeof each === "string");
      if (missing !== undefined) return missing;
      if (tree.name === "min") return Math.min(...known);
      if (tree.name === "max") return Math.max(...known);
      const [only] = known as [number];
      return tree.name === "abs" ? Math.abs(only) : only > 0 ? Math.log(only) : "not_applicable";
    }
  }
}

/** Entities that the generated books have rows of. */
const generatedEntities = [
  "usage_event",
  "ticket",
  "survey_response",
  "csm_rating",
  "engagement",
  "account",
  "user",
  "milestone",
];

/** The library's, as far as the generated books feed it, and the ones above. */
async function kpisOf(): Promise<{
  readonly kpis: readonly KpiDefinition[];
  readonly inputs: readonly KpiDefinition[];
}> {
  const library = await readLibrary();
  const known = new Map(library.map((kpi) => [kpi.id, kpi]));
  const fed = library.filter((kpi) =>
    basesOf(kpi, known).every(({ entity }) => generatedEntities.includes(entity ?? "")),
  );
  // One that others read is an input alone: it is computed all the same.
  const [inputs, listed] = [fed.filter(({ id }) => id === "tickets_28d"), fed.filter(({ id }) => id !== "tickets_28d")];
  return { kpis: [...listed, ...more], inputs };
}
const runs = Number(process.env.ASSAY_PROPERTY_RUNS ?? 3);

describe("features of generated books", () => {
  it("are what the definitions say, read literally row by row", { timeout: 240_000 }, async () => {
    const { kpis, inputs } = await kpisOf();
    await fc.assert(
      fc.asyncProperty(book, async (generated) => {
        const { usage, tables } = staged(generated);
        const database = await buildFeatures(
          { ...tables, ...events(usage) },
          kpis,
          { as_of: asOf },
          smallBook(),
          inputs,
        );
        try {
          const rows = await database.query<Row>(
            "select spine.tenure_days as spine_tenure, spine.seats as spine_seats, spine.period_started_on, k.* " +
              "from spine.account_snapshot as spine join features.account_kpi as k using (account_id, snapshot_date)",
          );
          const missing = await database.query<{ account_id: string; snapshot_date: string; kpi: string; why: string }>(
            "select * from features.kpi_why_null",
          );
          const why = new Map(missing.map((m) => [`${m.account_id} ${m.snapshot_date} ${m.kpi}`, m.why]));
          const points = rows.map((row) => ({
            row,
            account: String(row.account_id),
            s: dayNumber(String(row.snapshot_date)),
            tenure: Number(row.spine_tenure),
            seats: row.spine_seats === null ? null : Number(row.spine_seats),
            started: dayNumber(String(row.period_started_on)),
          }));
          const given: Given = {
            facts: (entity) =>
              (entity === "usage_event" ? usage : (tables[`staging.${entity}`] ?? [])) as readonly Fact[],
            paying: (s) => points.filter((point) => point.s === s),
            kpis: new Map([...kpis, ...inputs].map((kpi) => [kpi.id, kpi])),
          };
          for (const kpi of kpis) {
            for (const point of points) {
              const { row } = point;
              const where = `${row.account_id} ${row.snapshot_date} ${kpi.id}`;
              const got = row[kpi.id] === null ? why.get(where) : why.has(where) ? "a value and a reason" : row[kpi.id];
              const right = literally(given, kpi, point);
              const isSame =
                typeof got === "number" && typeof right === "number"
                  ? Math.abs(got - right) <= 1e-9 * Math.max(1, Math.abs(right))
                  : got === right;
              if (!isSame) throw new Error(`${where}: got ${got}, expected ${right}`);
            }
          }
        } finally {
          database.close();
        }
      }),
      { numRuns: runs, endOnFailure: true },
    );
  });

  it("count different users exactly when most rows arrive late", { timeout: 240_000 }, async () => {
    const kpis = more.filter(({ id }) => id === "users_28d_at_once" || id === "users_7d");
    const late = fc.record({
      user: fc.constantFrom("u1", "u2"),
      day: fc.integer({ min: 20, max: lastDay - 1 }),
      delay: fc.integer({ min: 0, max: 40 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(late, { minLength: 10, maxLength: 40, size: "max" }), async (rows) => {
        const usage = rows.map(({ user, day, delay }) => ({
          account_id: "a",
          user_id: user,
          event: "login",
          event_time: at(day, 12),
          activity_date: iso(day),
          visible_on: iso(day + 1 + delay),
          quantity: null,
        }));
        const paying = [{ account_id: "a", subscription_id: "s", started_on: iso(-100), visible_on: iso(-99) }];
        const database = await buildFeatures({ "staging.subscription": paying, ...events(usage) }, kpis, {
          as_of: asOf,
        });
        try {
          for (const kpi of kpis) {
            const counted = await database.query<Row>(
              `select snapshot_date, ${kpi.id} as n from features.account_kpi order by snapshot_date`,
            );
            const right = counted.map(({ snapshot_date }) => {
              const s = String(snapshot_date);
              const from = iso(dayNumber(s) - (kpi.window_days as number));
              const seen = usage.filter((row) => row.visible_on <= s);
              const inWindow = seen.filter((row) => row.activity_date >= from && row.activity_date < s);
              const users = new Set(inWindow.map((row) => row.user_id)).size;
              return { snapshot_date, n: seen.length === 0 ? null : users };
            });
            expect(counted).toEqual(right);
          }
        } finally {
          database.close();
        }
      }),
      { numRuns: 4 * runs, endOnFailure: true },
    );
  });

  it("at s are the same from all data as from the data that was visible at s", { timeout: 240_000 }, async () => {
    const { kpis, inputs } = await kpisOf();
    await fc.assert(
      fc.asyncProperty(book, fc.array(fc.nat(), { minLength: 1, maxLength: 1 }), async (generated, picks) => {
        const { usage, tables } = staged(generated);
        const database = await buildFeatures(
          { ...tables, ...events(usage) },
          kpis,
          { as_of: asOf },
          smallBook(),
          inputs,
        );
        try {
          const dates = await database.query<{ snapshot_date: string }>(
            "select snapshot_date from spine.snapshot order by 1",
          );
          for (const s of new Set(picks.map((pick) => dates[pick % dates.length]?.snapshot_date as string))) {
            await truncated(database, s, kpis, inputs);
          }
        } finally {
          database.close();
        }
      }),
      { numRuns: Math.max(2, Math.ceil(runs / 2)), endOnFailure: true },
    );
  });
});

/** Compares everything at s before and after cutting the data to what was visible at s; leaves the database as it was. */
async function truncated(
  database: Database,
  s: string,
  kpis: readonly KpiDefinition[],
  inputs: readonly KpiDefinition[],
): Promise<void> {
  const state = "account_id, segment, lifecycle, mrr_minor, seats, renews_on, renewal_due";
  await database.run("begin");
  await database.run(
    `create temp table full_kpi as select * from features.account_kpi where snapshot_date = date '${s}'`,
  );
  await database.run(
    `create temp table full_why as select * from features.kpi_why_null where snapshot_date = date '${s}'`,
  );
  await database.run(
    `create temp table full_state as select ${state} from spine.account_snapshot where snapshot_date = date '${s}'`,
  );
  const nodes = featureNodes(kpis, smallBook(), inputs);
  for (const node of [...sortNodes(nodes, new Set([...givenColumns().keys(), ...spineTables]))].reverse()) {
    await database.run(`drop ${(node as Model).kind} ${node.name}`);
  }
  for (const entity of entities.values()) {
    const table = `staging."${entity.id}"`;
    await database.run(`delete from ${table} where visible_on > date '${s}'`);
    await database.run(`update ${table} set superseded_on = null where superseded_on > date '${s}'`);
    const dated = entity.columns.filter((column) => column.datedBy !== undefined);
    // Columns dated by another first: the date itself goes last.
    for (const column of dated.sort((x, y) => Number(x.datedBy === x.name) - Number(y.datedBy === y.name))) {
      await database.run(`update ${table} set ${column.name} = null where ${column.datedBy} >= date '${s}'`);
    }
  }
  for (const table of ["account_day", "user_day", "account_last"]) await database.run(`delete from "rollup".${table}`);
  await rollUpGiven(database, usageRollUp([...kpis, ...inputs]));
  await build(database, nodes, spineTables);
  const differences = async (sql: string) => expect({ s, rows: await database.query(sql) }).toEqual({ s, rows: [] });
  await differences(`from full_kpi except all from features.account_kpi where snapshot_date = date '${s}'`);
  await differences(`from full_why except all from features.kpi_why_null where snapshot_date = date '${s}'`);
  // The spine's own facts at s; who pays is hindsight and stays.
  const model = (await readModels("spine")).find(({ name }) => name === "spine.account_snapshot") as Model;
  const again = await database.query(
    `select ${state} from (${model.sql}) as cut where snapshot_date = date '${s}' order by account_id`,
  );
  expect({ s, rows: again }).toEqual({ s, rows: await database.query("from full_state order by account_id") });
  await database.run("rollback");
}

const spineTables = ["spine.snapshot", "spine.snapshot_day", "spine.account_snapshot", "spine.account_period"];
