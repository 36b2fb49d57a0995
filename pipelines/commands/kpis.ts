import { format } from "sql-formatter";
import { type Book, bookSchema } from "../config/book.ts";
import { entities } from "../config/entities.ts";
import { basesOf, factors, type KpiDefinition } from "../config/kpi.ts";
import { nearest } from "../config/yaml.ts";
import { deliveredEntities } from "../features/columns.ts";
import { kpiStatement } from "../features/compile.ts";
import { type ResolvedKpis, readLibrary, resolveKpis } from "../features/library.ts";
import { kpiInWords, whyInWords } from "../features/words.ts";
import { usageError } from "../lib/errors.ts";
import { findCurrentRelease } from "../publish/release.ts";
import type { Query } from "../warehouse/database.ts";
import { type BookOptions, type Context, openBook, openRelease } from "./context.ts";
import { withEverySource } from "./every-source.ts";
import { formatTable, wrap } from "./table.ts";

interface ListOptions extends BookOptions {
  readonly json?: boolean;
}

/** `assay kpis [BOOK]`: the library by factor; with a book, what of it is on, what is off and why. */
export async function listKpis(context: Context, name: string | undefined, options: ListOptions): Promise<void> {
  const library = await readLibrary();
  if (name === undefined) {
    context.print(
      options.json
        ? JSON.stringify({ kpis: library, off: [] }, null, 2)
        : [...byFactor(library, (kpi) => rowOf(kpi)), `${library.length} KPIs; npx assay kpis show ID tells more`].join(
            "\n\n",
          ),
    );
    return;
  }
  const { book } = await openBook(context, name, options);
  const resolved = await resolveKpis(book);
  const states = statesOf(book, resolved, library);
  const { kpis, off } = resolved;
  if (options.json) {
    const others = [...states.values()].flatMap(({ kpi, state, why }) =>
      state === "not listed" ? [{ id: kpi.id, why }] : [],
    );
    context.print(JSON.stringify({ kpis, off, not_listed: others }, null, 2));
    return;
  }
  const tables = byFactor(
    [...states.values()].map(({ kpi }) => kpi),
    (kpi) => {
      const { state, why } = states.get(kpi.id) as KpiState;
      return { ...rowOf(kpi), [book.book]: why === null ? state : `${state}: ${why}` };
    },
  );
  const others = [...states.values()].filter(({ state }) => state === "not listed");
  const ready = others.filter(({ why }) => why === null).length;
  const more = `${others.length} more in the library, ${ready} of which this book has the sources for`;
  context.print([...tables, `${kpis.length} on, ${off.length} off, ${more}`].join("\n\n"));
}

interface KpiState {
  readonly kpi: KpiDefinition;
  readonly state: "on" | "off" | "not listed";
  /** Of off and of what is not listed: what is missing. */
  readonly why: string | null;
}

/** The book's own KPIs and the library's, by id. */
function statesOf(book: Book, { kpis, off }: ResolvedKpis, library: readonly KpiDefinition[]): Map<string, KpiState> {
  const states = new Map<string, KpiState>();
  for (const kpi of kpis) states.set(kpi.id, { kpi, state: "on", why: null });
  const delivered = deliveredEntities(book);
  for (const kpi of library) {
    if (states.has(kpi.id)) continue;
    const isOff = off.find(({ id }) => id === kpi.id);
    const lacks = neededEntities(kpi, library).filter((entity) => !delivered.has(entity));
    const why = isOff?.why ?? (lacks.length === 0 ? null : `needs a source of entity ${lacks.join(" and ")}`);
    states.set(kpi.id, { kpi, state: isOff === undefined ? "not listed" : "off", why });
  }
  return states;
}

/** The entities that a KPI needs, through the KPIs that it is made of. */
function neededEntities(kpi: KpiDefinition, library: readonly KpiDefinition[]): readonly string[] {
  const known = new Map(library.map((one) => [one.id, one]));
  return [...new Set([kpi, ...basesOf(kpi, known)].flatMap(({ needs }) => needs))];
}

const rowOf = (kpi: KpiDefinition) => ({
  id: kpi.id,
  label: kpi.label,
  measure: measureText(kpi),
  days: kpi.window_days === null ? null : String(kpi.window_days),
  kind: kpi.kind,
  side: kpi.side,
  healthier: kpi.healthier,
});

const measureText = (kpi: KpiDefinition): string =>
  kpi.measure === "ratio"
    ? `${kpi.numerator} / ${kpi.denominator}`
    : kpi.measure === "expression"
      ? "expression"
      : kpi.measure === "milestone"
        ? `milestone (${kpi.as})`
        : `${kpi.measure}${kpi.of === undefined ? "" : ` (${kpi.of})`} of ${kpi.entity}`;

/** A table a factor, in the order of the factors. */
function byFactor(
  kpis: readonly KpiDefinition[],
  row: (kpi: KpiDefinition) => Readonly<Record<string, unknown>>,
): readonly string[] {
  return factors.flatMap((factor) => {
    const own = kpis.filter((kpi) => kpi.factor === factor);
    return own.length === 0 ? [] : [`${factor}\n${formatTable(own.map(row))}`];
  });
}

/** `assay kpis show ID [BOOK]`: one definition, its statement, and with a release what its values are. */
export async function showKpi(
  context: Context,
  id: string,
  name: string | undefined,
  options: ListOptions,
): Promise<void> {
  const opened = name === undefined ? undefined : await openBook(context, name, options);
  const book = opened?.book ?? libraryBook();
  const library = await readLibrary();
  const own = opened === undefined ? [] : await ownKpis(book);
  // A definition written in the book wins over the library's.
  const known = new Map([...library, ...own].map((one) => [one.id, one]));
  const kpi = known.get(id);
  if (kpi === undefined) {
    const near = nearest(id, [...known.keys()]);
    throw usageError(
      `no KPI ${id} in ${opened === undefined ? "the library" : `book ${book.book} or the library`}, expected one of those that 'npx assay kpis' lists`,
      near === undefined ? undefined : `did you mean ${near}?`,
    );
  }
  const state = opened === undefined ? null : statesOf(book, await resolveKpis(book), library).get(id);
  const sql = format(kpiStatement(kpi, withEverySource(book), [...known.values()]), {
    language: "duckdb",
    keywordCase: "preserve",
  });
  const values =
    name === undefined || opened === undefined ? null : await valuesOf(context, name, opened.state, id, options);
  const words = kpiInWords(kpi);
  const missing = whyInWords(kpi);
  if (options.json) {
    const answer = {
      definition: kpi,
      words,
      missing,
      state: state?.state ?? null,
      why: state?.why ?? null,
      values,
      sql,
    };
    context.print(JSON.stringify(answer, null, 2));
    return;
  }
  const line = (key: string, text: string): string => `${key.padEnd(12)}${wrap(text, 98, " ".repeat(12))}`;
  context.print(
    [
      `${kpi.id}, version ${kpi.version}: ${kpi.label}`,
      wrap(kpi.description, 110, ""),
      "",
      line("is", words),
      line("unit", kpi.unit),
      line("factor", `${kpi.factor}; ${kpi.kind}, ${kpi.side}${kpi.stage === undefined ? "" : `; stage ${kpi.stage}`}`),
      line("healthier", kpi.healthier === "tested" ? "tested: history decides" : kpi.healthier),
      line("says", `accounts that ${kpi.says.less}; accounts that ${kpi.says.more}`),
      line("needs", neededEntities(kpi, [...known.values()]).join(", ")),
      ...missing.map((text, i) => line(i === 0 ? "no value" : "", text)),
      ...(state === null || state === undefined
        ? []
        : [line(`in ${book.book}`, state.why === null ? state.state : `${state.state}: ${state.why}`)]),
      ...(values === null ? [] : ["", ...valueLines(values, kpi.unit)]),
      "",
      "-- The statement that computes it alone; sql/warehouse/00_macros.sql comes first.",
      sql,
    ].join("\n"),
  );
}

/** The definitions that a book has: those that are on, or would be if their sources were there. */
const ownKpis = async (book: Book): Promise<readonly KpiDefinition[]> =>
  (await resolveKpis(withEverySource(book))).kpis;

/** A book of the library as such: every entity, no columns of its own. */
function libraryBook(): Book {
  const fields = bookSchema.parse({
    book: "library",
    sources: Object.fromEntries([...entities.keys()].map((entity) => [entity, { entity, files: `${entity}.csv` }])),
    kpis: ["logins_28d"],
  });
  return { ...fields, folder: "", file: "", config_sha256: "" };
}

interface Values {
  readonly as_of: string;
  readonly accounts: number;
  readonly with_value: number;
  /** Why the others have none. */
  readonly why_null: Readonly<Record<string, number>>;
  readonly zero: number;
  /** Of the values, from the least to the greatest. */
  readonly quantiles: Readonly<Record<"min" | "p10" | "p25" | "p50" | "p75" | "p90" | "max", number | null>>;
}

/** The values of a KPI at the newest snapshot of the current release; null without a release that has it. */
async function valuesOf(
  context: Context,
  name: string,
  state: string,
  id: string,
  options: BookOptions,
): Promise<Values | null> {
  if ((await findCurrentRelease(state)) === null) return null;
  const { database, release } = await openRelease(context, name, options);
  try {
    return await readValues(database.query, id, release.manifest.as_of);
  } finally {
    database.close();
  }
}

async function readValues(query: Query, id: string, asOf: string): Promise<Values | null> {
  const [known] = await query(`select id from features.kpi_definition where id = '${id}'`);
  if (known === undefined) return null;
  const shares = { min: 0, p10: 0.1, p25: 0.25, p50: 0.5, p75: 0.75, p90: 0.9, max: 1 };
  const [row] = await query<Record<string, number | null>>(
    `select count(*) as accounts, count(${id}) as with_value, count(*) filter (where ${id} = 0) as zero,
       ${Object.entries(shares)
         .map(([key, share]) => `quantile_disc(${id}, ${share}) as ${key}`)
         .join(", ")}
     from features.account_kpi where snapshot_date = date '${asOf}'`,
  );
  const why = await query<{ why: string; n: number }>(
    `select why, count(*) as n from features.kpi_why_null where kpi = '${id}' and snapshot_date = date '${asOf}' group by why order by why`,
  );
  const { accounts, with_value, zero, ...quantiles } = row as Record<string, number | null>;
  return {
    as_of: asOf,
    accounts: accounts ?? 0,
    with_value: with_value ?? 0,
    zero: zero ?? 0,
    why_null: Object.fromEntries(why.map((one) => [one.why, one.n])),
    quantiles: quantiles as Values["quantiles"],
  };
}

function valueLines(
  { as_of, accounts, with_value, why_null, zero, quantiles }: Values,
  unit: string,
): readonly string[] {
  const missing = Object.entries(why_null).map(([why, n]) => `${n} ${why}`);
  const shown = Object.entries(quantiles).map(([key, value]) => [
    key,
    value === null ? null : Math.round(value * 1e4) / 1e4,
  ]);
  return [
    `On ${as_of}: ${with_value} of ${accounts} accounts have a value, ${zero} of them 0${missing.length > 0 ? `; without: ${missing.join(", ")}` : ""}.`,
    ...(with_value === 0 ? [] : [`In ${unit}:`, formatTable([Object.fromEntries(shown)])]),
  ];
}
