/** Statements marked portable run in DuckDB and in Trino: the grammar is checked, then every function and type they use. */
import { TrinoSQL } from "dt-sql-parser";
import { beforeAll, describe, expect, it } from "vitest";
import { plainRollUp } from "../../pipelines/config/kpi.ts";
import { featureNodes } from "../../pipelines/features/compile.ts";
import { readLibrary } from "../../pipelines/features/library.ts";
import { qualityNodes } from "../../pipelines/features/quality.ts";
import { usageRollUp } from "../../pipelines/features/usage-filter.ts";
import type { LoadResult } from "../../pipelines/load/load.ts";
import { rollUpStatements } from "../../pipelines/load/rollup.ts";
import { stagingNodes } from "../../pipelines/load/stage.ts";
import { readModels } from "../../pipelines/models/header.ts";
import type { Model } from "../../pipelines/models/model.ts";
import { kpisOfUsage } from "../kpis-of-usage.ts";
import { smallBook } from "../small-warehouse.ts";

/** Functions with one meaning in both engines (those of bits and dates, and sequence, by macros). */
const allowedFunctions = new Set([
  "bitwise_and",
  "bitwise_or_agg",
  "cast",
  "coalesce",
  "count",
  "date_add",
  "date_diff",
  "date_trunc",
  "greatest",
  "least",
  "max",
  "min",
  "row_number",
  "sequence",
  "sum",
  "unnest",
]);
const allowedTypes = /^(bigint|integer|date|timestamp|varchar|boolean|double precision|decimal\(\d+, ?\d+\))$/;
/** Words before a parenthesis that are no function calls. */
const syntax = new Set(
  "as in and or not on over when then else case where select from join by exists using decimal".split(" "),
);

const parser = new TrinoSQL();

/** What keeps a statement from running in both engines; empty when nothing does. */
function problems(sql: string): readonly string[] {
  const found: string[] = [];
  for (const error of parser.validate(sql)) found.push(`line ${error.startLine}: ${error.message}`);
  const bare = sql.replaceAll(/'(?:[^']|'')*'/g, "''").replaceAll(/--.*$/gm, "");
  if (bare.includes(";")) found.push("a second statement");
  for (const [, name] of bare.matchAll(/([a-z_][a-z0-9_]*)\s*\(/gi)) {
    const word = (name as string).toLowerCase();
    if (!syntax.has(word) && !allowedFunctions.has(word)) found.push(`function ${word}`);
  }
  for (const [, type] of bare.matchAll(/\bas\s+([a-z ]+(?:\(\d+, ?\d+\))?)\s*\)/gi)) {
    const text = (type as string).trim();
    if (!allowedTypes.test(text)) found.push(`type ${text}`);
  }
  if (/(least|greatest)\([^)]*\bnull\b/i.test(bare)) found.push("null inside least or greatest");
  if (/\/\/|\s\/\s/.test(bare)) found.push("a division");
  // Trino's grammar takes the word for the name of the table before it.
  if (/\basof\b/i.test(bare)) found.push("asof");
  if (/"\s*\(/.test(bare)) found.push("a function under a quoted name");
  // A date less a date is a number in DuckDB and an interval in Trino; a date and a number is nothing in Trino.
  const date = "(?:[a-z_]+\\.)?(?:[a-z_]*_(?:date|on|day)|day)\\b";
  if (new RegExp(`${date}\\s*[-+]|[-+]\\s*${date}`, "i").test(bare)) found.push("arithmetic on a date");
  return found;
}

/** Every statement of a book with the whole library and the KPIs above that is marked as portable. */
let portable: readonly Model[];
let all: readonly Model[];
beforeAll(async () => {
  const kpis = [...(await readLibrary()), ...kpisOfUsage];
  const book = smallBook();
  all = [...(await readModels("spine")), ...featureNodes(kpis, book), ...(await qualityNodes(kpis, book))];
  portable = all.filter((model) => model.portable);
});

describe("portable statements", () => {
  it("are those that read the roll-ups, and only those", () => {
    const reading = all.filter((model) => model.depends.some((table) => table.startsWith("rollup.")));
    expect(reading.map(({ name }) => name).sort()).toEqual(portable.map(({ name }) => name).sort());
    expect(reading.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["spine.first_use", "features.usage_window", "features.usage_input_day"]),
    );
  });

  it("parse as Trino SQL and use only what both engines have", () => {
    expect(portable.length).toBeGreaterThan(3);
    for (const model of portable)
      expect({ model: model.name, problems: problems(model.sql) }).toEqual({ model: model.name, problems: [] });
  });

  it("the roll-ups themselves, too", () => {
    const filter = { name: "passes_1", sql: "user_id is not null and quantity > 1.5" };
    const statements = rollUpStatements({ account: [filter], user: [filter], last: [filter] });
    expect([...statements, ...rollUpStatements(plainRollUp)].map(({ name }) => name)).toEqual([
      "account_day",
      "user_day",
      "account_last",
      "account_day",
      "user_day",
    ]);
    for (const { sql } of statements) expect(problems(sql)).toEqual([]);
    for (const { sql } of rollUpStatements(plainRollUp)) expect(problems(sql)).toEqual([]);
  });

  it("the roll-ups' columns for every filter that a KPI of usage may have", () => {
    const wanted = usageRollUp(kpisOfUsage);
    expect([wanted.account.length, wanted.user.length, wanted.last.length]).toEqual([7, 1, 1]);
    for (const { sql } of rollUpStatements(wanted)) expect(problems(sql)).toEqual([]);
    for (const { name, sql } of [...wanted.account, ...wanted.user, ...wanted.last]) {
      expect(problems(`select case when ${sql} then 1 end as ${name} from usage_row`)).toEqual([]);
    }
  });

  it("the staging of usage, with repeats and with accounts behind other ids", async () => {
    const columns = { account_id: { from: "workspace", via: "account_key" } };
    const book = smallBook({
      sources: {
        account_key: { entity: "account_key", files: "keys.csv" },
        usage: { entity: "usage_event", files: "usage.csv", columns, key: ["event_id"] },
      },
    });
    const facts = {
      entity: "usage_event",
      arrivalKnown: true,
      arrivalReason: "",
      repeats: { path: "r", rows: 1, corrections: 0 },
    };
    const delivery = { source: "usage", entity: "usage_event", delivery_id: "u", no: 1, file: "u.csv", sha256: "" };
    const counted = {
      rows_read: 1,
      rows_loaded: 1,
      rows_rejected: 0,
      rows_left_out: 0,
      header_lines: 1,
      covers: null,
      first_event_at: null,
      last_event_at: null,
    };
    const stored = { rows: "u", days: "d", rejects: null, ignored: [], isCurrentReading: true };
    const deliveries = [{ ...delivery, ...counted, ...stored, delivered_at: "2024-01-01T00:00:00Z" }];
    const load = { deliveries, sources: { usage: facts } };
    const nodes = await stagingNodes(book, load as unknown as LoadResult);
    const usage = nodes.find(({ name }) => name === "staging.usage_event") as Model;
    expect(usage.portable).toBe(true);
    expect(usage.sql).toContain("raw.usage_repeat");
    expect(usage.sql).toContain("staging.account_identity");
    expect(problems(usage.sql)).toEqual([]);
  });

  it.each([
    ["select a::bigint from t", "a cast that Trino does not know"],
    ["select a from t qualify row_number() over (order by a) = 1", "qualify"],
    ["select a, count(*) from t group by all", "group by all"],
    ["select * exclude (a) from t", "exclude"],
    ["select arg_max(a, b) from t", "a function of DuckDB alone"],
    ["select cast(a as hugeint) from t", "a type of DuckDB alone"],
    ["select greatest(a, null) from t", "null inside greatest"],
    ["select a from t; select b from t", "a second statement"],
    ['select "hash"(a) from t', "a function of DuckDB alone, quoted"],
    ["select isfinite(a) from t", "a function of DuckDB alone"],
    ["select list(a)[1] from t", "a list"],
    ["select snapshot_date - activity_date from t", "a number of days by subtraction"],
    ["select t.visible_on + 1 from t", "the day after by addition"],
    ["select a // b from t", "a division"],
    ["select a from t asof join u on t.b >= u.b", "asof"],
  ])("would refuse %s", (sql) => {
    expect(problems(sql)).not.toEqual([]);
  });
});
