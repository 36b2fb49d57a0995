/** Generated books with late rows, repeats, corrections, reactivations and deletions: what no example would think of. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { entities } from "../../pipelines/config/entities.ts";
import type { FilterCondition, KpiDefinition } from "../../pipelines/config/kpi.ts";
import { featureNodes } from "../../pipelines/features/compile.ts";
import { parseKpi, readLibrary } from "../../pipelines/features/library.ts";
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
  spells: fc.array(spell, { minLength: 1, maxLength: 5, size: "max" }),
});
type Generated = typeof book extends fc.Arbitrary<infer T> ? T : never;

interface Usage {
  readonly account_id: string;
  readonly user_id: string | null;
  readonly event: string;
  readonly activity_date: string;
  readonly visible_on: string;
  readonly quantity: number | null;
}

type Rows = readonly Readonly<Record<string, string | number | null>>[];

/** The rows as staging holds them, and usage as single events. */
function staged(given: Generated): { readonly usage: readonly Usage[]; readonly tables: Record<string, Rows> } {
  const usage = given.events.map((e) => ({
    account_id: e.account,
    user_id: e.user,
    event: e.event,
    activity_date: iso(e.day),
    visible_on: iso(e.day + 1 + e.delay),
    quantity: e.quantity,
  }));
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
      "staging.subscription": subscriptions,
      "staging.account": [
        { account_id: "a", name: "Alder", visible_on: iso(-300), superseded_on: iso(50) },
        { account_id: "a", name: "Alder & Ash", visible_on: iso(50) },
        { account_id: "zz", segment: "solo", visible_on: iso(-300) },
      ],
    },
  };
}

/** The roll-ups of events, as loading makes them. */
function rolledUp(usage: readonly Usage[]): Record<string, Rows> {
  const days = new Map<
    string,
    {
      account_id: string;
      activity_date: string;
      visible_on: string;
      event: string;
      n_events: number;
      quantity: number | null;
    }
  >();
  const users = new Map<string, { account_id: string; user_id: string; activity_date: string; visible_on: string }>();
  for (const { account_id, user_id, event, activity_date, visible_on, quantity } of usage) {
    const dayKey = [account_id, activity_date, visible_on, event].join();
    const sum = days.get(dayKey) ?? { account_id, activity_date, visible_on, event, n_events: 0, quantity: null };
    sum.n_events += 1;
    if (quantity !== null) sum.quantity = (sum.quantity ?? 0) + quantity;
    days.set(dayKey, sum);
    if (user_id === null) continue;
    const userKey = [account_id, user_id, activity_date].join();
    const seen = users.get(userKey);
    if (seen === undefined) users.set(userKey, { account_id, user_id, activity_date, visible_on });
    else if (visible_on < seen.visible_on) seen.visible_on = visible_on;
  }
  return { "rollup.account_day": [...days.values()], "rollup.user_day": [...users.values()] };
}

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
/** KPIs that the library does not have yet: every built measure over usage and over other entities. */
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
  {
    id: "opened_early",
    measure: "count",
    entity: "ticket",
    filter: { opened_at: { less_than: "2024-02-15" } },
    null_rule: { feed_gap_days: null },
  },
].map((kpi) => parseKpi({ ...base, label: kpi.id, ...kpi }, kpi.id));

// ---------------------------------------------------------------- the definition, read literally

type Fact = Readonly<Record<string, string | number | null>>;
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

/** The KPI of one account at day s, from single rows: visible, dated columns hidden, inside the look-back, filtered. */
function literally(
  kpi: KpiDefinition,
  facts: readonly Fact[],
  accountId: string,
  s: number,
  tenure: number,
): number | string {
  const entity =
    kpi.entity === "usage_event" ? { eventColumns: ["activity_date"], columns: [] } : entities.get(kpi.entity ?? "");
  const isState = kpi.entity === "account";
  const occurred = (row: Fact): number => {
    const days = (entity?.eventColumns ?? []).map((name) => row[name]).filter((v) => v !== null && v !== undefined);
    return days.length === 0
      ? dayNumber(String(row.visible_on)) - 1
      : Math.min(...days.map((v) => dayNumber(String(v))));
  };
  const visible = facts.filter(
    (row) =>
      dayNumber(String(row.visible_on)) <= s &&
      (row.superseded_on === null || row.superseded_on === undefined || s < dayNumber(String(row.superseded_on))),
  );
  const window = kpi.window_days;
  const { no_rows, no_value, feed_gap_days, tenure: tenureRule } = kpi.null_rule;
  if (tenureRule === "whole_window" && window !== null && tenure < window) return "not_yet";
  if (feed_gap_days !== null) {
    // Days are known by any version of a row, also by one that was corrected since.
    const known = facts.filter((row) => dayNumber(String(row.visible_on)) <= s).map(occurred);
    const lookback = Math.max(window ?? feed_gap_days, feed_gap_days);
    let run = 0;
    for (let d = s - lookback; d < s; d += 1) {
      run = known.includes(d) ? 0 : run + 1;
      if (run >= feed_gap_days) return "feed_broken";
    }
  }
  if (kpi.entity === "usage_event" && kpi.measure === "distinct" && !visible.some((row) => row.user_id !== null)) {
    return "not_applicable";
  }
  const masked = visible
    .filter((row) => row.account_id === accountId)
    .map((row) => {
      const hidden: Record<string, string | number | null> = { ...row };
      for (const column of entity?.columns ?? []) {
        if (column.datedBy === undefined) continue;
        const dated = row[column.datedBy];
        if (dated === null || dated === undefined || dayNumber(String(dated)) >= s) hidden[column.name] = null;
      }
      return { row: hidden, occurred: occurred(row) };
    })
    .filter(({ occurred }) => window === null || (occurred >= s - window && occurred < s))
    .filter(({ row }) => Object.entries(kpi.filter).every(([name, condition]) => passes(row[name] ?? null, condition)));
  const column = kpi.value?.column;
  const values = masked.map(({ row }) => (column === undefined ? null : (row[column] ?? null)));
  const known = values.filter((value) => value !== null);
  const count = (n: number) =>
    n === 0 && masked.length === 0 && no_rows !== "zero" ? no_rows : Math.min(n, kpi.cap ?? n);
  switch (kpi.measure) {
    case "count":
      return count(masked.length);
    case "sum":
      return count(known.reduce((sum: number, value) => sum + Number(value), 0));
    case "distinct":
      return count(new Set(known).size);
    case "active_days":
      return count(new Set(masked.map(({ occurred }) => occurred)).size);
    case "days_since":
      return masked.length === 0 ? no_rows : s - Math.max(...masked.map(({ occurred }) => occurred));
    default: {
      if (masked.length === 0) return no_rows;
      const dater = entity?.columns.find(({ name }) => name === column)?.datedBy;
      const time = (row: Fact): string => {
        const names = isState ? [] : dater === undefined ? (entity?.eventColumns ?? []) : [dater];
        const times = names
          .map((name) => row[name])
          .filter((v) => v !== null && v !== undefined)
          .map(String);
        return times.length === 0 ? String(row.visible_on) : (times.sort()[0] as string);
      };
      const [best] = masked
        .filter((_, i) => values[i] !== null)
        .map(({ row }) => ({
          time: time(row),
          visible: String(row.visible_on),
          value: kpi.value?.as === "length" ? String(row[column as string]).length : Number(row[column as string]),
        }))
        .sort((x, y) =>
          x.time === y.time
            ? x.visible === y.visible
              ? y.value - x.value
              : x.visible < y.visible
                ? 1
                : -1
            : x.time < y.time
              ? 1
              : -1,
        );
      return best === undefined ? no_value : best.value;
    }
  }
}

const kpisOf = async (): Promise<readonly KpiDefinition[]> => [...(await readLibrary()), ...more];
const runs = Number(process.env.ASSAY_PROPERTY_RUNS ?? 5);

describe("features of generated books", () => {
  it("are what the definitions say, read literally row by row", { timeout: 240_000 }, async () => {
    const kpis = await kpisOf();
    await fc.assert(
      fc.asyncProperty(book, async (generated) => {
        const { usage, tables } = staged(generated);
        const database = await buildFeatures({ ...tables, ...rolledUp(usage) }, kpis, { as_of: asOf });
        try {
          const rows = await database.query<Row>(
            "select tenure_days, k.* from spine.account_snapshot join features.account_kpi as k using (account_id, snapshot_date)",
          );
          const missing = await database.query<{ account_id: string; snapshot_date: string; kpi: string; why: string }>(
            "select * from features.kpi_why_null",
          );
          const why = new Map(missing.map((m) => [`${m.account_id} ${m.snapshot_date} ${m.kpi}`, m.why]));
          for (const kpi of kpis) {
            const facts = kpi.entity === "usage_event" ? usage : (tables[`staging.${kpi.entity}`] ?? []);
            for (const row of rows) {
              const where = `${row.account_id} ${row.snapshot_date} ${kpi.id}`;
              const got = row[kpi.id] === null ? why.get(where) : why.has(where) ? "a value and a reason" : row[kpi.id];
              const s = dayNumber(String(row.snapshot_date));
              const right = literally(
                kpi,
                facts as readonly Fact[],
                String(row.account_id),
                s,
                Number(row.tenure_days),
              );
              if (got !== right) throw new Error(`${where}: got ${got}, expected ${right}`);
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
          activity_date: iso(day),
          visible_on: iso(day + 1 + delay),
          quantity: null,
        }));
        const paying = [{ account_id: "a", subscription_id: "s", started_on: iso(-100), visible_on: iso(-99) }];
        const database = await buildFeatures({ "staging.subscription": paying, ...rolledUp(usage) }, kpis, {
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
    const kpis = await kpisOf();
    await fc.assert(
      fc.asyncProperty(book, fc.array(fc.nat(), { minLength: 2, maxLength: 2 }), async (generated, picks) => {
        const { usage, tables } = staged(generated);
        const database = await buildFeatures({ ...tables, ...rolledUp(usage) }, kpis, { as_of: asOf });
        try {
          const dates = await database.query<{ snapshot_date: string }>(
            "select snapshot_date from spine.snapshot order by 1",
          );
          for (const s of new Set(picks.map((pick) => dates[pick % dates.length]?.snapshot_date as string))) {
            await truncated(database, usage, s, kpis);
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
  usage: readonly Usage[],
  s: string,
  kpis: readonly KpiDefinition[],
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
  const nodes = featureNodes(kpis, smallBook());
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
  const cut = rolledUp(usage.filter((row) => row.visible_on <= s));
  for (const [table, rows] of Object.entries(cut)) {
    await database.run(`delete from ${table.replace("rollup", '"rollup"')}`);
    for (const row of rows) {
      const values = Object.values(row).map((value) => (typeof value === "string" ? `'${value}'` : String(value)));
      await database.run(
        `insert into ${table.replace("rollup", '"rollup"')} (${Object.keys(row).join(", ")}) values (${values.join(", ")})`,
      );
    }
  }
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
