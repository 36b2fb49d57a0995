/** What a refresh remembers changes nothing: after every change the whole release is that of a rebuild from nothing. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { refresh } from "../../pipelines/commands/refresh.ts";
import { readBook } from "../../pipelines/config/book.ts";
import { readLibrary } from "../../pipelines/features/library.ts";
import { silentLog } from "../../pipelines/lib/log.ts";
import { Database } from "../../pipelines/warehouse/database.ts";
import { csv, type GeneratedBook, generatedBook, iso, writeBook } from "../generated-book.ts";
import type { TestBook } from "../loading.ts";
import { fileDifferences, tableDifferences } from "../same-release.ts";

/** KPIs of the library until every measure and every entity has one. */
async function someOfEach(): Promise<readonly string[]> {
  const seen = new Set<string | null>();
  const found: string[] = [];
  for (const { id, measure, entity } of await readLibrary()) {
    if (seen.has(measure) && seen.has(entity)) continue;
    seen.add(measure).add(entity);
    found.push(id);
  }
  return found;
}

const own = (id: string, more: string): string =>
  `{ id: ${id}, label: ${id}, description: for a test, factor: control, kind: objective, side: reactive, unit: things, healthier: tested, says: { less: had less, more: had more }, ${more} }`;

const edit = async (made: TestBook, change: (text: string) => string): Promise<void> => {
  const file = join(made.folder, "assay.yaml");
  await writeFile(file, change(await readFile(file, "utf8")));
};

async function refreshed(made: TestBook, state: string): Promise<string> {
  const { release } = await refresh({
    book: await readBook(made.folder, { cwd: made.folder, env: {} }),
    state,
    site: false,
    now: () => new Date("2024-07-01T00:00:00Z"),
    log: silentLog,
  });
  return release.folder;
}

/** Every difference between two releases of a book from two states: tables, artefacts, files for other systems, statements. */
async function differences(made: TestBook, one: string, other: string): Promise<readonly unknown[]> {
  // The paths of the store are part of the statements.
  const read = (text: string): string =>
    text.replaceAll(/\/\.(remembered|fresh)\//g, "/STATE/").replace(/^-- sha256 .*$/m, "");
  expect(one.startsWith(made.folder) && other.startsWith(made.folder)).toBe(true);
  return [
    ...(await tableDifferences(one, other, { except: { "meta.model_run": ["fingerprint"] } })),
    ...fileDifferences(one, other, { read }),
  ];
}

/** Months of feature tables that a refresh took over from an earlier one. */
async function reusedMonths(release: string): Promise<number> {
  const database = await Database.open({ path: join(release, "warehouse.duckdb"), readOnly: true });
  try {
    return (
      (await database.scalar<number>("select cast(coalesce(sum(months_reused), 0) as bigint) from meta.model_run")) ?? 0
    );
  } finally {
    database.close();
  }
}

const runs = Number(process.env.ASSAY_PROPERTY_RUNS ?? 1);

describe("an incremental refresh", () => {
  it("gives exactly the release that a full one gives", { timeout: 3_600_000 }, async () => {
    const library = await readLibrary();
    const listed = await someOfEach();
    const window = fc.integer({ min: 5, max: 40 });
    await fc.assert(
      fc.asyncProperty(
        generatedBook(library),
        window,
        fc.constantFrom("ticket", "invoice", "user"),
        async (generated, days, dropped) => {
          const usage = generated.sources.find(({ entity }) => entity === "usage_event");
          const newest = usage?.files.at(-1);
          if (usage === undefined || newest === undefined) throw new Error("a book has usage");
          // Held back: what comes later. The last month of usage at first, of the others every delivery of the last day.
          const before: GeneratedBook = {
            sources: generated.sources.map((source) => ({
              ...source,
              files: source.files.filter(({ day }) => day < 148),
            })),
          };
          const made = await writeBook(before);
          const state = join(made.folder, ".remembered");
          const note = async (what: string): Promise<void> => {
            const incremental = await refreshed(made, state);
            const fresh = join(made.folder, ".fresh");
            const full = await refreshed(made, fresh);
            expect({ what, differences: await differences(made, incremental, full) }).toEqual({
              what,
              differences: [],
            });
            expect(await reusedMonths(full)).toBe(0);
            if (what === "one new day") expect(await reusedMonths(incremental)).toBeGreaterThan(0);
            await rm(fresh, { recursive: true, force: true });
          };
          try {
            const inline = (n: number): string =>
              own("logins_of_late", `measure: count, entity: usage_event, filter: { event: login }, window_days: ${n}`);
            await edit(made, (text) =>
              text
                .replace(/^as_of: .*$/m, "as_of: latest")
                .replace("kpis: [logins_28d]", `kpis: [${[...listed, inline(days)].join(", ")}]`),
            );
            await refreshed(made, state);

            const day = (n: number) => newest.lines.filter(({ event_time }) => String(event_time).startsWith(iso(n)));
            await made.write(`usage_event_${iso(121)}.csv`, csv({ columns: newest.columns, lines: day(120) }));
            await note("one new day");

            const late = [
              {
                event_id: "late1",
                account_id: "a",
                user_id: "user1",
                event_time: `${iso(81)} 10:00:00`,
                event: "login",
                known_at: `${iso(120)} 10:00:00`,
                quantity: 3,
              },
              {
                event_id: "late2",
                account_id: "b",
                user_id: "user9",
                event_time: `${iso(81)} 11:00:00`,
                event: "invoice_sent",
                known_at: `${iso(81)} 11:00:00`,
                quantity: 1,
              },
            ];
            await made.write(`usage_event_${iso(122)}.csv`, csv({ columns: newest.columns, lines: late }));
            for (const { files } of generated.sources)
              for (const file of files) if (file.day === 148) await made.write(file.name, csv(file));
            await note("a late correction 40 days back, and corrected tables");

            const added = own(
              "events_with_amount",
              "measure: sum, entity: usage_event, value: quantity, filter: { quantity: { at_least: 2 } }, window_days: 30",
            );
            await edit(made, (text) => text.replace(inline(days), `${inline(days + 7)}, ${added}`));
            await note("a changed definition and a new KPI");

            await edit(made, (text) => text.replace(new RegExp(`^  ${dropped}: .*\\n`, "m"), ""));
            await note("a dropped source");
          } finally {
            await made.drop();
          }
        },
      ),
      { numRuns: runs, endOnFailure: true },
    );
  });
});
