/** Every KPI of the library against values worked out by hand (test/fixtures/kpis). */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { entities } from "../../pipelines/config/entities.ts";
import { libraryIds, readLibraryKpi } from "../../pipelines/features/library.ts";
import { projectRoot } from "../../pipelines/lib/files.ts";
import type { SqlValue } from "../../pipelines/warehouse/literal.ts";
import { buildFeatures, type GivenTables } from "../small-warehouse.ts";

interface Fixture {
  readonly kpi: string;
  readonly alive?: readonly string[];
  readonly given: Readonly<Record<string, readonly Readonly<Record<string, SqlValue>>[]>>;
  readonly expect: readonly {
    readonly account_id: string;
    readonly snapshot_date: string;
    readonly value?: number;
    readonly why?: string;
  }[];
}

const folder = join(projectRoot, "test", "fixtures", "kpis");
const files = readdirSync(folder).filter((file) => file.endsWith(".yaml"));
const day = 86_400_000;
const iso = (time: number): string => new Date(time).toISOString().slice(0, 10);

/** Visible from the day after, unless the fixture says otherwise. */
function withVisibleOn(table: string, row: Readonly<Record<string, SqlValue>>): Readonly<Record<string, SqlValue>> {
  if (row.visible_on !== undefined) return row;
  const dates = table.startsWith("rollup.")
    ? ["activity_date"]
    : (entities.get(table.slice("staging.".length))?.eventColumns ?? []);
  const days = dates.map((name) => row[name]).filter((value) => value !== undefined && value !== null);
  const first = days.map((value) => String(value).slice(0, 10)).sort()[0] as string;
  return { ...row, visible_on: iso(Date.parse(first) + day) };
}

function tables(fixture: Fixture): GivenTables {
  const given: Record<string, Readonly<Record<string, SqlValue>>[]> = {};
  for (const [table, rows] of Object.entries(fixture.given))
    given[table] = rows.map((row) => withVisibleOn(table, row));
  given["staging.subscription"] = ["a", "b", "c", "d"].map((account_id) => ({
    account_id,
    subscription_id: account_id,
    started_on: "2023-01-01",
    visible_on: "2023-01-02",
  }));
  const add = (table: string, row: Readonly<Record<string, SqlValue>>) => {
    given[table] = [...(given[table] ?? []), withVisibleOn(table, row)];
  };
  for (let time = Date.parse("2023-12-01"); time < Date.parse("2024-06-03"); time += day) {
    if (fixture.alive?.includes("usage")) {
      add("rollup.account_day", { account_id: "zz", activity_date: iso(time), event: "alive", n_events: 1 });
    }
    if (fixture.alive?.includes("engagement")) {
      add("staging.engagement", { account_id: "zz", occurred_at: `${iso(time)} 12:00:00`, kind: "chat" });
    }
  }
  return given;
}

describe("the KPI library", () => {
  it("has a fixture for every KPI", async () => {
    expect(files.map((file) => file.replace(/\.yaml$/, "")).sort()).toEqual(await libraryIds());
  });

  it.each(files)("%s", async (file) => {
    const fixture = parse(readFileSync(join(folder, file), "utf8"), { schema: "core" }) as Fixture;
    const database = await buildFeatures(tables(fixture), [await readLibraryKpi(fixture.kpi)]);
    try {
      for (const { account_id, snapshot_date, value = null, why = null } of fixture.expect) {
        const rows = await database.query(
          `select k.${fixture.kpi} as value, w.why from features.account_kpi as k left join features.kpi_why_null as w ` +
            `using (account_id, snapshot_date) where account_id = '${account_id}' and snapshot_date = date '${snapshot_date}'`,
        );
        expect({ account_id, snapshot_date, rows }).toEqual({ account_id, snapshot_date, rows: [{ value, why }] });
      }
    } finally {
      database.close();
    }
  });
});
