/** No KPI knows more at a snapshot than could be known then: over generated exports, for the whole library and every column. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Book } from "../../pipelines/config/book.ts";
import { type Entity, entities } from "../../pipelines/config/entities.ts";
import type { KpiDefinition } from "../../pipelines/config/kpi.ts";
import { featureNodes } from "../../pipelines/features/compile.ts";
import { parseKpi, readLibrary } from "../../pipelines/features/library.ts";
import { compareWithCut, type TruncationResult } from "../../pipelines/features/truncate.ts";
import { usageRollUp } from "../../pipelines/features/usage-filter.ts";
import { projectRoot } from "../../pipelines/lib/files.ts";
import { sortNodes } from "../../pipelines/models/graph.ts";
import { readModels } from "../../pipelines/models/header.ts";
import type { Model, Node } from "../../pipelines/models/model.ts";
import type { Database } from "../../pipelines/warehouse/database.ts";
import { type GeneratedBook, generatedBook, writeBook } from "../generated-book.ts";
import { kpisOfUsage } from "../kpis-of-usage.ts";
import type { TestBook } from "../loading.ts";

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

/** One or two KPIs for each column of each entity, so that none can be read before its day. */
function everyColumn(): readonly KpiDefinition[] {
  const read = [...entities.values()].filter(
    ({ id, kind, columns }) =>
      id !== "usage_event" &&
      id !== "usage_daily" &&
      (kind === "fact" || kind === "state") &&
      columns.some(({ name }) => name === "account_id"),
  );
  const rule = { feed_gap_days: null, tenure: "any" };
  return read.flatMap((entity: Entity) => {
    const columns = entity.columns.filter(({ name }) => name !== "account_id" && name !== "known_at");
    return [
      ...columns.map(({ name }, i) => ({
        id: `${entity.id}_with_${name}`,
        measure: "count",
        entity: entity.id,
        filter: { [name]: { not: null } },
        window_days: i % 2 === 0 ? null : 40,
        null_rule: rule,
      })),
      ...columns
        .filter(({ type }) => type === "integer" || type === "number" || type === "money" || type === "boolean")
        .map(({ name }) => ({ id: `${entity.id}_latest_${name}`, measure: "latest", entity: entity.id, value: name })),
      ...columns
        .filter(({ type }) => type === "text")
        .map(({ name }) => ({
          id: `${entity.id}_kinds_of_${name}`,
          measure: "distinct",
          entity: entity.id,
          value: name,
          null_rule: rule,
        })),
      { id: `${entity.id}_days_since`, measure: "days_since", entity: entity.id },
      { id: `${entity.id}_days_60d`, measure: "active_days", entity: entity.id, window_days: 60, null_rule: rule },
    ].map((kpi) => parseKpi({ ...base, label: kpi.id.slice(0, 60), ...kpi }, kpi.id));
  });
}

/** Spine and features over what is staged. */
async function build(database: Database, nodes: readonly Node[]): Promise<void> {
  const known = await database.query<{ name: string }>(
    "select distinct schema_name || '.' || table_name as name from duckdb_columns() where schema_name in ('staging', 'rollup', 'raw', 'spine')",
  );
  for (const node of sortNodes(nodes, new Set(known.map(({ name }) => name)))) {
    await database.run(`create ${node.kind} ${node.name} as\n${(node as Model).sql}`);
  }
}

async function staged(made: TestBook, kpis: readonly KpiDefinition[]): Promise<{ database: Database; book: Book }> {
  const book = await made.read();
  const { database } = await made.stage(await made.load(), undefined, usageRollUp(kpis));
  await database.run(
    `create table meta.params as select date '${book.as_of}' as as_of, 28 as window_days, 30 as gap_days, 90 as horizon_days,
     90 as min_tenure_days, 30 as reactivation_grace_days, 'week' as score_every, 'month' as validate_every, 'USD' as currency`,
  );
  for (const schema of ["spine", "features"]) await database.run(`create schema ${schema}`);
  await build(database, await readModels("spine"));
  return { database, book };
}

async function truncate(
  database: Database,
  features: readonly Node[],
  kpis: readonly string[],
  dates: readonly string[],
): Promise<TruncationResult> {
  return compareWithCut(
    { query: database.query, run: (sql) => database.run(sql), note: () => {} },
    {
      catalog: "memory",
      macros: await readFile(join(projectRoot, "sql", "warehouse", "00_macros.sql"), "utf8"),
      spine: await readModels("spine"),
      features,
      kpis,
      dates,
    },
  );
}

const runs = Number(process.env.ASSAY_PROPERTY_RUNS ?? 2);

describe("features of generated exports", () => {
  it("at s are the same from all data as from data cut to what was visible at s", { timeout: 600_000 }, async () => {
    const library = await readLibrary();
    const columns = everyColumn();
    const asked = fc.shuffledSubarray([...columns], { minLength: 30, maxLength: 30 });
    const dated = fc.array(fc.nat(), { minLength: 3, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(
        generatedBook([...library, ...kpisOfUsage, ...columns]),
        asked,
        dated,
        async (generated, some, picks) => {
          const kpis = [...library, ...kpisOfUsage, ...some];
          const made = await writeBook(generated);
          const { database, book } = await staged(made, kpis);
          try {
            const nodes = featureNodes(kpis, book);
            await build(database, nodes);
            const rows = await database.query<{ date: string }>(
              "select snapshot_date as date from spine.snapshot order by 1",
            );
            const dates = [...new Set(picks.map((pick) => rows[pick % rows.length]?.date as string))];
            const { kpis: compared, state } = await truncate(
              database,
              nodes,
              kpis.map(({ id }) => id),
              dates,
            );
            expect([...compared, ...state].filter(({ n_changed }) => n_changed > 0)).toEqual([]);
            expect(compared.every(({ n_rows }) => n_rows === (compared[0]?.n_rows ?? 0))).toBe(true);
          } finally {
            database.close();
            await made.drop();
          }
        },
      ),
      { numRuns: runs, endOnFailure: true },
    );
  });

  // The test would be worth nothing if a leak passed it: engines with one leak each, on the same generated book.
  const leaks: readonly { readonly what: string; readonly nodes: (honest: Compiled) => readonly Node[] }[] = [
    {
      what: "sees every row at once, whenever it became visible",
      nodes: ({ nodes }) => reading(nodes, () => "replace (date '2000-01-01' as visible_on)"),
    },
    {
      what: "goes by the day of the event, not by the day on which it was known",
      nodes: ({ nodes }) =>
        reading(nodes, (_, days) => `replace (coalesce(${days}, visible_on - 1) + 1 as visible_on)`),
    },
    {
      what: "reads of each row the version that stands today",
      nodes: ({ nodes }) =>
        reading(nodes, (table) => (table.startsWith("staging") ? "where superseded_on is null" : "")),
    },
    {
      what: "shows a column with a date of its own before that date",
      nodes: ({ compile }) => undated(compile),
    },
  ];

  it("an engine without a leak passes on this book, and one with a leak fails", { timeout: 600_000 }, async () => {
    const library = await readLibrary();
    const columns = everyColumn();
    const kpis = [
      ...library.filter(({ id }) => ["logins_28d", "active_users_28d", "open_tickets"].includes(id)),
      ...columns.filter(({ entity }) => entity === "ticket"),
    ];
    const [generated] = fc.sample(generatedBook([...library, ...kpisOfUsage, ...columns]), { seed: 4, numRuns: 1 });
    const made = await writeBook(generated as GeneratedBook);
    const { database, book } = await staged(made, kpis);
    try {
      const rows = await database.query<{ date: string }>(
        "select snapshot_date as date from spine.snapshot order by 1",
      );
      const dates = [0.3, 0.6, 0.9].map((at) => rows[Math.floor(at * rows.length)]?.date as string);
      const compile = (): readonly Node[] => featureNodes(kpis, book);
      const honest = { nodes: compile(), compile };
      const changed = async (nodes: readonly Node[]): Promise<number> => {
        await database.run("drop schema features cascade; create schema features");
        await build(database, nodes);
        const result = await truncate(
          database,
          nodes,
          kpis.map(({ id }) => id),
          dates,
        );
        return result.kpis.filter(({ n_changed }) => n_changed > 0).length;
      };
      expect(await changed(honest.nodes)).toBe(0);
      for (const { what, nodes } of leaks) {
        const n = await changed(nodes(honest));
        expect({ what, isCaught: n > 0 }).toEqual({ what, isCaught: true });
      }
    } finally {
      database.close();
      await made.drop();
    }
  });
});

interface Compiled {
  readonly nodes: readonly Node[];
  readonly compile: () => readonly Node[];
}

/** The same statements over tables of which they see something else: `how` is put behind `select *` or behind the table. */
function reading(nodes: readonly Node[], how: (table: string, days: string) => string): readonly Node[] {
  let n = 0;
  const leaky = nodes.map((node): Node => {
    if (node.kind === "step") return node;
    const sql = node.sql.replaceAll(
      /\b(from|join) ("?(staging|rollup)"?\."?(\w+)"?)(?! *\.)( as \w+)?/g,
      (...match) => {
        const [, verb, table, layer, name, alias] = match as string[];
        const entity = entities.get(name as string);
        const on = layer === "rollup" ? ["activity_date"] : (entity?.eventColumns ?? []);
        const days =
          on.length === 0
            ? "null"
            : on.length === 1
              ? `cast(${on[0]} as date)`
              : `least(${on.map((c) => `cast(${c} as date)`).join(", ")})`;
        const change = how(`${layer}.${name}`, days);
        if (change === "") return `${verb} ${table}${alias ?? ""}`;
        n += 1;
        const select = change.startsWith("replace")
          ? `select * ${change} from ${table}`
          : `select * from ${table} ${change}`;
        return `${verb} (${select})${alias ?? ` as ${name}`}`;
      },
    );
    return { ...node, sql };
  });
  if (n === 0) throw new Error("no statement was changed");
  return leaky;
}

/** Compiles as if no column had a date of its own. */
function undated(compile: () => readonly Node[]): readonly Node[] {
  const catalogue = entities as Map<string, Entity>;
  const known = [...catalogue];
  for (const [id, entity] of known) {
    const columns = entity.columns.map(({ datedBy: _, ...column }) => column);
    catalogue.set(id, { ...entity, columns });
  }
  try {
    return compile();
  } finally {
    for (const [id, entity] of known) catalogue.set(id, entity);
  }
}
