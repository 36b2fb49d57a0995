/** A KPI's fixture: rows written by hand, and what the KPI must be on some dates (docs/kpis.md, "A test of one's own"). */
import { z } from "zod";
import type { Book } from "../config/book.ts";
import { type ColumnType, type EntityColumn, entities, entityOf } from "../config/entities.ts";
import { type KpiDefinition, referencesOf, whyNull } from "../config/kpi.ts";
import { foundText, nearest, type Path, type Problem, readYaml } from "../config/yaml.ts";
import { kpiColumns } from "../features/columns.ts";
import { featureNodes } from "../features/compile.ts";
import { libraryIds, resolveKpis } from "../features/library.ts";
import { usageRollUp } from "../features/usage-filter.ts";
import { addDays } from "../lib/clock.ts";
import { readModels } from "../models/header.ts";
import { literal } from "../warehouse/literal.ts";
import { withEverySource } from "./every-source.ts";
import { build, type GivenRow, type GivenTables, givenColumns, openGiven, rollUpGiven } from "./given-rows.ts";

const cell = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const isoDate = z.iso.date("a calendar date like 2026-01-31");

const fixtureSchema = z.strictObject({
  kpi: z.string().min(1).describe("the id of the KPI, of the book or of the library"),
  as_of: isoDate.optional().describe("the last snapshot; default: the newest one that is expected"),
  paid_since: isoDate.optional().describe("since when accounts pay; default: 1 January of the year before as_of"),
  alive: z.array(z.string()).default([]).describe("entities of which another account has a row every day"),
  given: z.record(z.string(), z.array(z.record(z.string(), cell))).describe("entity -> rows"),
  expect: z
    .array(
      z.strictObject({
        account_id: z.string().min(1),
        snapshot_date: isoDate,
        value: z.number().optional(),
        why: z.enum(whyNull).optional(),
      }),
    )
    .min(1),
});

/** A fixture with its defaults filled in. */
export interface Fixture extends Omit<z.output<typeof fixtureSchema>, "as_of" | "paid_since"> {
  /** The name that people see. */
  readonly file: string;
  readonly as_of: string;
  readonly paid_since: string;
}

/** A value, or why there is none. */
export interface Found {
  readonly value: number | null;
  readonly why: string | null;
}

export interface Check {
  readonly account_id: string;
  readonly snapshot_date: string;
  readonly expected: Found;
  /** Null where the account has no row on that date: it did not pay then. */
  readonly found: Found | null;
  readonly passed: boolean;
}

/** The account whose rows keep a feed alive; it pays for nothing. */
const aliveAccount = "zz";

/** The tables that may be given by name beside the entities. */
const rollUps = ["rollup.account_day", "rollup.user_day"];
const tableOf = (name: string): string => (rollUps.includes(name) ? name : `staging.${name}`);

/** Reads a fixture for a book: a mistake is a usage error with file, line and key. */
export async function readFixture(given: {
  readonly text: string;
  readonly file: string;
  readonly book: Book;
}): Promise<Fixture> {
  const { text, file, book } = given;
  const own = book.kpis.map((entry) => (typeof entry === "string" ? entry : String(entry.id)));
  const known = [...new Set([...own, ...(await libraryIds())])];
  const tables = givenColumns(withEverySource(book));
  const { value } = readYaml({
    text,
    file,
    schema: fixtureSchema,
    check: (fixture) => fixtureProblems(fixture, known, tables),
  });
  const asOf =
    value.as_of ??
    (value.expect
      .map(({ snapshot_date }) => snapshot_date)
      .sort()
      .at(-1) as string);
  return { ...value, file, as_of: asOf, paid_since: value.paid_since ?? `${Number(asOf.slice(0, 4)) - 1}-01-01` };
}

function fixtureProblems(
  fixture: z.output<typeof fixtureSchema>,
  known: readonly string[],
  tables: ReadonlyMap<string, readonly (readonly [string, string])[]>,
): readonly Problem[] {
  const problems: Problem[] = [];
  const add = (path: Path, sentence: string, word?: string, candidates: readonly string[] = []): void => {
    const near = word === undefined ? undefined : nearest(word, candidates);
    problems.push({ path, sentence, ...(near === undefined ? {} : { hint: `did you mean ${near}?` }) });
  };
  if (!known.includes(fixture.kpi)) {
    add(["kpi"], `found ${fixture.kpi}, expected a KPI of the book or of the library`, fixture.kpi, known);
  }
  const names = [...entities.keys(), ...rollUps];
  for (const [i, name] of fixture.alive.entries()) {
    if (entities.get(name)?.kind !== "fact")
      add(["alive", i], `found ${name}, expected an entity of things that happen`, name, [...entities.keys()]);
  }
  for (const [name, rows] of Object.entries(fixture.given)) {
    const columns = tables.get(tableOf(name));
    if (columns === undefined) {
      add(["given", name], `found ${name}, expected an entity: ${[...entities.keys()].join(", ")}`, name, names);
      continue;
    }
    const required = rollUps.includes(name) ? [] : entityOf(name).columns.filter((column) => column.required);
    for (const [i, row] of rows.entries()) {
      const here = ["given", name, i];
      for (const [key, value] of Object.entries(row)) {
        const type = columns.find(([column]) => column === key)?.[1];
        const keys = columns.map(([column]) => column);
        if (type === undefined)
          add([...here, key], `found an unknown column, expected one of ${keys.join(", ")}`, key, keys);
        else if (value !== null && !fits(type, value))
          add([...here, key], `found ${foundText(value)}, expected ${rightFor(type)}`);
      }
      const missing = required.find((column) => (row[column.name] ?? null) === null);
      if (missing !== undefined) add([...here, missing.name], `found nothing, expected ${rightFor(missing.type)}`);
    }
  }
  const dates = fixture.expect.map(({ snapshot_date }) => snapshot_date).sort();
  const asOf = fixture.as_of ?? dates.at(-1);
  for (const [i, { snapshot_date: date, value, why }] of fixture.expect.entries()) {
    if ((value === undefined) === (why === undefined)) {
      add(
        ["expect", i],
        `found ${value === undefined ? "neither value nor why" : "value and why"}, expected one of them`,
      );
    }
    if (asOf !== undefined && date > asOf)
      add(["expect", i, "snapshot_date"], `found ${date}, expected none after as_of, ${asOf}`);
    else if (date !== asOf && !date.endsWith("-01") && new Date(date).getUTCDay() !== 1) {
      add(["expect", i, "snapshot_date"], `found ${date}, expected a Monday, the first of a month, or as_of`);
    }
  }
  return problems;
}

/** A column's type by its name in the catalogue or in SQL. */
function fits(type: string, value: string | number | boolean): boolean {
  switch (type) {
    case "boolean":
      return typeof value === "boolean";
    case "integer":
    case "money":
    case "bigint":
      return typeof value === "number" && Number.isInteger(value);
    case "number":
    case "decimal(18,6)":
      return typeof value === "number";
    case "date":
      return typeof value === "string" && isoDate.safeParse(value).success;
    case "time":
    case "timestamp":
      return typeof value === "string" && isTime(value);
    default:
      return typeof value !== "boolean";
  }
}

const isTime = (text: string): boolean => {
  const [date = "", time = "00:00:00", ...rest] = text.split(/[ T]/);
  const isClock = /^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?$/.test(time);
  return isoDate.safeParse(date).success && isClock && rest.length === 0;
};

const rightFor = (type: string): string =>
  ({
    boolean: "true or false",
    integer: "a whole number",
    money: "a whole number of minor units",
    bigint: "a whole number",
    number: "a number",
    "decimal(18,6)": "a number",
    date: "a date like 2026-01-31",
    time: "a time like 2026-01-31 12:00:00",
    timestamp: "a time like 2026-01-31 12:00:00",
  })[type] ?? "a text";

/** Builds spine and features over the fixture's rows, in memory, and compares. */
export async function runFixture(fixture: Fixture, book: Book): Promise<readonly Check[]> {
  const whole = withEverySource(book);
  const { kpi, inputs } = await readTested(fixture.kpi, whole);
  const usage = usageRollUp([kpi, ...inputs]);
  const params = { as_of: fixture.as_of, currency: book.currency };
  const database = await openGiven(tablesOf(fixture, whole), params, whole, usage);
  try {
    await rollUpGiven(database, usage);
    await build(database, [...(await readModels("spine")), ...featureNodes([kpi], whole, inputs)]);
    const rows = await database.query<{ account_id: string; snapshot_date: string } & Found>(
      `select k.account_id, cast(k.snapshot_date as varchar) as snapshot_date, k.${fixture.kpi} as value, w.why
       from features.account_kpi as k
       left join features.kpi_why_null as w
         on w.account_id = k.account_id and w.snapshot_date = k.snapshot_date and w.kpi = ${literal(fixture.kpi)}`,
    );
    const found = new Map(
      rows.map(({ account_id, snapshot_date, value, why }) => [`${snapshot_date} ${account_id}`, { value, why }]),
    );
    return fixture.expect.map(({ account_id, snapshot_date, value = null, why = null }) => {
      const expected = { value, why };
      const here = found.get(`${snapshot_date} ${account_id}`) ?? null;
      return { account_id, snapshot_date, expected, found: here, passed: here !== null && agrees(expected, here) };
    });
  } finally {
    database.close();
  }
}

/** The KPI, with those that it is made of: definitions of the book before the library's. */
async function readTested(
  id: string,
  book: Book,
): Promise<{ readonly kpi: KpiDefinition; readonly inputs: readonly KpiDefinition[] }> {
  const idOf = (entry: Book["kpis"][number]): unknown => (typeof entry === "string" ? entry : entry.id);
  const entry = book.kpis.find((one) => idOf(one) === id) ?? id;
  const others = book.kpis.filter((one) => typeof one !== "string" && idOf(one) !== id);
  const { kpis, inputs } = await resolveKpis({ ...book, kpis: [entry, ...others] });
  const known = new Map([...kpis, ...inputs].map((kpi) => [kpi.id, kpi]));
  const read = new Set<string>();
  const visit = (kpi: KpiDefinition): void => {
    for (const reference of referencesOf(kpi)) {
      if (read.has(reference)) continue;
      read.add(reference);
      visit(known.get(reference) as KpiDefinition);
    }
  };
  const kpi = known.get(id) as KpiDefinition;
  visit(kpi);
  return { kpi, inputs: [...known.values()].filter((one) => read.has(one.id)) };
}

/** To a millionth, of the value where that is larger: an expected third is written 33.333333. */
function agrees(expected: Found, found: Found): boolean {
  if (expected.why !== found.why || (expected.value === null) !== (found.value === null)) return false;
  if (expected.value === null || found.value === null) return true;
  return Math.abs(expected.value - found.value) <= 1e-6 * Math.max(1, Math.abs(expected.value));
}

/** The tables of the warehouse: the given rows, a paying subscription for who has none, and rows of feeds that are alive. */
function tablesOf(fixture: Fixture, book: Book): GivenTables {
  const { as_of: asOf, paid_since: paidSince } = fixture;
  const tables: Record<string, GivenRow[]> = {};
  const add = (name: string, row: GivenRow): void => {
    const table = tableOf(name);
    tables[table] = [...(tables[table] ?? []), withVisibleOn(name, row, paidSince)];
  };
  for (const [name, rows] of Object.entries(fixture.given)) for (const row of rows) add(name, row);
  // The calendar starts a window after the first use of anybody.
  add("rollup.account_day", { account_id: aliveAccount, activity_date: paidSince, event: "alive", n_events: 1 });
  const subscriptions = fixture.given.subscription ?? [];
  const paying = new Set(subscriptions.flatMap((row) => (row.is_trial === true ? [] : [row.account_id])));
  const accounts = new Set<unknown>(fixture.expect.map(({ account_id }) => account_id));
  for (const rows of Object.values(fixture.given)) for (const row of rows) accounts.add(row.account_id ?? undefined);
  for (const account of accounts) {
    if (account === undefined || account === aliveAccount || paying.has(String(account))) continue;
    const id = String(account);
    add("subscription", { account_id: id, subscription_id: id, started_on: paidSince });
  }
  for (const name of fixture.alive) {
    const columns = [...kpiColumns(entityOf(name), book).values()].filter((column) =>
      requiredOf(name).has(column.name),
    );
    const [event] = entityOf(name).eventColumns;
    for (let day = paidSince; day < asOf; day = addDays(day, 1)) {
      const row = Object.fromEntries(columns.map(({ name: column, type }) => [column, anyValue(type, day)]));
      const dated = event === undefined ? {} : { [event]: day };
      add(name, { ...row, ...dated, account_id: aliveAccount });
    }
  }
  return tables;
}

const requiredOf = (name: string): ReadonlySet<string> =>
  new Set(entityOf(name).columns.flatMap((column: EntityColumn) => (column.required ? [column.name] : [])));

function anyValue(type: ColumnType, day: string): string | number | boolean {
  if (type === "date" || type === "time") return day;
  if (type === "boolean") return false;
  return type === "text" ? "alive" : 0;
}

/**
 * Visible from the day after its own, or after known_at where that is later, unless the fixture says otherwise; a row
 * without a day of its own (an account, a user) from the day after accounts began to pay.
 */
function withVisibleOn(name: string, row: GivenRow, paidSince: string): GivenRow {
  if ((row.visible_on ?? null) !== null) return row;
  const columns = rollUps.includes(name) ? ["activity_date"] : entityOf(name).eventColumns;
  const dateOf = (column: string): string[] => {
    const value = row[column] ?? null;
    return value === null ? [] : [String(value).slice(0, 10)];
  };
  const own = columns.flatMap(dateOf).sort()[0] ?? paidSince;
  const known = dateOf("known_at")[0] ?? own;
  return { ...row, visible_on: addDays(known > own ? known : own, 1) };
}
