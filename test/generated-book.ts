/**
 * Books of any entity of the catalogue as fast-check makes them: files of exports with late rows, rows sent twice, versions
 * that correct what an earlier delivery said, keys that vanish and come back, deliveries that never came, spells with gaps.
 */
import fc from "fast-check";
import { type Entity, entities } from "../pipelines/config/entities.ts";
import type { FilterCondition, KpiDefinition } from "../pipelines/config/kpi.ts";
import { type TestBook, testBook } from "./loading.ts";

const start = Date.parse("2024-01-01");
export const lastDay = 150;
export const iso = (day: number): string => new Date(start + day * 86_400_000).toISOString().slice(0, 10);
/** When whole tables are delivered; a book may lack some of these. */
const deliveryDays = [45, 80, 110, 148] as const;
const accounts = ["a", "b", "c", "d"];

type Cell = string | number | boolean | null;
type Cells = Readonly<Record<string, Cell>>;
type Line = Cells;

/** One delivered file: rows under a header. */
export interface ExportFile {
  readonly name: string;
  readonly day: number;
  readonly columns: readonly string[];
  readonly lines: readonly Line[];
}

export interface GeneratedSource {
  readonly entity: string;
  /** The source as `assay.yaml` has it, without its id. */
  readonly yaml: string;
  readonly files: readonly ExportFile[];
}

export interface GeneratedBook {
  readonly sources: readonly GeneratedSource[];
}

/** What each column may hold: the values that some definition looks for, and another one. */
function vocabulary(kpis: readonly KpiDefinition[]): ReadonlyMap<string, readonly Cell[]> {
  const found = new Map<string, Set<Cell>>();
  const add = (entity: string, column: string, condition: FilterCondition): void => {
    const values: Cell[] = [];
    if (Array.isArray(condition)) values.push(...condition);
    else if (typeof condition !== "object") values.push(condition);
    else if (condition !== null) {
      const { not } = condition;
      if (Array.isArray(not)) values.push(...not);
      else if (not !== undefined && not !== null) values.push(not);
    }
    const key = `${entity}.${column}`;
    found.set(key, new Set([...(found.get(key) ?? []), ...values]));
  };
  for (const kpi of kpis) {
    for (const [column, condition] of Object.entries(kpi.filter)) add(String(kpi.entity), column, condition);
    for (const [column, condition] of Object.entries(kpi.users ?? {})) add("user", column, condition);
  }
  return new Map([...found].map(([key, values]) => [key, [...values]]));
}

const delay = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 50 }) },
);

/** A row before it is written: the day it begins, its own cells, and what each delivery says otherwise. */
interface Draft {
  readonly account: string;
  readonly day: number;
  readonly delay: number;
  readonly cells: Cells;
  /** Days from the row's day to each of its dated columns; null: never. */
  readonly after: Readonly<Record<string, number | null>>;
  /** Written with its dated columns before their day has come: a contract's end, a due date. */
  readonly isToldAhead: boolean;
  /** Per delivery: is the row in it, twice even, and which columns changed since the first. */
  readonly versions: readonly {
    readonly times: number;
    readonly cells: Cells;
    readonly shift: number;
  }[];
}

const byHand = (entity: Entity): boolean => (entity.kind as string) === "hand";

/** The columns that identify a row; an entity without a key of its own gets none. */
const keyOf = (entity: Entity): readonly string[] => entity.key.filter((name) => name !== "account_id");
const isDate = (type: string): boolean => type === "date" || type === "time";

function cellOf(entity: Entity, name: string, words: ReadonlyMap<string, readonly Cell[]>): fc.Arbitrary<Cell> {
  const column = entity.columns.find((known) => known.name === name);
  const known = words.get(`${entity.id}.${name}`) ?? [];
  const other: fc.Arbitrary<Cell> =
    column?.type === "boolean"
      ? fc.boolean()
      : column?.type === "text"
        ? fc.constantFrom("other", "another")
        : column !== undefined && isDate(column.type)
          ? fc.integer({ min: 0, max: lastDay }).map(iso)
          : fc.integer({ min: 0, max: 9 });
  const value: fc.Arbitrary<Cell> =
    known.length === 0
      ? other
      : fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...known) }, { weight: 1, arbitrary: other });
  return column?.required ? value : fc.option(value, { freq: 5 });
}

function draftOf(entity: Entity, words: ReadonlyMap<string, readonly Cell[]>): fc.Arbitrary<Draft> {
  const own = new Set(["account_id", "known_at", ...keyOf(entity)]);
  const placed = entity.columns.filter(
    ({ name, type, datedBy }) => isDate(type) && (entity.eventColumns.includes(name) || datedBy === name),
  );
  const free = entity.columns.filter(({ name }) => !own.has(name) && !placed.some((column) => column.name === name));
  const values: Record<string, fc.Arbitrary<Cell>> = Object.fromEntries(
    free.map(({ name }) => [name, cellOf(entity, name, words)]),
  );
  const cells = fc.record(values) as fc.Arbitrary<Cells>;
  const changes = fc.record(values, { requiredKeys: [] }) as fc.Arbitrary<Cells>;
  const days: Record<string, fc.Arbitrary<number | null>> = Object.fromEntries(
    placed.map(({ name, required }) => {
      const after = fc.integer({ min: 0, max: entity.id === "subscription" ? 120 : 50 });
      return [name, required ? after : fc.option(after, { freq: 3 })];
    }),
  );
  return fc.record({
    account: fc.constantFrom(...accounts),
    day: fc.integer({ min: entity.id === "subscription" ? -150 : entity.kind === "state" ? -30 : 0, max: lastDay - 5 }),
    delay,
    cells,
    after: fc.record(days),
    isToldAhead: fc.boolean(),
    versions: fc.array(
      fc.record({
        times: fc.constantFrom(1, 1, 1, 1, 1, 0, 2),
        cells: fc.oneof({ weight: 2, arbitrary: fc.constant<Cells>({}) }, { weight: 1, arbitrary: changes }),
        shift: fc.constantFrom(0, 0, 0, 0, -3, 5),
      }),
      { minLength: deliveryDays.length, maxLength: deliveryDays.length },
    ),
  });
}

/** The row as a delivery of that day has it; null: not yet. */
function lineOf(entity: Entity, draft: Draft, i: number, version: number, day: number): Line | null {
  const { cells: changed, shift }: { cells: Cells; shift: number } = draft.versions[version] ?? { cells: {}, shift: 0 };
  if (draft.day >= day) return null;
  const line: Record<string, Cell> = {};
  const [first] = entity.eventColumns;
  for (const { name, type, required } of entity.columns) {
    if (name === "account_id") line[name] = draft.account;
    else if (keyOf(entity).includes(name)) line[name] = `${entity.id}${i}`;
    else if (name === "known_at") line[name] = `${iso(draft.day + draft.delay)} 13:00:00`;
    else if (name in draft.after) {
      const after = draft.after[name] as number | null;
      const on = name === first ? draft.day : after === null ? null : draft.day + after + shift;
      const isHidden = on === null || (!draft.isToldAhead && on >= day && !required);
      line[name] = isHidden
        ? null
        : type === "time"
          ? `${iso(on)} ${String(9 + (i % 9)).padStart(2, "0")}:00:00`
          : iso(on);
    } else line[name] = (name in changed ? changed[name] : draft.cells[name]) ?? null;
  }
  if (entity.id === "account") line.account_id = accounts[i] as string;
  if (entity.id === "user") line.account_id = accounts[i % accounts.length] as string;
  return line;
}

const rowsOf: Readonly<Record<string, readonly [number, number]>> = {
  account: [4, 4],
  user: [6, 6],
  subscription: [4, 7],
};

function sourceOf(entity: Entity, words: ReadonlyMap<string, readonly Cell[]>): fc.Arbitrary<GeneratedSource> {
  const [minLength, maxLength] = rowsOf[entity.id] ?? [3, 10];
  return fc
    .record({
      drafts: fc.array(draftOf(entity, words), { minLength, maxLength, size: "max" }),
      isSnapshot: entity.kind === "state" ? fc.constant(true) : fc.boolean(),
      came: fc.subarray([0, 1, 2, 3], { minLength: 2 }),
      latency: fc.constantFrom(0, 0, 2),
    })
    .map(({ drafts, isSnapshot, came, latency }) => {
      const columns = entity.columns.map(({ name }) => name);
      const whole = entity.id === "subscription" ? drafts.map(paying) : drafts;
      const files = came.map((version): ExportFile => {
        const day = deliveryDays[version] as number;
        const before = deliveryDays[came[came.indexOf(version) - 1] ?? -1] ?? Number.NEGATIVE_INFINITY;
        const lines = whole.flatMap((draft, i) => {
          // Of facts that are appended each comes with the first delivery after its day, and some once more.
          if (!isSnapshot && draft.day < before && draft.versions[version]?.times !== 2) return [];
          const line = lineOf(entity, draft, i, version, day);
          const times = isSnapshot
            ? (draft.versions[version]?.times ?? 1)
            : Math.max(1, draft.versions[version]?.times ?? 1);
          return line === null ? [] : Array.from({ length: times }, () => line);
        });
        return {
          name: `${entity.id}_${iso(day)}.csv`,
          day,
          columns,
          lines: lines.filter((line) => isWhole(entity, line)),
        };
      });
      const named = entity.columns.flatMap(({ name, type, required }) => (required && type === "text" ? [name] : []));
      const key = entity.key.length > 0 ? entity.key : [...new Set([...named, ...entity.eventColumns.slice(0, 1)])];
      const mode = isSnapshot ? "snapshot" : "append";
      return {
        entity: entity.id,
        yaml: `{ entity: ${entity.id}, files: '${entity.id}_*.csv', mode: ${mode}${isSnapshot || entity.key.length > 0 ? `, key: [${key.join(", ")}]` : ""}, latency_days: ${latency}, max_rejected: 0, settle: 0s, delivered: { from: file_name, pattern: '${entity.id}_{date}.csv' } }`,
        files,
      };
    });
}

/** Every account pays through most of the calendar; the spells after the first four come and go. */
function paying(draft: Draft, i: number): Draft {
  const account = accounts[i];
  if (account === undefined) return draft;
  const after = draft.after.ended_on ?? null;
  return {
    ...draft,
    account,
    day: -60 + (Math.abs(draft.day) % 70),
    cells: { ...draft.cells, is_trial: null },
    after: { ...draft.after, ended_on: after === null || after % 2 === 0 ? null : after + 90 },
  };
}

/** Rows that loading would reject are left out: they are another test's. */
const isWhole = (entity: Entity, line: Line): boolean =>
  entity.columns.every(({ name, required }) => !required || line[name] !== null) &&
  (entity.oneOf.length === 0 || entity.oneOf.some((name) => line[name] !== null));

interface Usage {
  readonly account: string;
  readonly user: number | null;
  readonly event: Cell;
  readonly day: number;
  readonly delay: number;
  readonly quantity: number | null;
  readonly isRepeated: boolean;
}

/** Usage comes by the month; late rows with their month's file or, sent once more, with the next. */
function usageOf(words: ReadonlyMap<string, readonly Cell[]>): fc.Arbitrary<GeneratedSource> {
  const events = words.get("usage_event.event") ?? [];
  const row: fc.Arbitrary<Usage> = fc.record({
    account: fc.constantFrom(...accounts),
    user: fc.option(fc.integer({ min: 0, max: 5 }), { freq: 6 }),
    event: events.length === 0 ? fc.constant("login") : fc.constantFrom(...events, "another"),
    day: fc.integer({ min: 0, max: lastDay - 1 }),
    delay,
    quantity: fc.option(fc.integer({ min: 0, max: 9 })),
    isRepeated: fc.boolean(),
  });
  return fc
    .record({
      rows: fc.array(row, { minLength: 150, maxLength: 300, size: "max" }),
      // Something happens on most days, so that feeds live.
      pulse: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 5, maxLength: 5 }),
    })
    .map(({ rows, pulse }) => {
      const columns = ["event_id", "account_id", "user_id", "event_time", "event", "known_at", "quantity"];
      const beat = Array.from({ length: lastDay }, (_, day) => day)
        .filter((day) => day % 7 !== pulse[0])
        .map(
          (day): Usage => ({
            account: accounts[day % 4] as string,
            user: day % 6,
            event: "login",
            day,
            delay: 0,
            quantity: null,
            isRepeated: false,
          }),
        );
      const lines = [...rows, ...beat].map((usage, i) => ({
        usage,
        line: {
          event_id: `e${i}`,
          account_id: usage.account,
          user_id: usage.user === null ? null : `user${usage.user}`,
          event_time: `${iso(usage.day)} ${String(i % 24).padStart(2, "0")}:30:00`,
          event: usage.event,
          known_at: `${iso(usage.day + usage.delay)} 23:45:00`,
          quantity: usage.quantity,
        },
      }));
      const months = [0, 1, 2, 3, 4].map((m) => ({ from: m * 30, to: m * 30 + 30 }));
      const files = months.map(
        ({ from, to }): ExportFile => ({
          name: `usage_event_${iso(to)}.csv`,
          day: to,
          columns,
          lines: lines
            .filter(
              ({ usage }) =>
                (usage.day >= from && usage.day < to) ||
                (usage.isRepeated && usage.day >= from - 30 && usage.day < to - 30),
            )
            .map(({ line }) => line),
        }),
      );
      return {
        entity: "usage_event",
        yaml: "{ entity: usage_event, files: 'usage_event_*.csv', mode: append, key: [event_id], max_rejected: 0, settle: 0s, delivered: { from: file_name, pattern: 'usage_event_{date}.csv' } }",
        files,
      };
    });
}

/** Books that deliver every entity whose rows belong to accounts, with values that the definitions look for. */
export function generatedBook(kpis: readonly KpiDefinition[]): fc.Arbitrary<GeneratedBook> {
  const words = vocabulary(kpis);
  const others = [...entities.values()].filter(
    (entity) =>
      entity.id !== "usage_event" &&
      entity.id !== "usage_daily" &&
      entity.kind !== "map" &&
      !byHand(entity) &&
      entity.columns.some(({ name }) => name === "account_id"),
  );
  return fc.tuple(usageOf(words), ...others.map((entity) => sourceOf(entity, words))).map((sources) => ({
    sources,
    // A book is too long to read in a report: the seed gives it again.
    [fc.toStringMethod]: () =>
      `a book of ${sources.map(({ entity, files }) => `${files.length} files of ${entity}`).join(", ")}`,
  }));
}

export const csv = ({ columns, lines }: Pick<ExportFile, "columns" | "lines">): string =>
  [columns.join(","), ...lines.map((line) => columns.map((name) => line[name] ?? "").join(",")), ""].join("\n");

/** The book on disk. `kpis` and the rest of assay.yaml as YAML lines. */
export async function writeBook({ sources }: GeneratedBook, rest = ""): Promise<TestBook> {
  const made = await testBook(
    sources.map(({ entity, yaml }) => `${entity}: ${yaml}`).join("\n"),
    `as_of: ${iso(lastDay)}\n${rest}`,
  );
  for (const { files } of sources) for (const file of files) await made.write(file.name, csv(file));
  return made;
}
